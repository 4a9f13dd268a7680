//! Taking old events away.

use std::time::Duration;

use model::ids::MachineId;

use crate::args;
use crate::db::Value;
use crate::error::Result;
use crate::worker::Worker;

/// Events are kept for so long, and so many of a machine.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
const KEPT_MOST: i64 = 100_000;
/// So many are taken away at once.
const CHUNK: i64 = 2_000;

/// Takes away events that are too old or too many, and what is known of containers of machines that are gone. How many events went.
pub async fn tidy(worker: &Worker) -> Result<u64> {
    let oldest = worker.platform().now().minus(KEPT);
    let mut gone = take_away(worker, "at < $2", args![oldest]).await?;
    let machines: Vec<MachineId> =
        worker.platform().read().await?.all("SELECT machine_id FROM event_cursors LIMIT 5000", args![], |row| row.get("machine_id")).await?;
    for machine in machines {
        let sql = format!("SELECT at FROM events WHERE machine_id = $1 ORDER BY at DESC, id DESC LIMIT 1 OFFSET {KEPT_MOST}");
        let first: Option<i64> = worker.platform().read().await?.opt(sql, args![machine], |row| row.get("at")).await?;
        if let Some(first) = first {
            gone += take_away(worker, "machine_id = $2 AND at <= $3", args![machine, first]).await?;
        }
    }
    let mut change = worker.relaxed_change().await?;
    for table in ["event_containers", "event_cursors"] {
        let sql = format!("DELETE FROM {table} WHERE machine_id IN (SELECT id FROM machines WHERE removed_at IS NOT NULL)");
        change.exec(sql, args![]).await?;
    }
    change.finish().await?;
    Ok(gone)
}

/// In parts, so that nobody waits long for the writer.
async fn take_away(worker: &Worker, which: &str, more: Vec<Value>) -> Result<u64> {
    let mut gone = 0;
    loop {
        let mut arguments: Vec<Value> = args![CHUNK];
        arguments.extend(more.iter().cloned());
        let mut change = worker.relaxed_change().await?;
        let sql = format!("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE {which} LIMIT $1)");
        let part = change.exec(sql, arguments).await?;
        change.finish().await?;
        gone += part;
        if part < CHUNK.unsigned_abs() {
            return Ok(gone);
        }
    }
}

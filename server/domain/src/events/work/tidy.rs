//! Taking old events away: those of more than 90 days, and before that those that are too many.
//!
//! How many are kept is counted apart: 100,000 of each project, on all machines together, and 50,000 of what belongs to no project (containers that
//! Slipway did not make, and engines themselves) of each machine. So a container made by hand that starts and dies all day takes no service's
//! history away, and no project takes another one's.

use std::time::Duration;

use model::ids::{EventId, MachineId, ProjectId};

use crate::args;
use crate::db::{Row, Value};
use crate::error::Result;
use crate::worker::Worker;

/// Events are kept for so long.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// And no more than these.
const MOST: Most = Most { of_project: 100_000, of_others: 50_000 };
/// So many are taken away at once.
const CHUNK: i64 = 2_000;

/// How many of the newest events are kept.
#[derive(Clone, Copy)]
struct Most {
    /// Of each project.
    of_project: i64,
    /// Of each machine, of those that belong to no project.
    of_others: i64,
}

/// Takes away events that are too old or too many, and what is known of containers of machines that are gone. How many events went.
pub async fn tidy(worker: &Worker) -> Result<u64> {
    let oldest = worker.platform().now().minus(KEPT);
    let mut gone = take_away(worker, "at < $2", args![oldest]).await?;
    gone += keep_most(worker, MOST).await?;
    let mut change = worker.relaxed_change().await?;
    for table in ["event_containers", "event_cursors"] {
        let sql = format!("DELETE FROM {table} WHERE machine_id IN (SELECT id FROM machines WHERE removed_at IS NOT NULL)");
        change.exec(sql, args![]).await?;
    }
    change.finish().await?;
    Ok(gone)
}

async fn keep_most(worker: &Worker, most: Most) -> Result<u64> {
    let platform = worker.platform();
    let mut gone = 0;
    let machines: Vec<MachineId> = platform.read().await?.all("SELECT id FROM machines LIMIT 5000", args![], |row| row.get("id")).await?;
    for machine in machines {
        gone += keep_newest(worker, "machine_id = $2 AND project_id IS NULL", machine.into(), most.of_others).await?;
    }
    // What is left of deleted projects counts as well.
    let projects: Vec<ProjectId> = platform.read().await?.all("SELECT id FROM projects LIMIT 20000", args![], |row| row.get("id")).await?;
    for project in projects {
        gone += keep_newest(worker, "project_id = $2", project.into(), most.of_project).await?;
    }
    Ok(gone)
}

/// Of the events that are somebody's (`$2`), the newest stay.
async fn keep_newest(worker: &Worker, which: &str, whose: Value, most: i64) -> Result<u64> {
    let sql = format!("SELECT at, id FROM events WHERE {which} ORDER BY at DESC, id DESC LIMIT 1 OFFSET $1");
    let read = |row: &Row<'_>| -> Result<(i64, EventId)> { Ok((row.get("at")?, row.get("id")?)) };
    let first = worker.platform().read().await?.opt(sql, vec![Value::from(most), whose.clone()], read).await?;
    let Some((at, id)) = first else { return Ok(0) };
    take_away(worker, &format!("{which} AND (at, id) <= ($3, $4)"), vec![whose, Value::from(at), Value::from(id)]).await
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

#[cfg(test)]
mod tests {
    use model::access::Role;

    use super::*;
    use crate::testing::Store;

    async fn project(store: &Store, name: &str) -> ProjectId {
        let member = store.person(&format!("owner-of-{name}"), false).await;
        let name = store.project(name, &member, Role::Developer).await;
        let mut tx = store.platform.read().await.expect("a transaction");
        tx.one("SELECT id FROM projects WHERE name = $1", args![&name], |row| row.get("id")).await.expect("its id")
    }

    /// Ends of one container of a project, or of nobody's.
    async fn write(store: &Store, project: Option<ProjectId>, times: impl IntoIterator<Item = i64>) {
        let machine = store.machine().await.id;
        let container = project.map_or_else(|| String::from("other"), |project| project.to_string());
        let mut write = store.platform.bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO events (id, machine_id, at, nanos, kind, container, name, image, project_id, oom, planned, recovered, text)
                   VALUES ($1, $2, $3, $4, 'died', $5, '', '', $6, $7, $7, $7, '')";
        for (nanos, at) in (0_i64..).zip(times) {
            let id: EventId = store.platform.new_id();
            write.exec(sql, args![id, machine, at, at * 1_000_000 + nanos, &container, project, false]).await.expect("an event");
        }
        write.finish().await.expect("kept");
    }

    /// What is left of it, the oldest first.
    async fn left(store: &Store, project: Option<ProjectId>) -> Vec<i64> {
        let sql = "SELECT at FROM events WHERE project_id IS NOT DISTINCT FROM $1 ORDER BY at";
        let mut tx = store.platform.read().await.expect("a transaction");
        tx.all(sql, args![project], |row| row.get("at")).await.expect("read")
    }

    #[tokio::test]
    async fn who_is_loud_loses_events_of_its_own_alone() {
        let store = Store::open().await;
        let (shop, lab) = (project(&store, "shop").await, project(&store, "lab").await);
        let now = store.platform.now().0;
        write(&store, Some(shop), now - 3..now).await;
        write(&store, Some(lab), now..now + 9).await;
        // All in one millisecond.
        write(&store, None, [now; 20]).await;
        let most = Most { of_project: 4, of_others: 5 };
        assert_eq!(keep_most(&store.worker, most).await.expect("tidied"), 5 + 15);
        assert_eq!(left(&store, Some(shop)).await, [now - 3, now - 2, now - 1], "the oldest of all, and quiet");
        assert_eq!(left(&store, Some(lab)).await, [now + 5, now + 6, now + 7, now + 8]);
        assert_eq!(left(&store, None).await, [now; 5]);
        assert_eq!(keep_most(&store.worker, most).await.expect("tidied"), 0, "no more than that");
        write(&store, None, now + 1..now + 30).await;
        assert_eq!(keep_most(&store.worker, most).await.expect("tidied"), 29);
        assert_eq!(left(&store, Some(shop)).await.len() + left(&store, Some(lab)).await.len(), 7, "others were loud again");
    }
}

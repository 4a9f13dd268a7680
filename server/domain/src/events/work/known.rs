//! How far engines were heard, and what their events told of containers: what the engine's loop compares with the engine after a silence.

use std::collections::BTreeMap;

use model::ids::{EventId, MachineId, RevisionId, ServiceId, TaskId};
use model::time::Millis;

use super::{numbers, put_cursor};
use crate::args;
use crate::db::{Row, Value};
use crate::deployments::work::WorkKey;
use crate::error::Result;
use crate::live::Topic;
use crate::worker::Worker;

/// Most containers of a machine that are read at once.
const CONTAINERS: i64 = 20_000;

/// How far an engine was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The time of the last event, in nanoseconds, by the engine's clock.
    pub nanos: i64,
    /// When somebody listened last, by the portal's clock.
    pub listened_at: Millis,
}

/// How far a machine's engine was heard; none: never.
pub async fn cursor(worker: &Worker, machine: MachineId) -> Result<Option<Cursor>> {
    let sql = "SELECT nanos, listened_at FROM event_cursors WHERE machine_id = $1";
    let read = |row: &Row<'_>| -> Result<Cursor> { Ok(Cursor { nanos: row.get("nanos")?, listened_at: row.get("listened_at")? }) };
    worker.platform().read().await?.opt(sql, args![machine], read).await
}

/// Somebody listens to a machine's engine, and has heard all of what happened up to this time of its clock.
pub async fn listening(worker: &Worker, machine: MachineId, nanos: i64) -> Result<()> {
    let mut change = worker.relaxed_change().await?;
    put_cursor(&mut change, machine, nanos, worker.platform().now()).await?;
    change.finish().await
}

/// What events told of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// The image that it was made from.
    pub image: String,
    /// Its last start.
    pub started: Option<Millis>,
    /// Its last end.
    pub died: Option<Millis>,
    /// How often it started.
    pub starts: i64,
    /// How often it ended.
    pub deaths: i64,
}

/// The containers of a machine that events told of, and that were not removed as far as is known.
pub async fn known(worker: &Worker, machine: MachineId) -> Result<BTreeMap<String, Known>> {
    let sql = format!(
        "SELECT container, name, image, started_at, died_at, starts, deaths FROM event_containers WHERE machine_id = $1
         ORDER BY container LIMIT {CONTAINERS}"
    );
    let read = |row: &Row<'_>| -> Result<(String, Known)> {
        let known = Known {
            name: row.get("name")?,
            image: row.get("image")?,
            started: row.get("started_at")?,
            died: row.get("died_at")?,
            starts: row.get("starts")?,
            deaths: row.get("deaths")?,
        };
        Ok((row.get("container")?, known))
    };
    Ok(worker.platform().read().await?.all(sql, args![machine], read).await?.into_iter().collect())
}

/// The last end of a container, as it is recorded.
struct LastEnd {
    id: EventId,
    container: String,
    exit_code: Option<i64>,
    service: Option<ServiceId>,
}

/// Puts right with what code and signal containers ended for the last time, as the engine shows it. An engine that went away over an end told what
/// it could, and knows better when it is back.
pub async fn correct_ends(worker: &Worker, machine: MachineId, shown: &BTreeMap<String, (i64, Option<i64>)>) -> Result<()> {
    let mut wrong = Vec::new();
    let mut tx = worker.platform().read().await?;
    let containers: Vec<&String> = shown.keys().collect();
    for part in containers.chunks(500) {
        let sql = format!(
            "SELECT e.id, e.container, e.exit_code, e.service_id FROM events e WHERE e.machine_id = $1 AND e.kind = 'died' AND e.container IN ({})
             AND e.nanos = (SELECT MAX(o.nanos) FROM events o WHERE o.machine_id = $1 AND o.container = e.container AND o.kind = 'died')",
            numbers(2, part.len())
        );
        let mut arguments: Vec<Value> = args![machine];
        arguments.extend(part.iter().copied().map(Value::from));
        let read = |row: &Row<'_>| -> Result<LastEnd> {
            let (id, container) = (row.get("id")?, row.get("container")?);
            Ok(LastEnd { id, container, exit_code: row.get("exit_code")?, service: row.get("service_id")? })
        };
        for end in tx.all(sql, arguments, read).await? {
            match shown.get(&end.container) {
                Some((code, signal)) if end.exit_code != Some(*code) => wrong.push((end, *code, *signal)),
                _ => {}
            }
        }
    }
    drop(tx);
    if wrong.is_empty() {
        return Ok(());
    }
    let mut change = worker.relaxed_change().await?;
    for (end, code, signal) in wrong {
        let text = end.exit_code.map_or_else(String::new, |told| format!("the engine told {told} before it went away, and shows {code}"));
        let sql = "UPDATE events SET exit_code = $2, signal = $3, text = CASE WHEN text = '' THEN $4 ELSE text END WHERE id = $1";
        change.exec(sql, args![end.id, code, signal, text]).await?;
        if let Some(service) = end.service {
            change.touch(Topic::Service(service));
        }
    }
    change.touch(Topic::Machine(machine));
    change.finish().await
}

/// How a task whose container is gone ended, as far as its own record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEnd {
    /// With what.
    pub exit_code: Option<i64>,
    /// When that was recorded.
    pub at: Option<Millis>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// How the tasks of these containers ended.
pub async fn ends(worker: &Worker, machine: MachineId, containers: &[String]) -> Result<BTreeMap<String, TaskEnd>> {
    let mut tx = worker.platform().read().await?;
    let mut found = BTreeMap::new();
    for part in containers.chunks(500) {
        let sql = format!(
            "SELECT container, exit_code, ended_at, reason_message FROM tasks WHERE machine_id = $1 AND container IN ({})",
            numbers(2, part.len())
        );
        let mut arguments: Vec<Value> = args![machine];
        arguments.extend(part.iter().map(Value::from));
        let rows = tx.all(sql, arguments, |row| {
            let end = TaskEnd { exit_code: row.get("exit_code")?, at: row.get("ended_at")?, reason: row.get("reason_message")? };
            Ok((row.get::<String>("container")?, end))
        });
        found.extend(rows.await?);
    }
    Ok(found)
}

/// The service and the revision of a container's task, for what the task printed.
pub async fn revision_of(worker: &Worker, machine: MachineId, container: &str, claimed: Option<TaskId>) -> Result<Option<(WorkKey, RevisionId)>> {
    let sql =
        "SELECT service_id, environment_id, revision_id FROM tasks WHERE machine_id = $1 AND (container = $2 OR (container IS NULL AND id = $3))
               ORDER BY id DESC LIMIT 1";
    let read = |row: &Row<'_>| -> Result<(WorkKey, RevisionId)> {
        let key = WorkKey { service: row.get("service_id")?, environment: row.get("environment_id")? };
        Ok((key, row.get("revision_id")?))
    };
    worker.platform().read().await?.opt(sql, args![machine, container, claimed], read).await
}

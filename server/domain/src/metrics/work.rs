//! What loops do with samples: read what is to be sampled, keep what was, and put the store in order.

mod problems;
mod tidy;

use std::path::PathBuf;

use ::metrics::{Added, Key, Member, Sample};
use model::ids::{MachineId, RevisionId, ServiceId, TaskId};
use model::time::Millis;

use crate::args;
use crate::blocking::blocking;
use crate::db::Row;
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::worker::Worker;

pub(crate) use problems::Problems;
pub use problems::{scrape_problems, scraped};
pub use tidy::tidy;

/// Most tasks of a machine that are sampled.
const MOST: i64 = 5000;

/// A task that runs, as whoever samples it needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Its service and environment.
    pub key: Key,
    /// Which task of it.
    pub member: Member,
    /// The revision that it was made from.
    pub revision: RevisionId,
    /// Its container on the engine.
    pub container: String,
    /// Its address in the project's network.
    pub address: Option<String>,
    /// How often the engine started it again.
    pub restarts: i64,
    /// When its program was started.
    pub started: Option<Millis>,
}

fn task(row: &Row<'_>) -> Result<Running> {
    let small = |column: &str| -> Result<u32> {
        u32::try_from(row.get::<i64>(column)?).map_err(|_| Error::internal(format!("column {column} holds no small number")))
    };
    let (project, service, environment) = (row.get("project_id")?, row.get::<ServiceId>("service_id")?, row.get("environment_id")?);
    Ok(Running {
        key: Key::Service { project, service, environment },
        member: Member { task: row.get("id")?, slot: small("slot")?, revision: small("number")? },
        revision: row.get("revision_id")?,
        container: row.get("container")?,
        address: row.get("address")?,
        restarts: row.get("restarts")?,
        started: row.get("started_at")?,
    })
}

/// The tasks of a machine that run.
///
/// # Errors
/// When the database cannot be read.
pub async fn running(worker: &Worker, machine: MachineId) -> Result<Vec<Running>> {
    let sql =
        "SELECT t.id, t.service_id, t.environment_id, s.project_id, t.slot, t.revision_id, r.number, t.container, t.address, t.restarts, t.started_at
        FROM tasks t JOIN revisions r ON r.id = t.revision_id JOIN services s ON s.id = t.service_id
        WHERE t.machine_id = $1 AND t.ended_at IS NULL AND t.container IS NOT NULL AND t.state IN ('running', 'stopping') ORDER BY t.id LIMIT $2";
    worker.platform().read().await?.all(sql, args![machine, MOST], task).await
}

/// The machine's port under which a TCP port of a task is published, if it is.
///
/// # Errors
/// When the database cannot be read.
pub async fn published(worker: &Worker, task: TaskId, port: u16) -> Result<Option<u16>> {
    let sql = "SELECT port FROM ports WHERE task_id = $1 AND container = $2 AND protocol = 'tcp'";
    let read = |row: &Row<'_>| crate::machines::port(row, "port");
    worker.platform().read().await?.opt(sql, args![task, i64::from(port)], read).await
}

/// The folder of the portal's own data, where it has one.
#[must_use]
pub fn data_folder(worker: &Worker) -> Option<PathBuf> {
    worker.platform().own_paths().first().map(PathBuf::from)
}

/// Keeps what was sampled in one turn, by the times at which it was, and tells pages that show figures. The times come in their order. What a sample may
/// be: [`::metrics::Store::append`].
///
/// # Errors
/// When the samples cannot be written (the disk is full); none of that time and of later ones is kept then.
pub async fn add(worker: &Worker, turn: Vec<(Millis, Vec<Sample>)>) -> Result<Added> {
    let Some(store) = worker.platform().metrics() else { return Ok(Added::default()) };
    if turn.iter().all(|(_, samples)| samples.is_empty()) {
        return Ok(Added::default());
    }
    let added = blocking(move || {
        let mut all = Added::default();
        for (at, samples) in &turn {
            let added = store.append(at.0, samples)?;
            all.kept += added.kept;
            all.refused += added.refused;
        }
        Ok(all)
    })
    .await?;
    // One word for all that was sampled in this turn: a site with hundreds of services would drown what else is told.
    worker.platform().publish(Topic::Metrics);
    Ok(added)
}

#[cfg(test)]
mod tests;

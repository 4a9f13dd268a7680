//! Putting the store in order, and taking away what is of nobody any more: of projects, services and machines that were deleted. What a deleted project
//! or service used stays until it is counted ([`crate::usage`]).

use ::metrics::Store;
use model::ids::{MachineId, ProjectId, ServiceId};

use crate::args;
use crate::blocking::blocking;
use crate::db::{Row, Tx};
use crate::error::Result;
use crate::worker::Worker;

/// Most services and machines that are asked about at once.
const MOST: i64 = 20_000;

/// Puts the store in order: rolls up, and takes away what was kept long enough, and what belongs to something deleted, as soon as it is counted. How
/// many bytes of what was kept long enough went.
///
/// # Errors
/// When files cannot be written, read or deleted; what could be done is done.
pub async fn tidy(worker: &Worker) -> Result<u64> {
    let Some(store) = worker.platform().metrics() else { return Ok(0) };
    let swept = sweep(worker, &store).await;
    let now = worker.platform().now();
    let tidied = blocking(move || store.tidy(now.0)).await;
    swept?;
    Ok(tidied?.bytes)
}

/// Takes away what is of something deleted. A stream that this database knows nothing of is not ours to delete.
async fn sweep(worker: &Worker, store: &Store) -> Result<()> {
    let of = store.clone();
    let held = blocking(move || of.held()).await?;
    let mut tx = worker.platform().read().await?;
    let (projects, services) = deleted_services(&mut tx).await?;
    let machines = removed_machines(&mut tx).await?;
    drop(tx);
    let store = store.clone();
    blocking(move || {
        for (project, service) in held.services {
            if projects.contains(&project) {
                store.remove_project(project)?;
            } else if services.contains(&service) {
                store.remove_service(project, service)?;
            }
        }
        for machine in held.machines.into_iter().filter(|machine| machines.contains(machine)) {
            store.remove_machine(machine)?;
        }
        Ok(())
    })
    .await
}

/// Deleted projects and services of which nothing is sampled any more and all is counted for the usage report: the last hours of what was deleted are
/// in the bill, too. Until counting has begun, nothing is said to be over.
async fn deleted_services(tx: &mut Tx) -> Result<(Vec<ProjectId>, Vec<ServiceId>)> {
    let Some(counted) = crate::usage::counted_before(tx).await? else { return Ok((Vec::new(), Vec::new())) };
    // Each half by an index of its own: how many tasks ended before does not matter.
    let used = "SELECT service_id FROM tasks WHERE ended_at IS NULL UNION SELECT service_id FROM tasks WHERE ended_at >= $1";
    let sql = format!(
        "SELECT id FROM projects WHERE deleted_at < $1 AND id NOT IN (SELECT project_id FROM services WHERE id IN ({used}))
         ORDER BY deleted_at DESC LIMIT $2"
    );
    let projects = tx.all(sql, args![counted, MOST], |row: &Row<'_>| row.get("id")).await?;
    let sql = format!("SELECT id FROM services WHERE deleted_at < $1 AND id NOT IN ({used}) ORDER BY deleted_at DESC LIMIT $2");
    let services = tx.all(sql, args![counted, MOST], |row: &Row<'_>| row.get("id")).await?;
    Ok((projects, services))
}

async fn removed_machines(tx: &mut Tx) -> Result<Vec<MachineId>> {
    let sql = "SELECT id FROM machines WHERE removed_at IS NOT NULL ORDER BY removed_at DESC LIMIT $1";
    tx.all(sql, args![MOST], |row: &Row<'_>| row.get("id")).await
}

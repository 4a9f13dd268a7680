//! Putting the store in order, and taking away what is of nobody any more: of projects, services and machines that were deleted.

use ::metrics::Store;
use model::ids::{MachineId, ProjectId, ServiceId};

use crate::args;
use crate::db::{Row, Tx};
use crate::error::Result;
use crate::metrics::blocking;
use crate::worker::Worker;

/// Most services and machines that are asked about at once.
const MOST: i64 = 20_000;

/// Puts the store in order: rolls up, and takes away what was kept long enough, and what belongs to something deleted. How many bytes of what was kept
/// long enough went.
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

/// Deleted projects, and deleted services of others of which nothing runs any more: until then they are sampled.
async fn deleted_services(tx: &mut Tx) -> Result<(Vec<ProjectId>, Vec<ServiceId>)> {
    let sql = "SELECT id FROM projects WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC LIMIT $1";
    let projects = tx.all(sql, args![MOST], |row: &Row<'_>| row.get("id")).await?;
    let sql = "SELECT s.id FROM services s WHERE s.deleted_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.service_id = s.id AND t.ended_at IS NULL) ORDER BY s.deleted_at DESC LIMIT $1";
    let services = tx.all(sql, args![MOST], |row: &Row<'_>| row.get("id")).await?;
    Ok((projects, services))
}

async fn removed_machines(tx: &mut Tx) -> Result<Vec<MachineId>> {
    let sql = "SELECT id FROM machines WHERE removed_at IS NOT NULL ORDER BY removed_at DESC LIMIT $1";
    tx.all(sql, args![MOST], |row: &Row<'_>| row.get("id")).await
}

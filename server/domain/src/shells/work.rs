//! Ends what is left of shells that no session holds any more: those of a portal that was killed, and those whose engine was away when they were to
//! be ended. Doing it twice is harmless; what cannot be ended yet is tried again.

use futures::StreamExt as _;
use model::ids::{MachineId, ProjectId, ServiceId, ShellId};

use crate::args;
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::ports::Place;
use crate::worker::Worker;

/// Ended at the same time: each costs an engine some processes.
const AT_ONCE: usize = 8;
/// Looked at in one pass.
const MOST: i64 = 500;

/// A shell without a session.
struct Orphan {
    id: ShellId,
    project: ProjectId,
    service: ServiceId,
    machine: MachineId,
    container: String,
    mark: Option<String>,
    removed: bool,
}

/// Ends them; how many were, and how many are left for later.
pub async fn tend(worker: &Worker) -> Result<(usize, usize)> {
    let orphans = orphans(worker).await?;
    let all = orphans.len();
    let ends: Vec<_> = orphans.into_iter().map(|orphan| end(worker.clone(), orphan)).collect();
    let ended: Vec<Result<bool>> = futures::stream::iter(ends).buffer_unordered(AT_ONCE).collect().await;
    // What goes wrong with one keeps no other.
    let mut count = 0;
    for ended in ended {
        count += usize::from(ended?);
    }
    Ok((count, all - count))
}

async fn orphans(worker: &Worker) -> Result<Vec<Orphan>> {
    let sql = "SELECT s.id, s.project_id, s.service_id, s.machine_id, s.container, s.mark, m.removed_at FROM shells s
               JOIN machines m ON m.id = s.machine_id WHERE s.ended_at IS NULL ORDER BY s.id LIMIT $1";
    let mut tx = worker.platform().read().await?;
    let mut found = tx
        .all(sql, args![MOST], |row| {
            Ok(Orphan {
                id: row.get("id")?,
                project: row.get("project_id")?,
                service: row.get("service_id")?,
                machine: row.get("machine_id")?,
                container: row.get("container")?,
                mark: row.get("mark")?,
                removed: row.get::<Option<model::time::Millis>>("removed_at")?.is_some(),
            })
        })
        .await?;
    // Looked at after the reading: what has a session now had one, or was over, when it was read.
    found.retain(|orphan| !worker.platform().shells().is_busy(orphan.id));
    Ok(found)
}

/// Whether it is over now.
async fn end(worker: Worker, orphan: Orphan) -> Result<bool> {
    let platform = worker.platform();
    if let Some(mark) = &orphan.mark
        && !orphan.removed
    {
        match platform.engines().end_shell(&Place::new(orphan.machine, &orphan.container), mark).await {
            Ok(()) => {}
            Err(Error::Unavailable(why)) => {
                tracing::debug!(shell = %orphan.id, why, "a shell of an earlier time cannot be ended yet");
                return Ok(false);
            }
            Err(error) => {
                tracing::warn!(shell = %orphan.id, %error, "a shell of an earlier time could not be ended; it is tried again");
                return Ok(false);
            }
        }
    }
    let mut change = worker.change().await?;
    let sql = "UPDATE shells SET ended_at = $2, ended_why = COALESCE(ended_why, 'portal_restarted') WHERE id = $1 AND ended_at IS NULL";
    change.exec(sql, args![orphan.id, platform.now()]).await?;
    change.touch(Topic::Service(orphan.service));
    change.touch(Topic::Project(orphan.project));
    change.finish().await?;
    Ok(true)
}

//! Whose a task is, for those who meet its container alone: the collector of logs.

use model::ids::{ProjectId, TaskId};

use super::WorkKey;
use crate::args;
use crate::error::Result;
use crate::worker::Worker;

/// Whose a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The project.
    pub project: ProjectId,
    /// The service and the environment.
    pub key: WorkKey,
    /// Its place, from 1.
    pub slot: i64,
    /// The number of its revision.
    pub revision: i64,
    /// Whether its program ever started.
    pub started: bool,
    /// Whether its container is gone.
    pub removed: bool,
}

/// Whose a task is; none: nobody knows it.
pub async fn origin(worker: &Worker, task: TaskId) -> Result<Option<Origin>> {
    let sql = "SELECT s.project_id, t.service_id, t.environment_id, t.slot, r.number, t.started_at, t.removed_at
               FROM tasks t JOIN services s ON s.id = t.service_id JOIN revisions r ON r.id = t.revision_id WHERE t.id = $1";
    let mut tx = worker.platform().read().await?;
    tx.opt(sql, args![task], |row| {
        Ok(Origin {
            project: row.get("project_id")?,
            key: WorkKey { service: row.get("service_id")?, environment: row.get("environment_id")? },
            slot: row.get("slot")?,
            revision: row.get("number")?,
            started: row.get::<Option<i64>>("started_at")?.is_some(),
            removed: row.get::<Option<i64>>("removed_at")?.is_some(),
        })
    })
    .await
}

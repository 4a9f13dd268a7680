//! A task's container as its engine describes it, with secrets hidden: values of variables whose name says that they are one, and every secret
//! of the configuration that the task got.

use model::ids::RevisionId;

use super::Task;
use crate::access::{May, can};
use crate::args;
use crate::configs::pinned;
use crate::deployments::revisions;
use crate::error::Result;
use crate::platform::Platform;
use crate::ports::Hidden;

/// The engine's inspection of a task's container.
pub async fn inspect(platform: &Platform, may: &May<can::SeeServices, Task>) -> Result<serde_json::Value> {
    let place = super::place(may)?;
    let mut tx = platform.read().await?;
    let revision: RevisionId = tx.one("SELECT revision_id FROM tasks WHERE id = $1", args![may.id], |row| row.get("revision_id")).await?;
    let stored = revisions::by_id(&mut tx, revision).await?;
    // What cannot be hidden is not shown.
    let values = pinned::secret_texts(&mut tx, platform, revision, &stored.descriptor).await?;
    drop(tx);
    platform.engines().inspect(&place, &Hidden { values }).await
}

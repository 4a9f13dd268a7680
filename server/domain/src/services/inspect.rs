//! Looking into a task's container through its engine: what it is, its processes, what changed of its files, and one file of it. Secrets are
//! hidden from everybody: values of variables whose name says that they are one, and every secret of the configuration that the task got. Nothing
//! here changes a container. A file leaves it only for whoever may open a shell in it, and on record.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::configs::SECRET_MAX;
use model::ids::RevisionId;
use model::views::inspect::{ChangesQuery, ChangesView, FilePath, FileView, ProcessesView};
use model::views::services::TaskState;
use subtle::ConstantTimeEq as _;

use super::Task;
use crate::access::{May, can};
use crate::args;
use crate::change::Record;
use crate::configs::pinned;
use crate::deployments::revisions;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::ports::{FileBytes, Hidden};
use crate::streams::{self, Slot};

/// The engine's inspection of a task's container.
///
/// # Errors
/// `TooManyOpen`, as with all that the engine itself is asked here.
pub async fn inspect(platform: &Platform, may: &May<can::SeeServices, Task>) -> Result<serde_json::Value> {
    let _slot = question(platform, may)?;
    let place = super::place(may)?;
    platform.engines().inspect(&place, &hidden(platform, may).await?).await
}

/// The processes of a task.
///
/// # Errors
/// `Conflict` with `not_running`; `TooManyOpen`.
pub async fn processes(platform: &Platform, may: &May<can::SeeServices, Task>) -> Result<ProcessesView> {
    if may.state != TaskState::Running {
        return Err(Error::conflict("not_running", format!("this task is {}; processes are in a running one", may.state)));
    }
    let _slot = question(platform, may)?;
    let place = super::place(may)?;
    platform.engines().processes(&place, &hidden(platform, may).await?).await
}

/// What of a task's files is not as in its image.
pub async fn changes(platform: &Platform, may: &May<can::SeeServices, Task>, query: &ChangesQuery) -> Result<ChangesView> {
    let long = |text: &str| text.len() > ChangesQuery::TEXT_MAX;
    for (field, text) in [("q", query.q.as_str()), ("after", query.after.as_deref().unwrap_or_default())] {
        if long(text) {
            return Err(Error::invalid(field, format!("at most {} bytes", ChangesQuery::TEXT_MAX)));
        }
    }
    let _slot = question(platform, may)?;
    let place = super::place(may)?;
    platform.engines().changes(&place, query, &hidden(platform, may).await?).await
}

/// The right to ask the engine, until it has answered.
fn question<P>(platform: &Platform, may: &May<P, Task>) -> Result<Slot> {
    streams::open(platform, may.actor(), streams::Kind::Question)
}

/// Looks whether a path leads to a file that can be downloaded.
///
/// # Errors
/// `NotFound`, `Conflict` with `not_a_file`, `Forbidden` for a secret file; `TooManyOpen`.
pub async fn find_file(platform: &Platform, may: &May<can::OpenShell, Task>, path: &FilePath) -> Result<FileView> {
    let _slot = question(platform, may)?;
    platform.engines().find_file(&super::place(may)?, path).await
}

/// A file on its way to whoever asked for it. Their account has so many at a time: the slot is held until all of it is there.
pub struct Download {
    /// The file.
    pub content: FileBytes,
    /// Held while it goes out.
    pub slot: Slot,
}

/// Takes a file out of a task. It is on record before its first byte leaves.
///
/// # Errors
/// As those of [`find_file`].
pub async fn download(platform: &Platform, may: &May<can::OpenShell, Task>, path: &FilePath) -> Result<Download> {
    let slot = streams::open(platform, may.actor(), streams::Kind::Download)?;
    let content = platform.engines().file(&super::place(may)?, path).await?;
    let content = no_secret(platform, may, content).await?;
    let found = &content.file;
    let detail = serde_json::json!({
        "path": path, "leads_to": (found.path != path.as_str()).then_some(&found.path), "size": found.size,
        "service": may.service.name, "environment": may.environment, "slot": may.slot,
    });
    let record = Record::new("file.download", "task", may.id).project(&may.service.project).detail(detail);
    platform.change(may.actor()).await?.commit(record).await?;
    Ok(Download { content, slot })
}

/// Refuses what is a secret of the task, by whatever way it was come to: a program in the task may put links in the place of folders while the engine
/// looks for the file, and take them away before it is looked for again.
async fn no_secret<P>(platform: &Platform, may: &May<P, Task>, content: FileBytes) -> Result<FileBytes> {
    let FileBytes { file, bytes } = content;
    if file.size > SECRET_MAX as u64 {
        return Ok(FileBytes { file, bytes });
    }
    let whole = bytes.try_collect::<Vec<Bytes>>().await?.concat();
    let secrets = hidden(platform, may).await?.values;
    if !whole.is_empty() && secrets.iter().any(|secret| bool::from(secret.expose().as_bytes().ct_eq(&whole))) {
        return Err(Error::Forbidden("this file holds a secret, and nobody is shown those; a new one can be set at any time".into()));
    }
    let bytes = stream::iter((!whole.is_empty()).then(|| Ok(Bytes::from(whole)))).boxed();
    Ok(FileBytes { file, bytes })
}

/// What must not be seen of a task. What cannot be hidden is not shown.
async fn hidden<P>(platform: &Platform, may: &May<P, Task>) -> Result<Hidden> {
    let mut tx = platform.read().await?;
    let revision: RevisionId = tx.one("SELECT revision_id FROM tasks WHERE id = $1", args![may.id], |row| row.get("revision_id")).await?;
    let stored = revisions::by_id(&mut tx, revision).await?;
    Ok(Hidden { values: pinned::secret_texts(&mut tx, platform, revision, &stored.descriptor).await? })
}

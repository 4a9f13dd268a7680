//! How long recordings of shells are kept: so many days after the shell's end, as their project says, and no longer than the project. The row that
//! says who opened it stays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::ids::{ProjectId, ShellId};

use super::recording::Shelf;
use crate::access::Key as _;
use crate::args;
use crate::change::Record;
use crate::db::{BATCH, Value, placeholders};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::worker::Worker;

/// Recordings that are deleted together.
const TOGETHER: i64 = 200;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Deletes what is kept no longer; answers how many recordings that were. What cannot be deleted now is tried again the next time.
pub async fn tend(worker: &Worker) -> Result<u64> {
    let shelf = worker.platform().recordings()?;
    let mut gone = 0;
    let mut after = String::new();
    loop {
        let old = too_old(worker, &after).await?;
        let Some((last, _)) = old.last() else { break };
        after = last.to_string();
        let mut deleted: BTreeMap<ProjectId, Vec<ShellId>> = BTreeMap::new();
        for (shell, project) in old {
            match tokio::fs::remove_file(shelf.path(project, shell)).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%error, %shell, "a recording whose time is over could not be deleted");
                }
                _ => deleted.entry(project).or_default().push(shell),
            }
        }
        for (project, shells) in deleted {
            gone += shells.len() as u64;
            note(worker, project, &shells).await?;
        }
    }
    Ok(gone + of_deleted_projects(worker, &shelf).await?)
}

/// Recordings whose time is over, after this one.
async fn too_old(worker: &Worker, after: &str) -> Result<Vec<(ShellId, ProjectId)>> {
    let sql = format!(
        "SELECT h.id, h.project_id FROM shells h JOIN projects p ON p.id = h.project_id
         WHERE h.recorded AND h.recording_gone_at IS NULL AND p.deleted_at IS NULL AND h.ended_at + p.recordings_days * {DAY} <= $1 AND h.id > $2
         ORDER BY h.id LIMIT $3"
    );
    let arguments = args![worker.platform().now(), after, TOGETHER];
    worker.platform().read().await?.all(sql, arguments, |row| Ok((row.get("id")?, row.get("project_id")?))).await
}

/// Their files are gone.
async fn note(worker: &Worker, project: ProjectId, shells: &[ShellId]) -> Result<()> {
    let mut change = worker.change().await?;
    let mut arguments: Vec<Value> = args![worker.platform().now()];
    arguments.extend(shells.iter().map(|shell| Value::from(*shell)));
    let sql = format!("UPDATE shells SET recording_gone_at = $1 WHERE id IN ({})", placeholders(2, shells.len()));
    change.exec(sql, arguments).await?;
    // Deleted in this moment it has no settings that anybody could be told of.
    if let Some(found) = project.find(&mut change).await? {
        let detail = serde_json::json!({ "recordings": shells.len(), "kept_days": found.recordings_days });
        let record = Record::new("recordings.delete", "project", &found.name).project(&found).detail(detail);
        change.record(worker, "retention", &record).await?;
    }
    change.touch(Topic::Project(project));
    change.finish().await
}

/// Deletes the folders of projects that were deleted.
async fn of_deleted_projects(worker: &Worker, shelf: &Shelf) -> Result<u64> {
    let folder = shelf.folder().to_owned();
    let kept = tokio::task::spawn_blocking(move || projects(folder)).await;
    let kept = kept.map_err(|error| Error::internal(format!("recordings: {error}")))??;
    let mut gone = 0;
    for some in kept.chunks(BATCH) {
        let arguments: Vec<Value> = some.iter().map(|id| Value::from(*id)).collect();
        let sql = format!("SELECT id FROM projects WHERE id IN ({}) AND deleted_at IS NOT NULL", placeholders(1, some.len()));
        let deleted: Vec<ProjectId> = worker.platform().read().await?.all(sql, arguments, |row| row.get("id")).await?;
        for project in deleted {
            if let Err(error) = tokio::fs::remove_dir_all(shelf.of_project(project)).await {
                tracing::warn!(%error, %project, "recordings of a deleted project could not be deleted");
                continue;
            }
            let mut change = worker.change().await?;
            let sql = "UPDATE shells SET recording_gone_at = $2 WHERE project_id = $1 AND recorded AND recording_gone_at IS NULL";
            gone += change.exec(sql, args![project, worker.platform().now()]).await?;
            change.finish().await?;
        }
    }
    Ok(gone)
}

/// The projects that have recordings. What is not named as a project is none of ours.
fn projects(folder: PathBuf) -> std::io::Result<Vec<ProjectId>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut projects = Vec::new();
    for entry in entries {
        projects.extend(entry?.file_name().to_str().and_then(|name| name.parse::<ProjectId>().ok()));
    }
    Ok(projects)
}

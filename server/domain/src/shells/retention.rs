//! How long recordings of shells are kept: so many days after the shell's end, as their project says, no more bytes than the project's quota has, of
//! which the oldest go first, and no longer than the project. The row that says who opened it stays. Of a shell that is open nothing goes: its
//! recording is bounded by itself, and counts when it has ended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::ids::{ProjectId, ShellId};

use super::recording::Shelf;
use crate::access::Key as _;
use crate::args;
use crate::change::Record;
use crate::db::{BATCH, Tx, Value, placeholders};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::quotas;
use crate::worker::Worker;

/// Recordings that are deleted together.
const TOGETHER: i64 = 200;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Deletes what is kept no longer; answers how many recordings that were. What cannot be deleted now is tried again the next time.
pub async fn tend(worker: &Worker) -> Result<u64> {
    let shelf = worker.platform().recordings()?;
    let mut gone = 0;
    for why in [Why::Time, Why::Quota] {
        let mut after = String::new();
        loop {
            let due = due(worker, why, &after).await?;
            let Some((last, _)) = due.last() else { break };
            after = last.to_string();
            gone += delete(worker, &shelf, why, due).await?;
        }
    }
    Ok(gone + of_deleted_projects(worker, &shelf).await?)
}

/// Bytes of the recordings of shells that have ended, of a project or of all of them. Who may know it is asked by the caller.
pub(crate) async fn bytes(tx: &mut Tx, project: Option<ProjectId>) -> Result<i64> {
    let sql = "SELECT CAST(COALESCE(SUM(recording_bytes), 0) AS BIGINT) AS bytes FROM shells WHERE recorded AND recording_gone_at IS NULL";
    match project {
        Some(project) => tx.one(format!("{sql} AND project_id = $1"), args![project], |row| row.get("bytes")).await,
        None => tx.one(sql, args![], |row| row.get("bytes")).await,
    }
}

/// Why recordings go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Time,
    Quota,
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Quota => "quota",
        }
    }
}

/// Recordings that are to go for this reason, after this one, the oldest first.
async fn due(worker: &Worker, why: Why, after: &str) -> Result<Vec<(ShellId, ProjectId)>> {
    let mut tx = worker.platform().read().await?;
    let (sql, first) = match why {
        Why::Time => (too_old(), Value::from(worker.platform().now())),
        Why::Quota => (too_much(), Value::from(quotas::site_recordings(&mut tx).await?)),
    };
    let mut arguments = vec![first];
    arguments.extend(args![after, TOGETHER]);
    tx.all(sql, arguments, |row| Ok((row.get("id")?, row.get("project_id")?))).await
}

/// Those whose time is over at $1.
fn too_old() -> String {
    format!(
        "SELECT h.id, h.project_id FROM shells h JOIN projects p ON p.id = h.project_id
         WHERE h.recorded AND h.recording_gone_at IS NULL AND p.deleted_at IS NULL AND h.ended_at + p.recordings_days * {DAY} <= $1 AND h.id > $2
         ORDER BY h.id LIMIT $3"
    )
}

/// Those that have newer ones beside them, with which they are more than the project may keep; $1 is the site's word. Which they are does not change
/// when some of them go.
fn too_much() -> String {
    "SELECT x.id, x.project_id FROM (
         SELECT h.id, h.project_id, COALESCE(u.recordings_limit, $1) AS most,
             SUM(h.recording_bytes) OVER (PARTITION BY h.project_id ORDER BY h.id DESC) AS kept
         FROM shells h JOIN projects p ON p.id = h.project_id LEFT JOIN project_usage u ON u.project_id = h.project_id
         WHERE h.recorded AND h.recording_gone_at IS NULL AND h.ended_at IS NOT NULL AND p.deleted_at IS NULL
     ) x WHERE x.kept > x.most AND x.id > $2 ORDER BY x.id LIMIT $3"
        .to_owned()
}

/// Deletes these, as far as that can be done; how many.
async fn delete(worker: &Worker, shelf: &Shelf, why: Why, recordings: Vec<(ShellId, ProjectId)>) -> Result<u64> {
    let mut deleted: BTreeMap<ProjectId, Vec<ShellId>> = BTreeMap::new();
    for (shell, project) in recordings {
        match tokio::fs::remove_file(shelf.path(project, shell)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, %shell, "a recording that is kept no longer could not be deleted");
            }
            _ => deleted.entry(project).or_default().push(shell),
        }
    }
    let mut gone = 0;
    for (project, shells) in deleted {
        gone += shells.len() as u64;
        note(worker, project, why, &shells).await?;
    }
    Ok(gone)
}

/// Their files are gone.
async fn note(worker: &Worker, project: ProjectId, why: Why, shells: &[ShellId]) -> Result<()> {
    let mut change = worker.change().await?;
    let mut arguments: Vec<Value> = args![worker.platform().now()];
    arguments.extend(shells.iter().map(|shell| Value::from(*shell)));
    let sql = format!("UPDATE shells SET recording_gone_at = $1 WHERE id IN ({})", placeholders(2, shells.len()));
    change.exec(sql, arguments).await?;
    // Deleted in this moment it has no settings that anybody could be told of.
    if let Some(found) = project.find(&mut change).await? {
        let detail = serde_json::json!({ "recordings": shells.len(), "why": why.word(), "kept_days": found.recordings_days });
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

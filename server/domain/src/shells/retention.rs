//! How long recordings of shells are kept: so many days after the shell's end, as their project says, no more bytes than the project's quota has, and
//! no longer than the project. Where the quota is full, the oldest go of whoever has the most: nobody can fill it to be rid of what others did. The
//! row that says who opened it stays. Of a shell that is open nothing goes: its recording is bounded by itself, and counts when it has ended.

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

/// Recordings that are looked for at once, and those that are deleted together.
const MOST: i64 = 10_000;
const TOGETHER: usize = 200;
/// So many of those who had opened the shells are named where their recordings were deleted.
const NAMED: usize = 20;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Deletes what is kept no longer; answers how many recordings that were. What cannot be deleted now is tried again the next time.
pub async fn tend(worker: &Worker) -> Result<u64> {
    let shelf = worker.platform().recordings()?;
    let mut gone = 0;
    for why in [Why::Time, Why::Quota] {
        loop {
            let due = due(worker, why).await?;
            let mut deleted = 0;
            for some in due.chunks(TOGETHER) {
                deleted += delete(worker, &shelf, why, some).await?;
            }
            gone += deleted;
            if deleted == 0 {
                break;
            }
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

/// A recording that is to go.
struct Due {
    shell: ShellId,
    project: ProjectId,
    /// Who had opened the shell, by their name at that time.
    opener: String,
}

/// Recordings that are to go for this reason, in the order in which they do.
async fn due(worker: &Worker, why: Why) -> Result<Vec<Due>> {
    let mut tx = worker.platform().read().await?;
    let (sql, first) = match why {
        Why::Time => (too_old(), Value::from(worker.platform().now())),
        Why::Quota => (too_much(), Value::from(quotas::site_recordings(&mut tx).await?)),
    };
    tx.all(sql, vec![first, Value::from(MOST)], |row| {
        Ok(Due { shell: row.get("id")?, project: row.get("project_id")?, opener: row.get("opened_by")? })
    })
    .await
}

/// Those whose time is over at $1.
fn too_old() -> String {
    format!(
        "SELECT h.id, h.project_id, h.opened_by FROM shells h JOIN projects p ON p.id = h.project_id
         WHERE h.recorded AND h.recording_gone_at IS NULL AND p.deleted_at IS NULL AND h.ended_at + p.recordings_days * {DAY} <= $1
         ORDER BY h.id LIMIT $2"
    )
}

/// Those for which a project has no room; $1 is the site's word. A recording stands behind all that have less of their own opener's in front of them,
/// newer ones first: so each opener has the same share, and what one leaves is the others'. Those that have the most before them go first, and
/// then those that are left are still the same.
fn too_much() -> String {
    "SELECT x.id, x.project_id, x.opened_by FROM (
         SELECT o.id, o.project_id, o.opened_by, o.most, SUM(o.bytes) OVER (PARTITION BY o.project_id ORDER BY o.own, o.id DESC) AS kept FROM (
             SELECT h.id, h.project_id, h.opened_by, h.recording_bytes AS bytes, COALESCE(u.recordings_limit, $1) AS most,
                 SUM(h.recording_bytes) OVER (PARTITION BY h.project_id, h.opened_by_id ORDER BY h.id DESC) AS own
             FROM shells h JOIN projects p ON p.id = h.project_id LEFT JOIN project_usage u ON u.project_id = h.project_id
             WHERE h.recorded AND h.recording_gone_at IS NULL AND h.ended_at IS NOT NULL AND p.deleted_at IS NULL
         ) o
     ) x WHERE x.kept > x.most ORDER BY x.kept DESC, x.id LIMIT $2"
        .to_owned()
}

/// Deletes these, as far as that can be done; how many.
async fn delete(worker: &Worker, shelf: &Shelf, why: Why, recordings: &[Due]) -> Result<u64> {
    let mut deleted: BTreeMap<ProjectId, Vec<&Due>> = BTreeMap::new();
    for due in recordings {
        match tokio::fs::remove_file(shelf.path(due.project, due.shell)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, shell = %due.shell, "a recording that is kept no longer could not be deleted");
            }
            _ => deleted.entry(due.project).or_default().push(due),
        }
    }
    let mut gone = 0;
    for (project, recordings) in deleted {
        gone += recordings.len() as u64;
        note(worker, project, why, &recordings).await?;
    }
    Ok(gone)
}

/// Their files are gone.
async fn note(worker: &Worker, project: ProjectId, why: Why, recordings: &[&Due]) -> Result<()> {
    let mut change = worker.change().await?;
    let mut arguments: Vec<Value> = args![worker.platform().now()];
    arguments.extend(recordings.iter().map(|due| Value::from(due.shell)));
    let sql = format!("UPDATE shells SET recording_gone_at = $1 WHERE id IN ({})", placeholders(2, recordings.len()));
    change.exec(sql, arguments).await?;
    // Deleted in this moment it has no settings that anybody could be told of.
    if let Some(found) = project.find(&mut change).await? {
        let (openers, others) = openers(recordings);
        let detail = serde_json::json!({
            "recordings": recordings.len(), "why": why.word(), "kept_days": found.recordings_days, "openers": openers, "of_others": others,
        });
        let record = Record::new("recordings.delete", "project", &found.name).project(&found).detail(detail);
        change.record(worker, "retention", &record).await?;
    }
    change.touch(Topic::Project(project));
    change.finish().await
}

/// Whose recordings these are: how many of whom, of those who have the most; and how many are of others.
fn openers<'a>(recordings: &[&'a Due]) -> (BTreeMap<&'a str, usize>, usize) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for due in recordings {
        *counts.entry(&due.opener).or_default() += 1;
    }
    let mut most: Vec<(&str, usize)> = counts.into_iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others = most.iter().skip(NAMED).map(|(_, count)| count).sum();
    (most.into_iter().take(NAMED).collect(), others)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_had_the_most_are_named() {
        let id = |last: usize| format!("0192f0c1-7c1e-7b44-8d2a-{last:012x}");
        let due = |opener: usize| Due {
            shell: id(opener).parse().expect("an id"),
            project: id(1).parse().expect("an id"),
            opener: format!("person-{opener:02}"),
        };
        let all: Vec<Due> = (0..30).flat_map(|opener| (0..=opener).map(move |_| opener)).map(due).collect();
        let all: Vec<&Due> = all.iter().collect();
        let (named, others) = openers(&all);
        assert_eq!((named.len(), named.get("person-29"), named.get("person-09")), (NAMED, Some(&30), None));
        assert_eq!(named.values().sum::<usize>() + others, all.len());
    }
}

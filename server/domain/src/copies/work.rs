//! What the loop that copies may do: take the next copy, say how far it is, end it. It takes a [`Worker`], which only the server's list of
//! loops makes; what is pushed is pushed with the asker's own permission.

use std::time::Duration;

use model::digest::Digest;
use model::ids::{CopyId, ProjectId, UserId};
use model::names::{ProjectName, RepositoryPath, TagName};
use model::outside::{AllowList, OutsideImage};
use model::secret::Secret;
use model::time::Millis;
use model::views::copies::CopyProgress;
use model::views::deployments::Reason;

use super::proof::Proof;
use crate::args;
use crate::db::{Json, Row};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::outside;
use crate::services::credentials;
use crate::worker::Worker;

/// How long a copy that is over is remembered.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);

/// A copy to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: CopyId,
    /// The project that it comes to.
    pub project: ProjectId,
    /// Its name.
    pub project_name: ProjectName,
    /// The repository in it.
    pub repository: RepositoryPath,
    /// The tag.
    pub tag: Option<TagName>,
    /// From where.
    pub from: OutsideImage,
    /// What its reference meant when it was first looked up.
    pub digest: Option<Digest>,
    /// Chosen platforms; empty: everything.
    pub platforms: Vec<String>,
    /// Whether what refers to it comes too.
    pub referrers: bool,
    /// How often it was tried in a row without anything gained.
    pub attempts: i64,
    /// Who asked.
    pub asked_by: UserId,
    /// Their name.
    pub asker: String,
    /// Where they asked from.
    pub address: String,
    pub(super) proof: Proof,
}

const SELECT: &str =
    "SELECT c.id, c.project_id, p.name AS project, c.repository, c.tag, c.source, c.digest, c.platforms, c.referrers, c.attempts, c.asked_by,
    c.asker, c.address, c.proof FROM copies c JOIN projects p ON p.id = c.project_id";

fn job(row: &Row<'_>) -> Result<Job> {
    let source: String = row.get("source")?;
    Ok(Job {
        id: row.get("id")?,
        project: row.get("project_id")?,
        project_name: row.get("project")?,
        repository: row.get("repository")?,
        tag: row.get("tag")?,
        from: source.parse().map_err(|_| Error::internal("a copy's source is no image"))?,
        digest: row.get("digest")?,
        platforms: row.get::<Json<Vec<String>>>("platforms")?.0,
        referrers: row.get("referrers")?,
        attempts: row.get("attempts")?,
        asked_by: row.get("asked_by")?,
        asker: row.get("asker")?,
        address: row.get("address")?,
        proof: row.get::<Json<Proof>>("proof")?.0,
    })
}

/// What a stop left running waits again; what has been over for long is forgotten. Called before the loop begins.
pub async fn recover(worker: &Worker) -> Result<()> {
    let mut change = worker.change().await?;
    change.exec("UPDATE copies SET state = 'queued', finishing = $1 WHERE state = 'running'", args![false]).await?;
    let before = worker.platform().now().minus(REMEMBERED);
    change.exec("DELETE FROM copies WHERE finished_at < $1", args![before]).await?;
    change.finish().await
}

/// What may be begun of `c`, with the time as `$1` and the most places of one asker as `$2`: what is due, never two into one repository at
/// once, and never so many of one asker that nobody else finds a place.
const READY: &str = "c.state = 'queued' AND c.due_at <= $1
    AND NOT EXISTS (SELECT 1 FROM copies r WHERE r.state = 'running' AND r.project_id = c.project_id AND r.repository = c.repository)
    AND (SELECT COUNT(*) FROM copies r WHERE r.state = 'running' AND r.asked_by = c.asked_by) < $2";

/// Takes the next copy that may be begun: of the asker with the fewest under way, of the project with the fewest, the oldest. Of one
/// asker at most `most` are under way.
pub async fn claim(worker: &Worker, most: usize) -> Result<Option<Job>> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    change.lock_key("copies claim").await?;
    let sql = format!(
        "{SELECT} WHERE {READY}
         ORDER BY (SELECT COUNT(*) FROM copies r WHERE r.state = 'running' AND r.asked_by = c.asked_by),
             (SELECT COUNT(*) FROM copies r WHERE r.state = 'running' AND r.project_id = c.project_id), c.due_at, c.id LIMIT 1"
    );
    let Some(job) = change.opt(sql, args![now, most as i64], job).await? else { return Ok(None) };
    let sql = "UPDATE copies SET state = 'running', started_at = COALESCE(started_at, $2), reason = NULL WHERE id = $1";
    change.exec(sql, args![job.id, now]).await?;
    change.touch(Topic::Copies(job.project));
    change.finish().await?;
    Ok(Some(job))
}

/// When the next copy that waits is due.
pub async fn next_due(worker: &Worker) -> Result<Option<Millis>> {
    let sql = "SELECT due_at FROM copies WHERE state = 'queued' AND due_at > $1 ORDER BY due_at LIMIT 1";
    worker.platform().read().await?.opt(sql, args![worker.platform().now()], |row| row.get("due_at")).await
}

/// What is needed to speak with a copy's source.
pub struct Source {
    /// The project's credential for it: name and secret.
    pub credential: Option<(String, Secret)>,
    /// What operators allow.
    pub allowed: AllowList,
}

/// Reads it.
pub async fn source(worker: &Worker, job: &Job) -> Result<Source> {
    let mut tx = worker.platform().read().await?;
    let credential = credentials::open(&mut tx, worker.platform(), job.project, job.from.host.as_str()).await?;
    Ok(Source { credential, allowed: outside::allowed(&mut tx).await? })
}

/// Whether it is still to be done: nobody cancelled it.
pub async fn is_wanted(worker: &Worker, job: &Job) -> Result<bool> {
    let sql = "SELECT state FROM copies WHERE id = $1";
    let state: Option<String> = worker.platform().read().await?.opt(sql, args![job.id], |row| row.get("state")).await?;
    Ok(state.as_deref() == Some("running"))
}

/// Whether somebody else waits for a place: another asker, with what could be begun at once if there were one.
pub async fn others_wait(worker: &Worker, job: &Job, most: usize) -> Result<bool> {
    let sql = format!("SELECT c.id FROM copies c WHERE {READY} AND c.asked_by <> $3 LIMIT 1");
    let arguments = args![worker.platform().now(), most as i64, job.asked_by];
    let waiting: Option<CopyId> = worker.platform().read().await?.opt(sql, arguments, |row| row.get("id")).await?;
    Ok(waiting.is_some())
}

/// Writes what the source's reference means: a tag that moves meanwhile changes nothing any more.
pub async fn resolved(worker: &Worker, job: &Job, digest: &Digest) -> Result<()> {
    let mut change = worker.change().await?;
    change.exec("UPDATE copies SET digest = $2 WHERE id = $1", args![job.id, digest]).await?;
    change.touch(Topic::Copies(job.project));
    change.finish().await
}

/// Writes how far it is.
pub async fn progress(worker: &Worker, job: &Job, progress: &CopyProgress) -> Result<()> {
    let mut change = worker.change().await?;
    change.exec("UPDATE copies SET progress = $2 WHERE id = $1 AND state = 'running'", args![job.id, Json(progress)]).await?;
    change.touch(Topic::Copies(job.project));
    change.finish().await
}

/// From now on it cannot be cancelled: the tag is being set. False: it was cancelled before.
pub async fn begin_finish(worker: &Worker, job: &Job) -> Result<bool> {
    let mut change = worker.change().await?;
    let sql = "UPDATE copies SET finishing = $2 WHERE id = $1 AND state = 'running'";
    let wanted = change.exec(sql, args![job.id, true]).await? > 0;
    change.finish().await?;
    Ok(wanted)
}

/// How a copy's turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The image is here.
    Succeeded,
    /// It is over.
    Failed(Reason),
    /// It is to be tried again later.
    Again {
        /// Why it waits.
        reason: Reason,
        /// For how long.
        after: Duration,
        /// How often it was tried in a row without anything gained.
        attempts: i64,
    },
}

/// Writes how its turn ended. What was cancelled meanwhile stays cancelled.
pub async fn end(worker: &Worker, job: &Job, progress: &CopyProgress, ended: &Ended) -> Result<()> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    let (state, reason, attempts, due, finished) = match ended {
        Ended::Succeeded => ("succeeded", None, 0, now, Some(now)),
        Ended::Failed(reason) => ("failed", Some(Json(reason)), job.attempts, now, Some(now)),
        Ended::Again { reason, after, attempts } => ("queued", Some(Json(reason)), *attempts, now.plus(*after), None),
    };
    let sql = "UPDATE copies SET state = $2, reason = $3, attempts = $4, due_at = $5, finished_at = $6, progress = $7, finishing = $8
               WHERE id = $1 AND state = 'running'";
    let reason = reason.and_then(|json| serde_json::to_string(json.0).ok());
    change.exec(sql, args![job.id, state, reason, attempts, due, finished, Json(progress), false]).await?;
    change.touch(Topic::Copies(job.project));
    change.wake(Signal::Copies);
    change.finish().await
}

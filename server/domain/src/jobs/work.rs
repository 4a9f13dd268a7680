//! What loops need of jobs: writing the runs that are due, a run and its tasks, and its end.

use std::time::Duration;

use model::ids::{EnvironmentId, JobRunId, RevisionId, ServiceId};
use model::time::Millis;
use model::views::deployments::Reason;
use model::views::jobs::{JobCause, JobState};
use model::views::services::TaskState;

use super::schedule;
use crate::args;
use crate::change::Bookkeeping;
use crate::db::Tx;
use crate::deployments::work::{RevisionWork, WorkKey, revision_work};
use crate::error::Result;
use crate::live::{Signal, Topic};
use crate::worker::Worker;

/// Most jobs of a pass.
const MOST: i64 = 5000;
/// Longest time until schedules are looked at again: a deployment may have brought another.
const LOOK: Duration = Duration::from_secs(15);
/// Runs of a job in an environment that are kept.
const KEPT: i64 = if cfg!(test) { 5 } else { 500 };

/// A run that is not over.
#[derive(Clone, Debug)]
pub struct JobRun {
    /// The run.
    pub id: JobRunId,
    /// What it runs.
    pub revision: RevisionWork,
    /// Its tasks that ended: place, how, and with what.
    pub ended: Vec<(i64, TaskState, Option<i64>)>,
}

/// Writes the runs that are due. How long until the next one may be.
pub async fn tend(worker: &Worker) -> Result<Duration> {
    let platform = worker.platform();
    let now = platform.now();
    let sql = "SELECT d.service_id, d.environment_id, d.revision_id, d.scheduled_at FROM desired d JOIN revisions r ON r.id = d.revision_id
               JOIN services s ON s.id = d.service_id WHERE r.job AND d.state = 'running' AND s.deleted_at IS NULL
               AND d.scheduled_at IS NOT NULL ORDER BY d.service_id LIMIT $1";
    type Found = (WorkKey, RevisionId, Millis);
    let jobs: Vec<Found> = platform
        .read()
        .await?
        .all(sql, args![MOST], |row| {
            let key = WorkKey { service: row.get("service_id")?, environment: row.get("environment_id")? };
            Ok((key, row.get("revision_id")?, row.get("scheduled_at")?))
        })
        .await?;
    let mut wait = LOOK;
    for (key, revision, looked) in jobs {
        let revision = revision_work(&mut platform.read().await?, revision).await?;
        let Some(text) = &revision.descriptor.schedule else { continue };
        let zone = revision.descriptor.timezone.as_deref();
        let Some(due) = schedule::next(text, zone, looked) else { continue };
        if due > now {
            wait = wait.min(due.since(now));
            continue;
        }
        // All that was missed is one run, which should have begun at the first of those moments.
        let mut change = worker.change().await?;
        change.lock_key(&format!("service {}", key.service)).await?;
        let sql = "UPDATE desired SET scheduled_at = $3 WHERE service_id = $1 AND environment_id = $2 AND state = 'running'
                   AND revision_id = $4 AND scheduled_at = $5";
        if change.exec(sql, args![key.service, key.environment, now, revision.id, looked]).await? > 0 {
            begin(worker, &mut change, key, revision.id, JobCause::Schedule, due).await?;
        }
        change.finish().await?;
        if let Some(next) = schedule::next(text, zone, now) {
            wait = wait.min(next.since(now));
        }
    }
    Ok(wait)
}

/// Begins a run, or writes down that it was left out because another is under way.
pub(crate) async fn begin(worker: &Worker, change: &mut Bookkeeping, key: WorkKey, revision: RevisionId, cause: JobCause, due: Millis) -> Result<()> {
    let platform = worker.platform();
    let now = platform.now();
    let sql = "SELECT COUNT(*) AS n FROM job_runs WHERE service_id = $1 AND environment_id = $2 AND finished_at IS NULL";
    let running: i64 = change.one(sql, args![key.service, key.environment], |row| row.get("n")).await?;
    let sql = "INSERT INTO job_runs (id, service_id, environment_id, revision_id, cause, state, reason_code, reason_message, due_at, created_at,
               finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
    let skipped = (JobState::Skipped, Some(now), Some("overlap"), Some("the run before was not over; runs never overlap"));
    let first = (running == 0).then_some((JobState::Running, None, None, None));
    // One that began in another transaction at this moment is the one before.
    for (state, finished, code, message) in first.into_iter().chain([skipped]) {
        let id: JobRunId = platform.new_id();
        if change.exec(sql, args![id, key.service, key.environment, revision, cause, state, code, message, due, now, finished]).await? > 0 {
            break;
        }
    }
    change.touch(Topic::Service(key.service));
    change.wake(Signal::Reconcile);
    Ok(())
}

/// A job's revision became what should run: its schedule counts from now on, and one without a schedule runs at once.
pub(crate) async fn deployed(
    worker: &Worker,
    change: &mut Bookkeeping,
    service: ServiceId,
    environment: EnvironmentId,
    revision: RevisionId,
) -> Result<()> {
    let now = worker.platform().now();
    let brought = revision_work(change, revision).await?;
    let job = brought.descriptor.kind == model::descriptor::Kind::Job;
    let scheduled = (job && brought.descriptor.schedule.is_some()).then_some(now);
    let sql = "UPDATE desired SET scheduled_at = $3 WHERE service_id = $1 AND environment_id = $2";
    change.exec(sql, args![service, environment, scheduled]).await?;
    if job && scheduled.is_none() {
        begin(worker, change, WorkKey { service, environment }, revision, JobCause::Deployment, now).await?;
    }
    Ok(())
}

/// The run of a key that is not over.
pub(crate) async fn unfinished(tx: &mut Tx, key: WorkKey) -> Result<Option<JobRun>> {
    let sql = "SELECT id, revision_id FROM job_runs WHERE service_id = $1 AND environment_id = $2 AND finished_at IS NULL";
    let found: Option<(JobRunId, RevisionId)> =
        tx.opt(sql, args![key.service, key.environment], |row| Ok((row.get("id")?, row.get("revision_id")?))).await?;
    let Some((id, revision)) = found else { return Ok(None) };
    let sql = "SELECT slot, state, exit_code FROM tasks WHERE run_id = $1 AND ended_at IS NOT NULL ORDER BY id LIMIT 5000";
    let ended = tx.all(sql, args![id], |row| Ok((row.get("slot")?, row.get("state")?, row.get("exit_code")?))).await?;
    Ok(Some(JobRun { id, revision: revision_work(tx, revision).await?, ended }))
}

/// A run is over.
pub async fn finish(worker: &Worker, key: WorkKey, run: JobRunId, state: JobState, reason: Option<&Reason>) -> Result<()> {
    let mut change = worker.change().await?;
    let sql = "UPDATE job_runs SET state = $2, reason_code = $3, reason_message = $4, finished_at = $5 WHERE id = $1 AND finished_at IS NULL";
    let (code, message) = (reason.map(|reason| reason.code.as_str()), reason.map(|reason| reason.message.as_str()));
    if change.exec(sql, args![run, state, code, message, worker.platform().now()]).await? > 0 {
        let sql = "SELECT project_id FROM services WHERE id = $1";
        let project: model::ids::ProjectId = change.one(sql, args![key.service], |row| row.get("project_id")).await?;
        change.touch(Topic::Service(key.service));
        change.touch(Topic::Project(project));
        forget_old(&mut change, key).await?;
    }
    change.finish().await
}

/// A schedule of every minute makes half a million runs in a year: the last ones are kept, with their tasks. What an engine still holds of
/// an older one is forgotten when it was removed. Where somebody had a shell is kept.
async fn forget_old(change: &mut Bookkeeping, key: WorkKey) -> Result<()> {
    let sql = "SELECT id FROM job_runs WHERE service_id = $1 AND environment_id = $2 ORDER BY id DESC LIMIT 1 OFFSET $3";
    let oldest: Option<JobRunId> = change.opt(sql, args![key.service, key.environment, KEPT - 1], |row| row.get("id")).await?;
    let Some(oldest) = oldest else { return Ok(()) };
    let old = "SELECT id FROM job_runs WHERE service_id = $1 AND environment_id = $2 AND id < $3 AND finished_at IS NOT NULL";
    // Whoever opened a shell in one is on record with it.
    let sql = format!(
        "DELETE FROM tasks WHERE run_id IN ({old}) AND removed_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ports p WHERE p.task_id = tasks.id)
         AND NOT EXISTS (SELECT 1 FROM shells h WHERE h.task_id = tasks.id)"
    );
    change.exec(sql, args![key.service, key.environment, oldest]).await?;
    let sql = format!("DELETE FROM job_runs WHERE id IN ({old}) AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.run_id = job_runs.id)");
    change.exec(sql, args![key.service, key.environment, oldest]).await.map(drop)
}

/// The newest run of a key, over or not: the containers of its tasks are kept for a while.
pub async fn newest(worker: &Worker, key: WorkKey) -> Result<Option<JobRunId>> {
    let sql = "SELECT id FROM job_runs WHERE service_id = $1 AND environment_id = $2 AND state <> 'skipped' ORDER BY id DESC LIMIT 1";
    worker.platform().read().await?.opt(sql, args![key.service, key.environment], |row| row.get("id")).await
}

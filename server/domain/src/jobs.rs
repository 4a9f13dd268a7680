//! Jobs: services whose tasks end. A run makes as many tasks as there are replicas and succeeds when every one ended with 0. Runs begin by the
//! schedule, by a deployment of a job that has none, or because somebody asks; two never overlap.
//!
//! What should run is in the record alone: the schedule's loop writes a run ([`work::tend`]), the engine's loop makes its tasks and ends it. A
//! portal that was away writes one run for all that it missed.

pub mod schedule;
pub mod work;

use model::descriptor::Kind;
use model::ids::{JobRunId, TaskId};
use model::names::EnvironmentName;
use model::time::Millis;
use model::views::jobs::{JobCause, JobRunView, JobState, JobTask, JobView};
use model::views::services::DesiredState;

use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Row, Tx};
use crate::deployments::work::{RevisionWork, revision_work};
use crate::environments::{self, Environment};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::services::Service;

crate::text_columns! { JobRunId, JobCause, JobState }

/// Runs that are shown.
const SHOWN: i64 = 50;

const SELECT: &str = "SELECT j.id, e.name AS environment, r.number, j.cause, j.state, j.reason_code, j.reason_message, j.created_by, j.due_at,
    j.created_at, j.finished_at FROM job_runs j JOIN environments e ON e.id = j.environment_id JOIN revisions r ON r.id = j.revision_id";

fn view(row: &Row<'_>) -> Result<JobRunView> {
    Ok(JobRunView {
        id: row.get("id")?,
        environment: row.get("environment")?,
        revision: row.get("number")?,
        cause: row.get("cause")?,
        by: row.get("created_by")?,
        state: row.get("state")?,
        reason: crate::services::reason(row)?,
        due_at: row.get("due_at")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
        tasks: Vec::new(),
    })
}

async fn with_tasks(tx: &mut Tx, runs: &mut [JobRunView]) -> Result<()> {
    for run in runs {
        let sql = "SELECT id, slot, state, exit_code FROM tasks WHERE run_id = $1 ORDER BY slot, id LIMIT 1000";
        run.tasks = tx
            .all(sql, args![run.id], |row| {
                Ok(JobTask { id: row.get::<TaskId>("id")?, slot: row.get("slot")?, state: row.get("state")?, exit_code: row.get("exit_code")? })
            })
            .await?;
    }
    Ok(())
}

/// What is wanted of a job in an environment. None: what was deployed there is no job, or nothing was.
async fn job(tx: &mut Tx, service: &Service, environment: &Environment) -> Result<Option<(RevisionWork, DesiredState, Option<Millis>)>> {
    let sql = "SELECT d.revision_id, d.state, d.scheduled_at FROM desired d JOIN revisions r ON r.id = d.revision_id
               WHERE d.service_id = $1 AND d.environment_id = $2 AND r.job";
    let found = tx
        .opt(sql, args![service.id, environment.id], |row| {
            Ok((row.get::<model::ids::RevisionId>("revision_id")?, row.get("state")?, row.get("scheduled_at")?))
        })
        .await?;
    let Some((revision, state, scheduled)) = found else { return Ok(None) };
    Ok(Some((revision_work(tx, revision).await?, state, scheduled)))
}

/// The last runs of a job, and when it runs next.
pub async fn list(platform: &Platform, may: &May<can::SeeServices, Service>, environment: Option<&EnvironmentName>) -> Result<JobView> {
    let mut tx = platform.read().await?;
    let environment = environments::choose_for(&mut tx, may, environment).await?;
    let found = job(&mut tx, may, &environment).await?;
    let now = platform.now();
    let (schedule, next) = match &found {
        Some((revision, state, scheduled)) => {
            let schedule = revision.descriptor.schedule.clone();
            let after = scheduled.unwrap_or(now).max(now);
            let next = schedule.as_ref().and_then(|text| schedule::next(text, revision.descriptor.timezone.as_deref(), after));
            (schedule, next.filter(|_| *state == DesiredState::Running))
        }
        None => (None, None),
    };
    let sql = format!("{SELECT} WHERE j.service_id = $1 AND j.environment_id = $2 ORDER BY j.id DESC LIMIT {SHOWN}");
    let mut items = tx.all(sql, args![may.id, environment.id], view).await?;
    with_tasks(&mut tx, &mut items).await?;
    Ok(JobView { schedule, next, items })
}

/// Lets a job run now, whatever its schedule.
///
/// # Errors
/// `Conflict`: `not_a_job`, `stopped`, `already_running`.
pub async fn run_now(platform: &Platform, may: &May<can::Deploy, Service>, environment: Option<&EnvironmentName>) -> Result<JobRunView> {
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&format!("service {}", may.id)).await?;
    let environment = environments::choose(&mut change, may.project.id, environment).await?;
    let found = job(&mut change, may, &environment).await?;
    let Some((revision, state, _)) = found.filter(|(revision, ..)| revision.descriptor.kind == Kind::Job) else {
        return Err(Error::conflict("not_a_job", format!("no job of this name is deployed to {}; deploy it with kind: job first", environment.name)));
    };
    if state == DesiredState::Stopped {
        return Err(Error::conflict("stopped", format!("{} is stopped in {}; start it first", may.name, environment.name)));
    }
    crate::deployments::still_allowed(platform, &mut change, may, &environment, revision.id).await?;
    let now = platform.now();
    let id: JobRunId = platform.new_id();
    let sql = "INSERT INTO job_runs (id, service_id, environment_id, revision_id, cause, state, created_by, due_at, created_at)
               VALUES ($1, $2, $3, $4, 'hand', 'running', $5, $6, $6) ON CONFLICT DO NOTHING";
    if change.exec(sql, args![id, may.id, environment.id, revision.id, may.actor().name(), now]).await? == 0 {
        return Err(Error::conflict("already_running", format!("a run of {} is under way in {}; runs never overlap", may.name, environment.name)));
    }
    tell(&mut change, may);
    let view = change.one(format!("{SELECT} WHERE j.id = $1"), args![id], view).await?;
    let detail = serde_json::json!({ "environment": environment.name, "revision": revision.number, "run": id });
    change.commit(Record::new("job.run", "service", &may.name).project(&may.project).detail(detail)).await?;
    Ok(view)
}

fn tell(change: &mut Change, service: &Service) {
    change.touch(Topic::Service(service.id));
    change.touch(Topic::Project(service.project.id));
    change.wake(Signal::Reconcile);
}

#[cfg(test)]
mod tests;

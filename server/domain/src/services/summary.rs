//! Services in lists: one statement for a page, however many tasks there are.

use model::time::Millis;
use model::views::deployments::DeploymentState;
use model::views::services::{DesiredState, LastRun, RunSummary, ServiceState, ServiceSummary};

use super::crashes;
use crate::db::{Row, Tx, Value, placeholders};
use crate::error::Result;

/// Tasks that serve: they run, and their check passes where there is one.
pub(crate) const SERVING: &str = "t.ended_at IS NULL AND t.state = 'running' AND t.health IN ('none', 'healthy')";

/// What decides how a service does in an environment.
pub(super) struct Counts {
    pub desired: DesiredState,
    /// The state of the unfinished deployment.
    pub deploying: Option<DeploymentState>,
    /// Whether a revision should run.
    pub deployed: bool,
    pub healthy: i64,
    pub total: i64,
    /// A job whose last run failed.
    pub failing: bool,
}

impl Counts {
    pub fn state(&self) -> ServiceState {
        match self {
            Self { deploying: Some(_), .. } => ServiceState::Deploying,
            Self { desired: DesiredState::Stopped, .. } => ServiceState::Stopped,
            Self { deployed: false, .. } => ServiceState::Empty,
            Self { failing: true, .. } => ServiceState::Degraded,
            Self { healthy, total, .. } if healthy >= total => ServiceState::Healthy,
            Self { healthy: 0, .. } => ServiceState::Down,
            Self { .. } => ServiceState::Degraded,
        }
    }
}

/// Columns of [`run`], over `desired d` with its environment `e`, revision `r` and unfinished deployment `a` with its revision `ar`.
pub(crate) const RUN_COLUMNS: &str = "e.name AS environment, d.state AS desired, d.updated_at, a.state AS deploying, r.image, r.number,
    CASE WHEN r.job THEN 0 ELSE r.replicas END AS replicas, CASE WHEN ar.job THEN 0 ELSE ar.replicas END AS next_replicas,
    CASE WHEN r.job THEN COALESCE((SELECT j.state FROM job_runs j WHERE j.service_id = d.service_id AND j.environment_id = d.environment_id
                          AND j.state IN ('succeeded', 'failed') ORDER BY j.id DESC LIMIT 1), 'none') END AS last_run,
    (SELECT MAX(f.last_at) FROM failures f WHERE f.service_id = d.service_id AND f.environment_id = d.environment_id AND f.times >= 3) AS crashed_at";

/// The joins that they need.
pub(crate) const RUN_JOINS: &str = "LEFT JOIN environments e ON e.id = d.environment_id
    LEFT JOIN revisions r ON r.id = d.revision_id
    LEFT JOIN deployments a ON a.service_id = d.service_id AND a.environment_id = d.environment_id AND a.finished_at IS NULL
        AND a.state <> 'pending'
    LEFT JOIN revisions ar ON ar.id = a.revision_id";

/// A service's run from a row with [`RUN_COLUMNS`] and `healthy`, as it is now.
pub(crate) fn run(row: &Row<'_>, now: Millis) -> Result<RunSummary> {
    let (replicas, next): (Option<i64>, Option<i64>) = (row.get("replicas")?, row.get("next_replicas")?);
    let job: Option<LastRun> = row.get("last_run")?;
    let counts = Counts {
        desired: row.get("desired")?,
        deploying: row.get("deploying")?,
        deployed: replicas.is_some(),
        healthy: row.get("healthy")?,
        total: next.or(replicas).unwrap_or(0),
        failing: job == Some(LastRun::Failed),
    };
    let stopped = counts.desired == DesiredState::Stopped && counts.deploying.is_none();
    let crashed_at: Option<Millis> = row.get("crashed_at")?;
    let crash_loop = counts.desired == DesiredState::Running && crashed_at.is_some_and(|last| crashes::is_fresh(last, now));
    Ok(RunSummary {
        environment: row.get("environment")?,
        state: counts.state(),
        healthy: counts.healthy,
        total: if stopped { 0 } else { counts.total },
        image: row.get("image")?,
        revision: row.get("number")?,
        updated_at: row.get("updated_at")?,
        crash_loop,
        job,
    })
}

/// The services for which `condition` (with its ORDER BY) holds, at most `$2`.
pub(super) async fn read(tx: &mut Tx, condition: &str, arguments: Vec<Value>, now: Millis) -> Result<Vec<ServiceSummary>> {
    let sql = format!(
        "SELECT s.id, s.name, s.created_at, p.name AS project FROM services s JOIN projects p ON p.id = s.project_id
         WHERE s.deleted_at IS NULL AND p.deleted_at IS NULL AND {condition} LIMIT $2"
    );
    let mut services = tx
        .all(sql, arguments, |row| {
            Ok(ServiceSummary {
                id: row.get("id")?,
                project: row.get("project")?,
                name: row.get("name")?,
                created_at: row.get("created_at")?,
                runs: Vec::new(),
            })
        })
        .await?;
    if services.is_empty() {
        return Ok(services);
    }
    let list = placeholders(1, services.len());
    let sql = format!(
        "SELECT d.service_id, {RUN_COLUMNS},
         (SELECT COUNT(*) FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND {SERVING}) AS healthy
         FROM desired d {RUN_JOINS} WHERE d.service_id IN ({list}) ORDER BY e.name"
    );
    let ids = services.iter().map(|service| Value::from(service.id)).collect();
    let runs = tx.all(sql, ids, |row| Ok((row.get::<model::ids::ServiceId>("service_id")?, run(row, now)?))).await?;
    for (id, run) in runs {
        if let Some(service) = services.iter_mut().find(|service| service.id == id) {
            service.runs.push(run);
        }
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_says_how_a_service_does() {
        let state = |desired, deploying, deployed, healthy, total| Counts { desired, deploying, deployed, healthy, total, failing: false }.state();
        use DesiredState::{Running, Stopped};
        assert_eq!(state(Running, None, false, 0, 0), ServiceState::Empty);
        assert_eq!(state(Running, Some(DeploymentState::Pulling), false, 0, 2), ServiceState::Deploying);
        assert_eq!(state(Stopped, None, true, 0, 2), ServiceState::Stopped);
        assert_eq!(state(Running, None, true, 2, 2), ServiceState::Healthy);
        assert_eq!(state(Running, None, true, 1, 2), ServiceState::Degraded);
        assert_eq!(state(Running, None, true, 0, 2), ServiceState::Down);
        assert_eq!(state(Running, None, true, 0, 0), ServiceState::Healthy);
    }
}

//! One service with all that its page shows.

use model::ids::EnvironmentId;
use model::views::environments::FreezeView;
use model::views::services::{DesiredState, RunSummary, RunView, ServiceDetail};

use super::{Service, crashes, summary, tasks};
use crate::access::{May, can};
use crate::args;
use crate::deployments::{acts, revisions};
use crate::environments::freeze_of;
use crate::error::Result;
use crate::platform::Platform;

/// The service, how it does in each environment, and what the reader may do.
pub async fn get(platform: &Platform, may: &May<can::SeeServices, Service>) -> Result<ServiceDetail> {
    let mut tx = platform.read().await?;
    let allowed = may.actor().everything_allowed(&mut tx, may.standing(), &may.project).await?;
    let sql = format!(
        "SELECT d.environment_id, d.revision_id, e.frozen_at, e.frozen_by, e.frozen_why, {},
         (SELECT COUNT(*) FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND {}) AS healthy
         FROM desired d {} WHERE d.service_id = $1 ORDER BY e.name",
        summary::RUN_COLUMNS,
        summary::SERVING,
        summary::RUN_JOINS
    );
    let now = platform.now();
    type Found = (EnvironmentId, Option<model::ids::RevisionId>, DesiredState, RunSummary, Option<FreezeView>);
    let found: Vec<Found> = tx
        .all(sql, args![may.id], |row| {
            Ok((row.get("environment_id")?, row.get("revision_id")?, row.get("desired")?, summary::run(row, now)?, freeze_of(row)?))
        })
        .await?;
    let mut runs = Vec::with_capacity(found.len());
    for (environment_id, revision, desired, summary, frozen) in found {
        let revision = match revision {
            Some(id) => Some(revisions::detail(&mut tx, may, id).await?),
            None => None,
        };
        let deployment = acts::newest(&mut tx, may.id, environment_id).await?;
        let tasks = tasks::read(&mut tx, may.id, Some(environment_id)).await?;
        let crash_loop = match desired {
            DesiredState::Running => crashes::of(&mut tx, may.id, environment_id, now).await?,
            DesiredState::Stopped => None,
        };
        runs.push(RunView { environment_id, summary, desired, revision, deployment, tasks, crash_loop, frozen });
    }
    Ok(ServiceDetail {
        id: may.id,
        project: may.project.name.clone(),
        project_id: may.project.id,
        name: may.name.clone(),
        created_at: may.created_at,
        created_by: may.created_by.clone(),
        runs,
        may: allowed,
    })
}

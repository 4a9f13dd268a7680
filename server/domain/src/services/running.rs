//! What a container is: from its id, or a task's, to the service, the revision and whoever brought it.

use model::ids::{DeploymentId, EnvironmentId, RevisionId};
use model::running::Running;
use model::views::services::RunningView;

use super::{Task, tasks};
use crate::access::{Key, May, can};
use crate::args;
use crate::db::Tx;
use crate::deployments::{acts, revisions};
use crate::error::Result;
use crate::platform::Platform;

impl Key for Running {
    type Resource = Task;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Task>> {
        let task = match self {
            Self::Task(task) => Some(*task),
            Self::Container(beginning) => {
                // `g` comes after every digit of an id.
                let sql = "SELECT id FROM tasks WHERE container >= $1 AND container < $2 ORDER BY id DESC LIMIT 1";
                tx.opt(sql, args![beginning, format!("{beginning}g")], |row| row.get("id")).await?
            }
        };
        match task {
            Some(task) => tasks::find(tx, task).await,
            None => Ok(None),
        }
    }
}

/// What it is, and who brought it. Also of what ended, as long as it is known.
pub async fn running(platform: &Platform, may: &May<can::SeeServices, Task>) -> Result<RunningView> {
    let mut tx = platform.read().await?;
    let sql = "SELECT revision_id, deployment_id, environment_id FROM tasks WHERE id = $1";
    type Origin = (RevisionId, Option<DeploymentId>, EnvironmentId);
    let (revision, deployment, environment): Origin =
        tx.one(sql, args![may.id], |row| Ok((row.get("revision_id")?, row.get("deployment_id")?, row.get("environment_id")?))).await?;
    Ok(RunningView {
        project: may.service.project.name.clone(),
        service: may.service.name.clone(),
        task: tasks::one(&mut tx, may).await?,
        revision: revisions::listed(&mut tx, revision).await?,
        deployment: acts::that_brought(&mut tx, deployment, environment, revision).await?,
    })
}

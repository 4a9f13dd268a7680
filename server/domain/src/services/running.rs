//! What a container is: from its id, or a task's, to the service, the revision and whoever brought it.

use std::str::FromStr;

use model::ids::{DeploymentId, EnvironmentId, RevisionId, TaskId};
use model::views::services::RunningView;

use super::{Task, tasks};
use crate::access::{Key, May, can};
use crate::args;
use crate::db::Tx;
use crate::deployments::{acts, revisions};
use crate::error::Result;
use crate::platform::Platform;

/// So much of a container's id is enough: what `docker ps` shows, and the host name within it.
const SHORT: usize = 12;
/// The whole id.
const LONG: usize = 64;

/// Names a task by its own id, or by its container's, whole or the beginning of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// The task's id.
    Task(TaskId),
    /// The container's id, or its first twelve digits or more.
    Container(String),
}

impl FromStr for Running {
    type Err = NoContainer;

    fn from_str(text: &str) -> Result<Self, NoContainer> {
        let text = text.trim();
        if let Ok(task) = text.parse() {
            return Ok(Self::Task(task));
        }
        let hexadecimal = text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        if hexadecimal && (SHORT..=LONG).contains(&text.len()) { Ok(Self::Container(text.to_owned())) } else { Err(NoContainer) }
    }
}

/// The text names no container and no task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a task's id, or a container's id or its first 12 digits at least, as `docker ps` shows them")]
pub struct NoContainer;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_containers_and_tasks_are_told_apart() {
        let task = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11";
        assert_eq!(task.parse(), Ok(Running::Task(task.parse().expect("an id"))));
        assert_eq!(" 0123456789ab\n".parse(), Ok(Running::Container("0123456789ab".into())));
        for wrong in ["", "0123456789a", "web.1", "0123456789AB", "0123456789ab%", &"a".repeat(65)] {
            assert_eq!(wrong.parse::<Running>(), Err(NoContainer), "{wrong}");
        }
    }
}

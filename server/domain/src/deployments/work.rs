//! What loops need of deployments, all of it behind a [`Worker`]: which services have something to do ([`due`]), everything about
//! one of them in one reading ([`load`]), and the recording of what was done and seen. Nothing here talks to an engine.
//!
//! How a loop uses it: for each machine that answers, `due` names keys; for each key `load` gives a [`Work`], whose
//! [`Work::target`] says what should run now. With an unfinished deployment the loop moves it on by [`advance`], which answers
//! `false` when the deployment is over (a newer one, a cancel, a stop took its place): then the loop lets go and loads anew.
//! Without one it makes, replaces and ends tasks until they fit the target. What an engine tells is recorded by the `task_...`
//! functions, in any order and as often as it is told: each is idempotent.
//!
//! After a crash nothing is half: a task in the state `preparing` has its row and its ports, and perhaps a container, which bears
//! the task's id as a label. The loop looks for it there, and goes on with it or ends the task.

mod delivery;
mod failures;
mod load;
mod networks;
mod origins;
mod state;
mod tasks;

use model::descriptor::Descriptor;
use model::digest::Digest;
use model::ids::{DeploymentId, EnvironmentId, JobRunId, MachineId, ProjectId, RevisionId, ServiceId, TaskId};
use model::names::{EnvironmentName, ProjectName, RepositoryPath, ServiceName};
use model::secret::Secret;
use model::time::Millis;
use model::views::deployments::{DeploymentKind, DeploymentState, Progress};
use model::views::services::{DesiredState, Difference, TaskHealth, TaskPort, TaskState};

use crate::jobs::work::JobRun;
use crate::machines::Machine;
#[cfg(doc)]
use crate::worker::Worker;

pub use delivery::{Delivery, TaskFile, delivery};
pub(crate) use failures::REST;
pub use failures::{SlotFailure, forget_failures, slot_failed};
pub(crate) use load::revision_work;
pub use load::{due, every_key, load, recent_failures, revision};
pub use networks::{AbandonedNetwork, abandoned_networks, free_network};
pub use origins::{Origin, origin};
pub use state::{advance, move_network, network, outside_allowed, pin, progress, pull_source};
pub use tasks::{
    End, NewTask, create_task, leftovers, leftovers_of, living, move_port, task_drift, task_ended, task_health, task_removed, task_restarting,
    task_running, task_stopping,
};

/// One service in one environment: what is worked on at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkKey {
    /// The service.
    pub service: ServiceId,
    /// The environment.
    pub environment: EnvironmentId,
}

/// Everything about one key, read in one transaction.
#[derive(Clone, Debug)]
pub struct Work {
    /// The key.
    pub key: WorkKey,
    /// The project's id.
    pub project_id: ProjectId,
    /// The project's name.
    pub project: ProjectName,
    /// The service's name; also the DNS alias of its tasks.
    pub service: ServiceName,
    /// The environment's name.
    pub environment: EnvironmentName,
    /// The environment's machines, by name.
    pub machines: Vec<Machine>,
    /// Whether the service was deleted: nothing should run.
    pub deleted: bool,
    /// What somebody wants.
    pub state: DesiredState,
    /// A rollout failed that stops where it is: but for a deployment, nothing that runs is ended or replaced.
    pub halted: bool,
    /// The last revision that was brought with success; none: none was.
    pub revision: Option<RevisionWork>,
    /// The deployment that is not over.
    pub deployment: Option<DeploymentWork>,
    /// Tasks that did not end, by slot, the older first.
    pub tasks: Vec<TaskWork>,
    /// A job's run that is not over.
    pub run: Option<JobRun>,
}

/// What should run at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The revision.
    pub revision: &'a RevisionWork,
    /// The deployment that brings it; none: it was brought before.
    pub deployment: Option<&'a DeploymentWork>,
}

impl Work {
    /// What should run now: the unfinished deployment's revision, else the last good one. None: nothing should run.
    #[must_use]
    pub fn target(&self) -> Option<Target<'_>> {
        if self.deleted {
            return None;
        }
        match &self.deployment {
            Some(deployment) if deployment.state != DeploymentState::Pending => {
                Some(Target { revision: &deployment.revision, deployment: Some(deployment) })
            }
            _ => self.settled(),
        }
    }

    /// What should run if the unfinished deployment failed now: the last good revision, unless the service is stopped.
    #[must_use]
    pub fn settled(&self) -> Option<Target<'_>> {
        if self.deleted || self.state == DesiredState::Stopped {
            return None;
        }
        self.revision.as_ref().map(|revision| Target { revision, deployment: None })
    }
}

impl Target<'_> {
    /// How many tasks there should be.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.revision.descriptor.replicas
    }

    /// Whether a task is what the target wants: made from the same content and description, and by this deployment where it is a
    /// restart.
    #[must_use]
    pub fn fits(&self, task: &TaskWork) -> bool {
        let renewed = match self.deployment {
            Some(deployment) if deployment.kind == DeploymentKind::Restart => task.deployment == Some(deployment.id),
            _ => true,
        };
        renewed && task.spec == self.revision.spec
    }
}

/// A revision, for making containers from it.
#[derive(Clone, Debug)]
pub struct RevisionWork {
    /// Its id.
    pub id: RevisionId,
    /// Its number, for `SLIPWAY_REVISION` and labels.
    pub number: i64,
    /// The complete description.
    pub descriptor: Descriptor,
    /// The image's content; none: an outside image by tag that was never fetched. [`pin`] records what it turned out to be.
    pub digest: Option<Digest>,
    /// A hash of all that a container is made from. It stays as it is when an outside image is pinned.
    pub spec: String,
}

/// A deployment that is not over.
#[derive(Clone, Debug)]
pub struct DeploymentWork {
    /// Its id.
    pub id: DeploymentId,
    /// What sort of act.
    pub kind: DeploymentKind,
    /// How far it came.
    pub state: DeploymentState,
    /// The revision that it brings.
    pub revision: RevisionWork,
    /// How far the work came.
    pub progress: Progress,
    /// When it was asked for.
    pub created_at: Millis,
    /// When the work began.
    pub started_at: Option<Millis>,
}

/// A task that did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskWork {
    /// Its id.
    pub id: TaskId,
    /// What it belongs to.
    pub key: WorkKey,
    /// Its place, from 1.
    pub slot: i64,
    /// The machine that it runs on.
    pub machine: MachineId,
    /// The revision that it was made from.
    pub revision: RevisionId,
    /// That revision's number.
    pub number: i64,
    /// What it was made from, as a hash.
    pub spec: String,
    /// The deployment that made it; none: reconciliation did.
    pub deployment: Option<DeploymentId>,
    /// The run of a job that it belongs to.
    pub run: Option<JobRunId>,
    /// What it does.
    pub state: TaskState,
    /// What its health check says.
    pub health: TaskHealth,
    /// Its container on the engine; none while it is being made.
    pub container: Option<String>,
    /// Its address in the project's network.
    pub address: Option<String>,
    /// Its ports.
    pub ports: Vec<TaskPort>,
    /// How often the engine started it again.
    pub restarts: i64,
    /// What something else than Slipway changed of it, as it was seen last.
    pub drift: Vec<Difference>,
    /// When it was made.
    pub created_at: Millis,
    /// When its program started.
    pub started_at: Option<Millis>,
    /// When its check first passed (or it started, where there is none).
    pub healthy_at: Option<Millis>,
}

impl TaskWork {
    /// Whether it serves: it runs, and its check passes where there is one.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.state == TaskState::Running && matches!(self.health, TaskHealth::None | TaskHealth::Healthy)
    }
}

/// Where an engine gets a revision's image, and with what.
#[derive(Clone, Debug)]
pub enum PullSource {
    /// From the embedded registry, at the machine's `registry_address`; the registry hands out a short-lived token for it.
    Embedded {
        /// The image's project.
        project: ProjectName,
        /// Its repository below the project.
        repository: RepositoryPath,
        /// Its content.
        digest: Digest,
    },
    /// From an outside registry.
    Outside {
        /// The registry's host, with a port where one was named.
        host: String,
        /// The repository there.
        repository: String,
        /// `@sha256:...` once it is pinned, else the tag.
        reference: model::reference::Reference,
        /// Name and secret, where the project has a credential for it.
        credential: Option<(String, Secret)>,
    },
}

/// A task that ended and whose container may still be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The task.
    pub task: TaskId,
    /// What it belongs to.
    pub key: WorkKey,
    /// The machine that it ran on.
    pub machine: MachineId,
    /// Its place.
    pub slot: i64,
    /// The run of a job that it belonged to.
    pub run: Option<JobRunId>,
    /// Its container, if one was made.
    pub container: Option<String>,
    /// How it ended.
    pub state: TaskState,
    /// When it ended.
    pub ended_at: Millis,
}

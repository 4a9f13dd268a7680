//! Views of services and their tasks.

use serde::{Deserialize, Serialize};

use super::deployments::{DeploymentView, RevisionDetail};
use super::environments::FreezeView;
use crate::access::Action;
use crate::descriptor::Protocol;
use crate::ids::{EnvironmentId, ProjectId, ServiceId, TaskId};
use crate::names::{EnvironmentName, MachineName, ProjectName, ServiceName};
use crate::time::Millis;
use crate::words::words;

words! {
    /// What somebody wants of a service in an environment.
    DesiredState,
    /// Its tasks run.
    Running = "running",
    /// It has none.
    Stopped = "stopped",
}

words! {
    /// How a service does in an environment, in one word.
    ServiceState,
    /// Nothing was ever deployed there.
    Empty = "empty",
    /// A deployment is under way.
    Deploying = "deploying",
    /// Every task is healthy.
    Healthy = "healthy",
    /// Some tasks are healthy, some are not.
    Degraded = "degraded",
    /// No task is healthy.
    Down = "down",
    /// It was stopped.
    Stopped = "stopped",
}

words! {
    /// What a task does.
    TaskState,
    /// Its container is being made.
    Preparing = "preparing",
    /// Its container runs.
    Running = "running",
    /// It ended by itself and the engine starts it again, later each time.
    Restarting = "restarting",
    /// It was asked to end.
    Stopping = "stopping",
    /// It ended because it should.
    Ended = "ended",
    /// It ended because something is wrong; the reason says what.
    Failed = "failed",
    /// Its container is gone, and it was not Slipway that removed it.
    Lost = "lost",
}

impl TaskState {
    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Preparing | Self::Running | Self::Restarting | Self::Stopping => false,
            Self::Ended | Self::Failed | Self::Lost => true,
        }
    }
}

words! {
    /// What a task's health check says.
    TaskHealth,
    /// There is no check.
    None = "none",
    /// It did not pass yet.
    Starting = "starting",
    /// It passes.
    Healthy = "healthy",
    /// It failed too often in a row.
    Unhealthy = "unhealthy",
}

/// A port of a task on its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPort {
    /// The port's name in the descriptor.
    pub name: String,
    /// The port inside the task.
    pub container: u16,
    /// The port of the machine.
    pub host: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A task: one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// The task.
    pub id: TaskId,
    /// Where.
    pub environment: EnvironmentName,
    /// Its place among the service's tasks, from 1.
    pub slot: i64,
    /// What it does.
    pub state: TaskState,
    /// What its health check says.
    pub health: TaskHealth,
    /// Why it is in this state, where there is something to say: `oom`, `exited`.
    pub reason: Option<super::deployments::Reason>,
    /// The machine that it runs on.
    pub machine: MachineName,
    /// The machine's address for links.
    pub host: String,
    /// Its published ports.
    pub ports: Vec<TaskPort>,
    /// Number of the revision that it was made from.
    pub revision: i64,
    /// What it ended with.
    pub exit_code: Option<i64>,
    /// How often the engine started it again.
    pub restarts: i64,
    /// The container's id on the engine.
    pub container: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When its program started.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// What something else than Slipway changed of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Difference>,
}

/// Something of a task that is not as it was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What: `name`, `memory`.
    pub what: String,
    /// As it was ordered.
    pub ordered: String,
    /// As it is.
    pub found: String,
}

impl Difference {
    /// A difference.
    pub fn new(what: impl Into<String>, ordered: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), ordered: ordered.into(), found: found.into() }
    }
}

/// A container that this portal did not make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignContainer {
    /// The machine that it is on.
    pub machine: MachineName,
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it was made from.
    pub image: String,
    /// Its state, in the engine's word.
    pub state: String,
    /// When it was made.
    pub created_at: Millis,
}

/// The containers that this portal did not make, and machines that could not be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignContainers {
    /// By machine and name.
    pub items: Vec<ForeignContainer>,
    /// Machines whose engine did not answer.
    pub away: Vec<MachineName>,
}

words! {
    /// How the last run of a job ended.
    LastRun,
    /// None did yet.
    None = "none",
    /// Every task ended with 0.
    Succeeded = "succeeded",
    /// A task did not.
    Failed = "failed",
}

/// A service in one environment, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Where.
    pub environment: EnvironmentName,
    /// How it does.
    pub state: ServiceState,
    /// Tasks that are healthy (or run, where there is no check).
    pub healthy: i64,
    /// Tasks that there should be.
    pub total: i64,
    /// The image that should run, as it was named.
    pub image: Option<String>,
    /// Number of the revision that should run.
    pub revision: Option<i64>,
    /// When what is wanted changed last.
    pub updated_at: Millis,
    /// Whether its tasks fail again and again.
    #[serde(default)]
    pub crash_loop: bool,
    /// What should run is a job: how its last run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<LastRun>,
}

/// A service in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSummary {
    /// The service.
    pub id: ServiceId,
    /// Its project.
    pub project: ProjectName,
    /// Its name.
    pub name: ServiceName,
    /// When it was made.
    pub created_at: Millis,
    /// How it does, for each environment in which something was deployed.
    pub runs: Vec<RunSummary>,
}

/// A service in one environment, with all that a page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// The environment, for its live topic.
    pub environment_id: EnvironmentId,
    /// The summary.
    pub summary: RunSummary,
    /// What somebody wants.
    pub desired: DesiredState,
    /// What should run.
    pub revision: Option<RevisionDetail>,
    /// The newest deployment.
    pub deployment: Option<DeploymentView>,
    /// Its tasks: those that live, then the last ones that ended.
    pub tasks: Vec<TaskView>,
    /// Its tasks fail again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_loop: Option<CrashLoop>,
    /// Nothing is changed there for now: only an operator brings something, with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FreezeView>,
}

impl RunView {
    /// Whether what should run is a job: its tasks end.
    #[must_use]
    pub fn is_job(&self) -> bool {
        self.summary.job.is_some()
    }
}

/// Tasks of a service that fail again and again, each try later than the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashLoop {
    /// How often.
    pub failures: i64,
    /// The first of these failures.
    pub since: Millis,
    /// The last one.
    pub last_at: Millis,
    /// When the next try is; none: one is under way.
    pub next_at: Option<Millis>,
    /// The places among the service's tasks where it happens, from 1.
    pub slots: Vec<i64>,
    /// Why, the last time.
    pub reason: super::deployments::Reason,
    /// The last lines of what died last.
    pub lines: String,
}

impl CrashLoop {
    /// In one line, for people.
    #[must_use]
    pub fn said(&self) -> String {
        let minutes = ((self.last_at.since(self.since).as_secs() + 30) / 60).max(1);
        let span = if minutes == 1 { String::from("a minute") } else { format!("{minutes} minutes") };
        format!("{} failures in {span}", self.failures)
    }
}

/// A service with all that a page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceDetail {
    /// The service.
    pub id: ServiceId,
    /// Its project.
    pub project: ProjectName,
    /// The project's id, for its live topic.
    pub project_id: ProjectId,
    /// Its name.
    pub name: ServiceName,
    /// When it was made.
    pub created_at: Millis,
    /// Who made it, by the name at that time.
    pub created_by: String,
    /// How it does in each environment.
    pub runs: Vec<RunView>,
    /// What the reader may do; pages hide the rest, the server refuses it.
    pub may: Vec<Action>,
}

impl ServiceDetail {
    /// Whether the reader may do this.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        self.may.contains(&action)
    }
}

/// What a container is: whose, of which revision, brought by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningView {
    /// Its project.
    pub project: ProjectName,
    /// Its service.
    pub service: ServiceName,
    /// The task.
    pub task: TaskView,
    /// What it was made from: image and content, commit, build, who and why.
    pub revision: super::deployments::RevisionView,
    /// The act that brought it.
    pub deployment: Option<DeploymentView>,
}

/// Credentials for an outside registry, without the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryCredentialView {
    /// The registry: host, with a port where it is not 443.
    pub host: String,
    /// The name to sign in with.
    pub username: String,
    /// Who set it, by the name at that time.
    pub by: String,
    /// When.
    pub updated_at: Millis,
}

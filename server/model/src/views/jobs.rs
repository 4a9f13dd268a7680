//! Views of jobs: their runs.

use serde::{Deserialize, Serialize};

use super::deployments::Reason;
use super::services::TaskState;
use crate::ids::{JobRunId, TaskId};
use crate::names::EnvironmentName;
use crate::time::Millis;
use crate::words::words;

words! {
    /// What made a job run.
    JobCause,
    /// Its schedule.
    Schedule = "schedule",
    /// A deployment of a job without a schedule.
    Deployment = "deployment",
    /// Somebody.
    Hand = "hand",
}

words! {
    /// How a run of a job stands.
    JobState,
    /// Its tasks run.
    Running = "running",
    /// Every task ended with 0.
    Succeeded = "succeeded",
    /// A task did not.
    Failed = "failed",
    /// It did not begin, because the one before was not over.
    Skipped = "skipped",
    /// The job was stopped, deleted, or made a service.
    Cancelled = "cancelled",
}

/// A task of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTask {
    /// The task.
    pub id: TaskId,
    /// Its place, from 1.
    pub slot: i64,
    /// What it does.
    pub state: TaskState,
    /// What it ended with.
    pub exit_code: Option<i64>,
}

/// A run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRunView {
    /// The run.
    pub id: JobRunId,
    /// Where.
    pub environment: EnvironmentName,
    /// Number of the revision that it runs.
    pub revision: i64,
    /// What made it run.
    pub cause: JobCause,
    /// Who, where somebody did.
    pub by: Option<String>,
    /// How it stands.
    pub state: JobState,
    /// Why, where there is something to say.
    pub reason: Option<Reason>,
    /// When it should have begun.
    pub due_at: Millis,
    /// When it began.
    pub created_at: Millis,
    /// When it was over.
    pub finished_at: Option<Millis>,
    /// Its tasks, by slot.
    pub tasks: Vec<JobTask>,
}

/// The runs of a job in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Its schedule, if it has one.
    pub schedule: Option<String>,
    /// When it runs next by its schedule; none while it is stopped.
    pub next: Option<Millis>,
    /// The last runs, newest first.
    pub items: Vec<JobRunView>,
}

//! Views of shells: who opened a terminal in what, from where and what for, and what became of its recording.

use serde::{Deserialize, Serialize};

use crate::ids::{ShellId, TaskId};
use crate::names::{EnvironmentName, ProjectName, ServiceName};
use crate::time::Millis;

/// A shell that is or was open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellView {
    /// The shell; its session's name on the wire, too.
    pub id: ShellId,
    /// Its project.
    pub project: ProjectName,
    /// The service in whose task it is.
    pub service: ServiceName,
    /// Where that runs.
    pub environment: EnvironmentName,
    /// The task.
    pub task: TaskId,
    /// The task's place among the service's tasks, from 1.
    pub slot: i64,
    /// Who opened it, by the name they had then.
    pub by: String,
    /// The client's address.
    pub address: String,
    /// What they said it is for; may be empty.
    pub why: String,
    /// Program and arguments; none: the image's shell.
    pub command: Option<Vec<String>>,
    /// As which user, where another than the task's was asked for.
    pub user: Option<String>,
    /// In which folder, where another than the task's was asked for.
    pub workdir: Option<String>,
    /// When it was opened.
    pub opened_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// The word for why it ended: `exited`, `left`, `task_ended`.
    pub ended_why: Option<String>,
    /// The code that its program ended with, where it did by itself.
    pub exit_code: Option<i64>,
    /// Whether it is or was recorded.
    pub recorded: bool,
    /// Bytes of its recording, while there is one.
    pub bytes: u64,
    /// Whether its recording was deleted since.
    pub gone: bool,
    /// Whether it is open.
    pub open: bool,
    /// Columns and rows of the window at the beginning of its recording; told of a single shell alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u16, u16)>,
}

impl ShellView {
    /// Whether there is a recording to be watched.
    #[must_use]
    pub fn can_be_watched(&self) -> bool {
        self.recorded && !self.gone
    }
}

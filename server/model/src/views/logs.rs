//! Views of logs: one line, as REST answers it (a line of `application/x-ndjson`, the data of an event) and as pages read it.

use serde::{Deserialize, Serialize};

use crate::ids::TaskId;
use crate::words::words;

words! {
    /// Which of its two streams a process wrote to.
    LogSource,
    /// Standard output.
    Stdout = "stdout",
    /// Standard error.
    Stderr = "stderr",
}

/// A line, and which task wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    /// When it was written, nanoseconds since the epoch, by the engine's clock. Also what `since` takes.
    pub at_nanos: i64,
    /// The task.
    pub task: TaskId,
    /// Its place among the service's tasks, from 1.
    pub slot: i64,
    /// Where to.
    pub source: LogSource,
    /// Without its line end.
    pub text: String,
    /// It was longer than the limit, and its rest is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

//! Views of logs: one line, a page of them, and which lines are asked for. Pages, streams and programs read and write the same words, and a
//! page's address holds the same filter as a program's query. Nothing is looked up here.

use serde::{Deserialize, Serialize};

use crate::ids::TaskId;
use crate::time::Millis;
use crate::views::services::TaskState;
use crate::words::words;

mod filter;

pub use filter::{CONTEXT_MAX, GREP_MAX, LogFilter, time_nanos};
pub(crate) use filter::{number, read};

words! {
    /// Where a line comes from: one of a process's two streams, or nobody's, where lines are missing.
    LogSource,
    /// Standard output.
    Stdout = "stdout",
    /// Standard error.
    Stderr = "stderr",
    /// No line: it says what is missing here.
    Gap = "gap",
}

/// A line, and which task wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    /// Its name among the lines of its service in its environment, as long as it is kept: `7-120`. A reader goes on after it.
    pub id: String,
    /// When it was written, by the engine's clock: RFC 3339 with milliseconds.
    pub at: String,
    /// The same in nanoseconds since the epoch. Sent as text: JavaScript's numbers are too coarse.
    #[serde(with = "as_text")]
    pub nanos: i64,
    /// The task.
    pub task: TaskId,
    /// Its place among the service's tasks, from 1.
    pub slot: u32,
    /// The number of the revision that it ran.
    pub revision: u32,
    /// Where to.
    pub stream: LogSource,
    /// Without its line end; of a gap, one sentence that says what is missing.
    pub text: String,
    /// It was longer than the limit, and its rest is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// It does not match: it stands here because it is near one that does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context: bool,
}

/// A task whose lines may be among those that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTask {
    /// The task.
    pub task: TaskId,
    /// Its place among the service's tasks, from 1.
    pub slot: u32,
    /// The number of the revision that it runs or ran.
    pub revision: u32,
    /// What it does.
    pub state: TaskState,
}

/// Some lines of a service in one environment, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The lines that match.
    pub lines: Vec<LogView>,
    /// There may be older ones that match: they come `before` the first.
    pub older: bool,
    /// There may be newer ones that match: they come `after` the last.
    pub newer: bool,
    /// The tasks that are there and the last ones that were, the newest first.
    pub tasks: Vec<LogTask>,
    /// Bytes on disk of all logs that the project keeps.
    pub bytes_kept: u64,
    /// When the oldest line of this service in this environment was written; none: nothing is kept.
    pub oldest: Option<Millis>,
    /// The last line that was looked at, matching or not: a stream that follows goes on `after` it, and misses nothing. None: no place is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Why lines are not collected at the moment, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collecting: Option<String>,
}

/// How far a search is: event `progress` of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogProgress {
    /// Bytes that were looked through.
    pub bytes: u64,
    /// Of so many.
    pub of: u64,
    /// The time that it has come to.
    pub at: Millis,
}

/// Why a stream ended before its end: event `end` of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// A stable word for programs, as in problems; `stopping` when the portal stops: come again.
    pub code: String,
    /// The same for people.
    pub message: String,
}

mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_survive_a_reader_with_coarse_numbers() {
        let text = r#"{"id":"7-120","at":"2026-11-20T09:30:00.123Z","nanos":"1795220224543123456","task":"0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11","slot":2,"revision":4,"stream":"stderr","text":"x"}"#;
        let line: LogView = serde_json::from_str(text).expect("a line");
        assert_eq!((line.nanos, line.stream, line.cut, line.context), (1_795_220_224_543_123_456, LogSource::Stderr, false, false));
        assert!(serde_json::to_string(&line).expect("JSON").contains("\"nanos\":\"1795220224543123456\""));
    }
}

//! Views of logs: one line, as pages read it. The streams of logs write the same words.

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
    /// When it was written, nanoseconds since the epoch, by the engine's clock. Sent as text: JavaScript's numbers are too coarse.
    #[serde(with = "as_text")]
    pub nanos: i64,
    /// The task.
    pub task: TaskId,
    /// Its place among the service's tasks, from 1.
    pub slot: i64,
    /// Where to.
    pub stream: LogSource,
    /// Without its line end.
    pub text: String,
    /// It was longer than the limit, and its rest is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
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
        let text = r#"{"at":"2026-11-20T09:30:00.123Z","nanos":"1795220224543123456","task":"0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11","slot":2,"stream":"stderr","text":"x"}"#;
        let line: LogView = serde_json::from_str(text).expect("a line");
        assert_eq!((line.nanos, line.stream, line.cut), (1_795_220_224_543_123_456, LogSource::Stderr, false));
        assert!(serde_json::to_string(&line).expect("JSON").contains("\"nanos\":\"1795220224543123456\""));
    }
}

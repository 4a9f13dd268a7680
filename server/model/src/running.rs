//! What names something that runs: a task's id, or its container's, as whoever looks at a machine has it.

use std::str::FromStr;

use crate::ids::TaskId;

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
#[error("expected a task's id, or a container's id or its first 12 digits at least, as docker ps shows them")]
pub struct NoContainer;

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

//! How tasks are called in a log: by revision and slot, as `r12.1`; and where another task had the same place under the same revision, by the end of their
//! ids as well. The colour follows the same: neighbours differ, and so do the old and the new task of a slot while one replaces the other.

use std::collections::{HashMap, HashSet};

use model::ids::TaskId;
use model::views::logs::LogTask;

/// Tasks that share slot and revision with another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Twins(HashSet<TaskId>);

impl Twins {
    /// Those among these.
    pub(crate) fn among(tasks: &[LogTask]) -> Self {
        let mut places: HashMap<(u32, u32), u32> = HashMap::new();
        for task in tasks {
            *places.entry((task.slot, task.revision)).or_default() += 1;
        }
        Self(tasks.iter().filter(|task| places.get(&(task.slot, task.revision)).is_some_and(|count| *count > 1)).map(|task| task.task).collect())
    }

    /// What a task is called among them.
    pub(crate) fn name(&self, task: TaskId, slot: u32, revision: u32) -> String {
        if self.0.contains(&task) { format!("r{revision}.{slot}-{}", end(task)) } else { format!("r{revision}.{slot}") }
    }
}

/// The end of a task's id, which is as good as its own.
fn end(task: TaskId) -> String {
    let id = task.to_string();
    id.get(id.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

/// The colour of a task: with up to four slots, no two of two revisions that follow each other have the same.
pub(crate) fn hue(slot: u32, revision: u32) -> u32 {
    (slot % 8 + revision % 2 * 4) % 8
}

#[cfg(test)]
mod tests {
    use model::views::services::TaskState;

    use super::*;

    fn task(end: &str, slot: u32, revision: u32) -> LogTask {
        let task = format!("0192f0c1-7c1e-7b44-8d2a-3f6f1f0b{end}").parse().expect("an id");
        LogTask { task, slot, revision, state: TaskState::Running }
    }

    #[test]
    fn tasks_are_told_apart_where_their_places_coincide() {
        let all = [task("5a11", 1, 3), task("77c0", 1, 3), task("0001", 2, 3), task("0002", 1, 2)];
        let twins = Twins::among(&all);
        let names = all.each_ref().map(|task| twins.name(task.task, task.slot, task.revision));
        assert_eq!(names, ["r3.1-5a11", "r3.1-77c0", "r3.2", "r2.1"]);
    }

    #[test]
    fn the_tasks_of_a_rollout_have_colours_of_their_own() {
        for revision in [1, 2, 11] {
            let hues: HashSet<u32> = (1..=4).flat_map(|slot| [hue(slot, revision), hue(slot, revision + 1)]).collect();
            assert_eq!(hues.len(), 8);
        }
    }
}

//! What loops note between two looks at machines, so that no news is lost while a look is under way. In memory only: a portal that begins anew
//! looks at everything.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use model::ids::{MachineId, TaskId};
use model::views::services::Difference;

/// Looks at whole machines: one at a time each.
#[derive(Default)]
pub(crate) struct Looks(Mutex<BTreeMap<MachineId, bool>>);

impl Looks {
    /// Begins one. `false`: one is under way, and another one follows it, since what it saw may be older than what calls for this one.
    pub(crate) fn begin(&self, machine: MachineId) -> bool {
        match self.0.lock().expect("no code panics while it holds this lock").entry(machine) {
            Entry::Occupied(mut again) => {
                again.insert(true);
                false
            }
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
        }
    }

    /// Ends one. `false`: another one was called for meanwhile, and begins.
    pub(crate) fn end(&self, machine: MachineId) -> bool {
        let mut under_way = self.0.lock().expect("no code panics while it holds this lock");
        if under_way.insert(machine, false) == Some(true) {
            return false;
        }
        under_way.remove(&machine);
        true
    }
}

/// What differs of tasks' limits, which engines tell one by one only.
#[derive(Default)]
pub(crate) struct Limited(Mutex<HashMap<TaskId, Option<Vec<Difference>>>>);

impl Limited {
    fn notes(&self) -> MutexGuard<'_, HashMap<TaskId, Option<Vec<Difference>>>> {
        self.0.lock().expect("no code panics while it holds this lock")
    }

    /// What differs, if the engine told it since somebody may have changed it.
    pub(crate) fn known(&self, task: TaskId) -> Option<Vec<Difference>> {
        self.notes().get(&task).cloned().flatten()
    }

    /// When a task's turn is: what is known costs nothing, and of what the engine was asked in vain it may not tell again.
    pub(crate) fn turn(&self, task: TaskId) -> u8 {
        match self.notes().get(&task) {
            Some(Some(_)) => 0,
            None => 1,
            Some(None) => 2,
        }
    }

    /// The engine is being asked.
    pub(crate) fn ask(&self, task: TaskId) {
        self.notes().insert(task, None);
    }

    /// What it told. `false`: somebody may have changed it since it was asked, so this is not believed.
    pub(crate) fn told(&self, task: TaskId, differs: &[Difference]) -> bool {
        match self.notes().get_mut(&task) {
            Some(note) if note.is_none() => {
                *note = Some(differs.to_vec());
                true
            }
            _ => false,
        }
    }

    /// Somebody may have changed it, or the task is gone.
    pub(crate) fn forget(&self, task: TaskId) {
        self.notes().remove(&task);
    }

    /// Anything may have been changed.
    pub(crate) fn clear(&self) {
        self.notes().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_calls_for_a_look_while_one_is_under_way_gets_another_one() {
        let (looks, machine) = (Looks::default(), uuid::Uuid::from_u128(1).into());
        assert!(looks.begin(machine));
        assert!(looks.begin(uuid::Uuid::from_u128(2).into()), "another machine is another matter");
        assert!(!looks.begin(machine) && !looks.begin(machine));
        assert!(!looks.end(machine), "once more, however often it was called for");
        assert!(looks.end(machine));
        assert!(looks.begin(machine), "and then anew");
    }

    #[test]
    fn what_was_told_of_limits_before_they_were_changed_is_not_believed() {
        let (limited, task) = (Limited::default(), uuid::Uuid::from_u128(1).into());
        let differs = [Difference::new("memory", "1", "2")];
        limited.ask(task);
        assert!(limited.told(task, &differs));
        assert_eq!(limited.known(task).as_deref(), Some(&differs[..]));
        limited.ask(task);
        limited.forget(task);
        assert!(!limited.told(task, &[]), "an event came between the question and the answer");
        assert_eq!(limited.known(task), None);
        limited.ask(task);
        limited.clear();
        assert!(!limited.told(task, &[]));
    }

    #[test]
    fn what_the_engine_did_not_tell_comes_last() {
        let limited = Limited::default();
        let [known, new, stuck] = [1, 2, 3].map(|n| uuid::Uuid::from_u128(n).into());
        limited.ask(known);
        limited.told(known, &[]);
        limited.ask(stuck);
        let mut tasks = [stuck, new, known];
        tasks.sort_by_key(|task| limited.turn(*task));
        assert_eq!(tasks, [known, new, stuck]);
    }
}

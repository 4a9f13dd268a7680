//! Processes that were killed for want of memory, counted over the lives of a task's container: the kernel's own counter begins anew with each, and
//! goes with the last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use model::ids::{MachineId, TaskId};

/// What engines told since it was last asked for.
#[derive(Default)]
pub(crate) struct Told(Mutex<HashMap<MachineId, HashMap<TaskId, u64>>>);

impl Told {
    fn all(&self) -> MutexGuard<'_, HashMap<MachineId, HashMap<TaskId, u64>>> {
        self.0.lock().expect("no code panics while it holds this lock")
    }

    /// An engine told that a task's container ran out of memory.
    pub(crate) fn add(&self, machine: MachineId, task: TaskId) {
        *self.all().entry(machine).or_default().entry(task).or_default() += 1;
    }

    /// What a machine's engine told since this was last asked.
    pub(crate) fn take(&self, machine: MachineId) -> HashMap<TaskId, u64> {
        self.all().remove(&machine).unwrap_or_default()
    }
}

/// The count of one task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// What the engine told: it knows of the last one, too.
    told: u64,
    /// What the kernel counted in lives before.
    before: u64,
    /// What it counts in this one.
    now: u64,
}

impl Count {
    /// The engine told of so many more.
    pub(crate) fn tell(&mut self, more: u64) {
        self.told += more;
    }

    /// The kernel says this, where it can be asked.
    pub(crate) fn see(&mut self, kernel: Option<u64>) {
        let Some(kernel) = kernel else { return };
        if kernel < self.now {
            self.before += self.now;
        }
        self.now = kernel;
    }

    /// How many there were: both count the same ones, and either may miss some.
    pub(crate) fn sum(self) -> u64 {
        self.told.max(self.before + self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_counted_once_and_outlives_the_container() {
        let mut count = Count::default();
        count.see(Some(0));
        count.see(Some(2));
        assert_eq!(count.sum(), 2);
        count.tell(2);
        assert_eq!(count.sum(), 2, "the engine tells of the same ones");
        count.see(Some(0));
        assert_eq!(count.sum(), 2, "started again");
        count.tell(1);
        assert_eq!(count.sum(), 3, "the one that ended it, which its kernel counter never showed");
        count.see(None);
        assert_eq!(count.sum(), 3);
    }
}

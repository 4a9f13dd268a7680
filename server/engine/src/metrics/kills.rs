//! Processes that were killed for want of memory, counted over the lives of a task's container: the kernel's own counter begins anew with each, and
//! goes with the last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use ::metrics::{Latest, Metric};
use model::ids::{MachineId, TaskId};
use model::time::Millis;

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

/// What samples say of a task that a portal before this one took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    count: u64,
    /// When its container was started, as [`started`] has it.
    started: Option<f64>,
}

impl Kept {
    /// Whether the container that was started then is in the same life still, as far as is known.
    fn same_life(&self, now: Option<Millis>) -> bool {
        self.started.zip(now).is_none_or(|(before, now)| (before - started(now)).abs() < 0.5)
    }
}

/// When a container was started, as it is sampled.
pub(crate) fn started(at: Millis) -> f64 {
    (at.0 / 1000) as f64
}

/// What was counted of tasks, as far as something was.
pub(crate) fn kept(latest: &[Latest]) -> HashMap<TaskId, Kept> {
    let of = |latest: &Latest, metric: Metric| latest.values.iter().find(|now| now.metric == metric).map(|now| now.value);
    let kept = |latest: &Latest| {
        let count = of(latest, Metric::OomKills).filter(|count| *count >= 1.0)?;
        Some((latest.member?.task, Kept { count: count as u64, started: of(latest, Metric::Started) }))
    };
    latest.iter().filter_map(kept).collect()
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
    /// What was counted before the portal was started, while it is not known how much of it the kernel counts still.
    kept: Option<u64>,
}

impl Count {
    /// Goes on from what was kept. Before the kernel is first heard.
    pub(crate) fn resume(&mut self, kept: Kept, started: Option<Millis>) {
        self.told += kept.count;
        if kept.same_life(started) {
            self.kept = Some(kept.count);
        } else {
            self.before = kept.count;
        }
    }

    /// The engine told of so many more.
    pub(crate) fn tell(&mut self, more: u64) {
        self.told += more;
    }

    /// The kernel says this, where it can be asked.
    pub(crate) fn see(&mut self, kernel: Option<u64>) {
        let Some(kernel) = kernel else { return };
        if let Some(kept) = self.kept.take() {
            self.before = kept.saturating_sub(kernel);
        } else if kernel < self.now {
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

    /// What a portal counts first that finds this in the store, the container started then, and this at the kernel.
    fn found(count: u64, then: i64, now: i64, kernel: Option<u64>) -> Count {
        let mut first = Count::default();
        first.resume(Kept { count, started: Some(started(Millis(then))) }, Some(Millis(now)));
        first.see(kernel);
        first
    }

    #[test]
    fn a_portal_that_is_started_goes_on_from_what_was_kept() {
        assert_eq!(found(5, 1_000_000, 1_000_300, Some(5)).sum(), 5, "the kernel counts them still: they are counted once");
        assert_eq!(found(5, 1_000_000, 1_000_300, Some(7)).sum(), 7, "two more while nobody looked");
        assert_eq!(found(5, 1_000_000, 2_000_000, Some(1)).sum(), 6, "started again meanwhile");
        assert_eq!(found(5, 1_000_000, 1_000_000, None).sum(), 5, "through the engine");
        let mut lives = found(5, 1_000_000, 1_000_000, Some(2));
        assert_eq!(lives.sum(), 5, "three of them in lives before");
        lives.see(Some(3));
        lives.tell(1);
        assert_eq!(lives.sum(), 6);
        lives.see(Some(0));
        assert_eq!(lives.sum(), 6);
    }

    #[test]
    fn what_was_kept_is_read_from_the_last_samples() {
        let now = |metric, value| ::metrics::Now { metric, label: "".into(), at_ms: 5, value, rate: None };
        let latest = |task: u128, kills: f64| Latest {
            key: ::metrics::Key::Machine(uuid::Uuid::nil().into()),
            member: Some(::metrics::Member { task: uuid::Uuid::from_u128(task).into(), slot: 0, revision: 1 }),
            at_ms: 5,
            values: vec![now(Metric::OomKills, kills), now(Metric::Started, 1000.0)],
        };
        let kept = kept(&[latest(1, 3.0), latest(2, 0.0)]);
        let first: TaskId = uuid::Uuid::from_u128(1).into();
        let one = kept.get(&first).expect("kept");
        assert_eq!((kept.len(), one.count), (1, 3));
        assert!(one.same_life(Some(Millis(1_000_400))) && !one.same_life(Some(Millis(1_002_000))));
    }
}

//! How long to wait before something that failed is tried again: longer each time, for each slot of a service by itself.
//!
//! Pure; time is given. It is forgotten when the portal stops, which costs one early try. What people are told of it is written down
//! (`domain::deployments::work::slot_failed`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::time::Millis;

/// The wait after the first failure; it doubles.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// A task that served for so long starts with a clean record.
const CLEAN: Duration = Duration::from_secs(60);

/// The failures of one service in one environment.
#[derive(Debug, Default, Clone)]
pub struct Backoff {
    slots: BTreeMap<i64, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    until: Millis,
}

impl Backoff {
    /// A task in this slot failed, after it had served for so long. Until when the slot waits.
    pub fn failed(&mut self, slot: i64, served: Duration, now: Millis) -> Millis {
        if served >= CLEAN {
            self.slots.remove(&slot);
        }
        let failures = self.slots.entry(slot).or_insert(Failures { count: 0, until: now });
        let wait = FIRST.saturating_mul(1 << failures.count.min(10)).min(LONGEST);
        failures.count = failures.count.saturating_add(1);
        failures.until = now.plus(wait);
        failures.until
    }

    /// A task in this slot serves since then.
    pub fn serves(&mut self, slot: i64, since: Millis, now: Millis) {
        if now.since(since) >= CLEAN {
            self.slots.remove(&slot);
        }
    }

    /// Slots that wait.
    pub fn held(&self, now: Millis) -> BTreeSet<i64> {
        self.slots.iter().filter(|(_, failures)| failures.until > now).map(|(slot, _)| *slot).collect()
    }

    /// When the next of them may be tried.
    pub fn next(&self, now: Millis) -> Option<Duration> {
        self.slots.values().filter(|failures| failures.until > now).map(|failures| failures.until.since(now)).min()
    }

    /// Somebody wants something new: whatever failed before may be tried at once.
    pub fn forget(&mut self) {
        self.slots.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_each_slot_waits_for_itself() {
        let mut backoff = Backoff::default();
        let mut now = Millis(1_000_000);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let until = backoff.failed(1, Duration::ZERO, now);
            assert_eq!(backoff.next(now), Some(until.since(now)));
            waits.push(backoff.next(now).expect("it waits").as_secs());
            assert_eq!(backoff.held(now), BTreeSet::from([1]));
            now = now.plus(Duration::from_secs(120));
            assert!(backoff.held(now).is_empty());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(!backoff.slots.contains_key(&2));
    }

    #[test]
    fn what_served_for_long_starts_anew() {
        let mut backoff = Backoff::default();
        let start = Millis(1_000_000);
        backoff.failed(1, Duration::ZERO, start);
        backoff.serves(1, start, start.plus(Duration::from_secs(5)));
        assert!(backoff.slots.contains_key(&1));
        backoff.serves(1, start, start.plus(CLEAN));
        assert!(!backoff.slots.contains_key(&1));
    }

    #[test]
    fn a_failure_after_a_long_time_is_the_first_of_its_sort() {
        let mut backoff = Backoff::default();
        let mut now = Millis(1_000_000);
        for _ in 0..5 {
            backoff.failed(1, Duration::ZERO, now);
            now = now.plus(LONGEST);
        }
        assert_eq!(backoff.failed(1, CLEAN, now).since(now), FIRST);
    }
}

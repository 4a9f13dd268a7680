//! Slows down guessing: failures are counted for each name at an address, each address and each name, and from some number on each has to
//! be waited for, twice as long every time. A name alone is given the most: else anybody could lock anybody out. Names that do not exist are
//! counted like those that do. Kept in memory: a restart forgets.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use model::time::Millis;

use crate::error::{Error, Result};

/// Failures of one name from one address that cost nothing.
const FREE: u32 = 5;
/// Failures of one address that cost nothing: several people may stand behind one.
const FREE_ADDRESS: u32 = 20;
/// Failures of one name from anywhere that cost nothing.
const FREE_NAME: u32 = 50;
/// The longest wait of a name from one address.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// The longest wait of an address or a name alone: somebody else may stand behind it.
const LONGEST_SHARED: Duration = Duration::from_secs(10);
/// After so long without a failure it is forgotten.
const FORGET: Duration = Duration::from_secs(60 * 60);
/// Names and addresses that are remembered; beyond it the forgettable go first.
const CAPACITY: usize = 20_000;

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Millis,
}

/// Counts failures by name and by address.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<String, Failures>>);

impl Throttle {
    /// Lets an attempt through and counts it as failed until it succeeds (attempts sent at once are counted one by one), or says how long to
    /// wait.
    pub fn admit(&self, now: Millis, name: &str, address: &str) -> Result<()> {
        let mut entries = self.entries();
        for key in &keys(name, address) {
            refuse(&entries, now, key)?;
        }
        make_room(&mut entries, now);
        for (key, ..) in keys(name, address) {
            let failures = entries.entry(key).or_insert(Failures { count: 0, last: now });
            if now.since(failures.last) >= FORGET {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
        Ok(())
    }

    /// Whether this name has to wait at this address. Counts nothing: for those to whom it is work to find out whether an attempt is right.
    pub fn look(&self, now: Millis, name: &str, address: &str) -> Result<()> {
        let [both, ..] = keys(name, address);
        refuse(&self.entries(), now, &both)
    }

    /// What was right, and was not counted before, clears its name at this address.
    pub fn forgive(&self, name: &str, address: &str) {
        let [(key, ..), ..] = keys(name, address);
        self.entries().remove(&key);
    }

    /// A right password clears its name from this address, and was no failure of anything else.
    pub fn succeeded(&self, name: &str, address: &str) {
        let mut entries = self.entries();
        let [(key, ..), shared @ ..] = keys(name, address);
        entries.remove(&key);
        for (key, ..) in shared {
            if let Some(failures) = entries.get_mut(&key) {
                failures.count = failures.count.saturating_sub(1);
            }
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failures>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// An error where it is too early for one of [`keys`].
fn refuse(entries: &HashMap<String, Failures>, now: Millis, (key, free, longest): &(String, u32, Duration)) -> Result<()> {
    let Some(failures) = entries.get(key) else { return Ok(()) };
    let wait = wait(failures.count, *free, *longest);
    let passed = now.since(failures.last);
    if passed < wait {
        return Err(Error::TooMany { retry_after: (wait - passed).as_secs().max(1) });
    }
    Ok(())
}

fn keys(name: &str, address: &str) -> [(String, u32, Duration); 3] {
    let (name, address) = (clip(name), network(address));
    [
        (format!("both {address} {name}"), FREE, LONGEST),
        (format!("address {address}"), FREE_ADDRESS, LONGEST_SHARED),
        (format!("name {name}"), FREE_NAME, LONGEST_SHARED),
    ]
}

/// An address as it counts: of IPv6 the first 64 bits, for one client has them all.
fn network(address: &str) -> String {
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => ip.segments()[..4].iter().map(|part| format!("{part:x}:")).collect(),
        Err(_) => address.to_owned(),
    }
}

/// The forgettable go first, then the oldest half.
fn make_room(entries: &mut HashMap<String, Failures>, now: Millis) {
    if entries.len() < CAPACITY {
        return;
    }
    entries.retain(|_, failures| now.since(failures.last) < FORGET);
    if entries.len() >= CAPACITY {
        let mut times: Vec<Millis> = entries.values().map(|failures| failures.last).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        entries.retain(|_, failures| failures.last > middle);
    }
}

/// Names come from outside: a long one is not kept whole.
fn clip(name: &str) -> String {
    name.chars().take(64).collect()
}

fn wait(count: u32, free: u32, longest: Duration) -> Duration {
    if count < free {
        return Duration::ZERO;
    }
    Duration::from_secs(1 << (count - free).min(10)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_attempt_waits_and_success_forgives() {
        let throttle = Throttle::default();
        let now = Millis(1_000_000);
        for _ in 0..FREE {
            assert!(throttle.admit(now, "ana", "10.0.0.1").is_ok());
        }
        assert!(matches!(throttle.admit(now, "ana", "10.0.0.1"), Err(Error::TooMany { .. })));
        assert!(throttle.admit(now, "ana", "10.0.0.2").is_ok(), "nobody is locked out by a stranger's guesses");
        assert!(throttle.admit(now, "bob", "10.0.0.1").is_ok());
        assert!(throttle.admit(now.plus(Duration::from_secs(2)), "ana", "10.0.0.1").is_ok());
        throttle.succeeded("ana", "10.0.0.1");
        assert!(throttle.admit(now, "ana", "10.0.0.1").is_ok());
    }

    #[test]
    fn a_look_counts_nothing_and_ends_with_the_wait() {
        let throttle = Throttle::default();
        let now = Millis(1_000_000);
        for _ in 0..100 {
            assert!(throttle.look(now, "hook", "10.0.0.1").is_ok());
        }
        for _ in 0..FREE {
            assert!(throttle.admit(now, "hook", "10.0.0.1").is_ok());
        }
        for _ in 0..100 {
            assert!(matches!(throttle.look(now, "hook", "10.0.0.1"), Err(Error::TooMany { retry_after: 1 })));
        }
        assert!(throttle.look(now, "hook", "10.0.0.2").is_ok() && throttle.look(now, "other", "10.0.0.1").is_ok());
        assert!(throttle.look(now.plus(Duration::from_secs(1)), "hook", "10.0.0.1").is_ok(), "looks make no wait longer");
        throttle.forgive("hook", "10.0.0.1");
        assert!(throttle.look(now, "hook", "10.0.0.1").is_ok());
    }

    #[test]
    fn waits_grow_to_a_limit() {
        assert_eq!(wait(FREE, FREE, LONGEST), Duration::from_secs(1));
        assert_eq!(wait(FREE + 3, FREE, LONGEST), Duration::from_secs(8));
        assert_eq!(wait(u32::MAX, FREE, LONGEST), LONGEST);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }
}

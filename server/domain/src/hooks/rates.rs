//! How often a hook takes what is new: so many a minute, and more at once. Repeats cost nothing and are never counted. Kept in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::ids::HookId;
use model::time::Millis;

use crate::error::{Error, Result};

/// New deliveries of a hook at once.
pub(super) const BURST: u32 = 120;
/// After so long there is room for another one: 60 a minute.
const EACH: Duration = Duration::from_secs(1);
/// Hooks that are remembered before those are forgotten that have all their room again.
const CAPACITY: usize = 10_000;

/// When each hook has all its room again.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<HookId, Millis>>);

impl Rates {
    /// Whether there is room for another one; counts nothing.
    pub(super) fn look(&self, now: Millis, hook: HookId) -> Result<()> {
        room(self.full().get(&hook).copied(), now).map(drop)
    }

    /// Takes room for one.
    pub(super) fn take(&self, now: Millis, hook: HookId) -> Result<()> {
        let mut full = self.full();
        let next = room(full.get(&hook).copied(), now)?;
        if full.len() >= CAPACITY {
            full.retain(|_, at| *at > now);
        }
        full.insert(hook, next);
        Ok(())
    }

    fn full(&self) -> MutexGuard<'_, HashMap<HookId, Millis>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When it has all its room again after one more, or how long to wait for that one.
fn room(full: Option<Millis>, now: Millis) -> Result<Millis> {
    let most = EACH * BURST;
    // What lies further ahead was written before the clock went back.
    let next = full.filter(|at| at.since(now) <= most).map_or(now, |at| at.max(now)).plus(EACH);
    let over = next.since(now).saturating_sub(most);
    if over.is_zero() { Ok(next) } else { Err(Error::TooMany { retry_after: over.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_a_second() {
        let (rates, now) = (Rates::default(), Millis(1_000_000));
        let (hook, other) = (HookId::from(uuid::Uuid::from_u128(1)), HookId::from(uuid::Uuid::from_u128(2)));
        for _ in 0..BURST {
            rates.look(now, hook).expect("room");
            rates.take(now, hook).expect("room");
        }
        let later = |seconds| now.plus(Duration::from_secs(seconds));
        for _ in 0..3 {
            assert!(matches!(rates.look(now, hook), Err(Error::TooMany { retry_after: 1 })));
            assert!(matches!(rates.take(now, hook), Err(Error::TooMany { retry_after: 1 })));
        }
        rates.take(now, other).expect("each has its own");
        rates.take(later(1), hook).expect("one more");
        assert!(rates.take(later(1), hook).is_err());
        for _ in 0..60 {
            rates.take(later(61), hook).expect("those of a minute");
        }
        assert!(rates.take(later(61), hook).is_err());
        rates.take(Millis(5), hook).expect("a clock that went back locks nobody out");
    }
}

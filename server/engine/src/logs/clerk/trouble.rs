//! Streams whose lines could not be kept. What is wrong is said as long as it is wrong with any of them. Pure: the time is told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::logs::StreamKey;

/// A stream of which for so long nothing was tried to be kept again has nothing left that waits: its tasks are gone.
const OVER: Duration = Duration::from_secs(120);

/// All of them: when it was last tried, and what is wrong.
#[derive(Default)]
pub(super) struct Trouble(HashMap<StreamKey, (Instant, String)>);

impl Trouble {
    /// Lines of a stream could not be kept. Whether it is the only one.
    pub(super) fn failed(&mut self, key: StreamKey, now: Instant, why: String) -> bool {
        let first = self.0.is_empty();
        self.0.insert(key, (now, why));
        first
    }

    /// They were kept, or the stream is gone. Whether all is well since.
    pub(super) fn well(&mut self, key: StreamKey) -> bool {
        self.0.remove(&key).is_some() && self.0.is_empty()
    }

    /// Forgets streams that nothing is kept of any more.
    pub(super) fn tend(&mut self, now: Instant) {
        self.0.retain(|_, (tried, _)| now.saturating_duration_since(*tried) < OVER);
    }

    /// What is wrong.
    pub(super) fn said(&self) -> Option<&str> {
        self.0.values().max_by_key(|(tried, _)| *tried).map(|(_, why)| why.as_str())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(service: u128) -> StreamKey {
        StreamKey { project: Uuid::from_u128(1).into(), service: Uuid::from_u128(service).into(), environment: Uuid::from_u128(3).into() }
    }

    #[test]
    fn trouble_of_one_stream_is_over_when_its_own_lines_are_kept_or_it_is_gone() {
        let (mut trouble, now) = (Trouble::default(), Instant::now());
        assert!(trouble.failed(key(1), now, "one".into()));
        assert!(!trouble.failed(key(2), now + Duration::from_secs(1), "two".into()));
        assert!(!trouble.well(key(3)));
        assert_eq!(trouble.said(), Some("two"));
        assert!(!trouble.well(key(2)));
        assert_eq!(trouble.said(), Some("one"));
        trouble.tend(now + OVER / 2);
        assert_eq!(trouble.said(), Some("one"));
        assert!(trouble.well(key(1)) && trouble.said().is_none());
        trouble.failed(key(1), now, "one".into());
        trouble.tend(now + OVER);
        assert_eq!(trouble.said(), None, "nobody tries it any more");
    }
}

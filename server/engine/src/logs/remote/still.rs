//! Notices that an engine's stream stands still while its log goes on. Pure.
//!
//! An engine before 23 forgets to go on with the next file, when the one that it tells was rotated while the stream's reader was slow: such a stream is
//! open for ever, and says nothing more.

use std::time::Duration;

use tokio::time::Instant;

use super::seek::Mark;

/// Bytes behind which a silence is looked into: a reader is slow only when much is told.
const WORTH: usize = 64 << 10;
/// A silence of so long, twice.
const SILENCE: Duration = Duration::from_secs(3);

/// What was told by one stream lately.
#[derive(Debug)]
pub(super) struct Still {
    /// Bytes, since the engine was last asked and had nothing more to tell.
    bytes: usize,
    last: Option<Mark>,
    /// When it was told, or the engine asked.
    at: Instant,
    /// The engine had more then.
    more: bool,
}

impl Still {
    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: 0, last: None, at: now, more: false }
    }

    /// So much was told; the last of it has this mark.
    pub(super) fn told(&mut self, bytes: usize, last: Mark, now: Instant) {
        *self = Self { bytes: self.bytes.saturating_add(bytes), last: Some(last), at: now, more: false };
    }

    /// How long a silence is to be waited for, if it says something.
    pub(super) fn patience(&self) -> Option<Duration> {
        (self.bytes >= WORTH).then_some(SILENCE)
    }

    /// Whether the engine is to be asked where its log ends.
    pub(super) fn asks(&self, now: Instant) -> bool {
        self.patience().is_some_and(|most| now.duration_since(self.at) >= most)
    }

    /// The log ends with this. Whether the stream stands still: it was silent for as long again although there was more.
    pub(super) fn log_ends(&mut self, with: Option<Mark>, now: Instant) -> bool {
        let more = with.is_some() && with != self.last;
        if !more {
            self.bytes = 0;
        }
        self.at = now;
        std::mem::replace(&mut self.more, more) && more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::joiner::Source;

    fn mark(at_nanos: i64) -> Mark {
        Mark { at_nanos, source: Source::Stdout }
    }

    #[test]
    fn a_stream_stands_still_that_is_silent_twice_while_there_is_more() {
        let begin = Instant::now();
        let mut still = Still::new(begin);
        still.told(WORTH - 1, mark(1), begin);
        assert_eq!(still.patience(), None, "little was told: its reader was not slow");
        still.told(1, mark(2), begin);
        assert!(!still.asks(begin) && still.asks(begin + SILENCE));
        assert!(!still.log_ends(Some(mark(9)), begin + SILENCE), "it may be on its way");
        assert!(!still.asks(begin + SILENCE) && still.asks(begin + 2 * SILENCE));
        assert!(still.log_ends(Some(mark(11)), begin + 2 * SILENCE));
    }

    #[test]
    fn a_stream_does_not_stand_still_that_told_all_or_goes_on() {
        let begin = Instant::now();
        let mut still = Still::new(begin);
        still.told(WORTH, mark(2), begin);
        assert!(!still.log_ends(Some(mark(2)), begin + SILENCE));
        assert_eq!(still.patience(), None, "it is not asked again before much was told");
        still.told(WORTH, mark(3), begin);
        assert!(!still.log_ends(Some(mark(9)), begin + SILENCE));
        still.told(1, mark(4), begin + SILENCE);
        assert!(!still.log_ends(Some(mark(9)), begin + 3 * SILENCE), "it went on meanwhile");
        assert!(!still.log_ends(None, begin + 4 * SILENCE), "nothing is left of the log");
    }
}

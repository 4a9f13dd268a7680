//! Whether an engine's clock was put back, as far as that can be seen from here. Pure.

use std::time::Duration;

use model::time::Millis;

use super::super::cursor::Anchor;
use super::BEFORE;

/// An engine's clock, compared with time that passes here.
///
/// An engine is asked for a log from a time on, and an older one (before 23) tells no line that bears an earlier time, wherever it stands. Once its
/// clock was put back, such lines are written, and they are new: the whole log is asked for then, until the portal ends.
///
/// Seen: the clock is before the last line now; it is behind where it should be since a round before, of an earlier life of the portal by the portal's
/// own clock; the log's end is before what was asked for. Not seen, and with an older engine lost without a word: it was put back, lines were written,
/// and it passed the last line's time again, all while no portal ran, and the portal's clock was put back as far; or it was put back so far, while a
/// stream was open, that it was before the time that this stream was asked from. An engine from 23 on tells all that stands behind the first line that it
/// tells, and loses none of these while the last line is still there. A portal's clock that was put forward looks the same, and costs a longer reading.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// How far it was ahead of the time here when it was heard last, in milliseconds, at most.
    ahead: Option<i64>,
    back: bool,
}

impl Clock {
    /// As an earlier life of the portal left it: so many milliseconds ahead of the portal's clock at most. `now`: that clock, when time here begins.
    pub(super) fn known(ahead: Option<i64>, now: Millis) -> Self {
        Self { ahead: ahead.map(|ahead| ahead.saturating_add(now.0)), back: false }
    }

    /// The same for a later life. `began`: the portal's clock, when time here began.
    pub(super) fn ahead_of(&self, began: Millis) -> Option<i64> {
        self.ahead.map(|ahead| ahead.saturating_sub(began.0))
    }

    /// It said so many milliseconds since 1970, between two times here. `last`: the last line that is known.
    pub(super) fn says(&mut self, said: i64, asked: Duration, answered: Duration, last: Anchor) {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let least = said.saturating_sub(millis(answered));
        let most = said.saturating_sub(millis(asked));
        self.back |= self.ahead.is_some_and(|ahead| ahead.saturating_sub(least) > BEFORE * 1_000);
        self.back |= said.saturating_add(1).saturating_mul(1_000_000) < last.at_nanos;
        self.ahead = Some(most);
    }

    /// The log itself shows that it was put back.
    pub(super) fn was_put_back(&mut self) {
        self.back = true;
    }

    /// Whether the time of a line says where in the log it stands.
    pub(super) fn is_trusted(&self) -> bool {
        !self.back
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::joiner::Source;
    use super::*;

    fn last(millis: i64) -> Anchor {
        Anchor { at_nanos: millis * 1_000_000, source: Source::Stdout, nth: 0 }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_goes_on_is_trusted_also_when_its_answers_are_slow() {
        let mut clock = Clock::default();
        clock.says(100_000, SECOND, SECOND, last(100_000));
        clock.says(109_000, SECOND * 10, SECOND * 11, last(100_000));
        clock.says(200_000, SECOND * 101, SECOND * 102, last(109_000));
        assert!(clock.is_trusted());
    }

    #[test]
    fn a_clock_before_the_last_line_was_put_back() {
        let mut clock = Clock::default();
        clock.says(99_000, SECOND, SECOND, last(100_000));
        assert!(!clock.is_trusted());
        clock.says(200_000, SECOND * 2, SECOND * 2, last(100_000));
        assert!(!clock.is_trusted(), "what was written meanwhile is still to be told");
    }

    #[test]
    fn a_clock_that_was_put_back_and_passed_the_last_line_again_is_found_out() {
        let mut clock = Clock::default();
        clock.says(100_000, SECOND, SECOND, last(100_000));
        clock.says(150_000, SECOND * 101, SECOND * 101, last(100_000));
        assert!(!clock.is_trusted());
    }

    #[test]
    fn a_clock_that_was_put_back_while_no_portal_ran_is_found_out() {
        let mut before = Clock::known(None, Millis(100_000));
        before.says(100_500, SECOND, SECOND, last(100_000));
        let ahead = before.ahead_of(Millis(100_000));
        assert_eq!(ahead, Some(-500), "at 101,000 of the portal's clock it was 100,500 there");
        let mut goes_on = Clock::known(ahead, Millis(500_000));
        goes_on.says(500_600, SECOND, SECOND * 2, last(100_000));
        assert!(goes_on.is_trusted());
        let mut put_back = Clock::known(ahead, Millis(500_000));
        put_back.says(450_500, SECOND, SECOND, last(100_000));
        assert!(!put_back.is_trusted(), "though it is behind the last line's time again");
        let mut unknown = Clock::known(None, Millis(500_000));
        unknown.says(450_500, SECOND, SECOND, last(100_000));
        assert!(unknown.is_trusted());
    }
}

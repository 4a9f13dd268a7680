//! What one task may write: for long no more than [`RATE`], for once [`BURST`]. Beyond that its lines are held back and counted, in stretches, so
//! that what is kept in between is worth reading; and when it grows quiet, what it writes is kept again at once. Pure: the time is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bytes a second that are kept of a task that never grows quiet.
pub(super) const RATE: u64 = 4 << 20;
/// Bytes that are kept at once.
pub(super) const BURST: u64 = 64 << 20;
/// How long lines are held back at least while a task goes on flooding.
const STRETCH: Duration = Duration::from_secs(10);
/// Bytes that a line counts for besides its text: without them a flood of empty lines were none.
pub(super) const LINE: usize = 64;
/// Bytes a second of a task that grew quiet: the rate that may go on for ever, with some air.
const QUIET: u64 = RATE + RATE / 4;
/// How long it is listened at least before that is said: over less, any flood is small.
const LISTEN: Duration = Duration::from_millis(200);

/// What was held back. Written down with each cursor, so that a restart forgets none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Held {
    /// Lines.
    #[serde(rename = "n")]
    pub lines: u64,
    /// Bytes of them, about.
    #[serde(rename = "b")]
    pub bytes: u64,
    /// When the first was written, nanoseconds since 1970.
    #[serde(rename = "f")]
    pub from: i64,
    /// When the last was.
    #[serde(rename = "t")]
    pub to: i64,
    /// Lines that were begun while others were held back: what follows of them is of these times, and not kept either.
    #[serde(rename = "r", default)]
    pub rest: [Option<i64>; 2],
}

impl Held {
    /// What it counts for.
    fn weight(&self) -> u64 {
        self.bytes.saturating_add(self.lines.saturating_mul(LINE as u64))
    }
}

/// A task's share.
#[derive(Debug, Clone)]
pub(super) struct Flood {
    tokens: u64,
    filled: Duration,
    held: Option<Held>,
    since: Duration,
    heard: Heard,
}

/// How much there was when it was last listened whether a task that is held back grew quiet.
#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Duration,
    /// What was held back until then counts for so many bytes.
    weight: u64,
    /// To be read then.
    expected: u64,
}

impl Flood {
    /// With its whole burst. `held`: what was held back before a restart.
    pub(super) fn new(now: Duration, held: Option<Held>) -> Self {
        let heard = Heard { at: now, weight: held.map_or(0, |held| held.weight()), expected: 0 };
        Self { tokens: BURST, filled: now, held, since: now, heard }
    }

    /// A pass begins in which so many bytes are expected. What was held back, if that is over.
    pub(super) fn pass(&mut self, now: Duration, expected: u64) -> Option<Held> {
        let passed = now.saturating_sub(self.filled);
        let more = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).saturating_mul(RATE) / 1_000;
        if more > 0 {
            self.tokens = self.tokens.saturating_add(more).min(BURST);
            self.filled = now;
        }
        let over = self.grew_quiet(now, expected) || now.saturating_sub(self.since) >= STRETCH;
        if over && expected <= self.tokens { self.held.take() } else { None }
    }

    /// Whether little was written since it was last listened. Passes come as often as they like: what counts is how much it was in which time.
    fn grew_quiet(&mut self, now: Duration, expected: u64) -> bool {
        let passed = now.saturating_sub(self.heard.at);
        let Some(held) = self.held.filter(|_| passed >= LISTEN) else { return false };
        // Read meanwhile, and not read yet, less what was not read yet then.
        let weight = held.weight();
        let written = (weight.saturating_add(expected)).saturating_sub(self.heard.weight.saturating_add(self.heard.expected));
        self.heard = Heard { at: now, weight, expected };
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        written <= QUIET.saturating_mul(passed) / 1_000
    }

    /// Holds nothing back from here on, and keeps at least so many bytes. What was held back.
    pub(super) fn release(&mut self, bytes: u64) -> Option<Held> {
        self.tokens = self.tokens.max(bytes);
        self.held.take()
    }

    /// Whether lines are held back.
    pub(super) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// What is held back now.
    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// What is held back now, to be counted on.
    pub(super) fn held_mut(&mut self) -> Option<&mut Held> {
        self.held.as_mut()
    }

    /// Whether one more line with a text of so many bytes may be kept. If not, lines are held back from here on.
    pub(super) fn admits(&mut self, text: usize, at_nanos: i64, now: Duration) -> bool {
        match self.tokens.checked_sub((text + LINE) as u64) {
            Some(left) if self.held.is_none() => {
                self.tokens = left;
                true
            }
            _ => {
                if self.held.is_none() {
                    self.held = Some(Held { from: at_nanos, to: at_nanos, ..Held::default() });
                    self.since = now;
                    self.heard = Heard { at: now, weight: 0, expected: 0 };
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: Duration = Duration::from_millis(200);

    /// Lets a task write so much in each pass; what is kept of it, and how often something was held back.
    fn written(flood: &mut Flood, passes: u32, bytes: u64, begin: Duration) -> (u64, u32, Duration) {
        written_each(PASS, flood, passes, bytes, begin)
    }

    fn written_each(pass: Duration, flood: &mut Flood, passes: u32, bytes: u64, begin: Duration) -> (u64, u32, Duration) {
        let (mut kept, mut gaps, mut now) = (0, 0, begin);
        for _ in 0..passes {
            now += pass;
            gaps += u32::from(flood.pass(now, bytes).is_some());
            for _ in 0..bytes / 1_024 {
                kept += if flood.admits(1_024 - LINE, 7, now) { 1_024 } else { 0 };
                if let Some(held) = flood.held_mut() {
                    held.lines += 1;
                    held.bytes += (1_024 - LINE) as u64;
                }
            }
        }
        (kept, gaps, now)
    }

    #[test]
    fn what_is_written_at_the_rate_is_never_held_back() {
        let mut flood = Flood::new(Duration::ZERO, None);
        let (kept, gaps, _) = written(&mut flood, 1_000, 800 << 10, Duration::ZERO);
        assert_eq!((kept, gaps), (1_000 * (800 << 10), 0));
    }

    #[test]
    fn a_flood_is_kept_in_part_and_quiet_ends_it_at_once() {
        let mut flood = Flood::new(Duration::ZERO, None);
        let (kept, gaps, now) = written(&mut flood, 500, 10 << 20, Duration::ZERO);
        let allowed = BURST + 100 * RATE;
        assert!(kept <= allowed && kept > allowed / 2, "{kept} of {allowed}");
        assert!((5..=12).contains(&gaps), "{gaps} stretches in 100 s");
        let (kept, _, now) = written(&mut flood, 5, 10 << 10, now);
        assert!(kept >= 4 * (10 << 10), "a quiet task is heard: {kept}");
        assert!(!flood.holds(), "{now:?}");
    }

    #[test]
    fn a_flood_that_is_read_often_is_no_quiet_task() {
        let mut flood = Flood::new(Duration::ZERO, None);
        let often = Duration::from_millis(10);
        let (kept, gaps, now) = written_each(often, &mut flood, 10_000, 200 << 10, Duration::ZERO);
        let allowed = BURST + 100 * RATE;
        assert!(kept <= allowed && kept > allowed / 2, "{kept} of {allowed}");
        assert!((5..=12).contains(&gaps), "{gaps} stretches in 100 s");
        assert!(flood.pass(now, 0).is_none(), "no time went by");
        written_each(often, &mut flood, 50, 100, now);
        assert!(!flood.holds());
    }

    #[test]
    fn a_flood_of_empty_lines_is_a_flood_and_does_not_pass_for_quiet() {
        let mut flood = Flood::new(Duration::ZERO, None);
        let (mut kept, mut gaps, mut now) = (0_u64, 0, Duration::ZERO);
        for _ in 0..100 {
            now += PASS;
            gaps += u32::from(flood.pass(now, 200_000 * LINE as u64).is_some());
            for _ in 0..200_000 {
                kept += u64::from(flood.admits(0, 7, now));
                if let Some(held) = flood.held_mut() {
                    held.lines += 1;
                }
            }
        }
        let allowed = (BURST + 20 * RATE) / LINE as u64;
        assert!(kept <= allowed && kept > allowed / 4, "{kept} of {allowed}");
        assert!(gaps <= 3, "{gaps} stretches in 20 s");
    }

    #[test]
    fn what_was_held_back_before_a_restart_is_told_after_it() {
        let held = Held { lines: 3, bytes: 300, from: 1, to: 2, rest: [None; 2] };
        let mut flood = Flood::new(Duration::ZERO, Some(held));
        assert!(flood.holds());
        assert_eq!(flood.pass(PASS, 100), Some(held));
        assert_eq!(flood.pass(PASS, 100), None);
    }
}

//! How an alert begins and ends: a rule must hold for a while without a break before it is an alert, and must not hold for a while without a break
//! before it is over. So a value that goes to and fro around its limit is no alert, or one, but never many. Pure; what is kept between two looks is
//! in the database, so that a restart in between changes nothing.

use std::time::Duration;

use model::time::Millis;

use super::figures::FRESH;

/// How often it is noted that what is pending holds still.
const NOTED: Duration = Duration::from_secs(FRESH.as_secs() / 2);
/// What is pending and was not seen to hold for so long is forgotten: the life of a sample, and the time that the note may be behind.
const GAP: Duration = Duration::from_secs(FRESH.as_secs() + NOTED.as_secs());

/// How long a rule must hold, and how long not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spans {
    pub after: Duration,
    pub resolve_after: Duration,
}

/// How far an alert is that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rule holds since then, and was last seen to hold then, or a little later.
    Pending { since: Millis, held: Millis },
    /// It is an alert; the rule does not hold any more since then.
    Firing { calm_since: Option<Millis> },
}

impl Phase {
    /// The same, where nothing that was seen before this time counts towards its beginning.
    pub fn not_before(self, earliest: Millis) -> Self {
        match self {
            Self::Pending { since, held } if since < earliest => Self::Pending { since: earliest, held },
            phase => phase,
        }
    }
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The rule holds.
    Holds,
    /// It does not.
    Calm,
    /// Nobody knows: no samples came, or it is too early to tell.
    Unknown,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Stay,
    /// Write this down.
    Note(Phase),
    /// It was nothing.
    Forget,
    /// It is an alert from now on.
    Fire,
    /// It is over.
    Resolve,
}

/// What follows from a look. A time that lies ahead was written before the clock was set back: it begins anew. So does what is pending after a gap in
/// which nobody saw it hold: two bad samples with days between them are no rule that held for days.
pub(super) fn step(now: Millis, spans: Spans, phase: Option<Phase>, seen: Seen) -> Step {
    let begin = Step::Note(Phase::Pending { since: now, held: now });
    match (phase, seen) {
        (None | Some(Phase::Pending { .. }), Seen::Holds) if spans.after.is_zero() => Step::Fire,
        (None, Seen::Holds) => begin,
        (None, Seen::Calm | Seen::Unknown) => Step::Stay,
        (Some(Phase::Pending { .. }), Seen::Calm) => Step::Forget,
        (Some(Phase::Pending { held, .. }), Seen::Unknown) if now.since(held) > GAP => Step::Forget,
        (Some(Phase::Pending { .. }), Seen::Unknown) => Step::Stay,
        (Some(Phase::Pending { since, held }), Seen::Holds) if since > now || held > now || now.since(held) > GAP => begin,
        (Some(Phase::Pending { since, .. }), Seen::Holds) if now.since(since) >= spans.after => Step::Fire,
        (Some(Phase::Pending { since, held }), Seen::Holds) if now.since(held) >= NOTED => Step::Note(Phase::Pending { since, held: now }),
        (Some(Phase::Pending { .. }), Seen::Holds) => Step::Stay,
        (Some(Phase::Firing { .. }), Seen::Unknown) | (Some(Phase::Firing { calm_since: None }), Seen::Holds) => Step::Stay,
        (Some(Phase::Firing { calm_since: Some(_) }), Seen::Holds) => Step::Note(Phase::Firing { calm_since: None }),
        (Some(Phase::Firing { .. }), Seen::Calm) if spans.resolve_after.is_zero() => Step::Resolve,
        (Some(Phase::Firing { calm_since: Some(since) }), Seen::Calm) if since <= now => {
            if now.since(since) >= spans.resolve_after {
                Step::Resolve
            } else {
                Step::Stay
            }
        }
        (Some(Phase::Firing { .. }), Seen::Calm) => Step::Note(Phase::Firing { calm_since: Some(now) }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPANS: Spans = Spans { after: Duration::from_secs(300), resolve_after: Duration::from_secs(120) };
    const BEGIN: Millis = Millis(1_795_166_400_000);

    /// An alert as the database keeps it, and what people hear of it.
    #[derive(Default)]
    struct Kept {
        phase: Option<Phase>,
        heard: Vec<(i64, &'static str)>,
    }

    impl Kept {
        /// A look so many seconds after the beginning.
        fn look(&mut self, seconds: i64, spans: Spans, seen: Seen) {
            match step(Millis(BEGIN.0 + seconds * 1000), spans, self.phase, seen) {
                Step::Stay => {}
                Step::Note(phase) => self.phase = Some(phase),
                Step::Forget => self.phase = None,
                Step::Fire => {
                    self.phase = Some(Phase::Firing { calm_since: None });
                    self.heard.push((seconds, "firing"));
                }
                Step::Resolve => {
                    self.phase = None;
                    self.heard.push((seconds, "resolved"));
                }
            }
        }
    }

    #[test]
    fn it_fires_after_its_time_and_is_over_after_its_time() {
        let mut kept = Kept::default();
        for at in (0..=1000).step_by(10) {
            kept.look(at, SPANS, if at < 600 { Seen::Holds } else { Seen::Calm });
        }
        assert_eq!(kept.heard, [(300, "firing"), (720, "resolved")]);
    }

    #[test]
    fn a_value_that_goes_to_and_fro_is_one_alert_or_none() {
        let noisy = |at: i64| if at % 20 == 0 { Seen::Holds } else { Seen::Calm };
        let mut kept = Kept::default();
        for at in (0..86_400).step_by(10) {
            kept.look(at, SPANS, noisy(at));
        }
        assert!(kept.heard.is_empty(), "it never held for five minutes");
        let mut kept = Kept::default();
        for at in (0..86_400).step_by(10) {
            kept.look(at, SPANS, if at <= 300 { Seen::Holds } else { noisy(at) });
        }
        assert_eq!(kept.heard, [(300, "firing")], "it was never calm for two minutes");
    }

    #[test]
    fn without_samples_nothing_begins_and_nothing_ends() {
        let mut kept = Kept::default();
        for at in (0..=400).step_by(10) {
            kept.look(at, SPANS, if (250..310).contains(&at) { Seen::Unknown } else { Seen::Holds });
        }
        assert_eq!(kept.heard, [(310, "firing")], "not while nobody knew");
        kept.look(1000, SPANS, Seen::Unknown);
        assert_eq!(kept.heard, [(310, "firing")]);
    }

    #[test]
    fn what_was_not_seen_to_hold_for_long_begins_anew() {
        // With looks that found nothing, as where samples were missing; and without, as where no portal was there.
        for looks in [true, false] {
            let mut kept = Kept::default();
            kept.look(0, SPANS, Seen::Holds);
            for at in (10..86_400).step_by(10).filter(|_| looks) {
                kept.look(at, SPANS, Seen::Unknown);
            }
            assert_eq!(kept.phase.is_none(), looks);
            for at in (86_400..=86_700).step_by(10) {
                kept.look(at, SPANS, Seen::Holds);
            }
            assert_eq!(kept.heard, [(86_700, "firing")], "it held for five minutes then, and not before");
        }
    }

    #[test]
    fn a_gap_that_a_restart_leaves_is_none() {
        let mut kept = Kept::default();
        for at in (0..=230).step_by(10).chain((290..=300).step_by(10)) {
            kept.look(at, SPANS, Seen::Holds);
        }
        assert_eq!(kept.heard, [(300, "firing")]);
    }

    #[test]
    fn what_was_seen_too_early_counts_only_towards_a_beginning() {
        let pending = Phase::Pending { since: BEGIN, held: BEGIN };
        assert_eq!(pending.not_before(Millis(BEGIN.0 + 5)), Phase::Pending { since: Millis(BEGIN.0 + 5), held: BEGIN });
        assert_eq!(pending.not_before(Millis(BEGIN.0 - 5)), pending);
        let firing = Phase::Firing { calm_since: Some(BEGIN) };
        assert_eq!(firing.not_before(Millis(BEGIN.0 + 5)), firing);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_in_no_waiting_for_ever() {
        let mut kept = Kept::default();
        kept.look(0, SPANS, Seen::Holds);
        for at in (-86_400..-85_900).step_by(10) {
            kept.look(at, SPANS, Seen::Holds);
        }
        assert_eq!(kept.heard, [(-86_100, "firing")]);
        kept.look(0, SPANS, Seen::Calm);
        for at in (-86_400..-86_200).step_by(10) {
            kept.look(at, SPANS, Seen::Calm);
        }
        assert_eq!(kept.heard[1..], [(-86_280, "resolved")]);
    }

    #[test]
    fn what_needs_no_time_is_told_at_once() {
        let at_once = Spans { after: Duration::ZERO, resolve_after: Duration::ZERO };
        let mut kept = Kept::default();
        kept.look(0, at_once, Seen::Holds);
        kept.look(10, at_once, Seen::Calm);
        assert_eq!(kept.heard, [(0, "firing"), (10, "resolved")]);
    }

    proptest! {
        /// Whatever is seen: firing and resolved take turns, and no two of them are nearer than the rule's times.
        #[test]
        fn beginnings_and_ends_take_turns_with_rests_between(
            looks in prop::collection::vec(prop_oneof![Just(Seen::Holds), Just(Seen::Calm), Just(Seen::Unknown)], 1..400),
            after in 0u64..600, resolve in 0u64..600,
        ) {
            let spans = Spans { after: Duration::from_secs(after), resolve_after: Duration::from_secs(resolve) };
            let mut kept = Kept::default();
            for (at, seen) in looks.into_iter().enumerate() {
                kept.look(at as i64 * 10, spans, seen);
            }
            for (at, pair) in kept.heard.windows(2).enumerate() {
                let (before, next) = (pair[0], pair[1]);
                prop_assert_eq!(before.1, if at.is_multiple_of(2) { "firing" } else { "resolved" });
                prop_assert!(before.1 != next.1);
                let rest = if next.1 == "firing" { after } else { resolve };
                prop_assert!(next.0 - before.0 >= rest as i64, "{:?}", pair);
            }
        }
    }
}

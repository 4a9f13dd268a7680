//! What a round of probes means for how a service does. Pure.

use std::time::Duration;

use model::status::ComponentState;
use model::time::Millis;

/// Rounds in a row that must find a service worse before it is called so: one lost packet is no outage.
const CONFIRM: u32 = 2;
/// More time than this between two rounds was nobody's: the portal stood still. Of a project with many dead addresses at one host a round takes longest.
const GAP: Duration = Duration::from_secs(180);

/// What a round found, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Everything answers.
    Good,
    /// Whether it answers cannot be said.
    Unseen,
    /// A part of it answers.
    Partly,
    /// Nothing answers.
    Bad,
}

/// What was found of a service in one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunFound {
    /// Tasks that there should be.
    pub wanted: u32,
    /// Tasks that answer.
    pub good: u32,
    /// Tasks of which nothing can be said.
    pub unseen: u32,
}

impl RunFound {
    /// The same in one word.
    #[must_use]
    pub fn finding(self) -> Finding {
        match self {
            Self { wanted: 1.., good, .. } if good >= self.wanted => Finding::Good,
            Self { wanted: 1.., unseen: 1.., .. } => Finding::Unseen,
            Self { wanted: 1.., good: 1.., .. } => Finding::Partly,
            Self { .. } => Finding::Bad,
        }
    }
}

/// What is known of a service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// What it is called.
    pub state: ComponentState,
    /// Since when.
    pub since: Millis,
    /// What the last round found.
    pub finding: Finding,
    /// When that was.
    pub at: Millis,
    /// Rounds in a row that found it worse than it is called.
    pub worse: u32,
    /// How long the last answer took, in milliseconds.
    pub response: Option<i64>,
    /// What the last round found, for those who may see addresses.
    pub why: Option<String>,
}

impl Seen {
    /// For how long what the last round found held, at `now`.
    pub fn held(&self, now: Millis) -> i64 {
        let span = now.since(self.at);
        if span > GAP { 0 } else { i64::try_from(span.as_millis()).unwrap_or(0) }
    }
}

fn called(finding: Finding) -> ComponentState {
    match finding {
        Finding::Good => ComponentState::Operational,
        Finding::Unseen => ComponentState::Unknown,
        Finding::Partly => ComponentState::Degraded,
        Finding::Bad => ComponentState::Down,
    }
}

/// What is known after a round that found this. Better is believed at once, worse when it is found again.
pub(super) fn next(before: Option<&Seen>, finding: Finding, now: Millis, response: Option<i64>, why: Option<String>) -> Seen {
    let fresh = called(finding);
    let seen = |state, since, worse| Seen { state, since, finding, at: now, worse, response, why: why.clone() };
    let Some(before) = before else { return seen(fresh, now, 0) };
    if fresh == before.state {
        return seen(fresh, before.since, 0);
    }
    let worse = before.worse + 1;
    if fresh > before.state && worse < CONFIRM { seen(before.state, before.since, worse) } else { seen(fresh, now, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wanted: u32, good: u32, unseen: u32) -> Finding {
        RunFound { wanted, good, unseen }.finding()
    }

    #[test]
    fn what_is_stopped_is_down_and_what_cannot_be_seen_is_said_so() {
        assert_eq!(run(0, 0, 0), Finding::Bad);
        assert_eq!(run(2, 2, 0), Finding::Good);
        assert_eq!(run(2, 3, 1), Finding::Good, "a roll has one more for a while");
        assert_eq!(run(2, 1, 0), Finding::Partly);
        assert_eq!(run(2, 1, 1), Finding::Unseen);
        assert_eq!(run(2, 0, 0), Finding::Bad);
    }

    #[test]
    fn one_lost_answer_is_no_outage_and_an_answer_ends_one_at_once() {
        let at = |seconds: i64| Millis(seconds * 1000);
        let up = next(None, Finding::Good, at(0), Some(3), None);
        let once = next(Some(&up), Finding::Bad, at(30), None, None);
        assert_eq!((once.state, once.since), (ComponentState::Operational, at(0)));
        let twice = next(Some(&once), Finding::Bad, at(35), None, None);
        assert_eq!((twice.state, twice.since), (ComponentState::Down, at(35)));
        let back = next(Some(&twice), Finding::Good, at(65), Some(3), None);
        assert_eq!((back.state, back.since, back.worse), (ComponentState::Operational, at(65), 0));
        let lost = next(Some(&once), Finding::Good, at(35), None, None);
        assert_eq!((lost.state, lost.worse), (ComponentState::Operational, 0));
        assert_eq!(next(None, Finding::Bad, at(0), None, None).state, ComponentState::Down, "nothing better is known");
    }

    #[test]
    fn time_in_which_nobody_looked_is_nobodys() {
        let seen = next(None, Finding::Good, Millis(0), None, None);
        assert_eq!(seen.held(Millis(30_000)), 30_000);
        assert_eq!(seen.held(Millis(600_000)), 0);
        assert_eq!(seen.held(Millis(-5)), 0, "a clock that moved back");
    }
}

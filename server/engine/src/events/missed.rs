//! What nobody heard: a container as the engine has it, compared with what is recorded of it. Pure.
//!
//! An engine keeps of a container its last start and its last end, and how often it started it again by itself. So the last start and the last end
//! are always found; of those before them it is told how many there were at least.

use domain::events::work::{Known, TaskEnd};
use model::time::Millis;
use model::views::events::EventKind;

use super::lives::by_signal;
use crate::docker::{ContainerState, Status};

/// What an engine shows as exit code where it does not know with what a program ended.
const UNKNOWN: i64 = 255;

/// A container, as the engine has it. Times are milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct There {
    pub created: i64,
    pub started: Option<i64>,
    pub finished: Option<i64>,
    pub alive: bool,
    pub exit_code: Option<i64>,
    pub out_of_memory: bool,
    pub restarts: i64,
}

impl There {
    /// From an inspection, and what the list says besides.
    pub(super) fn new(created_seconds: i64, state: &ContainerState) -> Self {
        Self {
            created: created_seconds.saturating_mul(1_000),
            started: state.started_at,
            finished: state.finished_at,
            alive: state.status.alive() && state.status != Status::Restarting,
            exit_code: state.exit_code,
            out_of_memory: state.out_of_memory,
            restarts: state.restarts.into(),
        }
    }
}

/// Something that nobody heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub kind: EventKind,
    /// Milliseconds since the epoch.
    pub at: i64,
    pub exit_code: Option<i64>,
    pub signal: Option<i64>,
    pub oom: bool,
    pub text: String,
}

impl Missed {
    fn new(kind: EventKind, at: i64) -> Self {
        Self { kind, at, exit_code: None, signal: None, oom: false, text: String::new() }
    }
}

/// Whether the last that is recorded of a container is that it runs.
pub(super) fn lives(known: &Known) -> bool {
    known.started > known.died
}

/// Whether the list of all containers shows already that something of this one was missed.
pub(super) fn suspicious(known: Option<&Known>, status: Status) -> bool {
    let Some(known) = known else { return true };
    match status {
        Status::Created | Status::Removing => false,
        Status::Running | Status::Paused => !lives(known),
        Status::Exited | Status::Dead => lives(known) || known.died.is_none(),
        Status::Restarting => lives(known),
    }
}

/// Whether it is recorded that the life that the engine shows last is over. An engine that was killed after it told of an end may not have kept it: it
/// finds the container dead when it is back, and shows that time.
fn is_over(known: &Known, there: &There) -> bool {
    let of_that_life = |at: Millis| there.started.is_some_and(|first| first <= at.0);
    known.started.is_some_and(of_that_life) && known.died.is_some() && !lives(known)
}

/// What was missed of a container that is there. What is not older than `before` is left out: its event is still on its way.
pub(super) fn missed(known: Option<&Known>, there: &There, before: i64) -> Vec<Missed> {
    let mut found = Vec::new();
    if known.is_none() && there.created <= before {
        found.push(Missed::new(EventKind::Created, there.created));
    }
    let new = |at: &i64, last: Option<i64>| *at <= before && last.is_none_or(|last| last < *at);
    let started = there.started.filter(|at| new(at, known.and_then(|known| known.started).map(|at| at.0)));
    // With what an earlier life ended is not known any more in the next one.
    let over = !there.alive;
    let told = over && known.is_some_and(|known| is_over(known, there));
    let died = there.finished.filter(|at| !told && new(at, known.and_then(|known| known.died).map(|at| at.0)));
    let start = started.map(|at| Missed::new(EventKind::Started, at));
    // An engine that was killed may not know when a program ended that it finds dead.
    let lost = over && there.finished.is_none() && there.started.is_some_and(|at| new(&at, known.and_then(|known| known.died).map(|at| at.0)));
    let text = if lost { String::from("when it ended is not known") } else { String::new() };
    let death = died.or(lost.then_some(before)).map(|at| Missed {
        text,
        exit_code: there.exit_code.filter(|_| over),
        signal: by_signal(there.exit_code.filter(|_| over)),
        oom: there.out_of_memory && over,
        ..Missed::new(EventKind::Died, at)
    });
    let last = found.len();
    // Of one millisecond, what the engine says now is the later one.
    if over {
        found.extend(start.into_iter().chain(death));
    } else {
        found.extend(death.into_iter().chain(start));
    }
    found[last..].sort_by_key(|missed| missed.at);
    let unheard = there.restarts + 1 - known.map_or(0, |known| known.starts) - i64::from(started.is_some());
    if unheard > 0
        && let Some(missed) = found[last..].last_mut()
    {
        missed.text = format!("before that it started and ended at least {unheard} more times, of which nobody heard");
    }
    found
}

/// With what a container ended whose last end is recorded. An engine that goes away over an end may tell one thing, and show another when it is back.
pub(super) fn ended_with(known: &Known, there: &There) -> Option<i64> {
    let died = known.died?.0;
    // Of the same life, and what the engine shows is a little earlier than what it told.
    let same = !there.alive && is_over(known, there) && (there.started?..=died).contains(&there.finished?);
    there.exit_code.filter(|code| same && *code != UNKNOWN)
}

/// What was missed of a container that is gone: how it ended is known from its task's record alone.
pub(super) fn gone(known: &Known, end: Option<&TaskEnd>, now: i64) -> Vec<Missed> {
    let mut found = Vec::new();
    let mut at = now;
    if lives(known) {
        let recorded = end.and_then(|end| end.at).map(|at| at.0).filter(|at| known.started.is_none_or(|started| *at > started.0));
        at = recorded.unwrap_or(now).min(now);
        let exit_code = end.and_then(|end| end.exit_code);
        let text = end.and_then(|end| end.reason.clone()).unwrap_or_else(|| String::from("it ended while nobody listened, and it is gone"));
        found.push(Missed { exit_code, signal: by_signal(exit_code), text, ..Missed::new(EventKind::Died, at) });
    }
    found.push(Missed::new(EventKind::Removed, at.max(now)));
    found
}

#[cfg(test)]
mod tests;

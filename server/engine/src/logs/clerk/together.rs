//! Reads the logs of one stream together. The store puts in the order of time what comes in one batch. Where there is more to read than one batch takes,
//! the batches are kept in that order here: the log of which more is left, and whose last line is the earliest, says how far in time all are read, and
//! what another one has that is later waits. The first one's piece is handed over whole, so each pass gets on; where nothing is left nobody waits.
//! Nor does a log wait that is about to go, or of which the engine is about to throw away the oldest file that it keeps, where the log was read to: a line
//! that comes late is better than none.

use std::collections::HashMap;
use std::time::Duration;

use model::ids::TaskId;

use super::log::{Ahead, Bundle, Log, Taken};
use crate::logs::tail::{Pass, Reached, SHARE};

/// Bytes of one batch, about; the store takes twice as many.
pub(super) const BATCH: usize = 7 << 20;
/// Bytes of one batch with what logs that waited have, which is not counted before it is read: from here on they wait for the next pass. The piece that
/// crosses this is of [`SHARE`] bytes at most, so a batch stays below the 16 MiB of the store, which would refuse all of it, and again each time.
const MOST: usize = 13 << 20;
/// Bytes that are read of a log in one pass at least: so many fit into a batch of hundreds.
const LEAST: u64 = 16 << 10;
/// How long a log waits for earlier lines of others at most: clocks are set back, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// One reading.
pub(super) struct Round<'a> {
    /// When, in the time that tails are told.
    pub now: Duration,
    /// The same in nanoseconds since 1970.
    pub at_nanos: i64,
    /// Of [`crate::logs::tail::BUFFER`] bytes.
    pub buffer: &'a mut [u8],
}

impl Round<'_> {
    fn pass(&mut self, last: bool, share: u64, upto: Option<i64>) -> Pass<'_> {
        Pass { now: self.now, last, share, upto, buffer: &mut *self.buffer }
    }
}

/// What the logs of a stream have.
#[derive(Default)]
struct Found {
    /// What was read, and whether it waits for nothing.
    taken: Vec<(Taken, bool)>,
    /// Known to have what was left for later.
    waiting: Vec<(TaskId, Ahead)>,
    /// Bytes of what was read.
    bytes: usize,
    /// There was no room for some, of which nothing is known but that it is not earlier than this.
    unread: Option<i64>,
}

impl Found {
    /// No line that is later may be handed over now. None: there is no such line.
    fn upto(&self) -> Option<i64> {
        let read = self.taken.iter().filter(|(taken, _)| taken.reached == Reached::More).filter_map(|(taken, _)| taken.latest);
        let known = self.waiting.iter().filter(|(_, ahead)| ahead.more).map(|(_, ahead)| ahead.latest);
        read.chain(known).chain(self.unread).min()
    }
}

/// Reads these logs of one stream, and puts what is due into the bundle. Whether there is more.
pub(super) fn read(logs: &mut HashMap<TaskId, Log>, tasks: &[TaskId], mut round: Round<'_>, bundle: &mut Bundle) -> bool {
    // All of them fit into one batch, unless there are many hundreds.
    let share = (BATCH as u64 / tasks.len().max(1) as u64).clamp(LEAST, SHARE);
    let mut found = look(logs, tasks, &mut round, share);
    look_on(logs, &mut found, &mut round, share);
    let upto = found.upto();
    let mut more = found.unread.is_some();
    for (mut taken, free) in found.taken {
        let Some(log) = logs.get_mut(&taken.task) else { continue };
        let late = upto.is_some_and(|upto| taken.latest.is_some_and(|latest| latest > upto));
        // What is gone cannot be read again.
        if late && !free && !matches!(taken.reached, Reached::Gone { .. }) && !log.at_risk(&taken) {
            let Some(less) = log.take_less(taken, round.pass(false, share, upto)) else { continue };
            taken = less;
        }
        more |= taken.reached == Reached::More;
        log.hand_over(taken, bundle, round.at_nanos);
    }
    for (task, ahead) in found.waiting {
        let Some(log) = logs.get_mut(&task) else { continue };
        if bundle.bytes >= MOST {
            more = true;
            continue;
        }
        // No more than what was seen of it is due, and that may have been more than today's share.
        let Some(taken) = log.take(round.pass(false, SHARE, upto)) else { continue };
        if taken.reached != Reached::More || upto.is_none_or(|upto| upto >= ahead.latest) {
            log.ahead = None;
        }
        more |= taken.reached == Reached::More;
        log.hand_over(taken, bundle, round.at_nanos);
    }
    more
}

/// Reads all that are not known to have something for later.
fn look(logs: &mut HashMap<TaskId, Log>, tasks: &[TaskId], round: &mut Round<'_>, share: u64) -> Found {
    let mut found = Found::default();
    for task in tasks {
        let Some(log) = logs.get_mut(task) else { continue };
        match log.ahead {
            Some(ahead) if !log.closing() && ahead.since.elapsed() < PATIENCE && !log.is_at_risk() => found.waiting.push((*task, ahead)),
            _ => {
                // What is about to go, or has waited for long, waits no more.
                let waited = log.ahead.is_some();
                look_at(log, &mut found, round, share, waited);
            }
        }
    }
    found
}

/// Reads those, too, of which all is due that was seen: more may have been written since.
fn look_on(logs: &mut HashMap<TaskId, Log>, found: &mut Found, round: &mut Round<'_>, share: u64) {
    loop {
        let upto = found.upto();
        let due = |(_, ahead): &(TaskId, Ahead)| !ahead.more && upto.is_none_or(|upto| upto >= ahead.latest);
        let Some(at) = found.waiting.iter().position(due) else { return };
        let (task, _) = found.waiting.swap_remove(at);
        if let Some(log) = logs.get_mut(&task) {
            look_at(log, found, round, share, false);
        }
    }
}

/// Reads a log, if there is room. `free`: what it has waits for nothing.
fn look_at(log: &mut Log, found: &mut Found, round: &mut Round<'_>, share: u64, free: bool) {
    if found.bytes >= BATCH {
        let since = log.tail.last().unwrap_or(i64::MIN);
        found.unread = Some(found.unread.map_or(since, |known| known.min(since)));
        return;
    }
    log.ahead = None;
    let closing = log.closing();
    // Somebody waits for its end.
    let share = if closing { SHARE } else { share };
    if let Some(taken) = log.take(round.pass(closing, share, None)) {
        found.bytes += taken.bytes();
        found.taken.push((taken, closing || free));
    }
}

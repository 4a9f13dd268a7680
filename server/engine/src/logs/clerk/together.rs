//! Reads the logs of one stream together. The store puts in the order of time what comes in one batch. Where there is more to read than one batch takes,
//! the batches are kept in that order here: the log of which more is left, and whose last line is the earliest, says how far in time all are read, and
//! what another one has that is later waits. The first one's piece is handed over whole, so each pass gets on; where nothing is left nobody waits.

use std::collections::HashMap;
use std::time::Duration;

use model::ids::TaskId;

use super::log::{Ahead, Bundle, Log, Taken};
use crate::logs::tail::{BUFFER, Pass, Reached, SHARE};

/// Bytes of one batch, about; the store takes twice as many.
pub(super) const BATCH: usize = 7 << 20;
/// How long a log waits for earlier lines of others at most: clocks are set back, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// One reading.
pub(super) struct Round<'a> {
    /// When, in the time that tails are told.
    pub now: Duration,
    /// The same in nanoseconds since 1970.
    pub at_nanos: i64,
    /// Of [`BUFFER`] bytes.
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
    /// There was no room for some.
    full: bool,
}

impl Found {
    /// No line that is later may be handed over now. None: there is no such line.
    fn upto(&self) -> Option<i64> {
        let read = self.taken.iter().filter(|(taken, _)| taken.reached == Reached::More).filter_map(|(taken, _)| taken.latest);
        let known = self.waiting.iter().filter(|(_, ahead)| ahead.more).map(|(_, ahead)| ahead.latest);
        read.chain(known).min()
    }
}

/// Reads these logs of one stream, and puts what is due into the bundle. Whether there is more.
pub(super) fn read(logs: &mut HashMap<TaskId, Log>, tasks: &[TaskId], mut round: Round<'_>, bundle: &mut Bundle) -> bool {
    // All of them fit into one batch, unless there are dozens.
    let share = (BATCH as u64 / tasks.len().max(1) as u64).clamp(BUFFER as u64, SHARE);
    let found = look(logs, tasks, &mut round, share);
    let upto = found.upto();
    let mut more = found.full;
    for (mut taken, free) in found.taken {
        let Some(log) = logs.get_mut(&taken.task) else { continue };
        let late = upto.is_some_and(|upto| taken.latest.is_some_and(|latest| latest > upto));
        // What is gone cannot be read again.
        if late && !free && !matches!(taken.reached, Reached::Gone { .. }) {
            let Some(less) = log.take_less(taken, round.pass(false, share, upto)) else { continue };
            taken = less;
        }
        more |= taken.reached == Reached::More;
        log.hand_over(taken, bundle, round.at_nanos);
    }
    for (task, ahead) in found.waiting {
        let Some(log) = logs.get_mut(&task) else { continue };
        if bundle.bytes >= BATCH {
            more = true;
            continue;
        }
        let Some(taken) = log.take(round.pass(false, share, upto)) else { continue };
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
    let (mut found, mut bytes) = (Found::default(), 0);
    for task in tasks {
        let Some(log) = logs.get_mut(task) else { continue };
        let closing = log.closing();
        match log.ahead {
            Some(ahead) if !closing && ahead.since.elapsed() < PATIENCE => found.waiting.push((*task, ahead)),
            _ if bytes >= BATCH => found.full = true,
            _ => {
                // What is about to go, or has waited for long, waits no more.
                let waited = log.ahead.take().is_some();
                if let Some(taken) = log.take(round.pass(closing, share, None)) {
                    bytes += taken.bytes();
                    found.taken.push((taken, closing || waited));
                }
            }
        }
    }
    found
}

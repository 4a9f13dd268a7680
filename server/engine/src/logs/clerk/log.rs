//! One log file that is followed, and what is added to one stream at once.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::logs::{Record, Stream, StreamKey};
use model::ids::TaskId;
use tokio::sync::oneshot;

use super::{Follow, Owner, records};
use crate::logs::intake::Item;
use crate::logs::tail::{Pass, Reached, State, Tail};

/// Wait after something could not be read or kept.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// A log file that is followed.
pub(super) struct Log {
    pub owner: Owner,
    pub tail: Tail,
    pub path: PathBuf,
    pub heat: Heat,
    pub finish: Vec<oneshot::Sender<()>>,
    pub forget: bool,
    /// It was removed, and nothing was written to it since it rested.
    pub quiet: bool,
    pub not_before: Option<Instant>,
    /// Since when it waits to be read for the first time.
    pub fresh: Option<Instant>,
    /// It has lines that wait for earlier ones of the same stream.
    pub ahead: Option<Ahead>,
}

/// How a log is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Heat {
    /// It is read in every pass; so many of the last brought nothing.
    Hot(u32),
    /// It rests until this watch tells.
    Cold(i32),
    /// Its folder is gone.
    Gone,
}

/// Lines that were seen and left for later.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// The time of the latest of them.
    pub latest: i64,
    /// There are more behind them.
    pub more: bool,
    /// When something of the log was last handed over.
    pub since: Instant,
}

/// What was read of a log in one pass.
pub(super) struct Taken {
    pub task: TaskId,
    saved: State,
    items: Vec<Item>,
    pub reached: Reached,
    /// The time of its latest line.
    pub latest: Option<i64>,
}

/// What is added to one stream at once.
pub(super) struct Bundle {
    pub key: StreamKey,
    pub stream: Stream,
    pub records: Vec<Record>,
    pub cursors: Vec<(TaskId, String)>,
    pub bytes: usize,
    pub undo: Vec<(TaskId, State)>,
    pub over: Vec<TaskId>,
    pub kept: Vec<oneshot::Sender<bool>>,
}

impl Bundle {
    pub(super) fn of(owner: &Owner) -> Self {
        let (key, stream) = (owner.key, owner.stream.clone());
        Self { key, stream, records: Vec::new(), cursors: Vec::new(), bytes: 0, undo: Vec::new(), over: Vec::new(), kept: Vec::new() }
    }
}

impl Taken {
    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(Item::size).sum()
    }
}

impl Log {
    /// A log that nothing was read of yet. `began`: when the time began that tails are told.
    pub(super) fn new(follow: Follow, began: Instant) -> Self {
        let Follow { owner, path, files, cursor } = follow;
        let now = Instant::now();
        Self {
            owner,
            tail: Tail::new(&path, files, cursor, now - began),
            path,
            heat: Heat::Hot(0),
            finish: Vec::new(),
            forget: false,
            quiet: false,
            not_before: None,
            fresh: Some(now),
            ahead: None,
        }
    }

    pub(super) fn closing(&self) -> bool {
        self.forget || !self.finish.is_empty()
    }

    /// When it is to be read; none: when something happens to it.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        matches!(self.heat, Heat::Hot(_)).then(|| self.not_before.unwrap_or(now))
    }

    /// It is read in the next passes, whatever it waited for.
    pub(super) fn warm(&mut self) {
        self.heat = Heat::Hot(0);
        self.not_before = None;
        self.tail.wake();
    }

    /// What was read could not be kept.
    pub(super) fn undo(&mut self, saved: State) {
        self.tail.undo(saved);
        self.ahead = None;
        self.heat = Heat::Hot(0);
        self.retry();
    }

    /// It is tried again after a while: in the next pass where somebody waits for its end.
    fn retry(&mut self) {
        let hurried = self.finish.iter().any(|reply| !reply.is_closed());
        self.not_before = (!hurried).then(|| Instant::now() + RETRY);
    }

    /// Reads it once. None: it cannot be read now.
    pub(super) fn take(&mut self, mut pass: Pass<'_>) -> Option<Taken> {
        (self.not_before, self.fresh) = (None, None);
        let saved = self.tail.save();
        let mut items = Vec::new();
        match self.tail.read(&mut pass, &mut items) {
            Ok(reached) => {
                if self.tail.is_later() && !items.is_empty() {
                    // What is missing before lines is said with them.
                    self.tail.back(saved.clone());
                    items.clear();
                }
                Some(Taken { task: self.owner.task, saved, items, reached, latest: self.tail.latest() })
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "a log file of the engine could not be read; tried again");
                self.tail.undo(saved);
                self.retry();
                None
            }
        }
    }

    /// Reads less of the same: what is later waits.
    pub(super) fn take_less(&mut self, taken: Taken, pass: Pass<'_>) -> Option<Taken> {
        self.ahead = taken.latest.map(|latest| Ahead { latest, more: taken.reached == Reached::More, since: Instant::now() });
        self.tail.back(taken.saved);
        self.take(pass)
    }

    /// Whether the engine is about to throw away what was read here, should it wait.
    pub(super) fn at_risk(&self, taken: &Taken) -> bool {
        self.tail.at_risk(Some(&taken.saved))
    }

    /// The same of what is to be read next.
    pub(super) fn is_at_risk(&self) -> bool {
        self.tail.at_risk(None)
    }

    /// Puts what was read to what else is added to its stream.
    pub(super) fn hand_over(&mut self, taken: Taken, bundle: &mut Bundle, now: i64) {
        let Taken { task, saved, mut items, reached, .. } = taken;
        let over = match reached {
            Reached::More => false,
            Reached::End => {
                if self.closing() && !self.tail.done() {
                    self.tail.finish(false, &mut items);
                }
                self.closing()
            }
            Reached::Gone { proven } => {
                if !self.tail.done() {
                    self.tail.finish(!proven && !self.quiet, &mut items);
                }
                self.heat = Heat::Gone;
                true
            }
        };
        let moved = !items.is_empty() || self.tail.moved(&saved);
        if let Heat::Hot(idle) = &mut self.heat {
            *idle = if moved || reached == Reached::More { 0 } else { idle.saturating_add(1) };
        }
        if over {
            bundle.over.push(task);
        }
        if moved && let Some(ahead) = &mut self.ahead {
            ahead.since = Instant::now();
        }
        let forgotten = over && self.forget;
        if moved || forgotten {
            bundle.bytes += items.iter().map(Item::size).sum::<usize>();
            records(&self.owner, items, now, &mut bundle.records);
            bundle.cursors.push((task, if forgotten { String::new() } else { self.tail.cursor().text() }));
            bundle.undo.push((task, saved));
        }
    }
}

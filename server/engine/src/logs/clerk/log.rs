//! One log file that is followed, and what is added to one stream at once.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::logs::{Record, Stream};
use model::ids::TaskId;
use tokio::sync::oneshot;

use super::{Owner, records};
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

/// What is added to one stream at once.
pub(super) struct Bundle {
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
        let stream = owner.stream.clone();
        Self { stream, records: Vec::new(), cursors: Vec::new(), bytes: 0, undo: Vec::new(), over: Vec::new(), kept: Vec::new() }
    }
}

impl Log {
    pub(super) fn closing(&self) -> bool {
        self.forget || !self.finish.is_empty()
    }

    /// Reads it once. Whether there is more.
    pub(super) fn read(&mut self, mut pass: Pass<'_>, bundle: &mut Bundle, now: i64) -> bool {
        self.not_before = None;
        let saved = self.tail.save();
        let mut items = Vec::new();
        let reached = match self.tail.read(&mut pass, &mut items) {
            Ok(reached) => reached,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "a log file of the engine could not be read; tried again");
                self.tail.undo(saved);
                self.not_before = Some(Instant::now() + RETRY);
                return false;
            }
        };
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
            *idle = if moved { 0 } else { idle.saturating_add(1) };
        }
        if over {
            bundle.over.push(self.owner.task);
        }
        let forgotten = over && self.forget;
        if moved || forgotten {
            bundle.bytes += items.iter().map(Item::size).sum::<usize>();
            records(&self.owner, items, now, &mut bundle.records);
            bundle.cursors.push((self.owner.task, if forgotten { String::new() } else { self.tail.cursor().text() }));
            bundle.undo.push((self.owner.task, saved));
        }
        reached == Reached::More
    }
}

//! One stream: lines are added at its end, and read from anywhere. One writes at a time; readers take a snapshot of what is there and hold no lock.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use model::ids::TaskId;
use tokio::sync::watch;

use crate::chunk::Chunk;
use crate::frame::{self, Frame};
use crate::journal::{self, Journal};
use crate::plan::{Kept, journal_path};
use crate::recover::{self, set};
use crate::ring::Ring;
use crate::{Batch, Found, LineId, Near, Options, Past, Progress, Select, Start, Trail, scan};

/// Size from which a journal without lines (cursors alone) is written anew.
const CURSORS: u64 = 1 << 20;

/// A journal that is full: its stream and its number.
pub(crate) type Full = (Weak<Inner>, u64);

/// One stream. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Stream(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) folder: PathBuf,
    pub(crate) options: Options,
    /// Held while something is written to the journal in use.
    writing: Mutex<()>,
    /// Held while parts are compressed or deleted. Taken before `writing`.
    pub(crate) working: Mutex<()>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    full: Sender<Full>,
}

/// Held for moments only, never while a file is read or written.
pub(crate) struct State {
    /// Never empty; the last one is the journal in use.
    pub(crate) parts: VecDeque<Kept>,
    cursors: HashMap<TaskId, String>,
    pub(crate) removed: bool,
    /// The last lines, while somebody follows.
    pub(crate) ring: Ring,
    /// When something was last added, or the stream opened.
    pub(crate) touched: Instant,
}

/// What a reader sees: nothing that is added later.
pub(crate) struct Snapshot {
    /// The parts from the one that was asked for.
    pub(crate) parts: Vec<Kept>,
    /// The oldest part of all: its number, and how many lines the one before it had.
    pub(crate) oldest: (u64, u32),
    /// The place behind the last line.
    pub(crate) end: LineId,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is changed in one step each, so it is whole also after a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// Opens the stream in this folder, which is there.
    pub(crate) fn open(folder: PathBuf, options: Options, full: Sender<Full>) -> io::Result<Arc<Self>> {
        let found = recover::open(&folder)?;
        let (parts, cursors) = (found.parts.into(), found.cursors);
        let state = State { parts, cursors, removed: false, ring: Ring::default(), touched: Instant::now() };
        let (writing, working) = (Mutex::default(), Mutex::default());
        let inner = Self { folder, options, writing, working, state: Mutex::new(state), changes: watch::channel(0).0, full };
        let inner = Arc::new(inner);
        inner.hand_over();
        Ok(inner)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Asks for the journals that are full to be compressed.
    pub(crate) fn hand_over(self: &Arc<Self>) {
        let state = self.state();
        let full = state.parts.iter().take(state.parts.len() - 1).filter(|part| matches!(part, Kept::Journal(_)));
        for part in full {
            // Nobody compresses any more: the store is being closed.
            let _ = self.full.send((Arc::downgrade(self), part.number()));
        }
    }

    /// Begins a new journal. The one that was in use stays as it is.
    pub(crate) fn rotate(self: &Arc<Self>) -> io::Result<()> {
        let _turn = lock(&self.writing);
        self.begin_journal()
    }

    fn begin_journal(self: &Arc<Self>) -> io::Result<()> {
        let (number, lines, cursors) = {
            let state = self.state();
            if state.removed {
                return Err(removed());
            }
            let Some(last) = state.parts.back().filter(|last| last.lines() > 0) else { return Ok(()) };
            (last.number() + 1, last.lines(), state.cursors.clone())
        };
        let journal = Journal::create(&journal_path(&self.folder, number), number, lines, &cursors)?;
        let mut state = self.state();
        if let Some(Kept::Journal(full)) = state.parts.back_mut() {
            full.rest();
        }
        state.parts.push_back(Kept::Journal(journal));
        drop(state);
        self.hand_over();
        Ok(())
    }

    fn append(self: &Arc<Self>, batch: &Batch) -> io::Result<()> {
        let _turn = lock(&self.writing);
        let (records, cursors) = (&batch.records, self.moved(&batch.cursors));
        if records.is_empty() && cursors.is_empty() {
            return if self.state().removed { Err(removed()) } else { Ok(()) };
        }
        if self.state().active().is_some_and(|journal| journal.length >= self.options.journal_bytes && journal.lines > 0) {
            self.begin_journal()?;
        }
        self.without_lines()?;
        let (file, at, number, first) = {
            let mut state = self.state();
            if state.removed {
                return Err(removed());
            }
            let journal = state.active().ok_or_else(removed)?;
            (journal.open(&journal_path(&self.folder, journal.number))?, journal.length, journal.number, journal.lines)
        };
        let frame = frame::batch(records, &cursors, first)?;
        if let Err(error) = file.write_all_at(&frame, at) {
            // What was written of it is behind the end, and the next frame goes over it; cutting it off spares the recovery looking at it.
            let _ = file.set_len(at);
            return Err(error);
        }
        let (count, followers) = (records.len() as u32, self.changes.receiver_count());
        // What is too much to be held is not made ready either.
        let held = followers > 0 && frame.len() <= Ring::most(followers);
        let chunk = if held { journal::lines(&frame, number, first, count) } else { None };
        let mut state = self.state();
        if let Some(journal) = state.active() {
            journal.note(at, Frame { first, count, length: frame.len() }, records.iter().map(|record| record.at_nanos));
        }
        match chunk {
            Some(chunk) => state.ring.push(chunk, followers),
            None if count > 0 => state.ring.clear(),
            None => {}
        }
        for (task, text) in cursors {
            set(&mut state.cursors, task, text);
        }
        state.touched = Instant::now();
        drop(state);
        if count > 0 {
            self.changes.send_modify(|records| *records += u64::from(count));
        }
        Ok(())
    }

    /// The cursors that say something new.
    fn moved(&self, cursors: &[(TaskId, String)]) -> Vec<(TaskId, String)> {
        let state = self.state();
        cursors.iter().filter(|(task, text)| state.cursors.get(task).map_or("", String::as_str) != text).cloned().collect()
    }

    /// Writes a journal that holds cursors alone anew, when they have become many.
    fn without_lines(&self) -> io::Result<()> {
        let (number, before, cursors) = {
            let mut state = self.state();
            let cursors = state.cursors.clone();
            let Some(journal) = state.active().filter(|journal| journal.lines == 0 && journal.length >= CURSORS) else { return Ok(()) };
            (journal.number, journal.before, cursors)
        };
        let (path, temporary) = (journal_path(&self.folder, number), self.folder.join(format!("{number}-journal.tmp")));
        let journal = Journal::create(&temporary, number, before, &cursors)?;
        fs::rename(temporary, path)?;
        if let Some(active) = self.state().active() {
            *active = journal;
        }
        Ok(())
    }

    /// What a reader who needs the parts from this number sees now.
    pub(crate) fn snapshot(&self, from: u64) -> Snapshot {
        let state = self.state();
        // The last one in any case: a crash of the machine can have taken what was read before it.
        let begin = state.parts.partition_point(|part| part.number() < from).min(state.parts.len().saturating_sub(1));
        let oldest = state.parts.front().map_or((0, 0), |part| (part.number(), part.before()));
        let end = state.parts.back().map_or(LineId::ZERO, |part| LineId { segment: part.number(), index: part.lines() });
        Snapshot { parts: state.parts.range(begin..).cloned().collect(), oldest, end }
    }

    /// What lies behind this place, if all of it is in memory.
    pub(crate) fn near(&self, after: LineId) -> Option<Vec<Arc<Chunk>>> {
        let state = self.state();
        let part = state.parts.back().filter(|part| part.lines() > 0)?;
        match after.cmp(&LineId { segment: part.number(), index: part.lines() - 1 }) {
            Ordering::Less => state.ring.behind(after),
            Ordering::Equal => Some(Vec::new()),
            // It was given out once, and a crash of the machine took it away.
            Ordering::Greater => None,
        }
    }

    /// What a reader sees who needs nothing but the end.
    fn snapshot_end(&self) -> Snapshot {
        let from = self.state().parts.iter().rev().find(|part| part.lines() > 0).map_or(0, Kept::number);
        self.snapshot(from)
    }

    /// Tells followers that something happened, though nothing was added.
    pub(crate) fn wake(&self) {
        self.changes.send_modify(|_| ());
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl State {
    /// The journal in use.
    pub(crate) fn active(&mut self) -> Option<&mut Journal> {
        match self.parts.back_mut() {
            Some(Kept::Journal(journal)) => Some(journal),
            _ => None,
        }
    }
}

fn removed() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the stream of kept logs was removed")
}

impl Stream {
    /// Adds a batch. When this returns, it survives the death of the process. An empty batch changes nothing.
    ///
    /// # Errors
    /// When it cannot be written (disk full), is larger than 16 MiB, or the stream was removed. Nothing of the batch is kept then.
    pub fn append(&self, batch: &Batch) -> io::Result<()> {
        self.0.append(batch)
    }

    /// How far this task was read.
    #[must_use]
    pub fn cursor(&self, task: TaskId) -> Option<String> {
        self.0.state().cursors.get(&task).cloned()
    }

    /// How far each task was read.
    #[must_use]
    pub fn cursors(&self) -> Vec<(TaskId, String)> {
        self.0.state().cursors.iter().map(|(task, text)| (*task, text.clone())).collect()
    }

    /// Tells of added records: counts them since the stream was opened. Also wakes when the stream is removed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Whether it was removed: nothing is added to it any more, and what it had is gone.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.0.state().removed
    }

    /// The last line's place; whoever follows goes on behind it. [`LineId::ZERO`] while the stream never had a line.
    #[must_use]
    pub fn end(&self) -> LineId {
        self.0.snapshot_end().last()
    }

    /// Reads forward from `start` to what is the end when this is called. Lines come in the order of their places; only lines of context may lie
    /// before what was already shown (each is shown once). `see` is called with each line that is looked for and `progress` after each part that
    /// was looked at; either stops the search by `Break`. The answer is the last place that was looked at, behind which a follower goes on: after
    /// a `Break` of `see` that of the line it was shown; none if nothing lay behind `start`.
    ///
    /// # Errors
    /// When files cannot be read for want of rights or handles. Damaged ones are no error, but shown as a gap.
    pub fn scan(
        &self,
        select: &Select,
        start: Start,
        see: &mut dyn FnMut(Found) -> ControlFlow<()>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<Option<LineId>> {
        self.scan_on(select, start, &mut Trail::default(), see, progress)
    }

    /// As [`Self::scan`], for who comes again: a look that begins where the last one with this trail ended knows from it what stands beside lines, and
    /// reads nothing twice. The trail is of one stream and of one thing that is looked for.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn scan_on(
        &self,
        select: &Select,
        start: Start,
        trail: &mut Trail,
        see: &mut dyn FnMut(Found) -> ControlFlow<()>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<Option<LineId>> {
        if let Start::After(after) = start
            && let Some(near) = self.near(after)
        {
            return near.scan(select, trail, see, progress);
        }
        scan::forward(&self.0, select, start, trail, see, progress)
    }

    /// What lies behind this place, if all of it is in memory: so it is for followers who keep pace. None says nothing: it is to be read.
    #[must_use]
    pub fn near(&self, after: LineId) -> Option<Near> {
        let chunks = self.0.near(after)?;
        Some(Near { inner: Arc::clone(&self.0), after, chunks })
    }

    /// The last `most` lines that match before the place `before` (without it), or before the end, with at most `bytes` of text (one line in any
    /// case). The oldest comes first. Lines of context come besides, 20,000 at most; with them it is no more than `bytes` of text or 4 MiB, whichever
    /// is more, and the oldest lines are left out.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn last(&self, select: &Select, most: usize, bytes: usize, before: Option<LineId>) -> io::Result<Vec<Found>> {
        self.last_watched(select, most, bytes, before, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`Self::last`], with a look at how far the search is. After a `Break` the answer is what was found until then.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn last_watched(
        &self,
        select: &Select,
        most: usize,
        bytes: usize,
        before: Option<LineId>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<Vec<Found>> {
        let mut past = Past::new(most, bytes, before);
        self.look_back(select, &mut past, progress)?;
        Ok(past.into_lines())
    }

    /// As [`Self::last_watched`], for who looks back a while at a time: a `Break` leaves it, and the next call goes on there. Whether it is at its end.
    ///
    /// # Errors
    /// As [`Self::scan`].
    pub fn look_back(&self, select: &Select, past: &mut Past, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> io::Result<bool> {
        past.look(&self.0, select, progress)
    }
}

impl Snapshot {
    /// The last line's place, also if it was deleted.
    pub(crate) fn last(&self) -> LineId {
        let last = self.parts.iter().rev().find(|part| part.lines() > 0).map(|part| LineId { segment: part.number(), index: part.lines() - 1 });
        let deleted =
            || self.parts.first().filter(|part| part.before() > 0).map(|part| LineId { segment: part.number() - 1, index: part.before() - 1 });
        last.or_else(deleted).unwrap_or(LineId::ZERO)
    }
}

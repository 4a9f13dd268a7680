//! Follows the files of one log of the engine: reads what is new, goes through rotations file by file, and says what it can no longer find.
//!
//! It blocks, and waits for nothing. What was read counts only when the lines were kept: [`Tail::save`] before, [`Tail::undo`] if not.

mod place;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::chain;
use super::cursor::{Anchor, Cursor};
use super::entry;
use super::intake::{Intake, Item};
use super::joiner::Place;
use super::missing::Missing;

/// Bytes that are read of a file at once. Longer than any line that an engine writes.
pub(super) const BUFFER: usize = 256 << 10;
/// Bytes that are read of a log in one pass while they are kept, where nobody says less.
pub(super) const SHARE: u64 = 1 << 20;
/// The same while they are only counted.
const COUNTED: u64 = 16 << 20;
/// The end of a log that is held back is left for later: when nothing follows, it is what people want to read.
const RESERVE: u64 = 128 << 10;

/// How far a reading came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// There is more, for the next pass.
    More,
    /// All that there is, for now.
    End,
    /// All, and the container's folder is gone. `proven`: nothing of it was missed.
    Gone { proven: bool },
}

/// One log.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    /// How many files the engine keeps of it.
    files: usize,
    state: State,
    file: Option<File>,
    /// The last pass came to another file than the one in which it began, whatever its number.
    entered: bool,
    /// That one, then.
    left: Option<File>,
    /// The size of the file as it was read last, with the end that is no whole line yet.
    seen: u64,
    span: Span,
}

/// From when the lines are that one pass reads.
#[derive(Debug, Default)]
struct Span {
    /// Nothing that is later is read.
    upto: Option<i64>,
    /// The latest that was read.
    latest: Option<i64>,
    /// There is something later.
    over: bool,
}

impl Span {
    /// Whether a line of this time is read.
    fn takes(&mut self, at_nanos: i64) -> bool {
        self.over = self.upto.is_some_and(|upto| at_nanos > upto);
        if !self.over {
            self.latest = self.latest.max(Some(at_nanos));
        }
        !self.over
    }
}

/// What is undone when lines could not be kept.
#[derive(Debug, Clone)]
pub(super) struct State {
    container: String,
    at: Option<Place>,
    /// Lines that are complete up to here are known.
    until: Option<Place>,
    /// Goes on behind this line, wherever that is.
    seek: Option<Anchor>,
    intake: Intake,
    done: bool,
}

/// One pass over a log.
pub(super) struct Pass<'a> {
    /// Time since some beginning.
    pub now: Duration,
    /// Nothing may follow: nothing is left for later, and the end is kept also of what is held back.
    pub last: bool,
    /// Bytes that are read, about, while they are kept.
    pub share: u64,
    /// It ends before the first line that is later, nanoseconds since 1970.
    pub upto: Option<i64>,
    /// For whoever reads; of [`BUFFER`] bytes.
    pub buffer: &'a mut [u8],
}

/// Where the end of a file leads.
enum Turn {
    Stay,
    Next,
    Gone { proven: bool },
}

impl Tail {
    /// Goes on where the cursor says; without a place, behind its last line; without that, at the oldest file. `files`: how many the engine keeps.
    pub(super) fn new(path: &Path, files: usize, cursor: Cursor, now: Duration) -> Self {
        let at = cursor.from.or(cursor.read);
        let until = cursor.from.and(cursor.read);
        let seek = if at.is_none() { cursor.last } else { None };
        let intake = Intake::new(now, cursor.last, cursor.held);
        let state = State { container: cursor.container, at, until, seek, intake, done: cursor.done };
        Self { path: path.to_owned(), files, state, file: None, entered: false, left: None, seen: 0, span: Span::default() }
    }

    /// What is to be written down of it.
    pub(super) fn cursor(&self) -> Cursor {
        let State { container, at, until, seek, intake, done } = &self.state;
        // Before the old place is found again nothing is known better.
        let pending = intake.pending().map(|(from, _)| from);
        let (read, from) = match until {
            Some(until) => (Some(*until), pending.or(*at)),
            None => (*at, pending),
        };
        let last = seek.or(intake.last());
        Cursor {
            container: container.clone(),
            read,
            from: from.filter(|from| Some(*from) != read),
            last,
            held: intake.held(),
            done: *done,
            ..Cursor::default()
        }
    }

    /// The state before a pass.
    pub(super) fn save(&self) -> State {
        self.state.clone()
    }

    /// Whether there is something to write down since then.
    pub(super) fn moved(&self, saved: &State) -> bool {
        self.state.at != saved.at || self.state.done != saved.done || self.state.seek != saved.seek || self.state.until != saved.until
    }

    /// The lines of a pass were not kept.
    pub(super) fn undo(&mut self, saved: State) {
        self.state = saved;
        // It may be another file's by now.
        self.let_go();
    }

    /// Back to where the last pass began, to read less at once. Its file stays open: it may have lost its name meanwhile.
    pub(super) fn back(&mut self, saved: State) {
        let file = if self.entered { self.left.take() } else { self.file.take() };
        self.undo(saved);
        self.file = file;
    }

    /// The time of the latest line of the last pass.
    pub(super) fn latest(&self) -> Option<i64> {
        self.span.latest
    }

    /// Lets go of the file, if it is as it was read.
    pub(super) fn rest(&mut self) -> bool {
        let at = self.state.at;
        let same = |meta: std::fs::Metadata| at.is_some_and(|at| at.inode == meta.ino()) && meta.len() == self.seen;
        let rests = self.state.until.is_none() && !self.state.intake.holds() && std::fs::metadata(&self.path).is_ok_and(same);
        if rests {
            self.let_go();
        }
        rests
    }

    /// Whether there is something new since it rests.
    pub(super) fn changed(&self) -> bool {
        let at = self.state.at;
        !std::fs::metadata(&self.path).is_ok_and(|meta| at.is_some_and(|at| at.inode == meta.ino()) && meta.len() == self.seen)
    }

    /// Holds on to the file again, so that it can be read when it was removed meanwhile.
    pub(super) fn wake(&mut self) {
        if self.file.is_none()
            && let Some(at) = self.state.at
            && let Ok(parts) = chain::parts(&self.path)
        {
            self.file = parts.into_iter().find(|part| part.holds(&at)).map(|part| part.file);
        }
    }

    /// Lets go of the file in any case: what an engine throws away must not stay on a full disk.
    pub(super) fn let_go(&mut self) {
        (self.file, self.left) = (None, None);
    }

    /// Whether it was read to its end and its container was to be removed.
    pub(super) fn done(&self) -> bool {
        self.state.done
    }

    /// Nothing follows: lines that were begun are complete. `missed`: it is not known that nothing was missed.
    pub(super) fn finish(&mut self, missed: bool, out: &mut Vec<Item>) {
        self.state.intake.end(out);
        if missed {
            let after = self.state.intake.last().map(|last| last.at_nanos);
            self.state.intake.missing(Missing::Removed { after }, out);
        }
        self.state.done = true;
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// The files cannot be read.
    pub(super) fn read(&mut self, pass: &mut Pass<'_>, out: &mut Vec<Item>) -> io::Result<Reached> {
        self.span = Span { upto: pass.upto, ..Span::default() };
        (self.entered, self.left) = (false, None);
        if self.file.is_none() && !self.open(out)? {
            return Ok(self.nowhere());
        }
        self.state.intake.pass(pass.now, self.backlog(), out);
        let (mut bytes, mut rest, mut least) = (0_u64, false, 0);
        loop {
            let (Some(file), Some(place)) = (&self.file, self.state.at) else { return Ok(Reached::More) };
            let all = pass.buffer.len();
            let room = if rest { all } else { self.room(file, &place, all)? };
            let share = if self.state.intake.holds() { COUNTED } else { pass.share };
            let left = usize::try_from(share.saturating_sub(bytes)).unwrap_or(all);
            // No more than the share, or else at least a line.
            let size = if rest { room } else { left.max(least).min(room) };
            let read = file.read_at(&mut pass.buffer[..size], place.offset)?;
            self.seen = place.offset + read as u64;
            let fresh = self.take(&pass.buffer[..read], out);
            bytes += fresh;
            if self.span.over {
                return Ok(Reached::More);
            }
            let share = if self.state.intake.holds() { COUNTED } else { pass.share };
            if fresh > 0 && bytes >= share {
                return Ok(Reached::More);
            }
            if size < room && read == size {
                if bytes > 0 && fresh == 0 {
                    return Ok(Reached::More);
                }
                least = if fresh == 0 { size * 2 } else { 0 };
                continue;
            }
            if fresh > 0 && read == all {
                least = 0;
                continue;
            }
            if room < all {
                if !pass.last {
                    return Ok(Reached::End);
                }
                // Longer than what is left, which is the reserve and at most a line.
                self.state.intake.release(BUFFER as u64, out);
                rest = true;
                continue;
            }
            match self.turn(out)? {
                Turn::Stay => return Ok(Reached::End),
                Turn::Next => {}
                Turn::Gone { proven } => return Ok(Reached::Gone { proven }),
            }
        }
    }

    /// How much may be read at once: what is held back is not read to its end.
    fn room(&self, file: &File, place: &Place, all: usize) -> io::Result<usize> {
        if !self.state.intake.holds() || chain::newer(&self.path, place.inode) > 0 {
            return Ok(all);
        }
        let end = file.metadata()?.len().saturating_sub(RESERVE);
        Ok(usize::try_from(end.saturating_sub(place.offset)).unwrap_or(all).min(all))
    }

    /// How much there is to read.
    fn backlog(&self) -> u64 {
        let (Some(file), Some(at)) = (&self.file, self.state.at) else { return 0 };
        let own = file.metadata().map_or(0, |meta| meta.len().saturating_sub(at.offset));
        own + chain::newer(&self.path, at.inode)
    }

    /// Takes the whole lines of what was read, as far as they are of this pass, and moves the place behind them. How many bytes these are.
    fn take(&mut self, read: &[u8], out: &mut Vec<Item>) -> u64 {
        let Some(end) = read.iter().rposition(|byte| *byte == b'\n') else {
            // No engine writes such a line.
            return if read.len() >= BUFFER { self.damaged(read.len() as u64, out) } else { 0 };
        };
        self.state.done = false;
        let begin = self.state.at.map_or(0, |at| at.offset);
        let all = match std::str::from_utf8(&read[..end]) {
            Ok(text) => text.split('\n').all(|line| self.line(line, line.len(), out)),
            Err(_) => read[..end].split(|byte| *byte == b'\n').all(|line| self.line(&String::from_utf8_lossy(line), line.len(), out)),
        };
        if all { end as u64 + 1 } else { self.state.at.map_or(0, |at| at.offset.saturating_sub(begin)) }
    }

    /// Takes a line. False: it is later than this pass, and stays.
    fn line(&mut self, line: &str, bytes: usize, out: &mut Vec<Item>) -> bool {
        let Some(at) = &mut self.state.at else { return false };
        let known = out.len();
        match entry::read(line) {
            Some(piece) => {
                if !self.span.takes(piece.at_nanos) {
                    return false;
                }
                if at.offset == 0 && at.first == 0 {
                    // First: a line that is begun here is found again by it.
                    at.first = piece.at_nanos;
                }
                self.state.intake.take(&piece, *at, out);
            }
            None => self.state.intake.missing(Missing::Damaged { bytes: bytes as u64 + 1 }, out),
        }
        let Some(at) = &mut self.state.at else { return false };
        at.offset += bytes as u64 + 1;
        if let Some(until) = self.state.until {
            out.truncate(known);
            if at.inode == until.inode && at.offset >= until.offset {
                self.state.until = None;
            }
        }
        true
    }

    fn damaged(&mut self, bytes: u64, out: &mut Vec<Item>) -> u64 {
        self.state.intake.missing(Missing::Damaged { bytes }, out);
        if let Some(at) = &mut self.state.at {
            at.offset += bytes;
        }
        bytes
    }

    /// All of the file was read: where does it go on?
    fn turn(&mut self, out: &mut Vec<Item>) -> io::Result<Turn> {
        let (Some(file), Some(at)) = (&self.file, self.state.at) else { return Ok(Turn::Stay) };
        let now = match std::fs::metadata(&self.path) {
            Ok(meta) if meta.ino() == at.inode && meta.len() >= at.offset => return Ok(Turn::Stay),
            Ok(meta) => Some(meta),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // What was written between the last reading and the move.
        if file.metadata()?.len() > self.seen {
            return Ok(Turn::Next);
        }
        let Some(now) = now else {
            let gone = !self.path.parent().is_none_or(Path::exists);
            return Ok(if gone { Turn::Gone { proven: chain::was_newest(file, &self.path) } } else { Turn::Stay });
        };
        if now.ino() == at.inode {
            self.lost(true, 0, out);
            self.state.until = None;
            self.state.at = Some(Place { first: 0, offset: 0, ..at });
            return Ok(Turn::Next);
        }
        self.next(at, out)
    }

    /// On to the file that followed this one.
    fn next(&mut self, at: Place, out: &mut Vec<Item>) -> io::Result<Turn> {
        let mut parts = chain::parts(&self.path)?;
        let found = parts.iter().position(|part| part.start.inode == at.inode);
        let newer = &parts[..found.unwrap_or(parts.len())];
        // A file without a line and a birth could not be told from another one later: it is gone to when it has a line.
        let Some(next) = newer.iter().rposition(|part| part.size > 0 || part.start.born != 0) else { return Ok(Turn::Stay) };
        let until = self.state.until;
        let known = until.is_none_or(|until| newer.iter().any(|part| part.holds(&until)));
        let part = parts.swap_remove(next);
        let left = self.seen.saturating_sub(at.offset);
        if left > 0 {
            self.state.intake.missing(Missing::Damaged { bytes: left }, out);
        }
        if found.is_none() {
            self.lost(false, part.start.first, out);
        } else if !known && until.is_some_and(|until| until.inode != at.inode) {
            self.lost(true, 0, out);
        }
        // Else all that follows would be taken for known.
        self.state.until = until.filter(|_| known);
        self.enter(part, 0);
        Ok(Turn::Next)
    }
}

#[cfg(test)]
mod tests;

//! Finding the place again where a log was left: in a file that has another name by now, behind a line that was read through the engine, or nowhere.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::super::chain::{self, Part};
use super::super::cursor::Anchor;
use super::super::entry;
use super::super::joiner::{Joiner, Place};
use super::super::missing::Missing;
use super::{BUFFER, Item, Reached, State, Tail};

impl Tail {
    /// Whether the engine throws away next what is to be read, from this state on or from now on: it lies in the oldest file that the engine keeps, and
    /// the newest one is half as large.
    pub(in crate::logs) fn at_risk(&self, state: Option<&State>) -> bool {
        let at = state.unwrap_or(&self.state).at;
        self.files > 1 && chain::goes_next(&self.path, self.files, at.map(|at| at.inode))
    }

    /// Whether the last pass found nothing but lines that are later than it.
    pub(in crate::logs) fn is_later(&self) -> bool {
        self.span.over && self.span.latest.is_none()
    }

    /// Nothing that is read from now on is older, as far as the log was read. None: it never was.
    pub(in crate::logs) fn last(&self) -> Option<i64> {
        self.state.intake.last().map(|last| last.at_nanos)
    }

    /// There is no file.
    pub(super) fn nowhere(&self) -> Reached {
        let folder = self.path.parent().is_none_or(Path::exists);
        // The engine makes the folder before the file, and between two names of a rotation there is none for a moment.
        if folder { Reached::End } else { Reached::Gone { proven: self.state.done } }
    }

    /// Finds the place again. Whether there is any file.
    pub(super) fn open(&mut self, out: &mut Vec<Item>) -> io::Result<bool> {
        if let Some(anchor) = self.state.seek {
            return self.find(anchor, out);
        }
        let mut parts = chain::parts(&self.path)?;
        // At the beginning of a file that had no line yet nothing was read at all, and what came before it, if anything, is known to be complete.
        // If it is there still, so is all that followed. Its number alone proves nothing: it goes to the next file when the file is gone.
        let nothing = self.state.intake.last().is_none();
        let begun = |at: &Place| at.first != 0 || at.offset != 0 || !nothing;
        self.state.at = self.state.at.filter(|at| begun(at) || at.born != 0);
        let find = |parts: &[Part], place: Option<Place>| place.and_then(|place| Some((parts.iter().position(|part| part.holds(&place))?, place)));
        if let Some((found, place)) = find(&parts, self.state.at) {
            self.enter(parts.swap_remove(found), place.offset);
            return Ok(true);
        }
        if let Some((found, place)) = find(&parts, self.state.until) {
            self.state.until = None;
            self.state.intake.missing(Missing::Beginning, out);
            self.enter(parts.swap_remove(found), place.offset);
            return Ok(true);
        }
        self.state.at = self.state.at.filter(begun);
        let full = self.files > 1 && parts.len() >= self.files;
        // This file is there, and it is shorter, or begins with another line.
        let emptied = self.state.at.is_some_and(|at| parts.iter().any(|part| part.may_be(&at)));
        if emptied {
            self.skip_read(&mut parts);
        }
        // One without a line could not be told from another one later.
        while parts.len() > 1 && parts.last().is_some_and(|part| part.size == 0) {
            parts.pop();
        }
        let Some(oldest) = parts.pop() else { return Ok(false) };
        if self.state.at.is_some() {
            self.lost(emptied, oldest.start.first, out);
        } else if full {
            self.state.intake.missing(Missing::Earlier, out);
        }
        self.state.until = None;
        self.enter(oldest, 0);
        Ok(true)
    }

    /// The file was emptied, and the older ones were read before it.
    fn skip_read(&self, parts: &mut Vec<Part>) {
        let (Some(at), Some(last)) = (self.state.at, self.state.intake.last()) else { return };
        let read = |part: &Part| part.start.inode != at.inode && part.start.first != 0 && part.start.first <= last.at_nanos;
        while parts.last().is_some_and(read) {
            parts.pop();
        }
    }

    /// The place is no longer there.
    pub(super) fn lost(&mut self, emptied: bool, first: i64, out: &mut Vec<Item>) {
        self.state.intake.end(out);
        let after = self.state.intake.last().map(|last| last.at_nanos);
        let missing = if emptied { Missing::Emptied } else { Missing::Rotated { after, before: (first != 0).then_some(first) } };
        self.state.intake.missing(missing, out);
    }

    pub(super) fn enter(&mut self, part: Part, offset: u64) {
        self.seen = offset;
        self.state.until = self.state.until.filter(|until| until.inode != part.start.inode || until.offset > offset);
        self.state.at = Some(Place { offset, ..part.start });
        let left = self.file.replace(part.file);
        if !std::mem::replace(&mut self.entered, true) {
            self.left = left;
        }
    }

    /// The log was read through the engine before: goes on behind the last line. Whether there is any file.
    pub(super) fn find(&mut self, anchor: Anchor, out: &mut Vec<Item>) -> io::Result<bool> {
        let mut parts = chain::parts(&self.path)?;
        let (mut joiner, mut last, mut buffer) = (Joiner::default(), None, vec![0_u8; BUFFER]);
        for index in (0..parts.len()).rev() {
            let mut offset = 0;
            loop {
                let read = parts[index].file.read_at(&mut buffer, offset)?;
                let Some(end) = buffer[..read].iter().rposition(|byte| *byte == b'\n') else { break };
                for line in buffer[..end].split(|byte| *byte == b'\n') {
                    offset += line.len() as u64 + 1;
                    let mut found = false;
                    if let Some(piece) = entry::read(&String::from_utf8_lossy(line)) {
                        joiner.take(&piece, Place::default(), |line| {
                            Anchor::passes(&mut last, line.at_nanos, line.source);
                            found |= last == Some(anchor);
                        });
                    }
                    if found {
                        self.state.seek = None;
                        let part = parts.swap_remove(index);
                        self.enter(part, offset);
                        return Ok(true);
                    }
                }
            }
        }
        let Some(oldest) = parts.pop() else { return Ok(false) };
        self.state.seek = None;
        self.lost(false, oldest.start.first, out);
        self.enter(oldest, 0);
        Ok(true)
    }
}

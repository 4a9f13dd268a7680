//! Reading backward from a place or the end: the last lines that match. It may be left at any time, and goes on where it was left.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;

use crate::chunk::Sieve;
use crate::item::{Looked, Part};
use crate::plan::Planner;
use crate::read::{self, Read};
use crate::scan::{self, Reading};
use crate::stream::{Inner, Snapshot};
use crate::trail::behind;
use crate::{Found, Kind, LineId, Progress, Select, Trail};

/// Lines of context that are given besides at most: of more, the last ones.
const LINES: usize = 20_000;
/// Bytes of text that lines with context may have in any case.
const BYTES: usize = 4 << 20;
/// Bytes of a journal that are read at once where no text is looked for: the last lines are found in few of them.
const LITTLE: usize = 64 << 10;

/// A look back at the last lines that match, with what was found so far: see [`crate::Stream::look_back`].
pub struct Past {
    /// Lines before this place are looked at; none: all that there are at the first look.
    end: Option<LineId>,
    /// From this place to the end all was looked at.
    before: Option<LineId>,
    newest: Newest,
    done: u64,
    of: Option<u64>,
    /// The same way once more.
    again: Option<Again>,
    over: bool,
}

/// The way from the first line that was found to the end, for what stands beside the lines.
struct Again {
    /// Where it goes on.
    from: LineId,
    last: Last,
    trail: Trail,
}

impl Past {
    /// For the last `most` lines before this place, or before the end, with at most so many bytes of text: see [`crate::Stream::last`].
    #[must_use]
    pub fn new(most: usize, bytes: usize, before: Option<LineId>) -> Self {
        let newest = Newest { found: Vec::new(), text: 0, most, bytes };
        Self { end: before, before: None, newest, done: 0, of: None, again: None, over: most == 0 }
    }

    /// What was found, the oldest line first.
    #[must_use]
    pub fn into_lines(self) -> Vec<Found> {
        if let Some(again) = self.again {
            return again.last.in_order();
        }
        let mut found = self.newest.found;
        found.reverse();
        found
    }

    /// See [`crate::Stream::look_back`].
    pub(crate) fn look(&mut self, inner: &Inner, select: &Select, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> io::Result<bool> {
        if self.over {
            return Ok(true);
        }
        let snapshot = inner.snapshot(0);
        let end = self.end.map_or(snapshot.end, |end| end.min(snapshot.end));
        self.end = Some(end);
        if self.again.is_none() {
            if !self.back(inner, select, &snapshot, end, progress)? {
                return Ok(false);
            }
            self.begin_again(select);
        }
        self.over = self.beside(inner, select, &snapshot, end, progress)?;
        Ok(self.over)
    }

    /// Looks for the lines that match, the last one first. Whether it is at its end.
    fn back(
        &mut self,
        inner: &Inner,
        select: &Select,
        snapshot: &Snapshot,
        end: LineId,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<bool> {
        let range = LineId::ZERO..self.before.unwrap_or(end);
        let sieve = Sieve::new(select);
        let parts = snapshot.parts.iter().filter(|part| part.number() <= range.end.segment).cloned().collect();
        let bytes = if select.matcher.is_some() { inner.options.chunk_bytes } else { inner.options.chunk_bytes.min(LITTLE) };
        let planner = Planner::new(inner.folder.clone(), parts, sieve.clone(), range, true, bytes);
        let of = *self.of.get_or_insert_with(|| planner.bytes());
        let mut left = false;
        read::run(planner, &sieve, &mut |Read { item, looked, weight, at_nanos }| {
            self.done = (self.done + weight).min(of);
            self.before = Some(item.first());
            if self.newest.take(looked).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let flow = progress(Progress { bytes: self.done, of, at_nanos });
            left = flow.is_break();
            Ok(flow)
        })?;
        Ok(!left)
    }

    /// Where lines beside those that were found are wanted: goes back to the first one that is no gap.
    fn begin_again(&mut self, select: &Select) {
        let oldest = self.newest.found.iter().rev().find(|found| found.record.kind != Kind::Gap).map(|found| found.id);
        let Some(from) = oldest.filter(|_| select.context > 0 && select.matcher.is_some()) else { return };
        let (most, bytes) = (self.newest.most.saturating_add(LINES), self.newest.bytes.max(BYTES));
        let mut last = Last { lines: VecDeque::new(), text: 0, most, bytes, cut: None };
        let found = std::mem::take(&mut self.newest.found);
        found.into_iter().rev().take_while(|found| found.id < from).for_each(|found| last.push(found));
        self.again = Some(Again { from, last, trail: Trail::default() });
    }

    /// Looks for the same lines, with those beside them. Whether it is at its end.
    fn beside(
        &mut self,
        inner: &Inner,
        select: &Select,
        snapshot: &Snapshot,
        end: LineId,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<bool> {
        let Some(Again { from, last, trail }) = &mut self.again else { return Ok(true) };
        let oldest = LineId { segment: snapshot.oldest.0, index: 0 };
        if *from < oldest {
            // What lay there was deleted since the last look.
            if let Some(gap) = scan::deleted(snapshot, previous(*from)) {
                last.push(gap);
                *trail = Trail::default();
            }
            *from = oldest;
        }
        let (bytes, of) = (self.done, self.of.unwrap_or(self.done));
        let mut see = |found| {
            last.push(found);
            ControlFlow::Continue(())
        };
        // It is the same way once more: whoever watches hears how far the first look came.
        let mut watch = |done: Progress| progress(Progress { bytes, of, ..done });
        let mut reading = Reading::new(&mut see, &mut watch, None);
        reading.range(inner, select, &snapshot.parts, *from..end, trail, None)?;
        if reading.broken {
            *from = reading.looked.map_or(*from, behind);
            return Ok(false);
        }
        Ok(true)
    }
}

/// The place before this one.
fn previous(id: LineId) -> LineId {
    match id.index {
        0 => LineId { segment: id.segment.saturating_sub(1), index: u32::MAX },
        index => LineId { segment: id.segment, index: index - 1 },
    }
}

/// The last of many lines: so many, with so many bytes of text; one in any case.
struct Last {
    lines: VecDeque<Found>,
    /// Bytes of their texts.
    text: usize,
    most: usize,
    bytes: usize,
    /// The last line that was left out.
    cut: Option<LineId>,
}

impl Last {
    fn push(&mut self, found: Found) {
        self.text += found.record.text.len();
        self.lines.push_back(found);
        while self.lines.len() > 1 && (self.text > self.bytes || self.lines.len() > self.most) {
            let Some(first) = self.lines.pop_front() else { return };
            self.text -= first.record.text.len();
            self.cut = self.cut.max(Some(first.id));
        }
    }

    /// The lines in the order of their places, from one on without a hole: context comes later than what stands behind it.
    fn in_order(self) -> Vec<Found> {
        let cut = self.cut;
        let mut lines: Vec<Found> = self.lines.into_iter().filter(|found| cut.is_none_or(|cut| found.id > cut)).collect();
        lines.sort_by_key(|found| found.id);
        lines
    }
}

struct Newest {
    found: Vec<Found>,
    /// Bytes of their texts.
    text: usize,
    most: usize,
    bytes: usize,
}

impl Newest {
    fn take(&mut self, looked: Looked) -> ControlFlow<()> {
        for (part, hits) in looked.into_iter().rev() {
            match part {
                Part::Hole(hole) => {
                    let near = self.found.last().map_or(0, |found| found.record.at_nanos);
                    self.push(hole.found(near))?;
                }
                Part::Lines(chunk) => hits.into_iter().rev().try_for_each(|at| self.push(chunk.found(at, false)))?,
            }
        }
        ControlFlow::Continue(())
    }

    fn push(&mut self, found: Found) -> ControlFlow<()> {
        self.text += found.record.text.len();
        if self.text > self.bytes && !self.found.is_empty() {
            return ControlFlow::Break(());
        }
        self.found.push(found);
        if self.found.len() < self.most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

//! Reading backward from a place or the end: the last lines that match.

use std::collections::VecDeque;
use std::io;
use std::ops::{ControlFlow, Range};

use crate::chunk::Sieve;
use crate::plan::{Looked, Part, Planner};
use crate::read::{self, Read};
use crate::scan::Reading;
use crate::stream::{Inner, Snapshot};
use crate::{Found, LineId, Progress, Select};

/// Lines of context that are given besides at most: of more, the last ones.
const LINES: usize = 20_000;
/// Bytes of text that lines with context may have in any case.
const BYTES: usize = 4 << 20;

/// See [`crate::Stream::last_watched`].
pub(crate) fn backward(
    inner: &Inner,
    select: &Select,
    most: usize,
    bytes: usize,
    before: Option<LineId>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> io::Result<Vec<Found>> {
    if most == 0 {
        return Ok(Vec::new());
    }
    let snapshot = inner.snapshot(0);
    let range = LineId::ZERO..before.map_or(snapshot.end, |before| before.min(snapshot.end));
    let (mut left, mut told) = (false, None);
    let mut watch = |done: Progress| {
        told = Some(done);
        let flow = progress(done);
        left = flow.is_break();
        flow
    };
    let mut found = newest(inner, select, &snapshot, range.clone(), (most, bytes), &mut watch)?;
    found.reverse();
    let oldest = found.iter().find(|found| found.record.kind != crate::Kind::Gap).map(|found| found.id);
    if let Some(oldest) = oldest.filter(|_| select.context > 0 && select.matcher.is_some() && !left) {
        // It is the same way once more: whoever watches hears how far the first look came.
        let mut watch = |done: Progress| progress(told.map_or(done, |told| Progress { at_nanos: done.at_nanos, ..told }));
        let last = Last { lines: VecDeque::new(), text: 0, most: most.saturating_add(LINES), bytes: bytes.max(BYTES), cut: None };
        return beside(inner, select, &snapshot, (found, last), oldest..range.end, &mut watch);
    }
    Ok(found)
}

/// The same lines, with those beside them.
fn beside(
    inner: &Inner,
    select: &Select,
    snapshot: &Snapshot,
    (found, mut last): (Vec<Found>, Last),
    range: Range<LineId>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> io::Result<Vec<Found>> {
    found.into_iter().take_while(|found| found.id < range.start).for_each(|found| last.push(found));
    let mut see = |found| {
        last.push(found);
        ControlFlow::Continue(())
    };
    let mut reading = Reading { see: &mut see, progress, done: 0, of: 0, near: 0, looked: None, broken: false };
    reading.range(inner, select, &snapshot.parts, range, false)?;
    Ok(last.in_order())
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

/// The last lines that match, the last one first.
fn newest(
    inner: &Inner,
    select: &Select,
    snapshot: &Snapshot,
    range: Range<LineId>,
    (most, bytes): (usize, usize),
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> io::Result<Vec<Found>> {
    let sieve = Sieve::new(select);
    let parts = snapshot.parts.iter().filter(|part| part.number() <= range.end.segment).cloned().collect();
    let planner = Planner::new(inner.folder.clone(), parts, sieve.clone(), range, true, inner.options.chunk_bytes);
    let (mut done, of) = (0, planner.bytes());
    let mut all = Newest { found: Vec::new(), text: 0, most, bytes };
    read::run(planner, &sieve, &mut |Read { looked, weight, at_nanos, .. }| {
        done = (done + weight).min(of);
        let mut flow = all.take(looked);
        if flow.is_continue() {
            flow = progress(Progress { bytes: done, of, at_nanos });
        }
        Ok(flow)
    })?;
    Ok(all.found)
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

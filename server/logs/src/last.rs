//! Reading backward from a place or the end: the last lines that match.

use std::io;
use std::ops::{ControlFlow, Range};

use crate::chunk::Sieve;
use crate::plan::{Looked, Part, Planner};
use crate::read::{self, Read};
use crate::scan::Reading;
use crate::stream::{Inner, Snapshot};
use crate::{Found, LineId, Progress, Select};

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
    let mut found = newest(inner, select, &snapshot, range.clone(), (most, bytes), progress)?;
    found.reverse();
    let oldest = found.iter().find(|found| found.record.kind != crate::Kind::Gap).map(|found| found.id);
    if let Some(oldest) = oldest.filter(|_| select.context > 0 && select.matcher.is_some()) {
        return beside(inner, select, &snapshot, found, oldest..range.end);
    }
    Ok(found)
}

/// The same lines, with those beside them.
fn beside(inner: &Inner, select: &Select, snapshot: &Snapshot, found: Vec<Found>, range: Range<LineId>) -> io::Result<Vec<Found>> {
    let mut all: Vec<Found> = found.into_iter().take_while(|found| found.id < range.start).collect();
    let mut see = |found| {
        all.push(found);
        ControlFlow::Continue(())
    };
    let mut progress = |_| ControlFlow::Continue(());
    let mut reading = Reading { see: &mut see, progress: &mut progress, done: 0, of: 0, near: 0, looked: None, broken: false };
    reading.range(inner, select, &snapshot.parts, range, false)?;
    all.sort_by_key(|found| found.id);
    Ok(all)
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

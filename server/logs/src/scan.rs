//! Reading forward: from a place, a time or the beginning to what is the end now.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use crate::chunk::{Chunk, Sieve};
use crate::context::Beside;
use crate::item::{Looked, Part};
use crate::plan::{Hole, Kept, Planner, Why};
use crate::read::{self, Read};
use crate::stream::{Inner, Snapshot};
use crate::{Found, LineId, Progress, Select, Start, Trail};

/// Lines in memory: all that lay behind a place when this was made.
pub struct Near {
    pub(crate) inner: Arc<Inner>,
    pub(crate) after: LineId,
    pub(crate) chunks: Vec<Arc<Chunk>>,
}

impl Near {
    /// As [`crate::Stream::scan_on`]. Files are read only for lines beside those that are looked for.
    ///
    /// # Errors
    /// As [`crate::Stream::scan`].
    pub fn scan(
        self,
        select: &Select,
        trail: &mut Trail,
        see: &mut dyn FnMut(Found) -> ControlFlow<()>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> io::Result<Option<LineId>> {
        let Self { inner, after, chunks } = self;
        let Some(last) = chunks.last().map(|chunk| chunk.id(chunk.len() - 1)) else { return Ok(None) };
        let resume = trail.begin(Start::After(after));
        let sieve = Sieve::new(select);
        let planner = Planner::ready(chunks, after, sieve.clone());
        let mut reading = Reading::new(see, progress, None);
        reading.run(&inner, select, &sieve, planner, trail, resume)?;
        let end = reading.end(last);
        trail.end(end);
        Ok(end)
    }
}

/// See [`crate::Stream::scan_on`].
pub(crate) fn forward(
    inner: &Inner,
    select: &Select,
    start: Start,
    trail: &mut Trail,
    see: &mut dyn FnMut(Found) -> ControlFlow<()>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> io::Result<Option<LineId>> {
    let snapshot = inner.snapshot(if let Start::After(id) = start { id.segment } else { 0 });
    let last = snapshot.last();
    let mut looked = None;
    let from = match start {
        Start::Oldest => LineId::ZERO,
        Start::At(at_nanos) => seek(inner, &snapshot, at_nanos)?,
        Start::After(id) if id > last => {
            // Nothing to tell until there are lines again.
            if last == LineId::ZERO {
                return Ok(None);
            }
            *trail = Trail::default();
            let near = snapshot.parts.last().map_or(0, |part| part.span().latest);
            let undone = Hole { segment: last.segment, from: 0, to: last.index.saturating_add(1), at_nanos: None, why: Why::Undone };
            let _ = see(undone.found(near));
            return Ok(Some(last));
        }
        Start::After(id) => {
            if let Some(gap) = deleted(&snapshot, id) {
                let id = gap.id;
                *trail = Trail::default();
                if see(gap).is_break() {
                    return Ok(Some(id));
                }
                looked = Some(id);
            }
            LineId { segment: id.segment, index: id.index.saturating_add(1) }
        }
    };
    if last == LineId::ZERO || from > last && matches!(start, Start::After(_)) {
        return Ok(looked);
    }
    let resume = trail.begin(start);
    let mut reading = Reading::new(see, progress, looked);
    reading.range(inner, select, &snapshot.parts, from..snapshot.end, trail, resume)?;
    let end = reading.end(last);
    trail.end(end);
    Ok(end)
}

/// The gap for what was deleted behind this place.
pub(crate) fn deleted(snapshot: &Snapshot, after: LineId) -> Option<Found> {
    let (oldest, before) = snapshot.oldest;
    let previous = oldest.checked_sub(1)?;
    let complete = after.segment >= oldest || after.segment == previous && after.index.saturating_add(1) >= before;
    // A stream begins with segment 1, and nothing lies before it.
    if complete || previous == 0 {
        return None;
    }
    let near = snapshot.parts.iter().find_map(|part| part.span().begin()).unwrap_or(0);
    Some(Hole { segment: previous, from: 0, to: u32::MAX, at_nanos: Some(near), why: Why::Deleted }.found(near))
}

/// The place of the first line of this time or later; the end if there is none.
fn seek(inner: &Inner, snapshot: &Snapshot, at_nanos: i64) -> io::Result<LineId> {
    let sieve = Sieve::since(at_nanos);
    let parts = snapshot.parts.clone();
    let mut planner = Planner::new(inner.folder.clone(), parts, sieve.clone(), LineId::ZERO..snapshot.end, false, inner.options.chunk_bytes);
    while let Some(planned) = planner.next()? {
        for (part, hits) in planned.item.look(&sieve, false) {
            match part {
                Part::Lines(chunk) => {
                    if let Some(at) = hits.first() {
                        return Ok(chunk.id(*at));
                    }
                }
                Part::Hole(hole) => return Ok(LineId { segment: hole.segment, index: hole.from }),
            }
        }
    }
    Ok(snapshot.end)
}

/// A search under way.
pub(crate) struct Reading<'a> {
    see: &'a mut dyn FnMut(Found) -> ControlFlow<()>,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    done: u64,
    of: u64,
    /// The time of the last line that was shown.
    near: i64,
    /// The last place that was looked at.
    pub(crate) looked: Option<LineId>,
    pub(crate) broken: bool,
}

impl<'a> Reading<'a> {
    /// Up to this place all was looked at before.
    pub(crate) fn new(
        see: &'a mut dyn FnMut(Found) -> ControlFlow<()>,
        progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
        looked: Option<LineId>,
    ) -> Self {
        Self { see, progress, done: 0, of: 0, near: 0, looked, broken: false }
    }

    /// The last place that was looked at: the end, unless it was left.
    fn end(&self, last: LineId) -> Option<LineId> {
        if self.broken { self.looked } else { self.looked.max(Some(last)) }
    }

    /// Shows what is looked for in this range. What lies before `resume` was shown by a search of which the trail knows nothing.
    pub(crate) fn range(
        &mut self,
        inner: &Inner,
        select: &Select,
        parts: &[Kept],
        range: Range<LineId>,
        trail: &mut Trail,
        resume: Option<LineId>,
    ) -> io::Result<()> {
        let sieve = Sieve::new(select);
        let planner = Planner::new(inner.folder.clone(), parts.to_vec(), sieve.clone(), range, false, inner.options.chunk_bytes);
        self.run(inner, select, &sieve, planner, trail, resume)
    }

    fn run(&mut self, inner: &Inner, select: &Select, sieve: &Sieve, planner: Planner, trail: &mut Trail, resume: Option<LineId>) -> io::Result<()> {
        self.of = planner.bytes();
        let mut beside = if sieve.around { Some(Beside::new(inner, sieve, select.context, trail)) } else { None };
        if let Some(beside) = &mut beside
            && let Some(from) = resume
        {
            beside.resume(from)?;
        }
        read::run(planner, sieve, &mut |read| self.take(read, beside.as_mut()))?;
        if !self.broken && self.done < self.of {
            self.done = self.of;
            let _ = (self.progress)(Progress { bytes: self.done, of: self.of, at_nanos: self.near });
        }
        Ok(())
    }

    fn take(&mut self, read: Read, beside: Option<&mut Beside<'_>>) -> io::Result<ControlFlow<()>> {
        let Read { item, looked, weight, at_nanos } = read;
        let last = item.last();
        self.done = (self.done + weight).min(self.of);
        let done = Progress { bytes: self.done, of: self.of, at_nanos };
        let flow = match beside {
            Some(beside) => beside.take(&item, looked, &mut |found| self.show(found))?,
            None => self.parts(looked),
        };
        if flow.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.looked = self.looked.max(Some(last));
        if (self.progress)(done).is_break() {
            self.broken = true;
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn parts(&mut self, looked: Looked) -> ControlFlow<()> {
        for (part, hits) in looked {
            match part {
                Part::Hole(hole) => self.show(hole.found(self.near))?,
                Part::Lines(chunk) => {
                    for at in hits {
                        self.show(chunk.found(at, false))?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, found: Found) -> ControlFlow<()> {
        self.near = found.record.at_nanos;
        let id = found.id;
        let flow = (self.see)(found);
        if flow.is_break() {
            self.broken = true;
            self.looked = self.looked.max(Some(id));
        }
        flow
    }
}

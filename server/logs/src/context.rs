//! Lines beside those that are looked for: so many of the same task before and after. Within a chunk everything is shown in the order of places; what
//! stands before a line and lies in an earlier chunk is shown first: from the trail, or read again. Each line is shown once.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::ops::{ControlFlow, Range};

use model::ids::TaskId;

use crate::chunk::{Chunk, Sieve};
use crate::item::{Item, Looked, Part};
use crate::plan::Planner;
use crate::stream::Inner;
use crate::{Found, Kind, LineId, Trail};

/// How many chunks are read again at most to find the lines before one: a task that prints little among others that print much has less context.
const BACK: usize = 8;

/// Most lines before and after.
const MOST: usize = 1000;

/// Shows lines with those beside them.
pub(crate) struct Beside<'a> {
    inner: &'a Inner,
    sieve: &'a Sieve,
    /// Whatever may stand beside a line.
    beside: Sieve,
    context: usize,
    /// What is remembered between chunks, and between looks.
    trail: &'a mut Trail,
}

/// What is found out about a chunk.
#[derive(Default)]
struct Marks {
    /// Lines to show, and whether as context.
    lines: Vec<(usize, bool)>,
    /// Lines of earlier chunks.
    earlier: Vec<Found>,
}

/// What is found out about a task's lines in a chunk.
#[derive(Default)]
struct Seen {
    /// How many are still to be shown behind the last one that was found.
    owed: usize,
    /// The last lines that are not shown so far.
    waiting: VecDeque<usize>,
    /// Nothing before this chunk is needed.
    known: bool,
}

impl<'a> Beside<'a> {
    pub(crate) fn new(inner: &'a Inner, sieve: &'a Sieve, context: usize, trail: &'a mut Trail) -> Self {
        Self { inner, sieve, beside: sieve.beside(None), context: context.min(MOST), trail }
    }

    /// Finds out what a search that ended before this place has shown, and what it would have shown next.
    pub(crate) fn resume(&mut self, from: LineId) -> io::Result<()> {
        // Of each task: the places of its last lines, the last one first, and whether its last hit was seen.
        let mut past: HashMap<TaskId, (Vec<LineId>, bool)> = HashMap::new();
        let (context, sieve, trail) = (self.context, self.sieve, &mut *self.trail);
        back(self.inner, &self.beside, from, |chunk, at| {
            let task = chunk.source(at).task;
            let (ids, over) = past.entry(task).or_default();
            if *over || ids.len() >= 2 * context {
                return true;
            }
            ids.push(chunk.id(at));
            if chunk.is_hit(at, sieve) {
                *over = true;
                let behind = ids.len() - 1;
                trail.resume(task, ids[behind.saturating_sub(context)], context.saturating_sub(behind));
            }
            true
        })
    }

    /// Shows what of this item is looked for or stands beside it.
    pub(crate) fn take(&mut self, item: &Item, mut looked: Looked, show: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        if looked.is_empty() && item.may_be_of(|task| self.trail.owed(task) > 0) {
            // What holds nothing that is looked for was left out; but it may hold what is owed.
            looked = item.look(self.sieve, true);
        }
        if looked.is_empty() {
            self.trail.pass(|task| item.may_be_of(|of| of == task));
        }
        let keep = item.keep();
        for (part, hits) in looked {
            let flow = match part {
                Part::Hole(hole) => show(hole.found(0)),
                Part::Lines(chunk) => self.chunk(&chunk, &hits, &keep, show)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        self.trail.reach(item.last());
        Ok(ControlFlow::Continue(()))
    }

    fn chunk(
        &mut self,
        chunk: &Chunk,
        hits: &[usize],
        keep: &Range<u32>,
        show: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let none = hits.is_empty() && !self.trail.owes();
        let Marks { mut lines, mut earlier } = if none { Marks::default() } else { self.marks(chunk, hits, keep)? };
        earlier.sort_by_key(|found| found.id);
        lines.sort_unstable();
        if earlier.into_iter().try_for_each(&mut *show).is_break() {
            self.trail.lose();
            return Ok(ControlFlow::Break(()));
        }
        for (at, context) in &lines {
            if show(chunk.found(*at, *context)).is_break() {
                self.remember(chunk, &lines, keep, at + 1);
                return Ok(ControlFlow::Break(()));
            }
        }
        self.remember(chunk, &lines, keep, chunk.len());
        Ok(ControlFlow::Continue(()))
    }

    fn marks(&mut self, chunk: &Chunk, hits: &[usize], keep: &Range<u32>) -> io::Result<Marks> {
        let (mut marks, mut tasks) = (Marks::default(), HashMap::<TaskId, Seen>::new());
        let mut hits = hits.iter().copied().peekable();
        for at in 0..chunk.len() {
            let id = chunk.id(at);
            let hit = hits.next_if_eq(&at).is_some();
            if id.index >= keep.end {
                break;
            }
            if self.trail.knows(id) {
                continue;
            }
            if chunk.kind(at) == Kind::Gap {
                if hit {
                    marks.lines.push((at, false));
                }
                continue;
            }
            let task = chunk.source(at).task;
            let seen = tasks.entry(task).or_insert_with(|| Seen { owed: self.trail.owed(&task), ..Seen::default() });
            if hit {
                self.before(&mut marks, seen, chunk, task)?;
                marks.lines.push((at, false));
                seen.owed = self.context;
            } else if self.trail.shown(&task).is_some_and(|shown| shown >= id) {
                seen.known = true;
            } else if !chunk.is_hit(at, &self.beside) {
                // Of another time than is asked for.
            } else if id.index >= keep.start && seen.owed > 0 {
                seen.owed -= 1;
                seen.known = true;
                marks.lines.push((at, true));
            } else {
                push(&mut seen.waiting, at, self.context);
            }
        }
        Ok(marks)
    }

    /// Marks what stands before a line of this task.
    fn before(&mut self, marks: &mut Marks, seen: &mut Seen, chunk: &Chunk, task: TaskId) -> io::Result<()> {
        let waiting = std::mem::take(&mut seen.waiting);
        let missing = self.context - waiting.len();
        marks.lines.extend(waiting.into_iter().map(|at| (at, true)));
        if std::mem::replace(&mut seen.known, true) || missing == 0 {
            return Ok(());
        }
        let shown = self.trail.shown(&task);
        let (mut earlier, whole) = self.trail.take(task, missing);
        if earlier.len() < missing && !whole {
            let from = earlier.first().map_or_else(|| self.trail.behind(chunk.id(0)), |first| first.id);
            back(self.inner, &self.sieve.beside(Some(task)), from, |chunk, at| {
                if shown.is_some_and(|shown| chunk.id(at) <= shown) {
                    return false;
                }
                earlier.push(chunk.found(at, true));
                earlier.len() < missing
            })?;
        }
        self.trail.shown_before(task, earlier.iter().map(|found| found.id).max());
        marks.earlier.append(&mut earlier);
        Ok(())
    }

    /// Takes in the lines of a chunk before `end`, of which these were shown.
    fn remember(&mut self, chunk: &Chunk, lines: &[(usize, bool)], keep: &Range<u32>, end: usize) {
        let mut lines = lines.iter().peekable();
        let mut tasks: HashMap<TaskId, VecDeque<usize>> = HashMap::new();
        let end = (0..end).take_while(|at| chunk.id(*at).index < keep.end).count();
        for at in 0..end {
            let (id, line) = (chunk.id(at), lines.next_if(|(line, _)| *line == at));
            if self.trail.knows(id) || chunk.kind(at) == Kind::Gap {
                continue;
            }
            let task = chunk.source(at).task;
            if let Some((_, context)) = line {
                tasks.remove(&task);
                self.trail.show(task, id, (!context).then_some(self.context));
            } else if self.trail.shown(&task).is_none_or(|shown| shown < id) && chunk.is_hit(at, &self.beside) {
                push(tasks.entry(task).or_default(), at, self.context);
            }
        }
        for (task, lines) in tasks {
            self.trail.keep(task, lines.into_iter().map(|at| chunk.found(at, true)), self.context);
        }
        if let Some(last) = end.checked_sub(1) {
            self.trail.reach(chunk.id(last));
        }
        self.trail.trim();
    }
}

/// Adds a line to the last ones, of which there are so many at most.
fn push(lines: &mut VecDeque<usize>, at: usize, most: usize) {
    lines.push_back(at);
    if lines.len() > most {
        lines.pop_front();
    }
}

/// Calls `see` with the lines before this place, the last one first, until it answers false. Gaps are left out.
fn back(inner: &Inner, sieve: &Sieve, before: LineId, mut see: impl FnMut(&Chunk, usize) -> bool) -> io::Result<()> {
    let parts = inner.snapshot(before.segment.saturating_sub(BACK as u64)).parts;
    let mut planner = Planner::new(inner.folder.clone(), parts, sieve.clone(), LineId::ZERO..before, true, inner.options.chunk_bytes);
    for _ in 0..BACK {
        let Some(planned) = planner.next()? else { break };
        for (part, hits) in planned.item.look(sieve, false).into_iter().rev() {
            let Part::Lines(chunk) = part else { continue };
            for at in hits.into_iter().rev().filter(|at| chunk.kind(*at) != Kind::Gap) {
                if !see(&chunk, at) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

//! Lines beside those that are looked for: so many of the same task before and after. Within a chunk everything is shown in the order of places; what
//! stands before a line and lies in an earlier chunk is read again and shown first. Each line is shown once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::ops::ControlFlow;

use model::ids::TaskId;

use crate::chunk::{Chunk, Sieve};
use crate::plan::{Item, Looked, Part, Planner};
use crate::stream::Inner;
use crate::{Found, Kind, LineId};

/// How many chunks are read again at most to find the lines before one: a task that prints little among others that print much has less context.
const BACK: usize = 8;

/// Most lines before and after.
const MOST: usize = 1000;

/// What is remembered between chunks.
pub(crate) struct Beside<'a> {
    inner: &'a Inner,
    sieve: &'a Sieve,
    context: usize,
    /// How many lines behind the last one that was found are still to be shown.
    owed: HashMap<TaskId, usize>,
    /// The last line of each task that was shown.
    shown: HashMap<TaskId, LineId>,
}

/// What is found out about a chunk.
#[derive(Default)]
struct Marks {
    /// Lines to show, and whether as context.
    lines: Vec<(usize, bool)>,
    /// Lines of earlier chunks.
    earlier: Vec<Found>,
    /// The last lines of each task that are not shown so far.
    waiting: HashMap<TaskId, VecDeque<usize>>,
    /// Tasks of which nothing before this chunk is needed.
    known: HashSet<TaskId>,
}

impl<'a> Beside<'a> {
    pub(crate) fn new(inner: &'a Inner, sieve: &'a Sieve, context: usize) -> Self {
        Self { inner, sieve, context: context.min(MOST), owed: HashMap::new(), shown: HashMap::new() }
    }

    /// Finds out what a search that ended before this place has shown, and what it would have shown next.
    pub(crate) fn resume(&mut self, from: LineId) -> io::Result<()> {
        // Of each task: the places of its last lines, the last one first, and whether its last hit was seen.
        let mut past: HashMap<TaskId, (Vec<LineId>, bool)> = HashMap::new();
        let (context, sieve) = (self.context, self.sieve);
        let (owed, shown) = (&mut self.owed, &mut self.shown);
        back(self.inner, &sieve.beside(None), from, |chunk, at| {
            let task = chunk.source(at).task;
            let (ids, over) = past.entry(task).or_default();
            if *over || ids.len() >= 2 * context {
                return true;
            }
            ids.push(chunk.id(at));
            if chunk.is_hit(at, sieve) {
                *over = true;
                let behind = ids.len() - 1;
                if behind < context {
                    owed.insert(task, context - behind);
                }
                shown.insert(task, ids[behind.saturating_sub(context)]);
            }
            true
        })
    }

    /// Shows what of this item is looked for or stands beside it.
    pub(crate) fn take(&mut self, item: &Item, mut looked: Looked, show: &mut dyn FnMut(Found) -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
        if item.may_be_of(|task| self.owed.contains_key(task)) {
            // What holds nothing that is looked for was left out; but it may hold what is owed.
            looked = item.look(self.sieve, true);
        }
        let keep = item.keep();
        for (part, hits) in looked {
            let flow = match part {
                Part::Hole(hole) => show(hole.found(0)),
                Part::Lines(chunk) if hits.is_empty() && self.owed.is_empty() => {
                    drop(chunk);
                    ControlFlow::Continue(())
                }
                Part::Lines(chunk) => {
                    let mut marks = self.marks(&chunk, &hits, &keep)?;
                    marks.earlier.sort_by_key(|found| found.id);
                    marks.lines.sort_unstable();
                    let lines = marks.lines.iter().map(|(at, context)| chunk.found(*at, *context));
                    marks.earlier.into_iter().chain(lines).try_for_each(&mut *show)
                }
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn marks(&mut self, chunk: &Chunk, hits: &[usize], keep: &std::ops::Range<u32>) -> io::Result<Marks> {
        let beside = self.sieve.beside(None);
        let mut marks = Marks::default();
        let mut hits = hits.iter().copied().peekable();
        for at in 0..chunk.len() {
            let id = chunk.id(at);
            let hit = hits.next_if_eq(&at).is_some();
            if id.index >= keep.end {
                break;
            }
            if chunk.kind(at) == Kind::Gap {
                if hit {
                    marks.lines.push((at, false));
                }
                continue;
            }
            let task = chunk.source(at).task;
            if hit {
                self.before(&mut marks, chunk, task)?;
                marks.lines.push((at, false));
                self.owed.insert(task, self.context);
                self.shown.insert(task, id);
            } else if self.shown.get(&task).is_some_and(|shown| *shown >= id) {
                marks.known.insert(task);
            } else if !chunk.is_hit(at, &beside) {
                // Of another time than is asked for.
            } else if id.index >= keep.start && self.pay(task) {
                marks.lines.push((at, true));
                marks.known.insert(task);
                self.shown.insert(task, id);
            } else {
                let waiting = marks.waiting.entry(task).or_default();
                waiting.push_back(at);
                if waiting.len() > self.context {
                    waiting.pop_front();
                }
            }
        }
        Ok(marks)
    }

    /// Whether a line of this task is owed; then one less is.
    fn pay(&mut self, task: TaskId) -> bool {
        let Some(owed) = self.owed.get_mut(&task) else { return false };
        *owed -= 1;
        if *owed == 0 {
            self.owed.remove(&task);
        }
        true
    }

    /// Marks what stands before a line of this task.
    fn before(&self, marks: &mut Marks, chunk: &Chunk, task: TaskId) -> io::Result<()> {
        let waiting = marks.waiting.remove(&task).unwrap_or_default();
        let missing = self.context - waiting.len();
        marks.lines.extend(waiting.into_iter().map(|at| (at, true)));
        if !marks.known.insert(task) || missing == 0 {
            return Ok(());
        }
        let shown = self.shown.get(&task);
        let mut earlier = Vec::new();
        back(self.inner, &self.sieve.beside(Some(task)), chunk.id(0), |chunk, at| {
            if shown.is_some_and(|shown| chunk.id(at) <= *shown) {
                return false;
            }
            earlier.push(chunk.found(at, true));
            earlier.len() < missing
        })?;
        marks.earlier.append(&mut earlier);
        Ok(())
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

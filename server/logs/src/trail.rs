//! What a reader who comes again remembers between its looks: of each task which line was shown last, how many behind one that was found are still to be
//! shown, and the last lines that were not shown, for they stand before whatever is found next. So a follower looks at new lines alone.
//!
//! It has a bound: what it no longer holds is read again from the files when it is needed.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use model::ids::TaskId;

use crate::{Found, LineId, Start};

/// Bytes of lines that were not shown.
const BYTES: usize = 32 << 10;
/// Bytes that a line takes besides its text, about.
const LINE: usize = 128;
/// Tasks that are remembered: those that wrote last.
const TASKS: usize = 512;

/// What a reader who comes again remembers between its looks. Empty before the first one.
#[derive(Debug, Default)]
pub struct Trail {
    /// Where the last look ended.
    next: Option<LineId>,
    /// The last line that it knows of.
    at: Option<LineId>,
    tasks: HashMap<TaskId, Task>,
    /// The last line that was shown of a task that is no longer remembered.
    forgotten: Option<LineId>,
    /// It is not known what was shown.
    lost: bool,
}

#[derive(Debug, Default)]
struct Task {
    /// How many lines are still to be shown behind the last one that was found.
    owed: usize,
    /// The last line that was shown. No line before it is needed any more.
    shown: Option<LineId>,
    /// The last ones behind it.
    lines: VecDeque<Found>,
    /// Whether there are no others between it and these.
    whole: bool,
    /// The last line that was seen, shown or not.
    seen: Option<LineId>,
}

impl Trail {
    /// A look begins. Where it does not go on with the last one, all is forgotten; the answer is the place before which somebody else may have shown
    /// lines.
    pub(crate) fn begin(&mut self, start: Start) -> Option<LineId> {
        let next = self.next.take();
        let Start::After(id) = start else {
            *self = Self::default();
            return None;
        };
        if next == Some(id) {
            return None;
        }
        *self = Self::default();
        Some(behind(id))
    }

    /// A look ended here.
    pub(crate) fn end(&mut self, at: Option<LineId>) {
        if self.lost {
            *self = Self::default();
        } else {
            self.next = at;
        }
    }

    /// A look was left where it is not known what was shown: the next one finds that out.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// Whether this line was taken in.
    pub(crate) fn knows(&self, id: LineId) -> bool {
        self.at.is_some_and(|at| id <= at)
    }

    /// All lines up to this one were taken in.
    pub(crate) fn reach(&mut self, id: LineId) {
        self.at = self.at.max(Some(id));
    }

    /// The place behind the last line that it knows of, or this one if that is later.
    pub(crate) fn behind(&self, id: LineId) -> LineId {
        self.at.map_or(id, |at| id.max(behind(at)))
    }

    /// How many lines of a task are still to be shown.
    pub(crate) fn owed(&self, task: &TaskId) -> usize {
        self.tasks.get(task).map_or(0, |task| task.owed)
    }

    /// Whether lines of any task are still to be shown.
    pub(crate) fn owes(&self) -> bool {
        self.tasks.values().any(|task| task.owed > 0)
    }

    /// The last line of a task that was shown.
    pub(crate) fn shown(&self, task: &TaskId) -> Option<LineId> {
        self.tasks.get(task).map_or(self.forgotten, |task| task.shown)
    }

    fn task(&mut self, task: TaskId) -> &mut Task {
        let shown = self.forgotten;
        self.tasks.entry(task).or_insert_with(|| Task { shown, ..Task::default() })
    }

    /// Somebody else has shown a task's lines up to this one, and owes so many.
    pub(crate) fn resume(&mut self, task: TaskId, shown: LineId, owed: usize) {
        let task = self.task(task);
        (task.shown, task.owed, task.seen) = (Some(shown), owed, Some(shown));
    }

    /// A line was shown; behind one that was found so many are owed.
    pub(crate) fn show(&mut self, task: TaskId, id: LineId, owed: Option<usize>) {
        let task = self.task(task);
        let owed = owed.unwrap_or(task.owed.saturating_sub(1));
        *task = Task { owed, shown: Some(id), lines: VecDeque::new(), whole: true, seen: Some(id) };
    }

    /// Lines of a task were not shown. So many of the last ones are kept.
    pub(crate) fn keep(&mut self, task: TaskId, lines: impl Iterator<Item = Found>, most: usize) {
        let task = self.task(task);
        task.lines.extend(lines);
        while task.lines.len() > most {
            task.lines.pop_front();
        }
        task.seen = task.seen.max(task.lines.back().map(|last| last.id));
    }

    /// The last lines of a task that were not shown, so many at most, to be shown now. And whether there are no others before them.
    pub(crate) fn take(&mut self, task: TaskId, most: usize) -> (Vec<Found>, bool) {
        let task = self.task(task);
        let (lines, whole) = (std::mem::take(&mut task.lines), std::mem::replace(&mut task.whole, true));
        let many = lines.len().saturating_sub(most);
        (lines.into_iter().skip(many).collect(), whole)
    }

    /// Lines before one that is found were shown, up to this one.
    pub(crate) fn shown_before(&mut self, task: TaskId, last: Option<LineId>) {
        let task = self.task(task);
        task.shown = task.shown.max(last);
    }

    /// Lines of such tasks were passed over: what stands before the next ones is not known.
    pub(crate) fn pass(&mut self, of: impl Fn(&TaskId) -> bool) {
        for (_, task) in self.tasks.iter_mut().filter(|(task, _)| of(task)) {
            task.lines = VecDeque::new();
            task.whole = false;
        }
    }

    /// Forgets what is too much: the oldest lines, and the tasks that were silent for longest.
    pub(crate) fn trim(&mut self) {
        while self.tasks.len() > TASKS {
            let Some(silent) = self.tasks.iter().min_by_key(|(_, task)| task.seen).map(|(task, _)| *task) else { break };
            let shown = self.tasks.remove(&silent).and_then(|task| task.shown);
            self.forgotten = self.forgotten.max(shown);
        }
        let mut sizes: Vec<(LineId, usize)> =
            self.tasks.values().flat_map(|task| &task.lines).map(|found| (found.id, LINE + found.record.text.len())).collect();
        if sizes.iter().map(|(_, size)| size).sum::<usize>() <= BYTES {
            return;
        }
        sizes.sort_unstable_by_key(|(id, _)| Reverse(*id));
        let (mut bytes, mut oldest) = (0, None);
        for (id, size) in sizes {
            bytes += size;
            if bytes > BYTES {
                break;
            }
            oldest = Some(id);
        }
        for task in self.tasks.values_mut() {
            let before = task.lines.len();
            task.lines.retain(|found| oldest.is_some_and(|oldest| found.id >= oldest));
            if task.lines.len() < before {
                task.whole = false;
                task.lines.shrink_to_fit();
            }
        }
    }
}

/// The place right behind a line.
pub(crate) fn behind(id: LineId) -> LineId {
    LineId { segment: id.segment, index: id.index.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::{line, task};

    fn found(of: u128, index: u32, length: usize) -> Found {
        Found { id: LineId { segment: 1, index }, record: line(of, i64::from(index), &"x".repeat(length)), context: true }
    }

    fn bytes(trail: &Trail) -> usize {
        trail.tasks.values().flat_map(|task| &task.lines).map(|found| LINE + found.record.text.len()).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn it_holds_no_more_than_it_may(lines in prop::collection::vec((0_u128..700, 0_usize..4000), 1..1200)) {
            let mut trail = Trail::default();
            for (index, (of, length)) in lines.iter().enumerate() {
                trail.show(task(*of), LineId { segment: 1, index: 2 * index as u32 }, Some(0));
                trail.keep(task(*of), std::iter::once(found(*of, 2 * index as u32 + 1, *length)), 50);
                trail.trim();
                prop_assert!(trail.tasks.len() <= TASKS && bytes(&trail) <= BYTES);
            }
            let silent: Vec<TaskId> = (0..700).map(task).filter(|task| !trail.tasks.contains_key(task)).collect();
            // Nothing of a task that was forgotten is shown twice.
            for (index, (of, _)) in lines.iter().enumerate().filter(|(_, (of, _))| silent.contains(&task(*of))) {
                let at = LineId { segment: 1, index: 2 * index as u32 };
                prop_assert!(trail.shown(&task(*of)) >= Some(at));
            }
            // What was seen last is there.
            let (kept, whole) = trail.take(task(lines[lines.len() - 1].0), 50);
            prop_assert_eq!((kept.len(), whole), (1, true));
        }
    }
}

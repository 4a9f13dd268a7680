//! In which order a rollout replaces tasks, foretold: what the engine's side does when each task that is made serves and each that is asked to ends.
//!
//! Pure. The engine decides anew after everything that happens and needs none of this; a test of its own holds both to the same order.

use std::collections::BTreeMap;

use model::descriptor::UpdateOrder;
use model::ids::TaskId;
use model::views::deployments::{PlanAct, PlanStep, PlanTask};

/// A task that lives now and was not asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Living {
    /// Which; ids sort by age.
    pub task: TaskId,
    /// Its place, from 1.
    pub slot: u32,
    /// Number of the revision that it was made from.
    pub revision: i64,
    /// Whether it is what is wanted already.
    pub fits: bool,
    /// Whether it serves.
    pub serves: bool,
}

/// What a rollout would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// One after the other.
    pub steps: Vec<PlanStep>,
    /// Tasks that live at the same time at most.
    pub at_most: u32,
}

impl Steps {
    /// How many tasks this is done to in all.
    #[must_use]
    pub fn count(&self, act: PlanAct) -> u32 {
        let of = self.steps.iter().filter(|step| step.act == act);
        u32::try_from(of.map(|step| step.tasks.len()).sum::<usize>()).unwrap_or(u32::MAX)
    }
}

/// Foretells a rollout to so many tasks.
#[must_use]
pub fn steps(order: UpdateOrder, replicas: u32, parallelism: u32, living: &[Living]) -> Steps {
    // Never more than there are replicas, whatever was written: what runs on top is not counted in a quota.
    let parallelism = parallelism.min(replicas).max(1) as usize;
    let mut state = State { order, replicas: replicas as usize, parallelism, placed: BTreeMap::new(), old: Vec::new() };
    let surplus = state.place(living);
    let mut made = Made { steps: Vec::new(), at_most: living.len() };
    // Those that are too many go with whatever comes first.
    let mut ends: Vec<PlanTask> = surplus.iter().map(named).collect();
    let mut alive = living.len();
    // Each round makes or ends at least one.
    for _ in 0..=(2 * living.len() + 2 * state.replicas + 1) {
        let makes = state.makes(alive);
        ends.extend(state.ends(alive));
        if makes.is_empty() && ends.is_empty() {
            break;
        }
        made.at_most = made.at_most.max(alive + makes.len());
        alive = alive + makes.len() - ends.len();
        state.placed.extend(makes.iter().map(|task| (task.slot, true)));
        let ended = std::mem::take(&mut ends);
        made.push(PlanAct::End, ended);
        made.push(PlanAct::Make, makes);
    }
    Steps { steps: made.steps, at_most: u32::try_from(made.at_most).unwrap_or(u32::MAX) }
}

struct Made {
    steps: Vec<PlanStep>,
    at_most: usize,
}

impl Made {
    fn push(&mut self, act: PlanAct, tasks: Vec<PlanTask>) {
        if !tasks.is_empty() {
            self.steps.push(PlanStep { act, tasks });
        }
    }
}

struct State {
    order: UpdateOrder,
    replicas: usize,
    parallelism: usize,
    /// Slots that a wanted task has; whether it serves by now.
    placed: BTreeMap<u32, bool>,
    /// What is not wanted any more, in the order in which it goes.
    old: Vec<Living>,
}

fn named(living: &Living) -> PlanTask {
    PlanTask { slot: living.slot, task: Some(living.task), revision: Some(living.revision) }
}

impl State {
    /// Takes the living in. Answers those that are wanted and too many.
    fn place(&mut self, living: &[Living]) -> Vec<Living> {
        let mut fitting: Vec<Living> = living.iter().copied().filter(|one| one.fits).collect();
        fitting.sort_by_key(|one| (!one.serves, one.task));
        let mut surplus = Vec::new();
        for one in fitting {
            let free = one.slot >= 1 && one.slot as usize <= self.replicas && !self.placed.contains_key(&one.slot);
            if free {
                self.placed.insert(one.slot, one.serves);
            } else {
                surplus.push(one);
            }
        }
        self.old = living.iter().copied().filter(|one| !one.fits).collect();
        surplus
    }

    fn open(&self) -> Vec<u32> {
        (1..=u32::try_from(self.replicas).unwrap_or(u32::MAX)).filter(|slot| !self.placed.contains_key(slot)).collect()
    }

    fn makes(&self, alive: usize) -> Vec<PlanTask> {
        let open = self.open();
        let most = match self.order {
            UpdateOrder::StartFirst => self.replicas + self.parallelism,
            UpdateOrder::StopFirst => self.replicas,
        };
        let room = most.saturating_sub(alive);
        let count = if self.old.is_empty() { open.len().min(room) } else { open.len().min(room).min(self.parallelism) };
        open.into_iter().take(count).map(|slot| PlanTask { slot, task: None, revision: None }).collect()
    }

    fn ends(&mut self, alive: usize) -> Vec<PlanTask> {
        let open = self.open().len();
        let count = match self.order {
            UpdateOrder::StartFirst => self.old.len().saturating_sub(self.replicas.saturating_sub(self.placed.len())),
            UpdateOrder::StopFirst => {
                let surplus = self.old.len().saturating_sub(self.replicas.saturating_sub(self.placed.len()));
                let on_the_way = self.replicas.saturating_sub(alive).min(open);
                surplus.max(self.old.len().min(open).min(self.parallelism.saturating_sub(on_the_way)))
            }
        };
        let placed = &self.placed;
        let served = |one: &Living| placed.get(&one.slot).copied().unwrap_or(false);
        self.old.sort_by_key(|one| (one.serves, !served(one), std::cmp::Reverse(one.slot), one.task));
        let rest = self.old.split_off(count.min(self.old.len()));
        std::mem::replace(&mut self.old, rest).iter().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn living(count: u32, fits: bool) -> Vec<Living> {
        let one = |slot: u32| Living { task: uuid::Uuid::from_u128(u128::from(slot)).into(), slot, revision: 1, fits, serves: true };
        (1..=count).map(one).collect()
    }

    /// `+1,2` makes slots 1 and 2, `-3` ends slot 3.
    fn text(steps: &Steps) -> String {
        let sign = |act| if act == PlanAct::Make { '+' } else { '-' };
        let slots = |step: &PlanStep| step.tasks.iter().map(|task| task.slot.to_string()).collect::<Vec<_>>().join(",");
        steps.steps.iter().map(|step| format!("{}{}", sign(step.act), slots(step))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_first_deployment_makes_all_at_once() {
        let found = steps(UpdateOrder::StartFirst, 3, 1, &[]);
        assert_eq!((text(&found).as_str(), found.at_most), ("+1,2,3", 3));
    }

    #[test]
    fn start_first_makes_before_it_ends() {
        let found = steps(UpdateOrder::StartFirst, 3, 1, &living(3, false));
        assert_eq!((text(&found).as_str(), found.at_most), ("+1 -1 +2 -2 +3 -3", 4));
        let found = steps(UpdateOrder::StartFirst, 3, 2, &living(3, false));
        assert_eq!((text(&found).as_str(), found.at_most), ("+1,2 -2,1 +3 -3", 5));
        let found = steps(UpdateOrder::StartFirst, 1, 100, &living(1, false));
        assert_eq!((text(&found).as_str(), found.at_most), ("+1 -1", 2));
    }

    #[test]
    fn stop_first_ends_before_it_makes() {
        let found = steps(UpdateOrder::StopFirst, 2, 1, &living(2, false));
        assert_eq!((text(&found).as_str(), found.at_most), ("-2 +1 -1 +2", 2));
    }

    #[test]
    fn scaling_replaces_nothing_and_what_runs_already_needs_nothing() {
        assert_eq!(text(&steps(UpdateOrder::StartFirst, 4, 1, &living(2, true))), "+3,4");
        assert_eq!(text(&steps(UpdateOrder::StartFirst, 1, 1, &living(3, true))), "-2,3");
        assert_eq!(text(&steps(UpdateOrder::StopFirst, 2, 1, &living(2, true))), "");
    }
}

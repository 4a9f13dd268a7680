//! What to do next so that the tasks of one service in one environment become what is wanted: a pure function, asked again after
//! every change. It remembers nothing, so a portal that was killed goes on where it was.
//!
//! Invariants, held by property tests: when what is wanted is there, it says nothing; it never names a container that does not bear
//! our instance's label and a name of ours; with start-first there are never more than `replicas + parallelism` tasks, those that are ending included, and
//! never fewer that serve than before, up to `replicas`; with stop-first never more than `replicas`. Parallelism is never more than
//! `replicas`, whatever was written. So tasks that take their grace are waited for before others are made, however often one deploys.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::TaskId;

use crate::docker::Status;

/// What should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whether it should run, or what else.
    pub mode: Mode,
    /// How many tasks.
    pub replicas: u32,
    /// What comes first when one task takes another's place.
    pub order: Order,
    /// How many may be on their way at the same time during an update; at least 1, and no more than the replicas count.
    pub parallelism: u32,
    /// Slots in which nothing is started now, because it failed a moment ago.
    pub held: BTreeSet<u32>,
}

/// Whether a service should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It runs.
    Run,
    /// Stopped: nothing runs, the last containers stay to be looked into.
    Stop,
    /// Deleted: nothing is left.
    Gone,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The new task serves before the old one ends.
    StartFirst,
    /// The old task ends before the new one starts.
    StopFirst,
}

/// A task, as known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which; ids sort by age.
    pub id: TaskId,
    /// Its place among the replicas.
    pub slot: u32,
    /// It is made of what is wanted now.
    pub current: bool,
    /// Where in its life.
    pub life: Life,
    /// It has a container on the engine.
    pub container: bool,
    /// Its container is worth keeping when it is dead, to be looked into.
    pub keep: bool,
    /// Something is being done to it at this moment.
    pub busy: bool,
}

/// Where in its life a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Decided upon; its container is missing or was never started.
    Unmade,
    /// It runs, and has not proved itself yet.
    Starting,
    /// It serves.
    Ready,
    /// It was asked to stop.
    Ending,
    /// It is over.
    Dead,
}

/// A container that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's id.
    pub id: String,
    /// Value of the instance's label.
    pub instance: Option<String>,
    /// The task that it says to be.
    pub task: Option<TaskId>,
    /// It bears the name that we give to what has such labels: else it has them from its image, and is somebody's.
    pub named: bool,
    /// The engine is removing it: asked once more, it says yes and is no faster.
    pub removing: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A new task of what is wanted.
    Make {
        /// Its place.
        slot: u32,
    },
    /// Make and start the container of a task that was decided upon.
    Begin {
        /// Which.
        task: TaskId,
    },
    /// Stop a task with grace.
    End {
        /// Which.
        task: TaskId,
    },
    /// Remove what is left of a dead task.
    Remove {
        /// Which.
        task: TaskId,
    },
    /// Remove a container of ours that belongs to no task.
    Sweep {
        /// The engine's id.
        container: String,
    },
}

/// What a task's life is, by what was recorded and what the engine shows. `None`: its container is not there.
pub fn life(recorded: Life, seen: Option<Status>) -> Life {
    match (recorded, seen) {
        (Life::Dead, _) => Life::Dead,
        // It is made (again) where it was never started.
        (Life::Unmade, None | Some(Status::Created)) => Life::Unmade,
        (_, None) => Life::Dead,
        (Life::Ending, Some(status)) if status.alive() => Life::Ending,
        (Life::Unmade, Some(status)) if status.alive() => Life::Starting,
        // Between two starts by the engine it does not serve, but it is not given up either.
        (Life::Ready, Some(Status::Restarting)) => Life::Starting,
        (recorded, Some(status)) if status.alive() => recorded,
        (_, Some(_)) => Life::Dead,
    }
}

/// What to do next. `instance` is ours; `containers` are those that say to belong to this service.
pub fn plan(wanted: &Wanted, instance: &str, tasks: &[Task], containers: &[Container]) -> Vec<Action> {
    let mut actions = sweep(instance, tasks, containers);
    actions.extend(bury(wanted, tasks));
    let alive: Vec<&Task> = tasks.iter().filter(|task| task.life != Life::Dead).collect();
    if wanted.mode == Mode::Run {
        actions.extend(run(wanted, &alive));
    } else {
        actions.extend(alive.iter().filter(|task| !task.busy).map(|task| Action::End { task: task.id }));
    }
    actions
}

/// Containers of ours without a task: made by a portal that was killed in between, or left by one that was restored from a backup.
fn sweep(instance: &str, tasks: &[Task], containers: &[Container]) -> Vec<Action> {
    let known: BTreeSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    let ours = containers.iter().filter(|container| container.instance.as_deref() == Some(instance) && container.named && !container.removing);
    let lost = ours.filter(|container| container.task.is_none_or(|task| !known.contains(&task)));
    lost.map(|container| Action::Sweep { container: container.id.clone() }).collect()
}

/// Of the dead, the latest in each slot may stay for its log; the others go.
fn bury(wanted: &Wanted, tasks: &[Task]) -> Vec<Action> {
    let mut latest: BTreeMap<u32, TaskId> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.life == Life::Dead && task.container && task.keep) {
        let newest = latest.entry(task.slot).or_insert(task.id);
        *newest = task.id.max(*newest);
    }
    let stays = |task: &Task| wanted.mode != Mode::Gone && task.keep && latest.get(&task.slot) == Some(&task.id);
    let dead = tasks.iter().filter(|task| task.life == Life::Dead && task.container && !task.busy);
    dead.filter(|task| !stays(task)).map(|task| Action::Remove { task: task.id }).collect()
}

/// Counts that the decisions are made of.
struct Count {
    replicas: usize,
    parallelism: usize,
    /// All that are not dead; those that are ending take memory and processors until they have ended.
    alive: usize,
    /// Wanted ones, in their slots, that do not serve yet.
    unready: usize,
    /// Wanted ones, in their slots.
    current: usize,
    /// Wanted ones, in their slots, that serve.
    ready: usize,
    /// Asked to stop.
    ending: usize,
}

fn run(wanted: &Wanted, alive: &[&Task]) -> Vec<Action> {
    let (placed, surplus) = place(wanted, alive);
    let old: Vec<&Task> = alive.iter().copied().filter(|task| !task.current && task.life != Life::Ending).collect();
    let count = Count {
        replicas: wanted.replicas as usize,
        parallelism: wanted.parallelism.min(wanted.replicas).max(1) as usize,
        alive: alive.len(),
        unready: placed.values().filter(|task| task.life != Life::Ready).count(),
        current: placed.len(),
        ready: placed.values().filter(|task| task.life == Life::Ready).count(),
        ending: alive.iter().filter(|task| task.life == Life::Ending).count(),
    };
    let open: Vec<u32> = (0..wanted.replicas).filter(|slot| !placed.contains_key(slot) && !wanted.held.contains(slot)).collect();
    let makes = how_many_to_make(wanted.order, &count, open.len(), old.len());
    let ends = how_many_to_end(wanted.order, &count, open.len(), old.len());

    let mut actions: Vec<Action> = open.into_iter().take(makes).map(|slot| Action::Make { slot }).collect();
    let begins = placed.values().filter(|task| task.life == Life::Unmade && !task.busy && !wanted.held.contains(&task.slot));
    actions.extend(begins.map(|task| Action::Begin { task: task.id }));
    let unfinished = alive.iter().copied().filter(|task| task.life == Life::Ending);
    let ended = last_to_keep_first(old, &placed).into_iter().take(ends);
    actions.extend(surplus.into_iter().chain(unfinished).chain(ended).filter(|task| !task.busy).map(|task| Action::End { task: task.id }));
    actions
}

/// Wanted tasks by slot, and those that are too many: beyond the replicas, or a second one in a slot.
fn place<'a>(wanted: &Wanted, alive: &[&'a Task]) -> (BTreeMap<u32, &'a Task>, Vec<&'a Task>) {
    let mut placed: BTreeMap<u32, &Task> = BTreeMap::new();
    let mut surplus = Vec::new();
    let mut current: Vec<&Task> = alive.iter().copied().filter(|task| task.current && task.life != Life::Ending).collect();
    current.sort_by_key(|task| (task.life != Life::Ready, task.id));
    for task in current {
        if task.slot < wanted.replicas && !placed.contains_key(&task.slot) {
            placed.insert(task.slot, task);
        } else {
            surplus.push(task);
        }
    }
    (placed, surplus)
}

fn how_many_to_make(order: Order, count: &Count, open: usize, old: usize) -> usize {
    let most = match order {
        Order::StartFirst => count.replicas + count.parallelism,
        Order::StopFirst => count.replicas,
    };
    let room = most.saturating_sub(count.alive);
    if old == 0 {
        // Nothing serves that could suffer: all at once.
        return open.min(room);
    }
    open.min(room).min(count.parallelism.saturating_sub(count.unready))
}

fn how_many_to_end(order: Order, count: &Count, open: usize, old: usize) -> usize {
    match order {
        // As many old ones stay as are needed to serve.
        Order::StartFirst => old.saturating_sub(count.replicas.saturating_sub(count.ready)),
        Order::StopFirst => {
            let surplus = old.saturating_sub(count.replicas.saturating_sub(count.current));
            let free = count.replicas.saturating_sub(count.alive);
            let on_the_way = count.unready + count.ending + free.min(open);
            surplus.max(old.min(open).min(count.parallelism.saturating_sub(on_the_way)))
        }
    }
}

/// Old tasks in the order in which they go: those that do not serve, then those whose slot is served already, then from the last slot on.
fn last_to_keep_first<'a>(mut old: Vec<&'a Task>, placed: &BTreeMap<u32, &Task>) -> Vec<&'a Task> {
    let served = |task: &Task| placed.get(&task.slot).is_some_and(|task| task.life == Life::Ready);
    old.sort_by_key(|task| (task.life == Life::Ready, !served(task), std::cmp::Reverse(task.slot), task.id));
    old
}

#[cfg(test)]
mod tests;

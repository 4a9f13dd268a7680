//! What is wanted and what is, in the plan's words. Decides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::deployments::work::{self, Leftover, TaskWork, Work};
use model::descriptor::{RestartPolicy, UpdateOrder};
use model::ids::MachineId;
use model::time::Millis;
use model::views::services::{TaskHealth, TaskState};

use super::{Tender, find};
use crate::build::LABEL_TASK;
use crate::docker::{ContainerSeen, LABEL_INSTANCE, Status};
use crate::ours;
use crate::plan::{self, Container, Life, Mode, Task, Wanted};
use crate::rollout;

/// How long the container of a failed task is kept for its log.
const KEEP: Duration = Duration::from_secs(24 * 3_600);

impl Tender {
    /// What should be, in the plan's words.
    pub(super) fn wanted(&self, work: &Work, target: Option<&work::Target<'_>>, leftovers: &[Leftover]) -> Wanted {
        let now = self.context.worker.platform().now();
        let Some(target) = target else {
            let mode = if work.deleted { Mode::Gone } else { Mode::Stop };
            return Wanted { mode, replicas: 0, order: plan::Order::StartFirst, parallelism: 1, held: BTreeSet::new() };
        };
        let mut held = self.context.backoff(self.key, |backoff| backoff.held(now));
        let descriptor = &target.revision.descriptor;
        if descriptor.restart.policy == RestartPolicy::Never && target.deployment.is_none() {
            // What ended by itself stays ended, until somebody deploys or restarts it.
            held.extend(leftovers.iter().filter(|left| left.state == TaskState::Failed).map(|left| left.slot));
        }
        Wanted {
            mode: Mode::Run,
            replicas: target.replicas(),
            order: match descriptor.update.order {
                UpdateOrder::StartFirst => plan::Order::StartFirst,
                UpdateOrder::StopFirst => plan::Order::StopFirst,
            },
            parallelism: descriptor.update.parallelism,
            held: held.into_iter().filter_map(place).collect(),
        }
    }

    /// What is, in the plan's words.
    pub(super) fn tasks(
        &self,
        work: &Work,
        target: Option<&work::Target<'_>>,
        seen: &[(MachineId, ContainerSeen)],
        leftovers: &[Leftover],
    ) -> Vec<Task> {
        let now = self.context.worker.platform().now();
        let settling = settling(target);
        let mut tasks = Vec::with_capacity(work.tasks.len() + leftovers.len());
        for task in &work.tasks {
            let away = !self.places.iter().any(|(machine, _)| machine.id == task.machine);
            let recorded = life(task, now, settling);
            let container = find(seen, task);
            let busy = self.busy.contains(&task.id) || away;
            let life = if busy || (container.is_none() && task.container.is_none()) {
                recorded
            } else {
                plan::life(recorded, container.map(|seen| seen.status))
            };
            if life == Life::Ready
                && let Some(since) = task.healthy_at
            {
                self.context.backoff(self.key, |backoff| backoff.serves(task.slot, since, now));
            }
            let current = target.is_some_and(|target| target.fits(task));
            let slot = place(task.slot).unwrap_or(u32::MAX);
            tasks.push(Task { id: task.id, slot, current, life, container: container.is_some(), keep: false, busy });
        }
        for left in leftovers {
            // The engine may have started it again behind our back: then it is no evidence but a nuisance.
            let alive = seen.iter().any(|(_, seen)| left.container.as_ref() == Some(&seen.id) && seen.status.alive());
            let keep = !alive && worth_keeping(target, left, now);
            let busy = self.busy.contains(&left.task) || !self.places.iter().any(|(machine, _)| machine.id == left.machine);
            let slot = place(left.slot).unwrap_or(u32::MAX);
            tasks.push(Task { id: left.task, slot, current: false, life: Life::Dead, container: true, keep, busy });
        }
        tasks
    }

    /// When the next running task without a check counts as serving.
    pub(super) fn next_settled(&self, work: &Work, target: Option<&work::Target<'_>>) -> Option<Duration> {
        let now = self.context.worker.platform().now();
        let settling = settling(target);
        let unchecked = work.tasks.iter().filter(|task| task.state == TaskState::Running && task.health == TaskHealth::None);
        unchecked.filter_map(|task| settling.checked_sub(now.since(task.started_at?))).filter(|left| !left.is_zero()).min()
    }
}

/// Whether the container of a task that ended is kept to be looked into: of what failed for a day, or as long as its slot stays empty
/// for it; of what was stopped until it is started again. A new deployment clears the table.
fn worth_keeping(target: Option<&work::Target<'_>>, left: &Leftover, now: Millis) -> bool {
    let recent = now.since(left.ended_at) < KEEP;
    match target {
        None => recent,
        Some(target) if target.deployment.is_some() => false,
        Some(target) => left.state == TaskState::Failed && (recent || target.revision.descriptor.restart.policy == RestartPolicy::Never),
    }
}

/// A slot counts from 1 for people and from 0 in the plan.
fn place(slot: i64) -> Option<u32> {
    u32::try_from(slot.checked_sub(1)?).ok()
}

fn settling(target: Option<&work::Target<'_>>) -> Duration {
    let under_way = target.filter(|target| target.deployment.is_some());
    under_way.map_or(Duration::ZERO, |target| rollout::settling(target.revision.descriptor.update.monitor.duration()))
}

/// What is recorded of a task, as a life.
fn life(task: &TaskWork, now: Millis, settling: Duration) -> Life {
    match task.state {
        TaskState::Preparing => Life::Unmade,
        TaskState::Stopping => Life::Ending,
        TaskState::Ended | TaskState::Failed | TaskState::Lost => Life::Dead,
        TaskState::Running if task.serves() => {
            let ran = task.started_at.map_or(Duration::ZERO, |started| now.since(started));
            if task.health == TaskHealth::None && ran < settling { Life::Starting } else { Life::Ready }
        }
        TaskState::Running | TaskState::Restarting => Life::Starting,
    }
}

/// A container, in the plan's words.
pub(super) fn container(seen: &ContainerSeen) -> Container {
    Container {
        id: seen.id.clone(),
        instance: seen.label(LABEL_INSTANCE).map(str::to_owned),
        task: seen.label(LABEL_TASK).and_then(|text| text.parse().ok()),
        named: ours::task(seen).is_some(),
        removing: seen.status == Status::Removing,
    }
}

/// After a rollout that stops where it is: nothing that runs ends, and only as many are made as are missing of all.
pub(super) fn stand_still(actions: &mut Vec<plan::Action>, wanted: &Wanted, tasks: &[Task]) {
    let alive = tasks.iter().filter(|task| task.life != Life::Dead).count();
    let mut missing = (wanted.replicas as usize).saturating_sub(alive);
    actions.retain(|action| match action {
        plan::Action::End { .. } => false,
        plan::Action::Make { .. } => {
            let wanted = missing > 0;
            missing = missing.saturating_sub(1);
            wanted
        }
        plan::Action::Begin { .. } | plan::Action::Remove { .. } | plan::Action::Sweep { .. } => true,
    });
}

#[cfg(test)]
mod tests {
    use plan::Action;

    use super::*;

    #[test]
    fn a_halted_rollout_ends_nothing_and_only_fills_what_is_missing() {
        let task = |slot: u32, current, life| {
            let id = uuid::Uuid::from_u128(u128::from(slot) + 1).into();
            Task { id, slot, current, life, container: true, keep: false, busy: false }
        };
        let wanted = Wanted { mode: Mode::Run, replicas: 3, order: plan::Order::StartFirst, parallelism: 3, held: BTreeSet::new() };
        let tasks = [task(0, true, Life::Ready), task(1, false, Life::Ready)];
        let mut actions = plan::plan(&wanted, "i", &tasks, &[]);
        assert!(actions.iter().filter(|action| matches!(action, Action::Make { .. })).count() > 1, "{actions:?}");
        stand_still(&mut actions, &wanted, &tasks);
        assert_eq!(actions.len(), 1, "{actions:?}");
        assert!(matches!(actions[0], Action::Make { .. }));
    }
}

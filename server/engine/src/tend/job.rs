//! The work on a job: its run's tasks are made once each, watched until they end, and the run ends with them. A deployment of a job is done when
//! its image is there; nothing is replaced by it, since nothing runs all the time.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::deployments::work::{self, Leftover, TaskWork, Work};
use domain::jobs::work as jobs;
use model::descriptor::{Descriptor, Kind, RestartPolicy};
use model::ids::MachineId;
use model::views::deployments::{DeploymentState, Reason};
use model::views::jobs::JobState;
use model::views::services::TaskState;

use super::{Next, Tender, find};
use crate::backoff::Backoff;
use crate::build::has_secret_files;
use crate::docker::{ContainerSeen, Status};
use crate::trouble::Trouble;

/// How long the containers of the last run are kept for their logs.
const KEEP: Duration = Duration::from_secs(24 * 3_600);

/// What a run needs next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// These tasks, by slot.
    Make(Vec<i64>),
    /// Its tasks are at work.
    Wait,
    /// It is over: whether every task ended with 0, or the slots of those that did not.
    Over(Vec<i64>),
}

/// Decides it. `living`: slots with a task that did not end; `ended`: slots and whether their task ended well; `again`: how often one that failed
/// is made again by us.
fn step(replicas: u32, again: usize, living: &[i64], ended: &[(i64, bool)]) -> Step {
    let failed = |slot: i64| ended.iter().filter(|(of, well)| *of == slot && !well).count();
    let done: BTreeSet<i64> = ended.iter().filter(|(_, well)| *well).map(|(slot, _)| *slot).collect();
    let slots = 1..=i64::from(replicas);
    let lost: Vec<i64> = slots.clone().filter(|slot| !done.contains(slot) && failed(*slot) > again).collect();
    let open = slots.filter(|slot| !done.contains(slot) && !living.contains(slot) && !lost.contains(slot));
    let open: Vec<i64> = open.collect();
    // What failed for good lets those that run come to their end, and begins nothing.
    if lost.is_empty() && !open.is_empty() {
        return Step::Make(open);
    }
    if living.is_empty() { Step::Over(lost) } else { Step::Wait }
}

/// How often a task that failed is made again by the portal: only where the engine may not start it again.
fn again(descriptor: &Descriptor) -> usize {
    let ours = has_secret_files(descriptor) && descriptor.restart.policy == RestartPolicy::OnFailure;
    if ours { descriptor.restart.max as usize } else { 0 }
}

impl Tender {
    /// Does what a job needs; none: it is none.
    pub(super) async fn tend_job(
        &mut self,
        work: &Work,
        target: Option<&work::Target<'_>>,
        seen: &[(MachineId, ContainerSeen)],
        leftovers: &[Leftover],
    ) -> Result<Option<Next>, Trouble> {
        let Some(target) = target.filter(|target| target.revision.descriptor.kind == Kind::Job) else {
            if let Some(run) = &work.run {
                let why = if work.deleted { "the job was deleted" } else { "the job was stopped, or made a service" };
                jobs::finish(&self.context.worker, self.key, run.id, JobState::Cancelled, Some(&Reason::new("stopped", why))).await?;
            }
            return Ok(None);
        };
        if let Some(deployment) = target.deployment {
            work::advance(&self.context.worker, deployment.id, DeploymentState::Succeeded, None).await?;
            return Ok(Some(Next::Wait(Some(Duration::ZERO))));
        }
        let run = work.run.as_ref().map(|run| run.id);
        let (own, others): (Vec<&TaskWork>, Vec<&TaskWork>) = work.tasks.iter().partition(|task| run.is_some() && task.run == run);
        for task in others {
            if !self.busy.contains(&task.id) {
                self.end(work, task.clone(), None, false);
            }
        }
        self.bury_runs(leftovers).await?;
        let mut wait = None;
        if let Some(run) = &work.run {
            let living: Vec<i64> = own.iter().map(|task| task.slot).collect();
            let ended: Vec<(i64, bool)> = run.ended.iter().map(|(slot, state, _)| (*slot, *state == TaskState::Ended)).collect();
            match step(run.revision.descriptor.replicas, again(&run.revision.descriptor), &living, &ended) {
                Step::Make(slots) => {
                    let of = work::Target { revision: &run.revision, deployment: None };
                    let now = self.context.worker.platform().now();
                    let held = self.context.backoff(self.key, |backoff| backoff.held(now));
                    for slot in slots.into_iter().filter(|slot| !held.contains(slot)) {
                        self.make(work, &of, slot, Some(run.id)).await?;
                    }
                    wait = self.context.backoff(self.key, |backoff| backoff.next(now));
                }
                Step::Wait => self.begin_unmade(work, run, &own, seen),
                Step::Over(failed) => {
                    self.context.backoff(self.key, Backoff::forget);
                    self.end_run(work, run, &failed).await?;
                }
            }
        }
        let unfinished = work.deployment.is_some();
        Ok(Some(if unfinished || wait.is_some() { Next::Wait(wait) } else { Next::Rest }))
    }

    /// Tasks that were decided upon by a portal that was killed before it began them.
    fn begin_unmade(&mut self, work: &Work, run: &jobs::JobRun, own: &[&TaskWork], seen: &[(MachineId, ContainerSeen)]) {
        for task in own.iter().filter(|task| task.state == TaskState::Preparing && !self.busy.contains(&task.id)).copied().collect::<Vec<_>>() {
            if find(seen, task).is_none_or(|seen| seen.status == Status::Created) {
                self.begin(work, &run.revision, task.clone());
            }
        }
    }

    async fn end_run(&mut self, work: &Work, run: &jobs::JobRun, failed: &[i64]) -> Result<(), Trouble> {
        let (state, reason) = match failed {
            [] => (JobState::Succeeded, None),
            slots => {
                let told = slots.iter().map(|slot| {
                    let code = run.ended.iter().rev().find(|(of, ..)| of == slot).and_then(|(_, _, code)| *code);
                    match code {
                        Some(code) => format!("{}.{slot} ended with exit code {code}", work.service),
                        None => format!("{}.{slot} did not run to its end", work.service),
                    }
                });
                (JobState::Failed, Some(Reason::new("exited", told.collect::<Vec<_>>().join("; "))))
            }
        };
        Ok(jobs::finish(&self.context.worker, self.key, run.id, state, reason.as_ref()).await?)
    }

    /// The containers of the last run stay for a day, to be looked into.
    async fn bury_runs(&mut self, leftovers: &[Leftover]) -> Result<(), Trouble> {
        if leftovers.is_empty() {
            return Ok(());
        }
        let newest = jobs::newest(&self.context.worker, self.key).await?;
        let now = self.context.worker.platform().now();
        for left in leftovers {
            let kept = left.run.is_some() && left.run == newest && now.since(left.ended_at) < KEEP;
            if !kept && !self.busy.contains(&left.task) && self.places.iter().any(|(machine, _)| machine.id == left.machine) {
                self.remove(left);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_makes_each_task_once_and_ends_with_the_last() {
        assert_eq!(step(2, 0, &[], &[]), Step::Make(vec![1, 2]));
        assert_eq!(step(2, 0, &[1, 2], &[]), Step::Wait);
        assert_eq!(step(2, 0, &[2], &[(1, true)]), Step::Wait);
        assert_eq!(step(2, 0, &[], &[(1, true)]), Step::Make(vec![2]));
        assert_eq!(step(2, 0, &[], &[(1, true), (2, true)]), Step::Over(vec![]));
        assert_eq!(step(0, 0, &[], &[]), Step::Over(vec![]));
    }

    #[test]
    fn what_failed_ends_the_run_when_the_others_have_ended() {
        assert_eq!(step(2, 0, &[2], &[(1, false)]), Step::Wait);
        assert_eq!(step(2, 0, &[], &[(1, false)]), Step::Over(vec![1]), "what was not begun is not begun any more");
        assert_eq!(step(2, 0, &[], &[(1, false), (2, true)]), Step::Over(vec![1]));
        assert_eq!(step(1, 2, &[], &[(1, false), (1, false)]), Step::Make(vec![1]));
        assert_eq!(step(1, 2, &[], &[(1, false), (1, false), (1, false)]), Step::Over(vec![1]));
        assert_eq!(step(1, 2, &[], &[(1, false), (1, true)]), Step::Over(vec![]));
    }
}

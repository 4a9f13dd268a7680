//! Carrying out what the plan says: each thing in the hands of a task of its own, so that nothing waits for anything else, and what
//! the hands bring back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::deployments::work::{self, Leftover, NewTask, TaskWork, Work};
use domain::{Signal, discovery};
use model::descriptor::Drift;
use model::ids::{JobRunId, MachineId, TaskId};
use model::views::deployments::{DeploymentState, Progress, Reason};
use model::views::services::{TaskHealth, TaskState};
use tokio::time::Instant;

use super::{Handed, Tender, revision_of};
use crate::context::Context;
use crate::docker::{ContainerSeen, Docker, EngineError, Kind};
use crate::hands::{self, Order};
use crate::plan::Action;
use crate::printed::Filter;
use crate::rollout;
use crate::trouble::Trouble;

/// Wait after the record could not be read or written.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Wait before an engine that is away is asked again; its return is told by the bell, this is the net.
const AWAY_RETRY: Duration = Duration::from_secs(5);

impl Tender {
    /// A task that became unhealthy after its rollout is replaced; a few at a time, as in an update.
    pub(super) async fn replace_unhealthy(&mut self, work: &Work) {
        if work.deployment.is_some() {
            return;
        }
        let Some(revision) = &work.revision else { return };
        let most = revision.descriptor.update.parallelism.max(1) as usize;
        let under_way = work.tasks.iter().filter(|task| task.state != TaskState::Running).count();
        let unhealthy = work.tasks.iter().filter(|task| task.state == TaskState::Running && task.health == TaskHealth::Unhealthy);
        let unhealthy: Vec<TaskWork> = unhealthy.filter(|task| !self.busy.contains(&task.id)).take(most.saturating_sub(under_way)).cloned().collect();
        for task in unhealthy {
            let found = self.context.watches.finding(task.id).unwrap_or_else(|| "its health check failed".to_owned());
            let reason = Reason::new("unhealthy", format!("it was replaced: {found}"));
            self.slot_failed(work, &task, &reason).await;
            self.end(work, task, Some(reason), true);
        }
    }

    /// A task that something else than Slipway changed is put right where the service says so: what is merely frozen or has another name goes
    /// on, anything else is replaced, a few at a time as in an update.
    pub(super) async fn heal(&mut self, work: &Work) -> Result<(), Trouble> {
        if work.deployment.is_some() {
            return Ok(());
        }
        let Some(revision) = work.revision.as_ref().filter(|revision| revision.descriptor.drift == Drift::Heal) else { return Ok(()) };
        let most = revision.descriptor.update.parallelism.max(1) as usize;
        let under_way = work.tasks.iter().filter(|task| task.state != TaskState::Running).count();
        let mut room = most.saturating_sub(under_way);
        let drifted = work.tasks.iter().filter(|task| task.state == TaskState::Running && !task.drift.is_empty() && !self.busy.contains(&task.id));
        for task in drifted.cloned().collect::<Vec<TaskWork>>() {
            let (Some(docker), Some(container)) = (self.docker(task.machine), task.container.clone()) else { continue };
            // Also before it is asked to end: what is frozen hears nothing.
            docker.unpause(&container).await?;
            if named_again(work, &task, &docker, &container).await? {
                work::task_drift(&self.context.worker, task.id, &[]).await?;
            } else if room > 0 {
                room -= 1;
                let said: Vec<String> =
                    task.drift.iter().map(|found| format!("{} is {} and not {}", found.what, found.found, found.ordered)).collect();
                let reason = Reason::new("drifted", format!("something else than Slipway changed it ({}); another takes its place", said.join("; ")));
                self.end(work, task, Some(reason), false);
            }
        }
        Ok(())
    }

    pub(super) async fn carry_out(
        &mut self,
        action: &Action,
        work: &Work,
        target: Option<&work::Target<'_>>,
        seen: &[(MachineId, ContainerSeen)],
        leftovers: &[Leftover],
    ) -> Result<(), Trouble> {
        let known = |id: &TaskId| work.tasks.iter().find(|task| task.id == *id).cloned();
        match action {
            Action::Make { slot } => {
                if let Some(target) = target {
                    self.make(work, target, i64::from(*slot) + 1, None).await?;
                }
            }
            Action::Begin { task } => {
                if let (Some(task), Some(target)) = (known(task), target) {
                    self.begin(work, target.revision, task);
                }
            }
            Action::End { task } => {
                if let Some(task) = known(task) {
                    // A stopped service can be looked into; what an update replaced cannot.
                    let keep = target.is_none() && !work.deleted && work.deployment.is_none();
                    self.end(work, task, None, keep);
                }
            }
            Action::Remove { task } => {
                if let Some(left) = leftovers.iter().find(|left| left.task == *task) {
                    self.remove(left);
                }
            }
            Action::Sweep { container } => {
                if let Some((machine, _)) = seen.iter().find(|(_, seen)| seen.id == *container) {
                    self.sweep(*machine, container);
                }
            }
        }
        Ok(())
    }

    /// Decides upon a new task, on the machine with the fewest.
    pub(super) async fn make(&mut self, work: &Work, target: &work::Target<'_>, slot: i64, run: Option<JobRunId>) -> Result<(), Trouble> {
        let mut load: BTreeMap<MachineId, usize> = self.places.iter().map(|(machine, _)| (machine.id, 0)).collect();
        for task in &work.tasks {
            load.entry(task.machine).and_modify(|count| *count += 1);
        }
        let Some((machine, _)) = self.places.iter().min_by_key(|(machine, _)| load.get(&machine.id).copied()) else { return Ok(()) };
        let new =
            NewTask { key: self.key, revision: target.revision, deployment: target.deployment.map(|deployment| deployment.id), machine, slot, run };
        match work::create_task(&self.context.worker, &new).await.map_err(Trouble::from) {
            Ok(task) => {
                self.context.owners().insert(task.id, (task.machine, self.key));
                self.begin(work, target.revision, task);
                Ok(())
            }
            Err(Trouble::Reason(reason)) => {
                match target.deployment {
                    Some(deployment) => {
                        let told = Reason::new(reason.code, format!("{}.{slot}: {}", work.service, reason.message));
                        self.failure.get_or_insert((deployment.id, told));
                        self.context.crews.wake(self.key, None);
                    }
                    None => self.slot_not_filled(slot, reason).await,
                }
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// No task could be decided upon for a slot.
    async fn slot_not_filled(&mut self, slot: i64, reason: Reason) {
        let now = self.context.worker.platform().now();
        let next = self.context.backoff(self.key, |backoff| backoff.failed(slot, Duration::ZERO, now));
        let failure = work::SlotFailure { slot, reason, lines: String::new(), next };
        if let Err(error) = work::slot_failed(&self.context.worker, self.key, &failure).await {
            tracing::warn!(%error, "a slot that could not be filled was not written down");
        }
    }

    pub(super) fn begin(&mut self, work: &Work, revision: &work::RevisionWork, task: TaskWork) {
        let Some((machine, docker)) = self.places.iter().find(|(machine, _)| machine.id == task.machine) else { return };
        self.busy.insert(task.id);
        let order = Order::new(&self.context, docker, machine, work, revision, task.clone());
        self.hands.spawn(async move { Handed::Began(Box::new(task), hands::begin(order).await) });
    }

    pub(super) fn end(&mut self, work: &Work, task: TaskWork, failed: Option<Reason>, keep: bool) {
        let Some(docker) = self.docker(task.machine) else { return };
        self.busy.insert(task.id);
        let revision = revision_of(work, &task);
        let grace = revision.map(|revision| revision.descriptor.stop.grace.duration());
        let followed = discovery::work::is_followed(&self.context.worker, self.key.service);
        let span = revision.map(|revision| revision.descriptor.drain(followed).duration());
        // Where nothing else serves, nobody is spared anything by waiting.
        let others = work.tasks.iter().any(|other| other.id != task.id && other.serves() && !self.busy.contains(&other.id));
        let drains = others && work.target().is_some() && served(&task);
        let (context, id) = (Arc::clone(&self.context), task.id);
        self.hands.spawn(async move {
            if drains && let Err(trouble) = drain(&context, &task, span, followed).await {
                return Handed::Ended(id, Err(trouble));
            }
            Handed::Ended(id, hands::end(context, docker, task, grace, failed, keep).await)
        });
    }

    pub(super) fn remove(&mut self, left: &Leftover) {
        let Some(docker) = self.docker(left.machine) else { return };
        self.busy.insert(left.task);
        let (context, machine, id, container) = (Arc::clone(&self.context), left.machine, left.task, left.container.clone());
        self.hands.spawn(async move { Handed::Ended(id, hands::remove(context, docker, machine, id, container).await) });
    }

    pub(super) fn sweep(&mut self, machine: MachineId, container: &str) {
        let Some(docker) = self.docker(machine) else { return };
        if !self.sweeping.insert(container.to_owned()) {
            return;
        }
        tracing::warn!(container, "a container of ours that belongs to no task is removed");
        let container = container.to_owned();
        self.hands.spawn(async move { Handed::Swept(docker.remove(&container).await.map_err(Trouble::from)) });
    }

    /// Takes in what a hand did.
    pub(super) async fn take(&mut self, handed: Handed) {
        if handed.met_a_full_disk() {
            // Whoever frees disks knows which, and how often.
            self.context.worker.platform().signal(Signal::Pruning).notify_one();
        }
        let trouble = match handed {
            Handed::Began(task, result) => {
                self.busy.remove(&task.id);
                match result {
                    Err(Trouble::Reason(reason)) => self.did_not_start(*task, reason).await,
                    other => other.err(),
                }
            }
            Handed::Ended(task, result) => {
                self.busy.remove(&task);
                result.err()
            }
            Handed::Swept(result) => {
                self.sweeping.clear();
                result.err()
            }
            Handed::Pulled(id, result) => {
                self.pulling = None;
                match result {
                    Ok(()) => work::advance(&self.context.worker, id, DeploymentState::Rolling, None).await.err().map(Trouble::from),
                    Err(Trouble::Reason(reason)) => {
                        self.failure = Some((id, reason));
                        None
                    }
                    Err(trouble) => Some(trouble),
                }
            }
        };
        if let Some(trouble) = trouble {
            let wait = self.troubled(trouble).await;
            tokio::time::sleep(wait.unwrap_or_default().min(STORE_RETRY)).await;
        }
    }

    /// A task whose container could not be started is over; its deployment fails, or its slot waits.
    pub(super) async fn did_not_start(&mut self, task: TaskWork, reason: Reason) -> Option<Trouble> {
        let reason = Filter::of(&self.context.worker, &task).await.reason(&reason);
        let end = work::End { state: TaskState::Failed, exit_code: None, reason: Some(reason.clone()) };
        if let Err(error) = work::task_ended(&self.context.worker, task.id, &end).await {
            return Some(error.into());
        }
        match work::load(&self.context.worker, self.key).await {
            Ok(Some(work)) => self.failed(&work, &task, Some(reason)).await,
            Ok(None) => {}
            Err(error) => return Some(error.into()),
        }
        None
    }

    /// What follows trouble: how long to wait before the next try; none where only news can help.
    pub(super) async fn troubled(&mut self, trouble: Trouble) -> Option<Duration> {
        match trouble {
            Trouble::Store(error) => {
                tracing::warn!(%error, "what is known of a service could not be read or written; tried again");
                Some(STORE_RETRY)
            }
            Trouble::Reason(reason) => {
                tracing::warn!(code = reason.code, reason = reason.message, "work on a service failed; tried again");
                let told = self.blame(reason).await;
                Some(if told { STORE_RETRY } else { AWAY_RETRY })
            }
            Trouble::Away(message) => {
                let since = *self.away_since.get_or_insert_with(Instant::now);
                let waited = if since.elapsed() >= rollout::AWAY_LIMIT {
                    self.blame(rollout::away(&message)).await
                } else {
                    self.tell_waiting(&message).await
                };
                waited.then_some(AWAY_RETRY)
            }
        }
    }

    /// Ends the unfinished deployment for this reason. Whether there is one.
    pub(super) async fn blame(&mut self, reason: Reason) -> bool {
        let Ok(Some(work)) = work::load(&self.context.worker, self.key).await else { return true };
        let Some(deployment) = &work.deployment else { return false };
        if let Err(Trouble::Store(error)) = self.fail(&work, deployment, reason).await {
            tracing::warn!(%error, "a deployment's end could not be recorded; tried again");
        }
        true
    }

    /// Says on the unfinished deployment what it waits for. Whether there is one.
    pub(super) async fn tell_waiting(&mut self, message: &str) -> bool {
        let Ok(Some(work)) = work::load(&self.context.worker, self.key).await else { return true };
        let Some(deployment) = &work.deployment else { return false };
        let note = Some(format!("waiting for the engine: {message}"));
        if deployment.progress.note != note {
            // How far it came stays as it is.
            let now = Progress { note, ..deployment.progress.clone() };
            if let Err(error) = work::progress(&self.context.worker, deployment.id, &now).await {
                tracing::debug!(%error, "a deployment's progress was not recorded");
            }
        }
        true
    }
}

/// Whether requests may be on their way to a task: it serves, or did until it was asked to end by a portal that was killed since.
fn served(task: &TaskWork) -> bool {
    matches!(task.state, TaskState::Running | TaskState::Stopping) && matches!(task.health, TaskHealth::None | TaskHealth::Healthy)
}

/// Tells that a task takes nothing new from here on, and lets it serve until those who send it something have heard of that. `span`: that of its
/// own revision, if that is at hand.
async fn drain(context: &Context, task: &TaskWork, span: Option<Duration>, followed: bool) -> Result<(), Trouble> {
    let span = match span {
        Some(span) => span,
        None => work::revision(&context.worker, task.revision).await?.descriptor.drain(followed).duration(),
    };
    if !span.is_zero() {
        work::task_stopping(&context.worker, task.id).await?;
        tokio::time::sleep(span).await;
    }
    Ok(())
}

/// Whether all is right with a task when it has its own name again; it does not get it where something else took it.
async fn named_again(work: &Work, task: &TaskWork, docker: &Docker, container: &str) -> Result<bool, Trouble> {
    if task.drift.iter().any(|difference| !matches!(difference.what.as_str(), "name" | "state")) {
        return Ok(false);
    }
    if task.drift.iter().all(|difference| difference.what != "name") {
        return Ok(true);
    }
    let name = crate::build::container_name(&work.project, &work.service, &work.environment, task.slot, task.id);
    match docker.rename(container, &name).await {
        Ok(()) => Ok(true),
        Err(EngineError { kind: Kind::NameTaken, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

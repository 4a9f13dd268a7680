//! The work on one key: a service in an environment. Looks at what is wanted, recorded and seen, writes the news down, moves an unfinished
//! deployment on, asks the plan, carries it out, and waits for news; until nothing is left to do.
//!
//! One at a time for each key ([`crate::crew`]). It keeps nothing that a later look could not find again.

mod doing;
mod job;
mod picture;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::deployments::work::{self, TaskWork, Work, WorkKey};
use domain::machines::Machine;
use model::ids::{DeploymentId, MachineId, TaskId};
use model::views::deployments::{DeploymentState, Reason};
use model::views::services::TaskState;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::build::{LABEL_ENVIRONMENT, LABEL_PROJECT, LABEL_SERVICE, has_secret_files};
use crate::context::Context;
use crate::crew::{Crew, Died};
use crate::docker::{ContainerSeen, Docker, Kind, Status};
use crate::hands;
use crate::observe::{self, Need};
use crate::ours;
use crate::plan::{self, Container, Life};
use crate::printed::Filter;
use crate::trouble::Trouble;

/// What was done by a hand.
pub(crate) enum Handed {
    /// A container was made and started.
    Began(Box<TaskWork>, Result<(), Trouble>),
    /// A task was ended, or what was left of one removed.
    Ended(TaskId, Result<(), Trouble>),
    /// A container of nobody's was removed.
    Swept(Result<(), Trouble>),
    /// A deployment's image was pulled.
    Pulled(DeploymentId, Result<(), Trouble>),
}

impl Handed {
    /// Whether a disk was full.
    fn met_a_full_disk(&self) -> bool {
        let (Self::Began(_, result) | Self::Ended(_, result) | Self::Swept(result) | Self::Pulled(_, result)) = self;
        matches!(result, Err(Trouble::Reason(reason)) if reason.code == Kind::DiskFull.code())
    }
}

/// Who tends a key.
pub(crate) struct Tender {
    pub context: Arc<Context>,
    pub key: WorkKey,
    pub hands: JoinSet<Handed>,
    /// The environment's machines whose engines we speak with.
    pub places: Vec<(Machine, Docker)>,
    /// The deployment whose image is being pulled.
    pub pulling: Option<(DeploymentId, AbortHandle)>,
    /// Why a deployment failed, found since the last look.
    pub failure: Option<(DeploymentId, Reason)>,
    crew: Arc<Crew>,
    busy: BTreeSet<TaskId>,
    sweeping: BTreeSet<String>,
    away_since: Option<Instant>,
}

/// What follows a look.
enum Next {
    /// Nothing is left to do.
    Rest,
    /// News, or this time.
    Wait(Option<Duration>),
}

/// Tends a key until nothing is left to do.
pub(crate) async fn tend(context: Arc<Context>, key: WorkKey, crew: Arc<Crew>) {
    let mut tender = Tender {
        context,
        key,
        hands: JoinSet::new(),
        places: Vec::new(),
        pulling: None,
        failure: None,
        crew,
        busy: BTreeSet::new(),
        sweeping: BTreeSet::new(),
        away_since: None,
    };
    loop {
        let wait = match tender.look().await {
            Ok(Next::Rest) if tender.hands.is_empty() => {
                if tender.context.crews.leave(key, &tender.crew) {
                    return;
                }
                continue;
            }
            Ok(Next::Rest) => None,
            Ok(Next::Wait(wait)) => wait,
            Err(trouble) => match tender.troubled(trouble).await {
                // Nothing can be done and nobody waits: the engine's return calls a crew again.
                None if tender.hands.is_empty() && tender.context.crews.leave(key, &tender.crew) => return,
                wait => wait,
            },
        };
        tender.wait(wait).await;
    }
}

impl Tender {
    async fn wait(&mut self, wait: Option<Duration>) {
        let crew = Arc::clone(&self.crew);
        tokio::select! {
            Some(handed) = self.hands.join_next() => self.take(handed.unwrap_or_else(panicked)).await,
            () = crew.rung() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
        // Whatever else came at the same time is one piece of news.
        while let Some(handed) = self.hands.try_join_next() {
            self.take(handed.unwrap_or_else(panicked)).await;
        }
    }

    pub(crate) fn docker(&self, machine: MachineId) -> Option<Docker> {
        self.context.machines.docker(machine)
    }

    /// One look at everything.
    async fn look(&mut self) -> Result<Next, Trouble> {
        let died = self.crew.look();
        let Some(mut work) = work::load(&self.context.worker, self.key).await? else { return Ok(Next::Rest) };
        self.places = work.machines.iter().filter_map(|machine| Some((machine.clone(), self.docker(machine.id)?))).collect();
        // A machine that is known to be away is not waited for while another one is there.
        if self.places.iter().any(|(machine, _)| !self.context.machines.away(machine.id)) {
            self.places.retain(|(machine, _)| !self.context.machines.away(machine.id));
        }
        let seen = match self.see(&work).await {
            Ok(seen) => seen,
            Err(trouble) => {
                self.crew.keep(died);
                return Err(trouble);
            }
        };
        self.away_since = None;
        if self.observe(&work, &seen, &died).await? {
            match work::load(&self.context.worker, self.key).await? {
                Some(now) => work = now,
                None => return Ok(Next::Rest),
            }
        }
        if let Some(deployment) = &work.deployment
            && let Some(reason) = self.failure_of(&work, deployment).await
        {
            self.fail(&work, deployment, reason).await?;
            return Ok(Next::Wait(Some(Duration::ZERO)));
        }
        self.act(&work, &seen).await
    }

    /// The containers that say to be of this key, by machine.
    async fn see(&mut self, work: &Work) -> Result<Vec<(MachineId, ContainerSeen)>, Trouble> {
        if self.places.is_empty() {
            return Err(Trouble::Away(format!("no machine of the environment {} is connected", work.environment)));
        }
        let (project, service, environment) = (work.project.to_string(), work.service.to_string(), work.environment.to_string());
        let labels = [(LABEL_PROJECT, project.as_str()), (LABEL_SERVICE, service.as_str()), (LABEL_ENVIRONMENT, environment.as_str())];
        let mut all = Vec::new();
        let mut away = None;
        let mut there = Vec::new();
        for (machine, docker) in std::mem::take(&mut self.places) {
            match docker.list_where(self.context.instance(), &labels).await.map_err(Trouble::from) {
                Ok(seen) => {
                    all.extend(seen.into_iter().map(|seen| (machine.id, seen)));
                    there.push((machine, docker));
                }
                // What runs on a machine that is away is left as it is; the others are looked after.
                Err(trouble) => away = Some(trouble),
            }
        }
        self.places = there;
        match away {
            Some(trouble) if self.places.is_empty() => Err(trouble),
            _ => Ok(all),
        }
    }

    /// Writes down what is new. Whether there was something.
    async fn observe(&mut self, work: &Work, seen: &[(MachineId, ContainerSeen)], died: &Died) -> Result<bool, Trouble> {
        let mut news = false;
        // A hand is at it; what it does is news when it is done.
        self.crew.keep(died.iter().filter(|(task, _)| self.busy.contains(task)).map(|(task, exit)| (*task, *exit)).collect());
        let idle: Vec<&TaskWork> = work.tasks.iter().filter(|task| !self.busy.contains(&task.id)).collect();
        for task in idle {
            self.context.owners().insert(task.id, (task.machine, self.key));
            let Some((machine, docker)) = self.places.iter().find(|(machine, _)| machine.id == task.machine).cloned() else { continue };
            let container = find(seen, task);
            if died.contains_key(&task.id) {
                self.context.verified().remove(&task.id);
            }
            if self.secrets_lost(work, task, container, &docker).await? {
                news = true;
                continue;
            }
            match observe::need(task, container, died.contains_key(&task.id)) {
                Need::Nothing => {}
                Need::Lost => {
                    hands::lost(&self.context, task).await?;
                    news = true;
                }
                Need::Inspect => {
                    let id = container.map(|seen| seen.id.clone()).or_else(|| task.container.clone()).unwrap_or_default();
                    let network = crate::build::network_name(self.context.instance(), &work.project, &work.environment);
                    let failure = hands::look(&self.context, &docker, task, &id, &network, died.get(&task.id).copied()).await?;
                    let with_container = TaskWork { container: Some(id), ..task.clone() };
                    self.failed(work, &with_container, failure).await;
                    news = true;
                }
            }
            if let Some(health) = container.and_then(observe::health).filter(|health| *health != task.health) {
                work::task_health(&self.context.worker, task.id, health).await?;
                news = true;
            }
            if let (Some(revision), TaskState::Running) = (revision_of(work, task), task.state) {
                let (context, key) = (Arc::downgrade(&self.context), self.key);
                let bell = Arc::new(move |_| {
                    if let Some(context) = context.upgrade() {
                        context.crews.wake(key, None)
                    }
                });
                self.context.watches.begin(&self.context.worker, &machine, task, &revision.descriptor, bell);
            }
        }
        Ok(news)
    }

    /// Something else than Slipway started a task again, and with that emptied the memory in which its secret files were: it is ended, and
    /// another takes its place. Looked for once after each start.
    async fn secrets_lost(&mut self, work: &Work, task: &TaskWork, seen: Option<&ContainerSeen>, docker: &Docker) -> Result<bool, Trouble> {
        let Some(seen) = seen.filter(|seen| seen.status == Status::Running && task.state != TaskState::Stopping) else { return Ok(false) };
        let has = revision_of(work, task).is_some_and(|revision| has_secret_files(&revision.descriptor));
        if !has || self.context.verified().contains(&task.id) {
            return Ok(false);
        }
        if crate::parcel::has_secrets(docker, &seen.id).await? {
            self.context.verified().insert(task.id);
            return Ok(false);
        }
        let reason = Reason::new(
            "secrets_lost",
            "something else than Slipway started it again, without its secret files, which are in memory only; another takes its place",
        );
        let (context, with_container) = (Arc::clone(&self.context), TaskWork { container: Some(seen.id.clone()), ..task.clone() });
        hands::end(context, docker.clone(), with_container.clone(), Some(Duration::ZERO), Some(reason.clone()), false).await?;
        self.failed(work, &with_container, Some(reason)).await;
        Ok(true)
    }

    /// A task failed: the deployment that made it does, or the slot waits before the next try.
    async fn failed(&mut self, work: &Work, task: &TaskWork, failure: Option<Reason>) {
        let Some(reason) = failure else { return };
        match &work.deployment {
            // A run ends by what its tasks ended with; where one is made again, it waits like any other.
            _ if task.run.is_some() => {
                let now = self.context.worker.platform().now();
                self.context.backoff(self.key, |backoff| backoff.failed(task.slot, Duration::ZERO, now));
            }
            Some(deployment) if task.deployment == Some(deployment.id) => {
                let told = self.told(work, task, reason).await;
                self.failure.get_or_insert((deployment.id, told));
            }
            _ => self.slot_failed(work, task, &reason).await,
        }
    }

    /// A task failed by itself: its slot waits before the next try, and people are told what happened how often. What is on its way out says
    /// nothing about what should run: after a roll-back the tasks of the failed revision may fail on until their turn to end comes.
    async fn slot_failed(&mut self, work: &Work, task: &TaskWork, reason: &Reason) {
        if !is_wanted(work, task) {
            return;
        }
        let now = self.context.worker.platform().now();
        let served = task.healthy_at.map_or(Duration::ZERO, |since| now.since(task.started_at.map_or(since, |started| since.max(started))));
        let next = self.context.backoff(self.key, |backoff| backoff.failed(task.slot, served, now));
        let filter = Filter::of(&self.context.worker, task).await;
        let lines = self.last_lines(task, &filter).await;
        let failure = work::SlotFailure { slot: task.slot, reason: filter.ours(reason), lines, next };
        if let Err(error) = work::slot_failed(&self.context.worker, self.key, &failure).await {
            tracing::warn!(%error, "a failure of a task was not written down");
        }
    }

    /// The last lines that a task wrote, without the secrets that it got.
    pub(crate) async fn last_lines(&self, task: &TaskWork, filter: &Filter) -> String {
        let (Some(container), Some(docker)) = (&task.container, self.docker(task.machine)) else { return String::new() };
        filter.last_lines(&docker, container).await
    }

    /// Moves the deployment on and carries out what is to be done.
    async fn act(&mut self, work: &Work, seen: &[(MachineId, ContainerSeen)]) -> Result<Next, Trouble> {
        let mut target = work.target();
        if let Some(deployment) = &work.deployment {
            if !self.prepare(work.project_id, deployment).await? {
                // The image is on its way; what runs now is looked after meanwhile.
                target = work.settled();
            }
        } else {
            self.end_pull();
        }
        let leftovers = work::leftovers_of(&self.context.worker, self.key).await?;
        if let Some(next) = self.tend_job(work, target.as_ref(), seen, &leftovers).await? {
            return Ok(next);
        }
        let tasks = self.tasks(work, target.as_ref(), seen, &leftovers);
        let mut wait = match &target {
            Some(target) => self.settle(work, target, &tasks).await?,
            None => None,
        };
        if wait == Some(Duration::ZERO) {
            return Ok(Next::Wait(wait));
        }
        let wanted = self.wanted(work, target.as_ref(), &leftovers);
        // What a hand is at may be removed, with its record, while it is still in the list.
        let containers = seen.iter().map(|(_, seen)| picture::container(seen)).filter(|seen| seen.task.is_none_or(|task| !self.busy.contains(&task)));
        let containers: Vec<Container> = containers.collect();
        let mut actions = plan::plan(&wanted, self.context.instance(), &tasks, &containers);
        let halted = work.halted && work.deployment.is_none();
        if halted && target.is_some() {
            picture::stand_still(&mut actions, &wanted, &tasks);
        }
        for action in actions {
            self.carry_out(&action, work, target.as_ref(), seen, &leftovers).await?;
        }
        if !halted {
            self.replace_unhealthy(work).await;
            self.heal(work).await?;
        }
        let now = self.context.worker.platform().now();
        let held = self.context.backoff(self.key, |backoff| backoff.next(now));
        let unsettled = tasks.iter().any(|task| task.life == Life::Starting).then(|| self.next_settled(work, target.as_ref())).flatten();
        wait = [wait, held, unsettled].into_iter().flatten().min();
        let unfinished = work.deployment.is_some();
        Ok(if unfinished || wait.is_some() { Next::Wait(wait) } else { Next::Rest })
    }
}

/// A task's container: by the id that was recorded, or by its name where none was yet.
fn find<'a>(seen: &'a [(MachineId, ContainerSeen)], task: &TaskWork) -> Option<&'a ContainerSeen> {
    let own = |seen: &&(MachineId, ContainerSeen)| match &task.container {
        Some(container) => seen.1.id == *container,
        None => ours::task(&seen.1) == Some(task.id),
    };
    seen.iter().find(own).map(|(_, seen)| seen)
}

/// Whether a task is of what should run, or is left where a rollout stopped. Those that are being replaced hold up nothing that replaces them.
fn is_wanted(work: &Work, task: &TaskWork) -> bool {
    let rolling = work.deployment.as_ref().is_some_and(|deployment| deployment.state == DeploymentState::Rolling);
    work.halted || [work.target(), work.settled().filter(|_| !rolling)].into_iter().flatten().any(|target| target.fits(task))
}

/// The revision that a task was made from, as far as it is at hand: another one's tasks are only ended.
fn revision_of<'a>(work: &'a Work, task: &TaskWork) -> Option<&'a work::RevisionWork> {
    let next = work.deployment.as_ref().map(|deployment| &deployment.revision);
    [work.revision.as_ref(), next, work.run.as_ref().map(|run| &run.revision)]
        .into_iter()
        .flatten()
        .find(|revision| revision.id == task.revision || revision.spec == task.spec)
}

/// A hand that was aborted did nothing; one that panicked is a fault of ours, and takes the portal down.
fn panicked(error: tokio::task::JoinError) -> Handed {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Handed::Swept(Ok(())),
    }
}

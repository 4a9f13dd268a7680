//! The work on one key: a service in an environment. Looks at what is wanted, recorded and seen, writes the news down, moves an unfinished
//! deployment on, asks the plan, carries it out, and waits for news; until nothing is left to do.
//!
//! One at a time for each key ([`crate::crew`]). It keeps nothing that a later look could not find again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::deployments::work::{self, Leftover, NewTask, TaskWork, Work, WorkKey};
use domain::machines::Machine;
use model::descriptor::{RestartPolicy, UpdateOrder};
use model::ids::{DeploymentId, MachineId, TaskId};
use model::views::deployments::Reason;
use model::views::services::{TaskHealth, TaskState};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::build::{LABEL_ENVIRONMENT, LABEL_PROJECT, LABEL_SERVICE, LABEL_TASK};
use crate::context::Context;
use crate::crew::{Crew, Died};
use crate::docker::{ContainerSeen, Docker, LABEL_INSTANCE};
use crate::hands::{self, Order};
use crate::observe::{self, Need};
use crate::plan::{self, Action, Container, Life, Mode, Task, Wanted};
use crate::rollout;
use crate::trouble::Trouble;

/// Wait after the record could not be read or written.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Wait before an engine that is away is asked again; its return is told by the bell, this is the net.
const AWAY_RETRY: Duration = Duration::from_secs(5);
/// How long the container of a failed task is kept for its log.
const KEEP: Duration = Duration::from_secs(24 * 3_600);

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
            match observe::need(task, container, died.contains_key(&task.id)) {
                Need::Nothing => {}
                Need::Lost => {
                    hands::lost(&self.context, task).await?;
                    news = true;
                }
                Need::Inspect => {
                    let id = container.map(|seen| seen.id.clone()).or_else(|| task.container.clone()).unwrap_or_default();
                    let network = crate::build::network_order(self.context.instance(), &work.project, &work.environment, "").name;
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
                let bell = Arc::new(move |_| if let Some(context) = context.upgrade() { context.crews.wake(key, None) });
                self.context.watches.begin(&self.context.worker, &machine, task, &revision.descriptor, bell);
            }
        }
        Ok(news)
    }

    /// A task failed: the deployment that made it does, or the slot waits before the next try.
    async fn failed(&mut self, work: &Work, task: &TaskWork, failure: Option<Reason>) {
        let Some(reason) = failure else { return };
        match &work.deployment {
            Some(deployment) if task.deployment == Some(deployment.id) => {
                let told = self.told(work, task, reason).await;
                self.failure.get_or_insert((deployment.id, told));
            }
            _ => {
                let now = self.context.worker.platform().now();
                self.context.backoff(self.key, |backoff| backoff.failed(task.slot, now));
            }
        }
    }

    /// Moves the deployment on and carries out what is to be done.
    async fn act(&mut self, work: &Work, seen: &[(MachineId, ContainerSeen)]) -> Result<Next, Trouble> {
        let mut target = work.target();
        if let Some(deployment) = &work.deployment {
            if !self.prepare(deployment).await? {
                // The image is on its way; what runs now is looked after meanwhile.
                target = work.settled();
            }
        } else {
            self.end_pull();
        }
        let leftovers = work::leftovers_of(&self.context.worker, self.key).await?;
        let tasks = self.tasks(work, target.as_ref(), seen, &leftovers);
        let mut wait = match &target {
            Some(target) => self.settle(work, target, &tasks).await?,
            None => None,
        };
        if wait == Some(Duration::ZERO) {
            return Ok(Next::Wait(wait));
        }
        let wanted = self.wanted(work, target.as_ref(), &leftovers);
        let containers: Vec<Container> = seen.iter().map(|(_, seen)| container(seen)).collect();
        for action in plan::plan(&wanted, self.context.instance(), &tasks, &containers) {
            self.carry_out(&action, work, target.as_ref(), seen, &leftovers).await?;
        }
        self.replace_unhealthy(work);
        let now = self.context.worker.platform().now();
        let held = self.context.backoff(self.key, |backoff| backoff.next(now));
        let unsettled = tasks.iter().any(|task| task.life == Life::Starting).then(|| self.next_settled(work, target.as_ref())).flatten();
        wait = [wait, held, unsettled].into_iter().flatten().min();
        let unfinished = work.deployment.is_some();
        Ok(if unfinished || wait.is_some() { Next::Wait(wait) } else { Next::Rest })
    }

    /// What should be, in the plan's words.
    fn wanted(&self, work: &Work, target: Option<&work::Target<'_>>, leftovers: &[Leftover]) -> Wanted {
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
    fn tasks(&self, work: &Work, target: Option<&work::Target<'_>>, seen: &[(MachineId, ContainerSeen)], leftovers: &[Leftover]) -> Vec<Task> {
        let now = self.context.worker.platform().now();
        let settling = settling(target);
        let mut tasks = Vec::with_capacity(work.tasks.len() + leftovers.len());
        for task in &work.tasks {
            let away = !self.places.iter().any(|(machine, _)| machine.id == task.machine);
            let recorded = life(task, now, settling);
            let container = find(seen, task);
            let busy = self.busy.contains(&task.id) || away;
            let life = if busy || (container.is_none() && task.container.is_none()) { recorded } else { plan::life(recorded, container.map(|seen| seen.status)) };
            if life == Life::Ready && let Some(since) = task.healthy_at {
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
    fn next_settled(&self, work: &Work, target: Option<&work::Target<'_>>) -> Option<Duration> {
        let now = self.context.worker.platform().now();
        let settling = settling(target);
        let unchecked = work.tasks.iter().filter(|task| task.state == TaskState::Running && task.health == TaskHealth::None);
        unchecked.filter_map(|task| settling.checked_sub(now.since(task.started_at?))).filter(|left| !left.is_zero()).min()
    }

    /// A task that became unhealthy after its rollout is replaced; a few at a time, as in an update.
    fn replace_unhealthy(&mut self, work: &Work) {
        if work.deployment.is_some() {
            return;
        }
        let Some(revision) = &work.revision else { return };
        let most = revision.descriptor.update.parallelism.max(1) as usize;
        let under_way = work.tasks.iter().filter(|task| task.state != TaskState::Running).count();
        let unhealthy = work.tasks.iter().filter(|task| task.state == TaskState::Running && task.health == TaskHealth::Unhealthy);
        let unhealthy: Vec<TaskWork> = unhealthy.filter(|task| !self.busy.contains(&task.id)).take(most.saturating_sub(under_way)).cloned().collect();
        let now = self.context.worker.platform().now();
        for task in unhealthy {
            let found = self.context.watches.finding(task.id).unwrap_or_else(|| "its health check failed".to_owned());
            self.context.backoff(self.key, |backoff| backoff.failed(task.slot, now));
            self.end(work, task, Some(Reason::new("unhealthy", format!("it was replaced: {found}"))), true);
        }
    }

    async fn carry_out(
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
                    self.make(work, target, i64::from(*slot) + 1).await?;
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
    async fn make(&mut self, work: &Work, target: &work::Target<'_>, slot: i64) -> Result<(), Trouble> {
        let mut load: BTreeMap<MachineId, usize> = self.places.iter().map(|(machine, _)| (machine.id, 0)).collect();
        for task in &work.tasks {
            load.entry(task.machine).and_modify(|count| *count += 1);
        }
        let Some((machine, _)) = self.places.iter().min_by_key(|(machine, _)| load.get(&machine.id).copied()) else { return Ok(()) };
        let new = NewTask { key: self.key, revision: target.revision, deployment: target.deployment.map(|deployment| deployment.id), machine, slot };
        match work::create_task(&self.context.worker, &new).await.map_err(Trouble::from) {
            Ok(task) => {
                self.context.owners().insert(task.id, (task.machine, self.key));
                self.begin(work, target.revision, task);
                Ok(())
            }
            Err(Trouble::Reason(reason)) => {
                let now = self.context.worker.platform().now();
                match target.deployment {
                    Some(deployment) => {
                        let told = Reason::new(reason.code, format!("{}.{slot}: {}", work.service, reason.message));
                        self.failure.get_or_insert((deployment.id, told));
                        self.context.crews.wake(self.key, None);
                    }
                    None => self.context.backoff(self.key, |backoff| backoff.failed(slot, now)),
                }
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn begin(&mut self, work: &Work, revision: &work::RevisionWork, task: TaskWork) {
        let Some((machine, docker)) = self.places.iter().find(|(machine, _)| machine.id == task.machine) else { return };
        self.busy.insert(task.id);
        let order = Order::new(&self.context, docker, machine, work, revision, task.clone());
        self.hands.spawn(async move { Handed::Began(Box::new(task), hands::begin(order).await) });
    }

    fn end(&mut self, work: &Work, task: TaskWork, failed: Option<Reason>, keep: bool) {
        let Some(docker) = self.docker(task.machine) else { return };
        self.busy.insert(task.id);
        let grace = revision_of(work, &task).map_or(Duration::from_secs(10), |revision| revision.descriptor.stop.grace.duration());
        let (context, id) = (Arc::clone(&self.context), task.id);
        self.hands.spawn(async move { Handed::Ended(id, hands::end(context, docker, task, grace, failed, keep).await) });
    }

    fn remove(&mut self, left: &Leftover) {
        let Some(docker) = self.docker(left.machine) else { return };
        self.busy.insert(left.task);
        let (context, id, container) = (Arc::clone(&self.context), left.task, left.container.clone());
        self.hands.spawn(async move { Handed::Ended(id, hands::remove(context, docker, id, container).await) });
    }

    fn sweep(&mut self, machine: MachineId, container: &str) {
        let Some(docker) = self.docker(machine) else { return };
        if !self.sweeping.insert(container.to_owned()) {
            return;
        }
        tracing::warn!(container, "a container of ours that belongs to no task is removed");
        let container = container.to_owned();
        self.hands.spawn(async move { Handed::Swept(docker.remove(&container).await.map_err(Trouble::from)) });
    }

    /// Takes in what a hand did.
    async fn take(&mut self, handed: Handed) {
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
                    Ok(()) => work::advance(&self.context.worker, id, model::views::deployments::DeploymentState::Rolling, None).await.err().map(Trouble::from),
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
    async fn did_not_start(&mut self, task: TaskWork, reason: Reason) -> Option<Trouble> {
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
    async fn troubled(&mut self, trouble: Trouble) -> Option<Duration> {
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
                let waited = if since.elapsed() >= rollout::AWAY_LIMIT { self.blame(rollout::away(&message)).await } else { self.tell_waiting(&message).await };
                waited.then_some(AWAY_RETRY)
            }
        }
    }

    /// Ends the unfinished deployment for this reason. Whether there is one.
    async fn blame(&mut self, reason: Reason) -> bool {
        let Ok(Some(work)) = work::load(&self.context.worker, self.key).await else { return true };
        let Some(deployment) = &work.deployment else { return false };
        if let Err(Trouble::Store(error)) = self.fail(&work, deployment, reason).await {
            tracing::warn!(%error, "a deployment's end could not be recorded; tried again");
        }
        true
    }

    /// Says on the unfinished deployment what it waits for. Whether there is one.
    async fn tell_waiting(&mut self, message: &str) -> bool {
        let Ok(Some(work)) = work::load(&self.context.worker, self.key).await else { return true };
        let Some(deployment) = &work.deployment else { return false };
        let done = usize::try_from(deployment.progress.tasks.done).unwrap_or_default();
        let note = format!("waiting for the engine: {message}");
        if let Err(Trouble::Store(error)) = self.record_progress(deployment, done, Some(note)).await {
            tracing::debug!(%error, "a deployment's progress was not recorded");
        }
        true
    }
}

/// Whether the container of a task that ended is kept to be looked into: of what failed for a day, or as long as its slot stays empty
/// for it; of what was stopped until it is started again. A new deployment clears the table.
fn worth_keeping(target: Option<&work::Target<'_>>, left: &Leftover, now: model::time::Millis) -> bool {
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

/// A task's container: by the id that was recorded, or by the label where none was yet.
fn find<'a>(seen: &'a [(MachineId, ContainerSeen)], task: &TaskWork) -> Option<&'a ContainerSeen> {
    let id = task.id.to_string();
    let own = |seen: &&(MachineId, ContainerSeen)| match &task.container {
        Some(container) => seen.1.id == *container,
        None => seen.1.label(LABEL_TASK) == Some(&id),
    };
    seen.iter().find(own).map(|(_, seen)| seen)
}

/// What is recorded of a task, as a life.
fn life(task: &TaskWork, now: model::time::Millis, settling: Duration) -> Life {
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

fn container(seen: &ContainerSeen) -> Container {
    Container {
        id: seen.id.clone(),
        instance: seen.label(LABEL_INSTANCE).map(str::to_owned),
        task: seen.label(LABEL_TASK).and_then(|text| text.parse().ok()),
    }
}

/// The revision that a task was made from, as far as it is at hand: another one's tasks are only ended.
fn revision_of<'a>(work: &'a Work, task: &TaskWork) -> Option<&'a work::RevisionWork> {
    let next = work.deployment.as_ref().map(|deployment| &deployment.revision);
    [work.revision.as_ref(), next].into_iter().flatten().find(|revision| revision.id == task.revision || revision.spec == task.spec)
}

/// A hand that was aborted did nothing; one that panicked is a fault of ours, and takes the portal down.
fn panicked(error: tokio::task::JoinError) -> Handed {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Handed::Swept(Ok(())),
    }
}

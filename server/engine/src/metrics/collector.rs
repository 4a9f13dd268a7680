//! One machine's collector, and its turn.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Added, Key, Metric, Sample, Value};
use domain::machines::Machine;
use domain::metrics::work::{self, Running};
use domain::{Topic, Worker};
use model::ids::{MachineId, TaskId};
use model::time::Millis;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::engine::Engine;
use super::groups::Unreadable;
use super::kills::{self, Count, Kept};
use super::local::{Found, Local, Now, Opening, Order};
use super::scrape::Scrapes;
use super::usage::Usage;
use super::{still_standing, times};
use crate::context::Context;
use crate::docker::{Address, Docker, Process};

/// How many containers an engine is asked about at once.
const AT_ONCE: usize = 8;
/// What the store refuses is said in the log no more often than that.
const SAY_AGAIN: Duration = Duration::from_secs(600);
/// The list of tasks is read anew after so long, whatever was told.
const LIST: Duration = Duration::from_secs(60);

/// How a task's container is read.
struct Source {
    container: String,
    started: Option<Millis>,
    /// Through the engine: what it said of how the container is confined; none: from files.
    engine: Option<Process>,
}

/// Samples one machine. Kept from one turn to the next.
pub(crate) struct Collector {
    context: Arc<Context>,
    machine: MachineId,
    step: Duration,
    changes: broadcast::Receiver<Topic>,
    listed: Option<Instant>,
    tasks: Vec<Running>,
    /// Their ids.
    ids: HashSet<TaskId>,
    sources: HashMap<TaskId, Source>,
    kills: HashMap<TaskId, Count>,
    /// What was counted of tasks that were not seen yet since the portal was started.
    kept: HashMap<TaskId, Kept>,
    /// Tasks that ended since the last turn and were killed for want of memory: their last samples.
    farewell: Vec<Sample>,
    local: Option<Local>,
    engine: Engine,
    scrapes: Scrapes,
    /// Why the kernel's files of its containers cannot be read, as it was said in the log.
    said: Option<Unreadable>,
    /// When it was said in the log that the store refused something.
    said_refused: Option<Instant>,
}

impl Collector {
    pub(crate) fn new(context: &Arc<Context>, machine: MachineId, step: Duration) -> Self {
        let platform = context.worker.platform();
        let kept = platform.metrics().map(|store| kills::kept(&store.latest(0))).unwrap_or_default();
        Self {
            context: Arc::clone(context),
            machine,
            step,
            changes: platform.live(),
            listed: None,
            tasks: Vec::new(),
            ids: HashSet::new(),
            sources: HashMap::new(),
            kills: HashMap::new(),
            kept,
            farewell: Vec::new(),
            local: Some(Local::new(work::data_folder(&context.worker))),
            engine: Engine::new(),
            scrapes: Scrapes::new(step),
            said: None,
            said_refused: None,
        }
    }

    /// Whose it is.
    pub(crate) fn machine(&self) -> MachineId {
        self.machine
    }

    /// One turn. It ends before the next is due, unless the disk or the database is slow. What can be read at once is, before anything is waited for.
    pub(crate) async fn turn(mut self, machine: Machine, docker: Docker) -> Self {
        let (context, away) = (Arc::clone(&self.context), self.context.machines.away(machine.id));
        let here = matches!(docker.address(), Address::Unix(_));
        let mut found = self.read(here).await;
        self.hear(&context.worker).await;
        self.engine.turn(&docker, away);
        self.engine.keep_volumes(&context.worker, &machine).await;
        self.scrapes.begin(&context.worker, &machine, &self.tasks).await;
        if !away {
            let open = self.look(&docker, here).await;
            self.open(open, &mut found).await;
            self.ask(&docker, &mut found).await;
        }
        self.explain(&found, &machine);
        self.scrapes.wait(&context.worker).await;
        let turn = times::together(self.samples(found), self.step);
        match work::add(&context.worker, turn).await {
            Ok(added) => self.tell(&added, &machine),
            Err(error) => tracing::warn!(machine = %machine.name, %error, "samples could not be kept; there is a gap"),
        }
        self
    }

    /// Says now and then that the store refused something, and whose most of it is.
    fn tell(&mut self, added: &Added, machine: &Machine) {
        let Some((key, _)) = added.of.iter().max_by_key(|(_, refused)| *refused) else { return };
        if self.said_refused.is_some_and(|at| at.elapsed() < SAY_AGAIN) {
            return;
        }
        self.said_refused = Some(Instant::now());
        let of = match key {
            Key::Service { service, environment, .. } => format!("service {service} in environment {environment}"),
            Key::Machine(_) => "the machine itself".to_owned(),
        };
        tracing::warn!(machine = %machine.name, refused = added.refused, "samples are refused, most of them of {of}: too many series in an hour, or too long labels");
    }

    /// Takes in what was told since the last turn, and reads the list of tasks where it may have changed.
    async fn hear(&mut self, worker: &Worker) {
        for (task, more) in self.context.kills.take(self.machine) {
            self.kills.entry(task).or_default().tell(more);
        }
        let mut changed = self.listed.is_none_or(|at| at.elapsed() > LIST);
        loop {
            match self.changes.try_recv() {
                Ok(Topic::Service(_)) | Err(TryRecvError::Lagged(_)) => changed = true,
                Ok(_) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if !changed {
            return;
        }
        match work::running(worker, self.machine).await {
            Ok(tasks) => self.list(tasks),
            Err(error) => tracing::warn!(%error, "the tasks to be sampled could not be read; those of before are"),
        }
    }

    fn list(&mut self, tasks: Vec<Running>) {
        self.listed = Some(Instant::now());
        self.ids = tasks.iter().map(|task| task.member.task).collect();
        let before = std::mem::replace(&mut self.tasks, tasks);
        for task in before.iter().filter(|task| !self.ids.contains(&task.member.task)) {
            let kills = self.kills.get(&task.member.task).copied().unwrap_or_default().sum();
            if kills > 0 {
                let values = vec![Value::new(Metric::OomKills, kills as f64)];
                self.farewell.push(Sample { key: task.key, member: Some(task.member), values });
            }
        }
        let ids = &self.ids;
        self.kills.retain(|task, _| ids.contains(task));
        for task in &self.tasks {
            if let Some(kept) = self.kept.remove(&task.member.task) {
                self.kills.entry(task.member.task).or_default().resume(kept, task.started);
            }
        }
    }

    /// Asks the engine for the first processes of containers that are new, or were started anew: those whose files may be here.
    async fn look(&mut self, docker: &Docker, here: bool) -> Vec<Opening> {
        let fresh = |task: &&Running| {
            let known = self.sources.get(&task.member.task);
            known.is_none_or(|source| source.container != task.container || source.started != task.started)
        };
        let questions = self.tasks.iter().filter(fresh).map(|task| {
            let (docker, container) = (docker.clone(), task.container.clone());
            ((task.member.task, task.started, task.container.clone()), async move { docker.process(&container).await })
        });
        let questions: Vec<_> = questions.collect();
        let mut open = Vec::new();
        for ((task, started, container), answer) in ask_all(questions, self.limit()).await {
            let process = match answer {
                Ok(process) => process,
                Err(error) => {
                    tracing::debug!(%task, %error, "the engine did not tell a container's process");
                    continue;
                }
            };
            let Some(pid) = process.pid else { continue };
            if here {
                open.push(Opening { task, container: container.clone(), pid, own_net: process.own_net });
            }
            self.sources.insert(task, Source { container, started, engine: Some(process) });
        }
        open
    }

    /// Reads the kernel's files that are open already.
    async fn read(&mut self, here: bool) -> Found {
        let close: Vec<TaskId> = self.sources.keys().filter(|task| !self.ids.contains(*task)).copied().collect();
        close.iter().for_each(|task| drop(self.sources.remove(task)));
        let overview = self.engine.overview().filter(|_| here);
        let order = Order {
            close,
            engine: overview.map(|overview| (overview.kernel.clone(), overview.memory)),
            root: overview.map(|overview| overview.root.clone()),
        };
        self.locally(move |local, now| local.turn(&order, now)).await
    }

    /// Opens the files of containers that are new, and reads them.
    async fn open(&mut self, open: Vec<Opening>, found: &mut Found) {
        if open.is_empty() {
            return;
        }
        let opened = self.locally(move |local, now| local.open(&open, now)).await;
        // They are read from files from now on.
        for task in opened.usages.keys() {
            if let Some(source) = self.sources.get_mut(task) {
                source.engine = None;
            }
        }
        found.usages.extend(opened.usages);
        found.unreadable.extend(opened.unreadable);
    }

    /// Does something with the kernel's files on a thread. What is gone is looked for again.
    async fn locally(&mut self, work: impl FnOnce(&mut Local, Now<'_>) -> Found + Send + 'static) -> Found {
        let Some(mut local) = self.local.take() else { return Found::default() };
        let platform = self.context.worker.platform().clone();
        let work = move || {
            let found = work(&mut local, &|| platform.now());
            (local, found)
        };
        let Some((local, mut found)) = still_standing(tokio::task::spawn_blocking(work).await) else { return Found::default() };
        self.local = Some(local);
        for task in found.gone.drain(..) {
            self.sources.remove(&task);
        }
        found
    }

    /// Says once why containers are not read from files.
    fn explain(&mut self, found: &Found, machine: &Machine) {
        // One that the engine knows nothing of either has just ended.
        let why = found.unreadable.iter().find(|(task, _)| found.usages.contains_key(task)).map(|(_, why)| *why);
        if let Some(why) = why.filter(|why| self.said != Some(*why)) {
            tracing::info!(machine = %machine.name, "what containers use is asked of the engine, which costs it more: {why}");
            self.said = Some(why);
        }
    }

    /// Asks the engine about the containers that cannot be read here.
    async fn ask(&mut self, docker: &Docker, found: &mut Found) {
        let (limit, platform) = (self.limit(), self.context.worker.platform());
        let asked = self.sources.iter().filter_map(|(task, source)| {
            let process = source.engine.clone()?;
            let (docker, container, platform) = (docker.clone(), source.container.clone(), platform.clone());
            let question = async move {
                let asked = platform.now();
                let mut usage = docker.usage(&container, limit).await?;
                usage.at = Some(times::of_answer(asked, usage.at, platform.now()));
                usage.limits.cpus = process.cpus;
                Ok::<Usage, crate::docker::EngineError>(usage)
            };
            Some((*task, question))
        });
        let asked: Vec<_> = asked.collect();
        let known = self.engine.overview().is_some();
        for (task, answer) in ask_all(asked, limit).await {
            match answer {
                Ok(mut usage) => {
                    // To be without a limit is told as a limit of all that the machine has, and how much that is comes later.
                    usage.limits.memory = usage.limits.memory.filter(|_| known);
                    found.usages.insert(task, usage);
                }
                // It may have been made anew, and something else may be known of it then.
                Err(error) => {
                    tracing::debug!(%task, %error, "the engine did not tell what a container uses");
                    self.sources.remove(&task);
                }
            }
        }
    }

    /// How long engines are waited for in a turn.
    fn limit(&self) -> Duration {
        self.step.mul_f64(0.4).max(Duration::from_millis(500))
    }

    /// What was found, as samples, and when each was read.
    fn samples(&mut self, mut found: Found) -> Vec<(Millis, Sample)> {
        let now = self.context.worker.platform().now();
        let memory = self.engine.overview().map_or(0, |overview| overview.memory);
        let mut samples: Vec<(Millis, Sample)> = self.farewell.drain(..).map(|sample| (now, sample)).collect();
        for task in &self.tasks {
            let id = task.member.task;
            let sample = |values| Sample { key: task.key, member: Some(task.member), values };
            if let Some(mut usage) = found.usages.remove(&id) {
                let kills = self.kills.entry(id).or_default();
                kills.see(usage.oom_kills);
                usage.oom_kills = Some(kills.sum());
                let mut values = usage.values(memory);
                values.push(Value::new(Metric::Restarts, task.restarts as f64));
                values.extend(task.started.map(|at| Value::new(Metric::Started, kills::started(at))));
                samples.push((usage.at.unwrap_or(now), sample(values)));
            }
            samples.extend(self.scrapes.take(id).map(|(at, values)| (at, sample(values))));
        }
        let own = !found.machine.is_empty();
        let mut values = found.machine;
        values.extend(self.engine.values(own));
        if !values.is_empty() {
            samples.push((found.machine_at.unwrap_or(now), Sample { key: Key::Machine(self.machine), member: None, values }));
        }
        samples
    }
}

/// Asks many things, some of them at once, and for no longer than the limit: what has not come by then is missing.
async fn ask_all<K, T, F>(questions: Vec<(K, F)>, limit: Duration) -> Vec<(K, T)>
where
    K: Send + 'static,
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut answers = Vec::with_capacity(questions.len());
    if questions.is_empty() {
        return answers;
    }
    let mut waiting = questions.into_iter();
    let all = async {
        let mut asked = JoinSet::new();
        loop {
            while asked.len() < AT_ONCE
                && let Some((key, question)) = waiting.next()
            {
                asked.spawn(async move { (key, question.await) });
            }
            match asked.join_next().await {
                Some(done) => answers.extend(still_standing(done)),
                None => return,
            }
        }
    };
    // What is late is given up with the set that holds it.
    let _ = tokio::time::timeout(limit, all).await;
    answers
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_does_not_answer_keeps_nobody_waiting() {
        let questions = (0..20).map(|number| {
            (number, async move {
                if number == 3 {
                    std::future::pending::<()>().await;
                }
                number * 2
            })
        });
        let mut answers = ask_all(questions.collect(), Duration::from_secs(2)).await;
        answers.sort_unstable();
        let expected: Vec<(i32, i32)> = (0..20).filter(|number| *number != 3).map(|number| (number, number * 2)).collect();
        assert_eq!(answers, expected);
    }

    #[tokio::test]
    async fn not_too_many_are_asked_at_once() {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let questions = (0..50).map(|number| {
            (number, async move {
                MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                NOW.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let answers: Vec<(i32, ())> = ask_all(questions.collect(), Duration::from_secs(60)).await;
        assert_eq!((answers.len(), MOST.load(Ordering::SeqCst)), (50, AT_ONCE));
    }
}

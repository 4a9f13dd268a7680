//! Watching the health of running tasks whose check Slipway makes itself: one small loop for each, which records changes and nothing else.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use domain::Worker;
use domain::deployments::work::{self, TaskWork};
use domain::machines::Machine;
use model::descriptor::{self, Descriptor};
use model::ids::TaskId;
use model::time::Millis;
use model::views::services::{TaskHealth, TaskState};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::probe::{Found, Prober, Rules, Tally, Target, Verdict, What};

/// Called with a task whose health changed.
type Bell = Arc<dyn Fn(TaskId) + Send + Sync>;

/// All watches. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Watches {
    prober: Prober,
    running: Arc<Mutex<HashMap<TaskId, Watch>>>,
}

struct Watch {
    /// The start that it watches; a task that the engine started again is watched anew.
    started: Millis,
    last: Arc<Mutex<Option<Found>>>,
    handle: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Watches {
    pub(crate) fn new(prober: Prober) -> Self {
        Self { prober, running: Arc::default() }
    }

    /// Watches a task that runs, if its check is ours to make and nobody does yet.
    pub(crate) fn begin(&self, worker: &Worker, machine: &Machine, task: &TaskWork, descriptor: &Descriptor, bell: Bell) {
        let (Some(plan), Some(started), TaskState::Running) = (Plan::of(machine, task, descriptor), task.started_at, task.state) else {
            return;
        };
        let mut running = self.running.lock().expect("no code panics while it holds this lock");
        if running.get(&task.id).is_some_and(|watch| watch.started == started) {
            return;
        }
        let last: Arc<Mutex<Option<Found>>> = Arc::default();
        let work = watch(self.prober.clone(), worker.clone(), plan, task.clone(), Arc::clone(&last), bell);
        running.insert(task.id, Watch { started, last, handle: tokio::spawn(work).abort_handle() });
    }

    /// Ends a watch, if there is one.
    pub(crate) fn end(&self, task: TaskId) {
        self.running.lock().expect("no code panics while it holds this lock").remove(&task);
    }

    /// What the last probe of a task found.
    pub(crate) fn finding(&self, task: TaskId) -> Option<String> {
        let running = self.running.lock().expect("no code panics while it holds this lock");
        let last = running.get(&task)?.last.lock().expect("no code panics while it holds this lock");
        last.as_ref().map(|found| found.reason.clone())
    }

    /// Ends all.
    pub(crate) fn clear(&self) {
        self.running.lock().expect("no code panics while it holds this lock").clear();
    }
}

/// What is tried, where, and how often.
struct Plan {
    what: What,
    target: Target,
    rules: Rules,
}

impl Plan {
    fn of(machine: &Machine, task: &TaskWork, descriptor: &Descriptor) -> Option<Self> {
        let health = descriptor.health.as_ref()?;
        let (what, port) = match &health.probe {
            descriptor::Probe::Http { port, path } => (What::Http { path: path.clone() }, *port),
            descriptor::Probe::Tcp { port } => (What::Tcp, *port),
            descriptor::Probe::Command(_) => return None,
        };
        let container: Option<IpAddr> = task.address.as_deref().and_then(|text| text.parse().ok());
        let published = task.ports.iter().find(|held| held.container == port && held.protocol == descriptor::Protocol::Tcp);
        let published = published.and_then(|held| Some(SocketAddr::new(reachable(machine)?, held.host)));
        // The networks of an engine on another machine are not ours, even where their numbers are.
        let direct = container.map(|ip| SocketAddr::new(ip, port)).filter(|_| machine.engine.starts_with("unix:") || published.is_none());
        let rules = Rules {
            interval: health.interval.duration(),
            timeout: health.timeout.duration(),
            retries: health.retries,
            start_period: health.start_period.duration(),
        };
        Some(Self { what, target: Target::new(direct, published), rules })
    }
}

/// Where published ports of a machine are reached from here.
fn reachable(machine: &Machine) -> Option<IpAddr> {
    let published: IpAddr = machine.publish_address.parse().ok()?;
    if published.is_unspecified() { machine.host.parse().ok().or(Some(IpAddr::from([127, 0, 0, 1]))) } else { Some(published) }
}

async fn watch(prober: Prober, worker: Worker, plan: Plan, task: TaskWork, last: Arc<Mutex<Option<Found>>>, bell: Bell) {
    let now = Instant::now();
    let mut recorded = task.health;
    let mut tally = if recorded == TaskHealth::Healthy {
        Tally::healthy(plan.rules, now)
    } else {
        // The start period began when the program did, not when this portal did.
        let running = worker.platform().now().since(task.started_at.unwrap_or(task.created_at));
        Tally::new(plan.rules, now.checked_sub(running).unwrap_or(now))
    };
    loop {
        let found = prober.probe(&plan.what, &plan.target, plan.rules.timeout).await;
        let verdict = tally.take(found.passed, Instant::now());
        *last.lock().expect("no code panics while it holds this lock") = Some(found);
        let health = match verdict {
            Verdict::Starting => TaskHealth::Starting,
            Verdict::Healthy => TaskHealth::Healthy,
            Verdict::Unhealthy => TaskHealth::Unhealthy,
        };
        if health != recorded {
            match work::task_health(&worker, task.id, health).await {
                Ok(()) => {
                    recorded = health;
                    bell(task.id);
                }
                Err(error) => tracing::warn!(task = %task.id, %error, "a task's health could not be recorded; tried again"),
            }
        }
        tokio::time::sleep(tally.pause()).await;
    }
}

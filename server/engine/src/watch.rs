//! Watching the health of running tasks whose check Slipway makes itself: one small loop for each, which records changes and nothing else.

use std::collections::HashMap;
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

use crate::printed::Filter;
use crate::probe::{Found, Prober, Rules, Tally, Target, Verdict, What};
use crate::way::Way;

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
#[derive(Debug)]
struct Plan {
    what: What,
    way: Way,
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
        let published = task.ports.iter().find(|held| held.container == port && held.protocol == descriptor::Protocol::Tcp);
        let way = Way::of(machine, task.address.as_deref(), port, published.map(|held| held.host));
        let rules = Rules {
            interval: health.interval.duration(),
            timeout: health.timeout.duration(),
            retries: health.retries,
            start_period: health.start_period.duration(),
        };
        Some(Self { what, way, rules })
    }

    async fn target(&self) -> Result<Target, Found> {
        self.way.target(self.rules.timeout).await.map_err(|reason| Found { passed: false, reason })
    }
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
    let mut target = plan.target().await;
    loop {
        if target.is_err() {
            target = plan.target().await;
        }
        let found = match &target {
            Ok(target) => prober.probe(&plan.what, target, plan.rules.timeout).await,
            Err(found) => found.clone(),
        };
        let verdict = tally.take(found.passed, Instant::now());
        let reason = found.reason.clone();
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
                    note(&worker, &task, health, &reason).await;
                }
                Err(error) => tracing::warn!(task = %task.id, %error, "a task's health could not be recorded; tried again"),
            }
        }
        tokio::time::sleep(tally.pause()).await;
    }
}

/// Another verdict is an event of the task. Nothing rests on it.
async fn note(worker: &Worker, task: &TaskWork, health: TaskHealth, reason: &str) {
    let output = match health {
        TaskHealth::Unhealthy => Some(Filter::of(worker, task).await.clean(reason)),
        TaskHealth::None | TaskHealth::Starting | TaskHealth::Healthy => None,
    };
    if let Err(error) = domain::events::work::probed(worker, task, health, output).await {
        tracing::warn!(task = %task.id, %error, "that a task's health changed was not written down as an event");
    }
}

#[cfg(test)]
mod tests {
    use model::descriptor::Protocol;
    use model::views::services::TaskPort;

    use super::*;

    fn machine(engine: &str, publish_address: &str) -> Machine {
        Machine {
            id: "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id"),
            name: "m1".parse().expect("a name"),
            environment_id: "0192f0c1-7c1e-7b44-8d2a-bbbbbbbbbbbb".parse().expect("an id"),
            environment: "local".parse().expect("a name"),
            registry_address: "127.0.0.1:3000".into(),
            engine: engine.into(),
            secrets: None,
            host_key: None,
            host: "10.0.0.5".into(),
            publish_address: publish_address.into(),
            ports: (20_000, 29_999),
            subnet_pool: "10.208.0.0/12".parse().expect("a pool"),
            state: model::views::environments::MachineState::Up,
        }
    }

    fn task(published: bool) -> TaskWork {
        let port = TaskPort { name: "http".into(), container: 8080, host: 21_000, protocol: Protocol::Tcp };
        TaskWork {
            id: "0192f0c1-7c1e-7b44-8d2a-cccccccccccc".parse().expect("an id"),
            key: domain::deployments::work::WorkKey {
                service: "0192f0c1-7c1e-7b44-8d2a-dddddddddddd".parse().expect("an id"),
                environment: "0192f0c1-7c1e-7b44-8d2a-bbbbbbbbbbbb".parse().expect("an id"),
            },
            slot: 1,
            machine: "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id"),
            revision: "0192f0c1-7c1e-7b44-8d2a-eeeeeeeeeeee".parse().expect("an id"),
            number: 1,
            spec: String::new(),
            deployment: None,
            state: TaskState::Running,
            health: TaskHealth::Starting,
            container: Some("c".into()),
            address: Some("10.208.0.2".into()),
            ports: if published { vec![port] } else { Vec::new() },
            restarts: 0,
            drift: Vec::new(),
            run: None,
            created_at: Millis(0),
            started_at: Some(Millis(0)),
            healthy_at: None,
        }
    }

    /// The container's address and the published one.
    fn plan(engine: &str, publish_address: &str, published: bool) -> (Option<String>, Option<String>) {
        let descriptor = Descriptor::parse("{image: web, health: {tcp: {port: 8080}}}").expect("a descriptor");
        let plan = Plan::of(&machine(engine, publish_address), &task(published), &descriptor).expect("a check of ours");
        (plan.way.container.map(|address| address.to_string()), plan.way.published.map(|(host, port)| format!("{host} {port}")))
    }

    #[test]
    fn an_engine_here_is_probed_at_the_container() {
        let direct = Some("10.208.0.2:8080".to_owned());
        assert_eq!(plan("unix:///var/run/docker.sock", "127.0.0.1", true), (direct.clone(), Some("127.0.0.1 21000".into())));
        assert_eq!(plan("unix:///var/run/docker.sock", "0.0.0.0", true), (direct.clone(), Some("10.0.0.5 21000".into())));
        assert_eq!(plan("tcp://127.0.0.1:2375", "127.0.0.1", true), (None, Some("127.0.0.1 21000".into())));
        assert_eq!(plan("tcp://[::1]:2375", "127.0.0.1", false), (direct, None));
    }

    #[test]
    fn an_engine_elsewhere_is_probed_at_its_machine_alone() {
        for (publish_address, host) in [("0.0.0.0", "192.0.2.7"), ("127.0.0.1", "192.0.2.7"), ("198.51.100.4", "198.51.100.4")] {
            assert_eq!(plan("tcp://192.0.2.7:2375", publish_address, true), (None, Some(format!("{host} 21000"))), "{publish_address}");
        }
        assert_eq!(plan("tcp://docker-2.example.com:2375", "0.0.0.0", true).1.as_deref(), Some("docker-2.example.com 21000"));
        assert_eq!(plan("tcp://192.0.2.7:2375", "0.0.0.0", false), (None, None), "never at an address that may be somebody else's here");
    }
}

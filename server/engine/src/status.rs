//! Probes of what the public status page shows: tasks of services that opted in, at their addresses; in `legacy`, services outside of containers. They
//! say what they found and decide nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::machines::Machine;
use domain::status::work::{self, Aim, Found, RunFound, RunningTask, Runs, Thing};
use domain::{Topic, Worker, machines};
use futures::StreamExt as _;
use futures::future::join_all;
use model::descriptor::Probe;
use model::ids::MachineId;
use tokio::time::Instant;

use crate::probe::{Prober, What};
use crate::way::Way;

mod legacy;

pub use legacy::LegacyProbes;

/// From one round to the next.
const EVERY: Duration = Duration::from_secs(30);
/// The same while something is worse than it is called, and after a service changed.
const SOON: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Things that are probed at the same time.
const AT_ONCE: usize = 64;

/// The loop that probes.
pub struct Probes {
    worker: Worker,
    prober: Prober,
}

/// What one round works with.
struct Round {
    prober: Prober,
    machines: HashMap<MachineId, Machine>,
}

impl Probes {
    /// Nothing is probed before [`Probes::run`].
    ///
    /// # Errors
    /// The client for probes cannot be made.
    pub fn new(worker: Worker) -> domain::Result<Self> {
        let prober = Prober::new().map_err(|error| domain::Error::internal(format!("the client for probes: {error}")))?;
        Ok(Self { worker, prober })
    }

    /// The loop, for ever.
    pub async fn run(self) {
        // Listening begins before the first round, so that no change falls between the two.
        let mut changes = self.worker.platform().live();
        loop {
            let wait = match self.worker.turn(self.round()).await {
                Ok(true) => SOON,
                Ok(false) => EVERY,
                Err(error) => {
                    tracing::warn!(%error, "what the status page shows could not be probed; it is tried again");
                    SOON
                }
            };
            tokio::time::sleep(SOON.min(wait)).await;
            let changed = async {
                // Having missed some is a reason to look as well.
                while !matches!(changes.recv().await, Ok(Topic::Service(_) | Topic::Project(_)) | Err(_)) {}
            };
            let _ = tokio::time::timeout(wait.saturating_sub(SOON), changed).await;
        }
    }

    async fn round(&self) -> domain::Result<bool> {
        let things = work::plan(&self.worker).await?;
        let machines = machines::all(&self.worker).await?.into_iter().map(|machine| (machine.id, machine)).collect();
        let round = Arc::new(Round { prober: self.prober.clone(), machines });
        let looks = things.into_iter().map(|thing| {
            let round = Arc::clone(&round);
            async move { round.look(thing).await }
        });
        let looks: Vec<_> = looks.collect();
        let found: Vec<Found> = futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        Ok(!work::took(&self.worker, &found).await?.is_empty())
    }
}

impl Round {
    async fn look(&self, thing: Thing) -> Found {
        let mut found = Found { thing, runs: Vec::new(), millis: Vec::new(), why: None };
        if let Aim::Service(runs) = found.thing.aim.clone() {
            for run in &runs {
                found.runs.push(self.run(run, &mut found.millis).await);
            }
        }
        found
    }

    async fn run(&self, run: &Runs, answers: &mut Vec<i64>) -> RunFound {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let Some((what, port)) = what(run.probe.as_ref()) else {
            let good = run.tasks.iter().filter(|task| task.seen && task.healthy).count();
            let unseen = run.tasks.iter().filter(|task| !task.seen).count();
            return RunFound { wanted: run.wanted, good: count(good), unseen: count(unseen) };
        };
        let passed: Vec<i64> = join_all(run.tasks.iter().map(|task| self.task(task, &what, port))).await.into_iter().flatten().collect();
        answers.extend(&passed);
        RunFound { wanted: run.wanted, good: count(passed.len()), unseen: 0 }
    }

    /// How long a task's answer took; none: it did not pass.
    async fn task(&self, task: &RunningTask, what: &What, port: u16) -> Option<i64> {
        let machine = self.machines.get(&task.machine)?;
        let target = Way::of(machine, task.address.as_deref(), port, task.published).target(PATIENCE).await.ok()?;
        let began = Instant::now();
        self.prober.probe(what, &target, PATIENCE).await.passed.then(|| millis(began))
    }
}

fn what(probe: Option<&Probe>) -> Option<(What, u16)> {
    match probe? {
        Probe::Http { port, path } => Some((What::Http { path: path.clone() }, *port)),
        Probe::Tcp { port } => Some((What::Tcp, *port)),
        Probe::Command(_) => None,
    }
}

fn millis(began: Instant) -> i64 {
    i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)
}

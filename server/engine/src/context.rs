//! What all loops of the engine share.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::Worker;
use domain::deployments::work::WorkKey;
use domain::ports::PullGrants;
use model::ids::{EnvironmentId, MachineId, ProjectId, TaskId};
use tokio::sync::Semaphore;

use crate::artifact::Artifacts;
use crate::backoff::Backoff;
use crate::crew::Crews;
use crate::logs::Collector;
use crate::machines::Machines;
use crate::metrics::Told;
use crate::notes::{Limited, Looks};
use crate::watch::Watches;

/// How many containers are made and started at the same time; more only queue up inside an engine.
const HANDS: usize = 12;

/// Networks of one machine that are known to be there.
pub(crate) type Networks = Arc<tokio::sync::Mutex<BTreeSet<ProjectId>>>;

/// Shared by the loops.
pub(crate) struct Context {
    /// The handle to the record.
    pub worker: Worker,
    /// The engines.
    pub machines: Machines,
    /// The embedded registry.
    pub grants: Arc<dyn PullGrants>,
    /// Health probes.
    pub watches: Watches,
    /// Who works on which key.
    pub crews: Crews,
    /// Limits what is done to engines at once.
    pub hands: Semaphore,
    /// Networks of deleted projects that could not be removed and of which that was said. Held by the one who removes.
    pub held_networks: tokio::sync::Mutex<BTreeSet<(EnvironmentId, ProjectId)>>,
    networks: Mutex<HashMap<MachineId, Networks>>,
    owners: Mutex<HashMap<TaskId, (MachineId, WorkKey)>>,
    backoffs: Mutex<HashMap<WorkKey, Backoff>>,
    /// What is fetched for tasks.
    pub artifacts: Artifacts,
    carrying: Mutex<BTreeSet<TaskId>>,
    verified: Mutex<BTreeSet<TaskId>>,
    /// Looks at whole machines that are under way.
    pub looks: Looks,
    /// What differs of tasks' limits.
    pub limited: Limited,
    /// Collects tasks' logs.
    pub collector: Collector,
    /// What engines told of tasks that ran out of memory, for the samples.
    pub kills: Told,
    /// A task's memory could not be removed, since something uses it; the next pass sweeps.
    pub memory_left: AtomicBool,
}

impl Context {
    pub(crate) fn new(
        worker: Worker,
        machines: Machines,
        grants: Arc<dyn PullGrants>,
        watches: Watches,
        artifacts: Artifacts,
        collector: Collector,
    ) -> Self {
        Self {
            worker,
            machines,
            grants,
            watches,
            crews: Crews::default(),
            hands: Semaphore::new(HANDS),
            held_networks: tokio::sync::Mutex::default(),
            networks: Mutex::default(),
            owners: Mutex::default(),
            backoffs: Mutex::default(),
            artifacts,
            carrying: Mutex::default(),
            verified: Mutex::default(),
            looks: Looks::default(),
            limited: Limited::default(),
            collector,
            kills: Told::default(),
            memory_left: AtomicBool::new(false),
        }
    }

    /// This portal's id.
    pub(crate) fn instance(&self) -> &str {
        self.worker.platform().instance()
    }

    /// Projects whose network was made on this machine since its engine answered. Held while one is made: an engine makes two of
    /// the same name when it is asked twice at once.
    pub(crate) fn networks(&self, machine: MachineId) -> Networks {
        Arc::clone(self.networks.lock().expect("no code panics while it holds this lock").entry(machine).or_default())
    }

    /// The engine was away: its networks are looked at again.
    pub(crate) fn forget_networks(&self, machine: MachineId) {
        self.networks.lock().expect("no code panics while it holds this lock").remove(&machine);
    }

    /// Where a task runs and to which key it belongs, as far as it was seen; events name tasks only.
    pub(crate) fn owners(&self) -> MutexGuard<'_, HashMap<TaskId, (MachineId, WorkKey)>> {
        self.owners.lock().expect("no code panics while it holds this lock")
    }

    /// Tasks for which something carries secret files at this moment.
    pub(crate) fn carriers(&self) -> MutexGuard<'_, BTreeSet<TaskId>> {
        self.carrying.lock().expect("no code panics while it holds this lock")
    }

    /// While this lives, the task's carrier is left alone.
    pub(crate) fn carrying(self: &Arc<Self>, task: TaskId) -> Carrying {
        self.carriers().insert(task);
        Carrying { context: Arc::clone(self), task }
    }

    /// Tasks that had their secret files when it was last looked, and were not started again since.
    pub(crate) fn verified(&self) -> MutexGuard<'_, BTreeSet<TaskId>> {
        self.verified.lock().expect("no code panics while it holds this lock")
    }

    /// The failures of a key.
    pub(crate) fn backoff<T>(&self, key: WorkKey, with: impl FnOnce(&mut Backoff) -> T) -> T {
        with(self.backoffs.lock().expect("no code panics while it holds this lock").entry(key).or_default())
    }
}

/// A task's secret files are being carried.
pub(crate) struct Carrying {
    context: Arc<Context>,
    task: TaskId,
}

impl Drop for Carrying {
    fn drop(&mut self) {
        self.context.carriers().remove(&self.task);
    }
}

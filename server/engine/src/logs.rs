//! Collects the log of every task's container, once, into the store of kept logs.
//!
//! Where the engine is on this machine and its files can be read, one thread ([`clerk`]) reads them ([`tail`], [`chain`]); else one stream through the
//! engine's API for each container ([`remote`]). Either goes on where it was after a restart of the portal or the engine: how far it was read stands
//! in the store beside the lines. What is missing is said where it is missing ([`missing`]). A task that floods is held back ([`flood`]).
//!
//! Invariants: only containers of recorded tasks are read; a line is kept once; lines are missing without a word never. What several tasks of a service
//! wrote while the portal was away comes in the order of time, where it is read from files.

mod chain;
mod clerk;
mod cursor;
mod entry;
mod flood;
mod intake;
mod job;
mod joiner;
mod missing;
mod opening;
mod remote;
mod room;
mod tail;
mod watch;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ::logs::{Store, StreamKey};
use domain::Worker;
use model::ids::{MachineId, TaskId};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::docker::{Address, Docker};
use clerk::{Clerk, Order};
use job::{Job, State};

/// How long the removal of a container waits for the end of its log.
const FINISH: Duration = Duration::from_secs(5);
/// How many containers are asked about at once.
const OPENING: usize = 8;
/// Removed containers that are remembered: a list of containers may be older than a removal.
const GONE: usize = 4_096;

/// Where lines are kept.
pub struct Kept {
    /// The store.
    pub store: Store,
    /// Its folder, for a look at the disk that it is on.
    pub folder: PathBuf,
}

/// Collects logs; without a store it does nothing. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Collector(Option<Arc<Inner>>);

struct Inner {
    worker: Worker,
    store: Store,
    clerk: Arc<Clerk>,
    jobs: Mutex<HashMap<TaskId, Arc<Job>>>,
    gone: Mutex<Recent>,
    /// Streams whose tasks of old were looked for.
    tidied: Mutex<HashSet<StreamKey>>,
    opening: Semaphore,
    stop: CancellationToken,
}

/// The last containers that were removed.
#[derive(Default)]
struct Recent {
    order: VecDeque<String>,
    all: HashSet<String>,
}

impl Recent {
    fn add(&mut self, container: &str) {
        if self.all.insert(container.to_owned()) {
            self.order.push_back(container.to_owned());
        }
        if self.order.len() > GONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

impl Inner {
    fn jobs(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<Job>>> {
        self.jobs.lock().expect("no code panics while it holds this lock")
    }

    fn gone(&self) -> MutexGuard<'_, Recent> {
        self.gone.lock().expect("no code panics while it holds this lock")
    }

    /// Nobody works on it any more.
    fn leave(&self, job: &Arc<Job>) {
        let mut jobs = self.jobs();
        if jobs.get(&job.task).is_some_and(|known| Arc::ptr_eq(known, job)) {
            jobs.remove(&job.task);
        }
    }
}

impl Collector {
    /// Collects into this store, if there is one.
    ///
    /// # Errors
    /// The thread that reads files cannot be started.
    pub(crate) fn new(worker: &Worker, kept: Option<Kept>) -> domain::Result<Self> {
        let Some(Kept { store, folder }) = kept else { return Ok(Self::default()) };
        let clerk = Clerk::hire(worker.platform().clone(), folder);
        let clerk = clerk.map_err(|error| domain::Error::internal(format!("the thread that keeps logs: {error}")))?;
        Ok(Self(Some(Arc::new(Inner {
            worker: worker.clone(),
            store,
            clerk: Arc::new(clerk),
            jobs: Mutex::default(),
            gone: Mutex::default(),
            tidied: Mutex::default(),
            opening: Semaphore::new(OPENING),
            stop: CancellationToken::new(),
        }))))
    }

    /// This is a task's container: its log is collected from now on, if it is not yet. `alive`: it has a program that runs.
    pub(crate) fn follow(&self, machine: MachineId, docker: &Docker, task: TaskId, container: &str, alive: bool) {
        let Some(inner) = &self.0 else { return };
        if inner.stop.is_cancelled() || inner.gone().all.contains(container) {
            return;
        }
        let job = Arc::new(Job::new(machine, task, container, docker));
        {
            let mut jobs = inner.jobs();
            match jobs.get(&task) {
                Some(known) if known.container == container => {
                    known.moved(docker);
                    if alive && matches!(known.state(), State::Ended(_)) {
                        known.ask();
                    }
                    return;
                }
                // The first one did not come up, and another took its place.
                Some(other) => other.cancel(),
                None => {}
            }
            jobs.insert(task, Arc::clone(&job));
        }
        // Now: when the first of a list is found, it is known that the others are looked for.
        let looking = matches!(docker.address(), Address::Unix(_)).then(|| inner.clerk.opening());
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            let stop = inner.stop.clone();
            let cancelled = job.cancelled();
            tokio::select! {
                () = stop.cancelled() => {}
                () = cancelled.cancelled() => {}
                () = opening::open(&inner, &job, looking) => {}
            }
        });
    }

    /// A task's program was started again.
    pub(crate) fn started(&self, task: TaskId) {
        let Some(inner) = &self.0 else { return };
        if let Some(job) = inner.jobs().get(&task).filter(|job| matches!(job.state(), State::Ended(_))) {
            job.ask();
        }
    }

    /// An engine answers again: streams of before only look alive.
    pub(crate) fn up(&self, machine: MachineId) {
        let Some(inner) = &self.0 else { return };
        inner.jobs().values().filter(|job| job.machine == machine).for_each(|job| job.renew());
    }

    /// Reads the log of a container that is about to be removed to its end; waits for that no longer than some seconds.
    pub(crate) async fn finish(&self, machine: MachineId, docker: &Docker, task: TaskId, container: &str) {
        let Some(inner) = &self.0 else { return };
        self.follow(machine, docker, task, container, false);
        let Some(job) = inner.jobs().get(&task).filter(|job| job.container == container).cloned() else { return };
        job.set_finishing();
        let read = async {
            job.wait(|state| *state != State::Opening).await;
            if job.state() == State::File {
                let (reply, done) = oneshot::channel();
                inner.clerk.tell(Order::Finish(task, reply));
                // Also when nobody will reply any more.
                let _ = done.await;
            } else {
                let number = job.ask();
                job.wait(|state| matches!(state, State::Ended(round) if *round >= number) || *state == State::Gone).await;
            }
        };
        if tokio::time::timeout(FINISH, read).await.is_err() {
            tracing::warn!(container, "the end of a log was not read in time; what is missing is said in it");
        }
    }

    /// A task's container is gone, and nothing is asked of it any more.
    pub(crate) fn forget(&self, task: TaskId, container: &str) {
        let Some(inner) = &self.0 else { return };
        inner.gone().add(container);
        let job = {
            let mut jobs = inner.jobs();
            let own = jobs.get(&task).is_some_and(|job| job.container == container);
            if own { jobs.remove(&task) } else { None }
        };
        let Some(job) = job else { return };
        // First: who finds out just now where the log is looks at it after.
        job.forget();
        if job.state() == State::File {
            inner.clerk.tell(Order::Forget(task));
        }
    }

    /// A task's container was removed by somebody else: what is left of its log is read.
    pub(crate) fn lost(&self, machine: MachineId, docker: Option<Docker>, task: TaskId, container: Option<&str>) {
        let (Some(inner), Some(docker), Some(container)) = (&self.0, docker, container) else { return };
        let (this, container, stop) = (self.clone(), container.to_owned(), inner.stop.clone());
        tokio::spawn(async move {
            let work = async {
                this.finish(machine, &docker, task, &container).await;
                this.forget(task, &container);
            };
            stop.run_until_cancelled(work).await;
        });
    }

    /// Ends all; when it returns, nothing is written any more.
    pub(crate) fn stop(&self) {
        let Some(inner) = &self.0 else { return };
        inner.stop.cancel();
        inner.clerk.stop();
    }

    /// Never resolves, unless its thread crashed: that is a fault of ours, and the portal must not look alive without it.
    ///
    /// # Panics
    /// Then.
    pub(crate) async fn stands(&self) {
        let Some(inner) = &self.0 else { return std::future::pending().await };
        inner.clerk.ended().await;
        if inner.stop.is_cancelled() {
            return std::future::pending().await;
        }
        panic!("the thread that keeps logs crashed");
    }
}

//! One container whose log is collected, as those see it who ask for it and those who do it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use model::ids::{MachineId, TaskId};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::docker::Docker;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is being found out where its log is.
    Opening,
    /// Its file is read by the thread.
    File,
    /// It is read through its engine.
    Reading,
    /// The engine told all that there was, in the round that was asked for by this number.
    Ended(u64),
    /// The container is gone, and what there was is kept.
    Gone,
}

/// The container.
pub(super) struct Job {
    pub machine: MachineId,
    pub task: TaskId,
    pub container: String,
    docker: Mutex<Docker>,
    state: watch::Sender<State>,
    asked: AtomicU64,
    kick: Notify,
    /// How often the connections of before were given up.
    renewals: watch::Sender<u64>,
    /// How often that was when the round began.
    begun: AtomicU64,
    started: AtomicBool,
    finishing: AtomicBool,
    forgotten: AtomicBool,
    given_up: AtomicBool,
    cancel: CancellationToken,
}

impl Job {
    pub(super) fn new(machine: MachineId, task: TaskId, container: &str, docker: &Docker) -> Self {
        Self {
            machine,
            task,
            container: container.to_owned(),
            docker: Mutex::new(docker.clone()),
            state: watch::channel(State::Opening).0,
            asked: AtomicU64::new(0),
            kick: Notify::new(),
            renewals: watch::channel(0).0,
            begun: AtomicU64::new(0),
            started: AtomicBool::new(false),
            finishing: AtomicBool::new(false),
            forgotten: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            cancel: CancellationToken::new(),
        }
    }

    /// Its engine, by the door that is known last.
    pub(super) fn docker(&self) -> Docker {
        self.docker.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another container took its place: nothing more is read of it.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether that is so.
    pub(super) fn cancelled(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Its engine is reached by another door.
    pub(super) fn moved(&self, docker: &Docker) {
        *self.docker.lock().unwrap_or_else(PoisonError::into_inner) = docker.clone();
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(super) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Waits until it is so.
    pub(super) async fn wait(&self, wanted: impl FnMut(&State) -> bool) {
        // The sender is here.
        let _ = self.state.subscribe().wait_for(wanted).await;
    }

    /// Asks for a round that begins from now on; its number.
    pub(super) fn ask(&self) -> u64 {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.kick.notify_one();
        number
    }

    /// A round begins; the number of the last that was asked for.
    pub(super) fn begin_round(&self) -> u64 {
        if matches!(self.state(), State::Opening | State::Ended(_)) {
            self.set(State::Reading);
        }
        self.begun.store(*self.renewals.borrow(), Ordering::SeqCst);
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until a round is asked for.
    pub(super) async fn kicked(&self) {
        self.kick.notified().await;
    }

    /// The engine was away: a connection that only looks alive is given up.
    pub(super) fn renew(&self) {
        self.renewals.send_modify(|count| *count += 1);
        self.kick.notify_one();
    }

    /// Waits until that is so, or nobody asks for it any more. What was said since the round began counts, whoever waited then.
    pub(super) async fn renewed(&self) {
        let begun = self.begun.load(Ordering::SeqCst);
        // The sender is here.
        let _ = self.renewals.subscribe().wait_for(|count| *count != begun || self.forgotten()).await;
    }

    /// Its program ran at some time.
    pub(super) fn started(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }

    pub(super) fn set_started(&self, started: bool) {
        self.started.store(started, Ordering::SeqCst);
    }

    /// It is about to be removed.
    pub(super) fn finishing(&self) -> bool {
        self.finishing.load(Ordering::SeqCst)
    }

    pub(super) fn set_finishing(&self) {
        self.finishing.store(true, Ordering::SeqCst);
    }

    /// It is gone, and nobody asks for it any more.
    pub(super) fn forgotten(&self) -> bool {
        self.forgotten.load(Ordering::SeqCst)
    }

    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::SeqCst);
        self.renew();
    }

    /// What is missing was tried to be written down for long enough.
    pub(super) fn given_up(&self) -> bool {
        // The first time it is tried once more.
        self.given_up.swap(true, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::docker::Address;

    fn job() -> Job {
        let docker = Docker::new(Address::Unix("/nowhere".into()));
        Job::new(Uuid::from_u128(1).into(), Uuid::from_u128(2).into(), "c", &docker)
    }

    async fn is_renewed(job: &Job) -> bool {
        // What is ready is found ready at once; the time is for what is not.
        tokio::time::timeout(Duration::from_millis(20), job.renewed()).await.is_ok()
    }

    #[tokio::test]
    async fn an_engine_that_came_back_while_nobody_waited_is_heard_in_the_same_round_and_not_in_the_next() {
        let job = job();
        job.begin_round();
        assert!(!is_renewed(&job).await);
        job.renew();
        assert!(is_renewed(&job).await && is_renewed(&job).await);
        job.begin_round();
        assert!(!is_renewed(&job).await, "this connection was made after");
    }

    #[tokio::test]
    async fn a_container_that_is_gone_is_no_longer_read_also_by_a_round_that_begins_after() {
        let job = job();
        job.forget();
        job.begin_round();
        assert!(is_renewed(&job).await);
        job.kicked().await;
    }
}

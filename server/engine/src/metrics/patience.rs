//! Whose turn it is to be asked: an application that hangs takes nobody else's, and is asked less and less often.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use ::metrics::Key;
use model::ids::TaskId;
use tokio::sync::Semaphore;

/// Applications of a machine that are asked at once: each answer may be a MiB long.
const AT_ONCE: usize = 16;
/// The longest pause, in turns: five minutes at one each ten seconds.
const LONGEST: u32 = 32;

/// Of one machine.
#[derive(Debug)]
pub(crate) struct Patience {
    machine: Arc<Semaphore>,
    services: HashMap<Key, Arc<Semaphore>>,
    pauses: HashMap<TaskId, Pause>,
}

/// Turns in which a task that hung is not asked.
#[derive(Clone, Copy, Debug)]
struct Pause {
    length: u32,
    left: u32,
}

/// What is waited for before a task is asked.
#[derive(Debug)]
pub(crate) struct Gates {
    service: Arc<Semaphore>,
    machine: Arc<Semaphore>,
}

impl Gates {
    /// Does this when it is its turn.
    pub(crate) async fn through<T>(self, asking: impl Future<Output = T>) -> T {
        // Tasks of a service wait for each other outside of the machine's gate, so one service takes up one place of it at most.
        let _own = self.service.acquire().await;
        let _place = self.machine.acquire().await;
        asking.await
    }
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { machine: Arc::new(Semaphore::new(AT_ONCE)), services: HashMap::new(), pauses: HashMap::new() }
    }

    /// The gates before a task of this service.
    pub(crate) fn gates(&mut self, service: Key) -> Gates {
        let own = self.services.entry(service).or_insert_with(|| Arc::new(Semaphore::new(1)));
        Gates { service: Arc::clone(own), machine: Arc::clone(&self.machine) }
    }

    /// Whether a task is left alone in this turn. Asked once in each.
    pub(crate) fn rests(&mut self, task: TaskId) -> bool {
        let Some(pause) = self.pauses.get_mut(&task) else { return false };
        let rests = pause.left > 0;
        pause.left = pause.left.saturating_sub(1);
        rests
    }

    /// A task was asked. `hung`: it did not answer in time.
    pub(crate) fn asked(&mut self, task: TaskId, hung: bool) {
        if hung {
            let length = self.pauses.get(&task).map_or(1, |pause| (pause.length * 2).min(LONGEST));
            self.pauses.insert(task, Pause { length, left: length });
        } else {
            self.pauses.remove(&task);
        }
    }

    /// Forgets all others.
    pub(crate) fn keep(&mut self, tasks: &HashSet<TaskId>, services: &HashSet<Key>) {
        self.pauses.retain(|task, _| tasks.contains(task));
        self.services.retain(|service, _| services.contains(service));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::task::JoinSet;
    use uuid::Uuid;

    use super::*;

    fn service(number: u128) -> Key {
        Key::Service { project: Uuid::nil().into(), service: Uuid::from_u128(number).into(), environment: Uuid::nil().into() }
    }

    #[tokio::test]
    async fn however_many_tasks_of_a_service_hang_another_one_is_asked() {
        let mut patience = Patience::new();
        let mut hanging = JoinSet::new();
        for _ in 0..3 * AT_ONCE {
            hanging.spawn(patience.gates(service(1)).through(std::future::pending::<()>()));
        }
        // They come first.
        while patience.gates(service(1)).service.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let other = patience.gates(service(2)).through(async { 7 });
        assert_eq!(tokio::time::timeout(Duration::from_secs(60), other).await, Ok(7));
    }

    #[tokio::test]
    async fn a_machine_has_so_many_asked_at_once_and_no_more() {
        let mut patience = Patience::new();
        let mut hanging = JoinSet::new();
        for number in 0..2 * AT_ONCE as u128 {
            hanging.spawn(patience.gates(service(number)).through(std::future::pending::<()>()));
        }
        while patience.machine.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let mut other = Box::pin(patience.gates(service(1000)).through(async { 7 }));
        assert!((&mut other).now_or_never().is_none(), "it waits");
        hanging.shutdown().await;
        assert_eq!(tokio::time::timeout(Duration::from_secs(60), other).await, Ok(7));
    }

    #[test]
    fn whoever_hangs_is_asked_less_and_less_often_until_it_answers() {
        let mut patience = Patience::new();
        let task: TaskId = Uuid::from_u128(1).into();
        let mut pauses = |hung: bool| {
            patience.asked(task, hung);
            let mut turns = 0;
            while patience.rests(task) {
                turns += 1;
            }
            turns
        };
        let turns: [u32; 7] = std::array::from_fn(|_| pauses(true));
        assert_eq!(turns, [1, 2, 4, 8, 16, 32, 32]);
        assert_eq!(pauses(false), 0);
        assert_eq!(pauses(true), 1, "from the beginning again");
    }
}

//! What the loop does that keeps the index: it reads those services anew of which something changed, at once, and all of them now and then, since
//! another process may have changed something.

use std::collections::BTreeSet;
use std::time::Duration;

use model::ids::ServiceId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::load::{Revisions, load};
use crate::error::Result;
use crate::live::Topic;
use crate::worker::Worker;

/// How often everything is read, whatever was told.
const EVERYTHING: Duration = Duration::from_secs(10);
/// What changes within this time after a change is read together with it.
const GATHER: Duration = Duration::from_millis(20);
/// Wait before the next try, when the tables could not be read.
const AGAIN: Duration = Duration::from_secs(1);
/// With more services than these everything is read.
const SOME: usize = 400;

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    All,
    These(BTreeSet<ServiceId>),
}

impl Due {
    fn add(&mut self, topic: Topic) {
        match (&mut *self, topic) {
            (Self::All, _) => {}
            (Self::These(services), Topic::Service(service)) => {
                services.insert(service);
                if services.len() > SOME {
                    *self = Self::All;
                }
            }
            // Names and addresses of machines.
            (Self::These(_), Topic::Environment(_)) => *self = Self::All,
            // A change of a task tells of its project as well; and what a project is called never changes.
            (Self::These(_), _) => {}
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::These(services) if services.is_empty())
    }
}

/// Whether proxies send requests to where this service is said to be.
#[must_use]
pub fn is_followed(worker: &Worker, service: ServiceId) -> bool {
    let platform = worker.platform();
    platform.discovery().is_followed(platform.now(), service)
}

/// Follows what changes.
pub struct Follower {
    live: Receiver<Topic>,
    revisions: Revisions,
    due: Due,
    everything_at: Instant,
}

impl Follower {
    /// Begins to listen. Everything is due.
    #[must_use]
    pub fn new(worker: &Worker) -> Self {
        Self { live: worker.platform().live(), revisions: Revisions::default(), due: Due::All, everything_at: Instant::now() + EVERYTHING }
    }

    /// Reads what is due, and tells who waits for it. Whether something is different.
    ///
    /// # Errors
    /// The tables could not be read: it stays due.
    pub async fn tend(&mut self, worker: &Worker) -> Result<bool> {
        if self.due.is_nothing() {
            return Ok(false);
        }
        let platform = worker.platform();
        let some = match &self.due {
            Due::All => None,
            Due::These(services) => Some(services.iter().copied().collect::<Vec<_>>()),
        };
        let mut tx = platform.read().await?;
        let found = load(&mut tx, &mut self.revisions, some.as_deref()).await?;
        drop(tx);
        let done = std::mem::replace(&mut self.due, Due::These(BTreeSet::new()));
        let of = match &done {
            Due::All => None,
            Due::These(services) => Some(services),
        };
        if of.is_none() {
            self.everything_at = Instant::now() + EVERYTHING;
        }
        Ok(platform.discovery().put(platform.now(), of, &found))
    }

    /// Waits until something is due.
    pub async fn news(&mut self) {
        if !self.due.is_nothing() {
            // It could not be read a moment ago.
            tokio::time::sleep(AGAIN).await;
            return;
        }
        while self.due.is_nothing() {
            tokio::select! {
                () = sleep_until(self.everything_at) => self.due = Due::All,
                heard = self.live.recv() => self.heard(heard),
            }
        }
        let until = Instant::now() + GATHER;
        while let Ok(heard) = tokio::time::timeout_at(until, self.live.recv()).await {
            self.heard(heard);
        }
    }

    fn heard(&mut self, heard: Result<Topic, RecvError>) {
        match heard {
            Ok(topic) => self.due.add(topic),
            // Having missed some is a reason to read all. Closed: the process ends, and so does the loop.
            Err(RecvError::Lagged(_) | RecvError::Closed) => self.due = Due::All,
        }
    }
}

//! Who reads kept logs at the moment: the store, whether lines are collected, and turns to read. A turn is a thread at work; there are few of them, so
//! that searching keeps nothing else from running. Lines and rights are not known here.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use logs::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// How long a search waits for its first turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Short reads at the same time: new lines for those who follow, last lines for a page.
const SHORT: usize = 8;

/// What all readers of logs in this process share.
#[derive(Clone)]
pub(crate) struct Desk {
    store: Arc<OnceLock<Store>>,
    problem: Arc<RwLock<Option<String>>>,
    searches: Arc<Semaphore>,
    short: Arc<Semaphore>,
}

/// A turn to read; dropped, the next one begins.
#[must_use = "a turn that is dropped is over"]
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
}

impl Default for Desk {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let places = |count| Arc::new(Semaphore::new(count));
        Self { store: Arc::default(), problem: Arc::default(), searches: places(cores), short: places(SHORT) }
    }
}

impl Desk {
    pub(crate) fn plug(&self, store: Store) {
        // Plugged in once, before anything reads.
        let _ = self.store.set(store);
    }

    pub(crate) fn store(&self) -> Option<Store> {
        self.store.get().cloned()
    }

    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        *self.problem.write().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// The first turn of a search.
    ///
    /// # Errors
    /// `Unavailable` when too many others search.
    pub(super) async fn search(&self) -> Result<Turn> {
        self.search_within(PATIENCE).await
    }

    async fn search_within(&self, patience: Duration) -> Result<Turn> {
        let busy = |_| Error::Unavailable("too many logs are searched at this moment: nothing was read; try again in a few seconds".into());
        tokio::time::timeout(patience, self.turn(true)).await.map_err(busy)
    }

    /// A turn to read, in the order in which they were asked for.
    pub(super) async fn turn(&self, heavy: bool) -> Turn {
        let places = if heavy { &self.searches } else { &self.short };
        Turn { _place: Arc::clone(places).acquire_owned().await.expect("nobody closes these semaphores") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_searches_too_much_keeps_nobody_from_reading_on() {
        let desk = Desk::default();
        let mut held = Vec::new();
        while let Ok(turn) = desk.search_within(Duration::from_millis(1)).await {
            held.push(turn);
        }
        assert!(held.len() >= 2, "{}", held.len());
        let busy = desk.search_within(Duration::from_millis(1)).await.map(drop).expect_err("there is no more");
        assert_eq!(busy.problem().kind.status(), 503, "{busy}");
        let _short = desk.turn(false).await;
        held.pop();
        let _next = desk.search().await.expect("a turn that is over is somebody else's");
    }
}

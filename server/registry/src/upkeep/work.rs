//! A run under way: what it has counted, where it stands, and how it lets others go first.

use std::time::Duration;

use domain::upkeep::{self, Run};
use domain::{Result, Worker};
use model::views::upkeep::Counts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// How often a run notes where it stands.
const NOTED: Duration = Duration::from_secs(1);
/// How much longer than the write itself the rest after it is.
const REST_FACTOR: u32 = 9;
/// The longest rest after a write.
const REST_MAX: Duration = Duration::from_millis(250);

/// A run, in the hands of the loop.
pub(super) struct Work<'w> {
    pub worker: &'w Worker,
    pub run: Run,
    pub counts: Counts,
    noted: Option<Instant>,
}

impl<'w> Work<'w> {
    pub fn new(worker: &'w Worker, run: Run) -> Self {
        let counts = run.view.counts.clone();
        Self { worker, run, counts, noted: None }
    }

    /// Where the run was cut short.
    pub fn place<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.run.place).ok()
    }

    /// Notes the place, if that was not done just now. False: the run was cancelled.
    pub async fn note(&mut self, place: &impl Serialize) -> Result<bool> {
        if self.noted.is_some_and(|at| at.elapsed() < NOTED) {
            return Ok(true);
        }
        self.noted = Some(Instant::now());
        let place = serde_json::to_string(place).map_err(|error| domain::Error::internal(error.to_string()))?;
        upkeep::progress(self.worker, self.run.view.id, &place, &self.counts).await
    }
}

/// Rests after each write for nine times as long as it took: a run never takes more than a tenth of what pushes could have.
pub(super) struct Pace {
    since: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { since: Instant::now() }
    }
}

impl Pace {
    pub async fn rest(&mut self) {
        tokio::time::sleep((self.since.elapsed() * REST_FACTOR).min(REST_MAX)).await;
        self.since = Instant::now();
    }
}

//! The loop that copies images in from outside registries: takes what people asked for, a few at a time, and starts anew what a stop or a
//! failing source cut short. Bytes that came are kept: blobs in their places, the beginnings of others as uploads.
//!
//! Everything is pushed as the asker would push it: with their permission, asked anew at each step, through the functions of the registry's
//! own door, so that the same quota, rules and records apply.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::copies::work::{self, Ended, Job};
use domain::{Result, Signal, Worker};
use futures::FutureExt as _;
use model::views::deployments::Reason;
use tokio::task::JoinSet;

use crate::outside::{Failure, Outside, Retry};
use crate::registry::Registry;

mod blobs;
mod context;
mod plan;
mod run;

use context::Context;

/// Copies at the same time.
const AT_ONCE: usize = 4;
/// Of them of one asker: one place is always left for others, whatever one's sources do.
const OF_ONE: usize = AT_ONCE - 1;
/// What no signal tells of is noticed after this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A pause after the database failed.
const PAUSE: Duration = Duration::from_secs(5);
/// How often a copy is tried in a row without anything gained.
const ATTEMPTS: i64 = 8;
/// The first pause between two tries; each further one is twice as long...
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// ...to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Bytes that count as something gained.
const GAIN: u64 = 1024 * 1024;

/// Copies until the portal stops.
pub async fn run(worker: Worker, registry: Registry, outside: Outside) {
    while let Err(error) = work::recover(&worker).await {
        tracing::warn!(%error, "copies that were under way could not be found");
        tokio::time::sleep(PAUSE).await;
    }
    let shared = (worker.clone(), registry, outside);
    let mut running = JoinSet::new();
    loop {
        let pause = match worker.turn(fill(&shared, &mut running)).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "the next copy could not be found");
                PAUSE
            }
        };
        tokio::select! {
            () = worker.platform().signal(Signal::Copies).notified() => {}
            () = tokio::time::sleep(pause) => {}
            Some(_) = running.join_next() => {}
        }
    }
}

/// Begins what is due, as far as there is room; answers how long nothing more will be.
async fn fill(shared: &(Worker, Registry, Outside), running: &mut JoinSet<()>) -> Result<Duration> {
    let (worker, registry, outside) = shared;
    while running.len() < AT_ONCE {
        let Some(job) = work::claim(worker, OF_ONE).await? else { break };
        running.spawn(one(worker.clone(), registry.clone(), outside.clone(), job));
    }
    let due = work::next_due(worker).await?;
    let pause = due.map_or(LOOK_AGAIN, |at| at.since(worker.platform().now()) + Duration::from_millis(50));
    Ok(pause.min(LOOK_AGAIN))
}

/// One copy's turn, and how it ended.
async fn one(worker: Worker, registry: Registry, outside: Outside, job: Job) {
    let context = Arc::new(Context::new(worker.clone(), registry, outside, job));
    let turn = AssertUnwindSafe(run::turn(&context)).catch_unwind().await;
    let job = &context.job;
    let ended = match turn {
        Ok(Ok(())) => Ended::Succeeded,
        Ok(Err(failure)) => judge(job, failure, context.fetched()),
        Err(_) => Ended::Failed(Reason::new("internal", "something went wrong on our side; the log has the details")),
    };
    match &ended {
        Ended::Succeeded => tracing::info!(copy = %job.id, from = %job.from, "an image was copied in"),
        Ended::Failed(reason) => tracing::info!(copy = %job.id, from = %job.from, code = reason.code, reason = ?reason.message, "a copy failed"),
        Ended::Again { reason, after, .. } => {
            tracing::info!(copy = %job.id, from = %job.from, code = reason.code, reason = ?reason.message, ?after, "a copy is tried again later");
        }
    }
    let progress = context.progress(None);
    while let Err(error) = work::end(&worker, job, &progress, &ended).await {
        tracing::warn!(copy = %job.id, %error, "the end of a copy could not be written");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a failure is the end.
fn judge(job: &Job, failure: Failure, fetched: u64) -> Ended {
    let reason = failure.reason();
    let attempts = if fetched >= GAIN { 1 } else { job.attempts + 1 };
    let growing = FIRST_PAUSE.saturating_mul(1 << (attempts - 1).clamp(0, 10)).min(LONGEST_PAUSE);
    let after = match failure.retry {
        Retry::Never => return Ended::Failed(reason),
        Retry::Soon => growing,
        Retry::After(wait) => wait.max(growing),
    };
    if attempts >= ATTEMPTS {
        let message = format!("{}; it was tried {ATTEMPTS} times; what came is kept for a day, ask for the copy again to go on", reason.message);
        return Ended::Failed(Reason::new(reason.code, message));
    }
    Ended::Again { reason, after, attempts }
}

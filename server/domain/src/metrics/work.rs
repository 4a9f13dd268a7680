//! What loops do with samples: keep them, and put the store in order.

use ::metrics::{Added, Sample};
use model::time::Millis;

use super::blocking;
use crate::error::Result;
use crate::live::Topic;
use crate::worker::Worker;

/// Keeps what was sampled at one time, and tells pages that show figures. What a sample may be: [`::metrics::Store::append`].
///
/// # Errors
/// When the samples cannot be written (the disk is full); none of them is kept then.
pub async fn add(worker: &Worker, at: Millis, samples: Vec<Sample>) -> Result<Added> {
    let Some(store) = worker.platform().metrics() else { return Ok(Added::default()) };
    let added = blocking(move || store.append(at.0, &samples)).await?;
    // One word for all that was sampled at this time: a site with hundreds of services would drown what else is told.
    worker.platform().publish(Topic::Metrics);
    Ok(added)
}

/// Puts the store in order: rolls up, and takes away what was kept long enough. How many bytes went.
///
/// # Errors
/// When files cannot be written, read or deleted; what could be done is done.
pub async fn tidy(worker: &Worker) -> Result<u64> {
    let Some(store) = worker.platform().metrics() else { return Ok(0) };
    let now = worker.platform().now();
    Ok(blocking(move || store.tidy(now.0)).await?.bytes)
}

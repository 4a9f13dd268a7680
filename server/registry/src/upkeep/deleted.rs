//! The rows of repositories that were deleted: taken away a few at a time, so that pushes never wait long for it. A loop of its own: what people deleted
//! gives its bytes back within seconds, also while a scrub reads disks for hours.

use std::time::Duration;

use domain::{Result, Signal, Worker};

use super::work::Pace;
use crate::store::collect;

/// What no signal tells of is noticed after this: a restart cut it short, or another portal deleted it.
const TICK: Duration = Duration::from_secs(60);
/// Repositories that are read at a time.
const READ: u32 = 100;
/// Rows that go in one transaction.
const WRITE: u32 = 50;

/// Works for ever.
pub async fn tend(worker: Worker) {
    loop {
        match worker.turn(once(&worker)).await {
            Ok(0) => {}
            Ok(gone) => {
                tracing::info!(repositories = gone, "rows of deleted repositories are gone");
                continue;
            }
            Err(error) => tracing::warn!(%error, "rows of deleted repositories could not be taken away; it is tried again"),
        }
        tokio::select! {
            () = worker.platform().signal(Signal::DeletedRepositories).notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Takes away what there is; how many repositories went.
async fn once(worker: &Worker) -> Result<u32> {
    let (mut gone, mut pace) = (0, Pace::default());
    for at in collect::deleted_repositories(worker, READ).await? {
        while collect::thin_out(worker, at, WRITE).await? {
            pace.rest().await;
        }
        gone += u32::from(collect::drop_repository(worker, at, worker.platform().now()).await?);
        pace.rest().await;
    }
    Ok(gone)
}

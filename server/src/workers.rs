//! Every background loop, in one list. Each is idempotent, takes no input, compares what is with what should be, and is woken by a timer and
//! by signals. One that crashes takes the portal down with a failing exit code: a portal with a dead loop only looks alive.

use std::time::Duration;

use domain::{Result, Worker, accounts};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Serve;
use crate::http::Portal;

/// How often what has ended is swept away.
const SWEEP: Duration = Duration::from_secs(600);

/// Starts them all.
#[expect(clippy::disallowed_methods, reason = "the one place that makes workers")]
pub async fn start(portal: &Portal, _config: &Serve, _port: u16, loops: &TaskTracker, stop: &CancellationToken, failed: &CancellationToken) -> Result<()> {
    let hire = |name| Worker::hire(&portal.platform, name);
    spawn(loops, stop, failed, "sweep", sweep(hire("sweep")));
    Ok(())
}

/// Runs a loop until the portal stops; a loop that ends or panics by itself stops the portal.
fn spawn(loops: &TaskTracker, stop: &CancellationToken, failed: &CancellationToken, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    let (stop, failed) = (stop.clone(), failed.clone());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { stop.run_until_cancelled(work).await.is_none() }
    });
    loops.spawn(async move {
        if !matches!(task.await, Ok(true)) {
            tracing::error!(loop.name = name, "a background loop ended; the portal stops");
            failed.cancel();
            stop.cancel();
        }
    });
}

/// Removes what has ended: sessions.
async fn sweep(worker: Worker) {
    loop {
        match accounts::sessions::sweep(&worker).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(sessions = gone, "ended sessions were removed"),
            Err(error) => tracing::warn!(%error, "ended sessions could not be removed"),
        }
        tokio::time::sleep(SWEEP).await;
    }
}

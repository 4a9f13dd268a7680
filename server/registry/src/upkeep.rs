//! The registry's upkeep: one loop that works on the runs which operators or the schedule ask for, one at a time. A run that is cut short by the
//! end of the process goes on at the next start.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::upkeep::{self, Run};
use domain::{Result, Signal, Worker};
use model::time::Millis;
use model::views::upkeep::RunKind;

use crate::registry::Registry;
use crate::store::collect as rows;

pub mod collect;
pub(crate) mod deleted;
mod scrub;
mod work;

use work::Work;

/// How often the loop looks whether something is due.
const TICK: Duration = Duration::from_secs(30);
/// For how long what was put aside can still come back.
const ASIDE: Duration = Duration::from_secs(60);
/// Files that are settled in one go.
const SETTLED: usize = 500;

/// Works for ever.
pub async fn tend(worker: Worker, registry: Registry) {
    loop {
        match worker.turn(once(&worker, &registry)).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the registry's upkeep could not go on; it is tried again"),
        }
        tokio::select! {
            () = worker.platform().signal(Signal::Upkeep).notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Settles what was put aside, and works on one run, if there is one.
async fn once(worker: &Worker, registry: &Registry) -> Result<bool> {
    registry.take_orphans().await;
    settle(worker, registry, Some(ASIDE)).await?;
    let Some(run) = upkeep::next(worker).await? else { return Ok(false) };
    work_on(worker, registry, run).await?;
    Ok(true)
}

async fn work_on(worker: &Worker, registry: &Registry, run: Run) -> Result<()> {
    let (id, kind) = (run.view.id, run.view.kind);
    tracing::info!(run = %id, %kind, dry_run = run.view.dry_run, "a run of the registry's upkeep begins");
    let mut work = Work::new(worker, run);
    let ended = match kind {
        RunKind::Collect => collect::run(registry, &mut work).await,
        RunKind::Scrub => scrub::run(registry, &mut work).await,
    };
    let error = ended.err().map(|error| error.to_string());
    if let Some(error) = &error {
        tracing::error!(run = %id, error, "a run of the registry's upkeep failed");
    }
    upkeep::end(worker, id, &work.counts, error.as_deref()).await
}

/// Removes what was put aside `age` ago or earlier, whenever that was where there is no age; what is a blob's after all comes back. At the start this
/// undoes and finishes what a kill cut in the middle.
pub(crate) async fn settle(worker: &Worker, registry: &Registry, age: Option<Duration>) -> Result<()> {
    // A clock that was moved does not keep a start from cleaning up.
    let until = age.map_or(Millis(i64::MAX), |age| worker.platform().now().minus(age));
    loop {
        let files = registry.blobs().clone();
        let listed = tokio::task::spawn_blocking(move || files.list_aside(until, SETTLED)).await.map_err(std::io::Error::other)??;
        if listed.is_empty() {
            return Ok(());
        }
        let gone = rows::unknown(worker, listed.iter().copied().collect::<BTreeSet<_>>()).await?;
        // A row must not come back when its file has gone for good.
        if !gone.is_empty() {
            worker.make_lasting().await?;
        }
        let files = registry.blobs().clone();
        let settled = tokio::task::spawn_blocking(move || {
            listed.iter().try_for_each(|digest| {
                if !gone.contains(digest) {
                    files.put_back(digest)?;
                }
                // What came back is not here any more; what lies in its place already is not needed twice.
                files.remove_aside(digest)
            })
        });
        settled.await.map_err(std::io::Error::other)??;
    }
}

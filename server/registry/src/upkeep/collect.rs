//! Collection: removes what nothing needs any more while everybody pushes and pulls. There is no time in which one may not, and no lock that
//! is held for longer than a few milliseconds.
//!
//! What goes, in this order: repositories of deleted projects; a repository's *hold* of a blob that none of its manifests is made of; a
//! blob that no repository holds; a file that is no blob's (a crash left it). Nothing of it goes before its last use is a lease ago.
//!
//! # Why nothing that is wanted goes
//! A client may upload a blob, mount it, or learn by HEAD that the repository holds it; then it sends, much later, a manifest that is made of it.
//! Each of the three writes the time of use (`used_at`) of the hold, HEAD only where the old one has gone stale. So let a manifest be sent
//! within the lease after one of them. Then:
//!
//! 1. *The hold stays until the manifest is there.* It is deleted by one statement alone, on the condition that its use is a lease ago and no
//!    manifest of the repository is made of it. The lease rules out the first while the manifest is on its way; from the moment the manifest's
//!    transaction has committed the second is false. Between the two: both transactions take the repository's row before they look, so one sees what
//!    the other did. If the lease did end, the put finds the hold missing and refuses (`MANIFEST_BLOB_UNKNOWN`); the client sends the blob again.
//! 2. *The blob's row stays while a hold is there.* It is deleted on the condition that no repository holds it and its use is a lease ago. Whoever makes a
//!    hold writes that blob's row in the same transaction first. If the deletion comes first, the hold's transaction writes a new row; if
//!    the hold comes first, the deletion's condition is looked at again on the row as it was left (SQLite: one writer at a time; PostgreSQL: a
//!    statement that waited for a row looks at its condition again), and its use is now.
//! 3. *The file is there wherever a row is.* Files move aside only within the transaction that deletes their row, under that row's lock, and
//!    before it commits. An upload puts its file into place *before* it takes that lock, so collection may move the new file aside; therefore a
//!    hold looks for the file after taking the lock, brings it back from aside, and is not made where there is none. What is aside is removed a minute
//!    later at the earliest, after one more look at the rows.
//! 4. *A kill changes nothing of this.* Before the commit: the rows are as they were, and what was moved aside is brought back at the start. After
//!    it: the row is gone, and what is aside is removed at the start. A file that was put into its place with no row written is found by the last step.
//!    A loss of power may undo the last commits, which do not wait for the disk; then the rows are back and their files come back from aside. What
//!    is aside is only removed when the commits before are known to last.
//!
//! A run notes its place about once in a second and goes on there after a restart; everything it does is done in small transactions that stand alone.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Result, Worker};
use model::digest::Digest;
use model::ids::RepositoryId;
use model::time::Millis;
use serde::{Deserialize, Serialize};

use super::work::{Pace, Work};
use crate::disk::Blobs;
use crate::registry::Registry;
use crate::store::collect::{self, Hold, Place, Seen};

/// Rows that are read at a time.
const READ: u32 = 500;
/// Rows that are deleted in one transaction; other writers wait for so many at most.
const WRITE: usize = 10;

/// How far a run came.
#[derive(Debug, Default, Serialize, Deserialize)]
enum Stage {
    #[default]
    Repositories,
    Holds(Option<(RepositoryId, Digest)>),
    Blobs(Option<Digest>),
    Files(usize),
}

/// Works until everything was looked at, or the run was cancelled (false).
pub(super) async fn run(registry: &Registry, work: &mut Work<'_>) -> Result<bool> {
    let worker = work.worker;
    let before = worker.platform().now().minus(registry.lease());
    let dry = work.run.view.dry_run;
    let mut stage: Stage = work.place().unwrap_or_default();
    if work.counts.of == 0 {
        (work.counts.of, work.counts.of_bytes) = collect::totals(worker).await?;
    }
    let mut pace = Pace::default();
    loop {
        if !work.note(&stage).await? {
            return Ok(false);
        }
        stage = match stage {
            Stage::Repositories if dry => Stage::Holds(None),
            Stage::Repositories => match repositories(work, before, &mut pace).await? {
                true => Stage::Repositories,
                false => Stage::Holds(None),
            },
            Stage::Holds(after) => {
                let page = collect::holds(worker, after, before, READ).await?;
                let last = page.last().map(|hold| (hold.place.repository, hold.digest));
                work.counts.holds +=
                    if dry { page.iter().filter(|hold| hold.idle).count() as i64 } else { holds(worker, page, before, &mut pace).await? };
                last.map_or(Stage::Blobs(None), |last| Stage::Holds(Some(last)))
            }
            Stage::Blobs(after) => {
                let page = collect::blobs(worker, after.as_ref(), before, READ).await?;
                let last = page.last().map(|seen| seen.digest);
                blobs(registry, work, page, before, &mut pace).await?;
                last.map_or(Stage::Files(0), |last| Stage::Blobs(Some(last)))
            }
            Stage::Files(folder) if folder < Blobs::folders() => {
                files(registry, work, folder, before, &mut pace).await?;
                Stage::Files(folder + 1)
            }
            Stage::Files(_) => return Ok(true),
        };
    }
}

/// Takes one page of dead repositories away. False: there was none that could go.
async fn repositories(work: &mut Work<'_>, before: Millis, pace: &mut Pace) -> Result<bool> {
    let mut gone = 0;
    for at in collect::dead_repositories(work.worker, before, READ).await? {
        while collect::thin_out(work.worker, at, WRITE as u32).await? {
            pace.rest().await;
        }
        gone += i64::from(collect::drop_repository(work.worker, at, before).await?);
        pace.rest().await;
    }
    work.counts.repositories += gone;
    Ok(gone > 0)
}

/// Ends the idle ones of these holds, repository by repository; how many.
async fn holds(worker: &Worker, page: Vec<Hold>, before: Millis, pace: &mut Pace) -> Result<i64> {
    let mut idle: BTreeMap<RepositoryId, (Place, Vec<Digest>)> = BTreeMap::new();
    for hold in page.into_iter().filter(|hold| hold.idle) {
        idle.entry(hold.place.repository).or_insert_with(|| (hold.place, Vec::new())).1.push(hold.digest);
    }
    let mut ended = 0;
    for (place, digests) in idle.into_values() {
        for some in digests.chunks(WRITE) {
            ended += collect::drop_holds(worker, place, some, before).await? as i64;
            pace.rest().await;
        }
    }
    Ok(ended)
}

async fn blobs(registry: &Registry, work: &mut Work<'_>, page: Vec<Seen>, before: Millis, pace: &mut Pace) -> Result<()> {
    work.counts.seen += page.len() as i64;
    work.counts.seen_bytes += page.iter().map(|seen| seen.size).sum::<i64>();
    if work.run.view.dry_run {
        let free = page.iter().filter(|seen| seen.would_be_free);
        let (count, bytes) = free.fold((0, 0), |(count, bytes), seen| (count + 1, bytes + seen.size));
        work.counts.blobs += count;
        work.counts.bytes += bytes;
        return Ok(());
    }
    let free: Vec<Digest> = page.iter().filter(|seen| seen.free).map(|seen| seen.digest).collect();
    for some in free.chunks(WRITE) {
        let (count, bytes) = collect::take_away(work.worker, registry.blobs(), some, before).await?;
        work.counts.blobs += count;
        work.counts.bytes += bytes;
        pace.rest().await;
    }
    Ok(())
}

/// Removes the files of one folder that are no blob's and have lain there for a lease.
async fn files(registry: &Registry, work: &mut Work<'_>, folder: usize, before: Millis, pace: &mut Pace) -> Result<()> {
    let blobs = registry.blobs().clone();
    let found = tokio::task::spawn_blocking(move || blobs.list(folder)).await.map_err(std::io::Error::other)??;
    let old: BTreeMap<Digest, u64> = found.iter().filter(|file| file.changed < before).map(|file| (file.digest, file.size)).collect();
    for digest in collect::unknown(work.worker, old.keys().copied().collect::<BTreeSet<_>>()).await? {
        if work.run.view.dry_run || collect::take_file(work.worker, registry.blobs(), &digest).await? {
            work.counts.files += 1;
            work.counts.file_bytes += i64::try_from(old[&digest]).unwrap_or(i64::MAX);
        }
        pace.rest().await;
    }
    Ok(())
}

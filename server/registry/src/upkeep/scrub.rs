//! Scrubbing: reads every blob again, gently, and tells those whose content is not what their digest says. It deletes nothing: a damaged blob is
//! noted and told to clients as missing, so that the next push of an image that has it brings it back whole; its file stays until then.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;

use domain::Result;
use model::digest::Digest;
use model::time::Millis;
use model::views::upkeep::NAMED_MAX;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::work::Work;
use crate::hash::Hasher;
use crate::registry::Registry;
use crate::store::collect::{self, Seen};
use crate::store::damage;

/// Rows that are read at a time.
const READ: u32 = 200;
/// Bytes that are read and hashed at a time.
const PIECE: usize = 1 << 20;

/// How far a run came.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    after: Option<Digest>,
}

/// Works until everything was read, or the run was cancelled (false).
pub(super) async fn run(registry: &Registry, work: &mut Work<'_>) -> Result<bool> {
    let mut place: Place = work.place().unwrap_or_default();
    if work.counts.of == 0 {
        (work.counts.of, work.counts.of_bytes) = collect::totals(work.worker).await?;
    }
    let mut pace = Pace::new(work.run.schedule.scrub_rate);
    loop {
        let page = collect::blobs(work.worker, place.after.as_ref(), Millis(0), READ).await?;
        if page.is_empty() {
            return work.note(&place).await;
        }
        for seen in page {
            if !work.note(&place).await? {
                return Ok(false);
            }
            look_at(registry, work, &seen, &mut pace).await?;
            place.after = Some(seen.digest);
        }
    }
}

async fn look_at(registry: &Registry, work: &mut Work<'_>, seen: &Seen, pace: &mut Pace) -> Result<()> {
    let right = match content(registry, &seen.digest, pace).await {
        Ok(digest) => digest == seen.digest,
        Err(error) => {
            tracing::error!(digest = %seen.digest, %error, "a blob cannot be read");
            false
        }
    };
    work.counts.seen += 1;
    work.counts.seen_bytes += seen.size;
    if right {
        if seen.damaged && damage::clear(work.worker, &seen.digest).await? {
            work.counts.healed += 1;
        }
        return Ok(());
    }
    // One that was collected or pushed anew meanwhile is not there to be noted, or is right by now.
    if matches!(content(registry, &seen.digest, pace).await, Ok(digest) if digest == seen.digest) || !damage::note(work.worker, &seen.digest).await? {
        return Ok(());
    }
    tracing::error!(digest = %seen.digest, "a blob's content is not what its digest says; push an image that has it again");
    work.counts.damaged_count += 1;
    if work.counts.damaged.len() < NAMED_MAX {
        work.counts.damaged.push(seen.digest);
    }
    Ok(())
}

/// The digest of what the blob's file holds.
async fn content(registry: &Registry, digest: &Digest, pace: &mut Pace) -> io::Result<Digest> {
    let (blobs, wanted) = (registry.blobs().clone(), *digest);
    let file = tokio::task::spawn_blocking(move || blobs.read(&wanted)).await.map_err(io::Error::other)??;
    let mut state = (file, Hasher::new(digest.algorithm()), vec![0; PIECE]);
    loop {
        let (back, count) = tokio::task::spawn_blocking(move || hash_piece(state)).await.map_err(io::Error::other)??;
        if count == 0 {
            return Ok(back.1.finish());
        }
        state = back;
        pace.read(count).await;
    }
}

type State = (File, Hasher, Vec<u8>);

fn hash_piece((mut file, mut hasher, mut buffer): State) -> io::Result<(State, usize)> {
    let count = file.read(&mut buffer)?;
    hasher.update(&buffer[..count]);
    Ok(((file, hasher, buffer), count))
}

/// Reads no faster than it was asked to.
struct Pace {
    rate: f64,
    began: Instant,
    bytes: usize,
}

impl Pace {
    fn new(mib_in_a_second: u32) -> Self {
        Self { rate: f64::from(mib_in_a_second.max(1)) * f64::from(1 << 20), began: Instant::now(), bytes: 0 }
    }

    async fn read(&mut self, count: usize) {
        self.bytes += count;
        #[expect(clippy::cast_precision_loss, reason = "a pace need not be exact")]
        let due = Duration::from_secs_f64(self.bytes as f64 / self.rate);
        tokio::time::sleep_until(self.began + due).await;
        if self.bytes > PIECE * 64 {
            // What was missed is not made up for.
            *self = Self { rate: self.rate, began: Instant::now(), bytes: 0 };
        }
    }
}

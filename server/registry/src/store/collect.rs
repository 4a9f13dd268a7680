//! What collection reads and writes. Whether something is dead is decided in the statement that deletes it, and in no earlier one; the
//! argument is in [`crate::upkeep::collect`]. Its writes do not wait for the disk, which pushes would feel: undone by a loss of power, they are
//! done again by the next run.

use std::collections::BTreeSet;

use domain::db::{BATCH, Row, Tx, placeholders};
use domain::images::rules::guard;
use domain::images::{self, usage};
use domain::{Platform, Result, Worker, args};
use model::digest::Digest;
use model::ids::{ProjectId, RepositoryId};
use model::time::Millis;

use crate::disk::Blobs;

/// Rows that may still go with a repository's own.
const LAST: u32 = 50;

/// A repository, and the project whose turn is taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: ProjectId,
    /// The repository.
    pub repository: RepositoryId,
}

fn place(row: &Row<'_>) -> Result<Place> {
    Ok(Place { project: row.get("project_id")?, repository: row.get("id")? })
}

/// How many blobs there are, and their bytes.
pub async fn totals(worker: &Worker) -> Result<(i64, i64)> {
    let sql = "SELECT COUNT(*) AS n, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes FROM blobs";
    worker.platform().read().await?.one(sql, args![], |row| Ok((row.get("n")?, row.get("bytes")?))).await
}

/// What is dead at `$1`: repositories that were deleted, or whose project was, and such as hold nothing and never had an image.
const DEAD: &str = "(r.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL OR (r.pushed_at IS NULL AND r.created_at < $1
    AND NOT EXISTS (SELECT 1 FROM repository_blobs rb WHERE rb.repository_id = r.id)))";

/// Repositories that nobody can reach: deleted ones, those of deleted projects, and such as hold nothing and never had an image. At most `count`.
pub async fn dead_repositories(worker: &Worker, before: Millis, count: u32) -> Result<Vec<Place>> {
    let sql = format!("SELECT r.id, r.project_id FROM repositories r JOIN projects p ON p.id = r.project_id WHERE {DEAD} ORDER BY r.id LIMIT $2");
    worker.platform().read().await?.all(sql, args![before, count], place).await
}

/// Repositories that were deleted and whose rows are not all gone yet. At most `count`.
pub async fn deleted_repositories(worker: &Worker, count: u32) -> Result<Vec<Place>> {
    let sql = "SELECT id, project_id FROM repositories WHERE deleted_at IS NOT NULL ORDER BY id LIMIT $1";
    worker.platform().read().await?.all(sql, args![count], place).await
}

/// Takes rows of a dead repository away, so many of a table at most; whether there may be more.
pub async fn thin_out(worker: &Worker, at: Place, count: u32) -> Result<bool> {
    let mut tx = worker.relaxed_change().await?;
    take_turns(&mut tx, at).await?;
    let sql = format!("SELECT r.id, r.project_id FROM repositories r JOIN projects p ON p.id = r.project_id WHERE {DEAD} AND r.id = $2");
    // What never had an image has nothing to thin out.
    if tx.opt(sql, args![Millis(0), at.repository], place).await?.is_none() {
        return Ok(false);
    }
    let more = images::clear(&mut tx, at.project, at.repository, count).await?;
    tx.finish().await?;
    Ok(more)
}

/// Takes a repository away that is still dead and has no manifests. Says whether it was.
pub async fn drop_repository(worker: &Worker, at: Place, before: Millis) -> Result<bool> {
    let mut tx = worker.relaxed_change().await?;
    take_turns(&mut tx, at).await?;
    let sql = format!(
        "SELECT r.id, r.project_id FROM repositories r JOIN projects p ON p.id = r.project_id
         WHERE {DEAD} AND r.id = $2 AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id)"
    );
    if tx.opt(sql, args![before, at.repository], place).await?.is_none() {
        return Ok(false);
    }
    if images::clear(&mut tx, at.project, at.repository, LAST).await? {
        return Ok(false);
    }
    tx.exec("DELETE FROM repositories WHERE id = $1", args![at.repository]).await?;
    tx.finish().await?;
    Ok(true)
}

/// The repository's row and the project's turn, in the order in which pushes take them. Also where the repository is deleted.
async fn take_turns(tx: &mut Tx, at: Place) -> Result<()> {
    guard::lock_also_deleted(tx, at.repository).await?;
    usage::turn(tx, at.project).await.map(drop)
}

/// A repository's hold of a blob.
pub struct Hold {
    /// Which repository.
    pub place: Place,
    /// Which blob.
    pub digest: Digest,
    /// Whether, when it was read, none of the repository's manifests was made of it and its lease had ended.
    pub idle: bool,
}

/// The holds that follow `after`, in the order of their keys, at most `count`.
pub async fn holds(worker: &Worker, after: Option<(RepositoryId, Digest)>, before: Millis, count: u32) -> Result<Vec<Hold>> {
    let sql = "SELECT r.id, r.project_id, rb.digest,
                   CASE WHEN rb.used_at < $3 AND NOT EXISTS (SELECT 1 FROM manifest_parts p
                       WHERE p.repository_id = rb.repository_id AND p.digest = rb.digest) THEN TRUE ELSE FALSE END AS idle
               FROM repository_blobs rb JOIN repositories r ON r.id = rb.repository_id
               WHERE (rb.repository_id, rb.digest) > ($1, $2) ORDER BY rb.repository_id, rb.digest LIMIT $4";
    let (repository, digest) = after.map_or_else(Default::default, |(repository, digest)| (repository.to_string(), digest.to_string()));
    let hold = |row: &Row<'_>| Ok(Hold { place: place(row)?, digest: row.get("digest")?, idle: row.get("idle")? });
    worker.platform().read().await?.all(sql, args![repository, digest, before, count], hold).await
}

/// Ends those of these holds that are idle now; how many.
pub async fn drop_holds(worker: &Worker, at: Place, digests: &[Digest], before: Millis) -> Result<usize> {
    let mut tx = worker.relaxed_change().await?;
    // A push of a manifest takes the same row first: what it is made of is seen here, or it sees here what is gone.
    take_turns(&mut tx, at).await?;
    let mut arguments = args![at.repository, before];
    arguments.extend(digests.iter().map(Into::into));
    let sql = format!(
        "DELETE FROM repository_blobs WHERE repository_id = $1 AND used_at < $2 AND digest IN ({})
         AND NOT EXISTS (SELECT 1 FROM manifest_parts p WHERE p.repository_id = $1 AND p.digest = repository_blobs.digest) RETURNING digest",
        placeholders(3, digests.len())
    );
    let gone: Vec<Digest> = tx.all(sql, arguments, |row| row.get("digest")).await?;
    usage::let_go(&mut tx, at.project, &gone).await?;
    tx.finish().await?;
    Ok(gone.len())
}

/// A blob as collection sees it.
pub struct Seen {
    /// Which.
    pub digest: Digest,
    /// Its bytes.
    pub size: i64,
    /// Whether, when it was read, no repository held it and its last use was long ago.
    pub free: bool,
    /// Whether it would be free if idle holds had ended.
    pub would_be_free: bool,
    /// Whether a scrub found it damaged.
    pub damaged: bool,
}

/// The blobs that follow `after`, by digest, at most `count`.
pub async fn blobs(worker: &Worker, after: Option<&Digest>, before: Millis, count: u32) -> Result<Vec<Seen>> {
    let sql = "SELECT b.digest, b.size, CASE WHEN b.damaged_at IS NULL THEN FALSE ELSE TRUE END AS damaged,
                   CASE WHEN b.used_at < $2 AND NOT EXISTS (SELECT 1 FROM repository_blobs rb WHERE rb.digest = b.digest) THEN TRUE ELSE FALSE END AS free,
                   CASE WHEN b.used_at < $2 AND NOT EXISTS (SELECT 1 FROM repository_blobs rb JOIN repositories r ON r.id = rb.repository_id
                       JOIN projects p ON p.id = r.project_id WHERE rb.digest = b.digest AND p.deleted_at IS NULL AND r.deleted_at IS NULL AND (rb.used_at >= $2
                       OR EXISTS (SELECT 1 FROM manifest_parts m WHERE m.repository_id = rb.repository_id AND m.digest = rb.digest)))
                       THEN TRUE ELSE FALSE END AS would_be_free
               FROM blobs b WHERE b.digest > $1 ORDER BY b.digest LIMIT $3";
    let after = after.map(ToString::to_string).unwrap_or_default();
    let seen = |row: &Row<'_>| {
        Ok(Seen {
            digest: row.get("digest")?,
            size: row.get("size")?,
            free: row.get("free")?,
            would_be_free: row.get("would_be_free")?,
            damaged: row.get("damaged")?,
        })
    };
    worker.platform().read().await?.all(sql, args![after, before, count], seen).await
}

/// Deletes those of these blobs that are free now, and puts their files aside before that is kept. Answers how many and their bytes.
pub async fn take_away(worker: &Worker, files: &Blobs, digests: &[Digest], before: Millis) -> Result<(i64, i64)> {
    let mut tx = worker.relaxed_change().await?;
    let mut arguments = args![before];
    arguments.extend(digests.iter().map(Into::into));
    // On PostgreSQL too: a hold that was made meanwhile has written `used_at` of the very row, so this statement looks at it again.
    let sql = format!(
        "DELETE FROM blobs WHERE used_at < $1 AND digest IN ({})
         AND NOT EXISTS (SELECT 1 FROM repository_blobs rb WHERE rb.digest = blobs.digest) RETURNING digest, size",
        placeholders(2, digests.len())
    );
    let gone = tx.all(sql, arguments, |row| Ok((row.get::<Digest>("digest")?, row.get::<i64>("size")?))).await?;
    let digests: Vec<Digest> = gone.iter().map(|(digest, _)| *digest).collect();
    aside(files, &digests).await?;
    if let Err(error) = tx.finish().await {
        // Kept or not, nobody knows. A file without a row is found again later; a row without a file must not be.
        back(files, &digests).await?;
        return Err(error);
    }
    Ok((gone.len() as i64, gone.iter().map(|(_, size)| size).sum()))
}

async fn aside(files: &Blobs, digests: &[Digest]) -> Result<()> {
    let (files, digests) = (files.clone(), digests.to_vec());
    let moved = tokio::task::spawn_blocking(move || {
        for (at, digest) in digests.iter().enumerate() {
            if let Err(error) = files.put_aside(digest) {
                digests[..at].iter().try_for_each(|moved| files.put_back(moved).map(drop))?;
                return Err(error);
            }
        }
        Ok(())
    });
    Ok(moved.await.map_err(std::io::Error::other)??)
}

async fn back(files: &Blobs, digests: &[Digest]) -> Result<()> {
    let (files, digests) = (files.clone(), digests.to_vec());
    let moved = tokio::task::spawn_blocking(move || digests.iter().try_for_each(|digest| files.put_back(digest).map(drop)));
    Ok(moved.await.map_err(std::io::Error::other)??)
}

/// Those of these digests that are no blob's.
pub async fn unknown(worker: &Worker, mut digests: BTreeSet<Digest>) -> Result<BTreeSet<Digest>> {
    let all: Vec<Digest> = digests.iter().copied().collect();
    let mut tx = worker.platform().read().await?;
    for some in all.chunks(BATCH) {
        let sql = format!("SELECT digest FROM blobs WHERE digest IN ({})", placeholders(1, some.len()));
        for known in tx.all(sql, some.iter().map(Into::into).collect(), |row| row.get::<Digest>("digest")).await? {
            digests.remove(&known);
        }
    }
    Ok(digests)
}

/// Puts the file of a digest that is no blob's aside. False: it is one by now.
pub async fn take_file(worker: &Worker, files: &Blobs, digest: &Digest) -> Result<bool> {
    take_orphan(worker.platform(), files, digest).await
}

/// The same for a file that just came to its place and could not be noted.
pub async fn take_orphan(platform: &Platform, files: &Blobs, digest: &Digest) -> Result<bool> {
    let mut tx = platform.bookkeeping().await?;
    // A row of our own is the lock: whoever is about to hold this blob waits for it, and looks for the file after that.
    let sql = "INSERT INTO blobs (digest, size, created_at, used_at) VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING";
    if tx.exec(sql, args![digest]).await? == 0 {
        return Ok(false);
    }
    aside(files, &[*digest]).await?;
    tx.exec("DELETE FROM blobs WHERE digest = $1", args![digest]).await?;
    tx.finish().await?;
    Ok(true)
}

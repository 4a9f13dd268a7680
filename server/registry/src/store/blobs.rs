//! Which repository holds which blob, and for how long that is promised.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::access::{May, can};
use domain::change::Record;
use domain::db::{BATCH, Row, placeholders};
use domain::images::rules::guard;
use domain::images::usage::{self, Usage};
use domain::images::{Destination, Readable, Repository};
use domain::{Error, Platform, Result, Topic, args};
use model::digest::Digest;
use model::manifest::Descriptor;
use model::time::Millis;

use crate::disk::Blobs;
use crate::path::Name;

/// The blob's bytes, if the repository holds it. One that a scrub found damaged is told as missing, so that the next push heals it.
pub async fn held_size(platform: &Platform, repository: &Readable, digest: &Digest) -> Result<Option<u64>> {
    Ok(held(platform, repository, digest).await?.map(|(size, _)| size))
}

async fn held(platform: &Platform, repository: &Readable, digest: &Digest) -> Result<Option<(u64, Millis)>> {
    let sql = "SELECT b.size, r.used_at FROM repository_blobs r JOIN blobs b ON b.digest = r.digest
               WHERE r.repository_id = $1 AND r.digest = $2 AND b.damaged_at IS NULL";
    let read = |row: &Row<'_>| Ok((u64::try_from(row.get::<i64>("size")?).unwrap_or(0), row.get("used_at")?));
    platform.read().await?.opt(sql, args![repository.id, digest], read).await
}

/// The same for somebody who will rely on it: from now on the repository holds the blob for at least the lease's length, less an eighth of it.
pub async fn promised_size(platform: &Platform, repository: &Readable, digest: &Digest, lease: Duration) -> Result<Option<u64>> {
    let now = platform.now();
    let Some((size, used_at)) = held(platform, repository, digest).await? else { return Ok(None) };
    // Written seldom: a fresh lease is as good as a new one. One from the future is a clock's that was moved.
    if used_at <= now && now.since(used_at) < lease / 8 {
        return Ok(Some(size));
    }
    let mut tx = platform.bookkeeping().await?;
    let sql = "UPDATE repository_blobs SET used_at = $3 WHERE repository_id = $1 AND digest = $2";
    let renewed = tx.exec(sql, args![repository.id, digest, now]).await?;
    tx.finish().await?;
    // None: it was collected between the two.
    Ok((renewed > 0).then_some(size))
}

/// From now on the repository holds the blob, whose file was just put into its place, or lies there since long. False: it does not lie there any
/// more, and nothing was noted.
///
/// # Errors
/// `Forbidden` where the project would keep more than its quota.
pub async fn hold(platform: &Platform, blobs: &Blobs, destination: &May<can::Push, Destination>, digest: &Digest, size: u64) -> Result<bool> {
    let now = platform.now();
    let mut tx = platform.bookkeeping().await?;
    let usage = usage::turn(&mut tx, destination.project.id).await?;
    let id = super::repository(&mut tx, platform, destination).await?;
    let bytes = i64::try_from(size).map_err(|_| Error::TooLarge("the blob is too large".into()))?;
    // The row is the blob's lock: whoever moves its file holds it (`upkeep::collect`).
    let sql = "INSERT INTO blobs (digest, size, created_at, used_at) VALUES ($1, $2, $3, $3)
               ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at, damaged_at = NULL";
    tx.exec(sql, args![digest, bytes, now]).await?;
    let (blobs, moved) = (blobs.clone(), *digest);
    if !tokio::task::spawn_blocking(move || blobs.put_back(&moved)).await.map_err(std::io::Error::other)?? {
        return Ok(false);
    }
    let again = "UPDATE repository_blobs SET used_at = $3 WHERE repository_id = $1 AND digest = $2";
    if tx.exec(again, args![id, digest, now]).await? == 0 {
        let sql = "INSERT INTO repository_blobs (repository_id, digest, since, used_at) VALUES ($1, $2, $3, $3)";
        tx.exec(sql, args![id, digest, now]).await?;
        usage::hold(&mut tx, &destination.project, usage, digest, size).await?;
    }
    tx.finish().await?;
    Ok(true)
}

/// Whether the project may keep these blobs, of which it may keep some already. Good for a refusal before anything is fetched; it is decided
/// in [`hold`].
///
/// # Errors
/// `Forbidden` where it would keep more than its quota.
pub async fn may_keep(platform: &Platform, destination: &May<can::Push, Destination>, blobs: &[Descriptor]) -> Result<()> {
    let over = overrun(platform, destination, blobs.iter().map(|blob| (blob.digest, blob.size))).await?;
    over.map_or(Ok(()), |(usage, more)| Err(usage.refusal_of_image(&destination.project, more)))
}

/// What the project may still keep; none: as much as the disk takes. Good for a refusal before anything is sent.
pub async fn glance(platform: &Platform, destination: &May<can::Push, Destination>) -> Result<Usage> {
    let mut tx = platform.read().await?;
    usage::glance(&mut tx, destination.project.id).await
}

/// What the project keeps, if the blob would be more than it still may. A blob that it keeps already costs nothing.
pub async fn would_overrun(platform: &Platform, destination: &May<can::Push, Destination>, digest: &Digest, size: u64) -> Result<Option<Usage>> {
    Ok(overrun(platform, destination, [(*digest, size)]).await?.map(|(usage, _)| usage))
}

/// What the project keeps and how many bytes these blobs would add, if that is more than it still may; those that it keeps already add nothing.
async fn overrun(
    platform: &Platform,
    destination: &May<can::Push, Destination>,
    blobs: impl IntoIterator<Item = (Digest, u64)>,
) -> Result<Option<(Usage, u64)>> {
    let mut tx = platform.read().await?;
    let usage = usage::glance(&mut tx, destination.project.id).await?;
    let Some(left) = usage.left() else { return Ok(None) };
    let mut more: BTreeMap<Digest, u64> = blobs.into_iter().collect();
    let sum = |more: &BTreeMap<Digest, u64>| more.values().fold(0_u64, |sum, size| sum.saturating_add(*size));
    if sum(&more) <= left {
        return Ok(None);
    }
    let asked: Vec<Digest> = more.keys().copied().collect();
    for some in asked.chunks(BATCH) {
        let mut arguments = args![destination.project.id];
        arguments.extend(some.iter().map(Into::into));
        let sql = format!("SELECT digest FROM project_blobs WHERE project_id = $1 AND digest IN ({})", placeholders(2, some.len()));
        for kept in tx.all(sql, arguments, |row| row.get::<Digest>("digest")).await? {
            more.remove(&kept);
        }
    }
    let more = sum(&more);
    Ok((more > left).then_some((usage, more)))
}

/// A repository that holds the blob and from which the caller may pull, and the blob's bytes.
pub async fn is_held_somewhere_visible(
    platform: &Platform,
    destination: &May<can::Push, Destination>,
    digest: &Digest,
) -> Result<Option<(Name, u64)>> {
    let visible = match destination.actor().visible::<can::Pull>() {
        Ok(visible) => visible,
        Err(Error::Forbidden(_)) => return Ok(None),
        Err(other) => return Err(other),
    };
    let (condition, mut more) = visible.condition("p", 2);
    let sql = format!(
        "SELECT p.name AS project, r.name AS repository, b.size FROM repository_blobs rb JOIN blobs b ON b.digest = rb.digest
         JOIN repositories r ON r.id = rb.repository_id JOIN projects p ON p.id = r.project_id
         WHERE rb.digest = $1 AND b.damaged_at IS NULL AND r.deleted_at IS NULL AND p.deleted_at IS NULL AND {condition} LIMIT 1"
    );
    let mut arguments = args![digest];
    arguments.append(&mut more);
    let held = |row: &Row<'_>| {
        let name = Name { project: row.get("project")?, repository: row.get("repository")? };
        Ok((name, u64::try_from(row.get::<i64>("size")?).unwrap_or(0)))
    };
    platform.read().await?.opt(sql, arguments, held).await
}

/// The repository no longer holds the blob. Refused while one of its manifests is made of it.
pub async fn release(platform: &Platform, may: &May<can::DeleteImages, Repository>, digest: &Digest) -> Result<bool> {
    let mut change = platform.change(may.actor()).await?;
    if !guard::lock(&mut change, may.id).await? {
        return Ok(false);
    }
    usage::turn(&mut change, may.project.id).await?;
    let sql = "SELECT manifest FROM manifest_parts WHERE repository_id = $1 AND digest = $2 AND role <> 'manifest' LIMIT 1";
    let user = change.opt(sql, args![may.id, digest], |row| row.get::<Digest>("manifest")).await?;
    if let Some(user) = user {
        return Err(Error::conflict("in_use", format!("the blob is a part of the manifest {user}; delete that first")));
    }
    let sql = "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2";
    if change.exec(sql, args![may.id, digest]).await? == 0 {
        return Ok(false);
    }
    usage::let_go(&mut change, may.project.id, &[*digest]).await?;
    change.touch(Topic::Images(may.project.id));
    let record = Record::new("blob.delete", "blob", format!("{}@{digest}", may.full_name()));
    change.commit(record.project(&may.project)).await?;
    Ok(true)
}

//! Which repository holds which blob.

use domain::access::{May, can};
use domain::change::Record;
use domain::db::Row;
use domain::images::{Destination, Readable, Repository};
use domain::{Error, Platform, Result, Topic, args};
use model::digest::Digest;

use crate::path::Name;

/// The blob's bytes, if the repository holds it.
pub async fn held_size(platform: &Platform, repository: &Readable, digest: &Digest) -> Result<Option<u64>> {
    let sql = "SELECT b.size FROM repository_blobs r JOIN blobs b ON b.digest = r.digest WHERE r.repository_id = $1 AND r.digest = $2";
    let size: Option<i64> = platform.read().await?.opt(sql, args![repository.id, digest], |row| row.get("size")).await?;
    Ok(size.map(|size| u64::try_from(size).unwrap_or(0)))
}

/// From now on the repository holds the blob, whose file is whole and in its place.
pub async fn hold(platform: &Platform, destination: &May<can::Push, Destination>, digest: &Digest, size: u64) -> Result<()> {
    let now = platform.now();
    let mut tx = platform.bookkeeping().await?;
    let id = super::repository(&mut tx, platform, destination).await?;
    let size = i64::try_from(size).map_err(|_| Error::TooLarge("the blob is too large".into()))?;
    let sql = "INSERT INTO blobs (digest, size, created_at, used_at) VALUES ($1, $2, $3, $3)
               ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at";
    tx.exec(sql, args![digest, size, now]).await?;
    let sql = "INSERT INTO repository_blobs (repository_id, digest, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.exec(sql, args![id, digest, now]).await?;
    tx.finish().await
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
         WHERE rb.digest = $1 AND p.deleted_at IS NULL AND {condition} LIMIT 1"
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
    let sql = "SELECT manifest FROM manifest_parts WHERE repository_id = $1 AND digest = $2 AND role <> 'manifest' LIMIT 1";
    let user = change.opt(sql, args![may.id, digest], |row| row.get::<Digest>("manifest")).await?;
    if let Some(user) = user {
        return Err(Error::conflict("in_use", format!("the blob is a part of the manifest {user}; delete that first")));
    }
    let sql = "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2";
    if change.exec(sql, args![may.id, digest]).await? == 0 {
        return Ok(false);
    }
    change.touch(Topic::Images(may.project.id));
    let record = Record::new("blob.delete", "blob", format!("{}@{digest}", may.full_name()));
    change.commit(record.project(&may.project)).await?;
    Ok(true)
}

//! Deletion of tags, manifests and repositories. The files of blobs that nothing needs any more stay until they are collected, so
//! what was deleted by mistake can be pushed again without its layers being sent. What a rule makes immutable is not deleted.

use model::digest::Digest;
use model::ids::{ProjectId, RepositoryId};
use model::names::TagName;
use serde_json::json;

use super::rules::guard;
use super::{Repository, usage};
use crate::access::{May, can};
use crate::args;
use crate::change::Record;
use crate::db::{BATCH, Tx, Value, placeholders};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;

/// So much of a repository goes with its deletion; of a larger one the rest goes after it.
const AT_ONCE: u32 = 100;

/// Takes a tag away; the image stays and can be had by its digest. Answers which image it named.
pub async fn delete_tag(platform: &Platform, may: &May<can::DeleteImages, Repository>, tag: &TagName) -> Result<Digest> {
    let mut change = platform.change(may.actor()).await?;
    if !guard::lock(&mut change, may.id).await? {
        return Err(Error::NotFound { what: "tag" });
    }
    let sql = "DELETE FROM tags WHERE repository_id = $1 AND name = $2 RETURNING digest";
    let digest = change.opt(sql, args![may.id, tag], |row| row.get::<Digest>("digest")).await?;
    let Some(digest) = digest else { return Err(Error::NotFound { what: "tag" }) };
    guard::before_deleting_tag(&mut change, &may.project, &may.path, tag).await?;
    guard::lost_a_tag(&mut change, may.id, &[digest], platform.now()).await?;
    change.touch(Topic::Images(may.project.id));
    let record = Record::new("tag.delete", "tag", format!("{}:{tag}", may.full_name()));
    change.commit(record.project(&may.project).detail(json!({ "digest": digest }))).await?;
    Ok(digest)
}

/// Takes a manifest away, with the tags that name it. Answers those tags.
pub async fn delete_manifest(platform: &Platform, may: &May<can::DeleteImages, Repository>, digest: &Digest) -> Result<Vec<TagName>> {
    let mut change = platform.change(may.actor()).await?;
    if !guard::lock(&mut change, may.id).await? {
        return Err(Error::NotFound { what: "image" });
    }
    guard::before_deleting_image(&mut change, &may.project, &may.path, may.id, digest).await?;
    let sql = "DELETE FROM tags WHERE repository_id = $1 AND digest = $2 RETURNING name";
    let mut tags: Vec<TagName> = change.all(sql, args![may.id, digest], |row| row.get("name")).await?;
    tags.sort();
    let sql = "DELETE FROM manifests WHERE repository_id = $1 AND digest = $2";
    if change.exec(sql, args![may.id, digest]).await? == 0 {
        return Err(Error::NotFound { what: "image" });
    }
    change.touch(Topic::Images(may.project.id));
    let record = Record::new("image.delete", "image", format!("{}@{digest}", may.full_name()));
    change.commit(record.project(&may.project).detail(json!({ "tags": tags }))).await?;
    Ok(tags)
}

/// Takes a repository away with everything in it. From now on nobody finds it and its name is free; where it is large, its rows go after this, a few at
/// a time, so that others can push meanwhile, and the project gets its bytes back with them.
pub async fn delete_repository(platform: &Platform, may: &May<can::DeleteImages, Repository>) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    // The repository's row first and the project's turn then, as a push of a manifest takes them.
    if !guard::lock(&mut change, may.id).await? {
        return Err(Error::NotFound { what: "repository" });
    }
    guard::before_deleting_repository(&mut change, &may.project, &may.path, may.id).await?;
    usage::turn(&mut change, may.project.id).await?;
    let count = "SELECT COUNT(*) AS n FROM tags WHERE repository_id = $1";
    let tags: i64 = change.one(count, args![may.id], |row| row.get("n")).await?;
    // The repository's row at the end: both statements keep those away that only need it to stay, which until here would be to wait in a circle.
    if clear(&mut change, may.project.id, may.id, AT_ONCE).await? {
        // Its new name is none that a path can be: nobody can ask for it, or stand in its way.
        let sql = "UPDATE repositories SET deleted_at = $2, pushed_at = NULL, name = '!' || id WHERE id = $1";
        change.exec(sql, args![may.id, platform.now()]).await?;
        change.wake(Signal::DeletedRepositories);
    } else {
        change.exec("DELETE FROM repositories WHERE id = $1", args![may.id]).await?;
    }
    change.touch(Topic::Images(may.project.id));
    let record = Record::new("repository.delete", "repository", may.full_name());
    change.commit(record.project(&may.project).detail(json!({ "tags": tags }))).await
}

/// Takes rows of a repository away that nobody can reach any more, at most `count` of each table that it holds much in, and gives the bytes of blobs
/// back that the project holds no more. Whether there may be more. The caller holds the repository's row and the project's turn.
pub async fn clear(tx: &mut Tx, project: ProjectId, repository: RepositoryId, count: u32) -> Result<bool> {
    let full = |done: u64| done >= u64::from(count);
    // Parts and layers of a manifest go with it.
    let sql = "SELECT digest FROM manifests WHERE repository_id = $1 ORDER BY digest LIMIT $2";
    let digests: Vec<Digest> = tx.all(sql, args![repository, count], |row| row.get("digest")).await?;
    for some in digests.chunks(BATCH) {
        let list = placeholders(2, some.len());
        for table in ["tags", "manifests"] {
            let mut arguments = args![repository];
            arguments.extend(some.iter().map(Value::from));
            tx.exec(format!("DELETE FROM {table} WHERE repository_id = $1 AND digest IN ({list})"), arguments).await?;
        }
    }
    if full(digests.len() as u64) {
        return Ok(true);
    }
    let sql = "DELETE FROM tag_moves WHERE repository_id = $1 AND (name, digest, chain) IN (
                   SELECT name, digest, chain FROM tag_moves WHERE repository_id = $1 ORDER BY name, digest, chain LIMIT $2)";
    if full(tx.exec(sql, args![repository, count]).await?) {
        return Ok(true);
    }
    let sql = "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest IN (
                   SELECT digest FROM repository_blobs WHERE repository_id = $1 ORDER BY digest LIMIT $2) RETURNING digest";
    let held: Vec<Digest> = tx.all(sql, args![repository, count], |row| row.get("digest")).await?;
    usage::let_go(tx, project, &held).await?;
    Ok(full(held.len() as u64))
}

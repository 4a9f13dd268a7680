//! Deletion of tags, manifests and repositories. The files of blobs that nothing needs any more stay until they are collected, so
//! what was deleted by mistake can be pushed again without its layers being sent. What a rule makes immutable is not deleted.

use model::digest::Digest;
use model::names::TagName;
use serde_json::json;

use super::rules::guard;
use super::{Repository, usage};
use crate::access::{May, can};
use crate::args;
use crate::change::Record;
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;

/// Takes a tag away; the image stays and can be had by its digest. Answers which image it named.
pub async fn delete_tag(platform: &Platform, may: &May<can::DeleteImages, Repository>, tag: &TagName) -> Result<Digest> {
    let mut change = platform.change(may.actor()).await?;
    guard::lock(&mut change, may.id).await?;
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
    guard::lock(&mut change, may.id).await?;
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

/// Takes a repository away with everything in it.
pub async fn delete_repository(platform: &Platform, may: &May<can::DeleteImages, Repository>) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    // The repository's row first and the project's turn then, as a push of a manifest takes them.
    guard::lock(&mut change, may.id).await?;
    guard::before_deleting_repository(&mut change, &may.project, &may.path, may.id).await?;
    usage::turn(&mut change, may.project.id).await?;
    let count = "SELECT COUNT(*) AS n FROM tags WHERE repository_id = $1";
    let tags: i64 = change.one(count, args![may.id], |row| row.get("n")).await?;
    usage::let_go_of_everything(&mut change, may.project.id, may.id).await?;
    if change.exec("DELETE FROM repositories WHERE id = $1", args![may.id]).await? == 0 {
        return Err(Error::NotFound { what: "repository" });
    }
    change.touch(Topic::Images(may.project.id));
    let record = Record::new("repository.delete", "repository", may.full_name());
    change.commit(record.project(&may.project).detail(json!({ "tags": tags }))).await
}

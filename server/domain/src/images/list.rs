//! Lists and details of images, for pages and REST. Every list is read by pages of its key, so that a page deep in it costs what
//! the first one costs.

use std::collections::BTreeMap;

use model::digest::Digest;
use model::ids::RepositoryId;
use model::manifest::config::ImageConfig;
use model::names::TagName;
use model::page::{Page, PageRequest};
use model::reference::Reference;
use model::time::Millis;
use model::views::images::{ImageView, PartView, ReferrerView, RepositorySummary, TagOrder, TagView};

use super::Repository;
use crate::access::{May, can};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;

/// How many of an image's tags and referrers are shown with it.
const WITH_IMAGE: i64 = 100;

/// The project's repositories by name, without those that hold nothing yet but parts of a first push.
pub async fn repositories(platform: &Platform, may: &May<can::Pull, Project>, page: &PageRequest) -> Result<Page<RepositorySummary>> {
    let limit = page.limit();
    let sql = "SELECT r.id, r.name, r.pulls, r.pushed_at, r.pulled_at, r.created_at,
                   (SELECT COUNT(*) FROM tags t WHERE t.repository_id = r.id) AS tags,
                   (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM repository_blobs rb JOIN blobs b ON b.digest = rb.digest
                    WHERE rb.repository_id = r.id) AS size
               FROM repositories r WHERE r.project_id = $1 AND r.name > $2 AND r.pushed_at IS NOT NULL ORDER BY r.name LIMIT $3";
    let arguments = args![may.id, page.after.as_deref().unwrap_or_default(), i64::from(limit) + 1];
    let summary = |row: &Row<'_>| {
        Ok(RepositorySummary {
            id: row.get("id")?,
            project: may.name.clone(),
            name: row.get("name")?,
            tags: row.get("tags")?,
            size: row.get("size")?,
            pulls: row.get("pulls")?,
            pushed_at: row.get("pushed_at")?,
            pulled_at: row.get("pulled_at")?,
            created_at: row.get("created_at")?,
        })
    };
    let items = platform.read().await?.all(sql, arguments, summary).await?;
    Ok(Page::cut(items, limit, |item| item.name.to_string()))
}

/// The repository's tags.
pub async fn tags(platform: &Platform, may: &May<can::Pull, Repository>, order: TagOrder, page: &PageRequest) -> Result<Page<TagView>> {
    let limit = page.limit();
    let mut arguments = args![may.id, i64::from(limit) + 1];
    let (after, order_by) = match (order, page.after.as_deref()) {
        (TagOrder::Name, after) => {
            arguments.push(after.unwrap_or_default().into());
            ("t.name > $3", "t.name")
        }
        (TagOrder::Newest, None) => ("TRUE", "t.pushed_at DESC, t.name DESC"),
        (TagOrder::Newest, Some(after)) => {
            let (at, name) = newest_cursor(after)?;
            arguments.extend(args![at, name]);
            ("(t.pushed_at, t.name) < ($3, $4)", "t.pushed_at DESC, t.name DESC")
        }
    };
    let sql = format!(
        "SELECT t.name, t.digest, t.pushed_at, t.pusher, m.media_type, m.kind, m.artifact_type, m.content_size, m.pulled_at, m.pulls
         FROM tags t JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
         WHERE t.repository_id = $1 AND {after} ORDER BY {order_by} LIMIT $2"
    );
    let items = platform.read().await?.all(sql, arguments, tag).await?;
    Ok(Page::cut(items, limit, |item| match order {
        TagOrder::Name => item.name.to_string(),
        TagOrder::Newest => format!("{}:{}", item.pushed_at.0, item.name),
    }))
}

fn newest_cursor(text: &str) -> Result<(i64, &str)> {
    let cursor = text.split_once(':').and_then(|(at, name)| Some((at.parse().ok()?, name)));
    cursor.ok_or_else(|| Error::invalid("after", "take the cursor from an earlier page's next"))
}

fn tag(row: &Row<'_>) -> Result<TagView> {
    Ok(TagView {
        name: row.get("name")?,
        digest: row.get("digest")?,
        media_type: row.get("media_type")?,
        kind: row.get("kind")?,
        artifact_type: row.get("artifact_type")?,
        size: row.get("content_size")?,
        pushed_at: row.get("pushed_at")?,
        pushed_by: row.get("pusher")?,
        pulled_at: row.get("pulled_at")?,
        pulls: row.get("pulls")?,
    })
}

/// The newest tags' names, newest first.
pub(super) async fn newest_names(tx: &mut Tx, repository: RepositoryId, count: u32) -> Result<Vec<TagName>> {
    let sql = "SELECT name FROM tags WHERE repository_id = $1 ORDER BY pushed_at DESC, name DESC LIMIT $2";
    tx.all(sql, args![repository, count], |row| row.get("name")).await
}

/// An image with all that is known of it.
pub async fn image(platform: &Platform, may: &May<can::Pull, Repository>, reference: &Reference) -> Result<ImageView> {
    let mut tx = platform.read().await?;
    let missing = Error::NotFound { what: "image" };
    let Some(digest) = super::find(&mut tx, may.id, reference).await?.map(|found| found.digest) else { return Err(missing) };
    let sql = "SELECT media_type, kind, artifact_type, subject, content_size, annotations, config, pushed_at, pusher, pulled_at, pulls
               FROM manifests WHERE repository_id = $1 AND digest = $2";
    let mut view = tx
        .one(sql, args![may.id, &digest], |row| {
            let annotations: Json<BTreeMap<String, String>> = row.get("annotations")?;
            let config: Option<Json<ImageConfig>> = row.get("config")?;
            Ok(ImageView {
                project: may.project.name.clone(),
                repository: may.path.clone(),
                digest,
                media_type: row.get("media_type")?,
                kind: row.get("kind")?,
                artifact_type: row.get("artifact_type")?,
                size: row.get("content_size")?,
                tags: Vec::new(),
                parts: Vec::new(),
                config: config.map(|json| json.0),
                annotations: annotations.0,
                subject: row.get("subject")?,
                referrers: Vec::new(),
                pushed_at: row.get::<Millis>("pushed_at")?,
                pushed_by: row.get("pusher")?,
                pulled_at: row.get("pulled_at")?,
                pulls: row.get("pulls")?,
            })
        })
        .await?;
    complete(&mut tx, may.id, &digest, &mut view).await?;
    Ok(view)
}

async fn complete(tx: &mut Tx, repository: RepositoryId, digest: &Digest, view: &mut ImageView) -> Result<()> {
    let sql = "SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name LIMIT $3";
    view.tags = tx.all(sql, args![repository, digest, WITH_IMAGE], |row| row.get("name")).await?;
    // Bounded by the size of a manifest.
    let sql = "SELECT role, digest, media_type, size, platform FROM manifest_parts
               WHERE repository_id = $1 AND manifest = $2 ORDER BY position";
    let part = |row: &Row<'_>| {
        Ok(PartView {
            part: row.get("role")?,
            digest: row.get("digest")?,
            media_type: row.get("media_type")?,
            size: row.get("size")?,
            platform: row.get("platform")?,
        })
    };
    view.parts = tx.all(sql, args![repository, digest], part).await?;
    let sql = "SELECT digest, artifact_type, size FROM manifests WHERE repository_id = $1 AND subject = $2 ORDER BY digest LIMIT $3";
    let referrer = |row: &Row<'_>| Ok(ReferrerView { digest: row.get("digest")?, artifact_type: row.get("artifact_type")?, size: row.get("size")? });
    view.referrers = tx.all(sql, args![repository, digest, WITH_IMAGE], referrer).await?;
    Ok(())
}

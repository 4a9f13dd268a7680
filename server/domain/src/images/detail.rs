//! One image with all that is known of it. Everything is bounded: by the size of a manifest, or by a hundred.

use std::collections::BTreeMap;

use model::digest::Digest;
use model::ids::RepositoryId;
use model::manifest::config::ImageConfig;
use model::reference::Reference;
use model::time::Millis;
use model::views::images::{ImageUses, ImageView, ManifestText, PartView, ReferrerView};

use super::rules::guard;
use super::{Repository, uses};
use crate::access::{May, can};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// How many of an image's tags, referrers, indexes and places are shown with it.
pub(super) const WITH_IMAGE: i64 = 100;
/// Bytes of a manifest that are shown.
const TEXT_SHOWN: usize = 16 * 1024;

/// An image with all that is known of it.
pub async fn image(platform: &Platform, may: &May<can::Pull, Repository>, reference: &Reference) -> Result<ImageView> {
    let mut tx = platform.read().await?;
    let digest = digest(&mut tx, may, reference).await?;
    let sql = "SELECT media_type, kind, artifact_type, subject, size, content_size, annotations, config, pushed_at, pusher, pulled_at, pulls
               FROM manifests WHERE repository_id = $1 AND digest = $2";
    let mut view = tx.one(sql, args![may.id, &digest], |row| view(row, may, digest)).await?;
    complete(&mut tx, may.id, &digest, &mut view).await?;
    view.uses = uses::of_image(&mut tx, may, &view).await?;
    view.immutable = guard::image_is_kept(&mut tx, &may.project, &may.path, may.id, &digest).await?;
    Ok(view)
}

pub(super) async fn digest(tx: &mut Tx, may: &May<can::Pull, Repository>, reference: &Reference) -> Result<Digest> {
    let found = super::find(tx, may.id, reference).await?;
    found.map(|found| found.digest).ok_or(Error::NotFound { what: "image" })
}

fn view(row: &Row<'_>, may: &Repository, digest: Digest) -> Result<ImageView> {
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
        manifest_size: row.get("size")?,
        listed_in: Vec::new(),
        uses: ImageUses::default(),
        immutable: None,
        damaged: Vec::new(),
    })
}

async fn complete(tx: &mut Tx, repository: RepositoryId, digest: &Digest, view: &mut ImageView) -> Result<()> {
    let sql = "SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name LIMIT $3";
    view.tags = tx.all(sql, args![repository, digest, WITH_IMAGE], |row| row.get("name")).await?;
    // Bounded by the size of a manifest.
    let sql = "SELECT role, digest, media_type, size, platform FROM manifest_parts
               WHERE repository_id = $1 AND manifest = $2 ORDER BY position";
    view.parts = tx.all(sql, args![repository, digest], part).await?;
    let sql = "SELECT digest, artifact_type, size FROM manifests WHERE repository_id = $1 AND subject = $2 ORDER BY digest LIMIT $3";
    let referrer = |row: &Row<'_>| Ok(ReferrerView { digest: row.get("digest")?, artifact_type: row.get("artifact_type")?, size: row.get("size")? });
    view.referrers = tx.all(sql, args![repository, digest, WITH_IMAGE], referrer).await?;
    let sql =
        "SELECT DISTINCT manifest FROM manifest_parts WHERE repository_id = $1 AND digest = $2 AND role = 'manifest' ORDER BY manifest LIMIT $3";
    view.listed_in = tx.all(sql, args![repository, digest, WITH_IMAGE], |row| row.get("manifest")).await?;
    let sql = "SELECT DISTINCT p.digest FROM manifest_parts p JOIN blobs b ON b.digest = p.digest AND b.damaged_at IS NOT NULL
               WHERE p.repository_id = $1 AND p.manifest = $2 ORDER BY p.digest LIMIT $3";
    view.damaged = tx.all(sql, args![repository, digest, WITH_IMAGE], |row| row.get("digest")).await?;
    Ok(())
}

pub(super) fn part(row: &Row<'_>) -> Result<PartView> {
    Ok(PartView {
        part: row.get("role")?,
        digest: row.get("digest")?,
        media_type: row.get("media_type")?,
        size: row.get("size")?,
        platform: row.get("platform")?,
    })
}

/// The beginning of an image's manifest, for reading.
pub async fn manifest_text(platform: &Platform, may: &May<can::Pull, Repository>, reference: &Reference) -> Result<ManifestText> {
    let mut tx = platform.read().await?;
    let digest = digest(&mut tx, may, reference).await?;
    let sql = format!("SELECT size, substr(body, 1, {TEXT_SHOWN}) AS body FROM manifests WHERE repository_id = $1 AND digest = $2");
    tx.one(sql, args![may.id, digest], |row| {
        let body: Vec<u8> = row.get("body")?;
        let whole = row.get::<i64>("size")? == body.len() as i64;
        let text = match String::from_utf8(body) {
            Ok(text) => Some(text),
            // The cut may have gone through a character.
            Err(error) if !whole && error.utf8_error().error_len().is_none() => Some(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            Err(_) => None,
        };
        Ok(ManifestText { text, whole })
    })
    .await
}

/// An image's manifest byte for byte, with its digest and media type.
pub async fn manifest(platform: &Platform, may: &May<can::Pull, Repository>, reference: &Reference) -> Result<(Digest, String, Vec<u8>)> {
    let mut tx = platform.read().await?;
    let digest = digest(&mut tx, may, reference).await?;
    let sql = "SELECT media_type, body FROM manifests WHERE repository_id = $1 AND digest = $2";
    tx.one(sql, args![may.id, digest], |row| Ok((digest, row.get("media_type")?, row.get("body")?))).await
}

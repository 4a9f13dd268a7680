//! Lists in the registry's protocol, each read by pages of its key.

use std::collections::BTreeMap;

use domain::access::{Visible, can};
use domain::db::{Json, Row};
use domain::images::Readable;
use domain::{Platform, Result, args};
use model::digest::Digest;
use model::names::{ProjectName, RepositoryPath, TagName};

use crate::path::Name;

/// The tags that follow `last` in byte order, at most `count`.
pub async fn tags(platform: &Platform, repository: &Readable, last: &str, count: u32) -> Result<Vec<TagName>> {
    let sql = "SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3";
    platform.read().await?.all(sql, args![repository.id, last, count], |row| row.get("name")).await
}

/// The repositories that follow `last`, by project and then by path, of those from which the caller may pull, at most `count`.
pub async fn catalog(platform: &Platform, visible: &Visible<can::Pull>, last: Option<&Name>, count: u32) -> Result<Vec<Name>> {
    let (condition, mut more) = visible.condition("p", 4);
    let sql = format!(
        r#"SELECT p.name AS project, r.name AS repository FROM repositories r JOIN projects p ON p.id = r.project_id
           WHERE p.deleted_at IS NULL AND r.pushed_at IS NOT NULL AND (p.name COLLATE "C", r.name) > ($1, $2) AND {condition}
           ORDER BY p.name COLLATE "C", r.name LIMIT $3"#
    );
    let (project, repository) = last.map_or(("", ""), |name| (name.project.as_str(), name.repository.as_str()));
    let mut arguments = args![project, repository, count];
    arguments.append(&mut more);
    let name = |row: &Row<'_>| Ok(Name { project: row.get::<ProjectName>("project")?, repository: row.get::<RepositoryPath>("repository")? });
    platform.read().await?.all(sql, arguments, name).await
}

/// Most referrers of one page.
const REFERRERS_MAX: usize = 200;
/// Most bytes of one page's descriptors, which a page of one referrer alone may exceed: a page must stay below a manifest's size, which is
/// what clients take, and all annotations must be listed ("Listing Referrers").
const PAGE_MAX: i64 = 2 * 1024 * 1024;
/// Bytes of a descriptor besides its type, its artifact's type and its annotations: names of fields, digest, size.
const DESCRIPTOR: i64 = 320;

/// A manifest that is about another one.
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Bytes of its body.
    pub size: i64,
    /// What sort of artifact it is.
    pub artifact_type: Option<String>,
    /// Its notes.
    pub annotations: BTreeMap<String, String>,
}

/// The manifests that are about `subject` and follow `last`, by digest, as many as one page takes, and whether there are more; of one type
/// of artifact, if that is asked for.
pub async fn referrers(
    platform: &Platform,
    repository: &Readable,
    subject: &Digest,
    artifact_type: Option<&str>,
    last: Option<&Digest>,
) -> Result<(Vec<Referrer>, bool)> {
    let last = last.map(ToString::to_string).unwrap_or_default();
    let filter = if artifact_type.is_some() { " AND artifact_type = $5" } else { "" };
    let arguments = |count: i64| {
        let mut arguments = args![repository.id, subject, &last, count];
        arguments.extend(artifact_type.map(Into::into));
        arguments
    };
    let from = format!("FROM manifests WHERE repository_id = $1 AND subject = $2 AND digest > $3{filter} ORDER BY digest LIMIT $4");
    let mut tx = platform.read().await?;
    let sql = format!(
        "SELECT CAST(OCTET_LENGTH(annotations) + OCTET_LENGTH(media_type) + COALESCE(OCTET_LENGTH(artifact_type), 0) AS BIGINT) AS length {from}"
    );
    let lengths: Vec<i64> = tx.all(sql, arguments(REFERRERS_MAX as i64 + 1), |row| row.get("length")).await?;
    let mut total = 0;
    let fitting = lengths.iter().take(REFERRERS_MAX).take_while(|length| {
        total += **length + DESCRIPTOR;
        total <= PAGE_MAX
    });
    let count = fitting.count().max(1);
    let sql = format!("SELECT digest, media_type, size, artifact_type, annotations {from}");
    let referrer = |row: &Row<'_>| {
        Ok(Referrer {
            digest: row.get("digest")?,
            media_type: row.get("media_type")?,
            size: row.get("size")?,
            artifact_type: row.get("artifact_type")?,
            annotations: row.get::<Json<BTreeMap<String, String>>>("annotations")?.0,
        })
    };
    let found = tx.all(sql, arguments(count as i64), referrer).await?;
    let more = lengths.len() > found.len();
    Ok((found, more))
}

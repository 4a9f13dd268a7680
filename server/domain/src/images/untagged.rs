//! What a repository holds beside its tags: images that no tag names, and how much there is of everything.
//!
//! No index knows what has no tag, so it is looked for in windows of the list of manifests, and in no more than [`SCAN`] of them for one page. A
//! page that ends there says where to go on, even if it is empty.

use model::access::Action;
use model::digest::Digest;
use model::page::{Page, PageRequest};
use model::views::images::{RepositoryCounts, UntaggedView};

use super::{Repository, uses};
use crate::access::{May, can};
use crate::args;
use crate::db::Row;
use crate::error::Result;
use crate::platform::Platform;

/// Most manifests that are looked through for one page.
const SCAN: i64 = 10_000;

/// Images, indexes and artifacts that no tag names. Parts of an index are reached through it, and what is about an image through that one:
/// they are not listed while those are there.
pub async fn untagged(platform: &Platform, may: &May<can::Pull, Repository>, page: &PageRequest) -> Result<Page<UntaggedView>> {
    let limit = page.limit();
    let from = page.after.clone().unwrap_or_default();
    let mut tx = platform.read().await?;
    let sql = "SELECT m.digest, m.kind, m.artifact_type, m.content_size, m.pushed_at, m.pusher, m.pulled_at, m.pulls, m.untagged_at
               FROM (SELECT w.digest FROM manifests w WHERE w.repository_id = $1 AND w.digest > $2 ORDER BY w.digest LIMIT $3) w
               JOIN manifests m ON m.repository_id = $1 AND m.digest = w.digest
               WHERE NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = $1 AND t.digest = m.digest)
                   AND NOT EXISTS (SELECT 1 FROM manifest_parts p WHERE p.repository_id = $1 AND p.digest = m.digest AND p.role = 'manifest')
                   AND NOT EXISTS (SELECT 1 FROM manifests s WHERE s.repository_id = $1 AND s.digest = m.subject)
               ORDER BY m.digest LIMIT $4";
    let items = tx.all(sql, args![may.id, &from, SCAN, i64::from(limit) + 1], view).await?;
    let whole = items.len() > limit as usize;
    let mut page = Page::cut(items, limit, |item| item.digest.to_string());
    if !whole {
        let sql = "SELECT digest FROM manifests WHERE repository_id = $1 AND digest > $2 ORDER BY digest LIMIT 1 OFFSET $3";
        page.next = tx.opt(sql, args![may.id, &from, SCAN - 1], |row| row.get::<Digest>("digest")).await?.map(|digest| digest.to_string());
    }
    if from.is_empty() && page.next.is_none() {
        page.items.sort_by_key(|item| std::cmp::Reverse(item.pushed_at));
    }
    Ok(page)
}

fn view(row: &Row<'_>) -> Result<UntaggedView> {
    Ok(UntaggedView {
        digest: row.get("digest")?,
        kind: row.get("kind")?,
        artifact_type: row.get("artifact_type")?,
        size: row.get("content_size")?,
        pushed_at: row.get("pushed_at")?,
        pushed_by: row.get("pusher")?,
        pulled_at: row.get("pulled_at")?,
        pulls: row.get("pulls")?,
        untagged_at: row.get("untagged_at")?,
    })
}

/// How much the repository holds. What its deletion would lose is counted for who may delete it.
pub async fn counts(platform: &Platform, may: &May<can::Pull, Repository>) -> Result<RepositoryCounts> {
    let mut tx = platform.read().await?;
    let sql = "SELECT COUNT(*) AS n FROM tags WHERE repository_id = $1";
    let tags = tx.one(sql, args![may.id], |row| row.get("n")).await?;
    if !may.also(Action::DeleteImages) {
        return Ok(RepositoryCounts { tags, ..RepositoryCounts::default() });
    }
    let sql = "SELECT COUNT(*) AS n FROM manifests WHERE repository_id = $1";
    let images = tx.one(sql, args![may.id], |row| row.get("n")).await?;
    let (runs, revisions) = uses::of_repository(&mut tx, may).await?;
    Ok(RepositoryCounts { tags, images, runs, revisions })
}

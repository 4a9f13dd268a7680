//! How much a project may keep: bytes of blobs, each counted once, and tags. Operators set limits, who pushes sees them. A limit below
//! what is kept deletes nothing and stops pushes alone. Bytes are counted where blobs are held; here tags are, in the push's transaction.

use model::access::Action;
use model::ids::ProjectId;
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::quotas::{Limits, QuotaView, QuotasView};
use model::views::upkeep::WaitingView;
use serde_json::json;

use crate::access::{May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::projects::Project;
use crate::upkeep;

/// The setting that holds a new project's limits.
const DEFAULT: &str = "quota_default";

/// What is to be changed of limits; what is none stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Bytes; inside, none is no limit.
    pub bytes: Option<Option<i64>>,
    /// Tags; inside, none is no limit.
    pub tags: Option<Option<i64>>,
}

impl Wanted {
    fn over(self, old: Limits) -> Result<Limits> {
        let limits = Limits { bytes: self.bytes.unwrap_or(old.bytes), tags: self.tags.unwrap_or(old.tags) };
        for (field, limit) in [("bytes", limits.bytes), ("tags", limits.tags)] {
            if limit.is_some_and(|limit| limit < 0) {
                return Err(Error::invalid(field, "zero or more; null for no limit"));
            }
        }
        Ok(limits)
    }
}

const USED: &str = "COALESCE(u.bytes, 0) AS used_bytes, u.bytes_limit, u.tags_limit,
    (SELECT COUNT(*) FROM tags t JOIN repositories r ON r.id = t.repository_id AND r.deleted_at IS NULL WHERE r.project_id = p.id) AS used_tags";

fn quota(row: &Row<'_>) -> Result<QuotaView> {
    Ok(QuotaView {
        project: row.get("name")?,
        used_bytes: row.get("used_bytes")?,
        used_tags: row.get("used_tags")?,
        limits: Limits { bytes: row.get("bytes_limit")?, tags: row.get("tags_limit")? },
    })
}

/// What the project keeps and may keep: for everybody whose pushes a limit refuses.
pub async fn get(platform: &Platform, may: &May<can::Push, Project>) -> Result<QuotaView> {
    read(&mut platform.read().await?, may.id).await
}

/// Of what the project keeps that which none of its images needs any more: a collection gives it back.
pub async fn waiting(platform: &Platform, may: &May<can::Push, Project>) -> Result<WaitingView> {
    let mut tx = platform.read().await?;
    let sql = "SELECT CAST(COALESCE(SUM(x.size), 0) AS BIGINT) AS bytes, MAX(x.used_at) AS used_at FROM (
                   SELECT b.digest, b.size, MAX(rb.used_at) AS used_at FROM project_blobs b
                   JOIN repository_blobs rb ON rb.digest = b.digest JOIN repositories r ON r.id = rb.repository_id AND r.project_id = b.project_id
                   WHERE b.project_id = $1 AND NOT EXISTS (SELECT 1 FROM repositories o JOIN manifest_parts p ON p.repository_id = o.id AND p.digest = b.digest
                       WHERE o.project_id = b.project_id) GROUP BY b.digest, b.size
               ) x";
    let kept = upkeep::kept(&mut tx).await?;
    tx.one(sql, args![may.id], |row| {
        let used_at: Option<Millis> = row.get("used_at")?;
        Ok(WaitingView { bytes: row.get("bytes")?, from: used_at.map(|at| at.plus(kept)) })
    })
    .await
}

async fn read(tx: &mut Tx, project: ProjectId) -> Result<QuotaView> {
    let sql = format!("SELECT p.name, {USED} FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id WHERE p.id = $1");
    tx.one(sql, args![project], quota).await
}

/// Sets a project's limits. Also below what it keeps: then nothing more can be pushed until enough was deleted.
pub async fn set(platform: &Platform, may: &May<can::SetQuotas, Project>, wanted: Wanted) -> Result<QuotaView> {
    let mut change = platform.change(may.actor()).await?;
    let make = "INSERT INTO project_usage (project_id, bytes)
                SELECT $1, CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM project_blobs b WHERE b.project_id = $1 ON CONFLICT DO NOTHING";
    change.exec(make, args![may.id]).await?;
    let sql = "SELECT bytes_limit, tags_limit FROM project_usage WHERE project_id = $1 FOR UPDATE";
    let old = change.one(sql, args![may.id], |row| Ok(Limits { bytes: row.get("bytes_limit")?, tags: row.get("tags_limit")? })).await?;
    let limits = wanted.over(old)?;
    let sql = "UPDATE project_usage SET bytes_limit = $2, tags_limit = $3 WHERE project_id = $1";
    change.exec(sql, args![may.id, limits.bytes, limits.tags]).await?;
    let view = read(&mut change, may.id).await?;
    change.touch(Topic::Project(may.id));
    let record = Record::new("quota.set", "project", &may.name).project(may);
    change.commit(record.detail(json!({ "bytes": limits.bytes, "tags": limits.tags }))).await?;
    Ok(view)
}

/// Every project, the one that keeps most first; the cursor is `<bytes>:<project's id>`.
pub async fn list(platform: &Platform, _: &May<can::SetQuotas, Site>, page: &PageRequest) -> Result<QuotasView> {
    let limit = page.limit();
    let mut arguments = args![i64::from(limit) + 1];
    let after = match page.after.as_deref() {
        None => "TRUE",
        Some(after) => {
            let cursor = after.split_once(':').and_then(|(bytes, id)| Some((bytes.parse::<i64>().ok()?, id.parse::<ProjectId>().ok()?)));
            let (bytes, id) = cursor.ok_or_else(|| Error::invalid("after", "take the cursor from an earlier page's next"))?;
            arguments.extend(args![bytes, id]);
            "(COALESCE(u.bytes, 0), p.id) < ($2, $3)"
        }
    };
    let sql = format!(
        "SELECT p.id, p.name, {USED} FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id
         WHERE p.deleted_at IS NULL AND {after} ORDER BY COALESCE(u.bytes, 0) DESC, p.id DESC LIMIT $1"
    );
    let mut tx = platform.read().await?;
    let rows = tx.all(sql, arguments, |row| Ok((row.get::<ProjectId>("id")?, quota(row)?))).await?;
    let projects = Page::cut(rows, limit, |(id, view)| format!("{}:{id}", view.used_bytes)).map(|(_, view)| view);
    Ok(QuotasView { default: default(&mut tx).await?, projects })
}

/// The limits that a new project gets.
async fn default(tx: &mut Tx) -> Result<Limits> {
    let stored: Option<Json<Limits>> = tx.opt("SELECT value FROM settings WHERE name = $1", args![DEFAULT], |row| row.get("value")).await?;
    Ok(stored.map(|json| json.0).unwrap_or_default())
}

/// Sets the limits of projects that are made from now on.
pub async fn set_default(platform: &Platform, may: &May<can::SetQuotas, Site>, wanted: Wanted) -> Result<Limits> {
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(DEFAULT).await?;
    let old = default(&mut change).await?;
    let limits = wanted.over(old)?;
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    change.exec(sql, args![DEFAULT, Json(limits)]).await?;
    let record = Record::new("quota.set_default", "site", "slipway");
    change.commit(record.detail(json!({ "bytes": limits.bytes, "tags": limits.tags }))).await?;
    Ok(limits)
}

/// Gives a project that is being made its limits.
pub(crate) async fn begin(tx: &mut Tx, project: ProjectId) -> Result<()> {
    let limits = default(tx).await?;
    let sql = "INSERT INTO project_usage (project_id, bytes, bytes_limit, tags_limit) VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING";
    tx.exec(sql, args![project, limits.bytes, limits.tags]).await.map(drop)
}

/// Whether so many tags more may be set. Where there is a limit the project's turn is taken: two pushes never find the same last place. The
/// caller holds the repository's row already.
///
/// # Errors
/// `Forbidden`, in words that docker prints.
pub(crate) async fn room_for_tags(tx: &mut Tx, project: &Project, more: i64) -> Result<()> {
    let limit = |row: &Row<'_>| row.get::<Option<i64>>("tags_limit");
    let sql = "SELECT tags_limit FROM project_usage WHERE project_id = $1";
    if tx.opt(sql, args![project.id], limit).await?.flatten().is_none() {
        return Ok(());
    }
    let Some(limit) = tx.opt(format!("{sql} FOR UPDATE"), args![project.id], limit).await?.flatten() else { return Ok(()) };
    let sql = "SELECT COUNT(*) AS n FROM tags t JOIN repositories r ON r.id = t.repository_id AND r.deleted_at IS NULL WHERE r.project_id = $1";
    let used: i64 = tx.one(sql, args![project.id], |row| row.get("n")).await?;
    if used.saturating_add(more) <= limit {
        return Ok(());
    }
    Err(Error::Forbidden(format!(
        "project {} has {used} tags and its quota is {limit}: delete tags that are not needed, or ask an operator for a larger quota; a tag that is there already can be pushed again",
        project.name
    )))
}

/// Whether the caller also sets quotas: pages show the form then.
#[must_use]
pub fn may_set(may: &May<can::Push, Project>) -> bool {
    may.also(Action::SetQuotas)
}

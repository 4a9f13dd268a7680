//! How much a project may keep and run. Kept: bytes of blobs, each counted once, and tags; and of logs and of recordings of shells, of which the
//! oldest go where there are more. Run ([`running`]): processors, memory and tasks
//! of all that should run, fixed ports, and what a task gets that names no limit. Operators set limits, who pushes sees them. A limit
//! below what is there deletes and stops nothing, it stops what would take more. Bytes are counted where blobs are held; here tags are, in
//! the push's transaction, and what runs, in the deploy's.

use model::access::Action;
use model::descriptor::MEMORY_MIN;
use model::ids::ProjectId;
use model::page::{Page, PageRequest};
use model::quantity::{Cpus, PortRange};
use model::time::Millis;
use model::views::quotas::{LOGS_BY_DEFAULT, Limits, QuotaView, QuotasView, RECORDINGS_BY_DEFAULT};
use model::views::upkeep::WaitingView;

use crate::access::{May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx, Value};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::projects::Project;
use crate::upkeep;

pub(crate) mod running;

/// The setting that holds a new project's limits, and what tasks get where their project says nothing.
const DEFAULT: &str = "quota_default";
/// Bytes of memory of a task that names no limit, as long as no operator said anything, not even that there is none: a program that takes all of a
/// machine's memory takes it from everything else there, the portal too. Of processors there is no such default: the kernel shares them out fairly,
/// and an engine refuses a container that asks for more of them than its machine has.
const TASK_MEMORY: i64 = 1 << 30;

/// What is to be changed of limits; what is none stays, and inside none is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Bytes.
    pub bytes: Option<Option<i64>>,
    /// Tags.
    pub tags: Option<Option<i64>>,
    /// Processors of all tasks.
    pub cpus: Option<Option<Cpus>>,
    /// Bytes of memory of all tasks.
    pub memory: Option<Option<i64>>,
    /// Tasks.
    pub tasks: Option<Option<i64>>,
    /// Where fixed ports may lie.
    pub ports: Option<Option<PortRange>>,
    /// What a task gets that says no share of processors.
    pub task_cpus: Option<Option<Cpus>>,
    /// What a task gets that says no memory, in bytes.
    pub task_memory: Option<Option<i64>>,
    /// Bytes of kept logs.
    pub logs: Option<Option<i64>>,
    /// Bytes of kept recordings of shells.
    pub recordings: Option<Option<i64>>,
}

impl Wanted {
    fn over(self, old: Limits) -> Result<Limits> {
        let limits = Limits {
            bytes: self.bytes.unwrap_or(old.bytes),
            tags: self.tags.unwrap_or(old.tags),
            cpus: self.cpus.unwrap_or(old.cpus),
            memory: self.memory.unwrap_or(old.memory),
            tasks: self.tasks.unwrap_or(old.tasks),
            ports: self.ports.unwrap_or(old.ports),
            task_cpus: self.task_cpus.unwrap_or(old.task_cpus),
            task_memory: self.task_memory.unwrap_or(old.task_memory),
            logs: self.logs.unwrap_or(old.logs),
            recordings: self.recordings.unwrap_or(old.recordings),
        };
        let counts = [("bytes", limits.bytes), ("tags", limits.tags), ("memory", limits.memory), ("tasks", limits.tasks)];
        let kept = [("logs", limits.logs), ("recordings", limits.recordings)];
        for (field, limit) in counts.into_iter().chain(kept) {
            if limit.is_some_and(|limit| limit < 0) {
                return Err(Error::invalid(field, "zero or more; null for no limit"));
            }
        }
        if limits.task().memory.is_some_and(|memory| memory < MEMORY_MIN) || limits.task_memory.is_some_and(|memory| memory > 1 << 46) {
            return Err(Error::invalid("task_memory", format!("at least {MEMORY_MIN}, and no more than a machine has")));
        }
        Ok(limits)
    }
}

const LIMITS: &str =
    "u.bytes_limit, u.tags_limit, u.cpus_limit, u.memory_limit, u.tasks_limit, u.ports_first, u.ports_last, u.task_cpus, u.task_memory,
    u.logs_limit, u.recordings_limit";

const USED: &str = "COALESCE(u.bytes, 0) AS used_bytes,
    (SELECT COUNT(*) FROM tags t JOIN repositories r ON r.id = t.repository_id AND r.deleted_at IS NULL WHERE r.project_id = p.id) AS used_tags";

fn limits(row: &Row<'_>) -> Result<Limits> {
    let ports = row.get::<Option<i64>>("ports_first")?.zip(row.get::<Option<i64>>("ports_last")?);
    Ok(Limits {
        bytes: row.get("bytes_limit")?,
        tags: row.get("tags_limit")?,
        cpus: share(row, "cpus_limit")?,
        memory: row.get("memory_limit")?,
        tasks: row.get("tasks_limit")?,
        ports: ports.and_then(|(first, last)| PortRange::new(u16::try_from(first).ok()?, u16::try_from(last).ok()?)),
        task_cpus: share(row, "task_cpus")?,
        task_memory: row.get("task_memory")?,
        logs: row.get("logs_limit")?,
        recordings: row.get("recordings_limit")?,
    })
}

fn share(row: &Row<'_>, column: &str) -> Result<Option<Cpus>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.and_then(|millis| Cpus::from_millis(u32::try_from(millis).ok()?)))
}

/// The limits as they are stored, in the order of [`STORED`].
fn stored(project: ProjectId, limits: &Limits) -> Vec<Value> {
    let millis = |share: Option<Cpus>| share.map(|share| i64::from(share.millis()));
    let ends = limits.ports.map(PortRange::ends);
    args![
        project,
        limits.bytes,
        limits.tags,
        millis(limits.cpus),
        limits.memory,
        limits.tasks,
        ends.map(|(first, _)| i64::from(first)),
        ends.map(|(_, last)| i64::from(last)),
        millis(limits.task_cpus),
        limits.task_memory,
        limits.logs,
        limits.recordings,
    ]
}

/// The columns of limits behind the project's id, which is $1.
const STORED: &str = "bytes_limit, tags_limit, cpus_limit, memory_limit, tasks_limit, ports_first, ports_last, task_cpus, task_memory, logs_limit,
    recordings_limit";

fn quota(row: &Row<'_>) -> Result<QuotaView> {
    let limits = limits(row)?;
    Ok(QuotaView {
        project: row.get("name")?,
        used_bytes: row.get("used_bytes")?,
        used_tags: row.get("used_tags")?,
        running: None,
        limits,
        task: limits.task(),
        logs: limits.logs,
        logs_bytes: None,
        recordings: limits.recordings,
        recordings_bytes: None,
    })
}

/// What the project keeps and may keep: for everybody whose pushes a limit refuses.
pub async fn get(platform: &Platform, may: &May<can::Push, Project>) -> Result<QuotaView> {
    let view = read(&mut platform.read().await?, may.id).await?;
    Ok(QuotaView { logs_bytes: crate::logs::bytes(platform, may.id).await?, ..view })
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
    let sql = format!("SELECT p.name, {LIMITS}, {USED} FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id WHERE p.id = $1");
    let view = tx.one(sql, args![project], quota).await?;
    let site = default(tx).await?;
    let running = Some(running::total(tx, project).await?);
    let recordings_bytes = Some(crate::shells::retention::bytes(tx, Some(project)).await?);
    Ok(QuotaView { running, recordings_bytes, ..with_site(view, &site) })
}

/// What the project does not say is the site's word.
fn with_site(view: QuotaView, site: &Limits) -> QuotaView {
    QuotaView { task: view.task.or(site.task()), logs: view.logs.or(site.logs), recordings: view.recordings.or(site.recordings), ..view }
}

/// Sets a project's limits. Also below what it keeps: then nothing more can be pushed until enough was deleted.
pub async fn set(platform: &Platform, may: &May<can::SetQuotas, Project>, wanted: Wanted) -> Result<QuotaView> {
    let mut change = platform.change(may.actor()).await?;
    let make = "INSERT INTO project_usage (project_id, bytes)
                SELECT $1, CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM project_blobs b WHERE b.project_id = $1 ON CONFLICT DO NOTHING";
    change.exec(make, args![may.id]).await?;
    let old = change.one(format!("SELECT {LIMITS} FROM project_usage u WHERE u.project_id = $1 FOR UPDATE"), args![may.id], limits).await?;
    let limits = wanted.over(old)?;
    let sql = "UPDATE project_usage SET bytes_limit = $2, tags_limit = $3, cpus_limit = $4, memory_limit = $5, tasks_limit = $6, ports_first = $7,
               ports_last = $8, task_cpus = $9, task_memory = $10, logs_limit = $11, recordings_limit = $12 WHERE project_id = $1";
    change.exec(sql, stored(may.id, &limits)).await?;
    let view = read(&mut change, may.id).await?;
    change.touch(Topic::Project(may.id));
    change.wake(Signal::LogRetention);
    change.wake(Signal::Recordings);
    let record = Record::new("quota.set", "project", &may.name).project(may);
    change.commit(record.detail(detail(&limits)?)).await?;
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
        "SELECT p.id, p.name, {LIMITS}, {USED} FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id
         WHERE p.deleted_at IS NULL AND {after} ORDER BY COALESCE(u.bytes, 0) DESC, p.id DESC LIMIT $1"
    );
    let mut tx = platform.read().await?;
    let rows = tx.all(sql, arguments, |row| Ok((row.get::<ProjectId>("id")?, quota(row)?))).await?;
    let projects = Page::cut(rows, limit, |(id, view)| format!("{}:{id}", view.used_bytes)).map(|(_, view)| view);
    let default = default(&mut tx).await?;
    let projects = projects.map(|view| with_site(view, &default));
    Ok(QuotasView { default, projects })
}

/// Every limit by its name, for the record.
fn detail(limits: &Limits) -> Result<serde_json::Value> {
    serde_json::to_value(limits).map_err(|error| Error::internal(format!("limits: {error}")))
}

/// The limits that a new project gets, and what tasks get that name none.
async fn default(tx: &mut Tx) -> Result<Limits> {
    let stored: Option<Json<Limits>> = tx.opt("SELECT value FROM settings WHERE name = $1", args![DEFAULT], |row| row.get("value")).await?;
    let nobodys =
        || Limits { task_memory: Some(TASK_MEMORY), logs: Some(LOGS_BY_DEFAULT), recordings: Some(RECORDINGS_BY_DEFAULT), ..Limits::default() };
    Ok(stored.map_or_else(nobodys, |json| json.0))
}

/// Bytes of kept logs of a project that has no limit of its own; none: as many as there are.
pub(crate) async fn site_logs(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(default(tx).await?.logs)
}

/// The same of recordings of shells.
pub(crate) async fn site_recordings(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(default(tx).await?.recordings)
}

/// Sets the limits of projects that are made from now on, and what tasks get from now on where their project says nothing.
/// The same of kept logs and recordings.
pub async fn set_default(platform: &Platform, may: &May<can::SetQuotas, Site>, wanted: Wanted) -> Result<Limits> {
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(DEFAULT).await?;
    let old = default(&mut change).await?;
    let limits = wanted.over(old)?;
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    change.exec(sql, args![DEFAULT, Json(limits)]).await?;
    change.wake(Signal::LogRetention);
    change.wake(Signal::Recordings);
    let record = Record::new("quota.set_default", "site", "slipway");
    change.commit(record.detail(detail(&limits)?)).await?;
    Ok(limits)
}

/// Gives a project that is being made its limits.
pub(crate) async fn begin(tx: &mut Tx, project: ProjectId) -> Result<()> {
    // What tasks get, and how much of logs and recordings is kept, stays the site's word, which may change.
    let limits = Limits { task_cpus: None, task_memory: None, logs: None, recordings: None, ..default(tx).await? };
    let sql = format!(
        "INSERT INTO project_usage (project_id, bytes, {STORED}) VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"
    );
    tx.exec(sql, stored(project, &limits)).await.map(drop)
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

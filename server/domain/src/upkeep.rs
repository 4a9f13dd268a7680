//! The registry's upkeep as operators see it: runs that collect what nothing needs or read everything again, asked for by hand or by schedule.
//! What a run does is the registry's; here is who may ask, what was asked, and what is known of it. One run works at a time.

use std::time::Duration;

use model::ids::RunId;
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::upkeep::{Counts, DamageView, DamagedImage, RunKind, RunState, RunView, Schedule, StorageView, WaitingView};
use serde_json::json;

use crate::access::{Lease, May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::site::{put_setting, setting};
use crate::watch;
use crate::worker::Worker;

crate::text_columns! { RunKind, RunState }

/// Who asks for runs that begin by themselves.
pub const SCHEDULE: &str = "schedule";
/// Runs that are remembered.
const REMEMBERED: i64 = 500;
/// Damaged blobs that are named.
const DAMAGED_NAMED: i64 = 50;
/// Images that are named with each.
const DAMAGED_IN: i64 = 8;

const COLUMNS: &str = "id, kind, dry_run, state, asked_by, started_at, ended_at, counts, error";

/// Notes for how long what nothing needs is kept after its last use, as the registry was started with it.
pub async fn prepare(platform: &Platform, kept: Duration) -> Result<()> {
    let mut write = platform.bookkeeping().await?;
    put_setting(&mut write, "upkeep_kept_seconds", &kept.as_secs().to_string()).await?;
    write.finish().await
}

/// What the registry's disk holds, and the runs so far.
pub async fn storage(platform: &Platform, _: &May<can::MaintainRegistry, Site>, page: &PageRequest) -> Result<StorageView> {
    let logs_bytes = crate::logs::bytes_of_all(platform).await?;
    let mut tx = platform.read().await?;
    let sql = "SELECT COUNT(*) AS blobs, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes, COUNT(damaged_at) AS damaged FROM blobs";
    let read = |row: &Row<'_>| Ok((row.get::<i64>("blobs")?, row.get::<i64>("bytes")?, row.get::<i64>("damaged")?));
    let (blobs, bytes, damaged) = tx.one(sql, args![], read).await?;
    let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM project_usage";
    let bytes_of_projects = tx.one(sql, args![], |row| row.get("bytes")).await?;
    let kept = kept(&mut tx).await?;
    // While a run works the page is read again and again, and the run tells the same.
    let waiting = if working(&mut tx).await?.is_none() { Some(waiting(&mut tx, kept).await?) } else { None };
    let damage = if damaged > 0 { damage(&mut tx).await? } else { Vec::new() };
    Ok(StorageView {
        blobs,
        bytes,
        bytes_of_projects,
        damaged,
        damage,
        waiting,
        logs_bytes,
        recordings_bytes: crate::shells::retention::bytes(&mut tx, None).await?,
        kept_seconds: kept.as_secs(),
        schedule: schedule(&mut tx).await?,
        runs: runs(&mut tx, page).await?,
    })
}

/// For how long what nothing needs is kept after its last use.
pub(crate) async fn kept(tx: &mut Tx) -> Result<Duration> {
    let stored = setting(tx, "upkeep_kept_seconds").await?.and_then(|text| text.parse().ok());
    Ok(Duration::from_secs(stored.unwrap_or_default()))
}

/// What a collection would take away once all of it has been left alone for so long.
async fn waiting(tx: &mut Tx, kept: Duration) -> Result<WaitingView> {
    let sql = "SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) AS bytes, MAX(b.used_at) AS used_at, MAX(b.held_at) AS held_at FROM (
                   SELECT b.size, b.used_at, (SELECT MAX(rb.used_at) FROM repository_blobs rb WHERE rb.digest = b.digest) AS held_at FROM blobs b
                   WHERE NOT EXISTS (SELECT 1 FROM repository_blobs rb JOIN repositories r ON r.id = rb.repository_id
                       JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
                       JOIN manifest_parts m ON m.repository_id = rb.repository_id AND m.digest = rb.digest WHERE rb.digest = b.digest)
               ) b";
    tx.one(sql, args![], |row| {
        let used: Option<Millis> = row.get("used_at")?;
        let last = used.max(row.get::<Option<Millis>>("held_at")?);
        Ok(WaitingView { bytes: row.get("bytes")?, from: last.map(|at| at.plus(kept)) })
    })
    .await
}

/// The damaged blobs, and what is made of them; of both the first few.
async fn damage(tx: &mut Tx) -> Result<Vec<DamageView>> {
    let sql = "SELECT digest, size FROM blobs WHERE damaged_at IS NOT NULL ORDER BY digest LIMIT $1";
    let mut all =
        tx.all(sql, args![DAMAGED_NAMED], |row| Ok(DamageView { digest: row.get("digest")?, size: row.get("size")?, places: Vec::new() })).await?;
    let sql = "SELECT x.project, x.repository, x.manifest, x.tag FROM (
               SELECT p.name AS project, r.name AS repository, m.manifest,
                   (SELECT MAX(t.name) FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.manifest) AS tag
               FROM repository_blobs rb JOIN repositories r ON r.id = rb.repository_id JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
               JOIN manifest_parts m ON m.repository_id = rb.repository_id AND m.digest = rb.digest
               WHERE rb.digest = $1
               ) x ORDER BY CASE WHEN x.tag IS NULL THEN 1 ELSE 0 END, x.project, x.repository, x.manifest LIMIT $2";
    for one in &mut all {
        let place = |row: &Row<'_>| {
            Ok(DamagedImage { project: row.get("project")?, repository: row.get("repository")?, digest: row.get("manifest")?, tag: row.get("tag")? })
        };
        one.places = tx.all(sql, args![&one.digest, DAMAGED_IN], place).await?;
    }
    Ok(all)
}

async fn runs(tx: &mut Tx, page: &PageRequest) -> Result<Page<RunView>> {
    let limit = page.limit();
    let sql = format!("SELECT {COLUMNS} FROM registry_runs WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let items = tx.all(sql, args![page.before_id(), i64::from(limit) + 1], view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

/// The runs, newest first.
pub async fn list(platform: &Platform, _: &May<can::MaintainRegistry, Site>, page: &PageRequest) -> Result<Page<RunView>> {
    runs(&mut platform.read().await?, page).await
}

async fn find(tx: &mut Tx, id: RunId) -> Result<RunView> {
    let found = tx.opt(format!("SELECT {COLUMNS} FROM registry_runs WHERE id = $1"), args![id], view).await?;
    found.ok_or(Error::NotFound { what: "run" })
}

/// A run when it ended, or as it is after a time (at most [`watch::WAIT_MAX`]). Ends with an error when the permission is lost.
pub async fn wait(platform: &Platform, lease: &mut Lease<can::MaintainRegistry, Site>, id: RunId, span: Duration) -> Result<RunView> {
    let look = || async move { find(&mut platform.read().await?, id).await };
    watch::until(platform, Topic::Upkeep, span, lease.lost(), look, |view| view.state != RunState::Running).await
}

/// Asks for a run.
///
/// # Errors
/// `Conflict` with `run_works` while another one works.
pub async fn ask(platform: &Platform, may: &May<can::MaintainRegistry, Site>, kind: RunKind, dry_run: bool) -> Result<RunView> {
    if kind == RunKind::Scrub && dry_run {
        return Err(Error::invalid("dry_run", "a scrub changes nothing: leave it out"));
    }
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("registry runs").await?;
    if let Some(run) = working(&mut change).await? {
        return Err(Error::conflict("run_works", format!("a {} works since before; wait for its end, or cancel it", run.view.kind)));
    }
    let id = begin(&mut change, platform, kind, dry_run, may.actor().name()).await?;
    let view = find(&mut change, id).await?;
    change.wake(Signal::Upkeep);
    change.touch(Topic::Upkeep);
    change.commit(Record::new("registry.run", "registry", kind).detail(json!({ "run": id, "dry_run": dry_run }))).await?;
    Ok(view)
}

async fn begin(tx: &mut Tx, platform: &Platform, kind: RunKind, dry_run: bool, asked_by: &str) -> Result<RunId> {
    let id: RunId = platform.new_id();
    let sql = "INSERT INTO registry_runs (id, kind, dry_run, state, asked_by, started_at, place, counts) VALUES ($1, $2, $3, $4, $5, $6, '', $7)";
    tx.exec(sql, args![id, kind, dry_run, RunState::Running, asked_by, platform.now(), Json(Counts::default())]).await?;
    let sql = "DELETE FROM registry_runs WHERE state <> 'running' AND id < (SELECT id FROM registry_runs ORDER BY id DESC LIMIT 1 OFFSET $1)";
    tx.exec(sql, args![REMEMBERED]).await?;
    Ok(id)
}

/// Stops a run that works; what it did stays done.
pub async fn cancel(platform: &Platform, may: &May<can::MaintainRegistry, Site>, id: RunId) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let run = find(&mut change, id).await?;
    let sql = "UPDATE registry_runs SET state = 'cancelled', ended_at = $2 WHERE id = $1 AND state = 'running'";
    if change.exec(sql, args![id, platform.now()]).await? == 0 {
        return Err(Error::conflict("run_ended", "this run has ended"));
    }
    change.touch(Topic::Upkeep);
    change.commit(Record::new("registry.run.cancel", "registry", run.kind).detail(json!({ "run": id }))).await
}

/// Sets when runs begin by themselves, and how gently they read.
pub async fn set_schedule(platform: &Platform, may: &May<can::MaintainRegistry, Site>, wanted: Schedule) -> Result<()> {
    let mut wrong = Vec::new();
    let mut within = |field: &str, value: Option<u32>, most: u32, what: &str| {
        if value.is_some_and(|value| !(1..=most).contains(&value)) {
            wrong.push(model::problem::FieldError::new(field, format!("from 1 to {most} {what}")));
        }
    };
    within("collect_hours", wanted.collect_hours, 24 * 30, "hours, or nothing: then collections are made by hand alone");
    within("scrub_days", wanted.scrub_days, 365, "days, or nothing: then scrubs are made by hand alone");
    within("scrub_rate", Some(wanted.scrub_rate), 10_000, "MiB in a second");
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let mut change = platform.change(may.actor()).await?;
    put_setting(&mut change, "upkeep_schedule", &serde_json::to_string(&wanted).map_err(|error| Error::internal(error.to_string()))?).await?;
    change.wake(Signal::Upkeep);
    change.touch(Topic::Upkeep);
    change.commit(Record::new("registry.schedule", "registry", "schedule").detail(json!(wanted))).await
}

async fn schedule(tx: &mut Tx) -> Result<Schedule> {
    let stored = setting(tx, "upkeep_schedule").await?;
    Ok(stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn view(row: &Row<'_>) -> Result<RunView> {
    Ok(RunView {
        id: row.get("id")?,
        kind: row.get("kind")?,
        dry_run: row.get("dry_run")?,
        state: row.get("state")?,
        asked_by: row.get("asked_by")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        counts: row.get::<Json<Counts>>("counts")?.0,
        error: row.get("error")?,
    })
}

/// A run, to the loop that does it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it is and what it has done.
    pub view: RunView,
    /// Where it goes on after a restart: the loop's own words; empty at its beginning.
    pub place: String,
    /// How gently it reads.
    pub schedule: Schedule,
}

async fn working(tx: &mut Tx) -> Result<Option<Run>> {
    let sql = format!("SELECT {COLUMNS}, place FROM registry_runs WHERE state = 'running' ORDER BY id LIMIT 1");
    let schedule = schedule(tx).await?;
    tx.opt(sql, args![], |row| Ok(Run { view: view(row)?, place: row.get("place")?, schedule })).await
}

/// The run that is to be worked on: one that was asked for or cut short, or one that is due.
pub async fn next(worker: &Worker) -> Result<Option<Run>> {
    let platform = worker.platform();
    let mut tx = platform.read().await?;
    if let Some(run) = working(&mut tx).await? {
        return Ok(Some(run));
    }
    let Some(kind) = due(&mut tx, platform.now()).await? else { return Ok(None) };
    drop(tx);
    let mut write = worker.change().await?;
    write.lock_key("registry runs").await?;
    if working(&mut write).await?.is_none() {
        begin(&mut write, platform, kind, false, SCHEDULE).await?;
    }
    let run = working(&mut write).await?;
    write.touch(Topic::Upkeep);
    write.finish().await?;
    Ok(run)
}

/// What the schedule asks for now. The first run of each kind is due a whole interval after the site came to be, not at its first minute.
async fn due(tx: &mut Tx, now: Millis) -> Result<Option<RunKind>> {
    let schedule = schedule(tx).await?;
    let hours = |count: u32| Duration::from_secs(u64::from(count) * 3600);
    let plan = [(RunKind::Collect, schedule.collect_hours.map(hours)), (RunKind::Scrub, schedule.scrub_days.map(|days| hours(days * 24)))];
    let born: Option<Millis> = tx.opt("SELECT MIN(created_at) AS at FROM users", args![], |row| row.get("at")).await?.flatten();
    for (kind, every) in plan {
        let sql = "SELECT MAX(started_at) AS at FROM registry_runs WHERE kind = $1 AND NOT dry_run";
        let last: Option<Millis> = tx.opt(sql, args![kind], |row| row.get("at")).await?.flatten();
        let (Some(every), Some(since)) = (every, last.or(born)) else { continue };
        if now.since(since) >= every {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// Notes how far a run came. False: it was cancelled meanwhile, and is to stop.
pub async fn progress(worker: &Worker, id: RunId, place: &str, counts: &Counts) -> Result<bool> {
    let mut write = worker.change().await?;
    let sql = "UPDATE registry_runs SET place = $2, counts = $3 WHERE id = $1 AND state = 'running'";
    let going = write.exec(sql, args![id, place, Json(counts)]).await? > 0;
    write.touch(Topic::Upkeep);
    write.finish().await?;
    Ok(going)
}

/// Notes a run's end, and why it failed if it did.
pub async fn end(worker: &Worker, id: RunId, counts: &Counts, error: Option<&str>) -> Result<()> {
    let state = if error.is_some() { RunState::Failed } else { RunState::Done };
    let mut write = worker.change().await?;
    let sql = "UPDATE registry_runs SET state = $2, ended_at = $3, counts = $4, error = $5 WHERE id = $1 AND state = 'running'";
    write.exec(sql, args![id, state, worker.platform().now(), Json(counts), error]).await?;
    write.touch(Topic::Upkeep);
    write.finish().await?;
    let counters = worker.platform().counters();
    counters.upkeep_runs.add(1);
    counters.upkeep_failures.add(u64::from(error.is_some()));
    Ok(())
}

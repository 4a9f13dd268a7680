//! The loop that does what retention decides: repository by repository, page by page. Each page is one transaction behind the lock of the
//! repository's row, so what is decided of a tag is decided of what it names at that moment: a push comes before, and is seen, or after. The
//! place where a run stands is written with what it did: cut short anywhere, it goes on there, and nothing is done or told twice.
//!
//! A run of the stored rules ends as soon as these are changed. A dry run walks the same way and deletes nothing; what it would have deleted
//! counts as gone for what follows.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ids::{ProjectId, RepositoryId, RuleRunId};
use model::names::RepositoryPath;
use model::rules::ImageRules;
use model::time::Millis;
use model::views::rules::{RetentionState, RuleRunCounts, RuleRunState};
use serde::{Deserialize, Serialize};

use super::{fingerprint, guard, next_run, runs, stored};
use crate::access::Key as _;
use crate::args;
use crate::change::Bookkeeping;
use crate::db::{Json, Row};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::projects::Project;
use crate::worker::Worker;

mod images;
mod report;
mod tags;

/// Tags or images that one transaction decides.
const PAGE: usize = 100;
/// Runs that take turns.
const TURNS: i64 = 50;
/// Turns before it is looked again what else is due.
const ROUNDS: u32 = 100;
/// A step that fails so often in a row ends its run.
const PATIENCE: u32 = 3;
/// How long reports are kept.
const REPORTS_KEPT: Duration = Duration::from_secs(90 * 86_400);
/// How long reports of dry runs are kept, and how many of a project: they hold what stays, too.
const DRY_RUNS_KEPT: Duration = Duration::from_secs(7 * 86_400);
const DRY_RUNS_MAX: i64 = 5;
/// Items of an old report that one transaction removes.
const SWEPT: i64 = 5000;

/// What of a repository is being decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Its tags, the last pushed first.
    #[default]
    Tags,
    /// Its images without a tag, by digest.
    Images,
}

/// Where a run stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// The repository that is being looked through, or was last.
    repository: String,
    /// Its id; none: it is done with.
    inside: Option<RepositoryId>,
    stage: Stage,
    /// The last tag that was decided, with its time.
    tag: Option<(Millis, String)>,
    /// How many tags each rule has met in this repository.
    seen: Vec<u64>,
    /// The last image that was decided.
    digest: String,
    /// How often the images were gone through, and whether this time any went.
    pass: u32,
    any: bool,
    /// Items of the report so far.
    items: i64,
}

/// A run while one of its steps is done.
struct Run {
    id: RuleRunId,
    project: Project,
    dry_run: bool,
    rules: ImageRules,
    /// The time that ages are told by.
    now: Millis,
    place: Place,
    counts: RuleRunCounts,
}

impl Run {
    /// The repository that is being looked through.
    fn repository(&self) -> Result<(RepositoryId, RepositoryPath)> {
        let id = self.place.inside.ok_or_else(|| Error::internal("a run stands in no repository"))?;
        let path = self.place.repository.parse().map_err(|_| Error::internal("a run stands in a repository without a name"))?;
        Ok((id, path))
    }

    /// Goes on with the next repository.
    fn leave(&mut self) {
        let Place { repository, items, .. } = std::mem::take(&mut self.place);
        self.place = Place { repository, items, ..Place::default() };
        self.counts.repositories += 1;
    }
}

/// Begins what is due, goes on with what is under way, and removes old reports. Whether some run is still under way: then it wants to be called
/// again at once. For a loop: every minute, and when signalled.
pub async fn tend(worker: &Worker) -> Result<bool> {
    cancel_orphans(worker).await?;
    begin_due(worker).await?;
    let mut failures: BTreeMap<RuleRunId, u32> = BTreeMap::new();
    let mut more = true;
    for _ in 0..ROUNDS {
        more = round(worker, &mut failures).await?;
        if !more {
            break;
        }
    }
    sweep(worker).await?;
    Ok(more)
}

/// A page of each run that is under way; whether there is any.
async fn round(worker: &Worker, failures: &mut BTreeMap<RuleRunId, u32>) -> Result<bool> {
    let sql = "SELECT r.id FROM image_rule_runs r JOIN projects p ON p.id = r.project_id
               WHERE r.state = 'running' AND p.deleted_at IS NULL ORDER BY r.id LIMIT $1";
    let running: Vec<RuleRunId> = worker.platform().read().await?.all(sql, args![TURNS], |row| row.get("id")).await?;
    for id in &running {
        match step(worker, *id).await {
            Ok(()) => {
                failures.remove(id);
            }
            // The database is away: the run goes on when it is back.
            Err(error @ Error::Unavailable(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(run = %id, %error, "a step of a project's rules for images failed");
                let failed = failures.entry(*id).or_default();
                *failed += 1;
                if *failed >= PATIENCE {
                    give_up(worker, *id).await?;
                }
            }
        }
    }
    Ok(!running.is_empty())
}

/// Ends the runs of projects that were deleted meanwhile: their images can be reached no more.
async fn cancel_orphans(worker: &Worker) -> Result<()> {
    let mut tx = worker.change().await?;
    let sql = "UPDATE image_rule_runs SET state = 'cancelled', ended_at = $1, error = 'the project was deleted' WHERE state = 'running'
               AND EXISTS (SELECT 1 FROM projects p WHERE p.id = image_rule_runs.project_id AND p.deleted_at IS NOT NULL)";
    tx.exec(sql, args![worker.platform().now()]).await?;
    tx.finish().await
}

/// Begins the runs whose time has come.
async fn begin_due(worker: &Worker) -> Result<()> {
    let now = worker.platform().now();
    let sql = "SELECT r.project_id FROM image_rules r JOIN projects p ON p.id = r.project_id
               WHERE r.next_run_at <= $1 AND p.deleted_at IS NULL ORDER BY r.next_run_at LIMIT $2";
    let due: Vec<ProjectId> = worker.platform().read().await?.all(sql, args![now, TURNS], |row| row.get("project_id")).await?;
    for id in due {
        begin_one(worker, id, now).await?;
    }
    Ok(())
}

async fn begin_one(worker: &Worker, id: ProjectId, now: Millis) -> Result<()> {
    let mut tx = worker.change().await?;
    super::lock(&mut tx, id).await?;
    let stored = stored(&mut tx, id).await?;
    let next = stored.rules.retention.daily_at.filter(|_| stored.retention() == RetentionState::Active).map(|hour| next_run(hour, now));
    let sql = "UPDATE image_rules SET next_run_at = $2 WHERE project_id = $1 AND next_run_at <= $3";
    // A second portal may have been faster.
    if tx.exec(sql, args![id, next, now]).await? == 0 {
        return Ok(());
    }
    if let (true, Some(project)) = (next.is_some(), id.find(&mut tx).await?) {
        if runs::begin(&mut tx, worker.platform(), &project, false, &stored.rules, runs::SCHEDULE).await?.is_none() {
            // Somebody's run is under way: it begins after that, and stays due until then.
            return Ok(());
        }
        tx.touch(Topic::Images(id));
    }
    tx.finish().await
}

/// Does the next page of a run.
async fn step(worker: &Worker, id: RuleRunId) -> Result<()> {
    let mut tx = worker.change().await?;
    let Some((mut run, of)) = load(&mut tx, id).await? else { return Ok(()) };
    if !run.dry_run {
        let stored = stored(&mut tx, run.project.id).await?;
        if stored.retention() != RetentionState::Active || fingerprint(&stored.rules) != of {
            return end(worker, tx, &run, RuleRunState::Cancelled, Some("the rules were changed while it ran; what is told here was done")).await;
        }
    }
    if run.place.inside.is_none() && !enter(&mut tx, &mut run).await? {
        return end(worker, tx, &run, RuleRunState::Done, None).await;
    }
    let (repository, path) = run.repository()?;
    if guard::lock(&mut tx, repository).await? {
        match run.place.stage {
            Stage::Tags => tags::step(worker, &mut tx, &mut run, repository, &path).await?,
            Stage::Images => images::step(worker, &mut tx, &mut run, repository, &path).await?,
        }
    } else {
        run.leave();
    }
    write(&mut tx, &run).await?;
    tx.finish().await
}

/// The run, if it is still under way; others wait until this transaction ends.
async fn load(tx: &mut Bookkeeping, id: RuleRunId) -> Result<Option<(Run, String)>> {
    let sql = "SELECT project_id, dry_run, rules, fingerprint, started_at, place, counts FROM image_rule_runs
               WHERE id = $1 AND state = 'running' FOR UPDATE";
    type Columns = (ProjectId, bool, Json<ImageRules>, String, Millis, Json<Place>, Json<RuleRunCounts>);
    let read = |row: &Row<'_>| -> Result<Columns> {
        Ok((
            row.get("project_id")?,
            row.get("dry_run")?,
            row.get("rules")?,
            row.get("fingerprint")?,
            row.get("started_at")?,
            row.get("place")?,
            row.get("counts")?,
        ))
    };
    let Some((project, dry_run, rules, of, now, place, counts)) = tx.opt(sql, args![id], read).await? else { return Ok(None) };
    let Some(project) = project.find(tx).await? else { return Ok(None) };
    Ok(Some((Run { id, project, dry_run, rules: rules.0, now, place: place.0, counts: counts.0 }, of)))
}

/// Goes to the next repository; whether there is one.
async fn enter(tx: &mut Bookkeeping, run: &mut Run) -> Result<bool> {
    let sql = "SELECT id, name FROM repositories WHERE project_id = $1 AND name > $2 AND deleted_at IS NULL ORDER BY name LIMIT 1";
    let next = tx.opt(sql, args![run.project.id, &run.place.repository], |row| Ok((row.get("id")?, row.get::<String>("name")?))).await?;
    let Some((id, name)) = next else { return Ok(false) };
    run.place.inside = Some(id);
    run.place.repository = name;
    Ok(true)
}

async fn write(tx: &mut Bookkeeping, run: &Run) -> Result<()> {
    let sql = "UPDATE image_rule_runs SET place = $2, counts = $3 WHERE id = $1";
    tx.exec(sql, args![run.id, Json(&run.place), Json(&run.counts)]).await.map(drop)
}

async fn end(worker: &Worker, mut tx: Bookkeeping, run: &Run, state: RuleRunState, error: Option<&str>) -> Result<()> {
    let sql = "UPDATE image_rule_runs SET state = $2, ended_at = $3, error = $4 WHERE id = $1";
    tx.exec(sql, args![run.id, state, worker.platform().now(), error]).await?;
    tx.touch(Topic::Images(run.project.id));
    tx.finish().await?;
    let RuleRunCounts { tags_gone, images_gone, .. } = run.counts;
    tracing::info!(project = %run.project.name, run = %run.id, dry_run = run.dry_run, %state, tags_gone, images_gone, "a run of rules for images ended");
    Ok(())
}

async fn give_up(worker: &Worker, id: RuleRunId) -> Result<()> {
    let mut tx = worker.change().await?;
    let text = "something went wrong on our side; what is told here was done; the log has the details";
    let sql = "UPDATE image_rule_runs SET state = 'failed', ended_at = $2, error = $3 WHERE id = $1 AND state = 'running' RETURNING project_id";
    if let Some(project) = tx.opt(sql, args![id, worker.platform().now(), text], |row| row.get("project_id")).await? {
        tx.touch(Topic::Images(project));
    }
    tx.finish().await
}

/// Removes reports whose time is over, a part of one at a time.
async fn sweep(worker: &Worker) -> Result<()> {
    let now = worker.platform().now();
    let sql = "SELECT r.id FROM image_rule_runs r WHERE r.state <> 'running' AND (r.ended_at <= $2 OR (r.dry_run AND (r.ended_at <= $1 OR
                   (SELECT COUNT(*) FROM image_rule_runs n WHERE n.project_id = r.project_id AND n.id > r.id AND n.dry_run) >= $3)))
               ORDER BY r.id LIMIT 20";
    let arguments = args![now.minus(DRY_RUNS_KEPT), now.minus(REPORTS_KEPT), DRY_RUNS_MAX];
    let old: Vec<RuleRunId> = worker.platform().read().await?.all(sql, arguments, |row| row.get("id")).await?;
    for id in old {
        loop {
            let mut tx = worker.change().await?;
            let sql = "DELETE FROM image_rule_items WHERE run_id = $1
                       AND number < (SELECT MIN(i.number) + $2 FROM image_rule_items i WHERE i.run_id = $1)";
            let more = tx.exec(sql, args![id, SWEPT]).await? > 0;
            if !more {
                tx.exec("DELETE FROM image_rule_runs WHERE id = $1", args![id]).await?;
            }
            tx.finish().await?;
            if !more {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Runs of retention as people see them: begun by hand, listed, read page by page. What a run does is [`super::work`]'s.

use std::time::Duration;

use model::ids::{ProjectId, RuleRunId};
use model::names::ProjectName;
use model::page::{Page, PageRequest};
use model::rules::ImageRules;
use model::views::rules::{RetentionState, RuleItem, RuleRunCounts, RuleRunDetail, RuleRunState, RuleRunView};
use serde_json::json;

use super::work::Place;
use super::{Stored, fingerprint, lock, stored};
use crate::access::{Lease, May, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::projects::Project;
use crate::watch;

/// Who asks for runs that begin by themselves.
pub(super) const SCHEDULE: &str = "schedule";

const COLUMNS: &str = "id, dry_run, state, fingerprint, asked_by, started_at, ended_at, counts, error";

fn view(row: &Row<'_>, current: &str) -> Result<RuleRunView> {
    Ok(RuleRunView {
        id: row.get("id")?,
        dry_run: row.get("dry_run")?,
        state: row.get("state")?,
        asked_by: row.get("asked_by")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        counts: row.get::<Json<RuleRunCounts>>("counts")?.0,
        error: row.get("error")?,
        is_current: row.get::<String>("fingerprint")? == current,
    })
}

/// Looks at what the stored rules, or given ones, would delete; deletes nothing.
///
/// # Errors
/// `Conflict` where a run is under way, or no rule deletes anything.
pub async fn dry_run(platform: &Platform, may: &May<can::ManageImageRules, Project>, given: Option<ImageRules>) -> Result<RuleRunView> {
    let given = given.map(|rules| rules.checked().map_err(Error::Invalid)).transpose()?;
    begin_by_hand(platform, may, true, given).await
}

/// Deletes now what the stored rules delete.
///
/// # Errors
/// `Conflict` with `not_reviewed` while no dry run of these rules was accepted.
pub async fn run(platform: &Platform, may: &May<can::ManageImageRules, Project>) -> Result<RuleRunView> {
    begin_by_hand(platform, may, false, None).await
}

async fn begin_by_hand(
    platform: &Platform,
    may: &May<can::ManageImageRules, Project>,
    dry_run: bool,
    given: Option<ImageRules>,
) -> Result<RuleRunView> {
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may.id).await?;
    let stored = stored(&mut change, may.id).await?;
    let rules = given.as_ref().unwrap_or(&stored.rules);
    if rules.retention.is_empty() {
        return Err(Error::conflict("no_rules", "there is no rule by which anything would be deleted; add one first"));
    }
    if !dry_run && stored.retention() != RetentionState::Active {
        let text = "these rules delete nothing yet: look at a dry run of them and accept it first";
        return Err(Error::conflict("not_reviewed", text));
    }
    let Some(id) = begin(&mut change, platform, may, dry_run, rules, may.actor().name()).await? else {
        return Err(Error::conflict("run_under_way", "a run of this project's rules is under way; wait until it ends"));
    };
    let view = one(&mut change, may.id, id, &stored).await?;
    change.touch(Topic::Images(may.id));
    change.wake(Signal::ImageRules);
    let action = if dry_run { "image_rules.dry_run" } else { "image_rules.run" };
    change.commit(Record::new(action, "project", &may.name).project(may).detail(json!({ "run": id }))).await?;
    Ok(view)
}

/// Notes a run that the loop goes on with; none where one is under way.
pub(super) async fn begin(
    tx: &mut Tx,
    platform: &Platform,
    project: &Project,
    dry_run: bool,
    rules: &ImageRules,
    asked_by: &str,
) -> Result<Option<RuleRunId>> {
    let id: RuleRunId = platform.new_id();
    let sql = "INSERT INTO image_rule_runs (id, project_id, dry_run, state, rules, fingerprint, asked_by, started_at, place, counts)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
    let arguments = args![
        id,
        project.id,
        dry_run,
        RuleRunState::Running,
        Json(rules),
        fingerprint(rules),
        asked_by,
        platform.now(),
        Json(Place::default()),
        Json(RuleRunCounts::default()),
    ];
    Ok((tx.exec(sql, arguments).await? > 0).then_some(id))
}

async fn one(tx: &mut Tx, project: ProjectId, id: RuleRunId, stored: &Stored) -> Result<RuleRunView> {
    let current = fingerprint(&stored.rules);
    let sql = format!("SELECT {COLUMNS} FROM image_rule_runs WHERE id = $1 AND project_id = $2");
    tx.opt(sql, args![id, project], |row| view(row, &current)).await?.ok_or(Error::NotFound { what: "run" })
}

/// The project's runs, newest first.
pub async fn list(platform: &Platform, may: &May<can::ManageImageRules, Project>, page: &PageRequest) -> Result<Page<RuleRunView>> {
    let limit = page.limit();
    let mut tx = platform.read().await?;
    let current = fingerprint(&stored(&mut tx, may.id).await?.rules);
    let sql = format!("SELECT {COLUMNS} FROM image_rule_runs WHERE project_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    let arguments = args![may.id, page.before_id(), i64::from(limit) + 1];
    let items = tx.all(sql, arguments, |row| view(row, &current)).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

/// A run with what it decided: all of it, or what goes or stays alone.
pub async fn detail(
    platform: &Platform,
    may: &May<can::ManageImageRules, Project>,
    id: RuleRunId,
    goes: Option<bool>,
    page: &PageRequest,
) -> Result<RuleRunDetail> {
    let limit = page.limit();
    let after = match page.after.as_deref() {
        None => -1,
        Some(after) => after.parse().map_err(|_| Error::invalid("after", "take the cursor from an earlier page's next"))?,
    };
    let mut tx = platform.read().await?;
    let stored = stored(&mut tx, may.id).await?;
    let run = one(&mut tx, may.id, id, &stored).await?;
    let rules: Json<ImageRules> = tx.one("SELECT rules FROM image_rule_runs WHERE id = $1", args![id], |row| row.get("rules")).await?;
    let mut arguments = args![id, after, i64::from(limit) + 1];
    let fate = if goes.is_some() { " AND goes = $4" } else { "" };
    arguments.extend(goes.map(Into::into));
    let sql = format!(
        "SELECT number, goes, kind, repository, tag, digest, size, rule, why FROM image_rule_items
         WHERE run_id = $1 AND number > $2{fate} ORDER BY number LIMIT $3"
    );
    let item = |row: &Row<'_>| {
        Ok(RuleItem {
            number: row.get("number")?,
            goes: row.get("goes")?,
            kind: row.get("kind")?,
            repository: row.get("repository")?,
            tag: row.get("tag")?,
            digest: row.get("digest")?,
            size: row.get("size")?,
            rule: row.get("rule")?,
            why: row.get("why")?,
        })
    };
    let items = tx.all(sql, arguments, item).await?;
    Ok(RuleRunDetail { run, rules: rules.0, items: Page::cut(items, limit, |item| item.number.to_string()) })
}

/// A run when it ended, or as it is after a time (at most [`watch::WAIT_MAX`]). Ends with an error when the permission is lost.
pub async fn wait(platform: &Platform, lease: &mut Lease<can::ManageImageRules, ProjectName>, id: RuleRunId, span: Duration) -> Result<RuleRunView> {
    let project = lease.may().id;
    let look = || async move {
        let mut tx = platform.read().await?;
        let stored = stored(&mut tx, project).await?;
        one(&mut tx, project, id, &stored).await
    };
    watch::until(platform, Topic::Images(project), span, lease.lost(), look, |view| view.state != RuleRunState::Running).await
}

//! A project's rules for images: stored, changed, put in force. What they protect is refused in [`guard`]; what retention deletes is decided
//! and deleted by [`work`], in runs that [`runs`] begins and shows.
//!
//! Immutability holds from the moment it is stored. Retention deletes only while the fingerprint of the stored rules is that of a dry run that
//! somebody accepted; rules that delete no more than accepted ones stay accepted.

use std::time::Duration;

use model::ids::{ProjectId, RuleRunId};
use model::rules::ImageRules;
use model::time::Millis;
use model::views::rules::{ImageRulesView, RetentionState, RuleItemKind, RuleRunState};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::keys::hex;
use crate::live::Topic;
use crate::platform::Platform;
use crate::projects::Project;

pub mod guard;
mod runs;
pub mod work;

pub use runs::{detail, dry_run, list, run, wait};

crate::text_columns! { RuleRunId, RuleRunState, RuleItemKind }

/// How old a dry run may be when it is accepted: what it showed is still so, more or less.
const REVIEW_HOLDS: Duration = Duration::from_secs(86_400);

/// The rules of a project, with what belongs to them.
#[derive(Clone, Debug, Default)]
struct Stored {
    rules: ImageRules,
    accepted: Option<String>,
    next_run_at: Option<Millis>,
    updated: Option<(Millis, String)>,
}

impl Stored {
    fn retention(&self) -> RetentionState {
        if self.rules.retention.is_empty() {
            RetentionState::None
        } else if self.accepted.as_deref() == Some(fingerprint(&self.rules).as_str()) {
            RetentionState::Active
        } else {
            RetentionState::NeedsReview
        }
    }

    fn view(self) -> ImageRulesView {
        let retention = self.retention();
        let (updated_at, updated_by) = self.updated.unzip();
        let next_run_at = self.next_run_at.filter(|_| retention == RetentionState::Active);
        ImageRulesView { rules: self.rules, retention, next_run_at, updated_at, updated_by }
    }
}

/// Rules with the same fingerprint delete the same.
fn fingerprint(rules: &ImageRules) -> String {
    hex(&Sha256::digest(rules.deciding()))
}

async fn stored(tx: &mut Tx, project: ProjectId) -> Result<Stored> {
    let sql = "SELECT rules, accepted, next_run_at, updated_at, updated_by FROM image_rules WHERE project_id = $1";
    let read = |row: &Row<'_>| {
        Ok(Stored {
            rules: row.get::<Json<ImageRules>>("rules")?.0,
            accepted: row.get("accepted")?,
            next_run_at: row.get("next_run_at")?,
            updated: Some((row.get("updated_at")?, row.get("updated_by")?)),
        })
    };
    Ok(tx.opt(sql, args![project], read).await?.unwrap_or_default())
}

/// Nobody else changes the project's rules, or begins a run of them, until the transaction ends.
async fn lock(tx: &mut Tx, project: ProjectId) -> Result<()> {
    tx.lock_key(&format!("image rules {project}")).await
}

/// The rules of a project: for everybody whose pushes they refuse.
pub async fn get(platform: &Platform, may: &May<can::Push, Project>) -> Result<ImageRulesView> {
    Ok(stored(&mut platform.read().await?, may.id).await?.view())
}

/// Puts other rules in the place of the project's.
///
/// # Errors
/// `Invalid`, by the paths within the document.
pub async fn put(platform: &Platform, may: &May<can::ManageImageRules, Project>, rules: ImageRules) -> Result<ImageRulesView> {
    edit(platform, may, |old| {
        *old = rules;
        Ok(())
    })
    .await
}

/// Changes the project's rules as they are at that moment.
pub async fn edit(
    platform: &Platform,
    may: &May<can::ManageImageRules, Project>,
    edit: impl FnOnce(&mut ImageRules) -> Result<()>,
) -> Result<ImageRulesView> {
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may.id).await?;
    let mut stored = stored(&mut change, may.id).await?;
    let old = stored.rules.clone();
    let was_active = stored.retention() == RetentionState::Active;
    edit(&mut stored.rules)?;
    stored.rules = stored.rules.checked().map_err(Error::Invalid)?;
    if was_active && stored.rules.deletes_no_more_than(&old) {
        stored.accepted = Some(fingerprint(&stored.rules));
    }
    let detail = json!({ "rules": stored.rules, "before": old });
    keep(platform, change, may, stored, Record::new("image_rules.update", "project", &may.name).detail(detail)).await
}

/// Lets retention delete by the stored rules from now on: somebody looked at a dry run of exactly these.
///
/// # Errors
/// `Conflict`, where the dry run is of other rules, is not over, or is older than a day.
pub async fn activate(platform: &Platform, may: &May<can::ManageImageRules, Project>, run: RuleRunId) -> Result<ImageRulesView> {
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may.id).await?;
    let mut stored = stored(&mut change, may.id).await?;
    let sql = "SELECT dry_run, state, fingerprint, ended_at FROM image_rule_runs WHERE id = $1 AND project_id = $2";
    let read = |row: &Row<'_>| {
        let state: RuleRunState = row.get("state")?;
        Ok((row.get::<bool>("dry_run")? && state == RuleRunState::Done, row.get::<String>("fingerprint")?, row.get::<Option<Millis>>("ended_at")?))
    };
    let found = change.opt(sql, args![run, may.id], read).await?;
    let Some((shows_all, of, ended_at)) = found else { return Err(Error::NotFound { what: "run" }) };
    let again = "look at a dry run of the rules as they are now, and accept that one";
    if stored.rules.retention.is_empty() {
        return Err(Error::conflict("no_rules", "there is no rule by which anything would be deleted; add one first"));
    }
    if !shows_all {
        return Err(Error::conflict("not_reviewed", format!("that is no dry run that came to its end; {again}")));
    }
    if of != fingerprint(&stored.rules) {
        return Err(Error::conflict("not_reviewed", format!("the rules were changed since that dry run; {again}")));
    }
    if ended_at.is_none_or(|at| platform.now().since(at) > REVIEW_HOLDS) {
        return Err(Error::conflict("not_reviewed", format!("that dry run is more than a day old; {again}")));
    }
    stored.accepted = Some(of);
    let record = Record::new("image_rules.activate", "project", &may.name).detail(json!({ "dry_run": run, "rules": stored.rules }));
    keep(platform, change, may, stored, record).await
}

async fn keep(
    platform: &Platform,
    mut change: Change,
    may: &May<can::ManageImageRules, Project>,
    mut stored: Stored,
    record: Record,
) -> Result<ImageRulesView> {
    let now = platform.now();
    stored.next_run_at = stored.rules.retention.daily_at.filter(|_| stored.retention() == RetentionState::Active).map(|hour| next_run(hour, now));
    stored.updated = Some((now, may.actor().name().to_owned()));
    let sql = "INSERT INTO image_rules (project_id, rules, accepted, next_run_at, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (project_id) DO UPDATE SET rules = excluded.rules, accepted = excluded.accepted, next_run_at = excluded.next_run_at,
                   updated_at = excluded.updated_at, updated_by = excluded.updated_by";
    let arguments = args![may.id, Json(&stored.rules), stored.accepted.clone(), stored.next_run_at, now, may.actor().name()];
    change.exec(sql, arguments).await?;
    change.touch(Topic::Images(may.id));
    change.commit(record.project(may)).await?;
    Ok(stored.view())
}

/// The next time at which it is this hour, UTC.
fn next_run(hour: u8, now: Millis) -> Millis {
    const DAY: i64 = 86_400_000;
    let today = now.0.div_euclid(DAY) * DAY + i64::from(hour) * 3_600_000;
    Millis(if today > now.0 { today } else { today + DAY })
}

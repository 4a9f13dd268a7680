//! The rules of a project or of the site, as people write them.

use model::alerts::{Of, Rule, RuleForm};
use model::ids::AlertRuleId;
use model::page::Page;
use model::time::Millis;
use model::views::alerts::RuleView;

use super::{Managing, Seeing, record, topic};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::Signal;
use crate::platform::Platform;

/// Most rules of a project, or of the site.
const MOST: i64 = 200;

const SELECT: &str = "SELECT id, rule, left_out, updated_by, updated_at FROM alert_rules";

fn view(row: &Row<'_>) -> Result<RuleView> {
    let rule = row.get::<Json<Rule>>("rule")?.0;
    let (left_out, by, updated_at) = (row.get("left_out")?, row.get("updated_by")?, row.get("updated_at")?);
    Ok(RuleView { id: row.get("id")?, says: rule.says(), rule, left_out, by, updated_at })
}

/// The rules, by name. A project's readers see those of the whole site by their alerts.
pub async fn list(platform: &Platform, may: &Seeing) -> Result<Page<RuleView>> {
    let sql = format!("{SELECT} WHERE project_id IS NOT DISTINCT FROM $1 ORDER BY name LIMIT $2");
    let items = platform.read().await?.all(sql, args![may.project_id(), MOST], view).await?;
    Ok(Page { items, next: None })
}

/// How many rules are watched: of a project its own and the site's about services, else the site's.
pub async fn count(platform: &Platform, may: &Seeing) -> Result<i64> {
    let project = may.project_id();
    let sql = "SELECT rule FROM alert_rules WHERE project_id = $1 OR project_id IS NULL LIMIT $2";
    let rules: Vec<Json<Rule>> = platform.read().await?.all(sql, args![project, MOST * 2], |row| row.get("rule")).await?;
    let is_watched = |rule: &&Json<Rule>| rule.0.enabled && (project.is_none() || rule.0.of == Of::Services);
    Ok(rules.iter().filter(is_watched).count() as i64)
}

/// Names that a rule can be kept to: services of the project, and environments that it may use or that something of it was brought into.
pub async fn places(platform: &Platform, may: &Managing) -> Result<(Vec<String>, Vec<String>)> {
    let mut tx = platform.read().await?;
    let name = |row: &Row<'_>| row.get::<String>("name");
    let Some(project) = may.project_id() else {
        let sql = "SELECT name FROM environments WHERE removed_at IS NULL ORDER BY name LIMIT 200";
        return Ok((Vec::new(), tx.all(sql, args![], name).await?));
    };
    let environments = crate::environments::configured_for(&mut tx, project).await?;
    let environments = environments.into_iter().map(|environment| environment.name.to_string()).collect();
    let sql = "SELECT name FROM services WHERE project_id = $1 AND deleted_at IS NULL ORDER BY name LIMIT 1000";
    Ok((tx.all(sql, args![project], name).await?, environments))
}

async fn by_id(tx: &mut Tx, id: AlertRuleId) -> Result<RuleView> {
    tx.one(format!("{SELECT} WHERE id = $1"), args![id], view).await
}

/// A name that another rule has: alerts are told apart by it.
async fn refuse_taken(tx: &mut Tx, may: &Managing, name: &str, but: Option<AlertRuleId>) -> Result<()> {
    let sql = "SELECT id FROM alert_rules WHERE project_id IS NOT DISTINCT FROM $1 AND name = $2";
    let taken: Option<AlertRuleId> = tx.opt(sql, args![may.project_id(), name], |row| row.get("id")).await?;
    if taken.is_some() && taken != but { Err(Error::invalid("name", "another rule has this name")) } else { Ok(()) }
}

/// Writes a new rule.
pub async fn create(platform: &Platform, may: &Managing, form: &RuleForm) -> Result<RuleView> {
    let rule = form.read(may.project().is_none()).map_err(Error::Invalid)?;
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("alert rules").await?;
    let sql = "SELECT COUNT(*) AS n FROM alert_rules WHERE project_id IS NOT DISTINCT FROM $1";
    if change.one(sql, args![may.project_id()], |row| row.get::<i64>("n")).await? >= MOST {
        return Err(Error::conflict("too_many_rules", format!("there are {MOST} rules already; delete one first")));
    }
    refuse_taken(&mut change, may, &rule.name, None).await?;
    let id: AlertRuleId = platform.new_id();
    let sql = "INSERT INTO alert_rules (id, project_id, name, rule, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6)";
    change.exec(sql, args![id, may.project_id(), &rule.name, Json(&rule), may.actor().name(), platform.now()]).await?;
    let made = by_id(&mut change, id).await?;
    change.touch(topic(may.project_id()));
    change.wake(Signal::Alerts);
    change.commit(record(may, "alert_rule.create", "alert_rule", &rule.name).detail(detail(&made))).await?;
    Ok(made)
}

fn detail(rule: &RuleView) -> serde_json::Value {
    serde_json::json!({ "says": rule.says, "severity": rule.rule.severity, "enabled": rule.rule.enabled, "routes": rule.rule.routes })
}

async fn name_of(tx: &mut Tx, may: &Managing, id: AlertRuleId) -> Result<String> {
    let sql = "SELECT name FROM alert_rules WHERE id = $1 AND project_id IS NOT DISTINCT FROM $2";
    tx.opt(sql, args![id, may.project_id()], |row| row.get("name")).await?.ok_or(Error::NotFound { what: "rule" })
}

/// What named a rule by its old name names it by the new one: its alerts, and silences. A project's silence may be about a rule of the site, unless a
/// rule of the project itself is called so.
async fn rename(tx: &mut Tx, may: &Managing, id: AlertRuleId, before: &str, name: &str, now: Millis) -> Result<()> {
    tx.exec("UPDATE alerts SET rule = $2 WHERE rule_id = $1 AND state <> 'resolved'", args![id, name]).await?;
    let sql = "UPDATE alert_silences SET rule = $3 WHERE rule = $2 AND ended_by IS NULL AND ends_at > $4 AND (project_id IS NOT DISTINCT FROM $1
               OR ($1 IS NULL AND NOT EXISTS (SELECT 1 FROM alert_rules r WHERE r.project_id = alert_silences.project_id AND r.name = $2)))";
    tx.exec(sql, args![may.project_id(), before, name, now]).await.map(drop)
}

/// Changes a rule. Alerts by it that are not over go on by what it says now; those of parts that it is not about any more are over.
pub async fn update(platform: &Platform, may: &Managing, id: AlertRuleId, form: &RuleForm) -> Result<RuleView> {
    let rule = form.read(may.project().is_none()).map_err(Error::Invalid)?;
    let mut change = platform.change(may.actor()).await?;
    let before = name_of(&mut change, may, id).await?;
    refuse_taken(&mut change, may, &rule.name, Some(id)).await?;
    let sql = "UPDATE alert_rules SET name = $2, rule = $3, left_out = 0, updated_by = $4, updated_at = $5 WHERE id = $1";
    change.exec(sql, args![id, &rule.name, Json(&rule), may.actor().name(), platform.now()]).await?;
    if before != rule.name {
        rename(&mut change, may, id, &before, &rule.name, platform.now()).await?;
    }
    let view = by_id(&mut change, id).await?;
    change.touch(topic(may.project_id()));
    change.wake(Signal::Alerts);
    change.commit(record(may, "alert_rule.update", "alert_rule", &rule.name).detail(detail(&view))).await?;
    Ok(view)
}

/// Deletes a rule; alerts by it are over.
pub async fn delete(platform: &Platform, may: &Managing, id: AlertRuleId) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let name = name_of(&mut change, may, id).await?;
    change.exec("DELETE FROM alert_rules WHERE id = $1", args![id]).await?;
    change.touch(topic(may.project_id()));
    change.wake(Signal::Alerts);
    change.commit(record(may, "alert_rule.delete", "alert_rule", &name)).await
}

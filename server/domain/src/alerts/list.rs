//! Alerts as people read them, and saying that one was seen.

use model::alerts::{AlertState, check_note};
use model::ids::{AlertId, EnvironmentId, MachineId, ProjectId};
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::alerts::{AlertView, ChangedView, SubjectView};

use super::silences::{self, Silence};
use super::{Answering, Seeing, record, topic};
use crate::access::{May, Site, can};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::services::Service;

const SELECT: &str =
    "SELECT a.id, a.project_id, a.rule, a.of_site, a.severity, a.state, a.subject, a.summary, a.link, a.changed, a.since, a.fired_at,
    a.resolved_at, a.acknowledged_by, a.acknowledged_at, a.note FROM alerts a";

/// `of_site`: whoever reads it hears by the site's routes, which the silence of a project does not touch.
fn view(row: &Row<'_>, silences: &[Silence], of_site: bool) -> Result<AlertView> {
    let state: AlertState = row.get("state")?;
    let (rule, subject): (String, SubjectView) = (row.get("rule")?, row.get::<Json<SubjectView>>("subject")?.0);
    let project: Option<ProjectId> = row.get("project_id")?;
    let open = state != AlertState::Resolved;
    let by_site_alone = of_site && row.get::<bool>("of_site")?;
    let counts = |silence: &&Silence| open && silence.holds(project, &rule, &subject) && (silence.is_of_site() || !by_site_alone);
    let silenced = silences.iter().filter(counts).map(|silence| silence.ends_at).max();
    Ok(AlertView {
        id: row.get("id")?,
        rule,
        of_site: row.get("of_site")?,
        severity: row.get("severity")?,
        state,
        subject,
        summary: row.get("summary")?,
        link: row.get("link")?,
        changed: row.get::<Option<Json<ChangedView>>>("changed")?.map(|json| json.0),
        since: row.get("since")?,
        fired_at: row.get("fired_at")?,
        resolved_at: row.get("resolved_at")?,
        silenced_until: silenced,
        acknowledged_by: row.get("acknowledged_by")?,
        acknowledged_at: row.get::<Option<Millis>>("acknowledged_at")?,
        note: row.get("note")?,
    })
}

/// Alerts of a project, or of everything, newest first; those in one state where one is named, else all.
pub async fn list(platform: &Platform, may: &Seeing, state: Option<AlertState>, page: &PageRequest) -> Result<Page<AlertView>> {
    let limit = page.limit();
    let mut tx = platform.read().await?;
    let silences = silences::in_force(&mut tx, platform.now()).await?;
    let mut arguments = args![page.before_id(), i64::from(limit) + 1];
    let mut conditions = String::from("a.id < $1");
    if let Some(project) = may.project_id() {
        arguments.push(project.into());
        conditions.push_str(&format!(" AND a.project_id = ${}", arguments.len()));
    }
    if let Some(state) = state {
        arguments.push(state.into());
        conditions.push_str(&format!(" AND a.state = ${}", arguments.len()));
    }
    let sql = format!("{SELECT} WHERE {conditions} ORDER BY a.id DESC LIMIT $2");
    let of_site = may.project_id().is_none();
    let items = tx.all(sql, arguments, |row| view(row, &silences, of_site)).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

/// How many fire.
pub async fn firing(platform: &Platform, may: &Seeing) -> Result<i64> {
    let mut tx = platform.read().await?;
    match may.project_id() {
        Some(project) => {
            let sql = "SELECT COUNT(*) AS n FROM alerts WHERE project_id = $1 AND state = 'firing'";
            tx.one(sql, args![project], |row| row.get("n")).await
        }
        None => tx.one("SELECT COUNT(*) AS n FROM alerts WHERE state = 'firing'", args![], |row| row.get("n")).await,
    }
}

async fn by_id(tx: &mut Tx, platform: &Platform, project: Option<ProjectId>, id: AlertId) -> Result<AlertView> {
    let silences = silences::in_force(tx, platform.now()).await?;
    let own = if project.is_some() { "a.project_id = $2" } else { "$2 IS NULL" };
    let sql = format!("{SELECT} WHERE a.id = $1 AND {own}");
    tx.opt(sql, args![id, project], |row| view(row, &silences, project.is_none())).await?.ok_or(Error::NotFound { what: "alert" })
}

/// The alerts of a service in an environment that began in this time, oldest first, at most 500: marks on its charts.
pub(crate) async fn fired(
    tx: &mut Tx,
    may: &May<can::SeeServices, Service>,
    environment: EnvironmentId,
    from: Millis,
    to: Millis,
) -> Result<Vec<AlertView>> {
    let sql = format!(
        "{SELECT} WHERE a.project_id = $1 AND a.state <> 'pending' AND a.service_id = $2 AND a.environment_id = $3 AND a.fired_at >= $4
         AND a.fired_at < $5 ORDER BY a.id LIMIT 500"
    );
    tx.all(sql, args![may.project.id, may.id, environment, from, to], |row| view(row, &[], false)).await
}

/// The alerts of a machine that began in this time, the newest first, at most 100: marks on its charts.
pub(crate) async fn fired_on(
    tx: &mut Tx,
    _: &May<can::ManageEnvironments, Site>,
    machine: MachineId,
    from: Millis,
    to: Millis,
) -> Result<Vec<AlertView>> {
    let sql =
        format!("{SELECT} WHERE a.machine_id = $1 AND a.state <> 'pending' AND a.fired_at >= $2 AND a.fired_at < $3 ORDER BY a.id DESC LIMIT 100");
    tx.all(sql, args![machine, from, to], |row| view(row, &[], true)).await
}

/// One alert.
pub async fn get(platform: &Platform, may: &Seeing, id: AlertId) -> Result<AlertView> {
    by_id(&mut platform.read().await?, platform, may.project_id(), id).await
}

/// Says that somebody has seen an alert and does something about it. It stays one until it is over.
pub async fn acknowledge(platform: &Platform, may: &Answering, id: AlertId, note: &str) -> Result<AlertView> {
    check_note(note).map_err(|message| Error::invalid("note", message))?;
    let mut change = platform.change(may.actor()).await?;
    let before = by_id(&mut change, platform, may.project_id(), id).await?;
    let sql = "UPDATE alerts SET acknowledged_by = $2, acknowledged_at = $3, note = $4 WHERE id = $1 AND state = 'firing'";
    if change.exec(sql, args![id, may.actor().name(), platform.now(), note.trim()]).await? == 0 {
        return Err(Error::conflict("not_firing", format!("it is {}; there is nothing to be seen to", before.state)));
    }
    let sql = "SELECT project_id FROM alerts WHERE id = $1";
    let project: Option<ProjectId> = change.one(sql, args![id], |row| row.get("project_id")).await?;
    let after = by_id(&mut change, platform, may.project_id(), id).await?;
    change.touch(topic(None));
    if let Some(project) = project {
        change.touch(Topic::Alerts(project));
    }
    let detail = serde_json::json!({ "rule": before.rule, "about": before.subject.says(), "note": note.trim() });
    change.commit(record(may, "alert.acknowledge", "alert", id).detail(detail)).await?;
    Ok(after)
}

//! Incidents and planned work: written by people, told step by step. An alert proposes one for a service that is shown; everybody sees it only after
//! somebody has said something of it. What an alert found out is never told by itself.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use model::ids::{AlertId, IncidentId, IncidentUpdateId, ProjectId};
use model::page::{Page, PageRequest};
use model::status::{Impact, IncidentForm, IncidentKind, IncidentOrder, IncidentState, UpdateForm};
use model::time::Millis;
use model::views::status::{IncidentView, PublicIncident, PublicUpdate};

use super::board::Shown;
use super::things::{self, Thing};
use super::{Managing, called, record};
use crate::args;
use crate::db::{BATCH, Json, Row, Tx, Value, placeholders};
use crate::error::{Error, Result};
use crate::live::Signal;
use crate::platform::Platform;
use crate::worker::Worker;

/// Most incidents of one holder that are not over. Every limit here is a holder's own: nobody's many take the place of others' few.
const OPEN_MOST: i64 = 10;
/// Most of one holder that are over and that everybody sees, the newest.
const PAST_MOST: i64 = 20;
/// How long those that are over are shown.
const SHOWN: Duration = Duration::from_secs(90 * 86_400);
/// Most updates of one incident; the last of them ends it.
const UPDATES_MOST: i64 = 100;
/// Most updates of one incident that everybody sees, the newest.
const UPDATES_SHOWN: i64 = 20;
/// Most alerts of one project that are looked at for proposals, the newest.
const ALERTS_MOST: i64 = 100;

const SELECT: &str =
    "SELECT i.id, i.project_id, p.name AS project, i.kind, i.title, i.impact, i.state, i.components, i.starts_at, i.ends_at, i.updated_at,
    i.created_by, i.created_at, i.alert_id IS NOT NULL AS proposed,
    (SELECT COUNT(*) FROM alerts a WHERE a.id = i.alert_id AND a.state = 'firing') AS firing
    FROM status_incidents i LEFT JOIN projects p ON p.id = i.project_id";

/// What planned work is at `now`: it follows its times, unless somebody ended it.
fn state(kind: IncidentKind, state: IncidentState, starts: Millis, ends: Option<Millis>, now: Millis) -> IncidentState {
    match kind {
        IncidentKind::Incident => state,
        IncidentKind::Maintenance if state == IncidentState::Completed || ends.is_some_and(|ends| ends <= now) => IncidentState::Completed,
        IncidentKind::Maintenance if starts > now => IncidentState::Scheduled,
        IncidentKind::Maintenance => IncidentState::InProgress,
    }
}

fn view(row: &Row<'_>, now: Millis) -> Result<IncidentView> {
    let kind: IncidentKind = row.get("kind")?;
    let (starts_at, ends_at): (Millis, Option<Millis>) = (row.get("starts_at")?, row.get("ends_at")?);
    Ok(IncidentView {
        kind,
        public: PublicIncident {
            id: row.get("id")?,
            project: row.get("project")?,
            title: row.get("title")?,
            impact: row.get("impact")?,
            state: state(kind, row.get("state")?, starts_at, ends_at, now),
            components: row.get::<Json<Vec<String>>>("components")?.0,
            starts_at,
            ends_at,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            updates: Vec::new(),
        },
        proposed: row.get("proposed")?,
        firing: row.get::<i64>("firing")? > 0,
        by: row.get("created_by")?,
    })
}

/// Reads what was told of these, newest first, and of each so much at `most`.
async fn fill(tx: &mut Tx, incidents: &mut [&mut PublicIncident], most: i64) -> Result<()> {
    let mut told: HashMap<IncidentId, Vec<PublicUpdate>> = HashMap::new();
    let ids: Vec<IncidentId> = incidents.iter().map(|incident| incident.id).collect();
    for ids in ids.chunks(BATCH) {
        let sql = format!(
            "SELECT id, incident_id, state, body, written_at FROM (
                 SELECT u.*, ROW_NUMBER() OVER (PARTITION BY u.incident_id ORDER BY u.id DESC) AS nth FROM status_updates u
                 WHERE u.incident_id IN ({})) told WHERE nth <= {most} ORDER BY id DESC",
            placeholders(1, ids.len())
        );
        let update = |row: &Row<'_>| {
            let update = PublicUpdate { id: row.get("id")?, state: row.get("state")?, text: row.get("body")?, at: row.get("written_at")? };
            Ok((row.get::<IncidentId>("incident_id")?, update))
        };
        for (incident, update) in tx.all(sql, ids.iter().map(|id| Value::from(*id)).collect(), update).await? {
            told.entry(incident).or_default().push(update);
        }
    }
    for incident in incidents {
        incident.updates = told.remove(&incident.id).unwrap_or_default();
    }
    Ok(())
}

/// Those of a project, or of the site, newest first; also those that an alert proposed.
pub async fn list(platform: &Platform, may: &Managing, page: &PageRequest) -> Result<Page<IncidentView>> {
    let (limit, now) = (page.limit(), platform.now());
    let sql = format!("{SELECT} WHERE i.project_id IS NOT DISTINCT FROM $1 AND i.id < $2 AND i.state <> 'dismissed' ORDER BY i.id DESC LIMIT $3");
    let mut tx = platform.read().await?;
    let mut items = tx.all(sql, args![may.project_id(), page.before_id(), i64::from(limit) + 1], |row| view(row, now)).await?;
    fill(&mut tx, &mut items.iter_mut().map(|item| &mut item.public).collect::<Vec<_>>(), UPDATES_MOST).await?;
    Ok(Page::cut(items, limit, |item| item.public.id.to_string()))
}

async fn by_id(tx: &mut Tx, may: &Managing, id: IncidentId, now: Millis) -> Result<IncidentView> {
    let sql = format!("{SELECT} WHERE i.id = $1 AND i.project_id IS NOT DISTINCT FROM $2 AND i.state <> 'dismissed'");
    let found = tx.opt(sql, args![id, may.project_id()], |row| view(row, now)).await?;
    let mut found = found.ok_or(Error::NotFound { what: "incident" })?;
    fill(tx, &mut [&mut found.public], UPDATES_MOST).await?;
    Ok(found)
}

/// Writes an incident, or plans work.
pub async fn create(platform: &Platform, may: &Managing, form: &IncidentForm) -> Result<IncidentView> {
    let now = platform.now();
    let order = form.read(now).map_err(Error::Invalid)?;
    let id: IncidentId = platform.new_id();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("status incidents").await?;
    refuse_more(&mut change, may, now).await?;
    insert(&mut change, id, may.project_id(), &order, None, may.actor().name(), now).await?;
    tell(&mut change, platform, id, order.state, &order.text, may.actor().name()).await?;
    let made = by_id(&mut change, may, id, now).await?;
    change.wake(Signal::Status);
    let detail = serde_json::json!({ "title": order.title, "kind": order.kind, "state": order.state, "impact": order.impact });
    change.commit(record(may, "incident.create", "incident", id).detail(detail)).await?;
    Ok(made)
}

/// One more than may go on at the same time: what is beyond is not shown. What an alert proposed counts once it is told.
async fn refuse_more(tx: &mut Tx, may: &Managing, now: Millis) -> Result<()> {
    let sql = "SELECT COUNT(*) AS n FROM status_incidents WHERE project_id IS NOT DISTINCT FROM $1 AND (ends_at IS NULL OR ends_at > $2)
               AND state NOT IN ('proposed', 'dismissed')";
    if tx.one(sql, args![may.project_id(), now], |row| row.get::<i64>("n")).await? >= OPEN_MOST {
        return Err(Error::conflict("too_many_incidents", format!("{OPEN_MOST} are not over; end one first")));
    }
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    id: IncidentId,
    project: Option<ProjectId>,
    order: &IncidentOrder,
    alert: Option<AlertId>,
    by: &str,
    now: Millis,
) -> Result<()> {
    let sql = "INSERT INTO status_incidents (id, project_id, kind, title, impact, state, components, alert_id, starts_at, ends_at, created_by, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)";
    let arguments = args![
        id,
        project,
        order.kind,
        &order.title,
        order.impact,
        order.state,
        Json(&order.components),
        alert,
        order.starts_at,
        order.ends_at,
        by,
        now,
    ];
    tx.exec(sql, arguments).await?;
    Ok(())
}

async fn tell(tx: &mut Tx, platform: &Platform, incident: IncidentId, state: IncidentState, text: &str, by: &str) -> Result<()> {
    let sql = "INSERT INTO status_updates (id, incident_id, state, body, written_at, written_by) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.exec(sql, args![platform.new_id::<IncidentUpdateId>(), incident, state, text, platform.now(), by]).await?;
    Ok(())
}

/// Says something further of an incident; of one that was proposed: lets everybody see it.
pub async fn say(platform: &Platform, may: &Managing, id: IncidentId, form: &UpdateForm) -> Result<IncidentView> {
    let now = platform.now();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("status incidents").await?;
    let before = by_id(&mut change, may, id, now).await?;
    let order = form.read(before.kind).map_err(Error::Invalid)?;
    if before.public.is_over() {
        return Err(Error::conflict("incident_over", "it is over; write another one"));
    }
    let state = order.state.unwrap_or(match before.public.state {
        IncidentState::Proposed => IncidentState::Investigating,
        state => state,
    });
    let ends = matches!(state, IncidentState::Resolved | IncidentState::Completed);
    if !ends && before.public.state == IncidentState::Proposed {
        refuse_more(&mut change, may, now).await?;
    }
    let sql = "SELECT COUNT(*) AS n FROM status_updates WHERE incident_id = $1";
    let told = change.one(sql, args![id], |row| row.get::<i64>("n")).await?;
    // There is always room for the one that ends it.
    if !ends && told + 1 >= UPDATES_MOST {
        return Err(Error::conflict("too_many_updates", format!("{told} updates were told of it; end it, and write another one if it goes on")));
    }
    // What planned work is, follows from its times until somebody ends it.
    let kept = if before.kind == IncidentKind::Maintenance && state != IncidentState::Completed { IncidentState::Scheduled } else { state };
    let ends_at = if ends { Some(now) } else { before.public.ends_at };
    let impact = order.impact.unwrap_or(before.public.impact);
    // What is ended before its time never began.
    let starts_at = ends_at.map_or(before.public.starts_at, |ends| before.public.starts_at.min(ends));
    let sql = "UPDATE status_incidents SET state = $2, impact = $3, ends_at = $4, starts_at = $5, updated_at = $6 WHERE id = $1";
    change.exec(sql, args![id, kept, impact, ends_at, starts_at, now]).await?;
    tell(&mut change, platform, id, state, &order.text, may.actor().name()).await?;
    let said = by_id(&mut change, may, id, now).await?;
    change.wake(Signal::Status);
    let detail = serde_json::json!({ "title": said.public.title, "state": state, "impact": impact });
    change.commit(record(may, "incident.update", "incident", id).detail(detail)).await?;
    Ok(said)
}

/// Takes an incident away, as if it had never been told. One that an alert proposed is not proposed again.
pub async fn remove(platform: &Platform, may: &Managing, id: IncidentId) -> Result<()> {
    let now = platform.now();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("status incidents").await?;
    let before = by_id(&mut change, may, id, now).await?;
    change.exec("DELETE FROM status_updates WHERE incident_id = $1", args![id]).await?;
    if before.proposed {
        change.exec("UPDATE status_incidents SET state = 'dismissed', ends_at = $2 WHERE id = $1", args![id, now]).await?;
    } else {
        change.exec("DELETE FROM status_incidents WHERE id = $1", args![id]).await?;
    }
    change.wake(Signal::Status);
    change.commit(record(may, "incident.remove", "incident", id).detail(serde_json::json!({ "title": before.public.title }))).await
}

/// What everybody may see of the site and of these projects: what is not over, and what was lately.
pub(super) async fn shown(tx: &mut Tx, projects: &[ProjectId], now: Millis) -> Result<Vec<Shown>> {
    let mut found = newest(tx, "i.project_id IS NULL", Vec::new(), now).await?;
    for projects in projects.chunks(BATCH) {
        let holders = format!("i.project_id IN ({})", placeholders(3, projects.len()));
        found.extend(newest(tx, &holders, projects.iter().map(|project| Value::from(*project)).collect(), now).await?);
    }
    fill(tx, &mut found.iter_mut().map(|(_, view)| &mut view.public).collect::<Vec<_>>(), UPDATES_SHOWN).await?;
    Ok(found.into_iter().map(|(project, view)| Shown { project, planned: view.kind == IncidentKind::Maintenance, public: view.public }).collect())
}

/// The newest of each of these holders, whose ids begin at `$3`.
async fn newest(tx: &mut Tx, holders: &str, ids: Vec<Value>, now: Millis) -> Result<Vec<(Option<ProjectId>, IncidentView)>> {
    let sql = format!(
        "SELECT * FROM (
             SELECT r.*, ROW_NUMBER() OVER (
                 PARTITION BY r.project_id, CASE WHEN r.ends_at IS NULL OR r.ends_at > $2 THEN 0 ELSE 1 END ORDER BY r.id DESC) AS nth
             FROM ({SELECT} WHERE {holders} AND i.state NOT IN ('proposed', 'dismissed') AND (i.ends_at IS NULL OR i.ends_at > $1)
                   AND p.deleted_at IS NULL) r) ranked
         WHERE nth <= CASE WHEN ends_at IS NULL OR ends_at > $2 THEN {OPEN_MOST} ELSE {PAST_MOST} END ORDER BY id DESC"
    );
    let mut values = args![now.minus(SHOWN), now];
    values.extend(ids);
    tx.all(sql, values, |row| Ok((row.get::<Option<ProjectId>>("project_id")?, view(row, now)?))).await
}

/// Work that is being done now.
pub(super) struct Planned {
    project: Option<ProjectId>,
    components: Vec<String>,
}

impl Planned {
    /// Whether it is done to this.
    pub fn covers(&self, thing: &Thing) -> bool {
        let named = || called(self.project.is_none(), &thing.project_name, &thing.name);
        self.project.is_none_or(|project| project == thing.project) && (self.components.is_empty() || self.components.contains(&named()))
    }
}

pub(super) async fn planned(tx: &mut Tx, now: Millis) -> Result<Vec<Planned>> {
    let sql = "SELECT project_id, components FROM (
                   SELECT i.*, ROW_NUMBER() OVER (PARTITION BY i.project_id ORDER BY i.id DESC) AS nth FROM status_incidents i
                   WHERE i.kind = 'maintenance' AND i.state = 'scheduled' AND i.starts_at <= $1 AND i.ends_at > $1) ranked
               WHERE nth <= $2 ORDER BY id";
    let planned = |row: &Row<'_>| Ok(Planned { project: row.get("project_id")?, components: row.get::<Json<Vec<String>>>("components")?.0 });
    tx.all(sql, args![now, OPEN_MOST], planned).await
}

/// An alert that fires, with what it is about.
struct Firing {
    alert: AlertId,
    project: ProjectId,
    service: String,
    name: String,
    since: Millis,
}

/// Proposes incidents for alerts that fire, and takes proposals away whose alerts are over. One at a time for each service.
pub(super) async fn propose(worker: &Worker) -> Result<()> {
    let platform = worker.platform();
    let mut tx = platform.read().await?;
    let sql = "SELECT id, project_id, service, name, since FROM (
                   SELECT a.id, a.project_id, s.id AS service, s.name, COALESCE(a.fired_at, a.since) AS since,
                       ROW_NUMBER() OVER (PARTITION BY a.project_id ORDER BY a.id DESC) AS nth
                   FROM alerts a JOIN services s ON s.id = a.service_id
                   WHERE a.state = 'firing' AND a.severity <> 'info' AND a.project_id IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM status_incidents i WHERE i.alert_id = a.id)) ranked
               WHERE nth <= $1 ORDER BY id DESC";
    let firing = tx.all(sql, args![ALERTS_MOST], firing).await?;
    let sql = "SELECT COUNT(*) AS n FROM status_incidents i WHERE i.state = 'proposed'
               AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = i.alert_id AND a.state = 'firing')";
    let over = tx.one(sql, args![], |row| row.get::<i64>("n")).await? > 0;
    if firing.is_empty() && !over {
        return Ok(());
    }
    let shown: HashMap<String, String> = things::services(&mut tx, false).await?.into_iter().map(|thing| (thing.id, thing.title)).collect();
    let sql = "SELECT project_id, components FROM (
                   SELECT i.*, ROW_NUMBER() OVER (PARTITION BY i.project_id ORDER BY i.id DESC) AS nth FROM status_incidents i
                   WHERE i.state IN ('proposed', 'investigating', 'identified', 'monitoring') AND i.project_id IS NOT NULL) ranked
               WHERE nth <= $1 ORDER BY id DESC";
    let open = |row: &Row<'_>| Ok((row.get::<ProjectId>("project_id")?, row.get::<Json<Vec<String>>>("components")?.0));
    let open = tx.all(sql, args![ALERTS_MOST], open).await?;
    drop(tx);
    let mut told: HashSet<(ProjectId, String)> =
        open.into_iter().flat_map(|(project, names)| names.into_iter().map(move |name| (project, name))).collect();
    let mut wanted: Vec<(Firing, String)> = Vec::new();
    for alert in firing {
        if let Some(title) = shown.get(&alert.service)
            && told.insert((alert.project, alert.name.clone()))
        {
            wanted.push((alert, title.clone()));
        }
    }
    if wanted.is_empty() && !over { Ok(()) } else { write_proposals(worker, wanted).await }
}

async fn write_proposals(worker: &Worker, wanted: Vec<(Firing, String)>) -> Result<()> {
    let platform = worker.platform();
    let now = platform.now();
    let mut tx = worker.change().await?;
    tx.lock_key("status incidents").await?;
    let sql = "DELETE FROM status_incidents WHERE state = 'proposed'
               AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = alert_id AND a.state = 'firing')";
    tx.exec(sql, args![]).await?;
    for (alert, title) in wanted {
        let order = IncidentOrder {
            kind: IncidentKind::Incident,
            // No word of the alert: what it says is not for everybody.
            title: format!("Trouble with {title}"),
            text: String::new(),
            impact: Impact::Major,
            state: IncidentState::Proposed,
            components: vec![alert.name],
            starts_at: alert.since,
            ends_at: None,
        };
        insert(&mut tx, platform.new_id(), Some(alert.project), &order, Some(alert.alert), "an alert", now).await?;
    }
    tx.finish().await
}

fn firing(row: &Row<'_>) -> Result<Firing> {
    Ok(Firing {
        alert: row.get("id")?,
        project: row.get("project_id")?,
        service: row.get("service")?,
        name: row.get("name")?,
        since: row.get("since")?,
    })
}

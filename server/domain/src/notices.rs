//! Notices on their way out: a durable queue that knows nothing of what it tells. Whoever has something to tell hands it to the transaction in
//! which it happens ([`crate::change`]), so that none is lost; a loop outside of the domain sends what is due and says what came of it ([`work`]).
//!
//! *At least once, by one id.* A notice is `sent` only after the receiver said so. A portal that is killed between the two sends it again, under the
//! same id, which every receiver sees: whoever drops ids that it has seen gets each notice once. Of one route, notices leave one at a time and in
//! the order in which they were written: who hears that something is over has heard that it began. Only one that the receiver refused a few times
//! is passed by those behind it, and tried on.

use model::ids::{NoticeId, NoticeRouteId, ProjectId};
use model::notices::{Event, Notice, NoticeState, RouteKind, RouteOrder};

use crate::access::{Held, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Tx};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;

mod log;
pub mod mail;
mod routes;
#[cfg(test)]
mod tests;
mod turns;
pub mod work;

pub use log::{log, redeliver, test};
pub use routes::{create, delete, list, update};

crate::text_columns! { Event, NoticeState, RouteKind }

/// The permission to decide where notices go.
pub type Managing = Held<can::ManageAlerts>;

/// Most notices of one route that wait. What comes more is given up at once, and says so.
const WAITING_MOST: i64 = 1000;

/// What a route's target is sealed for.
pub(crate) fn purpose(route: impl std::fmt::Display) -> String {
    format!("notice-route {route}")
}

/// What the password of the mail server is sealed for.
pub(crate) fn mail_purpose(id: impl std::fmt::Display) -> String {
    format!("mail-password {id}")
}

/// Whom a notice is for.
#[derive(Clone, Debug)]
pub(crate) struct Audience {
    /// Routes of this project.
    pub project: Option<ProjectId>,
    /// Routes of the site.
    pub site: bool,
    /// Of them those with these names alone; empty: each one.
    pub routes: Vec<String>,
}

/// A notice, and whom it is for.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    /// For whom.
    pub audience: Audience,
    /// What is told.
    pub notice: Notice,
}

/// Writes notices for everybody who is to hear of them, as the last thing before a commit; answers what pages watch of the routes that were given
/// some. A route is held until the commit: routes are taken in one order, and nothing is waited for behind them, so that no two transactions wait
/// for each other.
pub(crate) async fn write(tx: &mut Tx, platform: &Platform, tellings: &[Telling]) -> Result<Vec<Topic>> {
    let mut heard = Vec::new();
    for telling in tellings {
        let routes = hearers(tx, telling).await?;
        heard.extend(routes.into_iter().map(|(route, project)| (route, topic_of(project), &telling.notice)));
    }
    // Stable: of one route they stay in the order in which they were told.
    heard.sort_by_key(|(route, ..)| *route);
    let mut topics = Vec::new();
    for (route, topic, notice) in heard {
        let written = queue(tx, platform, route, notice).await?;
        if written.is_some() && !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    Ok(topics)
}

/// The routes that a notice is for, with whose they are.
async fn hearers(tx: &mut Tx, telling: &Telling) -> Result<Vec<(NoticeRouteId, Option<ProjectId>)>> {
    let Telling { audience, notice } = telling;
    let sql = "SELECT id, project_id, name, events FROM notice_routes WHERE enabled AND (project_id = $1 OR ($2 AND project_id IS NULL))
               ORDER BY id LIMIT 200";
    type Found = (NoticeRouteId, Option<ProjectId>, String, String);
    let read = |row: &crate::db::Row<'_>| -> Result<Found> { Ok((row.get("id")?, row.get("project_id")?, row.get("name")?, row.get("events")?)) };
    let mut routes = tx.all(sql, args![audience.project, audience.site], read).await?;
    routes.retain(|(_, _, name, events)| {
        // A choice that cannot be read any more must not keep all others from hearing: who made it hears everything.
        let chosen = serde_json::from_str::<Vec<Event>>(events).ok().is_none_or(|events| events.contains(&notice.event));
        chosen && (audience.routes.is_empty() || audience.routes.contains(name))
    });
    Ok(routes.into_iter().map(|(route, project, ..)| (route, project)).collect())
}

/// What is held by whoever writes notices of a route.
fn lock(route: NoticeRouteId) -> String {
    format!("notices {route}")
}

/// Writes a notice for one route; none where the route was deleted meanwhile.
async fn queue(tx: &mut Tx, platform: &Platform, route: NoticeRouteId, notice: &Notice) -> Result<Option<NoticeId>> {
    // Ids of one route must be in the order of their commits.
    tx.lock_key(&lock(route)).await?;
    let sql = "SELECT (SELECT COUNT(*) FROM notices n WHERE n.route_id = r.id AND n.state = 'queued') AS n FROM notice_routes r WHERE r.id = $1";
    let Some(waiting) = tx.opt(sql, args![route], |row| row.get::<i64>("n")).await? else { return Ok(None) };
    let full = waiting >= WAITING_MOST;
    let (id, now): (NoticeId, _) = (platform.new_id(), platform.now());
    let (state, ended, answer) = if full {
        let why = format!("given up: {WAITING_MOST} notices of this route were waiting already");
        (NoticeState::Failed, Some(now), Some(why))
    } else {
        (NoticeState::Queued, None, None)
    };
    let sql = "INSERT INTO notices (id, route_id, event, notice, state, attempts, due_at, created_at, queued_at, ended_at, answer)
               VALUES ($1, $2, $3, $4, $5, 0, $6, $6, $6, $7, $8)";
    tx.exec(sql, args![id, route, notice.event, Json(notice), state, now, ended, answer]).await?;
    Ok(Some(id))
}

/// What pages watch for a holder's routes.
fn topic(may: &Managing) -> Topic {
    topic_of(may.project_id())
}

fn topic_of(project: Option<ProjectId>) -> Topic {
    project.map_or(Topic::SiteAlerts, Topic::Alerts)
}

/// The audit record of something that was done to a route.
fn record(may: &Managing, action: &'static str, name: &str) -> Record {
    let record = Record::new(action, "route", name);
    match may.project() {
        Some(project) => record.project(project),
        None => record,
    }
}

/// Where a route leads, as it is sealed.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Target {
    address: String,
    /// What webhooks are signed with.
    secret: Option<String>,
}

/// What may be shown of an address: of one that may itself be a secret, the host alone.
fn shown(kind: RouteKind, address: &str) -> String {
    match kind {
        RouteKind::Email => address.split(',').map(str::trim).collect::<Vec<_>>().join(", "),
        RouteKind::Webhook | RouteKind::Slack => {
            let (scheme, rest) = address.split_once("://").unwrap_or(("https", address));
            format!("{scheme}://{}", rest.split(['/', '?', '#']).next().unwrap_or_default())
        }
    }
}

/// A notice as it is stored; none where it cannot be read.
fn notice(text: &str) -> Option<Notice> {
    serde_json::from_str(text).ok()
}

/// A route's row by id, within the holder's.
async fn find(tx: &mut Tx, may: &Managing, id: NoticeRouteId) -> Result<(String, RouteKind)> {
    let sql = "SELECT name, kind FROM notice_routes WHERE id = $1 AND project_id IS NOT DISTINCT FROM $2";
    let found = tx.opt(sql, args![id, may.project_id()], |row| Ok((row.get("name")?, row.get("kind")?))).await?;
    found.ok_or(Error::NotFound { what: "route" })
}

/// What an order leaves as it was must be there.
fn needs_address(order: &RouteOrder) -> Result<&str> {
    order.address.as_deref().ok_or_else(|| Error::invalid("address", "write where to; another sort of route needs another address"))
}

//! Routes: where notices go. Addresses and secrets are sealed at once; a secret is shown to whoever made it, once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::ids::NoticeRouteId;
use model::notices::{Event, NoticeState, RouteForm, RouteKind, RouteOrder, SECRET_PREFIX};
use model::page::Page;
use model::secret::Secret;
use model::views::notices::{RouteMade, RouteView};

use super::{Managing, Target, find, lock, mail, needs_address, purpose, record, shown, topic};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::Signal;
use crate::platform::Platform;

/// Most routes of a project, or of the site.
const MOST: i64 = 50;

const SELECT: &str = "SELECT r.id, r.name, r.kind, r.shown, length(r.target) = 0 AS lost, r.events, r.enabled, r.updated_by, r.updated_at,
    (SELECT COUNT(*) FROM notices n WHERE n.route_id = r.id AND n.state = 'queued') AS waiting,
    (SELECT n.state FROM notices n WHERE n.route_id = r.id AND n.state <> 'queued' ORDER BY n.id DESC LIMIT 1) AS last FROM notice_routes r";

fn view(row: &Row<'_>) -> Result<RouteView> {
    Ok(RouteView {
        id: row.get("id")?,
        name: row.get("name")?,
        kind: row.get("kind")?,
        shown: row.get("shown")?,
        lost: row.get::<bool>("lost")?,
        events: row.get::<Json<Vec<Event>>>("events")?.0,
        enabled: row.get("enabled")?,
        by: row.get("updated_by")?,
        updated_at: row.get("updated_at")?,
        waiting: row.get("waiting")?,
        last: row.get::<Option<NoticeState>>("last")?,
    })
}

/// The routes, by name.
pub async fn list(platform: &Platform, may: &Managing) -> Result<Page<RouteView>> {
    let sql = format!("{SELECT} WHERE r.project_id IS NOT DISTINCT FROM $1 ORDER BY r.name LIMIT $2");
    let items = platform.read().await?.all(sql, args![may.project_id(), MOST], view).await?;
    Ok(Page { items, next: None })
}

async fn by_id(tx: &mut Tx, id: NoticeRouteId) -> Result<RouteView> {
    tx.one(format!("{SELECT} WHERE r.id = $1"), args![id], view).await
}

/// What a webhook is signed with: what was typed, or a new one, which is to be shown.
fn secret(platform: &Platform, kind: RouteKind, typed: &str) -> (Option<String>, bool) {
    match (kind, typed.trim()) {
        (RouteKind::Slack | RouteKind::Email, _) => (None, false),
        (RouteKind::Webhook, "") => (Some(format!("{SECRET_PREFIX}{}", STANDARD.encode(platform.random_bytes::<32>()))), true),
        (RouteKind::Webhook, typed) => (Some(typed.to_owned()), false),
    }
}

async fn sealed(tx: &mut Tx, platform: &Platform, id: NoticeRouteId, target: &Target) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(target).map_err(|error| Error::internal(format!("a target is JSON: {error}")))?;
    platform.seal_in(tx, &purpose(id), &zeroize::Zeroizing::new(text)).await
}

/// A name that another one has.
async fn refuse_taken(tx: &mut Tx, may: &Managing, name: &str, but: Option<NoticeRouteId>) -> Result<()> {
    let sql = "SELECT id FROM notice_routes WHERE project_id IS NOT DISTINCT FROM $1 AND name = $2";
    let taken: Option<NoticeRouteId> = tx.opt(sql, args![may.project_id(), name], |row| row.get("id")).await?;
    if taken.is_some() && taken != but { Err(Error::invalid("name", "another route has this name")) } else { Ok(()) }
}

/// Addresses of e-mail that operators let no mail go to. A route that is switched off may keep them.
async fn refuse_recipients(tx: &mut Tx, order: &RouteOrder, addresses: &str) -> Result<()> {
    if order.kind != RouteKind::Email || !order.enabled {
        return Ok(());
    }
    match mail::refusal(tx, addresses).await? {
        Some(why) => Err(Error::invalid("address", why)),
        None => Ok(()),
    }
}

/// Makes a route. A secret that was made for it is in this answer only.
pub async fn create(platform: &Platform, may: &Managing, form: &RouteForm) -> Result<RouteMade> {
    let order = form.read(true).map_err(Error::Invalid)?;
    let address = needs_address(&order)?.to_owned();
    let id: NoticeRouteId = platform.new_id();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("notice routes").await?;
    let sql = "SELECT COUNT(*) AS n FROM notice_routes WHERE project_id IS NOT DISTINCT FROM $1";
    if change.one(sql, args![may.project_id()], |row| row.get::<i64>("n")).await? >= MOST {
        return Err(Error::conflict("too_many_routes", format!("there are {MOST} routes already; delete one first")));
    }
    refuse_taken(&mut change, may, &order.name, None).await?;
    refuse_recipients(&mut change, &order, &address).await?;
    let (secret, made) = secret(platform, order.kind, &form.secret);
    let target = Target { address, secret: secret.clone() };
    let bytes = sealed(&mut change, platform, id, &target).await?;
    let sql = "INSERT INTO notice_routes (id, project_id, name, kind, shown, target, events, enabled, updated_by, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let arguments = args![
        id,
        may.project_id(),
        &order.name,
        order.kind,
        shown(order.kind, &target.address),
        bytes,
        Json(&order.events),
        order.enabled,
        may.actor().name(),
        platform.now(),
    ];
    change.exec(sql, arguments).await?;
    let route = by_id(&mut change, id).await?;
    change.touch(topic(may));
    change.commit(record(may, "route.create", &order.name).detail(detail(&route))).await?;
    Ok(RouteMade { route, secret: secret.filter(|_| made) })
}

fn detail(route: &RouteView) -> serde_json::Value {
    serde_json::json!({ "kind": route.kind, "to": route.shown, "events": route.events, "enabled": route.enabled })
}

/// Changes a route. Its address and its secret stay where none is typed.
pub async fn update(platform: &Platform, may: &Managing, id: NoticeRouteId, form: &RouteForm) -> Result<RouteMade> {
    let order = form.read(false).map_err(Error::Invalid)?;
    let mut change = platform.change(may.actor()).await?;
    let (_, kind) = find(&mut change, may, id).await?;
    refuse_taken(&mut change, may, &order.name, Some(id)).await?;
    let before = open(&mut change, platform, id).await.ok().filter(|_| kind == order.kind);
    let (target, made) = renewed(platform, &order, before, &form.secret)?;
    refuse_recipients(&mut change, &order, &target.address).await?;
    let bytes = sealed(&mut change, platform, id, &target).await?;
    let sql = "UPDATE notice_routes SET name = $2, kind = $3, shown = $4, target = $5, events = $6, enabled = $7, updated_by = $8, updated_at = $9
               WHERE id = $1";
    let shown = shown(order.kind, &target.address);
    let arguments = args![id, &order.name, order.kind, shown, bytes, Json(&order.events), order.enabled, may.actor().name(), platform.now()];
    change.exec(sql, arguments).await?;
    // What waits is tried anew, and in order: the change may be what it waited for.
    let sql = "UPDATE notices SET due_at = $2, refusals = 0, unwanted = 0 WHERE route_id = $1 AND state = 'queued'";
    change.exec(sql, args![id, platform.now()]).await?;
    let route = by_id(&mut change, id).await?;
    change.touch(topic(may));
    change.wake(Signal::Notices);
    change.commit(record(may, "route.update", &order.name).detail(detail(&route))).await?;
    Ok(RouteMade { route, secret: target.secret.filter(|_| made) })
}

/// The target after a change: what was not typed is as it was, where it was of the same sort.
fn renewed(platform: &Platform, order: &RouteOrder, before: Option<Target>, typed: &str) -> Result<(Target, bool)> {
    let Some(before) = before else {
        let address = needs_address(order)?.to_owned();
        let (secret, made) = secret(platform, order.kind, typed);
        return Ok((Target { address, secret }, made));
    };
    let address = order.address.clone().unwrap_or(before.address);
    let secret = if typed.trim().is_empty() { before.secret } else { Some(typed.trim().to_owned()) };
    Ok((Target { address, secret }, false))
}

async fn open(tx: &mut Tx, platform: &Platform, id: NoticeRouteId) -> Result<Target> {
    let bytes: Vec<u8> = tx.one("SELECT target FROM notice_routes WHERE id = $1", args![id], |row| row.get("target")).await?;
    opened(platform, id, &bytes)
}

/// A route's target.
pub(super) fn opened(platform: &Platform, id: NoticeRouteId, bytes: &[u8]) -> Result<Target> {
    let plain = zeroize::Zeroizing::new(platform.open(&purpose(id), bytes)?);
    serde_json::from_slice(&plain).map_err(|_| Error::internal("a route's target is no JSON"))
}

impl Target {
    /// Address and secret, out of sight.
    pub(super) fn hidden(self) -> (Secret, Option<Secret>) {
        (Secret::new(self.address), self.secret.map(Secret::new))
    }
}

/// Deletes a route, with what waits and its log.
pub async fn delete(platform: &Platform, may: &Managing, id: NoticeRouteId) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let (name, _) = find(&mut change, may, id).await?;
    change.lock_key(&lock(id)).await?;
    change.exec("DELETE FROM notices WHERE route_id = $1", args![id]).await?;
    change.exec("DELETE FROM notice_routes WHERE id = $1", args![id]).await?;
    change.touch(topic(may));
    change.commit(record(may, "route.delete", &name)).await
}

//! Services that are not in containers: registered beside the others, probed, and shown if their project wants it. Their addresses are for those
//! who write the page, never for its readers.

use model::ids::{LegacyServiceId, ServiceId};
use model::names::ServiceName;
use model::page::Page;
use model::status::{LegacyForm, LegacyOrder};
use model::views::status::LegacyView;

use super::{Managing, record};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::projects::Project;

/// Most of a project.
const MOST: i64 = 100;
/// Most of a project that are shown: they are probed, and everybody's page has room for all.
pub(super) const SHOWN_MOST: i64 = 20;

const SELECT: &str = "SELECT id, name, title, address, shown, updated_by, updated_at FROM legacy_services";

fn project(may: &Managing) -> Result<&Project> {
    may.project().ok_or_else(|| Error::invalid("project", "a service belongs to a project; name one"))
}

fn view(platform: &Platform, row: &Row<'_>) -> Result<LegacyView> {
    let id: LegacyServiceId = row.get("id")?;
    let known = platform.status().known();
    let seen = known.seen.get(&id.to_string());
    Ok(LegacyView {
        id,
        name: row.get("name")?,
        title: row.get("title")?,
        address: row.get("address")?,
        shown: row.get("shown")?,
        state: seen.map(|seen| seen.state),
        finding: seen.and_then(|seen| seen.why.clone()),
        by: row.get("updated_by")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Those of a project, by name.
pub async fn list(platform: &Platform, may: &Managing) -> Result<Page<LegacyView>> {
    let sql = format!("{SELECT} WHERE project_id = $1 ORDER BY name LIMIT $2");
    let project = project(may)?.id;
    let items = platform.read().await?.all(sql, args![project, MOST], |row| view(platform, row)).await?;
    Ok(Page { items, next: None })
}

async fn by_id(platform: &Platform, tx: &mut Tx, id: LegacyServiceId) -> Result<LegacyView> {
    tx.one(format!("{SELECT} WHERE id = $1"), args![id], |row| view(platform, row)).await
}

/// A name that a service has, or another one outside.
async fn refuse_taken(tx: &mut Tx, project: &Project, name: &ServiceName, but: Option<LegacyServiceId>) -> Result<()> {
    let sql = "SELECT id FROM services WHERE project_id = $1 AND name = $2 AND deleted_at IS NULL";
    if tx.opt(sql, args![project.id, name], |row| row.get::<ServiceId>("id")).await?.is_some() {
        return Err(Error::invalid("name", "a service of this project has this name"));
    }
    let sql = "SELECT id FROM legacy_services WHERE project_id = $1 AND name = $2";
    let taken: Option<LegacyServiceId> = tx.opt(sql, args![project.id, name], |row| row.get("id")).await?;
    if taken.is_some() && taken != but { Err(Error::invalid("name", "another one has this name")) } else { Ok(()) }
}

/// More on the status page than a project may have there, besides this one.
async fn refuse_more(tx: &mut Tx, project: &Project, order: &LegacyOrder, but: Option<LegacyServiceId>) -> Result<()> {
    let sql = "SELECT id FROM legacy_services WHERE project_id = $1 AND shown LIMIT $2";
    let shown: Vec<LegacyServiceId> = tx.all(sql, args![project.id, MOST], |row| row.get("id")).await?;
    let others = shown.into_iter().filter(|id| Some(*id) != but).count() as i64;
    if order.shown && others >= SHOWN_MOST {
        let full = format!("{SHOWN_MOST} of this project are on the status page already; take one off first, or add this one without showing it");
        return Err(Error::conflict("too_many_shown", full));
    }
    Ok(())
}

fn detail(order: &LegacyOrder) -> serde_json::Value {
    serde_json::json!({ "address": order.address.to_string(), "shown": order.shown })
}

/// Registers one.
pub async fn create(platform: &Platform, may: &Managing, form: &LegacyForm) -> Result<LegacyView> {
    let order = form.read().map_err(Error::Invalid)?;
    let project = project(may)?;
    let id: LegacyServiceId = platform.new_id();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&format!("legacy services {}", project.id)).await?;
    let sql = "SELECT COUNT(*) AS n FROM legacy_services WHERE project_id = $1";
    if change.one(sql, args![project.id], |row| row.get::<i64>("n")).await? >= MOST {
        return Err(Error::conflict("too_many_legacy_services", format!("there are {MOST} already; delete one first")));
    }
    refuse_taken(&mut change, project, &order.name, None).await?;
    refuse_more(&mut change, project, &order, None).await?;
    let sql = "INSERT INTO legacy_services (id, project_id, name, title, address, shown, updated_by, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (address, by) = (order.address.to_string(), may.actor().name());
    change.exec(sql, args![id, project.id, &order.name, &order.title, address, order.shown, by, platform.now()]).await?;
    let made = by_id(platform, &mut change, id).await?;
    change.wake(Signal::Status);
    change.touch(Topic::Project(project.id));
    change.commit(record(may, "legacy.create", "legacy service", &order.name).detail(detail(&order))).await?;
    Ok(made)
}

/// Changes one.
pub async fn update(platform: &Platform, may: &Managing, id: LegacyServiceId, form: &LegacyForm) -> Result<LegacyView> {
    let order = form.read().map_err(Error::Invalid)?;
    let project = project(may)?;
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&format!("legacy services {}", project.id)).await?;
    refuse_taken(&mut change, project, &order.name, Some(id)).await?;
    refuse_more(&mut change, project, &order, Some(id)).await?;
    let sql = "UPDATE legacy_services SET name = $3, title = $4, address = $5, shown = $6, updated_by = $7, updated_at = $8
               WHERE id = $1 AND project_id = $2";
    let (address, by) = (order.address.to_string(), may.actor().name());
    let arguments = args![id, project.id, &order.name, &order.title, address, order.shown, by, platform.now()];
    if change.exec(sql, arguments).await? == 0 {
        return Err(Error::NotFound { what: "legacy service" });
    }
    let changed = by_id(platform, &mut change, id).await?;
    change.wake(Signal::Status);
    change.touch(Topic::Project(project.id));
    change.commit(record(may, "legacy.update", "legacy service", &order.name).detail(detail(&order))).await?;
    Ok(changed)
}

/// Deletes one, with what was counted of it.
pub async fn delete(platform: &Platform, may: &Managing, id: LegacyServiceId) -> Result<()> {
    let project = project(may)?;
    let mut change = platform.change(may.actor()).await?;
    let sql = "SELECT name FROM legacy_services WHERE id = $1 AND project_id = $2";
    let name: Option<String> = change.opt(sql, args![id, project.id], |row| row.get("name")).await?;
    let name = name.ok_or(Error::NotFound { what: "legacy service" })?;
    change.exec("DELETE FROM legacy_services WHERE id = $1", args![id]).await?;
    change.exec("DELETE FROM status_spans WHERE thing = $1", args![id.to_string()]).await?;
    change.wake(Signal::Status);
    change.touch(Topic::Project(project.id));
    change.commit(record(may, "legacy.delete", "legacy service", name)).await
}

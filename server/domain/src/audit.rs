//! The audit log: who did what to what, when and from where. Written with each change, in its transaction; read by pages of its key,
//! never whole; old records go after a time that operators set.

use model::page::{Page, PageRequest};
use model::views::audit::AuditView;

use crate::access::{Actor, May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::error::Result;
use crate::platform::Platform;
use crate::projects::Project;
use crate::worker::Worker;

pub(crate) async fn write(tx: &mut Tx, platform: &Platform, actor: &Actor, record: &Record) -> Result<()> {
    let by = By { id: actor.account().ok().map(|account| account.id), name: actor.name(), door: actor.credential().door(), address: actor.address() };
    insert(tx, platform, &by, record).await
}

/// A record of what a loop did by a rule that people set: the rule's name is in the place of the person's.
pub(crate) async fn write_by_rule(tx: &mut Tx, worker: &Worker, rule: &str, record: &Record) -> Result<()> {
    let name = format!("rule {rule}");
    insert(tx, worker.platform(), &By { id: None, name: &name, door: worker.name(), address: "" }, record).await
}

/// Whose record it is.
struct By<'a> {
    id: Option<model::ids::UserId>,
    name: &'a str,
    door: &'a str,
    address: &'a str,
}

async fn insert(tx: &mut Tx, platform: &Platform, by: &By<'_>, record: &Record) -> Result<()> {
    let (project_id, project) = match &record.project {
        Some((id, name)) => (Some(*id), Some(name.as_str())),
        None => (None, None),
    };
    let id: model::ids::AuditId = platform.new_id();
    tx.exec(
        "INSERT INTO audit (id, at, actor_id, actor, door, action, target_kind, target, project_id, project, address, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        args![
            id,
            platform.now(),
            by.id,
            by.name,
            by.door,
            record.action,
            record.target_kind,
            &record.target,
            project_id,
            project,
            by.address,
            Json(&record.detail),
        ],
    )
    .await?;
    Ok(())
}

/// The audit log of a project, newest first.
pub async fn of_project(platform: &Platform, may: &May<can::ReadAudit, Project>, page: &PageRequest) -> Result<Page<AuditView>> {
    list(platform, "project_id = $3", Some(may.id), page).await
}

/// The audit log of the whole site, newest first.
pub async fn of_site(platform: &Platform, _: &May<can::ReadSiteAudit, Site>, page: &PageRequest) -> Result<Page<AuditView>> {
    list(platform, "TRUE", None, page).await
}

async fn list(platform: &Platform, condition: &str, project: Option<model::ids::ProjectId>, page: &PageRequest) -> Result<Page<AuditView>> {
    let limit = page.limit();
    let mut arguments = args![page.before_id(), i64::from(limit) + 1];
    if let Some(project) = project {
        arguments.push(project.into());
    }
    let sql = format!(
        "SELECT id, at, actor, door, action, target_kind, target, project, address, detail FROM audit
         WHERE id < $1 AND {condition} ORDER BY id DESC LIMIT $2"
    );
    let items = platform.read().await?.all(sql, arguments, view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

fn view(row: &Row<'_>) -> Result<AuditView> {
    Ok(AuditView {
        id: row.get("id")?,
        at: row.get("at")?,
        actor: row.get("actor")?,
        door: row.get("door")?,
        action: row.get("action")?,
        target_kind: row.get("target_kind")?,
        target: row.get("target")?,
        project: row.get("project")?,
        address: row.get("address")?,
        detail: row.get::<Json<serde_json::Value>>("detail")?.0,
    })
}

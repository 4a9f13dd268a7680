//! Services: the things that a project runs. Here they are made, listed and deleted; how they are brought into an environment is
//! `deployments`. A name freed by deletion is not given out for 30 days: others may still look for it by that name.

use model::access::Action;
use model::ids::{ServiceId, TaskId};
use model::names::{ProjectName, ServiceName};
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::services::{DesiredState, LastRun, ServiceState, ServiceSummary, TaskHealth, TaskState};

use crate::access::{Key, May, Resource, Visible, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::projects::{NAME_RESTS, Project};

mod crashes;
pub mod credentials;
mod detail;
mod inspect;
mod running;
pub(crate) mod summary;
mod tasks;
#[cfg(test)]
mod tests;

pub use detail::get;
pub use inspect::{Download, changes, download, find_file, inspect, processes};
pub use running::running;
pub use tasks::{Task, place, tasks};
pub(crate) use tasks::{port, ports, reason};

crate::text_columns! { DesiredState, LastRun, ServiceState, TaskState, TaskHealth }

/// Most services of one project.
const MOST_OF_PROJECT: i64 = 1000;

/// A service's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its project.
    pub project: Project,
    /// Its name.
    pub name: ServiceName,
    /// When it was made.
    pub created_at: Millis,
    /// Who made it, by the name at that time.
    pub created_by: String,
}

impl Service {
    /// Its whole name: `<project>/<service>`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.project.name, self.name)
    }
}

impl Resource for Service {
    const WHAT: &'static str = "service";
    const VISIBLE: Action = Action::SeeServices;

    fn project(&self) -> Option<&Project> {
        Some(&self.project)
    }
}

/// The name of a service.
#[derive(Clone, Copy, Debug)]
pub struct ServiceKey<'a> {
    /// Its project.
    pub project: &'a ProjectName,
    /// Its name.
    pub service: &'a ServiceName,
}

impl Key for ServiceKey<'_> {
    type Resource = Service;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Service>> {
        let Some(project) = self.project.find(tx).await? else { return Ok(None) };
        let sql = "SELECT id, name, created_at, created_by FROM services WHERE project_id = $1 AND name = $2 AND deleted_at IS NULL";
        tx.opt(sql, args![project.id, self.service], |row| service(row, &project)).await
    }
}

impl Key for ServiceId {
    type Resource = Service;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Service>> {
        let sql = "SELECT project_id FROM services WHERE id = $1 AND deleted_at IS NULL";
        let project: Option<model::ids::ProjectId> = tx.opt(sql, args![*self], |row| row.get("project_id")).await?;
        let Some(project) = project else { return Ok(None) };
        let Some(project) = project.find(tx).await? else { return Ok(None) };
        let sql = "SELECT id, name, created_at, created_by FROM services WHERE id = $1 AND deleted_at IS NULL";
        tx.opt(sql, args![*self], |row| service(row, &project)).await
    }
}

fn service(row: &Row<'_>, project: &Project) -> Result<Service> {
    Ok(Service {
        id: row.get("id")?,
        project: project.clone(),
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
    })
}

/// Makes a service; nothing runs yet.
pub async fn create(platform: &Platform, may: &May<can::CreateService, Project>, name: &ServiceName) -> Result<ServiceSummary> {
    let id: ServiceId = platform.new_id();
    let mut change = platform.change(may.actor()).await?;
    let record = insert(&mut change, platform, may, id, name).await?;
    change.commit(record).await?;
    Ok(ServiceSummary { id, project: may.name.clone(), name: name.clone(), created_at: platform.now(), runs: Vec::new() })
}

/// Makes a service within a change that does more. The caller commits it with the record.
pub(crate) async fn insert(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::CreateService, Project>,
    id: ServiceId,
    name: &ServiceName,
) -> Result<Record> {
    let now = platform.now();
    change.lock_key(&format!("services {}", may.id)).await?;
    let sql = "SELECT MAX(deleted_at) AS freed FROM services WHERE project_id = $1 AND name = $2 AND deleted_at > $3";
    let freed: Option<Millis> = change.one(sql, args![may.id, name, now.minus(NAME_RESTS)], |row| row.get("freed")).await?;
    if let Some(freed) = freed {
        let until = freed.plus(NAME_RESTS).exact();
        return Err(Error::conflict("name_rests", format!("a service {name} was deleted; its name is free again on {until}; choose another one")));
    }
    let sql = "SELECT COUNT(*) AS n FROM services WHERE project_id = $1 AND deleted_at IS NULL";
    let count: i64 = change.one(sql, args![may.id], |row| row.get("n")).await?;
    if count >= MOST_OF_PROJECT {
        return Err(Error::conflict("too_many_services", format!("a project has at most {MOST_OF_PROJECT} services; delete one first")));
    }
    let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    if change.exec(sql, args![id, may.id, name, now, may.actor().name()]).await? == 0 {
        return Err(Error::conflict("name_taken", format!("project {} has a service {name} already; choose another name", may.name)));
    }
    change.touch(Topic::Project(may.id));
    Ok(Record::new("service.create", "service", name).project(may))
}

/// The services of a project, by name.
pub async fn list(platform: &Platform, may: &May<can::SeeServices, Project>, page: &PageRequest) -> Result<Page<ServiceSummary>> {
    let condition = "s.project_id = $3 AND s.name > $1 ORDER BY s.name";
    let arguments = args![page.after.as_deref().unwrap_or_default(), i64::from(page.limit()) + 1, may.id];
    let items = summary::read(&mut platform.read().await?, condition, arguments, platform.now()).await?;
    Ok(Page::cut(items, page.limit(), |item| item.name.to_string()))
}

/// The services of every project in which the caller may see them, the newest first.
pub async fn list_all(platform: &Platform, visible: &Visible<can::SeeServices>, page: &PageRequest) -> Result<Page<ServiceSummary>> {
    let (seen, mut more) = visible.condition("p", 3);
    let condition = format!("s.id < $1 AND {seen} ORDER BY s.id DESC");
    let mut arguments: Vec<Value> = args![page.before_id(), i64::from(page.limit()) + 1];
    arguments.append(&mut more);
    let items = summary::read(&mut platform.read().await?, &condition, arguments, platform.now()).await?;
    Ok(Page::cut(items, page.limit(), |item| item.id.to_string()))
}

/// Deletes a service: its deployments end, its tasks are removed by reconciliation, its history stays. Volumes stay on their
/// machines. The name rests.
pub async fn delete(platform: &Platform, may: &May<can::DeleteService, Service>) -> Result<()> {
    let now = platform.now();
    let mut change = platform.change(may.actor()).await?;
    change.lock_key(&format!("service {}", may.id)).await?;
    if change.exec("UPDATE services SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL", args![may.id, now]).await? == 0 {
        return Err(Error::NotFound { what: "service" });
    }
    let sql =
        "UPDATE deployments SET state = 'cancelled', reason_code = 'service_deleted', reason_message = 'the service was deleted', finished_at = $2
               WHERE service_id = $1 AND finished_at IS NULL RETURNING id";
    let cancelled: Vec<model::ids::DeploymentId> = change.all(sql, args![may.id, now], |row| row.get("id")).await?;
    platform.counters().deployments_ended(model::views::deployments::DeploymentState::Cancelled, cancelled.len() as u64);
    for id in cancelled {
        let told = crate::deployments::telling::ended(&mut change, id, now).await?;
        change.tell(told);
        change.touch(Topic::Deployment(id));
    }
    // Behind the deployments, as everywhere: two transactions that take rows in one order cannot block each other.
    let sql = "UPDATE desired SET state = 'stopped', updated_at = $2 WHERE service_id = $1";
    change.exec(sql, args![may.id, now]).await?;
    change.exec("DELETE FROM hooks WHERE service_id = $1", args![may.id]).await?;
    crate::configs::forget(&mut change, may.project.id, Some(may.id)).await?;
    crate::pushes::forget(&mut change, may.id).await?;
    crate::templates::forget(&mut change, may.project.id, Some(may.id), now).await?;
    change.touch(Topic::Service(may.id));
    change.touch(Topic::Project(may.project.id));
    change.wake(Signal::Reconcile);
    // Whoever follows its logs or has a shell in it is cut: there is nothing left to see.
    change.access_changed();
    change.commit(Record::new("service.delete", "service", &may.name).project(&may.project)).await
}

impl Key for TaskId {
    type Resource = Task;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Task>> {
        tasks::find(tx, *self).await
    }
}

//! Tasks as people see them: the containers of a service, those that live and the last ones that ended.

use std::collections::HashMap;

use model::access::Action;
use model::descriptor::Protocol;
use model::ids::{EnvironmentId, MachineId, ServiceId, TaskId};
use model::names::EnvironmentName;
use model::views::deployments::Reason;
use model::views::services::{TaskPort, TaskState, TaskView};

use super::Service;
use crate::access::{Key, May, Resource, can};
use crate::args;
use crate::db::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::ports::Place;
use crate::projects::Project;

/// Most tasks that are shown of a service.
const MOST: i64 = 300;
/// How many tasks that ended are shown.
const ENDED: i64 = 10;

/// A task, with what is needed to look into it: reached by its id, with a permission to see logs or open a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its service.
    pub service: Service,
    /// The environment that it runs in.
    pub environment: EnvironmentName,
    /// The machine that it runs on.
    pub machine: MachineId,
    /// Its place among the service's tasks, from 1.
    pub slot: i64,
    /// What it does.
    pub state: TaskState,
    /// Its container on the engine; none while it is being made.
    pub container: Option<String>,
}

impl Resource for Task {
    const WHAT: &'static str = "task";
    const VISIBLE: Action = Action::SeeServices;

    fn project(&self) -> Option<&Project> {
        Some(&self.service.project)
    }
}

/// Where a task's container is, for whoever may look into it.
///
/// # Errors
/// `Conflict` with the code `no_container` while it is being made.
pub fn place<P>(may: &May<P, Task>) -> Result<Place> {
    match &may.container {
        Some(container) => Ok(Place::new(may.machine, container)),
        None => Err(Error::conflict("no_container", "this task's container is still being made; try again in a moment")),
    }
}

pub(super) async fn find(tx: &mut Tx, id: TaskId) -> Result<Option<Task>> {
    let owner: Option<ServiceId> = tx.opt("SELECT service_id FROM tasks WHERE id = $1", args![id], |row| row.get("service_id")).await?;
    let Some(owner) = owner else { return Ok(None) };
    let Some(service) = owner.find(tx).await? else { return Ok(None) };
    let sql = "SELECT t.machine_id, t.slot, t.state, t.container, e.name AS environment FROM tasks t
               JOIN environments e ON e.id = t.environment_id WHERE t.id = $1";
    tx.opt(sql, args![id], |row| {
        Ok(Task {
            id,
            service: service.clone(),
            environment: row.get("environment")?,
            machine: row.get("machine_id")?,
            slot: row.get("slot")?,
            state: row.get("state")?,
            container: row.get("container")?,
        })
    })
    .await
}

/// The tasks of a service, in one environment or in all: those that live by slot, then the last that ended.
pub async fn tasks(platform: &Platform, may: &May<can::SeeServices, Service>, environment: Option<&EnvironmentName>) -> Result<Vec<TaskView>> {
    let mut tx = platform.read().await?;
    let environment = match environment {
        Some(name) => Some(crate::environments::choose_for(&mut tx, may, Some(name)).await?.id),
        None => None,
    };
    read(&mut tx, may.id, environment).await
}

pub(super) async fn read(tx: &mut Tx, service: ServiceId, environment: Option<EnvironmentId>) -> Result<Vec<TaskView>> {
    let mut found = select(tx, service, environment, "t.ended_at IS NULL ORDER BY t.slot, t.id", MOST).await?;
    found.extend(select(tx, service, environment, "t.ended_at IS NOT NULL ORDER BY t.id DESC", ENDED).await?);
    let mut held = ports(tx, service).await?;
    for task in &mut found {
        task.ports = held.remove(&task.id).unwrap_or_default();
    }
    Ok(found)
}

async fn select(tx: &mut Tx, service: ServiceId, environment: Option<EnvironmentId>, condition: &str, most: i64) -> Result<Vec<TaskView>> {
    let mut arguments: Vec<Value> = args![service, most];
    let place = match environment {
        Some(id) => {
            arguments.push(id.into());
            "t.environment_id = $3"
        }
        None => "TRUE",
    };
    let sql = format!(
        "SELECT t.id, e.name AS environment, t.slot, t.state, t.health, t.reason_code, t.reason_message, m.name AS machine, m.host, r.number, t.exit_code,
         t.restarts, t.container, t.created_at, t.started_at, t.ended_at
         FROM tasks t JOIN environments e ON e.id = t.environment_id JOIN machines m ON m.id = t.machine_id JOIN revisions r ON r.id = t.revision_id
         WHERE t.service_id = $1 AND {place} AND {condition} LIMIT $2"
    );
    tx.all(sql, arguments, view).await
}

fn view(row: &Row<'_>) -> Result<TaskView> {
    Ok(TaskView {
        id: row.get("id")?,
        environment: row.get("environment")?,
        slot: row.get("slot")?,
        state: row.get("state")?,
        health: row.get("health")?,
        reason: reason(row)?,
        machine: row.get("machine")?,
        host: row.get("host")?,
        ports: Vec::new(),
        revision: row.get("number")?,
        exit_code: row.get("exit_code")?,
        restarts: row.get("restarts")?,
        container: row.get("container")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
    })
}

/// The reason in the columns `reason_code` and `reason_message`.
pub(crate) fn reason(row: &Row<'_>) -> Result<Option<Reason>> {
    let code: Option<String> = row.get("reason_code")?;
    let message: Option<String> = row.get("reason_message")?;
    Ok(code.map(|code| Reason { code, message: message.unwrap_or_default() }))
}

/// The ports that a service's tasks hold.
pub(crate) async fn ports(tx: &mut Tx, service: ServiceId) -> Result<HashMap<TaskId, Vec<TaskPort>>> {
    let sql = "SELECT p.task_id, p.name, p.container, p.port, p.protocol FROM ports p JOIN tasks t ON t.id = p.task_id
               WHERE t.service_id = $1 ORDER BY p.container, p.protocol";
    let held = tx.all(sql, args![service], |row| Ok((row.get::<TaskId>("task_id")?, port(row)?))).await?;
    let mut by_task: HashMap<TaskId, Vec<TaskPort>> = HashMap::new();
    for (task, port) in held {
        by_task.entry(task).or_default().push(port);
    }
    Ok(by_task)
}

/// A port of the ledger.
pub(crate) fn port(row: &Row<'_>) -> Result<TaskPort> {
    let protocol = match row.get::<String>("protocol")?.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(Error::internal("column protocol holds no protocol")),
    };
    Ok(TaskPort { name: row.get("name")?, container: crate::machines::port(row, "container")?, host: crate::machines::port(row, "port")?, protocol })
}

//! Recording tasks: made, started, healthy or not, ended, removed. Every function may be called again with the same news, and news
//! of a task that ended already changes nothing but the removal of its container.

use model::descriptor::Protocol;
use model::ids::{DeploymentId, MachineId, ProjectId, ServiceId, TaskId};
use model::time::Millis;
use model::views::deployments::Reason;
use model::views::services::{TaskHealth, TaskPort, TaskState};

use super::load::{TASK, revision_work, task};
use super::{Leftover, RevisionWork, TaskWork, WorkKey};
use crate::args;
use crate::change::Bookkeeping;
use crate::db::{Row, Value};
use crate::deployments::ports;
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::machines::{self, Machine};
use crate::worker::Worker;

/// A task to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewTask<'a> {
    /// What it belongs to.
    pub key: WorkKey,
    /// The revision that it is made from.
    pub revision: &'a RevisionWork,
    /// The deployment that makes it; none: reconciliation does.
    pub deployment: Option<DeploymentId>,
    /// The machine that it will run on.
    pub machine: &'a Machine,
    /// Its place, from 1.
    pub slot: i64,
}

/// Records a task and gives it its ports, before its container is made. `Conflict` with the code `port_taken` or
/// `ports_exhausted` when it cannot have them.
pub async fn create_task(worker: &Worker, new: &NewTask<'_>) -> Result<TaskWork> {
    let platform = worker.platform();
    let mut change = worker.change().await?;
    let id: TaskId = platform.new_id();
    let checked = new.revision.descriptor.health.is_some();
    let health = if checked { TaskHealth::Starting } else { TaskHealth::None };
    let sql = "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, deployment_id, slot, state, health, restarts, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, 'preparing', $8, 0, $9)";
    let (key, now) = (new.key, platform.now());
    let arguments: Vec<Value> = args![id, key.service, key.environment, new.machine.id, new.revision.id, new.deployment, new.slot, health, now];
    change.exec(sql, arguments).await?;
    // From here on nobody removes the machine: the new row holds on to it.
    let there = "SELECT id FROM machines WHERE id = $1 AND removed_at IS NULL";
    if change.opt(there, args![new.machine.id], |row| row.get::<model::ids::MachineId>("id")).await?.is_none() {
        return Err(Error::Unavailable(format!("the machine {} was removed meanwhile", new.machine.name)));
    }
    ports::give(&mut change, platform, new.machine, id, &new.revision.descriptor.ports).await?;
    let mut made = change.one(format!("{TASK} WHERE t.id = $1"), args![id], task).await?;
    made.ports = ports::of(&mut change, id).await?;
    change.touch(Topic::Service(key.service));
    change.finish().await?;
    Ok(made)
}

/// Another port in place of one that the engine says is taken. `Conflict` with the code `port_taken` when it is a fixed one.
pub async fn move_port(worker: &Worker, of: &TaskWork, protocol: Protocol, taken: u16) -> Result<Vec<TaskPort>> {
    let mut change = worker.change().await?;
    let machine = machines::by_id(&mut change, of.machine).await?;
    let wanted = revision_work(&mut change, of.revision).await?.descriptor.ports;
    ports::replace(&mut change, worker.platform(), &machine, of.id, &wanted, protocol, taken).await?;
    let held = ports::of(&mut change, of.id).await?;
    change.finish().await?;
    Ok(held)
}

/// The task's program runs in this container, since `started`, reached at `address` in the project's network.
pub async fn task_running(worker: &Worker, task: TaskId, container: &str, address: Option<&str>, started: Millis) -> Result<()> {
    let sql = "UPDATE tasks SET state = CASE WHEN state = 'stopping' THEN state ELSE 'running' END, container = $2, address = $3, started_at = $4,
               reason_code = NULL, reason_message = NULL, exit_code = NULL,
               healthy_at = CASE WHEN health = 'none' THEN COALESCE(healthy_at, $4) ELSE healthy_at END
               WHERE id = $1 AND ended_at IS NULL AND (state NOT IN ('running', 'stopping') OR container IS DISTINCT FROM $2
               OR address IS DISTINCT FROM $3 OR started_at IS DISTINCT FROM $4)";
    tell(worker, sql, args![task, container, address, started], false).await
}

/// What the task's health check says now. `Unhealthy` wakes reconciliation.
pub async fn task_health(worker: &Worker, task: TaskId, health: TaskHealth) -> Result<()> {
    let sql = "UPDATE tasks SET health = $2, healthy_at = CASE WHEN $2 = 'healthy' THEN COALESCE(healthy_at, $3) ELSE healthy_at END
               WHERE id = $1 AND ended_at IS NULL AND health <> $2";
    let now = worker.platform().now();
    tell(worker, sql, args![task, health, now], health == TaskHealth::Unhealthy).await
}

/// It ended by itself and the engine will start it again, or has: `restarts` times so far.
pub async fn task_restarting(worker: &Worker, task: TaskId, exit_code: Option<i64>, restarts: i64, reason: &Reason) -> Result<()> {
    let sql = "UPDATE tasks SET state = 'restarting', exit_code = $2, restarts = $3, reason_code = $4, reason_message = $5,
               health = CASE WHEN health = 'none' THEN health ELSE 'starting' END
               WHERE id = $1 AND ended_at IS NULL AND state <> 'stopping' AND (state <> 'restarting' OR restarts <> $3)";
    let arguments = args![task, exit_code, restarts, &reason.code, &reason.message];
    tell(worker, sql, arguments, false).await
}

/// It was asked to end.
pub async fn task_stopping(worker: &Worker, task: TaskId) -> Result<()> {
    let sql = "UPDATE tasks SET state = 'stopping' WHERE id = $1 AND ended_at IS NULL AND state <> 'stopping'";
    tell(worker, sql, args![task], false).await
}

/// How a task ended.
#[derive(Clone, Debug)]
pub struct End {
    /// `Ended`, `Failed` or `Lost`.
    pub state: TaskState,
    /// What its program ended with.
    pub exit_code: Option<i64>,
    /// Why, where there is something to say.
    pub reason: Option<Reason>,
}

/// It ended: its ports are free, and reconciliation looks whether another one is needed.
pub async fn task_ended(worker: &Worker, task: TaskId, end: &End) -> Result<()> {
    if !end.state.is_final() {
        return Err(Error::internal(format!("a task does not end as {}", end.state)));
    }
    let mut change = worker.change().await?;
    let sql = "UPDATE tasks SET state = $2, exit_code = COALESCE($3, exit_code), reason_code = COALESCE($4, reason_code),
               reason_message = COALESCE($5, reason_message), ended_at = $6,
               removed_at = CASE WHEN container IS NULL OR $2 = 'lost' THEN $6 ELSE removed_at END
               WHERE id = $1 AND ended_at IS NULL RETURNING service_id";
    let reason = end.reason.as_ref();
    let (code, message) = (reason.map(|reason| reason.code.as_str()), reason.map(|reason| reason.message.as_str()));
    let arguments = args![task, end.state, end.exit_code, code, message, worker.platform().now()];
    let service: Option<ServiceId> = change.opt(sql, arguments, |row| row.get("service_id")).await?;
    let Some(service) = service else { return Ok(()) };
    ports::release(&mut change, task).await?;
    touch(&mut change, service).await?;
    change.wake(Signal::Reconcile);
    change.finish().await
}

/// Its container is removed.
pub async fn task_removed(worker: &Worker, task: TaskId) -> Result<()> {
    let mut change = worker.change().await?;
    let sql = "UPDATE tasks SET removed_at = $2 WHERE id = $1 AND ended_at IS NOT NULL AND removed_at IS NULL";
    change.exec(sql, args![task, worker.platform().now()]).await?;
    change.finish().await
}

/// One statement about one task; pages of its service hear of it when it changed something.
async fn tell(worker: &Worker, sql: &'static str, arguments: Vec<Value>, wake: bool) -> Result<()> {
    let mut change: Bookkeeping = worker.change().await?;
    let service: Option<ServiceId> = change.opt(format!("{sql} RETURNING service_id"), arguments, |row| row.get("service_id")).await?;
    let Some(service) = service else { return Ok(()) };
    touch(&mut change, service).await?;
    if wake {
        change.wake(Signal::Reconcile);
    }
    change.finish().await
}

/// Pages of the service and lists of its project read it anew.
async fn touch(change: &mut Bookkeeping, service: ServiceId) -> Result<()> {
    let sql = "SELECT project_id FROM services WHERE id = $1";
    let project: ProjectId = change.one(sql, args![service], |row| row.get("project_id")).await?;
    change.touch(Topic::Service(service));
    change.touch(Topic::Project(project));
    Ok(())
}

/// The tasks of a machine that did not end, to be compared with its engine's list of containers. Without their ports.
pub async fn living(worker: &Worker, machine: MachineId) -> Result<Vec<TaskWork>> {
    let sql = format!("{TASK} WHERE t.machine_id = $1 AND t.ended_at IS NULL AND t.removed_at IS NULL ORDER BY t.id LIMIT 20000");
    worker.platform().read().await?.all(sql, args![machine], task).await
}

const LEFTOVER: &str = "SELECT id, service_id, environment_id, machine_id, slot, container, state, ended_at FROM tasks
    WHERE removed_at IS NULL AND ended_at IS NOT NULL";

fn leftover(row: &Row<'_>) -> Result<Leftover> {
    Ok(Leftover {
        task: row.get("id")?,
        key: WorkKey { service: row.get("service_id")?, environment: row.get("environment_id")? },
        machine: row.get("machine_id")?,
        slot: row.get("slot")?,
        container: row.get("container")?,
        state: row.get("state")?,
        ended_at: row.get("ended_at")?,
    })
}

/// The tasks of a machine that ended and whose container was not removed, oldest first.
pub async fn leftovers(worker: &Worker, machine: MachineId) -> Result<Vec<Leftover>> {
    let sql = format!("{LEFTOVER} AND machine_id = $1 ORDER BY ended_at LIMIT 5000");
    worker.platform().read().await?.all(sql, args![machine], leftover).await
}

/// The same for one key.
pub async fn leftovers_of(worker: &Worker, key: WorkKey) -> Result<Vec<Leftover>> {
    let sql = format!("{LEFTOVER} AND service_id = $1 AND environment_id = $2 ORDER BY ended_at LIMIT 1000");
    worker.platform().read().await?.all(sql, args![key.service, key.environment], leftover).await
}

//! Figures for whoever collects them elsewhere, as Prometheus does: the last numbers of tasks and machines, from memory, with the names that they have
//! now. How much is answered is bounded; what is left out is counted.

use std::collections::HashMap;

use ::metrics::{Key, Latest, Now};
use model::ids::{MachineId, TaskId};
use model::names::{EnvironmentName, MachineName, ProjectName, ServiceName};
use model::time::Millis;
use model::views::services::TaskState;

use crate::access::{May, Site, Visible, can};
use crate::args;
use crate::blocking::blocking;
use crate::db::Row;
use crate::error::Result;
use crate::platform::Platform;
use crate::streams;

/// Most tasks of one answer.
pub const TASKS: usize = 2_000;
/// Most machines of one answer.
const MACHINES: usize = 500;
/// Numbers that are older are not told: Prometheus would take them for new ones.
const FRESH: i64 = 60_000;

/// The last numbers of one task.
#[derive(Clone, Debug)]
pub struct TaskFigures {
    /// Its project.
    pub project: ProjectName,
    /// Its service.
    pub service: ServiceName,
    /// Where it runs.
    pub environment: EnvironmentName,
    /// The machine that it runs on.
    pub machine: MachineName,
    /// The task.
    pub task: TaskId,
    /// Its slot.
    pub slot: i64,
    /// The number of its revision.
    pub revision: i64,
    /// The container's id on the engine.
    pub container: Option<String>,
    /// Its image as the revision names it, with the digest that it stands for.
    pub image: String,
    /// When it was sampled last, in milliseconds since 1970.
    pub at_ms: i64,
    /// The numbers.
    pub values: Vec<Now>,
}

/// Tasks with their figures.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// Those of which there are numbers, by project, service, environment and slot.
    pub sampled: Vec<TaskFigures>,
    /// How many are in which state.
    pub states: Vec<(TaskState, i64)>,
    /// How many tasks there are beyond [`TASKS`].
    pub left_out: u64,
}

/// The last numbers of one machine.
#[derive(Clone, Debug)]
pub struct MachineFigures {
    /// The machine.
    pub machine: MachineName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// The numbers.
    pub values: Vec<Now>,
}

/// What concerns the whole site.
#[derive(Clone, Debug, Default)]
pub struct SiteFigures {
    /// Machines of which there are numbers.
    pub machines: Vec<MachineFigures>,
    /// Streams that are open, by their sort.
    pub streams: Vec<(&'static str, u64)>,
    /// Shells that are open.
    pub shells: u64,
}

/// The tasks whose figures this caller may read.
pub async fn tasks(platform: &Platform, visible: &Visible<can::ReadMetrics>) -> Result<Tasks> {
    let mut known: HashMap<TaskId, Latest> = HashMap::new();
    for latest in latest(platform).await? {
        if let (Key::Service { .. }, Some(member)) = (latest.key, latest.member) {
            known.insert(member.task, latest);
        }
    }
    let (condition, arguments) = visible.condition("p", 1);
    let mut tx = platform.read().await?;
    let joined = "tasks t JOIN services s ON s.id = t.service_id JOIN projects p ON p.id = s.project_id";
    let sql = format!("SELECT t.state, COUNT(*) AS n FROM {joined} WHERE t.ended_at IS NULL AND {condition} GROUP BY t.state ORDER BY t.state");
    let states: Vec<(TaskState, i64)> = tx.all(sql, arguments.clone(), |row| Ok((row.get("state")?, row.get("n")?))).await?;
    let sql = format!(
        "SELECT t.id, t.slot, p.name AS project, s.name AS service, e.name AS environment, m.name AS machine, r.number AS revision,
             t.container, r.image, r.digest FROM {joined}
         JOIN environments e ON e.id = t.environment_id JOIN machines m ON m.id = t.machine_id JOIN revisions r ON r.id = t.revision_id
         WHERE t.ended_at IS NULL AND {condition} ORDER BY p.name, s.name, e.name, t.slot, t.id LIMIT {TASKS}"
    );
    let named = tx.all(sql, arguments, task).await?;
    let left_out = u64::try_from(states.iter().map(|(_, count)| *count).sum::<i64>()).unwrap_or(0).saturating_sub(named.len() as u64);
    let sampled = named.into_iter().filter_map(|task| {
        let latest = known.remove(&task.task)?;
        Some(TaskFigures { at_ms: latest.at_ms, values: latest.values, ..task })
    });
    Ok(Tasks { sampled: sampled.collect(), states, left_out })
}

fn task(row: &Row<'_>) -> Result<TaskFigures> {
    let image: String = row.get("image")?;
    let digest: Option<String> = row.get("digest")?;
    Ok(TaskFigures {
        project: row.get("project")?,
        service: row.get("service")?,
        environment: row.get("environment")?,
        machine: row.get("machine")?,
        task: row.get("id")?,
        slot: row.get("slot")?,
        revision: row.get("revision")?,
        container: row.get("container")?,
        image: digest.map(|digest| format!("{}@{digest}", image.split('@').next().unwrap_or_default())).unwrap_or(image),
        at_ms: 0,
        values: Vec::new(),
    })
}

/// What operators read besides.
pub async fn site(platform: &Platform, _: &May<can::ReadSiteMetrics, Site>) -> Result<SiteFigures> {
    let mut known: HashMap<MachineId, Latest> = HashMap::new();
    for latest in latest(platform).await? {
        if let Key::Machine(machine) = latest.key {
            known.insert(machine, latest);
        }
    }
    let sql = format!(
        "SELECT m.id, m.name AS machine, e.name AS environment FROM machines m JOIN environments e ON e.id = m.environment_id
         WHERE m.removed_at IS NULL ORDER BY m.name LIMIT {MACHINES}"
    );
    let named = |row: &Row<'_>| {
        let id: MachineId = row.get("id")?;
        Ok((id, MachineFigures { machine: row.get("machine")?, environment: row.get("environment")?, values: Vec::new() }))
    };
    let named = platform.read().await?.all(sql, args![], named).await?;
    let machines = named.into_iter().filter_map(|(id, machine)| Some(MachineFigures { values: known.remove(&id)?.values, ..machine })).collect();
    let streams = streams::totals(platform).into_iter().map(|(kind, count)| (kind.as_str(), count)).collect();
    Ok(SiteFigures { machines, streams, shells: platform.shells().open() as u64 })
}

/// The last numbers of everything.
async fn latest(platform: &Platform) -> Result<Vec<Latest>> {
    let Some(store) = platform.metrics() else { return Ok(Vec::new()) };
    let Millis(now) = platform.now();
    // From memory, but samples that are being written make it wait.
    blocking(move || Ok(store.latest(now - FRESH))).await
}

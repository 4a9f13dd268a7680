//! What is shown: services whose descriptors say so where they run, and services outside of containers. A service that runs in several environments
//! is one thing; it does as badly as the worst of them, or its project says which environment counts. Where it was stopped counts only if it runs
//! nowhere else.

use std::collections::HashMap;

use model::descriptor::{Kind, Probe, StatusPage};
use model::ids::{EnvironmentId, LegacyServiceId, MachineId, ProjectId, ServiceId, TaskId};
use model::names::{ProjectName, ServiceName};
use model::status::Address;
use model::views::environments::MachineState;
use model::views::services::{DesiredState, TaskHealth};
use serde::Deserialize;

use super::legacy::SHOWN_MOST;
use crate::args;
use crate::db::{BATCH, Row, Tx, Value, placeholders};
use crate::error::Result;

/// Most services that are shown, and most that are outside of containers. What is beyond is not shown: the last
/// ones of the projects that have most, so that nobody's many take the place of others' few.
const MOST: i64 = 2_000;
/// Most services of one project that are shown.
const MOST_OF_PROJECT: i64 = 200;
/// What the canonical text of a descriptor holds that says so. In the text of a variable each quote would have a backslash before it.
pub(super) const SHOWS: &str = "%\"status_page\":{\"show\":true%";

/// A thing that is shown.
#[derive(Clone, Debug)]
pub struct Thing {
    /// Its id as it is counted by.
    pub id: String,
    /// Its project.
    pub project: ProjectId,
    /// Its project's name.
    pub project_name: ProjectName,
    /// Its name in the project.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What is probed.
    pub aim: Aim,
}

/// What is probed of a thing.
#[derive(Clone, Debug)]
pub enum Aim {
    /// The tasks of a service, by environment.
    Service(Vec<Runs>),
    /// An address.
    Legacy(Address),
}

/// A service in one environment.
#[derive(Clone, Debug)]
pub struct Runs {
    /// Tasks that there should be.
    pub wanted: u32,
    /// How each of them is probed; none: its health counts.
    pub probe: Option<Probe>,
    /// Those that run.
    pub tasks: Vec<RunningTask>,
}

/// A task that runs.
#[derive(Clone, Debug)]
pub struct RunningTask {
    /// Its machine.
    pub machine: MachineId,
    /// Its address in its project's network.
    pub address: Option<String>,
    /// The machine's port for the one that is probed.
    pub published: Option<u16>,
    /// Whether its machine answers.
    pub seen: bool,
    /// Whether its health says that it works.
    pub healthy: bool,
}

/// What is read of a descriptor.
#[derive(Deserialize)]
struct Part {
    replicas: u32,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    status_page: Option<StatusPage>,
}

/// A row of a service that is shown, in one environment.
struct Found {
    service: ServiceId,
    environment: EnvironmentId,
    project: ProjectId,
    project_name: ProjectName,
    name: ServiceName,
    wanted: u32,
    probe: Option<Probe>,
    shown: bool,
}

/// Every thing that is shown, by project and title; without the tasks that are to be probed.
pub(super) async fn shown(tx: &mut Tx) -> Result<Vec<Thing>> {
    let mut things = services(tx, false).await?;
    things.extend(legacy(tx).await?);
    things.sort_by(|a, b| (&a.project_name, &a.title, &a.id).cmp(&(&b.project_name, &b.title, &b.id)));
    Ok(things)
}

/// Every service that is shown; `tasks`: with the tasks that are to be probed.
pub(super) async fn services(tx: &mut Tx, tasks: bool) -> Result<Vec<Thing>> {
    let found = found(tx).await?;
    let mut running = if tasks { running(tx, &found).await? } else { HashMap::new() };
    let mut things: Vec<Thing> = Vec::new();
    for one in found {
        let tasks = running.remove(&(one.service, one.environment)).unwrap_or_default();
        let runs = Runs { wanted: one.wanted, probe: one.probe, tasks };
        let id = one.service.to_string();
        match things.last_mut() {
            Some(Thing { id: last, aim: Aim::Service(all), .. }) if *last == id => all.push(runs),
            _ => things.push(Thing {
                id,
                project: one.project,
                project_name: one.project_name,
                name: one.name.to_string(),
                title: one.name.to_string(),
                aim: Aim::Service(vec![runs]),
            }),
        }
    }
    things.iter_mut().for_each(leave_out_stopped);
    Ok(things)
}

/// Whoever stops a service in one environment while it runs in another has not taken it away from anybody.
fn leave_out_stopped(thing: &mut Thing) {
    if let Aim::Service(runs) = &mut thing.aim
        && runs.iter().any(|run| run.wanted > 0)
    {
        runs.retain(|run| run.wanted > 0);
    }
}

async fn found(tx: &mut Tx) -> Result<Vec<Found>> {
    let sql = "SELECT * FROM (
                   SELECT d.service_id, d.environment_id, d.state, s.project_id, s.name, p.name AS project, r.descriptor,
                       DENSE_RANK() OVER (PARTITION BY s.project_id ORDER BY d.service_id) AS nth
                   FROM desired d
                   JOIN services s ON s.id = d.service_id JOIN projects p ON p.id = s.project_id JOIN revisions r ON r.id = d.revision_id
                   LEFT JOIN status_pages h ON h.project_id = s.project_id
                   WHERE s.deleted_at IS NULL AND p.deleted_at IS NULL AND r.descriptor LIKE $1 AND NOT COALESCE(h.hidden, FALSE)
                   AND (h.environment_id IS NULL OR h.environment_id = d.environment_id)) ranked
               WHERE nth <= $2 ORDER BY nth, service_id, environment_id LIMIT $3";
    let mut found = tx.all(sql, args![SHOWS, MOST_OF_PROJECT, MOST], service).await?;
    found.retain(|one| one.shown);
    Ok(found)
}

fn service(row: &Row<'_>) -> Result<Found> {
    // One that cannot be read any more is not shown, and keeps no other from being shown.
    let part = serde_json::from_str::<Part>(&row.get::<String>("descriptor")?).ok();
    let replicas = part.as_ref().map_or(0, |part| part.replicas);
    let page = part.filter(|part| part.kind == Kind::Service).and_then(|part| part.status_page).filter(|page| page.show);
    let running = row.get::<DesiredState>("state")? == DesiredState::Running;
    Ok(Found {
        service: row.get("service_id")?,
        environment: row.get("environment_id")?,
        project: row.get("project_id")?,
        project_name: row.get("project")?,
        name: row.get("name")?,
        wanted: if running { replicas } else { 0 },
        shown: page.is_some(),
        probe: page.and_then(|page| page.probe),
    })
}

type Place = (ServiceId, EnvironmentId);

/// The tasks that run of these services.
async fn running(tx: &mut Tx, found: &[Found]) -> Result<HashMap<Place, Vec<RunningTask>>> {
    let probed: HashMap<Place, u16> = found
        .iter()
        .filter_map(|one| match &one.probe {
            Some(Probe::Http { port, .. } | Probe::Tcp { port }) => Some(((one.service, one.environment), *port)),
            Some(Probe::Command(_)) | None => None,
        })
        .collect();
    let mut running: HashMap<Place, Vec<RunningTask>> = HashMap::new();
    // They come in the order of their services.
    let mut services: Vec<ServiceId> = found.iter().map(|one| one.service).collect();
    services.dedup();
    for services in services.chunks(BATCH) {
        let list = placeholders(1, services.len());
        let values = || -> Vec<Value> { services.iter().map(|service| Value::from(*service)).collect() };
        let sql = format!(
            "SELECT o.task_id, o.container, o.port FROM ports o JOIN tasks t ON t.id = o.task_id
             WHERE o.protocol = 'tcp' AND o.container IS NOT NULL AND t.ended_at IS NULL AND t.service_id IN ({list})"
        );
        let port = |row: &Row<'_>| Ok(((row.get::<TaskId>("task_id")?, row.get::<i64>("container")?), row.get::<i64>("port")?));
        let ports: HashMap<(TaskId, i64), i64> = tx.all(sql, values(), port).await?.into_iter().collect();
        let sql = format!(
            "SELECT t.id, t.service_id, t.environment_id, t.machine_id, t.address, t.health, m.state FROM tasks t
             JOIN machines m ON m.id = t.machine_id
             WHERE t.ended_at IS NULL AND t.state = 'running' AND t.service_id IN ({list}) ORDER BY t.slot, t.id"
        );
        for (id, place, mut task) in tx.all(sql, values(), task).await? {
            let held = probed.get(&place).and_then(|port| ports.get(&(id, i64::from(*port))));
            task.published = held.and_then(|port| u16::try_from(*port).ok());
            running.entry(place).or_default().push(task);
        }
    }
    Ok(running)
}

fn task(row: &Row<'_>) -> Result<(TaskId, Place, RunningTask)> {
    let task = RunningTask {
        machine: row.get("machine_id")?,
        address: row.get("address")?,
        published: None,
        seen: row.get::<MachineState>("state")? == MachineState::Up,
        healthy: matches!(row.get::<TaskHealth>("health")?, TaskHealth::None | TaskHealth::Healthy),
    };
    Ok((row.get("id")?, (row.get("service_id")?, row.get("environment_id")?), task))
}

/// Every service outside of containers that is shown: the first of each project, then the second of each, and so on.
pub(super) async fn legacy(tx: &mut Tx) -> Result<Vec<Thing>> {
    let sql = "SELECT * FROM (
                   SELECT l.id, l.project_id, p.name AS project, l.name, l.title, l.address,
                       ROW_NUMBER() OVER (PARTITION BY l.project_id ORDER BY l.id) AS nth
                   FROM legacy_services l
                   JOIN projects p ON p.id = l.project_id LEFT JOIN status_pages h ON h.project_id = l.project_id
                   WHERE p.deleted_at IS NULL AND l.shown AND NOT COALESCE(h.hidden, FALSE)) ranked
               WHERE nth <= $1 ORDER BY nth, id LIMIT $2";
    let thing = |row: &Row<'_>| {
        let (name, title): (String, String) = (row.get("name")?, row.get("title")?);
        let address = row.get::<String>("address")?.parse::<Address>();
        let address = address.map_err(|_| crate::Error::internal("column address holds no address"))?;
        Ok(Thing {
            id: row.get::<LegacyServiceId>("id")?.to_string(),
            project: row.get("project_id")?,
            project_name: row.get("project")?,
            title: if title.is_empty() { name.clone() } else { title },
            name,
            aim: Aim::Legacy(address),
        })
    };
    tx.all(sql, args![SHOWN_MOST, MOST], thing).await
}

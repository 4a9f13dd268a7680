//! Reading where services are from the tables: all of them, or some.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::descriptor::{Descriptor, Kind, Metrics, Protocol, Route};
use model::ids::{EnvironmentId, ProjectId, RevisionId, ServiceId, TaskId};
use model::views::discovery::{DiscoveredRoute, DiscoveredService, DiscoveredTask, Endpoint, Standing};
use model::views::services::{TaskPort, TaskState};

use super::index::{Entry, Key};
use crate::args;
use crate::db::{BATCH, Row, Tx, Value, placeholders};
use crate::error::{Error, Result};
use crate::services::port as task_port;

/// Most services in environments, and most tasks, that are read at once.
const MOST: i64 = 20_000;
/// Most ports of them.
const PORTS: i64 = 200_000;
/// The weight of a task that may use as many processors as there are.
const PLAIN_WEIGHT: u32 = 10;

/// What a revision says that outlasts its tasks. It never changes, so it is read once.
#[derive(Clone, Debug)]
struct Facts {
    job: bool,
    tcp_ports: Vec<String>,
    routes: Vec<Route>,
    metrics: Option<Metrics>,
    weight: u32,
}

impl Facts {
    fn of(descriptor: Descriptor) -> Self {
        let tcp = descriptor.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
        Self {
            job: descriptor.kind == Kind::Job,
            tcp_ports: tcp.map(|port| port.name.clone()).collect(),
            weight: descriptor.resources.cpus.map_or(PLAIN_WEIGHT, |cpus| (cpus.millis() / 100).max(1)),
            // Revisions of before may say what would be refused today.
            routes: descriptor.routes.into_iter().filter(Route::is_sound).map(in_lower_case).collect(),
            metrics: descriptor.metrics,
        }
    }
}

fn in_lower_case(route: Route) -> Route {
    Route { host: route.host.to_ascii_lowercase(), ..route }
}

/// What was read of revisions.
#[derive(Debug, Default)]
pub(super) struct Revisions(HashMap<RevisionId, Facts>);

impl Revisions {
    /// Sees to it that these, in order, are known; where these are all that there are, that no others are.
    async fn learn(&mut self, tx: &mut Tx, wanted: &[RevisionId], all: bool) -> Result<()> {
        if all {
            self.0.retain(|id, _| wanted.binary_search(id).is_ok());
        }
        let missing: Vec<RevisionId> = wanted.iter().copied().filter(|id| !self.0.contains_key(id)).collect();
        for batch in missing.chunks(BATCH) {
            let sql = format!("SELECT id, descriptor FROM revisions WHERE id IN ({})", placeholders(1, batch.len()));
            let read = |row: &Row<'_>| Ok((row.get::<RevisionId>("id")?, row.get::<String>("descriptor")?));
            for (id, text) in tx.all(sql, batch.iter().map(|id| Value::from(*id)).collect(), read).await? {
                let descriptor = Descriptor::from_canonical(&text).map_err(|error| Error::internal(format!("column descriptor: {error}")))?;
                self.0.insert(id, Facts::of(descriptor));
            }
        }
        Ok(())
    }

    /// The hosts of their routes.
    fn hosts(&self, of: &[RevisionId]) -> Vec<&str> {
        let routes = of.iter().filter_map(|id| self.0.get(id)).flat_map(|facts| &facts.routes);
        let hosts: BTreeSet<&str> = routes.map(|route| route.host.as_str()).collect();
        hosts.into_iter().collect()
    }

    fn get(&self, id: RevisionId) -> Result<&Facts> {
        self.0.get(&id).ok_or_else(|| Error::internal("a revision that must exist is missing"))
    }
}

/// A service in an environment.
struct Place {
    key: Key,
    project_id: ProjectId,
    /// What should run, by id and number.
    revision: Option<(RevisionId, i64)>,
    service: DiscoveredService,
}

/// A task, with what its addresses are made of.
struct Living {
    key: Key,
    revision_id: RevisionId,
    host: String,
    inside: Option<IpAddr>,
    task: DiscoveredTask,
}

/// Reads these services, or all.
pub(super) async fn load(tx: &mut Tx, revisions: &mut Revisions, services: Option<&[ServiceId]>) -> Result<BTreeMap<Key, Entry>> {
    let places = places(tx, services).await?;
    let living = tasks(tx, services).await?;
    let mut ports = ports(tx, services).await?;
    let mut wanted: Vec<RevisionId> = places.iter().filter_map(|place| Some(place.revision?.0)).collect();
    wanted.extend(living.iter().map(|living| living.revision_id));
    wanted.sort_unstable();
    wanted.dedup();
    revisions.learn(tx, &wanted, services.is_none()).await?;
    let holders = holders(tx, &revisions.hosts(&wanted)).await?;
    let mut by_key: HashMap<Key, Vec<Living>> = HashMap::new();
    for living in living {
        by_key.entry(living.key).or_default().push(living);
    }
    let mut found = BTreeMap::new();
    for place in places {
        let living = by_key.remove(&place.key).unwrap_or_default();
        let (key, project) = (place.key, place.project_id);
        if let Some(service) = put_together(place, living, revisions, &holders, &mut ports)? {
            found.insert(key, Entry { project, service: Arc::new(service) });
        }
    }
    Ok(found)
}

/// Which project holds each of these hosts.
async fn holders(tx: &mut Tx, hosts: &[&str]) -> Result<HashMap<String, ProjectId>> {
    let mut holders = HashMap::with_capacity(hosts.len());
    for batch in hosts.chunks(BATCH) {
        let sql = format!("SELECT host, project_id FROM route_hosts WHERE host IN ({})", placeholders(1, batch.len()));
        let read = |row: &Row<'_>| Ok((row.get::<String>("host")?, row.get::<ProjectId>("project_id")?));
        holders.extend(tx.all(sql, batch.iter().map(|host| Value::from(*host)).collect(), read).await?);
    }
    Ok(holders)
}

/// A service with its tasks and routes. None: it is no service that could be found.
fn put_together(
    place: Place,
    living: Vec<Living>,
    revisions: &Revisions,
    holders: &HashMap<String, ProjectId>,
    ports: &mut HashMap<TaskId, Vec<TaskPort>>,
) -> Result<Option<DiscoveredService>> {
    let Place { project_id, revision, mut service, .. } = place;
    if revision.is_none() && living.is_empty() {
        return Ok(None);
    }
    let mut numbers: Vec<(RevisionId, i64)> = revision.into_iter().chain(living.iter().map(|one| (one.revision_id, one.task.revision))).collect();
    numbers.sort_unstable_by_key(|(_, number)| *number);
    numbers.dedup();
    for (id, number) in numbers {
        let facts = revisions.get(id)?;
        if facts.job {
            return Ok(None);
        }
        for name in facts.tcp_ports.iter().filter(|name| !service.tcp_ports.contains(name)).cloned().collect::<Vec<_>>() {
            service.tcp_ports.push(name);
        }
        // A host that another project holds leads to none of this one's tasks.
        for route in facts.routes.iter().filter(|route| holders.get(&route.host) == Some(&project_id)) {
            add_route(&mut service.routes, route, number);
        }
    }
    for one in living {
        let facts = revisions.get(one.revision_id)?;
        let held = ports.remove(&one.task.id).unwrap_or_default();
        let endpoints = held.into_iter().map(|port| endpoint(&one, facts, port)).collect();
        service.tasks.push(DiscoveredTask { weight: facts.weight, ports: endpoints, ..one.task });
    }
    service.routes.sort_by(|one, other| (&one.host, &one.path, one.tls).cmp(&(&other.host, &other.path, other.tls)));
    Ok(Some(service))
}

fn add_route(routes: &mut Vec<DiscoveredRoute>, route: &Route, revision: i64) {
    let same =
        |known: &&mut DiscoveredRoute| known.host == route.host && known.path == route.path && known.port == route.port && known.tls == route.tls;
    match routes.iter_mut().find(same) {
        Some(known) => known.revisions.push(revision),
        None => routes.push(DiscoveredRoute {
            host: route.host.clone(),
            path: route.path.clone(),
            port: route.port.clone(),
            tls: route.tls,
            revisions: vec![revision],
        }),
    }
}

fn endpoint(of: &Living, facts: &Facts, port: TaskPort) -> Endpoint {
    let scraped = facts.metrics.as_ref().filter(|metrics| metrics.port == port.container && port.protocol == Protocol::Tcp);
    Endpoint {
        address: joined(&of.host, port.host),
        container_address: of.inside.map(|inside| SocketAddr::new(inside, port.container).to_string()),
        metrics_path: scraped.map(|metrics| metrics.path.clone()),
        protocol: port.protocol,
        name: port.name,
    }
}

/// Host and port, with brackets where the host is an address of IPv6.
pub(super) fn joined(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{host}:{port}"),
    }
}

/// The address by which others reach what a machine publishes: its own, unless it publishes for itself alone.
pub(super) fn reached(host: String, publish_address: &str) -> String {
    match publish_address.parse::<IpAddr>() {
        Ok(ip) if ip.to_canonical().is_loopback() => ip.to_string(),
        _ => host,
    }
}

/// A condition on a column of services' ids, and its arguments.
fn among(column: &str, services: Option<&[ServiceId]>) -> (String, Vec<Value>) {
    match services {
        None => ("TRUE".to_owned(), args![]),
        Some(services) => {
            (format!("{column} IN ({})", placeholders(1, services.len())), services.iter().map(|service| Value::from(*service)).collect())
        }
    }
}

async fn places(tx: &mut Tx, services: Option<&[ServiceId]>) -> Result<Vec<Place>> {
    let (condition, arguments) = among("d.service_id", services);
    let sql = format!(
        "SELECT d.service_id, d.environment_id, d.revision_id, r.number, s.project_id, p.name AS project, s.name AS service, e.name AS environment
         FROM desired d JOIN services s ON s.id = d.service_id JOIN projects p ON p.id = s.project_id
         JOIN environments e ON e.id = d.environment_id LEFT JOIN revisions r ON r.id = d.revision_id
         WHERE s.deleted_at IS NULL AND p.deleted_at IS NULL AND {condition} ORDER BY d.service_id, d.environment_id LIMIT {MOST}"
    );
    let read = |row: &Row<'_>| {
        let number: Option<i64> = row.get("number")?;
        Ok(Place {
            key: key(row)?,
            project_id: row.get("project_id")?,
            revision: row.get::<Option<RevisionId>>("revision_id")?.zip(number),
            service: DiscoveredService {
                project: row.get("project")?,
                service: row.get("service")?,
                environment: row.get("environment")?,
                index: 0,
                tcp_ports: Vec::new(),
                routes: Vec::new(),
                tasks: Vec::new(),
            },
        })
    };
    tx.all(sql, arguments, read).await
}

fn key(row: &Row<'_>) -> Result<Key> {
    Ok((row.get::<ServiceId>("service_id")?, row.get::<EnvironmentId>("environment_id")?))
}

async fn tasks(tx: &mut Tx, services: Option<&[ServiceId]>) -> Result<Vec<Living>> {
    let (condition, arguments) = among("t.service_id", services);
    let sql = format!(
        "SELECT t.id, t.service_id, t.environment_id, t.slot, t.state, t.address, t.revision_id, r.number, m.name AS machine, m.host, m.publish_address
         FROM tasks t JOIN revisions r ON r.id = t.revision_id JOIN machines m ON m.id = t.machine_id
         WHERE t.ended_at IS NULL AND t.run_id IS NULL AND t.state IN ('running', 'stopping') AND t.health IN ('none', 'healthy') AND {condition}
         ORDER BY t.service_id, t.environment_id, t.slot, t.id LIMIT {MOST}"
    );
    tx.all(sql, arguments, living).await
}

fn living(row: &Row<'_>) -> Result<Living> {
    let state = if row.get::<TaskState>("state")? == TaskState::Running { Standing::Serving } else { Standing::Draining };
    Ok(Living {
        key: key(row)?,
        revision_id: row.get("revision_id")?,
        host: reached(row.get("host")?, &row.get::<String>("publish_address")?),
        inside: row.get::<Option<String>>("address")?.and_then(|address| address.parse().ok()),
        task: DiscoveredTask {
            id: row.get("id")?,
            slot: row.get("slot")?,
            revision: row.get("number")?,
            machine: row.get("machine")?,
            state,
            weight: PLAIN_WEIGHT,
            ports: Vec::new(),
        },
    })
}

async fn ports(tx: &mut Tx, services: Option<&[ServiceId]>) -> Result<HashMap<TaskId, Vec<TaskPort>>> {
    let (condition, arguments) = among("t.service_id", services);
    let sql = format!(
        "SELECT p.task_id, p.name, p.container, p.port, p.protocol FROM ports p JOIN tasks t ON t.id = p.task_id
         WHERE t.ended_at IS NULL AND {condition} ORDER BY p.task_id, p.container, p.protocol LIMIT {PORTS}"
    );
    let mut by_task: HashMap<TaskId, Vec<TaskPort>> = HashMap::new();
    for (task, port) in tx.all(sql, arguments, |row| Ok((row.get::<TaskId>("task_id")?, task_port(row)?))).await? {
        by_task.entry(task).or_default().push(port);
    }
    Ok(by_task)
}

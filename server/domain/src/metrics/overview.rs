//! What all services and machines use, side by side: their names by one statement each, their figures from memory.

use std::cmp::Ordering;
use std::collections::HashMap;

use ::metrics::{Key, Latest, Metric, Now, Overview, Store};
use model::ids::{EnvironmentId, MachineId, ProjectId, ServiceId};
use model::metrics::{Order, OverviewQuery};
use model::names::{EnvironmentName, MachineName, ProjectName, ServiceName};
use model::views::metrics::{Column, DiskUse, MachineUse, NowView, OverviewView, ServiceUse, UseView};

use super::{count, store};
use crate::access::{Actor, May, Site, Visible, can};
use crate::args;
use crate::blocking::blocking;
use crate::db::{Tx, Value};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// Most services that are looked at; a site has hundreds.
const MOST: i64 = 10_000;
/// Most machines and environments.
const MOST_PLACES: i64 = 500;
const MINUTE: i64 = 60_000;
/// Milliseconds that each place of the axis stands for.
const STEP: i64 = 2 * MINUTE;
/// Places of the axis: the last hour.
const PLACES: i64 = 30;
/// What was measured before is not what is used at the moment.
const FRESH: i64 = 3 * MINUTE;
/// Microseconds of a second.
const SECOND: f64 = 1_000_000.0;

/// A service by name.
struct Named {
    id: ServiceId,
    project: ProjectName,
    name: ServiceName,
}

/// A machine by name, and where it is.
type Host = (MachineId, MachineName, EnvironmentName);

/// Every service that the caller may see, in each environment in which something was measured of it, and the machines if they manage them.
///
/// # Errors
/// `Invalid` names the field that is wrong, `Unavailable` when no samples are kept in this process.
pub async fn overview_for(platform: &Platform, actor: &Actor, visible: &Visible<can::SeeServices>, query: &OverviewQuery) -> Result<OverviewView> {
    match actor.may::<can::ManageEnvironments, _>(platform, &Site).await {
        Ok(may) => overview(platform, visible, Some(&may), query).await,
        Err(Error::Forbidden(_)) => overview(platform, visible, None, query).await,
        Err(error) => Err(error),
    }
}

async fn overview(
    platform: &Platform,
    visible: &Visible<can::SeeServices>,
    machines: Option<&May<can::ManageEnvironments, Site>>,
    query: &OverviewQuery,
) -> Result<OverviewView> {
    let most = query.most().map_err(|error| Error::Invalid(vec![error]))?;
    let store = store(platform)?;
    let now = platform.now();
    let axis = Axis::ending(now.0);
    let mut tx = platform.read().await?;
    let named = services(&mut tx, visible).await?;
    let environments = environments(&mut tx).await?;
    let hosts = if machines.is_some() { hosts(&mut tx).await? } else { Vec::new() };
    drop(tx);
    let (figures, latest) = in_memory(store, &axis).await?;
    let mut tasks: HashMap<Key, u32> = HashMap::new();
    for of in &latest {
        *tasks.entry(of.key).or_default() += 1;
    }
    let mut services = join(&named, &environments, &figures, &tasks, &axis);
    services.retain(|row| query.search.is_empty() || format!("{}/{}", row.project, row.service).contains(&query.search));
    services.sort_by(|one, other| compare(query.order(), (&one.usage, name_of(one)), (&other.usage, name_of(other))));
    let mut machines = uses(hosts, &figures, &latest, &axis);
    machines.sort_by(|one, other| compare(query.order(), (&one.usage, one.machine.as_str()), (&other.usage, other.machine.as_str())));
    let (total, after) = (services.len(), query.after.unwrap_or(0) as usize);
    let services: Vec<ServiceUse> = services.into_iter().skip(after).take(most).collect();
    let seen = after.saturating_add(services.len());
    let next = (seen < total).then(|| count(seen));
    Ok(OverviewView { now, step_ms: STEP, at: axis.at(), services, total: count(total), next, machines })
}

/// What everything used on the axis, and the last numbers of all. From memory, but samples that are being written make it wait.
async fn in_memory(store: Store, axis: &Axis) -> Result<(Vec<Overview>, Vec<Latest>)> {
    let (first, fresh) = (axis.first, axis.now - MINUTE);
    blocking(move || Ok((store.overview(first), store.latest(fresh)))).await
}

/// What each machine uses, by name, for those who manage them; nothing is known where no samples are kept in this process.
///
/// # Errors
/// When the database cannot be read.
pub async fn machines(platform: &Platform, _: &May<can::ManageEnvironments, Site>) -> Result<Vec<MachineUse>> {
    let Some(store) = platform.metrics() else { return Ok(Vec::new()) };
    let hosts = hosts(&mut platform.read().await?).await?;
    let axis = Axis::ending(platform.now().0);
    let (figures, latest) = in_memory(store, &axis).await?;
    Ok(uses(hosts, &figures, &latest, &axis))
}

/// Names and figures of machines together.
fn uses(hosts: Vec<Host>, figures: &[Overview], latest: &[Latest], axis: &Axis) -> Vec<MachineUse> {
    let measured: HashMap<MachineId, &Overview> = figures.iter().filter_map(|of| Some((machine_of(of.key)?, of))).collect();
    let last: HashMap<MachineId, &Latest> = latest.iter().filter_map(|of| Some((machine_of(of.key)?, of))).collect();
    let machine = |(id, machine, environment): Host| {
        let usage = measured.get(&id).map_or_else(|| axis.unknown(), |of| axis.usage(of));
        let disk = last.get(&id).and_then(|of| fullest(&of.values, axis.now - MINUTE));
        MachineUse { id, machine, environment, usage, disk }
    };
    hosts.into_iter().map(machine).collect()
}

/// The file system of which the smallest share is free, of those that were measured since then.
fn fullest(values: &[Now], since: i64) -> Option<DiskUse> {
    let of = |metric: Metric| values.iter().filter(move |now| now.metric == metric && now.at_ms >= since);
    let disk = |used: &Now| {
        let size = of(Metric::DiskSize).find(|size| size.label == used.label && size.value > 0.0)?.value;
        Some(DiskUse { mount: used.label.to_string(), used: used.value, size })
    };
    of(Metric::DiskUsed).filter_map(disk).max_by(|one, other| (one.used / one.size).total_cmp(&(other.used / other.size)))
}

const fn machine_of(key: Key) -> Option<MachineId> {
    match key {
        Key::Machine(id) => Some(id),
        Key::Service { .. } => None,
    }
}

/// The services that may be seen, by their project's id and their own.
async fn services(tx: &mut Tx, visible: &Visible<can::SeeServices>) -> Result<HashMap<(ProjectId, ServiceId), Named>> {
    let (seen, mut more) = visible.condition("p", 2);
    let sql = format!(
        "SELECT p.id AS project_id, p.name AS project, s.id, s.name FROM services s JOIN projects p ON p.id = s.project_id
         WHERE s.deleted_at IS NULL AND p.deleted_at IS NULL AND {seen} ORDER BY s.id LIMIT $1"
    );
    let mut arguments: Vec<Value> = args![MOST];
    arguments.append(&mut more);
    let named = tx
        .all(sql, arguments, |row| {
            let named = Named { id: row.get("id")?, project: row.get("project")?, name: row.get("name")? };
            Ok(((row.get("project_id")?, named.id), named))
        })
        .await?;
    Ok(named.into_iter().collect())
}

/// The names of environments: of those in which something was measured of a service, whoever sees the service knows.
async fn environments(tx: &mut Tx) -> Result<HashMap<EnvironmentId, EnvironmentName>> {
    let sql = "SELECT id, name FROM environments WHERE removed_at IS NULL ORDER BY name LIMIT $1";
    let named = tx.all(sql, args![MOST_PLACES], |row| Ok((row.get("id")?, row.get("name")?))).await?;
    Ok(named.into_iter().collect())
}

async fn hosts(tx: &mut Tx) -> Result<Vec<Host>> {
    let sql = "SELECT m.id, m.name, e.name AS environment FROM machines m JOIN environments e ON e.id = m.environment_id
               WHERE m.removed_at IS NULL ORDER BY m.name LIMIT $1";
    tx.all(sql, args![MOST_PLACES], |row| Ok((row.get("id")?, row.get("name")?, row.get("environment")?))).await
}

/// Names and figures together. What nobody measured is there too, so that nobody looks for it in vain.
fn join(
    named: &HashMap<(ProjectId, ServiceId), Named>,
    environments: &HashMap<EnvironmentId, EnvironmentName>,
    figures: &[Overview],
    tasks: &HashMap<Key, u32>,
    axis: &Axis,
) -> Vec<ServiceUse> {
    let mut measured: HashMap<ServiceId, Vec<ServiceUse>> = HashMap::new();
    for of in figures {
        let Key::Service { project, service, environment } = of.key else { continue };
        let (Some(found), Some(place)) = (named.get(&(project, service)), environments.get(&environment)) else { continue };
        let tasks = tasks.get(&of.key).copied().unwrap_or(0);
        let usage = axis.usage(of);
        let row = ServiceUse { environment: Some(place.clone()), environment_id: Some(environment), tasks, usage, ..unmeasured(found, axis) };
        measured.entry(service).or_default().push(row);
    }
    let rows = named.values().flat_map(|found| measured.remove(&found.id).unwrap_or_else(|| vec![unmeasured(found, axis)]));
    rows.collect()
}

fn unmeasured(found: &Named, axis: &Axis) -> ServiceUse {
    let (project, service) = (found.project.clone(), found.name.clone());
    ServiceUse { id: found.id, project, service, environment: None, environment_id: None, tasks: 0, usage: axis.unknown() }
}

type Name<'a> = (&'a str, &'a str, &'a str);

fn name_of(row: &ServiceUse) -> Name<'_> {
    (row.project.as_str(), row.service.as_str(), row.environment.as_ref().map_or("", EnvironmentName::as_str))
}

/// The order: who uses most first, those of whom nothing is known last; else by name.
fn compare<N: Ord>(order: Order, (one, one_name): (&UseView, N), (other, other_name): (&UseView, N)) -> Ordering {
    let used = |usage: &UseView| {
        let now = usage.now?;
        match order {
            Order::Name => None,
            Order::Cpu => now.cpu,
            Order::Memory => now.memory,
            Order::Network => Some(now.received? + now.sent?),
        }
    };
    let by_use = match (used(one), used(other)) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    by_use.then_with(|| one_name.cmp(&other_name))
}

/// The last hour.
struct Axis {
    first: i64,
    now: i64,
}

impl Axis {
    fn ending(now: i64) -> Self {
        Self { first: now.div_euclid(STEP) * STEP - (PLACES - 1) * STEP, now }
    }

    fn at(&self) -> Vec<i64> {
        (0..PLACES).map(|place| self.first + place * STEP).collect()
    }

    fn unknown(&self) -> UseView {
        let column = || vec![None; PLACES as usize];
        UseView { cpu: column(), memory: column(), received: column(), sent: column(), now: None }
    }

    fn usage(&self, of: &Overview) -> UseView {
        let [cpu, memory, received, sent] = [0, 1, 2, 3].map(|figure| self.column(of, figure, if figure == 0 { SECOND } else { 1.0 }));
        let last = of.minutes.last().filter(|minute| minute.at_ms > self.now - FRESH);
        let now = last.map(|minute| {
            let [cpu, memory, received, sent] = minute.values;
            NowView {
                cpu: cpu.map(|cpu| rounded(cpu / SECOND)),
                memory: memory.map(rounded),
                received: received.map(rounded),
                sent: sent.map(rounded),
            }
        });
        UseView { cpu, memory, received, sent, now }
    }

    /// One figure, the minutes of each place put together.
    fn column(&self, of: &Overview, figure: usize, divisor: f64) -> Column {
        let mut sums = [(0.0, 0_u32); PLACES as usize];
        for minute in &of.minutes {
            let place = usize::try_from((minute.at_ms - self.first).div_euclid(STEP)).ok();
            if let (Some((sum, minutes)), Some(value)) = (place.and_then(|place| sums.get_mut(place)), minute.values[figure]) {
                *sum += value / divisor;
                *minutes += 1;
            }
        }
        sums.map(|(sum, minutes)| (minutes > 0).then(|| rounded(sum / f64::from(minutes)))).to_vec()
    }
}

/// There are thousands of these numbers on a page, each a point of a picture of a few pixels.
fn rounded(value: f64) -> f64 {
    super::rounded(value, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_file_system_is_told_while_it_is_mounted() {
        let now = |metric, mount: &str, at_ms, value| Now { metric, label: mount.into(), at_ms, value, rate: None };
        let values = [
            now(Metric::DiskUsed, "/", 100, 50.0),
            now(Metric::DiskSize, "/", 100, 100.0),
            now(Metric::DiskUsed, "/data", 100, 900.0),
            now(Metric::DiskSize, "/data", 100, 1000.0),
            now(Metric::DiskUsed, "/gone", 10, 99.0),
            now(Metric::DiskSize, "/gone", 10, 100.0),
            now(Metric::DiskUsed, "/endless", 100, 99.0),
        ];
        let found = fullest(&values, 50).expect("a file system");
        assert_eq!((found.mount.as_str(), found.used, found.size), ("/data", 900.0, 1000.0));
        assert_eq!(fullest(&values[4..], 50), None);
    }
}

//! What operators do with machines: add, try, change and remove them. Only what was tried is saved, or what somebody wants saved although it
//! failed. A machine with containers of ours is not exchanged for another one, and not removed unless it is gone for good.

use std::net::IpAddr;

use model::engine::EngineAddress;
use model::ids::MachineId;
use model::machine::MachineForm;
use model::names::{MachineName, ProjectName, RepositoryPath};
use model::problem::FieldError;
use model::views::environments::{MachineState, MachineView, StepState, TrialStep, TrialView};

use super::door::Kept;
use super::{COLUMNS, Machine, machine, same_engine, twin, views};
use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::Tx;
use crate::environments::{Environment, Local, Pool, tomb};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::ports::{EngineDoor, Trial, TrialOrder};

/// Most machines of an environment.
const MOST: i64 = 100;
/// Most services that a refusal names.
const NAMED: i64 = 6;

/// A machine as it was asked for, in types.
struct Order {
    address: EngineAddress,
    host: String,
    publish_address: String,
    ports: (u16, u16),
    subnet_pool: Pool,
    kept: Kept,
    /// The keys as they are kept sealed, where they stay what they are.
    sealed: Option<Vec<u8>>,
    host_key: Option<String>,
}

/// A machine that is there, as far as a change of it asks.
pub(super) struct Found {
    pub(super) machine: Machine,
    configured: bool,
    engine_id: Option<String>,
}

pub(super) async fn find(tx: &mut Tx, name: &MachineName) -> Result<Option<Found>> {
    let sql = format!(
        "SELECT {COLUMNS}, m.configured, m.engine_id FROM machines m JOIN environments e ON e.id = m.environment_id
         WHERE m.name = $1 AND m.removed_at IS NULL"
    );
    tx.opt(sql, args![name], |row| Ok(Found { machine: machine(row)?, configured: row.get("configured")?, engine_id: row.get("engine_id")? })).await
}

/// The machine of that name, if it is there and may be changed here.
async fn changeable(tx: &mut Tx, environment: &Environment, name: &MachineName) -> Result<Option<Found>> {
    let found = find(tx, name).await?;
    match &found {
        Some(found) if found.machine.environment_id != environment.id => {
            let text = format!("the machine {name} belongs to the environment {}; choose another name", found.machine.environment);
            Err(Error::conflict("machine_taken", text))
        }
        Some(found) if found.configured => {
            let text = format!("{name} is set up from the portal's configuration: change it there (--docker-host), and start the portal again");
            Err(Error::conflict("machine_configured", text))
        }
        Some(_) | None => Ok(found),
    }
}

/// What was typed, checked and completed with what is kept.
fn order(platform: &Platform, form: &MachineForm, found: Option<&Found>) -> Result<Order> {
    let address: Result<EngineAddress, _> = form.engine.parse();
    let before = found.and_then(|found| found.machine.engine.parse::<EngineAddress>().ok());
    let same_sort = matches!((&address, &before), (Ok(now), Some(before)) if std::mem::discriminant(now) == std::mem::discriminant(before));
    let kept = match found {
        Some(found) if same_sort && !found.machine.keys_are_lost() => Kept::open(platform, &found.machine)?,
        Some(_) | None => Kept::default(),
    };
    let mut errors = form.mistakes(!kept.is_nothing());
    let pool = if form.subnet_pool.trim().is_empty() { Local::POOL } else { form.subnet_pool.trim() };
    let pool: Result<Pool, _> = pool.parse();
    if let Err(error) = &pool {
        errors.push(FieldError::new("subnet_pool", error.to_string()));
    }
    let (Ok(address), Ok(subnet_pool), Ok(ports), true) = (address, pool, form.ports(), errors.is_empty()) else {
        return Err(Error::Invalid(errors));
    };
    let typed = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let elsewhere = address.elsewhere().map(str::to_owned);
    // A key was confirmed for one server; at another address it says nothing.
    let same_server = before.as_ref().is_some_and(|before| server(before) == server(&address));
    let known = found.and_then(|found| found.machine.host_key.clone()).filter(|_| same_server);
    let now = Kept::over(form, &address, kept.clone());
    let sealed = found.and_then(|found| found.machine.secrets.clone()).filter(|_| !now.is_nothing() && now == kept);
    let host_key = typed(&form.host_key).or(known).filter(|_| matches!(address, EngineAddress::Ssh { .. }));
    Ok(Order {
        host: typed(&form.host).or(elsewhere.clone()).unwrap_or_else(|| "127.0.0.1".into()),
        publish_address: match form.publish_address.trim().parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) if elsewhere.is_some() => "0.0.0.0".into(),
            Err(_) => "127.0.0.1".into(),
        },
        ports,
        subnet_pool,
        kept: now,
        sealed,
        host_key,
        address,
    })
}

fn server(address: &EngineAddress) -> Option<(&str, u16)> {
    match address {
        EngineAddress::Ssh { host, port, .. } => Some((host, *port)),
        EngineAddress::Tcp { .. } | EngineAddress::Unix(_) => None,
    }
}

impl Order {
    fn door(&self) -> EngineDoor {
        self.kept.clone().door(self.address.clone(), self.host_key.clone())
    }
}

/// Tries a machine as it would be, or as it is where nothing is typed. Nothing is kept.
pub async fn try_machine(
    platform: &Platform,
    may: &May<can::ManageEnvironments, Environment>,
    name: &MachineName,
    form: Option<&MachineForm>,
) -> Result<TrialView> {
    let mut tx = platform.read().await?;
    let found = find(&mut tx, name).await?.filter(|found| found.machine.environment_id == may.id);
    drop(tx);
    let (door, ports) = match (form, &found) {
        (Some(form), found) => {
            let order = order(platform, form, found.as_ref())?;
            (order.door(), order.ports)
        }
        (None, Some(found)) => (super::door(platform, &found.machine)?, found.machine.ports),
        (None, None) => return Err(Error::NotFound { what: "machine" }),
    };
    let view = trial(platform, may, door, ports, found.as_ref()).await?.0;
    // A test with nothing typed is one of what is kept.
    if let (None, Some(found), true) = (form, &found, view.passed) {
        let mut change = platform.change(may.actor()).await?;
        change.exec("UPDATE machines SET tested_at = $2 WHERE id = $1", args![found.machine.id, platform.now()]).await?;
        change.touch(Topic::Environment(may.id));
        change.commit(Record::new("machine.test", "machine", name).detail(serde_json::json!({ "environment": may.name, "passed": true }))).await?;
    } else {
        let detail = serde_json::json!({ "environment": may.name, "passed": view.passed });
        platform.change(may.actor()).await?.commit(Record::new("machine.test", "machine", name).detail(detail)).await?;
    }
    Ok(view)
}

/// The steps of a test, and what the engine calls itself.
async fn trial(
    platform: &Platform,
    environment: &Environment,
    door: EngineDoor,
    ports: (u16, u16),
    found: Option<&Found>,
) -> Result<(TrialView, Option<String>)> {
    // There is no such image: an answer that says so proves that the registry is ours, since it took our token.
    let project: ProjectName = "probe".parse().map_err(|_| Error::internal("a project's name"))?;
    let repository: RepositoryPath = "connection".parse().map_err(|_| Error::internal("a repository's path"))?;
    let registry = platform.pull_grants().map(|grants| (environment.registry_address.clone(), grants.pull_grant(&project, &repository)));
    let order = TrialOrder { door, registry, ports, now: platform.now() };
    let Trial { mut steps, host_key, engine_id } = platform.engines().try_door(&order).await;
    if let Some(engine_id) = &engine_id {
        let own = found.map_or_else(|| platform.new_id(), |found| found.machine.id);
        if let Some(twin) = twin(&mut platform.read().await?, engine_id, own, false).await? {
            steps.push(TrialStep { step: "same_engine".into(), state: StepState::Failed, message: same_engine(&twin) });
        }
    }
    let passed = steps.iter().all(|step| !matches!(step.state, StepState::Failed | StepState::Skipped));
    Ok((TrialView { passed, steps, host_key }, engine_id))
}

/// Adds a machine or changes the one of that name, after a test of its connection; `untested`: also where that fails. Answers the machine, the test,
/// and whether it is a new one.
///
/// # Errors
/// `Conflict` with the code `machine_test_failed`: nothing was saved, and the message says what is wrong.
pub async fn put(
    platform: &Platform,
    may: &May<can::ManageEnvironments, Environment>,
    name: &MachineName,
    form: &MachineForm,
    untested: bool,
) -> Result<(MachineView, TrialView, bool)> {
    let found = changeable(&mut platform.read().await?, may, name).await?;
    let wanted = order(platform, form, found.as_ref())?;
    let (tried, engine_id) = trial(platform, may, wanted.door(), wanted.ports, found.as_ref()).await?;
    if !tried.passed && !untested {
        return Err(Error::conflict("machine_test_failed", failure(&tried)));
    }
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("machines").await?;
    let found = changeable(&mut change, may, name).await?;
    let id = match &found {
        Some(found) => {
            same_machine(&mut change, found, &wanted, engine_id.as_deref()).await?;
            found.machine.id
        }
        None => make(&mut change, platform, may, name).await?,
    };
    write(&mut change, platform, id, found.as_ref(), &wanted, tried.passed).await?;
    change.touch(Topic::Environment(may.id));
    change.wake(Signal::Machines);
    let view = views(&mut change, "m.id = $1", args![id], true).await?.pop().ok_or_else(|| Error::internal("a machine that was just saved"))?;
    let detail = serde_json::json!({
        "environment": may.name, "engine": view.engine, "guard": view.guard, "host": view.host, "publish_address": view.publish_address,
        "ports": view.ports, "subnet_pool": view.subnet_pool, "tested": tried.passed,
    });
    let action = if found.is_some() { "machine.update" } else { "machine.create" };
    change.commit(Record::new(action, "machine", name).detail(detail)).await?;
    Ok((view, tried, found.is_none()))
}

/// Writes down what a machine is like. How its engine does is asked anew only where it is reached in another way: else nobody would ask.
async fn write(change: &mut Change, platform: &Platform, id: MachineId, found: Option<&Found>, wanted: &Order, passed: bool) -> Result<()> {
    let address = wanted.address.to_string();
    // Keys that stay are not written: they are sealed for this very machine (another one may bear its name by now), and a change of the key that
    // they are sealed with may be at them.
    let same_keys = found.is_some_and(|found| found.machine.secrets == wanted.sealed && wanted.sealed.is_none() == wanted.kept.is_nothing());
    let same_door = found.is_some_and(|found| same_keys && found.machine.engine == address && found.machine.host_key == wanted.host_key);
    if !same_keys {
        let secrets = wanted.kept.seal(change, platform, id).await?;
        change.exec("UPDATE machines SET secrets = $2 WHERE id = $1", args![id, secrets]).await?;
    }
    let sql = "UPDATE machines SET engine = $2, host = $3, publish_address = $4, port_first = $5, port_last = $6, subnet_pool = $7, host_key = $8,
               tested_at = $9 WHERE id = $1";
    let (first, last) = wanted.ports;
    let arguments = args![
        id,
        address,
        &wanted.host,
        &wanted.publish_address,
        u32::from(first),
        u32::from(last),
        wanted.subnet_pool.to_string(),
        wanted.host_key.clone(),
        passed.then(|| platform.now()),
    ];
    change.exec(sql, arguments).await?;
    if !same_door {
        change.exec("UPDATE machines SET state = 'unknown', message = NULL, since = NULL, certificate_ends = NULL WHERE id = $1", args![id]).await?;
    }
    Ok(())
}

/// Why a test did not pass, in one text: what failed, and the key that waits for being confirmed.
fn failure(tried: &TrialView) -> String {
    let failed = tried.steps.iter().filter(|step| step.state == StepState::Failed).map(|step| step.message.as_str());
    let mut text = format!("nothing was saved, because the test of the connection failed: {}", failed.collect::<Vec<_>>().join(" "));
    if let Some(key) = &tried.host_key {
        text.push_str(&format!(" The key that it showed, to be sent as host_key once it was compared: {}", key.key));
    }
    text
}

async fn make(change: &mut Change, platform: &Platform, environment: &Environment, name: &MachineName) -> Result<MachineId> {
    let sql = "SELECT COUNT(*) AS n FROM machines WHERE environment_id = $1 AND removed_at IS NULL";
    let count: i64 = change.one(sql, args![environment.id], |row| row.get("n")).await?;
    if count >= MOST {
        return Err(Error::conflict("too_many_machines", format!("an environment has at most {MOST} machines")));
    }
    let id: MachineId = platform.new_id();
    let sql = "INSERT INTO machines (id, environment_id, name, engine, host, publish_address, port_first, port_last, subnet_pool, state, created_at)
               VALUES ($1, $2, $3, '', '', '', 0, 0, '', 'unknown', $4)";
    change.exec(sql, args![id, environment.id, name, platform.now()]).await?;
    Ok(id)
}

/// Refuses to point a machine on which containers of ours are at another engine: they would run on unseen, and be made a second time.
async fn same_machine(change: &mut Change, found: &Found, wanted: &Order, engine_id: Option<&str>) -> Result<()> {
    let moved = match (found.engine_id.as_deref(), engine_id) {
        (Some(before), Some(now)) => before != now,
        _ => found.machine.engine != wanted.address.to_string(),
    };
    let services = if moved { living(change, found.machine.id).await? } else { Vec::new() };
    if services.is_empty() {
        return Ok(());
    }
    let why = if engine_id.is_some() { "another engine answers there" } else { "no engine answers there that could be compared" };
    let text = format!(
        "{} has tasks of {} and {why}: add the other one as a machine of its own, or stop them first",
        found.machine.name,
        services.join(", ")
    );
    Err(Error::conflict("machine_in_use", text))
}

/// The services of which tasks live on a machine.
async fn living(tx: &mut Tx, machine: MachineId) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT p.name AS project, s.name AS service FROM tasks t JOIN services s ON s.id = t.service_id
               JOIN projects p ON p.id = s.project_id WHERE t.machine_id = $1 AND t.ended_at IS NULL ORDER BY p.name, s.name LIMIT $2";
    tx.all(sql, args![machine, NAMED], |row| Ok(format!("{}/{}", row.get::<String>("project")?, row.get::<String>("service")?))).await
}

/// Removes a machine. With tasks on it only when it is `gone` for good and does not answer: they count as lost, and are made on the environment's
/// other machines.
pub async fn remove(platform: &Platform, may: &May<can::ManageEnvironments, Environment>, name: &MachineName, gone: bool) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("machines").await?;
    let Some(found) = changeable(&mut change, may, name).await? else { return Err(Error::NotFound { what: "machine" }) };
    let id = found.machine.id;
    // First, so that a task that is made meanwhile is either seen below or sees this.
    bury(&mut change, platform, id, name.as_str()).await?;
    let services = living(&mut change, id).await?;
    if !services.is_empty() && !gone {
        let text = format!("{name} has tasks of {}: stop them first, or say that the machine is gone for good", services.join(", "));
        return Err(Error::conflict("machine_in_use", text));
    }
    if !services.is_empty() && found.machine.state != MachineState::Away {
        let text = format!("{name} is not gone: its engine answers; stop the services first");
        return Err(Error::conflict("machine_answers", text));
    }
    let now = platform.now();
    let sql = "UPDATE tasks SET state = 'lost', reason_code = 'machine_removed', reason_message = $3, ended_at = $2
               WHERE machine_id = $1 AND ended_at IS NULL";
    change.exec(sql, args![id, now, format!("its machine {name} was removed")]).await?;
    change.exec("UPDATE tasks SET removed_at = $2 WHERE machine_id = $1 AND removed_at IS NULL", args![id, now]).await?;
    change.exec("DELETE FROM ports WHERE machine_id = $1", args![id]).await?;
    change.touch(Topic::Environment(may.id));
    change.wake(Signal::Machines);
    change.wake(Signal::Reconcile);
    let detail = serde_json::json!({ "environment": may.name, "gone": gone, "lost_tasks_of": services });
    change.commit(Record::new("machine.delete", "machine", name).detail(detail)).await
}

/// Takes a machine away: its keys are forgotten, its name is free, its history stays.
pub(crate) async fn bury(change: &mut Change, platform: &Platform, id: MachineId, name: &str) -> Result<()> {
    let sql = "UPDATE machines SET removed_at = $2, name = $3, secrets = NULL, host_key = NULL, state = 'unknown' WHERE id = $1";
    change.exec(sql, args![id, platform.now(), tomb(name, &id.to_string())]).await.map(drop)
}

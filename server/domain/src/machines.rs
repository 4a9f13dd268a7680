//! Machines: the Docker hosts of an environment. People see how they do; loops read their addresses and write what they saw.

use std::net::IpAddr;

use model::ids::{EnvironmentId, MachineId};
use model::names::{EnvironmentName, MachineName};
use model::views::environments::{MachineState, MachineView};
use model::views::services::ForeignContainers;

use crate::access::{May, Site, can};
use crate::args;
use crate::db::{Row, Tx};
use crate::environments::{Environment, Local, Pool};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::worker::Worker;

crate::text_columns! { MachineState }

/// Most machines of an environment that are read at once.
const MOST: i64 = 500;

/// A machine, as a loop needs it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its id.
    pub id: MachineId,
    /// Its name.
    pub name: MachineName,
    /// The environment that it belongs to.
    pub environment_id: EnvironmentId,
    /// That environment's name.
    pub environment: EnvironmentName,
    /// How its engine reaches the embedded registry: host and port.
    pub registry_address: String,
    /// The engine's address.
    pub engine: String,
    /// Its address for `SLIPWAY_HOST` and links.
    pub host: String,
    /// The address that ports are published on.
    pub publish_address: String,
    /// First and last of the ports that are given out.
    pub ports: (u16, u16),
    /// Networks are /24s of this.
    pub subnet_pool: Pool,
    /// Whether its engine answered last.
    pub state: MachineState,
}

impl Machine {
    /// The portal's own port on this machine, where it runs there: its engine reaches the registry over the loopback.
    #[must_use]
    pub(crate) fn portal_port(&self) -> Option<u16> {
        let (host, port) = self.registry_address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        port.parse().ok().filter(|_| here)
    }
}

const COLUMNS: &str = "m.id, m.name, m.environment_id, e.name AS environment, e.registry_address, m.engine, m.host, m.publish_address,
    m.port_first, m.port_last, m.subnet_pool, m.state";

fn machine(row: &Row<'_>) -> Result<Machine> {
    Ok(Machine {
        id: row.get("id")?,
        name: row.get("name")?,
        environment_id: row.get("environment_id")?,
        environment: row.get("environment")?,
        registry_address: row.get("registry_address")?,
        engine: row.get("engine")?,
        host: row.get("host")?,
        publish_address: row.get("publish_address")?,
        ports: (port(row, "port_first")?, port(row, "port_last")?),
        subnet_pool: row.get::<String>("subnet_pool")?.parse().map_err(|_| Error::internal("column subnet_pool holds no pool"))?,
        state: row.get("state")?,
    })
}

/// The machine of a name.
pub(crate) async fn by_name(tx: &mut Tx, name: &MachineName) -> Result<Option<Machine>> {
    let sql = format!("SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.name = $1");
    tx.opt(sql, args![name], machine).await
}

pub(crate) fn port(row: &Row<'_>, column: &str) -> Result<u16> {
    u16::try_from(row.get::<i64>(column)?).map_err(|_| Error::internal(format!("column {column} holds no port")))
}

/// The machine `local` as the configuration has it.
pub(crate) async fn put_local(tx: &mut Tx, platform: &Platform, environment: EnvironmentId, local: &Local) -> Result<()> {
    let id: MachineId = platform.new_id();
    let sql = "INSERT INTO machines (id, environment_id, name, engine, host, publish_address, port_first, port_last, subnet_pool, state, created_at)
               VALUES ($1, $2, 'local', $3, $4, $5, $6, $7, $8, 'unknown', $9)
               ON CONFLICT (name) DO UPDATE SET engine = excluded.engine, host = excluded.host, publish_address = excluded.publish_address,
               port_first = excluded.port_first, port_last = excluded.port_last, subnet_pool = excluded.subnet_pool,
               state = 'unknown', message = NULL, since = NULL";
    let (first, last) = local.ports;
    let arguments = args![
        id,
        environment,
        &local.engine,
        &local.host,
        &local.publish_address,
        u32::from(first),
        u32::from(last),
        local.subnet_pool.to_string(),
        platform.now()
    ];
    tx.exec(sql, arguments).await.map(drop)
}

/// Every machine of the site.
pub async fn list(platform: &Platform, may: &May<can::SeeEnvironments, Site>) -> Result<Vec<MachineView>> {
    let operator = may.actor().account()?.operator;
    views(&mut platform.read().await?, "TRUE", Vec::new(), operator).await
}

pub(crate) async fn of(tx: &mut Tx, environment: &Environment, operator: bool) -> Result<Vec<MachineView>> {
    views(tx, "m.environment_id = $1", args![environment.id], operator).await
}

async fn views(tx: &mut Tx, condition: &str, arguments: Vec<crate::db::Value>, operator: bool) -> Result<Vec<MachineView>> {
    let sql = format!(
        "SELECT {COLUMNS}, m.message, m.since, m.version, m.api_version, m.os, m.cpus, m.memory,
         (SELECT COUNT(*) FROM tasks t WHERE t.machine_id = m.id AND t.removed_at IS NULL AND t.ended_at IS NULL) AS tasks
         FROM machines m JOIN environments e ON e.id = m.environment_id WHERE {condition} ORDER BY m.name LIMIT {MOST}"
    );
    tx.all(sql, arguments, |row| {
        let machine = machine(row)?;
        Ok(MachineView {
            id: machine.id,
            name: machine.name,
            environment: machine.environment,
            state: machine.state,
            message: row.get("message")?,
            since: row.get("since")?,
            engine: operator.then_some(machine.engine),
            host: machine.host,
            publish_address: operator.then_some(machine.publish_address),
            ports: machine.ports,
            version: row.get("version")?,
            api_version: row.get("api_version")?,
            os: row.get("os")?,
            cpus: row.get("cpus")?,
            memory: row.get("memory")?,
            tasks: row.get("tasks")?,
        })
    })
    .await
}

/// The containers that this portal did not make. They are shown, and never touched.
pub async fn foreign(platform: &Platform, _: &May<can::ManageEnvironments, Site>) -> Result<ForeignContainers> {
    Ok(platform.engines().foreign(platform.instance()).await)
}

/// What an engine said about itself, or why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It answers.
    Up {
        /// Its version.
        version: String,
        /// The version of the API that is spoken with it.
        api_version: String,
        /// Its operating system.
        os: String,
        /// Its processors.
        cpus: i64,
        /// Its memory in bytes.
        memory: i64,
    },
    /// It does not; what is wrong and what to do, for people.
    Away(String),
}

/// Every machine, for the loops that look after them.
pub async fn all(worker: &Worker) -> Result<Vec<Machine>> {
    let sql = format!("SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id ORDER BY m.name LIMIT {MOST}");
    worker.platform().read().await?.all(sql, args![], machine).await
}

pub(crate) async fn by_environment(tx: &mut Tx, environment: EnvironmentId) -> Result<Vec<Machine>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.environment_id = $1 ORDER BY m.name LIMIT {MOST}"
    );
    tx.all(sql, args![environment], machine).await
}

pub(crate) async fn by_id(tx: &mut Tx, id: MachineId) -> Result<Machine> {
    let sql = format!("SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.id = $1");
    tx.one(sql, args![id], machine).await
}

/// Records whether an engine answers. `since` moves only when that changes; an engine that came back wakes reconciliation.
pub async fn seen(worker: &Worker, machine: &Machine, seen: &Seen) -> Result<()> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    let changed = match seen {
        Seen::Up { version, api_version, os, cpus, memory } => {
            let sql = "UPDATE machines SET since = CASE WHEN state = 'up' THEN since ELSE $2 END, state = 'up', message = NULL, version = $3,
                       api_version = $4, os = $5, cpus = $6, memory = $7 WHERE id = $1
                       AND (state <> 'up' OR version IS DISTINCT FROM $3 OR cpus IS DISTINCT FROM $6 OR memory IS DISTINCT FROM $7)";
            change.exec(sql, args![machine.id, now, version, api_version, os, *cpus, *memory]).await?
        }
        Seen::Away(message) => {
            let sql = "UPDATE machines SET since = CASE WHEN state = 'away' THEN since ELSE $2 END, state = 'away', message = $3 WHERE id = $1
                       AND (state <> 'away' OR message IS DISTINCT FROM $3)";
            change.exec(sql, args![machine.id, now, message]).await?
        }
    };
    if changed > 0 {
        change.touch(Topic::Environment(machine.environment_id));
        if matches!(seen, Seen::Up { .. }) {
            change.wake(Signal::Reconcile);
        }
    }
    change.finish().await
}

//! Machines: the Docker hosts of an environment. People see how they do; operators add, try, change and remove them ([`manage`]); loops read how
//! their engines are reached ([`door`]) and write what they saw.

use std::net::IpAddr;

use model::engine::EngineAddress;
use model::ids::{EnvironmentId, MachineId};
use model::names::{EnvironmentName, MachineName};
use model::time::Millis;
use model::views::environments::{Guard, MachineState, MachineView};
use model::views::services::ForeignContainers;

use crate::access::{May, Site, can};
use crate::args;
use crate::db::{Row, Tx};
use crate::environments::{self, Environment, Local, Pool};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::worker::Worker;

mod door;
mod manage;
mod pruning;
#[cfg(test)]
mod tests;

pub use door::door;
pub(crate) use door::{certificates, purpose};
pub(crate) use manage::bury;
pub use manage::{put, remove, try_machine};
pub use pruning::{PruneWork, Pulled, due as prune_due, prune, pruned, pruning, pulled, put_pruning};

crate::text_columns! { MachineState }

/// Most machines of an environment that are read at once.
const MOST: i64 = 500;
/// What others than operators are told of an engine that is away: why it is, tells where it is and how it is reached.
const AWAY: &str = "it cannot be used at the moment; operators see why";

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
    /// What opens the way to it, sealed. Other bytes are another way (or the same, sealed with another key: it is connected anew then too).
    pub secrets: Option<Vec<u8>>,
    /// The key of its SSH server that an operator confirmed.
    pub host_key: Option<String>,
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
    /// Whether its engine is reached as it was: the same address, the same keys.
    #[must_use]
    pub fn same_door(&self, other: &Self) -> bool {
        self.engine == other.engine && self.secrets == other.secrets && self.host_key == other.host_key
    }

    /// Whether its keys were given up, because nobody has the key any more that they were sealed with.
    fn keys_are_lost(&self) -> bool {
        self.secrets.as_ref().is_some_and(Vec::is_empty)
    }

    /// What guards the way to its engine.
    fn guard(&self) -> Guard {
        match self.engine.parse::<EngineAddress>() {
            Ok(EngineAddress::Ssh { .. }) => Guard::Ssh,
            Ok(EngineAddress::Tcp { .. }) if self.secrets.is_some() => Guard::Tls,
            Ok(EngineAddress::Tcp { .. }) => Guard::Nothing,
            Ok(EngineAddress::Unix(_)) | Err(_) => Guard::Socket,
        }
    }

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
    m.port_first, m.port_last, m.subnet_pool, m.state, m.secrets, m.host_key";

fn machine(row: &Row<'_>) -> Result<Machine> {
    Ok(Machine {
        id: row.get("id")?,
        name: row.get("name")?,
        environment_id: row.get("environment_id")?,
        environment: row.get("environment")?,
        registry_address: row.get("registry_address")?,
        engine: row.get("engine")?,
        secrets: row.get("secrets")?,
        host_key: row.get("host_key")?,
        host: row.get("host")?,
        publish_address: row.get("publish_address")?,
        ports: (port(row, "port_first")?, port(row, "port_last")?),
        subnet_pool: row.get::<String>("subnet_pool")?.parse().map_err(|_| Error::internal("column subnet_pool holds no pool"))?,
        state: row.get("state")?,
    })
}

/// The machine of a name.
pub(crate) async fn by_name(tx: &mut Tx, name: &MachineName) -> Result<Option<Machine>> {
    let sql = format!("SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.name = $1 AND m.removed_at IS NULL");
    tx.opt(sql, args![name], machine).await
}

pub(crate) fn port(row: &Row<'_>, column: &str) -> Result<u16> {
    u16::try_from(row.get::<i64>(column)?).map_err(|_| Error::internal(format!("column {column} holds no port")))
}

/// The machine `local` as the configuration has it.
pub(crate) async fn put_local(tx: &mut Tx, platform: &Platform, environment: EnvironmentId, local: &Local) -> Result<()> {
    let id: MachineId = platform.new_id();
    let sql = "INSERT INTO machines (id, environment_id, name, engine, host, publish_address, port_first, port_last, subnet_pool, state, configured, created_at)
               VALUES ($1, $2, 'local', $3, $4, $5, $6, $7, $8, 'unknown', TRUE, $9)
               ON CONFLICT (name) DO UPDATE SET configured = TRUE, engine = excluded.engine, host = excluded.host, publish_address = excluded.publish_address,
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
    let account = may.actor().account()?;
    let (condition, arguments) = environments::readable(account);
    views(&mut platform.read().await?, &condition, arguments, account.operator).await
}

pub(crate) async fn of(tx: &mut Tx, environment: &Environment, operator: bool) -> Result<Vec<MachineView>> {
    views(tx, "m.environment_id = $1", args![environment.id], operator).await
}

async fn views(tx: &mut Tx, condition: &str, arguments: Vec<crate::db::Value>, operator: bool) -> Result<Vec<MachineView>> {
    let sql = format!(
        "SELECT {COLUMNS}, m.message, m.since, m.version, m.api_version, m.os, m.cpus, m.memory, m.configured, m.tested_at,
         (SELECT COUNT(*) FROM tasks t WHERE t.machine_id = m.id AND t.removed_at IS NULL AND t.ended_at IS NULL) AS tasks
         FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.removed_at IS NULL AND {condition} ORDER BY m.name LIMIT {MOST}"
    );
    tx.all(sql, arguments, |row| {
        let machine = machine(row)?;
        let guard = machine.guard();
        let message: Option<String> = row.get("message")?;
        Ok(MachineView {
            id: machine.id,
            name: machine.name,
            environment: machine.environment,
            state: machine.state,
            message: if operator { message } else { message.map(|_| AWAY.to_owned()) },
            since: row.get("since")?,
            engine: operator.then_some(machine.engine),
            guard: operator.then_some(guard),
            host_key: machine.host_key.filter(|_| operator),
            configured: row.get("configured")?,
            tested_at: row.get("tested_at")?,
            host: machine.host,
            publish_address: operator.then_some(machine.publish_address),
            ports: machine.ports,
            subnet_pool: operator.then(|| machine.subnet_pool.to_string()),
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
    // A task's container is ours also by another name than we gave it.
    let sql = "SELECT container FROM tasks WHERE removed_at IS NULL AND container IS NOT NULL";
    let recorded = platform.read().await?.all(sql, args![], |row| row.get::<String>("container")).await?;
    Ok(platform.engines().foreign(platform.instance(), &recorded.into_iter().collect()).await)
}

/// What an engine said about itself, or why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It answers.
    Up {
        /// What it calls itself.
        id: String,
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
        /// When the certificate ends that it showed; none: it showed none, or none that can be read.
        certificate_ends: Option<Millis>,
    },
    /// It does not; what is wrong and what to do, for people.
    Away(String),
}

/// Every machine, for the loops that look after them.
pub async fn all(worker: &Worker) -> Result<Vec<Machine>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.removed_at IS NULL ORDER BY m.name LIMIT {MOST}"
    );
    worker.platform().read().await?.all(sql, args![], machine).await
}

pub(crate) async fn by_environment(tx: &mut Tx, environment: EnvironmentId) -> Result<Vec<Machine>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.environment_id = $1 AND m.removed_at IS NULL ORDER BY m.name LIMIT {MOST}"
    );
    tx.all(sql, args![environment], machine).await
}

pub(crate) async fn by_id(tx: &mut Tx, id: MachineId) -> Result<Machine> {
    let sql = format!("SELECT {COLUMNS} FROM machines m JOIN environments e ON e.id = m.environment_id WHERE m.id = $1");
    tx.one(sql, args![id], machine).await
}

/// Records whether an engine answers. `since` moves only when that changes; an engine that came back wakes reconciliation. Answers `false` for an
/// engine that is another machine's already: it is recorded as away, and whoever asks leaves it alone.
pub async fn seen(worker: &Worker, machine: &Machine, seen: &Seen) -> Result<bool> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    let twin = match seen {
        Seen::Up { id, .. } if !id.is_empty() => {
            change.lock_key("machines").await?;
            twin(&mut change, id, machine.id, true).await?
        }
        Seen::Up { .. } | Seen::Away(_) => None,
    };
    let changed = match (seen, &twin) {
        (Seen::Up { id, version, api_version, os, cpus, memory, certificate_ends }, None) => {
            let sql = "UPDATE machines SET since = CASE WHEN state = 'up' THEN since ELSE $2 END, state = 'up', message = NULL, version = $3,
                       api_version = $4, os = $5, cpus = $6, memory = $7, engine_id = $8, certificate_ends = $9 WHERE id = $1
                       AND (state <> 'up' OR version IS DISTINCT FROM $3 OR cpus IS DISTINCT FROM $6 OR memory IS DISTINCT FROM $7
                            OR engine_id IS DISTINCT FROM $8 OR certificate_ends IS DISTINCT FROM $9)";
            change.exec(sql, args![machine.id, now, version, api_version, os, *cpus, *memory, id, *certificate_ends]).await?
        }
        (Seen::Up { .. }, Some(twin)) => away(&mut change, machine, now, &same_engine(twin)).await?,
        (Seen::Away(message), _) => away(&mut change, machine, now, message).await?,
    };
    if changed > 0 {
        change.touch(Topic::Environment(machine.environment_id));
        if twin.is_none() && matches!(seen, Seen::Up { .. }) {
            change.wake(Signal::Reconcile);
        }
    }
    change.finish().await?;
    Ok(twin.is_none())
}

async fn away(tx: &mut Tx, machine: &Machine, now: Millis, message: &str) -> Result<u64> {
    let sql = "UPDATE machines SET since = CASE WHEN state = 'away' THEN since ELSE $2 END, state = 'away', message = $3 WHERE id = $1
               AND (state <> 'away' OR message IS DISTINCT FROM $3)";
    tx.exec(sql, args![machine.id, now, message]).await
}

/// The other machine that an engine is known as, if there is one; `used`: only one whose engine answers to that machine.
async fn twin(tx: &mut Tx, engine_id: &str, but: MachineId, used: bool) -> Result<Option<MachineName>> {
    let sql = "SELECT name FROM machines WHERE engine_id = $1 AND id <> $2 AND removed_at IS NULL AND (state = 'up' OR $3 = FALSE) LIMIT 1";
    tx.opt(sql, args![engine_id, but, used], |row| row.get("name")).await
}

/// Two machines over one engine would take each other's containers for lost.
fn same_engine(twin: &MachineName) -> String {
    format!(
        "this is the engine of the machine {twin} already. If it is a copy of that machine's disk, give it an id of its own: stop Docker there, remove \
         /var/lib/docker/engine-id and /etc/docker/key.json, start Docker."
    )
}

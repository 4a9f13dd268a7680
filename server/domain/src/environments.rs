//! Environments: where things run. In the first depth there is one, `local`, set up from the configuration at each start. Which
//! networks its projects get is decided here ([`subnets`]); what its machines are like is in `machines`.

use model::access::Action;
use model::ids::EnvironmentId;
use model::names::EnvironmentName;
use model::views::environments::{EnvironmentView, MachineState};

use crate::access::{Key, May, Resource, Site, can};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::machines;
use crate::platform::Platform;
use crate::projects::Project;

pub mod subnets;

pub use subnets::{Pool, Subnet};

/// Most environments that are listed; a site has a handful.
const MOST: i64 = 200;

/// An environment's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// Its name.
    pub name: EnvironmentName,
    /// What it is for.
    pub description: String,
    /// How its engines reach the embedded registry: host and port.
    pub registry_address: String,
}

impl Resource for Environment {
    const WHAT: &'static str = "environment";
    const VISIBLE: Action = Action::SeeEnvironments;

    fn project(&self) -> Option<&Project> {
        None
    }
}

const COLUMNS: &str = "e.id, e.name, e.description, e.registry_address";

impl Key for EnvironmentName {
    type Resource = Environment;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Environment>> {
        tx.opt(format!("SELECT {COLUMNS} FROM environments e WHERE e.name = $1"), args![self], environment).await
    }
}

impl Key for EnvironmentId {
    type Resource = Environment;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Environment>> {
        tx.opt(format!("SELECT {COLUMNS} FROM environments e WHERE e.id = $1"), args![*self], environment).await
    }
}

fn environment(row: &Row<'_>) -> Result<Environment> {
    Ok(Environment {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        registry_address: row.get("registry_address")?,
    })
}

/// What the configuration says about the environment `local`.
#[derive(Clone, Debug)]
pub struct Local {
    /// How its engine reaches the embedded registry: `127.0.0.1:3000`.
    pub registry_address: String,
    /// Hosts (with ports) under which people name the embedded registry: the public URL's, `localhost:3000`, ...
    pub registry_hosts: Vec<String>,
    /// The engine's address: `unix:///var/run/docker.sock`.
    pub engine: String,
    /// The machine's address, for `SLIPWAY_HOST` and links.
    pub host: String,
    /// The address that ports are published on.
    pub publish_address: String,
    /// First and last of the ports that are given out.
    pub ports: (u16, u16),
    /// Networks are /24s of this.
    pub subnet_pool: Pool,
}

impl Local {
    /// The ports that are given out where the configuration says nothing: below the kernel's ephemeral range (from 32768 on).
    pub const PORTS: (u16, u16) = (20_000, 29_999);
    /// The pool of networks where the configuration says nothing.
    pub const POOL: &'static str = "10.208.0.0/12";
}

/// Brings the environment `local` and its machine in line with the configuration. Idempotent; run at each start.
pub async fn prepare(platform: &Platform, local: &Local) -> Result<()> {
    let now = platform.now();
    let mut write = platform.bookkeeping().await?;
    let id: EnvironmentId = platform.new_id();
    let sql = "INSERT INTO environments (id, name, description, registry_address, created_at) VALUES ($1, 'local', $2, $3, $4)
               ON CONFLICT (name) DO UPDATE SET registry_address = excluded.registry_address RETURNING id";
    let arguments = args![id, "The engine beside this portal", &local.registry_address, now];
    let id: EnvironmentId = write.one(sql, arguments, |row| row.get("id")).await?;
    machines::put_local(&mut write, platform, id, local).await?;
    let mut hosts = local.registry_hosts.clone();
    hosts.push(local.registry_address.clone());
    hosts.iter_mut().for_each(|host| host.make_ascii_lowercase());
    hosts.sort();
    hosts.dedup();
    let sql = "INSERT INTO settings (name, value) VALUES ('registry_hosts', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    write.exec(sql, args![Json(hosts)]).await?;
    write.finish().await
}

/// The hosts under which images of the embedded registry are named.
pub(crate) async fn registry_hosts(tx: &mut Tx) -> Result<Vec<String>> {
    let sql = "SELECT value FROM settings WHERE name = 'registry_hosts'";
    let hosts = tx.opt(sql, args![], |row| row.get::<Json<Vec<String>>>("value")).await?;
    Ok(hosts.map(|json| json.0).unwrap_or_default())
}

/// The environment that a verb means: the named one, or the only one.
pub(crate) async fn choose(tx: &mut Tx, name: Option<&EnvironmentName>) -> Result<Environment> {
    let mut all = tx.all(format!("SELECT {COLUMNS} FROM environments e ORDER BY e.name LIMIT {MOST}"), args![], environment).await?;
    let names = all.iter().map(|environment| environment.name.as_str()).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => match all.into_iter().find(|environment| environment.name == *name) {
            Some(found) => Ok(found),
            None => Err(Error::invalid("environment", format!("there is no environment {name}; there are: {names}"))),
        },
        None if all.len() == 1 => Ok(all.remove(0)),
        None => Err(Error::invalid("environment", format!("name the environment, one of: {names}"))),
    }
}

/// Every environment with its machines. Addresses of engines are shown to operators alone.
pub async fn list(platform: &Platform, may: &May<can::SeeEnvironments, Site>) -> Result<Vec<EnvironmentView>> {
    let mut tx = platform.read().await?;
    let all = tx.all(format!("SELECT {COLUMNS} FROM environments e ORDER BY e.name LIMIT {MOST}"), args![], environment).await?;
    let operator = may.actor().account()?.operator;
    let mut views = Vec::with_capacity(all.len());
    for environment in all {
        views.push(view(&mut tx, environment, operator).await?);
    }
    Ok(views)
}

/// One environment with its machines.
pub async fn get(platform: &Platform, may: &May<can::SeeEnvironments, Environment>) -> Result<EnvironmentView> {
    let mut tx = platform.read().await?;
    view(&mut tx, (**may).clone(), may.actor().account()?.operator).await
}

async fn view(tx: &mut Tx, environment: Environment, operator: bool) -> Result<EnvironmentView> {
    let machines = machines::of(tx, &environment, operator).await?;
    let up = machines.iter().any(|machine| machine.state == MachineState::Up);
    let worst = machines.iter().find(|machine| machine.state == MachineState::Away);
    let state = match (up, worst) {
        (true, _) => MachineState::Up,
        (false, Some(_)) => MachineState::Away,
        (false, None) => MachineState::Unknown,
    };
    Ok(EnvironmentView {
        id: environment.id,
        name: environment.name,
        description: environment.description,
        state,
        message: if up { None } else { worst.and_then(|machine| machine.message.clone()) },
        registry_address: operator.then_some(environment.registry_address),
        machines,
    })
}

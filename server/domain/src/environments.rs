//! Environments: where things run. One, `local`, is set up from the configuration at each start; operators add others ([`manage`]). Which
//! projects may use one is granted: to whoever may not, it is as if it were missing ([`choose`], [`Readable`]). Which networks its projects get is
//! decided here too ([`subnets`]); what its machines are like is in `machines`.

use model::access::Action;
use model::ids::{EnvironmentId, ProjectId};
use model::names::{EnvironmentName, ProjectName};
use model::views::environments::{EnvironmentView, FreezeView, MachineState};

use crate::access::{Account, Actor, Key, May, Resource, Site, can};
use crate::args;
use crate::db::{Json, Row, Tx, Value};
use crate::error::{Error, Result};
use crate::machines;
use crate::platform::Platform;
use crate::projects::Project;
use crate::services::Service;

mod freeze;
mod manage;
mod residents;
pub mod subnets;
#[cfg(test)]
mod tests;

pub(crate) use freeze::of as freeze_of;
pub use freeze::{freeze, thaw};
pub use manage::{EnvironmentOrder, put, remove};
pub use residents::residents;
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
    /// Whether the configuration made it.
    pub configured: bool,
    /// Whether deployments wait there for an approval.
    pub protected: bool,
    /// Whether somebody else than who asked must approve them.
    pub second_person: bool,
    /// Nothing is changed there for now.
    pub frozen: Option<FreezeView>,
    /// Whether every project may use it.
    pub open: bool,
}

impl Resource for Environment {
    const WHAT: &'static str = "environment";
    const VISIBLE: Action = Action::SeeEnvironments;

    fn project(&self) -> Option<&Project> {
        None
    }
}

const COLUMNS: &str = "e.id, e.name, e.description, e.registry_address, e.configured, e.protected, e.second_person,
    e.frozen_at, e.frozen_by, e.frozen_why, e.open_to_all";

/// Any environment, for those who manage them; readers look through [`Readable`].
impl Key for EnvironmentName {
    type Resource = Environment;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Environment>> {
        tx.opt(format!("SELECT {COLUMNS} FROM environments e WHERE e.name = $1 AND e.removed_at IS NULL"), args![self], environment).await
    }
}

impl Key for EnvironmentId {
    type Resource = Environment;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Environment>> {
        tx.opt(format!("SELECT {COLUMNS} FROM environments e WHERE e.id = $1 AND e.removed_at IS NULL"), args![*self], environment).await
    }
}

/// An environment by name or id, for somebody who reads: one that no project of theirs may use, and in which nothing of theirs runs, is as if
/// it were missing.
pub struct Readable<'a, K> {
    /// Its name or id.
    pub key: K,
    /// Who reads.
    pub reader: &'a Actor,
}

impl<K: Key<Resource = Environment>> Key for Readable<'_, K> {
    type Resource = Environment;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Environment>> {
        let Some(found) = self.key.find(tx).await? else { return Ok(None) };
        let (condition, mut arguments) = readable(self.reader.account()?);
        arguments.push(found.id.into());
        let sql = format!("SELECT {COLUMNS} FROM environments e WHERE {condition} AND e.id = ${}", arguments.len());
        tx.opt(sql, arguments, environment).await
    }
}

/// The condition under which this account may know of an environment `e`, over its arguments.
pub(crate) fn readable(account: &Account) -> (String, Vec<Value>) {
    let (theirs, arguments) = match (account.operator, account.robot) {
        (_, Some(project)) => ("= $1", args![project]),
        (true, None) => return ("e.removed_at IS NULL".to_owned(), Vec::new()),
        (false, None) => ("IN (SELECT m.project_id FROM members m WHERE m.user_id = $1)", args![account.id]),
    };
    let condition = format!(
        "e.removed_at IS NULL AND (e.open_to_all
         OR EXISTS (SELECT 1 FROM environment_projects g WHERE g.environment_id = e.id AND g.project_id {theirs})
         OR EXISTS (SELECT 1 FROM desired d JOIN services s ON s.id = d.service_id
                    WHERE d.environment_id = e.id AND s.deleted_at IS NULL AND s.project_id {theirs}))"
    );
    (condition, arguments)
}

fn environment(row: &Row<'_>) -> Result<Environment> {
    Ok(Environment {
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        registry_address: row.get("registry_address")?,
        configured: row.get("configured")?,
        protected: row.get("protected")?,
        second_person: row.get("second_person")?,
        frozen: freeze::of(row)?,
        open: row.get("open_to_all")?,
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
    let sql = "INSERT INTO environments (id, name, description, registry_address, created_at, configured, open_to_all)
               VALUES ($1, 'local', $2, $3, $4, TRUE, TRUE)
               ON CONFLICT (name) DO UPDATE SET registry_address = excluded.registry_address, configured = TRUE RETURNING id";
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
    let mut hosts = hosts.map(|json| json.0).unwrap_or_default();
    let sql = "SELECT DISTINCT registry_address FROM environments WHERE removed_at IS NULL LIMIT 200";
    hosts.extend(tx.all(sql, args![], |row| row.get::<String>("registry_address")).await?.into_iter().map(|host| host.to_ascii_lowercase()));
    Ok(hosts)
}

/// True of an environment `e` that the project `$1` may use.
const GRANTED: &str = "(e.open_to_all OR EXISTS (SELECT 1 FROM environment_projects g WHERE g.environment_id = e.id AND g.project_id = $1))";

/// The environment that a verb means: the named one, or the only one, of those that the project may use.
pub(crate) async fn choose(tx: &mut Tx, project: ProjectId, name: Option<&EnvironmentName>) -> Result<Environment> {
    pick(usable(tx, GRANTED, args![project]).await?, name)
}

/// The same for what only reads or ends: also where something of the service was brought before the project lost the grant. Without a name it is
/// the only one that the service was brought into, if there is one.
pub(crate) async fn choose_for(tx: &mut Tx, service: &Service, name: Option<&EnvironmentName>) -> Result<Environment> {
    if name.is_none() {
        let brought = "EXISTS (SELECT 1 FROM desired d WHERE d.environment_id = e.id AND d.service_id = $1)";
        let mut found = usable(tx, brought, args![service.id]).await?;
        if found.len() == 1 {
            return Ok(found.remove(0));
        }
    }
    let condition = format!("({GRANTED} OR EXISTS (SELECT 1 FROM desired d WHERE d.environment_id = e.id AND d.service_id = $2))");
    pick(usable(tx, &condition, args![service.project.id, service.id]).await?, name)
}

/// True of an environment `e` of which the project `$1` has a configuration: it may use it, or something of it was brought there.
const CONFIGURED: &str = "(e.open_to_all OR EXISTS (SELECT 1 FROM environment_projects g WHERE g.environment_id = e.id AND g.project_id = $1)
    OR EXISTS (SELECT 1 FROM desired d JOIN services s ON s.id = d.service_id
               WHERE d.environment_id = e.id AND s.deleted_at IS NULL AND s.project_id = $1))";

/// The environment whose configuration of the project is meant.
pub(crate) async fn choose_configured(tx: &mut Tx, project: ProjectId, name: &EnvironmentName) -> Result<Environment> {
    pick(configured_for(tx, project).await?, Some(name))
}

/// Every environment of which the project has a configuration.
pub(crate) async fn configured_for(tx: &mut Tx, project: ProjectId) -> Result<Vec<Environment>> {
    usable(tx, CONFIGURED, args![project]).await
}

/// Every environment that the project may use now.
pub(crate) async fn granted_to(tx: &mut Tx, project: ProjectId) -> Result<Vec<Environment>> {
    usable(tx, GRANTED, args![project]).await
}

/// An environment by id, if the project may use it now.
pub(crate) async fn granted(tx: &mut Tx, project: ProjectId, id: EnvironmentId) -> Result<Option<Environment>> {
    Ok(usable(tx, &format!("{GRANTED} AND e.id = $2"), args![project, id]).await?.pop())
}

async fn usable(tx: &mut Tx, condition: &str, arguments: Vec<Value>) -> Result<Vec<Environment>> {
    let sql = format!("SELECT {COLUMNS} FROM environments e WHERE e.removed_at IS NULL AND {condition} ORDER BY e.name LIMIT {MOST}");
    tx.all(sql, arguments, environment).await
}

fn pick(mut all: Vec<Environment>, name: Option<&EnvironmentName>) -> Result<Environment> {
    let names = all.iter().map(|environment| environment.name.as_str()).collect::<Vec<_>>().join(", ");
    match name {
        _ if all.is_empty() => Err(Error::invalid("environment", "no environment is open to this project; an operator can grant it one")),
        Some(name) => match all.into_iter().find(|environment| environment.name == *name) {
            Some(found) => Ok(found),
            None => Err(Error::invalid("environment", format!("there is no environment {name}; there are: {names}"))),
        },
        None if all.len() == 1 => Ok(all.remove(0)),
        None => Err(Error::invalid("environment", format!("name the environment, one of: {names}"))),
    }
}

/// The environments that the caller may know of, with their machines. Addresses of engines are shown to operators alone.
pub async fn list(platform: &Platform, may: &May<can::SeeEnvironments, Site>) -> Result<Vec<EnvironmentView>> {
    let account = may.actor().account()?;
    let (condition, arguments) = readable(account);
    let mut tx = platform.read().await?;
    let sql = format!("SELECT {COLUMNS} FROM environments e WHERE {condition} ORDER BY e.name LIMIT {MOST}");
    let all = tx.all(sql, arguments, environment).await?;
    views(&mut tx, all, account.operator).await
}

/// The environments that a service's project may use: where it can be deployed.
pub async fn for_service(platform: &Platform, may: &May<can::Deploy, Service>) -> Result<Vec<EnvironmentView>> {
    let mut tx = platform.read().await?;
    let all = usable(&mut tx, GRANTED, args![may.project.id]).await?;
    views(&mut tx, all, may.actor().account()?.operator).await
}

/// One environment with its machines.
pub async fn get(platform: &Platform, may: &May<can::SeeEnvironments, Environment>) -> Result<EnvironmentView> {
    let mut tx = platform.read().await?;
    view(&mut tx, (**may).clone(), may.actor().account()?.operator).await
}

async fn views(tx: &mut Tx, all: Vec<Environment>, operator: bool) -> Result<Vec<EnvironmentView>> {
    let mut views = Vec::with_capacity(all.len());
    for environment in all {
        views.push(view(tx, environment, operator).await?);
    }
    Ok(views)
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
    let projects = if operator && !environment.open { Some(projects(tx, environment.id).await?) } else { None };
    Ok(EnvironmentView {
        id: environment.id,
        name: environment.name,
        description: environment.description,
        state,
        message: if up { None } else { worst.and_then(|machine| machine.message.clone()) },
        registry_address: operator.then_some(environment.registry_address),
        protected: environment.protected,
        second_person: environment.second_person,
        frozen: environment.frozen,
        open: environment.open,
        projects,
        configured: environment.configured,
        machines,
    })
}

/// The projects that an environment is granted to by name.
async fn projects(tx: &mut Tx, environment: EnvironmentId) -> Result<Vec<ProjectName>> {
    let sql = "SELECT p.name FROM environment_projects g JOIN projects p ON p.id = g.project_id
               WHERE g.environment_id = $1 AND p.deleted_at IS NULL ORDER BY p.name LIMIT 5000";
    tx.all(sql, args![environment], |row| row.get("name")).await
}

/// What a removed environment or machine is called from then on: its history names it so, and its name is free.
pub(crate) fn tomb(name: &str, id: &str) -> String {
    let stem: String = name.chars().take(24).collect();
    let last: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{}-removed-{}", stem.trim_end_matches('-'), &last[last.len().saturating_sub(6)..])
}

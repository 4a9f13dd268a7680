//! What operators do with environments: add, change and remove them, and grant them to projects. An environment in which something is
//! deployed is not removed. Never touches an engine.

use model::ids::{EnvironmentId, ProjectId};
use model::names::{EnvironmentName, ProjectName};
use model::problem::FieldError;
use model::views::environments::EnvironmentView;

use super::{COLUMNS, Environment, environment, tomb, view};
use crate::access::{May, Site, can};
use crate::args;
use crate::change::{Change, Record};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;

/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 500;
/// Most environments of a site.
const MOST: i64 = 100;
/// Most services that a refusal names.
const NAMED: i64 = 6;

/// What an environment should be like.
#[derive(Clone, Debug)]
pub struct EnvironmentOrder {
    /// What it is for.
    pub description: String,
    /// How its engines reach the embedded registry: host and port. None: as it is; needed for a new one.
    pub registry_address: Option<String>,
    /// Whether deployments wait there for an approval.
    pub protected: bool,
    /// Whether somebody else than who asked must approve them.
    pub second_person: bool,
    /// Whether every project may use it.
    pub open: bool,
    /// The projects that may use it where not every one may.
    pub projects: Vec<ProjectName>,
}

impl EnvironmentOrder {
    fn check(&self) -> Result<()> {
        let mut errors = Vec::new();
        if self.description.chars().count() > DESCRIPTION_MAX || self.description.contains('\0') {
            errors.push(FieldError::new("description", format!("at most {DESCRIPTION_MAX} characters")));
        }
        if self.registry_address.as_deref().is_some_and(|address| !is_place(address)) {
            errors.push(FieldError::new("registry_address", "write the host and port by which its engines reach this portal, like 10.0.0.5:3000"));
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
    }
}

/// Whether a text can be the host of an image's name: `host`, `host:port`, `[::1]:port`.
fn is_place(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match inner {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= 253 && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')),
    };
    // Without a dot or a port, an engine would take it for a part of an image's path.
    good && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0)) && (port.is_some() || host.contains('.'))
}

/// Adds an environment, or changes the one of that name. Answers whether it is a new one.
pub async fn put(
    platform: &Platform,
    may: &May<can::ManageEnvironments, Site>,
    name: &EnvironmentName,
    order: &EnvironmentOrder,
) -> Result<(EnvironmentView, bool)> {
    order.check()?;
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("environments").await?;
    let sql = format!("SELECT {COLUMNS} FROM environments e WHERE e.name = $1 AND e.removed_at IS NULL");
    let found = change.opt(sql.clone(), args![name], environment).await?;
    let id = match &found {
        Some(found) => alter(&mut change, found, order).await?,
        None => add(&mut change, platform, name, order).await?,
    };
    grant(&mut change, id, order).await?;
    change.touch(Topic::Environment(id));
    change.wake(Signal::Machines);
    let now = change.one(sql, args![name], environment).await?;
    let action = if found.is_some() { "environment.update" } else { "environment.create" };
    let detail = serde_json::json!({
        "registry_address": now.registry_address, "protected": order.protected, "second_person": order.second_person,
        "projects": if order.open { serde_json::json!("all") } else { serde_json::json!(order.projects) },
    });
    let view = view(&mut change, now, true).await?;
    change.commit(Record::new(action, "environment", name).detail(detail)).await?;
    Ok((view, found.is_none()))
}

async fn alter(change: &mut Change, found: &Environment, order: &EnvironmentOrder) -> Result<EnvironmentId> {
    let address = order.registry_address.as_ref().unwrap_or(&found.registry_address);
    if found.configured && *address != found.registry_address {
        let text = format!("{} is set up from the portal's configuration, and so is its registry address", found.name);
        return Err(Error::invalid("registry_address", text));
    }
    let sql = "UPDATE environments SET description = $2, registry_address = $3, protected = $4, open_to_all = $5, second_person = $6 WHERE id = $1";
    change.exec(sql, args![found.id, order.description.trim(), address, order.protected, order.open, order.second_person]).await?;
    Ok(found.id)
}

async fn add(change: &mut Change, platform: &Platform, name: &EnvironmentName, order: &EnvironmentOrder) -> Result<EnvironmentId> {
    let Some(address) = &order.registry_address else {
        return Err(Error::invalid("registry_address", "say by which host and port its engines reach this portal, like 10.0.0.5:3000"));
    };
    let count: i64 = change.one("SELECT COUNT(*) AS n FROM environments WHERE removed_at IS NULL", args![], |row| row.get("n")).await?;
    if count >= MOST {
        return Err(Error::conflict("too_many_environments", format!("a portal has at most {MOST} environments")));
    }
    let id: EnvironmentId = platform.new_id();
    let sql = "INSERT INTO environments (id, name, description, registry_address, protected, open_to_all, second_person, configured, created_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE, $8)";
    change.exec(sql, args![id, name, order.description.trim(), address, order.protected, order.open, order.second_person, platform.now()]).await?;
    Ok(id)
}

/// Writes down which projects may use it; an unknown one is a mistake. What runs there runs on when a grant is taken away.
async fn grant(change: &mut Change, id: EnvironmentId, order: &EnvironmentOrder) -> Result<()> {
    change.exec("DELETE FROM environment_projects WHERE environment_id = $1", args![id]).await?;
    if order.open {
        return Ok(());
    }
    for name in &order.projects {
        let sql = "SELECT id FROM projects WHERE name = $1 AND deleted_at IS NULL";
        let project: Option<ProjectId> = change.opt(sql, args![name], |row| row.get("id")).await?;
        let Some(project) = project else { return Err(Error::invalid("projects", format!("there is no project {name}"))) };
        let sql = "INSERT INTO environment_projects (environment_id, project_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        change.exec(sql, args![id, project]).await?;
    }
    Ok(())
}

/// Removes an environment in which nothing is deployed, and with it its machines and what was configured for it alone. Its history stays, under a
/// name that says so.
pub async fn remove(platform: &Platform, may: &May<can::ManageEnvironments, Environment>) -> Result<()> {
    if may.configured {
        let text = format!("{} is set up from the portal's configuration at each start; it cannot be removed", may.name);
        return Err(Error::conflict("environment_configured", text));
    }
    let mut change = platform.change(may.actor()).await?;
    change.lock_key("environments").await?;
    let now = platform.now();
    // First, so that a deployment that begins meanwhile is either seen below or sees this.
    let sql = "UPDATE environments SET removed_at = $2, name = $3 WHERE id = $1 AND removed_at IS NULL";
    if change.exec(sql, args![may.id, now, tomb(may.name.as_str(), &may.id.to_string())]).await? == 0 {
        return Err(Error::NotFound { what: "environment" });
    }
    let deployed = deployed(&mut change, may.id).await?;
    if !deployed.is_empty() {
        let named = deployed.iter().take(NAMED as usize - 1).cloned().collect::<Vec<_>>().join(", ");
        let more = if deployed.len() >= NAMED as usize { " and others" } else { "" };
        let text = format!("{} cannot be removed: {named}{more} are deployed there; stop or delete them first", may.name);
        return Err(Error::conflict("environment_in_use", text));
    }
    // What ended there is not looked into any more.
    let of_machines = "machine_id IN (SELECT id FROM machines WHERE environment_id = $1)";
    change.exec(format!("DELETE FROM ports WHERE {of_machines}"), args![may.id]).await?;
    change.exec(format!("UPDATE tasks SET removed_at = $2 WHERE removed_at IS NULL AND {of_machines}"), args![may.id, now]).await?;
    for table in ["desired", "networks", "environment_projects", "hooks", "push_rules"] {
        change.exec(format!("DELETE FROM {table} WHERE environment_id = $1"), args![may.id]).await?;
    }
    let sql = "SELECT id, name FROM machines WHERE environment_id = $1 AND removed_at IS NULL";
    let machines: Vec<(model::ids::MachineId, String)> = change.all(sql, args![may.id], |row| Ok((row.get("id")?, row.get("name")?))).await?;
    for (id, name) in machines {
        crate::machines::bury(&mut change, platform, id, &name).await?;
    }
    crate::configs::forget_environment(&mut change, may.id).await?;
    change.access_changed();
    change.touch(Topic::Environment(may.id));
    change.wake(Signal::Machines);
    change.commit(Record::new("environment.delete", "environment", &may.name)).await
}

/// What keeps an environment: services that run or are about to, or of which a container lives.
async fn deployed(change: &mut Change, id: EnvironmentId) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT p.name AS project, s.name AS service FROM services s JOIN projects p ON p.id = s.project_id WHERE
        (s.deleted_at IS NULL AND EXISTS (SELECT 1 FROM desired d WHERE d.service_id = s.id AND d.environment_id = $1
            AND d.state = 'running' AND d.revision_id IS NOT NULL))
        OR EXISTS (SELECT 1 FROM deployments a WHERE a.service_id = s.id AND a.environment_id = $1 AND a.finished_at IS NULL)
        OR EXISTS (SELECT 1 FROM tasks t WHERE t.service_id = s.id AND t.environment_id = $1 AND t.ended_at IS NULL)
        ORDER BY p.name, s.name LIMIT $2";
    change.all(sql, args![id, NAMED], |row| Ok(format!("{}/{}", row.get::<String>("project")?, row.get::<String>("service")?))).await
}

#[cfg(test)]
mod tests {
    use super::is_place;

    #[test]
    fn what_engines_can_name_a_registry_by() {
        for good in ["10.0.0.5:3000", "registry.lan:5000", "slipway.example.com", "[fd00::1]:3000", "localhost:3000"] {
            assert!(is_place(good), "{good}");
        }
        for bad in ["", "registry", "http://a:1", "a.b/c", "a.b:0", "a.b:x", ":3000", "a b.c:1", "[x]:1", "a.b:70000"] {
            assert!(!is_place(bad), "{bad}");
        }
    }
}

//! What the database says of all that rules are about: services where they run, their last deployments, machines. A few statements for a look,
//! however many rules there are.

use std::collections::HashMap;
use std::time::Duration;

use metrics::Key;
use model::alerts::{Of, Rule};
use model::ids::{AlertRuleId, DeploymentId, EnvironmentId, MachineId, ProjectId, ServiceId};
use model::time::Millis;
use model::views::alerts::{ChangedView, SubjectView};
use model::views::deployments::DeploymentState;
use model::views::environments::MachineState;
use model::views::services::DesiredState;

use crate::args;
use crate::db::{Json, Row, Tx};
use crate::deployments::work::REST;
use crate::error::Result;

/// Most machines that are looked at.
const MOST: i64 = 20_000;
/// Rows that are read at a time. All are read: whoever has many must not keep others from being looked at.
const AT_ONCE: usize = 5_000;
/// A deployment that failed is told of for so long, if no other follows.
const RECENT: Duration = Duration::from_secs(86_400);

/// What a rule is about: its ids and its names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thing {
    pub project: Option<ProjectId>,
    pub service: Option<ServiceId>,
    pub environment: EnvironmentId,
    pub machine: Option<MachineId>,
    pub names: SubjectView,
    /// The stream of its samples.
    pub key: Key,
}

/// A service where it runs.
pub(super) struct Runs {
    pub thing: Thing,
    pub running: bool,
    pub crashes: Option<Crashes>,
    pub unhealthy: i64,
    pub tasks: i64,
    /// Since when one of its tasks runs on a machine that answers.
    pub running_since: Option<Millis>,
    pub ended: Option<Ended>,
}

/// Tasks that fail again and again.
pub(super) struct Crashes {
    pub times: i64,
    pub why: String,
}

/// The last deployment that came to an end.
pub(super) struct Ended {
    pub id: DeploymentId,
    pub state: DeploymentState,
    pub why: String,
    pub revision: i64,
    pub by: String,
}

/// A machine.
pub(super) struct Host {
    pub thing: Thing,
    pub state: MachineState,
    pub since: Option<Millis>,
    /// When it was added, where it never answered since.
    pub awaited_since: Option<Millis>,
    /// When the first certificate ends that it is reached with: the authority's, the portal's own, the engine's.
    pub certificate_ends: Option<Millis>,
}

/// Everything.
pub(super) struct World {
    /// When the portal began to look: of the time before it knows nothing.
    pub started: Millis,
    pub services: Vec<Runs>,
    pub machines: Vec<Host>,
}

/// A rule, with whose it is.
pub(super) struct Kept {
    pub id: AlertRuleId,
    pub project: Option<ProjectId>,
    pub rule: Rule,
    /// Of how many things more it was found to hold than it may have alerts.
    pub left_out: i64,
}

impl Kept {
    /// Whether it is about this.
    pub fn is_about(&self, thing: &Thing) -> bool {
        let of = if thing.service.is_some() { Of::Services } else { Of::Machines };
        self.rule.of == of
            && (self.project.is_none() || self.project == thing.project)
            && self.rule.service.as_ref().is_none_or(|service| service.as_str() == thing.names.service)
            && self.rule.environment.as_ref().is_none_or(|environment| environment.as_str() == thing.names.environment)
    }
}

/// The rules that are looked at: the site's and those of projects that are there.
pub(super) async fn rules(tx: &mut Tx) -> Result<Vec<Kept>> {
    let sql = "SELECT r.id, r.project_id, r.rule, r.left_out FROM alert_rules r LEFT JOIN projects p ON p.id = r.project_id
               WHERE (r.project_id IS NULL OR p.deleted_at IS NULL) AND r.id > $1 ORDER BY r.id LIMIT $2";
    let mut all: Vec<Kept> = Vec::new();
    loop {
        let last = all.last().map(|kept| kept.id.to_string()).unwrap_or_default();
        let page = tx.all(sql, args![last, AT_ONCE as i64], kept).await?;
        let is_last = page.len() < AT_ONCE;
        all.extend(page);
        if is_last {
            break;
        }
    }
    all.retain(|kept| kept.rule.enabled);
    Ok(all)
}

fn kept(row: &Row<'_>) -> Result<Kept> {
    let rule = row.get::<Json<Rule>>("rule")?.0;
    Ok(Kept { id: row.get("id")?, project: row.get("project_id")?, rule, left_out: row.get("left_out")? })
}

/// Looks at everything.
pub(super) async fn look(tx: &mut Tx, platform: &crate::Platform, now: Millis) -> Result<World> {
    let mut services = services(tx, now).await?;
    let mut ended = ended(tx, now).await?;
    for runs in &mut services {
        if let Some(service) = runs.thing.service {
            runs.ended = ended.remove(&(service, runs.thing.environment));
        }
    }
    Ok(World { started: platform.counters().started, services, machines: machines(tx, platform).await? })
}

async fn services(tx: &mut Tx, now: Millis) -> Result<Vec<Runs>> {
    let sql = "SELECT s.project_id, p.name AS project, d.service_id, s.name AS service, d.environment_id, e.name AS environment, d.state,
        (SELECT f.times FROM failures f WHERE f.service_id = d.service_id AND f.environment_id = d.environment_id AND f.times >= 3
            AND f.last_at > $1 ORDER BY f.last_at DESC LIMIT 1) AS crashes,
        (SELECT f.message FROM failures f WHERE f.service_id = d.service_id AND f.environment_id = d.environment_id AND f.times >= 3
            AND f.last_at > $1 ORDER BY f.last_at DESC LIMIT 1) AS crashed_why,
        (SELECT COUNT(*) FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND t.ended_at IS NULL
            AND t.health = 'unhealthy') AS unhealthy,
        (SELECT COUNT(*) FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND t.ended_at IS NULL) AS tasks,
        (SELECT MIN(CASE WHEN m.since > t.started_at THEN m.since ELSE t.started_at END) FROM tasks t JOIN machines m ON m.id = t.machine_id
            WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND t.ended_at IS NULL AND t.state = 'running'
            AND m.state = 'up') AS running_since
        FROM desired d JOIN services s ON s.id = d.service_id JOIN projects p ON p.id = s.project_id JOIN environments e ON e.id = d.environment_id
        WHERE s.deleted_at IS NULL AND p.deleted_at IS NULL AND (d.service_id, d.environment_id) > ($3, $4)
        ORDER BY d.service_id, d.environment_id LIMIT $2";
    let mut all: Vec<Runs> = Vec::new();
    loop {
        let last = all.last().map(|runs| (runs.thing.service.map(|id| id.to_string()).unwrap_or_default(), runs.thing.environment.to_string()));
        let (service, environment) = last.unwrap_or_default();
        let page = tx.all(sql, args![now.minus(REST), AT_ONCE as i64, service, environment], runs).await?;
        let is_last = page.len() < AT_ONCE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn runs(row: &Row<'_>) -> Result<Runs> {
    let (project, service, environment): (ProjectId, ServiceId, EnvironmentId) =
        (row.get("project_id")?, row.get("service_id")?, row.get("environment_id")?);
    let names =
        SubjectView { project: row.get("project")?, service: row.get("service")?, environment: row.get("environment")?, ..SubjectView::default() };
    let crashes: Option<i64> = row.get("crashes")?;
    let why: Option<String> = row.get("crashed_why")?;
    Ok(Runs {
        thing: Thing {
            project: Some(project),
            service: Some(service),
            environment,
            machine: None,
            names,
            key: Key::Service { project, service, environment },
        },
        running: row.get::<DesiredState>("state")? == DesiredState::Running,
        crashes: crashes.map(|times| Crashes { times, why: why.unwrap_or_default() }),
        unhealthy: row.get("unhealthy")?,
        tasks: row.get("tasks")?,
        running_since: row.get("running_since")?,
        ended: None,
    })
}

/// The newest deployment of each service in each environment that came to an end lately, but for those that somebody stopped.
async fn ended(tx: &mut Tx, now: Millis) -> Result<HashMap<(ServiceId, EnvironmentId), Ended>> {
    let sql = "SELECT d.service_id, d.environment_id, d.id, d.state, d.reason_message, d.created_by, r.number FROM deployments d
               JOIN revisions r ON r.id = d.revision_id
               WHERE d.id > $1 AND d.finished_at > $2 AND d.state IN ('succeeded', 'failed', 'rolled_back')
               AND NOT EXISTS (SELECT 1 FROM deployments n WHERE n.service_id = d.service_id AND n.environment_id = d.environment_id AND n.id > d.id
                   AND n.finished_at > $2 AND n.state IN ('succeeded', 'failed', 'rolled_back'))
               ORDER BY d.id LIMIT $3";
    let since = now.minus(RECENT);
    let mut last = first_id(since.minus(RECENT));
    let mut newest = HashMap::new();
    loop {
        let page = tx.all(sql, args![&last, since, AT_ONCE as i64], ended_one).await?;
        let is_last = page.len() < AT_ONCE;
        if let Some((_, ended)) = page.last() {
            last = ended.id.to_string();
        }
        newest.extend(page);
        if is_last {
            return Ok(newest);
        }
    }
}

fn ended_one(row: &Row<'_>) -> Result<((ServiceId, EnvironmentId), Ended)> {
    let ended = Ended {
        id: row.get("id")?,
        state: row.get("state")?,
        why: row.get::<Option<String>>("reason_message")?.unwrap_or_default(),
        revision: row.get("number")?,
        by: row.get("created_by")?,
    };
    Ok(((row.get("service_id")?, row.get("environment_id")?), ended))
}

/// What sorts before the ids that were made from then on: they begin with their time.
fn first_id(at: Millis) -> String {
    let digits = format!("{:012x}", at.0.max(0));
    format!("{}-{}", &digits[..8], &digits[8..])
}

async fn machines(tx: &mut Tx, platform: &crate::Platform) -> Result<Vec<Host>> {
    let sql = "SELECT m.id, m.name, m.environment_id, e.name AS environment, m.state, m.since, m.version, m.created_at,
               m.certificate_ends, m.secrets FROM machines m
               JOIN environments e ON e.id = m.environment_id WHERE m.removed_at IS NULL ORDER BY m.id LIMIT $1";
    let host = |row: &Row<'_>| {
        let id: MachineId = row.get("id")?;
        let names = SubjectView { machine: row.get("name")?, environment: row.get("environment")?, ..SubjectView::default() };
        let secrets: Option<Vec<u8>> = row.get("secrets")?;
        let texts = secrets.filter(|sealed| !sealed.is_empty()).map(|sealed| crate::machines::certificates(platform, id, &sealed));
        let kept = texts.unwrap_or_default();
        let kept = kept.iter().filter_map(|pem| super::certificate::earliest_end(pem));
        let ends = kept.chain(row.get::<Option<Millis>>("certificate_ends")?).min();
        let environment = row.get("environment_id")?;
        let version: Option<String> = row.get("version")?;
        Ok(Host {
            thing: Thing { project: None, service: None, environment, machine: Some(id), names, key: Key::Machine(id) },
            state: row.get("state")?,
            since: row.get("since")?,
            awaited_since: if version.is_none() { Some(row.get("created_at")?) } else { None },
            certificate_ends: ends,
        })
    };
    tx.all(sql, args![MOST], host).await
}

/// The last deployment of a service in an environment that began: maybe why something is wrong.
pub(super) async fn changed(tx: &mut Tx, thing: &Thing) -> Result<Option<ChangedView>> {
    let Some(service) = thing.service else { return Ok(None) };
    let sql = "SELECT d.id, d.kind, d.created_by, d.started_at, r.number FROM deployments d JOIN revisions r ON r.id = d.revision_id
               WHERE d.service_id = $1 AND d.environment_id = $2 AND d.started_at IS NOT NULL ORDER BY d.id DESC LIMIT 1";
    let view = |row: &Row<'_>| {
        Ok(ChangedView {
            deployment: row.get("id")?,
            kind: row.get("kind")?,
            revision: row.get("number")?,
            by: row.get("created_by")?,
            at: row.get("started_at")?,
        })
    };
    tx.opt(sql, args![service, thing.environment], view).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_from_then_on_sort_behind() {
        let at = Millis(1_795_166_400_000);
        let id = uuid::Builder::from_unix_timestamp_millis(1_795_166_400_000, &[0; 10]).into_uuid().to_string();
        assert!(first_id(at) < id && first_id(Millis(at.0 + 1)) > id);
    }
}

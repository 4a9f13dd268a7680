//! Which services run with a place's configuration, and which of them run with an older one than they would get today.

use model::descriptor::Descriptor;
use model::ids::{EnvironmentId, ServiceId};
use model::names::{EnvironmentName, ServiceName};
use model::time::Millis;
use model::views::configs::UseView;
use model::views::services::DesiredState;

use super::scopes::{self, Entry};
use super::{Holder, Scope, pinned};
use crate::args;
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};

/// What should run of a service in an environment.
struct Run {
    service_id: ServiceId,
    service: ServiceName,
    environment_id: EnvironmentId,
    environment: EnvironmentName,
    revision: i64,
    descriptor: Descriptor,
    used: String,
    stopped: bool,
    frozen: bool,
}

/// The services that use an entry of this very place, or run with an older configuration.
pub(super) async fn of(tx: &mut Tx, holder: &Holder, environment: Option<&Environment>) -> Result<Vec<UseView>> {
    let service = holder.service.as_ref().map(|service| service.id);
    let runs = runs(tx, holder, environment).await?;
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let all = scopes::of_project(tx, holder.project.id, service).await?;
    let entries = scopes::entries(tx, &all).await?;
    let here = all.iter().find(|scope| scope.service == service && scope.environment == environment.map(|one| one.id)).map(|scope| scope.id);
    let uses = runs.into_iter().map(|run| {
        let effective = effective(&all, &entries, run.service_id, run.environment_id);
        UseView {
            behind: pinned::fingerprint_of(&effective, &run.descriptor) != run.used,
            uses: pinned::used_from(&effective, &run.descriptor, here),
            service: run.service,
            environment: run.environment,
            revision: run.revision,
            stopped: run.stopped,
            frozen: run.frozen,
        }
    });
    Ok(uses.filter(|one| one.behind || !one.uses.is_empty()).collect())
}

/// What a service hears in an environment, out of all that its project has.
fn effective(all: &[Scope], entries: &[Entry], service: ServiceId, environment: EnvironmentId) -> scopes::Effective {
    let heard = |scope: &&Scope| scope.service.is_none_or(|id| id == service) && scope.environment.is_none_or(|id| id == environment);
    let heard: Vec<Scope> = all.iter().filter(heard).copied().collect();
    let entries = entries.iter().filter(|entry| heard.iter().any(|scope| scope.id == entry.scope)).cloned().collect();
    scopes::effective(&heard, entries)
}

/// What should run where this place is heard; of what is on its way, the newest.
async fn runs(tx: &mut Tx, holder: &Holder, environment: Option<&Environment>) -> Result<Vec<Run>> {
    let sql = "SELECT d.service_id, s.name AS service, d.environment_id, e.name AS environment, e.frozen_at, d.state,
            r.number, r.descriptor, r.config_used
        FROM desired d JOIN services s ON s.id = d.service_id JOIN environments e ON e.id = d.environment_id
        LEFT JOIN deployments a ON a.service_id = d.service_id AND a.environment_id = d.environment_id AND a.finished_at IS NULL
            AND a.state <> 'pending'
        JOIN revisions r ON r.id = COALESCE(a.revision_id, d.revision_id)
        WHERE s.project_id = $1 AND s.deleted_at IS NULL AND ($2 IS NULL OR d.service_id = $2) AND ($3 IS NULL OR d.environment_id = $3)
        ORDER BY s.name, e.name LIMIT 2000";
    let (service, place) = (holder.service.as_ref().map(|service| service.id), environment.map(|one| one.id));
    tx.all(sql, args![holder.project.id, service, place], |row| {
        let text: String = row.get("descriptor")?;
        Ok(Run {
            service_id: row.get("service_id")?,
            service: row.get("service")?,
            environment_id: row.get("environment_id")?,
            environment: row.get("environment")?,
            revision: row.get("number")?,
            descriptor: Descriptor::from_canonical(&text).map_err(|error| Error::internal(format!("column descriptor: {error}")))?,
            used: row.get("config_used")?,
            stopped: row.get::<DesiredState>("state")? == DesiredState::Stopped,
            frozen: row.get::<Option<Millis>>("frozen_at")?.is_some(),
        })
    })
    .await
}

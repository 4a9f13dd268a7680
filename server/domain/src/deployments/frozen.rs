//! What a freeze of an environment keeps out: everything that brings something there, asked for or approved. An operator overrides it, with a reason
//! that stays with the deployment and in the audit log. Restarts, stops and what is under way are not kept from anything.

use model::access::Action;
use model::ids::DeploymentId;
use model::names::EnvironmentName;
use model::views::environments::FreezeView;

use crate::access::May;
use crate::change::{Change, Record};
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::services::Service;

/// What a freeze is, for people.
pub(super) fn says(name: &EnvironmentName, frozen: &FreezeView) -> String {
    format!("{name} is frozen by {} since {}: {}", frozen.by, frozen.at.exact(), frozen.why)
}

/// Whether something may be brought into the environment now. Answers the reason for which a freeze is overridden; none: it is not frozen.
///
/// # Errors
/// `Conflict`: it is frozen, and this caller does not override that. `Invalid`: no reason.
pub(super) fn pass<'a, P, R>(environment: &Environment, may: &May<P, R>, overrides: bool, why: &'a str) -> Result<Option<&'a str>> {
    let Some(frozen) = &environment.frozen else { return Ok(None) };
    if !overrides || !may.also(Action::ManageEnvironments) {
        let who = "nothing is brought there until it ends; an operator can override it, with a reason";
        return Err(Error::conflict("environment_frozen", format!("{}; {who}", says(&environment.name, frozen))));
    }
    let why = why.trim();
    if why.is_empty() {
        return Err(Error::invalid("why", format!("say why the freeze of {} is overridden", environment.name)));
    }
    Ok(Some(why))
}

/// Leaves the record of an override.
pub(super) async fn record(change: &mut Change, service: &Service, environment: &Environment, id: DeploymentId, why: &str) -> Result<()> {
    let detail = serde_json::json!({ "service": service.name, "deployment": id, "why": why });
    let record = Record::new("environment.override_freeze", "environment", &environment.name).project(&service.project).detail(detail);
    change.also(&record).await
}

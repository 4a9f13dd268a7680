//! What runs, with another image: what a hook asks for. It builds on what was asked for last, and not on what was asked for when it looked: a change
//! that somebody makes meanwhile is never undone by it.

use model::descriptor::Descriptor;
use model::ids::{EnvironmentId, RevisionId};
use model::names::EnvironmentName;
use model::views::deployments::DeploymentView;

use super::begin::lock;
use super::deploy::{Bringing, bring, check};
use super::verbs::running;
use super::{Request, limits};
use crate::access::{May, can};
use crate::db::Tx;
use crate::environments::{self, Environment};
use crate::error::{Error, Result};
use crate::hooks::{self, Claim};
use crate::platform::Platform;
use crate::services::Service;
use crate::templates::Origin;

/// The code of the error that says that something else was asked for meanwhile: look again.
pub(crate) const CHANGED: &str = "changed_meanwhile";

/// What the next deployment builds on.
pub(crate) struct Base {
    /// Its revision.
    pub revision: RevisionId,
    /// Where it runs.
    pub environment: EnvironmentName,
    /// What it is.
    pub descriptor: Descriptor,
    /// Whether a template made it.
    pub templated: bool,
}

/// What was asked for last of a service that is not stopped.
///
/// # Errors
/// `Conflict`: the project may not use the environment, nothing runs there, or it is stopped.
pub(crate) async fn base(platform: &Platform, may: &May<can::Deploy, Service>, environment: EnvironmentId) -> Result<Base> {
    let mut tx = platform.read().await?;
    let environment = granted(&mut tx, may, environment).await?;
    let newest = running(&mut tx, may, &environment).await?;
    let templated = newest.view.template.is_some();
    Ok(Base { revision: newest.id, environment: environment.name, descriptor: newest.descriptor, templated })
}

async fn granted(tx: &mut Tx, service: &Service, environment: EnvironmentId) -> Result<Environment> {
    let found = environments::granted(tx, service.project.id, environment).await?;
    found.ok_or_else(|| {
        let text = format!("project {} may not use this environment any more; an operator can let it", service.project.name);
        Error::conflict("environment_not_granted", text)
    })
}

/// Deploys, if what it builds on is still what was asked for last; the delivery that asked for it is answered in the same transaction.
pub(crate) async fn renew(
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    (environment, on): (EnvironmentId, RevisionId),
    request: &Request,
    origin: Option<&Origin>,
    claim: &Claim,
) -> Result<DeploymentView> {
    let source = check(platform, may, request).await?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = granted(&mut change, may, environment).await?;
    if running(&mut change, may, &environment).await?.id != on {
        return Err(Error::conflict(CHANGED, "something else was asked for meanwhile"));
    }
    let (descriptor, _) = limits::fill(&mut change, may, &request.descriptor).await?;
    let wanted = Bringing { environment: &environment, descriptor: &descriptor, source: &source, intent: &request.intent, origin };
    let (view, record) = bring(&mut change, platform, may, &wanted).await?;
    claim.settle_in(&mut change, &hooks::begun(&view)).await?;
    change.commit(record).await?;
    Ok(view)
}

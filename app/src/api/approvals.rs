//! What waits for an approval: what it would do, the answers of those who may give one, and asking again.

use leptos::prelude::*;
use model::page::Page;
use model::views::deployments::{DeploymentView, PlanView};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::deployments::may_act;
#[cfg(feature = "ssr")]
use super::parse::page;
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::can;
#[cfg(feature = "ssr")]
use domain::deployments::{self, Intent};
#[cfg(feature = "ssr")]
use model::views::deployments::DeploymentState;

/// What waits for an approval that the reader may give, of all projects; the newest first.
#[server(prefix = "/fn", endpoint = "deployments/to_approve")]
pub async fn list_to_approve(#[server(default)] after: Option<String>) -> Result<Page<DeploymentView>, ApiError> {
    let caller = caller().await?;
    Ok(deployments::to_approve(&caller.platform, &caller.actor.visible::<can::Approve>()?, &page(after)).await?)
}

/// What letting a deployment through would do now, and what changed since it was asked for; none where it does not wait.
#[server(prefix = "/fn", endpoint = "deployments/waiting")]
pub async fn plan_of_deployment(project: String, service: String, deployment: String) -> Result<Option<PlanView>, ApiError> {
    let caller = caller().await?;
    let may = may_act::<can::SeeServices>(&caller, &project, &service, &deployment).await?;
    if may.state != DeploymentState::Pending {
        return Ok(None);
    }
    Ok(Some(deployments::plan_of(&caller.platform, &may).await?))
}

/// Lets a deployment through that waits; operators also into an environment that is frozen.
#[server(prefix = "/fn", endpoint = "deployments/approve")]
pub async fn approve_deployment(
    csrf: String,
    project: String,
    service: String,
    deployment: String,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may_act::<can::Approve>(&caller, &project, &service, &deployment).await?;
    if override_freeze {
        return Ok(deployments::approve_frozen(&caller.platform, &may, &why).await?);
    }
    Ok(deployments::approve(&caller.platform, &may, &why).await?)
}

/// Sends a deployment back that waits.
#[server(prefix = "/fn", endpoint = "deployments/refuse")]
pub async fn refuse_deployment(
    csrf: String,
    project: String,
    service: String,
    deployment: String,
    #[server(default)] why: String,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may_act::<can::Approve>(&caller, &project, &service, &deployment).await?;
    Ok(deployments::refuse(&caller.platform, &may, &why).await?)
}

/// Asks again for what waits, with what is the newest now.
#[server(prefix = "/fn", endpoint = "deployments/ask_again")]
pub async fn ask_again(
    csrf: String,
    project: String,
    service: String,
    deployment: String,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may_act::<can::Deploy>(&caller, &project, &service, &deployment).await?;
    let intent = Intent { why, override_freeze, ..Intent::default() };
    let made = deployments::ask_again(&caller.platform, &may, &intent).await?;
    lead_to(&crate::urls::deployment(&project, &service, made.id));
    Ok(made)
}

//! Cloning services of a project from one environment into another.

use leptos::prelude::*;
use model::views::deployments::{ClonePlaces, ClonePlan, DeploymentView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{field, named};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::can;
#[cfg(feature = "ssr")]
use domain::deployments::{self, CloneOrder};
#[cfg(feature = "ssr")]
use model::names::{ProjectName, ServiceName};

/// What the page of cloning shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClonePage {
    /// Between which environments.
    pub places: ClonePlaces,
    /// What it would do, where both were chosen.
    pub plan: Option<ClonePlan>,
}

#[cfg(feature = "ssr")]
fn order(from: &str, to: &str, services: &str, why: String) -> Result<CloneOrder, ApiError> {
    let words = services.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let services: Result<Vec<ServiceName>, ApiError> = words.map(|word| field("services", word)).collect();
    Ok(CloneOrder { from: field("from", from)?, to: field("to", to)?, services: services?, why })
}

/// Between which environments a project's services can be cloned, and, where two are chosen, what it would do.
#[server(prefix = "/fn", endpoint = "cloning/plan")]
pub async fn plan_clone(
    project: String,
    #[server(default)] from: String,
    #[server(default)] to: String,
    #[server(default)] services: String,
) -> Result<ClonePage, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Deploy, _>(&caller.platform, &name).await?;
    let places = deployments::clone_places(&caller.platform, &may).await?;
    let plan = if from.is_empty() || to.is_empty() {
        None
    } else {
        Some(deployments::clone_plan(&caller.platform, &may, &order(&from, &to, &services, String::new())?).await?)
    };
    Ok(ClonePage { places, plan })
}

/// Brings services of a project into another environment. `services` are names; none: all that run there.
#[server(prefix = "/fn", endpoint = "cloning/begin")]
pub async fn clone_services(
    csrf: String,
    project: String,
    from: String,
    to: String,
    #[server(default)] services: String,
    #[server(default)] why: String,
) -> Result<Vec<DeploymentView>, ApiError> {
    let caller = mutating(&csrf).await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Deploy, _>(&caller.platform, &name).await?;
    let begun = deployments::clone(&caller.platform, &may, &order(&from, &to, &services, why)?).await?;
    lead_to(&crate::urls::project_page(&project, "deployments"));
    Ok(begun)
}

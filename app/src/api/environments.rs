//! Environments and their machines.

use leptos::prelude::*;
use model::views::environments::EnvironmentView;
use model::views::services::ForeignContainers;

use super::ApiError;
#[cfg(feature = "ssr")]
use super::server::caller;
#[cfg(feature = "ssr")]
use domain::access::{Site, can};

/// Every environment, with how its engines do.
#[server(prefix = "/fn", endpoint = "environments/list")]
pub async fn list_environments() -> Result<Vec<EnvironmentView>, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::SeeEnvironments, _>(&caller.platform, &Site).await?;
    Ok(domain::environments::list(&caller.platform, &may).await?)
}

/// The containers that this portal did not make.
#[server(prefix = "/fn", endpoint = "environments/foreign")]
pub async fn list_foreign() -> Result<ForeignContainers, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    Ok(domain::machines::foreign(&caller.platform, &may).await?)
}

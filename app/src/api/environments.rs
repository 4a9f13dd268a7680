//! Environments and their machines.

use leptos::prelude::*;
use model::views::environments::EnvironmentView;

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

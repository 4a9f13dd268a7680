//! Where a service is at the moment, as proxies and collectors are told at `/discovery`.

use leptos::prelude::*;
use model::views::discovery::DiscoveredService;

use super::ApiError;
#[cfg(feature = "ssr")]
use super::server::caller;
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::can;
#[cfg(feature = "ssr")]
use domain::discovery;

/// Where a service is, in each environment where something of it could be found.
#[server(prefix = "/fn", endpoint = "discovery/get")]
pub async fn discovered(project: String, service: String) -> Result<Vec<DiscoveredService>, ApiError> {
    let caller = caller().await?;
    let may = may::<can::ReadDiscovery>(&caller, &project, &service).await?;
    Ok(discovery::of_service(&caller.platform, &may).await?)
}

//! What services and machines use: figures for charts, and all of them side by side.

use leptos::prelude::*;
use model::metrics::{MetricsQuery, OverviewQuery};
use model::views::metrics::{MachineUse, MetricsView, OverviewView};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::named;
#[cfg(feature = "ssr")]
use super::server::caller;
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::metrics::{self, Detail};
#[cfg(feature = "ssr")]
use model::names::MachineName;

/// What a service used in one environment, as charts.
#[server(prefix = "/fn", endpoint = "metrics/service")]
pub async fn service_metrics(project: String, service: String, #[server(default)] query: MetricsQuery) -> Result<MetricsView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    Ok(metrics::service(&caller.platform, &may, &query, Detail::Picture).await?)
}

/// What a machine used, for those who manage it.
#[server(prefix = "/fn", endpoint = "metrics/machine")]
pub async fn machine_metrics(machine: String, #[server(default)] query: MetricsQuery) -> Result<MetricsView, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let name: MachineName = named("machine", &machine)?;
    Ok(metrics::machine(&caller.platform, &may, &name, &query, Detail::Picture).await?)
}

/// What the machines use at the moment, for those who manage them.
#[server(prefix = "/fn", endpoint = "metrics/machines")]
pub async fn machine_uses() -> Result<Vec<MachineUse>, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    Ok(metrics::machines(&caller.platform, &may).await?)
}

/// What the services that the reader may see use, and for operators the machines.
#[server(prefix = "/fn", endpoint = "metrics/overview")]
pub async fn overview_metrics(#[server(default)] query: OverviewQuery) -> Result<OverviewView, ApiError> {
    let caller = caller().await?;
    let visible = caller.actor.visible::<can::SeeServices>()?;
    Ok(metrics::overview_for(&caller.platform, &caller.actor, &visible, &query).await?)
}

//! The registry's upkeep, for operators: what its disk holds, collections, scrubs, and when they begin by themselves.

use leptos::prelude::*;
use model::views::upkeep::{RunView, StorageView};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{field, page};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::upkeep;
#[cfg(feature = "ssr")]
use model::views::upkeep::Schedule;

/// What the registry's disk holds, and the runs so far.
#[server(prefix = "/fn", endpoint = "upkeep/storage")]
pub async fn storage(#[server(default)] after: Option<String>) -> Result<StorageView, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::MaintainRegistry, _>(&caller.platform, &Site).await?;
    Ok(upkeep::storage(&caller.platform, &may, &page(after)).await?)
}

/// Begins a collection or a scrub.
#[server(prefix = "/fn", endpoint = "upkeep/run")]
pub async fn run(csrf: String, kind: String, #[server(default)] dry_run: bool) -> Result<RunView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::MaintainRegistry, _>(&caller.platform, &Site).await?;
    Ok(upkeep::ask(&caller.platform, &may, field("kind", &kind)?, dry_run).await?)
}

/// Stops a run; what it did stays done.
#[server(prefix = "/fn", endpoint = "upkeep/cancel")]
pub async fn cancel_run(csrf: String, run: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::MaintainRegistry, _>(&caller.platform, &Site).await?;
    Ok(upkeep::cancel(&caller.platform, &may, field("run", &run)?).await?)
}

/// Sets when runs begin by themselves. 0 is what the form sends for "by hand alone".
#[server(prefix = "/fn", endpoint = "upkeep/schedule")]
pub async fn set_schedule(
    csrf: String,
    #[server(default)] collect_hours: Option<u32>,
    #[server(default)] scrub_days: Option<u32>,
    scrub_rate: u32,
) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::MaintainRegistry, _>(&caller.platform, &Site).await?;
    let by_itself = |value: Option<u32>| value.filter(|value| *value > 0);
    let wanted = Schedule { collect_hours: by_itself(collect_hours), scrub_days: by_itself(scrub_days), scrub_rate };
    Ok(upkeep::set_schedule(&caller.platform, &may, wanted).await?)
}

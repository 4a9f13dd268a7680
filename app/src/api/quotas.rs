//! How much projects may keep.

use leptos::prelude::*;
use model::views::quotas::{QuotaView, QuotasView};
use model::views::upkeep::WaitingView;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::quotas::{self, Wanted};
#[cfg(feature = "ssr")]
use model::names::ProjectName;
#[cfg(feature = "ssr")]
use model::quantity::Memory;

/// A project's quota, and whether the reader sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaPage {
    /// The quota.
    pub quota: QuotaView,
    /// Of what is kept that which no image needs any more; a collection gives it back. Told where it was asked for.
    pub waiting: Option<WaitingView>,
    /// Whether the reader may set it.
    pub may_set: bool,
}

/// What an empty field leaves out is no limit.
#[cfg(feature = "ssr")]
fn wanted(bytes: &str, tags: &str) -> Result<Wanted, ApiError> {
    let bytes = match bytes.trim() {
        "" => None,
        text => {
            let size: Memory = field("bytes", text)?;
            Some(i64::try_from(size.bytes()).map_err(|_| ApiError::from(domain::Error::invalid("bytes", "that is more than any disk has")))?)
        }
    };
    let tags = match tags.trim() {
        "" => None,
        text => Some(text.parse().map_err(|_| ApiError::from(domain::Error::invalid("tags", "a whole number, or nothing for no limit")))?),
    };
    Ok(Wanted { bytes: Some(bytes), tags: Some(tags) })
}

/// A project's quota.
#[server(prefix = "/fn", endpoint = "quotas/get")]
pub async fn get_quota(project: String, #[server(default)] waiting: bool) -> Result<QuotaPage, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Push, _>(&caller.platform, &name).await?;
    let waiting = if waiting { Some(quotas::waiting(&caller.platform, &may).await?) } else { None };
    Ok(QuotaPage { quota: quotas::get(&caller.platform, &may).await?, waiting, may_set: quotas::may_set(&may) })
}

/// Sets a project's limits.
#[server(prefix = "/fn", endpoint = "quotas/set")]
pub async fn set_quota(
    csrf: String,
    project: String,
    #[server(default)] bytes: String,
    #[server(default)] tags: String,
) -> Result<QuotaView, ApiError> {
    let caller = mutating(&csrf).await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::SetQuotas, _>(&caller.platform, &name).await?;
    Ok(quotas::set(&caller.platform, &may, wanted(&bytes, &tags)?).await?)
}

/// Every project by what it keeps.
#[server(prefix = "/fn", endpoint = "quotas/list")]
pub async fn list_quotas(#[server(default)] after: Option<String>) -> Result<QuotasView, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::SetQuotas, _>(&caller.platform, &Site).await?;
    Ok(quotas::list(&caller.platform, &may, &page(after)).await?)
}

/// Sets what new projects may keep.
#[server(prefix = "/fn", endpoint = "quotas/set_default")]
pub async fn set_default_quota(csrf: String, #[server(default)] bytes: String, #[server(default)] tags: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::SetQuotas, _>(&caller.platform, &Site).await?;
    quotas::set_default(&caller.platform, &may, wanted(&bytes, &tags)?).await?;
    Ok(())
}

//! What projects used, month by month, and what it costs.

use leptos::prelude::*;
use model::usage::Prices;
use model::views::usage::{ProjectUsage, SiteUsage};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::usage;
#[cfg(feature = "ssr")]
use model::names::ProjectName;
#[cfg(feature = "ssr")]
use model::usage::{Measure, UsageOrder};

/// Every project's usage, and whether the reader sets prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteUsagePage {
    /// The report.
    pub usage: SiteUsage,
    /// The prices that hold now.
    pub current: Prices,
    /// Whether the reader may set them.
    pub may_set: bool,
}

/// Prices as a form sends them: texts, of which an empty one is no price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceForm {
    /// The currency, like `EUR`.
    pub currency: String,
    /// Of an hour of a processor that was used.
    pub cpu_hours: String,
    /// Of one that was reserved.
    pub cpu_hours_reserved: String,
    /// Of a GiB of memory for an hour, used.
    pub memory_gib_hours: String,
    /// The same, reserved.
    pub memory_gib_hours_reserved: String,
    /// Of a GiB of images for a day.
    pub image_gib_days: String,
    /// Of a GiB of logs for a day.
    pub log_gib_days: String,
    /// Of a GiB in volumes for a day.
    pub volume_gib_days: String,
    /// Of a GiB received.
    pub received_gib: String,
    /// Of a GiB sent.
    pub sent_gib: String,
}

#[cfg(feature = "ssr")]
impl PriceForm {
    fn text(&self, measure: Measure) -> &str {
        match measure {
            Measure::CpuUsed => &self.cpu_hours,
            Measure::CpuReserved => &self.cpu_hours_reserved,
            Measure::MemoryUsed => &self.memory_gib_hours,
            Measure::MemoryReserved => &self.memory_gib_hours_reserved,
            Measure::Images => &self.image_gib_days,
            Measure::Logs => &self.log_gib_days,
            Measure::Volumes => &self.volume_gib_days,
            Measure::Received => &self.received_gib,
            Measure::Sent => &self.sent_gib,
        }
    }

    fn wanted(&self) -> Result<Prices, ApiError> {
        let mut prices = Prices { currency: self.currency.clone(), ..Prices::default() };
        for measure in Measure::ALL {
            let text = self.text(*measure).trim();
            if !text.is_empty() {
                prices.per.insert(*measure, field(measure.as_str(), text)?);
            }
        }
        Ok(prices)
    }
}

/// What a project used in a month; in this one where none is named.
#[server(prefix = "/fn", endpoint = "usage/project")]
pub async fn get_usage(project: String, #[server(default)] month: String) -> Result<ProjectUsage, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::ReadUsage, _>(&caller.platform, &name).await?;
    Ok(usage::of_project(&caller.platform, &may, usage::month(&caller.platform, &month)?).await?)
}

/// What every project used in a month.
#[server(prefix = "/fn", endpoint = "usage/site")]
pub async fn list_usage(
    #[server(default)] month: String,
    #[server(default)] sort: String,
    #[server(default)] after: Option<String>,
) -> Result<SiteUsagePage, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ReadSiteUsage, _>(&caller.platform, &Site).await?;
    let order = if sort.is_empty() { UsageOrder::Cost } else { field("sort", &sort)? };
    let month = usage::month(&caller.platform, &month)?;
    let usage = usage::of_site(&caller.platform, &may, month, order, &page(after)).await?;
    let current = usage::prices(&caller.platform, &may, usage::month(&caller.platform, "")?).await?;
    Ok(SiteUsagePage { usage, current, may_set: may.also(model::access::Action::SetPrices) })
}

/// Sets prices from this month on.
#[server(prefix = "/fn", endpoint = "usage/set_prices")]
pub async fn set_prices(csrf: String, #[server(default)] prices: PriceForm) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::SetPrices, _>(&caller.platform, &Site).await?;
    usage::set_prices(&caller.platform, &may, prices.wanted()?).await?;
    Ok(())
}

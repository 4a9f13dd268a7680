//! Views of what projects used, month by month.

use serde::{Deserialize, Serialize};

use crate::page::Page;
use crate::usage::{Amounts, Money, Month, Prices};

/// What one service used in one environment, or what the project kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    /// The service; empty: images, logs and volumes that the project keeps.
    pub service: String,
    /// The environment; empty: the same.
    pub environment: String,
    /// How much.
    pub amounts: Amounts,
    /// What that costs; none where nothing has a price.
    pub cost: Option<Money>,
}

/// What was used on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageDay {
    /// The day of the month, from 1 on.
    pub day: i64,
    /// How much.
    pub amounts: Amounts,
}

/// What a project used in a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUsage {
    /// The project.
    pub project: String,
    /// The month, in UTC.
    pub month: Month,
    /// All together.
    pub amounts: Amounts,
    /// What that costs; none where nothing has a price.
    pub cost: Option<Money>,
    /// The prices of that month.
    pub prices: Prices,
    /// By service and environment.
    pub services: Vec<UsageLine>,
    /// By day; days on which nothing was used are left out.
    pub days: Vec<UsageDay>,
    /// Up to when all is counted, RFC 3339; none: nothing was counted yet.
    pub counted_until: Option<String>,
}

/// One project in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUsageLine {
    /// The project's name, the last one that it had.
    pub project: String,
    /// Whether it is there no more.
    pub deleted: bool,
    /// How much.
    pub amounts: Amounts,
    /// What that costs; none where nothing has a price.
    pub cost: Option<Money>,
}

/// What all projects used in a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteUsage {
    /// The month, in UTC.
    pub month: Month,
    /// All projects together.
    pub amounts: Amounts,
    /// What that costs; none where nothing has a price.
    pub cost: Option<Money>,
    /// The prices of that month.
    pub prices: Prices,
    /// By day; days on which nothing was used are left out.
    pub days: Vec<UsageDay>,
    /// Up to when all is counted, RFC 3339; none: nothing was counted yet.
    pub counted_until: Option<String>,
    /// The projects.
    #[serde(flatten)]
    pub projects: Page<ProjectUsageLine>,
}

//! What charts are asked for: which time, compared with what, how finely. Read from a query and written as one, in the same words for pages and
//! programs; what is wrong is told by field.

use serde::{Deserialize, Serialize};

use crate::names::EnvironmentName;
use crate::problem::FieldError;
use crate::time::Millis;
use crate::views::logs::{number, read, time_nanos};
use crate::words::words;

mod group;

pub use group::{Group, Part};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The shortest time that is shown: a few samples.
pub const SHORTEST: i64 = MINUTE;
/// The longest: as long as anything is kept, and a month for what is kept a little longer.
pub const LONGEST: i64 = 761 * DAY;
/// Points of a line where nothing is said.
pub const POINTS: u32 = 240;
/// Fewest points of a line.
pub const POINTS_MIN: u32 = 2;
/// Most points of a line.
pub const POINTS_MAX: u32 = 2000;
/// The breadth of a chart in points of a screen, about: what is less than one of them long is not seen.
const BREADTH: i64 = 600;
/// Milliseconds from one sample to the next.
const SAMPLED: i64 = 10_000;
/// Most services of one page of the overview.
pub const OVERVIEW_MAX: u32 = 500;

words! {
    /// A time that ends now.
    Range,
    /// A quarter of an hour.
    QuarterHour = "15m",
    /// An hour.
    Hour = "1h",
    /// Six hours.
    SixHours = "6h",
    /// A day.
    Day = "24h",
    /// A week.
    Week = "7d",
    /// A month.
    Month = "30d",
    /// A quarter of a year.
    Quarter = "90d",
    /// Two years.
    TwoYears = "2y",
}

impl Range {
    /// How long it is, in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::QuarterHour => 15 * MINUTE,
            Self::Hour => HOUR,
            Self::SixHours => 6 * HOUR,
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 30 * DAY,
            Self::Quarter => 90 * DAY,
            Self::TwoYears => 730 * DAY,
        }
    }

    /// As people say it.
    #[must_use]
    pub const fn said(self) -> &'static str {
        match self {
            Self::QuarterHour => "15 minutes",
            Self::Hour => "hour",
            Self::SixHours => "6 hours",
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Quarter => "90 days",
            Self::TwoYears => "2 years",
        }
    }
}

words! {
    /// What figures are compared with.
    Compare,
    /// The time right before, as long.
    Previous = "previous",
}

/// Which figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsQuery {
    /// Of which environment; may be left out while there is only one. Machines have one anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// A time that ends now; left out, it is the last hour, or what `from` and `to` say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// From this time: RFC 3339, seconds since 1970, or an age like `10m`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// Up to this time, said in the same words; empty: now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// What to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// Of one group alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Most points of each line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From.
    pub from: Millis,
    /// Up to, without it.
    pub to: Millis,
}

impl Window {
    /// How long it is, in milliseconds.
    #[must_use]
    pub const fn length(self) -> i64 {
        self.to.0 - self.from.0
    }

    /// The time right before, as long.
    #[must_use]
    pub const fn before(self) -> Self {
        Self { from: Millis(self.from.0 - self.length()), to: self.from }
    }
}

impl MetricsQuery {
    /// Takes one pair of a query in. False: the name is none of these.
    ///
    /// # Errors
    /// The value is none that the field can have. An empty value is as if it were left out.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, FieldError> {
        match name {
            "environment" => self.environment = read(name, value)?,
            "range" => self.range = read(name, value)?,
            "from" => self.from = value.trim().to_owned(),
            "to" => self.to = value.trim().to_owned(),
            "compare" => self.compare = read(name, value)?,
            "group" => self.group = read(name, value)?,
            "points" => self.points = number(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The pairs of a query that says the same. What is as it is by itself is left out.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let all = [
            ("environment", self.environment.as_ref().map(ToString::to_string)),
            ("range", self.range.map(|range| range.to_string())),
            ("from", text(&self.from)),
            ("to", text(&self.to)),
            ("compare", self.compare.map(|compare| compare.to_string())),
            ("group", self.group.map(|group| group.to_string())),
            ("points", self.points.map(|points| points.to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Whether the time that is asked for moves on with the clock.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.from.is_empty() && self.to.is_empty()
    }

    /// How long a chart that follows the clock stays as it is, in milliseconds: as long as the newest samples fill no point of the screen, and never
    /// shorter than from one sample to the next.
    #[must_use]
    pub fn refresh_ms(&self) -> i64 {
        (self.range.unwrap_or(Range::Hour).millis() / BREADTH).max(SAMPLED)
    }

    /// Most points of each line.
    ///
    /// # Errors
    /// There may be no line of so many.
    pub fn points(&self) -> Result<usize, FieldError> {
        let points = self.points.unwrap_or(POINTS);
        if !(POINTS_MIN..=POINTS_MAX).contains(&points) {
            return Err(FieldError::new("points", format!("from {POINTS_MIN} to {POINTS_MAX}")));
        }
        Ok(points as usize)
    }

    /// From when to when; what lies ahead of `now` is left out.
    ///
    /// # Errors
    /// The first field that is wrong, and what would be right.
    pub fn window(&self, now: Millis) -> Result<Window, FieldError> {
        if self.follows() {
            let range = self.range.unwrap_or(Range::Hour);
            return Ok(Window { from: Millis(now.0 - range.millis()), to: now });
        }
        if self.range.is_some() {
            return Err(FieldError::new("range", "either a range, or from and to"));
        }
        if self.from.is_empty() {
            return Err(FieldError::new("from", "say from when, beside up to when"));
        }
        let from = time("from", &self.from, now)?;
        let to = if self.to.is_empty() { now } else { time("to", &self.to, now)?.min(now) };
        if from.0 < 0 {
            return Err(FieldError::new("from", "a time after 1970"));
        }
        if from.0 > to.0 - SHORTEST {
            return Err(FieldError::new("from", "at least a minute before the end, which is never later than now"));
        }
        if to.0 - from.0 > LONGEST {
            return Err(FieldError::new("from", format!("at most {} days before the end", LONGEST / DAY)));
        }
        Ok(Window { from, to })
    }

    /// Whether what must hold of every query holds; for pages in the browser as on the server.
    ///
    /// # Errors
    /// The first field that is wrong, and what would be right.
    pub fn check(&self, now: Millis) -> Result<(), FieldError> {
        self.points()?;
        self.window(now).map(drop)
    }
}

words! {
    /// How a chart with several lines is drawn.
    Look,
    /// On top of each other: their height is the sum.
    Stacked = "stacked",
    /// Each for itself.
    Lines = "lines",
    /// Their sum, and how far they are apart.
    Total = "total",
}

words! {
    /// The order of the overview.
    Order,
    /// By name.
    Name = "name",
    /// Who uses most processor time first.
    Cpu = "cpu",
    /// Who uses most memory first.
    Memory = "memory",
    /// Who receives and sends most first.
    Network = "network",
}

/// Which part of the overview.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverviewQuery {
    /// In which order; left out: by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Order>,
    /// Only services with this in `project/service`; empty: all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub search: String,
    /// Behind so many services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// At most so many services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl OverviewQuery {
    /// Takes one pair of a query in. False: the name is none of these.
    ///
    /// # Errors
    /// The value is none that the field can have. An empty value is as if it were left out.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, FieldError> {
        match name {
            "sort" => self.sort = read(name, value)?,
            "search" => self.search = value.trim().to_ascii_lowercase(),
            "after" => self.after = number(name, value)?,
            "limit" => self.limit = number(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// In which order.
    #[must_use]
    pub fn order(&self) -> Order {
        self.sort.unwrap_or(Order::Name)
    }

    /// At most so many services.
    ///
    /// # Errors
    /// There are no pages of so many.
    pub fn most(&self) -> Result<usize, FieldError> {
        let limit = self.limit.unwrap_or(OVERVIEW_MAX);
        if !(1..=OVERVIEW_MAX).contains(&limit) {
            return Err(FieldError::new("limit", format!("from 1 to {OVERVIEW_MAX}")));
        }
        Ok(limit as usize)
    }
}

fn time(field: &str, text: &str, now: Millis) -> Result<Millis, FieldError> {
    let wrong = || FieldError::new(field, "a time like 2026-11-20T09:30:00Z, seconds since 1970, or an age like 10m or 2h");
    time_nanos(text, now).map(|nanos| Millis(nanos.div_euclid(1_000_000))).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;

//! What a project used in a month, in whole numbers whose sums are exact whatever they are summed up from, and what that costs.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{AddAssign, Range};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Millis;
use crate::words::words;

/// Most characters of a currency's name.
const CURRENCY_MAX: usize = 16;
/// Millionths of one unit of the currency.
const MICROS: i64 = 1_000_000;
/// The greatest price, in whole units.
const PRICE_MAX: i64 = 1_000_000_000;

/// A month of the calendar, in UTC: `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(i64);

/// The text is no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a month is a year and a month from 1970-01 to 2199-12, like 2026-11")]
pub struct InvalidMonth;

impl Month {
    /// The month of a time.
    #[must_use]
    pub fn of(at: Millis) -> Self {
        at.rfc3339().get(..7).and_then(|text| text.parse().ok()).unwrap_or(Self(1970 * 12))
    }

    /// Months since the year 0, as it is stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The one before.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        Self(self.0 - 1).known()
    }

    /// The one after.
    #[must_use]
    pub fn after(self) -> Option<Self> {
        Self(self.0 + 1).known()
    }

    /// Its days, counted since 1970.
    #[must_use]
    pub fn days(self) -> Range<i64> {
        first_day(self.0)..first_day(self.0 + 1)
    }

    /// What people call it: `November 2026`.
    #[must_use]
    pub fn title(self) -> String {
        const NAMES: [&str; 12] =
            ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
        format!("{} {:04}", NAMES[self.0.rem_euclid(12) as usize], self.0.div_euclid(12))
    }

    fn known(self) -> Option<Self> {
        (1970 * 12..2200 * 12).contains(&self.0).then_some(self)
    }
}

/// The first day of a month, counted since 1970-01-01: years begin in March here, so that the day that is sometimes missing is their last.
fn first_day(month: i64) -> i64 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12));
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days_of_years = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days_of_years + (153 * month + 2) / 5 - 719_468
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

impl FromStr for Month {
    type Err = InvalidMonth;

    fn from_str(text: &str) -> Result<Self, InvalidMonth> {
        let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2).ok_or(InvalidMonth)?;
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(InvalidMonth);
        }
        let (year, month): (i64, i64) = (year.parse().map_err(|_| InvalidMonth)?, month.parse().map_err(|_| InvalidMonth)?);
        if !(1..=12).contains(&month) {
            return Err(InvalidMonth);
        }
        Self(year * 12 + month - 1).known().ok_or(InvalidMonth)
    }
}

impl TryFrom<String> for Month {
    type Error = InvalidMonth;

    fn try_from(text: String) -> Result<Self, InvalidMonth> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

words! {
    /// What is summed up and can have a price.
    Measure,
    /// Processor time that was used.
    CpuUsed = "cpu_hours",
    /// Processor time that limits set aside.
    CpuReserved = "cpu_hours_reserved",
    /// Memory that was used: the working set.
    MemoryUsed = "memory_gib_hours",
    /// Memory that limits set aside.
    MemoryReserved = "memory_gib_hours_reserved",
    /// Images and layers that were kept.
    Images = "image_gib_days",
    /// Logs that were kept.
    Logs = "log_gib_days",
    /// What volumes held.
    Volumes = "volume_gib_days",
    /// Received over networks.
    Received = "received_gib",
    /// Sent over networks.
    Sent = "sent_gib",
}

impl Measure {
    /// How many of the numbers that are summed up make one unit.
    #[must_use]
    pub const fn per_unit(self) -> i64 {
        match self {
            // Milliseconds of a core in an hour of it.
            Self::CpuUsed | Self::CpuReserved => 3_600_000,
            // KiB times seconds.
            Self::MemoryUsed | Self::MemoryReserved => (1 << 20) * 3_600,
            Self::Images | Self::Logs | Self::Volumes => (1 << 20) * 86_400,
            // Bytes.
            Self::Received | Self::Sent => 1 << 30,
        }
    }

    /// What it is, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::CpuUsed => "CPU used",
            Self::CpuReserved => "CPU reserved",
            Self::MemoryUsed => "Memory used",
            Self::MemoryReserved => "Memory reserved",
            Self::Images => "Images kept",
            Self::Logs => "Logs kept",
            Self::Volumes => "Volumes",
            Self::Received => "Received",
            Self::Sent => "Sent",
        }
    }

    /// Its unit, for people.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::CpuUsed | Self::CpuReserved => "CPU hours",
            Self::MemoryUsed | Self::MemoryReserved => "GiB hours",
            Self::Images | Self::Logs | Self::Volumes => "GiB days",
            Self::Received | Self::Sent => "GiB",
        }
    }

    /// One of its unit, for people: what has a price.
    #[must_use]
    pub const fn one(self) -> &'static str {
        match self {
            Self::CpuUsed | Self::CpuReserved => "CPU hour",
            Self::MemoryUsed | Self::MemoryReserved => "GiB hour",
            Self::Images | Self::Logs | Self::Volumes => "GiB day",
            Self::Received | Self::Sent => "GiB",
        }
    }
}

/// How much of each measure was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Measure, f64>", into = "BTreeMap<Measure, f64>")]
pub struct Amounts([i64; Measure::ALL.len()]);

impl Amounts {
    /// So much of one measure and nothing of the others, in the number that is summed up.
    #[must_use]
    pub fn of(measure: Measure, amount: i64) -> Self {
        let mut amounts = Self::default();
        amounts.0[measure as usize] = amount;
        amounts
    }

    /// How much of a measure, in the number that is summed up.
    #[must_use]
    pub const fn get(&self, measure: Measure) -> i64 {
        self.0[measure as usize]
    }

    /// How much of a measure, in its unit.
    #[must_use]
    pub fn units(&self, measure: Measure) -> f64 {
        self.get(measure) as f64 / measure.per_unit() as f64
    }

    /// The same for people and for tables: `12.345`, and `<0.001` of what is used but hardly.
    #[must_use]
    pub fn shown(&self, measure: Measure) -> String {
        match (self.get(measure), self.units(measure)) {
            (0, _) => String::from("0"),
            (_, units) if units < 0.001 => String::from("<0.001"),
            (_, units) => format!("{units:.3}"),
        }
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }
}

impl From<Amounts> for BTreeMap<Measure, f64> {
    fn from(amounts: Amounts) -> Self {
        Measure::ALL.iter().map(|measure| (*measure, amounts.units(*measure))).collect()
    }
}

impl From<BTreeMap<Measure, f64>> for Amounts {
    fn from(units: BTreeMap<Measure, f64>) -> Self {
        let mut amounts = Self::default();
        for (measure, units) in units {
            amounts += Self::of(measure, (units * measure.per_unit() as f64).round() as i64);
        }
        amounts
    }
}

/// An amount of money, exact to a millionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Money(i64);

/// The text is no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a price is a number like 0.05: not below zero, at most 1,000,000,000, with at most six digits behind the point")]
pub struct InvalidPrice;

/// As programs write a price.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a price like \"0.05\"")]
enum Written {
    Text(String),
    Number(f64),
}

impl TryFrom<Written> for Money {
    type Error = InvalidPrice;

    fn try_from(written: Written) -> Result<Self, InvalidPrice> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Number(number) => number.to_string().parse(),
        }
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

impl Money {
    /// In millionths.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// With two digits behind the point, rounded, as people read it.
    #[must_use]
    pub fn rounded(self) -> String {
        let cents = self.0.saturating_add(MICROS / 200) / (MICROS / 100);
        format!("{}.{:02}", cents / 100, cents % 100)
    }
}

/// The shortest text that reads back as the same amount.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / MICROS, self.0 % MICROS);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl FromStr for Money {
    type Err = InvalidPrice;

    fn from_str(text: &str) -> Result<Self, InvalidPrice> {
        let text = text.trim();
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 10 || rest.len() > 6 || text.ends_with('.') || !digits(whole) || !digits(rest) {
            return Err(InvalidPrice);
        }
        let whole: i64 = whole.parse().map_err(|_| InvalidPrice)?;
        let micros: i64 = format!("{rest:0<6}").parse().map_err(|_| InvalidPrice)?;
        let sum = whole * MICROS + micros;
        if sum > PRICE_MAX * MICROS { Err(InvalidPrice) } else { Ok(Self(sum)) }
    }
}

/// What units cost. A measure without a price costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The currency, as operators call it.
    pub currency: String,
    /// The price of one unit of each measure.
    #[serde(default)]
    pub per: BTreeMap<Measure, Money>,
}

impl Prices {
    /// Whether anything has a price.
    #[must_use]
    pub fn any(&self) -> bool {
        self.per.values().any(|price| price.0 > 0)
    }

    /// What is wrong with the currency, if something is.
    ///
    /// # Errors
    /// The text to show beside the field.
    pub fn check_currency(text: &str) -> Result<(), String> {
        if text.trim().is_empty() || text.chars().count() > CURRENCY_MAX || text.chars().any(char::is_control) {
            return Err(format!("a name or sign like EUR, of 1 to {CURRENCY_MAX} characters"));
        }
        Ok(())
    }

    /// What so much costs; none where nothing has a price. Each measure is rounded to a millionth.
    #[must_use]
    pub fn cost(&self, amounts: &Amounts) -> Option<Money> {
        if !self.any() {
            return None;
        }
        let each = self.per.iter().map(|(measure, price)| {
            let per_unit = i128::from(measure.per_unit());
            (i128::from(amounts.get(*measure)) * i128::from(price.0) + per_unit / 2) / per_unit
        });
        Some(Money(i64::try_from(each.sum::<i128>()).unwrap_or(i64::MAX)))
    }
}

words! {
    /// By what projects are sorted.
    UsageOrder,
    /// What costs most first.
    Cost = "cost",
    /// By name.
    Project = "project",
    /// Who used most processor time first.
    Cpu = "cpu",
    /// Who used most memory first.
    Memory = "memory",
    /// Who kept most first.
    Storage = "storage",
    /// Who sent and received most first.
    Transfer = "transfer",
}

#[cfg(test)]
mod tests;

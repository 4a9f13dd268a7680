//! What projects used, month by month, and what that costs. Hours that are over are summed up into days ([`work`]), in a table of their own: a month stays
//! when its samples, its services and its projects are gone. Prices hold from the month on in which operators set them; what earlier months cost stays.

use std::cmp::Reverse;

use model::ids::ProjectId;
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::usage::{Amounts, Measure, Month, Prices, UsageOrder};
use model::views::usage::{ProjectUsage, ProjectUsageLine, SiteUsage, UsageDay, UsageLine};

use crate::access::{May, Site, can};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;
use crate::site::setting;

mod csv;
pub mod volumes;
pub mod work;

/// The setting that says up to which hour all is counted.
const COUNTED: &str = "usage_counted";
/// Most services of a project, each in one environment, that a report names.
const SERVICES: i64 = 2_000;
/// Most projects that a report names.
const PROJECTS: i64 = 10_000;

/// The sums of a group of rows called `u`.
const SUMS: &str = "CAST(COALESCE(SUM(u.cpu_used), 0) AS BIGINT) AS cpu_used, CAST(COALESCE(SUM(u.cpu_reserved), 0) AS BIGINT) AS cpu_reserved,
    CAST(COALESCE(SUM(u.memory_used), 0) AS BIGINT) AS memory_used, CAST(COALESCE(SUM(u.memory_reserved), 0) AS BIGINT) AS memory_reserved,
    CAST(COALESCE(SUM(u.images), 0) AS BIGINT) AS images, CAST(COALESCE(SUM(u.logs), 0) AS BIGINT) AS logs,
    CAST(COALESCE(SUM(u.volumes), 0) AS BIGINT) AS volumes,
    CAST(COALESCE(SUM(u.received), 0) AS BIGINT) AS received, CAST(COALESCE(SUM(u.sent), 0) AS BIGINT) AS sent";

/// The column of a measure.
const fn column(measure: Measure) -> &'static str {
    match measure {
        Measure::CpuUsed => "cpu_used",
        Measure::CpuReserved => "cpu_reserved",
        Measure::MemoryUsed => "memory_used",
        Measure::MemoryReserved => "memory_reserved",
        Measure::Images => "images",
        Measure::Logs => "logs",
        Measure::Volumes => "volumes",
        Measure::Received => "received",
        Measure::Sent => "sent",
    }
}

fn amounts(row: &Row<'_>) -> Result<Amounts> {
    let mut amounts = Amounts::default();
    for measure in Measure::ALL {
        amounts += Amounts::of(*measure, row.get(column(*measure))?);
    }
    Ok(amounts)
}

/// The month that is meant: the one that is named, else the one that it is now.
///
/// # Errors
/// `Invalid` where the text is no month.
pub fn month(platform: &Platform, text: &str) -> Result<Month> {
    if text.is_empty() { Ok(Month::of(platform.now())) } else { text.parse().map_err(|error| Error::invalid("month", error)) }
}

/// What a project used in a month.
pub async fn of_project(platform: &Platform, may: &May<can::ReadUsage, Project>, month: Month) -> Result<ProjectUsage> {
    let mut tx = platform.read().await?;
    let prices = prices_in(&mut tx, month).await?;
    let days = month.days();
    let sql = format!(
        "SELECT MAX(u.service) AS service, MAX(u.environment) AS environment, {SUMS} FROM usage_days u
         WHERE u.project_id = $1 AND u.day >= $2 AND u.day < $3 GROUP BY u.service_id, u.environment_id ORDER BY 1, 2, u.service_id LIMIT $4"
    );
    let line = |row: &Row<'_>| {
        let amounts = amounts(row)?;
        Ok(UsageLine { service: row.get("service")?, environment: row.get("environment")?, amounts, cost: prices.cost(&amounts) })
    };
    let services = tx.all(sql, args![may.id, days.start, days.end, SERVICES], line).await?;
    let by_day = by_day(&mut tx, Some(may.id), month).await?;
    let amounts = sum(&by_day);
    let counted_until = counted_until(&mut tx).await?;
    let cost = prices.cost(&amounts);
    Ok(ProjectUsage { project: may.name.to_string(), month, amounts, cost, prices, services, days: by_day, counted_until })
}

/// What every project used in a month, deleted ones too.
pub async fn of_site(
    platform: &Platform,
    _: &May<can::ReadSiteUsage, Site>,
    month: Month,
    order: UsageOrder,
    page: &PageRequest,
) -> Result<SiteUsage> {
    let mut tx = platform.read().await?;
    let prices = prices_in(&mut tx, month).await?;
    let mut projects = projects(&mut tx, month, &prices).await?;
    sort(&mut projects, order);
    let begin = match page.after.as_deref() {
        None => 0,
        Some(after) => {
            let id: ProjectId = after.parse().map_err(|_| Error::invalid("after", "take the cursor from an earlier page's next"))?;
            projects.iter().position(|(known, _)| *known == id).map_or(projects.len(), |at| at + 1)
        }
    };
    let limit = page.limit();
    let rest: Vec<(ProjectId, ProjectUsageLine)> = projects.into_iter().skip(begin).take(limit as usize + 1).collect();
    let projects = Page::cut(rest, limit, |(id, _)| id.to_string()).map(|(_, line)| line);
    let days = by_day(&mut tx, None, month).await?;
    let amounts = sum(&days);
    let counted_until = counted_until(&mut tx).await?;
    Ok(SiteUsage { month, amounts, cost: prices.cost(&amounts), prices, days, counted_until, projects })
}

/// The same for a table calculation: a line for each service in each environment.
pub async fn csv_of_project(platform: &Platform, may: &May<can::ReadUsage, Project>, month: Month) -> Result<String> {
    Ok(csv::of_project(&of_project(platform, may, month).await?))
}

/// The same for a table calculation: a line for each project.
pub async fn csv_of_site(platform: &Platform, _: &May<can::ReadSiteUsage, Site>, month: Month, order: UsageOrder) -> Result<String> {
    let mut tx = platform.read().await?;
    let prices = prices_in(&mut tx, month).await?;
    let mut projects = projects(&mut tx, month, &prices).await?;
    sort(&mut projects, order);
    let lines: Vec<ProjectUsageLine> = projects.into_iter().map(|(_, line)| line).collect();
    Ok(csv::of_site(month, &prices, &lines))
}

async fn projects(tx: &mut Tx, month: Month, prices: &Prices) -> Result<Vec<(ProjectId, ProjectUsageLine)>> {
    let days = month.days();
    // Of one that was deleted its name is the last one that it had: names are given out again.
    let sql = format!(
        "SELECT x.*, CAST(CASE WHEN p.id IS NULL OR p.deleted_at IS NOT NULL THEN 1 ELSE 0 END AS BIGINT) AS gone FROM (
             SELECT u.project_id, MAX(u.project) AS project, {SUMS} FROM usage_days u WHERE u.day >= $1 AND u.day < $2
             GROUP BY u.project_id ORDER BY u.project_id LIMIT $3
         ) x LEFT JOIN projects p ON p.id = x.project_id"
    );
    let line = |row: &Row<'_>| {
        let amounts = amounts(row)?;
        let deleted = row.get::<i64>("gone")? != 0;
        Ok((row.get("project_id")?, ProjectUsageLine { project: row.get("project")?, deleted, amounts, cost: prices.cost(&amounts) }))
    };
    tx.all(sql, args![days.start, days.end, PROJECTS], line).await
}

/// In this order; what is alike by name and id, so that pages follow each other.
fn sort(projects: &mut [(ProjectId, ProjectUsageLine)], order: UsageOrder) {
    let sum = |line: &ProjectUsageLine, measures: &[Measure]| measures.iter().map(|measure| line.amounts.get(*measure)).fold(0, i64::saturating_add);
    let most = |line: &ProjectUsageLine| match order {
        UsageOrder::Project => 0,
        UsageOrder::Cost => line.cost.map_or(0, |cost| cost.micros()),
        UsageOrder::Cpu => line.amounts.get(Measure::CpuUsed),
        UsageOrder::Memory => line.amounts.get(Measure::MemoryUsed),
        UsageOrder::Storage => sum(line, &[Measure::Images, Measure::Logs, Measure::Volumes]),
        UsageOrder::Transfer => sum(line, &[Measure::Received, Measure::Sent]),
    };
    projects.sort_by_cached_key(|(id, line)| (Reverse(most(line)), line.project.clone(), *id));
}

async fn by_day(tx: &mut Tx, project: Option<ProjectId>, month: Month) -> Result<Vec<UsageDay>> {
    let days = month.days();
    let mut arguments = args![days.start, days.end];
    let whose = if let Some(project) = project {
        arguments.extend(args![project]);
        "u.project_id = $3"
    } else {
        "TRUE"
    };
    let sql = format!("SELECT u.day, {SUMS} FROM usage_days u WHERE u.day >= $1 AND u.day < $2 AND {whose} GROUP BY u.day ORDER BY u.day LIMIT 31");
    tx.all(sql, arguments, |row| Ok(UsageDay { day: row.get::<i64>("day")? - days.start + 1, amounts: amounts(row)? })).await
}

fn sum(days: &[UsageDay]) -> Amounts {
    let mut all = Amounts::default();
    for day in days {
        all += day.amounts;
    }
    all
}

/// The first hour that is not counted yet, in hours since 1970.
async fn counted(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(setting(tx, COUNTED).await?.and_then(|text| text.parse().ok()))
}

/// When the first hour begins that is not counted yet; none: counting has not begun. What was sampled before it is needed no more for this.
pub(crate) async fn counted_before(tx: &mut Tx) -> Result<Option<Millis>> {
    Ok(counted(tx).await?.map(|hour| Millis(hour.saturating_mul(work::HOUR))))
}

async fn counted_until(tx: &mut Tx) -> Result<Option<String>> {
    Ok(counted_before(tx).await?.map(Millis::rfc3339))
}

async fn prices_in(tx: &mut Tx, month: Month) -> Result<Prices> {
    let sql = "SELECT prices FROM usage_prices WHERE month <= $1 ORDER BY month DESC LIMIT 1";
    let found: Option<Json<Prices>> = tx.opt(sql, args![month.number()], |row| row.get("prices")).await?;
    Ok(found.map(|json| json.0).unwrap_or_default())
}

/// The prices of a month: those that were set last, in it or before.
pub async fn prices(platform: &Platform, _: &May<can::ReadSiteUsage, Site>, month: Month) -> Result<Prices> {
    prices_in(&mut platform.read().await?, month).await
}

/// Sets prices from this month on. What earlier months cost stays; this one is reckoned anew.
pub async fn set_prices(platform: &Platform, may: &May<can::SetPrices, Site>, mut prices: Prices) -> Result<Prices> {
    prices.currency = prices.currency.trim().to_owned();
    Prices::check_currency(&prices.currency).map_err(|text| Error::invalid("currency", text))?;
    let mut change = platform.change(may.actor()).await?;
    let now = platform.now();
    let sql = "INSERT INTO usage_prices (month, prices, set_by, set_at) VALUES ($1, $2, $3, $4)
               ON CONFLICT (month) DO UPDATE SET prices = excluded.prices, set_by = excluded.set_by, set_at = excluded.set_at";
    change.exec(sql, args![Month::of(now).number(), Json(prices.clone()), may.actor().name(), now]).await?;
    let detail = serde_json::to_value(&prices).map_err(|error| Error::internal(format!("prices: {error}")))?;
    change.commit(Record::new("usage.set_prices", "site", "slipway").detail(detail)).await?;
    Ok(prices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, cpu: i64, sent: i64, cost: Option<&str>) -> (ProjectId, ProjectUsageLine) {
        let mut amounts = Amounts::of(Measure::CpuUsed, cpu);
        amounts += Amounts::of(Measure::Sent, sent);
        let cost: Option<model::usage::Money> = cost.map(|text| text.parse().expect("a price"));
        let id: ProjectId = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id");
        (id, ProjectUsageLine { project: name.into(), deleted: false, amounts, cost })
    }

    #[test]
    fn projects_are_sorted_by_what_was_asked_for_and_alike_ones_by_name() {
        let all = [line("b", 5, 1, Some("2")), line("a", 5, 9, Some("10")), line("c", 7, 0, None)];
        let sorted = |order| {
            let mut lines = all.to_vec();
            sort(&mut lines, order);
            lines.into_iter().map(|(_, line)| line.project).collect::<Vec<_>>()
        };
        assert_eq!(sorted(UsageOrder::Project), ["a", "b", "c"]);
        assert_eq!(sorted(UsageOrder::Cpu), ["c", "a", "b"]);
        assert_eq!(sorted(UsageOrder::Transfer), ["a", "b", "c"]);
        assert_eq!(sorted(UsageOrder::Cost), ["a", "b", "c"], "ten is more than two");
    }
}

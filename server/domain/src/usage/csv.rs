//! Reports as CSV (RFC 4180). What somebody named never begins a formula in whatever opens the file.

use model::usage::{Amounts, Measure, Money, Month, Prices};
use model::views::usage::{ProjectUsage, ProjectUsageLine};

use crate::csv::cell;

pub(super) fn of_project(usage: &ProjectUsage) -> String {
    let mut text = head(&["month", "project", "service", "environment"]);
    for line in &usage.services {
        let names = [usage.month.to_string(), usage.project.clone(), line.service.clone(), line.environment.clone()];
        row(&mut text, &names, &line.amounts, line.cost, &usage.prices);
    }
    text
}

pub(super) fn of_site(month: Month, prices: &Prices, lines: &[ProjectUsageLine]) -> String {
    let mut text = head(&["month", "project", "deleted"]);
    for line in lines {
        let deleted = if line.deleted { "yes" } else { "no" };
        row(&mut text, &[month.to_string(), line.project.clone(), deleted.to_owned()], &line.amounts, line.cost, prices);
    }
    text
}

fn head(names: &[&str]) -> String {
    let measures = Measure::ALL.iter().map(|measure| measure.as_str());
    let names: Vec<&str> = names.iter().copied().chain(measures).chain(["cost", "currency"]).collect();
    format!("{}\r\n", names.join(","))
}

fn row(text: &mut String, names: &[String], amounts: &Amounts, cost: Option<Money>, prices: &Prices) {
    let names = names.iter().map(|name| cell(name));
    let numbers = Measure::ALL.iter().map(|measure| format!("{:.6}", amounts.units(*measure)));
    let currency = if cost.is_some() { cell(&prices.currency) } else { String::new() };
    let cost = cost.map(|cost| cost.to_string()).unwrap_or_default();
    let cells: Vec<String> = names.chain(numbers).chain([cost, currency]).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_the_cells_of_the_first() {
        let month: Month = "2026-11".parse().expect("a month");
        let per = [(Measure::CpuUsed, "2".parse().expect("a price"))].into_iter().collect();
        let prices = Prices { currency: "=EUR".into(), per };
        let amounts = Amounts::of(Measure::CpuUsed, 5_400_000);
        let line = ProjectUsageLine { project: "shop".into(), deleted: true, amounts, cost: prices.cost(&amounts) };
        let text = of_site(month, &prices, &[line]);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("month,project,deleted,cpu_hours,cpu_hours_reserved,") && lines[0].ends_with(",cost,currency"));
        assert_eq!(lines[1], "2026-11,shop,yes,1.500000,0.000000,0.000000,0.000000,0.000000,0.000000,0.000000,0.000000,0.000000,3,'=EUR");
    }
}

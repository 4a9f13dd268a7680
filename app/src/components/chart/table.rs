//! The same as a table, for those who cannot see the picture or want the numbers: means over parts of the time, and of what is counted how often it
//! happened in them. All numbers are in the file.

use std::fmt::Write as _;

use model::metrics::Look;
use model::time::Millis;
use model::views::metrics::{ChartView, Column, MetricsView, Unit};

use super::super::log::row::escaped;
use super::rows::{at, rows};
use super::units::shown;

/// Rows at most.
const ROWS: usize = 24;

/// The table as HTML, the newest time first.
pub(crate) fn table(view: &MetricsView, chart: &ChartView, look: Look) -> String {
    let rows = rows(chart, look);
    let mut html = format!("<table class=\"table chart-table\"><caption class=\"visually-hidden\">{}</caption><thead><tr>", escaped(&chart.title));
    html.push_str("<th scope=\"col\">Time (UTC), from</th>");
    for row in &rows {
        let _ = write!(html, "<th scope=\"col\" class=\"number\">{}</th>", escaped(&super::super::capital(&row.name)));
    }
    html.push_str("</tr></thead><tbody>");
    let together = view.at.len().div_ceil(ROWS).max(1);
    for first in (0..view.at.len()).step_by(together).rev() {
        let numbers: Vec<Option<f64>> = rows.iter().map(|row| number(chart.unit, row.column, first, together)).collect();
        if numbers.iter().all(Option::is_none) {
            continue;
        }
        let time = view.at.get(first).map(|at| Millis((*at).max(view.from.0)).exact()).unwrap_or_default();
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", time.trim_end_matches(" UTC"));
        for (row, number) in rows.iter().zip(numbers) {
            let said = number.map_or_else(|| String::from("\u{2013}"), |number| shown(chart.unit, number));
            let _ = write!(html, "<td class=\"number\" data-label=\"{}\">{said}</td>", escaped(&super::super::capital(&row.name)));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table>");
    html
}

/// Places as one: the mean of what is known of them, or how often it happened in all of them.
fn number(unit: Unit, column: &Column, first: usize, places: usize) -> Option<f64> {
    let known: Vec<f64> = (first..first + places).filter_map(|place| at(column, place)).collect();
    let of = if unit == Unit::Times { 1.0 } else { known.len() as f64 };
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / of)
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{cpu, view};
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_row_of_the_chart() {
        let view = view(vec![cpu()]);
        let html = table(&view, &view.charts[0], Look::Stacked);
        assert_eq!(html.matches("<th scope=\"col\"").count(), 6, "{html}");
        assert_eq!(html.matches("<th scope=\"row\"").count(), 4);
        let (newest, oldest) = (html.find("2026-11-20 08:00:30"), html.find("2026-11-20 08:00:00"));
        assert!(newest.expect("the newest") < oldest.expect("the oldest"), "{html}");
        assert!(html.contains("0.4 cores"));
    }

    #[test]
    fn many_places_are_put_together() {
        let column: Column = (0..100).map(|place| (place % 2 == 0).then_some(f64::from(place))).collect();
        assert_eq!(number(Unit::Cores, &column, 0, 5), Some(2.0), "of what is known");
        assert_eq!(number(Unit::Times, &column, 0, 5), Some(6.0), "how often in all of it");
        assert_eq!(number(Unit::Times, &column, 1, 1), None);
    }
}

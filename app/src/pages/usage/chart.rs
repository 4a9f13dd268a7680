//! One measure of a month, day by day: a bar for each, and the same as a table for who cannot see the picture.

use leptos::prelude::*;
use model::usage::{Amounts, Measure, Month};
use model::views::usage::UsageDay;

use crate::urls;

/// Width of a day.
const DAY: f64 = 20.0;
/// Height of the greatest bar.
const HEIGHT: f64 = 120.0;

/// The picture, and the choice of what it shows.
#[component]
pub(crate) fn ByDay(
    /// The page.
    path: String,
    /// What else its address says.
    kept: Vec<(&'static str, String)>,
    /// The days on which something was used.
    days: Vec<UsageDay>,
    /// Their month.
    month: Month,
    /// What is shown, as the address has it; anything else: processors.
    figure: String,
) -> impl IntoView {
    let shown: Measure = figure.parse().unwrap_or(Measure::CpuUsed);
    let choices = Measure::ALL
        .iter()
        .map(|measure| {
            let asked: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (*name, value.as_str())).chain([("figure", measure.as_str())]).collect();
            let href = urls::asking(path.clone(), &asked);
            view! { <a href=href aria-current=(*measure == shown).then_some("true")>{measure.title()}</a> }
        })
        .collect_view();
    let drawn = heights(&days, shown)
        .into_iter()
        .zip(&days)
        .map(|((day, height), used)| {
            let left = (day - 1) as f64 * DAY + 2.0;
            let said = format!("{month}-{day:02}: {} {}", used.amounts.shown(shown), shown.unit());
            view! {
                <rect class="picture-bar" x=left.to_string() y=(HEIGHT - height).to_string() width=(DAY - 4.0).to_string() height=height.to_string()>
                    <title>{said}</title>
                </rect>
            }
        })
        .collect_view();
    let last = month.days().end - month.days().start;
    let width = last as f64 * DAY;
    let numbers = (1..=last).map(|day| view! { <span>{day}</span> }).collect_view();
    let most = days.iter().map(|day| day.amounts.get(shown)).max().unwrap_or(0);
    let most = format!("{} {}", Amounts::of(shown, most).shown(shown), shown.unit());
    let rows = days
        .iter()
        .map(|day| {
            view! {
                <tr>
                    <td data-label="Day">{format!("{month}-{:02}", day.day)}</td>
                    <td data-label=shown.title() class="number">{day.amounts.shown(shown)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <nav class="segments usage-choice" aria-label="What the picture shows">{choices}</nav>
        <p class="small muted usage-most">{most.clone()}</p>
        <svg class="picture usage-bars" role="img" aria-label=format!("{} by day in {month}, at most {most}", shown.title())
            viewBox=format!("0 0 {width} {HEIGHT}") preserveAspectRatio="none" width="100%" height=HEIGHT.to_string()>
            {drawn}
        </svg>
        <div class="usage-days" aria-hidden="true">{numbers}</div>
        <p class="small muted">{format!("{} by day of {}; the highest bar is {most}.", shown.title(), month.title())}</p>
        <details>
            <summary>"As a table"</summary>
            <table class="table">
                <thead><tr><th scope="col">"Day"</th><th scope="col" class="number">{format!("{} ({})", shown.title(), shown.unit())}</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
    .into_any()
}

/// How high each day's bar is; the greatest is as high as the picture.
fn heights(days: &[UsageDay], shown: Measure) -> Vec<(i64, f64)> {
    let most = days.iter().map(|day| day.amounts.get(shown)).max().unwrap_or(0).max(1) as f64;
    days.iter().map(|day| (day.day, day.amounts.get(shown) as f64 / most * HEIGHT)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_day_is_as_high_as_the_picture() {
        let day = |day: i64, amount: i64| UsageDay { day, amounts: Amounts::of(Measure::CpuUsed, amount) };
        assert_eq!(heights(&[day(1, 50), day(3, 200)], Measure::CpuUsed), [(1, 30.0), (3, 120.0)]);
        assert_eq!(heights(&[day(1, 50)], Measure::Sent), [(1, 0.0)], "nothing was sent");
        assert!(heights(&[], Measure::Sent).is_empty());
    }
}

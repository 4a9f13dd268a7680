//! One measure of a month, day by day: a bar for each, and the same as a table for who cannot see the picture.

use leptos::prelude::*;
use model::usage::{Measure, Month};
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
            view! { <a class="chip" href=href aria-current=(*measure == shown).then_some("true")>{measure.title()}</a>" " }
        })
        .collect_view();
    let drawn = heights(&days, shown)
        .into_iter()
        .map(|(day, height)| {
            let left = (day - 1) as f64 * DAY + 2.0;
            view! {
                <rect class="picture-bar" x=left.to_string() y=(HEIGHT - height).to_string() width=(DAY - 4.0).to_string() height=height.to_string()></rect>
            }
        })
        .collect_view();
    let width = (month.days().end - month.days().start) as f64 * DAY;
    let most = days.iter().map(|day| day.amounts.units(shown)).fold(0.0, f64::max);
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
        <nav class="row" aria-label="What the picture shows">{choices}</nav>
        <svg class="picture usage-bars" role="img" aria-label=format!("{} by day in {month}, {} at most {most:.3}", shown.title(), shown.unit())
            viewBox=format!("0 0 {width} {HEIGHT}") preserveAspectRatio="none" width="100%" height=HEIGHT.to_string()>
            {drawn}
        </svg>
        <p class="small muted">{format!("{} in {} by day of {month}, from the first to the last; the highest bar is {most:.3}.", shown.title(), shown.unit())}</p>
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
    use model::usage::Amounts;

    use super::*;

    #[test]
    fn the_greatest_day_is_as_high_as_the_picture() {
        let day = |day: i64, amount: i64| UsageDay { day, amounts: Amounts::of(Measure::CpuUsed, amount) };
        assert_eq!(heights(&[day(1, 50), day(3, 200)], Measure::CpuUsed), [(1, 30.0), (3, 120.0)]);
        assert_eq!(heights(&[day(1, 50)], Measure::Sent), [(1, 0.0)], "nothing was sent");
        assert!(heights(&[], Measure::Sent).is_empty());
    }
}

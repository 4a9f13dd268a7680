//! What is chosen above charts: the time, how they are drawn, a comparison, the file. All of it are links.

use leptos::prelude::*;
use model::metrics::{Compare, Look, Range};
use model::views::metrics::{MetricsView, Resolution};

use super::{Asked, Source};
use crate::urls;

/// The choices.
#[component]
pub(in crate::pages) fn Tools(
    /// Of what the charts are.
    source: Source,
    /// What the address asks for.
    asked: Asked,
    /// The page's address without its query.
    path: String,
) -> impl IntoView {
    let follows = asked.query.follows();
    let shown = asked.query.range.unwrap_or(Range::Hour);
    let ranges = Range::ALL
        .iter()
        .map(|range| {
            let current = (follows && *range == shown).then_some("page");
            let title = format!("The last {}", range.said());
            view! { <a href=asked.last(*range).at(&path) title=title aria-current=current>{range.to_string()}</a> }
        })
        .collect_view();
    let looks = [(Look::Stacked, "Stacked"), (Look::Lines, "Lines"), (Look::Total, "Total")]
        .map(|(look, name)| {
            let current = (look == asked.look).then_some("page");
            view! { <a href=asked.drawn(look).at(&path) aria-current=current>{name}</a> }
        })
        .into_iter()
        .collect_view();
    // What a machine uses is hardly ever a sum of lines: it would look the same each way.
    let service = matches!(source, Source::Service(..));
    let compares = asked.query.compare == Some(Compare::Previous);
    let compare = asked.compared(!compares).at(&path);
    let compare_name = if compares { "Without previous period" } else { "Compare with previous period" };
    let download = {
        let pairs = asked.query.pairs();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        urls::asking(source.download(), &pairs)
    };
    let back = (!follows).then(|| view! { <a class="button" href=asked.last(Range::Hour).at(&path)>"Back to the last hour"</a> });
    view! {
        <div class="chart-tools">
            <nav class="segments" aria-label="Time">{ranges}</nav>
            {service.then(|| view! { <nav class="segments" aria-label="How it is drawn">{looks}</nav> })}
            <span class="actions">
                <a class="button" href=compare>{compare_name}</a>
                <a class="button" href=download rel="external" download="">"CSV"</a>
                {back}
            </span>
        </div>
    }
    .into_any()
}

/// Which time is shown, and how finely.
pub(super) fn span(found: &MetricsView) -> String {
    let kept = match found.resolution {
        Resolution::Raw => "samples as they were taken",
        Resolution::FiveMinutes => "kept for each five minutes",
        Resolution::Hour => "kept for each hour",
    };
    format!("{} to {}, one point per {}; {kept}.", found.from.exact().trim_end_matches(" UTC"), found.to.exact(), step(found.step_ms))
}

fn step(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        _ if seconds % 86_400 == 0 => format!("{} d", seconds / 86_400),
        _ if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        _ if seconds % 60 == 0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_step_is_said_in_its_largest_unit() {
        assert_eq!([10_000, 90_000, 300_000, 7_200_000, 172_800_000].map(super::step), ["10 s", "90 s", "5 min", "2 h", "2 d"]);
    }
}

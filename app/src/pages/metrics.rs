//! What services and machines use: the charts that their pages have in common, a machine's charts, and all of them side by side. What a page shows is
//! in its address, so that it can be sent to somebody; it is right without a script, and follows the clock with one.

mod asked;
mod machine;
mod now;
mod overview;
mod tools;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use model::metrics::{MetricsQuery, Part, Window};
use model::time::Millis;
use model::views::events::MarkView;
use model::views::metrics::{MetricsView, ScrapeProblemView};

pub(super) use self::asked::{Asked, told};
pub(crate) use self::machine::Machine;
pub(super) use self::now::{followed, machine_now};
pub(crate) use self::overview::Overview;
pub(super) use self::tools::Tools;
use crate::api::ApiError;
use crate::api::metrics::{machine_metrics, service_metrics};
use crate::components::{Ago, Chart, Notice, Tone, sign};
#[cfg(feature = "hydrate")]
use crate::live::Pulse;
use crate::urls;

/// Of what the figures are.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Source {
    /// A service: its project's name and its own.
    Service(String, String),
    /// A machine, by its name.
    Machine(String),
}

impl Source {
    /// Reads the figures.
    pub(super) async fn read(self, query: MetricsQuery) -> Result<MetricsView, ApiError> {
        match self {
            Self::Service(project, service) => service_metrics(project, service, query).await,
            Self::Machine(machine) => machine_metrics(machine, query).await,
        }
    }

    /// Where the same figures can be had as a file.
    fn download(&self) -> String {
        match self {
            Self::Service(project, service) => urls::service_page(project, service, "metrics/download"),
            Self::Machine(machine) => urls::machine_download(machine),
        }
    }
}

/// The charts.
#[component]
pub(super) fn Charts(
    /// Of what.
    source: Source,
    /// What the address asks for.
    asked: Asked,
    /// The page's address without its query.
    path: String,
    /// What was read.
    found: MetricsView,
) -> impl IntoView {
    let view = RwSignal::new(found);
    follow(source, asked.query.clone(), view);
    let look = asked.look;
    let place = RwSignal::new(None);
    let navigate = use_navigate();
    let on_zoom = Callback::new(move |(from, to): (i64, i64)| {
        let window = Window { from: Millis(from), to: Millis(to) };
        navigate(&asked.over(window).at(&path), NavigateOptions { scroll: false, ..NavigateOptions::default() });
    });
    // Charts come and go with what is known of them: their numbers are counted anew then.
    let parts = Memo::new(move |_| view.with(|view| view.charts.iter().map(|chart| (chart.group.part(), chart.anchor())).collect::<Vec<_>>()));
    let drawn = move |part: Part| {
        let numbers = parts.with(|parts| parts.iter().enumerate().filter(|(_, (of, _))| *of == part).map(|(number, _)| number).collect::<Vec<_>>());
        numbers.into_iter().map(|number| view! { <Chart view=view.into() number look place on_zoom/> }).collect_view()
    };
    let more = move || {
        let some = parts.with(|parts| parts.iter().any(|(of, _)| *of == Part::More));
        some.then(|| view! { <section class="charts-more"><h2>"More"</h2><div class="charts">{drawn(Part::More)}</div></section> })
    };
    let problems = Memo::new(move |_| view.with(|view| view.problems.clone()));
    land();
    let damaged = move || view.with(|view| view.damaged);
    view! {
        {move || damaged().then(|| view! {
            <Notice tone=Tone::Warn title="Some figures of this time cannot be read"><p>"A file of kept samples is damaged: what was in it is shown as a gap."</p></Notice>
        })}
        <p class="small muted chart-span">{move || view.with(tools::span)}</p>
        <div class="charts">
            {move || drawn(Part::Main)}
            {move || problems.with(|problems| troubled(problems))}
            {move || drawn(Part::Own)}
        </div>
        {more}
        {move || view.with(|view| happened(&view.marks))}
    }
    .into_any()
}

/// Which tasks do not tell all of their own figures at the moment, and why.
pub(super) fn troubled(problems: &[ScrapeProblemView]) -> Option<AnyView> {
    if problems.is_empty() {
        return None;
    }
    let told = problems.iter().map(|problem| {
        let (text, since) = (format!("Task {}: {}, since ", problem.slot, problem.text), problem.since);
        view! { <li class="break">{text}<Ago at=since/></li> }
    });
    let told = told.collect_view();
    Some(view! { <Notice tone=Tone::Warn title="The application does not tell all of its own figures"><ul>{told}</ul></Notice> }.into_any())
}

/// What the marks say, in words.
fn happened(marks: &[MarkView]) -> Option<AnyView> {
    /// Most that are told.
    const MOST: usize = 50;
    if marks.is_empty() {
        return None;
    }
    let told = marks.iter().rev().take(MOST).map(|mark| {
        let text = mark.text.clone();
        let said = match mark.link.clone() {
            Some(link) => view! { <a href=link>{text}</a> }.into_any(),
            None => text.into_any(),
        };
        let kind = mark.kind.as_str();
        view! {
            <li data-kind=kind>
                <svg class="chart-mark" data-kind=kind width="12" height="12" viewBox="-6 -6 12 12" aria-hidden="true"><path d=sign(mark.kind)/></svg>
                <span class="muted small">{Millis(mark.ms).exact()}</span>" "<span class="break">{said}</span>
            </li>
        }
    });
    let told = told.collect_view();
    Some(
        view! { <section class="panel"><header><h2>"What happened meanwhile"</h2></header><ul class="list chart-happened">{told}</ul></section> }
            .into_any(),
    )
}

#[cfg(not(feature = "hydrate"))]
fn land() {}

/// Shows the chart that the address ends with. When the browser looked for it, it may not have been there yet.
#[cfg(feature = "hydrate")]
fn land() {
    Effect::new(move |_| {
        let hash = window().location().hash().unwrap_or_default();
        if let Some(chart) = hash.strip_prefix('#').filter(|id| id.starts_with("chart-")).and_then(|id| document().get_element_by_id(id)) {
            chart.scroll_into_view();
        }
    });
}

#[cfg(not(feature = "hydrate"))]
fn follow(_source: Source, _query: MetricsQuery, _view: RwSignal<MetricsView>) {}

/// Reads the figures again when there are newer samples: each reading is of all the time that is shown, so there is none before the picture can be
/// another one. A time that has passed stays as it was.
#[cfg(feature = "hydrate")]
fn follow(source: Source, query: MetricsQuery, view: RwSignal<MetricsView>) {
    if !query.follows() {
        return;
    }
    let every = query.refresh_ms() as f64;
    on_samples(every, move || {
        let (source, query) = (source.clone(), query.clone());
        leptos::task::spawn_local(async move {
            // A reading that fails leaves what is there; the page says when the portal does not answer.
            if let Ok(found) = source.read(query).await {
                _ = view.try_set(found);
            }
        });
    });
}

/// Does this when there are newer samples, but not again within so many milliseconds. Every machine's collector says at each of its turns that there
/// are some: the word comes several times in ten seconds.
#[cfg(feature = "hydrate")]
fn on_samples(every: f64, act: impl Fn() + 'static) {
    /// What a turn may come early, in milliseconds: none is exact to the instant.
    const EARLY: f64 = 500.0;
    let pulse = Pulse::new();
    pulse.watch(String::from("metrics"));
    Effect::new(move |last: Option<f64>| {
        _ = pulse.track();
        let now = js_sys::Date::now();
        match last {
            // The page was read just now.
            None => now,
            Some(last) if now - last < every - EARLY => last,
            Some(_) => {
                act();
                now
            }
        }
    });
}

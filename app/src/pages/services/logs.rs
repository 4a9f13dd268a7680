//! A service's log: lines of all its tasks in the order of time, as many as fit with the page, and every line as it is written. The page that the server
//! makes is right by itself: its form, its links to older and newer lines and its downloads need no script. In the browser it follows, scrolls without
//! end, and searches with what is found appearing as it is found.

mod asked;
mod desk;
mod form;
#[cfg(feature = "hydrate")]
mod keys;
#[cfg(feature = "hydrate")]
mod prefs;
#[cfg(feature = "hydrate")]
mod reader;
#[cfg(feature = "hydrate")]
mod stream;
mod tools;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use model::logs::Marks;
use model::problem::{Problem, ProblemKind};
use model::views::logs::{LogPage, LogTask};
use model::views::services::ServiceDetail;

use self::asked::{Asked, Place};
use self::desk::Desk;
use super::{Undeployed, current};
use crate::api::ApiError;
use crate::api::logs::log_page;
use crate::api::services::get_service;
use crate::boot::boot;
use crate::components::log_row::{RowLook, Times, rows};
use crate::components::log_who::Twins;
use crate::components::{LogView, Notice, Tone, capital};
use crate::live::Pulse;
use crate::page::{loaded, query};
use crate::urls;

/// What the page of an address is read by.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    project: String,
    service: String,
    asked: Asked,
}

/// What was read.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Found {
    service: ServiceDetail,
    /// None: it was never deployed. A filter that cannot be used is said beside its form.
    page: Option<Result<LogPage, Problem>>,
    /// The rows of the page that the server makes. The browser writes its own.
    #[serde(skip)]
    drawn: Option<String>,
}

/// The log page.
#[component]
pub(crate) fn Logs() -> impl IntoView {
    let service = current();
    let (map, level) = (use_query_map(), query("level"));
    let shown = Memo::new(move |_| Shown { project: service.project.get(), service: service.name.get(), asked: map.with(Asked::read) });
    let data = Resource::new(move || shown.get(), read);
    loaded(data, move |found| view! { <Page found shown=shown.get_untracked() level pulse=service.pulse/> })
}

async fn read(shown: Shown) -> Result<Found, ApiError> {
    let service = get_service(shown.project.clone(), shown.service.clone()).await?;
    let Some(run) = super::chosen(&service, shown.asked.filter.environment.as_ref().map_or("", |name| name.as_str())) else {
        return Ok(Found { service, page: None, drawn: None });
    };
    let mut filter = shown.asked.filter.clone();
    filter.environment = Some(run.summary.environment.clone());
    if let Some(wrong) = shown.asked.wrong {
        return Ok(Found { service, page: Some(Err(unreadable(wrong))), drawn: None });
    }
    let asked = Asked { filter: filter.clone(), place: shown.asked.place.clone(), wrong: None };
    let look = look_of(&asked, &urls::service_page(&shown.project, &shown.service, "logs"));
    // In the browser a search brings its lines itself, as they are found; on the server the page begins with the first ones.
    let searched = shown.asked.place == Place::Oldest;
    let streamed = searched && cfg!(feature = "hydrate");
    if streamed {
        filter = model::views::logs::LogFilter { environment: filter.environment, ..Default::default() };
    }
    let (mut before, mut after, mut at) = (None, None, None);
    match shown.asked.place {
        Place::Newest => {}
        Place::Oldest if streamed => {}
        Place::Oldest => at = Some(if filter.since.is_empty() { String::from("1970-01-01T00:00:00Z") } else { filter.since.clone() }),
        Place::Before(id) => before = Some(id),
        Place::After(id) => after = Some(id),
        Place::At(place) | Place::Line(place) => at = Some(place),
    }
    match log_page(shown.project, shown.service, filter, before, after, at).await {
        Ok(mut page) => {
            if streamed {
                (page.lines, page.older, page.newer, page.end) = (Vec::new(), false, true, None);
            }
            let drawn = draw(&page, RowLook { twins: Twins::among(&page.tasks), ..look }).await;
            Ok(Found { service, page: Some(Ok(page)), drawn })
        }
        Err(error) if error.kind() == ProblemKind::Invalid => Ok(Found { service, page: Some(Err(error.0)), drawn: None }),
        Err(error) => Err(error),
    }
}

/// Writes the rows aside: a page of long lines would keep others waiting.
#[cfg(feature = "ssr")]
async fn draw(page: &LogPage, look: RowLook) -> Option<String> {
    let (lines, now) = (page.lines.clone(), boot().now);
    tokio::task::spawn_blocking(move || rows(&lines, None, &look, now)).await.ok()
}

#[cfg(not(feature = "ssr"))]
async fn draw(_page: &LogPage, _look: RowLook) -> Option<String> {
    None
}

/// An address that cannot be read, told as the server would.
fn unreadable(wrong: model::problem::FieldError) -> Problem {
    let mut problem = Problem::new(ProblemKind::Invalid, "invalid", "these lines cannot be shown");
    problem.fields.push(wrong);
    problem
}

#[component]
fn Page(found: Found, shown: Shown, level: Memo<String>, pulse: Pulse) -> impl IntoView {
    let Found { service, page, drawn } = found;
    let title = view! { <Title text=format!("Logs of {}", service.name)/> };
    let Some(run) = super::chosen(&service, shown.asked.filter.environment.as_ref().map_or("", |name| name.as_str())) else {
        let (what, when) = ("Nothing was written yet", "What its tasks write appears here, from the first deployment on.");
        return view! { {title} <Undeployed service what when/> }.into_any();
    };
    let environment = run.summary.environment.clone();
    let mut asked = shown.asked.clone();
    asked.filter.environment = Some(environment.clone());
    let page = page.unwrap_or_else(|| Err(Problem::new(ProblemKind::NotFound, "not_found", "nothing was deployed here")));
    let names: Vec<_> = service.runs.iter().map(|run| run.summary.environment.clone()).collect();
    let path = urls::service_page(&shown.project, &shown.service, "logs");
    let choice = view! { <super::EnvironmentChoice names shown=environment page=path.clone()/> };
    match page {
        Ok(page) => {
            let tasks = RwSignal::new(page.tasks.clone());
            view! {
                {title}{choice}
                <form::Filter asked=asked.clone() path=path.clone() tasks level refused=None/>
                <Log shown=Shown { asked, ..shown } path page drawn tasks level pulse/>
            }
            .into_any()
        }
        Err(problem) => {
            let said = problem.detail.clone();
            view! {
                {title}{choice}
                <form::Filter asked path tasks=RwSignal::new(Vec::new()) level refused=Some(problem)/>
                <Notice tone=Tone::Warn title=capital(&said)><p>"Mend what is marked above and look again."</p></Notice>
            }
            .into_any()
        }
    }
}

/// How rows of this page look.
fn look_of(asked: &Asked, path: &str) -> RowLook {
    let bare = model::views::logs::LogFilter { environment: asked.filter.environment.clone(), ..Default::default() };
    let mut link = asked::address(path, &bare, &Place::Newest, "");
    link.push_str(if link.contains('?') { "&line=" } else { "?line=" });
    // Rows say only what follows the page's own path.
    let link = link.strip_prefix(path).map_or_else(|| link.clone(), str::to_owned);
    // A pattern of anybody over lines of anybody takes its time: the reader's own, not that of all who wait for the server.
    let marks = if asked.filter.regex && !cfg!(feature = "hydrate") {
        Marks::none()
    } else {
        Marks::new(&asked.filter.grep, asked.filter.regex, asked.filter.case)
    };
    let marked = if let Place::Line(id) = &asked.place { Some(id.clone()) } else { None };
    RowLook {
        link,
        around: asked.narrows(),
        marks,
        raw: false,
        times: Times::Utc,
        marked,
        twins: Twins::default(),
        roving: cfg!(feature = "hydrate"),
    }
}

#[component]
fn Log(
    shown: Shown,
    path: String,
    page: LogPage,
    drawn: Option<String>,
    tasks: RwSignal<Vec<LogTask>>,
    level: Memo<String>,
    pulse: Pulse,
) -> impl IntoView {
    let desk = Desk::new(level.into(), page.lines.len(), page.older, page.newer);
    let look = RowLook { twins: Twins::among(&page.tasks), ..look_of(&shown.asked, &path) };
    let first = drawn.unwrap_or_else(|| rows(&page.lines, None, &look, boot().now));
    start(&shown, desk, &page, look, tasks, pulse);
    let gone = matches!(&shown.asked.place, Place::Line(id) if !page.lines.iter().any(|line| line.id == *id));
    let asked = StoredValue::new(shown.asked.clone());
    let edge = |line: Option<&model::views::logs::LogView>, place: fn(String) -> Place| {
        line.map_or_else(|| path.clone(), |line| shown.asked.at(&path, &place(line.id.clone()), &level.get_untracked()))
    };
    let (older, newer) = (edge(page.lines.first(), Place::Before), edge(page.lines.last(), Place::After));
    let nothing = view! { <tools::Nothing asked=shown.asked.clone() path=path.clone() desk kept=page.oldest/> };
    let hidden = move || level.with(|level| if level.is_empty() { "" } else { "Lines below the chosen level are hidden." });
    view! {
        {page.collecting.clone().map(|why| view! { <Notice tone=Tone::Warn title="New lines are not collected at the moment"><p>{capital(&why)}</p></Notice> })}
        {gone.then(|| view! { <Notice tone=Tone::Idle title="This line is not kept any more"><p>"These are the lines that are nearest to it."</p></Notice> })}
        <tools::Legend asked=shown.asked.clone() path=path.clone() tasks level/>
        <tools::Bar shown=shown.clone() path=path.clone() desk kept=page.bytes_kept/>
        <tools::Searching desk/>
        <LogView rows=first frame=desk.frame label=format!("Log of {}", shown.service)
            above=view! { <tools::Older desk href=older/> }.into_any()
            below=view! { {nothing}<tools::Newer desk href=newer/> }.into_any()
            on_press=Callback::new(move |event: leptos::ev::MouseEvent| desk.pressed(&event)) on_scroll=Callback::new(move |()| desk.scrolled())/>
        <p class="small muted row log-status">
            <span role="status">{move || asked.with_value(|asked| desk.status(asked))}</span>
            <span class="faint">{move || counted(desk.count.get())}" "{hidden}</span>
        </p>
    }
    .into_any()
}

/// How many rows there are, below them. Where there are none, that is said in their place.
fn counted(rows: usize) -> Option<String> {
    let lines = if rows == 1 { "line" } else { "lines" };
    (rows > 0).then(|| format!("{rows} {lines} in the page. Press a time to copy the link to its line."))
}

#[cfg(not(feature = "hydrate"))]
fn start(_shown: &Shown, _desk: Desk, _page: &LogPage, _look: RowLook, _tasks: RwSignal<Vec<LogTask>>, _pulse: Pulse) {}

/// The browser takes the page over, once its rows are there.
#[cfg(feature = "hydrate")]
fn start(shown: &Shown, desk: Desk, page: &LogPage, look: RowLook, tasks: RwSignal<Vec<LogTask>>, pulse: Pulse) {
    let source = reader::Source {
        project: shown.project.clone(),
        service: shown.service.clone(),
        filter: shown.asked.filter.clone(),
        place: shown.asked.place.clone(),
    };
    let given = StoredValue::new_local(Some((source, page.clone(), look)));
    Effect::new(move |_| {
        if desk.frame.list.get().is_none() || desk.frame.scroller.get().is_none() {
            return;
        }
        let Some((source, page, look)) = given.try_update_value(Option::take).flatten() else { return };
        if reader::Reader::start(source, desk, &page, look, tasks).is_some() {
            prefs::restore(desk);
            tools::lead_to_fragment();
        }
    });
    Effect::new(move |before: Option<u32>| {
        let beat = pulse.track();
        // Deployed meanwhile: the tasks are others.
        if before.is_some_and(|before| before != beat) {
            _ = desk.reader.try_with_value(|reader| reader.as_ref().map(reader::Reader::learn));
        }
        beat
    });
    let clock = use_context::<crate::components::Clock>();
    Effect::new(move |_| {
        _ = clock.map(crate::components::Clock::now);
        _ = desk.reader.try_with_value(|reader| reader.as_ref().map(|reader| reader.tick()));
    });
    keys::listen(desk);
    let resized = window_event_listener(leptos::ev::resize, move |_| {
        let end = desk.at_end.get_untracked();
        _ = desk.reader.try_with_value(|reader| reader.as_ref().map(|reader| reader.settle(end)));
    });
    on_cleanup(move || {
        resized.remove();
        if let Some(Some(reader)) = desk.reader.try_update_value(Option::take) {
            reader.close();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_log_is_not_counted() {
        assert_eq!(counted(0), None);
        assert!(counted(1).is_some_and(|said| said.starts_with("1 line in the page")));
        assert!(counted(2).is_some_and(|said| said.starts_with("2 lines in the page")));
    }
}

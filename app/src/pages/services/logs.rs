//! A service's log: the last lines with the page, then every line as it is written.

#[cfg(feature = "hydrate")]
mod stream;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Form;
use model::time::Millis;
use model::views::logs::{LogFilter, LogSource, LogView as Line};
use model::views::services::ServiceDetail;

use super::current;
use crate::api::ApiError;
use crate::api::logs::log_page;
use crate::api::services::get_service;
use crate::components::{Choice, LogFeed, LogLine, LogStream, LogView, Select};
use crate::page::{loaded, query};
use crate::urls;

/// What a page of a log shows.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    project: String,
    service: String,
    environment: String,
    task: String,
    filter: String,
}

/// The log page.
#[component]
pub(crate) fn Logs() -> impl IntoView {
    let service = current();
    let (environment, task, filter) = (query("environment"), query("task"), query("grep"));
    let shown = Memo::new(move |_| Shown {
        project: service.project.get(),
        service: service.name.get(),
        environment: environment.get(),
        task: task.get(),
        filter: filter.get(),
    });
    let data = Resource::new(move || shown.get(), read);
    loaded(data, move |(service, lines)| view! { <Log service lines shown=shown.get_untracked()/> })
}

async fn read(shown: Shown) -> Result<(ServiceDetail, Vec<Line>), ApiError> {
    let service = get_service(shown.project.clone(), shown.service.clone()).await?;
    if service.runs.is_empty() {
        return Ok((service, Vec::new()));
    }
    // Where several environments run it, one is shown.
    let environment = super::chosen(&service, &shown.environment).map(|run| run.summary.environment.to_string()).unwrap_or_default();
    let filter = LogFilter { environment: environment.parse().ok(), task: shown.task.parse().ok(), grep: shown.filter, ..LogFilter::default() };
    let page = log_page(shown.project, shown.service, filter, None, None, None).await?;
    Ok((service, page.lines))
}

/// A line as the component shows it.
fn line(view: &Line) -> LogLine {
    LogLine {
        at: Some(Millis(view.nanos / 1_000_000)),
        task: view.slot.to_string(),
        slot: view.slot,
        stream: match view.stream {
            LogSource::Stdout => LogStream::Out,
            LogSource::Stderr | LogSource::Gap => LogStream::Err,
        },
        text: if view.cut { format!("{} \u{2026}", view.text) } else { view.text.clone() },
    }
}

#[component]
fn Log(service: ServiceDetail, lines: Vec<Line>, shown: Shown) -> impl IntoView {
    let feed = LogFeed::new(String::new());
    let environment = super::chosen(&service, &shown.environment).map(|run| run.summary.environment.clone());
    let deployed = environment.is_some();
    let first = lines.iter().map(line).collect::<Vec<_>>();
    let empty = first.is_empty();
    let tasks = service
        .runs
        .iter()
        .filter(|run| Some(&run.summary.environment) == environment.as_ref())
        .flat_map(|run| &run.tasks)
        .map(|task| (task.id.to_string(), format!("{}.{} ({})", service.name, task.slot, task.state)))
        .collect::<Vec<_>>();
    let environment = environment.map(|name| name.to_string()).unwrap_or_default();
    let state = RwSignal::new(String::new());
    #[cfg(feature = "hydrate")]
    if deployed {
        stream::follow(&Shown { environment: environment.clone(), ..shown.clone() }, &lines, feed, state);
    }
    view! {
        <Title text=format!("Logs of {}", service.name)/>
        <Choices shown=shown.clone() environment tasks feed/>
        {if deployed {
            view! {
                {empty.then(|| view! { <p class="muted">"No line yet. What is written from now on appears here."</p> })}
                <LogView first feed label=format!("Log of {}", service.name)/>
                <p class="small muted row" role="status">
                    <span>{move || if feed.paused.get() { String::from("Paused: new lines wait.") } else { state.get() }}</span>
                    <span class="faint">"Times are UTC. The number is the task's; red lines went to standard error. The last 5000 lines stay."</span>
                </p>
            }.into_any()
        } else {
            view! { <p class="muted">"Nothing was deployed yet, so nothing was written."</p> }.into_any()
        }}
    }
    .into_any()
}

/// Which lines: by task, by text.
#[component]
fn Choices(shown: Shown, environment: String, tasks: Vec<(String, String)>, feed: LogFeed) -> impl IntoView {
    let path = urls::service_page(&shown.project, &shown.service, "logs");
    let mut choices = vec![Choice::new("", "All tasks")];
    choices.extend(tasks.into_iter().map(|(id, name)| Choice::new(id, name)));
    let keep = Callback::new(move |text: String| feed.filter.set(text));
    view! {
        <Form method="GET" action=path attr:class="filter">
            <input type="hidden" name="environment" value=environment/>
            <Select name="task" label="Task" choices value=shown.task/>
            <crate::components::TextField name="grep" label="Only lines with" value=shown.filter on_input=keep/>
            <button type="submit" class="button">"Look back"</button>
            <button type="button" class="button needs-script" aria-pressed=move || feed.paused.get().to_string()
                on:click=move |_| feed.paused.update(|paused| *paused = !*paused)>
                {move || if feed.paused.get() { "Go on" } else { "Pause" }}
            </button>
        </Form>
    }
    .into_any()
}

//! Events as a timeline: the form that says which, and the table. Which ones are shown is in the address; the form works without scripts.

use leptos::prelude::*;
use leptos_router::components::Form;
use leptos_router::hooks::use_query_map;
use model::views::events::{EventFilter, EventKind, EventView, EventsView, signal_name};

use super::states;
use crate::api::ApiError;
use crate::components::{Ago, Badge, Choice, Empty, ProblemNotice, Select, TextField, Tone};
use crate::urls;

/// What the address asks for.
pub(crate) fn asked() -> Memo<EventFilter> {
    let query = use_query_map();
    Memo::new(move |_| {
        query.with(|query| {
            let said = |name: &str| query.get(name).unwrap_or_default().trim().to_owned();
            EventFilter {
                kind: said("kind"),
                task: said("task"),
                environment: said("environment"),
                since: said("since"),
                until: said("until"),
                others: String::new(),
                after: said("after"),
                before: said("before"),
                limit: None,
            }
        })
    })
}

/// This page with another filter, from its newest event on.
fn address(path: &str, filter: &EventFilter) -> String {
    urls::asking(path, &filter.pairs())
}

/// Which events. It is made anew when the address changes, and not when something happens.
#[component]
pub(crate) fn EventForm(
    /// The page's path.
    path: Memo<String>,
    /// What it shows.
    filter: Memo<EventFilter>,
) -> impl IntoView {
    move || {
        let (path, filter) = (path.get(), filter.get());
        let mut kinds = vec![Choice::new("", "Everything")];
        kinds.extend(EventKind::ALL.iter().map(|kind| Choice::new(kind.as_str(), states::event_kind(*kind).1)));
        let all_tasks = (!filter.task.is_empty()).then(|| {
            let href = address(&path, &EventFilter { task: String::new(), ..filter.clone() });
            view! { <p class="row">"Only those of one task, "<span class="chip break">{filter.task.clone()}</span><a href=href>"Show those of all tasks"</a></p> }
        });
        view! {
            <Form method="GET" action=path attr:class="filter" attr:role="search">
                <input type="hidden" name="task" value=filter.task.clone()/>
                <input type="hidden" name="environment" value=filter.environment.clone()/>
                <Select name="kind" label="What happened" choices=kinds value=filter.kind.clone()/>
                <TextField name="since" label="From" value=filter.since.clone() placeholder="15m, 2h, 2026-11-20T09:30:00Z"/>
                <TextField name="until" label="To" value=filter.until.clone() placeholder="now"/>
                <button type="submit" class="button">"Show"</button>
            </Form>
            {all_tasks}
        }
        .into_any()
    }
}

/// The events, or what is wrong with what was asked for.
#[component]
pub(crate) fn Timeline(
    /// The page's path.
    path: String,
    /// What it shows.
    filter: EventFilter,
    /// The events.
    events: Result<EventsView, ApiError>,
    /// Whether they are everybody's on a machine.
    #[prop(optional)]
    of_machine: bool,
) -> impl IntoView {
    let events = match events {
        Ok(events) => events,
        Err(error) => {
            return view! { <ProblemNotice problem=Signal::stored(Some(error.0)) because="No events are shown, because this is not right:"/> }
                .into_any();
        }
    };
    if events.items.is_empty() {
        return view! { <Nothing path filter of_machine/> }.into_any();
    }
    let with = |name: &'static str, cursor: String| {
        let mut pairs = filter.pairs().to_vec();
        pairs.push((name, cursor.as_str()));
        urls::asking(path.clone(), &pairs)
    };
    let newer = events.previous.map(|cursor| with("before", cursor));
    let older = events.next.map(|cursor| with("after", cursor));
    let turned = newer.is_some() || older.is_some();
    let rows = events.items.into_iter().map(|event| view! { <Row path=path.clone() filter=filter.clone() event of_machine/> }).collect_view();
    let first_column = if of_machine { "Whose" } else { "Task" };
    view! {
        <section class="panel">
            <table class="table events">
                <thead><tr>
                    <th scope="col">"When (UTC)"</th><th scope="col">"What"</th><th scope="col">{first_column}</th><th scope="col">"Ended with"</th><th scope="col">"Details"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {turned.then(|| view! {
                <footer class="row">
                    {newer.map(|href| view! { <a href=href>"Newer events"</a> })}
                    {older.map(|href| view! { <a href=href>"Older events"</a> })}
                </footer>
            })}
        </section>
    }
    .into_any()
}

/// No event.
#[component]
fn Nothing(path: String, filter: EventFilter, of_machine: bool) -> impl IntoView {
    let asks = address(&path, &filter) != path || !filter.after.is_empty() || !filter.before.is_empty();
    view! {
        <section class="panel">
            {if asks {
                view! { <Empty title="Nothing of that kind happened"><p><a href=path>"Show everything that is known"</a></p></Empty> }.into_any()
            } else if of_machine {
                view! { <Empty title="Nothing happened yet"><p>"What containers of this machine do is kept here for 90 days, also of those that Slipway did not make: of these the newest 50,000 events at most."</p></Empty> }.into_any()
            } else {
                view! { <Empty title="Nothing happened yet"><p>"Starts, ends with their exit codes, and health of every task are kept here for 90 days, the newest 100,000 of a project at most. They begin with the first deployment."</p></Empty> }.into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Row(path: String, filter: EventFilter, event: EventView, of_machine: bool) -> impl IntoView {
    let (tone, text) = states::event(&event);
    let ended = match event.kind {
        EventKind::Killed => event.signal.map(signal_name),
        _ => event.ending(),
    };
    let by_slipway = event.planned.then(|| view! { <span class="small muted">"by Slipway"</span> });
    let found_out = event.recovered.then(|| {
        view! { <span class="small muted" title="Nobody heard it when it happened; it was found out later.">"found out later"</span> }
    });
    let output = event.output.clone().map(|output| {
        view! { <details class="as-table"><summary>"What the check printed"</summary><pre class="small break">{output}</pre></details> }
    });
    let text_of = (!event.text.is_empty()).then(|| view! { <span class="small break">{event.text.clone()}</span> });
    let at = event.at;
    // The time of the day, to the second: many happen in one minute.
    let time = at.rfc3339().get(11..19).map(str::to_owned);
    let label = if of_machine { "Whose" } else { "Task" };
    let whose = if of_machine { view! { <Whose event/> }.into_any() } else { view! { <TaskOf path filter event/> }.into_any() };
    view! {
        <tr>
            <td data-label="When" class="nowrap"><span><span class="number">{time}</span>" "<span class="small muted"><Ago at/></span></span></td>
            <td data-label="What"><span class="row"><Badge tone text/>{by_slipway}{found_out}</span></td>
            <td data-label=label>{whose}</td>
            <td data-label="Ended with">{ended}</td>
            <td data-label="Details">{(text_of.is_some() || output.is_some()).then(|| view! { <div>{text_of}{output}</div> })}</td>
        </tr>
    }
    .into_any()
}

/// The task, which leads to its events alone.
#[component]
fn TaskOf(path: String, filter: EventFilter, event: EventView) -> impl IntoView {
    let place = event.slot.map_or_else(|| String::from("Task"), |slot| format!("Task {slot}"));
    let href = event.task.map(|task| address(&path, &EventFilter { task: task.to_string(), ..filter }));
    let revision = event.revision.map(|number| format!(" of revision {number}"));
    let machine = event.machine.to_string();
    view! {
        <span>
            {match href {
                Some(href) => view! { <a href=href title="The events of this task alone">{place}</a> }.into_any(),
                None => place.into_any(),
            }}
            <span class="small muted">{revision}" on "{machine}</span>
        </span>
    }
    .into_any()
}

/// On a machine: a service's task, or somebody's container.
#[component]
fn Whose(event: EventView) -> impl IntoView {
    let name = if event.name.is_empty() { event.container.clone().unwrap_or_default() } else { event.name.clone() };
    match (&event.project, &event.service) {
        (Some(project), Some(service)) => {
            let href = urls::service_page(project, service, "events");
            let slot = event.slot.map(|slot| format!(" task {slot}"));
            view! { <span><a href=href>{format!("{project}/{service}")}</a><span class="small muted">{slot}</span></span> }.into_any()
        }
        _ if event.kind == EventKind::Gap => view! { <span class="muted">"the machine"</span> }.into_any(),
        _ => view! {
            <span class="row">
                <code class="small break">{name}</code>
                <Badge tone=Tone::Idle text="not of Slipway"/>
                <span class="small muted break">{event.image.clone()}</span>
            </span>
        }
        .into_any(),
    }
}

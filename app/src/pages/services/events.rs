//! What happened to a service's tasks.

use leptos::prelude::*;
use leptos_meta::Title;
use model::names::EnvironmentName;
use model::problem::ProblemKind;
use model::views::events::{EventFilter, EventsView};

use super::current;
use crate::api::ApiError;
use crate::api::events::service_events;
use crate::page::{Data, loaded_in};
use crate::pages::events::{EventForm, Timeline, asked};
use crate::urls;

/// The page.
#[component]
pub(crate) fn Events() -> impl IntoView {
    let service = current();
    let filter = asked();
    let path = Memo::new(move |_| urls::service_page(service.project.get(), service.name.get(), "events"));
    // A filter that is wrong is told beside the form.
    let data: Data<Result<EventsView, ApiError>> = Resource::new(
        move || (service.project.get(), service.name.get(), filter.get(), service.pulse.track()),
        |(project, name, filter, _)| async move {
            match service_events(project, name, filter).await {
                Err(error) if error.kind() != ProblemKind::Invalid => Err(error),
                answer => Ok(answer),
            }
        },
    );
    view! {
        <Title text=move || format!("Events of {}", service.name.get())/>
        <EventForm path filter/>
        {loaded_in(service.view, data, move |service, events| {
            let (path, filter) = (path.get(), filter.get());
            let names: Vec<_> = service.runs.iter().map(|run| run.summary.environment.clone()).collect();
            view! {
                <Places names path=path.clone() filter=filter.clone()/>
                <Timeline path filter events/>
            }
        })}
    }
    .into_any()
}

/// In which environment; nothing where there is only one.
#[component]
fn Places(names: Vec<EnvironmentName>, path: String, filter: EventFilter) -> impl IntoView {
    let link = move |name: &str, label: &str| {
        let shown = EventFilter { environment: name.to_owned(), task: String::new(), ..filter.clone() };
        let href = urls::asking(path.clone(), &shown.pairs());
        let current = (filter.environment == name).then_some("page");
        view! { <a href=href aria-current=current>{label.to_owned()}</a> }
    };
    (names.len() > 1).then(|| {
        let all = link("", "All");
        let each = names.iter().map(|name| link(name.as_str(), name.as_str())).collect_view();
        view! { <nav class="segments" aria-label="Environment">{all}{each}</nav> }
    })
}

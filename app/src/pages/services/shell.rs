//! A shell in one of a service's tasks.

use leptos::prelude::*;
use model::access::Action;
use model::views::services::{ServiceDetail, TaskState, TaskView};

use super::current;
use crate::api::services::get_service;
use crate::components::{Empty, Notice, Terminal, Tone};
use crate::page::{loaded, query};
use crate::urls;

/// The shell page. It is read once: a change of the service does not disturb an open terminal.
#[component]
pub(crate) fn Shell() -> impl IntoView {
    let service = current();
    let task = query("task");
    let data = Resource::new(move || (service.project.get(), service.name.get()), |(project, name)| get_service(project, name));
    loaded(data, move |service| {
        view! { <Tasks service chosen=task/> }
    })
}

#[component]
fn Tasks(service: ServiceDetail, chosen: Memo<String>) -> impl IntoView {
    if !service.may(Action::OpenShell) {
        return view! {
            <Notice tone=Tone::Idle title="No shell for you here">
                <p>"Shells are for developers, where the project allows it, and for its admins. A project admin can change your role."</p>
            </Notice>
        }
        .into_any();
    }
    let running: Vec<TaskView> = service.runs.iter().flat_map(|run| run.tasks.clone()).filter(|task| task.state == TaskState::Running).collect();
    if running.is_empty() {
        return view! {
            <section class="panel"><Empty title="No task runs">
                <p>"A shell opens inside a running task. Start or deploy the service first."</p>
                <a class="button" href=urls::service(&service.project, &service.name)>"To the overview"</a>
            </Empty></section>
        }
        .into_any();
    }
    let page = urls::service_page(&service.project, &service.name, "shell");
    let name = service.name.to_string();
    let first = running.first().map(|task| task.id.to_string()).unwrap_or_default();
    let known: Vec<(String, String)> = running.iter().map(|task| (task.id.to_string(), format!("{name}.{}", task.slot))).collect();
    let shown = Memo::new(move |_| {
        let wanted = chosen.get();
        if wanted.is_empty() { first.clone() } else { wanted }
    });
    let choices = known
        .iter()
        .cloned()
        .map(|(id, title)| {
            let href = format!("{page}?task={id}");
            view! { <a href=href aria-current=move || (shown.get() == id).then_some("page")>{title}</a> }
        })
        .collect_view();
    let several = known.len() > 1;
    view! {
        {several.then(|| view! { <nav class="segments" aria-label="Task">{choices}</nav> })}
        {move || {
            let id = shown.get();
            let title = known.iter().find(|(known, _)| *known == id).map_or_else(|| String::from("task"), |(_, title)| title.clone());
            view! { <Terminal title socket=urls::shell_socket(&id)/> }
        }}
    }
    .into_any()
}

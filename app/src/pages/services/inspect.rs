//! What the engine knows of a task, with secrets hidden.

use leptos::prelude::*;
use model::views::services::{ServiceDetail, TaskView};

use super::current;
use crate::api::logs::inspect_task;
use crate::components::{CopyButton, Empty};
use crate::page::{loaded, query};
use crate::urls;

/// The inspection.
#[component]
pub(crate) fn Inspect() -> impl IntoView {
    let service = current();
    let task = query("task");
    loaded(service.view, move |view| {
        let tasks: Vec<TaskView> =
            view.runs.iter().flat_map(|run| run.tasks.clone()).filter(|task| task.container.is_some() && !task.state.is_final()).collect();
        let wanted = task.get();
        let shown = tasks.iter().find(|task| task.id.to_string() == wanted).or_else(|| tasks.first()).map(|task| task.id.to_string());
        match shown {
            Some(shown) => view! { <Shown service=view tasks shown/> }.into_any(),
            None => view! { <section class="panel"><Empty title="No task to inspect"><p>"What runs can be inspected. Nothing of this service runs."</p></Empty></section> }.into_any(),
        }
    })
}

#[component]
fn Shown(service: ServiceDetail, tasks: Vec<TaskView>, shown: String) -> impl IntoView {
    let page = urls::service_page(&service.project, &service.name, "inspect");
    let name = service.name.to_string();
    let several = tasks.len() > 1;
    let choices = tasks
        .iter()
        .map(|task| {
            let id = task.id.to_string();
            let current = (id == shown).then_some("page");
            view! { <a href=format!("{page}?task={id}") aria-current=current>{format!("{name}.{}", task.slot)}</a> }
        })
        .collect_view();
    let data = Resource::new(move || shown.clone(), inspect_task);
    view! {
        {several.then(|| view! { <nav class="segments" aria-label="Task">{choices}</nav> })}
        {loaded(data, |json| view! {
            <section class="panel">
                <header><h2>"Container"</h2><div class="actions"><CopyButton text=json.clone() what="inspection"/></div></header>
                <pre class="code-block" tabindex="0" aria-label="Inspection"><code>{json}</code></pre>
                <footer>"Values of secrets are hidden from everybody."</footer>
            </section>
        })}
    }
    .into_any()
}

//! What is rarely done to a service: its deletion.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::views::services::ServiceDetail;

use super::current;
use crate::api::services::DeleteService;
use crate::components::{Ago, Confirm, Csrf, Keep, ProblemNotice, Submit, TextField};
use crate::page::{change, loaded, problem};
use crate::urls;

/// The settings.
#[component]
pub(crate) fn Settings() -> impl IntoView {
    let service = current();
    let delete = change::<DeleteService>("Service deleted", None);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if matches!(delete.value().get(), Some(Ok(()))) {
            navigate(&urls::project(service.project.get_untracked()), leptos_router::NavigateOptions::default());
        }
    });
    loaded(service.view, move |service| view! { <Danger service delete/> })
}

#[component]
fn Danger(service: ServiceDetail, delete: ServerAction<DeleteService>) -> impl IntoView {
    let (project, name) = (service.project.to_string(), service.name.to_string());
    let tasks: usize = service.runs.iter().map(|run| run.tasks.iter().filter(|task| !task.state.is_final()).count()).sum();
    let places = service.runs.iter().map(|run| run.summary.environment.to_string()).collect::<Vec<_>>().join(", ");
    let what = if places.is_empty() {
        String::from("It was never deployed.")
    } else {
        format!("Its {tasks} running tasks in {places} are stopped and removed.")
    };
    view! {
        <section class="panel page-narrow">
            <header><h2>"Service"</h2></header>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Made"</dt><dd><Ago at=service.created_at/>" by "{service.created_by.clone()}</dd>
                    <dt>"Id"</dt><dd><code>{service.id.to_string()}</code></dd>
                </dl>
            </div>
        </section>
        {service.may(Action::DeleteService).then(|| view! {
            <section class="panel panel-danger page-narrow">
                <header><h2>"Delete"</h2></header>
                <div class="panel-body">
                    <p>{what.clone()}" Its images stay. Volumes stay until an operator removes them. The name is not given out again for 30 days."</p>
                    <Confirm id="delete-service" button="Delete service" title=format!("Delete {project}/{name}?")>
                        <p>{what}" Revisions, deployments and settings go with it; the audit log stays."</p>
                        <ProblemNotice problem=problem(delete)/>
                        <ActionForm action=delete attr:class="form">
                            <Csrf/>
                            <input type="hidden" name="project" value=project/>
                            <input type="hidden" name="service" value=name.clone()/>
                            <TextField name="typed" label=format!("Type {name} to confirm") mono=true required=true exactly=name scope="delete"/>
                            <div class="actions"><Keep dialog="delete-service"/><Submit label="Delete service" look="button-danger-fill" pending=delete.pending()/></div>
                        </ActionForm>
                    </Confirm>
                </div>
            </section>
        })}
    }
    .into_any()
}

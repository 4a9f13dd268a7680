//! A container that something else made, as a service: what maps, what does not, and where it goes. The container itself is only looked at.

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Form;
use leptos_router::hooks::use_navigate;
use model::names::ProjectName;
use model::views::imports::ImportView;

use crate::api::imports::{BeginImport, list_import_projects, read_import};
use crate::components::{Csrf, Notice, ProblemNotice, Submit, TextArea, TextField, Tone, field_error, sentence};
use crate::page::{loaded, problem, query};
use crate::urls;

/// The import.
#[component]
pub(crate) fn Import() -> impl IntoView {
    let (machine, container) = (query("machine"), query("container"));
    let begin = ServerAction::<BeginImport>::new();
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(made)) = begin.value().get() {
            navigate(&urls::deploy_text(&made.project, &made.name), leptos_router::NavigateOptions::default());
        }
    });
    // Who may not import is shown no form; a container that is not there leaves what was typed.
    let allowed = Resource::new(|| (), |()| list_import_projects());
    let data = Resource::new(
        move || (machine.get(), container.get()),
        |(machine, container)| async move { if container.is_empty() { Ok(None) } else { read_import(machine, container).await.map(Some) } },
    );
    view! {
        <Title text="Import a container"/>
        {loaded(allowed, move |projects| {
            let projects = StoredValue::new(projects);
            view! {
                <Which machine=machine.get_untracked() container=container.get_untracked()/>
                {loaded(data, move |import: Option<ImportView>| import.map(|import| view! { <Read import projects=projects.get_value() begin/> }))}
            }
        })}
    }
    .into_any()
}

/// Asks which container.
#[component]
fn Which(machine: String, container: String) -> impl IntoView {
    view! {
        <section class="panel page-narrow">
            <header><h2>"Import a container"</h2></header>
            <div class="panel-body">
                <p class="muted">
                    "A container that docker or another tool made is read, and a descriptor is written for it. It runs on beside the service: end it yourself when
                    the service does its work."
                </p>
                <Form method="GET" action=urls::ADMIN_IMPORT attr:class="form">
                    <div class="fields">
                        <TextField name="machine" label="Machine" required=true value=machine/>
                        <TextField name="container" label="Container" required=true mono=true value=container hint="Its name or id, as docker ps shows it."/>
                    </div>
                    <div class="actions"><button type="submit" class="button">"Read it"</button></div>
                </Form>
            </div>
        </section>
    }
    .into_any()
}

/// What was read, and where it shall go.
#[component]
fn Read(import: ImportView, projects: Vec<ProjectName>, begin: ServerAction<BeginImport>) -> impl IntoView {
    let known = projects.into_iter().map(|name| view! { <option value=name.to_string()></option> }).collect_view();
    let refused = problem(begin);
    let nothing = import.left.is_empty();
    let left = import
        .left
        .into_iter()
        .map(
            |left| view! { <tr><td data-label="Not taken" class="table-main"><code>{left.what}</code></td><td data-label="Why">{sentence(&left.why)}</td></tr> },
        )
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>{format!("{} of {} as a service", import.container, import.machine)}</h2></header>
            <div class="panel-body">
                <ProblemNotice problem=refused beside=&["project", "name"]/>
                <ActionForm action=begin attr:class="form">
                    <Csrf/>
                    <datalist id="projects">{known}</datalist>
                    <div class="fields">
                        <TextField name="project" label="Project" required=true list="projects" error=field_error(refused, "project") hint="The service is made there."/>
                        <TextField name="name" label="Name" required=true value=import.service error=field_error(refused, "name")/>
                    </div>
                    <TextArea name="text" label="Descriptor" rows=16 mono=true value=import.yaml hint="Looked at once more before it is deployed."/>
                    <div class="actions"><Submit label="Make the service" pending=begin.pending()/></div>
                </ActionForm>
            </div>
        </section>
        {if nothing {
            view! { <Notice tone=Tone::Ok title="Everything was taken."><p>"Nothing of the container is left out."</p></Notice> }.into_any()
        } else {
            view! {
                <section class="panel">
                    <header><h2>"Not taken"</h2></header>
                    <table class="table">
                        <thead><tr><th scope="col">"What"</th><th scope="col">"Why, and what to do"</th></tr></thead>
                        <tbody>{left}</tbody>
                    </table>
                </section>
            }.into_any()
        }}
    }
    .into_any()
}

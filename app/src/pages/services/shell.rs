//! Shells in a service's tasks: a bar that says what to open, and up to four terminals beside each other.

mod asked;
mod bar;
mod panes;

use leptos::prelude::*;
use leptos_meta::Title;
use model::access::Action;
use model::views::projects::ProjectView;
use model::views::services::{ServiceDetail, TaskState};

use super::current;
use crate::api::ApiError;
use crate::api::projects::get_project;
use crate::api::services::get_service;
use crate::components::{Empty, Notice, Preferences, Tone};
use crate::page::{loaded, query};
use crate::urls;
use asked::{Asked, Place};
use bar::Bar;
use panes::{Panes, Wall};

/// What the address asks for.
#[derive(Clone, Copy)]
struct Query {
    task: Memo<String>,
    command: Memo<String>,
    user: Memo<String>,
    workdir: Memo<String>,
    why: Memo<String>,
}

impl Query {
    fn get(self) -> Asked {
        Asked { task: self.task.get(), command: self.command.get(), user: self.user.get(), workdir: self.workdir.get(), why: self.why.get() }
    }
}

/// The shell page. It is read once: a change of the service does not disturb an open terminal.
#[component]
pub(crate) fn Shell() -> impl IntoView {
    let service = current();
    let asked = Query { task: query("task"), command: query("command"), user: query("user"), workdir: query("workdir"), why: query("why") };
    Preferences::provide();
    let data = Resource::new(move || (service.project.get(), service.name.get()), read);
    loaded(data, move |(service, project)| view! { <Desk service project asked/> })
}

async fn read((project, service): (String, String)) -> Result<(ServiceDetail, ProjectView), ApiError> {
    let service = get_service(project.clone(), service).await?;
    Ok((service, get_project(project).await?))
}

/// The tasks in which a shell can be opened now.
fn places(service: &ServiceDetail) -> Vec<Place> {
    let several = service.runs.len() > 1;
    let running = service.runs.iter().flat_map(|run| &run.tasks).filter(|task| task.state == TaskState::Running);
    let title = |slot: i64, environment: &str| {
        if several { format!("{}.{slot} in {environment}", service.name) } else { format!("{}.{slot}", service.name) }
    };
    running.map(|task| Place { task: task.id.to_string(), title: title(task.slot, task.environment.as_str()) }).collect()
}

#[component]
fn Desk(service: ServiceDetail, project: ProjectView, asked: Query) -> impl IntoView {
    if !service.may(Action::OpenShell) {
        return view! {
            <Notice tone=Tone::Idle title="No shell for you here">
                <p>"Shells are for developers, where the project allows it, and for its admins. A project admin can change your role."</p>
            </Notice>
        }
        .into_any();
    }
    let places = RwSignal::new(places(&service));
    follow(places);
    let first = untrack(|| asked.get());
    let panes = Panes::new(places);
    let draft = RwSignal::new(first.clone());
    // A link to a task opens it at once. What a link wants to run, and as whom, where and why, is looked at first.
    let waits = !first.task.is_empty() && !first.is_harmless();
    let wanted = if first.command.trim().is_empty() { "This link says how to open a shell" } else { "This link wants to run a command" };
    if !first.task.is_empty() && !waits {
        panes.open(&first);
    }
    panes.restore();
    Effect::new(move |before: Option<Asked>| {
        let now = asked.get();
        if before.is_some_and(|before| before != now) && !now.task.is_empty() {
            draft.set(now.clone());
            if now.is_harmless() {
                panes.open(&now);
            }
        }
        now
    });
    let recorded = project.shells_recorded;
    let page = urls::service_page(&service.project, &service.name, "shell");
    let shells = urls::project_page(&service.project, "shells");
    let overview = urls::service(&service.project, &service.name);
    view! {
        <Title text=format!("Shell in {}", service.name)/>
        {move || (waits && panes.is_empty()).then(|| view! {
            <Notice tone=Tone::Warn title=wanted>
                <p>"Look at it below: the command, the user, the folder and the reason. It opens in your name when you press \u{201c}Open shell\u{201d}."</p>
            </Notice>
        })}
        <Bar page places draft panes recorded/>
        <Recorded recorded shells/>
        {move || (places.with(Vec::is_empty) && panes.is_empty()).then(|| view! { <Nothing overview=overview.clone()/> })}
        <Wall panes recorded/>
    }
    .into_any()
}

/// There is no task to open a shell in.
#[component]
fn Nothing(overview: String) -> impl IntoView {
    view! {
        <section class="panel"><Empty title="No task runs">
            <p>"A shell opens inside a running task. Start or deploy the service first."</p>
            <a class="button" href=overview>"To the overview"</a>
        </Empty></section>
    }
    .into_any()
}

/// Keeps the tasks that can be chosen as they are.
fn follow(places: RwSignal<Vec<Place>>) {
    let service = current();
    Effect::new(move |_| {
        if let Some(Ok(service)) = service.view.get() {
            let now = self::places(&service);
            if places.with_untracked(|places| *places != now) {
                places.set(now);
            }
        }
    });
}

/// Whether what is printed is recorded, and where that is found.
#[component]
fn Recorded(recorded: bool, shells: String) -> impl IntoView {
    let (text, link) = if recorded {
        (
            "What shells print here is recorded, with who opened them, when, from where and why. What you type is recorded where it is echoed. ",
            "Shells and recordings",
        )
    } else {
        ("Recording is switched off in this project. Who opened a shell, when, from where and why is kept all the same. ", "Shells of this project")
    };
    view! { <p class="small muted" data-recorded=recorded.to_string()>{text}<a href=shells>{link}</a></p> }.into_any()
}

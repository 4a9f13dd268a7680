//! Projects: the list, making one, and the frame and pages of one.

mod dashboard;
mod settings;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Outlet;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::names::ProjectName;
use model::page::Page;
use model::views::projects::{ProjectSummary, ProjectView};

pub(crate) use dashboard::Dashboard;
pub(crate) use settings::{Audit, Settings};

use super::alerts::firing;
use crate::api::ApiError;
use crate::api::projects::{CreateProject, get_project, list_projects, may_create_projects};
use crate::components::{
    Ago, Badge, CheckBox, Command, Crumb, Crumbs, Csrf, Empty, ProblemNotice, Submit, Tab, Tabs, TextArea, TextField, Tone, field_error,
};
use crate::live::Pulse;
use crate::page::{Data, loaded, loaded_with, param, problem, query};
use crate::urls;

/// The list of projects.
#[component]
pub(crate) fn List() -> impl IntoView {
    let after = query("after");
    let data =
        Resource::new(move || after.get(), |after| async { Ok::<_, ApiError>((list_projects(Some(after)).await?, may_create_projects().await?)) });
    view! {
        <Title text="Projects"/>
        <div class="heading">
            <h1>"Projects"</h1>
            <div class="actions"><a class="button" href=urls::NEW_PROJECT>"New project"</a></div>
        </div>
        {loaded(data, |(page, may_create)| view! { <ProjectCards page may_create/> })}
    }
    .into_any()
}

/// Projects as cards.
#[component]
pub(super) fn ProjectCards(page: Page<ProjectSummary>, may_create: bool) -> impl IntoView {
    if page.items.is_empty() {
        return view! {
            <div class="panel">
                <Empty title="No projects yet">
                    {if may_create {
                        view! {
                            <p>"A project holds images, services and the people who work on them. Make one, or ask an admin of another to add you."</p>
                            <a class="button button-primary" href=urls::NEW_PROJECT>"New project"</a>
                        }.into_any()
                    } else {
                        view! { <p>"Only operators make projects here. Ask one, or ask an admin of a project to add you."</p> }.into_any()
                    }}
                </Empty>
            </div>
        }
        .into_any();
    }
    let next = page.next.map(|next| format!("{}?after={}", urls::PROJECTS, urls::query(&next)));
    let cards = page.items.into_iter().map(|project| view! { <ProjectCard project/> }).collect_view();
    view! {
        <div class="cards">{cards}</div>
        {next.map(|href| view! { <p><a class="button" href=href>"More projects"</a></p> })}
    }
    .into_any()
}

#[component]
fn ProjectCard(project: ProjectSummary) -> impl IntoView {
    let role = project.role.map_or_else(|| String::from(if project.internal { "visitor" } else { "operator" }), |role| role.to_string());
    view! {
        <div class="panel card">
            <h3><a href=urls::project(&project.name)>{project.name.to_string()}</a></h3>
            {(!project.description.is_empty()).then(|| view! { <p class="muted">{project.description.clone()}</p> })}
            <p class="row small faint">
                <span class="badge badge-plain">{role}</span>
                {project.internal.then(|| view! { <span class="badge badge-plain">"internal"</span> })}
                <span>"made "<Ago at=project.created_at/></span>
            </p>
        </div>
    }
    .into_any()
}

/// The form that makes a project.
#[component]
pub(crate) fn New() -> impl IntoView {
    let action = ServerAction::<CreateProject>::new();
    let refused = problem(action);
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(made)) = action.value().get() {
            navigate(&urls::project(&made.name), leptos_router::NavigateOptions::default());
        }
    });
    view! {
        <Title text="New project"/>
        <div class="page-narrow stack">
            <div>
                <Crumbs path=vec![Crumb::new(urls::PROJECTS, "Projects")]/>
                <div class="heading"><h1>"New project"</h1></div>
            </div>
            <section class="panel">
                <div class="panel-body">
                    <ProblemNotice problem=refused beside=&["name", "description"]/>
                    <ActionForm action attr:class="form">
                        <Csrf/>
                        <TextField name="name" label="Name" required=true autofocus=true mono=true check=Some(check_name)
                            error=field_error(refused, "name") hint="It is part of every image's name: lower-case letters, digits and hyphens. It cannot be changed."/>
                        <TextArea name="description" label="What it is for" rows=2 optional=true error=field_error(refused, "description")/>
                        <CheckBox name="internal" label="Internal" hint="Any signed-in user may see its images and pull them, nothing more."/>
                        <div class="actions">
                            <Submit label="Create project" pending=action.pending()/>
                            <a class="button button-quiet" href=urls::PROJECTS>"Cancel"</a>
                        </div>
                    </ActionForm>
                </div>
            </section>
        </div>
    }
    .into_any()
}

fn check_name(text: &str) -> Result<(), String> {
    text.trim().parse::<ProjectName>().map(drop).map_err(|error| error.to_string())
}

/// The project that the pages below a frame are about.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    /// Its name in the address.
    pub name: Memo<String>,
    /// What is known of it. It is read again only after its settings were changed here.
    pub view: Data<ProjectView>,
    /// Beats when its settings were changed here.
    pub changed: Pulse,
}

/// The project of this page.
pub(crate) fn current() -> Current {
    expect_context::<Current>()
}

/// The frame around a project's pages.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let name = param("project");
    let service = param("service");
    let changed = Pulse::new();
    let view = Resource::new(move || (name.get(), changed.track()), |(name, _)| get_project(name));
    let firing = firing(move || name.get());
    provide_context(Current { name, view, changed });
    // A service's pages have a heading of their own.
    let inside_service = move || !service.get().is_empty();
    view! {
        {move || (!inside_service()).then(|| {
            loaded_with(view, firing.count, move |project, count| view! { <Heading project firing=firing.known(count)/> })
        })}
        <Outlet/>
    }
    .into_any()
}

/// The project's name and its views.
#[component]
fn Heading(project: ProjectView, firing: i64) -> impl IntoView {
    let name = project.name.clone();
    let page = |page: &str| urls::project_page(&name, page);
    let mut tabs = vec![Tab::new(urls::project(&name), "Overview")];
    tabs.push(Tab::deep(page("images"), "Images"));
    if project.may(Action::SeeServices) {
        tabs.push(Tab::deep(page("deployments"), "Deployments"));
        tabs.push(Tab::deep(page("templates"), "Templates"));
        tabs.push(Tab::deep(page("alerts"), "Alerts").firing(firing));
    }
    if project.may(Action::ManageStatus) {
        tabs.push(Tab::new(page("status"), "Status page"));
    }
    if project.may(Action::Configure) {
        tabs.push(Tab::new(page("configuration"), "Configuration"));
    }
    if project.may(Action::SeeMembers) {
        tabs.push(Tab::new(page("members"), "Members"));
    }
    if project.may(Action::ManageRobots) {
        tabs.push(Tab::new(page("robots"), "Robots"));
    }
    if project.may(Action::Push) {
        tabs.push(Tab::new(page("registries"), "Outside registries"));
    }
    if project.may(Action::WatchOwnShells) {
        tabs.push(Tab::deep(page("shells"), "Shells"));
    }
    if project.may(Action::ReadUsage) {
        tabs.push(Tab::new(page("usage"), "Usage"));
    }
    if project.may(Action::ReadAudit) {
        tabs.push(Tab::new(page("audit"), "Audit"));
    }
    if project.may(Action::ManageProject) {
        tabs.push(Tab::new(page("settings"), "Settings"));
    }
    view! {
        <Title text=name.to_string()/>
        <div>
            <Crumbs path=vec![Crumb::new(urls::PROJECTS, "Projects")]/>
            <div class="heading">
                <h1>{name.to_string()}</h1>
                {project.internal.then(|| view! { <Badge tone=Tone::Idle text="Internal"/> })}
                {(!project.description.is_empty()).then(|| view! { <p class="heading-sub">{project.description.clone()}</p> })}
                {project.may(Action::CreateService).then(|| view! {
                    <div class="actions"><a class="button" href=page("services/new")>"New service"</a></div>
                })}
            </div>
            <Tabs label="Project" tabs/>
        </div>
    }
    .into_any()
}

/// The commands that bring an image into a project.
#[component]
pub(super) fn PushCommands(project: String) -> impl IntoView {
    let registry = crate::boot::boot().registry;
    view! {
        <Command what="push commands" text=format!(
            "docker login {registry}\ndocker tag my-image {registry}/{project}/my-image:1.0\ndocker push {registry}/{project}/my-image:1.0"
        )/>
    }
    .into_any()
}

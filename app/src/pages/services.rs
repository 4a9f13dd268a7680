//! Services: making one, and the frame and pages of one.

mod deploy;
mod discovery;
mod events;
mod hooks;
mod inspect;
mod jobs;
mod logs;
mod metrics;
mod overview;
mod pushes;
mod revisions;
mod running;
mod settings;
mod shell;
mod table;
mod tasks;
mod template;

use leptos::form::ActionForm;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::Outlet;
use leptos_router::hooks::use_navigate;
use model::access::Action;
use model::names::{EnvironmentName, ServiceName, TemplateName};
use model::problem::{Problem, ProblemKind};
use model::views::services::{RunView, ServiceDetail};
use model::views::templates::{TemplateMark, TemplateSummary};

pub(crate) use deploy::{Deploy, Plan};
pub(crate) use discovery::Discovery;
pub(crate) use events::Events;
pub(crate) use hooks::{Hook, Hooks};
pub(crate) use inspect::Inspect;
pub(crate) use logs::Logs;
pub(crate) use metrics::Metrics;
pub(crate) use overview::Overview;
pub(crate) use pushes::Pushes;
pub(crate) use revisions::Revisions;
pub(crate) use running::Running;
pub(crate) use settings::Settings;
pub(crate) use shell::Shell;
pub(super) use table::ServiceTable;
pub(crate) use template::Template;

use super::deployments::DeploymentTable;
use super::projects::current as project_of;
use super::states;
use crate::api::deployments::list_deployments;
use crate::api::services::{CreateService, get_service};
use crate::api::templates::{PLAIN, list_templates};
use crate::components::{Badge, Crumb, Crumbs, Csrf, Empty, ProblemNotice, Submit, Tab, Tabs, TextField, Tone, field_error};
use crate::live::Pulse;
use crate::page::{Data, Refusal, loaded, loaded_in, param, problem, query};
use crate::urls;

/// The service that the pages below a frame are about.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    /// Its project's name in the address.
    pub project: Memo<String>,
    /// Its name in the address.
    pub name: Memo<String>,
    /// What is known of it, read again whenever it changes.
    pub view: Data<ServiceDetail>,
    /// Beats whenever it changes.
    pub pulse: Pulse,
}

/// The service of this page.
pub(crate) fn current() -> Current {
    expect_context::<Current>()
}

/// The form that makes a service.
#[component]
pub(crate) fn New() -> impl IntoView {
    let project = project_of().name;
    let asked = query("template");
    let templates = Resource::new(move || project.get(), list_templates);
    let action = ServerAction::<CreateService>::new();
    let refused = problem(action);
    let chosen = RwSignal::new(asked.get_untracked());
    let navigate = use_navigate();
    Effect::new(move |_| {
        if let Some(Ok(made)) = action.value().get() {
            navigate(&urls::deploy(&made.project, &made.name, &chosen.get_untracked()), leptos_router::NavigateOptions::default());
        }
    });
    let form = move |templates: Vec<TemplateSummary>| {
        let first = asked.get_untracked();
        view! {
            <section class="panel page-narrow">
                <header><h2>"New service"</h2></header>
                <div class="panel-body">
                    <p class="muted">"A service is one thing that runs: a website, a worker. What it runs is chosen with the first deployment, on the next page."</p>
                    <ProblemNotice problem=refused beside=&["name"]/>
                    <ActionForm action attr:class="form">
                        <Csrf/>
                        <input type="hidden" name="project" value=move || project.get()/>
                        <TextField name="name" label="Name" required=true autofocus=true mono=true check=Some(check_name) error=field_error(refused, "name")
                            hint="Lower-case letters, digits and hyphens. Other services of the project reach it under this name."/>
                        <TemplateChoice templates first chosen/>
                        <div class="actions">
                            <Submit label="Create service" pending=action.pending()/>
                            <a class="button button-quiet" href=move || urls::project(project.get())>"Cancel"</a>
                        </div>
                    </ActionForm>
                </div>
            </section>
        }
    };
    view! {
        <Title text="New service"/>
        {loaded_in(project_of().view, templates, move |project, list| {
            if project.may(Action::CreateService) {
                form(list.templates).into_any()
            } else {
                let text = "you may not create services in this project; its admins can give you a role that may";
                view! { <Refusal problem=Problem::new(ProblemKind::Forbidden, "forbidden", text)/> }.into_any()
            }
        })}
    }
    .into_any()
}

/// What the next page asks: a template's questions, or the plain form.
#[component]
fn TemplateChoice(templates: Vec<TemplateSummary>, first: String, chosen: RwSignal<String>) -> impl IntoView {
    let plain = (PLAIN.to_owned(), String::from("The plain form"), String::from("Image, tasks, variables, ports, health check."));
    let offered = templates.into_iter().map(|template| (template.reference(), template.title, template.description));
    let none = first.is_empty();
    let items = std::iter::once(plain)
        .chain(offered)
        .map(|(value, title, description)| {
            let checked = value == first || (none && value == PLAIN);
            let kept = value.clone();
            view! {
                <label class="check">
                    <input type="radio" name="template" value=value checked=checked on:change=move |_| chosen.set(kept.clone())/>
                    <span>{title}<span class="hint">{description}</span></span>
                </label>
            }
        })
        .collect_view();
    view! { <fieldset class="stack-s"><legend class="label">"What it is made from"</legend>{items}</fieldset> }.into_any()
}

fn check_name(text: &str) -> Result<(), String> {
    text.trim().parse::<ServiceName>().map(drop).map_err(|error| error.to_string())
}

/// The frame around a service's pages.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let project = project_of().name;
    let name = param("service");
    let pulse = Pulse::new();
    let view = Resource::new(move || (project.get(), name.get(), pulse.track()), |(project, name, _)| get_service(project, name));
    provide_context(Current { project, name, view, pulse });
    view! {
        {loaded(view, move |service| {
            pulse.watch(format!("service:{}", service.id));
            view! { <Heading service/> }
        })}
        <Outlet/>
    }
    .into_any()
}

/// The service's name, how it does, and its views.
#[component]
fn Heading(service: ServiceDetail) -> impl IntoView {
    let (project, name) = (service.project.clone(), service.name.clone());
    let page = |page: &str| urls::service_page(&project, &name, page);
    let mut tabs = vec![Tab::new(urls::service(&project, &name), "Overview")];
    if service.may(Action::Deploy) {
        tabs.push(Tab::new(page("deploy"), "Deploy"));
    }
    tabs.push(Tab::deep(page("deployments"), "Deployments"));
    tabs.push(Tab::new(page("revisions"), "Revisions"));
    tabs.push(Tab::new(page("template"), "Template and CI"));
    if service.may(Action::ManageHooks) {
        tabs.push(Tab::deep(page("hooks"), "Hooks"));
    }
    tabs.push(Tab::new(page("pushes"), "Push deploys"));
    tabs.push(Tab::new(page("discovery"), "Discovery"));
    if service.may(Action::Configure) {
        tabs.push(Tab::new(page("configuration"), "Configuration"));
    }
    tabs.push(Tab::new(page("metrics"), "Metrics"));
    tabs.push(Tab::new(page("logs"), "Logs"));
    tabs.push(Tab::new(page("events"), "Events"));
    if service.may(Action::OpenShell) {
        tabs.push(Tab::new(page("shell"), "Shell"));
    }
    tabs.push(Tab::new(page("inspect"), "Inspect"));
    if service.may(Action::DeleteService) {
        tabs.push(Tab::new(page("settings"), "Settings"));
    }
    let states: Vec<_> = service
        .runs
        .iter()
        .map(|run| {
            let (tone, text) = states::service(&run.summary);
            let said = format!("{} in {}", states::tasks_of(&run.summary), run.summary.environment);
            let crashes = run.crash_loop.is_some().then(|| view! { <Badge tone=Tone::Bad text="Crash loop"/> });
            view! { <span class="row-tight"><Badge tone text/>{crashes}<span class="muted small">{said}</span></span> }
        })
        .collect();
    view! {
        <Title text=format!("{name} in {project}")/>
        <div>
            <Crumbs path=vec![Crumb::new(urls::PROJECTS, "Projects"), Crumb::new(urls::project(&project), project.as_str())]/>
            <div class="heading"><h1>{name.to_string()}</h1><span class="row" role="status">{states}</span></div>
            <Tabs label="Service" tabs/>
        </div>
    }
    .into_any()
}

/// The environment that a page shows: the one in its query, else the first in which something was deployed.
fn chosen<'a>(service: &'a ServiceDetail, query: &str) -> Option<&'a RunView> {
    service.runs.iter().find(|run| run.summary.environment.as_str() == query).or_else(|| service.runs.first())
}

/// Those of these environments that are frozen.
fn frozen<'a>(runs: impl IntoIterator<Item = &'a RunView>) -> Vec<EnvironmentName> {
    runs.into_iter().filter(|run| run.frozen.is_some()).map(|run| run.summary.environment.clone()).collect()
}

/// The revision that should run in an environment, where this template did not make it: it was deployed another way, or scaled.
fn made_otherwise(service: &ServiceDetail, environment: &EnvironmentName, template: &TemplateName, of_site: bool) -> Option<i64> {
    let run = service.runs.iter().find(|run| run.summary.environment == *environment)?;
    let revision = &run.revision.as_ref()?.revision;
    (!made_by(revision.template.as_ref(), template, of_site)).then_some(revision.number)
}

fn made_by(mark: Option<&TemplateMark>, template: &TemplateName, of_site: bool) -> bool {
    mark.is_some_and(|mark| mark.name == *template && mark.of_site == of_site)
}

/// The choice of an environment, where there are several.
#[component]
fn EnvironmentChoice(
    /// The environments.
    names: Vec<EnvironmentName>,
    /// The one that is shown.
    shown: EnvironmentName,
    /// The page's address, with or without a query.
    page: String,
) -> impl IntoView {
    let join = if page.contains('?') { '&' } else { '?' };
    (names.len() > 1).then(|| {
        let items = names
            .into_iter()
            .map(|name| {
                let href = format!("{page}{join}environment={name}");
                view! { <a href=href aria-current=(name == shown).then_some("page")>{name.to_string()}</a> }
            })
            .collect_view();
        view! { <nav class="segments" aria-label="Environment">{items}</nav> }
    })
}

/// What a page about the tasks of a service shows before any ran.
#[component]
fn Undeployed(
    /// The service.
    service: ServiceDetail,
    /// What is not there yet.
    what: &'static str,
    /// When it will be.
    when: &'static str,
) -> impl IntoView {
    let deploy = service.may(Action::Deploy).then(
        || view! { <p><a class="button button-primary" href=urls::service_page(&service.project, &service.name, "deploy")>"Deploy it"</a></p> },
    );
    view! { <section class="panel"><Empty title=what><p>{when}</p>{deploy}</Empty></section> }.into_any()
}

/// A service's deployments.
#[component]
pub(crate) fn Deployments() -> impl IntoView {
    let service = current();
    let after = query("after");
    let data = Resource::new(
        move || (service.project.get(), service.name.get(), after.get(), service.pulse.track()),
        |(project, name, after, _)| list_deployments(project, Some(name), Some(after)),
    );
    loaded_in(service.view, data, |service, page| {
        let path = urls::service_page(&service.project, &service.name, "deployments");
        view! { <DeploymentTable page path named=false/> }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_known_by_its_name_and_whose_it_is() {
        let name: TemplateName = "echo".parse().expect("a name");
        let mark = |of_site: bool| TemplateMark { name: name.clone(), of_site, version: 1 };
        assert!(made_by(Some(&mark(false)), &name, false));
        assert!(!made_by(Some(&mark(true)), &name, false), "the site has one of the same name");
        assert!(!made_by(None, &name, false), "described by hand, or scaled");
    }
}

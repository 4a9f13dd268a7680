//! A project at a glance: its services with their health, the latest deployments, its images.

use leptos::prelude::*;
use model::access::Action;
use model::page::Page;
use model::views::deployments::{DeploymentState, DeploymentView};
use model::views::images::RepositorySummary;
use model::views::projects::ProjectView;
use model::views::services::ServiceSummary;

use super::{PushCommands, current};
use crate::api::ApiError;
use crate::api::deployments::list_deployments;
use crate::api::images::list_repositories;
use crate::api::services::list_services;
use crate::components::{Ago, Badge, Empty, bytes};
use crate::live::Pulse;
use crate::page::{Data, loaded_in};
use crate::pages::services::ServiceTable;
use crate::pages::states;
use crate::urls;

/// Deployments and images that are shown here.
const FEW: usize = 6;

/// What a visitor may not see is left out.
type Seen = (Option<Page<ServiceSummary>>, Option<Page<DeploymentView>>, Page<RepositorySummary>);

/// The dashboard.
#[component]
pub(crate) fn Dashboard() -> impl IntoView {
    let project = current();
    let pulse = Pulse::new();
    let data: Data<Seen> = Resource::new(move || (project.name.get(), pulse.track()), |(name, _)| read(name));
    loaded_in(project.view, data, move |project, (services, deployments, images)| {
        pulse.watch(format!("project:{}", project.id));
        pulse.watch(format!("images:{}", project.id));
        for service in services.iter().flat_map(|page| &page.items) {
            pulse.watch(format!("service:{}", service.id));
        }
        view! { <Panels project services deployments images/> }
    })
}

async fn read(name: String) -> Result<Seen, ApiError> {
    let services = seen(list_services(name.clone(), None).await)?;
    let deployments = match services {
        Some(_) => seen(list_deployments(name.clone(), None, None).await)?,
        None => None,
    };
    Ok((services, deployments, list_repositories(name, String::new(), String::new(), None).await?))
}

/// What is forbidden is not there; every other refusal is one.
fn seen<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == model::problem::ProblemKind::Forbidden => Ok(None),
        Err(error) => Err(error),
    }
}

#[component]
fn Panels(
    project: ProjectView,
    services: Option<Page<ServiceSummary>>,
    deployments: Option<Page<DeploymentView>>,
    images: Page<RepositorySummary>,
) -> impl IntoView {
    let name = project.name.to_string();
    let visitor = services.is_none();
    view! {
        <div class="columns">
            <div class="stack">
                {services.map(|page| view! { <Services project=project.clone() services=page.items images=!images.items.is_empty()/> })}
                {visitor.then(|| view! { <p class="muted">"You are not a member of this project: you see its images and may pull them."</p> })}
            </div>
            <div class="stack">
                {deployments.map(|page| view! { <Latest project=name.clone() deployments=page.items/> })}
                <Images project images=images.items/>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Services(project: ProjectView, services: Vec<ServiceSummary>, images: bool) -> impl IntoView {
    let new = urls::project_page(&project.name, "services/new");
    let count = services.len();
    view! {
        <section class="panel">
            <header><h2>"Services "<span class="count">{count}</span></h2></header>
            {if services.is_empty() {
                view! {
                    <Empty title="No services yet">
                        {if project.may(Action::CreateService) {
                            view! {
                                <p>"A service is one thing that runs. "{if images { "Make one and deploy an image to it." } else { "Push an image first, then make a service and deploy it." }}</p>
                                <a class="button button-primary" href=new>"New service"</a>
                            }.into_any()
                        } else {
                            view! { <p>"Developers of this project make services."</p> }.into_any()
                        }}
                    </Empty>
                }.into_any()
            } else {
                view! { <ServiceTable services/> }.into_any()
            }}
        </section>
    }
    .into_any()
}

#[component]
fn Latest(project: String, mut deployments: Vec<DeploymentView>) -> impl IntoView {
    // What waits for somebody's approval comes first.
    deployments.sort_by_key(|deployment| deployment.state != DeploymentState::Pending);
    let all = urls::project_page(&project, "deployments");
    let none = deployments.is_empty();
    let items = deployments
        .into_iter()
        .take(FEW)
        .map(|deployment| {
            let (tone, text) = states::deployment(deployment.state);
            let href = urls::deployment(&deployment.project, &deployment.service, deployment.id);
            view! {
                <li>
                    <Badge tone text/>
                    <a href=href>{format!("{}, revision {}", deployment.service, deployment.revision)}</a>
                    <span class="end"><Ago at=deployment.created_at/></span>
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Latest deployments"</h2></header>
            {if none { view! { <p class="panel-body muted">"None yet."</p> }.into_any() } else { view! { <ul class="list">{items}</ul> }.into_any() }}
            {(!none).then(|| view! { <footer><a href=all>"All deployments"</a></footer> })}
        </section>
    }
    .into_any()
}

#[component]
fn Images(project: ProjectView, images: Vec<RepositorySummary>) -> impl IntoView {
    let name = project.name.to_string();
    let all = urls::project_page(&name, "images");
    let none = images.is_empty();
    let items = images
        .into_iter()
        .take(FEW)
        .map(|repository| {
            let said = format!(
                "{} {}, {}",
                repository.tags,
                if repository.tags == 1 { "tag" } else { "tags" },
                bytes(u64::try_from(repository.size).unwrap_or(0))
            );
            view! {
                <li>
                    <a href=urls::repository(&repository.project, &repository.name)>{repository.name.to_string()}</a>
                    <span class="small muted">{said}</span>
                    <span class="end"><Ago at=repository.pushed_at/></span>
                </li>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Images"</h2></header>
            {if none {
                view! {
                    <Empty title="No images yet">
                        {if project.may(Action::Push) {
                            view! { <p>"Push one; use a token as the password."</p><PushCommands project=name.clone()/><a href=urls::ACCOUNT_TOKENS>"Make a token"</a> }.into_any()
                        } else {
                            view! { <p>"Developers of this project push images here."</p> }.into_any()
                        }}
                    </Empty>
                }.into_any()
            } else {
                view! { <ul class="list">{items}</ul> }.into_any()
            }}
            {(!none).then(|| view! { <footer><a href=all>"All images"</a></footer> })}
        </section>
    }
    .into_any()
}

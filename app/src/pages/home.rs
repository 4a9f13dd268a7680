//! Where one lands after signing in: the own projects and services, and the first steps where there are none.

use leptos::prelude::*;
use leptos_meta::Title;
use model::live::TOPICS_MAX;
use model::page::{LIMIT_DEFAULT, Page};
use model::views::deployments::DeploymentView;
use model::views::projects::ProjectSummary;
use model::views::services::ServiceSummary;

use super::deployments::ToApprove;
use super::projects::ProjectCards;
use super::services::ServiceTable;
use crate::api::ApiError;
use crate::api::approvals::list_to_approve;
use crate::api::projects::{list_projects, may_create_projects};
use crate::api::services::my_services;
use crate::live::Pulse;
use crate::page::{Data, loaded};
use crate::urls;

/// Services that are shown here.
const FEW: usize = 20;
/// All that is listened to here fits into one stream: a page of projects, a few services, a page of what waits.
const _: () = assert!(2 * LIMIT_DEFAULT as usize + FEW < TOPICS_MAX);

/// The projects, their services, what waits for an approval, and whether one may make projects.
type Overview = (Page<ProjectSummary>, Page<ServiceSummary>, Page<DeploymentView>, bool);

/// The home page.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let pulse = Pulse::new();
    let data: Data<Overview> = Resource::new(
        move || pulse.track(),
        |_| async {
            Ok::<_, ApiError>((list_projects(None).await?, my_services(None).await?, list_to_approve(None).await?, may_create_projects().await?))
        },
    );
    view! {
        <Title text=""/>
        {loaded(data, move |(projects, services, waiting, may_create)| {
            let shown: Vec<_> = services.items.into_iter().take(FEW).collect();
            pulse.watch_just(topics(&projects.items, &shown, &waiting.items));
            view! {
                <div class="heading">
                    <h1>"Your projects"</h1>
                    {may_create.then(|| view! { <div class="actions"><a class="button" href=urls::NEW_PROJECT>"New project"</a></div> })}
                </div>
                <ToApprove waiting/>
                <ProjectCards page=projects may_create/>
                {(!shown.is_empty()).then(|| view! {
                    <section class="panel"><header><h2>"Services"</h2></header><ServiceTable services=shown with_project=true/></section>
                })}
            }
        })}
    }
    .into_any()
}

/// What is on screen. Of what waits, what is in none of these projects: of the others their projects tell.
fn topics(projects: &[ProjectSummary], services: &[ServiceSummary], waiting: &[DeploymentView]) -> Vec<String> {
    let elsewhere = waiting.iter().filter(|deployment| projects.iter().all(|project| project.name != deployment.project));
    let projects = projects.iter().map(|project| format!("project:{}", project.id));
    let services = services.iter().map(|service| format!("service:{}", service.id));
    projects.chain(services).chain(elsewhere.map(|deployment| format!("deployment:{}", deployment.id))).collect()
}

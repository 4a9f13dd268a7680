//! Deployments and revisions: the deploy form, the verbs, the history.

use leptos::prelude::*;
use model::descriptor::Descriptor;
use model::form::DeployForm;
use model::page::Page;
use model::time::Millis;
use model::views::configs::ConfigurationOf;
use model::views::deployments::{Comparison, DeploymentView, PlanView, RevisionView};
use model::views::environments::EnvironmentView;
use model::views::services::ServiceDetail;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::deployments::{self, Deployment, DeploymentKey, Intent, Request};
#[cfg(feature = "ssr")]
use domain::{environments, images, services};
#[cfg(feature = "ssr")]
use model::ids::ServiceId;
#[cfg(feature = "ssr")]
use model::names::{EnvironmentName, ProjectName};
#[cfg(feature = "ssr")]
use model::views::images::{RepositoryOrder, RepositoryQuery, TagOrder, TagQuery};

/// Name under which a form waits for the next page of a browser without scripts.
#[cfg(feature = "ssr")]
const TYPED: &str = "deploy_form";
/// Images that the form offers.
#[cfg(feature = "ssr")]
const OFFERED: usize = 200;

/// An image that the form offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// How the form names it: `web:1.4.2`.
    pub reference: String,
    /// When it was pushed.
    pub pushed_at: Millis,
    /// Bytes of all that it is made of.
    pub size: i64,
}

/// What the deploy form begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeployPage {
    /// The service.
    pub service: ServiceDetail,
    /// Where it can be deployed.
    pub environments: Vec<EnvironmentView>,
    /// The one that is meant.
    pub environment: String,
    /// The project's own images, the last pushed first.
    pub offers: Vec<Offer>,
    /// What runs there now: what the form does not show of it is kept.
    pub base: Option<Descriptor>,
    /// What was typed before, for a browser without scripts.
    pub typed: Option<TypedForm>,
    /// The configuration that a deploy would use.
    pub configuration: ConfigurationOf,
}

/// What was typed before it was refused or asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypedForm {
    /// The form.
    pub form: DeployForm,
    /// Why.
    pub why: String,
    /// What it would do, where that was asked.
    pub planned: Option<PlanView>,
}

/// Where something was typed: at a service, for an environment.
#[cfg(feature = "ssr")]
pub(super) fn draft_of(service: ServiceId, environment: &str) -> String {
    format!("{service} {environment}")
}

/// What the deploy form begins with, for one environment.
#[server(prefix = "/fn", endpoint = "deployments/form")]
pub async fn read_deploy_form(project: String, service: String, #[server(default)] environment: String) -> Result<DeployPage, ApiError> {
    let caller = caller().await?;
    let deploys = may::<can::Deploy>(&caller, &project, &service).await?;
    let environments = environments::for_service(&caller.platform, &deploys).await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    let service = services::get(&caller.platform, &may).await?;
    let chosen = environments.iter().find(|one| one.name.as_str() == environment).or_else(|| environments.first());
    let environment = chosen.map(|one| one.name.to_string()).unwrap_or_default();
    // The first deploy into another environment begins with what runs elsewhere.
    let here = service.runs.iter().find(|run| run.summary.environment.as_str() == environment);
    let base = here.or_else(|| service.runs.first()).and_then(|run| run.revision.as_ref()).map(|detail| detail.descriptor.clone());
    let offers = offers(&caller, may.project.name.clone()).await?;
    let typed = caller.take_draft(TYPED, &draft_of(deploys.id, &environment)).await?;
    let configuration = match chosen {
        Some(one) => domain::configs::would_be_used(&caller.platform, &deploys, &one.name).await?,
        None => ConfigurationOf::default(),
    };
    Ok(DeployPage { service, environments, environment, offers, base, typed, configuration })
}

/// The project's own images, the last pushed first; none where the caller may not pull.
#[cfg(feature = "ssr")]
pub(super) async fn offers(caller: &Caller, project: ProjectName) -> Result<Vec<Offer>, ApiError> {
    let Ok(may) = caller.actor.may::<can::Pull, _>(&caller.platform, &project).await else { return Ok(Vec::new()) };
    let mut offers: Vec<Offer> = Vec::new();
    let query = RepositoryQuery { order: RepositoryOrder::Pushed, ..RepositoryQuery::default() };
    let repositories = images::repositories(&caller.platform, &may, &query, &page(None)).await?;
    for repository in repositories.items {
        // From here on everything was pushed before all that there is already.
        if offers.get(OFFERED - 1).is_some_and(|last| last.pushed_at >= repository.pushed_at) {
            break;
        }
        let key = images::RepositoryKey { project: &project, repository: &repository.name };
        let one = caller.actor.may::<can::Pull, _>(&caller.platform, &key).await?;
        let tags = images::tags(&caller.platform, &one, &TagQuery { order: TagOrder::Newest, ..TagQuery::default() }, &page(None)).await?;
        offers.extend(tags.items.into_iter().filter(can_run).map(|tag| Offer {
            reference: format!("{}:{}", repository.name, tag.name),
            pushed_at: tag.pushed_at,
            size: tag.size,
        }));
        offers.sort_by_key(|offer| std::cmp::Reverse(offer.pushed_at));
        offers.truncate(OFFERED);
    }
    Ok(offers)
}

/// Whether it is an image, and no signature, chart or other artifact that a registry holds too.
#[cfg(feature = "ssr")]
fn can_run(tag: &model::views::images::TagView) -> bool {
    let of_image = |text: &str| text.contains("container.image") || text.contains("oci.image");
    tag.kind != model::manifest::Kind::Other && tag.artifact_type.as_deref().is_none_or(of_image)
}

/// From the form to what is asked for, on top of what runs there now.
#[cfg(feature = "ssr")]
async fn request(
    caller: &Caller,
    may: &May<can::Deploy, services::Service>,
    environment: &str,
    why: &str,
    form: &DeployForm,
) -> Result<Request, ApiError> {
    let environment: EnvironmentName = field("environment", environment)?;
    let seen = self::may::<can::SeeServices>(caller, may.project.name.as_str(), may.name.as_str()).await?;
    let detail = services::get(&caller.platform, &seen).await?;
    let here = detail.runs.iter().find(|run| run.summary.environment == environment);
    let base = here.or_else(|| detail.runs.first()).and_then(|run| run.revision.as_ref()).map(|revision| &revision.descriptor);
    let descriptor = form.descriptor(base).map_err(domain::Error::Invalid)?;
    Ok(Request { intent: intent(Some(environment), why), descriptor })
}

#[cfg(feature = "ssr")]
pub(super) fn intent(environment: Option<EnvironmentName>, why: &str) -> Intent {
    Intent { why: why.trim().to_owned(), ..Intent::in_environment(environment) }
}

/// The environment that a verb means; may be left out while there is only one.
#[cfg(feature = "ssr")]
fn place(environment: &str) -> Result<Option<EnvironmentName>, ApiError> {
    if environment.is_empty() { Ok(None) } else { field("environment", environment).map(Some) }
}

/// Says what a deploy would do, and does nothing.
#[server(prefix = "/fn", endpoint = "deployments/plan")]
pub async fn plan_deploy(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] why: String,
    form: DeployForm,
) -> Result<PlanView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let planned = match request(&caller, &may, &environment, &why, &form).await {
        Ok(request) => deployments::plan(&caller.platform, &may, &request).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    if posted_form() {
        let typed = TypedForm { form, why, planned: planned.as_ref().ok().cloned() };
        caller.keep_draft(TYPED, &draft_of(may.id, &environment), &typed).await?;
    }
    planned
}

/// Makes a revision of what was typed and brings it into the environment.
#[server(prefix = "/fn", endpoint = "deployments/deploy")]
pub async fn deploy(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
    form: DeployForm,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let made = match request(&caller, &may, &environment, &why, &form).await {
        Ok(request) => deployments::deploy(&caller.platform, &may, &request.overriding(override_freeze)).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    if made.is_err() && posted_form() {
        // Nothing that was typed is lost.
        caller.keep_draft(TYPED, &draft_of(may.id, &environment), &TypedForm { form, why, planned: None }).await?;
    }
    let made = made?;
    lead_to(&crate::urls::deployment(&project, &service, made.id));
    Ok(made)
}

/// Brings an earlier revision again.
#[server(prefix = "/fn", endpoint = "deployments/rollback")]
pub async fn roll_back(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    revision: i64,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let intent = Intent { override_freeze, ..intent(place(&environment)?, &why) };
    let made = deployments::rollback(&caller.platform, &may, &intent, revision).await?;
    lead_to(&crate::urls::deployment(&project, &service, made.id));
    Ok(made)
}

/// What rolling back to a revision would do; none where no revision is named.
#[server(prefix = "/fn", endpoint = "deployments/plan_back")]
pub async fn plan_roll_back(
    project: String,
    service: String,
    #[server(default)] environment: String,
    #[server(default)] revision: Option<i64>,
) -> Result<Option<PlanView>, ApiError> {
    let Some(revision) = revision else { return Ok(None) };
    let caller = caller().await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    Ok(Some(deployments::plan_rollback(&caller.platform, &may, &intent(place(&environment)?, ""), revision).await?))
}

/// Makes a revision with another number of tasks, and brings it.
#[server(prefix = "/fn", endpoint = "deployments/scale")]
pub async fn scale(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    replicas: String,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let wanted: u32 = field("replicas", replicas.trim())?;
    let intent = Intent { override_freeze, ..intent(place(&environment)?, &why) };
    Ok(deployments::scale(&caller.platform, &may, &intent, wanted).await?)
}

/// Brings the same revision in new tasks.
#[server(prefix = "/fn", endpoint = "deployments/restart")]
pub async fn restart(csrf: String, project: String, service: String, environment: String) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    Ok(deployments::restart(&caller.platform, &may, &intent(place(&environment)?, "")).await?)
}

/// Lets run what was stopped.
#[server(prefix = "/fn", endpoint = "deployments/start")]
pub async fn start(
    csrf: String,
    project: String,
    service: String,
    environment: String,
    #[server(default)] why: String,
    #[server(default)] override_freeze: bool,
) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    let intent = Intent { override_freeze, ..intent(place(&environment)?, &why) };
    Ok(deployments::start(&caller.platform, &may, &intent).await?)
}

/// Ends every task, each with its grace.
#[server(prefix = "/fn", endpoint = "deployments/stop")]
pub async fn stop(csrf: String, project: String, service: String, environment: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::Deploy>(&caller, &project, &service).await?;
    Ok(deployments::stop(&caller.platform, &may, &intent(place(&environment)?, "")).await?)
}

/// The permission to do something to a deployment.
#[cfg(feature = "ssr")]
pub(super) async fn may_act<P: can::Permission>(caller: &Caller, project: &str, service: &str, id: &str) -> Result<May<P, Deployment>, ApiError> {
    let key = DeploymentKey { project: named("deployment", project)?, service: named("deployment", service)?, deployment: named("deployment", id)? };
    Ok(caller.actor.may::<P, _>(&caller.platform, &key).await?)
}

/// Stops a deployment: what served before serves on, or again.
#[server(prefix = "/fn", endpoint = "deployments/cancel")]
pub async fn cancel_deployment(csrf: String, project: String, service: String, deployment: String) -> Result<DeploymentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may_act::<can::Deploy>(&caller, &project, &service, &deployment).await?;
    Ok(deployments::cancel(&caller.platform, &may).await?)
}

/// A deployment as it is now.
#[server(prefix = "/fn", endpoint = "deployments/get")]
pub async fn get_deployment(project: String, service: String, deployment: String) -> Result<DeploymentView, ApiError> {
    let caller = caller().await?;
    let may = may_act::<can::SeeServices>(&caller, &project, &service, &deployment).await?;
    Ok(deployments::get(&caller.platform, &may).await?)
}

/// The deployments of a service, or of all of a project's services; the newest first.
#[server(prefix = "/fn", endpoint = "deployments/list")]
pub async fn list_deployments(
    project: String,
    #[server(default)] service: Option<String>,
    #[server(default)] after: Option<String>,
) -> Result<Page<DeploymentView>, ApiError> {
    let caller = caller().await?;
    if let Some(service) = service {
        let may = may::<can::SeeServices>(&caller, &project, &service).await?;
        return Ok(deployments::list(&caller.platform, &may, &page(after)).await?);
    }
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::SeeServices, _>(&caller.platform, &name).await?;
    Ok(deployments::of_project(&caller.platform, &may, &page(after)).await?)
}

/// The revisions of a service, the newest first.
#[server(prefix = "/fn", endpoint = "deployments/revisions")]
pub async fn list_revisions(project: String, service: String, #[server(default)] after: Option<String>) -> Result<Page<RevisionView>, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    Ok(deployments::revisions(&caller.platform, &may, &page(after)).await?)
}

/// What differs from one revision to another.
#[server(prefix = "/fn", endpoint = "deployments/compare")]
pub async fn compare_revisions(project: String, service: String, before: i64, after: i64) -> Result<Comparison, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    Ok(deployments::compare(&caller.platform, &may, before, after).await?)
}

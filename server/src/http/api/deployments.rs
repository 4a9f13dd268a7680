//! What is done to a service: plan, deploy, approve, refuse and ask again, roll back, scale, restart, start, stop, cancel; its deployments and revisions.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::access::Lease;
use domain::deployments::{self, DeploymentKey, Intent, Request};
use domain::services::Service;
use domain::templates::{self, Asked, Origin};
use domain::{Actor, Error, May, can};
use http::StatusCode;
use model::descriptor::Descriptor;
use model::ids::DeploymentId;
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::deployments::DeploymentView;
use serde::Deserialize;

use super::services::may;
use super::templates::{answers, surroundings};
use super::waiting::{Waiting, waited};
use super::{Body, Paging, accepted, field, listed, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::{Answer, Refusal};
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/deployments/waiting", to_approve)
        .post("/api/v1/projects/{project}/services/{service}/plan", plan)
        .post("/api/v1/projects/{project}/services/{service}/deployments", deploy)
        .get("/api/v1/projects/{project}/services/{service}/deployments", list)
        .get("/api/v1/projects/{project}/services/{service}/deployments/{deployment}", get)
        .post("/api/v1/projects/{project}/services/{service}/deployments/{deployment}/cancel", cancel)
        .get("/api/v1/projects/{project}/services/{service}/deployments/{deployment}/plan", plan_of)
        .post("/api/v1/projects/{project}/services/{service}/deployments/{deployment}/approve", approve)
        .post("/api/v1/projects/{project}/services/{service}/deployments/{deployment}/refuse", refuse)
        .post("/api/v1/projects/{project}/services/{service}/deployments/{deployment}/ask-again", ask_again)
        .post("/api/v1/projects/{project}/services/{service}/rollback", roll_back)
        .post("/api/v1/projects/{project}/services/{service}/scale", scale)
        .post("/api/v1/projects/{project}/services/{service}/restart", restart)
        .post("/api/v1/projects/{project}/services/{service}/start", start)
        .post("/api/v1/projects/{project}/services/{service}/stop", stop)
        .get("/api/v1/projects/{project}/services/{service}/revisions", revisions)
        .get("/api/v1/projects/{project}/services/{service}/revisions/{revision}", revision)
        .get("/api/v1/projects/{project}/services/{service}/revisions/{revision}/since/{before}", compare)
        .post("/api/v1/projects/{project}/services/{service}/revisions/{revision}/plan", plan_back)
}

type Named = Path<(String, String)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    environment: Option<String>,
    /// An object, or text in YAML or JSON. Left out: a template makes it from the answers.
    #[serde(default)]
    descriptor: serde_json::Value,
    /// The template; left out, the one that the service was made from before.
    template: Option<String>,
    /// Its version; left out, the one that was used before, of another template the newest.
    version: Option<i64>,
    /// Answers that differ from what is remembered.
    #[serde(default)]
    answers: serde_json::Value,
    #[serde(default)]
    why: String,
    commit: Option<String>,
    build: Option<String>,
    /// Operators bring it also into an environment that is frozen; then `why` says why.
    #[serde(default)]
    override_freeze: bool,
}

impl Wanted {
    /// What is asked for, and what made it, where a template did.
    async fn request(self, portal: &Portal, may: &May<can::Deploy, Service>) -> Answer<(Request, Option<Origin>)> {
        let environment = self.environment.as_ref().map(|name| field::<EnvironmentName>("environment", name)).transpose()?;
        let from_template = self.template.is_some() || self.version.is_some() || !self.answers.is_null();
        let (descriptor, origin) = match (from_template, self.descriptor.is_null()) {
            (true, false) => return Err(Refusal(Error::invalid("descriptor", "write either a descriptor, or answers to a template"))),
            (false, true) => return Err(Refusal(Error::invalid("descriptor", "write a descriptor, or answers to a template"))),
            (false, false) => (Descriptor::from_json(&self.descriptor, "descriptor").map_err(|errors| Refusal(Error::Invalid(errors)))?, None),
            (true, true) => {
                let asked = Asked { template: self.template, version: self.version, answers: answers(&self.answers)? };
                let made = templates::answers::make(&portal.platform, may, environment.as_ref(), &asked, &surroundings(portal)).await?;
                (made.descriptor, Some(made.origin))
            }
        };
        let (commit, build, override_freeze) = (self.commit, self.build, self.override_freeze);
        let intent = Intent { environment, why: self.why, commit, build, override_freeze, ..Intent::default() };
        Ok((Request { intent, descriptor }, origin))
    }
}

async fn plan(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Body(wanted): Body<Wanted>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    let (request, origin) = wanted.request(&portal, &may).await?;
    Ok(Json(deployments::plan_from(&portal.platform, &may, &request, origin.as_ref()).await?))
}

async fn deploy(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Body(wanted): Body<Wanted>,
) -> Answer<Response> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    let (request, origin) = wanted.request(&portal, &may).await?;
    Ok(begun(deployments::deploy_from(&portal.platform, &may, &request, origin.as_ref()).await?))
}

/// The answer to what is under way: `Location` tells how it goes.
pub(super) fn begun(view: DeploymentView) -> Response {
    let location = format!("/api/v1/projects/{}/services/{}/deployments/{}", view.project, view.service, view.id);
    accepted(&location, view).into_response()
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let page = deployments::list(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{project}/services/{service}/deployments"), page))
}

/// What waits for an approval that the caller may give, of all projects.
async fn to_approve(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let page = deployments::to_approve(&portal.platform, &actor.visible::<can::Approve>()?, &paging.into()).await?;
    Ok(listed("/api/v1/deployments/waiting", page))
}

async fn get(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, deployment)): Path<(String, String, String)>,
    Query(waiting): Query<Waiting>,
) -> Answer<impl IntoResponse> {
    let key = key(&actor, &project, &service, &deployment)?;
    let mut lease: Lease<can::SeeServices, DeploymentKey> = actor.lease(&portal.platform, key).await?;
    waited(&portal, deployments::wait(&portal.platform, &mut lease, waiting.span(Duration::ZERO))).await
}

fn key(actor: &Actor, project: &str, service: &str, deployment: &str) -> Answer<DeploymentKey> {
    actor.account()?;
    let project: ProjectName = named(project, "deployment")?;
    let service: ServiceName = named(service, "deployment")?;
    let deployment: DeploymentId = named(deployment, "deployment")?;
    Ok(DeploymentKey { project, service, deployment })
}

async fn cancel(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, deployment)): Path<(String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::Deploy, _>(&portal.platform, &key(&actor, &project, &service, &deployment)?).await?;
    Ok(Json(deployments::cancel(&portal.platform, &may).await?))
}

/// What a deployment that waits would do now.
async fn plan_of(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, deployment)): Path<(String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::SeeServices, _>(&portal.platform, &key(&actor, &project, &service, &deployment)?).await?;
    Ok(Json(deployments::plan_of(&portal.platform, &may).await?))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Because {
    #[serde(default)]
    why: String,
}

/// Why something is let through, and whether also into an environment that is frozen.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Through {
    why: String,
    override_freeze: bool,
}

async fn approve(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, deployment)): Path<(String, String, String)>,
    Body(through): Body<Through>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::Approve, _>(&portal.platform, &key(&actor, &project, &service, &deployment)?).await?;
    let view = if through.override_freeze {
        deployments::approve_frozen(&portal.platform, &may, &through.why).await?
    } else {
        deployments::approve(&portal.platform, &may, &through.why).await?
    };
    Ok(Json(view))
}

/// Asks again for what waits, with what is the newest now.
async fn ask_again(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, deployment)): Path<(String, String, String)>,
    Body(through): Body<Through>,
) -> Answer<Response> {
    let may = actor.may::<can::Deploy, _>(&portal.platform, &key(&actor, &project, &service, &deployment)?).await?;
    let intent = Intent { why: through.why, override_freeze: through.override_freeze, ..Intent::default() };
    Ok(begun(deployments::ask_again(&portal.platform, &may, &intent).await?))
}

async fn refuse(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, deployment)): Path<(String, String, String)>,
    Body(because): Body<Because>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::Approve, _>(&portal.platform, &key(&actor, &project, &service, &deployment)?).await?;
    Ok(Json(deployments::refuse(&portal.platform, &may, &because.why).await?))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verb {
    environment: Option<String>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    override_freeze: bool,
}

impl Verb {
    fn intent(self) -> Answer<Intent> {
        let environment = self.environment.map(|name| field("environment", &name)).transpose()?;
        Ok(Intent { environment, why: self.why, override_freeze: self.override_freeze, ..Intent::default() })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    environment: Option<String>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    override_freeze: bool,
    revision: i64,
}

async fn roll_back(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Body(wanted): Body<RollBack>,
) -> Answer<Response> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    let intent = Verb { environment: wanted.environment, why: wanted.why, override_freeze: wanted.override_freeze }.intent()?;
    Ok(begun(deployments::rollback(&portal.platform, &may, &intent, wanted.revision).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    environment: Option<String>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    override_freeze: bool,
    replicas: u32,
}

async fn scale(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Body(wanted): Body<Scale>,
) -> Answer<Response> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    let intent = Verb { environment: wanted.environment, why: wanted.why, override_freeze: wanted.override_freeze }.intent()?;
    Ok(begun(deployments::scale(&portal.platform, &may, &intent, wanted.replicas).await?))
}

async fn restart(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Body(verb): Body<Verb>,
) -> Answer<Response> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    Ok(begun(deployments::restart(&portal.platform, &may, &verb.intent()?).await?))
}

async fn start(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Body(verb): Body<Verb>,
) -> Answer<Response> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    Ok(begun(deployments::start(&portal.platform, &may, &verb.intent()?).await?))
}

async fn stop(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Body(verb): Body<Verb>,
) -> Answer<StatusCode> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    deployments::stop(&portal.platform, &may, &verb.intent()?).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn revisions(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let page = deployments::revisions(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{project}/services/{service}/revisions"), page))
}

async fn revision(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, number)): Path<(String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    Ok(Json(deployments::revision(&portal.platform, &may, named(&number, "revision")?).await?))
}

/// What differs from one revision to another.
async fn compare(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, number, before)): Path<(String, String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let (before, after) = (named(&before, "revision")?, named(&number, "revision")?);
    Ok(Json(deployments::compare(&portal.platform, &may, before, after).await?))
}

/// What rolling back to a revision would do.
async fn plan_back(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, number)): Path<(String, String, String)>,
    Body(verb): Body<Verb>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    let number = named(&number, "revision")?;
    Ok(Json(deployments::plan_rollback(&portal.platform, &may, &verb.intent()?, number).await?))
}

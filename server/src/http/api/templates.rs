//! Templates: the whole site's below `/api/v1/templates`, a project's below it, the same doors for both; what a service was made from. A document goes
//! in and out as YAML; deploying from answers is the deployment's own door (`deployments`).

use app::api::server::Caller;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::access::Site;
use domain::projects::Project;
use domain::templates::{self, Sees, Surroundings, Writes};
use domain::{Actor, Error, May, can};
use http::{HeaderValue, StatusCode, header};
use model::names::{EnvironmentName, ProjectName, TemplateName};
use model::page::Page;
use model::template::{Answers, from_json};
use serde::Deserialize;

use super::services::may as service_may;
use super::{Body, created, field, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::{Answer, Refusal};
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/templates", list_site)
        .post("/api/v1/templates/preview", preview_site)
        .get("/api/v1/templates/{template}", get_site)
        .put("/api/v1/templates/{template}", put_site)
        .delete("/api/v1/templates/{template}", delete_site)
        .get("/api/v1/templates/{template}/versions/{version}", export_site)
        .post("/api/v1/templates/{template}/render", render_site)
        .get("/api/v1/projects/{project}/templates", list_own)
        .post("/api/v1/projects/{project}/templates/preview", preview_own)
        .get("/api/v1/projects/{project}/templates/{template}", get_own)
        .put("/api/v1/projects/{project}/templates/{template}", put_own)
        .delete("/api/v1/projects/{project}/templates/{template}", delete_own)
        .get("/api/v1/projects/{project}/templates/{template}/versions/{version}", export_own)
        .post("/api/v1/projects/{project}/templates/{template}/render", render_own)
        .get("/api/v1/projects/{project}/services/{service}/template", of_service)
}

/// The same documents for a browser, by session.
pub(in crate::http) fn page_table() -> Table {
    doors().get("/templates/{template}/export", page_export_site).get("/projects/{project}/templates/{template}/export", page_export_own)
}

/// The names of the site that templates may write.
pub(in crate::http) fn surroundings(portal: &Portal) -> Surroundings {
    Surroundings { url: portal.origin.as_str().trim_end_matches('/').to_owned(), registry: portal.origin.authority().to_owned() }
}

async fn site<P: can::Permission>(portal: &Portal, actor: &Actor) -> Answer<May<P, Site>> {
    Ok(actor.may(&portal.platform, &Site).await?)
}

async fn own<P: can::Permission>(portal: &Portal, actor: &Actor, project: &str) -> Answer<May<P, Project>> {
    actor.account()?;
    let name: ProjectName = named(project, "project")?;
    Ok(actor.may(&portal.platform, &name).await?)
}

/// A document as it is, or as JSON with a note: `{"document": "...", "note": "..."}`.
struct Document {
    document: String,
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithNote {
    document: String,
    #[serde(default)]
    note: String,
}

impl FromRequest<Portal> for Document {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &Portal) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            let Body(WithNote { document, note }) = Body::from_request(request, state).await?;
            return Ok(Self { document, note });
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Refusal(Error::TooLarge("the body is larger than 1 MiB, or was cut off".into())))?;
        let document = String::from_utf8(bytes.into()).map_err(|_| Refusal(Error::invalid("document", "is no text in UTF-8")))?;
        Ok(Self { document, note: String::new() })
    }
}

async fn put(portal: &Portal, may: &impl Writes, path: &str, template: &str, body: Document) -> Answer<Response> {
    let name: TemplateName = field("name", template)?;
    let saved = templates::save(&portal.platform, may, &body.document, &body.note, Some(&name)).await?;
    let view = serde_json::json!({ "name": saved.name, "version": saved.version });
    Ok(if saved.made { created(&format!("{path}/{name}/versions/{}", saved.version), view).into_response() } else { Json(view).into_response() })
}

async fn export(portal: &Portal, may: &impl Sees, template: &str, version: Option<i64>) -> Answer<Response> {
    let detail = templates::get(&portal.platform, may, &named(template, "template")?, version).await?;
    let mut response = detail.document.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml; charset=utf-8"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}.yaml\"", detail.template.name)) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

#[derive(Deserialize)]
struct Which {
    version: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    version: Option<i64>,
    #[serde(default)]
    answers: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Previewed {
    document: String,
    #[serde(default)]
    answers: serde_json::Value,
}

/// Answers in a body; none where they are left out.
pub(super) fn answers(value: &serde_json::Value) -> Answer<Answers> {
    if value.is_null() { Ok(Answers::new()) } else { Ok(from_json(value, "answers").map_err(|errors| Refusal(Error::Invalid(errors)))?) }
}

async fn list_site(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = site::<can::SeeEnvironments>(&portal, &actor).await?;
    Ok(Json(Page { items: templates::list(&portal.platform, &may).await?, next: None }))
}

async fn list_own(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(project): Path<String>) -> Answer<impl IntoResponse> {
    let may = own::<can::SeeServices>(&portal, &actor, &project).await?;
    Ok(Json(Page { items: templates::offered(&portal.platform, &may).await?, next: None }))
}

async fn preview_site(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(asked): Body<Previewed>) -> Answer<impl IntoResponse> {
    let may = site::<can::ManageSiteTemplates>(&portal, &actor).await?;
    Ok(Json(templates::tries::preview(&may, &asked.document, answers(&asked.answers)?, &surroundings(&portal)).await?))
}

async fn preview_own(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(asked): Body<Previewed>,
) -> Answer<impl IntoResponse> {
    let may = own::<can::ManageTemplates>(&portal, &actor, &project).await?;
    Ok(Json(templates::tries::preview(&may, &asked.document, answers(&asked.answers)?, &surroundings(&portal)).await?))
}

async fn get_site(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(template): Path<String>,
    Query(which): Query<Which>,
) -> Answer<impl IntoResponse> {
    let may = site::<can::SeeEnvironments>(&portal, &actor).await?;
    Ok(Json(templates::get(&portal.platform, &may, &named(&template, "template")?, which.version).await?))
}

async fn get_own(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, template)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Answer<impl IntoResponse> {
    let may = own::<can::SeeServices>(&portal, &actor, &project).await?;
    Ok(Json(templates::get(&portal.platform, &may, &named(&template, "template")?, which.version).await?))
}

async fn put_site(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(template): Path<String>, body: Document) -> Answer<Response> {
    let may = site::<can::ManageSiteTemplates>(&portal, &actor).await?;
    put(&portal, &may, "/api/v1/templates", &template, body).await
}

async fn put_own(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, template)): Path<(String, String)>,
    body: Document,
) -> Answer<Response> {
    let may = own::<can::ManageTemplates>(&portal, &actor, &project).await?;
    put(&portal, &may, &format!("/api/v1/projects/{project}/templates"), &template, body).await
}

async fn delete_site(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(template): Path<String>) -> Answer<StatusCode> {
    let may = site::<can::ManageSiteTemplates>(&portal, &actor).await?;
    templates::delete(&portal.platform, &may, &named(&template, "template")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_own(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, template)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let may = own::<can::ManageTemplates>(&portal, &actor, &project).await?;
    templates::delete(&portal.platform, &may, &named(&template, "template")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn export_site(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((template, version)): Path<(String, String)>,
) -> Answer<Response> {
    let may = site::<can::SeeEnvironments>(&portal, &actor).await?;
    export(&portal, &may, &template, Some(named(&version, "version of this template")?)).await
}

async fn export_own(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, template, version)): Path<(String, String, String)>,
) -> Answer<Response> {
    let may = own::<can::SeeServices>(&portal, &actor, &project).await?;
    export(&portal, &may, &template, Some(named(&version, "version of this template")?)).await
}

async fn page_export_site(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path(template): Path<String>,
    Query(which): Query<Which>,
) -> Answer<Response> {
    let may = site::<can::SeeEnvironments>(&portal, &caller.actor).await?;
    export(&portal, &may, &template, which.version).await
}

async fn page_export_own(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path((project, template)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Answer<Response> {
    let may = own::<can::SeeServices>(&portal, &caller.actor, &project).await?;
    export(&portal, &may, &template, which.version).await
}

async fn render_site(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(template): Path<String>,
    Body(tried): Body<Tried>,
) -> Answer<impl IntoResponse> {
    let may = site::<can::SeeEnvironments>(&portal, &actor).await?;
    let name = named(&template, "template")?;
    Ok(Json(templates::tries::try_version(&portal.platform, &may, &name, tried.version, answers(&tried.answers)?, &surroundings(&portal)).await?))
}

async fn render_own(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, template)): Path<(String, String)>,
    Body(tried): Body<Tried>,
) -> Answer<impl IntoResponse> {
    let may = own::<can::SeeServices>(&portal, &actor, &project).await?;
    let name = named(&template, "template")?;
    Ok(Json(templates::tries::try_version(&portal.platform, &may, &name, tried.version, answers(&tried.answers)?, &surroundings(&portal)).await?))
}

#[derive(Deserialize)]
struct Where {
    environment: Option<String>,
}

async fn of_service(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(place): Query<Where>,
) -> Answer<impl IntoResponse> {
    let may = service_may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let environment = place.environment.map(|name| field::<EnvironmentName>("environment", &name)).transpose()?;
    let found = templates::answers::of_service(&portal.platform, &may, environment.as_ref(), &surroundings(&portal)).await?;
    Ok(Json(found.ok_or(domain::Error::NotFound { what: "template of this service" })?))
}

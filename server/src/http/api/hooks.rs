//! `/api/v1/projects/{project}/services/{service}/hooks`: a service's hooks, and what was delivered to them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::hooks::{self, HookChange};
use domain::{Error, can};
use http::StatusCode;
use model::hooks::{HookForm, HookRule};
use serde::Deserialize;

use super::services::may;
use super::templates::surroundings;
use super::{Body, Paging, created, listed, named, parse};
use crate::http::caller::ApiCaller;
use crate::http::problem::{Answer, Refusal};
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/services/{service}/hooks", list)
        .post("/api/v1/projects/{project}/services/{service}/hooks", create)
        .get("/api/v1/projects/{project}/services/{service}/hooks/{hook}", get)
        .patch("/api/v1/projects/{project}/services/{service}/hooks/{hook}", update)
        .delete("/api/v1/projects/{project}/services/{service}/hooks/{hook}", delete)
        .post("/api/v1/projects/{project}/services/{service}/hooks/{hook}/rotate", rotate)
        .get("/api/v1/projects/{project}/services/{service}/hooks/{hook}/deliveries", deliveries)
        .get("/api/v1/projects/{project}/services/{service}/hooks/{hook}/deliveries/{delivery}", delivery)
        .post("/api/v1/projects/{project}/services/{service}/hooks/{hook}/deliveries/{delivery}/redeliver", redeliver)
}

type Place = Path<(String, String, String)>;

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    let page = hooks::list(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{project}/services/{service}/hooks"), page))
}

async fn create(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Body(form): Body<HookForm>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    let made = hooks::create(&portal.platform, &may, &form).await?;
    Ok(created(&format!("/api/v1/projects/{project}/services/{service}/hooks/{}", made.hook.name), made))
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, service, hook)): Place) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    Ok(Json(hooks::get(&portal.platform, &may, &named(&hook, "hook")?).await?))
}

/// What is left out stays; of the rule all or nothing is written, for its parts belong together.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    rule: Option<Rule>,
    disabled: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rule {
    tags: String,
    versions: String,
    branches: String,
    workflow: String,
    tag: String,
}

async fn update(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, hook)): Place,
    Body(wanted): Body<Change>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    let read = |rule: Rule| HookRule::read(&rule.tags, &rule.versions, &rule.branches, &rule.workflow, &rule.tag);
    let rule = wanted.rule.map(read).transpose().map_err(|errors| Refusal(Error::Invalid(errors)))?;
    let change = HookChange { rule, disabled: wanted.disabled };
    Ok(Json(hooks::update(&portal.platform, &may, &named(&hook, "hook")?, &change).await?))
}

async fn delete(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, service, hook)): Place) -> Answer<StatusCode> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    hooks::delete(&portal.platform, &may, &named(&hook, "hook")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    overlap_hours: u32,
    secret: String,
}

async fn rotate(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, hook)): Place,
    body: Bytes,
) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    // Without a body the old secret ends at once, and a new one is made.
    let wanted: Rotation = if body.is_empty() { Rotation::default() } else { parse(&body).map_err(Refusal)? };
    Ok(Json(hooks::rotate(&portal.platform, &may, &named(&hook, "hook")?, wanted.overlap_hours, &wanted.secret).await?))
}

async fn deliveries(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, hook)): Place,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    let page = hooks::deliveries(&portal.platform, &may, &named(&hook, "hook")?, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{project}/services/{service}/hooks/{hook}/deliveries"), page))
}

async fn delivery(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, hook, delivery)): Path<(String, String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    Ok(Json(hooks::delivery(&portal.platform, &may, &named(&hook, "hook")?, named(&delivery, "delivery")?).await?))
}

/// Works on a delivery once more; answers with the new one when it is done.
async fn redeliver(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, hook, delivery)): Path<(String, String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    let (hook, delivery) = (named(&hook, "hook")?, named(&delivery, "delivery")?);
    let again = hooks::redeliver(&portal.platform, &may, &surroundings(&portal), &hook, delivery).await?;
    Ok((StatusCode::CREATED, Json(again)))
}

//! Outside registries: a project's credentials for them, copies from them, and what operators allow to be spoken to.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Lease;
use domain::copies::{self, CopyKey, Wanted};
use domain::images::DestinationKey;
use domain::services::credentials;
use domain::{Actor, access, can, outside};
use http::StatusCode;
use model::ids::CopyId;
use model::names::ProjectName;
use model::page::Page;
use model::secret::Secret;
use model::views::copies::OutsideSettings;
use serde::Deserialize;

use super::waiting::{Waiting, waited};
use super::{Body, Paging, accepted, listed, may_in, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/registries", list_credentials)
        .put("/api/v1/projects/{project}/registries/{host}", put_credential)
        .delete("/api/v1/projects/{project}/registries/{host}", delete_credential)
        .post("/api/v1/projects/{project}/registries/{host}/check", check)
        .get("/api/v1/projects/{project}/copies", list)
        .post("/api/v1/projects/{project}/copies", ask)
        .get("/api/v1/projects/{project}/copies/{copy}", get)
        .post("/api/v1/projects/{project}/copies/{copy}/cancel", cancel)
        .get("/api/v1/outside-registries", settings)
        .put("/api/v1/outside-registries", set)
}

async fn list_credentials(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(project): Path<String>) -> Answer<impl IntoResponse> {
    let may = may_in::<can::Configure>(&portal, &actor, &project).await?;
    Ok(Json(Page { items: credentials::list(&portal.platform, &may).await?, next: None }))
}

/// Both left out: the registry is spoken to as nobody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCredential {
    #[serde(default)]
    username: String,
    secret: Option<Secret>,
}

async fn put_credential(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, host)): Path<(String, String)>,
    Body(new): Body<NewCredential>,
) -> Answer<StatusCode> {
    let may = may_in::<can::ManageRegistries>(&portal, &actor, &project).await?;
    let secret = new.secret.unwrap_or_else(|| Secret::new(""));
    credentials::put(&portal.platform, &may, &host, &new.username, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_credential(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, host)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let may = may_in::<can::ManageRegistries>(&portal, &actor, &project).await?;
    credentials::delete(&portal.platform, &may, &host).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, host)): Path<(String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageRegistries>(&portal, &actor, &project).await?;
    Ok(Json(outside::check(&portal.platform, &may, &host).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCopy {
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    platforms: Vec<String>,
    #[serde(default)]
    referrers: bool,
}

async fn ask(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(new): Body<NewCopy>,
) -> Answer<impl IntoResponse> {
    // Who may push nothing here learns that before what they wrote is judged.
    may_in::<can::Push>(&portal, &actor, &project).await?;
    let wanted = Wanted::read(&new.from, &new.to, &new.platforms, new.referrers)?;
    let project: ProjectName = named(&project, "project")?;
    let key = DestinationKey { project: &project, repository: &wanted.to.path };
    let may = actor.may::<can::Push, _>(&portal.platform, &key).await?;
    let view = copies::ask(&portal.platform, &may, &wanted).await?;
    Ok(accepted(&format!("/api/v1/projects/{}/copies/{}", view.project, view.id), view))
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::Push>(&portal, &actor, &project).await?;
    let page = copies::list(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{project}/copies"), page))
}

async fn get(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, copy)): Path<(String, String)>,
    Query(waiting): Query<Waiting>,
) -> Answer<impl IntoResponse> {
    let mut lease: Lease<can::Push, CopyKey> = actor.lease(&portal.platform, key(&actor, &project, &copy)?).await?;
    waited(&portal, copies::wait(&portal.platform, &mut lease, waiting.span(Duration::ZERO))).await
}

async fn cancel(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, copy)): Path<(String, String)>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::Push, _>(&portal.platform, &key(&actor, &project, &copy)?).await?;
    Ok(Json(copies::cancel(&portal.platform, &may).await?))
}

fn key(actor: &Actor, project: &str, copy: &str) -> Answer<CopyKey> {
    actor.account()?;
    let project: ProjectName = named(project, "copy")?;
    let copy: CopyId = named(copy, "copy")?;
    Ok(CopyKey { project, copy })
}

async fn settings(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::MaintainRegistry, _>(&portal.platform, &access::Site).await?;
    Ok(Json(outside::settings(&portal.platform, &may).await?))
}

async fn set(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(settings): Body<OutsideSettings>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::MaintainRegistry, _>(&portal.platform, &access::Site).await?;
    Ok(Json(outside::set(&portal.platform, &may, &settings).await?))
}

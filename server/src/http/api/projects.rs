//! `/api/v1/projects`: projects and their members.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::can;
use domain::projects::{self, Settings};
use http::StatusCode;
use model::names::{ProjectName, Username};
use serde::Deserialize;

use super::{Body, Paging, created, field, listed, may_in, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects", list)
        .post("/api/v1/projects", create)
        .get("/api/v1/projects/{project}", get)
        .patch("/api/v1/projects/{project}", update)
        .delete("/api/v1/projects/{project}", delete)
        .get("/api/v1/projects/{project}/members", members)
        .put("/api/v1/projects/{project}/members/{username}", set_member)
        .delete("/api/v1/projects/{project}/members/{username}", remove_member)
}

async fn list(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let visible = actor.visible::<can::SeeProject>()?;
    Ok(listed("/api/v1/projects", projects::list(&portal.platform, &visible, &paging.into()).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProject {
    name: String,
    description: Option<String>,
    internal: Option<bool>,
    developer_shells: Option<bool>,
    logs_days: Option<i64>,
}

async fn create(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(new): Body<NewProject>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::CreateProject, _>(&portal.platform, &Site).await?;
    let name: ProjectName = field("name", &new.name)?;
    let settings =
        Settings { description: new.description, internal: new.internal, developer_shells: new.developer_shells, logs_days: new.logs_days };
    let view = projects::create(&portal.platform, &may, &name, &settings).await?;
    Ok(created(&format!("/api/v1/projects/{name}"), view))
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(project): Path<String>) -> Answer<impl IntoResponse> {
    let may = may_in::<can::SeeProject>(&portal, &actor, &project).await?;
    Ok(Json(projects::get(&portal.platform, &may).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectChange {
    description: Option<String>,
    internal: Option<bool>,
    developer_shells: Option<bool>,
    logs_days: Option<i64>,
}

async fn update(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(wanted): Body<ProjectChange>,
) -> Answer<StatusCode> {
    let may = may_in::<can::ManageProject>(&portal, &actor, &project).await?;
    let settings = Settings {
        description: wanted.description,
        internal: wanted.internal,
        developer_shells: wanted.developer_shells,
        logs_days: wanted.logs_days,
    };
    projects::update(&portal.platform, &may, &settings).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(project): Path<String>) -> Answer<StatusCode> {
    let may = may_in::<can::ManageProject>(&portal, &actor, &project).await?;
    projects::delete(&portal.platform, &may).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn members(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::SeeMembers>(&portal, &actor, &project).await?;
    let page = projects::members(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{}/members", may.name), page))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    role: String,
}

async fn set_member(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, username)): Path<(String, String)>,
    Body(new): Body<NewRole>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageMembers>(&portal, &actor, &project).await?;
    let username: Username = field("username", &username)?;
    let role = field("role", &new.role)?;
    Ok((StatusCode::CREATED, Json(projects::set_member(&portal.platform, &may, &username, role).await?)))
}

async fn remove_member(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, username)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let may = may_in::<can::ManageMembers>(&portal, &actor, &project).await?;
    projects::remove_member(&portal.platform, &may, &named(&username, "member")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

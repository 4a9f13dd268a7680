//! Services of a project: made, listed, looked into, deleted.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::services::{self, ServiceKey};
use domain::{Actor, can};
use http::StatusCode;
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::page::Page;
use model::running::Running;
use serde::Deserialize;

use super::{Body, Paging, created, field, listed, may_in, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/services", list)
        .post("/api/v1/projects/{project}/services", create)
        .get("/api/v1/projects/{project}/services/{service}", get)
        .delete("/api/v1/projects/{project}/services/{service}", delete)
        .get("/api/v1/projects/{project}/services/{service}/tasks", tasks)
        .get("/api/v1/running/{task}", running)
}

/// The permission on the service that a path names.
pub(crate) async fn may<P: can::Permission>(
    portal: &Portal,
    actor: &Actor,
    project: &str,
    service: &str,
) -> Answer<domain::May<P, services::Service>> {
    actor.account()?;
    let project: ProjectName = named(project, "service")?;
    let service: ServiceName = named(service, "service")?;
    Ok(actor.may(&portal.platform, &ServiceKey { project: &project, service: &service }).await?)
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::SeeServices>(&portal, &actor, &project).await?;
    let page = services::list(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{}/services", may.name), page))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewService {
    name: String,
}

async fn create(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(new): Body<NewService>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::CreateService>(&portal, &actor, &project).await?;
    let name: ServiceName = field("name", &new.name)?;
    let view = services::create(&portal.platform, &may, &name).await?;
    Ok(created(&format!("/api/v1/projects/{}/services/{name}", may.name), view))
}

async fn get(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    Ok(Json(services::get(&portal.platform, &may).await?))
}

async fn delete(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, service)): Path<(String, String)>) -> Answer<StatusCode> {
    let may = may::<can::DeleteService>(&portal, &actor, &project, &service).await?;
    services::delete(&portal.platform, &may).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct TaskQuery {
    environment: Option<String>,
}

async fn tasks(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(query): Query<TaskQuery>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let environment: Option<EnvironmentName> = query.environment.map(|name| field("environment", &name)).transpose()?;
    let items = services::tasks(&portal.platform, &may, environment.as_ref()).await?;
    Ok(Json(Page { items, next: None }))
}

/// What a container is: by its id or its beginning, or by its task's.
async fn running(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(id): Path<String>) -> Answer<impl IntoResponse> {
    actor.account()?;
    let key: Running = field("id", &id)?;
    let may = actor.may::<can::SeeServices, _>(&portal.platform, &key).await?;
    Ok(Json(services::running(&portal.platform, &may).await?))
}

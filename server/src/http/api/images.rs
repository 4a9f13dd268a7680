//! Repositories, tags and images of a project. A repository's `/` is written `%2F` in these paths.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::images::{self, RepositoryKey};
use domain::{Actor, can};
use http::StatusCode;
use model::names::{ProjectName, RepositoryPath, TagName};
use model::reference::Reference;
use model::views::images::TagOrder;
use serde::Deserialize;

use super::{Paging, listed, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/repositories", repositories)
        .delete("/api/v1/projects/{project}/repositories/{repository}", delete_repository)
        .get("/api/v1/projects/{project}/repositories/{repository}/tags", tags)
        .delete("/api/v1/projects/{project}/repositories/{repository}/tags/{tag}", delete_tag)
        .get("/api/v1/projects/{project}/repositories/{repository}/images/{reference}", image)
}

async fn repositories(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    actor.account()?;
    let name: ProjectName = named(&project, "project")?;
    let may = actor.may::<can::Pull, _>(&portal.platform, &name).await?;
    let page = images::repositories(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{name}/repositories"), page))
}

#[derive(Deserialize)]
struct TagQuery {
    #[serde(default)]
    order: TagOrder,
    limit: Option<u32>,
    after: Option<String>,
}

async fn tags(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, repository)): Path<(String, String)>,
    Query(query): Query<TagQuery>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Pull>(&portal, &actor, &project, &repository).await?;
    let page = images::tags(&portal.platform, &may, query.order, &Paging { limit: query.limit, after: query.after }.into()).await?;
    let path = format!("/api/v1/projects/{}/repositories/{}/tags", may.project.name, may.path.as_str().replace('/', "%2F"));
    Ok(listed(&path, page))
}

async fn image(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, repository, reference)): Path<(String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Pull>(&portal, &actor, &project, &repository).await?;
    let reference: Reference = named(&reference, "image")?;
    Ok(Json(images::image(&portal.platform, &may, &reference).await?))
}

async fn delete_repository(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, repository)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let may = may::<can::DeleteImages>(&portal, &actor, &project, &repository).await?;
    images::delete_repository(&portal.platform, &may).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_tag(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, repository, tag)): Path<(String, String, String)>,
) -> Answer<StatusCode> {
    let may = may::<can::DeleteImages>(&portal, &actor, &project, &repository).await?;
    let tag: TagName = named(&tag, "tag")?;
    images::delete_tag(&portal.platform, &may, &tag).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn may<P: can::Permission>(portal: &Portal, actor: &Actor, project: &str, repository: &str) -> Answer<domain::May<P, images::Repository>> {
    actor.account()?;
    let project: ProjectName = named(project, "repository")?;
    let repository: RepositoryPath = named(repository, "repository")?;
    Ok(actor.may(&portal.platform, &RepositoryKey { project: &project, repository: &repository }).await?)
}

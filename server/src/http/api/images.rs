//! Repositories, tags and images of a project. A repository's `/` is written `%2F` in these paths.

use app::api::server::Caller;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use domain::images::{self, RepositoryKey};
use domain::{Actor, Error, can};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, LINK};
use http::{HeaderMap, StatusCode};
use model::names::{ProjectName, RepositoryPath, TagName};
use model::page::Page;
use model::reference::Reference;
use model::views::images::{Matching, RepositoryOrder, RepositoryQuery, TagKind, TagOrder, TagQuery};
use serde::{Deserialize, Serialize};

use super::{Paging, escape, may_in, named};
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
        .delete("/api/v1/projects/{project}/repositories/{repository}/images/{reference}", delete_image)
        .get("/api/v1/projects/{project}/repositories/{repository}/images/{reference}/lineage", image_lineage)
        .get("/api/v1/projects/{project}/lineage", project_lineage)
}

/// For pages: what their links lead to.
pub(in crate::http) fn page_table() -> Table {
    doors().get("/projects/{project}/images/{repository}/{reference}/manifest", manifest)
}

#[derive(Deserialize)]
struct Repositories {
    #[serde(default)]
    order: RepositoryOrder,
    #[serde(default)]
    q: String,
    limit: Option<u32>,
    after: Option<String>,
}

async fn repositories(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(asked): Query<Repositories>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::Pull>(&portal, &actor, &project).await?;
    let query = RepositoryQuery { order: asked.order, q: asked.q };
    let paging = Paging { limit: asked.limit, after: asked.after };
    let page = images::repositories(&portal.platform, &may, &query, &paging.into()).await?;
    let more = [("order", query.order.as_str()), ("q", &query.q)];
    Ok(linked(&format!("/api/v1/projects/{}/repositories", may.name), &more, asked.limit, page))
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    order: TagOrder,
    #[serde(default)]
    q: String,
    #[serde(default, rename = "match")]
    matching: Matching,
    kind: Option<TagKind>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn tags(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, repository)): Path<(String, String)>,
    Query(asked): Query<Tags>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Pull>(&portal, &actor, &project, &repository).await?;
    let query = TagQuery { order: asked.order, q: asked.q, matching: asked.matching, kind: asked.kind };
    let page = images::tags(&portal.platform, &may, &query, &Paging { limit: asked.limit, after: asked.after }.into()).await?;
    let path = format!("/api/v1/projects/{}/repositories/{}/tags", may.project.name, may.path.as_str().replace('/', "%2F"));
    let kind = query.kind.map_or("", TagKind::as_str);
    let more = [("order", query.order.as_str()), ("q", &query.q), ("match", query.matching.as_str()), ("kind", kind)];
    Ok(linked(&path, &more, asked.limit, page))
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

async fn image_lineage(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, repository, reference)): Path<(String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Pull>(&portal, &actor, &project, &repository).await?;
    let reference: Reference = named(&reference, "image")?;
    Ok(Json(images::image_lineage(&portal.platform, &may, &reference).await?))
}

async fn project_lineage(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(project): Path<String>) -> Answer<impl IntoResponse> {
    let may = may_in::<can::Pull>(&portal, &actor, &project).await?;
    Ok(Json(images::project_lineage(&portal.platform, &may).await?))
}

/// A manifest byte for byte, to keep: never shown as a page of ours, whatever its maker wrote into it.
async fn manifest(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path((project, repository, reference)): Path<(String, String, String)>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Pull>(&portal, &caller.actor, &project, &repository).await?;
    let reference: Reference = named(&reference, "image")?;
    let (digest, _, body) = images::manifest(&portal.platform, &may, &reference).await?;
    let name = format!("attachment; filename=\"manifest-{}.json\"", digest.short());
    Ok(([(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, name)], body))
}

/// Deletes an image with every tag that names it. Only by its digest: a tag may name another image by now.
async fn delete_image(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, repository, reference)): Path<(String, String, String)>,
) -> Answer<StatusCode> {
    let may = may::<can::DeleteImages>(&portal, &actor, &project, &repository).await?;
    let Reference::Digest(digest) = named(&reference, "image")? else {
        return Err(Error::invalid("reference", "an image is deleted by its digest; a tag alone is deleted below tags").into());
    };
    images::delete_manifest(&portal.platform, &may, &digest).await?;
    Ok(StatusCode::NO_CONTENT)
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

/// A list's answer; the `Link` to what follows asks the same question.
fn linked<T: Serialize>(path: &str, asked: &[(&str, &str)], limit: Option<u32>, page: Page<T>) -> (HeaderMap, Json<Page<T>>) {
    let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
    let asked = asked.iter().copied().chain([("limit", limit.as_str())]).filter(|(_, value)| !value.is_empty());
    let asked: String = asked.map(|(name, value)| format!("&{name}={}", escape(value))).collect();
    let mut headers = HeaderMap::new();
    let link = page.next.as_deref().map(|next| format!("<{path}?after={}{asked}>; rel=\"next\"", escape(next)));
    if let Some(value) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        headers.insert(LINK, value);
    }
    (headers, Json(page))
}

async fn may<P: can::Permission>(portal: &Portal, actor: &Actor, project: &str, repository: &str) -> Answer<domain::May<P, images::Repository>> {
    actor.account()?;
    let project: ProjectName = named(project, "repository")?;
    let repository: RepositoryPath = named(repository, "repository")?;
    Ok(actor.may(&portal.platform, &RepositoryKey { project: &project, repository: &repository }).await?)
}

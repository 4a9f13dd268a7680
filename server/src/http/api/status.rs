//! What the public status page shows, for those who write it: of a project below `/api/v1/projects/{project}`, of the site below `/api/v1`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::can;
use domain::status::{self, Managing};
use http::StatusCode;
use model::ids::{IncidentId, LegacyServiceId};
use model::status::{IncidentForm, LegacyForm, PageForm, SiteForm, UpdateForm};
use model::views::status::{IncidentView, LegacyView, PageView, SiteProjectView};

use super::alerts::{Place, base, held, id};
use super::{Body, Paging, created, listed, may_in};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/status-page", page)
        .put("/api/v1/status-page", put_page)
        .get("/api/v1/status-page/projects", list_projects)
        .put("/api/v1/status-page/projects/{project}", put_project)
        .get("/api/v1/incidents", list)
        .post("/api/v1/incidents", create)
        .post("/api/v1/incidents/{incident}/updates", say)
        .delete("/api/v1/incidents/{incident}", remove)
        .get("/api/v1/projects/{project}/status-page", page)
        .put("/api/v1/projects/{project}/status-page", put_page)
        .get("/api/v1/projects/{project}/incidents", list)
        .post("/api/v1/projects/{project}/incidents", create)
        .post("/api/v1/projects/{project}/incidents/{incident}/updates", say)
        .delete("/api/v1/projects/{project}/incidents/{incident}", remove)
        .get("/api/v1/projects/{project}/legacy-services", list_legacy)
        .post("/api/v1/projects/{project}/legacy-services", create_legacy)
        .put("/api/v1/projects/{project}/legacy-services/{legacy}", update_legacy)
        .delete("/api/v1/projects/{project}/legacy-services/{legacy}", delete_legacy)
}

async fn page(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<Json<PageView>> {
    let may: Managing = held(&portal, &actor, &place).await?;
    Ok(Json(status::page(&portal.platform, &may).await?))
}

async fn put_page(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<PageForm>,
) -> Answer<Json<PageView>> {
    let may: Managing = held(&portal, &actor, &place).await?;
    Ok(Json(status::put_page(&portal.platform, &may, &form).await?))
}

async fn list_projects(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageStatus, _>(&portal.platform, &Site).await?;
    Ok(listed("/api/v1/status-page/projects", status::site_projects(&portal.platform, &may, &paging.into()).await?))
}

async fn put_project(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(form): Body<SiteForm>,
) -> Answer<Json<SiteProjectView>> {
    // The site comes first: nobody else hears whether there is such a project.
    let site = actor.may::<can::ManageStatus, _>(&portal.platform, &Site).await?;
    let project = may_in::<can::ManageStatus>(&portal, &actor, &project).await?;
    Ok(Json(status::put_site_project(&portal.platform, &site, &project, &form).await?))
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let page = status::list(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("{}/incidents", base(&may)), page))
}

async fn create(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<IncidentForm>,
) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let made = status::create(&portal.platform, &may, &form).await?;
    Ok(created(&format!("{}/incidents/{}", base(&may), made.public.id), made))
}

async fn say(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<UpdateForm>,
) -> Answer<Json<IncidentView>> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: IncidentId = id(&place, "incident")?;
    Ok(Json(status::say(&portal.platform, &may, id, &form).await?))
}

async fn remove(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<StatusCode> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: IncidentId = id(&place, "incident")?;
    status::remove(&portal.platform, &may, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_legacy(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let page = status::list_legacy(&portal.platform, &may).await?;
    Ok(listed(&format!("{}/legacy-services", base(&may)), page))
}

async fn create_legacy(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<LegacyForm>,
) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let made = status::create_legacy(&portal.platform, &may, &form).await?;
    Ok(created(&format!("{}/legacy-services/{}", base(&may), made.id), made))
}

async fn update_legacy(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<LegacyForm>,
) -> Answer<Json<LegacyView>> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: LegacyServiceId = id(&place, "legacy")?;
    Ok(Json(status::update_legacy(&portal.platform, &may, id, &form).await?))
}

async fn delete_legacy(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<StatusCode> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: LegacyServiceId = id(&place, "legacy")?;
    status::delete_legacy(&portal.platform, &may, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

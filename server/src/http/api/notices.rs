//! Routes that notices are sent to, of a project and of the site, what became of each notice, and how e-mail leaves.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::can;
use domain::notices::{self, Managing, mail};
use http::StatusCode;
use model::ids::{NoticeId, NoticeRouteId};
use model::notices::{MailForm, RouteForm};
use model::views::notices::{MailView, NoticeView, RouteMade};

use super::alerts::{Place, base, held, id};
use super::{Body, Paging, accepted, created, listed};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/routes", list)
        .post("/api/v1/routes", create)
        .put("/api/v1/routes/{route}", update)
        .delete("/api/v1/routes/{route}", delete)
        .post("/api/v1/routes/{route}/test", test)
        .get("/api/v1/routes/{route}/notices", log)
        .post("/api/v1/routes/{route}/notices/{notice}/redeliver", redeliver)
        .get("/api/v1/projects/{project}/routes", list)
        .post("/api/v1/projects/{project}/routes", create)
        .put("/api/v1/projects/{project}/routes/{route}", update)
        .delete("/api/v1/projects/{project}/routes/{route}", delete)
        .post("/api/v1/projects/{project}/routes/{route}/test", test)
        .get("/api/v1/projects/{project}/routes/{route}/notices", log)
        .post("/api/v1/projects/{project}/routes/{route}/notices/{notice}/redeliver", redeliver)
        .get("/api/v1/mail", get_mail)
        .put("/api/v1/mail", put_mail)
}

async fn list(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let page = notices::list(&portal.platform, &may).await?;
    Ok(listed(&format!("{}/routes", base(&may)), page))
}

async fn create(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<RouteForm>,
) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let made = notices::create(&portal.platform, &may, &form).await?;
    Ok(created(&format!("{}/routes/{}", base(&may), made.route.id), made))
}

async fn update(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<RouteForm>,
) -> Answer<Json<RouteMade>> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: NoticeRouteId = id(&place, "route")?;
    Ok(Json(notices::update(&portal.platform, &may, id, &form).await?))
}

async fn delete(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<StatusCode> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: NoticeRouteId = id(&place, "route")?;
    notices::delete(&portal.platform, &may, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn test(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: NoticeRouteId = id(&place, "route")?;
    let view: NoticeView = notices::test(&portal.platform, &may, id).await?;
    Ok(accepted(&format!("{}/routes/{id}/notices", base(&may)), view))
}

async fn log(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: NoticeRouteId = id(&place, "route")?;
    let page = notices::log(&portal.platform, &may, id, &paging.into()).await?;
    Ok(listed(&format!("{}/routes/{id}/notices", base(&may)), page))
}

async fn redeliver(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let (route, notice): (NoticeRouteId, NoticeId) = (id(&place, "route")?, id(&place, "notice")?);
    let view = notices::redeliver(&portal.platform, &may, route, notice).await?;
    Ok(accepted(&format!("{}/routes/{route}/notices", base(&may)), view))
}

async fn get_mail(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<Json<Option<MailView>>> {
    let may = actor.may::<can::ManageAlerts, _>(&portal.platform, &Site).await?;
    Ok(Json(mail::get(&portal.platform, &may).await?))
}

async fn put_mail(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(form): Body<MailForm>) -> Answer<Json<Option<MailView>>> {
    let may = actor.may::<can::ManageAlerts, _>(&portal.platform, &Site).await?;
    Ok(Json(mail::put(&portal.platform, &may, &form).await?))
}

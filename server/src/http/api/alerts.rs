//! Alerts, their rules and silences: of a project below `/api/v1/projects/{project}`, of the site below `/api/v1`. Each door is one function for
//! both, which learns from the path whose it is.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Held;
use domain::alerts::{self, Answering, Managing, Seeing};
use domain::{Actor, can};
use http::StatusCode;
use model::alerts::{AlertState, RuleForm, SilenceForm};
use model::ids::{AlertId, AlertRuleId, SilenceId};
use model::names::ProjectName;
use model::page::Page;
use model::views::alerts::{AlertView, RuleView};
use serde::Deserialize;

use super::{Body, Paging, created, field, listed, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/alerts", list)
        .get("/api/v1/alerts/{alert}", get)
        .post("/api/v1/alerts/{alert}/acknowledge", acknowledge)
        .get("/api/v1/alert-rules", rules)
        .post("/api/v1/alert-rules", create_rule)
        .put("/api/v1/alert-rules/{rule}", update_rule)
        .delete("/api/v1/alert-rules/{rule}", delete_rule)
        .get("/api/v1/silences", silences)
        .post("/api/v1/silences", silence)
        .delete("/api/v1/silences/{silence}", end_silence)
        .get("/api/v1/projects/{project}/alerts", list)
        .get("/api/v1/projects/{project}/alerts/{alert}", get)
        .post("/api/v1/projects/{project}/alerts/{alert}/acknowledge", acknowledge)
        .get("/api/v1/projects/{project}/alert-rules", rules)
        .post("/api/v1/projects/{project}/alert-rules", create_rule)
        .put("/api/v1/projects/{project}/alert-rules/{rule}", update_rule)
        .delete("/api/v1/projects/{project}/alert-rules/{rule}", delete_rule)
        .get("/api/v1/projects/{project}/silences", silences)
        .post("/api/v1/projects/{project}/silences", silence)
        .delete("/api/v1/projects/{project}/silences/{silence}", end_silence)
}

/// The parts of a path by their names.
pub(super) type Place = HashMap<String, String>;

/// The permission on the project that a path names, or on the site.
pub(super) async fn held<P: can::Permission, Q: can::Permission>(portal: &Portal, actor: &Actor, place: &Place) -> Answer<Held<P, Q>> {
    actor.account()?;
    let project: Option<ProjectName> = place.get("project").map(|name| named(name, "project")).transpose()?;
    Ok(Held::of(&portal.platform, actor, project.as_ref()).await?)
}

/// The id that a path names.
pub(super) fn id<T: std::str::FromStr>(place: &Place, what: &'static str) -> Answer<T> {
    named(place.get(what).map(String::as_str).unwrap_or_default(), what)
}

/// Where the holder's things are.
pub(super) fn base<P: can::Permission, Q: can::Permission>(may: &Held<P, Q>) -> String {
    may.project().map_or_else(|| "/api/v1".to_owned(), |project| format!("/api/v1/projects/{}", project.name))
}

#[derive(Deserialize)]
struct Asked {
    state: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Query(asked): Query<Asked>,
) -> Answer<impl IntoResponse> {
    let may: Seeing = held(&portal, &actor, &place).await?;
    let state: Option<AlertState> = asked.state.as_deref().filter(|text| !text.is_empty()).map(|text| field("state", text)).transpose()?;
    let paging = Paging { limit: asked.limit, after: asked.after };
    let page: Page<AlertView> = alerts::list(&portal.platform, &may, state, &paging.into()).await?;
    let next = page.next.clone();
    let (mut headers, body) = listed(&format!("{}/alerts", base(&may)), page);
    // What follows is in the same state.
    if let (Some(next), Some(state)) = (next, state)
        && let Ok(link) = http::HeaderValue::from_str(&format!("<{}/alerts?state={state}&after={next}>; rel=\"next\"", base(&may)))
    {
        headers.insert(http::header::LINK, link);
    }
    Ok((headers, body))
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<Json<AlertView>> {
    let may: Seeing = held(&portal, &actor, &place).await?;
    let id: AlertId = id(&place, "alert")?;
    Ok(Json(alerts::get(&portal.platform, &may, id).await?))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Seen {
    note: String,
}

async fn acknowledge(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(seen): Body<Seen>,
) -> Answer<Json<AlertView>> {
    let may: Answering = held(&portal, &actor, &place).await?;
    let id: AlertId = id(&place, "alert")?;
    Ok(Json(alerts::acknowledge(&portal.platform, &may, id, &seen.note).await?))
}

async fn rules(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<impl IntoResponse> {
    let may: Seeing = held(&portal, &actor, &place).await?;
    let page = alerts::list_rules(&portal.platform, &may).await?;
    Ok(listed(&format!("{}/alert-rules", base(&may)), page))
}

async fn create_rule(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<RuleForm>,
) -> Answer<impl IntoResponse> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let made = alerts::create_rule(&portal.platform, &may, &form).await?;
    Ok(created(&format!("{}/alert-rules/{}", base(&may), made.id), made))
}

async fn update_rule(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<RuleForm>,
) -> Answer<Json<RuleView>> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: AlertRuleId = id(&place, "rule")?;
    Ok(Json(alerts::update_rule(&portal.platform, &may, id, &form).await?))
}

async fn delete_rule(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<StatusCode> {
    let may: Managing = held(&portal, &actor, &place).await?;
    let id: AlertRuleId = id(&place, "rule")?;
    alerts::delete_rule(&portal.platform, &may, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn silences(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may: Seeing = held(&portal, &actor, &place).await?;
    let page = alerts::list_silences(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("{}/silences", base(&may)), page))
}

async fn silence(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(place): Path<Place>,
    Body(form): Body<SilenceForm>,
) -> Answer<impl IntoResponse> {
    let may: Answering = held(&portal, &actor, &place).await?;
    let made = alerts::create_silence(&portal.platform, &may, &form).await?;
    Ok(created(&format!("{}/silences/{}", base(&may), made.id), made))
}

async fn end_silence(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(place): Path<Place>) -> Answer<StatusCode> {
    let may: Answering = held(&portal, &actor, &place).await?;
    let id: SilenceId = id(&place, "silence")?;
    alerts::end_silence(&portal.platform, &may, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

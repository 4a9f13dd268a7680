//! `/api/v1/registry`: what the registry's disk holds, collections and scrubs; for operators.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::{Lease, Site};
use domain::{can, upkeep};
use http::StatusCode;
use model::ids::RunId;
use model::views::upkeep::{RunKind, Schedule};
use serde::Deserialize;

use super::waiting::{Waiting, waited};
use super::{Body, Paging, created, listed, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/registry", storage)
        .put("/api/v1/registry/schedule", set_schedule)
        .get("/api/v1/registry/runs", list)
        .post("/api/v1/registry/runs", ask)
        .get("/api/v1/registry/runs/{run}", get)
        .post("/api/v1/registry/runs/{run}/cancel", cancel)
}

async fn storage(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::MaintainRegistry, _>(&portal.platform, &Site).await?;
    Ok(Json(upkeep::storage(&portal.platform, &may, &paging.into()).await?))
}

async fn set_schedule(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(wanted): Body<Schedule>) -> Answer<StatusCode> {
    let may = actor.may::<can::MaintainRegistry, _>(&portal.platform, &Site).await?;
    upkeep::set_schedule(&portal.platform, &may, wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::MaintainRegistry, _>(&portal.platform, &Site).await?;
    Ok(listed("/api/v1/registry/runs", upkeep::list(&portal.platform, &may, &paging.into()).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: RunKind,
    #[serde(default)]
    dry_run: bool,
}

async fn ask(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(wanted): Body<Wanted>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::MaintainRegistry, _>(&portal.platform, &Site).await?;
    let run = upkeep::ask(&portal.platform, &may, wanted.kind, wanted.dry_run).await?;
    Ok(created(&format!("/api/v1/registry/runs/{}", run.id), run))
}

async fn get(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(run): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<impl IntoResponse> {
    let mut lease: Lease<can::MaintainRegistry, Site> = actor.lease(&portal.platform, Site).await?;
    let id: RunId = named(&run, "run")?;
    waited(&portal, upkeep::wait(&portal.platform, &mut lease, id, waiting.span(Duration::ZERO))).await
}

async fn cancel(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(run): Path<String>) -> Answer<StatusCode> {
    let may = actor.may::<can::MaintainRegistry, _>(&portal.platform, &Site).await?;
    let id: RunId = named(&run, "run")?;
    upkeep::cancel(&portal.platform, &may, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/v1/environments` and `/api/v1/machines`: where things run.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::{can, environments, imports, machines};
use model::names::MachineName;
use model::page::Page;

use super::named;
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/environments", list)
        .get("/api/v1/machines", list_machines)
        .get("/api/v1/foreign-containers", foreign)
        .get("/api/v1/machines/{machine}/containers/{container}/descriptor", import)
}

async fn list(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::SeeEnvironments, _>(&portal.platform, &Site).await?;
    Ok(Json(Page { items: environments::list(&portal.platform, &may).await?, next: None }))
}

async fn list_machines(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::SeeEnvironments, _>(&portal.platform, &Site).await?;
    Ok(Json(Page { items: machines::list(&portal.platform, &may).await?, next: None }))
}

async fn foreign(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    Ok(Json(machines::foreign(&portal.platform, &may).await?))
}

/// What a container that something else made would be as a service.
async fn import(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((machine, container)): Path<(String, String)>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &Site).await?;
    let machine: MachineName = named(&machine, "machine")?;
    Ok(Json(imports::read(&portal.platform, &may, &machine, &container).await?))
}

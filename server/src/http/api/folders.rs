//! Folders of machines that operators let services mount.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::{access, can, folders};
use model::folders::FolderSettings;

use super::Body;
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors().get("/api/v1/host-folders", settings).put("/api/v1/host-folders", set)
}

async fn settings(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &access::Site).await?;
    Ok(Json(folders::settings(&portal.platform, &may).await?))
}

async fn set(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(settings): Body<FolderSettings>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageEnvironments, _>(&portal.platform, &access::Site).await?;
    Ok(Json(folders::set(&portal.platform, &may, &settings).await?))
}

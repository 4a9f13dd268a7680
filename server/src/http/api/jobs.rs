//! Runs of jobs: the last ones, and one more now.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::{can, jobs};
use http::StatusCode;
use model::names::EnvironmentName;
use serde::Deserialize;

use super::services::may;
use super::{Body, field};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors().get("/api/v1/projects/{project}/services/{service}/runs", list).post("/api/v1/projects/{project}/services/{service}/runs", run)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    environment: Option<String>,
}

impl Place {
    fn name(self) -> Answer<Option<EnvironmentName>> {
        self.environment.filter(|name| !name.is_empty()).map(|name| field("environment", &name)).transpose()
    }
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(place): Query<Place>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    Ok(Json(jobs::list(&portal.platform, &may, place.name()?.as_ref()).await?))
}

async fn run(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Body(place): Body<Place>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::Deploy>(&portal, &actor, &project, &service).await?;
    Ok((StatusCode::CREATED, Json(jobs::run_now(&portal.platform, &may, place.name()?.as_ref()).await?)))
}

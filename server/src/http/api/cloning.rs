//! Cloning services of a project from one environment into another: what it would do, and doing it.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use domain::can;
use domain::deployments::{self, CloneOrder};
use http::StatusCode;
use model::names::ServiceName;
use model::page::Page;
use serde::Deserialize;

use super::{Body, field, may_in};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors().post("/api/v1/projects/{project}/clone/plan", plan).post("/api/v1/projects/{project}/clone", clone)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from: String,
    to: String,
    /// Left out: all that run there.
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    why: String,
}

impl Wanted {
    fn order(self) -> Answer<CloneOrder> {
        let services: Answer<Vec<ServiceName>> = self.services.iter().map(|name| field("services", name)).collect();
        Ok(CloneOrder { from: field("from", &self.from)?, to: field("to", &self.to)?, services: services?, why: self.why })
    }
}

async fn plan(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::Deploy>(&portal, &actor, &project).await?;
    Ok(Json(deployments::clone_plan(&portal.platform, &may, &wanted.order()?).await?))
}

async fn clone(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::Deploy>(&portal, &actor, &project).await?;
    let items = deployments::clone(&portal.platform, &may, &wanted.order()?).await?;
    Ok((StatusCode::ACCEPTED, Json(Page { items, next: None })))
}

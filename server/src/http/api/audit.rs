//! The audit log: of a project for its admins, of the site for operators.

use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::{audit, can};

use super::{Paging, listed, may_in};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors().get("/api/v1/audit", of_site).get("/api/v1/projects/{project}/audit", of_project)
}

async fn of_site(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ReadSiteAudit, _>(&portal.platform, &Site).await?;
    Ok(listed("/api/v1/audit", audit::of_site(&portal.platform, &may, &paging.into()).await?))
}

async fn of_project(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ReadAudit>(&portal, &actor, &project).await?;
    let page = audit::of_project(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{}/audit", may.name), page))
}

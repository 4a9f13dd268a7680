//! Push rules of a service, one for each environment, and what became of the last pushes.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::{can, pushes};
use http::StatusCode;
use model::names::EnvironmentName;
use model::page::Page;
use model::pushes::PushRuleForm;
use model::views::pushes::PushRuleView;

use super::services::may;
use super::{Body, Paging, listed, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/services/{service}/push-rules", rules)
        .put("/api/v1/projects/{project}/services/{service}/push-rules/{environment}", put)
        .delete("/api/v1/projects/{project}/services/{service}/push-rules/{environment}", delete)
        .get("/api/v1/projects/{project}/services/{service}/pushes", history)
}

type Named = Path<(String, String)>;
type Place = Path<(String, String, String)>;

async fn rules(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, service)): Named) -> Answer<Json<Page<PushRuleView>>> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let items = pushes::rules(&portal.platform, &may).await?;
    Ok(Json(Page { items, next: None }))
}

async fn put(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service, environment)): Place,
    Body(form): Body<PushRuleForm>,
) -> Answer<Json<PushRuleView>> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    let environment: EnvironmentName = named(&environment, "environment")?;
    Ok(Json(pushes::put(&portal.platform, &may, &environment, &form).await?))
}

async fn delete(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, service, environment)): Place) -> Answer<StatusCode> {
    let may = may::<can::ManageHooks>(&portal, &actor, &project, &service).await?;
    let environment: EnvironmentName = named(&environment, "push rule")?;
    pushes::delete(&portal.platform, &may, &environment).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn history(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Named,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let page = pushes::history(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{project}/services/{service}/pushes"), page))
}

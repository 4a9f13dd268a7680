//! `/api/v1/projects/{project}/robots`: a project's accounts for programs.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::can;
use domain::robots::{self, Changed, Wanted};
use http::StatusCode;
use model::access::Scope;
use serde::Deserialize;

use super::{Body, Paging, created, field, listed, may_in, named, parse, present};
use crate::http::caller::ApiCaller;
use crate::http::problem::{Answer, Refusal};
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/robots", list)
        .post("/api/v1/projects/{project}/robots", create)
        .get("/api/v1/projects/{project}/robots/{robot}", get)
        .patch("/api/v1/projects/{project}/robots/{robot}", update)
        .delete("/api/v1/projects/{project}/robots/{robot}", delete)
        .post("/api/v1/projects/{project}/robots/{robot}/rotate", rotate)
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageRobots>(&portal, &actor, &project).await?;
    let page = robots::list(&portal.platform, &may, &paging.into()).await?;
    Ok(listed(&format!("/api/v1/projects/{}/robots", may.name), page))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRobot {
    name: String,
    role: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    scopes: Vec<Scope>,
    expires_in_days: Option<u32>,
}

async fn create(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(new): Body<NewRobot>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageRobots>(&portal, &actor, &project).await?;
    let wanted = Wanted {
        name: field("name", &new.name)?,
        role: field("role", &new.role)?,
        description: new.description,
        scopes: new.scopes,
        expires_in_days: new.expires_in_days,
    };
    let made = robots::create(&portal.platform, &may, &wanted).await?;
    Ok(created(&format!("/api/v1/projects/{}/robots/{}", may.name, made.robot.name), made))
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, robot)): Path<(String, String)>) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageRobots>(&portal, &actor, &project).await?;
    Ok(Json(robots::get(&portal.platform, &may, &named(&robot, "robot")?).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RobotChange {
    role: Option<String>,
    description: Option<String>,
    scopes: Option<Vec<Scope>>,
    #[serde(default, deserialize_with = "present")]
    expires_in_days: Option<Option<u32>>,
    disabled: Option<bool>,
}

async fn update(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, robot)): Path<(String, String)>,
    Body(wanted): Body<RobotChange>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageRobots>(&portal, &actor, &project).await?;
    let changed = Changed {
        role: wanted.role.as_deref().map(|role| field("role", role)).transpose()?,
        description: wanted.description,
        scopes: wanted.scopes,
        expires_in_days: wanted.expires_in_days,
        disabled: wanted.disabled,
    };
    Ok(Json(robots::update(&portal.platform, &may, &named(&robot, "robot")?, &changed).await?))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    overlap_hours: u32,
}

async fn rotate(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, robot)): Path<(String, String)>,
    body: Bytes,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::ManageRobots>(&portal, &actor, &project).await?;
    // Without a body the old secret ends at once.
    let wanted: Rotation = if body.is_empty() { Rotation::default() } else { parse(&body).map_err(Refusal)? };
    Ok(Json(robots::rotate(&portal.platform, &may, &named(&robot, "robot")?, wanted.overlap_hours).await?))
}

async fn delete(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, robot)): Path<(String, String)>) -> Answer<StatusCode> {
    let may = may_in::<can::ManageRobots>(&portal, &actor, &project).await?;
    robots::delete(&portal.platform, &may, &named(&robot, "robot")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

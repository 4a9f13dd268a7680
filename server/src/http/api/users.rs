//! `/api/v1/users`: accounts, for operators.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::accounts::users;
use domain::can;
use http::StatusCode;
use model::secret::Secret;
use serde::Deserialize;

use super::{Body, Paging, created, field, listed, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/users", list)
        .post("/api/v1/users", create)
        .patch("/api/v1/users/{username}", update)
        .delete("/api/v1/users/{username}", delete)
        .put("/api/v1/users/{username}/password", reset_password)
}

async fn list(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageUsers, _>(&portal.platform, &Site).await?;
    Ok(listed("/api/v1/users", users::list(&portal.platform, &may, &paging.into()).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    username: String,
    password: Secret,
    #[serde(default)]
    operator: bool,
}

async fn create(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(new): Body<NewUser>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageUsers, _>(&portal.platform, &Site).await?;
    let username = field("username", &new.username)?;
    let user = users::create(&portal.platform, &may, &username, &new.password, new.operator).await?;
    Ok(created(&format!("/api/v1/users/{username}"), user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserChange {
    disabled: Option<bool>,
    operator: Option<bool>,
}

async fn update(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(username): Path<String>,
    Body(wanted): Body<UserChange>,
) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::ManageUsers, _>(&portal.platform, &Site).await?;
    let username = named(&username, "user")?;
    let user = users::update(&portal.platform, &may, &username, wanted.disabled, wanted.operator).await?;
    Ok(Json(user))
}

async fn delete(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(username): Path<String>) -> Answer<StatusCode> {
    let may = actor.may::<can::ManageUsers, _>(&portal.platform, &Site).await?;
    users::delete(&portal.platform, &may, &named(&username, "user")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: Secret,
}

async fn reset_password(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(username): Path<String>,
    Body(new): Body<NewPassword>,
) -> Answer<StatusCode> {
    let may = actor.may::<can::ManageUsers, _>(&portal.platform, &Site).await?;
    users::reset_password(&portal.platform, &may, &named(&username, "user")?, &new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

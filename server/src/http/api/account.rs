//! `/api/v1/me`: the caller's own account, sessions and tokens.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use domain::accounts::{sessions, tokens, users};
use http::StatusCode;
use model::access::Scope;
use model::page::Page;
use model::secret::Secret;
use model::views::accounts::Me;
use serde::Deserialize;

use super::{Body, created, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/me", me)
        .put("/api/v1/me/password", change_password)
        .get("/api/v1/me/sessions", list_sessions)
        .delete("/api/v1/me/sessions/{session}", end_session)
        .get("/api/v1/me/tokens", list_tokens)
        .post("/api/v1/me/tokens", create_token)
        .delete("/api/v1/me/tokens/{token}", revoke_token)
}

async fn me(ApiCaller(actor): ApiCaller) -> Answer<Json<Me>> {
    Ok(Json(actor.me()?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    current_password: Secret,
    new_password: Secret,
}

async fn change_password(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(wanted): Body<PasswordChange>) -> Answer<StatusCode> {
    users::change_own_password(&portal.platform, &actor, &wanted.current_password, &wanted.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_sessions(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    Ok(Json(Page { items: sessions::list(&portal.platform, &actor).await?, next: None }))
}

async fn end_session(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(session): Path<String>) -> Answer<StatusCode> {
    sessions::end(&portal.platform, &actor, named(&session, "session")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_tokens(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<impl IntoResponse> {
    Ok(Json(Page { items: tokens::list(&portal.platform, &actor).await?, next: None }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    scopes: Vec<Scope>,
    expires_in_days: Option<u32>,
}

async fn create_token(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(new): Body<NewToken>) -> Answer<impl IntoResponse> {
    let made = tokens::create(&portal.platform, &actor, &new.name, &new.scopes, new.expires_in_days).await?;
    Ok(created(&format!("/api/v1/me/tokens/{}", made.token.id), made))
}

async fn revoke_token(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(token): Path<String>) -> Answer<StatusCode> {
    tokens::revoke(&portal.platform, &actor, named(&token, "token")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

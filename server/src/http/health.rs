//! For machines that ask whether the portal lives: `/healthz` answers while the process does, `/readyz` when the database answers too.

use axum::extract::State;

use super::problem::Answer;
use super::table::Table;
use super::{Portal, doors};

pub(super) fn table() -> Table {
    doors().get("/healthz", alive).get("/readyz", ready)
}

async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(State(portal): State<Portal>) -> Answer<&'static str> {
    domain::site::answers(&portal.platform).await?;
    Ok("ready\n")
}

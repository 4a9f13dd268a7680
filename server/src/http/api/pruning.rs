//! How images are taken away from a machine: its policy, what the last runs did, and asking for one. For operators.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use domain::machines;
use http::StatusCode;
use model::names::MachineName;
use model::views::environments::PrunePolicy;
use serde::Deserialize;

use super::environments::managed;
use super::{Body, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

const PATH: &str = "/api/v1/environments/{environment}/machines/{machine}/pruning";

pub(super) fn table() -> Table {
    doors().get(PATH, get).put(PATH, put).post(PATH, prune)
}

type Named = Path<(String, String)>;

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((environment, machine)): Named) -> Answer<impl IntoResponse> {
    let may = managed(&portal, &actor, &environment).await?;
    let name: MachineName = named(&machine, "machine")?;
    Ok(Json(machines::pruning(&portal.platform, &may, &name).await?))
}

async fn put(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((environment, machine)): Named,
    Body(policy): Body<PrunePolicy>,
) -> Answer<impl IntoResponse> {
    let may = managed(&portal, &actor, &environment).await?;
    let name: MachineName = named(&machine, "machine")?;
    Ok(Json(machines::put_pruning(&portal.platform, &may, &name, policy).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    dry_run: bool,
}

async fn prune(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((environment, machine)): Named,
    Body(wanted): Body<Wanted>,
) -> Answer<impl IntoResponse> {
    let may = managed(&portal, &actor, &environment).await?;
    let name: MachineName = named(&machine, "machine")?;
    Ok((StatusCode::ACCEPTED, Json(machines::prune(&portal.platform, &may, &name, wanted.dry_run).await?)))
}

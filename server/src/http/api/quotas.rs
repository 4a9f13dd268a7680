//! How much projects may keep and run. Sizes come as bytes or as people write them: `10GiB`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::quotas::{self, Wanted};
use domain::{Error, can};
use model::quantity::{Cpus, Memory, PortRange};
use model::views::quotas::{Limits, QuotaView};
use serde::Deserialize;

use super::{Body, Paging, listed, may_in, present};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/quotas", list)
        .put("/api/v1/quotas/default", set_default)
        .get("/api/v1/projects/{project}/quota", get)
        .put("/api/v1/projects/{project}/quota", set)
}

/// What is left out stays; null takes the limit away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLimits {
    #[serde(default, deserialize_with = "present")]
    bytes: Option<Option<Size>>,
    #[serde(default, deserialize_with = "present")]
    tags: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    cpus: Option<Option<Cpus>>,
    #[serde(default, deserialize_with = "present")]
    memory: Option<Option<Size>>,
    #[serde(default, deserialize_with = "present")]
    tasks: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    ports: Option<Option<PortRange>>,
    #[serde(default, deserialize_with = "present")]
    task_cpus: Option<Option<Cpus>>,
    #[serde(default, deserialize_with = "present")]
    task_memory: Option<Option<Size>>,
    #[serde(default, deserialize_with = "present")]
    logs: Option<Option<Size>>,
    #[serde(default, deserialize_with = "present")]
    recordings: Option<Option<Size>>,
}

/// A number of bytes, or a text like `10GiB`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of bytes, a size like \"10GiB\", or null")]
enum Size {
    Bytes(i64),
    Text(String),
}

impl NewLimits {
    fn wanted(self) -> Answer<Wanted> {
        Ok(Wanted {
            bytes: bytes("bytes", self.bytes)?,
            tags: self.tags,
            cpus: self.cpus,
            memory: bytes("memory", self.memory)?,
            tasks: self.tasks,
            ports: self.ports,
            task_cpus: self.task_cpus,
            task_memory: bytes("task_memory", self.task_memory)?,
            logs: bytes("logs", self.logs)?,
            recordings: bytes("recordings", self.recordings)?,
        })
    }
}

fn bytes(field: &'static str, size: Option<Option<Size>>) -> Answer<Option<Option<i64>>> {
    Ok(match size {
        None => None,
        Some(None) => Some(None),
        Some(Some(Size::Bytes(bytes))) => Some(Some(bytes)),
        Some(Some(Size::Text(text))) => {
            let size: Memory = text.parse().map_err(|error| Error::invalid(field, error))?;
            Some(Some(i64::try_from(size.bytes()).map_err(|_| Error::invalid(field, "that is more than any disk has"))?))
        }
    })
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(project): Path<String>) -> Answer<Json<QuotaView>> {
    let may = may_in::<can::Push>(&portal, &actor, &project).await?;
    Ok(Json(quotas::get(&portal.platform, &may).await?))
}

async fn set(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Body(new): Body<NewLimits>,
) -> Answer<Json<QuotaView>> {
    let may = may_in::<can::SetQuotas>(&portal, &actor, &project).await?;
    Ok(Json(quotas::set(&portal.platform, &may, new.wanted()?).await?))
}

async fn list(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(paging): Query<Paging>) -> Answer<impl IntoResponse> {
    let may = actor.may::<can::SetQuotas, _>(&portal.platform, &Site).await?;
    let view = quotas::list(&portal.platform, &may, &paging.into()).await?;
    let (headers, _) = listed("/api/v1/quotas", view.projects.clone());
    Ok((headers, Json(view)))
}

async fn set_default(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(new): Body<NewLimits>) -> Answer<Json<Limits>> {
    let may = actor.may::<can::SetQuotas, _>(&portal.platform, &Site).await?;
    Ok(Json(quotas::set_default(&portal.platform, &may, new.wanted()?).await?))
}

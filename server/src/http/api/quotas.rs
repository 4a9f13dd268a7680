//! How much projects may keep. Sizes come as bytes or as people write them: `10GiB`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::access::Site;
use domain::quotas::{self, Wanted};
use domain::{Error, can};
use model::quantity::Memory;
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
        let bytes = match self.bytes {
            None => None,
            Some(None) => Some(None),
            Some(Some(Size::Bytes(bytes))) => Some(Some(bytes)),
            Some(Some(Size::Text(text))) => {
                let size: Memory = text.parse().map_err(|error| Error::invalid("bytes", error))?;
                Some(Some(i64::try_from(size.bytes()).map_err(|_| Error::invalid("bytes", "that is more than any disk has"))?))
            }
        };
        Ok(Wanted { bytes, tags: self.tags })
    }
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

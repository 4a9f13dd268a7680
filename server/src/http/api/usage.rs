//! What projects used, month by month, and what it costs. Reports come as JSON, and as CSV where `format=csv` is asked for.

use app::api::server::Caller;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::access::Site;
use domain::projects::Project;
use domain::{Actor, Error, May, can, usage};
use http::{HeaderValue, header};
use model::page::PageRequest;
use model::usage::{Month, Prices, UsageOrder};
use serde::Deserialize;

use super::{Body, may_in};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/usage", site)
        .get("/api/v1/usage/prices", prices)
        .put("/api/v1/usage/prices", set_prices)
        .get("/api/v1/projects/{project}/usage", project)
}

/// The same reports as CSV for a browser, by session.
pub(in crate::http) fn page_table() -> Table {
    doors().get("/projects/{project}/usage.csv", page_project).get("/admin/usage.csv", page_site)
}

/// `?month=2026-11&format=csv`, and of the list of all projects its order and part.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    month: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    sort: String,
    limit: Option<u32>,
    after: Option<String>,
}

impl Asked {
    fn month(&self, portal: &Portal) -> Answer<Month> {
        Ok(usage::month(&portal.platform, &self.month)?)
    }

    fn csv(&self) -> Answer<bool> {
        match self.format.as_str() {
            "" | "json" => Ok(false),
            "csv" => Ok(true),
            _ => Err(Error::invalid("format", "json or csv").into()),
        }
    }

    fn order(&self) -> Answer<UsageOrder> {
        match self.sort.as_str() {
            "" => Ok(UsageOrder::Cost),
            text => Ok(text.parse::<UsageOrder>().map_err(|error| Error::invalid("sort", error))?),
        }
    }

    fn page(&self) -> PageRequest {
        PageRequest { after: self.after.clone(), limit: self.limit }
    }
}

fn csv(name: &str, text: String) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

async fn csv_of_project(portal: &Portal, may: &May<can::ReadUsage, Project>, month: Month) -> Answer<Response> {
    Ok(csv(&format!("usage-{}-{month}", may.name), usage::csv_of_project(&portal.platform, may, month).await?))
}

async fn csv_of_site(portal: &Portal, may: &May<can::ReadSiteUsage, Site>, asked: &Asked) -> Answer<Response> {
    let month = asked.month(portal)?;
    Ok(csv(&format!("usage-{month}"), usage::csv_of_site(&portal.platform, may, month, asked.order()?).await?))
}

async fn reads_all(portal: &Portal, actor: &Actor) -> Answer<May<can::ReadSiteUsage, Site>> {
    Ok(actor.may(&portal.platform, &Site).await?)
}

async fn project(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let may = may_in::<can::ReadUsage>(&portal, &actor, &project).await?;
    let month = asked.month(&portal)?;
    if asked.csv()? {
        return csv_of_project(&portal, &may, month).await;
    }
    Ok(Json(usage::of_project(&portal.platform, &may, month).await?).into_response())
}

async fn site(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(asked): Query<Asked>) -> Answer<Response> {
    let may = reads_all(&portal, &actor).await?;
    if asked.csv()? {
        return csv_of_site(&portal, &may, &asked).await;
    }
    let found = usage::of_site(&portal.platform, &may, asked.month(&portal)?, asked.order()?, &asked.page()).await?;
    Ok(Json(found).into_response())
}

async fn page_project(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let may = may_in::<can::ReadUsage>(&portal, &caller.actor, &project).await?;
    csv_of_project(&portal, &may, asked.month(&portal)?).await
}

async fn page_site(State(portal): State<Portal>, Extension(caller): Extension<Caller>, Query(asked): Query<Asked>) -> Answer<Response> {
    let may = reads_all(&portal, &caller.actor).await?;
    csv_of_site(&portal, &may, &asked).await
}

async fn prices(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(asked): Query<Asked>) -> Answer<Json<Prices>> {
    let may = reads_all(&portal, &actor).await?;
    Ok(Json(usage::prices(&portal.platform, &may, asked.month(&portal)?).await?))
}

async fn set_prices(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Body(prices): Body<Prices>) -> Answer<Json<Prices>> {
    let may = actor.may::<can::SetPrices, _>(&portal.platform, &Site).await?;
    Ok(Json(usage::set_prices(&portal.platform, &may, prices).await?))
}

//! `/discovery`: where services are at the moment, in the words of those who ask: Traefik's HTTP provider, Prometheus' `http_sd`, nginx's `upstream`, and
//! plain JSON; and a stream of changes. It takes the API's credentials, of which a token needs the scope `discovery`.
//!
//! Each answer has an `ETag` and the number of the last change, `X-Slipway-Index`. With `?wait=SECONDS`, the answer comes when it is another one than the
//! asker has, by `?index=` or `If-None-Match`, and at the latest after so long.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::discovery::{self, Filter, Found, Reader};
use domain::watch::WAIT_MAX;
use domain::{Error, can, keys, streams};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::views::discovery::{DiscoveredService, ServicesView};
use sha2::{Digest as _, Sha256};

use super::caller::ApiCaller;
use super::problem::Answer;
use super::table::Table;
use super::{Portal, api, doors};

mod asked;
mod changes;
mod nginx;
mod prometheus;
mod traefik;

use asked::Asked;

/// The number of the last change.
const INDEX: &str = "x-slipway-index";
const JSON: &str = "application/json";

pub(super) fn table() -> Table {
    doors()
        .get("/discovery/events", changes::events)
        .get("/discovery/nginx/{project}/{file}", upstreams)
        .get("/discovery/prometheus.json", targets)
        .get("/discovery/services.json", services)
        .get("/discovery/traefik.json", configuration)
}

type Pairs = Query<Vec<(String, String)>>;

async fn services(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(pairs): Pairs, headers: HeaderMap) -> Answer<Response> {
    let asked = Asked::read(&actor, &pairs)?;
    let reader = Reader::open(&portal.platform, &actor).await?;
    answer(&portal, reader, &asked, &headers, JSON, |_| true, |found| written(&view(found))).await
}

async fn configuration(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(pairs): Pairs, headers: HeaderMap) -> Answer<Response> {
    let asked = Asked::read(&actor, &pairs)?;
    let reader = Reader::open(&portal.platform, &actor).await?;
    let routed: Sends = |service| !service.routes.is_empty();
    answer(&portal, reader, &asked, &headers, JSON, routed, |found| written(&traefik::document(&found.services, &asked))).await
}

async fn targets(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Query(pairs): Pairs, headers: HeaderMap) -> Answer<Response> {
    let asked = Asked::read(&actor, &pairs)?;
    let reader = Reader::open(&portal.platform, &actor).await?;
    // Who reads figures is not served by it.
    answer(&portal, reader, &asked, &headers, JSON, |_| false, |found| written(&prometheus::groups(&found.services, &asked))).await
}

async fn upstreams(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, file)): Path<(String, String)>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer<Response> {
    let mut asked = Asked::read(&actor, &pairs)?;
    let name = file.strip_suffix(".conf").ok_or(Error::NotFound { what: "file: the upstreams of a service are at its name with .conf" })?;
    let may = api::service::<can::ReadDiscovery>(&portal, &actor, &project, name).await?;
    let environment = discovery::environment(&portal.platform, &may, asked.filter.environment.as_ref()).await?;
    asked.filter = Filter { project: Some(may.project.name.clone()), service: Some(may.name.clone()), environment: Some(environment) };
    let reader = Reader::open(&portal.platform, &actor).await?;
    answer(&portal, reader, &asked, &headers, "text/plain; charset=utf-8", |_| true, |found| nginx::file(&found.services, &asked)).await
}

/// Everything, by name.
fn view(found: &Found) -> ServicesView {
    let mut services: Vec<DiscoveredService> = found.services.iter().map(|service| DiscoveredService::clone(service)).collect();
    services.sort_by(|one, other| (&one.project, &one.service, &one.environment).cmp(&(&other.project, &other.service, &other.environment)));
    ServicesView { index: found.index, services }
}

fn written(document: &impl serde::Serialize) -> String {
    serde_json::to_string(document).expect("views hold texts and numbers only")
}

/// To which of the services that it is told the asker sends requests.
type Sends = fn(&DiscoveredService) -> bool;

/// What is there now, or, for who waits, what is there when it is something else than they have.
async fn answer(
    portal: &Portal,
    mut reader: Reader,
    asked: &Asked,
    headers: &HeaderMap,
    kind: &'static str,
    sends: Sends,
    write: impl Fn(&Found) -> String,
) -> Answer<Response> {
    let deadline = tokio::time::Instant::now() + asked.wait.min(WAIT_MAX);
    let _slot = if asked.wait > Duration::ZERO { Some(streams::open(&portal.platform, reader.actor(), streams::Kind::Discovery)?) } else { None };
    // What the asker has, but for its number: what changes in its projects and is not asked for wakes nobody.
    let mut known = None;
    loop {
        let mut found = reader.find(&asked.filter);
        reader.sends_to(&found, sends);
        let body = write(&found);
        let tag = format!("\"{}\"", &keys::hex(&Sha256::digest(&body))[..32]);
        let has = has(headers, &tag);
        if asked.wait.is_zero() || (known.is_none() && !has && asked.index != Some(found.index)) {
            return Ok(packed(body, &tag, found.index, kind, has));
        }
        let index = std::mem::take(&mut found.index);
        let content = write(&found);
        if *known.get_or_insert_with(|| content.clone()) != content {
            return Ok(packed(body, &tag, index, kind, has));
        }
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => return Ok(packed(body, &tag, index, kind, has)),
            () = portal.stopping.cancelled() => return Err(Error::Unavailable("the portal is stopping; ask again when it is back".into()).into()),
            changed = reader.changed() => changed?,
        }
    }
}

/// Whether the asker has this answer already.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    known.map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn packed(body: String, tag: &str, index: u64, kind: &'static str, has: bool) -> Response {
    let mut response = if has { StatusCode::NOT_MODIFIED.into_response() } else { ([(CONTENT_TYPE, kind)], body).into_response() };
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_str(tag).expect("hexadecimal digits"));
    headers.insert(INDEX, HeaderValue::from(index));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

#[cfg(test)]
mod tests;

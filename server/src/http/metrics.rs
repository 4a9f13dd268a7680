//! `/metrics`: figures for Prometheus, in its text format 0.0.4, under the names that people know from cAdvisor (containers), node_exporter (machines)
//! and client libraries (processes, requests). It takes the API's credentials, of which a token needs the scope `metrics`.
//!
//! Whoever asks gets the tasks of the projects that they are a member of; the portal's own figures and those of machines are for operators. What has a
//! label has few values of it: routes and not paths, tasks that live and not those that did, and no more of them than one answer takes.

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use domain::access::Site;
use domain::metrics::scrape;
use domain::{Error, can};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tower_http::catch_panic::CatchPanicLayer;

use super::caller::ApiCaller;
use super::problem::{self, Answer};
use super::table::Table;
use super::{Portal, doors, forwarded, guard};

mod containers;
mod machines;
mod portal;
mod process;
mod requests;
mod text;

pub use requests::Requests;
use text::Text;

/// The format's media type.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn table() -> Table {
    doors().get("/metrics", metrics)
}

/// The same door alone, for an address of its own.
pub fn router(portal: &Portal) -> Router {
    let router = table().into_router().with_state(portal.clone());
    router
        .layer(middleware::from_fn(guard::in_time))
        .layer(middleware::from_fn_with_state(portal.clone(), forwarded::client))
        .layer(middleware::from_fn(guard::headers))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn_with_state(portal.clone(), guard::trace))
}

async fn metrics(State(portal): State<Portal>, ApiCaller(actor): ApiCaller) -> Answer<Response> {
    let visible = actor.visible::<can::ReadMetrics>()?;
    let site = match actor.may::<can::ReadSiteMetrics, _>(&portal.platform, &Site).await {
        Ok(may) => Some(scrape::site(&portal.platform, &may).await?),
        Err(Error::Forbidden(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let tasks = scrape::tasks(&portal.platform, &visible).await?;
    let mut text = Text::default();
    containers::write(&mut text, &tasks);
    if let Some(site) = &site {
        machines::write(&mut text, &site.machines);
        portal::write(&mut text, &portal, site);
        process::write(&mut text, process::read().await);
    }
    Ok(([(CONTENT_TYPE, FORMAT), (CACHE_CONTROL, "no-store")], text.finish()).into_response())
}

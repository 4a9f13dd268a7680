//! Every door over HTTP, in one place: which paths there are, who comes through which, and what is wrapped around them. Handlers unpack,
//! make one domain call and pack; they decide nothing.
//!
//! Seven sorts of doors, by credential (never two at once):
//! - pages, server functions, `/live` and page streams: the session cookie ([`browser`]);
//! - `/api/v1`: Bearer token or Basic, the cookie is not looked at ([`caller`]);
//! - `/v2` and `/auth/token`: the registry's own tokens (crate `registry`);
//! - `/hooks`: the hook's own proof ([`hooks`]);
//! - `/metrics`: as the API, with a scope of its own; also at an address of its own ([`metrics`]);
//! - `/discovery`: as the API, with a scope of its own;
//! - `/healthz`, `/readyz`, and `/status` with what belongs to it: none.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use domain::Platform;
use leptos::prelude::LeptosOptions;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;

use crate::config::Origin;

pub mod api;
pub mod browser;
pub mod caller;
mod discovery;
mod forwarded;
pub mod guard;
mod health;
mod hooks;
mod leased;
pub mod listen;
pub mod live;
pub mod logs;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod shell;
pub mod status;
pub mod table;

use table::{Door, Table};

/// The largest body of a page's form or an API call. Uploads to the registry have limits of their own.
const BODY_MAX: usize = 1024 * 1024;

/// What handlers share.
#[derive(Clone)]
pub struct Portal {
    /// The platform.
    pub platform: Platform,
    /// What users see.
    pub origin: Origin,
    /// The `host:port` names that this portal answers to in links, realms and origin checks.
    pub hosts: Arc<[String]>,
    /// What the page renderer needs.
    pub leptos: LeptosOptions,
    /// The registry's doors and store.
    pub registry: registry::Registry,
    /// The public status page's answers.
    pub status: Arc<status::Shelf>,
    /// What was asked and answered, for `/metrics`.
    pub requests: Arc<metrics::Requests>,
    /// Resolves when the portal stops: long streams end then.
    pub stopping: tokio_util::sync::CancellationToken,
}

impl axum::extract::FromRef<Portal> for LeptosOptions {
    fn from_ref(portal: &Portal) -> Self {
        portal.leptos.clone()
    }
}

/// The whole portal as one service, and the list of its doors, which a test compares with its own.
pub fn router(portal: &Portal) -> (Router, Vec<Door>) {
    let api = api::table().merge(hooks::table());
    let pages = browser::routes(portal);
    let open = health::table().merge(metrics::table()).merge(discovery::table());
    let mut doors: Vec<Door> = Vec::new();
    doors.extend(api.doors().iter().cloned());
    doors.extend(pages.doors().iter().cloned());
    doors.extend(open.doors().iter().cloned());
    doors.extend(status::table().doors().iter().cloned());

    let api = api.into_router().layer(DefaultBodyLimit::max(BODY_MAX));
    let pages = pages
        .into_router()
        .layer(middleware::from_fn_with_state(portal.clone(), browser::identify))
        .layer(browser::sessions(portal))
        .layer(middleware::from_fn_with_state(portal.clone(), guard::same_origin))
        .layer(RequestBodyLimitLayer::new(BODY_MAX));
    let router = pages
        .merge(api)
        .merge(open.into_router())
        .merge(pages::files(portal))
        .layer(middleware::from_fn(guard::in_time))
        .with_state(portal.clone())
        .merge(registry::router(portal.registry.clone()))
        .layer(middleware::from_fn_with_state(portal.clone(), forwarded::client))
        .layer(middleware::from_fn(guard::headers))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn_with_state(portal.clone(), guard::trace))
        .merge(status::router(portal));
    (router, doors)
}

/// An empty table of doors.
fn doors() -> Table {
    Table::default()
}

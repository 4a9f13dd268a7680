//! The embedded registry: the OCI distribution-spec 1.1 below `/v2`, Docker's token service at `/auth/token`, and the store of blobs.
//!
//! Invariants:
//! - a blob is whole and synced before any row names it, and is reached only through a repository that holds it;
//! - what a caller may do is asked of the domain at each request; a token is a ceiling and never a right;
//! - everything streams: a transfer holds a few pieces of memory, whatever its size.
//!
//! Bytes lie in files below the data folder ([`disk`]), everything else in the database ([`store`]). A manifest put and what is deleted leave
//! an audit record; bytes on their way do not ([`store`] says why). Images of other registries are copied in by a loop ([`copies`]) over a
//! client of our own ([`outside`]). Knows nothing of pages.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get};

pub mod auth;
pub mod copies;
pub mod disk;
pub mod error;
pub mod grant;
pub mod hash;
mod layers;
pub mod outside;
pub mod path;
pub mod pulls;
pub mod range;
mod registry;
pub mod scope;
pub mod store;
pub mod token;
pub mod upkeep;
mod v2;

pub use registry::Registry;
pub use v2::{ENDPOINTS, Endpoint};

/// The registry's doors. No limit of size or total time may be put around them: they have their own.
pub fn router(registry: Registry) -> Router {
    Router::new()
        .route("/auth/token", get(grant::get).post(grant::post).layer(DefaultBodyLimit::max(grant::FORM_MAX)))
        .route("/v2", any(v2::handle))
        .route("/v2/", any(v2::handle))
        .route("/v2/{*rest}", any(v2::handle))
        .with_state(registry)
}

//! What a page knows of its reader before anything is asked: who they are, the token for forms, the moment, the names of
//! the site. The server puts it into the page; the browser reads it from there, so both sides render the same. It holds
//! for one load of a page: signing in and out load the page anew.

use leptos::prelude::*;
use model::time::Millis;
use model::views::accounts::Me;
use serde::{Deserialize, Serialize};

/// What a page begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The server's clock when the page was made.
    pub now: Millis,
    /// Who is signed in.
    pub me: Option<Me>,
    /// What forms must carry; empty where nobody is signed in.
    pub csrf: String,
    /// The portal's address as users see it: `https://slipway.example.com`.
    pub public_url: String,
    /// The registry's host and port as docker clients name it: `localhost:3000`.
    pub registry: String,
    /// Slipway's version.
    pub version: String,
    /// The folder that this page's scripts come from; new with every build.
    pub build: String,
}

impl Default for Boot {
    /// A page for nobody, as it is rendered where there is no request (when the routes are listed).
    fn default() -> Self {
        Self {
            now: Millis(0),
            me: None,
            csrf: String::new(),
            public_url: String::from("http://localhost:3000"),
            registry: String::from("localhost:3000"),
            version: String::new(),
            build: String::new(),
        }
    }
}

/// What this page began with.
pub(crate) fn boot() -> Boot {
    use_context::<Boot>().unwrap_or_default()
}

/// Finds what the page began with and leaves it to everything below.
pub(crate) fn provide_boot() -> Boot {
    #[cfg(feature = "hydrate")]
    let found = from_page();
    #[cfg(not(feature = "hydrate"))]
    let found = use_context::<Boot>().or_else(from_request);
    let boot = found.unwrap_or_default();
    provide_context(boot.clone());
    boot
}

/// The names of the site, as the server puts them beside every request.
#[derive(Clone, Debug)]
pub struct SiteNames {
    /// The portal's address as users see it.
    pub public_url: String,
    /// The registry's host and port as docker clients name it.
    pub registry: String,
    /// Slipway's version.
    pub version: String,
    /// The folder that pages' scripts come from.
    pub build: String,
}

#[cfg(all(feature = "ssr", not(feature = "hydrate")))]
fn from_request() -> Option<Boot> {
    let caller = use_context::<crate::api::server::Caller>()?;
    let names = use_context::<axum::http::request::Parts>().and_then(|parts| parts.extensions.get::<SiteNames>().cloned());
    let blank = Boot::default();
    let names = names.unwrap_or(SiteNames { public_url: blank.public_url, registry: blank.registry, version: blank.version, build: blank.build });
    Some(Boot {
        now: caller.platform.now(),
        me: caller.actor.me().ok(),
        csrf: caller.session.csrf().unwrap_or_default(),
        public_url: names.public_url,
        registry: names.registry,
        version: names.version,
        build: names.build,
    })
}

#[cfg(not(any(feature = "ssr", feature = "hydrate")))]
fn from_request() -> Option<Boot> {
    None
}

/// Name of the element that carries it.
pub(crate) const BOOT_META: &str = "slipway-boot";

#[cfg(feature = "hydrate")]
fn from_page() -> Option<Boot> {
    let meta = document().query_selector(&format!("meta[name={BOOT_META}]")).ok()??;
    serde_json::from_str(&meta.get_attribute("content")?).ok()
}

//! The table of doors: a router that remembers what was put into it, so that a test can knock at every one.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use http::Method;

use super::Portal;

/// A door: method and path as they are registered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    /// The method.
    pub method: String,
    /// The path, with its parameters in braces.
    pub path: String,
}

/// A router that remembers its doors.
#[derive(Default)]
pub struct Table {
    router: Router<Portal>,
    doors: Vec<Door>,
}

macro_rules! verbs {
    ($($verb:ident => $method:ident),*) => {$(
        /// Adds a door for this method.
        #[must_use]
        pub fn $verb<H: Handler<T, Portal>, T: 'static>(self, path: &str, handler: H) -> Self {
            self.add(Method::$method, path, $verb(handler))
        }
    )*};
}

impl Table {
    verbs! { get => GET, post => POST, put => PUT, patch => PATCH, delete => DELETE }

    fn add(mut self, method: Method, path: &str, route: MethodRouter<Portal>) -> Self {
        self.router = self.router.route(path, route);
        self.note(&method, path);
        self
    }

    /// Remembers a door that another router holds.
    pub fn note(&mut self, method: &Method, path: &str) {
        self.doors.push(Door { method: method.to_string(), path: path.to_owned() });
    }

    /// Puts another router beside; its doors must be noted by hand.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Router<Portal>) -> Router<Portal>) -> Self {
        self.router = change(self.router);
        self
    }

    /// Another table's doors beside these.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.doors.extend(other.doors);
        self
    }

    /// The doors.
    #[must_use]
    pub fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// The router alone.
    pub fn into_router(self) -> Router<Portal> {
        self.router
    }
}

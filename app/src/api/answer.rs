//! How a change answers: a browser without scripts posts a form and is led to a page, the page's own code gets the value.

use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use leptos::prelude::use_context;

/// Whether a browser without scripts posted this form.
pub(crate) fn posted_form() -> bool {
    use_context::<Parts>().is_some_and(|parts| {
        let accept = parts.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        parts.method == axum::http::Method::POST && accept.is_some_and(|accept| accept.contains("text/html"))
    })
}

/// Leads a posted form to a page; a page's own code goes there by itself.
pub(crate) fn lead_to(path: &str) {
    if posted_form() {
        leptos_axum::redirect(path);
    }
}

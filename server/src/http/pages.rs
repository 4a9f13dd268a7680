//! Pages, server functions and static files. Every page is rendered on the server and hydrated in the browser; scripts run only with the
//! page's own nonce.

use std::sync::LazyLock;

use app::api::CsrfToken;
use app::api::server::Caller;
use app::{App, shell};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::handler::Handler as _;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use leptos::nonce::{provide_nonce, use_nonce};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{AxumRouteListing, LeptosRoutes as _, ResponseOptions, generate_route_list};
use tower_http::services::ServeDir;

use super::table::Table;
use super::{Portal, doors};

/// The pages' and server functions' doors.
pub(super) fn table(portal: &Portal) -> Table {
    // Made once for the process: while leptos makes the list, what any page of the process begins to read stays unread for ever.
    static ROUTES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| generate_route_list(App));
    let mut table = doors();
    for route in &*ROUTES {
        table.note(&Method::GET, route.path());
    }
    let mut functions: Vec<_> = leptos::server_fn::axum::server_fn_paths().collect();
    functions.sort_by_key(|(path, _)| *path);
    for (path, method) in functions {
        table.note(&method, path);
    }
    let options = portal.leptos.clone();
    // Whatever is neither page nor function may be a file of the site's root (an icon, a manifest); if not, a page says so.
    let missing = not_found.with_state(portal.clone());
    let files = ServeDir::new(portal.leptos.site_root.as_ref()).append_index_html_on_directories(false).fallback(missing);
    table.with(|router| {
        router.leptos_routes_with_context(portal, ROUTES.clone(), provide_request, move || shell(options.clone())).fallback_service(files)
    })
}

/// The built files below `/pkg`: the same for everybody, so no session is looked at.
pub(super) fn files(portal: &Portal) -> Router<Portal> {
    let folder = ServeDir::new(format!("{}/pkg", portal.leptos.site_root)).precompressed_br().precompressed_gzip();
    Router::new().nest_service("/pkg", folder).layer(middleware::from_fn_with_state(portal.clone(), cacheable))
}

/// What pages and server functions find in their context: who calls, the token for forms, the nonce for scripts.
fn provide_request() {
    // While the list of routes is made there is no request.
    let Some(parts) = use_context::<Parts>() else { return };
    if let Some(caller) = parts.extensions.get::<Caller>() {
        provide_context(CsrfToken(caller.session.csrf().unwrap_or_default()));
        provide_context(caller.clone());
    }
    provide_nonce();
    if let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), use_nonce()) {
        let policy = format!(
            "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.insert_header(CONTENT_SECURITY_POLICY, policy);
        }
        // A page holds what its reader may see: nobody keeps it for another.
        response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The page that says that there is none.
async fn not_found(State(portal): State<Portal>, request: Request) -> Response {
    let options = portal.leptos.clone();
    let render = leptos_axum::render_app_to_stream_with_context(provide_request, move || shell(options.clone()));
    let mut response = render(request.map(Body::new)).await.into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// Files of the build's own folder may be kept for ever, others are asked for again.
async fn cacheable(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let lasting =
        path.strip_prefix('/').and_then(|path| path.strip_prefix(portal.leptos.site_pkg_dir.as_ref())).is_some_and(|file| file.starts_with('/'));
    let mut response = next.run(request).await;
    if response.status().is_success() {
        let value = if lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(value));
        response.headers_mut().insert(http::header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

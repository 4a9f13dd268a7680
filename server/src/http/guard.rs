//! What stands around the doors: the origin check of those that take cookies, headers that browsers obey, and one log line for each request.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::Error;
use domain::watch::WAIT_MAX;
use http::header::{HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, Method};
use std::time::{Duration, Instant};

use super::Portal;
use super::problem::Refusal;

/// A request that bears `Origin` must come from a page of ours: its origin is the one that the request itself went to, and that is a name
/// of this portal. A browser that says that another site sent it (`Sec-Fetch-Site`) is refused as well, unless it only follows a link.
pub async fn same_origin(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let foreign = match headers.get(ORIGIN) {
        Some(origin) => !is_ours(&portal, headers, origin),
        None => crosses_sites(headers) && *request.method() != Method::GET,
    };
    if foreign {
        let text = "this request came from a page of another site, or by a name that the portal does not know; open the portal by its own address \
                    (operators set it with SLIPWAY_PUBLIC_URL)";
        return Refusal(Error::Forbidden(text.into())).into_response();
    }
    next.run(request).await
}

/// Whether an origin is the portal's own: the public one, or plain http under the local name that this very request went to. `null` and
/// everything unknown is not.
#[must_use]
pub fn is_ours(portal: &Portal, headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if origin == portal.origin.as_str() {
        return true;
    }
    let local = known_host(portal, headers).filter(|host| *host != portal.origin.authority());
    local.is_some_and(|host| origin.strip_prefix("http://") == Some(host))
}

/// Whether a browser says that a page of another site sent this. Programs say nothing of the kind.
#[must_use]
pub fn is_foreign_page(portal: &Portal, headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| !is_ours(portal, headers, origin)) || crosses_sites(headers)
}

fn crosses_sites(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// The `host:port` that a request went to, where it is one of ours: what links and realms may be made of.
#[must_use]
pub fn known_host<'a>(portal: &Portal, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = headers.get(HOST)?.to_str().ok()?;
    portal.hosts.iter().any(|known| known == host).then_some(host)
}

/// How long an answer may take to begin, the sending of the request's body included: longer than any wait that a caller can ask for. What
/// streams begins at once and is not meant; uploads have limits of their own.
const ANSWER_WITHIN: Duration = Duration::from_secs(WAIT_MAX.as_secs() + 60);

/// Gives up a request that takes too long: a body that drips in, or a database that does not answer.
pub async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("this was given up after {} s; look whether it was done before you try it again", ANSWER_WITHIN.as_secs());
            Refusal(Error::Unavailable(text)).into_response()
        }
    }
}

/// Headers for every answer.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// One line for each request: what, how it ended, how long it took. Never a query (it may hold a token) and never a header. And one more in the count.
pub async fn trace(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let took = started.elapsed();
    portal.requests.count(&method, route.as_ref().map(MatchedPath::as_str), status, took);
    let duration_ms = took.as_millis();
    if status >= 500 {
        tracing::warn!(http.method = %method, http.path = path, http.status = status, %duration_ms, "answered");
    } else {
        tracing::debug!(http.method = %method, http.path = path, http.status = status, %duration_ms, "answered");
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware;
    use axum::routing::{get, post};
    use bytes::Bytes;
    use http::{Request, StatusCode};
    use tower::ServiceExt as _;

    use super::in_time;

    /// Time is not waited for: it jumps when nothing else is to be done.
    #[tokio::test(start_paused = true)]
    async fn neither_a_handler_nor_a_body_takes_for_ever() {
        let stuck = get(|| async { std::future::pending::<&str>().await });
        let reads = post(|body: Bytes| async move { body.len().to_string() });
        let router = Router::new().route("/stuck", stuck).route("/reads", reads).layer(middleware::from_fn(in_time));
        let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        for (method, path, body) in [("GET", "/stuck", Body::empty()), ("POST", "/reads", endless)] {
            let request = Request::builder().method(method).uri(path).body(body).expect("a request");
            let response = router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        }
    }
}

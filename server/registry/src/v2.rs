//! The doors below `/v2`: from a method and a path to one of the operations of the OCI distribution-spec 1.1, "Endpoints". Authentication
//! comes before everything that depends on what is stored.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, Request, header};
use serde_json::json;

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::path::Target;
use crate::registry::Registry;

mod blobs;
mod lists;
pub(crate) mod manifests;
mod uploads;

/// A door of the registry: method and path, with its parameters in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
}

const fn door(method: &'static str, path: &'static str) -> Endpoint {
    Endpoint { method, path }
}

/// Every door of the registry. `{name}` is a repository's whole name, with slashes. HEAD goes wherever GET goes.
pub const ENDPOINTS: &[Endpoint] = &[
    door("GET", "/auth/token"),
    door("POST", "/auth/token"),
    door("GET", "/v2/"),
    door("GET", "/v2/_catalog"),
    door("GET", "/v2/{name}/tags/list"),
    door("GET", "/v2/{name}/referrers/{digest}"),
    door("GET", "/v2/{name}/manifests/{reference}"),
    door("PUT", "/v2/{name}/manifests/{reference}"),
    door("DELETE", "/v2/{name}/manifests/{reference}"),
    door("GET", "/v2/{name}/blobs/{digest}"),
    door("DELETE", "/v2/{name}/blobs/{digest}"),
    door("POST", "/v2/{name}/blobs/uploads/"),
    door("GET", "/v2/{name}/blobs/uploads/{upload}"),
    door("PATCH", "/v2/{name}/blobs/uploads/{upload}"),
    door("PUT", "/v2/{name}/blobs/uploads/{upload}"),
    door("DELETE", "/v2/{name}/blobs/uploads/{upload}"),
];

/// The methods of a target.
fn methods(target: &Target) -> &'static [&'static str] {
    match target {
        Target::Base | Target::Catalog | Target::Tags(_) | Target::Referrers(..) => &["GET"],
        Target::Manifest(..) => &["GET", "PUT", "DELETE"],
        Target::Blob(..) => &["GET", "DELETE"],
        Target::Uploads(_) => &["POST"],
        Target::Upload(..) => &["GET", "PATCH", "PUT", "DELETE"],
    }
}

/// A request, with all that operations look at.
struct Call<'r> {
    registry: &'r Registry,
    caller: Caller<'r>,
    parts: Parts,
    query: Vec<(String, String)>,
}

impl Call<'_> {
    /// A parameter of the query.
    fn parameter(&self, wanted: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// A header that is text.
    fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }
}

/// Everything below `/v2`.
pub async fn handle(State(registry): State<Registry>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match dispatch(&registry, parts, body).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    // What is stored here is anybody's: a browser shall not take it for a page of ours.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    response
}

async fn dispatch(registry: &Registry, parts: Parts, body: Body) -> Result<Response> {
    let target = Target::parse(parts.uri.path());
    // An upload that is under way may be finished with a token that was good when it began.
    let late = matches!(target, Ok(Target::Upload(..)));
    let caller = Caller::of(registry, &parts, late).await?;
    let target = match target {
        Ok(target) => target,
        Err(wrong) => {
            caller.somebody()?;
            return Err(wrong.into());
        }
    };
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let query = query.map_err(|error| Error::bad_request(error.to_string()))?.0;
    if query.iter().any(|(_, value)| value.contains('\0')) {
        return Err(Error::bad_request("a parameter holds a NUL character"));
    }
    // A mount reads from elsewhere: what it needs is asked for at once (distribution's "Token Scope Documentation").
    let caller = match query.iter().find(|(name, _)| name == "from").and_then(|(_, from)| from.parse().ok()) {
        Some(source) if matches!(target, Target::Uploads(_)) => caller.reading_from(&source),
        _ => caller,
    };
    let call = Call { registry, caller, parts, query };
    let method = if call.is_head() { Method::GET } else { call.parts.method.clone() };
    match (method.as_str(), &target) {
        ("GET", Target::Base) => base(&call),
        ("GET", Target::Catalog) => lists::catalog(&call).await,
        ("GET", Target::Tags(name)) => lists::tags(&call, name).await,
        ("GET", Target::Referrers(name, digest)) => lists::referrers(&call, name, digest).await,
        ("GET", Target::Manifest(name, reference)) => manifests::get(&call, name, reference).await,
        ("PUT", Target::Manifest(name, reference)) => manifests::put(&call, name, reference, body).await,
        ("DELETE", Target::Manifest(name, reference)) => manifests::delete(&call, name, reference).await,
        ("GET", Target::Blob(name, digest)) => blobs::get(&call, name, digest).await,
        ("DELETE", Target::Blob(name, digest)) => blobs::delete(&call, name, digest).await,
        ("POST", Target::Uploads(name)) => uploads::post(&call, name, body).await,
        ("GET", Target::Upload(name, id)) => uploads::get(&call, name, *id).await,
        ("PATCH", Target::Upload(name, id)) => uploads::patch(&call, name, *id, body).await,
        ("PUT", Target::Upload(name, id)) => uploads::put(&call, name, *id, body).await,
        ("DELETE", Target::Upload(name, id)) => uploads::delete(&call, name, *id).await,
        _ => {
            call.caller.somebody()?;
            let allowed = methods(&target).join(", ").replace("GET", "GET, HEAD");
            Err(Error::not_allowed(format!("this path takes {allowed}"), &allowed))
        }
    }
}

/// end-1: whether this is a registry and the caller is signed in.
fn base(call: &Call<'_>) -> Result<Response> {
    call.caller.somebody()?;
    Ok(Json(json!({})).into_response())
}

#[cfg(test)]
mod tests;

//! A service's descriptor as a file: read, and applied again and again. And the schema by which editors complete such a file.
//!
//! `PUT` answers 201 where it made the service, 202 where a deployment began, 200 where nothing differs, each with the deployment; with
//! `?dry_run=true` 200 with the plan. A body is YAML whatever its type says, since JSON is a part of it.

use axum::Json;
use axum::extract::{FromRequest, Path, Query, Request as HttpRequest, State};
use axum::response::{IntoResponse, Response};
use domain::deployments::{self, Applied, Intent, Request};
use domain::{Error, can};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::descriptor::{Descriptor, schema};
use model::names::{EnvironmentName, ProjectName, ServiceName};
use serde::Deserialize;

use super::services::may;
use super::{accepted, created, field, named, whole};
use crate::http::caller::ApiCaller;
use crate::http::problem::{Answer, Refusal};
use crate::http::table::Table;
use crate::http::{Portal, doors};

pub(super) fn table() -> Table {
    doors()
        .get(schema::PATH, serve_schema)
        .get("/api/v1/projects/{project}/services/{service}/descriptor", get)
        .put("/api/v1/projects/{project}/services/{service}/descriptor", put)
}

/// The schema, for anybody: it says what this version takes, and nothing of what is stored.
async fn serve_schema(headers: HeaderMap) -> Response {
    let text = schema::schema().to_string();
    let tag = format!("\"{}-{}\"", env!("CARGO_PKG_VERSION"), text.len());
    let cache = [(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, cache).into_response();
    }
    let mut response = (cache, text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/schema+json"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[derive(Deserialize)]
struct Where {
    environment: Option<String>,
}

/// The descriptor that was asked for last: JSON, or YAML where `Accept` names it.
async fn get(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(query): Query<Where>,
    headers: HeaderMap,
) -> Answer<Response> {
    let may = may::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let environment: Option<EnvironmentName> = query.environment.map(|name| field("environment", &name)).transpose()?;
    let detail = deployments::applied(&portal.platform, &may, environment.as_ref()).await?;
    let yaml = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("yaml"));
    let mut response = if yaml {
        ([(CONTENT_TYPE, HeaderValue::from_static("application/yaml"))], detail.descriptor.to_yaml()).into_response()
    } else {
        Json(detail.descriptor).into_response()
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", detail.revision.number)) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    environment: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    why: String,
    commit: Option<String>,
    build: Option<String>,
    #[serde(default)]
    override_freeze: bool,
}

/// A descriptor's text. That it is too long is told before it is read as a whole.
struct Text(String);

impl FromRequest<Portal> for Text {
    type Rejection = Refusal;

    async fn from_request(request: HttpRequest, state: &Portal) -> Result<Self, Refusal> {
        let bytes = whole(request, state).await?;
        let text = String::from_utf8(bytes.into()).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            Error::invalid("body", format!("is not UTF-8 from line {line} on; save it as UTF-8"))
        })?;
        Ok(Self(text))
    }
}

async fn put(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(how): Query<How>,
    Text(text): Text,
) -> Answer<Response> {
    actor.account()?;
    let project: ProjectName = named(&project, "project")?;
    // Whoever may not deploy learns that before the text is judged; a service that is missing may be one to be made.
    actor.may::<can::Deploy, _>(&portal.platform, &project).await.map(drop)?;
    let service: ServiceName = field("service", &service)?;
    let environment = how.environment.map(|name| field("environment", &name)).transpose()?;
    let (commit, build, override_freeze) = (how.commit, how.build, how.override_freeze);
    let intent = Intent { environment, why: how.why, commit, build, override_freeze, ..Intent::default() };
    let descriptor = Descriptor::parse(&text).map_err(|errors| Refusal(Error::Invalid(errors)))?;
    let request = Request { intent, descriptor };
    let platform = &portal.platform;
    let place = |error: Error| Refusal(placed(&text, error));
    if how.dry_run {
        let plan = deployments::plan_apply(platform, &actor, &project, &service, &request).await.map_err(place)?;
        return Ok(Json(plan).into_response());
    }
    let location = |id| format!("/api/v1/projects/{project}/services/{service}/deployments/{id}");
    Ok(match deployments::apply(platform, &actor, &project, &service, &request).await.map_err(place)? {
        Applied::Created(view) => created(&location(view.id), view).into_response(),
        Applied::Begun(view) => accepted(&location(view.id), view).into_response(),
        Applied::Unchanged(view) => Json(view).into_response(),
    })
}

/// What is sent is the descriptor itself: mistakes are told by its own paths and places.
fn placed(text: &str, error: Error) -> Error {
    match error {
        Error::Invalid(errors) => Error::Invalid(Descriptor::placed(text, errors)),
        other => other,
    }
}

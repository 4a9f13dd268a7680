//! `/api/v1`: the portal for programs. One module for each feature; a handler unpacks, makes one domain call and packs.

use axum::Json;
use axum::extract::{FromRequest, Request};
use domain::projects::Project;
use domain::{Actor, Error, May, can};
use http::header::{HeaderValue, LINK, LOCATION};
use http::{HeaderMap, StatusCode};
use model::names::ProjectName;
use model::page::{Page, PageRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::problem::{Answer, Refusal};
use super::table::Table;
use super::{Portal, doors};

mod account;
mod alerts;
mod audit;
mod cloning;
mod configs;
mod copies;
mod deployments;
mod descriptor;
mod environments;
mod events;
mod folders;
mod hooks;
mod image_rules;
mod images;
mod inspect;
mod jobs;
mod metrics;
mod notices;
mod projects;
mod pruning;
mod pushes;
mod quotas;
mod robots;
mod services;
mod shells;
mod status;
mod templates;
mod upkeep;
mod usage;
mod users;
mod waiting;

pub(super) use self::metrics::page_table as metrics_page_table;
pub(super) use images::page_table as images_page_table;
pub(super) use inspect::page_table as inspect_page_table;
pub(crate) use services::may as service;
pub(super) use shells::page_table as shells_page_table;
pub(super) use templates::page_table as templates_page_table;
pub(super) use templates::surroundings;
pub(super) use usage::page_table as usage_page_table;

/// Every door of the API.
pub(super) fn table() -> Table {
    doors()
        .merge(account::table())
        .merge(users::table())
        .merge(projects::table())
        .merge(robots::table())
        .merge(images::table())
        .merge(image_rules::table())
        .merge(quotas::table())
        .merge(services::table())
        .merge(inspect::table())
        .merge(templates::table())
        .merge(copies::table())
        .merge(deployments::table())
        .merge(jobs::table())
        .merge(pushes::table())
        .merge(cloning::table())
        .merge(configs::table())
        .merge(descriptor::table())
        .merge(super::logs::table())
        .merge(metrics::table())
        .merge(shells::table())
        .merge(environments::table())
        .merge(events::table())
        .merge(folders::table())
        .merge(hooks::table())
        .merge(pruning::table())
        .merge(alerts::table())
        .merge(notices::table())
        .merge(status::table())
        .merge(audit::table())
        .merge(upkeep::table())
        .merge(usage::table())
        .get("/api", missing)
        .get("/api/{*rest}", missing)
}

async fn missing() -> Refusal {
    Refusal(Error::NotFound { what: "API path: see /api/v1" })
}

/// A JSON body, limited in size; what is wrong with it is told by field.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Portal> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &Portal) -> Result<Self, Refusal> {
        parse(&whole(request, state).await?).map(Self).map_err(Refusal)
    }
}

/// A body as it was sent, limited in size.
pub(super) async fn whole(request: Request, state: &Portal) -> Result<axum::body::Bytes, Refusal> {
    axum::body::Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Refusal(Error::TooLarge("the body is larger than 1 MiB".into()))
        } else {
            Refusal(Error::invalid("body", "it was cut off"))
        }
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body".to_owned() } else { path };
        Error::invalid(field, error.inner())
    })?;
    reader.end().map_err(|error| Error::invalid("body", error))?;
    Ok(value)
}

/// A part of a path that must be a name or id. A text that can be none names nothing: not found.
pub(crate) fn named<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal(Error::NotFound { what }))
}

/// A field that must be a name: the error says what would be right.
pub(crate) fn field<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error| Refusal(Error::invalid(field, error)))
}

/// The permission on the project that a path names. Who is nobody learns that first, whatever the name.
pub(crate) async fn may_in<P: can::Permission>(portal: &Portal, actor: &Actor, project: &str) -> Answer<May<P, Project>> {
    actor.account()?;
    let project: ProjectName = named(project, "project")?;
    Ok(actor.may(&portal.platform, &project).await?)
}

/// For a field that may be left out, and may be `null`: "no limit" is not "as it was". With `#[serde(default)]`, which stands for left out.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(reader: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(reader).map(Some)
}

/// `?limit=&after=`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Paging {
    limit: Option<u32>,
    after: Option<String>,
}

impl From<Paging> for PageRequest {
    fn from(paging: Paging) -> Self {
        Self { after: paging.after, limit: paging.limit }
    }
}

/// A list's answer: `{"items":[...]}`, and where more follows a `Link` to it.
pub(crate) fn listed<T: Serialize>(path: &str, page: Page<T>) -> (HeaderMap, Json<Page<T>>) {
    let mut headers = HeaderMap::new();
    if let Some(next) = &page.next
        && let Ok(value) = HeaderValue::from_str(&format!("<{path}?after={}>; rel=\"next\"", escape(next)))
    {
        headers.insert(LINK, value);
    }
    (headers, Json(page))
}

/// 201 with the view of what was made, and where it is.
pub(crate) fn created<T: Serialize>(location: &str, view: T) -> (StatusCode, HeaderMap, Json<T>) {
    located(StatusCode::CREATED, location, view)
}

/// 202: it is under way; `Location` tells how it goes.
pub(crate) fn accepted<T: Serialize>(location: &str, view: T) -> (StatusCode, HeaderMap, Json<T>) {
    located(StatusCode::ACCEPTED, location, view)
}

fn located<T: Serialize>(status: StatusCode, location: &str, view: T) -> (StatusCode, HeaderMap, Json<T>) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, value);
    }
    (status, headers, Json(view))
}

/// Percent-encodes what a query cannot hold as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(byte.into());
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

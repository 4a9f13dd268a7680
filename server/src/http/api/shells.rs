//! Shells of a project: which are open and which were, their recordings as asciicast v2, and the end of one that is open. The same recordings for
//! pages, by session. How a shell is opened is a door of its own (`http::shell`).

use app::api::server::Caller;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::access::{Lease, May};
use domain::shells::watching::{self, Opened, ShellKey};
use domain::{Actor, Error, can};
use futures::{StreamExt as _, TryStreamExt as _};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use model::names::ProjectName;
use model::page::PageRequest;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::{field, listed, may_in, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors, leased};

/// Bytes of a recording that are read at once.
const CHUNK: usize = 64 * 1024;

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/projects/{project}/shells", list)
        .get("/api/v1/projects/{project}/shells/{shell}", get)
        .delete("/api/v1/projects/{project}/shells/{shell}", end)
        .get("/api/v1/projects/{project}/shells/{shell}/recording", recording)
}

/// The same recordings for a browser, by session.
pub(in crate::http) fn page_table() -> Table {
    doors().get("/projects/{project}/shells/{shell}/recording", page_recording)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    service: Option<String>,
    open: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

impl Asked {
    fn query(self) -> Answer<watching::Query> {
        let open = match self.open.as_deref() {
            None | Some("") => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(Error::invalid("open", "true, false, or left out for both").into()),
        };
        Ok(watching::Query {
            service: self.service.filter(|name| !name.is_empty()).map(|name| field("service", &name)).transpose()?,
            open,
            page: PageRequest { after: self.after, limit: self.limit },
        })
    }
}

async fn list(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer<impl IntoResponse> {
    let may = may_in::<can::WatchOwnShells>(&portal, &actor, &project).await?;
    let page = watching::list(&portal.platform, &may, &asked.query()?).await?;
    Ok(listed(&format!("/api/v1/projects/{}/shells", may.name), page))
}

async fn may(portal: &Portal, actor: &Actor, project: &str, shell: &str) -> Answer<May<can::WatchOwnShells, Opened>> {
    Ok(actor.may(&portal.platform, &key(actor, project, shell)?).await?)
}

fn key(actor: &Actor, project: &str, shell: &str) -> Answer<ShellKey> {
    actor.account()?;
    let project: ProjectName = named(project, "project")?;
    Ok(ShellKey { project, shell: named(shell, "shell")?, reader: actor.clone() })
}

async fn get(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, shell)): Path<(String, String)>) -> Answer<impl IntoResponse> {
    let may = may(&portal, &actor, &project, &shell).await?;
    Ok(Json(watching::get(&portal.platform, &may).await?))
}

async fn end(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, shell)): Path<(String, String)>) -> Answer<StatusCode> {
    let may = may(&portal, &actor, &project, &shell).await?;
    watching::end(&portal.platform, &may).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn recording(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path((project, shell)): Path<(String, String)>) -> Answer<Response> {
    send(&portal, &actor, &project, &shell).await
}

async fn page_recording(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path((project, shell)): Path<(String, String)>,
) -> Answer<Response> {
    send(&portal, &caller.actor, &project, &shell).await
}

/// What has been recorded until now. It does not follow: a recording is watched from its beginning. Cut off, it is shorter than it said, so that
/// nobody takes a part for the whole.
async fn send(portal: &Portal, actor: &Actor, project: &str, shell: &str) -> Answer<Response> {
    let lease: Lease<can::WatchOwnShells, ShellKey> = actor.lease(&portal.platform, key(actor, project, shell)?).await?;
    let found = watching::recording(&portal.platform, lease.may()).await?;
    let pieces = ReaderStream::with_capacity(found.file.take(found.bytes), CHUNK).map_err(Error::from);
    let mut response = leased::file(portal, lease, found.slot, pieces.boxed()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-asciicast"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(found.bytes));
    // It holds what its reader may see, and grows while the shell is open.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", found.name)) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

//! Looking into a task: the engine's inspection, its processes, its changed files, and one file of it to keep; for programs below `/api/v1`, the
//! downloads of pages beside their pages. A download ends when whoever asked for it may not open a shell any more, when nobody takes it, or takes it
//! too slowly, after half an hour, or when the portal stops; cut off, it is shorter than it said, so nobody takes a part for the whole.

use app::api::server::Caller;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::access::Lease;
use domain::services::{self, Download};
use domain::{Actor, Error, can};
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, LINK};
use http::{HeaderMap, HeaderValue};
use model::ids::TaskId;
use model::views::inspect::{ChangeKind, ChangesQuery, FilePath};
use serde::Deserialize;

use super::{escape, field, named};
use crate::http::caller::ApiCaller;
use crate::http::problem::Answer;
use crate::http::table::Table;
use crate::http::{Portal, doors, leased};

/// Longest name that a download proposes, in bytes.
const NAME_MAX: usize = 200;

pub(super) fn table() -> Table {
    doors()
        .get("/api/v1/tasks/{task}/inspect", inspect)
        .get("/api/v1/tasks/{task}/processes", processes)
        .get("/api/v1/tasks/{task}/changes", changes)
        .get("/api/v1/tasks/{task}/file", file_for_programs)
}

/// For pages: what their links lead to.
pub(in crate::http) fn page_table() -> Table {
    doors().get("/tasks/{task}/inspection", inspection).get("/tasks/{task}/file", file_for_pages)
}

async fn inspect(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(task): Path<String>) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &task).await?;
    Ok(Json(services::inspect(&portal.platform, &may).await?))
}

/// The same to keep.
async fn inspection(State(portal): State<Portal>, Extension(caller): Extension<Caller>, Path(task): Path<String>) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &caller.actor, &task).await?;
    let value = services::inspect(&portal.platform, &may).await?;
    let text = serde_json::to_string_pretty(&value).map_err(|error| Error::internal(format!("an inspection does not print: {error}")))?;
    let name = format!("{}.{}.json", may.service.name, may.slot);
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json")), (CONTENT_DISPOSITION, attachment(&name))], text))
}

async fn processes(State(portal): State<Portal>, ApiCaller(actor): ApiCaller, Path(task): Path<String>) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &task).await?;
    Ok(Json(services::processes(&portal.platform, &may).await?))
}

#[derive(Deserialize)]
struct Changes {
    #[serde(default)]
    q: String,
    kind: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

async fn changes(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(task): Path<String>,
    Query(asked): Query<Changes>,
) -> Answer<impl IntoResponse> {
    let may = may::<can::SeeServices>(&portal, &actor, &task).await?;
    let kind: Option<ChangeKind> = asked.kind.map(|kind| field("kind", &kind)).transpose()?;
    let query = ChangesQuery { q: asked.q, kind, after: asked.after, limit: asked.limit };
    let page = services::changes(&portal.platform, &may, &query).await?;
    let mut headers = HeaderMap::new();
    if let Some(next) = &page.next {
        let kind = query.kind.map(|kind| format!("&kind={kind}")).unwrap_or_default();
        let text =
            format!("</api/v1/tasks/{task}/changes?q={}{kind}&limit={}&after={}>; rel=\"next\"", escape(&query.q), query.limit(), escape(next));
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(LINK, value);
        }
    }
    Ok((headers, Json(page)))
}

#[derive(Deserialize)]
struct File {
    path: Option<String>,
}

async fn file_for_programs(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path(task): Path<String>,
    Query(asked): Query<File>,
) -> Answer<Response> {
    file(portal, &actor, &task, asked).await
}

async fn file_for_pages(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path(task): Path<String>,
    Query(asked): Query<File>,
) -> Answer<Response> {
    file(portal, &caller.actor, &task, asked).await
}

async fn file(portal: Portal, actor: &Actor, task: &str, asked: File) -> Answer<Response> {
    actor.account()?;
    let lease: Lease<can::OpenShell, TaskId> = actor.lease(&portal.platform, named(task, "task")?).await?;
    let path: FilePath = field("path", &asked.path.unwrap_or_default())?;
    let download = services::download(&portal.platform, lease.may(), &path).await?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_DISPOSITION, attachment(path.as_str())),
        (CONTENT_LENGTH, HeaderValue::from(download.content.file.size)),
    ];
    let Download { content, slot } = download;
    Ok((headers, leased::file(&portal, lease, slot, content.bytes)).into_response())
}

/// The permission on the task that a path names.
async fn may<P: can::Permission>(portal: &Portal, actor: &Actor, task: &str) -> Answer<domain::May<P, services::Task>> {
    actor.account()?;
    let task: TaskId = named(task, "task")?;
    Ok(actor.may(&portal.platform, &task).await?)
}

/// A proposal to keep something under the last part of `path` (RFC 6266): without anything that a shell, a header or a folder would take amiss,
/// and beside it the whole name for whoever reads more than ASCII.
fn attachment(path: &str) -> HeaderValue {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let end = (0..=NAME_MAX.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or_default();
    let name = match &name[..end] {
        "" | "." | ".." => "file",
        name => name,
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | ' ' | '=' | '@' | ',') { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let value = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", escape(name));
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(path: &str) -> String {
        attachment(path).to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn a_download_proposes_a_harmless_name() {
        assert_eq!(proposed("/etc/app.conf"), "attachment; filename=\"app.conf\"; filename*=UTF-8''app.conf");
        assert_eq!(proposed("/x/über \"1\";\\.txt"), "attachment; filename=\"_ber _1___.txt\"; filename*=UTF-8''%C3%BCber%20%221%22%3B%5C.txt");
        assert_eq!(proposed("/x/a\r\nSet-Cookie: b"), "attachment; filename=\"a__Set-Cookie_ b\"; filename*=UTF-8''a__Set-Cookie%3A%20b");
        for path in ["/", "/..", "/x/.", "//"] {
            assert!(proposed(path).starts_with("attachment; filename=\"file\""), "{path}: {}", proposed(path));
        }
        let long = proposed(&format!("/{}", "ü".repeat(300)));
        assert!(long.ends_with(&"%C3%BC".repeat(100)) && !long.contains(&"%C3%BC".repeat(101)), "{long}");
    }
}

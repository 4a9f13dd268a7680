//! Logs of a service: as text, as JSON lines or as events, by what the client accepts; for programs below `/api/v1`, for pages beside theirs.
//! A stream that follows ends when its reader may not see the service any more.

use std::convert::Infallible;
use std::time::Duration;

use app::api::server::Caller;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use domain::access::Lease;
use domain::logs::{self, TaskLine};
use domain::ports::LogSource;
use domain::{Actor, Error, Result, can};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use model::ids::ServiceId;
use model::time::Millis;
use serde::{Deserialize, Serialize};

use super::api::{self, field};
use super::caller::ApiCaller;
use super::problem::Answer;
use super::table::Table;
use super::{Portal, doors};

/// Lines on their way to one reader.
type Lines = BoxStream<'static, Result<TaskLine>>;

const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// For programs.
pub(super) fn table() -> Table {
    doors().get("/api/v1/projects/{project}/services/{service}/logs", for_programs)
}

/// For pages.
pub(super) fn page_table() -> Table {
    doors().get("/projects/{project}/services/{service}/logs/stream", for_pages)
}

#[derive(Debug, Deserialize)]
struct Asked {
    environment: Option<String>,
    task: Option<String>,
    tail: Option<u32>,
    since: Option<String>,
    grep: Option<String>,
    follow: Option<String>,
}

impl Asked {
    fn query(self, now: Millis) -> Answer<logs::Query> {
        Ok(logs::Query {
            environment: self.environment.filter(|name| !name.is_empty()).map(|name| field("environment", &name)).transpose()?,
            task: self.task.filter(|task| !task.is_empty()).map(|task| field("task", &task)).transpose()?,
            tail: self.tail,
            since_nanos: self.since.filter(|since| !since.is_empty()).map(|since| since_nanos(&since, now)).transpose()?,
            grep: self.grep.filter(|text| !text.is_empty()),
            follow: self.follow.is_some_and(|word| matches!(word.as_str(), "" | "1" | "true" | "yes")),
        })
    }
}

/// A point in time, RFC 3339 or seconds since the epoch, or an age like `10m`.
fn since_nanos(text: &str, now: Millis) -> Result<i64> {
    let wrong = || Error::invalid("since", "a time like 2026-11-20T09:30:00Z, seconds since 1970, or an age like 10m or 2h");
    if let Some(at) = Millis::parse_rfc3339(text) {
        return Ok(at.0.saturating_mul(1_000_000));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        // Sub-second parts count; beyond the range of i64 it saturates.
        return Ok((seconds * 1e9) as i64);
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let amount: i64 = text[..split].parse().map_err(|_| wrong())?;
    let unit = match &text[split..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    Ok(now.0.saturating_sub(amount.saturating_mul(unit).saturating_mul(1000)).saturating_mul(1_000_000))
}

async fn for_programs(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let lines = lines(&portal, &actor, &project, &service, asked.query(portal.platform.now())?).await?;
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    Ok(if accept.contains("text/event-stream") {
        events(lines)
    } else if accept.contains("application/x-ndjson") {
        body("application/x-ndjson", lines, |line| json(line) + "\n")
    } else {
        body("text/plain; charset=utf-8", lines, |line| text(&line))
    })
}

async fn for_pages(
    State(portal): State<Portal>,
    Extension(caller): Extension<Caller>,
    Path((project, service)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Answer<Response> {
    let query = logs::Query { follow: true, ..asked.query(portal.platform.now())? };
    Ok(events(lines(&portal, &caller.actor, &project, &service, query).await?))
}

/// The lines, until they end or may not be read any more.
async fn lines(portal: &Portal, actor: &Actor, project: &str, service: &str, query: logs::Query) -> Answer<Lines> {
    let may = api::service::<can::SeeServices>(portal, actor, project, service).await?;
    let lease: Lease<can::SeeServices, ServiceId> = actor.lease(&portal.platform, may.id).await?;
    let lines = logs::of_service(&portal.platform, &may, &query).await?;
    Ok(guarded(portal, lease, lines))
}

fn guarded(portal: &Portal, lease: Lease<can::SeeServices, ServiceId>, lines: Lines) -> Lines {
    let stopping = portal.stopping.clone();
    stream::unfold(Some((lease, lines)), move |state| {
        let stopping = stopping.clone();
        async move {
            let (mut lease, mut lines) = state?;
            tokio::select! {
                biased;
                error = lease.lost() => Some((Err(error), None)),
                () = stopping.cancelled() => None,
                line = lines.next() => Some((line?, Some((lease, lines)))),
            }
        }
    })
    .boxed()
}

fn events(lines: Lines) -> Response {
    // Tells that the stream stands before the first line is written.
    let begin = stream::once(async { Event::default().event("ready").data("{}") });
    let lines = lines.map(|line| match line {
        Ok(line) => Event::default().event("line").data(json(line)),
        Err(error) => Event::default().event("end").data(serde_json::json!({"message": error.problem().detail}).to_string()),
    });
    Sse::new(begin.chain(lines).map(Ok::<_, Infallible>)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

/// So many lines that are there already are written at once: writing each by itself costs more than making it.
const TOGETHER: usize = 64;

fn body(content_type: &'static str, lines: Lines, render: impl Fn(TaskLine) -> String + Send + 'static) -> Response {
    let bytes = lines.ready_chunks(TOGETHER).flat_map(move |lines| {
        let (mut text, mut end) = (String::new(), None);
        for line in lines {
            match line {
                Ok(line) => text.push_str(&render(line)),
                // A refusal in the middle can only be told by cutting the body off.
                Err(error) => end = Some(Err(std::io::Error::other(error.problem().detail))),
            }
        }
        stream::iter([Ok(Bytes::from(text))].into_iter().chain(end))
    });
    ([(CONTENT_TYPE, content_type)], Body::from_stream(bytes)).into_response()
}

/// A line as JSON: what pages and `ndjson` readers get.
#[derive(Serialize)]
struct Line {
    at: String,
    nanos: String,
    task: model::ids::TaskId,
    slot: i64,
    stream: &'static str,
    text: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

fn json(line: TaskLine) -> String {
    let line = Line {
        at: Millis(line.line.at_nanos / 1_000_000).rfc3339(),
        // Too large for a JavaScript number.
        nanos: line.line.at_nanos.to_string(),
        task: line.task,
        slot: line.slot,
        stream: stream_name(line.line.source),
        text: line.line.text,
        cut: line.line.cut,
    };
    serde_json::to_string(&line).expect("our own words have no keys that JSON refuses")
}

fn text(line: &TaskLine) -> String {
    let at = Millis(line.line.at_nanos / 1_000_000).rfc3339();
    let cut = if line.line.cut { " [cut]" } else { "" };
    format!("{at} {} {} {}{cut}\n", line.slot, stream_name(line.line.source), line.line.text)
}

fn stream_name(source: LogSource) -> &'static str {
    match source {
        LogSource::Stdout => "stdout",
        LogSource::Stderr => "stderr",
    }
}

//! Logs of a service: as text, as JSON lines or as events, by what the client accepts; for programs below `/api/v1`, for pages beside theirs; and as
//! a file. A stream ends when its reader may not see the service any more, and says so: as an event, or by breaking off, never as if it were whole.

use std::time::Duration;

use app::api::server::Caller;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::access::Lease;
use domain::logs::{self, Begin, LineId, Piece};
use domain::services::Service;
use domain::{Actor, Error, May, Result, can};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use model::ids::ServiceId;
use model::time::Millis;
use model::views::logs::{LogEnd, LogFilter, LogSource, LogView};

use super::api::{self, field};
use super::caller::ApiCaller;
use super::leased::{STOPPING, leased};
use super::problem::Answer;
use super::table::Table;
use super::{Portal, doors};

/// What one reader hears.
type Pieces = BoxStream<'static, Result<Piece>>;

const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Means nothing among lines.
const EMPTY_LINE: &str = "\n";
/// Means nothing among events.
const COMMENT: &str = ":\n\n";

/// For programs.
pub(super) fn table() -> Table {
    doors().get("/api/v1/projects/{project}/services/{service}/logs", for_programs)
}

/// For pages.
pub(super) fn page_table() -> Table {
    doors().get("/projects/{project}/services/{service}/logs/stream", for_pages).get("/projects/{project}/services/{service}/logs/download", as_file)
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Events,
}

impl Form {
    fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accept.contains("text/event-stream") {
            Self::Events
        } else if accept.contains("application/x-ndjson") {
            Self::Json
        } else {
            Self::Text
        }
    }
}

/// What a query says.
#[derive(Debug, Default)]
struct Asked {
    filter: LogFilter,
    /// Inside none: all.
    tail: Option<Option<u32>>,
    after: Option<LineId>,
    follow: Option<bool>,
    /// A file is wanted.
    download: bool,
    /// Whether capitals count was said.
    case_said: bool,
    format: Option<Form>,
}

impl Asked {
    /// Names that mean nothing here are passed over.
    fn read(pairs: &[(String, String)], headers: &HeaderMap) -> Answer<Self> {
        let mut asked = Self::default();
        for (name, value) in pairs {
            if asked.filter.take(name, value).map_err(|error| Error::Invalid(vec![error]))? {
                asked.case_said |= name == "case";
                continue;
            }
            match name.as_str() {
                "tail" if value.is_empty() => {}
                "tail" if value == "all" => asked.tail = Some(None),
                "tail" => asked.tail = Some(Some(value.parse().map_err(|_| Error::invalid("tail", "a number of lines, or all"))?)),
                "after" if value.is_empty() => {}
                "after" => asked.after = Some(field("after", value)?),
                "follow" => asked.follow = Some(yes(value)),
                "download" => asked.download = yes(value),
                "format" => asked.format = Some(form(value)?),
                _ => {}
            }
        }
        // A browser that connects again knows better than the address that it was given first.
        if let Some(last) = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()) {
            asked.after = Some(last);
        }
        Ok(asked)
    }

    fn query(self, otherwise: Begin, follow: bool) -> logs::Query {
        let begin = match (self.after, self.tail) {
            (Some(line), _) => Begin::After(line),
            (None, Some(Some(tail))) => Begin::Last(tail),
            (None, Some(None)) => Begin::Oldest,
            (None, None) => otherwise,
        };
        logs::Query { filter: self.filter, begin, follow }
    }
}

fn yes(word: &str) -> bool {
    matches!(word, "" | "1" | "true" | "yes" | "on")
}

fn form(word: &str) -> Result<Form> {
    match word {
        "" | "text" => Ok(Form::Text),
        "ndjson" | "jsonl" => Ok(Form::Json),
        _ => Err(Error::invalid("format", "text or ndjson")),
    }
}

async fn for_programs(
    State(portal): State<Portal>,
    ApiCaller(actor): ApiCaller,
    Path((project, service)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let may = api::service::<can::SeeServices>(&portal, &actor, &project, &service).await?;
    let mut asked = Asked::read(&pairs, &headers)?;
    // Programs look for what they say, letter by letter, unless they say otherwise.
    asked.filter.case |= !asked.case_said;
    let form = Form::accepted(&headers);
    if asked.download {
        return download(&portal, &actor, &may, asked, if form == Form::Json { Form::Json } else { Form::Text }).await;
    }
    let follow = asked.follow.unwrap_or(false);
    let pieces = pieces(&portal, &actor, &may, asked.query(Begin::Last(logs::TAIL), follow)).await?;
    Ok(rendered(pieces, form, follow))
}

/// What a page asks for, and that its reader may read it.
struct Page {
    actor: Actor,
    may: May<can::SeeServices, Service>,
    asked: Asked,
}

impl FromRequestParts<Portal> for Page {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let caller = Extension::<Caller>::from_request_parts(parts, portal).await.map_err(IntoResponse::into_response)?;
        let path = Path::<(String, String)>::from_request_parts(parts, portal).await.map_err(IntoResponse::into_response)?;
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, portal).await.map_err(IntoResponse::into_response)?;
        let (Extension(Caller { actor, .. }), Path((project, service)), Query(pairs)) = (caller, path, query);
        let may = api::service::<can::SeeServices>(portal, &actor, &project, &service).await.map_err(IntoResponse::into_response)?;
        let asked = Asked::read(&pairs, &parts.headers).map_err(IntoResponse::into_response)?;
        Ok(Self { actor, may, asked })
    }
}

async fn for_pages(State(portal): State<Portal>, page: Page) -> Answer<Response> {
    let Page { actor, may, asked } = page;
    let follow = asked.follow.unwrap_or(true);
    // What does not follow is a search through all that is kept.
    let otherwise = if follow { Begin::Last(logs::TAIL) } else { Begin::Oldest };
    let pieces = pieces(&portal, &actor, &may, asked.query(otherwise, follow)).await?;
    Ok(rendered(pieces, Form::Events, follow))
}

async fn as_file(State(portal): State<Portal>, page: Page) -> Answer<Response> {
    let Page { actor, may, asked } = page;
    let form = asked.format.unwrap_or(Form::Text);
    download(&portal, &actor, &may, asked, form).await
}

/// Everything that matches, as a file: `web-20261120T093000Z-20261121T080000Z.log`.
async fn download(portal: &Portal, actor: &Actor, may: &May<can::SeeServices, Service>, asked: Asked, form: Form) -> Answer<Response> {
    let (from, to) = logs::span(&portal.platform, may, &asked.filter).await?;
    let ending = if form == Form::Json { "jsonl" } else { "log" };
    let stamp = |at: Millis| at.rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).take(15).collect::<String>() + "Z";
    let name = format!("attachment; filename=\"{}-{}-{}.{ending}\"", may.name, stamp(from), stamp(to));
    let pieces = pieces(portal, actor, may, asked.query(Begin::Oldest, false)).await?;
    let mut response = rendered(pieces, form, false);
    let name = HeaderValue::from_str(&name).map_err(|_| Error::internal("a service's name is no header"))?;
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// What is heard, until it ends or may not be heard any more.
async fn pieces(portal: &Portal, actor: &Actor, may: &May<can::SeeServices, Service>, query: logs::Query) -> Answer<Pieces> {
    let lease: Lease<can::SeeServices, ServiceId> = actor.lease(&portal.platform, may.id).await?;
    let pieces = logs::read(&portal.platform, may, &query).await?;
    Ok(leased(portal, lease, pieces))
}

fn rendered(pieces: Pieces, form: Form, follow: bool) -> Response {
    match form {
        Form::Text => body("text/plain; charset=utf-8", pieces, follow, text),
        Form::Json => body("application/x-ndjson", pieces, follow, |line| json(line) + "\n"),
        Form::Events => events(pieces, follow),
    }
}

fn events(pieces: Pieces, follow: bool) -> Response {
    // Tells that the stream stands before the first line is written.
    let begin = stream::once(async { Ok(Bytes::from(event("ready", "{}"))) });
    let pieces = pieces.map(Some).chain(stream::once(async { None }));
    let mut ended = false;
    let events = pieces.filter_map(move |piece| {
        let text = match piece {
            // Lines that came together leave together.
            Some(Ok(Piece::Lines(lines))) => lines.iter().map(line_event).collect::<String>(),
            Some(Ok(Piece::Progress(progress))) => event("progress", &words(&progress)),
            Some(Err(error)) => {
                ended = true;
                event("end", &words(&end(&error)))
            }
            // A search has come to its end; who follows is told why it ends, or comes again.
            None if !follow && !ended => event("done", "{}"),
            None => String::new(),
        };
        std::future::ready((!text.is_empty()).then(|| Ok(Bytes::from(text))))
    });
    let bytes = kept_alive(begin.chain(events).boxed(), COMMENT);
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")], Body::from_stream(bytes)).into_response()
}

/// An event as it is sent. Neither name nor data holds a line feed: JSON has none.
fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn line_event(line: &LogView) -> String {
    format!("event: line\nid: {}\ndata: {}\n\n", line.id, json(line))
}

fn end(error: &Error) -> LogEnd {
    let problem = error.problem();
    let code = if problem.detail == STOPPING { String::from("stopping") } else { problem.code };
    LogEnd { code, message: problem.detail }
}

fn body(content_type: &'static str, pieces: Pieces, follow: bool, render: impl Fn(&LogView) -> String + Send + 'static) -> Response {
    let bytes = written(pieces, render);
    let bytes = if follow { kept_alive(bytes, EMPTY_LINE) } else { bytes };
    ([(CONTENT_TYPE, content_type)], Body::from_stream(bytes)).into_response()
}

/// What is written of a log.
type Written = BoxStream<'static, std::io::Result<Bytes>>;

fn written(pieces: Pieces, render: impl Fn(&LogView) -> String + Send + 'static) -> Written {
    let bytes = pieces.filter_map(move |piece| {
        let bytes = match piece {
            Ok(Piece::Lines(lines)) => Some(Ok(Bytes::from(lines.iter().map(&render).collect::<String>()))),
            Ok(Piece::Progress(_)) => None,
            // A refusal in the middle can only be told by cutting the body off.
            Err(error) => Some(Err(std::io::Error::other(error.problem().detail))),
        };
        std::future::ready(bytes)
    });
    bytes.boxed()
}

/// With a word that means nothing now and then where there is nothing to write, so that nobody on the way takes a quiet log for a connection that is
/// dead.
fn kept_alive(bytes: Written, word: &'static str) -> Written {
    stream::unfold(bytes, move |mut bytes| async move {
        let next = tokio::time::timeout(KEEP_ALIVE, bytes.next()).await;
        let next = next.unwrap_or_else(|_| Some(Ok(Bytes::from_static(word.as_bytes()))));
        Some((next?, bytes))
    })
    .boxed()
}

fn words<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own words have no keys that JSON refuses")
}

/// A line as JSON: what pages and `ndjson` readers get.
fn json(line: &LogView) -> String {
    words(line)
}

/// A line as text. A gap has a mark that no stream has, and stands between dashes.
fn text(line: &LogView) -> String {
    let LogView { at, slot, stream, text, .. } = line;
    if *stream == LogSource::Gap {
        return format!("{at} {slot} gap -- {text} --\n");
    }
    let cut = if line.cut { " [cut]" } else { "" };
    format!("{at} {slot} {stream} {text}{cut}\n")
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_follows_a_quiet_log_as_text_gets_an_empty_line_now_and_then() {
        let line = stream::iter([Ok(Bytes::from_static(b"hello\n"))]);
        let mut bytes = kept_alive(line.chain(stream::pending()).boxed(), EMPTY_LINE);
        let began = Instant::now();
        let mut text = Vec::new();
        for _ in 0..3 {
            text.extend(bytes.next().await.expect("it goes on").expect("no error"));
        }
        assert_eq!(text, b"hello\n\n\n");
        assert!(began.elapsed() >= 2 * KEEP_ALIVE && began.elapsed() < 3 * KEEP_ALIVE, "{:?}", began.elapsed());
        let mut ended = kept_alive(stream::iter([Err(std::io::Error::other("broken off"))]).boxed(), EMPTY_LINE);
        assert!(ended.next().await.expect("an item").is_err() && ended.next().await.is_none(), "what ends, ends");
    }

    #[tokio::test]
    async fn events_are_what_a_browser_reads() {
        let line = |id: &str, text: &str| LogView {
            id: id.into(),
            at: "2026-11-20T09:30:00.123Z".into(),
            nanos: 1,
            task: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
            slot: 1,
            revision: 1,
            stream: LogSource::Stdout,
            text: text.into(),
            cut: false,
            context: false,
        };
        let pieces = || stream::iter([Ok(Piece::Lines(vec![line("1-0", "one\rline\u{2028}"), line("1-1", "")]))]);
        let sent = async |response: Response| {
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            assert_eq!(response.headers()["cache-control"], "no-cache");
            let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
            String::from_utf8(bytes.to_vec()).expect("UTF-8")
        };
        let text = sent(super::events(pieces().boxed(), false)).await;
        let events: Vec<Vec<&str>> = text.split_terminator("\n\n").map(|event| event.split('\n').collect()).collect();
        assert_eq!((events[0].as_slice(), events[3].as_slice()), (&["event: ready", "data: {}"][..], &["event: done", "data: {}"][..]));
        assert_eq!((events.len(), &events[1][..2], &events[2][..2]), (4, &["event: line", "id: 1-0"][..], &["event: line", "id: 1-1"][..]));
        let data: LogView = serde_json::from_str(events[1][2].strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!((events[1].len(), data), (3, line("1-0", "one\rline\u{2028}")));
        let broken = pieces().chain(stream::iter([Err(Error::Unavailable(STOPPING.into()))])).boxed();
        let text = sent(super::events(broken, false)).await;
        assert!(text.contains("event: end\ndata: {\"code\":\"stopping\"") && !text.contains("event: done"), "{text}");
    }
}

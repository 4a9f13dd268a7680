//! The public status page: `/status` and what belongs to it. Nobody signs in here, and nothing is asked of anybody: each answer is made of the board
//! that the domain holds in memory, once for each board, compressed once, and kept. A flood of readers copies bytes; neither the database nor an
//! engine hears of it. When nothing was probed for some minutes the board gives way to one that says so. Cookies are not looked
//! at, and these doors stand outside of what the others go through.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::status::Board;
use domain::{Error, keys};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;

use super::problem::{self, Refusal};
use super::table::Table;
use super::{Portal, doors, guard};

mod draw;
mod feeds;
mod page;
#[cfg(test)]
mod tests;
mod words;

use feeds::Tells;
use words::Language;

/// The page's style sheet and its script, which says times as the reader's clock does.
const STYLE: &str = include_str!("status/style.css");
const SCRIPT: &str = include_str!("status/status.js");
/// Bytes from which on it is worth to compress.
const COMPRESSED_FROM: usize = 512;
/// Most answers of one board that are kept. There are about as many as services; what is beyond is made each time.
const KEPT_MOST: usize = 10_000;

/// The doors.
pub(super) fn table() -> Table {
    doors()
        .get("/status", site_page)
        .get("/status.json", site_json)
        .get("/api/v2/summary.json", site_summary)
        .get("/status/feed.atom", site_feed)
        .get("/status/-/logo", site_logo)
        .get("/status/-/style.css", style)
        .get("/status/-/status.js", script)
        .get("/status/badge/{project}/{badge}", badge)
        .get("/status/{project}", project_page)
        .get("/status/{project}/status.json", project_json)
        .get("/status/{project}/api/v2/summary.json", project_summary)
        .get("/status/{project}/feed.atom", project_feed)
        .get("/status/{project}/logo", project_logo)
}

/// The doors with what stands around them, which is less than around others.
pub(super) fn router(portal: &Portal) -> Router {
    let router = table().into_router().with_state(portal.clone());
    router.layer(CatchPanicLayer::custom(problem::panicked)).layer(middleware::from_fn_with_state(portal.clone(), guard::trace))
}

async fn site_page(State(portal): State<Portal>, request: Request) -> Response {
    let language = language(&request);
    answer(&portal, request, Key { sort: Sort::Page(language), project: None }).await
}

async fn site_json(State(portal): State<Portal>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Json, project: None }).await
}

async fn site_summary(State(portal): State<Portal>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Summary, project: None }).await
}

async fn site_feed(State(portal): State<Portal>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Feed, project: None }).await
}

async fn site_logo(State(portal): State<Portal>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Logo, project: None }).await
}

async fn project_page(State(portal): State<Portal>, Path(project): Path<String>, request: Request) -> Response {
    let language = language(&request);
    answer(&portal, request, Key { sort: Sort::Page(language), project: Some(project) }).await
}

async fn project_json(State(portal): State<Portal>, Path(project): Path<String>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Json, project: Some(project) }).await
}

async fn project_summary(State(portal): State<Portal>, Path(project): Path<String>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Summary, project: Some(project) }).await
}

async fn project_feed(State(portal): State<Portal>, Path(project): Path<String>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Feed, project: Some(project) }).await
}

async fn project_logo(State(portal): State<Portal>, Path(project): Path<String>, request: Request) -> Response {
    answer(&portal, request, Key { sort: Sort::Logo, project: Some(project) }).await
}

/// `web.svg`, or `web.json` as shields.io reads it; `?kind=uptime` and `?kind=response` tell something else.
async fn badge(State(portal): State<Portal>, Path((project, badge)): Path<(String, String)>, request: Request) -> Response {
    let tells = Tells::of(request.uri().query());
    let sort = match (badge.strip_suffix(".svg"), badge.strip_suffix(".json")) {
        (Some(name), _) => Sort::Badge(name.to_owned(), tells),
        (None, Some(name)) => Sort::Shields(name.to_owned(), tells),
        (None, None) => return Refusal(Error::NotFound { what: "badge: write web.svg or web.json" }).into_response(),
    };
    answer(&portal, request, Key { sort, project: Some(project) }).await
}

async fn style() -> Response {
    fixed("text/css; charset=utf-8", STYLE)
}

async fn script() -> Response {
    fixed("text/javascript; charset=utf-8", SCRIPT)
}

/// What comes with this build; its address has another version with another content.
fn fixed(kind: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=86400"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, text).into_response()
}

/// An address with a mark of its content.
fn versioned(path: &str, text: &str) -> String {
    format!("{path}?v={}", &keys::token_hash(text)[..12])
}

fn language(request: &Request) -> Language {
    let accepted = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::of(request.uri().query(), accepted)
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sort {
    Page(Language),
    Json,
    Summary,
    Feed,
    Logo,
    Badge(String, Tells),
    Shields(String, Tells),
}

/// What can be asked for, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    sort: Sort,
    project: Option<String>,
}

impl Key {
    /// Whether there is such a thing, without making it.
    fn is_there(&self, board: &Board) -> bool {
        let project = self.project.as_deref();
        match &self.sort {
            Sort::Page(_) | Sort::Json | Sort::Summary | Sort::Feed => board.has(project),
            Sort::Logo => board.logo(project).is_some(),
            Sort::Badge(name, _) | Sort::Shields(name, _) => board.component(project.unwrap_or_default(), name).is_some(),
        }
    }

    /// Its bytes, with their media type.
    fn make(&self, board: &Board, origin: &str) -> Option<(String, Vec<u8>)> {
        let project = self.project.as_deref();
        let view = || board.view(project);
        let component = |name: &str| board.component(project.unwrap_or_default(), name);
        let json = "application/json";
        let (kind, bytes) = match &self.sort {
            Sort::Page(language) => ("text/html; charset=utf-8", page::Page { view: &view()?, language: *language }.html().into_bytes()),
            Sort::Json => (json, serde_json::to_vec(&view()?).ok()?),
            Sort::Summary => (json, serde_json::to_vec(&feeds::summary(&view()?, origin)).ok()?),
            Sort::Feed => ("application/atom+xml; charset=utf-8", feeds::atom(&view()?, origin).into_bytes()),
            Sort::Logo => return board.logo(project).map(|picture| (picture.kind.clone(), picture.bytes.clone())),
            Sort::Badge(name, tells) => ("image/svg+xml; charset=utf-8", feeds::badge_svg(component(name)?, *tells).into_bytes()),
            Sort::Shields(name, tells) => (json, serde_json::to_vec(&feeds::shields(component(name)?, *tells)).ok()?),
        };
        Some((kind.to_owned(), bytes))
    }
}

/// An answer, ready to be sent any number of times: its headers and its bytes, as they are and compressed.
struct Made {
    etag: HeaderValue,
    plain: (HeaderMap, Bytes),
    gzip: Option<(HeaderMap, Bytes)>,
    brotli: Option<(HeaderMap, Bytes)>,
}

impl Made {
    fn new(key: &Key, board: &Board, origin: &str) -> Option<Self> {
        let (kind, bytes) = key.make(board, origin)?;
        let etag = HeaderValue::from_str(&format!("W/\"{}\"", &keys::token_hash(&STANDARD.encode(&bytes))[..24])).ok()?;
        let mut headers = headers(key, HeaderValue::from_str(&kind).ok()?);
        headers.insert(ETAG, etag.clone());
        let small = bytes.len() < COMPRESSED_FROM || key.sort == Sort::Logo;
        let packed = |name: &'static str, bytes: Option<Vec<u8>>| {
            let mut headers = headers.clone();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            bytes.map(|bytes| sized(headers, bytes.into()))
        };
        let (gzip, brotli) = if small { (None, None) } else { (packed("gzip", gzip(&bytes)), packed("br", brotli(&bytes))) };
        Some(Self { etag, plain: sized(headers, bytes.into()), gzip, brotli })
    }

    /// What this request gets.
    fn respond(&self, request: &HeaderMap) -> Response {
        let known =
            request.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes().windows(self.etag.len()).any(|part| part == self.etag.as_bytes()));
        let accepted = request.get(ACCEPT_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
        let takes = |name: &str| accepted.split(|b| *b == b',').any(|part| part.trim_ascii() == name.as_bytes() || names(part, name));
        let chosen = match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if takes("br") => brotli,
            (_, Some(gzip)) if takes("gzip") => gzip,
            _ => &self.plain,
        };
        let mut response = Response::new(if known { Body::empty() } else { Body::from(chosen.1.clone()) });
        *response.headers_mut() = chosen.0.clone();
        if known {
            response.headers_mut().remove(CONTENT_LENGTH);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response
    }
}

/// `br;q=0.8`, and not `br;q=0`.
fn names(part: &[u8], name: &str) -> bool {
    let Some(rest) = part.trim_ascii().strip_prefix(name.as_bytes()) else { return false };
    let Some(weight) = rest.trim_ascii().strip_prefix(b";") else { return false };
    weight.trim_ascii().strip_prefix(b"q=").is_some_and(|weight| weight.iter().any(|b| matches!(b, b'1'..=b'9')))
}

fn sized(mut headers: HeaderMap, bytes: Bytes) -> (HeaderMap, Bytes) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    (headers, bytes)
}

fn headers(key: &Key, kind: HeaderValue) -> HeaderMap {
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                  frame-ancestors 'none'";
    let vary = if matches!(key.sort, Sort::Page(_)) { "accept-encoding, accept-language" } else { "accept-encoding" };
    let fixed: [(HeaderName, &'static str); 6] = [
        (CACHE_CONTROL, "public, max-age=10, stale-while-revalidate=30, stale-if-error=86400"),
        (VARY, vary),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, kind);
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !matches!(key.sort, Sort::Page(_) | Sort::Logo) {
        // It is for everybody, so any page may read it.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    headers
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    packed.write_all(bytes).ok()?;
    packed.finish().ok()
}

fn brotli(bytes: &[u8]) -> Option<Vec<u8>> {
    let quality = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &quality).ok()?;
    Some(packed)
}

/// The answers that were made of one board.
#[derive(Default)]
struct Kept {
    board: u64,
    made: HashMap<Key, Arc<Made>>,
}

/// What is kept for readers.
#[derive(Default)]
pub struct Shelf {
    kept: RwLock<Kept>,
    /// Held by whoever makes one: others who want the same wait and find it.
    making: tokio::sync::Mutex<()>,
}

impl Shelf {
    fn get(&self, board: u64, key: &Key) -> Option<Arc<Made>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.made.get(key).filter(|_| kept.board == board).cloned()
    }

    fn put(&self, board: u64, key: Key, made: Arc<Made>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.board != board {
            *kept = Kept { board, made: HashMap::new() };
        }
        if kept.made.len() < KEPT_MOST {
            kept.made.insert(key, made);
        }
    }
}

async fn answer(portal: &Portal, request: Request, key: Key) -> Response {
    // Its body is nobody's, and nothing that could be held while an answer is made.
    let request = request.into_parts().0;
    let board = portal.platform.status().board_at(portal.platform.now());
    if let Some(made) = portal.status.get(board.number, &key) {
        return made.respond(&request.headers);
    }
    if board.number == 0 {
        // Whether anything is for everybody is not known yet.
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], "the portal is starting\n").into_response();
    }
    if !key.is_there(&board) {
        if let Sort::Page(language) = key.sort {
            return (StatusCode::NOT_FOUND, [(CACHE_CONTROL, "no-store")], Html(page::missing(language))).into_response();
        }
        return Refusal(Error::NotFound { what: "status page" }).into_response();
    }
    match make(portal, board, key).await {
        Some(made) => made.respond(&request.headers),
        None => Refusal(Error::internal("an answer of the status page could not be made")).into_response(),
    }
}

async fn make(portal: &Portal, board: Arc<Board>, key: Key) -> Option<Arc<Made>> {
    let _alone = portal.status.making.lock().await;
    if let Some(made) = portal.status.get(board.number, &key) {
        return Some(made);
    }
    let (number, origin, wanted) = (board.number, portal.origin.clone(), key.clone());
    let made = tokio::task::spawn_blocking(move || Made::new(&wanted, &board, origin.as_str())).await.ok()??;
    let made = Arc::new(made);
    portal.status.put(number, key, Arc::clone(&made));
    Some(made)
}

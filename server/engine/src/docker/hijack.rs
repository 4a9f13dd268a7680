//! The kinds of calls for which bollard's own reading does not do: an upgraded connection whose bytes must arrive exactly as
//! sent, an answer that is wanted as the engine's own JSON, and one that is read while it arrives.
//!
//! bollard takes a terminal's output for framed output when it happens to begin with a byte below 3, so a terminal is read here,
//! raw. A connection is used for one call and closed. It never follows redirects, and bodies are limited.

use std::io::Cursor;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::error::root_cause;
use super::wire::{Dialer, Wire};
use super::{EngineError, Kind, Result, limited};

/// What an error's body may hold at most.
const ERROR_LIMIT: usize = 64 * 1024;
/// Longest silence in an answer that is read while it arrives.
const STALL: Duration = Duration::from_secs(60);

/// Reading half of an upgraded connection.
pub(super) type RawRead = Box<dyn AsyncRead + Send + Unpin>;
/// Writing half of an upgraded connection.
pub(super) type RawWrite = Box<dyn AsyncWrite + Send + Unpin>;

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// GET of `path` (with the version in it, where one is wanted); the body, at most `most` bytes of it.
pub(super) async fn get(dialer: &Dialer, path: &str, most: usize, limit: Duration) -> Result<Bytes> {
    limited("answer", limit, async {
        let response = send(dialer, Method::GET, path, None, false).await?;
        let response = check(response).await?;
        collect(response, most).await
    })
    .await
}

/// GET of `path`, whose answer is read while it arrives. It begins within `limit`; each wait for more of it is bounded. Dropped, the connection
/// is closed.
pub(super) async fn open(dialer: &Dialer, path: &str, limit: Duration) -> Result<BoxStream<'static, Result<Bytes>>> {
    let response = limited("answer", limit, async { check(send(dialer, Method::GET, path, None, false).await?).await }).await?;
    let pieces = stream::unfold(Some(response.into_body()), |body| async move {
        let mut body = body?;
        loop {
            let Ok(frame) = tokio::time::timeout(STALL, body.frame()).await else {
                return Some((Err(EngineError::timed_out("send the rest of its answer", STALL)), None));
            };
            match frame? {
                Ok(frame) => {
                    // What is no data comes after all of it.
                    if let Ok(data) = frame.into_data() {
                        return Some((Ok(data), Some(body)));
                    }
                }
                Err(error) => return Some((Err(broken(error)), None)),
            }
        }
    });
    Ok(pieces.boxed())
}

/// POST of `body` to `path`, whose connection then belongs to us.
pub(super) async fn upgrade(dialer: &Dialer, path: &str, body: Vec<u8>, limit: Duration) -> Result<(RawRead, RawWrite)> {
    limited("open a terminal", limit, async {
        let response = send(dialer, Method::POST, path, Some(body), true).await?;
        let response = check(response).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(EngineError::new(Kind::Unsupported, "the connection to the engine cannot be upgraded: is there a proxy in between?"));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
        let parts = upgraded
            .downcast::<TokioIo<Wire>>()
            .map_err(|_| EngineError::new(Kind::Other, "the upgraded connection is not the one that was opened"))?;
        Ok(split(parts.io.into_inner(), parts.read_buf))
    })
    .await
}

/// Two halves, without a lock between them where the stream has two; what was read too far comes first.
fn split(wire: Wire, already: Bytes) -> (RawRead, RawWrite) {
    let already = Cursor::new(already);
    match wire {
        Wire::Unix(unix) => {
            let (read, write) = unix.into_split();
            (Box::new(already.chain(read)), Box::new(write))
        }
        Wire::Tcp(tcp) => {
            let (read, write) = tcp.into_split();
            (Box::new(already.chain(read)), Box::new(write))
        }
        // Their two directions are one machinery.
        wire @ (Wire::Tls(_) | Wire::Ssh(_)) => {
            let (read, write) = tokio::io::split(wire);
            (Box::new(already.chain(read)), Box::new(write))
        }
    }
}

async fn send(dialer: &Dialer, method: Method, path: &str, body: Option<Vec<u8>>, upgrade: bool) -> Result<Response<hyper::body::Incoming>> {
    let wire = dialer.dial().await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(broken)?;
    // Ends by itself with the answer's body, or gives the socket up when upgraded.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to an engine ended");
        }
    });
    let mut request = Request::builder().method(method).uri(path).header(HOST, "docker");
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if upgrade {
        request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
    }
    let request = request
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| EngineError::new(Kind::Refused, format!("not a request that can be sent: {error}")))?;
    sender.send_request(request).await.map_err(broken)
}

fn broken(error: hyper::Error) -> EngineError {
    if let Some(told) = super::error::told(&error) {
        return told;
    }
    EngineError::new(Kind::Unreachable, format!("the connection to the engine broke: {}", root_cause(&error)))
}

/// Turns an answer that is an error into one.
async fn check(response: Response<hyper::body::Incoming>) -> Result<Response<hyper::body::Incoming>> {
    let status = response.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let body = collect(response, ERROR_LIMIT).await?;
    let message =
        serde_json::from_slice::<Refusal>(&body).map_or_else(|_| String::from_utf8_lossy(&body).trim().to_owned(), |refusal| refusal.message);
    Err(EngineError::answered(status.as_u16(), &message))
}

async fn collect(response: Response<hyper::body::Incoming>, most: usize) -> Result<Bytes> {
    match Limited::new(response.into_body(), most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => {
            Err(EngineError::new(Kind::Unreachable, format!("the engine's answer broke off or is too long: {}", root_cause(error.as_ref()))))
        }
    }
}

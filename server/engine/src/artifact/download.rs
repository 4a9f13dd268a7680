//! Fetching one file over guarded connections: limits in size and in slowness, tried again after what may pass, going on where it was cut, and
//! compared with its checksum in the end.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use model::descriptor::Artifact;
use model::outside::AllowList;
use model::views::deployments::Reason;
use outbound::{Http, Net, Pace, Refused, causes};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::cache::Cache;
use super::{key, shown};

/// Tries, and the wait after the first; it doubles.
const TRIES: u32 = 5;
const WAIT: Duration = Duration::from_millis(500);
/// Longest wait that another side can ask for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest time for the head of an answer.
const HEAD: Duration = Duration::from_secs(30);
/// Longest wait for the next bytes.
const IDLE: Duration = Duration::from_secs(30);
/// Longest time for one try.
const WHOLE: Duration = Duration::from_secs(1_800);
/// How often it may be sent elsewhere.
const REDIRECTS: usize = 5;
/// After so many bytes it is looked again whether the disk has room.
const LOOK: u64 = 16 << 20;
/// The reason's code where it has none.
const FULL: &str = "portal_disk_full";

/// Why a try failed.
enum Failed {
    /// It may go better later, at the earliest after this.
    Passing(String, Option<Duration>),
    /// It will not.
    Last(Reason),
}

impl Failed {
    fn last(code: &str, message: impl Into<String>) -> Self {
        Self::Last(Reason::new(code, message))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::last(FULL, "the portal's disk is as good as full, so no artifact is fetched; an operator must make room, then deploy again")
            }
            _ => Self::last("artifact_store", format!("the artifact could not be kept in the portal's data folder: {error}")),
        }
    }
}

/// What one download has of the room that all have together.
pub(super) struct Room<'a> {
    all: &'a AtomicU64,
    own: AtomicU64,
    most: u64,
}

impl<'a> Room<'a> {
    /// Of `all`, which may be at most so much.
    pub(super) fn new(all: &'a AtomicU64, most: u64) -> Self {
        Self { all, own: AtomicU64::new(0), most }
    }

    /// It is so long now. Whether there is room.
    pub(super) fn takes(&self, length: u64) -> bool {
        let before = self.own.swap(length, Ordering::Relaxed);
        self.all.fetch_add(length, Ordering::Relaxed);
        self.all.fetch_sub(before, Ordering::Relaxed).saturating_sub(before) <= self.most
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}

/// Fetches it and puts it into the cache. `most`: its bytes, and the room for all.
pub(super) async fn get(
    net: &Net,
    allowed: Arc<AllowList>,
    cache: &Cache,
    (most, room): (u64, &Room<'_>),
    artifact: &Artifact,
) -> Result<(), Reason> {
    let from = shown(&artifact.url);
    tracing::info!(from, "an artifact is fetched");
    let none = |error: outbound::NoCertificates| Reason::new("no_certificates", error.to_string());
    let (http, public) = (net.client(Arc::clone(&allowed), true).await.map_err(none)?, net.client(allowed, false).await.map_err(none)?);
    let fetch = Fetch { net, http, public, cache, artifact, most, room };
    match fetch.retried().await {
        Ok(()) => Ok(()),
        Err(Failed::Last(reason)) => Err(reason),
        Err(Failed::Passing(message, _)) => {
            Err(Reason::new("artifact_unreachable", format!("the artifact could not be fetched from {from} in {TRIES} tries: {message}")))
        }
    }
}

struct Fetch<'a> {
    net: &'a Net,
    http: Http,
    /// Goes to public addresses alone, whatever operators allow: for where somebody outside leads.
    public: Http,
    cache: &'a Cache,
    artifact: &'a Artifact,
    most: u64,
    room: &'a Room<'a>,
}

impl Fetch<'_> {
    async fn retried(&self) -> Result<(), Failed> {
        let part = self.cache.part(&key(self.artifact)).await?;
        let mut wait = WAIT;
        let mut tries = 1;
        loop {
            let resumed = tokio::fs::metadata(&part).await.is_ok_and(|about| about.len() > 0);
            let tried = match tokio::time::timeout(WHOLE, self.attempt(&part)).await {
                Ok(tried) => tried,
                Err(_) => Err(Failed::Passing("it took too long".into(), None)),
            };
            let failed = match tried {
                Ok(()) => match self.compare(&part).await? {
                    None => return Ok(self.cache.keep(part, &key(self.artifact)).await?),
                    Some(found) => {
                        tokio::fs::remove_file(&part).await?;
                        // Its beginning may have been another file's.
                        if !resumed {
                            return Err(self.mismatch(&found));
                        }
                        Failed::Passing("what was fetched earlier did not fit".into(), Some(Duration::ZERO))
                    }
                },
                Err(failed) => failed,
            };
            match failed {
                Failed::Passing(message, after) if tries < TRIES => {
                    tracing::info!(from = shown(&self.artifact.url), message, "fetching an artifact is tried again");
                    tokio::time::sleep(after.unwrap_or(wait).min(WAIT_MAX)).await;
                    wait *= 2;
                    tries += 1;
                }
                failed => {
                    // What was begun would keep it full.
                    if matches!(&failed, Failed::Last(reason) if reason.code == FULL) {
                        let _ = tokio::fs::remove_file(&part).await;
                    }
                    return Err(failed);
                }
            }
        }
    }

    fn mismatch(&self, found: &str) -> Failed {
        let wanted = &self.artifact.sha256;
        let from = shown(&self.artifact.url);
        Failed::last("artifact_mismatch", format!("{from} is not what the descriptor names: its SHA-256 is {found}, not {wanted}"))
    }

    /// The checksum, where it is another one.
    async fn compare(&self, part: &Path) -> Result<Option<String>, Failed> {
        let path = part.to_owned();
        let hashed = tokio::task::spawn_blocking(move || {
            let (mut hash, mut file, mut buffer) = (Sha256::new(), std::fs::File::open(path)?, vec![0; 256 * 1024]);
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    read => hash.update(&buffer[..read]),
                }
            }
            Ok::<_, io::Error>(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        });
        let found = hashed.await.map_err(io::Error::other)??;
        Ok((found != self.artifact.sha256).then_some(found))
    }

    /// One try; goes on where the last one was cut.
    async fn attempt(&self, part: &Path) -> Result<(), Failed> {
        let have = tokio::fs::metadata(part).await.map_or(0, |about| about.len());
        let answer = self.ask(have).await?;
        let from = match answer.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if starts_at(&answer) == Some(have) => have,
            // Nothing behind what is here: it is whole, or another file's.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
            status => return Err(self.refusal(status, &answer)),
        };
        let announced = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| from.saturating_add(length) > self.most) {
            return Err(self.too_large());
        }
        self.cache.room(part, announced.unwrap_or(0)).await?;
        let mut file = tokio::fs::OpenOptions::new().create(true).write(true).truncate(from == 0).append(from > 0).open(part).await?;
        self.pour(answer.into_body(), (part, &mut file), from).await?;
        Ok(())
    }

    async fn pour(&self, mut body: Incoming, (part, file): (&Path, &mut tokio::fs::File), from: u64) -> Result<(), Failed> {
        let (mut length, mut pace, mut looked) = (from, Pace::default(), from);
        let poured = loop {
            let began = Instant::now();
            let frame = match tokio::time::timeout(IDLE, body.frame()).await {
                Err(_) => break Err(Failed::Passing("nothing came any more".into(), None)),
                Ok(None) => break Ok(()),
                Ok(Some(Err(_))) => break Err(Failed::Passing("the connection was cut".into(), None)),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else { continue };
            length += bytes.len() as u64;
            if length > self.most {
                break Err(self.too_large());
            }
            if !pace.keeps(bytes.len() as u64, began.elapsed()) {
                break Err(Failed::Passing("it comes too slowly".into(), None));
            }
            if !self.room.takes(length) {
                break Err(Failed::Passing("more is fetched at once than the portal has room for".into(), Some(WAIT_MAX)));
            }
            if length - looked >= LOOK {
                looked = length;
                self.cache.room(part, 0).await?;
            }
            file.write_all(&bytes).await?;
        };
        // Also of what was cut: the next try goes on behind it.
        file.flush().await?;
        poured
    }

    fn too_large(&self) -> Failed {
        Failed::last(
            "artifact_too_large",
            format!("{} is larger than {} MiB, which is the most that is fetched", shown(&self.artifact.url), self.most >> 20),
        )
    }

    /// Asks for what is behind the first `have` bytes; goes where it is sent.
    async fn ask(&self, have: u64) -> Result<Response<Incoming>, Failed> {
        let wrong = |_| Failed::last("artifact_address", format!("{} is not an address", shown(&self.artifact.url)));
        let mut uri: Uri = self.artifact.url.parse().map_err(wrong)?;
        // The address that a descriptor names may be inside; where it leads, only if it is.
        let mut inside = true;
        for _ in 0..=REDIRECTS {
            let mut request = Request::get(uri.clone()).header(USER_AGENT, "slipway").header(ACCEPT_ENCODING, "identity");
            if have > 0 {
                request = request.header(RANGE, format!("bytes={have}-"));
            }
            let request = request.body(Empty::<Bytes>::new()).map_err(|_| Failed::last("artifact_address", "it is not an address"))?;
            let answer = match tokio::time::timeout(HEAD, if inside { &self.http } else { &self.public }.request(request)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Err(unreachable(&uri, &error)),
                Err(_) => return Err(Failed::Passing(format!("{} does not answer", uri.host().unwrap_or_default()), None)),
            };
            let to = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection()).cloned();
            let Some(to) = to else { return Ok(answer) };
            inside = inside && self.net.came_from_inside(&answer);
            uri = to
                .to_str()
                .ok()
                .and_then(|to| join(&uri, to))
                .ok_or_else(|| Failed::last("artifact_address", "it was sent to what is not an address"))?;
        }
        Err(Failed::last("artifact_address", format!("{} sends from one address to the next", shown(&self.artifact.url))))
    }

    fn refusal(&self, status: StatusCode, answer: &Response<Incoming>) -> Failed {
        let from = shown(&self.artifact.url);
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Failed::last("artifact_not_found", format!("there is no artifact at {from} ({status})")),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Failed::last("artifact_denied", format!("{from} is given to nobody without a sign ({status})"))
            }
            status if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
                Failed::Passing(format!("it answered {status}"), after)
            }
            status => Failed::last("artifact_refused", format!("{from} answered {status}")),
        }
    }
}

/// Where a part begins that was answered.
fn starts_at(answer: &Response<Incoming>) -> Option<u64> {
    answer.headers().get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// Where a redirect leads.
fn join(from: &Uri, to: &str) -> Option<Uri> {
    if to.starts_with("https://") || to.starts_with("http://") {
        return to.parse().ok();
    }
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    match to {
        _ if to.starts_with("//") => format!("{scheme}:{to}").parse().ok(),
        _ if to.starts_with('/') => format!("{scheme}://{authority}{to}").parse().ok(),
        _ => {
            let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{scheme}://{authority}{folder}/{to}").parse().ok()
        }
    }
}

/// Why no answer came.
fn unreachable(uri: &Uri, error: &(dyn std::error::Error + 'static)) -> Failed {
    let mut text = String::new();
    for cause in causes(error) {
        if let Some(Refused { host, range, led: true }) = cause.downcast_ref() {
            let text = format!(
                "the artifact's address leads on to {host}, which is at a {range} address; what is outside may lead nowhere inside, also where an operator allows it: name the one inside itself"
            );
            return Failed::last("address_refused", text);
        }
        if let Some(Refused { host, range, .. }) = cause.downcast_ref() {
            return Failed::last("address_refused", domain::copies::refusal(host, range));
        }
        text = cause.to_string();
    }
    Failed::Passing(format!("{} cannot be reached: {text}", uri.host().unwrap_or_default()), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_a_browser_would_go() {
        let from: Uri = "https://a.example/x/y?z".parse().expect("an address");
        for (to, there) in [
            ("https://b.example/q", "https://b.example/q"),
            ("//b.example/q", "https://b.example/q"),
            ("/q?r", "https://a.example/q?r"),
            ("q", "https://a.example/x/q"),
        ] {
            assert_eq!(join(&from, to).expect("an address").to_string(), there);
        }
    }
}

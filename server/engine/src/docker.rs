//! A narrow client for one Docker Engine, from 20.10 (API 1.41) to current ones.
//!
//! Everything that Slipway wants of an engine is a method here, in our own words; nothing outside this module knows bollard. It
//! holds no state besides the connection's parameters: every call stands alone, has a time limit, and works again by itself when
//! an engine comes back, also as another version.
//!
//! It never decides anything (what should run is `plan`'s and `reconcile`'s), never writes to the database, and never touches a
//! container that it was not told to touch by id or by name.

mod archive;
mod changes;
mod containers;
mod error;
mod events;
mod exec;
mod files;
mod hide;
mod hijack;
mod images;
mod logs;
mod networks;
mod processes;
mod seen;
mod spec;
mod ssh;
mod tls;
mod usage;
mod volumes;
mod wire;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::ports::EngineDoor;
pub use model::engine::EngineAddress as Address;
use model::views::environments::HostKeyView;
use serde::Deserialize;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use wire::Dialer;

pub use archive::{Entry, Held, What};
pub(crate) use error::root_cause;
pub use error::{EngineError, Kind, Result};
pub use events::{Event, EventKind, Heard};
pub use exec::{Exec, ExecControl, ExecOrder, Exit, Keeper, Mark, SHELLS};
pub use files::Content;
pub use hide::Hidden;
pub use images::{Credential, ImageSeen, LayerProgress, PullProgress};
pub use logs::{LogFile, LogLine, LogOrder, LogPiece, LogSource};
pub use networks::NetworkOrder;
pub use seen::{ContainerSeen, ContainerState, Health, HealthSeen, Limits, Status};
pub use spec::{ContainerSpec, HealthCommand, LogLimits, Mount, NetworkPlace, Port, Protocol, Restart};
pub(crate) use usage::{Overview, Process, ProjectVolume, Space};
pub use volumes::VolumeSeen;

/// The label that says whose a container or network is. Nothing without ours is ever touched.
pub const LABEL_INSTANCE: &str = "dev.slipway.instance";
/// The label that says which project's a network or volume is, by id: another project may bear the same name later.
pub const LABEL_PROJECT_ID: &str = "dev.slipway.project.id";

/// Limit for calls that an engine answers from memory.
const QUICK: Duration = Duration::from_secs(15);
/// Limit for calls that do work: create, start, remove.
const WORK: Duration = Duration::from_secs(120);
/// bollard has one limit for all calls; ours are per call and shorter, so this is only a backstop (a stop may wait for its grace).
const BACKSTOP_SECONDS: u64 = 3_900;
/// A connection that was dear to make is kept for so long, and so many of them.
const IDLE: Duration = Duration::from_secs(20);
const IDLE_MOST: usize = 2;
/// Oldest API that we speak.
const OLDEST: (usize, usize) = (1, 41);

/// One engine. Cheap to clone.
#[derive(Clone)]
pub struct Docker {
    inner: Arc<Inner>,
}

struct Inner {
    dialer: Arc<Dialer>,
    /// The client with the API version that was agreed upon; forgotten when the engine goes away, since it may come back as another.
    client: Mutex<Option<bollard::Docker>>,
    /// It said that its disk is full.
    full: AtomicBool,
}

impl std::fmt::Debug for Docker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Docker({})", self.inner.dialer.address())
    }
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// The engine's own id; another id at the same address is another machine.
    pub id: String,
    /// Host name of the machine.
    pub name: String,
    /// The engine's version, like `20.10.24`.
    pub version: String,
    /// The API version in use, like `1.41`.
    pub api: String,
    /// Operating system, for people.
    pub system: String,
    /// CPU architecture in the kernel's words, like `x86_64`.
    pub architecture: String,
    /// Processors.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// What its clock says, milliseconds since the epoch.
    pub clock: Option<i64>,
}

#[derive(Deserialize)]
struct VersionAnswer {
    #[serde(rename = "ApiVersion")]
    api: String,
    #[serde(rename = "MinAPIVersion", default)]
    least: String,
}

impl Docker {
    /// A client for the engine at `address`, without any keys. Nothing is dialled yet.
    pub fn new(address: Address) -> Self {
        Self::through(EngineDoor { address, tls: None, ssh: None })
    }

    /// A client for an engine that is reached so. Nothing is dialled yet; keys that are none are told at the first call.
    pub fn through(door: EngineDoor) -> Self {
        Self { inner: Arc::new(Inner { dialer: Arc::new(Dialer::new(door)), client: Mutex::new(None), full: AtomicBool::new(false) }) }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        self.inner.dialer.address()
    }

    /// Why the keys cannot be used at all, whoever answers.
    pub fn unusable(&self) -> Option<EngineError> {
        self.dialer().unusable()
    }

    /// The key that its SSH server showed last, where it is not the confirmed one.
    pub fn shown_key(&self) -> Option<HostKeyView> {
        self.inner.dialer.shown_key()
    }

    /// The certificate that the engine showed last, in DER; only over TLS.
    pub fn shown_certificate(&self) -> Option<Vec<u8>> {
        self.inner.dialer.shown_certificate()
    }

    pub(in crate::docker) fn dialer(&self) -> &Dialer {
        &self.inner.dialer
    }

    /// Does an engine answer that we can work with?
    pub async fn ping(&self) -> Result<()> {
        self.call("ping", QUICK, async |client| client.ping().await.map(drop)).await
    }

    /// What the engine says of itself.
    pub async fn info(&self) -> Result<EngineInfo> {
        let client = self.client().await?;
        let api = client.client_version();
        let info = self.call("tell about itself", QUICK, async |client| client.info().await).await?;
        Ok(EngineInfo {
            id: info.id.unwrap_or_default(),
            name: info.name.unwrap_or_default(),
            version: info.server_version.unwrap_or_default(),
            api: format!("{}.{}", api.major_version, api.minor_version),
            system: info.operating_system.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            cpus: info.ncpu.and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            memory: info.mem_total.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
            clock: info.system_time.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_millisecond),
        })
    }

    /// One call with its limit. `what` finishes the sentence "the engine did not finish to ...".
    async fn call<T, F>(&self, what: &str, limit: Duration, call: F) -> Result<T>
    where
        F: AsyncFnOnce(bollard::Docker) -> std::result::Result<T, bollard::errors::Error>,
    {
        let client = self.client().await?;
        let answer = limited(what, limit, async { call(client).await.map_err(EngineError::from) }).await;
        self.note(&answer);
        answer
    }

    /// Whether an answer said that its disk is full, since this was last forgotten.
    pub(crate) fn full(&self) -> &AtomicBool {
        &self.inner.full
    }

    /// Forgets the agreed version when the engine went away or says that it does not know it; remembers that its disk is full.
    fn note<T>(&self, answer: &Result<T>) {
        let Err(EngineError { kind, .. }) = answer else { return };
        match kind {
            Kind::Unreachable | Kind::Unsupported | Kind::Identity => {
                *self.inner.client.lock().expect("no code panics while it holds this lock") = None;
            }
            Kind::DiskFull => self.inner.full.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// The client, after the version was agreed upon. The version is asked for without a version in the path: an engine refuses a
    /// path with a newer version than its own, even for this question.
    async fn client(&self) -> Result<bollard::Docker> {
        if let Some(client) = self.inner.client.lock().expect("no code panics while it holds this lock").clone() {
            return Ok(client);
        }
        let body = hijack::get(self.dialer(), "/version", 1 << 20, QUICK).await?;
        let answer: VersionAnswer = serde_json::from_slice(&body)
            .map_err(|_| EngineError::new(Kind::Unsupported, format!("what answers at {} is not a Docker Engine", self.address())))?;
        let version = agree(&answer)?;
        let client = match self.address() {
            Address::Unix(path) => bollard::Docker::connect_with_unix(&path.to_string_lossy(), BACKSTOP_SECONDS, &version)?,
            Address::Tcp { .. } if self.dialer().plain() => {
                bollard::Docker::connect_with_http(&self.address().to_string(), BACKSTOP_SECONDS, &version)?
            }
            Address::Tcp { .. } | Address::Ssh { .. } => self.over_wire(&version)?,
        };
        let client = client.with_request_modifier(images::mend_credential);
        *self.inner.client.lock().expect("no code panics while it holds this lock") = Some(client.clone());
        Ok(client)
    }
}

impl Docker {
    /// bollard over connections of our own.
    fn over_wire(&self, version: &bollard::ClientVersion) -> Result<bollard::Docker> {
        let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(if self.dialer().dear() { IDLE_MOST } else { 0 });
        let http = builder.build(wire::Connector(Arc::clone(&self.inner.dialer)));
        let transport = move |request: bollard::BollardRequest| {
            let answer = http.request(request);
            Box::pin(async move { answer.await.map_err(bollard::errors::Error::from) })
                as std::pin::Pin<Box<dyn Future<Output = std::result::Result<hyper::Response<hyper::body::Incoming>, bollard::errors::Error>> + Send>>
        };
        Ok(bollard::Docker::connect_with_custom_transport(transport, Some("http://engine"), BACKSTOP_SECONDS, version)?)
    }
}

/// The version to speak: the engine's newest, unless ours is older.
fn agree(answer: &VersionAnswer) -> Result<bollard::ClientVersion> {
    let ours = (bollard::API_DEFAULT_VERSION.major_version, bollard::API_DEFAULT_VERSION.minor_version);
    let newest = parse_version(&answer.api)
        .ok_or_else(|| EngineError::new(Kind::Unsupported, format!("the engine's API version {:?} cannot be read", answer.api)))?;
    let least = parse_version(&answer.least).unwrap_or(OLDEST);
    if newest < OLDEST {
        return Err(EngineError::new(
            Kind::Unsupported,
            format!("the engine speaks API {}, but Slipway needs 1.41 (Docker 20.10) or newer", answer.api),
        ));
    }
    if least > ours {
        return Err(EngineError::new(
            Kind::Unsupported,
            format!("the engine speaks API {} and newer, but this Slipway knows only {}.{}", answer.least, ours.0, ours.1),
        ));
    }
    let (major_version, minor_version) = newest.min(ours);
    Ok(bollard::ClientVersion { major_version, minor_version })
}

fn parse_version(text: &str) -> Option<(usize, usize)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Waits for an answer, but not longer than `limit`.
async fn limited<T>(what: &str, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer,
        Err(_) => Err(EngineError::timed_out(what, limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(api: &str, least: &str) -> Result<(usize, usize)> {
        agree(&VersionAnswer { api: api.to_owned(), least: least.to_owned() }).map(|v| (v.major_version, v.minor_version))
    }

    #[test]
    fn a_full_disk_is_remembered_until_it_is_forgotten() {
        let docker = Docker::new("unix:///nowhere.sock".parse().expect("an address"));
        docker.note(&Ok(()));
        docker.note::<()>(&Err(EngineError::answered(404, "No such container: x")));
        assert!(!docker.full().load(Ordering::Relaxed));
        docker.clone().note::<()>(&Err(EngineError::answered(500, "write /var/lib/docker/x: no space left on device")));
        docker.note(&Ok(()));
        assert!(docker.full().swap(false, Ordering::Relaxed), "what was said to one hand is for all");
        assert!(!docker.full().load(Ordering::Relaxed));
    }

    #[test]
    fn the_older_side_decides_the_version() {
        assert_eq!(agreed("1.41", "1.12").expect("fine"), (1, 41));
        assert_eq!(agreed("1.99", "1.44").expect("fine"), (1, 53));
    }

    #[test]
    fn too_old_and_too_new_engines_are_told_so() {
        assert!(agreed("1.40", "1.12").expect_err("too old").message.contains("20.10"));
        assert!(agreed("1.99", "1.90").expect_err("too new").message.contains("1.53"));
        assert_eq!(agreed("x", "").expect_err("nonsense").kind, Kind::Unsupported);
    }
}

//! What a task is to find unpacked before its program starts: fetched once by the portal, kept by its checksum and address, put into each container.
//!
//! People of a project name the address, so it is fetched like everything that they name: over connections that go only where operators let
//! them ([`outbound`]). What is kept is what has the checksum; nothing else ever reaches a container. The folder is bounded: what was not used
//! for longest goes first. Several tasks that want the same share one download; a project has a few under way at a time, the rest wait, and all of
//! them together have no more on the disk than what may be kept; the disk itself is never filled.

mod cache;
mod download;
mod unpack;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use domain::Worker;
use domain::deployments::work;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use futures::stream;
use model::descriptor::Artifact;
use model::ids::ProjectId;
use model::outside::AllowList;
use model::views::deployments::Reason;
use outbound::Net;
use tokio::sync::{Semaphore, mpsc};

use crate::docker::{Docker, EngineError, Kind};
use crate::trouble::Trouble;
use cache::Cache;
pub use cache::Floor;

/// Pieces of an archive on their way to an engine.
const PIECES: usize = 8;
/// Downloads of one project at the same time.
const AT_ONCE: usize = 3;

/// How large things may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one artifact, as it is fetched.
    pub artifact: u64,
    /// Bytes of all that are kept, and of all that are on their way.
    pub kept: u64,
    /// Bytes of one, unpacked.
    pub unpacked: u64,
    /// Files and folders of one.
    pub entries: usize,
    /// What stays free on the disk.
    pub floor: Floor,
}

impl Default for Limits {
    fn default() -> Self {
        Self { artifact: 2 << 30, kept: 10 << 30, unpacked: 8 << 30, entries: 200_000, floor: Floor::default() }
    }
}

/// A download that others may join.
type Download = BoxFuture<'static, Result<(), Reason>>;

/// Fetches artifacts and keeps them.
#[derive(Clone)]
pub struct Artifacts {
    inner: Arc<Inner>,
}

struct Inner {
    cache: Cache,
    net: Net,
    limits: Limits,
    flights: Mutex<HashMap<String, WeakShared<Download>>>,
    turns: Mutex<HashMap<ProjectId, Arc<Semaphore>>>,
    /// Bytes of all that are on their way.
    under_way: AtomicU64,
}

impl Artifacts {
    /// Keeps them in a folder, which is made when the first is fetched.
    pub fn new(folder: impl Into<PathBuf>, net: Net, limits: Limits) -> Self {
        let cache = Cache::new(folder.into(), limits.kept, limits.floor);
        let inner = Inner { cache, net, limits, flights: Mutex::default(), turns: Mutex::default(), under_way: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Whether it is here already.
    pub(crate) async fn has(&self, artifact: &Artifact) -> bool {
        matches!(self.inner.cache.open(&key(artifact)).await, Ok(Some(_)))
    }

    /// Gets one, for a task of a project.
    pub(crate) async fn fetch(&self, worker: &Worker, project: ProjectId, artifact: &Artifact) -> Result<Fetched, Trouble> {
        let allowed = work::outside_allowed(worker).await?;
        self.get(allowed, project, artifact).await.map_err(Trouble::Reason)
    }

    /// Gets one, from what is kept or from its address.
    ///
    /// # Errors
    /// Why it cannot be had, for people.
    pub async fn get(&self, allowed: AllowList, project: ProjectId, artifact: &Artifact) -> Result<Fetched, Reason> {
        let broken =
            |error: std::io::Error| Reason::new("artifact_store", format!("the artifact could not be kept in the portal's data folder: {error}"));
        // One that was not wanted for long may go between its download and its use.
        for _ in 0..3 {
            if let Some(file) = self.inner.cache.open(&key(artifact)).await.map_err(broken)? {
                return Ok(Fetched { file, artifact: artifact.clone(), limits: self.inner.limits });
            }
            self.join(&allowed, project, artifact).await?;
        }
        Err(Reason::new("artifact_store", "the artifact did not stay in the portal's data folder: too much is fetched at once"))
    }

    /// Joins the download of the same, or begins it. It ends when nobody waits for it any more.
    fn join(&self, allowed: &AllowList, project: ProjectId, artifact: &Artifact) -> Shared<Download> {
        let mut flights = self.inner.flights.lock().expect("no code panics while it holds this lock");
        flights.retain(|_, flight| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
        if let Some(flight) = flights.get(&key(artifact)).and_then(WeakShared::upgrade) {
            return flight;
        }
        let (inner, allowed, artifact) = (Arc::clone(&self.inner), allowed.clone(), artifact.clone());
        let (key, turns) = (key(&artifact), self.turns(project));
        let download = async move {
            let _turn = turns.acquire().await.expect("never closed");
            let (limits, room) = (inner.limits, download::Room::new(&inner.under_way, inner.limits.kept));
            download::get(&inner.net, Arc::new(allowed), &inner.cache, (limits.artifact, &room), &artifact).await
        };
        let flight = download.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key, weak);
        }
        flight
    }

    fn turns(&self, project: ProjectId) -> Arc<Semaphore> {
        let mut turns = self.inner.turns.lock().expect("no code panics while it holds this lock");
        turns.retain(|_, turns| Arc::strong_count(turns) > 1);
        Arc::clone(turns.entry(project).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }
}

/// An artifact that is here.
pub struct Fetched {
    /// Open, so that it may be forgotten meanwhile.
    file: std::fs::File,
    artifact: Artifact,
    limits: Limits,
}

impl Fetched {
    /// Unpacks it into a container, on the way.
    ///
    /// # Errors
    /// `Refused` with words for people when it is not what it should be.
    pub(crate) async fn put(&self, docker: &Docker, container: &str) -> Result<(), EngineError> {
        let lost = |error: std::io::Error| EngineError::new(Kind::Other, format!("the artifact could not be read: {error}"));
        let (file, artifact, limits) = (self.file.try_clone().map_err(lost)?, self.artifact.clone(), self.limits);
        let (pieces, mut more) = mpsc::channel::<Bytes>(PIECES);
        let unpacked = tokio::task::spawn_blocking(move || unpack::into(file, &artifact, &limits, unpack::Sink::new(pieces)));
        let body = stream::poll_fn(move |context| more.poll_recv(context));
        let (unpacked, put) = tokio::join!(unpacked, docker.put_archive(container, body));
        let unpacked = unpacked.map_err(|error| EngineError::new(Kind::Other, format!("an artifact was not unpacked: {error}")))?;
        match unpacked {
            // The engine let go first, and says why.
            Err(unpack::Wrong::Cut) => put.and(Err(EngineError::new(Kind::Unreachable, "the engine did not take the artifact"))),
            Err(unpack::Wrong::Artifact(message)) => Err(EngineError::new(Kind::Refused, format!("the artifact cannot be unpacked: {message}"))),
            Ok(()) => put,
        }
    }
}

/// What it is kept as: its checksum, and its address, so that nobody gets by a checksum alone what only others have the address of.
fn key(artifact: &Artifact) -> String {
    use sha2::Digest;
    let address = sha2::Sha256::digest(artifact.url.as_bytes());
    let address: String = address.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{address}", artifact.sha256)
}

/// An address without what may be secret in it.
pub(crate) fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;

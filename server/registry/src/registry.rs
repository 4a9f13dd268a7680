//! The registry's shared parts, in one handle that is cheap to clone.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use domain::images::{Readable, RepositoryKey};
use domain::ports::PullGrants;
use domain::{Platform, Result, Worker};
use model::digest::Digest;
use model::ids::TokenId;
use model::names::{ProjectName, RepositoryPath};
use model::secret::Secret;

use crate::disk::{Blobs, Buffers, Uploads};
use crate::path::Name;
use crate::pulls::Pulls;
use crate::scope::{Access, Verb};
use crate::store;
use crate::token::{Bearer, Issued, Tokens};
use crate::upkeep;

/// How long an upload may lie untouched before it is thrown away.
const UPLOAD_RESTS: Duration = Duration::from_secs(24 * 60 * 60);
/// Files without a row that are remembered.
const ORPHANS: usize = 10_000;
/// How long an engine has for one pull, in seconds.
const GRANT_LIFE: i64 = 60 * 60;

/// The registry.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    platform: Platform,
    blobs: Blobs,
    uploads: Uploads,
    buffers: Buffers,
    tokens: Tokens,
    pulls: Pulls,
    origin: String,
    hosts: Arc<[String]>,
    engines: OnceLock<Worker>,
    lease: Duration,
    orphans: Mutex<BTreeSet<Digest>>,
}

impl Registry {
    /// Opens the registry over the folder `data`. `origin` is what users see (scheme, host, port); `hosts` are the names (`host:port`)
    /// under which the portal may be spoken to besides. What nothing needs is kept for `lease` after its last use.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub async fn open(platform: &Platform, data: &Path, origin: &str, hosts: Arc<[String]>, lease: Duration) -> Result<Self> {
        let data = data.to_owned();
        let open = move || Ok::<_, std::io::Error>((Blobs::open(&data)?, Uploads::open(&data)?));
        let (blobs, uploads) = tokio::task::spawn_blocking(open).await.map_err(std::io::Error::other)??;
        let inner = Inner {
            platform: platform.clone(),
            blobs,
            uploads,
            buffers: Buffers::default(),
            tokens: Tokens::new(&platform.derive_key("registry token")),
            pulls: Pulls::default(),
            origin: origin.to_owned(),
            hosts,
            engines: OnceLock::new(),
            lease,
            orphans: Mutex::default(),
        };
        domain::upkeep::prepare(platform, lease).await?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// From now on the portal's own engines may pull with the grants that they are given. Called once, by the server's `workers.rs`; until
    /// then a grant reaches nothing.
    pub fn serve_engines(&self, worker: Worker) {
        // A second call would bring the same worker.
        let _ = self.inner.engines.set(worker);
    }

    /// Undoes or finishes what a collection was doing when the process was killed. To be called before anything is served.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub async fn recover(&self, worker: &Worker) -> Result<()> {
        upkeep::settle(worker, self, None).await
    }

    /// Works on collections and scrubs, for ever.
    pub async fn tend(self, worker: Worker) {
        upkeep::tend(worker, self).await;
    }

    /// Takes the rows of deleted repositories away, for ever.
    pub async fn clear_deleted(worker: Worker) {
        upkeep::deleted::tend(worker).await;
    }

    /// A blob's file came to its place and no row names it, since something failed after that: it goes again, unless somebody else's push holds it.
    /// Where even that cannot be written now, it is tried again later; what a restart forgets, a collection finds.
    pub(crate) async fn forsake(&self, digest: &Digest) {
        if let Err(error) = store::collect::take_orphan(self.platform(), self.blobs(), digest).await {
            tracing::debug!(%digest, %error, "a blob that could not be noted cannot be put aside yet");
            let mut orphans = self.inner.orphans.lock().unwrap_or_else(PoisonError::into_inner);
            if orphans.len() < ORPHANS {
                orphans.insert(*digest);
            }
        }
    }

    /// Tries again for those that could not go before.
    pub(crate) async fn take_orphans(&self) {
        let orphans = std::mem::take(&mut *self.inner.orphans.lock().unwrap_or_else(PoisonError::into_inner));
        for digest in orphans {
            self.forsake(&digest).await;
        }
    }

    /// Writes what was counted of pulls since the last time. For a loop: every few seconds, and once more at the end.
    ///
    /// # Errors
    /// When the database fails; those counts are lost.
    pub async fn write_pulls(&self, worker: &Worker) -> Result<()> {
        store::write_pulls(worker, &self.inner.pulls.take()).await
    }

    /// Writes what was counted last; called once, when the portal stops.
    pub async fn finish(&self) {
        let Some(worker) = self.inner.engines.get() else { return };
        if let Err(error) = self.write_pulls(worker).await {
            tracing::warn!(%error, "the last counts of pulls could not be written");
        }
    }

    /// Throws away uploads that nobody has gone on with for a day; answers how many. For a loop: every few minutes.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn expire_uploads(&self, worker: &Worker) -> Result<u64> {
        let before = worker.platform().now().minus(UPLOAD_RESTS);
        let uploads = self.inner.uploads.clone();
        let expired = tokio::task::spawn_blocking(move || uploads.expire(before)).await.map_err(std::io::Error::other)??;
        if expired > 0 {
            tracing::info!(expired, "threw away uploads that nobody has gone on with");
        }
        Ok(expired)
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.inner.platform
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    pub(crate) fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.inner.buffers
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    pub(crate) fn pulls(&self) -> &Pulls {
        &self.inner.pulls
    }

    /// How long what nothing needs is kept after its last use.
    pub(crate) fn lease(&self) -> Duration {
        self.inner.lease
    }

    pub(crate) fn origin(&self) -> &str {
        &self.inner.origin
    }

    pub(crate) fn hosts(&self) -> &[String] {
        &self.inner.hosts
    }

    /// Makes a token with the present time and an id of its own.
    pub(crate) fn issue(&self, name: &str, bearer: Bearer, access: Vec<Access>, life: i64) -> Issued {
        let platform = self.platform();
        let id: TokenId = platform.new_id();
        self.tokens().issue(name, bearer, access, platform.now(), life, id.to_string())
    }

    /// The repository, for the bearer of a grant.
    pub(crate) async fn granted(&self, name: &Name) -> Result<Option<Readable>> {
        let Some(worker) = self.inner.engines.get() else { return Ok(None) };
        let key = RepositoryKey { project: &name.project, repository: &name.repository };
        Readable::by_worker(worker, &key).await
    }
}

impl PullGrants for Registry {
    fn pull_grant(&self, project: &ProjectName, repository: &RepositoryPath) -> Secret {
        let access = vec![Access::repository(&format!("{project}/{repository}"), &[Verb::Pull])];
        self.issue("engine", Bearer::Engine, access, GRANT_LIFE).text
    }
}

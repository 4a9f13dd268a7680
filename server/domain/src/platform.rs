//! The platform: the database, the clock, randomness, keys and signals, in one handle that is cheap to clone. It gives nobody a
//! project's rows: reading use cases ask for a permission, writing ones for a [`Change`] besides.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use model::time::Millis;
use tokio::sync::{Notify, Semaphore, broadcast, watch};

use crate::access::{Actor, Changes};
use crate::accounts::CredentialCache;
use crate::accounts::throttle::Throttle;
use crate::change::{Bookkeeping, Change};
use crate::clock::{Clock, MachineClock};
use crate::counters::{Counters, Histogram};
use crate::db::{Db, Tx};
use crate::discovery::Index;
use crate::error::Result;
use crate::hooks::{Rates, Repeats};
use crate::keys::Keys;
use crate::live::{Signal, Topic};
use crate::logs::desk::Desk;
use crate::metrics::work::Problems;
use crate::ports::{Engines, NoEngines, OutsideRegistries, PullGrants};
use crate::shells::Shells;
use crate::shells::recording::Shelf;
use crate::status::Status;
use crate::streams::Streams;

mod sealing;
mod signals;

use signals::Signals;

/// Events that a slow listener may lag behind before it is told that it missed some.
const LIVE_BUFFER: usize = 1024;
/// Password hashes at the same time; each takes 19 MiB and some tens of milliseconds.
const HASHERS: usize = 2;

/// Fills a buffer with randomness.
pub type Entropy = Box<dyn Fn(&mut [u8]) + Send + Sync>;

/// The handle to everything that the domain needs.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    clock: Arc<dyn Clock>,
    counters: Counters,
    entropy: Entropy,
    keys: Keys,
    instance: OnceLock<String>,
    last_id: AtomicU64,
    live: broadcast::Sender<Topic>,
    access: watch::Sender<u64>,
    signals: Signals,
    hashers: Arc<Semaphore>,
    throttle: Throttle,
    robot_throttle: Throttle,
    hook_throttle: Throttle,
    hook_rates: Rates,
    hook_repeats: Repeats,
    credentials: CredentialCache,
    streams: Streams,
    log_desk: Desk,
    metrics: OnceLock<::metrics::Store>,
    scrape_problems: Problems,
    discovery: Index,
    shells: Shells,
    status: Status,
    engines: OnceLock<Arc<dyn Engines>>,
    pulls: OnceLock<Arc<dyn PullGrants>>,
    outside: OnceLock<Arc<dyn OutsideRegistries>>,
    own_paths: OnceLock<Vec<String>>,
    recordings: OnceLock<Arc<Shelf>>,
}

impl Platform {
    /// A platform over an open, migrated database, with the machine's clock and randomness.
    #[must_use]
    pub fn new(db: Db, keys: Keys) -> Self {
        let entropy: Entropy = Box::new(|buffer| getrandom::fill(buffer).expect("the machine gives randomness"));
        Self::with(db, keys, Arc::new(MachineClock), entropy)
    }

    /// A platform with a given clock and randomness.
    #[must_use]
    pub fn with(db: Db, keys: Keys, clock: Arc<dyn Clock>, entropy: Entropy) -> Self {
        let counters = Counters::new(clock.now());
        let inner = Inner {
            db,
            clock,
            counters,
            entropy,
            keys,
            instance: OnceLock::new(),
            last_id: AtomicU64::new(0),
            live: broadcast::channel(LIVE_BUFFER).0,
            access: watch::channel(0).0,
            signals: Signals::default(),
            hashers: Arc::new(Semaphore::new(HASHERS)),
            throttle: Throttle::default(),
            robot_throttle: Throttle::default(),
            hook_throttle: Throttle::default(),
            hook_rates: Rates::default(),
            hook_repeats: Repeats::default(),
            credentials: CredentialCache::default(),
            streams: Streams::default(),
            log_desk: Desk::default(),
            metrics: OnceLock::new(),
            scrape_problems: Problems::default(),
            discovery: Index::default(),
            shells: Shells::default(),
            status: Status::default(),
            engines: OnceLock::new(),
            pulls: OnceLock::new(),
            outside: OnceLock::new(),
            own_paths: OnceLock::new(),
            recordings: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says where the portal keeps its data and its key, so that nobody mounts them. Once.
    pub fn set_own_paths(&self, paths: &[std::path::PathBuf]) {
        // Said again they are the same.
        let _ = self.inner.own_paths.set(paths.iter().map(|path| path.to_string_lossy().into_owned()).collect());
    }

    /// Where the portal keeps its data and its key, if it keeps some.
    pub(crate) fn own_paths(&self) -> &[String] {
        self.inner.own_paths.get().map_or(&[], Vec::as_slice)
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.inner.clock.now()
    }

    /// A new id: a UUID of version 7 whose twelve bits behind the time count within a millisecond (RFC 9562, sections 5.7 and 6.2, method 1), so
    /// that ids sort in the order they were made in, also when the clock moves back.
    #[must_use]
    pub fn new_id<T: From<uuid::Uuid>>(&self) -> T {
        let now = u64::try_from(self.now().0).unwrap_or(0) << 12;
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.inner.last_id.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).expect("the next one is always there");
        let stamp = now.max(last + 1);
        let mut bytes = self.random_bytes::<10>();
        bytes[..2].copy_from_slice(&((stamp & 0xfff) as u16).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(stamp >> 12, &bytes).into_uuid().into()
    }

    /// Random bytes, fit for secrets.
    #[must_use]
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.inner.entropy)(&mut bytes);
        bytes
    }

    /// A new random token of 160 bits behind a prefix that says what it is, in characters that no shell or URL minds.
    #[must_use]
    pub fn new_token(&self, prefix: &str) -> String {
        format!("{prefix}{}", crate::keys::hex(&self.random_bytes::<20>()))
    }

    /// Plugs in the engines and the registry's pull grants, once, before anything asks for them.
    pub fn plug(&self, engines: Arc<dyn Engines>, pulls: Arc<dyn PullGrants>) {
        let _ = self.inner.engines.set(engines);
        let _ = self.inner.pulls.set(pulls);
    }

    /// What must be asked of engines live; where none is plugged in, every answer is that they are away.
    #[must_use]
    pub fn engines(&self) -> Arc<dyn Engines> {
        self.inner.engines.get().cloned().unwrap_or_else(|| Arc::new(NoEngines))
    }

    /// Who lets engines pull from the embedded registry; none where there is no registry in this process.
    #[must_use]
    pub fn pull_grants(&self) -> Option<Arc<dyn PullGrants>> {
        self.inner.pulls.get().cloned()
    }

    /// Plugs in what speaks with outside registries, once, before anything asks for it.
    pub fn plug_outside(&self, outside: Arc<dyn OutsideRegistries>) {
        let _ = self.inner.outside.set(outside);
    }

    /// Who speaks with outside registries; none where nothing of the kind is in this process.
    #[must_use]
    pub fn outside(&self) -> Option<Arc<dyn OutsideRegistries>> {
        self.inner.outside.get().cloned()
    }

    /// Plugs in the store of kept logs, once, before anything reads or collects.
    pub fn plug_logs(&self, store: ::logs::Store) {
        self.inner.log_desk.plug(store);
    }

    /// The kept logs; none where none are kept in this process.
    #[must_use]
    pub fn logs(&self) -> Option<::logs::Store> {
        self.inner.log_desk.store()
    }

    /// Why lines are not collected at the moment, in words for whoever reads logs; none while they are.
    #[must_use]
    pub fn logs_problem(&self) -> Option<String> {
        self.inner.log_desk.problem()
    }

    /// Says whether lines are collected: none, or why not.
    pub fn set_logs_problem(&self, problem: Option<String>) {
        self.inner.log_desk.set_problem(problem);
    }

    /// Plugs in the store of samples, once, before anything reads or collects.
    pub fn plug_metrics(&self, store: ::metrics::Store) {
        let _ = self.inner.metrics.set(store);
    }

    /// The kept samples; none where none are kept in this process.
    #[must_use]
    pub fn metrics(&self) -> Option<::metrics::Store> {
        self.inner.metrics.get().cloned()
    }

    /// Why applications did not tell their own figures.
    pub(crate) fn scrape_problems(&self) -> &Problems {
        &self.inner.scrape_problems
    }

    /// Where services are at the moment.
    pub(crate) fn discovery(&self) -> &Index {
        &self.inner.discovery
    }

    pub(crate) fn log_desk(&self) -> &Desk {
        &self.inner.log_desk
    }

    /// Says in which folder recordings of shells are kept, once, before anything asks for it. It need not be there yet.
    pub fn plug_recordings(&self, folder: std::path::PathBuf) {
        let _ = self.inner.recordings.set(Arc::new(Shelf::new(folder)));
    }

    /// The recordings of shells.
    ///
    /// # Errors
    /// `Unavailable` where this process keeps none.
    pub(crate) fn recordings(&self) -> Result<Arc<Shelf>> {
        let shelf = self.inner.recordings.get().cloned();
        shelf.ok_or_else(|| crate::Error::Unavailable("this process keeps no recordings".into()))
    }

    /// A transaction for reading.
    pub async fn read(&self) -> Result<Tx> {
        waited(&self.inner.counters.read_waits, self.inner.db.read()).await
    }

    /// A change on behalf of a caller.
    pub async fn change(&self, actor: &Actor) -> Result<Change> {
        Ok(Change::new(self.clone(), self.write().await?, actor.clone()))
    }

    /// A write that is no change to anybody's eyes (a time of last use, an upload's progress). Everything else is a [`Change`].
    pub async fn bookkeeping(&self) -> Result<Bookkeeping> {
        Ok(Bookkeeping::new(self.clone(), self.write().await?))
    }

    async fn write(&self) -> Result<Tx> {
        waited(&self.inner.counters.write_waits, self.inner.db.write()).await
    }

    pub(crate) async fn relaxed(&self) -> Result<Bookkeeping> {
        Ok(Bookkeeping::new(self.clone(), waited(&self.inner.counters.write_waits, self.inner.db.write_relaxed()).await?))
    }

    /// This portal's id, borne by everything that it makes on an engine (`dev.slipway.instance`).
    ///
    /// # Panics
    /// Before [`crate::site::prepare`] has read it.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.inner.instance.get().expect("the site is prepared before anything asks for its instance")
    }

    pub(crate) fn set_instance(&self, instance: String) {
        // Set twice only by a second `prepare`, with the same value.
        let _ = self.inner.instance.set(instance);
    }

    /// Listens to what changes from now on.
    #[must_use]
    pub fn live(&self) -> broadcast::Receiver<Topic> {
        self.inner.live.subscribe()
    }

    /// Listens to changes of anybody's access from now on.
    #[must_use]
    pub fn access_changes(&self) -> Changes {
        Changes::new(self.inner.access.subscribe())
    }

    /// What a loop awaits between its timer's ticks.
    #[must_use]
    pub fn signal(&self, signal: Signal) -> &Notify {
        self.inner.signals.of(signal)
    }

    pub(crate) fn publish(&self, topic: Topic) {
        // Nobody listening is no error.
        let _ = self.inner.live.send(topic);
    }

    /// How often anybody's access has changed since the start, as far as this process was told.
    pub(crate) fn access_count(&self) -> u64 {
        *self.inner.access.borrow()
    }

    pub(crate) fn publish_access_change(&self) {
        self.inner.access.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn hashers(&self) -> Arc<Semaphore> {
        Arc::clone(&self.inner.hashers)
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.inner.throttle
    }

    /// Counts wrong secrets of robots, apart from wrong passwords: a CI that goes on with an old secret locks nobody out.
    pub(crate) fn robot_throttle(&self) -> &Throttle {
        &self.inner.robot_throttle
    }

    /// Counts wrong proofs of deliveries, and those to hooks that are not there.
    pub(crate) fn hook_throttle(&self) -> &Throttle {
        &self.inner.hook_throttle
    }

    /// How often each hook takes what is new.
    pub(crate) fn hook_rates(&self) -> &Rates {
        &self.inner.hook_rates
    }

    /// Deliveries that came more than once, with their answers.
    pub(crate) fn hook_repeats(&self) -> &Repeats {
        &self.inner.hook_repeats
    }

    pub(crate) fn credentials(&self) -> &CredentialCache {
        &self.inner.credentials
    }

    /// What this process counts of its own work.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.inner.streams
    }

    /// The shells that are open in this process.
    #[must_use]
    pub fn shells(&self) -> &Shells {
        &self.inner.shells
    }

    /// What the public status page shows.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.inner.status
    }

    /// Closes the database after what runs on it has ended.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }
}

/// Notes how long it took until a transaction could begin.
async fn waited(waits: &Histogram, begin: impl Future<Output = Result<Tx>>) -> Result<Tx> {
    let began = Instant::now();
    let begun = begin.await;
    waits.observe(began.elapsed());
    begun
}

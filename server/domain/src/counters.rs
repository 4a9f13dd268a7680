//! What this process counts of its own work, for `/metrics`: numbers in memory that begin at zero with the process. Counting is adding to an atomic
//! number, so that it costs next to nothing where it is done; who may read them is asked elsewhere.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::time::Millis;
use model::views::deployments::DeploymentState;

/// How often something happened, or how much of it there was.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// So much more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// So much so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are at the moment.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// One of those that a [`Gauge`] counts; dropped, it is one fewer.
#[must_use = "what is dropped at once is not counted"]
pub struct Entered<'a>(&'a Gauge);

impl Gauge {
    /// One more, until what is returned is dropped.
    pub fn enter(&self) -> Entered<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self)
    }

    /// So many now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long something took, in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    /// Of each bucket those that are in no smaller one; the last bucket has no bound.
    buckets: Box<[AtomicU64]>,
    micros: AtomicU64,
}

/// What a [`Histogram`] holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Each bound in seconds, and how many took no longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// Seconds of all together.
    pub sum: f64,
}

impl Histogram {
    /// One with these bounds, the smallest first.
    #[must_use]
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self { bounds, buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), micros: AtomicU64::new(0) }
    }

    /// One more, which took so long.
    pub fn observe(&self, took: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < took);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was measured so far. The count is that of the buckets, also while others measure.
    #[must_use]
    pub fn read(&self) -> Measured {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for (bound, bucket) in self.bounds.iter().zip(self.buckets.iter()) {
            count += bucket.load(Ordering::Relaxed);
            buckets.push((bound.as_secs_f64(), count));
        }
        count += self.buckets[self.bounds.len()].load(Ordering::Relaxed);
        Measured { buckets, count, sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64() }
    }
}

/// What is known of a loop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoopRuns {
    /// How often it did its work.
    pub runs: u64,
    /// How often it could not.
    pub failures: u64,
    /// How long all of it took.
    pub took: Duration,
    /// When it last came to an end; none: never yet.
    pub ended: Option<Millis>,
    /// When it last came to a good one.
    pub succeeded: Option<Millis>,
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Waits for a connection to the database.
const WAITS: &[Duration] = &[Duration::from_micros(100), millis(1), millis(5), millis(25), millis(100), millis(500), millis(2_500), millis(10_000)];
/// Deployments, from seconds to an hour.
const DEPLOYMENTS: &[Duration] = &[
    millis(1_000),
    millis(5_000),
    millis(15_000),
    millis(30_000),
    millis(60_000),
    millis(180_000),
    millis(600_000),
    millis(1_800_000),
    millis(3_600_000),
];

/// What this process counts.
#[derive(Debug)]
pub struct Counters {
    /// When it began.
    pub started: Millis,
    /// Manifests that were pushed.
    pub pushes: Counter,
    /// Manifests that were pulled.
    pub pulls: Counter,
    /// Bytes of blobs that came.
    pub blob_bytes_received: Counter,
    /// Bytes of blobs that were asked for, and found.
    pub blob_bytes_sent: Counter,
    /// Requests that bring bytes of blobs, at the moment.
    pub uploads: Gauge,
    /// Runs of the registry's upkeep that came to an end.
    pub upkeep_runs: Counter,
    /// Those of them that failed.
    pub upkeep_failures: Counter,
    /// Bytes of tasks' logs that were collected.
    pub log_bytes: Counter,
    /// Waits for a transaction that reads.
    pub read_waits: Histogram,
    /// Waits for one that writes.
    pub write_waits: Histogram,
    /// How long deployments took that came to an end by themselves.
    pub deployments_took: Histogram,
    deployments: [Counter; DeploymentState::ALL.len()],
    loops: Mutex<BTreeMap<&'static str, LoopRuns>>,
}

impl Counters {
    pub(crate) fn new(started: Millis) -> Self {
        Self {
            started,
            pushes: Counter::default(),
            pulls: Counter::default(),
            blob_bytes_received: Counter::default(),
            blob_bytes_sent: Counter::default(),
            uploads: Gauge::default(),
            upkeep_runs: Counter::default(),
            upkeep_failures: Counter::default(),
            log_bytes: Counter::default(),
            read_waits: Histogram::new(WAITS),
            write_waits: Histogram::new(WAITS),
            deployments_took: Histogram::new(DEPLOYMENTS),
            deployments: std::array::from_fn(|_| Counter::default()),
            loops: Mutex::default(),
        }
    }

    /// So many deployments came to this end.
    pub(crate) fn deployments_ended(&self, state: DeploymentState, many: u64) {
        if let Some(at) = DeploymentState::ALL.iter().position(|known| *known == state) {
            self.deployments[at].add(many);
        }
    }

    /// How many deployments came to which end.
    pub fn deployments(&self) -> impl Iterator<Item = (DeploymentState, u64)> {
        let counted = DeploymentState::ALL.iter().copied().zip(self.deployments.iter().map(Counter::get));
        counted.filter(|(state, _)| state.is_final())
    }

    /// A loop did its work, or could not.
    pub(crate) fn ran(&self, name: &'static str, took: Duration, at: Millis, fine: bool) {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = loops.entry(name).or_default();
        runs.runs += 1;
        runs.failures += u64::from(!fine);
        runs.took += took;
        runs.ended = Some(at);
        if fine {
            runs.succeeded = Some(at);
        }
    }

    /// Every loop that did its work at least once.
    #[must_use]
    pub fn loops(&self) -> Vec<(&'static str, LoopRuns)> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(name, runs)| (*name, *runs)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_just_as_long_as_a_bound_is_in_its_bucket() {
        const BOUNDS: &[Duration] = &[millis(10), millis(100)];
        let histogram = Histogram::new(BOUNDS);
        for took in [0, 10, 11, 100, 5_000] {
            histogram.observe(millis(took));
        }
        let found = histogram.read();
        assert_eq!(found.buckets, [(0.01, 2), (0.1, 4)], "each bucket holds those before it");
        assert_eq!((found.count, found.sum), (5, 5.121));
    }

    #[test]
    fn who_left_is_not_counted_any_more() {
        let gauge = Gauge::default();
        let (one, two) = (gauge.enter(), gauge.enter());
        assert_eq!(gauge.get(), 2);
        drop(one);
        assert_eq!(gauge.get(), 1);
        drop(two);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_loop_that_failed_keeps_the_time_of_its_last_success() {
        let counters = Counters::new(Millis(1));
        counters.ran("sweep", millis(20), Millis(1_000), true);
        counters.ran("sweep", millis(30), Millis(2_000), false);
        let runs = LoopRuns { runs: 2, failures: 1, took: millis(50), ended: Some(Millis(2_000)), succeeded: Some(Millis(1_000)) };
        assert_eq!(counters.loops(), [("sweep", runs)]);
    }
}

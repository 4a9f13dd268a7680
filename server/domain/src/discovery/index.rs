//! What is known of where services are, in memory. A snapshot never changes: whoever reads one is never in the way of the next.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::ids::{EnvironmentId, ProjectId, ServiceId};
use model::time::Millis;
use model::views::discovery::DiscoveredService;
use tokio::sync::watch;

use super::{Filter, Found};
use crate::watch::WAIT_MAX;

/// A service in an environment. Ids sort by age.
pub(super) type Key = (ServiceId, EnvironmentId);

/// What was read of one.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub project: ProjectId,
    pub service: Arc<DiscoveredService>,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When anything last changed; zero: nothing was looked at yet.
    index: u64,
    /// When everything was first read.
    since: u64,
    entries: BTreeMap<Key, Entry>,
    /// When something of a project last changed, or went.
    changed: HashMap<ProjectId, u64>,
}

impl Snapshot {
    pub(super) fn is_known(&self) -> bool {
        self.index > 0
    }

    /// What of these projects is asked for.
    pub(super) fn find(&self, projects: &HashSet<ProjectId>, filter: &Filter) -> Found {
        let own = self.entries.iter().filter(|(_, entry)| projects.contains(&entry.project) && filter.meets(&entry.service));
        let (ids, services): (Vec<ServiceId>, Vec<Arc<DiscoveredService>>) = own.map(|(key, entry)| (key.0, Arc::clone(&entry.service))).unzip();
        let latest = || projects.iter().filter_map(|project| self.changed.get(project)).max().copied().unwrap_or(0).max(self.since);
        let index = match services.as_slice() {
            // What else changes in its project is nothing to who asks for one.
            [one] if filter.is_exact() => one.index,
            _ => latest(),
        };
        Found { index, services, ids }
    }

    /// What differs when this was found of some services, or of all. None: nothing.
    fn with(&self, now: Millis, of: Option<&BTreeSet<ServiceId>>, found: BTreeMap<Key, Entry>) -> Option<Self> {
        // Larger than before, also when the clock goes back; and than those of the process before, of which nobody here knows.
        let index = u64::try_from(now.0).unwrap_or(0).max(self.index + 1);
        let concerned = |key: &Key| of.is_none_or(|services| services.contains(&key.0));
        let mut next = self.clone();
        let mut touched = BTreeSet::new();
        for (key, entry) in self.entries.iter().filter(|&(key, _)| concerned(key) && !found.contains_key(key)) {
            next.entries.remove(key);
            touched.insert(entry.project);
        }
        for (key, entry) in found {
            match self.entries.get(&key) {
                Some(before) if before.project == entry.project && before.service.same_as(&entry.service) => {}
                _ => {
                    touched.insert(entry.project);
                    let service = Arc::new(DiscoveredService { index, ..Arc::unwrap_or_clone(entry.service) });
                    next.entries.insert(key, Entry { project: entry.project, service });
                }
            }
        }
        if touched.is_empty() && self.is_known() {
            return None;
        }
        if !self.is_known() {
            next.since = index;
        }
        next.index = index;
        next.changed.extend(touched.into_iter().map(|project| (project, index)));
        Some(next)
    }
}

/// Longer than a reader waits at most: one that was not here for so long reads no more.
const FOLLOWED: Duration = Duration::from_secs(WAIT_MAX.as_secs() + 60);

/// The latest snapshot, who waits for the next, and what was read last when.
#[derive(Debug)]
pub struct Index {
    latest: watch::Sender<Arc<Snapshot>>,
    read: Mutex<HashMap<ServiceId, Millis>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { latest: watch::channel(Arc::default()).0, read: Mutex::default() }
    }
}

impl Index {
    /// Notes that requests are sent to where these services were said to be.
    pub(super) fn note(&self, now: Millis, services: &[ServiceId]) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|_, at| now.since(*at) < FOLLOWED);
        read.extend(services.iter().map(|service| (*service, now)));
    }

    /// Whether requests are sent to where this service is said to be.
    pub(super) fn is_followed(&self, now: Millis, service: ServiceId) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(&service).is_some_and(|at| now.since(*at) < FOLLOWED)
    }

    /// The latest, and each one after it.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.latest.subscribe()
    }

    /// Takes in what was found of some services, or of all. Whether something is different.
    pub(super) fn put(&self, now: Millis, of: Option<&BTreeSet<ServiceId>>, found: BTreeMap<Key, Entry>) -> bool {
        let next = self.latest.borrow().with(now, of, found);
        match next {
            Some(next) => {
                self.latest.send_replace(Arc::new(next));
                true
            }
            None => false,
        }
    }
}

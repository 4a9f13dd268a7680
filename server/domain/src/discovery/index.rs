//! What is known of where services are, in memory. A snapshot never changes: whoever reads one is never in the way of the next.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::ids::{EnvironmentId, ProjectId, ServiceId, UserId};
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

    /// What of these projects is asked for, by somebody who sees just these since the change of this number.
    pub(super) fn find(&self, projects: &HashSet<ProjectId>, seen_since: u64, filter: &Filter) -> Found {
        let own = self.entries.iter().filter(|(_, entry)| projects.contains(&entry.project) && filter.meets(&entry.service));
        let (ids, services): (Vec<ServiceId>, Vec<Arc<DiscoveredService>>) = own.map(|(key, entry)| (key.0, Arc::clone(&entry.service))).unzip();
        let latest = || projects.iter().filter_map(|project| self.changed.get(project)).max().copied().unwrap_or(0).max(self.since);
        let index = match services.as_slice() {
            // What else changes in its project is nothing to who asks for one.
            [one] if filter.is_exact() => one.index,
            _ => latest(),
        };
        Found { index: index.max(seen_since), services, ids }
    }

    /// What differs when this was found of some services, or of all; a change would have this number. None: nothing.
    fn with(&self, index: u64, of: Option<&BTreeSet<ServiceId>>, found: &BTreeMap<Key, Entry>) -> Option<Self> {
        let concerned = |key: &Key| of.is_none_or(|services| services.contains(&key.0));
        let mut next = self.clone();
        let mut touched = BTreeSet::new();
        for (key, entry) in self.entries.iter().filter(|&(key, _)| concerned(key) && !found.contains_key(key)) {
            next.entries.remove(key);
            touched.insert(entry.project);
        }
        for (key, entry) in found {
            match self.entries.get(key) {
                Some(before) if before.project == entry.project && before.service.same_as(&entry.service) => {}
                _ => {
                    touched.insert(entry.project);
                    let service = Arc::new(DiscoveredService { index, ..DiscoveredService::clone(&entry.service) });
                    next.entries.insert(*key, Entry { project: entry.project, service });
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

/// For how long it is known of an account that reads no more which projects it saw.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// The numbers that were given out, to changes of services and to changes of which projects somebody sees.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    /// Given out when an account was forgotten: larger than every number that it was told.
    forgotten: u64,
    seen: HashMap<UserId, Seen>,
}

/// Which projects an account sees.
#[derive(Debug)]
struct Seen {
    projects: HashSet<ProjectId>,
    since: u64,
    at: Millis,
}

impl Numbers {
    /// Larger than before, also when the clock goes back; and than those of the process before, of which nobody here knows.
    fn next(&self, now: Millis) -> u64 {
        u64::try_from(now.0).unwrap_or(0).max(self.last + 1)
    }

    fn take(&mut self, now: Millis) -> u64 {
        self.last = self.next(now);
        self.last
    }

    /// Since which change an account sees just these projects.
    fn seen(&mut self, now: Millis, account: UserId, projects: &HashSet<ProjectId>) -> u64 {
        if let Some(known) = self.seen.get_mut(&account)
            && known.projects == *projects
        {
            known.at = now;
            return known.since;
        }
        let since = if self.seen.contains_key(&account) { self.take(now) } else { self.room(now) };
        self.seen.insert(account, Seen { projects: projects.clone(), since, at: now });
        since
    }

    /// Forgets accounts that read no more. What a new one begins with.
    fn room(&mut self, now: Millis) -> u64 {
        let before = self.seen.len();
        self.seen.retain(|_, known| now.since(known.at) < REMEMBERED);
        if self.seen.len() < before {
            self.forgotten = self.take(now);
        }
        self.forgotten
    }
}

/// The latest snapshot, who waits for the next, and what was read last when.
#[derive(Debug)]
pub struct Index {
    latest: watch::Sender<Arc<Snapshot>>,
    numbers: Mutex<Numbers>,
    read: Mutex<HashMap<ServiceId, Millis>>,
}

impl Default for Index {
    fn default() -> Self {
        Self { latest: watch::channel(Arc::default()).0, numbers: Mutex::default(), read: Mutex::default() }
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

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since which change an account sees just these projects: those that it is given or loses are a change to it. Every change of a smaller number is
    /// in the snapshots that are taken after this.
    pub(super) fn seen(&self, now: Millis, account: UserId, projects: &HashSet<ProjectId>) -> u64 {
        self.numbers().seen(now, account, projects)
    }

    /// The change since which an account sees other projects than it did since that one, where another reader of its found that out.
    pub(super) fn seen_otherwise(&self, account: UserId, since: u64) -> Option<u64> {
        self.numbers().seen.get(&account).map(|known| known.since).filter(|newer| *newer > since)
    }

    /// Takes in what was found of some services, or of all. Whether something is different.
    pub(super) fn put(&self, now: Millis, of: Option<&BTreeSet<ServiceId>>, found: &BTreeMap<Key, Entry>) -> bool {
        loop {
            let index = self.numbers().next(now);
            let Some(next) = self.latest.borrow().with(index, of, found) else { return false };
            let mut numbers = self.numbers();
            // A reader took a number meanwhile, and must not find a smaller one later.
            if numbers.last < index {
                numbers.last = index;
                self.latest.send_replace(Arc::new(next));
                return true;
            }
        }
    }
}

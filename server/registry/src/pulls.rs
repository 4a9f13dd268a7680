//! Pulls, counted in memory: a pull writes nothing, a loop writes what was counted now and then. What was counted and not written is lost
//! with a crash, and only that: it is a count.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::digest::Digest;
use model::ids::RepositoryId;
use model::time::Millis;

/// Different manifests that are counted between two writes at most; beyond it only the known ones are.
const MOST: usize = 100_000;

/// Pulls of one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The repository.
    pub repository: RepositoryId,
    /// The manifest.
    pub digest: Digest,
    /// How often.
    pub times: i64,
    /// When, the last time.
    pub last: Millis,
}

/// The counts since the last write.
#[derive(Default)]
pub struct Pulls(Mutex<HashMap<(RepositoryId, Digest), (i64, Millis)>>);

impl Pulls {
    fn counts(&self) -> MutexGuard<'_, HashMap<(RepositoryId, Digest), (i64, Millis)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one pull.
    pub fn count(&self, repository: RepositoryId, digest: Digest, now: Millis) {
        let mut counts = self.counts();
        if counts.len() >= MOST && !counts.contains_key(&(repository, digest)) {
            return;
        }
        let (times, last) = counts.entry((repository, digest)).or_insert((0, now));
        *times += 1;
        *last = now;
    }

    /// Takes what was counted.
    pub fn take(&self) -> Vec<Counted> {
        let counts = std::mem::take(&mut *self.counts());
        let each = counts.into_iter().map(|((repository, digest), (times, last))| Counted { repository, digest, times, last });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_gathered_and_taken_once() {
        let pulls = Pulls::default();
        let repository: RepositoryId = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id");
        let digest = Digest::Sha256([1; 32]);
        pulls.count(repository, digest, Millis(1));
        pulls.count(repository, digest, Millis(2));
        assert_eq!(pulls.take(), [Counted { repository, digest, times: 2, last: Millis(2) }]);
        assert!(pulls.take().is_empty());
    }
}

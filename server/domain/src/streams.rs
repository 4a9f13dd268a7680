//! How many long streams an account holds open in this process. Each costs memory, connections and an engine's attention for as long as it lasts,
//! so nobody gets more of them than a person with many windows needs. Counts, and nothing else: who may open one is asked elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::ids::UserId;

use crate::access::Actor;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// Sorts of long streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A terminal in a task.
    Shell,
    /// A reader of logs.
    Logs,
    /// A search through kept logs.
    Search,
    /// A file on its way out of a task.
    Download,
    /// A recording of a shell on its way to whoever watches it.
    Recording,
    /// A browser that hears of changes.
    Live,
    /// A question about a task that its engine must answer.
    Question,
    /// A proxy that waits for changes of where services are.
    Discovery,
}

impl Kind {
    /// How many of them one account may have at the same time.
    #[must_use]
    pub const fn most(self) -> u32 {
        match self {
            Self::Shell => 32,
            Self::Logs => 128,
            Self::Search => 8,
            Self::Download | Self::Recording => 8,
            Self::Live | Self::Discovery => 256,
            Self::Question => 4,
        }
    }

    /// The word in figures.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Logs => "logs",
            Self::Search => "search",
            Self::Download => "download",
            Self::Recording => "recording",
            Self::Live => "live",
            Self::Question => "question",
            Self::Discovery => "discovery",
        }
    }

    /// Every sort.
    pub const ALL: [Self; 8] = [Self::Shell, Self::Logs, Self::Search, Self::Download, Self::Recording, Self::Live, Self::Question, Self::Discovery];

    /// What the refused caller reads: what there is too much of, and what to do.
    fn refusal(self) -> String {
        let most = self.most();
        match self {
            Self::Shell => format!("your account has {most} shells open, which is the most; end one of them first"),
            Self::Logs => format!("your account reads {most} logs at the same time, which is the most; close one of them first"),
            Self::Search => {
                format!("your account searches {most} logs at the same time, which is the most; stop one of these searches, or wait for its end")
            }
            Self::Download => format!("your account downloads {most} files at the same time, which is the most; wait until one of them is there"),
            Self::Recording => {
                format!("your account reads {most} recordings of shells at the same time, which is the most; wait until one of them is there")
            }
            Self::Live => format!("your account has {most} browsers listening for changes, which is the most; close some of their windows first"),
            Self::Question => {
                format!("your account asks engines {most} questions about tasks at the same time, which is the most; try again when one is answered")
            }
            Self::Discovery => {
                format!("your account waits {most} times at the same time for services to change, which is the most; close some of these first")
            }
        }
    }
}

type Counts = HashMap<(UserId, Kind), u32>;

/// The streams that are open.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<Counts>>);

impl Streams {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one open stream; dropped, it is free again.
#[must_use = "a slot that is dropped is free again"]
pub struct Slot {
    streams: Streams,
    key: (UserId, Kind),
}

/// Takes a slot for the caller's account, whatever it came with: sessions, tokens and passwords of one account count together.
///
/// # Errors
/// `TooManyOpen` when the account has its most.
pub fn open(platform: &Platform, actor: &Actor, kind: Kind) -> Result<Slot> {
    let key = (actor.account()?.id, kind);
    let streams = platform.streams().clone();
    {
        let mut counts = streams.counts();
        let count = counts.entry(key).or_default();
        if *count >= kind.most() {
            return Err(Error::TooManyOpen(kind.refusal()));
        }
        *count += 1;
    }
    Ok(Slot { streams, key })
}

/// How many of each sort are open, of all accounts together.
pub(crate) fn totals(platform: &Platform) -> Vec<(Kind, u64)> {
    let counts = platform.streams().counts();
    let of = |kind: Kind| counts.iter().filter(|((_, known), _)| *known == kind).map(|(_, count)| u64::from(*count)).sum::<u64>();
    Kind::ALL.into_iter().map(|kind| (kind, of(kind))).collect()
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.streams.counts();
        if let Some(count) = counts.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Store;

    #[tokio::test]
    async fn an_account_has_so_many_streams_and_no_more() {
        let store = Store::open().await;
        let (ana, bob) = (store.person("ana", false).await, store.person("bob", false).await);
        let mut held: Vec<Slot> = (0..Kind::Shell.most()).map(|_| open(&store.platform, &ana, Kind::Shell).expect("room")).collect();
        let refused = open(&store.platform, &ana, Kind::Shell).map(drop).expect_err("full");
        let problem = refused.problem();
        assert_eq!((problem.kind.status(), problem.code.as_str()), (429, "too_many_open"));
        assert!(problem.detail.contains("32 shells") && problem.detail.contains("end one"), "{}", problem.detail);
        held.push(open(&store.platform, &bob, Kind::Shell).expect("others have their own"));
        held.push(open(&store.platform, &ana, Kind::Live).expect("each sort has its own"));
        held.extend((0..Kind::Question.most()).map(|_| open(&store.platform, &ana, Kind::Question).expect("room")));
        let refused = open(&store.platform, &ana, Kind::Question).map(drop).expect_err("full").problem();
        assert!(refused.detail.contains("4 questions") && refused.detail.contains("try again"), "{}", refused.detail);
        drop(held);
        let again = open(&store.platform, &ana, Kind::Shell).expect("free again");
        drop(again);
        assert!(store.platform.streams().counts().is_empty(), "nothing is kept of streams that ended");
        assert!(open(&store.platform, &Actor::nobody("x"), Kind::Live).is_err());
    }
}

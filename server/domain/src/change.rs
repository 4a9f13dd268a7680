//! Writing. A caller's change ends in [`Change::commit`], which takes the audit record: there is no way to keep a change without one.
//! What pages and loops must hear is sent after the commit.

use std::ops::{Deref, DerefMut};

use model::ids::ProjectId;
use serde_json::Value as Detail;

use crate::access::Actor;
use crate::audit;
use crate::db::Tx;
use crate::error::Result;
use crate::live::{Signal, Topic};
use crate::notices::{self, Telling};
use crate::platform::Platform;

/// What is told to the rest of the process after the commit.
#[derive(Default)]
struct News {
    topics: Vec<Topic>,
    signals: Vec<Signal>,
    access: bool,
    tellings: Vec<Telling>,
}

impl News {
    /// Writes the notices: the last thing before the commit, and part of it.
    async fn write(&mut self, tx: &mut Tx, platform: &Platform) -> Result<()> {
        let topics = notices::write(tx, platform, &self.tellings).await?;
        if !topics.is_empty() {
            self.signals.push(Signal::Notices);
            self.topics.extend(topics);
        }
        Ok(())
    }

    fn send(self, platform: &Platform) {
        for signal in self.signals {
            platform.signal(signal).notify_one();
        }
        for topic in self.topics {
            platform.publish(topic);
        }
        if self.access {
            platform.publish_access_change();
        }
    }
}

/// The record of one change, for the audit log.
#[derive(Clone, Debug)]
pub struct Record {
    pub(crate) action: &'static str,
    pub(crate) target_kind: &'static str,
    pub(crate) target: String,
    pub(crate) project: Option<(ProjectId, String)>,
    pub(crate) detail: Detail,
}

impl Record {
    /// What was done (`project.create`) to what sort of thing (`project`), called what.
    pub fn new(action: &'static str, target_kind: &'static str, target: impl ToString) -> Self {
        Self { action, target_kind, target: target.to_string(), project: None, detail: Detail::Null }
    }

    /// The project that it belongs to.
    #[must_use]
    pub fn project(mut self, project: &crate::projects::Project) -> Self {
        self.project = Some((project.id, project.name.to_string()));
        self
    }

    /// What changed. Never a secret.
    #[must_use]
    pub fn detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }
}

/// A writing transaction on behalf of a caller. Dropped without a commit it is undone.
#[must_use = "a change that is not committed is undone"]
pub struct Change {
    platform: Platform,
    tx: Tx,
    actor: Actor,
    news: News,
}

impl Change {
    pub(crate) fn new(platform: Platform, tx: Tx, actor: Actor) -> Self {
        Self { platform, tx, actor, news: News::default() }
    }

    /// Pages that watch this read it anew after the commit.
    pub fn touch(&mut self, topic: Topic) {
        self.news.topics.push(topic);
    }

    /// Wakes a loop after the commit.
    pub fn wake(&mut self, signal: Signal) {
        self.news.signals.push(signal);
    }

    /// After the commit every lease is checked again, and no delivery is remembered: somebody's access changed.
    pub fn access_changed(&mut self) {
        self.news.access = true;
    }

    /// Tells those outside who are to hear of it. The notices are written with the change, or not at all.
    pub(crate) fn tell(&mut self, tellings: impl IntoIterator<Item = Telling>) {
        self.news.tellings.extend(tellings);
    }

    /// Leaves a further record, where one change does more than one thing.
    pub async fn also(&mut self, record: &Record) -> Result<()> {
        audit::write(&mut self.tx, &self.platform, &self.actor, record).await
    }

    /// Keeps the change and its record, and tells who must hear of it.
    pub async fn commit(mut self, record: Record) -> Result<()> {
        audit::write(&mut self.tx, &self.platform, &self.actor, &record).await?;
        self.news.write(&mut self.tx, &self.platform).await?;
        self.tx.commit().await?;
        self.news.send(&self.platform);
        Ok(())
    }
}

impl Deref for Change {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}

/// A write that needs no record: bookkeeping, and what loops observe. What a loop takes away by a rule that people set, it records.
#[must_use = "bookkeeping that is not finished is undone"]
pub struct Bookkeeping {
    platform: Platform,
    tx: Tx,
    news: News,
}

impl Bookkeeping {
    pub(crate) fn new(platform: Platform, tx: Tx) -> Self {
        Self { platform, tx, news: News::default() }
    }

    /// Pages that watch this read it anew after the commit.
    pub fn touch(&mut self, topic: Topic) {
        self.news.topics.push(topic);
    }

    /// Wakes a loop after the commit.
    pub fn wake(&mut self, signal: Signal) {
        self.news.signals.push(signal);
    }

    /// Tells those outside who are to hear of it. The notices are written with what happened, or not at all.
    pub(crate) fn tell(&mut self, tellings: impl IntoIterator<Item = Telling>) {
        self.news.tellings.extend(tellings);
    }

    /// Leaves a record in the name of a rule by which a loop acts.
    pub async fn record(&mut self, worker: &crate::Worker, rule: &str, record: &Record) -> Result<()> {
        audit::write_by_rule(&mut self.tx, worker, rule, record).await
    }

    /// Keeps what was written.
    pub async fn finish(mut self) -> Result<()> {
        self.news.write(&mut self.tx, &self.platform).await?;
        self.tx.commit().await?;
        self.news.send(&self.platform);
        Ok(())
    }
}

impl Deref for Bookkeeping {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl DerefMut for Bookkeeping {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}

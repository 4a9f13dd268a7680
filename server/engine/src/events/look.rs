//! A look at all containers of a machine, for what nobody heard.

use std::collections::{BTreeMap, BTreeSet};

use domain::events::work::{self, Happened, Known};
use futures::StreamExt;
use model::views::events::EventKind;
use tokio::time::Instant;

use super::lives::by_signal;
use super::missed::{self, Missed, There};
use super::{AGAIN, ASKED, SETTLE, Scribe};
use crate::docker::{ContainerSeen, ContainerState, LABEL_INSTANCE};
use crate::ours;
use crate::trouble::Trouble;

impl Scribe {
    /// Compares what is there with what is recorded, once all that was told is written down.
    pub(super) async fn compare(&mut self) {
        if !self.told.is_empty() {
            self.due = Some(Instant::now() + AGAIN);
            return;
        }
        self.due = None;
        let whole = std::mem::take(&mut self.whole);
        match self.look(whole).await {
            Ok(found) => self.tell_silence(found).await,
            // Whoever listens to that engine tells what is wrong with it.
            Err(Trouble::Away(_) | Trouble::Reason(_)) => self.later(whole),
            Err(Trouble::Store(error)) => {
                tracing::warn!(machine = %self.machine.name, %error, "what is recorded of containers could not be read; it is tried again");
                self.later(whole);
            }
        }
    }

    fn later(&mut self, whole: bool) {
        self.whole |= whole;
        self.due = Some(Instant::now() + SETTLE);
    }

    /// How much was missed.
    async fn look(&mut self, whole: bool) -> Result<usize, Trouble> {
        let now = self.docker.clock().await?.unwrap_or_else(|| self.worker.platform().now().0.saturating_mul(1_000_000));
        let before = now.div_euclid(1_000_000) - i64::try_from(SETTLE.as_millis()).unwrap_or_default();
        let seen = self.docker.list_all().await?;
        let known = work::known(&self.worker, self.machine.id).await?;
        let listed: BTreeSet<&str> = seen.iter().map(|seen| seen.id.as_str()).collect();
        let gone: BTreeSet<String> = known.keys().filter(|id| !listed.contains(id.as_str())).cloned().collect();
        let instance = self.worker.platform().instance();
        let first = std::mem::take(&mut self.first);
        let looked = |seen: &&ContainerSeen| {
            let known = known.get(&seen.id);
            // Engines have many containers, and those of others can wait for the next pulse.
            !(first && known.is_none() && seen.label(LABEL_INSTANCE) != Some(instance)) && (whole || missed::suspicious(known, seen.status))
        };
        let looked: Vec<ContainerSeen> = seen.iter().filter(|seen| ours::carried(seen).is_none()).filter(looked).cloned().collect();
        let (mut happened, mut shown) = (Vec::new(), BTreeMap::new());
        for (seen, state) in self.inspected(looked).await {
            let there = There::new(seen.created, &state);
            let found = missed::missed(known.get(&seen.id), &there, before);
            if let Some(code) = known.get(&seen.id).and_then(|known| missed::ended_with(known, &there)) {
                shown.insert(seen.id.clone(), (code, by_signal(Some(code))));
            }
            happened.extend(found.into_iter().map(|missed| self.of_seen(&seen, missed)));
        }
        work::correct_ends(&self.worker, self.machine.id, &shown).await?;
        // What vanished since the last look may be told yet.
        let certain: Vec<String> = gone.intersection(&self.vanished).cloned().collect();
        let ends = work::ends(&self.worker, self.machine.id, &certain).await?;
        for id in &certain {
            if let Some(known) = known.get(id) {
                let found = missed::gone(known, ends.get(id), before);
                happened.extend(found.into_iter().map(|missed| of_gone(id, known, missed)));
            }
        }
        let waits = gone.len() > certain.len();
        self.vanished = gone;
        let found = happened.len();
        if !self.keep(&happened).await {
            return Ok(found);
        }
        if waits {
            self.due = Some(Instant::now() + SETTLE);
        }
        self.first_time(now).await?;
        Ok(found + usize::from(waits))
    }

    /// From the first look on it is known how far the engine was heard, also if it told nothing.
    async fn first_time(&mut self, now: i64) -> domain::Result<()> {
        if self.heard.is_none() {
            work::listening(&self.worker, self.machine.id, now).await?;
            self.heard = Some(now);
        }
        Ok(())
    }

    /// The states of containers; those that are gone meanwhile are left out.
    async fn inspected(&self, seen: Vec<ContainerSeen>) -> Vec<(ContainerSeen, ContainerState)> {
        let docker = self.docker.clone();
        let asked = futures::stream::iter(seen).map(move |seen| {
            let docker = docker.clone();
            async move {
                let state = docker.inspect(&seen.id).await.ok()?;
                Some((seen, state))
            }
        });
        asked.buffer_unordered(ASKED).filter_map(|found| async move { found }).collect().await
    }

    fn of_seen(&self, seen: &ContainerSeen, missed: Missed) -> Happened {
        let own = seen.label(LABEL_INSTANCE) == Some(self.worker.platform().instance());
        let claimed = own.then(|| ours::task(seen)).flatten();
        Happened { name: seen.name.clone(), image: seen.image.clone(), claimed, ..recovered(&seen.id, missed) }
    }

    /// What could not be known is an event of its own, where something may be missing for good.
    async fn tell_silence(&mut self, found: usize) {
        let Some(silence) = self.silence.take() else { return };
        if !silence.away && !silence.full && found == 0 {
            return;
        }
        let who = if silence.away { "the engine was away" } else { "nobody listened to the engine" };
        let text = format!(
            "{who} from {} to {}, and it does not remember what happened; what is told of that time is what containers and tasks still show",
            silence.from.exact(),
            silence.until.exact()
        );
        let gap = Happened { recovered: true, text, ..Happened::new(EventKind::Gap, silence.at, "") };
        self.keep(&[gap]).await;
    }
}

fn recovered(container: &str, missed: Missed) -> Happened {
    Happened {
        exit_code: missed.exit_code,
        signal: missed.signal,
        oom: missed.oom,
        text: missed.text,
        recovered: true,
        ..Happened::new(missed.kind, missed.at.saturating_mul(1_000_000), container)
    }
}

fn of_gone(id: &str, known: &Known, missed: Missed) -> Happened {
    Happened { name: known.name.clone(), image: known.image.clone(), ..recovered(id, missed) }
}

//! Writes down what an engine tells of containers, everybody's, and finds out what it did not tell. One scribe for each machine: it gathers what comes
//! together for some milliseconds and writes that in one transaction, with how far it heard, and keeps nobody waiting: whoever listens hands events
//! over and goes on.
//!
//! What nobody heard is found by comparing containers with what is recorded of them ([`missed`]): whenever the engine answers (again), and now and
//! then, since an engine drops events that are not taken in time. Nothing is done to a container here.

mod lives;
mod look;
mod missed;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::Worker;
use domain::events::work::{self, Cursor, Happened};
use domain::machines::Machine;
use futures::StreamExt;
use model::time::Millis;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::docker::{Docker, Event, LABEL_INSTANCE};
use crate::printed::Filter;
use lives::{Lives, Look};

/// So long is gathered what is written together: people see it that much later.
const GATHER: Duration = Duration::from_millis(30);
/// The same as long as nothing of it is of a container of ours.
const GATHER_OTHERS: Duration = Duration::from_millis(150);
/// Events that may wait for the database; what comes then is found out later.
const WAITING: usize = 16_384;
/// What is on its way when an engine answers has come after this time.
const SETTLE: Duration = Duration::from_secs(3);
/// How often the list of containers is compared though nothing calls for it, and it is written down that somebody listens.
const PULSE: Duration = Duration::from_secs(60);
/// Wait after the database refused, and how often it is tried.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: usize = 60;
/// Longest time that events wait for what is asked about them.
const ASK: Duration = Duration::from_secs(1);
/// An engine that remembers so many events had to forget some.
const REMEMBERED: usize = 256;
/// How many containers are asked about at once.
const ASKED: usize = 8;

/// What a scribe is told.
enum Told {
    Event(Box<Event>),
    Connected,
    Lost,
}

/// The hand that passes events to a machine's scribe; dropped, the scribe ends.
pub(crate) struct Recorder {
    tell: mpsc::Sender<Told>,
    behind: Arc<AtomicBool>,
    scribe: AbortHandle,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.scribe.abort();
    }
}

impl Recorder {
    /// A scribe for a machine whose engine was heard so far.
    pub(crate) fn start(worker: &Worker, machine: &Machine, docker: &Docker, heard: Option<Cursor>) -> Self {
        let (tell, told) = mpsc::channel(WAITING);
        let behind = Arc::<AtomicBool>::default();
        let scribe = Scribe {
            worker: worker.clone(),
            machine: machine.clone(),
            docker: docker.clone(),
            told,
            behind: Arc::clone(&behind),
            lives: Lives::default(),
            heard: heard.map(|cursor| cursor.nanos),
            listened: heard.map(|cursor| cursor.listened_at),
            up: false,
            away: false,
            silence: None,
            due: None,
            whole: false,
            first: heard.is_none(),
            vanished: BTreeSet::new(),
        };
        Self { tell, behind, scribe: tokio::spawn(scribe.run()).abort_handle() }
    }

    /// The engine told this.
    pub(crate) fn hear(&self, event: &Event) {
        self.tell(Told::Event(Box::new(event.clone())));
    }

    /// The engine answers, and is the machine's own.
    pub(crate) fn connected(&self) {
        self.tell(Told::Connected);
    }

    /// The engine went away.
    pub(crate) fn lost(&self) {
        self.tell(Told::Lost);
    }

    fn tell(&self, told: Told) {
        // Nobody who listens waits for the database: what is not taken now is found out by a look at all containers.
        if self.tell.try_send(told).is_err() {
            self.behind.store(true, Ordering::Relaxed);
        }
    }
}

/// A time in which nobody listened, until it is known what was missed in it.
struct Silence {
    from: Millis,
    until: Millis,
    /// When the engine answered again, in nanoseconds, by its clock.
    at: i64,
    /// It was the engine that was away, not the portal.
    away: bool,
    /// The engine had to forget something since.
    full: bool,
}

struct Scribe {
    worker: Worker,
    machine: Machine,
    docker: Docker,
    told: mpsc::Receiver<Told>,
    /// Something was not taken.
    behind: Arc<AtomicBool>,
    lives: Lives,
    /// The newest event that is written down, by the engine's clock.
    heard: Option<i64>,
    /// When somebody listened last, by the portal's.
    listened: Option<Millis>,
    up: bool,
    /// The engine was there before, and went away.
    away: bool,
    silence: Option<Silence>,
    /// When containers are compared next.
    due: Option<Instant>,
    /// Then each of them is asked about.
    whole: bool,
    /// Nobody ever listened to this engine: there is no hurry about others' containers.
    first: bool,
    /// Containers that were not there at the last look; what is not there at the next one either is gone.
    vanished: BTreeSet<String>,
}

impl Scribe {
    async fn run(mut self) {
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.due;
            tokio::select! {
                told = self.told.recv() => match told {
                    Some(told) => self.take(told).await,
                    None => return,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.compare().await,
                _ = pulse.tick() => self.pulse().await,
            }
            if self.up && self.behind.swap(false, Ordering::Relaxed) {
                tracing::warn!(machine = %self.machine.name, "more happened than could be written down at once; all containers are looked at");
                self.whole = true;
                self.due = Some(Instant::now() + SETTLE);
            }
        }
    }

    async fn take(&mut self, first: Told) {
        let mut next = Some(first);
        while let Some(told) = next.take() {
            match told {
                Told::Event(event) => next = self.gather(*event).await,
                Told::Connected => self.connected().await,
                Told::Lost => self.lost(),
            }
        }
    }

    /// Takes what comes together, and writes it. What is no event ends it.
    async fn gather(&mut self, first: Event) -> Option<Told> {
        let instance = self.worker.platform().instance().to_owned();
        let own = |event: &Event| event.labels.get(LABEL_INSTANCE) == Some(&instance);
        let mut until = Instant::now() + if own(&first) { GATHER } else { GATHER_OTHERS };
        let mut events = vec![first];
        let mut other = None;
        while events.len() < work::MOST {
            match tokio::time::timeout_at(until, self.told.recv()).await {
                Ok(Some(Told::Event(event))) => {
                    if own(&event) {
                        until = until.min(Instant::now() + GATHER);
                    }
                    events.push(*event);
                }
                Ok(told) => {
                    other = told;
                    break;
                }
                Err(_) => break,
            }
        }
        // Engines do not tell quite in order.
        events.sort_by_key(|event| event.at_nanos);
        let mut happened: Vec<(Happened, Look)> = events.iter().filter_map(|event| self.lives.read(&instance, event)).collect();
        self.ask(&mut happened).await;
        let happened: Vec<Happened> = happened.into_iter().map(|(happened, _)| happened).collect();
        self.keep(&happened).await;
        other
    }

    /// Asks what events do not tell. What is not answered in time is not told.
    async fn ask(&self, happened: &mut [(Happened, Look)]) {
        let wanted = happened.iter().enumerate().filter(|(_, (_, look))| *look != Look::No);
        let wanted: Vec<(usize, String)> = wanted.map(|(place, (event, _))| (place, event.container.clone())).collect();
        if wanted.is_empty() {
            return;
        }
        let (until, docker) = (Instant::now() + ASK, self.docker.clone());
        let asked = futures::stream::iter(wanted).map(move |(place, container)| {
            let docker = docker.clone();
            async move { (place, docker.inspect(&container).await.ok()) }
        });
        let mut answers = std::pin::pin!(asked.buffer_unordered(ASKED));
        while let Ok(Some((place, state))) = tokio::time::timeout_at(until, answers.next()).await {
            let (Some(state), Some((event, look))) = (state, happened.get_mut(place)) else { continue };
            match look {
                Look::Memory => event.oom = state.out_of_memory,
                Look::Health => event.output = self.printed(event, state.health.output.as_deref()).await,
                Look::No => {}
            }
        }
    }

    /// What a task's health check printed, without the task's secrets. Of others' containers nothing is kept: nobody knows what is secret in it.
    async fn printed(&self, event: &Happened, output: Option<&str>) -> Option<String> {
        let output = output?;
        let found = work::revision_of(&self.worker, self.machine.id, &event.container, event.claimed).await.ok()??;
        Some(Filter::of_revision(&self.worker, found.0, found.1).await.output(output))
    }

    /// Writes down what happened. Whether it is written.
    async fn keep(&mut self, happened: &[Happened]) -> bool {
        for part in happened.chunks(work::MOST) {
            let mut tries = 0;
            while let Err(error) = work::record(&self.worker, self.machine.id, part).await {
                tries += 1;
                if tries == 1 {
                    tracing::warn!(machine = %self.machine.name, %error, "events could not be written down; it is tried again");
                }
                if tries == TRIES {
                    tracing::error!(machine = %self.machine.name, events = part.len(), "events were not written down; containers are compared instead");
                    self.behind.store(true, Ordering::Relaxed);
                    return false;
                }
                tokio::time::sleep(AGAIN).await;
            }
            self.heard = self.heard.max(part.iter().filter(|event| !event.recovered && !event.container.is_empty()).map(|event| event.nanos).max());
        }
        true
    }

    /// The engine answers. What it tells of the time before comes behind this; what it does not remember is found by a look.
    async fn connected(&mut self) {
        let now = self.worker.platform().now();
        let told = self.docker.clock().await.ok().flatten();
        let at = told.unwrap_or(now.0.saturating_mul(1_000_000));
        if let Some(heard) = self.heard {
            let (count, oldest) = self.docker.remembered(at).await.unwrap_or_default();
            // It remembers the last event that was heard: so it remembers all that came after.
            let remembers = oldest.is_some_and(|oldest| oldest <= heard);
            let from = self.listened.unwrap_or(Millis(heard.div_euclid(1_000_000)));
            let silence = Silence { from, until: now, at, away: self.away, full: count >= REMEMBERED };
            self.silence = match self.silence.take() {
                // The one before was not looked into yet.
                Some(before) => Some(Silence { from: before.from, away: before.away || silence.away, full: before.full || silence.full, ..silence }),
                None => (!remembers).then_some(silence),
            };
        }
        self.up = true;
        self.away = false;
        self.whole = true;
        self.due = Some(Instant::now() + SETTLE);
    }

    fn lost(&mut self) {
        if self.up {
            self.listened = Some(self.worker.platform().now());
            self.away = true;
        }
        self.up = false;
        self.due = None;
    }

    /// It is written down that somebody listens, and looked whether something was missed all the same.
    async fn pulse(&mut self) {
        if !self.up || self.due.is_some() {
            return;
        }
        self.listened = Some(self.worker.platform().now());
        if let Some(heard) = self.heard
            && let Err(error) = work::listening(&self.worker, self.machine.id, heard).await
        {
            tracing::warn!(machine = %self.machine.name, %error, "it could not be written down that the engine is listened to");
        }
        self.compare().await;
    }
}

//! What the thread does: which logs it reads when, and what becomes of them when lines could not be kept.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use ::logs::{Batch, StreamKey};
use domain::{Platform, Signal};
use model::ids::{ProjectId, TaskId};

use super::log::{Bundle, Heat, Log, RETRY};
use super::together::{self, BATCH, Round};
use super::trouble::Trouble;
use super::{Delivery, Follow, Order, PASS, records};
use crate::logs::intake::Item;
use crate::logs::room::Room;
use crate::logs::tail::BUFFER;
use crate::logs::watch::{Ear, Stirred};

/// How often logs that rest are looked at, should the kernel have told nothing.
const SWEEP: Duration = Duration::from_secs(30);
/// Wait between looks at a file that cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(1);
/// Passes without anything new after which a file rests.
const IDLE: u32 = 10;
/// How long a log is not begun with at most while others are looked for, which may be of the same stream: after a start there is much to read, and only
/// what is read together is put in the order of time. Counted for each log from when it was found, so a slow engine holds none up for longer.
const GATHER: Duration = Duration::from_secs(3);
/// Bytes that are read in one pass, about, and wait in memory to be kept.
const AT_ONCE: usize = 32 << 20;
/// Bytes that are added to a project before it is looked whether it has too many.
const GROWN: usize = 64 << 20;

/// The thread's desk.
pub(super) struct Desk {
    platform: Platform,
    room: Room,
    ear: Ear,
    told: Receiver<Order>,
    /// How many logs are being looked for.
    opening: Arc<AtomicUsize>,
    /// Whether there were such before it was heard what was told.
    gathering: bool,
    logs: HashMap<TaskId, Log>,
    watched: HashMap<i32, TaskId>,
    waiting: Vec<Delivery>,
    buffer: Vec<u8>,
    began: Instant,
    next: Instant,
    swept: Instant,
    /// Whose turn it is first.
    turn: usize,
    trouble: Trouble,
    /// Why nothing is kept for now.
    paused: Option<String>,
    /// What people read of both.
    shown: Option<String>,
    /// Bytes that were added since it was looked for too many.
    grown: HashMap<ProjectId, usize>,
}

type Bundles = HashMap<StreamKey, Bundle>;

impl Desk {
    pub(super) fn new(platform: Platform, room: Room, ear: Ear, told: Receiver<Order>, opening: Arc<AtomicUsize>) -> Self {
        let now = Instant::now();
        Self {
            platform,
            room,
            ear,
            told,
            opening,
            gathering: false,
            logs: HashMap::new(),
            watched: HashMap::new(),
            waiting: Vec::new(),
            buffer: vec![0; BUFFER],
            began: now,
            next: now,
            swept: now,
            turn: 0,
            trouble: Trouble::default(),
            paused: None,
            shown: None,
            grown: HashMap::new(),
        }
    }

    /// Works until it is told to stop.
    pub(super) fn work(&mut self) {
        loop {
            let now = Instant::now();
            let until = self.due(now).unwrap_or(self.swept + SWEEP).min(self.swept + SWEEP);
            if until > now {
                self.ear.listen(until - now);
            }
            // First: where nothing is looked for now, all that was found is among what is heard.
            self.gathering = self.opening.load(Ordering::SeqCst) > 0;
            if !self.hear() {
                return;
            }
            self.stir();
            if Instant::now() >= self.swept + SWEEP {
                self.sweep();
            }
            if Instant::now() >= self.next {
                self.pass();
            }
        }
    }

    /// When there is something to do, if nothing happens.
    fn due(&self, now: Instant) -> Option<Instant> {
        let due = if self.waiting.is_empty() { self.logs.values().filter_map(|log| log.due(now)).min() } else { Some(now) };
        due.map(|due| due.max(self.next))
    }

    /// Hears what it is told. False: it is to stop.
    fn hear(&mut self) -> bool {
        loop {
            match self.told.try_recv() {
                Ok(Order::Follow(follow)) => self.follow(*follow),
                Ok(Order::Finish(task, reply)) => {
                    // Where nothing is followed the sender is dropped, and whoever waits goes on.
                    if let Some(log) = self.logs.get_mut(&task) {
                        log.finish.push(reply);
                        self.warm(task);
                        self.next = Instant::now();
                    }
                }
                Ok(Order::Forget(task)) => {
                    if let Some(log) = self.logs.get_mut(&task) {
                        log.forget = true;
                        self.warm(task);
                    }
                }
                Ok(Order::Keep(delivery)) => self.waiting.push(*delivery),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn follow(&mut self, follow: Follow) {
        let task = follow.owner.task;
        self.warm(task);
        self.logs.insert(task, Log::new(follow, self.began));
    }

    /// It is to be read in the next passes.
    fn warm(&mut self, task: TaskId) {
        let Some(log) = self.logs.get_mut(&task) else { return };
        if let Heat::Cold(watch) = log.heat {
            self.watched.remove(&watch);
            self.ear.forget(watch);
        }
        log.warm();
    }

    /// What the kernel told of files that rested.
    fn stir(&mut self) {
        for stirred in self.ear.stirred() {
            match stirred {
                Stirred::Touched(watch) | Stirred::Gone(watch) => {
                    let Some(task) = self.watched.remove(&watch) else { continue };
                    if let Some(log) = self.logs.get_mut(&task) {
                        log.quiet = matches!(stirred, Stirred::Gone(_));
                        // At once: it may be removed before the next pass.
                        log.warm();
                    }
                }
                Stirred::Everything => {
                    let cold = |(task, log): (&TaskId, &Log)| matches!(log.heat, Heat::Cold(_)).then_some(*task);
                    self.logs.iter().filter_map(cold).collect::<Vec<_>>().into_iter().for_each(|task| self.warm(task));
                }
            }
        }
    }

    /// Looks at all that rests.
    fn sweep(&mut self) {
        self.swept = Instant::now();
        let changed = |(task, log): (&TaskId, &Log)| (matches!(log.heat, Heat::Cold(_)) && log.tail.changed()).then_some(*task);
        self.logs.iter().filter_map(changed).collect::<Vec<_>>().into_iter().for_each(|task| self.warm(task));
        self.trouble.tend(self.swept);
        self.show();
    }

    /// Says what is wrong, or no longer.
    fn show(&mut self) {
        let problem = self.paused.as_deref().or_else(|| self.trouble.said()).map(str::to_owned);
        if problem != self.shown {
            self.platform.set_logs_problem(problem.clone());
            self.shown = problem;
        }
    }

    /// Reads everything once, and keeps it.
    fn pass(&mut self) {
        self.next = Instant::now() + PASS;
        if let Some(full) = self.room.full() {
            let full = full.to_owned();
            self.pause(full);
            return;
        }
        if self.paused.take().is_some() {
            self.show();
            tracing::info!("there is room again: logs are collected");
        }
        let mut bundles = Bundles::new();
        let more = self.read(&mut bundles);
        let left = self.take_in(&mut bundles);
        let mut kept = true;
        for bundle in bundles.into_values() {
            kept &= self.keep(bundle);
        }
        self.cool();
        // What could not be kept is not tried again without a rest.
        if (more || left) && kept {
            self.next = Instant::now();
        }
    }

    /// Nothing is kept until there is room.
    fn pause(&mut self, why: String) {
        if self.paused.is_none() {
            tracing::warn!(reason = why, "logs are not collected for now");
            // What projects keep beyond their share may be what is in the way.
            self.look_for_too_many();
        }
        self.paused = Some(why);
        self.show();
        self.next = Instant::now() + RETRY;
        self.waiting.drain(..).for_each(refuse);
        self.logs.values_mut().for_each(|log| log.tail.let_go());
    }

    /// Has what is kept beyond a project's share taken away.
    fn look_for_too_many(&mut self) {
        self.grown.clear();
        self.platform.signal(Signal::LogRetention).notify_one();
    }

    /// Reads the log files. Whether there is more.
    fn read(&mut self, bundles: &mut Bundles) -> bool {
        let now = Instant::now();
        let begins = |log: &Log| !self.gathering || log.closing() || log.fresh.is_none_or(|since| now.saturating_duration_since(since) >= GATHER);
        let ready = |log: &Log| log.due(now).is_some_and(|due| due <= now) && begins(log);
        let mut tasks: Vec<TaskId> = self.logs.iter().filter(|(_, log)| ready(log)).map(|(task, _)| *task).collect();
        tasks.sort_unstable();
        if tasks.is_empty() {
            return false;
        }
        // What does not fit into a batch waits; the next time others come first.
        self.turn = (self.turn + 1) % tasks.len();
        tasks.rotate_left(self.turn);
        // Whoever waits for the end of one has a few seconds.
        tasks.sort_by_key(|task| !self.logs.get(task).is_some_and(Log::closing));
        let mut order = Vec::new();
        let mut streams: HashMap<StreamKey, Vec<TaskId>> = HashMap::new();
        for task in tasks {
            let Some(log) = self.logs.get(&task) else { continue };
            let own = streams.entry(log.owner.key).or_default();
            if own.is_empty() {
                order.push(log.owner.key);
            }
            own.push(task);
        }
        let (mut more, mut bytes) = (false, 0);
        for key in order {
            if bytes >= AT_ONCE {
                return true;
            }
            let tasks = streams.remove(&key).unwrap_or_default();
            let Some(first) = tasks.first().and_then(|task| self.logs.get(task)) else { continue };
            let bundle = bundles.entry(key).or_insert_with(|| Bundle::of(&first.owner));
            let at_nanos = self.platform.now().0.saturating_mul(1_000_000);
            let round = Round { now: self.began.elapsed(), at_nanos, buffer: &mut self.buffer };
            more |= together::read(&mut self.logs, &tasks, round, bundle);
            bytes += bundle.bytes;
        }
        more
    }

    /// Takes in what was read through engines. Whether something is left for the next pass.
    fn take_in(&mut self, bundles: &mut Bundles) -> bool {
        let now = self.platform.now().0.saturating_mul(1_000_000);
        for delivery in std::mem::take(&mut self.waiting) {
            let bundle = bundles.entry(delivery.owner.key).or_insert_with(|| Bundle::of(&delivery.owner));
            if bundle.bytes >= BATCH {
                self.waiting.push(delivery);
                continue;
            }
            bundle.bytes += delivery.items.iter().map(Item::size).sum::<usize>();
            records(&delivery.owner, delivery.items, now, &mut bundle.records);
            bundle.cursors.push((delivery.owner.task, delivery.cursor));
            bundle.kept.push(delivery.kept);
        }
        !self.waiting.is_empty()
    }

    /// Adds a bundle to its stream; if that fails, nothing of it was read. Whether it was added.
    fn keep(&mut self, bundle: Bundle) -> bool {
        let Bundle { key, stream, records, cursors, bytes, undo, mut over, kept } = bundle;
        let batch = Batch { records, cursors };
        let empty = batch.records.is_empty() && batch.cursors.is_empty();
        let added = if empty { Ok(()) } else { stream.append(&batch) };
        if !empty {
            self.platform.counters().log_bytes.add(if added.is_ok() { bytes as u64 } else { 0 });
            self.note(key, bytes, &added);
        }
        if added.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            // The stream is gone: nothing of these logs is kept any more, so they are at their end.
            over.extend(undo.iter().map(|(task, _)| *task));
        } else if added.is_err() {
            over.clear();
        }
        for task in over {
            let Some(log) = self.logs.get_mut(&task) else { continue };
            for finish in log.finish.drain(..) {
                // Whoever waits no longer has its own reasons.
                let _ = finish.send(());
            }
            if log.forget {
                self.logs.remove(&task);
            }
        }
        if added.is_err() {
            for (task, state) in undo {
                if let Some(log) = self.logs.get_mut(&task) {
                    log.undo(state);
                }
            }
        }
        for kept in kept {
            let _ = kept.send(added.is_ok());
        }
        added.is_ok()
    }

    /// Remembers what became of so many bytes of a stream.
    fn note(&mut self, key: StreamKey, bytes: usize, added: &std::io::Result<()>) {
        match added {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let why = format!("Logs are not collected at the moment: they could not be written ({error}). It is tried again.");
                if self.trouble.failed(key, Instant::now(), why) {
                    tracing::warn!(%error, "lines of logs could not be kept; tried again");
                }
            }
            // Kept, or its service or project was deleted.
            _ => {
                if self.trouble.well(key) {
                    tracing::info!("logs are collected again");
                }
            }
        }
        self.show();
        if added.is_ok() {
            let grown = self.grown.entry(key.project).or_default();
            *grown += bytes;
            if *grown >= GROWN {
                self.look_for_too_many();
            }
        }
    }

    /// Lets files rest that nothing is written to.
    fn cool(&mut self) {
        let now = Instant::now();
        for (task, log) in &mut self.logs {
            // One that waits already is read first: else it would wait for ever.
            let waits = log.not_before.is_some_and(|at| at > now);
            if !matches!(log.heat, Heat::Hot(idle) if idle >= IDLE) || log.closing() || waits {
                continue;
            }
            match self.ear.watch(&log.path) {
                // Looked at after it is watched: what is written in between is seen by one or the other.
                Some(watch) if log.tail.rest() => {
                    log.heat = Heat::Cold(watch);
                    self.watched.insert(watch, *task);
                }
                Some(watch) => {
                    self.ear.forget(watch);
                    log.heat = Heat::Hot(0);
                }
                None => log.not_before = Some(now + UNWATCHED),
            }
        }
    }
}

fn refuse(delivery: Delivery) {
    let _ = delivery.kept.send(false);
}

#[cfg(test)]
mod tests;

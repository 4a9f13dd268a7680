//! What the thread does: which logs it reads when, and what becomes of them when lines could not be kept.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use ::logs::{Batch, StreamKey};
use domain::Platform;
use model::ids::TaskId;

use super::log::{Bundle, Heat, Log, RETRY};
use super::{Delivery, Follow, Order, PASS, records};
use crate::logs::intake::Item;
use crate::logs::room::Room;
use crate::logs::tail::{BUFFER, Pass, Tail};
use crate::logs::watch::{Ear, Stirred};

/// How often logs that rest are looked at, should the kernel have told nothing.
const SWEEP: Duration = Duration::from_secs(30);
/// Wait between looks at a file that cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(1);
/// Passes without anything new after which a file rests.
const IDLE: u32 = 10;
/// Bytes of one batch, about; the store takes twice as many.
const BATCH: usize = 7 << 20;

/// The thread's desk.
pub(super) struct Desk {
    platform: Platform,
    room: Room,
    ear: Ear,
    told: Receiver<Order>,
    logs: HashMap<TaskId, Log>,
    watched: HashMap<i32, TaskId>,
    waiting: Vec<Delivery>,
    buffer: Vec<u8>,
    began: Instant,
    next: Instant,
    swept: Instant,
    /// Whose turn it is first.
    turn: usize,
    troubled: bool,
    paused: bool,
}

type Bundles = HashMap<StreamKey, Bundle>;

impl Desk {
    pub(super) fn new(platform: Platform, room: Room, ear: Ear, told: Receiver<Order>) -> Self {
        let now = Instant::now();
        Self {
            platform,
            room,
            ear,
            told,
            logs: HashMap::new(),
            watched: HashMap::new(),
            waiting: Vec::new(),
            buffer: vec![0; BUFFER],
            began: now,
            next: now,
            swept: now,
            turn: 0,
            troubled: false,
            paused: false,
        }
    }

    /// Works until it is told to stop.
    pub(super) fn work(&mut self) {
        loop {
            let now = Instant::now();
            let busy = !self.waiting.is_empty() || self.logs.values().any(|log| matches!(log.heat, Heat::Hot(_)));
            let until = if busy { self.next.min(self.swept + SWEEP) } else { self.swept + SWEEP };
            if until > now {
                self.ear.listen(until - now);
            }
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
        let Follow { owner, path, files, cursor } = follow;
        let task = owner.task;
        let tail = Tail::new(&path, files, cursor, self.began.elapsed());
        let log = Log { owner, tail, path, heat: Heat::Hot(0), finish: Vec::new(), forget: false, quiet: false, not_before: None };
        self.warm(task);
        self.logs.insert(task, log);
    }

    /// It is to be read in the next passes.
    fn warm(&mut self, task: TaskId) {
        let Some(log) = self.logs.get_mut(&task) else { return };
        if let Heat::Cold(watch) = log.heat {
            self.watched.remove(&watch);
            self.ear.forget(watch);
        }
        log.heat = Heat::Hot(0);
        log.tail.wake();
    }

    /// What the kernel told of files that rested.
    fn stir(&mut self) {
        for stirred in self.ear.stirred() {
            match stirred {
                Stirred::Touched(watch) | Stirred::Gone(watch) => {
                    let Some(task) = self.watched.remove(&watch) else { continue };
                    if let Some(log) = self.logs.get_mut(&task) {
                        log.heat = Heat::Hot(0);
                        log.quiet = matches!(stirred, Stirred::Gone(_));
                        // At once: it may be removed before the next pass.
                        log.tail.wake();
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
    }

    /// Reads everything once, and keeps it.
    fn pass(&mut self) {
        self.next = Instant::now() + PASS;
        if let Some(full) = self.room.full() {
            let full = full.to_owned();
            self.pause(full);
            return;
        }
        if std::mem::take(&mut self.paused) {
            self.platform.set_logs_problem(None);
            tracing::info!("there is room again: logs are collected");
        }
        let mut bundles = Bundles::new();
        let more = self.read(&mut bundles);
        let left = self.take_in(&mut bundles);
        for bundle in bundles.into_values() {
            self.keep(bundle);
        }
        self.cool();
        if more || left {
            self.next = Instant::now();
        }
    }

    /// Nothing is kept until there is room.
    fn pause(&mut self, why: String) {
        if !std::mem::replace(&mut self.paused, true) {
            tracing::warn!(reason = why, "logs are not collected for now");
        }
        self.platform.set_logs_problem(Some(why));
        self.next = Instant::now() + RETRY;
        self.waiting.drain(..).for_each(refuse);
        self.logs.values_mut().for_each(|log| log.tail.let_go());
    }

    /// Reads the log files. Whether there is more.
    fn read(&mut self, bundles: &mut Bundles) -> bool {
        let now = Instant::now();
        let ready = |log: &Log| matches!(log.heat, Heat::Hot(_)) && log.not_before.is_none_or(|at| at <= now);
        let mut tasks: Vec<TaskId> = self.logs.iter().filter(|(_, log)| ready(log)).map(|(task, _)| *task).collect();
        tasks.sort_unstable();
        if tasks.is_empty() {
            return false;
        }
        // What does not fit into a batch waits; the next time others come first.
        self.turn = (self.turn + 1) % tasks.len();
        tasks.rotate_left(self.turn);
        let mut more = false;
        for task in tasks {
            let Some(log) = self.logs.get_mut(&task) else { continue };
            let bundle = bundles.entry(log.owner.key).or_insert_with(|| Bundle::of(&log.owner));
            if bundle.bytes >= BATCH {
                more = true;
                continue;
            }
            let pass = Pass { now: self.began.elapsed(), last: log.closing(), buffer: &mut self.buffer };
            more |= log.read(pass, bundle, self.platform.now().0.saturating_mul(1_000_000));
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

    /// Adds a bundle to its stream; if that fails, nothing of it was read.
    fn keep(&mut self, bundle: Bundle) {
        let Bundle { stream, records, cursors, undo, over, kept, .. } = bundle;
        let batch = Batch { records, cursors };
        let empty = batch.records.is_empty() && batch.cursors.is_empty();
        let added = if empty { Ok(()) } else { stream.append(&batch) };
        match &added {
            Ok(()) if self.troubled && !empty => {
                self.troubled = false;
                self.platform.set_logs_problem(None);
                tracing::info!("logs are collected again");
            }
            Ok(()) => {}
            // Its service or project was deleted.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                if !std::mem::replace(&mut self.troubled, true) {
                    tracing::warn!(%error, "lines of logs could not be kept; tried again");
                }
                self.platform
                    .set_logs_problem(Some(format!("Logs are not collected at the moment: they could not be written ({error}). It is tried again.")));
            }
        }
        if added.is_err() {
            for (task, state) in undo {
                if let Some(log) = self.logs.get_mut(&task) {
                    log.tail.undo(state);
                    log.heat = Heat::Hot(0);
                    log.not_before = Some(Instant::now() + RETRY);
                }
            }
        } else {
            for task in &over {
                let finish = self.logs.get_mut(task).map(|log| std::mem::take(&mut log.finish));
                for finish in finish.into_iter().flatten() {
                    // Whoever waits no longer has its own reasons.
                    let _ = finish.send(());
                }
            }
        }
        let gone = added.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        for task in over {
            if (added.is_ok() || gone) && self.logs.get(&task).is_some_and(|log| log.forget) {
                self.logs.remove(&task);
            }
        }
        for kept in kept {
            let _ = kept.send(added.is_ok());
        }
    }

    /// Lets files rest that nothing is written to.
    fn cool(&mut self) {
        for (task, log) in &mut self.logs {
            if !matches!(log.heat, Heat::Hot(idle) if idle >= IDLE) || log.closing() {
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
                None => log.not_before = Some(Instant::now() + UNWATCHED),
            }
        }
    }
}

fn refuse(delivery: Delivery) {
    let _ = delivery.kept.send(false);
}

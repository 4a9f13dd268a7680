//! The thread that keeps lines: it reads all log files of engines on this machine, takes what was read through engines elsewhere, and adds all lines
//! of a stream at once, with how far each task was read. Nothing counts as read that was not kept.
//!
//! A file that something is written to is read every [`PASS`]; one that rests is watched, and costs nothing.

mod desk;
mod log;
mod together;
mod trouble;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ::logs::{Kind, Record, Stream, StreamKey};
use domain::Platform;
use model::ids::TaskId;
use tokio::sync::oneshot;

use super::cursor::Cursor;
use super::intake::{Item, kind};
use super::room::Room;
use super::watch::{Bell, Ear};
use desk::Desk;

/// How often what is written is read.
pub(super) const PASS: Duration = Duration::from_millis(200);

/// Whose lines they are.
#[derive(Clone)]
pub(super) struct Owner {
    pub task: TaskId,
    pub key: StreamKey,
    pub slot: u32,
    pub revision: u32,
    /// Where they are kept.
    pub stream: Stream,
}

/// A log file to be read from now on.
pub(super) struct Follow {
    pub owner: Owner,
    pub path: PathBuf,
    /// How many files the engine keeps of the log.
    pub files: usize,
    pub cursor: Cursor,
}

/// What was read through an engine.
pub(super) struct Delivery {
    pub owner: Owner,
    pub items: Vec<Item>,
    /// How far it was read; empty: nothing follows, and it is forgotten.
    pub cursor: String,
    /// Told whether it was kept.
    pub kept: oneshot::Sender<bool>,
}

/// What the thread is told.
pub(super) enum Order {
    /// A log file is to be read.
    Follow(Box<Follow>),
    /// The container is about to be removed: its file is read to the end.
    Finish(TaskId, oneshot::Sender<()>),
    /// The container is gone: what is left is read, and the task forgotten.
    Forget(TaskId),
    /// Lines that were read through an engine.
    Keep(Box<Delivery>),
    /// The portal ends.
    Stop,
}

/// Held by who looks for a log that the thread may have to read, until it was told: logs of one stream are best begun with together, so that their lines
/// come in the order of time.
pub(super) struct Opening(Arc<AtomicUsize>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The thread, as others see it.
pub(super) struct Clerk {
    orders: Sender<Order>,
    bell: Bell,
    opening: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: tokio::sync::Mutex<oneshot::Receiver<()>>,
}

impl Clerk {
    /// Takes it on. `folder`: where lines are kept.
    ///
    /// # Errors
    /// There are no more handles or threads.
    pub(super) fn hire(platform: Platform, folder: PathBuf) -> std::io::Result<Self> {
        let (ear, bell) = Ear::new()?;
        let (orders, told) = mpsc::channel();
        let (alive, ended) = oneshot::channel();
        let opening = Arc::<AtomicUsize>::default();
        let mut desk = Desk::new(platform, Room::new(folder), ear, told, Arc::clone(&opening));
        let work = move || {
            // Dropped with the thread, however it ends.
            let _alive: oneshot::Sender<()> = alive;
            desk.work();
        };
        let thread = std::thread::Builder::new().name("logs".into()).spawn(work)?;
        Ok(Self { orders, bell, opening, thread: Mutex::new(Some(thread)), ended: tokio::sync::Mutex::new(ended) })
    }

    /// Somebody begins to look for a log.
    pub(super) fn opening(&self) -> Opening {
        self.opening.fetch_add(1, Ordering::SeqCst);
        Opening(Arc::clone(&self.opening))
    }

    /// Tells it something.
    pub(super) fn tell(&self, order: Order) {
        // Nobody hears it only when the portal stops.
        let _ = self.orders.send(order);
        self.bell.ring();
    }

    /// Gives it lines; whether they were kept.
    pub(super) async fn keep(&self, owner: &Owner, items: Vec<Item>, cursor: String) -> bool {
        let (kept, told) = oneshot::channel();
        self.tell(Order::Keep(Box::new(Delivery { owner: owner.clone(), items, cursor, kept })));
        told.await.unwrap_or(false)
    }

    /// Ends it, and waits until it put down its pen.
    pub(super) fn stop(&self) {
        let thread = self.thread.lock().expect("no code panics while it holds this lock").take();
        self.tell(Order::Stop);
        if let Some(thread) = thread {
            // That it panicked was noticed by whoever waits for its end.
            let _ = thread.join();
        }
    }

    /// Resolves when it ended by itself, which is a fault of ours.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.lock().await;
        let _ = (&mut *ended).await;
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What is kept, as records of the store. `now`: for gaps of which no time is known, nanoseconds since 1970.
fn records(owner: &Owner, items: Vec<Item>, now: i64, into: &mut Vec<Record>) {
    let first = items.iter().find_map(|item| if let Item::Line(line) = item { Some(line.at_nanos) } else { None }).unwrap_or(now);
    into.extend(items.into_iter().map(|item| {
        let (at_nanos, kind, text, cut) = match item {
            Item::Line(line) => (line.at_nanos, kind(line.source), line.text, line.cut),
            // Behind the last line that is known, else before the first.
            Item::Gap(at, missing) => (if at == 0 { first } else { at }, Kind::Gap, missing.to_string(), false),
        };
        Record { at_nanos, task: owner.task, slot: owner.slot, revision: owner.revision, kind, text, cut }
    }));
}

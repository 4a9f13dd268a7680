//! A session and the client's end of it. What both sides share is one small state behind a lock that is never held while anything is waited for:
//! the session's own task ([`super::life`]) moves bytes between it and the engine, an [`Attachment`] between it and a client. So a client may
//! go and come back, and neither side waits for the other but for room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::ids::{ShellId, TaskId, UserId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::replay::Replay;
use super::{AHEAD_MAX, Ending};
use crate::access::{Lease, can};
use crate::error::{Error, Result};
use crate::streams::Slot;

mod attachment;

pub use attachment::{Attachment, Hands, Said};

/// Typed bytes that wait for the process; beyond it the client waits. What is typed at once is taken whole all the same.
const WAITING_MAX: u64 = 1024 * 1024;
/// Typed bytes that the process is offered at once.
const PIECE: usize = 64 * 1024;

pub(super) type ShellLease = Lease<can::OpenShell, TaskId>;

/// A terminal that outlives its client's connection.
pub(crate) struct Session {
    pub(super) id: ShellId,
    pub(super) task: TaskId,
    pub(super) owner: UserId,
    state: Mutex<State>,
    /// Wakes the session's own task.
    work: Notify,
    /// Wakes a client that may type again.
    room: Notify,
}

struct State {
    replay: Replay,
    /// The number of the output byte that is sent to the client next.
    sent: u64,
    /// What was typed and waits.
    typed: Replay,
    /// Typed bytes that were ever taken in, and those of them that the process was given.
    accepted: u64,
    written: u64,
    /// The newest attachment: its number, and what wakes it while it is there.
    number: u64,
    client: Option<Arc<Notify>>,
    /// When the last client went.
    left: Instant,
    size: Option<(u16, u16)>,
    lease: Option<ShellLease>,
    asked_to_end: Option<Ending>,
    ended: Option<Ended>,
    /// The client knows how it ended.
    known: bool,
    slot: Option<Slot>,
}

struct Ended {
    ending: Ending,
    /// Nothing that was printed is shown any more.
    cut: bool,
}

/// What a session's task has to do.
pub(super) struct Chores {
    /// Output that may be read before the client must show some, in bytes.
    pub room: usize,
    /// What was typed first.
    pub typed: Option<Bytes>,
    /// When it is over for want of a client; none: one is there.
    pub left: Option<Instant>,
    pub size: Option<(u16, u16)>,
    pub lease: Option<ShellLease>,
    pub asked_to_end: Option<Ending>,
}

impl Session {
    pub(super) fn new(id: ShellId, task: TaskId, owner: UserId, slot: Slot) -> Self {
        let state = State {
            replay: Replay::default(),
            sent: 0,
            typed: Replay::default(),
            accepted: 0,
            written: 0,
            number: 0,
            client: None,
            left: Instant::now(),
            size: None,
            lease: None,
            asked_to_end: None,
            ended: None,
            known: false,
            slot: Some(slot),
        };
        Self { id, task, owner, state: Mutex::new(state), work: Notify::new(), room: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client's end from byte `received` on. The one that was there is told to go.
    ///
    /// # Errors
    /// `Conflict` with `lost` when that byte is not there any more, or not yet.
    pub(super) fn attach(self: &Arc<Self>, received: u64) -> Result<Attachment> {
        let mut state = self.state();
        if received < state.replay.begin() || received > state.replay.end() {
            let text = format!(
                "what this shell printed from byte {received} on is not kept: it has bytes {} to {}; open a new shell",
                state.replay.begin(),
                state.replay.end()
            );
            return Err(Error::conflict("lost", text));
        }
        state.replay.forget(received);
        state.sent = received;
        state.number += 1;
        let wake = Arc::new(Notify::new());
        if let Some(older) = state.client.replace(Arc::clone(&wake)) {
            older.notify_one();
        }
        let number = state.number;
        drop(state);
        self.work.notify_one();
        Ok(Attachment::new(Arc::clone(self), number, wake))
    }

    /// From now on the session rests on this permission.
    pub(super) fn rest_on(&self, lease: ShellLease) {
        self.state().lease = Some(lease);
        self.work.notify_one();
    }

    /// Asks its task to end it; the first reason stays.
    pub(super) fn ask_to_end(&self, ending: Ending) {
        self.state().asked_to_end.get_or_insert(ending);
        self.work.notify_one();
    }

    /// Resolves when its task has something new to look at. Dropping the future loses nothing.
    pub(super) async fn work(&self) {
        self.work.notified().await;
    }

    pub(super) fn chores(&self) -> Chores {
        let mut state = self.state();
        Chores {
            room: usize::try_from(AHEAD_MAX.saturating_sub(state.replay.held())).unwrap_or(usize::MAX),
            typed: state.typed.from(state.typed.begin(), PIECE),
            left: state.client.is_none().then_some(state.left),
            size: state.size.take(),
            lease: state.lease.take(),
            asked_to_end: state.asked_to_end.take(),
        }
    }

    /// The terminal printed this.
    pub(super) fn printed(&self, bytes: Bytes) {
        let mut state = self.state();
        state.replay.push(bytes);
        state.wake_client();
    }

    /// The process was given so many typed bytes.
    pub(super) fn wrote(&self, count: usize) {
        let mut state = self.state();
        state.written += count as u64;
        let to = state.typed.begin() + count as u64;
        state.typed.forget(to);
        if state.has_room() {
            self.room.notify_one();
        }
        state.wake_client();
    }

    /// It is over. `cut`: what was printed last is not shown any more.
    pub(super) fn over(&self, ending: Ending, cut: bool) {
        let mut state = self.state();
        state.typed = Replay::default();
        state.ended = Some(Ended { ending, cut });
        state.wake_client();
        self.room.notify_one();
    }

    /// Whether the client knows how it ended.
    pub(super) fn known(&self) -> bool {
        self.state().known
    }

    /// Forgets it, if it is over: nobody will ask for the rest of its output. Whether it was.
    pub(super) fn forget(&self) -> bool {
        let mut state = self.state();
        if state.ended.is_none() {
            return false;
        }
        state.known = true;
        state.slot = None;
        drop(state);
        self.work.notify_one();
        true
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.typed.held() < WAITING_MAX
    }

    fn wake_client(&self) {
        if let Some(client) = &self.client {
            client.notify_one();
        }
    }
}

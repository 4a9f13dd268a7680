//! A client's end of a session: what it hears, in order and from the byte that it had last, and what it does. It holds nothing of the session but
//! its place, so that it may be dropped at any instant.

use std::sync::Arc;

use bytes::Bytes;
use model::ids::ShellId;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::{AHEAD_MAX, Ending};
use super::Session;

/// Output handed over at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What a session says to its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The terminal printed this.
    Output(Bytes),
    /// So many typed bytes were taken in all. What is sent at once after an attachment counts all that need not be sent again; later ones count
    /// what the process was given.
    Taken(u64),
    /// Nothing follows.
    Ended(Ending),
}

/// A client's end of a session. Dropped, the session goes on for a while and can be attached to again.
pub struct Attachment {
    session: Arc<Session>,
    number: u64,
    wake: Arc<Notify>,
    /// Typed bytes that the client was told of; none: it was told nothing yet.
    told: Option<u64>,
    output_last: bool,
}

impl Attachment {
    pub(super) fn new(session: Arc<Session>, number: u64, wake: Arc<Notify>) -> Self {
        Self { session, number, wake, told: None, output_last: false }
    }

    /// The session's name.
    #[must_use]
    pub fn id(&self) -> ShellId {
        self.session.id
    }

    /// What comes next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Said {
        loop {
            if let Some(said) = self.look() {
                return said;
            }
            self.wake.notified().await;
        }
    }

    fn look(&mut self) -> Option<Said> {
        let mut state = self.session.state();
        if state.number != self.number {
            return Some(Said::Ended(Ending::replaced()));
        }
        let Some(told) = self.told else {
            self.told = Some(state.accepted);
            return Some(Said::Taken(state.accepted));
        };
        if let Some(ended) = &state.ended
            && ended.cut
        {
            return Some(Said::Ended(ended.ending.clone()));
        }
        let taken = (state.written > told).then_some(state.written);
        // In turn, so that neither waits for the other for long.
        if let Some(taken) = taken
            && self.output_last
        {
            self.output_last = false;
            self.told = Some(taken);
            return Some(Said::Taken(taken));
        }
        // What is held is never more than may be sent ahead of what was shown.
        if let Some(bytes) = state.replay.from(state.sent, PIECE) {
            state.sent += bytes.len() as u64;
            self.output_last = true;
            return Some(Said::Output(bytes));
        }
        if let Some(taken) = taken {
            self.told = Some(taken);
            return Some(Said::Taken(taken));
        }
        state.ended.as_ref().map(|ended| Said::Ended(ended.ending.clone()))
    }

    /// What the client does, apart from what it hears.
    #[must_use]
    pub fn hands(&self) -> Hands {
        Hands { session: Arc::clone(&self.session), number: self.number }
    }

    /// The client wants no more of it: it ends without waiting for anybody to come back.
    pub fn leave(self) {
        if self.session.state().number == self.number {
            self.session.ask_to_end(Ending::left());
        }
    }

    /// The client knows how the session ended: nothing need be kept for it.
    pub fn done(self) {
        if self.session.state().number == self.number {
            self.session.forget();
        }
    }
}

/// What a client does to a session. Once another client has it, nothing that an older one does counts.
#[derive(Clone)]
pub struct Hands {
    session: Arc<Session>,
    number: u64,
}

impl Hands {
    /// The client has shown so many bytes of output in all.
    pub fn shown(&self, bytes: u64) {
        let mut state = self.session.state();
        if state.number != self.number {
            return;
        }
        let full = state.replay.held() >= AHEAD_MAX;
        let most = state.sent;
        state.replay.forget(bytes.min(most));
        let room = state.replay.held() < AHEAD_MAX;
        drop(state);
        if full && room {
            self.session.work.notify_one();
        }
    }

    /// Whether more may be typed at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.session.state().has_room()
    }

    /// Resolves when more may be typed.
    pub async fn room(&self) {
        while !self.has_room() {
            self.session.room.notified().await;
        }
    }

    /// The client typed this. It is copied: what comes from a connection may be a few bytes of a large buffer, which would be kept with them.
    pub fn typed(&self, bytes: &[u8]) {
        let mut state = self.session.state();
        if bytes.is_empty() || state.number != self.number || state.ended.is_some() {
            return;
        }
        state.accepted += bytes.len() as u64;
        state.typed.push(Bytes::copy_from_slice(bytes));
        drop(state);
        self.session.work.notify_one();
    }

    /// The client's window has this size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let mut state = self.session.state();
        if state.number == self.number {
            state.size = Some((columns, rows));
            drop(state);
            self.session.work.notify_one();
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.session.state();
        if state.number == self.number {
            state.client = None;
            state.left = Instant::now();
            drop(state);
            self.session.work.notify_one();
        }
    }
}

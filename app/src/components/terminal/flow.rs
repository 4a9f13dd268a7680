//! The way of a shell's output onto the screen: no more at a time than xterm.js works through within a few frames, so that the page
//! answers in the middle of a flood, and what is pressed then acts soon. What waits is bounded by what the server sends ahead.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Date, Uint8Array};
use leptos::prelude::{document, request_animation_frame, set_timeout};
use model::shell::FromClient;

use super::session::Session;

/// Bytes that the server sends ahead of what was acknowledged: the contract's.
const AHEAD: u64 = 1024 * 1024;
/// Bytes on their way to the screen in a flood. The server is told that so much less was shown, for it would send all of [`AHEAD`].
const WINDOW: u64 = 256 * 1024;
/// Bytes given to xterm.js at once.
const AT_ONCE: u32 = 192 * 1024;
/// Shown bytes after which the server is told how far it may go on.
const ACK_EVERY: u64 = 64 * 1024;
/// After so long without output the flood is over, and all that was shown is acknowledged.
const QUIET: Duration = Duration::from_millis(60);
/// A page in the background gets no frames.
const FRAME_LATE: Duration = Duration::from_millis(250);

/// Output on its way.
#[derive(Default)]
pub(super) struct Flow {
    queue: RefCell<VecDeque<Uint8Array>>,
    /// Bytes that xterm.js has and did not work through.
    inside: Cell<u32>,
    /// Whether a frame is awaited, and the end of a flood.
    frame: Cell<bool>,
    quiet: Cell<bool>,
    /// Bytes received, and shown, and told to the server as shown.
    received: Cell<u64>,
    shown: Cell<u64>,
    told: Cell<u64>,
    heard_at: Cell<f64>,
}

impl Flow {
    /// Of a session of which the page had so many bytes before it was loaded again.
    pub(super) fn after(bytes: u64) -> Self {
        Self { received: Cell::new(bytes), shown: Cell::new(bytes), told: Cell::new(bytes), ..Self::default() }
    }

    /// Bytes received in all: where to go on after the connection broke.
    pub(super) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Another session begins: its bytes are counted from nothing. What waits is still shown.
    pub(super) fn restart(&self, session: &Rc<Session>) {
        let waiting = self.queue.take();
        for chunk in waiting {
            _ = session.terminal().write_array(&chunk, || {});
        }
        for count in [&self.received, &self.shown, &self.told] {
            count.set(0);
        }
        self.inside.set(0);
    }

    /// The connection to the same session stands again: what was acknowledged meanwhile did not arrive.
    pub(super) fn resume(&self, session: &Rc<Session>) {
        self.tell(session, self.shown.get());
    }

    /// Takes output that came.
    pub(super) fn take(&self, session: &Rc<Session>, bytes: Uint8Array) {
        self.received.set(self.received.get() + u64::from(bytes.length()));
        self.heard_at.set(Date::now());
        self.queue.borrow_mut().push_back(bytes);
        // An echo goes at once; a flood waits for its turn.
        if self.inside.get() == 0 {
            self.pass(session);
        } else {
            self.await_frame(session);
        }
    }

    /// Gives xterm.js what it may have now.
    fn pass(&self, session: &Rc<Session>) {
        while self.inside.get() < AT_ONCE {
            let Some(chunk) = self.queue.borrow_mut().pop_front() else { return };
            let count = chunk.length();
            self.inside.set(self.inside.get() + count);
            let (weak, epoch) = (Rc::downgrade(session), session.epoch());
            let consumed = move || {
                if let Some(session) = weak.upgrade().filter(|session| session.epoch() == epoch) {
                    session.flow().showed(&session, count);
                }
            };
            if session.terminal().write_array(&chunk, consumed).is_err() {
                // Its queue is far larger than what it is given; should it refuse all the same, the bytes count as shown.
                self.showed(session, count);
            }
        }
    }

    fn await_frame(&self, session: &Rc<Session>) {
        if document().hidden() {
            self.pass(session);
        } else if !self.frame.replace(true) {
            let (first, late) = (Rc::downgrade(session), Rc::downgrade(session));
            let turn = |session: Rc<Session>| {
                if session.flow().frame.replace(false) {
                    session.flow().pass(&session);
                }
            };
            request_animation_frame(move || _ = first.upgrade().map(turn));
            set_timeout(move || _ = late.upgrade().map(turn), FRAME_LATE);
        }
    }

    /// So many bytes are on the screen.
    fn showed(&self, session: &Rc<Session>, count: u32) {
        self.inside.set(self.inside.get().saturating_sub(count));
        self.shown.set(self.shown.get() + u64::from(count));
        let held_back = self.shown.get().saturating_sub(AHEAD - WINDOW);
        if held_back >= self.told.get() + ACK_EVERY {
            self.tell(session, held_back);
        }
        if !self.queue.borrow().is_empty() {
            self.await_frame(session);
        } else if self.shown.get() > self.told.get() && !self.quiet.replace(true) {
            self.await_quiet(session);
        }
    }

    fn await_quiet(&self, session: &Rc<Session>) {
        let weak = Rc::downgrade(session);
        set_timeout(
            move || {
                let Some(session) = weak.upgrade() else { return };
                let flow = session.flow();
                if Date::now() - flow.heard_at.get() < QUIET.as_millis() as f64 * 0.8 || flow.shown.get() < flow.received.get() {
                    flow.await_quiet(&session);
                } else {
                    flow.quiet.set(false);
                    flow.tell(&session, flow.shown.get());
                }
            },
            QUIET,
        );
    }

    fn tell(&self, session: &Rc<Session>, bytes: u64) {
        self.told.set(bytes);
        session.tell(&FromClient::Ack { bytes });
    }
}

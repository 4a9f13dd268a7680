//! A connection that is lost: how that is found out, and how the session comes back over another one.

use std::rc::Rc;
use std::time::Duration;

use js_sys::Date;
use leptos::prelude::*;

use super::super::{Stage, link};
use super::Session;

/// The longest time without a word that input waits for before the connection is doubted.
const SILENCE_MAX: f64 = 160_000.0;
/// The server says something every 20 s, if only what it has taken: after two such times without a word the connection is dead.
const DEAD: f64 = 45_000.0;
/// The timer of a page that is shown never is so late, unless the computer slept.
const SLEPT: f64 = 60_000.0;

impl Session {
    /// The connection closed without a last word: attach again, later each time.
    pub(super) fn broken(self: &Rc<Self>, reason: String) {
        if self.over.get() {
            return;
        }
        let turn = self.retry.begin();
        self.sends.set(false);
        self.drop_link();
        let pause = self.retry.pause().filter(|_| self.id.borrow().is_some());
        let Some(pause) = pause else {
            let session = Rc::clone(self);
            self.over.set(true);
            leptos::task::spawn_local(async move {
                let why = link::why_not(reason).await;
                session.end(Stage::Closed(why));
            });
            return;
        };
        _ = self.seen.stage.try_set(Stage::Broken);
        self.count_down(turn, pause.div_ceil(1_000));
        let weak = Rc::downgrade(self);
        let again = move || {
            if let Some(session) = weak.upgrade().filter(|session| session.retry.is(turn) && !session.over.get()) {
                session.connect();
            }
        };
        set_timeout(again, Duration::from_millis(pause.into()));
    }

    /// Attaches anew at once: nothing is lost by it where the old connection was well.
    pub(in super::super) fn renew(self: &Rc<Self>) {
        if !self.over.get() && self.id.borrow().is_some() {
            self.retry.renew();
            _ = self.seen.stage.try_set(Stage::Broken);
            self.connect();
        }
    }

    /// Looks whether the connection is dead without having said so.
    pub(super) fn look(self: &Rc<Self>) {
        let now = Date::now();
        let slept = now - self.looked_at.replace(now) > SLEPT && !document().hidden();
        let (silence, unheard) = (self.silence.get(), now - self.heard_at.get());
        let silent = self.sends.get() && self.outbox.borrow().waits() && unheard > silence;
        let dead = self.sends.get() && unheard > DEAD;
        if silent || dead {
            // A program may just not read: then asking more often does not help.
            self.silence.set((silence * 2.0).min(SILENCE_MAX));
            self.heard_at.set(now);
        }
        if slept || silent || dead {
            self.renew();
        }
    }

    /// Says second by second when the next try is.
    fn count_down(self: &Rc<Self>, turn: u32, seconds: u32) {
        _ = self.seen.next.try_set(Some(seconds));
        if seconds < 2 {
            return;
        }
        let weak = Rc::downgrade(self);
        let next = move || {
            if let Some(session) = weak.upgrade().filter(|session| session.retry.is(turn) && !session.over.get()) {
                session.count_down(turn, seconds - 1);
            }
        };
        set_timeout(next, Duration::from_secs(1));
    }
}

//! What the buttons around a terminal hold of it. On the server there is none, and nothing happens.

use leptos::prelude::*;

use super::{Remembered, Seen};

/// What is to be shown.
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "a terminal lives in the browser"))]
#[derive(Clone)]
pub(super) struct What {
    /// What it is a terminal of.
    pub title: String,
    /// The websocket's path.
    pub socket: String,
    /// The session to go on with when it is opened first.
    pub before: Option<Remembered>,
}

/// What a button asks of its terminal.
pub(super) enum Act {
    /// Puts the selected text on the clipboard.
    Copy,
    /// Pastes what is on the clipboard.
    Paste,
    /// Goes to the next match, or back to the one before; `typed`: the term is still being typed.
    Find {
        /// What is looked for.
        term: String,
        /// Upwards.
        back: bool,
        /// Whether the term is still being typed.
        typed: bool,
    },
    /// Takes the marks of a search away.
    Unfind,
    /// Gives it the keyboard.
    Focus,
    /// The same, where it can be seen.
    Come,
    /// Takes the session back from another window.
    TakeBack,
    /// Tries at once to come back over a new connection.
    Retry,
}

/// A terminal, if it was opened already.
#[derive(Clone, Copy)]
pub(super) struct Handle {
    #[cfg(feature = "hydrate")]
    session: StoredValue<Option<std::rc::Rc<super::session::Session>>, LocalStorage>,
}

#[cfg(not(feature = "hydrate"))]
impl Handle {
    pub(super) fn run(_what: What, _screen: NodeRef<leptos::html::Div>, _seen: Seen, _opened: RwSignal<u32>) -> Self {
        Self {}
    }

    pub(super) fn act(self, act: Act) {
        if let Act::Find { term, back, typed } = act {
            let _ = (term, back, typed);
        }
    }
}

#[cfg(feature = "hydrate")]
impl Handle {
    /// Shows a terminal in `screen` whenever `opened` counts up, until the page is left.
    pub(super) fn run(what: What, screen: NodeRef<leptos::html::Div>, seen: Seen, opened: RwSignal<u32>) -> Self {
        use std::rc::Rc;

        use super::Stage;
        use super::session::Session;
        use wasm_bindgen::JsCast;

        let handle = Self { session: StoredValue::new_local(None) };
        Effect::new(move |_| {
            let turn = opened.get();
            let Some(host) = screen.get() else { return };
            handle.leave();
            seen.stage.set(Stage::Opening);
            seen.remark.set(None);
            // Opened again it is another one.
            let what = What { before: what.before.clone().filter(|_| turn == 0), ..what.clone() };
            leptos::task::spawn_local(async move {
                match Session::open(what, host.unchecked_into(), seen).await {
                    Ok(session) => {
                        // The page may have been left meanwhile, or another one asked for.
                        let wanted = opened.try_get_untracked() == Some(turn);
                        if !wanted || handle.session.try_update_value(|kept| *kept = Some(Rc::clone(&session))).is_none() {
                            session.leave();
                        }
                    }
                    Err(error) => _ = seen.stage.try_set(Stage::Closed(format!("The terminal could not be loaded: {error}"))),
                }
            });
        });
        Effect::new(move |_| {
            let (size, reader) = (f64::from(seen.preferences.size()), seen.preferences.reader());
            handle.with(|session| session.screen().prefer(size, reader));
        });
        on_cleanup(move || handle.leave());
        handle
    }

    /// Does what a button asks.
    pub(super) fn act(self, act: Act) {
        use super::{keys, look};
        self.with(|session| match act {
            Act::Copy => keys::copy(session),
            Act::Paste => keys::paste(session),
            Act::Find { term, back, typed } => {
                let options = look::search(typed);
                _ = if back { session.search.find_previous(&term, &options) } else { session.search.find_next(&term, &options) };
            }
            Act::Unfind => session.search.clear(),
            Act::Focus => session.terminal().focus(),
            Act::Come => session.screen().come(),
            Act::TakeBack => session.take_back(),
            Act::Retry => {
                session.renew();
                session.terminal().focus();
            }
        });
    }

    fn with(self, act: impl FnOnce(&std::rc::Rc<super::session::Session>)) {
        let session = self.session.try_with_value(Clone::clone).flatten();
        if let Some(session) = session {
            act(&session);
        }
    }

    fn leave(self) {
        if let Some(Some(session)) = self.session.try_update_value(Option::take) {
            session.leave();
        }
    }
}

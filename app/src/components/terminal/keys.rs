//! The keys that are the page's and not the program's, and the clipboard. Every other key, Ctrl-C and Tab among them, is the
//! program's.

use std::rc::Rc;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlElement, KeyboardEvent};

use super::session::Session;
use crate::components::copy;

/// Hears the page's keys, and what is selected.
pub(super) fn listen(session: &Rc<Session>) {
    let weak = Rc::downgrade(session);
    session.terminal().on_key(move |event| weak.upgrade().is_none_or(|session| takes(&session, &event)));
    let weak = Rc::downgrade(session);
    session.terminal().on_selection(move || {
        if let Some(session) = weak.upgrade() {
            _ = session.seen().selected.try_set(!session.terminal().selection().is_empty());
        }
    });
}

/// Whether the terminal is to have this key.
fn takes(session: &Rc<Session>, event: &KeyboardEvent) -> bool {
    let ours = event.type_() == "keydown" && event.ctrl_key() && event.shift_key() && !event.alt_key() && !event.meta_key();
    if !ours {
        return true;
    }
    match event.code().as_str() {
        "KeyC" => {
            event.prevent_default();
            copy(session);
        }
        // The browser pastes by itself, without asking for a permission.
        "KeyV" => {}
        "KeyF" => {
            event.prevent_default();
            _ = session.seen().searching.try_set(true);
        }
        // A way out of the terminal for those who have no mouse.
        "KeyX" => {
            event.prevent_default();
            leave(event);
        }
        _ => return true,
    }
    false
}

/// Puts the selected text on the clipboard.
pub(super) fn copy(session: &Rc<Session>) {
    let text = session.terminal().selection();
    if !text.is_empty() {
        copy::put(&text);
        session.terminal().focus();
    }
}

/// Pastes what is on the clipboard, if the browser lets the page read it.
pub(super) fn paste(session: &Rc<Session>) {
    let seen = session.seen();
    let refuse = move || {
        _ = seen.remark.try_set(Some(String::from("The browser does not let this page read the clipboard. Press Ctrl-Shift-V in the terminal.")))
    };
    let window = window();
    if !window.is_secure_context() {
        return refuse();
    }
    let reading = JsFuture::from(window.navigator().clipboard().read_text());
    let session = Rc::clone(session);
    leptos::task::spawn_local(async move {
        match reading.await {
            Ok(text) => {
                _ = seen.remark.try_set(None);
                session.terminal().paste(&text.as_string().unwrap_or_default());
                session.terminal().focus();
            }
            Err(_) => refuse(),
        }
    });
}

/// Gives the keyboard to the first button of the terminal's own.
fn leave(event: &KeyboardEvent) {
    let within = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let section = within.and_then(|element| element.closest(".shell").ok().flatten());
    let button = section.and_then(|section| section.query_selector("header button:not([disabled])").ok().flatten());
    if let Some(button) = button.and_then(|button| button.dyn_into::<HtmlElement>().ok()) {
        _ = button.focus();
    }
}

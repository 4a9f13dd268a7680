//! The keyboard of a log page: `/` goes to the search, End to the newest line, Home to the first row, Space pauses, arrows and Page keys scroll. At the
//! log, arrows go from row to row. Where something is typed or pressed, keys mean what they mean there.

use std::rc::Rc;

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::desk::Desk;
use super::reader::Reader;

/// A row of the log.
const ROW: &str = ".log li";

/// Listens until the page is left.
pub(super) fn listen(desk: Desk) {
    let handle = window_event_listener(ev::keydown, move |event| {
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() || !free(&event) {
            return;
        }
        if walk(desk, &event) || act(desk, &event.key()) {
            event.prevent_default();
        }
    });
    on_cleanup(move || handle.remove());
}

/// Whether the key is nobody else's: the focus is nowhere, or at the rows.
fn free(event: &ev::KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return false };
    let busy = "input, textarea, select, button, summary, dialog, [contenteditable]";
    let linked = event.key() == " " || event.key() == "Enter";
    let within = |what: &str| matches!(target.closest(what), Ok(Some(_)));
    // From a button of a row they lead on as well: it has no use for them.
    let leads = matches!(event.key().as_str(), "ArrowUp" | "ArrowDown" | "Home" | "End") && within(ROW);
    leads || !(within(busy) || linked && within("a"))
}

/// From row to row, where the focus is at the log or in one of its rows.
fn walk(desk: Desk, event: &ev::KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return false };
    let row = target.closest(ROW).ok().flatten();
    if row.is_none() && !target.matches(".log").unwrap_or(false) {
        return false;
    }
    let walked = |reader: &Option<Rc<Reader>>| reader.as_ref().is_some_and(|reader| reader.walk(row.as_ref(), &event.key()));
    desk.reader.try_with_value(walked).unwrap_or(false)
}

fn act(desk: Desk, key: &str) -> bool {
    if key == "/" {
        let field = document().query_selector("#f-grep").ok().flatten().and_then(|field| field.dyn_into::<HtmlElement>().ok());
        return field.is_some_and(|field| field.focus().is_ok());
    }
    let reader = |act: &dyn Fn(&Rc<Reader>)| desk.reader.try_with_value(|reader| reader.as_ref().map(act)).flatten().is_some();
    match key {
        " " => {
            desk.pause();
            true
        }
        "End" => reader(&|reader| reader.newest()),
        "Home" => reader(&|reader| reader.oldest_row()),
        "ArrowUp" => reader(&|reader| reader.by(-0.08)),
        "ArrowDown" => reader(&|reader| reader.by(0.08)),
        "PageUp" => reader(&|reader| reader.by(-0.9)),
        "PageDown" => reader(&|reader| reader.by(0.9)),
        _ => false,
    }
}

//! How this reader likes logs to look: kept in the browser alone.

use leptos::prelude::window;

use super::desk::Desk;
use crate::components::log_row::Times;

/// Keeps a choice.
pub(super) fn keep(name: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        _ = storage.set_item(&format!("slipway-log-{name}"), value);
    }
}

fn kept(name: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(&format!("slipway-log-{name}")).ok()?
}

/// What was chosen before holds again.
pub(super) fn restore(desk: Desk) {
    if kept("wrap").as_deref() == Some("no") {
        desk.choose_wrap(false);
    }
    if kept("json").as_deref() == Some("raw") {
        desk.choose_raw(true);
    }
    let times = kept("times").and_then(|word| Times::ALL.into_iter().find(|times| times.as_str() == word));
    if let Some(times) = times.filter(|times| *times != Times::Utc) {
        desk.choose_times(times);
    }
}

//! Lines of a log: a window of rows that scrolls by itself, with what may stand above and below them. The rows are HTML that [`row`] writes; in the
//! browser [`list`] adds and removes them without Leptos, which would build a list anew for each line.

#[cfg(feature = "hydrate")]
pub(crate) mod list;
pub(crate) mod row;
mod stops;
pub(crate) mod who;

use leptos::prelude::*;
use leptos::{ev, html};

/// What a log is shown with.
#[derive(Clone, Copy)]
pub(crate) struct LogFrame {
    /// The rows.
    pub list: NodeRef<html::Ol>,
    /// What scrolls.
    pub scroller: NodeRef<html::Div>,
    /// Whether long lines are broken.
    pub wrap: RwSignal<bool>,
    /// The least level that is shown; empty: all, and lines without one.
    pub level: Signal<String>,
}

/// Shows a log.
#[component]
pub(crate) fn LogView(
    /// The first rows, as [`row::rows`] wrote them.
    rows: String,
    /// Its state.
    frame: LogFrame,
    /// What it is the log of, for readers.
    #[prop(into)]
    label: String,
    /// What stands above the rows.
    above: AnyView,
    /// What stands below them.
    below: AnyView,
    /// Something in it was pressed.
    on_press: Callback<ev::MouseEvent>,
    /// It was scrolled.
    on_scroll: Callback<()>,
) -> impl IntoView {
    // Nothing is read out by itself: a log would never stop. `role=log` says what it is to whoever goes there.
    view! {
        <div class="log" role="log" aria-label=label aria-describedby="log-keys" aria-live="off" tabindex="0" node_ref=frame.scroller data-wrap=move || frame.wrap.get().to_string()
            data-least=move || frame.level.get() on:scroll=move |_| on_scroll.run(())>
            <p id="log-keys" class="visually-hidden needs-script">"Up and Down go from line to line, Home and End to the first and the last one."</p>
            {above}
            <ol node_ref=frame.list inner_html=rows on:click=move |event| on_press.run(event) on:focusin=move |event| stops::enter(&event)
                on:focusout=move |event| stops::leave(&event)></ol>
            {below}
        </div>
    }
    .into_any()
}

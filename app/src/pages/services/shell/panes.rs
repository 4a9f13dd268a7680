//! The terminals that are open: beside each other where there is room, one after the other by tabs where there is not.

use std::sync::atomic::{AtomicU32, Ordering};

use leptos::prelude::*;

use super::asked::{Asked, Place};
use crate::components::Terminal;

/// Terminals at once: more of them would be too small to work in.
const MOST: usize = 4;

/// Counts all terminals, so that none of another service's page is taken for one of this.
static LAST: AtomicU32 = AtomicU32::new(0);

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pane {
    key: u32,
    title: String,
    socket: String,
}

/// The terminals of the page.
#[derive(Clone, Copy)]
pub(super) struct Panes {
    list: RwSignal<Vec<Pane>>,
    /// The one that is shown where there is room for one.
    active: RwSignal<u32>,
    places: RwSignal<Vec<Place>>,
}

impl Panes {
    /// None yet.
    pub(super) fn new(places: RwSignal<Vec<Place>>) -> Self {
        Self { list: RwSignal::new(Vec::new()), active: RwSignal::new(0), places }
    }

    /// Opens one more, if there is room.
    pub(super) fn open(self, asked: &Asked) {
        if self.list.with_untracked(Vec::len) >= MOST {
            return;
        }
        let key = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let title = self.places.with_untracked(|places| asked.title(places.iter().find(|place| place.task == asked.task)));
        self.list.update(|list| list.push(Pane { key, title, socket: asked.socket() }));
        self.active.set(key);
    }

    fn close(self, key: u32) {
        self.list.update(|list| list.retain(|pane| pane.key != key));
        let left = self.list.with_untracked(|list| list.last().map(|pane| pane.key));
        if self.active.get_untracked() == key
            && let Some(left) = left
        {
            self.active.set(left);
        }
    }

    /// Whether none is open.
    pub(super) fn is_empty(self) -> bool {
        self.list.with(Vec::is_empty)
    }

    /// Whether there is no room for another.
    pub(super) fn is_full(self) -> bool {
        self.list.with(Vec::len) >= MOST
    }
}

/// The terminals.
#[component]
pub(super) fn Wall(panes: Panes, recorded: bool) -> impl IntoView {
    let tabs = move || {
        let list = panes.list.get();
        (list.len() > 1).then(|| {
            let items = list
                .into_iter()
                .map(|pane| {
                    let key = pane.key;
                    view! {
                        <button type="button" aria-pressed=move || (panes.active.get() == key).to_string() on:click=move |_| panes.active.set(key)>
                            {pane.title}
                        </button>
                    }
                })
                .collect_view();
            view! { <div class="segments pane-tabs" role="group" aria-label="Shells">{items}</div> }
        })
    };
    view! {
        {tabs}
        <div class="panes" data-count=move || panes.list.with(Vec::len).to_string()>
            <For each=move || panes.list.get() key=|pane| pane.key let:pane>
                <div class="pane" data-active=move || (panes.active.get() == pane.key).then_some("")>
                    <Terminal title=pane.title socket=pane.socket recorded on_close=Callback::new(move |()| panes.close(pane.key))/>
                </div>
            </For>
        </div>
        {move || (!panes.is_empty()).then(|| view! {
            <p class="small faint keys">
                <kbd>"Ctrl-Shift-C"</kbd>" copies, "<kbd>"Ctrl-Shift-V"</kbd>" pastes, "<kbd>"Ctrl-Shift-F"</kbd>" searches, "
                <kbd>"Ctrl-Shift-X"</kbd>" leaves the terminal. All other keys are the program's."
            </p>
        })}
    }
    .into_any()
}

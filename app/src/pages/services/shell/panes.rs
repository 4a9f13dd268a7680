//! The terminals that are open: beside each other where there is room, one after the other by tabs where there is not.

use std::sync::atomic::{AtomicU32, Ordering};

use leptos::prelude::*;

use super::asked::{Asked, Place};
use crate::components::{Remembered, Terminal};

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
    /// The session that it had before the page was loaded again.
    before: Option<Remembered>,
}

/// The terminals of the page.
#[derive(Clone, Copy)]
pub(super) struct Panes {
    list: RwSignal<Vec<Pane>>,
    /// The one that is shown where there is room for one.
    active: RwSignal<u32>,
    /// Counts how often somebody turned to that one: each time it gets the keyboard.
    turned: RwSignal<u32>,
    /// What opens another one: the keyboard goes there when none is left.
    opener: NodeRef<leptos::html::Button>,
    places: RwSignal<Vec<Place>>,
    /// What was open before the page was loaded again, and is not yet.
    before: StoredValue<Vec<Remembered>>,
}

impl Panes {
    /// None yet.
    pub(super) fn new(places: RwSignal<Vec<Place>>) -> Self {
        Self {
            list: RwSignal::new(Vec::new()),
            active: RwSignal::new(0),
            turned: RwSignal::new(0),
            opener: NodeRef::new(),
            places,
            before: StoredValue::new(Remembered::of_page()),
        }
    }

    /// Opens one more, if there is room. What was asked for in the same words before the page was loaded again goes on.
    pub(super) fn open(self, asked: &Asked) {
        let title = self.places.with_untracked(|places| asked.title(places.iter().find(|place| place.task == asked.task)));
        let socket = asked.socket();
        let take = |before: &mut Vec<Remembered>| before.iter().position(|one| one.socket == socket).map(|at| before.remove(at));
        let before = self.before.try_update_value(take).flatten();
        // It goes on under the name that it had.
        let title = before.as_ref().map_or(title, |before| before.title.clone());
        self.add(&title, socket, before);
    }

    /// Opens what else was open before the page was loaded again, once it stands.
    pub(super) fn restore(self) {
        Effect::new(move |_| {
            Remembered::forget_page();
            for one in self.before.try_update_value(std::mem::take).unwrap_or_default() {
                self.add(&one.title.clone(), one.socket.clone(), Some(one));
            }
        });
    }

    fn add(self, title: &str, socket: String, before: Option<Remembered>) {
        if self.list.with_untracked(Vec::len) >= MOST {
            return;
        }
        let title = self.list.with_untracked(|list| numbered(title, |name| list.iter().any(|pane| pane.title == name)));
        let key = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        self.list.update(|list| list.push(Pane { key, title, socket, before }));
        self.active.set(key);
    }

    /// Turns to one that is there.
    fn turn(self, key: u32) {
        self.active.set(key);
        self.turned.update(|turned| *turned = turned.wrapping_add(1));
    }

    /// Closes one, and turns to its neighbour: whoever pressed its button stands nowhere now.
    fn close(self, key: u32) {
        let neighbour = self.list.with_untracked(|list| {
            let at = list.iter().position(|pane| pane.key == key)?;
            list.get(at + 1).or_else(|| list.get(at.checked_sub(1)?)).map(|pane| pane.key)
        });
        self.list.update(|list| list.retain(|pane| pane.key != key));
        match neighbour {
            Some(neighbour) => self.turn(neighbour),
            None => {
                if let Some(opener) = self.opener.get_untracked() {
                    _ = opener.focus();
                }
            }
        }
    }

    /// Where the form puts what opens another one.
    pub(super) fn opener(self) -> NodeRef<leptos::html::Button> {
        self.opener
    }

    /// Counts how often somebody turned to this one; 0 while it is not the one.
    fn turned_to(self, key: u32) -> Signal<u32> {
        Memo::new(move |_| if self.active.get() == key { self.turned.get() } else { 0 }).into()
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

/// The title by which it is told from those that are open: a second one of the same task is "web.1 (2)".
fn numbered(title: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = title.to_owned();
    let mut number = 1;
    while taken(&name) {
        number += 1;
        name = format!("{title} ({number})");
    }
    name
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
                        <button type="button" aria-pressed=move || (panes.active.get() == key).to_string() on:click=move |_| panes.turn(key)>
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
                    <Terminal title=pane.title socket=pane.socket before=pane.before recorded turned=panes.turned_to(pane.key)
                        on_close=Callback::new(move |()| panes.close(pane.key))/>
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_of_one_task_are_told_apart() {
        let among = |open: &[&str]| numbered("web.1", |name| open.contains(&name));
        assert_eq!(among(&["web.2"]), "web.1");
        assert_eq!(among(&["web.1", "web.1: top"]), "web.1 (2)");
        assert_eq!(among(&["web.1", "web.1 (2)"]), "web.1 (3)");
        assert_eq!(among(&["web.1 (2)"]), "web.1", "who lives keeps its number, and the name that is free is given again");
    }
}

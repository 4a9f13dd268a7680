//! The search in a terminal's output, the lines above the screen included.

use leptos::prelude::*;

use super::Seen;
use super::handle::{Act, Handle};
use crate::components::icon::{Icon, Sign};

/// The search: what is looked for, how often it is there, and the way from one to the next.
#[component]
pub(super) fn Find(seen: Seen, handle: Handle) -> impl IntoView {
    let field = NodeRef::<leptos::html::Input>::new();
    let term = RwSignal::new(String::new());
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            _ = field.focus();
        }
    });
    let go = move |back: bool, typed: bool| handle.act(Act::Find { term: term.get_untracked(), back, typed });
    on_cleanup(move || {
        handle.act(Act::Unfind);
        _ = seen.found.try_set(None);
    });
    let close = move || {
        seen.searching.set(false);
        handle.act(Act::Focus);
    };
    let key = move |event: leptos::ev::KeyboardEvent| match event.key().as_str() {
        "Enter" => {
            event.prevent_default();
            go(event.shift_key(), false);
        }
        "Escape" => {
            event.prevent_default();
            close();
        }
        _ => {}
    };
    let count = move || if term.with(String::is_empty) { String::new() } else { counted(seen.found.get()) };
    view! {
        <div class="shell-find" role="search" aria-label="Search in the output">
            <input type="search" node_ref=field aria-label="Search in the output" placeholder="Search in the output" autocomplete="off" spellcheck="false"
                on:input=move |event| { term.set(event_target_value(&event)); go(false, true); } on:keydown=key/>
            <span class="small muted nowrap" role="status">{count}</span>
            <button type="button" class="button button-small" title="Upwards (Shift-Enter)" on:click=move |_| go(true, false)>"Previous"</button>
            <button type="button" class="button button-small" title="Downwards (Enter)" on:click=move |_| go(false, false)>"Next"</button>
            <button type="button" class="icon-button" aria-label="Close the search" on:click=move |_| close()><Sign icon=Icon::Cross/></button>
        </div>
    }
    .into_any()
}

/// `3 of 12`.
fn counted(found: Option<(Option<u32>, u32)>) -> String {
    match found {
        None | Some((_, 0)) => String::from("No match"),
        Some((Some(index), count)) => format!("{} of {count}", index + 1),
        Some((None, count)) => format!("{count} or more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_counted_from_one() {
        let said = [None, Some((None, 0)), Some((Some(2), 12)), Some((None, 1000))].map(counted);
        assert_eq!(said, ["No match", "No match", "3 of 12", "1000 or more"]);
    }
}

//! Short words on what was just done. They stay for some seconds, can be sent away, and are read out by screen readers.

use leptos::prelude::*;

use super::icon::{Icon, Sign};

/// How long a toast stays.
const STAY: std::time::Duration = std::time::Duration::from_secs(6);
/// More than these are never shown at once.
const MOST: usize = 4;

/// Where pages leave their toasts.
#[derive(Clone, Copy)]
pub(crate) struct Toaster {
    shown: RwSignal<Vec<Toast>>,
    last: StoredValue<u32>,
}

#[derive(Clone)]
struct Toast {
    id: u32,
    text: String,
}

impl Toaster {
    /// Makes one, for every component below.
    pub(crate) fn provide() {
        provide_context(Self { shown: RwSignal::new(Vec::new()), last: StoredValue::new(0) });
    }

    /// Says that something was done.
    pub(crate) fn say(self, text: impl Into<String>) {
        let text = text.into();
        let id = self.last.get_value() + 1;
        self.last.set_value(id);
        self.shown.update(|shown| {
            shown.push(Toast { id, text });
            let extra = shown.len().saturating_sub(MOST);
            shown.drain(..extra);
        });
        set_timeout(move || self.drop(id), STAY);
    }

    fn drop(self, id: u32) {
        _ = self.shown.try_update(|shown| shown.retain(|toast| toast.id != id));
    }
}

/// Shows them.
#[component]
pub(crate) fn Toasts() -> impl IntoView {
    let toaster = expect_context::<Toaster>();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toaster.shown.get() key=|toast| toast.id let(toast)>
                <div class="toast">
                    <p>{toast.text}</p>
                    <button type="button" class="icon-button" aria-label="Dismiss" on:click=move |_| toaster.drop(toast.id)>
                        <Sign icon=Icon::Cross/>
                    </button>
                </div>
            </For>
        </div>
    }
    .into_any()
}

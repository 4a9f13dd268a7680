//! A terminal over the whole window, and over the whole screen where the browser leaves the Escape key to the program meanwhile: else
//! vi could not be used there.

use leptos::prelude::*;

/// Whether a terminal fills the window.
#[derive(Clone, Copy)]
pub(super) struct Full {
    on: RwSignal<bool>,
    section: NodeRef<leptos::html::Section>,
}

impl Full {
    /// That of a terminal's section.
    pub(super) fn of(section: NodeRef<leptos::html::Section>) -> Self {
        let full = Self { on: RwSignal::new(false), section };
        full.follow();
        full
    }

    #[cfg(not(feature = "hydrate"))]
    fn follow(self) {}

    /// The browser has ways of its own out of the full screen.
    #[cfg(feature = "hydrate")]
    fn follow(self) {
        Effect::new(move |_| {
            let left = window_event_listener_untyped("fullscreenchange", move |_| {
                if document().fullscreen_element().is_none() {
                    _ = self.on.try_set(false);
                }
            });
            on_cleanup(move || left.remove());
        });
    }

    /// Whether it does.
    pub(super) fn is_on(self) -> bool {
        self.on.get()
    }

    /// The other way.
    pub(super) fn toggle(self) {
        self.on.update(|on| *on = !*on);
        #[cfg(feature = "hydrate")]
        if self.on.get_untracked() {
            self.enter();
        } else if document().fullscreen_element().is_some() {
            document().exit_fullscreen();
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = self.section;
    }

    #[cfg(feature = "hydrate")]
    fn enter(self) {
        use js_sys::{Function, Promise, Reflect};
        use wasm_bindgen::{JsCast, JsValue};
        use wasm_bindgen_futures::JsFuture;

        let Some(section) = self.section.get_untracked() else { return };
        let Ok(keyboard) = Reflect::get(&window().navigator(), &JsValue::from_str("keyboard")) else { return };
        let Some(lock) = Reflect::get(&keyboard, &JsValue::from_str("lock")).ok().and_then(|lock| lock.dyn_into::<Function>().ok()) else { return };
        let asked = Reflect::get(&section, &JsValue::from_str("requestFullscreen")).ok().and_then(|ask| ask.dyn_into::<Function>().ok());
        let Some(asked) = asked.and_then(|ask| ask.call0(&section).ok()).and_then(|asked| asked.dyn_into::<Promise>().ok()) else { return };
        leptos::task::spawn_local(async move {
            // Refused: it fills the window all the same.
            if JsFuture::from(asked).await.is_ok() {
                let keys = js_sys::Array::new();
                keys.push(&JsValue::from_str("Escape"));
                if let Some(locked) = lock.call1(&keyboard, &keys).ok().and_then(|locked| locked.dyn_into::<Promise>().ok()) {
                    _ = JsFuture::from(locked).await;
                }
            }
        });
    }
}

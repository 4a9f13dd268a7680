//! How terminals look: their options, and colours that follow the page's, light or dark.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{MediaQueryList, MutationObserver, MutationObserverInit};
use xterm_js_sys::{Options, SearchOptions, Theme};

/// Lines kept above the screen.
const SCROLLBACK: u32 = 5_000;

/// Options of a terminal with this font size and, if wanted, with the support for screen readers.
pub(super) fn options(size: f64, reader: bool) -> Options {
    Options {
        font_family: Some(String::from(
            "ui-monospace, \"SF Mono\", \"Cascadia Mono\", Menlo, Consolas, \"Liberation Mono\", \"DejaVu Sans Mono\", monospace",
        )),
        font_size: Some(size),
        scrollback: Some(SCROLLBACK),
        cursor_blink: false,
        screen_reader_mode: reader,
        // Programs choose colours for a dark screen, most of them; on a light one they are made readable.
        minimum_contrast_ratio: Some(4.5),
        theme: Some(theme(is_dark())),
        ..Options::default()
    }
}

/// How a search goes: as it is typed or not, with what it finds marked.
pub(super) fn search(incremental: bool) -> SearchOptions {
    let (all, current) = if is_dark() { ("#5a4a12", "#a36a00") } else { ("#ffe58a", "#ffb454") };
    SearchOptions { incremental, marks: Some((String::from(all), String::from(current))), ..SearchOptions::default() }
}

/// Whether the page is dark now.
fn is_dark() -> bool {
    let chosen = document().document_element().and_then(|root| root.get_attribute("data-theme"));
    match chosen.as_deref() {
        Some("dark") => true,
        Some("light") => false,
        _ => system().is_some_and(|system| system.matches()),
    }
}

fn system() -> Option<MediaQueryList> {
    window().match_media("(prefers-color-scheme: dark)").ok().flatten()
}

/// The style sheet's `--terminal-...` colours, which xterm.js wants by their values.
fn theme(dark: bool) -> Theme {
    let text = |text: &str| Some(text.to_owned());
    let (foreground, background, cursor, selection) =
        if dark { ("#d9e0e8", "#0b0f14", "#7aaeff", "#29487a") } else { ("#17202b", "#ffffff", "#1c59c9", "#c9dcff") };
    Theme {
        foreground: text(foreground),
        background: text(background),
        cursor: text(cursor),
        cursor_accent: text(background),
        selection_background: text(selection),
        ansi: Some((if dark { DARK } else { LIGHT }).map(str::to_owned)),
    }
}

// The page writes its own remarks in colour 8.
const DARK: [&str; 16] = [
    "#3b4654", "#ff8d83", "#5fcd8b", "#e7b25c", "#7aaeff", "#cf9bff", "#5cc8dd", "#d9e0e8", // normal
    "#7c8896", "#ffb0a8", "#8fe3b0", "#f3cf8e", "#a3c8ff", "#e0c0ff", "#93dfee", "#ffffff", // bright
];
const LIGHT: [&str; 16] = [
    "#17202b", "#b0241c", "#136a3a", "#824e00", "#1c59c9", "#7b2fb5", "#00657a", "#5b6774", // normal
    "#46525f", "#c9392f", "#1b7d47", "#8a5a00", "#2f6fe0", "#9146cc", "#0a7489", "#7c8896", // bright
];

/// Tells of every change between light and dark until it is dropped.
pub(super) struct Watch {
    system: Option<MediaQueryList>,
    page: Option<MutationObserver>,
    changed: Closure<dyn FnMut()>,
}

impl Watch {
    /// Calls `changed` with the new colours.
    pub(super) fn new(changed: impl Fn(Theme) + 'static) -> Self {
        let changed = Closure::<dyn FnMut()>::new(move || changed(theme(is_dark())));
        let heard = changed.as_ref().unchecked_ref();
        let system = system();
        if let Some(system) = &system {
            _ = system.add_event_listener_with_callback("change", heard);
        }
        let page = MutationObserver::new(heard).ok();
        if let (Some(page), Some(root)) = (&page, document().document_element()) {
            let what = MutationObserverInit::new();
            what.set_attributes(true);
            let names = js_sys::Array::new();
            names.push(&wasm_bindgen::JsValue::from_str("data-theme"));
            what.set_attribute_filter(&names);
            _ = page.observe_with_options(&root, &what);
        }
        Self { system, page, changed }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(system) = &self.system {
            _ = system.remove_event_listener_with_callback("change", self.changed.as_ref().unchecked_ref());
        }
        if let Some(page) = &self.page {
            page.disconnect();
        }
    }
}

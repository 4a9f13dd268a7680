//! How somebody likes terminals: the font's size, and the support for screen readers. It is kept in the browser alone, and one choice
//! holds for all terminals.

use leptos::prelude::*;

/// Font sizes in CSS pixels.
const SIZES: std::ops::RangeInclusive<u8> = 8..=28;
/// The size of who never chose.
const SIZE: u8 = 13;
#[cfg(feature = "hydrate")]
const SIZE_KEY: &str = "slipway-terminal-font";
#[cfg(feature = "hydrate")]
const READER_KEY: &str = "slipway-terminal-reader";

/// The choices.
#[derive(Clone, Copy)]
pub(crate) struct Preferences {
    size: RwSignal<u8>,
    reader: RwSignal<bool>,
}

impl Preferences {
    /// Reads what is kept, for every terminal below. The server knows nothing of it, so the page begins with the defaults.
    pub(crate) fn provide() {
        let preferences = Self { size: RwSignal::new(SIZE), reader: RwSignal::new(false) };
        provide_context(preferences);
        #[cfg(feature = "hydrate")]
        Effect::new(move |_| {
            if let Some(size) = kept(SIZE_KEY).and_then(|text| text.parse().ok()).filter(|size| SIZES.contains(size)) {
                preferences.size.set(size);
            }
            preferences.reader.set(kept(READER_KEY).is_some());
        });
    }

    /// The choices of this page.
    pub(super) fn of_page() -> Self {
        use_context().unwrap_or_else(|| Self { size: RwSignal::new(SIZE), reader: RwSignal::new(false) })
    }

    /// The font's size in CSS pixels.
    #[cfg(feature = "hydrate")]
    pub(super) fn size(self) -> u8 {
        self.size.get()
    }

    /// Whether screen readers are supported, which costs speed.
    pub(super) fn reader(self) -> bool {
        self.reader.get()
    }

    /// Both, for a terminal that begins.
    #[cfg(feature = "hydrate")]
    pub(super) fn untracked(self) -> (f64, bool) {
        (f64::from(self.size.get_untracked()), self.reader.get_untracked())
    }

    /// Larger or smaller letters.
    pub(super) fn resize(self, by: i8) {
        let size = self.size.get_untracked().saturating_add_signed(by).clamp(*SIZES.start(), *SIZES.end());
        self.size.set(size);
        #[cfg(feature = "hydrate")]
        keep(SIZE_KEY, Some(&size.to_string()));
    }

    /// The other choice.
    pub(super) fn toggle_reader(self) {
        self.reader.update(|reader| *reader = !*reader);
        #[cfg(feature = "hydrate")]
        keep(READER_KEY, self.reader.get_untracked().then_some("on"));
    }
}

#[cfg(feature = "hydrate")]
fn kept(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// A browser that keeps nothing forgets the choice with the page.
#[cfg(feature = "hydrate")]
fn keep(key: &str, value: Option<&str>) {
    if let Ok(Some(storage)) = window().local_storage() {
        _ = match value {
            Some(value) => storage.set_item(key, value),
            None => storage.remove_item(key),
        };
    }
}

//! The addons that a page talks to: fit and search. They live as long as the terminal that loaded them; called after its end
//! they do nothing.

use js_sys::Object;
use wasm_bindgen::JsCast;

use crate::{
    Error, Listener, Size,
    raw::{self, set},
};

/// Fits a terminal's size to the element that it was opened in.
#[derive(Clone, Debug)]
pub struct Fit {
    js: raw::FitAddon,
}

impl Fit {
    pub(crate) fn new(js: raw::FitAddon) -> Self {
        Self { js }
    }

    /// Resizes the terminal to what fits; nothing happens while the element is hidden or the size is right already.
    pub fn fit(&self) {
        self.js.fit();
    }

    /// What would fit; `None` while the element is hidden.
    pub fn propose(&self) -> Option<Size> {
        self.js.propose().as_ref().and_then(Size::from_js)
    }
}

/// How to search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchOptions {
    /// The term is a regular expression of JavaScript.
    pub regex: bool,
    /// Whole words only.
    pub whole_word: bool,
    /// Upper and lower case differ.
    pub case_sensitive: bool,
    /// Grow the present selection if it still matches: for a search while the term is typed.
    pub incremental: bool,
    /// Mark every match, in these `#rrggbb` colours: (all, the current one). Without it nothing is counted.
    pub marks: Option<(String, String)>,
}

impl SearchOptions {
    fn to_js(&self) -> Object {
        let js = Object::new();
        for (name, value) in
            [("regex", self.regex), ("wholeWord", self.whole_word), ("caseSensitive", self.case_sensitive), ("incremental", self.incremental)]
        {
            set(&js, name, value);
        }
        if let Some((all, current)) = &self.marks {
            let marks = Object::new();
            set(&marks, "matchBackground", all.as_str());
            set(&marks, "matchOverviewRuler", all.as_str());
            set(&marks, "activeMatchBackground", current.as_str());
            set(&marks, "activeMatchColorOverviewRuler", current.as_str());
            set(&js, "decorations", marks);
        }
        js
    }
}

/// What a search with marks found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// All matches, up to the addon's limit of 1000.
    pub count: u32,
    /// The current one, from 0; `None` when there is none or the limit was passed.
    pub index: Option<u32>,
}

/// Searches a terminal's text, the lines above the screen included.
#[derive(Clone, Debug)]
pub struct Search {
    js: raw::SearchAddon,
}

impl Search {
    pub(crate) fn new(js: raw::SearchAddon) -> Self {
        Self { js }
    }

    /// Selects the next match, after the last line the first again, and scrolls to it. False: no match.
    ///
    /// # Errors
    /// When the regular expression is not one.
    pub fn find_next(&self, term: &str, options: &SearchOptions) -> Result<bool, Error> {
        Ok(self.js.find_next(term, &options.to_js())?)
    }

    /// The same, upwards.
    ///
    /// # Errors
    /// As [`Search::find_next`].
    pub fn find_previous(&self, term: &str, options: &SearchOptions) -> Result<bool, Error> {
        Ok(self.js.find_previous(term, &options.to_js())?)
    }

    /// Takes all marks away.
    pub fn clear(&self) {
        self.js.clear_decorations();
    }

    /// Hears the count of a search with marks, also when new output changes it, until the listener is dropped.
    pub fn on_found(&self, mut heard: impl FnMut(Found) + 'static) -> Listener {
        let event = self.js.on_did_change_results();
        Listener::new(
            |f| {
                // The event is a function of one argument; it cannot throw before it is heard.
                let disposable = event.call1(&self.js, f).expect("an event of xterm.js takes a listener");
                disposable.unchecked_into()
            },
            move |results| {
                let results: &raw::Results = results.unchecked_ref();
                heard(Found { count: results.count() as u32, index: (results.index() >= 0.0).then(|| results.index() as u32) });
            },
        )
    }
}

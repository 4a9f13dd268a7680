//! What a log page shows of its reader's place, and the handle by which its buttons reach it. On the server there is the state alone.

use leptos::ev;
use leptos::prelude::*;
use model::time::Millis;

use super::asked::Asked;
#[cfg(feature = "hydrate")]
use super::reader::Reader;
use crate::components::LogFrame;
use crate::components::log_row::Times;

/// How a search through everything does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser searches that way"))]
pub(super) enum Search {
    /// There is none.
    None,
    /// It looks: bytes of so many, and the time that it has come to.
    Running(u64, u64, Option<Millis>),
    /// So many lines are found that it waits.
    Full,
    /// It was stopped.
    Cancelled,
    /// It looked at everything.
    Done,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser follows"))]
pub(super) enum Pace {
    /// The page as the server made it.
    Still,
    /// New lines appear.
    Following,
    /// The connection is gone; it is tried again.
    Broken,
    /// The reader is among older lines, which is no place for new ones.
    Away,
    /// Nothing is looked for any more.
    Ended,
}

/// The state of a log page, for its parts.
#[derive(Clone, Copy)]
pub(super) struct Desk {
    /// The rows.
    pub frame: LogFrame,
    /// What is going on.
    pub pace: RwSignal<Pace>,
    /// What the server said when it ended the stream.
    pub said: RwSignal<String>,
    /// The reader wants no new lines for now.
    pub paused: RwSignal<bool>,
    /// The last row is in sight.
    pub at_end: RwSignal<bool>,
    /// Lines that came and are not shown yet; and whether there are more than that.
    pub waiting: RwSignal<(usize, bool)>,
    /// There are older lines than the first row.
    pub older: RwSignal<bool>,
    /// There are newer lines than the last row.
    pub newer: RwSignal<bool>,
    /// Rows were taken away above, because there were too many.
    pub dropped: RwSignal<bool>,
    /// Rows in the page.
    pub count: RwSignal<usize>,
    /// Lines are being fetched.
    pub busy: RwSignal<bool>,
    /// A search through everything.
    pub search: RwSignal<Search>,
    /// Lines that it found.
    pub found: RwSignal<usize>,
    /// JSON lines are shown as they came.
    pub raw: RwSignal<bool>,
    /// How times are written.
    pub times: RwSignal<Times>,
    #[cfg(feature = "hydrate")]
    pub(super) reader: StoredValue<Option<std::rc::Rc<Reader>>, LocalStorage>,
}

impl Desk {
    /// The state of a page as it is first shown.
    pub(super) fn new(level: Signal<String>, count: usize, older: bool, newer: bool) -> Self {
        Self {
            frame: LogFrame { list: NodeRef::new(), scroller: NodeRef::new(), wrap: RwSignal::new(true), level },
            pace: RwSignal::new(Pace::Still),
            said: RwSignal::new(String::new()),
            paused: RwSignal::new(false),
            at_end: RwSignal::new(true),
            waiting: RwSignal::new((0, false)),
            older: RwSignal::new(older),
            newer: RwSignal::new(newer),
            dropped: RwSignal::new(false),
            count: RwSignal::new(count),
            busy: RwSignal::new(false),
            search: RwSignal::new(Search::None),
            found: RwSignal::new(0),
            raw: RwSignal::new(false),
            times: RwSignal::new(Times::Utc),
            #[cfg(feature = "hydrate")]
            reader: StoredValue::new_local(None),
        }
    }

    /// In words, for the line below the log; it changes when what is going on does, not with each line.
    pub(super) fn status(self, asked: &Asked) -> String {
        if !self.said.with(String::is_empty) {
            return self.said.get();
        }
        let text = match (self.pace.get(), self.paused.get(), self.at_end.get()) {
            (Pace::Still, ..) => "",
            (Pace::Broken, ..) => "The connection broke; it is tried again. No line is lost by it.",
            (Pace::Ended, ..) if !asked.filter.until.is_empty() => "These lines end at a time, so nothing is followed.",
            (Pace::Ended, ..) => "",
            (Pace::Away, ..) => "These are older lines. Newer ones are below.",
            (Pace::Following, true, _) => "Paused. New lines wait.",
            (Pace::Following, false, true) => "Following.",
            (Pace::Following, false, false) => "Not following: the end is below.",
        };
        text.to_owned()
    }
}

/// Does nothing on the server: there is no reader yet.
#[cfg(not(feature = "hydrate"))]
impl Desk {
    pub(super) fn pause(self) {}
    pub(super) fn to_end(self) {}
    pub(super) fn older(self, _event: &ev::MouseEvent) {}
    pub(super) fn newer(self, _event: &ev::MouseEvent) {}
    pub(super) fn cancel(self) {}
    pub(super) fn search_on(self) {}
    pub(super) fn pressed(self, _event: &ev::MouseEvent) {}
    pub(super) fn scrolled(self) {}
    pub(super) fn choose_wrap(self, _wrap: bool) {}
    pub(super) fn choose_raw(self, _raw: bool) {}
    pub(super) fn choose_times(self, _times: Times) {}
}

#[cfg(feature = "hydrate")]
impl Desk {
    fn with(self, act: impl FnOnce(&std::rc::Rc<Reader>)) {
        _ = self.reader.try_with_value(|reader| reader.as_ref().map(act));
    }

    /// Stops new lines, or lets them come again.
    pub(super) fn pause(self) {
        self.paused.update(|paused| *paused = !*paused);
        self.with(|reader| reader.release());
    }

    /// To the newest line.
    pub(super) fn to_end(self) {
        self.with(Reader::newest);
    }

    /// Older lines, in place of what the link would do.
    pub(super) fn older(self, event: &ev::MouseEvent) {
        event.prevent_default();
        self.with(Reader::load_older);
    }

    /// Newer lines.
    pub(super) fn newer(self, event: &ev::MouseEvent) {
        event.prevent_default();
        self.with(Reader::load_newer);
    }

    /// Stops a search.
    pub(super) fn cancel(self) {
        self.with(|reader| reader.cancel());
    }

    /// Goes on with a search that waits.
    pub(super) fn search_on(self) {
        self.with(Reader::search);
    }

    /// Something among the rows was pressed.
    pub(super) fn pressed(self, event: &ev::MouseEvent) {
        self.with(|reader| reader.pressed(event));
    }

    /// The rows were scrolled.
    pub(super) fn scrolled(self) {
        self.with(Reader::scrolled);
    }

    /// Breaks long lines, or does not.
    pub(super) fn choose_wrap(self, wrap: bool) {
        self.frame.wrap.set(wrap);
        super::prefs::keep("wrap", if wrap { "yes" } else { "no" });
        let end = self.at_end.get_untracked();
        request_animation_frame(move || self.with(|reader| reader.settle(end)));
    }

    /// Shows JSON lines as they came, or opened.
    pub(super) fn choose_raw(self, raw: bool) {
        self.raw.set(raw);
        super::prefs::keep("json", if raw { "raw" } else { "opened" });
        self.with(|reader| reader.redraw(|look| look.raw = raw));
    }

    /// Writes times another way.
    pub(super) fn choose_times(self, times: Times) {
        self.times.set(times);
        super::prefs::keep("times", times.as_str());
        self.with(|reader| reader.redraw(|look| look.times = times));
    }
}

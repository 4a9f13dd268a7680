//! The lines as they are written: server-sent events, opened again after a break at the last line that was seen, so that
//! none is missed and none is shown twice.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use leptos::prelude::*;
use model::views::logs::LogView as Line;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{EventSource, MessageEvent};

use super::{Shown, line};
use crate::components::LogFeed;
use crate::urls;

/// Lines of different tasks may come out of order by so much.
const OVERLAP_NANOS: i64 = 2_000_000_000;
/// Lines that are remembered to tell what was shown already.
const REMEMBERED: usize = 2_000;
/// Waiting before the stream is opened again, at most.
const RETRY_MAX: u32 = 30_000;

/// Puts the lines that come after `first` into the feed, until the page is left.
pub(super) fn follow(shown: &Shown, first: &[Line], feed: LogFeed, state: RwSignal<String>) {
    let url = urls::log_stream(&shown.project, &shown.service, &shown.environment, &shown.task);
    let follower = Rc::new(Follower {
        url,
        grep: shown.filter.clone(),
        feed,
        state,
        last: Cell::new(first.last().map_or(0, |line| line.nanos)),
        known: RefCell::new(first.iter().rev().take(REMEMBERED).rev().map(mark).collect()),
        retry: Cell::new(500),
        explained: Cell::new(false),
        stream: RefCell::new(None),
    });
    let held = StoredValue::new_local(Some(Rc::clone(&follower)));
    Effect::new(move |_| {
        held.with_value(|follower| {
            if let Some(follower) = follower
                && follower.stream.borrow().is_none()
            {
                follower.open();
            }
        });
    });
    on_cleanup(move || {
        if let Some(Some(follower)) = held.try_update_value(Option::take) {
            follower.stream.borrow_mut().take();
        }
    });
}

/// What tells a line from others.
fn mark(line: &Line) -> (i64, i64, usize) {
    (line.nanos, i64::from(line.slot), line.text.len())
}

struct Follower {
    url: String,
    grep: String,
    feed: LogFeed,
    state: RwSignal<String>,
    last: Cell<i64>,
    known: RefCell<VecDeque<(i64, i64, usize)>>,
    retry: Cell<u32>,
    /// Whether the server said why it ended.
    explained: Cell<bool>,
    stream: RefCell<Option<Stream>>,
}

/// An open stream with its listeners, which end with it.
struct Stream {
    source: EventSource,
    _line: Closure<dyn FnMut(MessageEvent)>,
    _end: Closure<dyn FnMut(MessageEvent)>,
    _open: Closure<dyn FnMut()>,
    _error: Closure<dyn FnMut()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}

impl Follower {
    fn open(self: &Rc<Self>) {
        let mut url = self.url.clone();
        let last = self.last.get();
        if last > 0 {
            // Seconds; what falls into the overlap twice is told apart below.
            let since = last - OVERLAP_NANOS;
            url.push_str(&format!("&since={}.{:09}", since / 1_000_000_000, since % 1_000_000_000));
        }
        if !self.grep.is_empty() {
            url.push_str(&format!("&grep={}", urls::query(&self.grep)));
        }
        let Ok(source) = EventSource::new(&url) else { return };
        let weak = Rc::downgrade(self);
        let line = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let (Some(follower), Some(text)) = (weak.upgrade(), event.data().as_string()) {
                follower.heard(&text);
            }
        });
        let weak = Rc::downgrade(self);
        let end = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let (Some(follower), Some(text)) = (weak.upgrade(), event.data().as_string()) {
                follower.ended(&text);
            }
        });
        let weak = Rc::downgrade(self);
        let open = Closure::<dyn FnMut()>::new(move || {
            if let Some(follower) = weak.upgrade() {
                follower.retry.set(500);
                _ = follower.state.try_set(String::from("Following."));
            }
        });
        let weak = Rc::downgrade(self);
        let error = Closure::<dyn FnMut()>::new(move || {
            if let Some(follower) = weak.upgrade() {
                follower.again();
            }
        });
        _ = source.add_event_listener_with_callback("line", line.as_ref().unchecked_ref());
        _ = source.add_event_listener_with_callback("end", end.as_ref().unchecked_ref());
        source.set_onopen(Some(open.as_ref().unchecked_ref()));
        source.set_onerror(Some(error.as_ref().unchecked_ref()));
        *self.stream.borrow_mut() = Some(Stream { source, _line: line, _end: end, _open: open, _error: error });
    }

    fn heard(&self, text: &str) {
        let Ok(found) = serde_json::from_str::<Line>(text) else { return };
        let mut known = self.known.borrow_mut();
        if found.nanos <= self.last.get() && known.contains(&mark(&found)) {
            return;
        }
        known.push_back(mark(&found));
        if known.len() > REMEMBERED {
            known.pop_front();
        }
        self.last.set(self.last.get().max(found.nanos));
        self.feed.push(line(&found));
    }

    /// The server ends the stream and says why; it is tried again all the same.
    fn ended(&self, text: &str) {
        #[derive(serde::Deserialize)]
        struct End {
            message: String,
        }
        if let Ok(End { message }) = serde_json::from_str(text) {
            _ = self.state.try_set(crate::components::sentence(&message));
            self.explained.set(true);
        }
    }

    /// The stream broke: open it again at the last line, later each time.
    fn again(self: &Rc<Self>) {
        let wait = self.retry.get();
        self.retry.set((wait * 2).min(RETRY_MAX));
        if !self.explained.take() {
            _ = self.state.try_set(String::from("The stream broke; trying again."));
        }
        let weak = Rc::downgrade(self);
        // The stream's own listener is running: it is replaced after this turn.
        set_timeout(
            move || {
                if let Some(follower) = weak.upgrade() {
                    follower.open();
                }
            },
            std::time::Duration::from_millis(u64::from(wait)),
        );
        if let Some(stream) = self.stream.borrow().as_ref() {
            stream.source.close();
        }
    }
}

//! The lines as they are written, or found: server-sent events. A stream that breaks is opened again after the last line that was heard, so that none is
//! missed and none is heard twice.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use leptos::prelude::set_timeout;
use model::views::logs::{LogEnd, LogProgress};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{EventSource, MessageEvent};

use crate::urls;

/// Waiting before a stream is opened again: at first, and at most.
const RETRY: u32 = 500;
const RETRY_MAX: u32 = 15_000;

/// What is heard.
pub(super) enum Heard {
    /// The stream stands.
    Open,
    /// A line with its id, not read yet.
    Line(String, String),
    /// How far a search is.
    Progress(LogProgress),
    /// A search looked at everything.
    Done,
    /// The server ends it, and says why; it is tried again.
    Ended(LogEnd),
    /// It broke; it is tried again.
    Broken,
}

/// A stream that is kept open until it is dropped.
pub(super) struct Stream {
    /// Its address, without where it begins.
    url: String,
    /// The last line that was heard.
    last: RefCell<Option<String>>,
    hear: Box<dyn Fn(Heard)>,
    retry: Cell<u32>,
    /// Nothing follows: it said all, or its reader may not read any more.
    over: Cell<bool>,
    open: RefCell<Option<Opened>>,
}

/// An open stream with its listeners, which end with it.
struct Opened {
    source: EventSource,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _open: Closure<dyn FnMut()>,
    _error: Closure<dyn FnMut()>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}

impl Stream {
    /// Opens a stream at `url`, after a line if one is given.
    pub(super) fn start(url: String, after: Option<String>, hear: impl Fn(Heard) + 'static) -> Rc<Self> {
        let stream = Rc::new(Self {
            url,
            last: RefCell::new(after),
            hear: Box::new(hear),
            retry: Cell::new(RETRY),
            over: Cell::new(false),
            open: RefCell::new(None),
        });
        stream.open();
        stream
    }

    fn open(self: &Rc<Self>) {
        let mut url = self.url.clone();
        if let Some(last) = self.last.borrow().as_deref() {
            url.push_str(&format!("&after={}", urls::query(last)));
        }
        let Ok(source) = EventSource::new(&url) else { return };
        let message = self.listener(|stream, event: MessageEvent| stream.message(&event));
        for kind in ["line", "progress", "end", "done"] {
            _ = source.add_event_listener_with_callback(kind, message.as_ref().unchecked_ref());
        }
        let weak = Rc::downgrade(self);
        let open = Closure::<dyn FnMut()>::new(move || {
            if let Some(stream) = weak.upgrade() {
                stream.retry.set(RETRY);
                (stream.hear)(Heard::Open);
            }
        });
        let weak = Rc::downgrade(self);
        let error = Closure::<dyn FnMut()>::new(move || {
            if let Some(stream) = weak.upgrade() {
                stream.again(None);
            }
        });
        source.set_onopen(Some(open.as_ref().unchecked_ref()));
        source.set_onerror(Some(error.as_ref().unchecked_ref()));
        *self.open.borrow_mut() = Some(Opened { source, _message: message, _open: open, _error: error });
    }

    fn listener(self: &Rc<Self>, act: impl Fn(&Rc<Self>, MessageEvent) + 'static) -> Closure<dyn FnMut(MessageEvent)> {
        let weak: Weak<Self> = Rc::downgrade(self);
        Closure::new(move |event: MessageEvent| {
            if let Some(stream) = weak.upgrade()
                && !stream.over.get()
            {
                act(&stream, event);
            }
        })
    }

    fn message(self: &Rc<Self>, event: &MessageEvent) {
        let Some(text) = event.data().as_string() else { return };
        match event.type_().as_str() {
            "line" => {
                let id = event.last_event_id();
                if !id.is_empty() {
                    *self.last.borrow_mut() = Some(id.clone());
                }
                (self.hear)(Heard::Line(id, text));
            }
            "progress" => {
                if let Ok(progress) = serde_json::from_str(&text) {
                    (self.hear)(Heard::Progress(progress));
                }
            }
            "done" => {
                self.stop();
                (self.hear)(Heard::Done);
            }
            _ => self.again(serde_json::from_str(&text).ok()),
        }
    }

    /// Nothing more is heard.
    pub(super) fn stop(&self) {
        self.over.set(true);
        if let Some(open) = self.open.borrow().as_ref() {
            open.source.close();
        }
    }

    /// The stream broke or was ended: it is opened again after the last line, later each time.
    fn again(self: &Rc<Self>, end: Option<LogEnd>) {
        if self.over.get() {
            return;
        }
        if let Some(end) = end.as_ref().filter(|end| matches!(end.code.as_str(), "unauthenticated" | "forbidden" | "not_found")) {
            self.stop();
            (self.hear)(Heard::Ended(end.clone()));
            return;
        }
        let closed = self.open.borrow().as_ref().is_none_or(|open| open.source.ready_state() == EventSource::CLOSED);
        if let Some(open) = self.open.borrow().as_ref() {
            open.source.set_onerror(None);
            open.source.close();
        }
        let wait = self.retry.get();
        // One that never stood was refused, or nobody is there: no hurry.
        self.retry.set(if closed { (wait * 2).min(RETRY_MAX) } else { (wait + wait / 2).min(RETRY_MAX) });
        let weak = Rc::downgrade(self);
        // The stream's own listener is running: it is replaced after this turn.
        set_timeout(
            move || {
                if let Some(stream) = weak.upgrade()
                    && !stream.over.get()
                {
                    stream.open();
                }
            },
            Duration::from_millis(u64::from(wait)),
        );
        (self.hear)(end.map_or(Heard::Broken, Heard::Ended));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop();
    }
}

//! The terminal on the page: its place, its size, and the choices that hold for it. The size is measured at most once a frame, and
//! never while the place is hidden, so no program ever hears of a window without lines.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::prelude::request_animation_frame;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{HtmlElement, ResizeObserver, ScrollIntoViewOptions, ScrollLogicalPosition};
use xterm_js_sys::{Fit, Terminal};

/// A place smaller than this, in CSS pixels, is hidden or about to be.
const SMALLEST: i32 = 24;

/// What hears of the size of a place.
type Observed = (ResizeObserver, Closure<dyn FnMut()>);

/// A terminal and its place.
pub(super) struct Screen {
    inner: Rc<Inner>,
    observer: RefCell<Option<Observed>>,
}

struct Inner {
    terminal: Terminal,
    fit: Fit,
    host: HtmlElement,
    waiting: Cell<bool>,
}

impl Screen {
    /// Fits the terminal to `host`, in which it was opened.
    pub(super) fn new(terminal: Terminal, fit: Fit, host: HtmlElement) -> Self {
        let inner = Rc::new(Inner { terminal, fit, host, waiting: Cell::new(false) });
        inner.fit();
        Self { inner, observer: RefCell::new(None) }
    }

    pub(super) fn terminal(&self) -> &Terminal {
        &self.inner.terminal
    }

    /// Follows the size of its place from now on.
    pub(super) fn follow_size(&self) {
        let weak = Rc::downgrade(&self.inner);
        let resized = Closure::<dyn FnMut()>::new(move || {
            if let Some(inner) = weak.upgrade() {
                Inner::fit_soon(&inner);
            }
        });
        if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&self.inner.host);
            *self.observer.borrow_mut() = Some((observer, resized));
        }
    }

    /// Comes into view, with what stands around it, and gets the keyboard.
    pub(super) fn come(&self) {
        if let Ok(Some(section)) = self.inner.host.closest(".shell") {
            let nearest = ScrollIntoViewOptions::new();
            nearest.set_block(ScrollLogicalPosition::Nearest);
            section.scroll_into_view_with_scroll_into_view_options(&nearest);
        }
        self.inner.terminal.focus();
    }

    /// Follows what somebody prefers.
    pub(super) fn prefer(&self, size: f64, reader: bool) {
        self.inner.terminal.set_font_size(size);
        self.inner.terminal.set_screen_reader_mode(reader);
        Inner::fit_soon(&self.inner);
    }

    /// Does not follow the size any more.
    pub(super) fn leave(&self) {
        if let Some((observer, _)) = self.observer.borrow_mut().take() {
            observer.disconnect();
        }
    }
}

impl Inner {
    fn fit_soon(this: &Rc<Self>) {
        if !this.waiting.replace(true) {
            let weak = Rc::downgrade(this);
            request_animation_frame(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.waiting.set(false);
                    inner.fit();
                }
            });
        }
    }

    fn fit(&self) {
        if self.host.client_width() >= SMALLEST && self.host.client_height() >= SMALLEST && self.fit.propose().is_some() {
            self.fit.fit();
        }
    }
}

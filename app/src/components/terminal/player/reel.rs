//! A recording while it is played, in the browser: a clock that runs a frame at a time and writes what is due. No more is written in a
//! frame than leaves the page time to answer, so going to the end of a large recording takes a moment and freezes nothing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Date, Uint8Array};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlElement, ResizeObserver, Response};
use xterm_js_sys::{Options, Size, Terminal, Xterm};

use super::super::LOADER;
use super::super::cast::{Cast, Event};
use super::super::look::{self, Watch};
use super::{Seen, State};

/// Bytes of the file looked through at once.
const LOOK: usize = 1024 * 1024;
/// Bytes written in a frame, and bytes that xterm.js may have before it.
const FRAME: usize = 192 * 1024;
const INSIDE: usize = 512 * 1024;
/// The longest time that a frame stands for, in seconds: a page in the background does not run ahead.
const FRAME_LONGEST: f64 = 0.25;
/// A cell is so wide, as a part of the font's size.
const CELL: f64 = 0.62;
/// Font sizes in CSS pixels.
const SMALLEST: f64 = 10.0;
const LARGEST: f64 = 14.0;

/// Fetches the recording and plays it in `screen` as `seen` says, until the page is left.
pub(super) fn run(source: String, size: (u16, u16), screen: NodeRef<leptos::html::Div>, seen: Seen) {
    let kept = StoredValue::new_local(None::<Rc<Reel>>);
    let reel = move || kept.try_with_value(Clone::clone).flatten();
    Effect::new(move |_| {
        seen.reads.track();
        let Some(host) = screen.get() else { return };
        seen.state.set(State::Reading);
        let source = source.clone();
        leptos::task::spawn_local(async move {
            let read = async {
                let cast = fetch(&source).await?;
                let open = match reel() {
                    Some(reel) => reel,
                    None => {
                        Reel::open(host.unchecked_into(), size, seen).await.map_err(|error| format!("The player could not be loaded: {error}"))?
                    }
                };
                Ok::<_, String>((open, cast))
            };
            match read.await {
                Ok((open, cast)) => {
                    if kept.try_update_value(|kept| *kept = Some(Rc::clone(&open))).is_some() {
                        look_through(open, cast);
                    }
                }
                Err(text) => _ = seen.state.try_set(State::Failed(text)),
            }
        });
    });
    Effect::new(move |_| {
        if seen.playing.get()
            && let Some(reel) = reel()
        {
            reel.wake();
        }
    });
    Effect::new(move |_| {
        if let (Some(to), Some(reel)) = (seen.goal.get(), reel()) {
            reel.seek(to);
        }
    });
    Effect::new(move |_| {
        let skips = seen.skips.get();
        if let Some(reel) = reel() {
            reel.skip(skips);
        }
    });
    on_cleanup(move || _ = kept.try_update_value(Option::take));
}

/// The recording as it is now.
async fn fetch(source: &str) -> Result<Cast, String> {
    let lost = |_| String::from("The portal did not answer.");
    let answer: Response = JsFuture::from(window().fetch_with_str(source)).await.map_err(lost)?.unchecked_into();
    match answer.status() {
        200 => {}
        404 | 410 => return Err(String::from("The recording is not there any more, or never was.")),
        401 | 403 => return Err(String::from("You may not watch this recording.")),
        status => return Err(format!("The portal answered {status}.")),
    }
    let bytes = JsFuture::from(answer.array_buffer().map_err(lost)?).await.map_err(lost)?;
    Cast::new(Uint8Array::new(&bytes).to_vec()).map_err(str::to_owned)
}

/// Looks through it, a piece a turn, then shows it.
fn look_through(reel: Rc<Reel>, mut cast: Cast) {
    if cast.look(LOOK) {
        set_timeout(move || look_through(reel, cast), Duration::ZERO);
    } else {
        reel.load(cast);
    }
}

/// What hears of the size of a place.
type Observed = (ResizeObserver, Closure<dyn FnMut()>);

/// A recording in a terminal.
struct Reel {
    terminal: Terminal,
    host: HtmlElement,
    seen: Seen,
    cast: RefCell<Option<Cast>>,
    font: Cell<f64>,
    /// The first event that was not written.
    next: Cell<usize>,
    /// Up to which event it is to be brought, whatever the clock says.
    goal: Cell<Option<usize>>,
    /// Whether it has to begin anew first.
    rewind: Cell<bool>,
    /// Seconds since the beginning.
    at: Cell<f64>,
    /// Bytes that xterm.js did not work through.
    inside: Cell<usize>,
    /// Whether a frame is awaited, and when the last one was.
    awaiting: Cell<bool>,
    frame_at: Cell<f64>,
    colours: RefCell<Option<Watch>>,
    observer: RefCell<Option<Observed>>,
}

impl Drop for Reel {
    fn drop(&mut self) {
        if let Some((observer, _)) = self.observer.borrow_mut().take() {
            observer.disconnect();
        }
    }
}

impl Reel {
    async fn open(host: HtmlElement, (cols, rows): (u16, u16), seen: Seen) -> Result<Rc<Self>, xterm_js_sys::Error> {
        let xterm = Xterm::load(LOADER).await?;
        host.set_inner_html("");
        let size = Size { cols: cols.clamp(2, 1000), rows: rows.clamp(1, 1000) };
        let options = Options { size: Some(size), disable_stdin: true, ..look::options(font(&host, size.cols), false) };
        let terminal = xterm.terminal(&options)?;
        terminal.open(&host)?;
        terminal.load_web_links()?;
        terminal.load_unicode11()?;
        let reel = Rc::new(Self {
            terminal,
            host,
            seen,
            cast: RefCell::new(None),
            font: Cell::new(0.0),
            next: Cell::new(0),
            goal: Cell::new(None),
            rewind: Cell::new(true),
            at: Cell::new(0.0),
            inside: Cell::new(0),
            awaiting: Cell::new(false),
            frame_at: Cell::new(0.0),
            colours: RefCell::new(None),
            observer: RefCell::new(None),
        });
        let weak = Rc::downgrade(&reel);
        *reel.colours.borrow_mut() = Some(Watch::new(move |theme| _ = weak.upgrade().map(|reel| reel.terminal.set_theme(&theme))));
        let weak = Rc::downgrade(&reel);
        let resized = Closure::<dyn FnMut()>::new(move || {
            let weak = weak.clone();
            // Not now: its own height follows from it, and is being looked at.
            request_animation_frame(move || _ = weak.upgrade().map(|reel| reel.fit()));
        });
        if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&reel.host);
            *reel.observer.borrow_mut() = Some((observer, resized));
        }
        Ok(reel)
    }

    /// The whole width is shown where the letters stay readable.
    fn fit(&self) {
        let size = font(&self.host, self.terminal.size().cols);
        if self.font.replace(size) != size {
            self.terminal.set_font_size(size);
        }
    }

    /// Plays this one from now on; where it is the same, only longer, it goes on where it was.
    fn load(self: &Rc<Self>, mut cast: Cast) {
        cast.skip(self.seen.skips.get_untracked(), 0.0);
        if cast.len() < self.next.get() {
            self.rewind.set(true);
        }
        _ = self.seen.length.try_set(cast.duration());
        _ = self.seen.marks.try_set(cast.marks());
        self.cast.replace(Some(cast));
        self.seek(self.at.get());
    }

    fn skip(self: &Rc<Self>, skips: bool) {
        let Some((at, length, marks)) = self.cast.borrow_mut().as_mut().map(|cast| (cast.skip(skips, self.at.get()), cast.duration(), cast.marks()))
        else {
            return;
        };
        self.at.set(at);
        _ = self.seen.length.try_set(length);
        _ = self.seen.marks.try_set(marks);
        _ = self.seen.at.try_set(at);
        self.wake();
    }

    fn seek(self: &Rc<Self>, to: f64) {
        let Some((goal, to)) = self.cast.borrow().as_ref().map(|cast| (cast.after(to), to.min(cast.duration()))) else { return };
        self.at.set(to);
        self.goal.set(Some(goal));
        if goal < self.next.get() {
            self.rewind.set(true);
        }
        _ = self.seen.state.try_set(State::Seeking);
        self.wake();
    }

    /// Sees to it that the next frame is worked at.
    fn wake(self: &Rc<Self>) {
        if !self.awaiting.replace(true) {
            self.frame_at.set(Date::now());
            self.await_frame();
        }
    }

    fn await_frame(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        request_animation_frame(move || {
            if let Some(reel) = weak.upgrade() {
                if reel.frame() {
                    reel.await_frame();
                } else {
                    reel.awaiting.set(false);
                }
            }
        });
    }

    /// The work of a frame. False: there is nothing to do until something is pressed.
    fn frame(self: &Rc<Self>) -> bool {
        let now = Date::now();
        let passed = ((now - self.frame_at.replace(now)) / 1000.0).clamp(0.0, FRAME_LONGEST);
        let cast = self.cast.borrow();
        let Some(cast) = cast.as_ref() else { return false };
        if self.rewind.get() {
            // What xterm.js has of before would be written after it.
            if self.inside.get() > 0 {
                return true;
            }
            self.begin_anew(cast);
        }
        if let Some(goal) = self.goal.get() {
            if !self.write_up_to(cast, goal) {
                return true;
            }
            self.goal.set(None);
            _ = self.seen.state.try_set(State::Ready);
        }
        if self.seen.playing.try_get_untracked() != Some(true) {
            return false;
        }
        let mut at = self.at.get() + passed * self.seen.speed.get_untracked();
        if !self.write_up_to(cast, cast.after(at)) {
            // The clock waits for the picture.
            at = cast.time(self.next.get()).map_or(at, |due| due.min(at)).max(self.at.get());
        }
        let over = at >= cast.duration() && self.next.get() >= cast.len();
        self.at.set(at.min(cast.duration()));
        _ = self.seen.at.try_set(self.at.get());
        if over {
            _ = self.seen.playing.try_set(false);
        }
        !over
    }

    fn begin_anew(&self, cast: &Cast) {
        self.rewind.set(false);
        self.next.set(0);
        self.terminal.reset();
        self.resize(cast.header().width, cast.header().height);
    }

    fn resize(&self, cols: u16, rows: u16) {
        _ = self.terminal.resize(Size { cols: cols.clamp(2, 1000), rows: rows.clamp(1, 1000) });
        self.fit();
    }

    /// Writes the events before `limit`, as many as a frame may have. True: all of them.
    fn write_up_to(self: &Rc<Self>, cast: &Cast, limit: usize) -> bool {
        let mut room = FRAME;
        while self.next.get() < limit {
            if room == 0 || self.inside.get() >= INSIDE {
                return false;
            }
            match cast.event(self.next.get()) {
                Some(Event::Output(text)) => {
                    let count = text.len();
                    self.inside.set(self.inside.get() + count);
                    let weak = Rc::downgrade(self);
                    let consumed = move || _ = weak.upgrade().map(|reel| reel.inside.set(reel.inside.get().saturating_sub(count)));
                    if self.terminal.write(text.as_bytes(), consumed).is_err() {
                        self.inside.set(self.inside.get().saturating_sub(count));
                    }
                    room = room.saturating_sub(count.max(64));
                }
                // What was printed before is on the screen first.
                Some(Event::Resize(..)) if self.inside.get() > 0 => return false,
                Some(Event::Resize(cols, rows)) => self.resize(cols, rows),
                Some(Event::Mark(_)) | None => room = room.saturating_sub(64),
            }
            self.next.set(self.next.get() + 1);
        }
        true
    }
}

/// The size of letters of which so many stand beside each other in `host`.
fn font(host: &HtmlElement, cols: u16) -> f64 {
    let room = f64::from(host.client_width() - 16);
    // Half pixels: smaller steps are not seen.
    ((room / (f64::from(cols) * CELL) * 2.0).floor() / 2.0).clamp(SMALLEST, LARGEST)
}

//! A terminal while it is open: the screen, the keyboard, and the session on the server that it is attached to. Nothing that was
//! printed is shown twice and nothing that was typed is sent twice, however often the connection breaks: output is counted, and input
//! is kept until the server took it.

mod lost;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{ArrayBuffer, Date, Uint8Array};
use leptos::prelude::*;
use model::shell::{FromClient, ToClient};
use wasm_bindgen::JsCast;
use web_sys::MessageEvent;
use xterm_js_sys::{Listener, Search, Terminal, Xterm};

use super::flow::Flow;
use super::handle::What;
use super::link::{Link, Retry};
use super::look::{self, Watch};
use super::outbox::{Full, MOST, Outbox};
use super::screen::Screen;
use super::{LOADER, Seen, Stage, remembered};

/// An attachment that says nothing for so long has failed.
const ATTACH: Duration = Duration::from_secs(10);
/// The same of a shell that is to be opened, for which the engine has something to do.
const OPEN: Duration = Duration::from_secs(60);
/// How often it is looked whether an open connection still answers.
const LOOK: Duration = Duration::from_secs(5);
/// Input that was not taken for so long, with nothing heard: the connection may be dead. Twice as long each time.
const SILENCE: f64 = 10_000.0;

/// One terminal and its session.
pub(super) struct Session {
    title: String,
    path: String,
    seen: Seen,
    screen: Screen,
    pub(super) search: Search,
    flow: Flow,
    outbox: RefCell<Outbox>,
    /// Whether the server said what it took, so that the rest may be sent.
    sends: Cell<bool>,
    link: RefCell<Option<Link>>,
    retry: Retry,
    /// The server's name of the session, for attaching again.
    id: RefCell<Option<String>>,
    /// It goes on with a session of the page that was here before, and did not hear of it yet.
    back: Cell<bool>,
    /// Counts the sessions of this terminal.
    epoch: Cell<u32>,
    over: Cell<bool>,
    heard_at: Cell<f64>,
    looked_at: Cell<f64>,
    silence: Cell<f64>,
    timer: Cell<Option<IntervalHandle>>,
    /// What is listened to outside the terminal, as long as it is there.
    listening: RefCell<Vec<Box<dyn std::any::Any>>>,
}

impl Session {
    /// Shows a terminal in `host` and opens a shell, or goes on with one.
    pub(super) async fn open(what: What, host: web_sys::HtmlElement, seen: Seen) -> Result<Rc<Self>, xterm_js_sys::Error> {
        let What { title, socket: path, before } = what;
        let xterm = Xterm::load(LOADER).await?;
        host.set_inner_html("");
        let (size, reader) = seen.preferences.untracked();
        let terminal = xterm.terminal(&look::options(size, reader))?;
        terminal.open(&host)?;
        terminal.load_web_links()?;
        terminal.load_unicode11()?;
        let (fit, search) = (terminal.load_fit()?, terminal.load_search()?);
        let now = Date::now();
        let received = before.as_ref().map_or(0, |before| before.received);
        let session = Rc::new(Self {
            title,
            path,
            seen,
            screen: Screen::new(terminal, fit, host),
            search,
            flow: Flow::after(received),
            outbox: RefCell::default(),
            sends: Cell::new(false),
            link: RefCell::new(None),
            retry: Retry::default(),
            back: Cell::new(before.is_some()),
            id: RefCell::new(before.map(|before| before.session)),
            epoch: Cell::new(0),
            over: Cell::new(false),
            heard_at: Cell::new(now),
            looked_at: Cell::new(now),
            silence: Cell::new(SILENCE),
            timer: Cell::new(None),
            listening: RefCell::default(),
        });
        session.listen();
        session.connect();
        session.screen.come();
        Ok(session)
    }

    pub(super) fn terminal(&self) -> &Terminal {
        self.screen.terminal()
    }

    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    pub(super) fn flow(&self) -> &Flow {
        &self.flow
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch.get()
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen
    }

    /// Hears the keyboard, the size of its place, and the network.
    fn listen(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        self.terminal().on_input(move |bytes| _ = weak.upgrade().map(|session| session.typed(&bytes)));
        let weak = Rc::downgrade(self);
        self.terminal().on_resize(move |size| {
            if let Some(session) = weak.upgrade() {
                session.tell(&FromClient::Resize { cols: size.cols, rows: size.rows });
            }
        });
        super::keys::listen(self);
        self.screen.follow_size();
        let weak = Rc::downgrade(self);
        let colours = Watch::new(move |theme| _ = weak.upgrade().map(|session| session.terminal().set_theme(&theme)));
        let seen = self.seen;
        let found: Listener = self.search.on_found(move |found| _ = seen.found.try_set(Some((found.index, found.count))));
        let weak = Rc::downgrade(self);
        // The network is back, maybe another one: the old connection may be dead.
        let online = window_event_listener(leptos::ev::online, move |_| _ = weak.upgrade().map(|session| session.renew()));
        let weak = Rc::downgrade(self);
        let hidden = window_event_listener(leptos::ev::pagehide, move |_| _ = weak.upgrade().map(|session| session.remember()));
        // It may be gone, or the computer alone in a network of its own: what the connection says decides.
        let weak = Rc::downgrade(self);
        let offline = window_event_listener(leptos::ev::offline, move |_| _ = weak.upgrade().map(|session| session.renew()));
        let heard = [online, offline, hidden].map(|handle| Box::new(Window(Some(handle))) as Box<dyn std::any::Any>);
        self.listening.borrow_mut().extend([Box::new(colours) as Box<dyn std::any::Any>, Box::new(found)].into_iter().chain(heard));
        let weak = Rc::downgrade(self);
        let timer = set_interval_with_handle(move || _ = weak.upgrade().map(|session| session.look()), LOOK);
        self.timer.set(timer.ok());
    }

    /// Connects, to the session that was if there was one.
    fn connect(self: &Rc<Self>) {
        let turn = self.retry.begin();
        _ = self.seen.next.try_set(None);
        self.sends.set(false);
        drop(self.link.borrow_mut().take());
        let size = self.terminal().size();
        let sign = if self.path.contains('?') { '&' } else { '?' };
        let attach = self.id.borrow().as_ref().map(|id| format!("&session={}&received={}", crate::urls::query(id), self.flow.received()));
        let path = format!("{}{sign}cols={}&rows={}{}", self.path, size.cols, size.rows, attach.unwrap_or_default());
        let (heard, closed) = (Rc::downgrade(self), Rc::downgrade(self));
        let link = Link::open(
            &path,
            move |event| _ = heard.upgrade().map(|session| session.heard(&event)),
            move |event| _ = closed.upgrade().map(|session| session.broken(event.reason())),
        );
        match link {
            Some(link) => *self.link.borrow_mut() = Some(link),
            None => return self.end(Stage::Closed(String::from("This browser cannot open a websocket to the portal."))),
        }
        let weak = Rc::downgrade(self);
        let late = move || {
            // A network that swallows everything tells of no failure.
            if let Some(session) = weak.upgrade().filter(|session| session.retry.is(turn) && !session.sends.get() && !session.over.get()) {
                session.broken(String::new());
            }
        };
        set_timeout(late, if self.id.borrow().is_some() { ATTACH } else { OPEN });
    }

    fn heard(self: &Rc<Self>, event: &MessageEvent) {
        self.heard_at.set(Date::now());
        let data = event.data();
        if let Some(text) = data.as_string() {
            self.control(&text);
        } else if let Ok(buffer) = data.dyn_into::<ArrayBuffer>() {
            self.retry.heard();
            self.flow.take(self, Uint8Array::new(&buffer));
        }
    }

    fn control(self: &Rc<Self>, text: &str) {
        match serde_json::from_str(text) {
            Ok(ToClient::Ready { session }) => self.ready(session),
            Ok(ToClient::Ack { bytes }) => {
                if self.sends.replace(true) {
                    // It is also said again and again, to be heard.
                    if self.outbox.borrow_mut().took(bytes) {
                        self.silence.set(SILENCE);
                    }
                } else if self.back.replace(false) {
                    self.outbox.borrow_mut().join(bytes);
                } else {
                    self.outbox.borrow_mut().resume(bytes);
                }
                self.send_typed();
            }
            Ok(ToClient::Exit { code }) => self.end(Stage::Exited(code)),
            Ok(ToClient::Error { code, message }) => self.end(super::refused(&code, &message)),
            // What is not known is left alone.
            Err(_) => {}
        }
    }

    /// The server has a session for this connection.
    fn ready(self: &Rc<Self>, session: String) {
        self.retry.in_again();
        let before = self.id.replace(Some(session));
        if before.is_some() && before == *self.id.borrow() {
            if self.back.get() {
                self.say("The page was loaded again, and the shell goes on. What was on the screen before is gone: Ctrl-L lets most programs show theirs again.");
            }
            // Next it says what it took of the input: then the rest is sent.
            self.flow.resume(self);
        } else {
            if before.is_some() {
                self.epoch.set(self.epoch.get() + 1);
                self.flow.restart(self);
                // What was typed for the shell that is gone is not for this one.
                self.outbox.take();
                self.say("The connection broke and the shell ended with it. This is a new one.");
            }
            self.sends.set(true);
            self.send_typed();
        }
        _ = self.seen.stage.try_set(Stage::Open);
        // It may have changed while the connection was being made.
        let size = self.terminal().size();
        self.tell(&FromClient::Resize { cols: size.cols, rows: size.rows });
    }

    /// Something was typed or pasted, or the terminal answers a program.
    fn typed(&self, bytes: &[u8]) {
        if self.over.get() {
            return;
        }
        if self.outbox.borrow_mut().push(bytes) == Err(Full) {
            self.say(&format!("More than {} MiB wait to be sent. This was left out.", MOST >> 20));
        }
        self.send_typed();
    }

    fn send_typed(&self) {
        if !self.sends.get() {
            return;
        }
        if let Some(link) = &*self.link.borrow() {
            while let Some(frame) = self.outbox.borrow_mut().next() {
                // Where it did not go, the connection is over, and the next one begins with what was taken.
                if !link.send(&frame) {
                    break;
                }
            }
        }
    }

    pub(super) fn tell(&self, control: &FromClient) {
        if let (Ok(text), Some(link)) = (serde_json::to_string(control), &*self.link.borrow()) {
            link.tell(&text);
        }
    }

    /// A remark of the page's own among the output, in the grey of colour 8, which can be read on both themes. It counts as none.
    fn say(&self, text: &str) {
        _ = self.terminal().write(format!("\r\n\x1b[90m[{text}]\x1b[0m\r\n").as_bytes(), || {});
    }

    /// Another window took the session: takes it back.
    pub(super) fn take_back(self: &Rc<Self>) {
        self.over.set(false);
        self.retry.renew();
        self.terminal().set_disable_stdin(false);
        _ = self.seen.stage.try_set(Stage::Broken);
        self.connect();
        self.terminal().focus();
    }

    /// Nothing follows; what is on the screen stays.
    fn end(&self, stage: Stage) {
        self.over.set(true);
        self.sends.set(false);
        self.terminal().set_disable_stdin(true);
        _ = self.seen.stage.try_set(stage);
        self.drop_link();
    }

    /// The connection may be the caller; it is dropped after this turn.
    fn drop_link(&self) {
        if let Some(link) = self.link.borrow_mut().take() {
            set_timeout(move || drop(link), Duration::ZERO);
        }
    }

    /// The page goes, and may be there again in a moment: then it attaches to this session.
    fn remember(&self) {
        let session = self.id.borrow().clone().filter(|_| !self.over.get());
        if let Some(session) = session {
            remembered::remember(&self.title, &self.path, session, self.flow.received());
        }
    }

    /// The page is left, the shell is closed, or a new one takes the place: nobody comes back to this one.
    pub(super) fn leave(&self) {
        self.over.set(true);
        if let Some(link) = self.link.borrow_mut().take() {
            link.leave();
        }
        if let Some(timer) = self.timer.take() {
            timer.clear();
        }
        self.listening.borrow_mut().clear();
        self.screen.leave();
    }
}

/// Stops listening with the terminal.
struct Window(Option<WindowListenerHandle>);

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.remove();
        }
    }
}

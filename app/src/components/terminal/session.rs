//! The part of a terminal that runs in the browser: the screen, the websocket, and what goes over it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::*;
use model::shell::{FromClient, ToClient};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{CloseEvent, Event, MessageEvent, ResizeObserver, WebSocket};
use xterm_js_sys::{Fit, Options, Size, Terminal, Theme, Xterm};

use super::Stage;

/// The loader of xterm.js, as the bundle places it.
const LOADER: &str = "/pkg/xterm/loader.js";
/// Shown bytes after which the server is told how far it may go on.
const ACK_EVERY: u64 = 64 * 1024;
/// Tries to come back after the connection broke.
const TRIES: u32 = 6;

/// Shows a terminal in `screen` whenever `opened` counts up, until the page is left.
pub(super) fn run(socket: String, screen: NodeRef<leptos::html::Div>, stage: RwSignal<Stage>, opened: RwSignal<u32>) {
    let running = StoredValue::new_local(None::<Rc<Session>>);
    Effect::new(move |_| {
        opened.track();
        let Some(host) = screen.get() else { return };
        if let Some(Some(old)) = running.try_update_value(Option::take) {
            old.leave();
        }
        stage.set(Stage::Opening);
        let socket = socket.clone();
        leptos::task::spawn_local(async move {
            match Session::open(socket, host.unchecked_into(), stage).await {
                Ok(session) => {
                    // The page may have been left meanwhile.
                    if running.try_update_value(|running| *running = Some(Rc::clone(&session))).is_none() {
                        session.leave();
                    }
                }
                Err(error) => _ = stage.try_set(Stage::Closed(format!("The terminal could not be loaded: {error}"))),
            }
        });
    });
    on_cleanup(move || {
        if let Some(Some(session)) = running.try_update_value(Option::take) {
            session.leave();
        }
    });
}

/// One terminal and its connection.
struct Session {
    path: String,
    stage: RwSignal<Stage>,
    terminal: Terminal,
    fit: Fit,
    connection: RefCell<Option<Connection>>,
    /// The server's name of the session, for attaching again.
    id: RefCell<Option<String>>,
    /// Bytes received, and shown, and told to the server as shown.
    received: Cell<u64>,
    shown: Cell<u64>,
    told: Cell<u64>,
    tries: Cell<u32>,
    over: Cell<bool>,
    observer: RefCell<Option<Observed>>,
}

/// What hears of the size of the terminal's place.
type Observed = (ResizeObserver, Closure<dyn FnMut()>);

/// A websocket with its listeners, which end with it.
struct Connection {
    socket: WebSocket,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
    _open: Closure<dyn FnMut(Event)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        self.socket.set_onopen(None);
        _ = self.socket.close();
    }
}

impl Session {
    async fn open(path: String, host: web_sys::HtmlElement, stage: RwSignal<Stage>) -> Result<Rc<Self>, xterm_js_sys::Error> {
        let xterm = Xterm::load(LOADER).await?;
        host.set_inner_html("");
        let terminal = xterm.terminal(&options())?;
        terminal.open(&host)?;
        let fit = terminal.load_fit()?;
        terminal.load_web_links()?;
        terminal.load_unicode11()?;
        fit.fit();
        let session = Rc::new(Self {
            path,
            stage,
            terminal,
            fit,
            connection: RefCell::new(None),
            id: RefCell::new(None),
            received: Cell::new(0),
            shown: Cell::new(0),
            told: Cell::new(0),
            tries: Cell::new(0),
            over: Cell::new(false),
            observer: RefCell::new(None),
        });
        session.listen(&host);
        session.connect();
        session.terminal.focus();
        Ok(session)
    }

    /// Hears the keyboard and the size of the window.
    fn listen(self: &Rc<Self>, host: &web_sys::HtmlElement) {
        let weak = Rc::downgrade(self);
        self.terminal.on_input(move |bytes| {
            if let Some(session) = weak.upgrade() {
                session.send_bytes(&bytes);
            }
        });
        let weak = Rc::downgrade(self);
        self.terminal.on_resize(move |size| {
            if let Some(session) = weak.upgrade() {
                session.send(&FromClient::Resize { cols: size.cols, rows: size.rows });
            }
        });
        let weak = Rc::downgrade(self);
        let resized = Closure::<dyn FnMut()>::new(move || {
            if let Some(session) = weak.upgrade() {
                session.fit.fit();
            }
        });
        if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(host);
            *self.observer.borrow_mut() = Some((observer, resized));
        }
    }

    fn connect(self: &Rc<Self>) {
        let Size { cols, rows } = self.terminal.size();
        let location = window().location();
        let (protocol, host) = (location.protocol().unwrap_or_default(), location.host().unwrap_or_default());
        let scheme = if protocol == "https:" { "wss" } else { "ws" };
        let attach = self.id.borrow().as_ref().map(|id| format!("&session={}&received={}", crate::urls::query(id), self.received.get()));
        let url = format!("{scheme}://{host}{}?cols={cols}&rows={rows}{}", self.path, attach.unwrap_or_default());
        let Ok(socket) = WebSocket::new(&url) else {
            self.end(Stage::Closed(String::from("This browser cannot open a websocket to the portal.")));
            return;
        };
        socket.set_binary_type(web_sys::BinaryType::Arraybuffer);
        let weak = Rc::downgrade(self);
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(session) = weak.upgrade() {
                session.heard(&event);
            }
        });
        let weak = Rc::downgrade(self);
        let close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            if let Some(session) = weak.upgrade() {
                session.broken(&event.reason());
            }
        });
        let weak = Rc::downgrade(self);
        let open = Closure::<dyn FnMut(Event)>::new(move |_| {
            if let Some(session) = weak.upgrade() {
                session.tries.set(0);
            }
        });
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        socket.set_onopen(Some(open.as_ref().unchecked_ref()));
        *self.connection.borrow_mut() = Some(Connection { socket, _message: message, _close: close, _open: open });
    }

    fn heard(self: &Rc<Self>, event: &MessageEvent) {
        let data = event.data();
        if let Some(text) = data.as_string() {
            self.control(&text);
        } else if let Ok(buffer) = data.dyn_into::<ArrayBuffer>() {
            let bytes = Uint8Array::new(&buffer).to_vec();
            let count = bytes.len() as u64;
            self.received.set(self.received.get() + count);
            let weak = Rc::downgrade(self);
            _ = self.terminal.write(&bytes, move || {
                if let Some(session) = weak.upgrade() {
                    session.showed(count);
                }
            });
        }
    }

    fn control(&self, text: &str) {
        match serde_json::from_str(text) {
            Ok(ToClient::Ready { session }) => {
                self.begins(session);
                _ = self.stage.try_set(Stage::Open);
                // It may have changed while the connection was being made.
                let Size { cols, rows } = self.terminal.size();
                self.send(&FromClient::Resize { cols, rows });
            }
            Ok(ToClient::Exit { code }) => self.end(Stage::Exited(code)),
            Ok(ToClient::Error { code, message }) => self.end(Stage::Closed(if message.is_empty() { code } else { message })),
            // Input is not kept for sending again, so what the server took is of no use here. What is not known is left alone.
            Ok(ToClient::Ack { .. }) | Err(_) => {}
        }
    }

    /// Some output is on the screen: the server may send more.
    fn showed(&self, bytes: u64) {
        let shown = self.shown.get() + bytes;
        self.shown.set(shown);
        if shown - self.told.get() >= ACK_EVERY || shown == self.received.get() {
            self.told.set(shown);
            self.send(&FromClient::Ack { bytes: shown });
        }
    }

    /// The session that the server opened, or opened again. Where it could not, the old one is gone: that is said.
    fn begins(&self, session: String) {
        let before = self.id.replace(Some(session));
        if before.is_some() && before != *self.id.borrow() {
            self.received.set(0);
            self.shown.set(0);
            self.told.set(0);
            let note = b"\r\n\x1b[2m[The connection broke and the shell ended with it. This is a new one.]\x1b[0m\r\n";
            _ = self.terminal.write(note, || {});
        }
    }

    fn send(&self, control: &FromClient) {
        if let Ok(text) = serde_json::to_string(control) {
            self.with_open(|socket| _ = socket.send_with_str(&text));
        }
    }

    fn send_bytes(&self, bytes: &[u8]) {
        self.with_open(|socket| _ = socket.send_with_u8_array(bytes));
    }

    fn with_open(&self, act: impl FnOnce(&WebSocket)) {
        if let Some(connection) = self.connection.borrow().as_ref()
            && connection.socket.ready_state() == WebSocket::OPEN
        {
            act(&connection.socket);
        }
    }

    /// The connection closed without a last word: attach again, later each time.
    fn broken(self: &Rc<Self>, reason: &str) {
        if self.over.get() {
            return;
        }
        let tries = self.tries.get();
        if tries >= TRIES || self.id.borrow().is_none() {
            let text = if reason.is_empty() { "The portal closed the connection, or did not answer." } else { reason };
            self.end(Stage::Closed(text.to_owned()));
            return;
        }
        self.tries.set(tries + 1);
        _ = self.stage.try_set(Stage::Broken);
        let weak = Rc::downgrade(self);
        let again = move || {
            if let Some(session) = weak.upgrade()
                && !session.over.get()
            {
                session.connect();
            }
        };
        set_timeout(again, std::time::Duration::from_millis(300 << tries));
    }

    /// Nothing follows; what is on the screen stays.
    fn end(&self, stage: Stage) {
        self.over.set(true);
        self.terminal.set_disable_stdin(true);
        _ = self.stage.try_set(stage);
        // The connection may be the caller; it is dropped after this turn.
        if let Some(connection) = self.connection.borrow_mut().take() {
            set_timeout(move || drop(connection), std::time::Duration::ZERO);
        }
    }

    /// The page is left, or a new terminal takes the place.
    fn leave(&self) {
        self.over.set(true);
        drop(self.connection.borrow_mut().take());
        if let Some((observer, _)) = self.observer.borrow_mut().take() {
            observer.disconnect();
        }
    }
}

fn options() -> Options {
    Options {
        font_family: Some(String::from(
            "ui-monospace, \"SF Mono\", \"Cascadia Mono\", Menlo, Consolas, \"Liberation Mono\", \"DejaVu Sans Mono\", monospace",
        )),
        font_size: Some(13.0),
        scrollback: Some(5_000),
        cursor_blink: false,
        screen_reader_mode: true,
        minimum_contrast_ratio: Some(4.5),
        theme: Some(Theme {
            foreground: Some(String::from("#d9e0e8")),
            background: Some(String::from("#0b0f14")),
            cursor: Some(String::from("#7aaeff")),
            cursor_accent: Some(String::from("#0b0f14")),
            selection_background: Some(String::from("#29487a")),
            ansi: None,
        }),
        ..Options::default()
    }
}

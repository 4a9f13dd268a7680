//! The connection of a terminal: one websocket at a time, and when another one is tried. What goes over it is told by its callbacks;
//! it counts no bytes.

use std::cell::Cell;

use js_sys::Date;
use leptos::prelude::{location, window};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{AbortSignal, CloseEvent, MessageEvent, RequestInit, WebSocket};

/// The longest pause between two tries, in milliseconds.
const PAUSE_MAX: u32 = 4_000;
/// The first pause.
const PAUSE: u32 = 200;
/// How long it is tried, in milliseconds: longer than the server keeps a session that nobody is attached to, which is a minute.
const PATIENCE: f64 = 75_000.0;
/// How long the portal may take to say that it is there, in milliseconds.
const ANSWER: u32 = 10_000;
/// The close code that says that somebody left on purpose: the session is not kept. Every other end may be a broken connection.
const LEFT: u16 = 1000;

/// A websocket with its listeners, which end with it.
pub(super) struct Link {
    socket: WebSocket,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
}

impl Link {
    /// Connects to `path` of this portal. None where the browser refuses.
    pub(super) fn open(path: &str, heard: impl FnMut(MessageEvent) + 'static, closed: impl FnMut(CloseEvent) + 'static) -> Option<Self> {
        let location = location();
        let scheme = if location.protocol().is_ok_and(|protocol| protocol == "https:") { "wss" } else { "ws" };
        let socket = WebSocket::new(&format!("{scheme}://{}{path}", location.host().ok()?)).ok()?;
        socket.set_binary_type(web_sys::BinaryType::Arraybuffer);
        let message = Closure::<dyn FnMut(MessageEvent)>::new(heard);
        let close = Closure::<dyn FnMut(CloseEvent)>::new(closed);
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        Some(Self { socket, _message: message, _close: close })
    }

    /// Sends a text frame, if it stands.
    pub(super) fn tell(&self, text: &str) {
        if self.stands() {
            _ = self.socket.send_with_str(text);
        }
    }

    /// Sends a binary frame. False: it did not go.
    pub(super) fn send(&self, bytes: &[u8]) -> bool {
        self.stands() && self.socket.send_with_u8_array(bytes).is_ok()
    }

    fn stands(&self) -> bool {
        self.socket.ready_state() == WebSocket::OPEN
    }

    /// Ends it and says that nobody will come back.
    pub(super) fn leave(self) {
        _ = self.socket.close_with_code_and_reason(LEFT, "left");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // Nothing happens where it was closed already.
        _ = self.socket.close();
    }
}

/// When it is tried again.
#[derive(Default)]
pub(super) struct Retry {
    /// Tries since something was heard last.
    tries: Cell<u32>,
    /// When it broke.
    since: Cell<Option<f64>>,
    /// Counts what was begun, so that the timer of an older try does nothing.
    turn: Cell<u32>,
}

impl Retry {
    /// Begins something: a pause or a connection. What was begun before is void.
    pub(super) fn begin(&self) -> u32 {
        self.turn.set(self.turn.get().wrapping_add(1));
        self.turn.get()
    }

    /// Whether nothing was begun since.
    pub(super) fn is(&self, turn: u32) -> bool {
        self.turn.get() == turn
    }

    /// The portal let it in.
    pub(super) fn in_again(&self) {
        self.since.set(None);
    }

    /// Something came over the connection, so the next try may be soon.
    pub(super) fn heard(&self) {
        self.tries.set(0);
    }

    /// How long to wait before the next try, in milliseconds; none: it was tried long enough.
    pub(super) fn pause(&self) -> Option<u32> {
        let now = Date::now();
        let tries = self.tries.get();
        self.tries.set(tries + 1);
        let since = self.since.get().unwrap_or(now);
        self.since.set(Some(since));
        // A computer that slept in between gets its try, whatever the clock says.
        if tries > 8 && now - since > PATIENCE { None } else { Some((PAUSE << tries.min(5)).min(PAUSE_MAX)) }
    }

    /// The network is back: patience begins anew.
    pub(super) fn renew(&self) {
        self.tries.set(0);
        self.since.set(None);
    }
}

/// Why a websocket did not open, as far as a page can find out: whether the portal answers at all.
pub(super) async fn why_not(reason: String) -> String {
    if !reason.is_empty() {
        return reason;
    }
    let question = RequestInit::new();
    // Whatever stands there instead of the portal: no body is asked for.
    question.set_method("HEAD");
    question.set_signal(Some(&AbortSignal::timeout_with_u32(ANSWER)));
    let answer = wasm_bindgen_futures::JsFuture::from(window().fetch_with_str_and_init("/healthz", &question)).await;
    let answers = answer.ok().and_then(|answer| answer.dyn_into::<web_sys::Response>().ok()).is_some_and(|answer| answer.ok());
    String::from(if answers {
        "The portal answers, but it let no terminal in. If you are still signed in (load the page again to see), a proxy in between does not \
         pass websockets on: it has to send the headers Upgrade and Connection to the portal."
    } else {
        "The portal does not answer."
    })
}

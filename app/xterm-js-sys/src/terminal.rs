//! A terminal: bytes in, bytes out, its size, and its end.
//!
//! It owns the JavaScript object and everything that listens to it. Dropping it disposes both, so no callback of a page that
//! is gone is ever called. A [`Listener`] that its owner drops earlier stops alone.

use std::cell::RefCell;

use js_sys::{JsString, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

use crate::{Error, Fit, Options, Search, Theme, raw};

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub cols: u16,
    /// Lines on the screen.
    pub rows: u16,
}

impl Size {
    /// `None` where a number is missing or out of range: a hidden element measures as `NaN`.
    pub(crate) fn from_js(js: &raw::Dimensions) -> Option<Self> {
        let number = |n: f64| (1.0..=f64::from(u16::MAX)).contains(&n).then_some(n as u16);
        Some(Self { cols: number(js.columns())?, rows: number(js.lines())? })
    }
}

/// Something that hears an event of a terminal until it is dropped.
#[must_use = "dropping a listener stops it"]
#[derive(Debug)]
pub struct Listener {
    disposable: raw::Disposable,
    /// Alive as long as JavaScript may call it.
    _heard: Closure<dyn FnMut(JsValue)>,
}

impl Listener {
    pub(crate) fn new(subscribe: impl FnOnce(&js_sys::Function) -> raw::Disposable, heard: impl FnMut(JsValue) + 'static) -> Self {
        let heard = Closure::<dyn FnMut(JsValue)>::new(heard);
        let disposable = subscribe(heard.as_ref().unchecked_ref());
        Self { disposable, _heard: heard }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.disposable.stop();
    }
}

/// An xterm.js terminal. See [`crate::Xterm::terminal`].
#[derive(Debug)]
pub struct Terminal {
    js: raw::Term,
    loader: raw::Loader,
    /// Those that last as long as the terminal.
    listeners: RefCell<Vec<Listener>>,
    /// Asked for every key; alive as long as JavaScript may call it.
    keys: RefCell<Option<Closure<KeyHandler>>>,
}

/// Says of a key whether the terminal is to have it.
type KeyHandler = dyn FnMut(web_sys::KeyboardEvent) -> bool;

impl Terminal {
    pub(crate) fn new(loader: &raw::Loader, options: &Options) -> Result<Self, Error> {
        let js = raw::construct(&loader.terminal_class(), &[&options.to_js()])?;
        Ok(Self { js, loader: loader.clone(), listeners: RefCell::default(), keys: RefCell::default() })
    }

    /// Shows the terminal inside `parent`, which must be in the document and visible: cells are measured now.
    ///
    /// # Errors
    /// When `parent` is not in the document.
    pub fn open(&self, parent: &web_sys::HtmlElement) -> Result<(), Error> {
        Ok(self.js.open(parent)?)
    }

    /// Writes bytes as a program would: text in UTF-8 (a character may be split between two calls) and control sequences.
    ///
    /// xterm.js queues them. `consumed` is called once it has worked through all of `bytes`; whoever sends faster than that
    /// should wait for it, for the queue has a limit (50 MB) beyond which xterm.js throws.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn write(&self, bytes: &[u8], consumed: impl FnOnce() + 'static) -> Result<(), Error> {
        // A copy in JavaScript's own memory: a view of wasm memory would change below xterm's queue.
        self.write_array(&Uint8Array::new_from_slice(bytes), consumed)
    }

    /// The same with bytes that are in JavaScript's memory already, such as a websocket's message: they are not copied, so nobody
    /// may change them afterwards.
    ///
    /// # Errors
    /// As [`Terminal::write`].
    pub fn write_array(&self, bytes: &Uint8Array, consumed: impl FnOnce() + 'static) -> Result<(), Error> {
        Ok(self.js.write(bytes, &Closure::once_into_js(consumed))?)
    }

    /// Hears what the user types or pastes, and what the terminal itself answers to a program's questions, as bytes to send.
    pub fn on_input(&self, heard: impl Fn(Vec<u8>) + Clone + 'static) {
        let text = heard.clone();
        self.keep(Listener::new(|f| self.js.on_data(f), move |data| text(data.as_string().unwrap_or_default().into_bytes())));
        // Some mouse reports are not UTF-8: there each character of the string stands for one byte.
        self.keep(Listener::new(
            |f| self.js.on_binary(f),
            move |data| {
                let data: JsString = data.unchecked_into();
                heard((0..data.length()).map(|i| data.char_code_at(i) as u8).collect());
            },
        ));
    }

    /// Hears every change of the size, whoever made it.
    pub fn on_resize(&self, mut heard: impl FnMut(Size) + 'static) {
        self.keep(Listener::new(
            |f| self.js.on_resize(f),
            move |size| {
                if let Some(size) = Size::from_js(size.unchecked_ref()) {
                    heard(size);
                }
            },
        ));
    }

    /// Hears that something else is selected, or nothing any more.
    pub fn on_selection(&self, mut heard: impl FnMut() + 'static) {
        self.keep(Listener::new(|f| self.js.on_selection_change(f), move |_| heard()));
    }

    /// Asks `takes` for every key that is pressed or let go, before the terminal looks at it; `false`: the terminal is not to have
    /// it. What the browser does with it then is decided by `prevent_default` on the event. A later handler takes this one's place.
    pub fn on_key(&self, takes: impl FnMut(web_sys::KeyboardEvent) -> bool + 'static) {
        let handler = Closure::<KeyHandler>::new(takes);
        self.js.attach_key_handler(handler.as_ref().unchecked_ref());
        *self.keys.borrow_mut() = Some(handler);
    }

    fn keep(&self, listener: Listener) {
        self.listeners.borrow_mut().push(listener);
    }

    /// Changes the size; text is wrapped anew.
    ///
    /// # Errors
    /// When a side is 0.
    pub fn resize(&self, size: Size) -> Result<(), Error> {
        Ok(self.js.resize(size.cols, size.rows)?)
    }

    /// The size now.
    pub fn size(&self) -> Size {
        Size { cols: self.js.cols(), rows: self.js.rows() }
    }

    /// Takes the keyboard.
    pub fn focus(&self) {
        self.js.focus();
    }

    /// Forgets all lines but the one of the prompt.
    pub fn clear(&self) {
        self.js.clear();
    }

    /// As new: empty, with no mode of an earlier program left.
    pub fn reset(&self) {
        self.js.reset();
    }

    /// The selected text; empty when there is none.
    pub fn selection(&self) -> String {
        self.js.selection()
    }

    /// Gives `text` to the program as something pasted: between the marks of a bracketed paste where the program asked for them, its
    /// line ends as the Enter key's.
    pub fn paste(&self, text: &str) {
        self.js.paste(text);
    }

    /// Changes the colours at once, for instance when the page turns dark.
    pub fn set_theme(&self, theme: &Theme) {
        raw::set(&self.js.options(), "theme", theme.to_js());
    }

    /// Changes the font's size in CSS pixels. Fit again afterwards.
    pub fn set_font_size(&self, pixels: f64) {
        raw::set(&self.js.options(), "fontSize", pixels);
    }

    /// Switches the support for screen readers.
    pub fn set_screen_reader_mode(&self, on: bool) {
        raw::set(&self.js.options(), "screenReaderMode", on);
    }

    /// Refuses or takes input from now on.
    pub fn set_disable_stdin(&self, disabled: bool) {
        raw::set(&self.js.options(), "disableStdin", disabled);
    }

    /// Loads the addon that fits the size to the element.
    ///
    /// # Errors
    /// When xterm.js refuses the addon.
    pub fn load_fit(&self) -> Result<Fit, Error> {
        self.load(&self.loader.fit_class(), &[]).map(Fit::new)
    }

    /// Loads the addon that searches the text.
    ///
    /// # Errors
    /// When xterm.js refuses the addon.
    pub fn load_search(&self) -> Result<Search, Error> {
        self.load(&self.loader.search_class(), &[]).map(Search::new)
    }

    /// Makes links of `http` and `https` addresses in the text; they open in a new window that knows nothing of this one.
    ///
    /// # Errors
    /// When xterm.js refuses the addon.
    pub fn load_web_links(&self) -> Result<(), Error> {
        self.load::<JsValue>(&self.loader.web_links_class(), &[]).map(drop)
    }

    /// Measures characters by Unicode 11 in place of 6, as current programs do: emoji are two cells wide.
    ///
    /// # Errors
    /// When xterm.js refuses the addon.
    pub fn load_unicode11(&self) -> Result<(), Error> {
        self.load::<JsValue>(&self.loader.unicode11_class(), &[])?;
        raw::set(&self.js.unicode(), "activeVersion", "11");
        Ok(())
    }

    fn load<T: JsCast>(&self, class: &js_sys::Function, arguments: &[&JsValue]) -> Result<T, Error> {
        let addon: T = raw::construct(class, arguments)?;
        self.js.load_addon(addon.as_ref())?;
        Ok(addon)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.listeners.borrow_mut().clear();
        self.js.dispose();
    }
}

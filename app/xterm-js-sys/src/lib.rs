//! Bindings to today's [xterm.js](https://xtermjs.org) (`@xterm/xterm` 6) and its addons fit, search, web-links and unicode11.
//!
//! This crate stands in place of the published `xterm-js-sys` (4.6.0-alpha1, of 2020): that one no longer compiles with the
//! `wasm-bindgen` of this workspace, ignores the terminal's options, writes strings only, knows no addon, and imports xterm.js
//! statically, so that one missing file stops the hydration of every page.
//!
//! What holds here:
//! - Nothing of xterm.js is part of the first page. [`Xterm::load`] imports it when a page needs it, from a URL that is given
//!   at run time (`js/loader.js`, served beside the packages' own modules), and a failure is an [`Error`] for that page alone.
//! - Bytes in, bytes out. What is written is copied out of wasm memory before xterm.js, which keeps it in a queue, sees it;
//!   the queue tells when it has consumed a chunk, which is what a sender's flow control needs.
//! - What Rust made, Rust ends: dropping a [`Terminal`] disposes it with its listeners and addons.
//!
//! It never talks to a server and knows nothing of the portal. It runs in a browser only; elsewhere it compiles and is not
//! called. xterm.js sets inline styles, so a page's content security policy has to allow `style-src 'unsafe-inline'`.

mod addons;
mod error;
mod options;
mod raw;
mod terminal;

pub use addons::{Fit, Found, Search, SearchOptions};
pub use error::Error;
pub use options::{CursorStyle, Options, Theme};
pub use terminal::{Listener, Size, Terminal};

use wasm_bindgen::JsCast;

/// xterm.js, loaded: the constructors of the terminal and its addons.
#[derive(Clone, Debug)]
pub struct Xterm {
    module: raw::Loader,
}

impl Xterm {
    /// Imports the loader module at `url`, an absolute path such as `/pkg/xterm/loader.js`, with all that it needs.
    ///
    /// The browser keeps the module: a second call costs a turn of its event loop. A failed one may be tried again.
    ///
    /// # Errors
    /// When a file is missing or is not what it should be.
    pub async fn load(url: &str) -> Result<Self, Error> {
        let module = raw::import_module(url).await?;
        let module = module.unchecked_into::<raw::Loader>();
        if module.terminal_class().is_undefined() {
            return Err(Error::new(&format!("{url} exports no Terminal")));
        }
        Ok(Self { module })
    }

    /// Makes a terminal. It shows nothing before [`Terminal::open`], yet takes what is written to it.
    ///
    /// # Errors
    /// When xterm.js refuses an option, such as a size of nothing.
    pub fn terminal(&self, options: &Options) -> Result<Terminal, Error> {
        Terminal::new(&self.module, options)
    }
}

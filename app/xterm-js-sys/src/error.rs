//! What JavaScript threw, in words that can be shown.

use std::fmt;

use wasm_bindgen::{JsCast, JsValue};

/// An exception of xterm.js or of its import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<JsValue> for Error {
    fn from(thrown: JsValue) -> Self {
        Self(match thrown.dyn_ref::<js_sys::Error>() {
            Some(error) => String::from(error.message()),
            None => format!("{thrown:?}"),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

//! A placeholder until recordings are there: it keeps nothing.

use model::ids::{ProjectId, ShellId};
use model::time::Millis;

use crate::error::{Error, Result};
use crate::platform::Platform;

/// What a recording begins with.
pub struct Header {
    /// Columns of the window.
    pub width: u16,
    /// Rows of the window.
    pub height: u16,
    /// What it is called in players.
    pub title: String,
    /// When the shell was opened.
    pub started_at: Millis,
}

/// A recording while it is made.
pub struct Recorder(());

impl Recorder {
    /// Begins one.
    pub async fn start(_: &Platform, _: ProjectId, _: ShellId, _: Header) -> Result<Self> {
        Ok(Self(()))
    }

    /// What the terminal printed.
    pub fn output(&self, _: &[u8]) {}

    /// The window's new size.
    pub fn resize(&self, _: u16, _: u16) {}

    /// Whether something could not be kept.
    #[must_use]
    pub fn failed(&self) -> bool {
        false
    }

    /// Resolves when something could not be kept, with what the shell's owner is told. Dropping the future loses nothing.
    pub async fn failure(&self) -> Error {
        std::future::pending().await
    }

    /// Ends it; its bytes.
    pub async fn finish(&self) -> u64 {
        0
    }
}

//! The terminal that a command runs in: its size, raw mode that is always taken back, and questions.

use std::io::{IsTerminal as _, Write as _};

use model::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::error::{Error, Result};

/// Columns and rows; of no terminal the usual 80 by 24.
pub(crate) fn size() -> (u16, u16) {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

/// Whether somebody types here.
pub(crate) fn is_typed() -> bool {
    std::io::stdin().is_terminal()
}

/// Changed modes of the terminal; dropped, it is as it was.
pub(crate) struct Modes(Termios);

impl Modes {
    /// Every key goes through as it is; none where nobody types.
    pub(crate) fn raw() -> Result<Option<Self>> {
        Self::change(|modes| modes.make_raw())
    }

    fn hidden() -> Result<Option<Self>> {
        Self::change(|modes| modes.local_modes.remove(LocalModes::ECHO))
    }

    fn change(change: impl FnOnce(&mut Termios)) -> Result<Option<Self>> {
        if !is_typed() {
            return Ok(None);
        }
        let failed = |error: rustix::io::Errno| Error::local("the terminal cannot be changed")(error.into());
        let before = tcgetattr(std::io::stdin()).map_err(failed)?;
        let mut wanted = before.clone();
        change(&mut wanted);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &wanted).map_err(failed)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        // What is typed meanwhile belongs to whoever comes next.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Asks a question on the terminal.
pub(crate) fn ask(question: &str) -> Result<String> {
    let mut line = String::new();
    eprint!("{question}");
    let _ = std::io::stderr().flush();
    std::io::stdin().read_line(&mut line).map_err(Error::local("the terminal cannot be read"))?;
    let line = line.trim();
    if line.is_empty() { Err(Error::wrong("nothing was typed")) } else { Ok(line.to_owned()) }
}

/// The same, and what is typed is not seen.
pub(crate) fn ask_hidden(question: &str) -> Result<Secret> {
    if !is_typed() {
        return Err(Error::wrong("there is no terminal to ask for the password; use --password-stdin or --token-stdin"));
    }
    let hidden = Modes::hidden()?;
    let answer = ask(question);
    drop(hidden);
    eprintln!();
    answer.map(Secret::new)
}

/// Tells the person something that is no output.
pub(crate) fn note(text: &str) -> Result<()> {
    // Raw mode needs the return to the first column.
    write!(std::io::stderr(), "{text}\r\n").map_err(Error::local("the terminal cannot be written"))
}

//! The words of a shell's websocket beside the terminal's own bytes, as the contract has them. And for how long a recording is kept.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// For how many days a project may keep its recordings of shells.
pub const RECORDINGS_DAYS: RangeInclusive<i64> = 1..=3650;
/// For how many days it does where nobody chose.
pub const RECORDINGS_DAYS_USUAL: i64 = 90;
/// What is told of an image without a shell begins so; at its end, in brackets, stands what the engine answered.
pub const NO_SHELL: &str = "this image has no shell";

/// Reads a command as a shell would: words, quoted where they hold blanks. None: the text is blank, and the image's own shell is meant.
///
/// # Errors
/// Where a quote is not closed.
pub fn command(text: &str) -> Result<Option<Vec<String>>, UnclosedQuote> {
    let words = shell_words::split(text).map_err(|_| UnclosedQuote)?;
    Ok((!words.is_empty()).then_some(words))
}

/// A quote of a command is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quote is not closed; write it as in a shell, like sh -c 'echo hello'")]
pub struct UnclosedQuote;

/// What the client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromClient {
    /// The window has this size now.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// So many bytes of output have been shown, in all.
    Ack {
        /// Bytes.
        bytes: u64,
    },
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToClient {
    /// The terminal is open.
    Ready {
        /// The session's id.
        session: String,
    },
    /// So many bytes of input have been taken, in all.
    Ack {
        /// Bytes.
        bytes: u64,
    },
    /// The process ended.
    Exit {
        /// Its exit code; -1 when it is not known.
        code: i64,
    },
    /// It cannot go on.
    Error {
        /// A stable word for programs.
        code: String,
        /// For people.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_a_shell_reads_it() {
        assert_eq!(command("  "), Ok(None));
        assert_eq!(command("bash -lc 'echo \"a b\"'"), Ok(Some(vec!["bash".into(), "-lc".into(), "echo \"a b\"".into()])));
        assert_eq!(command("echo 'a"), Err(UnclosedQuote));
    }

    #[test]
    fn words_are_the_contracts() {
        let resize = serde_json::from_str(r#"{"type":"resize","cols":80,"rows":24}"#);
        assert_eq!(resize.ok(), Some(FromClient::Resize { cols: 80, rows: 24 }));
        let ready = serde_json::to_string(&ToClient::Ready { session: "s".into() });
        assert_eq!(ready.ok().as_deref(), Some(r#"{"type":"ready","session":"s"}"#));
    }
}

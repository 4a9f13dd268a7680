//! The words of a shell's websocket beside the terminal's own bytes, as the contract has them. And for how long a recording is kept.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// For how many days a project may keep its recordings of shells.
pub const RECORDINGS_DAYS: RangeInclusive<i64> = 1..=3650;
/// For how many days it does where nobody chose.
pub const RECORDINGS_DAYS_USUAL: i64 = 90;

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
    fn words_are_the_contracts() {
        let resize = serde_json::from_str(r#"{"type":"resize","cols":80,"rows":24}"#);
        assert_eq!(resize.ok(), Some(FromClient::Resize { cols: 80, rows: 24 }));
        let ready = serde_json::to_string(&ToClient::Ready { session: "s".into() });
        assert_eq!(ready.ok().as_deref(), Some(r#"{"type":"ready","session":"s"}"#));
    }
}

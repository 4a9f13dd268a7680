//! How far a task's log was read, as it is written down with the lines: the engine's file and the byte, the last line, what is held back. Pure.

use serde::{Deserialize, Serialize};

use super::flood::Held;
use super::joiner::{Place, Source};

/// The last line that was complete. The engine gives a log always in the same order, so all before this line was read, and all behind it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anchor {
    /// Its time, nanoseconds since 1970.
    #[serde(rename = "t")]
    pub at_nanos: i64,
    /// Its stream.
    #[serde(rename = "s")]
    pub source: Source,
    /// How many lines of this stream with this time came before.
    #[serde(rename = "n", default)]
    pub nth: u32,
}

impl Anchor {
    /// Moves on to the next line.
    pub(super) fn passes(last: &mut Option<Self>, at_nanos: i64, source: Source) {
        let nth = match last {
            Some(before) if before.at_nanos == at_nanos && before.source == source => before.nth + 1,
            _ => 0,
        };
        *last = Some(Self { at_nanos, source, nth });
    }
}

/// How far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Of which container, by the beginning of its id: a task's second one is another log.
    #[serde(rename = "c")]
    pub container: String,
    /// In the engine's file: behind this all is to be read. None where it was read through the engine.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Place>,
    /// Where reading begins again, where a line was begun before and is not complete: what is complete before `read` is known.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Place>,
    /// The last line.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Anchor>,
    /// The oldest time of a line that was begun and is not complete, where it was read through the engine.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub open: Option<i64>,
    /// How far the engine's clock was ahead of the portal's at most, in milliseconds, when it was asked last, where it was read through the engine.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<i64>,
    /// What is held back.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// It was read to its end, and its container was to be removed.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// Characters of a container's id that are written down.
const SHORT: usize = 16;

impl Cursor {
    /// At the beginning of a container's log.
    pub(super) fn new(container: &str) -> Self {
        Self { container: container.chars().take(SHORT).collect(), ..Self::default() }
    }

    /// What was written down, if it is of this container.
    pub(super) fn parse(text: &str, container: &str) -> Option<Self> {
        let cursor: Self = serde_json::from_str(text).ok()?;
        (!cursor.container.is_empty() && container.starts_with(&cursor.container)).then_some(cursor)
    }

    /// To be written down.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_for_its_own_container_alone() {
        let id = "9d284890c74f009dce95d22a6f019fad";
        let place = Place { inode: 7, first: -3, born: i64::MAX, offset: u64::MAX };
        let mut cursor = Cursor { read: Some(place), from: Some(place), open: Some(5), ahead: Some(-7), done: true, ..Cursor::new(id) };
        Anchor::passes(&mut cursor.last, 5, Source::Stderr);
        Anchor::passes(&mut cursor.last, 5, Source::Stderr);
        cursor.held = Some(Held { lines: 1, bytes: 2, from: 3, to: 4, rest: [None, Some(9)] });
        assert_eq!(cursor.last.map(|last| last.nth), Some(1));
        assert_eq!(Cursor::parse(&cursor.text(), id), Some(cursor.clone()));
        assert_eq!(Cursor::parse(&cursor.text(), "another"), None);
        assert_eq!(Cursor::parse("{}", id), None);
        assert!(cursor.text().len() < 400, "{}", cursor.text());
    }
}

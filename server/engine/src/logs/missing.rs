//! What is missing in a kept log, in one sentence for people: how much where that is known, from when to when, and why. Pure.

use std::fmt;

use model::quantity::grouped;
use model::time::Millis;

use super::flood::{Held, RATE};

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The engine threw files of its log away between the two times, as far as these are known (nanoseconds since 1970).
    Rotated { after: Option<i64>, before: Option<i64> },
    /// The engine keeps so little of a log that what came before this one's beginning may be gone.
    Earlier,
    /// The container went before its log was read to the end.
    Removed { after: Option<i64> },
    /// Something else emptied the engine's file.
    Emptied,
    /// So many bytes of the engine's file could not be read as lines.
    Damaged { bytes: u64 },
    /// The engine said that it cannot read its log.
    Unreadable,
    /// The beginning of a long line went with an older file.
    Beginning,
    /// More was written than is kept.
    Held(Held),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotated { after, before } => {
                f.write_str("lines may be missing here, how many is not known: the engine threw away ")?;
                match (after, before) {
                    (Some(after), Some(before)) => write!(f, "what was written between {} and {}", time(*after), time(*before))?,
                    (Some(after), None) => write!(f, "what was written after {}", time(*after))?,
                    (None, Some(before)) => write!(f, "what was written before {}", time(*before))?,
                    (None, None) => f.write_str("a part of this log")?,
                }
                f.write_str(" before it was read")
            }
            Self::Earlier => f.write_str("lines may be missing here, how many is not known: the engine may have thrown away what was written before"),
            Self::Removed { after: Some(after) } => {
                write!(
                    f,
                    "lines may be missing here, how many is not known: the container was removed before what it wrote after {} was read",
                    time(*after)
                )
            }
            Self::Removed { after: None } => f.write_str("nothing of this log was read before its container was removed"),
            Self::Emptied => {
                f.write_str("lines may be missing here, how many is not known: something else than Slipway emptied the engine's log file")
            }
            Self::Damaged { bytes } => write!(f, "{} of the engine's log file could not be read as lines", size(*bytes)),
            Self::Unreadable => f.write_str("lines may be missing here, how many is not known: the engine could not read its own log"),
            Self::Beginning => f.write_str("the beginning of the next line is missing: the engine threw it away before it was read"),
            Self::Held(held) => {
                let lines = if held.lines == 1 { "1 line".to_owned() } else { format!("{} lines", grouped(held.lines)) };
                let seconds = u64::try_from(held.to.saturating_sub(held.from)).unwrap_or(0) / 1_000_000_000;
                let span = if seconds == 0 { "less than a second".to_owned() } else { format!("{seconds} s") };
                write!(
                    f,
                    "held back: {lines} ({}) in {span}, since for long no more than {} of a task is kept a second",
                    size(held.bytes),
                    size(RATE)
                )
            }
        }
    }
}

fn time(nanos: i64) -> String {
    Millis(nanos.div_euclid(1_000_000)).exact()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_how_much_is_missing_and_why() {
        let held = Held { lines: 1_234_567, bytes: 89 << 20, from: 0, to: 10_500_000_000, rest: [None; 2] };
        let said = Missing::Held(held).to_string();
        assert_eq!(said, "held back: 1,234,567 lines (89 MiB) in 10 s, since for long no more than 4 MiB of a task is kept a second");
        let said = Missing::Rotated { after: Some(0), before: Some(60_000_000_000) }.to_string();
        assert!(said.contains("between 1970-01-01 00:00:00 UTC and 1970-01-01 00:01:00 UTC"), "{said}");
        assert!(Missing::Removed { after: Some(0) }.to_string().contains("after 1970-01-01 00:00:00 UTC"));
    }
}

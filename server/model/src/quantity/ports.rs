//! Ranges of ports.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::InvalidQuantity;

/// A range of ports as people write it: `20000-20999`, `8080`; `none` for no port at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}
as_text!(PortRange);

impl PortRange {
    /// No port at all.
    pub const NONE: Self = Self { first: 0, last: 0 };

    /// First and last, which is not below the first; both 0 for none at all.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        let fine = (first == 0 && last == 0) || (first > 0 && first <= last);
        if fine { Some(Self { first, last }) } else { None }
    }

    /// First and last.
    #[must_use]
    pub const fn ends(self) -> (u16, u16) {
        (self.first, self.last)
    }

    /// Whether the port lies in it.
    #[must_use]
    pub const fn holds(self, port: u16) -> bool {
        port > 0 && self.first <= port && port <= self.last
    }
}

impl FromStr for PortRange {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let trimmed = text.trim();
        if trimmed == "none" {
            return Ok(Self::NONE);
        }
        let (first, last) = trimmed.split_once('-').unwrap_or((trimmed, trimmed));
        let ends = first.trim().parse::<u16>().ok().zip(last.trim().parse::<u16>().ok());
        let range = ends.filter(|(first, _)| *first > 0).and_then(|(first, last)| Self::new(first, last));
        range.ok_or_else(|| InvalidQuantity(format!("{text:?} is not a range of ports; write it like 20000-20999, or none")))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (0, _) => f.write_str("none"),
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_back_as_it_is_printed() {
        for (text, ends) in [("none", (0, 0)), ("8080", (8080, 8080)), ("20000-20999", (20_000, 20_999))] {
            let range = text.parse::<PortRange>().expect(text);
            assert_eq!((range.ends(), range.to_string().as_str()), (ends, text));
        }
        assert_eq!(" 80 - 80 ".parse::<PortRange>().map(|range| range.to_string()), Ok("80".into()));
        for text in ["", "0", "0-80", "81-80", "80-", "-80", "65536", "80-81-82", "None"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
        assert!(!PortRange::NONE.holds(0));
    }
}

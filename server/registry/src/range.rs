//! The two kinds of ranges at the registry's door, read and nothing else: `Range` of a download (RFC 9110, section 14) and
//! `Content-Range` of a chunk (distribution-spec 1.1, "Pushing a blob in chunks", which writes it without a unit).

/// What part of a content is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: nothing was asked, or something that RFC 9110 lets a server ignore.
    Whole,
    /// From the first to the last byte, both included and both there.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// A range that the content does not have: answered with 416.
    Nowhere,
}

/// Reads a `Range` header for a content of `size` bytes. Several ranges at once are ignored and a range that ends before it begins is
/// refused, as the RFC allows (section 14.2).
#[must_use]
pub fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(set) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    match (number(first), number(last)) {
        (Some(first), _) if last.trim().is_empty() => part(first, u64::MAX, size),
        (Some(first), Some(last)) if first <= last => part(first, last, size),
        (Some(_), Some(_)) => Wanted::Nowhere,
        // The last n bytes.
        (None, Some(0)) if first.trim().is_empty() => Wanted::Nowhere,
        (None, Some(count)) if first.trim().is_empty() => part(size.saturating_sub(count), u64::MAX, size),
        _ => Wanted::Whole,
    }
}

fn part(first: u64, last: u64, size: u64) -> Wanted {
    if first >= size {
        return Wanted::Nowhere;
    }
    Wanted::Part { first, last: last.min(size - 1) }
}

/// A chunk's place in its upload: first and last byte, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

impl Chunk {
    /// Reads `0-99`, or what HTTP would have written: `bytes 0-99/*`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("bytes ").unwrap_or(text);
        let (first, last) = text.split('/').next()?.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        (first <= last && last < u64::MAX).then_some(Self { first, last })
    }

    /// Bytes of the chunk.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Digits alone: no sign, no blanks inside.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn downloads_ask_for_parts() {
        let part = |first, last| Wanted::Part { first, last };
        for (header, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-99", part(0, 99)),
            ("bytes=90-", part(90, 99)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("bytes=100-", Wanted::Nowhere),
            ("bytes=100-200", Wanted::Nowhere),
            ("bytes=-0", Wanted::Nowhere),
            ("bytes=5-2", Wanted::Nowhere),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 100), expected, "{header}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nowhere);
    }

    #[test]
    fn chunks_say_where_they_belong() {
        assert_eq!(Chunk::parse("0-99"), Some(Chunk { first: 0, last: 99 }));
        assert_eq!(Chunk::parse("bytes 5-6/*").map(|chunk| chunk.size()), Some(2));
        for wrong in ["", "5", "6-5", "-5", "5-", "a-b", "+1-2", "0-18446744073709551615", "0-99999999999999999999"] {
            assert_eq!(Chunk::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_always_inside(text in "\\PC{0,20}|bytes=[0-9]{0,20}-[0-9]{0,20}", size: u64) {
            if let Wanted::Part { first, last } = wanted(Some(&text), size) {
                prop_assert!(first <= last && last < size);
            }
            if let Some(chunk) = Chunk::parse(&text) {
                prop_assert!(chunk.size() >= 1);
            }
        }
    }
}

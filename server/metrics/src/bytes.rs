//! Numbers as bytes, and reading them back from bytes that may be anything: every reader answers none instead of going past the end, and never
//! makes room for more than is there.

use std::fmt::Display;

use uuid::Uuid;

/// Appends a number, small ones in few bytes.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number with sign.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, fold(number));
}

/// Appends a text behind its length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends an id of any kind in 16 bytes.
pub(crate) fn put_id(out: &mut Vec<u8>, id: &impl Display) {
    let id = Uuid::try_parse(&id.to_string()).expect("an id is written as a UUID");
    out.extend_from_slice(id.as_bytes());
}

/// A number with sign as one without, small ones small.
pub(crate) const fn fold(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// What [`fold`] made of a number.
pub(crate) const fn unfold(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Reads what the functions above wrote.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number that says how many things follow, each of at least one byte: no greater than the bytes that are left.
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())
    }

    pub(crate) fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        u16::try_from(self.number()?).ok()
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        self.number().map(unfold)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    pub(crate) fn id<T: From<Uuid>>(&mut self) -> Option<T> {
        Some(Uuid::from_bytes(self.take(16)?.try_into().ok()?).into())
    }
}

/// Four bytes, the smallest first.
pub(crate) fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use model::ids::TaskId;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_put_is_read(number: u64, signed: i64, text: String, id: u128) {
            let id = TaskId::from(Uuid::from_u128(id));
            let mut out = Vec::new();
            put(&mut out, number);
            put_signed(&mut out, signed);
            put_text(&mut out, &text);
            put_id(&mut out, &id);
            let mut bytes = Bytes(&out);
            prop_assert_eq!(bytes.number(), Some(number));
            prop_assert_eq!(bytes.signed(), Some(signed));
            prop_assert_eq!(bytes.text(), Some(text.as_str()));
            prop_assert_eq!(bytes.id(), Some(id));
            prop_assert!(bytes.0.is_empty());
        }
    }
}

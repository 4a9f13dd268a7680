//! What a terminal printed and its client has not shown yet, or what was typed and its process has not taken: bytes by their number since the
//! terminal was opened. Large pieces are kept as they came, small ones are put together, so that a program that prints byte by byte costs what it
//! prints and no more.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

/// Pieces from this size on are kept as they are.
const WHOLE: usize = 4 * 1024;

/// The bytes from `begin` to `end`.
#[derive(Default)]
pub(super) struct Replay {
    parts: VecDeque<Bytes>,
    tail: Vec<u8>,
    begin: u64,
    end: u64,
}

impl Replay {
    /// The number of the first byte that is still here.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    /// The number of the byte that comes next.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How many bytes are here.
    pub(super) fn held(&self) -> u64 {
        self.end - self.begin
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.end += bytes.len() as u64;
        if bytes.len() >= WHOLE {
            self.seal();
            self.parts.push_back(bytes);
            return;
        }
        self.tail.extend_from_slice(&bytes);
        if self.tail.len() >= WHOLE {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.parts.push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }

    /// Forgets what is before byte `to`, as far as it was printed.
    pub(super) fn forget(&mut self, to: u64) {
        let to = to.clamp(self.begin, self.end);
        let mut rest = usize::try_from(to - self.begin).expect("what is held fits into memory");
        self.begin = to;
        while rest > 0 {
            let Some(first) = self.parts.front_mut() else {
                self.tail.drain(..rest);
                break;
            };
            if first.len() > rest {
                first.advance(rest);
                return;
            }
            rest -= first.len();
            self.parts.pop_front();
        }
        if self.begin == self.end {
            // An idle terminal holds nothing.
            *self = Self { begin: self.begin, end: self.end, ..Self::default() };
        }
    }

    /// Bytes from number `at` on, at most so many; fewer where a piece ends. None: there are none.
    pub(super) fn from(&self, at: u64, most: usize) -> Option<Bytes> {
        let mut skip = usize::try_from(at.checked_sub(self.begin)?).ok()?;
        for part in &self.parts {
            if skip < part.len() {
                return Some(part.slice(skip..part.len().min(skip + most)));
            }
            skip -= part.len();
        }
        let rest = self.tail.get(skip..)?;
        let rest = &rest[..rest.len().min(most)];
        (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(replay: &Replay, mut at: u64, most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = replay.from(at, most) {
            assert!(!bytes.is_empty() && bytes.len() <= most);
            at += bytes.len() as u64;
            all.extend_from_slice(&bytes);
        }
        all
    }

    proptest! {
        #[test]
        fn every_byte_is_there_from_every_number(sizes in proptest::collection::vec(1_usize..9_000, 0..40), cuts in proptest::collection::vec(0.0_f64..1.0, 1..10)) {
            let mut replay = Replay::default();
            let mut whole = Vec::new();
            for (number, size) in sizes.into_iter().enumerate() {
                let piece: Vec<u8> = (0..size).map(|at| (at + number * 7) as u8).collect();
                whole.extend_from_slice(&piece);
                replay.push(piece.into());
            }
            for cut in cuts {
                let at = replay.begin() + (cut * replay.held() as f64) as u64;
                prop_assert_eq!(&read(&replay, at, 1_000)[..], &whole[at as usize..]);
                replay.forget(at);
                prop_assert_eq!(replay.begin(), at);
                prop_assert_eq!(&read(&replay, at, 64 * 1024)[..], &whole[at as usize..]);
                prop_assert_eq!(replay.held(), whole.len() as u64 - at);
            }
        }
    }

    #[test]
    fn what_was_forgotten_or_is_not_printed_yet_is_not_there() {
        let mut replay = Replay::default();
        replay.push(Bytes::from_static(b"hello"));
        assert_eq!(replay.from(5, 10), None);
        assert_eq!(replay.from(9, 10), None);
        replay.forget(99);
        assert_eq!((replay.begin(), replay.end(), replay.held()), (5, 5, 0));
        assert_eq!(replay.from(4, 10), None);
        replay.push(Bytes::from_static(b"!"));
        assert_eq!(replay.from(5, 10).as_deref(), Some(&b"!"[..]));
    }

    #[test]
    fn a_program_that_prints_byte_by_byte_costs_what_it_prints() {
        let mut replay = Replay::default();
        for _ in 0..1024 * 1024 {
            replay.push(Bytes::from_static(b"x"));
        }
        assert!(replay.parts.len() <= 1024 * 1024 / WHOLE);
        replay.forget(1024 * 1024);
        assert_eq!((replay.parts.capacity(), replay.tail.capacity()), (0, 0), "and nothing once it was shown");
    }
}

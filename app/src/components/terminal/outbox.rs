//! What was typed and is not yet taken: every byte is kept until the server says that the terminal took it, so that what a broken
//! connection swallowed is sent again, and nothing else. It knows no websocket and no browser.

use std::collections::VecDeque;

/// Bytes sent in one frame.
const FRAME: usize = 32 * 1024;
/// Bytes sent ahead of what the server took: it never has to stop listening, so that acknowledgements and sizes always get through.
const AHEAD: usize = 256 * 1024;
/// Bytes that may wait, the largest paste among them.
pub(super) const MOST: usize = 16 * 1024 * 1024;

/// Typed bytes on their way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Not taken yet, the oldest first.
    kept: VecDeque<u8>,
    /// How many of them went over the present connection.
    sent: usize,
    /// Bytes that the server took, in all.
    taken: u64,
}

/// There is no room for this much.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Outbox {
    /// Adds what was typed or pasted, all of it or nothing.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if self.kept.len() + bytes.len() > MOST {
            return Err(Full);
        }
        self.kept.extend(bytes);
        Ok(())
    }

    /// The next frame to send over the present connection, if there is one and the server is not behind.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let room = AHEAD.saturating_sub(self.sent);
        let count = (self.kept.len() - self.sent).min(FRAME).min(room);
        if count == 0 {
            return None;
        }
        let frame = self.kept.range(self.sent..self.sent + count).copied().collect();
        self.sent += count;
        Some(frame)
    }

    /// The server took so many bytes, in all. Whether that is more than was known.
    pub(super) fn took(&mut self, total: u64) -> bool {
        let more = usize::try_from(total.saturating_sub(self.taken)).unwrap_or(usize::MAX).min(self.kept.len());
        self.kept.drain(..more);
        self.sent = self.sent.saturating_sub(more);
        self.taken += more as u64;
        if self.kept.is_empty() {
            // A large paste does not hold its memory for ever.
            self.kept.shrink_to(FRAME);
        }
        more > 0
    }

    /// A new connection to the same session stands, and the server took so many bytes in all: the rest goes again.
    pub(super) fn resume(&mut self, total: u64) {
        self.took(total);
        self.sent = 0;
    }

    /// A page that was loaded again goes on with a session, of whose input the server took so many bytes in all: what is kept here is new.
    pub(super) fn join(&mut self, total: u64) {
        self.taken = total;
        self.sent = 0;
    }

    /// Whether something was sent that the server did not say to have taken.
    pub(super) fn waits(&self) -> bool {
        self.sent > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(outbox: &mut Outbox) -> Vec<u8> {
        std::iter::from_fn(|| outbox.next()).flatten().collect()
    }

    #[test]
    fn what_was_not_taken_is_sent_again_and_nothing_else() {
        let mut outbox = Outbox::default();
        outbox.push(b"echo one\n").expect("room");
        assert_eq!(all(&mut outbox), b"echo one\n");
        outbox.took(5);
        outbox.push(b"two").expect("room");
        assert_eq!(outbox.next().as_deref(), Some(&b"two"[..]), "what was sent is not sent again over the same connection");
        assert!(outbox.waits());
        outbox.resume(7);
        assert_eq!(all(&mut outbox), b"e\ntwo");
        outbox.took(12);
        assert!(!outbox.waits());
        assert_eq!(outbox.next(), None);
        outbox.resume(12);
        assert_eq!(outbox.next(), None);
    }

    #[test]
    fn what_an_earlier_page_typed_is_not_taken_for_what_this_one_did() {
        let mut outbox = Outbox::default();
        outbox.push(b"ls\n").expect("room");
        outbox.join(500);
        assert_eq!(all(&mut outbox), b"ls\n");
        outbox.took(501);
        outbox.resume(501);
        assert_eq!(all(&mut outbox), b"s\n");
    }

    #[test]
    fn a_large_paste_goes_in_order_and_never_far_ahead() {
        let paste: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut outbox = Outbox::default();
        outbox.push(&paste).expect("room");
        let mut got = Vec::new();
        loop {
            let piece = all(&mut outbox);
            assert!(piece.len() <= AHEAD);
            if piece.is_empty() {
                break;
            }
            got.extend(piece);
            outbox.took(got.len() as u64);
        }
        assert_eq!(got, paste);
    }

    #[test]
    fn too_much_is_refused_whole() {
        let mut outbox = Outbox::default();
        outbox.push(b"a").expect("room");
        assert_eq!(outbox.push(&vec![0; MOST]), Err(Full));
        assert_eq!(all(&mut outbox), b"a");
    }

    #[test]
    fn a_count_beyond_what_is_known_changes_nothing_that_comes_later() {
        let mut outbox = Outbox::default();
        outbox.push(b"ab").expect("room");
        outbox.took(50);
        outbox.push(b"c").expect("room");
        assert_eq!(outbox.next().as_deref(), Some(&b"c"[..]));
    }
}

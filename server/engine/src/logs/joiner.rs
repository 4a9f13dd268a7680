//! Lines out of pieces. The engine writes a line longer than 16 KiB in pieces that all bear the time of the first, and what a program printed last
//! without a line end as a shorter one. Pure.

use serde::{Deserialize, Serialize};

use super::entry;

/// Longest line, in bytes; what comes after is left out, and the line says so.
pub(super) const LINE_LIMIT: usize = 64 << 10;
/// A piece that is not the last of its line has at least so many bytes.
const PIECE: usize = 16 << 10;

/// Which of its two streams a program wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Source {
    /// Standard output.
    #[serde(rename = "o")]
    Stdout,
    /// Standard error.
    #[serde(rename = "e")]
    Stderr,
}

/// The text of a piece.
#[derive(Debug)]
pub(super) enum Text<'a> {
    /// As it stands within the quotes of JSON.
    Escaped(&'a str),
    /// As it was printed.
    Owned(String),
}

/// A line, or a part of one.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// When its line was begun, nanoseconds since 1970, by the engine's clock.
    pub at_nanos: i64,
    /// Where to.
    pub source: Source,
    /// What, without the line end.
    pub text: Text<'a>,
    /// Whether the line ends here.
    pub whole: bool,
}

/// Where a piece stands in the engine's log file: which file, and how many bytes come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// The file's number on its disk. It is given to another file when this one is gone.
    #[serde(rename = "i")]
    pub inode: u64,
    /// The time of its first line, so that another file with that number is not taken for it; 0: not known.
    #[serde(rename = "f")]
    pub first: i64,
    /// When it was made, nanoseconds since 1970, for the same where it had no line yet, or where a long line fills two files: all its pieces bear one
    /// time. 0: its disk does not tell.
    #[serde(rename = "b", default)]
    pub born: i64,
    /// Bytes.
    #[serde(rename = "o")]
    pub offset: u64,
}

/// A line that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub at_nanos: i64,
    pub source: Source,
    pub text: String,
    /// It was longer than the limit.
    pub cut: bool,
}

/// Puts pieces together.
#[derive(Debug, Clone, Default)]
pub(super) struct Joiner {
    open: [Option<Open>; 2],
    begun: u64,
}

#[derive(Debug, Clone)]
struct Open {
    line: Line,
    from: Place,
    /// How many were begun before.
    number: u64,
}

impl Text<'_> {
    /// Adds at most `room` bytes of it to `out`. How many bytes it has in all.
    pub(super) fn push_to(&self, out: &mut String, room: usize) -> usize {
        match self {
            Self::Escaped(raw) => entry::unescape(raw, out, room),
            Self::Owned(text) => {
                out.push_str(&text[..text.floor_char_boundary(room.min(text.len()))]);
                text.len()
            }
        }
    }

    /// About how many bytes it has, without looking at them.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Escaped(raw) => raw.len(),
            Self::Owned(text) => text.len(),
        }
    }
}

impl Piece<'_> {
    /// Whether its line may go on with another piece, as far as its size says. Never wrong where it says no.
    pub(super) fn may_go_on(&self) -> bool {
        !self.whole && self.text.size() >= PIECE
    }
}

impl Joiner {
    /// Takes a piece that stands at `from`, and gives the lines that are complete with it.
    pub(super) fn take(&mut self, piece: &Piece<'_>, from: Place, mut give: impl FnMut(Line)) {
        let slot = &mut self.open[piece.source as usize];
        if slot.as_ref().is_some_and(|open| open.line.at_nanos != piece.at_nanos) {
            // Its program ended in the middle of it, and something else was begun.
            slot.take().into_iter().for_each(|open| give(close(open.line)));
        }
        let mut open = slot.take().unwrap_or_else(|| {
            let text = String::with_capacity(piece.text.size().min(LINE_LIMIT));
            self.begun += 1;
            Open { line: Line { at_nanos: piece.at_nanos, source: piece.source, text, cut: false }, from, number: self.begun }
        });
        let room = LINE_LIMIT.saturating_sub(open.line.text.len());
        let bytes = piece.text.push_to(&mut open.line.text, room);
        open.line.cut |= bytes > room;
        if piece.whole || bytes < PIECE {
            give(close(open.line));
        } else {
            *slot = Some(open);
        }
    }

    /// Nothing follows: lines that were begun are complete.
    pub(super) fn end(&mut self, mut give: impl FnMut(Line)) {
        self.open.iter_mut().filter_map(Option::take).for_each(|open| give(close(open.line)));
    }

    /// Where the first of the lines that were begun and are not complete stands, and the oldest time of them.
    pub(super) fn pending(&self) -> Option<(Place, i64)> {
        let first = self.open.iter().flatten().min_by_key(|open| open.number)?;
        let oldest = self.open.iter().flatten().map(|open| open.line.at_nanos).min()?;
        Some((first.from, oldest))
    }

    /// Lets go of what was begun: how many lines, and of how many bytes. Their further pieces are of these times.
    pub(super) fn give_up(&mut self) -> (u64, u64, [Option<i64>; 2]) {
        let times = [0, 1].map(|source| self.open[source].as_ref().map(|open| open.line.at_nanos));
        let given: Vec<Open> = self.open.iter_mut().filter_map(Option::take).collect();
        (given.len() as u64, given.iter().map(|open| open.line.text.len() as u64).sum(), times)
    }
}

fn close(mut line: Line) -> Line {
    if line.text.ends_with('\r') {
        line.text.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(at_nanos: i64, source: Source, text: &str, whole: bool) -> Piece<'_> {
        Piece { at_nanos, source, text: Text::Owned(text.to_owned()), whole }
    }

    fn joined(pieces: &[Piece<'_>]) -> (Vec<Line>, Joiner) {
        let mut joiner = Joiner::default();
        let mut lines = Vec::new();
        for piece in pieces {
            joiner.take(piece, Place::default(), |line| lines.push(line));
        }
        (lines, joiner)
    }

    use Source::{Stderr, Stdout};

    #[test]
    fn pieces_of_one_time_are_one_line_also_with_others_between() {
        let long = "x".repeat(PIECE);
        let (lines, joiner) = joined(&[piece(1, Stdout, &long, false), piece(2, Stderr, "err", true), piece(1, Stdout, "rest\r", true)]);
        assert_eq!((lines.len(), lines[0].text.as_str()), (2, "err"));
        assert_eq!((lines[1].at_nanos, lines[1].text.len()), (1, PIECE + 4));
        assert!(joiner.pending().is_none());
    }

    #[test]
    fn what_a_program_printed_last_is_a_line_of_its_own() {
        let (lines, _) = joined(&[piece(1, Stdout, "no end", false), piece(2, Stdout, "", true), piece(3, Stdout, "begins anew", true)]);
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["no end", "", "begins anew"]);
        let long = "x".repeat(PIECE);
        let (lines, mut joiner) = joined(&[piece(1, Stdout, &long, false), piece(9, Stdout, "begins anew", true)]);
        assert_eq!(lines.len(), 2, "another time is another line");
        let (_, mut open) = joined(&[piece(1, Stdout, &long, false)]);
        assert_eq!(open.pending().map(|(_, at)| at), Some(1));
        let mut last = Vec::new();
        open.end(|line| last.push(line));
        joiner.end(|line| last.push(line));
        assert_eq!(last.len(), 1);
    }

    #[test]
    fn a_line_too_long_is_cut_and_says_so() {
        let long = "é".repeat(PIECE / 2);
        let mut pieces: Vec<Piece<'_>> = (0..6).map(|_| piece(1, Stdout, &long, false)).collect();
        pieces.push(piece(1, Stdout, "end", true));
        pieces.push(piece(2, Stdout, "next", true));
        let (lines, _) = joined(&pieces);
        assert_eq!((lines[0].text.len(), lines[0].cut), (LINE_LIMIT, true));
        assert_eq!((lines[1].text.as_str(), lines[1].cut), ("next", false));
    }
}

//! Looks for the last line that was kept in what an engine tells of a log. Pure.

use super::super::cursor::Anchor;
use super::super::joiner::{Joiner, Piece, Place, Source, Text};

/// What is so much later than the line that is looked for makes one ask where the log ends.
const LATER: i64 = 10 * 1_000_000_000;

/// A piece, as far as it is known again by it. All pieces of a line have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub at_nanos: i64,
    pub source: Source,
}

/// What is known of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may come.
    Open,
    /// The same, and the engine should be asked where its log ends now.
    Ask,
    /// It is what was told last.
    Found,
    /// The engine has it no longer.
    Lost,
}

/// Looks for the last line that was kept, the anchor.
///
/// An engine tells a log in the order in which it stands in its files, and throws away from the oldest on. So as long as the anchor is there it will be
/// told, what is told before it was kept, and what is told behind it was not. If it is not there, nothing that came before it is there either, and all that
/// is told is new. Nothing of what is told needs to be remembered for that: once the anchor is known to be lost, the whole log is asked for again, and
/// all of it is new. How much is told before the anchor does not matter.
///
/// That it is lost is not guessed. No time proves it: a line that is printed slowly bears the time of its beginning, and a clock may be put back, so that
/// what is much later than the anchor may stand before it. No silence proves it: a connection may be slow. When something was told, and one of the two
/// makes it likely, the engine is asked for the last piece of its log: the end. That is asked while the stream is open, and the stream will tell the end,
/// too; the anchor, if it is there, stands no later. So when the end was told and the anchor was not, it is lost.
///
/// The end is known again by its time and stream, which all pieces of one line have. It was told for certain when its stream goes on with something else;
/// when its stream says nothing more, after a silence. That silence is the one thing that is believed: a connection that rests for so long between two
/// pieces of the line that is the log's last, with the anchor between them, makes lines be kept twice, with a gap before them.
///
/// As long as nothing was told, nothing that is new waits, and it may take for ever.
#[derive(Debug)]
pub(super) struct Seek {
    anchor: Anchor,
    /// The last line that was told.
    last: Option<Anchor>,
    joiner: Joiner,
    /// A line of the anchor's time and stream was begun and is not complete.
    begun: bool,
    /// The last piece that was told.
    told: Option<Mark>,
    end: Option<End>,
    lost: bool,
}

/// Where the log ended when that was asked.
#[derive(Debug, Clone, Copy)]
struct End {
    mark: Mark,
    /// It was told, or another piece of its line.
    reached: bool,
}

impl Mark {
    fn of(piece: &Piece<'_>) -> Self {
        Self { at_nanos: piece.at_nanos, source: piece.source }
    }
}

impl Seek {
    pub(super) fn new(anchor: Anchor) -> Self {
        Self { anchor, last: None, joiner: Joiner::default(), begun: false, told: None, end: None, lost: false }
    }

    /// Whether something was told: only then is a silence worth being noticed.
    pub(super) fn was_told(&self) -> bool {
        self.told.is_some()
    }

    /// Whether the anchor is a line without an end, behind which this piece begins another. The piece is new then, and not taken.
    pub(super) fn ended_before(&mut self, piece: &Piece<'_>) -> bool {
        let another = piece.source == self.anchor.source && piece.at_nanos != self.anchor.at_nanos;
        another && self.ends()
    }

    /// Nothing follows of a line that was begun. Whether that is the anchor.
    pub(super) fn ends(&mut self) -> bool {
        if !std::mem::take(&mut self.begun) {
            return false;
        }
        let Anchor { at_nanos, source, .. } = self.anchor;
        self.pass(&Piece { at_nanos, source, text: Text::Owned(String::new()), whole: true })
    }

    /// Takes a piece. Whether the anchor ends with it.
    pub(super) fn finds(&mut self, piece: &Piece<'_>) -> bool {
        let mark = Mark::of(piece);
        if mark.source == self.anchor.source {
            self.begun = self.is_own(mark) && piece.may_go_on();
        }
        self.pass_end(mark);
        self.told = Some(mark);
        self.pass(piece)
    }

    /// What is known now. `silent`: nothing was told for a while.
    pub(super) fn verdict(&mut self, silent: bool) -> Verdict {
        let reached = self.end.as_ref().is_some_and(|end| end.reached);
        if self.lost {
            Verdict::Lost
        } else if reached && silent {
            if self.ends() { Verdict::Found } else { Verdict::Lost }
        } else if !reached && self.told.is_some_and(|told| silent || self.is_late(told)) {
            Verdict::Ask
        } else {
            Verdict::Open
        }
    }

    /// The log ends with this now. None: there is nothing in it, and what was told was thrown away since.
    pub(super) fn log_ends(&mut self, with: Option<Mark>) {
        self.lost |= with.is_none();
        self.end = with.map(|mark| End { mark, reached: self.told == Some(mark) });
    }

    /// Lines that were begun before the anchor was complete.
    pub(super) fn into_joiner(self) -> Joiner {
        self.joiner
    }

    fn pass(&mut self, piece: &Piece<'_>) -> bool {
        let (anchor, last) = (self.anchor, &mut self.last);
        let mut found = false;
        self.joiner.take(piece, Place::default(), |line| {
            Anchor::passes(last, line.at_nanos, line.source);
            found |= *last == Some(anchor);
        });
        found
    }

    fn pass_end(&mut self, mark: Mark) {
        let Some(End { mark: end, reached }) = self.end else { return };
        if mark == end {
            self.end = Some(End { mark: end, reached: true });
        } else if reached {
            // Other lines may stand between the pieces of the anchor, if that is the log's last.
            self.lost |= mark.source == end.source || (self.is_late(mark) && !self.is_own(end));
        }
    }

    fn is_own(&self, mark: Mark) -> bool {
        (mark.at_nanos, mark.source) == (self.anchor.at_nanos, self.anchor.source)
    }

    fn is_late(&self, mark: Mark) -> bool {
        let known = self.end.as_ref().map_or(self.anchor.at_nanos, |end| end.mark.at_nanos.max(self.anchor.at_nanos));
        mark.at_nanos > known.saturating_add(LATER)
    }
}

#[cfg(test)]
mod tests;

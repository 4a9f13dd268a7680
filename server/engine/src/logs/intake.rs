//! What comes of one task's log, from whichever source: its pieces made lines, lines beyond its share held back, and what is missing said in a
//! sentence. Pure.

use std::time::Duration;

use super::cursor::Anchor;
use super::flood::{Flood, Held, LINE};
use super::joiner::{Joiner, Line, Piece, Place, Source};
use super::missing::Missing;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A line.
    Line(Line),
    /// What is missing here, and when that was, in nanoseconds since 1970.
    Gap(i64, Missing),
}

impl Item {
    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Line(line) => line.text.len() + LINE,
            Self::Gap(..) => 256,
        }
    }
}

/// A task's log on its way in.
#[derive(Debug, Clone)]
pub(super) struct Intake {
    joiner: Joiner,
    flood: Flood,
    last: Option<Anchor>,
    now: Duration,
    /// Lines of these times were held back, and what follows of them is not kept either.
    skip: [Option<i64>; 2],
}

impl Intake {
    /// Goes on behind `last`.
    pub(super) fn new(now: Duration, last: Option<Anchor>, held: Option<Held>) -> Self {
        Self { joiner: Joiner::default(), flood: Flood::new(now, held), last, now, skip: [None; 2] }
    }

    /// A pass begins in which about so many bytes are expected.
    pub(super) fn pass(&mut self, now: Duration, expected: u64, out: &mut Vec<Item>) {
        self.now = now;
        let held = self.flood.pass(now, expected);
        self.say(held, out);
    }

    /// Nothing more is held back for now: what was is said, and at least so many bytes are kept of what follows.
    pub(super) fn release(&mut self, bytes: u64, out: &mut Vec<Item>) {
        let held = self.flood.release(bytes);
        self.say(held, out);
    }

    fn say(&mut self, held: Option<Held>, out: &mut Vec<Item>) {
        if let Some(held) = held {
            self.skip = held.rest;
            out.extend((held.lines > 0).then_some(Item::Gap(held.from, Missing::Held(held))));
        }
    }

    /// Takes a piece that stands at `from`.
    pub(super) fn take(&mut self, piece: &Piece<'_>, from: Place, out: &mut Vec<Item>) {
        let source = piece.source;
        if let Some(held) = self.flood.held_mut() {
            hold(held, &mut self.last, piece);
            return;
        }
        let skip = &mut self.skip[source as usize];
        if let Some(time) = skip.take()
            && time == piece.at_nanos
        {
            *skip = piece.may_go_on().then_some(time);
            return;
        }
        let (flood, last, now) = (&mut self.flood, &mut self.last, self.now);
        let mut begun = None;
        self.joiner.take(piece, from, |line| {
            Anchor::passes(last, line.at_nanos, line.source);
            if flood.admits(line.text.len(), line.at_nanos, now) {
                out.push(Item::Line(line));
            } else if let Some(held) = flood.held_mut() {
                held.lines += 1;
                held.bytes += line.text.len() as u64;
                held.to = line.at_nanos;
                begun = Some(source);
            }
        });
        if begun.is_some()
            && let Some(held) = self.flood.held_mut()
        {
            // What was begun of other lines is held back with them.
            let (lines, bytes, times) = self.joiner.give_up();
            held.lines += lines;
            held.bytes += bytes;
            held.rest = times;
        }
    }

    /// Nothing follows: what was begun is complete, and what was held back is said.
    pub(super) fn end(&mut self, out: &mut Vec<Item>) {
        let last = &mut self.last;
        self.joiner.end(|line| {
            Anchor::passes(last, line.at_nanos, line.source);
            out.push(Item::Line(line));
        });
        self.release(0, out);
    }

    /// Lines that were begun before go on.
    pub(super) fn goes_on(&mut self, joiner: Joiner) {
        self.joiner = joiner;
    }

    /// Something is missing here.
    pub(super) fn missing(&mut self, missing: Missing, out: &mut Vec<Item>) {
        out.push(Item::Gap(self.last.map_or(0, |last| last.at_nanos), missing));
    }

    /// Whether lines are held back.
    pub(super) fn holds(&self) -> bool {
        self.flood.holds()
    }

    /// What is held back now.
    pub(super) fn held(&self) -> Option<Held> {
        self.flood.held().copied()
    }

    /// The last line that was complete, kept or not.
    pub(super) fn last(&self) -> Option<Anchor> {
        self.last
    }

    /// Where the first line stands that is not complete, and the oldest time of such.
    pub(super) fn pending(&self) -> Option<(Place, i64)> {
        self.joiner.pending()
    }
}

/// Counts a piece that is not kept.
fn hold(held: &mut Held, last: &mut Option<Anchor>, piece: &Piece<'_>) {
    let rest = &mut held.rest[piece.source as usize];
    let goes_on = *rest == Some(piece.at_nanos);
    if !goes_on {
        held.lines += 1;
    }
    held.bytes += piece.text.size() as u64;
    held.to = piece.at_nanos;
    *rest = piece.may_go_on().then_some(piece.at_nanos);
    if !piece.may_go_on() {
        Anchor::passes(last, piece.at_nanos, piece.source);
    }
}

/// The stream's name for the store.
pub(super) fn kind(source: Source) -> ::logs::Kind {
    match source {
        Source::Stdout => ::logs::Kind::Stdout,
        Source::Stderr => ::logs::Kind::Stderr,
    }
}

#[cfg(test)]
mod tests {
    use super::super::flood::BURST;
    use super::super::joiner::Text;
    use super::*;

    fn line(intake: &mut Intake, at_nanos: i64, text: &str, whole: bool, out: &mut Vec<Item>) {
        intake.take(&Piece { at_nanos, source: Source::Stdout, text: Text::Owned(text.to_owned()), whole }, Place::default(), out);
    }

    #[test]
    fn every_line_of_a_flood_is_kept_or_counted() {
        let mut intake = Intake::new(Duration::ZERO, None, None);
        let mut out = Vec::new();
        let text = "x".repeat(60 << 10);
        let many = i64::try_from(BURST / (60 << 10)).expect("a number") + 100;
        for at in 1..=many {
            line(&mut intake, at, &text, true, &mut out);
        }
        assert!(intake.holds());
        intake.pass(Duration::from_secs(11), 100, &mut out);
        line(&mut intake, many + 1, "quiet again", true, &mut out);
        let kept = out.iter().filter(|item| matches!(item, Item::Line(_))).count() as u64;
        let gaps: Vec<Held> = out.iter().filter_map(|item| if let Item::Gap(_, Missing::Held(held)) = item { Some(*held) } else { None }).collect();
        assert_eq!(gaps.len(), 1);
        assert_eq!(kept + gaps[0].lines, u64::try_from(many).expect("a number") + 1);
        assert_eq!(gaps[0].bytes, gaps[0].lines * (60 << 10));
        assert_eq!(intake.last().map(|last| last.at_nanos), Some(many + 1));
        assert!(matches!(out.last(), Some(Item::Line(last)) if last.text == "quiet again"));
    }

    #[test]
    fn a_line_without_text_takes_its_room() {
        let mut intake = Intake::new(Duration::ZERO, None, None);
        let mut out = Vec::new();
        let most = BURST / LINE as u64;
        for at in 0..most + 10 {
            line(&mut intake, i64::try_from(at).expect("a number"), "", true, &mut out);
        }
        assert!(intake.holds());
        assert_eq!((out.len() as u64, intake.held().map(|held| held.lines)), (most, Some(10)));
        assert_eq!(out.iter().map(Item::size).sum::<usize>() as u64, BURST);
    }

    #[test]
    fn the_end_of_a_line_whose_beginning_was_held_back_is_no_line() {
        let mut intake = Intake::new(Duration::ZERO, None, Some(Held { lines: 1, bytes: 1, from: 1, to: 1, rest: [None; 2] }));
        let mut out = Vec::new();
        let piece = "x".repeat(16 << 10);
        line(&mut intake, 2, &piece, false, &mut out);
        intake.pass(Duration::from_secs(1), 10, &mut out);
        line(&mut intake, 2, &piece, false, &mut out);
        line(&mut intake, 2, "end", true, &mut out);
        line(&mut intake, 3, "another", true, &mut out);
        assert_eq!(out.len(), 2, "{out:?}");
        assert!(matches!(&out[0], Item::Gap(1, Missing::Held(held)) if held.lines == 2));
        assert!(matches!(&out[1], Item::Line(line) if line.text == "another"));
    }
}

//! What a line of a log shows: its colours, its level, what is in it where it is JSON, its links, and where a search hit. Pure, so that a page made on the
//! server and one made in the browser show the same. A line is data of strangers: nothing here trusts it, and nothing of it but colours and the escapes
//! around them is lost.

mod ansi;
mod json;
mod level;
mod links;
mod marks;
mod paint;

pub use ansi::{Colour, Span, Style, spans};
pub use json::{Field, Json};
pub use level::Level;
pub use marks::{Budget, Marks};
pub use paint::{Paint, paint};

use std::ops::Range;
use std::sync::Arc;

/// A stretch of a line that looks the same throughout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its colours and weight.
    pub style: Style,
    /// The address that it is part of, to be opened when it is pressed. Pieces of one address share it.
    pub link: Option<Arc<str>>,
    /// The search found it.
    pub hit: bool,
    /// What it says: never a control character but tabs and line ends.
    pub text: String,
}

/// A line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// How bad it is, where it says so.
    pub level: Option<Level>,
    /// What is in it, where it is a JSON object.
    pub json: Option<Json>,
    /// The line itself.
    pub pieces: Vec<Piece>,
}

/// Reads a line. `budget` is the page's in which it stands.
#[must_use]
pub fn open(text: &str, marks: &Marks, budget: &mut Budget) -> Opened {
    let spans = spans(text);
    let plain: String = spans.iter().map(|span| span.text.as_str()).collect();
    let json = Json::read(&plain);
    let level = json.as_ref().map_or_else(|| level::of(&plain), |json| json.level);
    Opened { level, json, pieces: cut(spans, &plain, marks, budget) }
}

/// A text without escapes, as pieces: for what stands in a field of a JSON line.
#[must_use]
pub fn pieces(text: &str, marks: &Marks, budget: &mut Budget) -> Vec<Piece> {
    let spans = spans(text);
    let plain: String = spans.iter().map(|span| span.text.as_str()).collect();
    cut(spans, &plain, marks, budget)
}

/// Cuts spans where a link or a hit begins or ends.
fn cut(spans: Vec<Span>, plain: &str, marks: &Marks, budget: &mut Budget) -> Vec<Piece> {
    let (links, hits) = (links::find(plain), marks.ranges(plain, budget));
    let addresses: Vec<Arc<str>> = links.iter().map(|range| Arc::from(&plain[range.clone()])).collect();
    let mut edges: Vec<usize> = links.iter().chain(&hits).flat_map(|range| [range.start, range.end]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut pieces = Vec::with_capacity(spans.len() + edges.len());
    let mut edges = edges.into_iter().peekable();
    let mut at = 0;
    for span in spans {
        let end = at + span.text.len();
        while at < end {
            while edges.next_if(|edge| *edge <= at).is_some() {}
            let next = edges.peek().map_or(end, |edge| (*edge).min(end));
            let link = within(&links, at).map(|nth| Arc::clone(&addresses[nth]));
            pieces.push(Piece { style: span.style, link, hit: within(&hits, at).is_some(), text: plain[at..next].to_owned() });
            at = next;
        }
    }
    pieces
}

/// Which range, of ranges in their order, holds this place.
fn within(ranges: &[Range<usize>], at: usize) -> Option<usize> {
    let next = ranges.partition_point(|range| range.end <= at);
    ranges.get(next).filter(|range| range.start <= at).map(|_| next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str, marks: &Marks) -> Opened {
        super::open(text, marks, &mut Budget::default())
    }

    fn said(pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn a_line_keeps_every_character_however_it_is_cut() {
        let marks = Marks::new("ex", false, false);
        let opened = open("\u{1b}[31mERROR\u{1b}[0m see https://example.org/x, next", &marks);
        assert_eq!(said(&opened.pieces), "ERROR see https://example.org/x, next");
        assert_eq!(opened.level, Some(Level::Error));
        let linked: String = opened.pieces.iter().filter(|piece| piece.link.is_some()).map(|piece| piece.text.as_str()).collect();
        assert_eq!(linked, "https://example.org/x");
        assert!(opened.pieces.iter().filter_map(|piece| piece.link.as_deref()).all(|link| link == "https://example.org/x"));
        let hits: Vec<&str> = opened.pieces.iter().filter(|piece| piece.hit).map(|piece| piece.text.as_str()).collect();
        assert_eq!(hits, ["ex", "ex"]);
        assert_eq!(opened.pieces[0].style.foreground, Some(Colour::Named(1)));
    }

    #[test]
    fn a_hit_may_lie_across_colours() {
        let opened = open("a\u{1b}[1mb\u{1b}[0mc", &Marks::new("abc", false, true));
        assert_eq!(opened.pieces.len(), 3);
        assert!(opened.pieces.iter().all(|piece| piece.hit));
    }

    #[test]
    fn an_empty_line_is_nothing() {
        assert_eq!(open("", &Marks::none()), Opened { level: None, json: None, pieces: Vec::new() });
    }

    #[test]
    fn a_json_line_says_its_level_itself() {
        let opened = open(r#"{"level":"info","msg":"ERROR is only a word"}"#, &Marks::none());
        assert_eq!(opened.level, Some(Level::Info));
        assert_eq!(opened.json.expect("JSON").message.as_deref(), Some("ERROR is only a word"));
    }

    #[test]
    fn an_address_in_many_colours_is_kept_once() {
        let coloured = "\u{1b}[1mx\u{1b}[my".repeat(900);
        let opened = open(&format!("https://a.example/{coloured}"), &Marks::none());
        let mut links: Vec<*const u8> = opened.pieces.iter().filter_map(|piece| piece.link.as_ref()).map(|link| link.as_ptr()).collect();
        assert!(links.len() > 1_000, "{}", links.len());
        links.dedup();
        assert_eq!(links.len(), 1);
    }
}

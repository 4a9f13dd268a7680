//! Where a search hit in a line, to be shown in it. The store decides which lines match; this only finds the place again, and where it cannot (a pattern
//! that it does not know, or one too large to be followed in a page) nothing is marked. Lines and patterns may both be strangers': looking has a limit.

use std::ops::Range;

use regex_lite::Regex;

/// Marks of one line, at most.
const MOST: usize = 200;
/// Bytes at the beginning of a line in which marks are looked for.
const HEAD: usize = 4 << 10;
/// Bytes of a pattern whose hits are marked, and about how many bytes it may have when it is compiled: each of its states may be looked at for each
/// character.
const PATTERN: usize = 256;
const COMPILED: usize = 8 << 10;
/// Hits of a pattern that are looked for in one line, empty ones too.
const TRIES: usize = 40;
/// Bytes of a page through which a pattern may be led, at most.
const PAGE: usize = 1 << 20;

/// What is marked.
#[derive(Clone, Debug)]
pub struct Marks(How);

#[derive(Clone, Debug)]
enum How {
    Nothing,
    Text { needle: String, case: bool },
    Pattern(Box<Regex>),
}

/// How much may still be looked for in a page.
#[derive(Debug)]
pub struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(PAGE)
    }
}

impl Marks {
    /// Nothing is marked.
    #[must_use]
    pub fn none() -> Self {
        Self(How::Nothing)
    }

    /// What a filter looks for: a text or a pattern, with or without heeding capitals.
    #[must_use]
    pub fn new(grep: &str, regex: bool, case: bool) -> Self {
        if grep.is_empty() || (regex && grep.len() > PATTERN) {
            return Self::none();
        }
        if !regex {
            return Self(How::Text { needle: small(grep, case), case });
        }
        let built = regex_lite::RegexBuilder::new(grep).case_insensitive(!case).size_limit(COMPILED).build();
        Self(built.map_or(How::Nothing, |pattern| How::Pattern(Box::new(pattern))))
    }

    /// Whether it takes a pattern to find them.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        matches!(self.0, How::Pattern(_))
    }

    /// Where it stands in the beginning of a text, in order, never two at one place.
    #[must_use]
    pub fn ranges(&self, text: &str, budget: &mut Budget) -> Vec<Range<usize>> {
        let head = &text[..text.floor_char_boundary(HEAD)];
        match &self.0 {
            How::Nothing => Vec::new(),
            How::Pattern(pattern) => matched(head, pattern, budget),
            How::Text { needle, case } => found(head, needle, *case),
        }
    }
}

/// One small letter for one letter: those that become several are compared as they are.
fn folded(c: char, case: bool) -> char {
    if case {
        return c;
    }
    let mut small = c.to_lowercase();
    match (small.next(), small.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn small(text: &str, case: bool) -> String {
    text.chars().map(|c| folded(c, case)).collect()
}

fn found(text: &str, needle: &str, case: bool) -> Vec<Range<usize>> {
    let small = small(text, case);
    // A capital may have more bytes than its small letter, or fewer: both texts are walked through at once.
    let (mut chars, mut passed, mut at) = (text.chars(), 0, 0);
    let mut place = |goal: usize| {
        while passed < goal
            && let Some(c) = chars.next()
        {
            passed += folded(c, case).len_utf8();
            at += c.len_utf8();
        }
        at
    };
    small.match_indices(needle).take(MOST).map(|(start, hit)| place(start)..place(start + hit.len())).collect()
}

/// A hit may be looked for as far as the text's end, even if it is a short one: that is what it costs.
fn matched(text: &str, pattern: &Regex, budget: &mut Budget) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut hits = pattern.find_iter(text);
    let mut at = 0;
    for _ in 0..TRIES {
        let cost = text.len() - at + 1;
        if budget.0 < cost {
            break;
        }
        budget.0 -= cost;
        let Some(hit) = hits.next() else { break };
        at = hit.end();
        if !hit.is_empty() {
            ranges.push(hit.range());
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits<'a>(grep: &str, regex: bool, case: bool, text: &'a str) -> Vec<&'a str> {
        Marks::new(grep, regex, case).ranges(text, &mut Budget::default()).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn a_text_is_found_with_or_without_its_capitals() {
        assert_eq!(hits("\u{e4}pfel", false, false, "\u{c4}PFEL und \u{c4}pfel"), ["\u{c4}PFEL", "\u{c4}pfel"]);
        assert_eq!(hits("Apfel", false, true, "apfel Apfel"), ["Apfel"]);
        assert_eq!(hits("a.c", false, false, "abc a.c"), ["a.c"], "a dot is a dot");
        assert_eq!(hits("aa", false, false, "aaaaa"), ["aa", "aa"]);
        assert!(hits("", false, false, "x").is_empty());
        assert!(hits("longer than the text", false, false, "x").is_empty());
    }

    #[test]
    fn a_pattern_is_found_and_one_that_is_none_marks_nothing() {
        assert_eq!(hits("ERR|warn\\w*", true, false, "err WARNING ok"), ["err", "WARNING"]);
        assert!(hits("x*", true, false, "abc").is_empty(), "nothing is not marked");
        assert!(hits("(", true, false, "(").is_empty());
    }

    #[test]
    fn a_mark_stands_where_the_text_does_whatever_its_letters_weigh() {
        assert_eq!(hits("k\u{df}", false, false, "\u{212a}\u{1e9e} \u{130} k\u{1e9e}"), ["\u{212a}\u{1e9e}", "k\u{1e9e}"]);
        assert_eq!(hits("\u{130}x", false, false, "\u{130}X"), ["\u{130}X"]);
    }

    #[test]
    fn only_the_beginning_of_a_long_line_is_marked() {
        let line = "a".repeat(64 << 10);
        assert_eq!(hits("a", false, false, &line).len(), MOST);
        assert!(hits(&format!("{}b", "a".repeat(900)), false, false, &line).is_empty());
        let late = format!("{}needle", "\u{e4}".repeat(HEAD));
        assert!(hits("needle", false, false, &late).is_empty());
    }

    #[test]
    fn a_pattern_is_not_followed_for_ever() {
        let line = "a".repeat(64 << 10);
        assert_eq!(hits("a.*b|a", true, true, &line).len(), TRIES);
        assert!(hits("x*", true, true, &line).is_empty());
        assert!(hits("(a{50}){50}b", true, true, &line).is_empty(), "too large");
        assert!(hits(&"a".repeat(PATTERN + 1), true, true, &line).is_empty(), "too long");

        let (marks, mut budget) = (Marks::new("a.*b|a", true, true), Budget::default());
        let marked = (0..300).map(|_| marks.ranges(&line, &mut budget).len()).sum::<usize>();
        assert!((TRIES..2 * PAGE / HEAD).contains(&marked), "{marked} in a page");
        assert_eq!(hits("order-[0-9]{2,} lost", true, false, "order-12 lost, Order-345 lost"), ["order-12 lost", "Order-345 lost"]);
    }
}

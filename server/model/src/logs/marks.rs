//! Where a search hit in a line, to be shown in it. The store decides which lines match; this only finds the place again, and where it cannot (a pattern
//! that it does not know) nothing is marked.

use std::ops::Range;

use regex_lite::Regex;

/// Marks of one line, at most.
const MOST: usize = 200;

/// What is marked.
#[derive(Clone, Debug)]
pub struct Marks(How);

#[derive(Clone, Debug)]
enum How {
    Nothing,
    Text { needle: Vec<char>, case: bool },
    Pattern(Box<Regex>),
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
        if grep.is_empty() {
            return Self::none();
        }
        if !regex {
            return Self(How::Text { needle: grep.chars().map(|c| folded(c, case)).collect(), case });
        }
        let built = regex_lite::RegexBuilder::new(grep).case_insensitive(!case).size_limit(1 << 20).build();
        Self(built.map_or(How::Nothing, |pattern| How::Pattern(Box::new(pattern))))
    }

    /// Where it stands in a text, in order, never two at one place.
    #[must_use]
    pub fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        match &self.0 {
            How::Nothing => Vec::new(),
            How::Pattern(pattern) => pattern.find_iter(text).map(|hit| hit.range()).filter(|range| !range.is_empty()).take(MOST).collect(),
            How::Text { needle, case } => found(text, needle, *case),
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

fn found(text: &str, needle: &[char], case: bool) -> Vec<Range<usize>> {
    let chars: Vec<(usize, char)> = text.char_indices().map(|(at, c)| (at, folded(c, case))).collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at + needle.len() <= chars.len() && ranges.len() < MOST {
        if chars[at..at + needle.len()].iter().map(|(_, c)| c).eq(needle) {
            let end = chars.get(at + needle.len()).map_or(text.len(), |(end, _)| *end);
            ranges.push(chars[at].0..end);
            at += needle.len();
        } else {
            at += 1;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits<'a>(grep: &str, regex: bool, case: bool, text: &'a str) -> Vec<&'a str> {
        Marks::new(grep, regex, case).ranges(text).into_iter().map(|range| &text[range]).collect()
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
}

//! What a text is searched for: a word as it stands, or a regular expression, over whole chunks of lines at once. Decides line by line only around
//! what it found.

use std::ops::Range;
use std::sync::Arc;

use grep_matcher::{LineMatchKind, Matcher as _};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use memchr::memmem::Finder;

/// Most bytes of a compiled expression: where the table is of no help, each byte of text may cost as much as all of it.
const COMPILED: usize = 256 << 10;
/// Most bytes of the table that a thread builds while it searches, and of a text that is made an expression: such a one is a row of letters.
const TABLE: usize = 8 << 20;
/// Longest pattern in bytes.
const PATTERN: usize = 16 << 10;

/// What a text is searched for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Matcher(Arc<How>);

#[derive(Debug)]
enum How {
    /// Is in every line.
    All,
    /// Is in no line: it holds a line feed.
    Never,
    Word(Finder<'static>),
    Regex(RegexMatcher),
}

/// A pattern that cannot be searched for, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(String);

impl Matcher {
    /// Lines that hold this text. Every line holds the empty text; none holds one with a line feed, or with more than 16 KiB.
    #[must_use]
    pub fn text(text: &str, ignore_case: bool) -> Self {
        Self(Arc::new(if text.is_empty() {
            How::All
        } else if text.contains('\n') || text.len() > PATTERN {
            How::Never
        } else if ignore_case {
            builder(true).size_limit(TABLE).fixed_strings(true).build(text).map_or(How::Never, How::Regex)
        } else {
            How::Word(Finder::new(text).into_owned())
        }))
    }

    /// Lines in which this regular expression matches; `^` and `$` are a line's ends.
    ///
    /// # Errors
    /// When it is no regular expression, too large, or asks for a line feed.
    pub fn regex(pattern: &str, ignore_case: bool) -> Result<Self, BadPattern> {
        if pattern.len() > PATTERN {
            return Err(BadPattern(format!("the pattern has {} bytes, {PATTERN} are the most", pattern.len())));
        }
        let regex = builder(ignore_case).build(pattern).map_err(|e| BadPattern(e.to_string()))?;
        Ok(Self(Arc::new(How::Regex(regex))))
    }

    /// Whether it is in this line.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.in_line(text.as_bytes())
    }

    /// Where it is in this line, for marking it: parts of the text that do not overlap, without empty ones.
    #[must_use]
    pub fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        match &*self.0 {
            How::All | How::Never => {}
            How::Word(finder) => {
                ranges.extend(finder.find_iter(text.as_bytes()).map(|at| at..at + finder.needle().len()));
            }
            How::Regex(regex) => {
                let found = regex.find_iter(text.as_bytes(), |m| {
                    if m.start() < m.end() {
                        ranges.push(m.start()..m.end());
                    }
                    true
                });
                // Its error is a type without values.
                debug_assert!(found.is_ok());
            }
        }
        ranges.retain(|range| text.get(range.clone()).is_some());
        ranges
    }

    /// Calls `hit` with the begin of each line in `text` that matches, in their order, until it answers false. `text` is lines, each with its line feed.
    pub(crate) fn lines(&self, text: &[u8], hit: &mut dyn FnMut(usize) -> bool) {
        match &*self.0 {
            How::Never => {}
            How::All => each(text, |_| true, hit),
            How::Word(finder) => {
                let mut from = 0;
                while let Some(found) = text.get(from..).and_then(|rest| finder.find(rest)) {
                    let (begin, end) = line_at(text, from + found);
                    if !hit(begin) {
                        return;
                    }
                    from = end;
                }
            }
            // Without the promise that no match goes over a line feed, each line is asked on its own.
            How::Regex(regex) if regex.line_terminator().is_none() => each(text, |line| is_in(regex, line), hit),
            How::Regex(regex) => {
                let mut from = 0;
                while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
                    let Ok(Some(candidate)) = regex.find_candidate_line(rest) else { return };
                    let (at, sure) = match candidate {
                        LineMatchKind::Confirmed(at) => (at, true),
                        LineMatchKind::Candidate(at) => (at, false),
                    };
                    if from + at >= text.len() {
                        return;
                    }
                    let (begin, end) = line_at(text, from + at);
                    if (sure || is_in(regex, &text[begin..end - 1])) && !hit(begin) {
                        return;
                    }
                    from = end;
                }
            }
        }
    }

    pub(crate) fn in_line(&self, line: &[u8]) -> bool {
        match &*self.0 {
            How::All => true,
            How::Never => false,
            How::Word(finder) => finder.find(line).is_some(),
            How::Regex(regex) => is_in(regex, line),
        }
    }
}

fn builder(ignore_case: bool) -> RegexMatcherBuilder {
    let mut builder = RegexMatcherBuilder::new();
    builder.case_insensitive(ignore_case).multi_line(true).line_terminator(Some(b'\n')).size_limit(COMPILED).dfa_size_limit(TABLE);
    builder
}

fn is_in(regex: &RegexMatcher, line: &[u8]) -> bool {
    matches!(regex.is_match(line), Ok(true))
}

/// The line around this place: its begin, and the place behind its line feed.
fn line_at(text: &[u8], at: usize) -> (usize, usize) {
    let begin = memchr::memrchr(b'\n', &text[..at]).map_or(0, |feed| feed + 1);
    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |feed| at + feed + 1);
    (begin, end)
}

fn each(text: &[u8], matches: impl Fn(&[u8]) -> bool, hit: &mut dyn FnMut(usize) -> bool) {
    let mut begin = 0;
    for feed in memchr::memchr_iter(b'\n', text) {
        if matches(&text[begin..feed]) && !hit(begin) {
            return;
        }
        begin = feed + 1;
    }
}

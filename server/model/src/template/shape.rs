//! Proof that answers stay what they are. A text is made twice along the same way through its source: once with the answers written out, once with a
//! mark in the place of each ([`mark`]). What the marked text is like is the writer's alone: no answer is in it. So it says where each place stands
//! (a whole value, within quotes, in a shell command), and the text with the answers must be the marked one with each mark replaced by its answer and
//! nothing else: [`compare_yaml`]. Where a text is no YAML, [`in_shell`] and [`in_groovy`] say which places are safe for a quoted word.

use crate::descriptor::document::{Kind, Node};

/// Begins a mark. No answer and no source holds it.
pub const OPEN: char = '\u{e000}';
/// Ends a mark.
pub const CLOSE: char = '\u{e001}';

/// How something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A number or truth value, as it is.
    Bare,
    /// A quoted text that is a whole value.
    Whole,
    /// A word of a shell command.
    Shell,
}

/// One place into which something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line of the source, from 1.
    pub line: usize,
    /// How it was written.
    pub style: Style,
    /// What it means.
    pub value: String,
    /// What was written.
    pub written: String,
    /// Whether it is of characters that mean nothing to anybody: letters, digits and a few signs. Such a word is written without quotes.
    pub plain: bool,
}

/// A place where what was written cannot stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The line of the source, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Misplaced {
    fn at(place: &Place, message: impl Into<String>) -> Self {
        Self { line: Some(place.line), message: message.into() }
    }
}

/// The mark of the place with a number.
#[must_use]
pub fn mark(number: usize) -> String {
    format!("{OPEN}{number}{CLOSE}")
}

/// Whether a word means the same with and without quotes, wherever it stands.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/:@%+=,-".contains(&b))
}

/// Checks that `filled` is the YAML document `marked` with the places filled in, and nothing else.
///
/// # Errors
/// The first place that does not fit, or what makes the document none.
pub fn compare_yaml(marked: &str, filled: &str, places: &[Place]) -> Result<(), Misplaced> {
    let broken = |message: String| Misplaced { line: None, message };
    let before = Node::parse(marked).map_err(|error| broken(error.message))?;
    let by = Comparison { places };
    match Node::parse(filled) {
        Ok(after) => by.nodes(&before, &after),
        Err(error) => {
            // A place that cannot stand where it does explains more than what the reader stumbled over.
            by.places_in(&before)?;
            Err(broken(error.message))
        }
    }
}

struct Comparison<'a> {
    places: &'a [Place],
}

const NOT_WHOLE: &str =
    "stands within a longer value; join its parts to one, like {{ name ~ \":\" ~ tag }}, or within a shell command write {{ name | shell }}";

impl Comparison<'_> {
    fn nodes(&self, marked: &Node, filled: &Node) -> Result<(), Misplaced> {
        match (&marked.kind, &filled.kind) {
            (Kind::Text(text), _) if text.contains(OPEN) => self.scalar(text, filled),
            (Kind::Null, Kind::Null) => Ok(()),
            (Kind::Bool(a), Kind::Bool(b)) if a == b => Ok(()),
            (Kind::Number { value: a, .. }, Kind::Number { value: b, .. }) if a.to_bits() == b.to_bits() => Ok(()),
            (Kind::Text(a), Kind::Text(b)) if a == b => Ok(()),
            (Kind::List(a), Kind::List(b)) if a.len() == b.len() => a.iter().zip(b).try_for_each(|(a, b)| self.nodes(a, b)),
            (Kind::Map(a), Kind::Map(b)) if a.len() == b.len() => a.iter().zip(b).try_for_each(|((key, a), (other, b))| {
                self.key(key, other)?;
                self.nodes(a, b)
            }),
            _ => Err(self.changed()),
        }
    }

    fn key(&self, marked: &str, filled: &str) -> Result<(), Misplaced> {
        match self.alone(marked) {
            Some(place) if place.value == filled => Ok(()),
            Some(_) => Err(self.changed()),
            None if marked == filled => Ok(()),
            None => self.expected(marked).and_then(|text| if text == filled { Ok(()) } else { Err(self.changed()) }),
        }
    }

    /// A text with marks against what stands in its place.
    fn scalar(&self, marked: &str, filled: &Node) -> Result<(), Misplaced> {
        if let Some(place) = self.alone(marked) {
            let same = match (&filled.kind, place.style) {
                (Kind::Text(text), Style::Whole | Style::Shell) => *text == place.value,
                (Kind::Number { text: Some(text), .. }, Style::Bare) => *text == place.value,
                (Kind::Number { value, text: None }, Style::Bare) => value.to_string() == place.value,
                (Kind::Bool(on), Style::Bare) => on.to_string() == place.value,
                // A word without quotes may look like a number: it is written, not meant.
                (Kind::Number { text: Some(text), .. }, Style::Shell) => *text == place.written,
                (Kind::Bool(on), Style::Shell) => on.to_string() == place.written,
                _ => false,
            };
            return if same { Ok(()) } else { Err(Misplaced::at(place, "cannot stand here with this answer: put it into a value of its own")) };
        }
        let expected = self.expected(marked)?;
        match &filled.kind {
            Kind::Text(text) if *text == expected => Ok(()),
            _ => Err(self.changed()),
        }
    }

    /// The place that a text is wholly.
    fn alone(&self, text: &str) -> Option<&Place> {
        let number = text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
        self.places.get(number.parse::<usize>().ok()?)
    }

    /// The text with its places filled in, where they may stand within a longer one.
    fn expected(&self, marked: &str) -> Result<String, Misplaced> {
        let safe = in_shell(marked);
        let mut text = String::with_capacity(marked.len());
        for (at, part) in parts(marked) {
            let Some(number) = at else {
                text.push_str(part);
                continue;
            };
            let place = self.places.get(number).ok_or_else(|| self.changed())?;
            match place.style {
                Style::Bare => {}
                Style::Whole => return Err(Misplaced::at(place, NOT_WHOLE)),
                Style::Shell if place.plain || safe.contains(&number) => {}
                Style::Shell => return Err(Misplaced::at(place, QUOTED)),
            }
            text.push_str(&place.written);
        }
        Ok(text)
    }

    /// The first place in a document that cannot stand where it does.
    fn places_in(&self, marked: &Node) -> Result<(), Misplaced> {
        match &marked.kind {
            Kind::Text(text) if text.contains(OPEN) && self.alone(text).is_none() => self.expected(text).map(drop),
            Kind::List(items) => items.iter().try_for_each(|item| self.places_in(item)),
            Kind::Map(entries) => entries.iter().try_for_each(|(key, item)| {
                if key.contains(OPEN) && self.alone(key).is_none() {
                    self.expected(key)?;
                }
                self.places_in(item)
            }),
            _ => Ok(()),
        }
    }

    fn changed(&self) -> Misplaced {
        let risky = self.places.iter().find(|place| place.style == Style::Shell && !place.plain);
        let text = "an answer would change what the document is; put it into a value of its own";
        Misplaced { line: risky.map(|place| place.line), message: text.to_owned() }
    }
}

/// What is said of a word that stands where its quotes would not hold.
pub const QUOTED: &str = "stands within quotes, a here-document or a substitution, where an answer that needs quotes cannot: take it out of them";

/// A text cut at its marks: a number for a mark, none for what is between.
fn parts(text: &str) -> Vec<(Option<usize>, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(from) = rest.find(OPEN) {
        let (before, mark) = rest.split_at(from);
        parts.push((None, before));
        let to = mark.find(CLOSE).map_or(mark.len(), |to| to + CLOSE.len_utf8());
        let (mark, after) = mark.split_at(to);
        let number = mark.trim_start_matches(OPEN).trim_end_matches(CLOSE).parse().ok();
        parts.push((Some(number.unwrap_or(usize::MAX)), mark));
        rest = after;
    }
    parts.push((None, rest));
    parts
}

/// The numbers of marks in a shell script that stand outside of quotes, where a quoted word is one word. What is not understood for sure (here-documents,
/// substitutions within quotes, arithmetic) makes everything behind it unsafe.
#[must_use]
pub fn in_shell(script: &str) -> Vec<usize> {
    #[derive(PartialEq)]
    enum In {
        Code,
        Single,
        Double,
        Comment,
    }
    let mut state = In::Code;
    let mut safe = Vec::new();
    let mut before = '\n';
    for (mark, part) in parts(script) {
        if let Some(number) = mark {
            // Behind `$` quotes mean something else.
            let holds = match state {
                In::Code => !matches!(before, '\\' | '$'),
                In::Comment => true,
                In::Single | In::Double => false,
            };
            if holds {
                safe.push(number);
            }
            before = 'x';
            continue;
        }
        let mut letters = part.chars().peekable();
        while let Some(c) = letters.next() {
            let next = letters.peek().copied();
            match (&state, c) {
                (In::Code, '\\') | (In::Double, '\\') => {
                    letters.next();
                    // At the end of a part it would take the mark.
                    before = if next.is_none() { '\\' } else { 'x' };
                    continue;
                }
                (In::Code, '<') if next == Some('<') => return safe,
                (In::Code, '$') if next == Some('\'') => return safe,
                (In::Code, '(') if next == Some('(') => return safe,
                (In::Code | In::Double, '`') => return safe,
                (In::Double, '$') if matches!(next, Some('(' | '{')) => return safe,
                (In::Code, '\'') => state = In::Single,
                (In::Code, '"') => state = In::Double,
                (In::Code, '#') if before.is_whitespace() || before == ';' => state = In::Comment,
                (In::Single, '\'') | (In::Double, '"') | (In::Comment, '\n') => state = In::Code,
                _ => {}
            }
            before = c;
        }
    }
    safe
}

/// The numbers of marks in a Groovy script that stand outside of quotes, where a literal is one.
#[must_use]
pub fn in_groovy(script: &str) -> Vec<usize> {
    let mut safe = Vec::new();
    // What ends the literal or comment that we are in.
    let mut until: Option<&str> = None;
    for (mark, part) in parts(script) {
        if let Some(number) = mark {
            if until.is_none_or(|end| end == "\n" || end == "*/") {
                safe.push(number);
            }
            continue;
        }
        let mut rest = part;
        while let Some(c) = rest.chars().next() {
            let step = match until {
                Some(end) if rest.starts_with(end) => {
                    until = None;
                    end.len()
                }
                Some("\n" | "*/") => c.len_utf8(),
                Some(_) if c == '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
                Some(_) => c.len_utf8(),
                None => {
                    let literals = [("'''", "'''"), ("\"\"\"", "\"\"\""), ("'", "'"), ("\"", "\""), ("//", "\n"), ("/*", "*/")];
                    if let Some((begin, end)) = literals.into_iter().find(|(begin, _)| rest.starts_with(begin)) {
                        until = Some(end);
                        begin.len()
                    } else if c == '/' || rest.starts_with("$/") {
                        // Slashes begin a literal, or divide: who can tell.
                        return safe;
                    } else {
                        c.len_utf8()
                    }
                }
            };
            rest = rest.get(step..).unwrap_or_default();
        }
    }
    safe
}

//! Patterns over names of repositories and tags, as rules for images are written: `*` stands for anything but a slash, `**` for anything,
//! `?` for one character but a slash, `{a,b}` for either. A whole name matches or does not. `**/` at the beginning of a part also stands for
//! nothing: `team/**/web` matches `team/web` and `team/a/b/web`.
//!
//! Matching follows all possibilities at once, so its time is bounded by the pattern's length times the name's, whatever is written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest pattern, in characters.
pub const PATTERN_MAX: usize = 255;
/// Deepest `{}` within `{}`.
const DEPTH_MAX: usize = 4;

/// Why a text is no pattern, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(String);

/// A pattern. It is stored and sent as its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    program: Vec<Step>,
}

/// One step of the machine that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Takes this character.
    Take(char),
    /// Takes any character but a slash.
    Other,
    /// Takes any character.
    Any,
    /// Goes on at both places.
    Fork(usize, usize),
    /// Goes on there.
    Jump(usize),
    /// What came so far matches.
    Done,
}

impl Pattern {
    /// The pattern that matches every name.
    #[must_use]
    pub fn everything() -> Self {
        "**".parse().expect("two stars are a pattern")
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches every name.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.text == "**"
    }

    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut now = Places::new(self.program.len());
        let mut next = Places::new(self.program.len());
        self.reach(0, &mut now);
        for c in name.chars() {
            next.clear();
            for &at in &now.list {
                let taken = match self.program[at] {
                    Step::Take(wanted) => wanted == c,
                    Step::Other => c != '/',
                    Step::Any => true,
                    Step::Fork(..) | Step::Jump(_) | Step::Done => false,
                };
                if taken {
                    self.reach(at + 1, &mut next);
                }
            }
            std::mem::swap(&mut now, &mut next);
        }
        now.list.iter().any(|&at| self.program[at] == Step::Done)
    }

    /// Notes every place that can be reached from one without taking a character.
    fn reach(&self, from: usize, places: &mut Places) {
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if !places.add(at) {
                continue;
            }
            match self.program[at] {
                Step::Fork(one, other) => open.extend([other, one]),
                Step::Jump(to) => open.push(to),
                Step::Take(_) | Step::Other | Step::Any | Step::Done => {}
            }
        }
    }
}

/// Places of a program, each once.
struct Places {
    list: Vec<usize>,
    has: Vec<bool>,
}

impl Places {
    fn new(count: usize) -> Self {
        Self { list: Vec::with_capacity(count), has: vec![false; count] }
    }

    fn add(&mut self, at: usize) -> bool {
        let new = !std::mem::replace(&mut self.has[at], true);
        if new {
            self.list.push(at);
        }
        new
    }

    fn clear(&mut self) {
        for at in self.list.drain(..) {
            self.has[at] = false;
        }
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidPattern("a pattern is not empty; ** stands for everything".into()));
        }
        if text.chars().count() > PATTERN_MAX {
            return Err(InvalidPattern(format!("a pattern has at most {PATTERN_MAX} characters")));
        }
        let mut reader = Reader { rest: text.chars().collect(), at: 0, program: Vec::new() };
        reader.sequence(0)?;
        if reader.peek().is_some() {
            return Err(InvalidPattern("there is a } without its {".into()));
        }
        reader.program.push(Step::Done);
        Ok(Self { text: text.to_owned(), program: reader.program })
    }
}

/// Reads a pattern into a program.
struct Reader {
    rest: Vec<char>,
    at: usize,
    program: Vec<Step>,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    /// Everything up to the end or, within braces, to a comma or the closing brace.
    fn sequence(&mut self, depth: usize) -> Result<(), InvalidPattern> {
        while let Some(c) = self.peek() {
            match c {
                '}' => return Ok(()),
                ',' if depth > 0 => return Ok(()),
                '*' => self.stars(),
                '?' => self.step(Step::Other),
                '{' => self.choice(depth + 1)?,
                _ if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/') => self.step(Step::Take(c)),
                _ => return Err(unknown(c)),
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) {
        self.at += 1;
        self.program.push(step);
    }

    fn stars(&mut self) {
        let begins_part = self.at == 0 || self.rest[self.at - 1] == '/';
        let from = self.at;
        while self.peek() == Some('*') {
            self.at += 1;
        }
        let many = self.at - from > 1;
        if many && begins_part && self.peek() == Some('/') {
            // Nothing, or whole parts with their slash.
            self.at += 1;
            let fork = self.program.len();
            self.program.push(Step::Fork(fork + 1, fork + 4));
            self.program.extend([Step::Any, Step::Fork(fork + 1, fork + 3), Step::Take('/')]);
            return;
        }
        let fork = self.program.len();
        self.program.extend([Step::Fork(fork + 1, fork + 3), if many { Step::Any } else { Step::Other }, Step::Jump(fork)]);
    }

    fn choice(&mut self, depth: usize) -> Result<(), InvalidPattern> {
        if depth > DEPTH_MAX {
            return Err(InvalidPattern(format!("at most {DEPTH_MAX} braces within each other")));
        }
        self.at += 1;
        let mut ends = Vec::new();
        loop {
            let fork = self.program.len();
            self.program.push(Step::Jump(0));
            self.sequence(depth)?;
            let more = match self.peek() {
                Some(',') => true,
                Some(_) => false,
                None => return Err(InvalidPattern("there is a { without its }".into())),
            };
            self.at += 1;
            if !more {
                self.program[fork] = Step::Jump(fork + 1);
                break;
            }
            ends.push(self.program.len());
            self.program.push(Step::Jump(0));
            self.program[fork] = Step::Fork(fork + 1, self.program.len());
        }
        let end = self.program.len();
        for place in ends {
            self.program[place] = Step::Jump(end);
        }
        Ok(())
    }
}

fn unknown(c: char) -> InvalidPattern {
    InvalidPattern(match c {
        ',' => "a comma separates choices within { }; make a second rule for a second pattern".into(),
        ':' => "name the repository and the tag in their own fields, without a colon".into(),
        _ => format!("{c:?} cannot be in a name; a pattern has letters, digits, . _ - / and the signs * ** ? {{a,b}}"),
    })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().expect(pattern).matches(name)
    }

    #[test]
    fn stars_and_choices_mean_what_their_readers_expect() {
        for (pattern, yes, no) in [
            ("**", &["web", "team/web", "1.0"][..], &[][..]),
            ("*", &["web"], &["team/web"]),
            ("team/*", &["team/web"], &["team", "team/a/b", "web"]),
            ("team/**", &["team/web", "team/a/b"], &["team", "teams/web"]),
            ("**/web", &["web", "team/web", "a/b/web"], &["aweb", "web/a"]),
            ("team/**/web", &["team/web", "team/a/b/web"], &["team/aweb", "team/web/x"]),
            ("v?.*", &["v1.0", "v2."], &["v10.0", "v1"]),
            ("{web,api}", &["web", "api"], &["we", "webapi"]),
            ("v{1,2{,-rc}}.*", &["v1.0", "v2.1", "v2-rc.1"], &["v1-rc.1", "v3.0"]),
            ("release-*", &["release-", "release-7"], &["Release-7", "prerelease-7"]),
            ("a***b", &["ab", "a/b", "axxb"], &["a"]),
        ] {
            for name in yes {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_with_what_would_be_right() {
        let message = |text: &str| text.parse::<Pattern>().expect_err(text).to_string();
        assert!(message("").contains("**"));
        assert!(message("a,b").contains("second rule"));
        assert!(message("web:1").contains("own fields"));
        assert!(message("{a").contains("without its }"));
        assert!(message("a}").contains("without its {"));
        assert!(message("[a-z]").contains("cannot be in a name"));
        assert!(message(&"{".repeat(200)).contains("braces"));
        assert!(message(&"a".repeat(256)).contains("255"));
    }

    #[test]
    fn a_pattern_that_has_many_ways_to_fail_fails_at_once() {
        let pattern = "{a,a}*".repeat(40);
        assert!(!matches(&pattern, &format!("{}/", "a".repeat(200))));
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_breaks_it(text in "[a-c/*?{},]{0,24}", name in "[a-c/]{0,16}") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                let _ = pattern.matches(&name);
                let again: Pattern = serde_json::from_str(&serde_json::to_string(&pattern).expect("JSON")).expect("its own text");
                prop_assert_eq!(again.matches(&name), pattern.matches(&name));
            }
        }

        #[test]
        fn a_name_without_signs_matches_itself_alone(name in "[a-z0-9._/-]{1,20}", other in "[a-z0-9._/-]{1,20}") {
            prop_assert!(matches(&name, &name));
            prop_assert_eq!(matches(&name, &other), name == other);
        }

        #[test]
        fn a_star_takes_any_tag_between(head in "[a-z]{0,4}", middle in "[a-z0-9.-]{0,8}", tail in "[a-z]{0,4}") {
            let name = format!("{head}{middle}{tail}");
            prop_assume!(!name.is_empty());
            let star = format!("{head}*{tail}");
            prop_assert!(matches(&star, &name));
        }
    }
}

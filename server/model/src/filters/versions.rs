//! Ranges of versions: comparators that must all hold, joined by spaces or commas; alternatives joined by `||`. `^1.2`, `~1.2`, `1.x` and
//! partial versions mean what they mean to npm. A pre-release (`2.0.0-rc.1`) passes only where the range names a pre-release of that very
//! version, so that `>=1` never puts a release candidate into use.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest range, in characters.
pub const VERSIONS_MAX: usize = 255;

/// Why a text is no range of versions, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidVersions(String);

/// A range of versions. It is stored and sent as its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Versions {
    text: String,
    /// Any of these; in each, all must hold.
    alternatives: Vec<Vec<Comparator>>,
}

impl Versions {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the tag is a version within the range.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        self.refusal(tag).is_none()
    }

    /// Why the tag does not pass, to be shown to people.
    #[must_use]
    pub fn refusal(&self, tag: &str) -> Option<String> {
        let Some(version) = Version::of_tag(tag) else { return Some(format!("the tag {tag} is not a version")) };
        if self.alternatives.iter().any(|all| holds(all, &version)) {
            return None;
        }
        let pre = if version.pre.is_empty() { "" } else { "; a pre-release must be named by the range" };
        Some(format!("the version {tag} is not within {self}{pre}"))
    }
}

/// Whether one tag is an older version than the other; false where one of them is no version.
#[must_use]
pub fn is_older(tag: &str, than: &str) -> bool {
    matches!((Version::of_tag(tag), Version::of_tag(than)), (Some(one), Some(other)) if one < other)
}

/// Whether all comparators hold.
fn holds(all: &[Comparator], version: &Version) -> bool {
    let named = version.pre.is_empty() || all.iter().any(|one| !one.version.pre.is_empty() && one.version.numbers == version.numbers);
    named && all.iter().all(|one| one.holds(version))
}

impl FromStr for Versions {
    type Err = InvalidVersions;

    fn from_str(text: &str) -> Result<Self, InvalidVersions> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidVersions("a range of versions is not empty; * stands for every version".into()));
        }
        if text.chars().count() > VERSIONS_MAX {
            return Err(InvalidVersions(format!("a range of versions has at most {VERSIONS_MAX} characters")));
        }
        let alternatives = text.split("||").map(comparators).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), alternatives })
    }
}

/// The comparators of one alternative.
fn comparators(text: &str) -> Result<Vec<Comparator>, InvalidVersions> {
    let separator = |c: char| c == ',' || c.is_whitespace();
    let sign = |c: char| matches!(c, '<' | '>' | '=' | '^' | '~');
    let mut rest = text.trim_matches(separator);
    if rest.is_empty() {
        return Err(InvalidVersions("there is nothing beside ||; write a range on both sides".into()));
    }
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (operator, after) = rest.split_at(rest.find(|c: char| !sign(c)).unwrap_or(rest.len()));
        let after = after.trim_start();
        let (version, after) = after.split_at(after.find(|c: char| separator(c) || sign(c)).unwrap_or(after.len()));
        Partial::read(version)?.compare(operator, &mut all)?;
        rest = after.trim_start_matches(separator);
    }
    Ok(all)
}

/// How two versions are compared.
#[derive(Clone, Copy, Debug)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// One condition.
#[derive(Clone, Debug)]
struct Comparator {
    operator: Operator,
    version: Version,
}

impl Comparator {
    fn holds(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Greater => order.is_gt(),
        }
    }
}

/// A version as SemVer orders it. Build metadata cannot be in a tag: a tag has no `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    pre: Vec<Part>,
}

/// A part of a pre-release; numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// The version that a tag says: two or three numbers, with or without a `v`. One number alone is a build or a year.
    fn of_tag(tag: &str) -> Option<Self> {
        let partial = Partial::read(tag).ok()?;
        (partial.numbers.len() >= 2 && !partial.open).then(|| partial.lowest())
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // Whatever comes before a release is less than it.
        let pre = || match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.pre.cmp(&other.pre),
        };
        self.numbers.cmp(&other.numbers).then_with(pre)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A version whose last numbers may be missing or open (`1.x`).
#[derive(Debug)]
struct Partial {
    numbers: Vec<u64>,
    pre: Vec<Part>,
    open: bool,
}

impl Partial {
    fn read(text: &str) -> Result<Self, InvalidVersions> {
        let wrong = || InvalidVersions(format!("{text:?} is not a version; write 1, 1.2, 1.2.3, 1.2.x or 1.2.3-rc.1"));
        let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (core, pre) = match bare.split_once('-') {
            Some((core, pre)) => (core, Some(pre)),
            None => (bare, None),
        };
        let (mut numbers, mut open) = (Vec::<u64>::new(), false);
        for part in core.split('.') {
            if matches!(part, "x" | "X" | "*") {
                open = true;
            } else if open || !digits(part) {
                return Err(wrong());
            } else {
                numbers.push(part.parse().map_err(|_| wrong())?);
            }
        }
        let pre: Vec<Part> = match pre {
            Some(pre) => pre.split('.').map(read_part).collect::<Option<_>>().ok_or_else(wrong)?,
            None => Vec::new(),
        };
        if core.split('.').count() > 3 || (!pre.is_empty() && numbers.len() < 3) {
            return Err(wrong());
        }
        Ok(Self { numbers, pre, open })
    }

    /// The version with noughts for what is missing.
    fn lowest(&self) -> Version {
        let number = |at: usize| self.numbers.get(at).copied().unwrap_or(0);
        Version { numbers: [number(0), number(1), number(2)], pre: self.pre.clone() }
    }

    /// The first version whose number at this place is greater.
    fn next(&self, at: usize) -> Version {
        let mut version = self.lowest();
        version.pre.clear();
        version.numbers[at] = version.numbers[at].saturating_add(1);
        version.numbers[at + 1..].fill(0);
        version
    }

    /// Adds what an operator before this version says.
    fn compare(&self, operator: &str, all: &mut Vec<Comparator>) -> Result<(), InvalidVersions> {
        let given = self.numbers.len();
        let mut say = |operator: Operator, version: Version| all.push(Comparator { operator, version });
        if given == 0 && matches!(operator, "" | "=" | ">=" | "<=" | "^" | "~") {
            return Ok(()); // `*`
        }
        if given == 0 {
            return Err(InvalidVersions(format!("{operator}* is no version at all; name a number")));
        }
        let full = given == 3;
        match operator {
            "" | "=" if full => say(Operator::Equal, self.lowest()),
            ">" if full => say(Operator::Greater, self.lowest()),
            ">" => say(Operator::GreaterOrEqual, self.next(given - 1)),
            ">=" => say(Operator::GreaterOrEqual, self.lowest()),
            "<" => say(Operator::Less, self.lowest()),
            "<=" if full => say(Operator::LessOrEqual, self.lowest()),
            "<=" => say(Operator::Less, self.next(given - 1)),
            "" | "=" | "^" | "~" => {
                let last = match operator {
                    "^" => self.numbers.iter().position(|number| *number > 0).unwrap_or(given - 1),
                    "~" => (given - 1).min(1),
                    _ => given - 1,
                };
                say(Operator::GreaterOrEqual, self.lowest());
                say(Operator::Less, self.next(last));
            }
            _ => return Err(InvalidVersions(format!("{operator:?} is none of < <= = >= > ^ ~"))),
        }
        Ok(())
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A part of a pre-release; none where it is empty or has a sign that no tag can have.
fn read_part(text: &str) -> Option<Part> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return None;
    }
    let number = if digits(text) { text.parse().ok() } else { None };
    Some(number.map_or_else(|| Part::Word(text.to_owned()), Part::Number))
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Versions {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Versions {}

impl TryFrom<String> for Versions {
    type Error = InvalidVersions;

    fn try_from(text: String) -> Result<Self, InvalidVersions> {
        text.parse()
    }
}

impl From<Versions> for String {
    fn from(versions: Versions) -> Self {
        versions.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn within(range: &str, tag: &str) -> bool {
        range.parse::<Versions>().expect(range).matches(tag)
    }

    #[test]
    fn ranges_mean_what_their_readers_expect() {
        for (range, yes, no) in [
            ("*", &["1.0.0", "v0.1.0", "2024.01.05", "1.4"][..], &["latest", "20240105", "1", "1.2.3.4", "1.0.0-rc.1"][..]),
            (">=1.2 <2", &["1.2.0", "1.9", "v1.99.1"], &["1.1.9", "2.0.0", "2.0.0-rc.1", "1.5.0-rc.1"]),
            (">= 1.2, < 2", &["1.2.0"], &["2.0.0"]),
            ("^1.2.3", &["1.2.3", "1.9.0"], &["1.2.2", "2.0.0"]),
            ("^0.2", &["0.2.0", "0.2.9"], &["0.3.0", "0.1.9"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4", "0.0.2"]),
            ("^0", &["0.9.9"], &["1.0.0"]),
            ("~1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.2.2", "1.3.0"]),
            ("~1", &["1.0.0", "1.9.0"], &["2.0.0"]),
            ("1.x", &["1.0.0", "1.9.9"], &["2.0.0", "0.9.0"]),
            ("1.2.*", &["1.2.7"], &["1.3.0"]),
            ("1", &["1.7.0"], &["2.0.0"]),
            ("=1.2.3", &["1.2.3", "v1.2.3"], &["1.2.4"]),
            (">1.2", &["1.3.0"], &["1.2.9"]),
            ("<=1.2", &["1.2.9", "0.1.0"], &["1.3.0"]),
            ("<=1.2.3", &["1.2.3"], &["1.2.4"]),
            (">1.2.3", &["1.2.4"], &["1.2.3"]),
            ("1.x || >=3", &["1.5.0", "3.0.0"], &["2.0.0"]),
            (">=2.0.0-rc.2", &["2.0.0-rc.2", "2.0.0-rc.10", "2.0.0", "2.1.0"], &["2.0.0-rc.1", "2.0.0-beta", "2.1.0-rc.3"]),
            ("2.0.0-rc.1", &["2.0.0-rc.1"], &["2.0.0"]),
        ] {
            for tag in yes {
                assert!(within(range, tag), "{range} {tag}");
            }
            for tag in no {
                assert!(!within(range, tag), "{range} {tag}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_told_with_what_would_be_right() {
        let message = |text: &str| text.parse::<Versions>().expect_err(text).to_string();
        assert!(message("").contains("* stands for every version"));
        assert!(message("main").contains("\"main\" is not a version"));
        assert!(message("1.2.3.4").contains("is not a version"));
        assert!(message("1.x.3").contains("is not a version"));
        assert!(message("1.2-rc").contains("is not a version"));
        assert!(message("=>1").contains("none of"));
        assert!(message("1 ||").contains("both sides"));
        assert!(message(">*").contains("name a number"));
        assert!(message(">=").contains("is not a version"));
        assert!(message(&"1 ".repeat(200)).contains("255"));
    }

    #[test]
    fn older_is_said_of_versions_alone() {
        assert!(is_older("1.9.0", "v1.10.0"));
        assert!(is_older("2.0.0-rc.1", "2.0.0"));
        assert!(!is_older("1.10.0", "1.9.0") && !is_older("1.9", "1.9.0"));
        assert!(!is_older("latest", "1.0.0") && !is_older("1.0.0", "latest"));
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_breaks_it(text in "[0-9.x*<>=^~|, v-]{0,24}", tag in "[0-9a-c.v-]{0,16}") {
            if let Ok(range) = text.parse::<Versions>() {
                let again: Versions = serde_json::from_str(&serde_json::to_string(&range).expect("JSON")).expect("its own text");
                prop_assert_eq!(again.matches(&tag), range.matches(&tag));
            }
        }

        #[test]
        fn bounds_hold_for_every_version(low in 0u64..50, high in 0u64..50, major in 0u64..50, minor in 0u64..50) {
            let range = format!(">={low} <{high}");
            prop_assert_eq!(within(&range, &format!("{major}.{minor}.0")), low <= major && major < high);
        }
    }
}

//! Which lines of a log: read from a query and written as one, in the same words everywhere. What is wrong is told by field. Whether a pattern is
//! a regular expression that can be searched with is for the server to say.

use serde::{Deserialize, Serialize};

use super::LogSource;
use crate::ids::TaskId;
use crate::names::EnvironmentName;
use crate::problem::FieldError;
use crate::time::Millis;

/// Most lines that are shown around one that matches, on each side.
pub const CONTEXT_MAX: u32 = 50;
/// Longest text or pattern to look for, in bytes.
pub const GREP_MAX: usize = 1000;

/// Which lines; what is left out leaves none out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogFilter {
    /// Of which environment; may be left out while there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Of one task alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Of the tasks in one place among the service's tasks, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// Of the tasks of one revision, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Of one stream; gaps are always shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<LogSource>,
    /// Only lines with this text in them, or that this pattern matches; empty: all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grep: String,
    /// The text is a regular expression.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub regex: bool,
    /// Capitals and small letters are told apart.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub case: bool,
    /// Written at or after this: a time, seconds since 1970, or an age like `10m`; empty: from the oldest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub since: String,
    /// Written before this, said in the same words; empty: to the newest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub until: String,
    /// Lines of the same task before and after each one that matches.
    #[serde(skip_serializing_if = "none")]
    pub context: u32,
}

fn none(count: &u32) -> bool {
    *count == 0
}

impl LogFilter {
    /// Takes one pair of a query in. False: the name is none of a filter's.
    ///
    /// # Errors
    /// The value is none that the field can have. An empty value is as if it were left out.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, FieldError> {
        match name {
            "environment" => self.environment = read(name, value)?,
            "task" => self.task = read(name, value)?,
            "slot" => self.slot = number(name, value)?,
            "revision" => self.revision = number(name, value)?,
            "stream" => self.stream = read(name, value)?,
            "grep" => self.grep = value.to_owned(),
            "regex" => self.regex = yes(name, value)?,
            "case" => self.case = yes(name, value)?,
            "since" => self.since = value.trim().to_owned(),
            "until" => self.until = value.trim().to_owned(),
            "context" => self.context = number(name, value)?.unwrap_or(0),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The pairs of a query that says the same. What is as it is by itself is left out.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let word = |set: bool| set.then(|| String::from("true"));
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let all = [
            ("environment", self.environment.as_ref().map(ToString::to_string)),
            ("task", self.task.map(|task| task.to_string())),
            ("slot", self.slot.map(|slot| slot.to_string())),
            ("revision", self.revision.map(|number| number.to_string())),
            ("stream", self.stream.map(|stream| stream.to_string())),
            ("grep", text(&self.grep)),
            ("regex", word(self.regex)),
            ("case", word(self.case)),
            ("since", text(&self.since)),
            ("until", text(&self.until)),
            ("context", (self.context > 0).then(|| self.context.to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Whether what must hold of every filter holds; for forms in the browser as on the server.
    ///
    /// # Errors
    /// The first field that is wrong, and what would be right.
    pub fn check(&self, now: Millis) -> Result<(), FieldError> {
        if self.grep.len() > GREP_MAX {
            return Err(FieldError::new("grep", format!("at most {GREP_MAX} bytes")));
        }
        if self.context > CONTEXT_MAX {
            return Err(FieldError::new("context", format!("at most {CONTEXT_MAX} lines")));
        }
        self.since_nanos(now)?;
        self.until_nanos(now).map(drop)
    }

    /// From when, in nanoseconds since the epoch.
    ///
    /// # Errors
    /// It is no time.
    pub fn since_nanos(&self, now: Millis) -> Result<Option<i64>, FieldError> {
        time("since", &self.since, now)
    }

    /// Until when, in nanoseconds since the epoch.
    ///
    /// # Errors
    /// It is no time.
    pub fn until_nanos(&self, now: Millis) -> Result<Option<i64>, FieldError> {
        time("until", &self.until, now)
    }
}

/// A value of a query; empty, it is left out.
pub(crate) fn read<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, value: &str) -> Result<Option<T>, FieldError> {
    match value {
        "" => Ok(None),
        value => value.parse().map(Some).map_err(|error| FieldError::new(field, format!("{error}"))),
    }
}

/// The same of a whole number.
pub(crate) fn number(field: &str, value: &str) -> Result<Option<u32>, FieldError> {
    match value {
        "" => Ok(None),
        value => value.parse().map(Some).map_err(|_| FieldError::new(field, "a whole number")),
    }
}

/// A switch of a query: there without a value, it is on.
fn yes(field: &str, value: &str) -> Result<bool, FieldError> {
    match value {
        "" | "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(FieldError::new(field, "true or false")),
    }
}

fn time(field: &str, text: &str, now: Millis) -> Result<Option<i64>, FieldError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || FieldError::new(field, "a time like 2026-11-20T09:30:00Z, seconds since 1970, or an age like 10m or 2h");
    time_nanos(text, now).map(Some).ok_or_else(wrong)
}

/// A point in time in nanoseconds since the epoch: RFC 3339, seconds since the epoch with or without a fraction, or an age like `10m` (s, m, h, d, w);
/// none where it is none of these. What lies beyond the range saturates.
#[must_use]
pub fn time_nanos(text: &str, now: Millis) -> Option<i64> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(saturated(at.as_nanosecond()));
    }
    if let Some(nanos) = seconds(text) {
        return Some(nanos);
    }
    let unit = text.chars().next_back()?;
    let amount: i64 = digits(text.strip_suffix(unit)?)?;
    let unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    Some(saturated((i128::from(now.0) - i128::from(amount) * unit * 1000) * 1_000_000))
}

/// Seconds with up to nine digits behind the point, exactly.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits beyond the ninth count nothing.
    let nanos: i64 = digits(&format!("{fraction:0<9}")[..9])?;
    Some(saturated(i128::from(digits::<i64>(whole)?) * 1_000_000_000 + i128::from(nanos)))
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { text.parse().ok() }
}

fn saturated(nanos: i128) -> i64 {
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_161_600_000);

    #[test]
    fn a_query_reads_as_it_is_written() {
        let mut filter = LogFilter::default();
        for (name, value) in [
            ("environment", "local"),
            ("task", "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11"),
            ("slot", "2"),
            ("revision", "7"),
            ("stream", "stderr"),
            ("grep", "a b&c=d?"),
            ("regex", ""),
            ("case", "true"),
            ("since", "10m"),
            ("until", " 2026-11-20T09:30:00Z "),
            ("context", "3"),
        ] {
            assert_eq!(filter.take(name, value), Ok(true), "{name}");
        }
        assert_eq!(filter.take("tail", "5"), Ok(false), "what is none of its names is left to others");
        assert!(filter.regex && filter.case);
        let mut again = LogFilter::default();
        for (name, value) in filter.pairs() {
            again.take(name, &value).expect("its own words");
        }
        assert_eq!(again, filter);
        assert!(LogFilter::default().pairs().is_empty());
    }

    #[test]
    fn what_is_empty_is_left_out_and_what_is_wrong_is_named() {
        let mut filter = LogFilter::default();
        for name in ["environment", "task", "slot", "revision", "stream", "grep", "since", "until", "context"] {
            assert_eq!(filter.take(name, ""), Ok(true));
        }
        assert_eq!(filter, LogFilter::default());
        for (name, value) in [("task", "web.1"), ("slot", "-1"), ("revision", "v2"), ("stream", "both"), ("regex", "maybe"), ("context", "3.5")] {
            assert_eq!(filter.take(name, value).expect_err(name).field, name);
        }
        let wrong = |filter: LogFilter| filter.check(NOW).expect_err("wrong").field;
        assert_eq!(wrong(LogFilter { since: "yesterday".into(), ..LogFilter::default() }), "since");
        assert_eq!(wrong(LogFilter { until: "soon".into(), ..LogFilter::default() }), "until");
        assert_eq!(wrong(LogFilter { context: 51, ..LogFilter::default() }), "context");
        assert_eq!(wrong(LogFilter { grep: "x".repeat(1001), ..LogFilter::default() }), "grep");
    }

    #[test]
    fn times_are_read_to_the_nanosecond() {
        let now = NOW.0 * 1_000_000;
        let at = |text| time_nanos(text, NOW);
        assert_eq!(at("2026-11-20T08:00:00Z"), Some(now));
        assert_eq!(at("2026-11-20T10:00:00.000000001+02:00"), Some(now + 1));
        assert_eq!(at("1795161600"), Some(now));
        assert_eq!(at("1795161600.000000001"), Some(now + 1));
        assert_eq!(at("1795161600.25"), Some(now + 250_000_000));
        assert_eq!(at("10m"), Some(now - 600_000_000_000));
        assert_eq!(at("2w"), Some(now - 14 * 86_400_000_000_000));
        assert_eq!(at("99999999999999d"), Some(i64::MIN), "long ago is long ago");
        for wrong in ["", "m", "-5m", "5 m", "10M", "1.5h", "1.", ".5", "2026-11-20", "\u{661}m", "10\u{b5}"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}

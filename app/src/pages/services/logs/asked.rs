//! What a log page's address asks for: which lines, and where among them the page begins. The address holds all of it, so that a page can be sent to
//! somebody; how lines look (wrapped, in which time) is the reader's own and is not there.

use leptos_router::params::ParamsMap;
use model::problem::FieldError;
use model::views::logs::LogFilter;

use crate::urls;

/// Names in the address that a filter understands.
const FILTER: &[&str] = &["environment", "task", "slot", "revision", "stream", "grep", "regex", "case", "since", "until", "context"];

/// Where among the lines a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Place {
    /// With the newest, and follows.
    #[default]
    Newest,
    /// With the oldest, and looks through all of them.
    Oldest,
    /// Before this line.
    Before(String),
    /// After this line.
    After(String),
    /// At this time, RFC 3339.
    At(String),
    /// Around this line.
    Line(String),
}

/// What an address asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    /// Which lines.
    pub filter: LogFilter,
    /// From where.
    pub place: Place,
    /// What of it cannot be.
    pub wrong: Option<FieldError>,
}

impl Asked {
    /// Reads an address. What is wrong in it is said, and the rest of it holds.
    pub(super) fn read(query: &ParamsMap) -> Self {
        let mut asked = Self::default();
        for name in FILTER {
            let Some(value) = query.get(name) else { continue };
            // A time may be written as people write it.
            let value = if matches!(*name, "since" | "until") { instant(&value) } else { value };
            if let Err(wrong) = asked.filter.take(name, &value) {
                asked.wrong.get_or_insert(wrong);
            }
        }
        let given = |name: &str| query.get(name).filter(|value| !value.is_empty());
        asked.place = if let Some(line) = given("line") {
            Place::Line(line)
        } else if let Some(at) = given("at") {
            Place::At(instant(&at))
        } else if let Some(before) = given("before") {
            Place::Before(before)
        } else if let Some(after) = given("after") {
            Place::After(after)
        } else if given("from").as_deref() == Some("oldest") {
            Place::Oldest
        } else {
            Place::Newest
        };
        asked
    }

    /// The address of these lines, beginning elsewhere.
    pub(super) fn at(&self, path: &str, place: &Place, level: &str) -> String {
        address(path, &self.filter, place, level)
    }

    /// The address of other lines, from the newest.
    pub(super) fn with(&self, path: &str, level: &str, change: impl FnOnce(&mut LogFilter)) -> String {
        let mut filter = self.filter.clone();
        change(&mut filter);
        address(path, &filter, &Place::Newest, level)
    }

    /// Whether lines are left out.
    pub(super) fn narrows(&self) -> bool {
        self.filter != LogFilter { environment: self.filter.environment.clone(), ..LogFilter::default() }
    }
}

/// The address of lines.
pub(super) fn address(path: &str, filter: &LogFilter, place: &Place, level: &str) -> String {
    let mut pairs = filter.pairs();
    match place {
        Place::Newest => {}
        Place::Oldest => pairs.push(("from", String::from("oldest"))),
        Place::Before(id) => pairs.push(("before", id.clone())),
        Place::After(id) => pairs.push(("after", id.clone())),
        Place::At(at) => pairs.push(("at", at.clone())),
        Place::Line(id) => pairs.push(("line", id.clone())),
    }
    pairs.push(("level", level.to_owned()));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    urls::asking(path, &pairs)
}

/// A time as people and date fields write it, in UTC, as RFC 3339; anything else as it is.
pub(super) fn instant(text: &str) -> String {
    let text = text.trim();
    let digits = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let dated = text.is_ascii() && text.len() >= 10 && digits(0) && digits(9) && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    let zoned = text.get(10..).is_some_and(|rest| rest.contains(['Z', 'z', '+', '-']));
    if !dated || zoned {
        return text.to_owned();
    }
    let time = text.get(11..).filter(|time| !time.is_empty()).unwrap_or("00:00");
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    format!("{}T{time}{seconds}Z", &text[..10])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Asked {
        let mut map = ParamsMap::new();
        for (name, value) in pairs {
            map.insert(*name, (*value).to_owned());
        }
        Asked::read(&map)
    }

    #[test]
    fn an_address_says_all_of_it() {
        let asked = read(&[("environment", "local"), ("grep", "a&b"), ("regex", "true"), ("since", "2026-11-20 09:30"), ("from", "oldest")]);
        assert_eq!(asked.place, Place::Oldest);
        assert_eq!(
            asked.at("/logs", &asked.place, "warn"),
            "/logs?environment=local&grep=a%26b&regex=true&since=2026-11-20T09%3A30%3A00Z&from=oldest&level=warn"
        );
        assert!(asked.narrows() && !read(&[("environment", "local"), ("task", "")]).narrows());
        assert_eq!(asked.with("/logs", "", |filter| filter.grep.clear()), "/logs?environment=local&regex=true&since=2026-11-20T09%3A30%3A00Z");
    }

    #[test]
    fn what_cannot_be_is_said_and_the_rest_holds() {
        let asked = read(&[("task", "web.1"), ("grep", "x"), ("line", "7-120"), ("before", "1-1")]);
        assert_eq!(asked.wrong.expect("wrong").field, "task");
        assert_eq!((asked.filter.grep.as_str(), asked.place), ("x", Place::Line(String::from("7-120"))));
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(instant("2026-11-20T09:30"), "2026-11-20T09:30:00Z");
        assert_eq!(instant(" 2026-11-20 09:30:15.5 "), "2026-11-20T09:30:15.5Z");
        assert_eq!(instant("2026-11-20"), "2026-11-20T00:00:00Z");
        for same in ["2026-11-20T09:30:00Z", "2026-11-20T09:30:00+02:00", "10m", "1795161600", "yesterday", ""] {
            assert_eq!(instant(same), same);
        }
    }
}

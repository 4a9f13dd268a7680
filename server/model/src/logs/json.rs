//! A line that is a JSON object, opened: its message, its level, and what else it says in the order in which it says it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::level::{self, Level};

/// Fields that are shown; of more only their number.
const MOST: usize = 60;
/// Fields that are looked through for those that are shown. A level, a message or a time is found further on too.
const READ: usize = 256;
/// Bytes of a name that are shown. One within another says all that is around it again, as often as there are fields in it.
const NAME: usize = 200;
/// Objects within objects are opened so far.
const DEPTH: u8 = 3;

const MESSAGES: &[&str] = &["message", "msg", "@message", "@m", "short_message", "log", "event", "text"];
const LEVELS: &[&str] = &["level", "severity", "lvl", "log.level", "loglevel", "levelname", "level_name", "@level", "@l", "LEVEL", "s"];
/// The line's own idea of its time stands beside the collector's, which is shown already.
const TIMES: &[&str] = &["time", "ts", "timestamp", "@timestamp", "@t", "t", "asctime"];

/// One thing that a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; of one within another, both with a dot.
    pub name: String,
    /// What it says: a text as it is, all else as JSON.
    pub value: String,
}

/// A JSON line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json {
    /// How bad it is.
    pub level: Option<Level>,
    /// The sentence for people.
    pub message: Option<String>,
    /// What else it says, without its time.
    pub fields: Vec<Field>,
    /// Fields that are left out here.
    pub more: usize,
}

impl Json {
    /// Reads a line; none where it is no object.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if !(text.starts_with('{') && text.ends_with('}')) {
            return None;
        }
        let Entries(entries) = serde_json::from_str(text).ok()?;
        if entries.is_empty() {
            return None;
        }
        let (mut fields, mut more) = (Vec::new(), 0);
        for (name, value) in entries {
            flatten(short(name), value, DEPTH, &mut fields, &mut more);
        }
        let mut json = Self { level: take(&mut fields, LEVELS, level_of), ..Self::default() };
        json.message = take(&mut fields, MESSAGES, |value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned));
        fields.retain(|(name, _)| !TIMES.contains(&name.as_str()));
        json.more = more + fields.len().saturating_sub(MOST);
        fields.truncate(MOST);
        json.fields = fields.into_iter().map(|(name, value)| Field { name, value: said(value) }).collect();
        Some(json)
    }
}

/// Takes the first field of these names that says what is looked for.
fn take<T>(fields: &mut Vec<(String, Value)>, names: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    names.iter().find_map(|name| {
        let at = fields.iter().position(|(field, value)| field == name && read(value).is_some())?;
        read(&fields.remove(at).1)
    })
}

fn level_of(value: &Value) -> Option<Level> {
    match value {
        Value::String(text) => level::named(text).or_else(|| level::letter(text)).or_else(|| level::numbered(text.parse().ok()?)),
        Value::Number(number) => level::numbered(number.as_u64()?),
        _ => None,
    }
}

/// Adds what a field says. `more` counts those that are left out.
fn flatten(name: String, value: Value, depth: u8, fields: &mut Vec<(String, Value)>, more: &mut usize) {
    match value {
        Value::Object(inner) if depth > 0 && !inner.is_empty() => {
            for (key, value) in inner {
                flatten(within(&name, &key), value, depth - 1, fields, more);
            }
        }
        value if fields.len() < READ || is_known(&name) => fields.push((name, value)),
        _ => *more += 1,
    }
}

fn is_known(name: &str) -> bool {
    LEVELS.contains(&name) || MESSAGES.contains(&name) || TIMES.contains(&name)
}

/// The name of a field within another.
fn within(outer: &str, key: &str) -> String {
    short(format!("{outer}.{}", &key[..key.floor_char_boundary(NAME)]))
}

/// A name as it is shown.
fn short(mut name: String) -> String {
    if name.len() > NAME {
        name.truncate(name.floor_char_boundary(NAME));
        name.push('\u{2026}');
    }
    name
}

fn said(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// An object with its fields in their order.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &Json) -> Vec<(&str, &str)> {
        json.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect()
    }

    #[test]
    fn a_line_is_opened_in_its_own_order() {
        let json = Json::read(r#" {"time":"2026-11-20T09:30:00Z","level":"warn","msg":"slow query","ms":1200,"ok":false,"user":{"name":"ana","id":7},"tags":["a","b"]} "#).expect("JSON");
        assert_eq!(json.level, Some(Level::Warn));
        assert_eq!(json.message.as_deref(), Some("slow query"));
        assert_eq!(fields(&json), [("ms", "1200"), ("ok", "false"), ("user.id", "7"), ("user.name", "ana"), ("tags", r#"["a","b"]"#)]);
    }

    #[test]
    fn levels_are_known_by_many_names() {
        for (line, level) in [
            (r#"{"severity":"ERROR"}"#, Level::Error),
            (r#"{"lvl":"dbg"}"#, Level::Debug),
            (r#"{"log":{"level":"info"},"message":"x"}"#, Level::Info),
            (r#"{"log.level":"Critical"}"#, Level::Fatal),
            (r#"{"level":30,"msg":"pino"}"#, Level::Info),
            (r#"{"level":"50"}"#, Level::Error),
            (r#"{"level":4,"short_message":"gelf"}"#, Level::Warn),
            (r#"{"s":"W","msg":"mongo"}"#, Level::Warn),
            (r#"{"@l":"Verbose"}"#, Level::Trace),
        ] {
            assert_eq!(Json::read(line).expect(line).level, Some(level), "{line}");
        }
        let odd = Json::read(r#"{"level":"upstairs","msg":"x"}"#).expect("JSON");
        assert_eq!((odd.level, fields(&odd)), (None, vec![("level", "upstairs")]), "what is no level stays a field");
    }

    #[test]
    fn what_is_no_object_stays_a_line() {
        for line in ["", "{", "{}", "[1]", "{not json}", "{\"a\":1} trailing", "{\"a\":1}{\"b\":2}"] {
            assert_eq!(Json::read(line), None, "{line}");
        }
        assert_eq!(Json::read(&format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000))), None, "too deep");
    }

    #[test]
    fn too_many_fields_are_counted() {
        let line = format!("{{{}}}", (0..100).map(|n| format!("\"f{n}\":{n}")).collect::<Vec<_>>().join(","));
        let json = Json::read(&line).expect("JSON");
        assert_eq!((json.fields.len(), json.more), (60, 40));
    }

    #[test]
    fn a_message_is_found_behind_many_fields() {
        let line = format!("{{{},\"level\":\"error\",\"msg\":\"x\"}}", (0..1_000).map(|n| format!("\"f{n}\":{n}")).collect::<Vec<_>>().join(","));
        let json = Json::read(&line).expect("JSON");
        assert_eq!((json.level, json.message.as_deref()), (Some(Level::Error), Some("x")));
        assert_eq!((json.fields.len(), json.more), (60, 940));
    }

    #[test]
    fn long_names_are_cut_and_are_not_said_again_for_each_field() {
        let inner = (0..4_000).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(",");
        let json = Json::read(&format!("{{\"{}\":{{{inner}}}}}", "\u{e4}".repeat(15 << 10))).expect("JSON");
        assert_eq!((json.fields.len(), json.more), (60, 3_940));
        assert!(json.fields.iter().all(|field| field.name.len() <= NAME + 3 && field.name.ends_with('\u{2026}')));
        let deep = Json::read(&format!("{{\"a\":{{\"{}\":1}}}}", "k".repeat(60 << 10))).expect("JSON");
        assert_eq!(deep.fields[0].name.len(), NAME + 3);
    }
}

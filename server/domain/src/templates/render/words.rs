//! How a value is written into each sort of text, and the few filters that sources have. A text is always written so that it stays one: quoted where
//! quotes are known, refused where none would hold.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Environment, Error as Fault, ErrorKind, Value as Item};
use model::template::Output;
use model::template::shape::{Place, Style, is_plain};

/// Filters, by name. What is not here is refused before anything runs.
pub(super) const FILTERS: [&str; 10] = ["shell", "json", "lines", "words", "pairs", "repository", "default", "lower", "upper", "trim"];
/// Tests, by name.
pub(super) const TESTS: [&str; 1] = ["none"];

/// A value that asked for quotes of a sort.
#[derive(Debug)]
struct Quoted {
    text: String,
    json: bool,
}

impl Object for Quoted {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("shell", |value: Item| Ok::<_, Fault>(Item::from_object(Quoted { text: text_of(&value)?, json: false })));
    environment.add_filter("json", |value: Item| Ok::<_, Fault>(Item::from_object(Quoted { text: text_of(&value)?, json: true })));
    environment.add_filter("lines", |value: Item| Ok::<_, Fault>(lines(&value)?.map(Item::from).collect::<Vec<_>>()));
    environment.add_filter("words", |value: Item| {
        let text = if value.is_none() { String::new() } else { text_of(&value)? };
        Ok::<_, Fault>(text.split_whitespace().map(Item::from).collect::<Vec<_>>())
    });
    environment.add_filter("repository", |value: Item| text_of(&value).map(|text| repository(&text).to_owned()));
    environment.add_filter("pairs", |value: Item| pairs(&value));
    environment.add_filter("default", |value: Item, other: Item| if value.is_none() || value.is_undefined() { other } else { value });
    environment.add_filter("lower", |value: Item| text_of(&value).map(|text| text.to_lowercase()));
    environment.add_filter("upper", |value: Item| text_of(&value).map(|text| text.to_uppercase()));
    environment.add_filter("trim", |value: Item| text_of(&value).map(|text| text.trim().to_owned()));
    environment.add_test("none", |value: Item| value.is_none());
}

fn fault(text: impl Into<String>) -> Fault {
    Fault::new(ErrorKind::InvalidOperation, text.into())
}

/// A single value as a text.
fn text_of(value: &Item) -> Result<String, Fault> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Number => Ok(value.to_string()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::None => Err(fault("there is no answer to write here: ask before, like {% if name %}, or write {{ name | default(\"...\") }}")),
        _ => match value.downcast_object_ref::<Quoted>() {
            Some(quoted) => Ok(quoted.text.clone()),
            None => Err(fault("is no single value")),
        },
    }
}

/// An image's name without its tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    match name.rfind(':') {
        // A colon before a slash is a host's port.
        Some(at) if !name[at..].contains('/') => &name[..at],
        _ => name,
    }
}

/// The lines of a text that are not empty; of none, none.
fn lines(value: &Item) -> Result<impl Iterator<Item = String>, Fault> {
    let text = if value.is_none() { String::new() } else { text_of(value)? };
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok(lines.into_iter())
}

/// `NAME=value` on each line, as a list of `name` and `value`. A name stands once: the last one counts, as in a shell.
fn pairs(value: &Item) -> Result<Vec<Item>, Fault> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in lines(value)? {
        let Some((name, value)) = line.split_once('=') else {
            return Err(fault(format!("{:?} is not of the form NAME=value", line.chars().take(40).collect::<String>())));
        };
        let name = name.trim().to_owned();
        found.retain(|(known, _)| *known != name);
        found.push((name, value.to_owned()));
    }
    Ok(found.into_iter().map(|(name, value)| Item::from_iter([("name", Item::from(name)), ("value", Item::from(value))])).collect())
}

/// What a value is written as, where it stands.
pub(super) fn written(output: Output, value: &Item) -> Result<Place, Fault> {
    let bare = matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    let text = text_of(value)?;
    if bare {
        return Ok(place(Style::Bare, &text, text.clone()));
    }
    if output == Output::Github && text.contains("${{") {
        return Err(fault("an answer holds ${{, which GitHub would take as an expression"));
    }
    let quoted = value.downcast_object_ref::<Quoted>();
    match (quoted, output) {
        (Some(Quoted { json: true, .. }), Output::Dockerfile) => Ok(place(Style::Whole, &text, json(&text))),
        (Some(Quoted { json: true, .. }), _) => Err(fault("| json is for Dockerfiles: elsewhere values have quotes of their own")),
        (Some(_), Output::Descriptor | Output::Github | Output::Gitlab) | (_, Output::Curl) => Ok(place(Style::Shell, &text, word(&text)?)),
        (Some(_), Output::Jenkinsfile | Output::Dockerfile) | (None, Output::Dockerfile) => {
            if is_plain(&text) {
                return Ok(place(Style::Shell, &text, text.clone()));
            }
            let hint = if output == Output::Dockerfile { "write {{ name | json }} for it" } else { "write it without | shell and outside of quotes" };
            Err(fault(format!("an answer has other characters than letters, digits and ._/:@%+=,-; {hint}")))
        }
        (None, Output::Jenkinsfile) => Ok(place(Style::Whole, &text, groovy(&text))),
        (None, _) => Ok(place(Style::Whole, &text, json(&text))),
    }
}

fn place(style: Style, value: &str, written: String) -> Place {
    Place { line: 0, style, plain: is_plain(value), value: value.to_owned(), written }
}

/// A text in double quotes, as JSON and YAML read it alike: what YAML counts as a break or cannot show is escaped.
fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One word of a POSIX shell.
fn word(text: &str) -> Result<String, Fault> {
    if text.contains(['\n', '\r']) {
        return Err(fault("an answer has several lines, which no word of a shell command can have"));
    }
    Ok(if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) })
}

/// A literal of Groovy in which nothing is replaced.
fn groovy(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_the_quotes_of_its_place() {
        let value = Item::from("it's \"$x\" \\ end");
        let of = |output| written(output, &value).map(|place| place.written).map_err(|error| error.to_string());
        assert_eq!(of(Output::Descriptor).as_deref(), Ok(r#""it's \"$x\" \\ end""#));
        assert_eq!(of(Output::Curl).as_deref(), Ok(r#"'it'\''s "$x" \ end'"#));
        assert_eq!(of(Output::Jenkinsfile).as_deref(), Ok(r#"'it\'s "$x" \\ end'"#));
        assert!(of(Output::Dockerfile).expect_err("not plain").contains("| json"));
        assert_eq!(written(Output::Dockerfile, &Item::from("debian:12")).map(|place| place.written).ok().as_deref(), Some("debian:12"));
        assert!(written(Output::Github, &Item::from("${{ secrets.X }}")).is_err());
        assert_eq!(json("a\u{2028}\u{85}b"), "\"a\\u2028\\u0085b\"");
    }
}

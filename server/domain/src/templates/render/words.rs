//! How a value is written into each sort of text, and the few filters that sources have. A text is always written so that it stays one: quoted where
//! quotes are known, refused where none would hold.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Environment, Error as Fault, ErrorKind, Value as Item};
use model::image::ImageReference;
use model::template::Output;
use model::template::shape::{Place, Style, is_plain};

use super::Around;

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

/// Adds the filters and tests. Each looks at the clock: one of them may take as long as a thousand steps.
pub(super) fn add(environment: &mut Environment<'_>, around: &Around, until: Instant) {
    let quoted = move |value: &Item, json: bool| Ok::<_, Fault>(Item::from_object(Quoted { text: timely(until, value)?, json }));
    environment.add_filter("shell", move |value: Item| quoted(&value, false));
    environment.add_filter("json", move |value: Item| quoted(&value, true));
    environment.add_filter("lines", move |value: Item| lines(until, &value).map(|lines| lines.into_iter().map(Item::from).collect::<Vec<_>>()));
    environment.add_filter("words", move |value: Item| {
        let text = if value.is_none() { String::new() } else { timely(until, &value)? };
        Ok::<_, Fault>(text.split_whitespace().map(Item::from).collect::<Vec<_>>())
    });
    let around = around.clone();
    environment.add_filter("repository", move |value: Item| timely(until, &value).map(|image| repository(&image, &around)));
    environment.add_filter("pairs", move |value: Item| lines(until, &value).and_then(|lines| pairs(&lines)));
    environment.add_filter("default", |value: Item, other: Item| if value.is_none() || value.is_undefined() { other } else { value });
    environment.add_filter("lower", move |value: Item| timely(until, &value).map(|text| text.to_lowercase()));
    environment.add_filter("upper", move |value: Item| timely(until, &value).map(|text| text.to_uppercase()));
    environment.add_filter("trim", move |value: Item| timely(until, &value).map(|text| text.trim().to_owned()));
    environment.add_test("none", |value: Item| value.is_none());
}

/// Fails once the time is over.
pub(super) fn in_time(until: Instant) -> Result<(), Fault> {
    if Instant::now() < until { Ok(()) } else { Err(fault("takes too long: what it makes is too much work")) }
}

/// A single value as a text, if there is time.
fn timely(until: Instant, value: &Item) -> Result<String, Fault> {
    in_time(until)?;
    text_of(value)
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

/// The repository of the project that builds of an image are pushed to: the image's own where it lies there, else one that is called like the service.
fn repository(image: &str, around: &Around) -> String {
    let of_project = |image: &ImageReference| match image.host() {
        None => Some(image.path().to_string()),
        Some(host) if host == around.registry => {
            let (project, repository) = image.project_and_repository()?;
            (project.as_str() == around.project).then(|| repository.to_string())
        }
        Some(_) => None,
    };
    image.parse::<ImageReference>().ok().and_then(|image| of_project(&image)).unwrap_or_else(|| around.service.clone())
}

/// The lines of a text that are not empty; of none, none.
fn lines(until: Instant, value: &Item) -> Result<Vec<String>, Fault> {
    let text = if value.is_none() { String::new() } else { timely(until, value)? };
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// `NAME=value` on each line, as a list of `name` and `value`. A name stands once, where it stood last, as in a shell.
fn pairs(lines: &[String]) -> Result<Vec<Item>, Fault> {
    let mut found: Vec<(&str, &str)> = Vec::with_capacity(lines.len());
    for line in lines {
        let Some((name, value)) = line.split_once('=') else {
            return Err(fault(format!("{:?} is not of the form NAME=value", line.chars().take(40).collect::<String>())));
        };
        found.push((name.trim(), value));
    }
    let mut seen = HashSet::new();
    let mut last: Vec<Item> = found
        .into_iter()
        .rev()
        .filter(|(name, _)| seen.insert(*name))
        .map(|(name, value)| Item::from_pairs([("name", name), ("value", value)]))
        .collect();
    last.reverse();
    Ok(last)
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

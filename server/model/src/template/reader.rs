//! From the document's tree to a [`Template`]: shapes and words. Whether they fit each other is [`super::check`]'s.

use std::collections::BTreeMap;

use super::{Choice, Choices, Output, PARAMETERS_MAX, Parameter, ParameterKind, Parameters, SOURCE_MAX, ShownIf, Template};
use crate::descriptor::document::{Kind, Node};
use crate::descriptor::reader::{Reader, join};
use crate::names::TemplateName;
use crate::problem::FieldError;

/// Keys of the document.
const KEYS: [&str; 10] = ["name", "title", "description", "parameters", "descriptor", "dockerfile", "jenkinsfile", "github", "gitlab", "curl"];
/// Keys of a parameter.
const PARAMETER_KEYS: [&str; 13] =
    ["name", "label", "type", "required", "default", "pattern", "min", "max", "help", "group", "shown_if", "depends_on", "choices"];

/// Longest label, in bytes.
const LABEL_MAX: usize = 200;
/// Longest help, in bytes.
const HELP_MAX: usize = 1000;

pub(super) fn read(node: &Node) -> Result<Template, Vec<FieldError>> {
    let mut reader = Reader::default();
    let read = template(&mut reader, node);
    match read {
        Some(template) if reader.errors.is_empty() => Ok(template),
        _ => Err(reader.errors),
    }
}

fn template(reader: &mut Reader, node: &Node) -> Option<Template> {
    let section = reader.section(node, "", &KEYS)?;
    let name = match section.get("name") {
        Some((node, path)) => reader.parsed::<TemplateName>(node, &path),
        None => {
            reader.fail("name", None, "every template has a name, like http-service");
            None
        }
    };
    let mut text = |key: &str, most: usize| section.get(key).and_then(|(node, path)| reader.text(node, &path, most));
    let title = text("title", LABEL_MAX);
    let description = text("description", 4000).unwrap_or_default();
    let mut sources = Vec::new();
    for output in Output::ALL {
        let Some((node, path)) = section.get(output.as_str()) else { continue };
        if matches!(node.kind, Kind::Map(_)) {
            reader.fail(path, Some(node), "is a text, which the answers are put into: write `|` behind the colon and the text below it, set in");
        } else if let Some(text) = reader.text(node, &path, SOURCE_MAX) {
            sources.push((*output, text));
        }
    }
    if section.get("descriptor").is_none() {
        reader.fail("descriptor", None, "every template makes a descriptor");
    }
    let parameters = section.get("parameters").map(|(node, path)| reader.list(node, &path, PARAMETERS_MAX, parameter)).unwrap_or_default();
    let name = name?;
    let title = title.filter(|title| !title.trim().is_empty()).unwrap_or_else(|| name.to_string());
    Some(Template { name, title, description, parameters: Parameters(parameters), sources })
}

fn parameter(reader: &mut Reader, node: &Node, path: &str) -> Option<Parameter> {
    let section = reader.section(node, path, &PARAMETER_KEYS)?;
    let mut text = |key: &str, most: usize| section.get(key).and_then(|(node, path)| reader.text(node, &path, most));
    let name = text("name", 64);
    let label = text("label", LABEL_MAX);
    let (default, pattern) = (text("default", super::ANSWER_MAX), text("pattern", 1000));
    let (min, max) = (text("min", 40), text("max", 40));
    let (help, group) = (text("help", HELP_MAX).unwrap_or_default(), text("group", LABEL_MAX).unwrap_or_default());
    let depends_on = text("depends_on", 64);
    let Some(name) = name else {
        reader.fail(join(path, "name"), Some(node), "every parameter has a name, like image or log_level");
        return None;
    };
    if let Err(message) = check_name(&name) {
        reader.fail(join(path, "name"), Some(node), message);
    }
    let kind = match section.get("type") {
        Some((node, path)) => {
            let words: Vec<(&str, ParameterKind)> = ParameterKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
            reader.choice(node, &path, &words)
        }
        None => Some(ParameterKind::String),
    };
    let required = section.get("required").and_then(|(node, path)| reader.truth(node, &path)).unwrap_or(false);
    let shown_if = section.get("shown_if").and_then(|(node, path)| shown_if(reader, node, &path));
    let choices = section.get("choices").and_then(|(node, path)| choices(reader, node, &path, depends_on.as_deref()));
    if depends_on.is_some() && section.get("choices").is_none() {
        reader.fail(join(path, "choices"), Some(node), "write a map here: each answer of what it depends on, and what can be chosen then");
    }
    let label = label.filter(|label| !label.trim().is_empty()).unwrap_or_else(|| spoken(&name));
    Some(Parameter { name, label, kind: kind?, required, default, pattern, min, max, help, group, shown_if, choices })
}

/// `log_level` is called "Log level" where it has no label.
fn spoken(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Names that mean something else in the texts.
const RESERVED: [&str; 18] =
    ["slipway", "loop", "self", "true", "false", "none", "and", "or", "not", "in", "is", "if", "else", "elif", "for", "set", "endif", "endfor"];

fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let shape = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= 40;
    let shown: String = name.chars().take(60).collect();
    if !shape {
        return Err(format!(
            "{shown:?} is no name of a parameter: it begins with a letter and has at most 40 lower-case letters, digits and underscores"
        ));
    }
    if RESERVED.contains(&name) { Err(format!("{shown:?} means something else in the texts; choose another name")) } else { Ok(()) }
}

fn shown_if(reader: &mut Reader, node: &Node, path: &str) -> Option<ShownIf> {
    let section = reader.section(node, path, &["parameter", "equals", "in"])?;
    let parameter = section.get("parameter").and_then(|(node, path)| reader.text(node, &path, 64));
    let Some(parameter) = parameter else {
        reader.fail(join(path, "parameter"), Some(node), "name the earlier parameter that it depends on");
        return None;
    };
    let is = match (section.get("equals"), section.get("in")) {
        (Some((node, path)), None) => reader.text(node, &path, LABEL_MAX).into_iter().collect(),
        (None, Some((node, path))) => reader.list(node, &path, 100, |reader, node, path| reader.text(node, path, LABEL_MAX)),
        _ => {
            reader.fail(path, Some(node), "write either `equals` with one answer or `in` with a list of them");
            return None;
        }
    };
    Some(ShownIf { parameter, is })
}

fn choices(reader: &mut Reader, node: &Node, path: &str, depends_on: Option<&str>) -> Option<Choices> {
    match (&node.kind, depends_on) {
        (Kind::Map(_), Some(parameter)) => {
            let entries = reader.entries(node, path, 100);
            let mut when = Vec::new();
            for (answer, node) in entries {
                let path = join(path, answer);
                when.push((answer.clone(), reader.list(node, &path, super::CHOICES_MAX, choice)));
            }
            Some(Choices::By { parameter: parameter.to_owned(), when })
        }
        (_, Some(_)) => {
            reader.fail(path, Some(node), "is a map, because there is `depends_on`: each answer of that parameter, and what can be chosen then");
            None
        }
        (Kind::Map(_), None) => {
            reader.fail(path, Some(node), "is a list; a map needs `depends_on`, which names the parameter whose answers its keys are");
            None
        }
        (_, None) => Some(Choices::Fixed(reader.list(node, path, super::CHOICES_MAX, choice))),
    }
}

fn choice(reader: &mut Reader, node: &Node, path: &str) -> Option<Choice> {
    if !matches!(node.kind, Kind::Map(_)) {
        let value = reader.text(node, path, LABEL_MAX)?;
        return Some(Choice { label: value.clone(), value });
    }
    let section = reader.section(node, path, &["value", "label"])?;
    let texts: BTreeMap<&str, String> = ["value", "label"]
        .into_iter()
        .filter_map(|key| section.get(key).and_then(|(node, path)| reader.text(node, &path, LABEL_MAX)).map(|text| (key, text)))
        .collect();
    let Some(value) = texts.get("value").cloned() else {
        reader.fail(join(path, "value"), Some(node), "a choice has a value, which the texts get");
        return None;
    };
    Some(Choice { label: texts.get("label").cloned().unwrap_or_else(|| value.clone()), value })
}

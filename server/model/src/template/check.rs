//! Whether the parts of a template fit each other: names told apart, earlier parameters referred to, ranges with a beginning before their end,
//! defaults that would be taken as answers.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{compiled, measure, read_value};
use super::{CHOICES_MAX, Choices, Parameter, ParameterKind, SOURCE_MAX, Template};
use crate::problem::FieldError;

/// Most bytes of all texts together.
const SOURCES_MAX: usize = 3 * SOURCE_MAX;

pub(super) fn check(template: &Template, in_time: &dyn Fn() -> bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut earlier: BTreeMap<&str, &Parameter> = BTreeMap::new();
    for (at, parameter) in template.parameters.0.iter().enumerate() {
        if !in_time() {
            return vec![FieldError::new(
                format!("parameters[{at}]"),
                "takes too long to be looked at: shorten the patterns and defaults up to here",
            )];
        }
        let mut note = |key: &str, message: String| errors.push(FieldError::new(format!("parameters[{at}].{key}"), message));
        if earlier.contains_key(parameter.name.as_str()) {
            note("name", format!("there are two parameters {}", parameter.name));
        }
        own(parameter, &mut note);
        references(parameter, &earlier, &mut note);
        default(parameter, &mut note);
        earlier.insert(&parameter.name, parameter);
    }
    let size: usize = template.sources.iter().map(|(_, text)| text.len()).sum();
    if size > SOURCES_MAX {
        errors.push(FieldError::new("", format!("its texts have {size} bytes together; at most {SOURCES_MAX} are taken")));
    }
    errors
}

/// What concerns the parameter alone.
fn own(parameter: &Parameter, note: &mut impl FnMut(&str, String)) {
    use ParameterKind::{Choice, Decimal, Duration, Image, Integer, Secret, Size, String as Line, Text};
    let kind = parameter.kind;
    if (kind == Choice) != parameter.choices.is_some() {
        let text = if kind == Choice { "a choice has a list of what can be chosen" } else { "only a parameter of the type choice has choices" };
        note("choices", text.to_owned());
    }
    if parameter.pattern.is_some() && !matches!(kind, Line | Text | Secret | Image) {
        note("pattern", format!("{kind} has a form of its own; only string, text, secret and image take a pattern"));
    }
    if let Some(Err(message)) = parameter.pattern.as_deref().map(compiled) {
        note("pattern", message);
    }
    let ranged = matches!(kind, Line | Text | Secret | Integer | Decimal | Duration | Size);
    let mut bounds = [None, None];
    for (at, (key, text)) in [("min", &parameter.min), ("max", &parameter.max)].into_iter().enumerate() {
        let Some(text) = text else { continue };
        if !ranged {
            note(key, format!("{kind} has no range"));
            continue;
        }
        match measure(kind, text) {
            Ok(bound) => bounds[at] = Some(bound),
            Err(message) => note(key, message),
        }
    }
    if let [Some(min), Some(max)] = bounds
        && min > max
    {
        note("min", String::from("is more than max"));
    }
    if let Some(choices) = &parameter.choices {
        check_choices(choices, note);
    }
    if kind == Secret && parameter.default.is_some() {
        note("default", String::from("a secret has no default: everybody who may read the template would know it"));
    }
}

fn check_choices(choices: &Choices, note: &mut impl FnMut(&str, String)) {
    let (lists, total) = match choices {
        Choices::Fixed(list) => (vec![list], list.len()),
        Choices::By { when, .. } => (when.iter().map(|(_, list)| list).collect(), when.iter().map(|(_, list)| list.len()).sum()),
    };
    if total > CHOICES_MAX {
        note("choices", format!("{total} choices; at most {CHOICES_MAX} are taken"));
    }
    for list in lists {
        let mut seen = BTreeSet::new();
        if list.is_empty() {
            note("choices", String::from("an empty list leaves nothing to choose"));
        }
        for choice in list {
            if choice.value.is_empty() || choice.value.trim() != choice.value || choice.value.contains(['\n', '\r']) {
                note("choices", format!("{:?} is no value: one line, without space around it", choice.value));
            }
            if !seen.insert(&choice.value) {
                note("choices", format!("{:?} stands twice", choice.value));
            }
        }
    }
}

/// What it refers to stands before it and can have these answers.
fn references(parameter: &Parameter, earlier: &BTreeMap<&str, &Parameter>, note: &mut impl FnMut(&str, String)) {
    if let Some(shown_if) = &parameter.shown_if {
        reference("shown_if", &shown_if.parameter, shown_if.is.iter(), earlier, note);
        if shown_if.is.is_empty() {
            note("shown_if", String::from("an empty list: it would never be asked"));
        }
    }
    if let Some(Choices::By { parameter: on, when }) = &parameter.choices {
        reference("depends_on", on, when.iter().map(|(answer, _)| answer), earlier, note);
        if let Some(all) = earlier.get(on.as_str()).and_then(|on| possible(on)) {
            let missing: Vec<&str> = all.into_iter().filter(|answer| !when.iter().any(|(known, _)| known == answer)).collect();
            if !missing.is_empty() {
                note("choices", format!("nothing to choose from when {on} is {}", missing.join(", ")));
            }
        }
    }
}

fn reference<'a>(
    key: &str,
    name: &str,
    answers: impl Iterator<Item = &'a String>,
    earlier: &BTreeMap<&str, &Parameter>,
    note: &mut impl FnMut(&str, String),
) {
    let Some(on) = earlier.get(name) else {
        let known = earlier.keys().copied().collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { String::from("there is none") } else { format!("there are {known}") };
        note(key, format!("{name:?} is no parameter that stands before this one; {known}"));
        return;
    };
    if on.kind == ParameterKind::Secret {
        note(key, format!("{name} is a secret, whose value nothing may depend on"));
        return;
    }
    if let Some(all) = possible(on) {
        let wrong: Vec<String> = answers.filter(|answer| !all.contains(&answer.as_str())).map(|answer| format!("{answer:?}")).collect();
        if !wrong.is_empty() {
            note(key, format!("{name} is never {}; it is one of {}", wrong.join(" or "), all.join(", ")));
        }
    }
}

/// All answers that a parameter can have, where they are few.
fn possible(parameter: &Parameter) -> Option<Vec<&str>> {
    match (&parameter.choices, parameter.kind) {
        (_, ParameterKind::Boolean) => Some(vec!["true", "false"]),
        (Some(Choices::Fixed(list)), _) => Some(list.iter().map(|choice| choice.value.as_str()).collect()),
        (Some(Choices::By { when, .. }), _) => {
            let mut all: Vec<&str> = when.iter().flat_map(|(_, list)| list).map(|choice| choice.value.as_str()).collect();
            all.sort_unstable();
            all.dedup();
            Some(all)
        }
        _ => None,
    }
}

fn default(parameter: &Parameter, note: &mut impl FnMut(&str, String)) {
    let Some(default) = parameter.default.as_deref().filter(|_| parameter.kind != ParameterKind::Secret) else { return };
    let found = match &parameter.choices {
        Some(Choices::By { when, .. }) => {
            // It is the default wherever it can be chosen.
            let somewhere = when.iter().any(|(_, list)| list.iter().any(|choice| choice.value == default));
            if somewhere { Ok(()) } else { Err(format!("{default:?} can never be chosen")) }
        }
        Some(Choices::Fixed(list)) => read_value(parameter, default, list).map(drop),
        None => read_value(parameter, default, &[]).map(drop),
    };
    if let Err(message) = found {
        note("default", message);
    }
}

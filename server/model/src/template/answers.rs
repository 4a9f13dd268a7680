//! What is answered to a template's parameters, and whether it is right. An answer is a text, as it was typed; a parameter without an answer has its
//! default; one whose answer is empty has none. A parameter that is not shown has no value, whatever was answered to it.
//!
//! A secret's answer is taken out of sight at once: the value is the name of the secret, and no message repeats it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{ANSWER_MAX, ANSWERS_MAX, Choice, Choices, Parameter, ParameterKind, Parameters};
use crate::image::ImageReference;
use crate::problem::FieldError;
use crate::quantity::{Memory, Span};
use crate::secret::Secret;

/// Answers by parameter, as they were typed.
pub type Answers = BTreeMap<String, String>;

/// The whole numbers that every reader of JSON keeps exactly.
const WHOLE_MAX: i64 = 9_007_199_254_740_991;

/// What a parameter is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text: of a string, a text, a choice, an image, a span, an amount; and a secret's name.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number with decimals.
    Decimal(f64),
    /// Yes or no.
    Truth(bool),
}

/// Answers that are right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// The value of each parameter that has one.
    pub values: BTreeMap<String, Value>,
    /// What is remembered: the answers that are no secrets, in their one spelling; an empty one stands for no value.
    pub answers: Answers,
    /// Secrets that were given now, by parameter.
    pub secrets: BTreeMap<String, Secret>,
    /// Secrets that are in use, given now or kept, by parameter.
    pub used: BTreeSet<String>,
}

impl Parameters {
    /// Checks answers. `kept` are the secret parameters whose secret is known already: left empty, it is unchanged.
    ///
    /// # Errors
    /// Every mistake, each at `answers.<parameter>`.
    pub fn check(&self, answers: &Answers, kept: &BTreeSet<String>) -> Result<Checked, Vec<FieldError>> {
        self.check_within(answers, kept, &|| true)
    }

    /// The same, given up with an error once `in_time` says no: a long pattern at a long answer takes its time.
    ///
    /// # Errors
    /// Those of [`Parameters::check`].
    pub fn check_within(&self, answers: &Answers, kept: &BTreeSet<String>, in_time: &dyn Fn() -> bool) -> Result<Checked, Vec<FieldError>> {
        let size: usize = answers.iter().map(|(name, answer)| name.len() + answer.len()).sum();
        if size > ANSWERS_MAX {
            return Err(vec![FieldError::new("answers", format!("all answers together have {size} bytes; at most {ANSWERS_MAX} are taken"))]);
        }
        let mut errors = self.unknown(answers);
        let mut checked = Checked::default();
        let seen = self.texts(answers);
        for parameter in &self.0 {
            let Some(text) = seen.get(parameter.name.as_str()) else { continue };
            if !in_time() {
                return Err(vec![FieldError::new("answers", "take too long to be checked: the template's patterns are too much work for them")]);
            }
            if let Err(message) = self.take(parameter, text, &seen, kept, &mut checked) {
                errors.push(FieldError::new(format!("answers.{}", parameter.name), message));
            }
        }
        if errors.is_empty() { Ok(checked) } else { Err(errors) }
    }

    fn take(&self, parameter: &Parameter, text: &str, seen: &Texts<'_>, kept: &BTreeSet<String>, checked: &mut Checked) -> Result<(), String> {
        let name = parameter.name.clone();
        if parameter.kind == ParameterKind::Secret {
            if text.is_empty() {
                return match (kept.contains(&name), parameter.required) {
                    (true, _) => {
                        checked.values.insert(name.clone(), Value::Text(name.clone()));
                        checked.used.insert(name);
                        Ok(())
                    }
                    (false, true) => Err(String::from("write the secret; it is sealed and never shown again")),
                    (false, false) => Ok(()),
                };
            }
            read_secret(parameter, text)?;
            checked.values.insert(name.clone(), Value::Text(name.clone()));
            checked.used.insert(name.clone());
            checked.secrets.insert(name, Secret::new(text));
            return Ok(());
        }
        if text.is_empty() {
            if parameter.required {
                return Err(format!("{} must be answered", parameter.label));
            }
            checked.answers.insert(name, String::new());
            return Ok(());
        }
        let (value, text) = read_value(parameter, text, choices_in(parameter, seen))?;
        checked.values.insert(name.clone(), value);
        checked.answers.insert(name, text);
        Ok(())
    }

    /// Whether a parameter is asked with these answers.
    #[must_use]
    pub fn shows(&self, name: &str, answers: &Answers) -> bool {
        self.texts(answers).contains_key(name)
    }

    /// What can be chosen of a parameter with these answers.
    #[must_use]
    pub fn choices<'a>(&'a self, name: &str, answers: &Answers) -> &'a [Choice] {
        self.get(name).map(|parameter| choices_in(parameter, &self.texts(answers))).unwrap_or_default()
    }

    /// The answers that a form begins with: what is remembered, as far as this template asks for it, and defaults for the rest. Never a secret.
    #[must_use]
    pub fn beginning(&self, remembered: &Answers) -> Answers {
        let open = self.0.iter().filter(|parameter| parameter.kind != ParameterKind::Secret);
        open.map(|parameter| {
            let answer = remembered.get(&parameter.name).or(parameter.default.as_ref()).cloned().unwrap_or_default();
            (parameter.name.clone(), answer)
        })
        .collect()
    }

    /// The text of each parameter that is shown: its answer in its one spelling, or its default. Conditions are about these.
    fn texts<'a>(&'a self, answers: &'a Answers) -> Texts<'a> {
        let mut seen = Texts::new();
        for parameter in &self.0 {
            let shown = parameter
                .shown_if
                .as_ref()
                .is_none_or(|condition| seen.get(condition.parameter.as_str()).is_some_and(|text| condition.is.iter().any(|one| one == text)));
            if !shown {
                continue;
            }
            let text = match answers.get(&parameter.name) {
                Some(answer) if matches!(parameter.kind, ParameterKind::Text | ParameterKind::Secret) => Cow::Borrowed(answer.as_str()),
                Some(answer) => in_one_spelling(parameter.kind, answer.trim()),
                None => in_one_spelling(parameter.kind, usable_default(parameter, &seen)),
            };
            seen.insert(&parameter.name, text);
        }
        seen
    }

    fn unknown(&self, answers: &Answers) -> Vec<FieldError> {
        let known: Vec<&str> = self.0.iter().map(|parameter| parameter.name.as_str()).collect();
        let unknown = answers.keys().filter(|name| !known.contains(&name.as_str())).take(20);
        unknown
            .map(|name| {
                let shown: String = name.chars().take(60).collect();
                let hint = match crate::descriptor::reader::nearest(&shown, &known) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("it asks for {}", known.join(", ")),
                };
                FieldError::new(format!("answers.{shown}"), format!("this template does not ask for {shown:?}; {hint}"))
            })
            .collect()
    }
}

type Texts<'a> = BTreeMap<&'a str, Cow<'a, str>>;

/// What is understood as it is written back; what is not, as it is.
fn in_one_spelling(kind: ParameterKind, text: &str) -> Cow<'_, str> {
    match read_kind(kind, text) {
        Ok((_, spelled)) if !text.is_empty() && spelled != text => Cow::Owned(spelled),
        _ => Cow::Borrowed(text),
    }
}

/// A default holds where it can be chosen; a choice that depends on another may not offer it.
fn usable_default<'a>(parameter: &'a Parameter, seen: &Texts<'a>) -> &'a str {
    let default = parameter.default.as_deref().unwrap_or_default();
    match &parameter.choices {
        Some(Choices::By { .. }) => choices_in(parameter, seen).iter().find(|choice| choice.value == default).map_or("", |choice| &choice.value),
        _ => default,
    }
}

fn choices_in<'a>(parameter: &'a Parameter, seen: &Texts<'_>) -> &'a [Choice] {
    match &parameter.choices {
        None => &[],
        Some(Choices::Fixed(list)) => list,
        Some(Choices::By { parameter, when }) => {
            let answer = seen.get(parameter.as_str()).map_or("", |answer| answer.as_ref());
            when.iter().find(|(known, _)| known == answer).map_or(&[], |(_, list)| list.as_slice())
        }
    }
}

/// An answer that is not empty, as a value and in its one spelling.
pub(super) fn read_value(parameter: &Parameter, text: &str, choices: &[Choice]) -> Result<(Value, String), String> {
    if text.len() > ANSWER_MAX {
        return Err(format!("{} bytes; at most {ANSWER_MAX} are taken", text.len()));
    }
    if text.chars().any(forbidden) {
        return Err(String::from("holds a control character, which no document can show"));
    }
    if parameter.kind == ParameterKind::Choice && !choices.iter().any(|choice| choice.value == text) {
        if choices.is_empty() {
            return Err(String::from("there is nothing to choose yet: answer what it depends on"));
        }
        let known = choices.iter().take(20).map(|choice| choice.value.as_str()).collect::<Vec<_>>().join(", ");
        return Err(format!("{:?} is none of {known}", short(text)));
    }
    let value = read_kind(parameter.kind, text)?;
    check_range(parameter, &value.1)?;
    check_pattern(parameter, &value.1)?;
    Ok(value)
}

/// A text as what a parameter of this kind takes, whatever its choices, range and pattern.
fn read_kind(kind: ParameterKind, text: &str) -> Result<(Value, String), String> {
    let of_text = |text: String| (Value::Text(text.clone()), text);
    Ok(match kind {
        ParameterKind::Integer => {
            let number = whole(text)?;
            (Value::Whole(number), number.to_string())
        }
        ParameterKind::Decimal => {
            let number = decimal(text)?;
            (Value::Decimal(number), number.to_string())
        }
        ParameterKind::Boolean => match text {
            "true" | "yes" => (Value::Truth(true), String::from("true")),
            "false" | "no" => (Value::Truth(false), String::from("false")),
            _ => return Err(format!("{:?} is neither true nor false", short(text))),
        },
        ParameterKind::Duration => of_text(text.parse::<Span>().map_err(|error| error.to_string())?.to_string()),
        ParameterKind::Size => of_text(text.parse::<Memory>().map_err(|error| error.to_string())?.to_string()),
        ParameterKind::Image => of_text(text.parse::<ImageReference>().map_err(|error| error.to_string())?.to_string()),
        ParameterKind::String if text.contains(['\n', '\r']) => return Err(String::from("is one line")),
        ParameterKind::String | ParameterKind::Secret | ParameterKind::Choice => of_text(text.to_owned()),
        ParameterKind::Text => of_text(text.replace("\r\n", "\n")),
    })
}

/// Like [`read_value`], with messages that do not repeat what was typed.
fn read_secret(parameter: &Parameter, text: &str) -> Result<(), String> {
    if text.len() > ANSWER_MAX {
        return Err(format!("more than {ANSWER_MAX} bytes"));
    }
    if text.contains('\0') {
        return Err(String::from("holds a NUL character, which no program can be given"));
    }
    check_range(parameter, text)?;
    match parameter.pattern.as_deref().map(compiled) {
        Some(Ok(pattern)) if !pattern.is_match(text) => Err(String::from("does not have the form that is asked for")),
        _ => Ok(()),
    }
}

/// Characters that no answer holds: what documents cannot show, what lets them show another order than they have, and the two that rendering marks its
/// places with.
fn forbidden(c: char) -> bool {
    let unseen = matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    unseen || (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || matches!(c, '\u{e000}' | '\u{e001}')
}

fn check_range(parameter: &Parameter, text: &str) -> Result<(), String> {
    let of_text = matches!(parameter.kind, ParameterKind::String | ParameterKind::Text | ParameterKind::Secret);
    #[expect(clippy::cast_precision_loss, reason = "a text has at most some thousand characters")]
    let amount = if of_text { text.chars().count() as f64 } else { measure(parameter.kind, text).unwrap_or_default() };
    let unit = if of_text { " characters" } else { "" };
    let bound = |text: &Option<String>| text.as_deref().and_then(|text| Some((measure(parameter.kind, text).ok()?, text.to_owned())));
    match (bound(&parameter.min), bound(&parameter.max)) {
        (Some((min, shown)), _) if amount < min => Err(format!("at least {shown}{unit}")),
        (_, Some((max, shown))) if amount > max => Err(format!("at most {shown}{unit}")),
        _ => Ok(()),
    }
}

fn check_pattern(parameter: &Parameter, text: &str) -> Result<(), String> {
    match parameter.pattern.as_deref().map(compiled) {
        Some(Ok(pattern)) if !pattern.is_match(text) => {
            let shown = parameter.pattern.as_deref().unwrap_or_default();
            Err(format!("{:?} does not match {shown}", short(text)))
        }
        _ => Ok(()),
    }
}

/// Most memory of a compiled pattern. A match takes time in proportion to it and to the answer's length, and never more, whatever the pattern.
const PATTERN_SIZE: usize = 32 * 1024;

/// A pattern that matches whole answers.
pub(super) fn compiled(pattern: &str) -> Result<regex_lite::Regex, String> {
    let build = |text: &str| regex_lite::RegexBuilder::new(text).size_limit(PATTERN_SIZE).build();
    // By itself first: `a)|(b` would only be one within the group.
    build(pattern)
        .and_then(|_| build(&format!("^(?:{pattern})$")))
        .map_err(|error| format!("is no regular expression that is understood here: {error}"))
}

/// How much a text is, for ranges: a number, milliseconds, bytes; a number of characters for texts.
pub(super) fn measure(kind: ParameterKind, text: &str) -> Result<f64, String> {
    #[expect(clippy::cast_precision_loss, reason = "whole numbers are below 2^53; of larger amounts the order is enough")]
    match kind {
        ParameterKind::Duration => text.parse::<Span>().map(|span| span.millis() as f64).map_err(|error| error.to_string()),
        ParameterKind::Size => text.parse::<Memory>().map(|size| size.bytes() as f64).map_err(|error| error.to_string()),
        ParameterKind::Decimal => decimal(text),
        _ => whole(text).map(|number| number as f64),
    }
}

fn whole(text: &str) -> Result<i64, String> {
    let number = text.parse::<i64>().ok().filter(|number| number.unsigned_abs() <= WHOLE_MAX.unsigned_abs());
    number.ok_or_else(|| format!("{:?} is not a whole number", short(text)))
}

fn decimal(text: &str) -> Result<f64, String> {
    let wrong = || format!("{:?} is not a number like 0.5 (at most 15 digits)", short(text));
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() > 15 {
        return Err(wrong());
    }
    // Zero has one spelling.
    text.parse::<f64>().map(|number| number + 0.0).map_err(|_| wrong())
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Answers out of a JSON object: texts as they are, numbers and truth values as they are written, null as no answer.
///
/// # Errors
/// What is none of these, at its path below `path`.
pub fn from_json(value: &serde_json::Value, path: &str) -> Result<Answers, Vec<FieldError>> {
    let serde_json::Value::Object(entries) = value else {
        return Err(vec![FieldError::new(path, "expected an object: each parameter with its answer")]);
    };
    let (mut answers, mut errors) = (Answers::new(), Vec::new());
    for (name, value) in entries {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(on) => on.to_string(),
            serde_json::Value::Null => String::new(),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                errors.push(FieldError::new(format!("{path}.{name}"), "expected a text, a number, true or false"));
                continue;
            }
        };
        answers.insert(name.clone(), text);
    }
    if errors.is_empty() { Ok(answers) } else { Err(errors) }
}

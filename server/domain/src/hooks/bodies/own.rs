//! Our own body. What is unknown in it is a mistake that names the nearest known field: nobody should believe that something was heard that was not.

use model::digest::Digest;
use model::image::ImageReference;
use model::names::TagName;
use model::problem::FieldError;
use model::template::Answers;
use serde_json::{Map, Value};

use super::super::bounds::Mistakes;
use super::{Of, Offer, Said, Source, line};

/// Every field.
const FIELDS: [&str; 10] = ["image", "tag", "digest", "commit", "commit_url", "ref", "build_url", "actor", "message", "parameters"];

/// Longest text of a field, in characters.
const TEXT_MAX: usize = 1000;

pub(super) fn read(value: &Value) -> Result<Said, Vec<FieldError>> {
    let empty = Map::new();
    let mut body = Body { of: value.as_object().unwrap_or(&empty), wrong: Mistakes::default() };
    body.refuse_unknown();
    let image = body.parsed::<ImageReference>("image");
    let tag = body.parsed::<TagName>("tag");
    let digest = body.parsed::<Digest>("digest");
    if image.is_some() && (tag.is_some() || digest.is_some()) {
        body.note("image", "it says tag and digest itself; leave those fields out");
    }
    let source = Source {
        commit: body.text("commit"),
        reference: body.text("ref"),
        build: body.text("build_url"),
        author: body.text("actor"),
        message: body.text("message").map(|text| line(&text)),
        link: body.text("commit_url"),
    };
    let answers = body.answers();
    let nothing = image.is_none() && tag.is_none() && digest.is_none() && source.commit.is_none() && answers.is_empty();
    if nothing && body.wrong.is_empty() {
        body.note("tag", "say what to deploy: image, tag or digest; or commit, or parameters");
    }
    if !body.wrong.is_empty() {
        return Err(body.wrong.into_told());
    }
    let offer = match image {
        Some(image) => {
            Offer { tag: image.tag().cloned(), digest: image.digest().copied(), of: Of::Image(image), source, answers, ..Offer::default() }
        }
        None => Offer { tag, digest, source, answers, ..Offer::default() },
    };
    Ok(Said::Images { images: vec![offer], meant: true })
}

struct Body<'a> {
    of: &'a Map<String, Value>,
    wrong: Mistakes,
}

impl Body<'_> {
    fn note(&mut self, field: &str, message: impl Into<String>) {
        self.wrong.push(field, message);
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<String> = self.of.keys().filter(|key| !FIELDS.contains(&key.as_str())).cloned().collect();
        for key in unknown.into_iter().take(20) {
            let shown: String = key.chars().take(60).collect();
            let near = FIELDS.into_iter().max_by(|a, b| strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key)));
            let near = near.filter(|near| strsim::jaro_winkler(near, &key) > 0.8).map(|near| format!("; did you mean {near}?"));
            let known = near.unwrap_or_else(|| format!("; the fields are {}", FIELDS.join(", ")));
            self.note(&shown, format!("there is no such field{known}"));
        }
    }

    fn text(&mut self, field: &str) -> Option<String> {
        match self.of.get(field)? {
            Value::Null => None,
            Value::String(text) if text.chars().count() > TEXT_MAX => {
                self.note(field, format!("at most {TEXT_MAX} characters"));
                None
            }
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => {
                self.note(field, "it must be a text");
                None
            }
        }
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, field: &str) -> Option<T> {
        let text = self.text(field)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(field, error.to_string());
                None
            }
        }
    }

    /// Answers are texts; numbers and truth values are taken as they are written.
    fn answers(&mut self) -> Answers {
        let mut answers = Answers::new();
        match self.of.get("parameters") {
            None | Some(Value::Null) => {}
            Some(Value::Object(given)) => {
                for (name, value) in given {
                    let text = match value {
                        Value::String(text) => text.clone(),
                        Value::Number(number) => number.to_string(),
                        Value::Bool(truth) => truth.to_string(),
                        _ => {
                            self.wrong.push(&format!("parameters.{name}"), "it must be a text, a number, true or false");
                            continue;
                        }
                    };
                    answers.insert(name.clone(), text);
                }
            }
            Some(_) => self.note("parameters", "it must be an object of names and answers"),
        }
        answers
    }
}

//! Reads typed values out of a [`Node`] and keeps every mistake with its path, instead of stopping at the first. It knows
//! the words of error messages, not the descriptor.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::document::{Kind, Node, place_text};
use super::refused;
use crate::problem::FieldError;

/// Most mistakes that are told at once.
const ERRORS_MAX: usize = 50;

/// The mistakes so far.
#[derive(Default)]
pub(crate) struct Reader {
    pub errors: Vec<FieldError>,
}

/// A map whose keys were checked against those that are known there.
pub(crate) struct Section<'a> {
    entries: &'a [(String, Node)],
    path: String,
}

impl<'a> Section<'a> {
    /// The value of a key with its path; none when it was left out or is null.
    pub fn get(&self, key: &str) -> Option<(&'a Node, String)> {
        let (_, node) = self.entries.iter().find(|(name, node)| name == key && !matches!(node.kind, Kind::Null))?;
        Some((node, self.path_of(key)))
    }

    /// The path of a key in this section.
    pub fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

/// `a.b`, or `b` at the top.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Reader {
    /// Notes a mistake of the field at `path`.
    pub fn fail(&mut self, path: impl Into<String>, node: Option<&Node>, message: impl AsRef<str>) {
        if self.errors.len() < ERRORS_MAX {
            let place = place_text(node.and_then(|node| node.place));
            let place_known = node.and_then(|node| node.place);
            self.errors.push(FieldError::new(path, format!("{}{place}", message.as_ref())).at(place_known));
        }
    }

    /// A map with these keys at most. Others are mistakes that name the nearest known one.
    pub fn section<'a>(&mut self, node: &'a Node, path: &str, known: &[&str]) -> Option<Section<'a>> {
        let Kind::Map(entries) = &node.kind else {
            self.fail(path, Some(node), format!("expected a map with {}, found {}", known.join(", "), node.sort()));
            return None;
        };
        for (key, value) in entries {
            // What would not be told is not searched for either.
            if self.errors.len() >= ERRORS_MAX {
                break;
            }
            if !known.contains(&key.as_str()) {
                let key_shown: String = key.chars().take(60).collect();
                // Inside of a section a slip of the hand is likelier: `resources: {pid: 100}`.
                let at_top = known.contains(&"image");
                let near = match (refused::rule(&key_shown), nearest(&key_shown, known)) {
                    (Some(rule), near) if at_top || near.is_none() => rule.to_owned(),
                    (_, Some(near)) => format!("did you mean {near:?}?"),
                    (_, None) => format!("known here: {}", known.join(", ")),
                };
                self.fail(join(path, &key_shown), Some(value), format!("unknown key {key_shown:?}; {near}"));
            }
        }
        Some(Section { entries, path: path.to_owned() })
    }

    /// The entries of a map whose keys are the writer's own (variables).
    pub fn entries<'a>(&mut self, node: &'a Node, path: &str, most: usize) -> &'a [(String, Node)] {
        match &node.kind {
            Kind::Map(entries) if entries.len() <= most => entries,
            Kind::Map(entries) => {
                self.fail(path, Some(node), format!("{} entries; at most {most} are taken", entries.len()));
                &[]
            }
            _ => {
                self.fail(path, Some(node), format!("expected a map, found {}", node.sort()));
                &[]
            }
        }
    }

    /// The items of a list, each read by `read`; items that fail are left out (their mistakes are noted).
    pub fn list<T>(&mut self, node: &Node, path: &str, most: usize, mut read: impl FnMut(&mut Self, &Node, &str) -> Option<T>) -> Vec<T> {
        match &node.kind {
            Kind::List(items) if items.len() <= most => {
                items.iter().enumerate().filter_map(|(at, item)| read(self, item, &format!("{path}[{at}]"))).collect()
            }
            Kind::List(items) => {
                self.fail(path, Some(node), format!("{} items; at most {most} are taken", items.len()));
                Vec::new()
            }
            _ => {
                self.fail(path, Some(node), format!("expected a list, found {}", node.sort()));
                Vec::new()
            }
        }
    }

    /// A text. Numbers and truth values are taken as they were written; where that is not known, quotes are asked for.
    pub fn text(&mut self, node: &Node, path: &str, most: usize) -> Option<String> {
        let text = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Bool(on) => on.to_string(),
            Kind::Number { text: Some(text), .. } => text.clone(),
            Kind::Number { .. } => {
                self.fail(path, Some(node), "put quotes around it, so that it stays as it is written");
                return None;
            }
            _ => {
                self.fail(path, Some(node), format!("expected a text, found {}", node.sort()));
                return None;
            }
        };
        if text.len() > most {
            self.fail(path, Some(node), format!("{} bytes; at most {most} are taken", text.len()));
            return None;
        }
        if text.contains('\0') {
            self.fail(path, Some(node), "holds a NUL character, which no program can be given");
            return None;
        }
        Some(text)
    }

    /// A text that parses as `T`.
    pub fn parsed<T>(&mut self, node: &Node, path: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.text(node, path, 4096)?;
        text.parse().map_err(|error: T::Err| self.fail(path, Some(node), error.to_string())).ok()
    }

    /// A whole number in a range; `what` completes "70000 is not ...".
    pub fn whole(&mut self, node: &Node, path: &str, range: RangeInclusive<u32>, what: &str) -> Option<u32> {
        let (least, most) = (*range.start(), *range.end());
        let wrong = |shown: &str| format!("{shown} is not {what}, {least} to {most}");
        let Kind::Number { value, text } = &node.kind else {
            let shown = match &node.kind {
                Kind::Text(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
                _ => node.sort().to_owned(),
            };
            self.fail(path, Some(node), wrong(&shown));
            return None;
        };
        let fits = value.fract() == 0.0 && *value >= f64::from(least) && *value <= f64::from(most);
        if !fits {
            let shown = text.clone().unwrap_or_else(|| value.to_string());
            self.fail(path, Some(node), wrong(&shown));
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in a range of u32")]
        Some(*value as u32)
    }

    /// `true` or `false`.
    pub fn truth(&mut self, node: &Node, path: &str) -> Option<bool> {
        if let Kind::Bool(on) = node.kind {
            return Some(on);
        }
        self.fail(path, Some(node), format!("expected true or false, found {}", node.sort()));
        None
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, node: &Node, path: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, path, 64)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.fail(path, Some(node), format!("{text:?} is none of {}", known.join(", ")));
        None
    }
}

/// The known word that is nearest to what was written, if one is near.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = written.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&folded, word), *word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 3 || (folded.len() > 2 && word.starts_with(&folded)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The path of a mistake below `path`, where the mistake may be of the whole (an empty path).
pub(crate) fn join_mistake(path: &str, field: &str) -> String {
    if field.is_empty() { path.to_owned() } else { join(path, field) }
}

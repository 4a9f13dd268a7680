//! The tree that a descriptor is read from: YAML or JSON without types, each node with its place in the text, so that all
//! mistakes can be told at once and with line and column. Holds no meaning; bounded before and while it is parsed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::problem::FieldError;

/// Longest descriptor text, in bytes.
pub const TEXT_MAX: usize = 256 * 1024;
/// Deepest nesting of a descriptor.
const DEPTH_MAX: usize = 16;
/// Most values in one descriptor.
const NODES_MAX: usize = 20_000;

/// One value of the document.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    /// Line and column, from 1; none in JSON that arrived inside another document.
    pub place: Option<(u64, u64)>,
}

/// What sort of value.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// A number, and how it was written where that is known (`1.10` and `0755` must not change when a text was meant).
    Number {
        value: f64,
        text: Option<String>,
    },
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Reads YAML; JSON is a part of it.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        if text.len() > TEXT_MAX {
            return Err(FieldError::new("", format!("the text has {} bytes; at most {TEXT_MAX} are read", text.len())));
        }
        let mut node = serde_saphyr::from_str_with_options::<Located>(text, options())
            .map_err(|error| {
                let place = error.location().map(|at| (at.line(), at.column()));
                FieldError::new("", format!("not YAML: {}{}", first_line(&error.without_snippet().to_string()), place_text(place))).at(place)
            })?
            .into_node(text);
        if matches!(node.kind, Kind::Null) {
            node.kind = Kind::Map(Vec::new());
        }
        Ok(node)
    }

    /// The same tree from JSON that was parsed already.
    pub fn from_value(value: &Value) -> Result<Self, FieldError> {
        let mut left = NODES_MAX;
        convert(value, DEPTH_MAX, &mut left)
            .ok_or_else(|| FieldError::new("", format!("more than {NODES_MAX} values, or nested deeper than {DEPTH_MAX}")))
    }

    /// Where the field at a path stands (`ports[0].host`), or the nearest thing around it that is there.
    pub fn find(&self, path: &str) -> Option<(u64, u64)> {
        let mut place = self.place;
        let (mut node, mut rest) = (self, path);
        while !rest.is_empty() {
            let inner = match (&node.kind, rest.strip_prefix('[')) {
                (Kind::List(items), Some(tail)) => tail.split_once(']').and_then(|(at, tail)| Some((items.get(at.parse::<usize>().ok()?)?, tail))),
                // A key may hold dots itself: the longest one that fits is meant.
                (Kind::Map(entries), None) => entries
                    .iter()
                    .filter_map(|(key, node)| Some((key.len(), node, rest.strip_prefix(key.as_str())?)))
                    .filter(|(_, _, tail)| tail.is_empty() || tail.starts_with(['.', '[']))
                    .max_by_key(|(length, _, _)| *length)
                    .map(|(_, node, tail)| (node, tail)),
                _ => None,
            };
            let Some((inner, tail)) = inner else { break };
            node = inner;
            place = node.place.or(place);
            rest = tail.strip_prefix('.').unwrap_or(tail);
        }
        place
    }

    /// What it is, in the words of an error message.
    pub fn sort(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number { .. } => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// ` (line 3, column 7)`, or nothing where the place is not known.
pub(crate) fn place_text(place: Option<(u64, u64)>) -> String {
    place.filter(|(line, _)| *line > 0).map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default()
}

/// The first line of a message, without the place that some messages end with (ours follows).
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let cut = line.rfind(" at line ").filter(|at| line[*at..].len() < 40).unwrap_or(line.len());
    line[..cut].trim_start_matches("error: ").chars().take(300).collect()
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(TEXT_MAX),
            max_events: 3 * NODES_MAX,
            max_nodes: NODES_MAX,
            max_aliases: 200,
            max_anchors: 200,
            max_recorded_anchor_events: NODES_MAX,
            max_recorded_anchor_bytes: TEXT_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_documents: 1,
            max_total_scalar_bytes: 2 * TEXT_MAX,
            max_merge_keys: 200,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 200,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn convert(value: &Value, depth: usize, left: &mut usize) -> Option<Node> {
    *left = left.checked_sub(1)?;
    let depth = depth.checked_sub(1)?;
    let kind = match value {
        Value::Null => Kind::Null,
        Value::Bool(on) => Kind::Bool(*on),
        // Whole numbers have one spelling; of others JSON does not keep how they were written.
        Value::Number(number) => Kind::Number { value: number.as_f64()?, text: (number.is_i64() || number.is_u64()).then(|| number.to_string()) },
        Value::String(text) => Kind::Text(text.clone()),
        Value::Array(items) => Kind::List(items.iter().map(|item| convert(item, depth, left)).collect::<Option<_>>()?),
        Value::Object(entries) => {
            Kind::Map(entries.iter().map(|(key, item)| Some((key.clone(), convert(item, depth, left)?))).collect::<Option<_>>()?)
        }
    };
    Some(Node { kind, place: None })
}

/// A YAML node as the parser hands it over: its value, and where it stands.
struct Located(Spanned<Raw>);

enum Raw {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Located>),
    Map(Vec<(String, Located)>),
}

impl Located {
    /// The node, with numbers' own spelling looked up in the source.
    fn into_node(self, source: &str) -> Node {
        let Spanned { value, referenced, defined } = self.0;
        let kind = match value {
            Raw::Null => Kind::Null,
            Raw::Bool(on) => Kind::Bool(on),
            Raw::Number(value) => Kind::Number { value, text: spelling(source, defined) },
            Raw::Text(text) => Kind::Text(text),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| item.into_node(source)).collect()),
            Raw::Map(entries) => Kind::Map(entries.into_iter().map(|(key, item)| (key, item.into_node(source))).collect()),
        };
        Node { kind, place: Some((referenced.line(), referenced.column())) }
    }
}

/// The text of a plain scalar as it stands in the source.
fn spelling(source: &str, at: serde_saphyr::Location) -> Option<String> {
    let span = at.span();
    let from = usize::try_from(span.byte_offset()?).ok()?;
    let to = from.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
    let text = source.get(from..to)?.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::<Raw>::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNode;
        impl<'de> Visitor<'de> for AnyNode {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Raw, D::Error> {
                Raw::deserialize(inner)
            }
            fn visit_bool<E>(self, on: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(on))
            }
            #[expect(clippy::cast_precision_loss, reason = "whole numbers that large are refused wherever they are used")]
            fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
                Ok(Raw::Number(number as f64))
            }
            #[expect(clippy::cast_precision_loss, reason = "whole numbers that large are refused wherever they are used")]
            fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
                Ok(Raw::Number(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
                Ok(Raw::Number(number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Raw, E> {
                Ok(Raw::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Raw::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
                let mut map: Vec<(String, Located)> = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some(key) = entries.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("the key {key:?} stands twice")));
                    }
                    map.push((key, entries.next_value()?));
                }
                Ok(Raw::Map(map))
            }
        }
        deserializer.deserialize_any(AnyNode)
    }
}

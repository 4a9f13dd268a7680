//! What a caller is told when something cannot be done: one shape for REST (as RFC 9457 `application/problem+json`), for
//! server functions and for the browser's own checks. Never carries a secret or an internal cause.

use serde::{Deserialize, Serialize};

/// One field that is wrong: which, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Path of the field as its writer knows it: `name`, `ports[0].container`.
    pub field: String,
    /// What is wrong and what would be right, for people.
    pub message: String,
    /// Line of the text that holds it, from 1, where it was read from a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in that line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

impl FieldError {
    /// An error of the field at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), line: None, column: None }
    }

    /// The same with its place in a text: line and column, from 1.
    #[must_use]
    pub fn at(self, place: Option<(u64, u64)>) -> Self {
        match place.filter(|(line, _)| *line > 0) {
            Some((line, column)) => Self { line: Some(line), column: Some(column), ..self },
            None => self,
        }
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What sort of refusal it is. Doors translate it into their protocol's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// No credential, or one that does not hold.
    Unauthenticated,
    /// Known, and not allowed.
    Forbidden,
    /// Not there, or not for this caller to know of.
    NotFound,
    /// The request is understood and wrong.
    Invalid,
    /// It clashes with what is stored.
    Conflict,
    /// Larger than what is accepted.
    TooLarge,
    /// Too often; `retry_after` tells when to come again.
    TooMany,
    /// Something that it needs (the engine, the disk, the database) is away.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl ProblemKind {
    /// The HTTP status that says the same.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Invalid => 422,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::TooMany => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }

    /// A short title, the same for every problem of the kind.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Unauthenticated => "Sign in first",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::Invalid => "Not valid",
            Self::Conflict => "Conflict",
            Self::TooLarge => "Too large",
            Self::TooMany => "Too many requests",
            Self::Unavailable => "Not available now",
            Self::Internal => "Internal error",
        }
    }
}

/// A refusal, as it leaves the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The sort of refusal.
    pub kind: ProblemKind,
    /// A stable word for programs: `name_taken`.
    pub code: String,
    /// What happened, what was kept, what to do; for people.
    pub detail: String,
    /// The fields that are wrong, where it is about fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
    /// Seconds after which it may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with a code of its own and no fields.
    pub fn new(kind: ProblemKind, code: &str, detail: impl Into<String>) -> Self {
        Self { kind, code: code.into(), detail: detail.into(), fields: Vec::new(), retry_after: None }
    }

    /// The message for one field, if that field is wrong.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|error| error.field == name).map(|error| error.message.as_str())
    }
}

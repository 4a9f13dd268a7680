//! Why a command ended, in words for the person at the terminal. Never holds a token or a password.

use model::problem::FieldError;
use serde::Deserialize;

/// The result of a step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a portal answers in place of what was asked for: `application/problem+json` (RFC 9457), as far as it is told here.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do, for people.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was typed is wrong, and the portal said which part of it.
    #[error("{0}")]
    Typed(String),
    /// What was typed, or what is kept on this machine, does not fit what is there.
    #[error("{0}")]
    Wrong(String),
    /// The portal said no.
    #[error("{}", told(.0))]
    Refused(Box<Problem>),
    /// The portal cannot be reached, or what answers there is none.
    #[error("{0}")]
    Unreachable(String),
    /// A file or the terminal of this machine failed.
    #[error("{what}: {error}")]
    Local {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Whoever read our output is gone (`| head`): nothing is wrong.
    #[error("the output is closed")]
    Quiet,
}

impl Error {
    /// The exit code: 2 where what was typed is wrong, as for arguments that cannot be read at all, else 1.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Typed(_) => 2,
            Self::Refused(problem) if problem.status == 422 => 2,
            _ => 1,
        }
    }

    /// Something does not fit.
    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self::Wrong(text.into())
    }

    /// Makes one of a failure of this machine.
    pub(crate) fn local(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| if error.kind() == std::io::ErrorKind::BrokenPipe { Self::Quiet } else { Self::Local { what, error } }
    }
}

fn told(problem: &Problem) -> String {
    if problem.status == 401 {
        return String::from("the portal does not take this token (any more): sign in again with slipway login");
    }
    // The detail is the same fields in one sentence.
    let fields: Vec<String> = problem.errors.iter().map(ToString::to_string).collect();
    if fields.is_empty() { problem.detail.clone() } else { fields.join("; ") }
}

//! Why work on a task did not succeed, by what follows from it: wait for the engine, tell the user, or try again.

use domain::Error;
use model::views::deployments::Reason;

use crate::docker::{EngineError, Kind};

/// Why work did not succeed.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// The engine is away: nothing is wrong with the work, it waits. The text is for everybody.
    Away(String),
    /// It cannot be, and this is why.
    Reason(Reason),
    /// The record could not be read or written: try again.
    Store(String),
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        match error.kind {
            Kind::Unreachable | Kind::TimedOut | Kind::Unsupported | Kind::Identity => Self::Away(error.public()),
            kind => Self::Reason(Reason::new(kind.code(), error.message)),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict { code, message } => Self::Reason(Reason::new(code, message)),
            other => Self::Store(other.to_string()),
        }
    }
}

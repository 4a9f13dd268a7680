//! Why something was not done, in the domain's own kinds: doors turn them into their protocol's answers. An internal cause is
//! kept for the log and never shown.

use model::problem::{FieldError, Problem, ProblemKind};

/// The domain's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential, or one that does not hold.
    #[error("sign in first")]
    Unauthenticated,
    /// Known, and not allowed; the text says what and who could.
    #[error("{0}")]
    Forbidden(String),
    /// Not there, or not for this caller to know of.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for: `project`.
        what: &'static str,
    },
    /// Fields that are wrong, each with what would be right.
    #[error("{}", list(.0))]
    Invalid(Vec<FieldError>),
    /// It clashes with what is stored.
    #[error("{message}")]
    Conflict {
        /// A stable word for programs.
        code: &'static str,
        /// What clashes and what to do.
        message: String,
    },
    /// More than is accepted.
    #[error("{0}")]
    TooLarge(String),
    /// Too often.
    #[error("too many attempts; try again in {retry_after} s")]
    TooMany {
        /// Seconds.
        retry_after: u64,
    },
    /// More at the same time than one account gets; the text says of what, and what to do.
    #[error("{0}")]
    TooManyOpen(String),
    /// Something that is needed is away; the text says what.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours; the text is for the log alone.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// A fault of ours, for the log.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into())
    }

    /// One wrong field.
    pub fn invalid(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![FieldError::new(field, message.to_string())])
    }

    /// A clash.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    /// The answer as it leaves the process. An internal cause is left behind.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let text = self.to_string();
        match self {
            Self::Unauthenticated => Problem::new(ProblemKind::Unauthenticated, "unauthenticated", "sign in first, or send a token that holds"),
            Self::Forbidden(_) => Problem::new(ProblemKind::Forbidden, "forbidden", text),
            Self::NotFound { .. } => Problem::new(ProblemKind::NotFound, "not_found", text),
            Self::Invalid(fields) => Problem { fields: fields.clone(), ..Problem::new(ProblemKind::Invalid, "invalid", text) },
            Self::Conflict { code, .. } => Problem::new(ProblemKind::Conflict, code, text),
            Self::TooLarge(_) => Problem::new(ProblemKind::TooLarge, "too_large", text),
            Self::TooMany { retry_after } => Problem { retry_after: Some(*retry_after), ..Problem::new(ProblemKind::TooMany, "too_many", text) },
            Self::TooManyOpen(_) => Problem::new(ProblemKind::TooMany, "too_many_open", text),
            Self::Unavailable(_) => Problem::new(ProblemKind::Unavailable, "unavailable", text),
            Self::Internal(_) => {
                Problem::new(ProblemKind::Internal, "internal", "something went wrong on our side; nothing was changed; the log has the details")
            }
        }
    }
}

fn list(fields: &[FieldError]) -> String {
    fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => {
                Self::conflict("exists", "something of the same name or number exists already; look again and choose another")
            }
            // SQLITE_FULL, the same of its index of the log (SQLITE_IOERR_SHMSIZE), and PostgreSQL's disk_full.
            sqlx::Error::Database(cause) if matches!(cause.code().as_deref(), Some("13" | "4874" | "53100")) => {
                Self::Unavailable("the disk is full: nothing was changed; an operator must make room".into())
            }
            // PostgreSQL's deadlock_detected and lock_not_available: others held what this needed, and nothing was changed.
            sqlx::Error::Database(cause) if matches!(cause.code().as_deref(), Some("40P01" | "55P03")) => {
                Self::Unavailable("the database is busy with others' changes to the same; try again".into())
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Unavailable("the database is busy or stopping; try again".into()),
            sqlx::Error::Io(_) => Self::Unavailable("the database cannot be reached; try again".into()),
            _ => Self::Internal(format!("database: {error}")),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Internal(format!("migration: {error}"))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Unavailable("the disk is full: nothing was changed; an operator must make room".into())
            }
            _ => Self::Internal(format!("i/o: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;
    use crate::db::Tx;
    use crate::testing::Store;

    #[tokio::test]
    async fn of_two_that_wait_for_each_other_one_is_told_to_try_again() {
        let store = Store::open().await;
        if !matches!(store.platform.read().await.expect("a transaction"), Tx::Pg(_)) {
            // SQLite's writer is alone.
            return;
        }
        let mut one = store.platform.bookkeeping().await.expect("a transaction");
        let mut two = store.platform.bookkeeping().await.expect("a transaction");
        one.lock_key("first").await.expect("it is free");
        two.lock_key("second").await.expect("it is free");
        let (own, theirs) = tokio::join!(one.lock_key("second"), two.lock_key("first"));
        let refused: Vec<Error> = [own, theirs].into_iter().filter_map(Result::err).collect();
        assert!(matches!(refused.as_slice(), [Error::Unavailable(_)]), "{refused:?}");
    }
}

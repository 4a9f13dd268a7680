//! Why a shell ended: a word for its row, and what its client is told.

use model::shell::ToClient;

use crate::error::Error;

/// How a shell ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    why: &'static str,
    told: ToClient,
}

impl Ending {
    fn error(why: &'static str, code: &str, message: impl Into<String>) -> Self {
        Self { why, told: ToClient::Error { code: code.to_owned(), message: message.into() } }
    }

    /// Its process did; -1: nobody knows how.
    pub(super) fn exited(code: i64) -> Self {
        Self { why: "exited", told: ToClient::Exit { code } }
    }

    /// Its client went for good, or did not come back in time.
    pub(super) fn left() -> Self {
        Self::error("left", "ended", gone(Some("left")))
    }

    /// Its permission is gone.
    pub(super) fn refused(error: &Error) -> Self {
        let problem = error.problem();
        let why = if matches!(error, Error::Unauthenticated) { "signed_out" } else { "access_lost" };
        Self::error(why, &problem.code, problem.detail)
    }

    /// Its task's container stopped.
    pub(super) fn task_ended() -> Self {
        Self::error("task_ended", "task_ended", gone(Some("task_ended")))
    }

    /// Somebody ended it.
    pub(super) fn ended_by(name: &str) -> Self {
        Self::error("ended", "ended", format!("{name} ended this shell"))
    }

    /// The portal stops.
    pub(super) fn stopping() -> Self {
        Self::error("portal_stopped", "stopping", "the portal is stopping, and this shell was ended with it; open a new one when it is back")
    }

    /// It cannot be recorded any more.
    pub(super) fn not_recorded(error: &Error) -> Self {
        Self::error("failed", "not_recorded", format!("this shell was ended because it cannot be recorded any more: {}", error.problem().detail))
    }

    /// The engine does not answer for it any more.
    pub(super) fn lost_engine(error: &Error) -> Self {
        let problem = error.problem();
        Self::error("failed", &problem.code, format!("the connection to the shell's engine broke: {}", problem.detail))
    }

    /// A newer window took the session over; the session itself goes on.
    pub(super) fn replaced() -> Self {
        Self::error("replaced", "replaced", "this shell was opened in another window, which has it now")
    }

    /// The word in the row.
    pub(super) fn why(&self) -> &'static str {
        self.why
    }

    /// The exit code, where its process ended.
    pub(super) fn exit_code(&self) -> Option<i64> {
        match self.told {
            ToClient::Exit { code } => Some(code),
            _ => None,
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn told(&self) -> &ToClient {
        &self.told
    }
}

/// What somebody is told who comes back to a shell that ended for this reason; none: it is not known yet.
pub(super) fn gone(why: Option<&str>) -> String {
    let text = match why {
        Some("exited") => "its process ended",
        Some("left") => "nobody was connected to it for too long, or its window was closed",
        Some("signed_out") => "its owner signed out",
        Some("access_lost") => "its owner lost the permission",
        Some("task_ended") => "its task's container stopped",
        Some("ended") => "somebody ended it",
        Some("portal_stopped") => "the portal was stopped",
        Some("failed") => "it could not go on",
        _ => "the portal was restarted",
    };
    format!("this shell has ended: {text}; open a new one")
}

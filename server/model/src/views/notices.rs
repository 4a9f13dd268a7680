//! Views of notices: the places that they are sent to, and what became of each.

use serde::{Deserialize, Serialize};

use crate::ids::{NoticeId, NoticeRouteId};
use crate::notices::{Event, MailSecurity, Notice, NoticeState, RouteKind};
use crate::time::Millis;

/// A place that notices are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Its id.
    pub id: NoticeRouteId,
    /// What it is called.
    pub name: String,
    /// How it is reached.
    pub kind: RouteKind,
    /// Addresses of e-mail; of others the host alone: the rest may be a secret.
    pub shown: String,
    /// Whether its address was lost with an old key and must be typed again.
    pub lost: bool,
    /// What it tells.
    pub events: Vec<Event>,
    /// Whether it tells at all.
    pub enabled: bool,
    /// Who wrote it.
    pub by: String,
    /// When.
    pub updated_at: Millis,
    /// Notices that wait.
    pub waiting: i64,
    /// How the last one ended.
    pub last: Option<NoticeState>,
}

/// A route, with what its webhooks are signed with where that was just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMade {
    /// The route.
    pub route: RouteView,
    /// What receivers check signatures with; in this answer only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeView {
    /// Its id, which receivers see too.
    pub id: NoticeId,
    /// What it tells.
    pub notice: Notice,
    /// How far it came.
    pub state: NoticeState,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent again.
    pub due_at: Option<Millis>,
    /// When it was written.
    pub created_at: Millis,
    /// When it was taken, or given up.
    pub ended_at: Option<Millis>,
    /// Status of the last answer.
    pub status: Option<i64>,
    /// Its first words, or why none came.
    pub answer: Option<String>,
}

/// How e-mail leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailView {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: i64,
    /// How the connection is guarded.
    pub security: MailSecurity,
    /// Who signs in; empty: nobody.
    pub username: String,
    /// Whether a password is kept.
    pub has_password: bool,
    /// Whom e-mail is from.
    pub sender: String,
    /// Domains that mail may go to, with commas between; empty: all.
    pub recipients: String,
    /// Who wrote it.
    pub by: String,
    /// When.
    pub updated_at: Millis,
}

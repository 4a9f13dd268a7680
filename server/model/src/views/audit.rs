//! Views of the audit log.

use serde::{Deserialize, Serialize};

use crate::ids::AuditId;
use crate::time::Millis;

/// One record: who did what to what, when, from where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditView {
    /// The record.
    pub id: AuditId,
    /// When it happened.
    pub at: Millis,
    /// Who did it, by the name they had then.
    pub actor: String,
    /// How they were known: `session`, `token`, `password`, `setup`, `console`.
    pub door: String,
    /// What was done: `project.create`.
    pub action: String,
    /// What sort of thing it was done to: `project`.
    pub target_kind: String,
    /// Which one, by the name it had then.
    pub target: String,
    /// The project's name, where it belongs to one.
    pub project: Option<String>,
    /// The client's address.
    pub address: String,
    /// What changed; never a secret.
    pub detail: serde_json::Value,
}

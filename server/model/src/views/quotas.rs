//! Views of quotas: how much a project keeps, and how much it may keep.

use serde::{Deserialize, Serialize};

use crate::names::ProjectName;
use crate::page::Page;

/// How much may be kept; no limit where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of blobs, each counted once.
    pub bytes: Option<i64>,
    /// Tags in all repositories.
    pub tags: Option<i64>,
}

/// A project's quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaView {
    /// The project.
    pub project: ProjectName,
    /// Bytes of its blobs, each counted once.
    pub used_bytes: i64,
    /// Tags in all its repositories.
    pub used_tags: i64,
    /// What it may keep. Less than it keeps stops pushes, and deletes nothing.
    pub limits: Limits,
}

impl QuotaView {
    /// Whether a limit is reached, so that pushes may be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.limits.bytes.is_some_and(|limit| self.used_bytes >= limit) || self.limits.tags.is_some_and(|limit| self.used_tags >= limit)
    }
}

/// Every project by what it keeps, and what new projects may keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotasView {
    /// The limits that a new project gets.
    pub default: Limits,
    /// Projects, the largest first.
    #[serde(flatten)]
    pub projects: Page<QuotaView>,
}

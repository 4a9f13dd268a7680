//! Views of rules for images, and of what they did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::RuleRunId;
use crate::names::{RepositoryPath, TagName};
use crate::page::Page;
use crate::rules::ImageRules;
use crate::time::Millis;
use crate::words::words;

words! {
    /// Whether retention deletes.
    RetentionState,
    /// There is no rule that could.
    None = "none",
    /// It waits until a dry run of these rules was looked at and accepted.
    NeedsReview = "needs_review",
    /// It does.
    Active = "active",
}

words! {
    /// How a run stands.
    RuleRunState,
    /// It is under way.
    Running = "running",
    /// It came to its end.
    Done = "done",
    /// A fault of ours ended it; what it did is done.
    Failed = "failed",
    /// The rules were changed while it ran; what it did is done.
    Cancelled = "cancelled",
}

words! {
    /// What a run decides about.
    RuleItemKind,
    /// A tag.
    Tag = "tag",
    /// An image that no tag names.
    Image = "image",
}

/// A project's rules for images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRulesView {
    /// The rules.
    pub rules: ImageRules,
    /// Whether retention deletes.
    pub retention: RetentionState,
    /// When it runs next by itself.
    pub next_run_at: Option<Millis>,
    /// When the rules were last changed.
    pub updated_at: Option<Millis>,
    /// By whom, by the name at that time.
    pub updated_by: Option<String>,
}

/// What a run has decided so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRunCounts {
    /// Repositories that were looked through.
    pub repositories: u64,
    /// Tags that went (in a dry run: would go).
    pub tags_gone: u64,
    /// Tags that stay.
    pub tags_kept: u64,
    /// Images without a tag that went.
    pub images_gone: u64,
    /// Bytes of what the images that went are made of, those counted that others are made of too.
    pub bytes_gone: u64,
    /// How many tags stay by what: `in use`, `immutable`, `no rule`, `rule: <name>`.
    pub kept_by: BTreeMap<String, u64>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRunView {
    /// The run.
    pub id: RuleRunId,
    /// Whether it only looks.
    pub dry_run: bool,
    /// How it stands.
    pub state: RuleRunState,
    /// Who asked for it, by the name at that time; `schedule` where nobody did.
    pub asked_by: String,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// What it decided so far.
    pub counts: RuleRunCounts,
    /// What went wrong.
    pub error: Option<String>,
    /// Whether these rules are the stored ones, so that they can be put in force.
    pub is_current: bool,
}

/// A run with the rules that it follows and a page of what it decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRunDetail {
    /// The run.
    #[serde(flatten)]
    pub run: RuleRunView,
    /// The rules.
    pub rules: ImageRules,
    /// What it decided.
    pub items: Page<RuleItem>,
}

/// What was decided of one tag or image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleItem {
    /// Its place in the report.
    pub number: i64,
    /// Whether it goes.
    pub goes: bool,
    /// What it is.
    pub kind: RuleItemKind,
    /// Its repository.
    pub repository: RepositoryPath,
    /// The tag; none: an image without one.
    pub tag: Option<TagName>,
    /// What the tag names; the image.
    pub digest: Digest,
    /// Bytes of all that the image is made of.
    pub size: i64,
    /// The rule by which it goes.
    pub rule: Option<String>,
    /// Why.
    pub why: String,
}

//! Views of copies from outside registries, and of what operators allow.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::CopyId;
use crate::names::{ProjectName, RepositoryPath};
use crate::time::Millis;
use crate::views::deployments::{Reason, Share};
use crate::words::words;

words! {
    /// How far a copy came.
    CopyState,
    /// It waits: for its turn, or for the source.
    Queued = "queued",
    /// It is under way.
    Running = "running",
    /// The image is here.
    Succeeded = "succeeded",
    /// It failed; the reason says why and what to do.
    Failed = "failed",
    /// Somebody stopped it.
    Cancelled = "cancelled",
}

impl CopyState {
    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// How far a copy is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyProgress {
    /// Blobs: configurations and layers, each once.
    pub blobs: Share,
    /// Their bytes.
    pub bytes: Share,
    /// Bytes of these that were here already and did not have to be fetched.
    pub here: u64,
    /// Images, indexes and what refers to them.
    pub manifests: Share,
    /// The tags that were set; several where several platforms were chosen.
    pub tags: Vec<String>,
    /// What happens at the moment, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A copy of an image from an outside registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// Its id.
    pub id: CopyId,
    /// The project that it comes to.
    pub project: ProjectName,
    /// What is copied: `quay.io/team/app:1.2`.
    pub from: String,
    /// The repository that it comes to.
    pub repository: RepositoryPath,
    /// The tag that it gets; none: it is reached by its digest alone.
    pub tag: Option<String>,
    /// The chosen platforms; empty: everything.
    pub platforms: Vec<String>,
    /// Whether what refers to it (signatures, lists of parts) comes too.
    pub referrers: bool,
    /// How far it came.
    pub state: CopyState,
    /// The content, once the source told it.
    pub digest: Option<Digest>,
    /// How far it is.
    pub progress: CopyProgress,
    /// Why it failed, or why it waits.
    pub reason: Option<Reason>,
    /// Who asked for it, by the name at that time.
    pub by: String,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it began.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// When it is tried again, where the source made it wait.
    pub retry_at: Option<Millis>,
}

words! {
    /// What came of the check of a registry and its credential.
    CheckState,
    /// It answers and takes the credential.
    Accepted = "accepted",
    /// It answers; no credential is kept, or none was asked for.
    Open = "open",
    /// It answers and refuses the credential.
    Refused = "refused",
    /// It may not be spoken to, until an operator allows it.
    NotAllowed = "not_allowed",
    /// It does not answer as a registry does.
    Unreachable = "unreachable",
}

/// What came of the check of a registry and its credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// In a word.
    pub state: CheckState,
    /// For people: what happened and what to do.
    pub message: String,
}

/// What operators allow besides the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutsideSettings {
    /// Hosts and networks, one in each line.
    pub allowed: Vec<String>,
}

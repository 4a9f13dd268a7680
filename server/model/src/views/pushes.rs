//! Views of push rules: what deploys by itself, and what became of the last pushes.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::filters::{TagFilter, Versions};
use crate::ids::{DeploymentId, PushId};
use crate::names::{EnvironmentName, RepositoryPath, TagName};
use crate::pattern::Pattern;
use crate::pushes::PushOutcome;
use crate::time::Millis;
use crate::views::deployments::DeploymentState;

/// The rule of a service in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushRuleView {
    /// Where it deploys.
    pub environment: EnvironmentName,
    /// Whether deployments wait there for an approval.
    pub protected: bool,
    /// The repository, by its path below the project.
    pub repository: RepositoryPath,
    /// The pattern that tags match; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Pattern>,
    /// The range that versions lie in; none: any tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// Whether it deploys.
    pub enabled: bool,
    /// Who set it.
    pub by: String,
    /// When.
    pub updated_at: Millis,
}

impl PushRuleView {
    /// Which tags it is about.
    #[must_use]
    pub fn filter(&self) -> TagFilter {
        TagFilter { tags: self.tags.clone(), versions: self.versions.clone() }
    }
}

/// What became of a push in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushView {
    /// The push; one that several rules are about has one id.
    pub id: PushId,
    /// Where.
    pub environment: EnvironmentName,
    /// The repository.
    pub repository: RepositoryPath,
    /// The tag.
    pub tag: TagName,
    /// What it named.
    pub digest: Digest,
    /// Who pushed.
    pub by: String,
    /// When.
    pub pushed_at: Millis,
    /// What became of it.
    pub outcome: PushOutcome,
    /// Why it was not deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The deployment that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// How far that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeploymentState>,
}

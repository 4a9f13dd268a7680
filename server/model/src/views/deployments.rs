//! Views of deployments, revisions and plans.

use serde::{Deserialize, Serialize};

use crate::descriptor::{Change, Descriptor};
use crate::digest::Digest;
use crate::ids::{DeploymentId, RevisionId};
use crate::names::{EnvironmentName, ProjectName, ServiceName};
use crate::time::Millis;
use crate::views::configs::ConfigurationOf;
use crate::views::templates::TemplateMark;
use crate::words::words;

mod plan;

pub use plan::{CloneOf, ClonePlaces, ClonePlan, LeftOut, PlanAct, PlanStep, PlanTask, PlanView};

words! {
    /// How far a deployment came.
    DeploymentState,
    /// It waits for an approval.
    Pending = "pending",
    /// It waits for its turn.
    Queued = "queued",
    /// The engine fetches the image.
    Pulling = "pulling",
    /// Tasks are replaced.
    Rolling = "rolling",
    /// Every task is healthy.
    Succeeded = "succeeded",
    /// It failed; the reason says why, and what serves now.
    Failed = "failed",
    /// It failed, and the last good revision serves again.
    RolledBack = "rolled_back",
    /// Somebody stopped it.
    Cancelled = "cancelled",
    /// A newer one took its place.
    Superseded = "superseded",
    /// It waited for an approval, and somebody said no.
    Refused = "refused",
    /// It waited for an approval, and nobody decided in time.
    Expired = "expired",
}

impl DeploymentState {
    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Queued | Self::Pulling | Self::Rolling => false,
            Self::Succeeded | Self::Failed | Self::RolledBack | Self::Cancelled | Self::Superseded | Self::Refused | Self::Expired => true,
        }
    }

    /// Whether a deployment in this state may go over to `next`.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use DeploymentState::{Cancelled, Expired, Failed, Pending, Pulling, Queued, Refused, RolledBack, Rolling, Succeeded, Superseded};
        match self {
            Pending => matches!(next, Queued | Cancelled | Superseded | Refused | Expired),
            Queued => matches!(next, Pulling | Rolling | Failed | Cancelled | Superseded),
            Pulling => matches!(next, Rolling | Failed | Cancelled | Superseded),
            Rolling => matches!(next, Succeeded | Failed | RolledBack | Cancelled | Superseded),
            Succeeded | Failed | RolledBack | Cancelled | Superseded | Refused | Expired => false,
        }
    }
}

words! {
    /// What sort of act a deployment is.
    DeploymentKind,
    /// A new revision.
    Deploy = "deploy",
    /// An earlier revision again.
    Rollback = "rollback",
    /// The same with another number of tasks.
    Scale = "scale",
    /// The same revision in new tasks.
    Restart = "restart",
    /// What was stopped runs again.
    Start = "start",
    /// What runs in another environment.
    Clone = "clone",
}

/// Why a deployment is in its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A stable word for programs: `image_not_found`, `unhealthy`, `port_taken`.
    pub code: String,
    /// What happened and what serves now, for people.
    pub message: String,
}

impl Reason {
    /// A reason.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// How much of something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What is done.
    pub done: u64,
    /// What there is to do, as far as is known.
    pub total: u64,
}

/// How far the work came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Layers of the image that are on the engine.
    pub layers: Share,
    /// Bytes of the layers that were fetched.
    pub bytes: Share,
    /// Tasks of this revision that are healthy; none are counted before the first is replaced.
    pub tasks: Share,
    /// What happens at the moment, for people: `web.2 waits for its health check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentView {
    /// The deployment.
    pub id: DeploymentId,
    /// Its project.
    pub project: ProjectName,
    /// Its service.
    pub service: ServiceName,
    /// Where.
    pub environment: EnvironmentName,
    /// What sort of act.
    pub kind: DeploymentKind,
    /// How far it came.
    pub state: DeploymentState,
    /// Why it is in this state, where there is something to say.
    pub reason: Option<Reason>,
    /// How far the work came.
    pub progress: Progress,
    /// Number of the revision that it brings.
    pub revision: i64,
    /// Number of the revision that served before.
    pub previous: Option<i64>,
    /// The image as it was named.
    pub image: String,
    /// Who, by the name at that time.
    pub by: String,
    /// Why, as they said.
    pub why: String,
    /// When it was asked for.
    pub created_at: Millis,
    /// When the work began.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// When it expires, while it waits for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Who approved or refused it, where it waited for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Which operator brought it into a frozen environment, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<Override>,
}

/// An operator brought something into a frozen environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Who, by the name at that time.
    pub by: String,
    /// Why, as they said.
    pub why: String,
}

/// What somebody decided about a deployment that waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Approved or refused.
    pub approved: bool,
    /// Who, by the name at that time.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Why, as they said.
    pub why: String,
}

/// A revision in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionView {
    /// The revision.
    pub id: RevisionId,
    /// Its number in the service.
    pub number: i64,
    /// The image as it was named.
    pub image: String,
    /// The image's content; none until an image of an outside registry was fetched for the first time.
    pub digest: Option<Digest>,
    /// How many tasks.
    pub replicas: i64,
    /// Who made it, by the name at that time.
    pub by: String,
    /// Why, as they said.
    pub why: String,
    /// The source's commit, if CI said so.
    pub commit: Option<String>,
    /// The CI build, if CI said so.
    pub build: Option<String>,
    /// The branch or tag of the source, if CI said so.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Who changed the source, or ran the build, if CI said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The page of the commit, if CI said so.
    #[serde(default, rename = "commit_url", skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// Environments in which it is the one that should run.
    pub current_in: Vec<EnvironmentName>,
    /// Whether its image is still in the registry: what can be rolled back to. Always true for images of outside registries.
    pub image_present: bool,
    /// Which version of a template made it; none: it was described by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateMark>,
    /// The configuration that it runs with, here and when it is rolled back to.
    #[serde(default)]
    pub configuration: ConfigurationOf,
    /// Who let it into protected environments, the last ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
}

/// Somebody let a revision into a protected environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Where.
    pub environment: EnvironmentName,
    /// Who, by the name at that time.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Why, as they said.
    pub why: String,
}

/// A revision with all that it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RevisionDetail {
    /// The revision.
    pub revision: RevisionView,
    /// The complete description.
    pub descriptor: Descriptor,
}

/// What differs between two revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Number of the earlier one.
    pub before: i64,
    /// Number of the later one.
    pub after: i64,
    /// Field by field.
    pub changes: Vec<Change>,
    /// The two: who made them, when, why, from which build.
    #[serde(default)]
    pub revisions: Vec<RevisionView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_an_end_and_every_state_is_reached_from_the_beginning() {
        let mut reached = vec![DeploymentState::Pending];
        let mut at = 0;
        while let Some(state) = reached.get(at).copied() {
            for next in DeploymentState::ALL {
                if state.may_become(*next) && !reached.contains(next) {
                    reached.push(*next);
                }
                assert!(!(state.is_final() && state.may_become(*next)), "{state} -> {next}");
            }
            assert!(state.is_final() || state.may_become(DeploymentState::Superseded));
            assert!(state.is_final() || state.may_become(DeploymentState::Cancelled));
            at += 1;
        }
        assert_eq!(reached.len(), DeploymentState::ALL.len());
    }

    #[test]
    fn words_read_back_as_they_are_sent() {
        for state in DeploymentState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
            assert_eq!(serde_json::to_string(state).ok(), Some(format!("\"{state}\"")));
        }
        assert!("done".parse::<DeploymentState>().expect_err("no state").to_string().contains("rolled_back"));
    }
}

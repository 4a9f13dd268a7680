//! Views of hooks and what was delivered to them. A secret is in the answer that made it and nowhere else.

use serde::{Deserialize, Serialize};

use crate::hooks::{HookAnswer, HookOutcome, HookRule, NotKept};
use crate::ids::{DeploymentId, HookDeliveryId, HookId};
use crate::names::{EnvironmentName, HookName, ProjectName, ServiceName};
use crate::time::Millis;

/// A hook, to those who manage it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookView {
    /// The hook.
    pub id: HookId,
    /// Its project.
    pub project: ProjectName,
    /// Its service.
    pub service: ServiceName,
    /// Its name in the service.
    pub name: HookName,
    /// Where it deploys to.
    pub environment: EnvironmentName,
    /// The path of its URL: `/hooks/...`.
    pub path: String,
    /// Which deliveries deploy, and what.
    pub rule: HookRule,
    /// When it was made.
    pub created_at: Millis,
    /// Who made it: the name at that time.
    pub created_by: String,
    /// When it was disabled, if it is.
    pub disabled_at: Option<Millis>,
    /// Since when its secret is this one.
    pub secret_since: Millis,
    /// When the secret before ends, as long as it still holds after a rotation.
    pub previous_ends: Option<Millis>,
    /// Whether its secret was lost with the key that it was sealed with: rotate it.
    pub lost: bool,
    /// What was delivered last.
    pub last: Option<LastDelivery>,
}

/// What was delivered last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDelivery {
    /// When.
    pub at: Millis,
    /// What it came to; none: it is being worked on.
    pub outcome: Option<HookOutcome>,
}

/// A hook with a secret that was just made: it is in this answer alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHook {
    /// The hook.
    pub hook: HookView,
    /// Its secret.
    pub secret: String,
}

/// What was delivered once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookDeliveryView {
    /// The delivery.
    pub id: HookDeliveryId,
    /// When it came.
    pub received_at: Millis,
    /// Who sends so: `github`, `gitlab`, `slipway`.
    pub sender: String,
    /// What its sender calls it.
    pub event: String,
    /// Which delivery it is, as its sender says.
    pub key: Option<String>,
    /// What was answered; none: it is being worked on.
    pub answer: Option<HookAnswer>,
    /// The status of that answer.
    pub status: Option<i64>,
    /// The deployment that began.
    pub deployment: Option<DeploymentId>,
    /// Of which delivery it is a repeat that somebody asked for.
    pub redelivery_of: Option<HookDeliveryId>,
    /// Who asked for that: the name at that time.
    pub redelivered_by: Option<String>,
    /// Whether it is kept whole, so that it can be looked at and delivered again.
    pub whole: bool,
    /// Why it never was, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<NotKept>,
}

/// What was delivered once, with what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookDeliveryDetail {
    /// The delivery.
    pub delivery: HookDeliveryView,
    /// Headers that say what it is; proofs are left out. Empty where none are kept.
    pub headers: Vec<(String, String)>,
    /// The body, without values that nobody is shown; none where it is not kept.
    pub body: Option<String>,
}

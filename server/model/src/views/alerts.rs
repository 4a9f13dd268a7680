//! Views of alerts: what is wrong and was, the rules, and who does not want to hear of it.

use serde::{Deserialize, Serialize};

use crate::alerts::{AlertState, Rule, Severity};
use crate::ids::{AlertId, AlertRuleId, DeploymentId, SilenceId};
use crate::time::Millis;

/// What an alert is about, by its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectView {
    /// The service's project.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// The service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Where it runs, or where the machine is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// The machine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// The part: a mount.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub part: String,
}

impl SubjectView {
    /// In one phrase: `shop/web in production`.
    #[must_use]
    pub fn says(&self) -> String {
        let thing = if self.service.is_empty() { format!("machine {}", self.machine) } else { format!("{}/{}", self.project, self.service) };
        let part = if self.part.is_empty() { String::new() } else { format!(", {}", self.part) };
        let place = if self.environment.is_empty() { String::new() } else { format!(" in {}", self.environment) };
        format!("{thing}{place}{part}")
    }
}

/// The last deployment before an alert: maybe why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedView {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What sort of act it was.
    pub kind: String,
    /// Its revision.
    pub revision: i64,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Millis,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    /// Its id.
    pub id: AlertId,
    /// The rule's last name.
    pub rule: String,
    /// Whether the rule is the whole site's.
    pub of_site: bool,
    /// How grave it is.
    pub severity: Severity,
    /// How far it is.
    pub state: AlertState,
    /// What it is about.
    pub subject: SubjectView,
    /// What is wrong: the figure, its value, its limit.
    pub summary: String,
    /// The page with its chart.
    pub link: String,
    /// The last deployment before it.
    pub changed: Option<ChangedView>,
    /// Since when it holds.
    pub since: Millis,
    /// When it became an alert.
    pub fired_at: Option<Millis>,
    /// When it was over.
    pub resolved_at: Option<Millis>,
    /// Until when nobody is told.
    pub silenced_until: Option<Millis>,
    /// Who saw it.
    pub acknowledged_by: Option<String>,
    /// When they did.
    pub acknowledged_at: Option<Millis>,
    /// What they wrote.
    pub note: Option<String>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleView {
    /// Its id.
    pub id: AlertRuleId,
    /// What it says.
    pub rule: Rule,
    /// The same in words.
    pub says: String,
    /// Of how many things more it holds than it may have alerts: they are shown and told nowhere.
    #[serde(default)]
    pub left_out: i64,
    /// Who wrote it.
    pub by: String,
    /// When.
    pub updated_at: Millis,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceView {
    /// Its id.
    pub id: SilenceId,
    /// The rule's name; none: any.
    pub rule: Option<String>,
    /// The service's name; none: any.
    pub service: Option<String>,
    /// The machine's name; none: any.
    pub machine: Option<String>,
    /// Why.
    pub why: String,
    /// Who wants it.
    pub by: String,
    /// Since when.
    pub created_at: Millis,
    /// Until when.
    pub ends_at: Millis,
    /// Who ended it before its time.
    pub ended_by: Option<String>,
}

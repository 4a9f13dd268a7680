//! Hooks: doors by which CI brings another image of a service into one environment. What people type about them, which deliveries deploy, and what
//! a sender is answered. The checks are shared with the browser.

use serde::{Deserialize, Serialize};

use crate::filters::{BranchFilter, TagFilter, Versions};
use crate::ids::DeploymentId;
use crate::names::{EnvironmentName, HookName};
use crate::notices::SECRET_PREFIX;
use crate::pattern::Pattern;
use crate::problem::{FieldError, Problem};
use crate::views::deployments::{DeploymentState, Reason};
use crate::words::words;

mod tag;
mod workflow;

pub use tag::{InvalidTagText, TagText};
pub use workflow::WorkflowText;

/// Characters of a secret that somebody chose.
const SECRET_CHARS: std::ops::RangeInclusive<usize> = 16..=200;
/// What a chosen secret must be.
const SECRET_RULE: &str = "16 to 200 letters, digits and signs without spaces; left empty, one is made";

/// Which deliveries deploy, and what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Flat", into = "Flat")]
pub struct HookRule {
    /// Tags of images.
    pub tags: TagFilter,
    /// Branches of the source.
    pub branches: BranchFilter,
    /// Workflows whose runs deploy; none: all. What is no run of a workflow is not asked for one.
    pub workflow: Option<WorkflowText>,
    /// The tag to deploy where a delivery names no image; none: the tag that runs.
    pub tag: Option<TagText>,
}

/// A rule as it is stored and sent: by the names of the form's fields.
#[derive(Serialize, Deserialize)]
struct Flat {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versions: Option<Versions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branches: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow: Option<WorkflowText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<TagText>,
}

impl From<Flat> for HookRule {
    fn from(flat: Flat) -> Self {
        let Flat { tags, versions, branches, workflow, tag } = flat;
        Self { tags: TagFilter { tags, versions }, branches: BranchFilter(branches), workflow, tag }
    }
}

impl From<HookRule> for Flat {
    fn from(rule: HookRule) -> Self {
        Self { tags: rule.tags.tags, versions: rule.tags.versions, branches: rule.branches.0, workflow: rule.workflow, tag: rule.tag }
    }
}

impl HookRule {
    /// The rule that was typed.
    ///
    /// # Errors
    /// What is wrong in the fields `tags`, `versions`, `branches`, `workflow`, `tag`.
    pub fn read(tags: &str, versions: &str, branches: &str, workflow: &str, tag: &str) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let tags = TagFilter::read(tags, versions).unwrap_or_else(|errors| {
            wrong.extend(errors);
            TagFilter::default()
        });
        let branches = BranchFilter::read(branches).unwrap_or_else(|errors| {
            wrong.extend(errors);
            BranchFilter::default()
        });
        let workflow = match workflow.trim() {
            "" => None,
            text => text.parse::<WorkflowText>().map_err(|error| wrong.push(FieldError::new("workflow", error.to_string()))).ok(),
        };
        let tag = match tag.trim() {
            "" => None,
            text => text.parse::<TagText>().map_err(|error| wrong.push(FieldError::new("tag", error.to_string()))).ok(),
        };
        if wrong.is_empty() { Ok(Self { tags, branches, workflow, tag }) } else { Err(wrong) }
    }
}

/// A new hook as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookForm {
    /// What it is called in its service.
    pub name: String,
    /// Where it deploys to.
    pub environment: String,
    /// A pattern of tags; empty: every one.
    pub tags: String,
    /// A range of versions; empty: every one.
    pub versions: String,
    /// A pattern of branches; empty: every one.
    pub branches: String,
    /// A pattern of workflows; empty: every one.
    pub workflow: String,
    /// The tag to deploy where a delivery names no image; empty: the one that runs.
    pub tag: String,
    /// What senders prove themselves with; empty: one is made.
    pub secret: String,
}

/// A new hook that was read from a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookOrder {
    /// What it is called in its service.
    pub name: HookName,
    /// Where it deploys to.
    pub environment: EnvironmentName,
    /// Which deliveries deploy, and what.
    pub rule: HookRule,
    /// The secret that was chosen.
    pub secret: Option<String>,
}

impl HookForm {
    /// The hook that was typed.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self) -> Result<HookOrder, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let name = self.name.trim().parse::<HookName>().map_err(|error| wrong.push(FieldError::new("name", error.to_string()))).ok();
        let environment = self.environment.trim().parse::<EnvironmentName>();
        let environment = environment.map_err(|error| wrong.push(FieldError::new("environment", error.to_string()))).ok();
        let rule = HookRule::read(&self.tags, &self.versions, &self.branches, &self.workflow, &self.tag);
        let rule = rule.map_err(|errors| wrong.extend(errors)).ok();
        let secret = match check_secret(&self.secret) {
            Ok(secret) => secret,
            Err(message) => {
                wrong.push(FieldError::new("secret", message));
                None
            }
        };
        match (name, environment, rule) {
            (Some(name), Some(environment), Some(rule)) if wrong.is_empty() => Ok(HookOrder { name, environment, rule, secret }),
            _ => Err(wrong),
        }
    }
}

/// A secret as it was typed; none: one is to be made.
///
/// # Errors
/// What would be right.
pub fn check_secret(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if !SECRET_CHARS.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SECRET_RULE.into());
    }
    if text.starts_with(SECRET_PREFIX) && !tag::is_base64(&text[SECRET_PREFIX.len()..]) {
        return Err(format!("what begins with {SECRET_PREFIX} goes on in base64, as Standard Webhooks says"));
    }
    Ok(Some(text.to_owned()))
}

words! {
    /// What a delivery came to.
    HookOutcome,
    /// A sender tried the hook, and it works.
    Pong = "pong",
    /// A deployment began.
    Accepted = "accepted",
    /// It is right, and nothing is to be done.
    Ignored = "ignored",
    /// It is wrong, or cannot be done.
    Refused = "refused",
    /// The deployment that it began serves.
    Succeeded = "succeeded",
    /// The deployment that it began did not come to serve.
    Failed = "failed",
    /// A newer deployment took the place of the one that it began.
    Superseded = "superseded",
    /// The deployment goes on; the time to wait for it is over.
    UnderWay = "under_way",
}

words! {
    /// Why a delivery is not kept whole.
    NotKept,
    /// Its body is too large.
    Large = "large",
    /// It holds values that nobody is shown.
    Secret = "secret",
}

impl NotKept {
    /// Why, for people.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Large => "it is too large to be kept: bodies are kept up to 256 KiB",
            Self::Secret => "it answers parameters of the template that are secret, or may be: what they are is kept nowhere",
        }
    }
}

impl HookOutcome {
    /// The HTTP status that says the same; a refusal has that of its problem.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Pong | Self::Ignored | Self::Succeeded => 200,
            Self::Accepted => 202,
            Self::Superseded => 409,
            Self::Refused | Self::Failed => 422,
            // A client that tries again, as curl --retry does, waits on.
            Self::UnderWay => 504,
        }
    }
}

/// What a sender is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookAnswer {
    /// What it came to.
    pub outcome: HookOutcome,
    /// What it came to, for people.
    pub message: String,
    /// The deployment that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// How far that was, when this was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeploymentState>,
    /// Why it is in that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What was wrong, where it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl HookAnswer {
    /// An answer without a deployment.
    pub fn new(outcome: HookOutcome, message: impl Into<String>) -> Self {
        Self { outcome, message: message.into(), deployment: None, state: None, reason: None, problem: None }
    }

    /// What could not be done.
    #[must_use]
    pub fn refused(problem: Problem) -> Self {
        Self { problem: Some(problem.clone()), ..Self::new(HookOutcome::Refused, problem.detail) }
    }

    /// The HTTP status that says the same.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.problem.as_ref().map_or(self.outcome.status(), |problem| problem.kind.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemKind;

    fn form() -> HookForm {
        HookForm { name: "ci".into(), environment: "local".into(), ..HookForm::default() }
    }

    fn fields(form: &HookForm) -> Vec<String> {
        form.read().expect_err("a mistake").into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_form_says_every_mistake_with_its_field() {
        assert!(form().read().is_ok_and(|order| order.secret.is_none() && order.rule == HookRule::default()));
        let wrong = HookForm {
            name: "C I".into(),
            environment: String::new(),
            tags: "[a]".into(),
            versions: ">=one".into(),
            branches: "a b".into(),
            workflow: "{build".into(),
            tag: "{sha}".into(),
            secret: "short".into(),
        };
        assert_eq!(fields(&wrong), ["name", "environment", "tags", "versions", "branches", "workflow", "tag", "secret"]);
    }

    #[test]
    fn a_rule_is_stored_by_the_names_of_its_fields() {
        let rule = HookRule::read("v*", "^1.2", "main", "Build it", "{commit}").expect("a rule");
        let text = serde_json::to_string(&rule).expect("JSON");
        assert_eq!(text, r#"{"tags":"v*","versions":"^1.2","branches":"main","workflow":"Build it","tag":"{commit}"}"#);
        assert_eq!(serde_json::from_str::<HookRule>(&text).expect("its own text"), rule);
        assert_eq!(serde_json::from_str::<HookRule>("{}").expect("JSON"), HookRule::default());
    }

    #[test]
    fn a_secret_is_long_and_one_of_standard_webhooks_is_base64() {
        assert_eq!(check_secret("  "), Ok(None));
        assert_eq!(check_secret(" 0123456789abcdef "), Ok(Some("0123456789abcdef".into())));
        assert_eq!(check_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Ok(Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into())));
        assert!(check_secret("whsec_not*base64*at*all").is_err());
        assert!(check_secret("with a space in it").is_err());
        assert!(check_secret(&"x".repeat(201)).is_err());
    }

    #[test]
    fn every_answer_has_the_status_that_says_the_same() {
        assert_eq!(HookAnswer::new(HookOutcome::Accepted, "").status(), 202);
        assert_eq!(HookAnswer::new(HookOutcome::Ignored, "").status(), 200);
        assert_eq!(HookAnswer::new(HookOutcome::Failed, "").status(), 422);
        assert_eq!(HookAnswer::new(HookOutcome::UnderWay, "").status(), 504);
        assert_eq!(HookAnswer::refused(Problem::new(ProblemKind::Conflict, "stopped", "it is stopped")).status(), 409);
    }
}

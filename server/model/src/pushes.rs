//! Pushes that deploy by themselves: the rule of a service in an environment, as it is typed and checked, and what becomes of a push.

use serde::{Deserialize, Serialize};

use crate::filters::TagFilter;
use crate::names::RepositoryPath;
use crate::problem::FieldError;
use crate::words::words;

words! {
    /// What became of a push.
    PushOutcome,
    /// A deployment began, or waits for an approval.
    Deployed = "deployed",
    /// The rule is not about it, or there is nothing to do.
    Ignored = "ignored",
    /// The rule is about it, and it cannot be deployed.
    Refused = "refused",
}

/// A rule as it is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushRuleForm {
    /// The repository, by its path below the project.
    pub repository: String,
    /// A pattern that tags match; empty: any.
    #[serde(default)]
    pub tags: String,
    /// A range that versions lie in; empty: any tag.
    #[serde(default)]
    pub versions: String,
    /// Whether it is kept without deploying anything.
    #[serde(default)]
    pub disabled: bool,
}

/// A rule that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRule {
    /// The repository, by its path below the project.
    pub repository: RepositoryPath,
    /// Which tags.
    pub filter: TagFilter,
    /// Whether it deploys.
    pub enabled: bool,
}

impl PushRuleForm {
    /// The rule that was typed.
    ///
    /// # Errors
    /// What is wrong in `repository`, `tags` and `versions`.
    pub fn check(&self) -> Result<PushRule, Vec<FieldError>> {
        let filter = TagFilter::read(&self.tags, &self.versions);
        let repository = check_repository(&self.repository).map_err(|message| FieldError::new("repository", message));
        match (repository, filter) {
            (Ok(repository), Ok(filter)) => Ok(PushRule { repository, filter, enabled: !self.disabled }),
            (Ok(_), Err(wrong)) => Err(wrong),
            (Err(error), filter) => Err(std::iter::once(error).chain(filter.err().into_iter().flatten()).collect()),
        }
    }
}

/// The path of a repository below its project; one with a tag or a registry is told apart.
///
/// # Errors
/// What would be right.
pub fn check_repository(text: &str) -> Result<RepositoryPath, String> {
    let text = text.trim();
    if text.contains(':') {
        return Err(String::from("the path of the repository below this project, without a registry and without a tag"));
    }
    text.parse().map_err(|error: crate::names::InvalidName| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(repository: &str, tags: &str, versions: &str) -> PushRuleForm {
        PushRuleForm { repository: repository.into(), tags: tags.into(), versions: versions.into(), disabled: false }
    }

    #[test]
    fn a_rule_is_what_was_typed() {
        let rule = form(" team/web ", "", ">=1 <2").check().expect("a rule");
        assert_eq!(rule.repository.as_str(), "team/web");
        assert!(rule.enabled && rule.filter.matches("1.4.2") && !rule.filter.matches("2.0.0"));
    }

    #[test]
    fn every_mistake_is_told_at_its_field() {
        let wrong = form("web:1", "[x]", "one").check().expect_err("three mistakes");
        assert_eq!(wrong.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["repository", "tags", "versions"]);
        assert!(wrong[0].message.contains("without a tag"), "{wrong:?}");
        assert_eq!(form("Web", "", "").check().expect_err("upper case").len(), 1);
    }
}

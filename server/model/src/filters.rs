//! Which tags and branches a rule is about: a pattern (`model::pattern`), a range of versions after SemVer as npm and Cargo write it
//! (`>=1.2 <2 || ^3.1`), or both. Push rules and hooks are filtered by the same code.

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::problem::FieldError;

mod versions;

pub use versions::{InvalidVersions, VERSIONS_MAX, Versions, is_older};

/// Which tags. Without anything in it, every tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagFilter {
    /// The tag matches this pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Pattern>,
    /// The tag is a version within this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
}

impl TagFilter {
    /// The filter that was typed into two fields; an empty one says nothing.
    ///
    /// # Errors
    /// What is wrong in the fields `tags` and `versions`.
    pub fn read(tags: &str, versions: &str) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let tags = read("tags", tags, &mut wrong);
        let versions = read("versions", versions, &mut wrong);
        if wrong.is_empty() { Ok(Self { tags, versions }) } else { Err(wrong) }
    }

    /// Whether a tag passes.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        self.refusal(tag).is_none()
    }

    /// Why a tag does not pass, to be shown to people.
    #[must_use]
    pub fn refusal(&self, tag: &str) -> Option<String> {
        if let Some(tags) = self.tags.as_ref().filter(|tags| !tags.matches(tag)) {
            return Some(format!("the tag {tag} does not match {tags}"));
        }
        let versions = self.versions.as_ref()?;
        versions.refusal(tag)
    }
}

impl std::fmt::Display for TagFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.tags, &self.versions) {
            (None, None) => f.write_str("every tag"),
            (Some(tags), None) => write!(f, "tags {tags}"),
            (None, Some(versions)) => write!(f, "versions {versions}"),
            (Some(tags), Some(versions)) => write!(f, "tags {tags}, versions {versions}"),
        }
    }
}

/// Which branches of a source repository. Without a pattern, every branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BranchFilter(pub Option<Pattern>);

impl BranchFilter {
    /// The filter that was typed; empty: every branch.
    ///
    /// # Errors
    /// What is wrong in the field `branches`.
    pub fn read(branches: &str) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let pattern = read("branches", branches, &mut wrong);
        if wrong.is_empty() { Ok(Self(pattern)) } else { Err(wrong) }
    }

    /// Whether a branch passes, by its name or as `refs/heads/<name>`.
    #[must_use]
    pub fn matches(&self, branch: &str) -> bool {
        self.refusal(branch).is_none()
    }

    /// Why a branch does not pass, to be shown to people. A tag of the source repository is no branch.
    #[must_use]
    pub fn refusal(&self, branch: &str) -> Option<String> {
        let pattern = self.0.as_ref()?;
        if let Some(tag) = branch.strip_prefix("refs/tags/") {
            return Some(format!("{tag} is a tag, and only branches {pattern} deploy"));
        }
        let name = branch.strip_prefix("refs/heads/").unwrap_or(branch);
        (!pattern.matches(name)).then(|| format!("the branch {name} does not match {pattern}"))
    }
}

/// A field that may be left empty.
fn read<T>(field: &str, text: &str, wrong: &mut Vec<FieldError>) -> Option<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    text.parse().map_err(|error: T::Err| wrong.push(FieldError::new(field, error.to_string()))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_must_pass_and_the_reason_names_the_half_that_did_not() {
        let filter = TagFilter::read("v*", ">=1.2 <2").expect("a filter");
        assert!(filter.matches("v1.4.0"));
        assert_eq!(filter.refusal("1.4.0").as_deref(), Some("the tag 1.4.0 does not match v*"));
        assert_eq!(filter.refusal("v2.0.0").as_deref(), Some("the version v2.0.0 is not within >=1.2 <2"));
        assert_eq!(filter.refusal("vlatest").as_deref(), Some("the tag vlatest is not a version"));
        assert_eq!(filter.to_string(), "tags v*, versions >=1.2 <2");
    }

    #[test]
    fn nothing_said_is_everything() {
        let filter = TagFilter::read(" ", "").expect("a filter");
        assert_eq!(filter, TagFilter::default());
        assert!(filter.matches("latest"));
        assert_eq!(serde_json::from_str::<TagFilter>("{}").expect("JSON"), filter);
    }

    #[test]
    fn mistakes_name_their_fields() {
        let wrong = TagFilter::read("[a]", ">=one").expect_err("two mistakes");
        assert_eq!(wrong.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["tags", "versions"]);
        assert!(wrong[1].message.contains("one"), "{wrong:?}");
        assert_eq!(BranchFilter::read("a b").expect_err("a space")[0].field, "branches");
    }

    #[test]
    fn a_filter_is_stored_as_what_was_typed() {
        let filter = TagFilter::read("v*", "^1.2").expect("a filter");
        let text = serde_json::to_string(&filter).expect("JSON");
        assert_eq!(text, r#"{"tags":"v*","versions":"^1.2"}"#);
        assert_eq!(serde_json::from_str::<TagFilter>(&text).expect("its own text"), filter);
    }

    #[test]
    fn branches_are_known_with_and_without_their_prefix() {
        let filter = BranchFilter::read("{main,release/**}").expect("a filter");
        for branch in ["main", "refs/heads/main", "release/1.2", "refs/heads/release/a/b"] {
            assert!(filter.matches(branch), "{branch}");
        }
        assert!(filter.refusal("refs/heads/feature").is_some_and(|why| why.contains("feature")));
        assert!(filter.refusal("refs/tags/main").is_some_and(|why| why.contains("is a tag")));
        assert!(BranchFilter::default().matches("refs/tags/v1"));
    }
}

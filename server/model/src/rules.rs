//! Rules for a project's images: which tags never change, and which are kept. One document; what is wrong in it is told by its path.
//!
//! Immutability protects from the moment it is stored. Retention deletes, so it begins only after a dry run of exactly these rules was looked
//! at; [`ImageRules::deciding`] says what "exactly" means.

use serde::{Deserialize, Serialize};

use crate::descriptor::Change;
use crate::pattern::Pattern;
use crate::problem::FieldError;

pub mod plan;

/// Rules of one kind at most.
pub const RULES_MAX: usize = 50;
/// Conditions of one rule at most.
const KEEPS_MAX: usize = 10;
/// All patterns of a project together have at most so many characters: what a push and a run cost is bounded by it.
const PATTERNS_MAX: usize = 4000;
/// Longest name of a rule, in characters.
pub const NAME_MAX: usize = 60;
/// The largest number of days: ten years.
pub const DAYS_MAX: u32 = 3650;
/// The largest number of tags that a condition counts.
pub const NEWEST_MAX: u32 = 10_000;

/// The rules of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRules {
    /// Tags that never change.
    #[serde(default)]
    pub immutable: Vec<ImmutableRule>,
    /// Which tags and images are kept, and when the others go.
    #[serde(default)]
    pub retention: Retention,
}

/// Tags that match cannot be moved to another image nor deleted, nor can what they name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImmutableRule {
    /// What people call it; its patterns where it is left out.
    #[serde(default)]
    pub name: String,
    /// The repositories, by their path below the project.
    #[serde(default = "Pattern::everything")]
    pub repositories: Pattern,
    /// The tags.
    #[serde(default = "Pattern::everything")]
    pub tags: Pattern,
}

impl ImmutableRule {
    /// Whether the rule is about this tag.
    #[must_use]
    pub fn covers(&self, repository: &str, tag: &str) -> bool {
        self.repositories.matches(repository) && self.tags.matches(tag)
    }
}

/// What is kept, what goes, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// A tag that some rule is about and none keeps goes.
    #[serde(default)]
    pub rules: Vec<RetentionRule>,
    /// Images that no tag names and nothing needs go after so many days; none: they stay.
    #[serde(default)]
    pub untagged_after_days: Option<u32>,
    /// The hour of the day, UTC, at which it runs by itself; none: by hand alone.
    #[serde(default)]
    pub daily_at: Option<u8>,
}

impl Retention {
    /// Whether it can delete anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.untagged_after_days.is_none()
    }
}

/// Keeps some of the tags that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    /// What people call it; its patterns where it is left out.
    #[serde(default)]
    pub name: String,
    /// The repositories, by their path below the project.
    #[serde(default = "Pattern::everything")]
    pub repositories: Pattern,
    /// The tags.
    #[serde(default = "Pattern::everything")]
    pub tags: Pattern,
    /// What is kept of them: whatever one of these is true of.
    pub keep: Vec<Keep>,
}

/// A condition under which a tag is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// It is among so many that were pushed last, of those in its repository that the rule is about.
    Newest(u32),
    /// It was pushed within so many days.
    PushedWithinDays(u32),
    /// Its image was pulled within so many days.
    PulledWithinDays(u32),
    /// Its name matches.
    Always(Pattern),
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newest(count) => write!(f, "the newest {count}"),
            Self::PushedWithinDays(days) => write!(f, "pushed within {days} d"),
            Self::PulledWithinDays(days) => write!(f, "pulled within {days} d"),
            Self::Always(pattern) => write!(f, "always {pattern}"),
        }
    }
}

impl ImageRules {
    /// Gives names to rules that have none, and says what is wrong.
    ///
    /// # Errors
    /// Each with its path: `retention.rules[0].keep`.
    pub fn checked(mut self) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        for rule in &mut self.immutable {
            rule.name = rule_name(&rule.name, &rule.repositories, &rule.tags);
        }
        for rule in &mut self.retention.rules {
            rule.name = rule_name(&rule.name, &rule.repositories, &rule.tags);
        }
        check_names("immutable", self.immutable.iter().map(|rule| rule.name.as_str()), &mut wrong);
        check_names("retention.rules", self.retention.rules.iter().map(|rule| rule.name.as_str()), &mut wrong);
        for (at, rule) in self.retention.rules.iter().enumerate() {
            check_keeps(&format!("retention.rules[{at}].keep"), &rule.keep, &mut wrong);
        }
        if self.patterns().map(|pattern| pattern.as_str().len()).sum::<usize>() > PATTERNS_MAX {
            let text = format!("all patterns together have at most {PATTERNS_MAX} characters: write fewer or shorter ones, or use {{a,b}}");
            wrong.push(FieldError::new("rules", text));
        }
        if self.retention.untagged_after_days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
            // Images of an index that is being pushed have no tag until it is there.
            wrong.push(FieldError::new("retention.untagged_after_days", format!("from 1 to {DAYS_MAX} days")));
        }
        if self.retention.daily_at.is_some_and(|hour| hour > 23) {
            wrong.push(FieldError::new("retention.daily_at", "an hour of the day, UTC: 0 to 23"));
        }
        if wrong.is_empty() { Ok(self) } else { Err(wrong) }
    }

    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let kept = self.retention.rules.iter().flat_map(|rule| &rule.keep).filter_map(|keep| match keep {
            Keep::Always(pattern) => Some(pattern),
            Keep::Newest(_) | Keep::PushedWithinDays(_) | Keep::PulledWithinDays(_) => None,
        });
        let immutable = self.immutable.iter().flat_map(|rule| [&rule.repositories, &rule.tags]);
        immutable.chain(self.retention.rules.iter().flat_map(|rule| [&rule.repositories, &rule.tags])).chain(kept)
    }

    /// All that decides what goes, as text: two that are alike delete alike.
    #[must_use]
    pub fn deciding(&self) -> String {
        let mut deciding = self.clone();
        deciding.retention.daily_at = None;
        serde_json::to_string(&deciding).expect("rules are plain data")
    }

    /// Whether these rules delete no more than `earlier` ones: retention is the same, and all that was immutable is.
    #[must_use]
    pub fn deletes_no_more_than(&self, earlier: &Self) -> bool {
        let same = self.retention.rules == earlier.retention.rules && self.retention.untagged_after_days == earlier.retention.untagged_after_days;
        let covered = |old: &ImmutableRule| self.immutable.iter().any(|rule| rule.repositories == old.repositories && rule.tags == old.tags);
        same && earlier.immutable.iter().all(covered)
    }

    /// The rule that makes a tag immutable.
    #[must_use]
    pub fn immutable_by(&self, repository: &str, tag: &str) -> Option<&ImmutableRule> {
        self.immutable.iter().find(|rule| rule.covers(repository, tag))
    }
}

impl std::fmt::Display for ImmutableRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tags {} of repositories {}", self.tags, self.repositories)
    }
}

impl std::fmt::Display for RetentionRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keeps: Vec<String> = self.keep.iter().map(ToString::to_string).collect();
        write!(f, "of tags {} of repositories {} keeps {}", self.tags, self.repositories, keeps.join(", "))
    }
}

impl ImageRules {
    /// What is other than `before`, rule by rule.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<Change> {
        let (old, new) = (before.lines(), self.lines());
        let fields: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let differ = fields.into_iter().filter(|field| old.get(*field) != new.get(*field));
        differ.map(|field| Change { field: field.clone(), before: old.get(field).cloned(), after: new.get(field).cloned() }).collect()
    }

    /// Each rule by what it is called.
    fn lines(&self) -> std::collections::BTreeMap<String, String> {
        let immutable = self.immutable.iter().map(|rule| (format!("immutable {}", rule.name), rule.to_string()));
        let kept = self.retention.rules.iter().map(|rule| (format!("retention {}", rule.name), rule.to_string()));
        let untagged = self.retention.untagged_after_days.map(|days| (String::from("without a tag"), format!("go after {days} d")));
        let hour = self.retention.daily_at.map(|hour| (String::from("runs"), format!("daily at {hour:02}:00 UTC")));
        immutable.chain(kept).chain(untagged).chain(hour).collect()
    }
}

/// What a rule is called: its patterns where it was given no name.
#[must_use]
pub fn rule_name(given: &str, repositories: &Pattern, tags: &Pattern) -> String {
    match given.trim() {
        "" => format!("{repositories}:{tags}").chars().take(NAME_MAX).collect(),
        name => name.to_owned(),
    }
}

fn check_names<'a>(list: &str, names: impl Iterator<Item = &'a str>, wrong: &mut Vec<FieldError>) {
    let mut seen = std::collections::BTreeSet::new();
    let mut count = 0;
    for (at, name) in names.enumerate() {
        count += 1;
        let field = format!("{list}[{at}].name");
        if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
            wrong.push(FieldError::new(field, format!("at most {NAME_MAX} characters on one line")));
        } else if !seen.insert(name) {
            wrong.push(FieldError::new(field, format!("another rule is called {name:?} already; choose another name")));
        }
    }
    if count > RULES_MAX {
        wrong.push(FieldError::new(list, format!("at most {RULES_MAX} rules")));
    }
}

fn check_keeps(field: &str, keeps: &[Keep], wrong: &mut Vec<FieldError>) {
    if keeps.is_empty() {
        wrong.push(FieldError::new(field, "say what to keep: the newest tags, those pushed or pulled lately, or some by name"));
    }
    if keeps.len() > KEEPS_MAX {
        wrong.push(FieldError::new(field, format!("at most {KEEPS_MAX} conditions")));
    }
    for keep in keeps {
        match keep {
            Keep::Newest(count) if !(1..=NEWEST_MAX).contains(count) => {
                wrong.push(FieldError::new(format!("{field}.newest"), format!("from 1 to {NEWEST_MAX} tags")));
            }
            Keep::PushedWithinDays(days) if !(1..=DAYS_MAX).contains(days) => {
                wrong.push(FieldError::new(format!("{field}.pushed_within_days"), format!("from 1 to {DAYS_MAX} days")));
            }
            Keep::PulledWithinDays(days) if !(1..=DAYS_MAX).contains(days) => {
                wrong.push(FieldError::new(format!("{field}.pulled_within_days"), format!("from 1 to {DAYS_MAX} days")));
            }
            Keep::Newest(_) | Keep::PushedWithinDays(_) | Keep::PulledWithinDays(_) | Keep::Always(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ImageRules, Vec<FieldError>> {
        serde_json::from_str::<ImageRules>(text).expect("JSON of rules").checked()
    }

    #[test]
    fn a_document_reads_as_people_write_it() {
        let rules = read(
            r#"{"immutable": [{"tags": "v*"}],
                "retention": {"rules": [{"name": "builds", "tags": "build-*", "keep": [{"newest": 10}, {"pulled_within_days": 30}, {"always": "build-1"}]}],
                              "untagged_after_days": 7, "daily_at": 3}}"#,
        )
        .expect("right");
        assert_eq!(rules.immutable[0].name, "**:v*");
        assert!(rules.immutable_by("team/web", "v1").is_some() && rules.immutable_by("team/web", "1").is_none());
        assert_eq!(rules.retention.rules[0].keep[0], Keep::Newest(10));
        let back: ImageRules = serde_json::from_str(&serde_json::to_string(&rules).expect("JSON")).expect("its own text");
        assert_eq!(back, rules);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_path() {
        let wrong = read(
            r#"{"immutable": [{"name": "a"}, {"name": " a "}],
                "retention": {"rules": [{"keep": []}, {"name": "b", "keep": [{"newest": 0}, {"pushed_within_days": 9999}]}], "untagged_after_days": 0, "daily_at": 24}}"#,
        )
        .expect_err("wrong");
        let fields: Vec<&str> = wrong.iter().map(|error| error.field.as_str()).collect();
        let wanted = [
            "immutable[1].name",
            "retention.rules[0].keep",
            "retention.rules[1].keep.newest",
            "retention.rules[1].keep.pushed_within_days",
            "retention.untagged_after_days",
            "retention.daily_at",
        ];
        assert_eq!(fields, wanted);
        let text = serde_json::from_str::<ImageRules>(r#"{"retention": {"rules": [{"keep": [{"oldest": 1}]}]}}"#).expect_err("unknown").to_string();
        assert!(text.contains("newest") && text.contains("pulled_within_days"), "{text}");
    }

    #[test]
    fn what_all_patterns_cost_is_bounded() {
        let rule = |at: usize| ImmutableRule {
            name: at.to_string(),
            repositories: Pattern::everything(),
            tags: "a*".repeat(100).parse().expect("a pattern"),
        };
        let rules = ImageRules { immutable: (0..20).map(rule).collect(), ..ImageRules::default() };
        assert_eq!(rules.checked().expect_err("too many")[0].field, "rules");
    }

    #[test]
    fn differences_are_told_rule_by_rule() {
        let old = read(r#"{"immutable": [{"name": "releases", "tags": "v*"}], "retention": {"untagged_after_days": 7}}"#).expect("right");
        let new =
            read(r#"{"immutable": [{"name": "releases", "tags": "r*"}], "retention": {"untagged_after_days": 7, "daily_at": 3}}"#).expect("right");
        let said: Vec<_> = new.changes(&old).into_iter().map(|change| (change.field, change.before, change.after)).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            said,
            [
                ("immutable releases".to_owned(), text("tags v* of repositories **"), text("tags r* of repositories **")),
                ("runs".to_owned(), None, text("daily at 03:00 UTC")),
            ]
        );
        assert!(new.changes(&new).is_empty());
    }

    #[test]
    fn the_hour_decides_nothing() {
        let rules = |hour, days| {
            let retention = Retention { daily_at: hour, untagged_after_days: days, ..Retention::default() };
            ImageRules { retention, ..ImageRules::default() }
        };
        assert_eq!(rules(Some(3), Some(7)).deciding(), rules(None, Some(7)).deciding());
        assert_ne!(rules(None, Some(7)).deciding(), rules(None, Some(8)).deciding());
    }

    #[test]
    fn more_immutable_tags_delete_no_more_and_fewer_may() {
        let bare = read(r#"{"retention": {"untagged_after_days": 7}}"#).expect("right");
        let guarded = read(r#"{"immutable": [{"tags": "v*"}], "retention": {"untagged_after_days": 7}}"#).expect("right");
        assert!(guarded.deletes_no_more_than(&bare) && !bare.deletes_no_more_than(&guarded));
    }
}

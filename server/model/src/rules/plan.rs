//! What retention does with a repository's tags, and why. Pure: tags come in, the last pushed first, and each gets its verdict at once, so
//! that a repository of any size is decided page by page with a few counters in memory. The same tags, rules and time give the same verdicts,
//! and leaving out tags that went changes no other's: a run that was cut short can go on, or begin anew.

use std::time::Duration;

use super::{ImageRules, Keep, RetentionRule};
use crate::digest::Digest;
use crate::time::Millis;

const DAY: Duration = Duration::from_secs(86_400);

/// A tag, as far as it is decided by.
#[derive(Clone, Copy, Debug)]
pub struct Tag<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was last pushed.
    pub pushed_at: Millis,
    /// When what it names was last pulled.
    pub pulled_at: Option<Millis>,
    /// What a service needs it for: `service shop/web revision 7`.
    pub needed: Option<&'a str>,
    /// Whether it is a signature or the like of an image that is there, by the name that clients give these: it stays with the image, and
    /// takes no place among the newest.
    pub accessory: bool,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse => f.write_str("in use"),
            Self::Immutable => f.write_str("immutable"),
            Self::Rule(name) => write!(f, "rule: {name}"),
            Self::NoRule => f.write_str("no rule"),
        }
    }
}

/// Why a tag stays, in short; counted in reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// A service may still need it.
    InUse,
    /// A rule makes it immutable.
    Immutable,
    /// A rule keeps it.
    Rule(String),
    /// No rule is about it.
    NoRule,
}

/// The image that a tag like `sha256-<hash>.sig` belongs to, as clients name signatures and the like where a registry knows no referrers.
#[must_use]
pub fn accessory_of(tag: &str) -> Option<Digest> {
    let rest = tag.strip_prefix("sha256-")?;
    let (hash, kind) = rest.split_once('.').unwrap_or((rest, ""));
    if kind.contains('.') { None } else { format!("sha256:{hash}").parse().ok() }
}

/// What is decided of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Stays {
        /// In short.
        by: Kept,
        /// Every reason, for people.
        why: String,
    },
    /// It goes.
    Goes {
        /// The first rule that is about it.
        rule: String,
        /// What it would have needed to stay, for people.
        why: String,
    },
}

/// The decisions over one repository.
#[derive(Debug)]
pub struct Plan<'a> {
    rules: &'a ImageRules,
    repository: &'a str,
    now: Millis,
    /// For each rule, how many tags that it is about have come.
    seen: Vec<u64>,
    about: Vec<bool>,
}

impl<'a> Plan<'a> {
    /// Begins with a repository, or goes on where `seen` was left.
    #[must_use]
    pub fn new(rules: &'a ImageRules, repository: &'a str, now: Millis, seen: &[u64]) -> Self {
        let retention = &rules.retention.rules;
        let mut counters = seen.to_vec();
        counters.resize(retention.len(), 0);
        let about = retention.iter().map(|rule| rule.repositories.matches(repository)).collect();
        Self { rules, repository, now, seen: counters, about }
    }

    /// The counters, for going on later.
    #[must_use]
    pub fn seen(&self) -> &[u64] {
        &self.seen
    }

    /// Whether any rule is about this repository.
    #[must_use]
    pub fn concerns(&self) -> bool {
        self.about.iter().any(|about| *about)
    }

    /// Decides the next tag. Tags come the last pushed first.
    pub fn decide(&mut self, tag: Tag<'_>) -> Verdict {
        if tag.accessory {
            return Verdict::Stays { by: Kept::InUse, why: "belongs to an image that is there".into() };
        }
        let mut by = None;
        let mut reasons = Vec::new();
        if let Some(needed) = tag.needed {
            by.get_or_insert(Kept::InUse);
            reasons.push(needed.to_owned());
        }
        if let Some(rule) = self.rules.immutable_by(self.repository, tag.name) {
            by.get_or_insert(Kept::Immutable);
            reasons.push(format!("immutable by {}", rule.name));
        }
        let mut first = None;
        let mut lacks = Vec::new();
        for (at, rule) in self.rules.retention.rules.iter().enumerate() {
            if !self.about[at] || !rule.tags.matches(tag.name) {
                continue;
            }
            self.seen[at] += 1;
            first.get_or_insert(&rule.name);
            let (holds, fails) = judge(rule, self.seen[at], tag, self.now);
            if holds.is_empty() {
                lacks.push(format!("{}: {}", rule.name, fails.join(", ")));
            } else {
                by.get_or_insert_with(|| Kept::Rule(rule.name.clone()));
                reasons.push(format!("{}: {}", rule.name, holds.join(", ")));
            }
        }
        match (by, first) {
            (Some(by), _) => Verdict::Stays { by, why: reasons.join("; ") },
            (None, None) => Verdict::Stays { by: Kept::NoRule, why: "no rule is about it".into() },
            (None, Some(rule)) => Verdict::Goes { rule: rule.clone(), why: lacks.join("; ") },
        }
    }
}

/// Which conditions hold of the tag, the `place`-th that the rule is about, and how the others fail.
fn judge(rule: &RetentionRule, place: u64, tag: Tag<'_>, now: Millis) -> (Vec<String>, Vec<String>) {
    let (mut holds, mut fails) = (Vec::new(), Vec::new());
    for keep in &rule.keep {
        let (kept, told) = match keep {
            Keep::Newest(count) if place <= u64::from(*count) => (true, format!("newest {count}")),
            Keep::Newest(count) => (false, format!("number {place}, keeps {count}")),
            Keep::PushedWithinDays(days) if within(tag.pushed_at, *days, now) => {
                (true, format!("pushed {}, within {days} d", tag.pushed_at.relative(now)))
            }
            Keep::PushedWithinDays(days) => (false, format!("pushed {}, keeps {days} d", tag.pushed_at.relative(now))),
            Keep::PulledWithinDays(days) => match tag.pulled_at {
                Some(at) if within(at, *days, now) => (true, format!("pulled {}, within {days} d", at.relative(now))),
                Some(at) => (false, format!("pulled {}, keeps {days} d", at.relative(now))),
                None => (false, "never pulled".into()),
            },
            Keep::Always(pattern) if pattern.matches(tag.name) => (true, format!("always {pattern}")),
            Keep::Always(pattern) => (false, format!("not {pattern}")),
        };
        if kept { holds.push(told) } else { fails.push(told) }
    }
    (holds, fails)
}

fn within(at: Millis, days: u32, now: Millis) -> bool {
    now.since(at) <= DAY * days
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    #[derive(Clone, Debug)]
    struct Owned {
        name: String,
        pushed_days: u32,
        pulled_days: Option<u32>,
        needed: bool,
    }

    fn days_ago(days: u32) -> Millis {
        NOW.minus(DAY * days)
    }

    fn rules(text: &str) -> ImageRules {
        serde_json::from_str::<ImageRules>(text).expect("rules").checked().expect("right rules")
    }

    /// What goes, of tags that are put into their order first.
    fn gone(rules: &ImageRules, tags: &[Owned]) -> BTreeSet<String> {
        let mut tags = tags.to_vec();
        tags.sort_by(|a, b| (a.pushed_days, &b.name).cmp(&(b.pushed_days, &a.name)));
        let mut plan = Plan::new(rules, "web", NOW, &[]);
        let mut gone = BTreeSet::new();
        for tag in &tags {
            let needed = tag.needed.then_some("service shop/web revision 7");
            let asked =
                Tag { name: &tag.name, pushed_at: days_ago(tag.pushed_days), pulled_at: tag.pulled_days.map(days_ago), needed, accessory: false };
            if let Verdict::Goes { .. } = plan.decide(asked) {
                gone.insert(tag.name.clone());
            }
        }
        gone
    }

    fn tag(name: &str, pushed_days: u32) -> Owned {
        Owned { name: name.into(), pushed_days, pulled_days: None, needed: false }
    }

    #[test]
    fn a_tag_stays_if_any_rule_keeps_it_or_none_is_about_it() {
        let rules = rules(
            r#"{"immutable": [{"tags": "v*"}], "retention": {"rules": [
                {"name": "builds", "tags": "{build,v}*", "keep": [{"newest": 1}]},
                {"name": "lately", "tags": "build-*", "keep": [{"pushed_within_days": 5}]}]}}"#,
        );
        let tags = [tag("build-4", 1), tag("build-3", 2), tag("build-2", 8), tag("build-1", 9), tag("v1", 90), tag("latest", 400)];
        assert_eq!(gone(&rules, &tags), BTreeSet::from(["build-1".to_owned(), "build-2".to_owned()]));
    }

    #[test]
    fn every_verdict_says_why() {
        let rules =
            rules(r#"{"retention": {"rules": [{"name": "few", "keep": [{"newest": 1}, {"pulled_within_days": 30}, {"always": "release-*"}]}]}}"#);
        let mut plan = Plan::new(&rules, "web", NOW, &[]);
        let ask = |name, needed| Tag { name, pushed_at: days_ago(3), pulled_at: None, needed, accessory: false };
        let why = |verdict| match verdict {
            Verdict::Stays { why, .. } | Verdict::Goes { why, .. } => why,
        };
        assert_eq!(why(plan.decide(ask("b", None))), "few: newest 1");
        assert_eq!(why(plan.decide(ask("a", Some("service shop/web revision 7")))), "service shop/web revision 7");
        assert_eq!(why(plan.decide(ask("release-1", None))), "few: always release-*");
        assert_eq!(
            plan.decide(ask("0", None)),
            Verdict::Goes { rule: "few".into(), why: "few: number 4, keeps 1, never pulled, not release-*".into() }
        );
    }

    #[test]
    fn a_signature_stays_with_its_image() {
        let hash = "a".repeat(64);
        let belongs = |tag: &str| accessory_of(tag).map(|digest| digest.to_string());
        assert_eq!(belongs(&format!("sha256-{hash}.sig")), Some(format!("sha256:{hash}")));
        assert_eq!(belongs(&format!("sha256-{hash}")), Some(format!("sha256:{hash}")));
        assert_eq!((belongs("sha256-abc.sig"), belongs("v1")), (None, None));
        let rules = rules(r#"{"retention": {"rules": [{"keep": [{"newest": 1}]}]}}"#);
        let mut plan = Plan::new(&rules, "web", NOW, &[]);
        let ask = |name, accessory| Tag { name, pushed_at: NOW, pulled_at: None, needed: None, accessory };
        assert!(matches!(plan.decide(ask("sig", true)), Verdict::Stays { by: Kept::InUse, .. }));
        assert!(matches!(plan.decide(ask("1", false)), Verdict::Stays { .. }), "the signature took no place");
    }

    fn any_tag() -> impl Strategy<Value = Owned> {
        let (name, pulled) = ("[ab][0-9]{1,3}", proptest::option::of(0_u32..60));
        (name, 0_u32..60, pulled, proptest::bool::weighted(0.1)).prop_map(|(name, pushed_days, pulled_days, needed)| Owned {
            name,
            pushed_days,
            pulled_days,
            needed,
        })
    }

    fn any_rules() -> impl Strategy<Value = ImageRules> {
        let keep = prop_oneof![
            (1_u32..5).prop_map(Keep::Newest),
            (1_u32..40).prop_map(Keep::PushedWithinDays),
            (1_u32..40).prop_map(Keep::PulledWithinDays),
            Just(Keep::Always("a1*".parse().expect("a pattern"))),
        ];
        let pattern = prop_oneof![Just("**"), Just("a*"), Just("b?")];
        let rule = (pattern, proptest::collection::vec(keep, 1..3)).prop_map(|(tags, keep)| RetentionRule {
            name: String::new(),
            repositories: crate::pattern::Pattern::everything(),
            tags: tags.parse().expect("a pattern"),
            keep,
        });
        proptest::collection::vec(rule, 0..4).prop_map(|mut list| {
            for (at, rule) in list.iter_mut().enumerate() {
                rule.name = format!("rule {at}");
            }
            let mut rules = rules(r#"{"immutable": [{"tags": "?99"}]}"#);
            rules.retention.rules = list;
            rules
        })
    }

    fn some_tags() -> impl Strategy<Value = Vec<Owned>> {
        proptest::collection::vec(any_tag(), 0..40).prop_map(|tags| {
            let mut seen = BTreeSet::new();
            tags.into_iter().filter(|tag| seen.insert(tag.name.clone())).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_needed_or_immutable_or_unmentioned_stays(rules in any_rules(), tags in some_tags()) {
            let gone = gone(&rules, &tags);
            for tag in &tags {
                let unmentioned = !rules.retention.rules.iter().any(|rule| rule.tags.matches(&tag.name));
                if tag.needed || rules.immutable_by("web", &tag.name).is_some() || unmentioned {
                    prop_assert!(!gone.contains(&tag.name), "{}", tag.name);
                }
            }
        }

        #[test]
        fn each_rule_keeps_as_many_of_the_newest_as_it_says(rules in any_rules(), tags in some_tags()) {
            let gone = gone(&rules, &tags);
            for rule in &rules.retention.rules {
                let newest = rule.keep.iter().filter_map(|keep| match keep { Keep::Newest(n) => Some(*n as usize), _ => None }).max().unwrap_or(0);
                let mut about: Vec<_> = tags.iter().filter(|tag| rule.tags.matches(&tag.name)).collect();
                about.sort_by(|a, b| (a.pushed_days, &b.name).cmp(&(b.pushed_days, &a.name)));
                for tag in about.iter().take(newest) {
                    prop_assert!(!gone.contains(&tag.name), "{}", tag.name);
                }
            }
        }

        #[test]
        fn a_second_run_finds_nothing_more_and_the_order_of_arrival_is_nothing(rules in any_rules(), tags in some_tags()) {
            let first = gone(&rules, &tags);
            let mut reversed = tags.clone();
            reversed.reverse();
            prop_assert_eq!(&gone(&rules, &reversed), &first);
            let left: Vec<Owned> = tags.into_iter().filter(|tag| !first.contains(&tag.name)).collect();
            prop_assert_eq!(gone(&rules, &left), BTreeSet::new());
        }

        #[test]
        fn more_rules_never_delete_what_was_kept_by_one(rules in any_rules(), tags in some_tags()) {
            // Taking a rule away keeps what only it was about, or deletes what only it kept: never what another keeps.
            let all = gone(&rules, &tags);
            for rule in &rules.retention.rules {
                let mut alone = rules.clone();
                alone.retention.rules = vec![rule.clone()];
                let about: BTreeSet<_> = tags.iter().filter(|tag| rule.tags.matches(&tag.name)).map(|tag| tag.name.clone()).collect();
                let kept: BTreeSet<_> = about.difference(&gone(&alone, &tags)).cloned().collect();
                prop_assert!(kept.is_disjoint(&all));
            }
        }
    }
}

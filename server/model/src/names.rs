//! Names that people give, each a type that can only hold a right one. The error says what is wrong and proposes the
//! nearest name that would be accepted. Names are never corrected silently: what was typed is what is stored, or nothing.

use crate::text::text_type;

/// Longest DNS-label name, in characters.
pub const LABEL_MAX: usize = 40;
/// Longest user name, in characters.
pub const USERNAME_MAX: usize = 40;
/// Longest repository path below its project, in characters. With a project's name and the slash it stays below the
/// 255 characters that clients accept for a whole name.
pub const REPOSITORY_MAX: usize = 200;

/// Project names that would clash with our own URLs, or mislead.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "auth",
    "badge",
    "discovery",
    "docs",
    "environments",
    "feed",
    "fn",
    "healthz",
    "hooks",
    "library",
    "live",
    "login",
    "logout",
    "metrics",
    "new",
    "pkg",
    "projects",
    "public",
    "readyz",
    "root",
    "setup",
    "slipway",
    "static",
    "status",
    "system",
    "templates",
    "v2",
    "ws",
];

/// Why a text is no name, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(String);

text_type! {
    /// A project's name: a DNS label, 1 to 40 characters, lower case, not reserved.
    ProjectName, InvalidName, |text| label("a project name", text, RESERVED)
}
text_type! {
    /// A service's name: a DNS label, 1 to 40 characters, lower case. It is also the DNS alias of its tasks.
    ServiceName, InvalidName, |text| label("a service name", text, &["new"])
}
text_type! {
    /// An environment's name: a DNS label, 1 to 40 characters, lower case.
    EnvironmentName, InvalidName, |text| label("an environment name", text, &["new"])
}
text_type! {
    /// A machine's name: a DNS label, 1 to 40 characters, lower case.
    MachineName, InvalidName, |text| label("a machine name", text, &["new"])
}
text_type! {
    /// A template's name: a DNS label, 1 to 40 characters, lower case.
    TemplateName, InvalidName, |text| label("a template name", text, &["new", "preview"])
}
text_type! {
    /// A person's user name: lower-case letters, digits, `-` and `_`, 1 to 40 characters, beginning with a letter or
    /// digit. No dot, and not `robot-...`: robots are called so.
    Username, InvalidName, username
}
text_type! {
    /// A robot's name within its project: a DNS label, 1 to 40 characters, lower case.
    RobotName, InvalidName, |text| label("a robot name", text, &[])
}
text_type! {
    /// A hook's name within its service: a DNS label, 1 to 40 characters, lower case.
    HookName, InvalidName, |text| label("a hook name", text, &[])
}
text_type! {
    /// The name of any account, a person's, a robot's or a hook's: a [`Username`], `robot-<project>.<robot>`, which every shell and every CI takes
    /// as it is, or `hook-<project>.<service>.<hook>`. No text is two of them: a user name has no dot.
    AccountName, InvalidName, account
}
text_type! {
    /// A repository's path below its project, after the OCI grammar for names (distribution-spec 1.1, "Pulling
    /// manifests"): components of lower-case letters and digits, separated inside by `.`, `_`, `__` or hyphens, and from
    /// each other by `/`.
    RepositoryPath, InvalidName, repository
}
text_type! {
    /// A tag after the OCI grammar: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
    TagName, InvalidName, tag
}

/// `what` with its article: `an environment name`.
fn label(what: &str, text: &str, reserved: &[&str]) -> Result<(), InvalidName> {
    let shape = !text.is_empty()
        && text.len() <= LABEL_MAX
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if !shape {
        let rule = format!("{what} has 1 to {LABEL_MAX} lower-case letters, digits and inner hyphens");
        return Err(wrong(rule, &nearest_label(text)));
    }
    if reserved.contains(&text) {
        return Err(wrong(format!("{text:?} is reserved"), &format!("{text}-1")));
    }
    Ok(())
}

fn username(text: &str) -> Result<(), InvalidName> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !first || text.len() > USERNAME_MAX || !text.bytes().all(inner) {
        let rule =
            format!("a user name has 1 to {USERNAME_MAX} lower-case letters, digits, hyphens and underscores, and begins with a letter or digit");
        return Err(wrong(rule, &nearest_label(text)));
    }
    if text.starts_with(ROBOT) {
        return Err(wrong(format!("names that begin with {ROBOT} belong to robots"), text.trim_start_matches(ROBOT)));
    }
    Ok(())
}

/// What the name of every robot begins with, and no person's.
const ROBOT: &str = "robot-";

/// What the name of every hook begins with.
const HOOK: &str = "hook-";

fn account(text: &str) -> Result<(), InvalidName> {
    if let Some((project, rest)) = text.strip_prefix(HOOK).and_then(|rest| rest.split_once('.')) {
        let (service, hook) = rest.split_once('.').ok_or_else(|| InvalidName(format!("a hook is called {HOOK}<project>.<service>.<hook>")))?;
        label("a project name", project, RESERVED)?;
        label("a service name", service, &["new"])?;
        return label("a hook name", hook, &[]);
    }
    let Some(rest) = text.strip_prefix(ROBOT) else { return username(text) };
    let (project, robot) = rest.split_once('.').ok_or_else(|| InvalidName(format!("a robot is called {ROBOT}<project>.<robot>")))?;
    label("a project name", project, RESERVED)?;
    label("a robot name", robot, &[])
}

impl AccountName {
    /// The name of a project's robot.
    #[must_use]
    pub fn of_robot(project: &ProjectName, robot: &RobotName) -> Self {
        Self(format!("{ROBOT}{project}.{robot}"))
    }

    /// The name of a service's hook.
    #[must_use]
    pub fn of_hook(project: &ProjectName, service: &ServiceName, hook: &HookName) -> Self {
        Self(format!("{HOOK}{project}.{service}.{hook}"))
    }

    /// Whether a text that somebody signs in with can be none but a robot's name.
    #[must_use]
    pub fn means_robot(text: &str) -> bool {
        text.starts_with(ROBOT)
    }
}

impl From<Username> for AccountName {
    fn from(name: Username) -> Self {
        Self(name.0)
    }
}

fn repository(text: &str) -> Result<(), InvalidName> {
    if text.len() <= REPOSITORY_MAX && !text.is_empty() && text.split('/').all(component) {
        return Ok(());
    }
    let rule = format!(
        "a repository has 1 to {REPOSITORY_MAX} lower-case letters and digits, separated inside by one of . _ __ or hyphens, and / between parts"
    );
    let near: Vec<String> = text.split('/').map(nearest_component).filter(|part| !part.is_empty()).collect();
    Err(wrong(rule, &near.join("/")))
}

/// One component: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn component(text: &str) -> bool {
    let mut separator = String::new();
    let mut any = false;
    for c in text.chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            let fine = separator.is_empty() || matches!(separator.as_str(), "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
            if !fine || (!any && !separator.is_empty()) {
                return false;
            }
            separator.clear();
            any = true;
        } else if matches!(c, '.' | '_' | '-') {
            separator.push(c);
        } else {
            return false;
        }
    }
    any && separator.is_empty()
}

fn tag(text: &str) -> Result<(), InvalidName> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = text.bytes().next().is_some_and(word);
    if first && text.len() <= 128 && text.bytes().all(|b| word(b) || b == b'.' || b == b'-') {
        return Ok(());
    }
    let near: String = text.chars().filter(|c| c.is_ascii() && (word(*c as u8) || matches!(c, '.' | '-'))).take(128).collect();
    let rule = "a tag has 1 to 128 letters, digits, underscores, dots and hyphens, and begins with neither dot nor hyphen";
    Err(wrong(rule.into(), near.trim_start_matches(['.', '-'])))
}

fn wrong(rule: String, near: &str) -> InvalidName {
    if near.is_empty() { InvalidName(rule) } else { InvalidName(format!("{rule}; did you mean {near:?}?")) }
}

/// The nearest DNS label: lower case, everything else a hyphen.
fn nearest_label(text: &str) -> String {
    let mut near = String::new();
    for c in text.chars().take(4 * LABEL_MAX).flat_map(char::to_lowercase) {
        let c = if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
        if c != '-' || !near.ends_with('-') {
            near.push(c);
        }
    }
    near.trim_matches('-').chars().take(LABEL_MAX).collect::<String>().trim_end_matches('-').to_owned()
}

fn nearest_component(text: &str) -> String {
    let mut near = String::new();
    for c in text.chars().take(REPOSITORY_MAX).flat_map(char::to_lowercase) {
        let plain = c.is_ascii_lowercase() || c.is_ascii_digit();
        if plain {
            near.push(c);
        } else if near.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            near.push(if matches!(c, '.' | '_') { c } else { '-' });
        }
    }
    near.trim_end_matches(['.', '_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message<T: std::str::FromStr<Err = InvalidName> + std::fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err("a wrong name").to_string()
    }

    #[test]
    fn a_wrong_label_gets_the_nearest_right_one() {
        assert!(message::<ProjectName>("My Shop").contains("\"my-shop\""));
        assert!(message::<ServiceName>("-web-").contains("\"web\""));
        assert!(message::<ServiceName>(&"x".repeat(41)).contains(&"x".repeat(40)));
        assert!(!message::<ServiceName>("").contains("did you mean"));
        assert!(message::<ServiceName>("").starts_with("a service name has 1 to 40 "));
        assert!(message::<EnvironmentName>("").starts_with("an environment name has 1 to 40 "));
    }

    #[test]
    fn reserved_words_are_refused() {
        assert!(message::<ProjectName>("api").contains("reserved"));
    }

    #[test]
    fn robots_own_their_prefix() {
        assert!(message::<Username>("robot-ci").contains("robots"));
        assert!("ana.b".parse::<Username>().is_err());
        assert!("ana_b-2".parse::<Username>().is_ok());
    }

    #[test]
    fn an_account_is_a_person_or_a_robot_and_never_both() {
        let robot = AccountName::of_robot(&"my-shop".parse().expect("a project"), &"ci-2".parse().expect("a robot"));
        assert_eq!(robot.as_str(), "robot-my-shop.ci-2");
        assert_eq!(robot.as_str().parse(), Ok(robot.clone()));
        assert!(robot.as_str().parse::<Username>().is_err());
        assert_eq!("ana_b".parse::<AccountName>(), Ok("ana_b".parse::<Username>().expect("a person").into()));
        for bad in ["robot-ci", "robot-.ci", "robot-shop.", "robot-shop.ci.two", "robot-shop.c_i", "robot$shop.ci", "shop.ci", ""] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
        assert!(robot.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')), "no shell minds it");
    }

    #[test]
    fn repositories_follow_the_oci_grammar() {
        for good in ["web", "team/web", "a.b_c__d---e", "0/1/2"] {
            assert!(good.parse::<RepositoryPath>().is_ok(), "{good}");
        }
        for bad in ["", "/", "a//b", "../etc", "a/..", "Web", "a..b", "a___b", "a.-b", "-a", "a-", "a\0b", "ä"] {
            assert!(bad.parse::<RepositoryPath>().is_err(), "{bad}");
        }
        assert!(message::<RepositoryPath>("Team/Web App").contains("\"team/web-app\""));
    }

    #[test]
    fn tags_follow_the_oci_grammar() {
        assert!("1.4.2-rc_1".parse::<TagName>().is_ok());
        assert!("_x".parse::<TagName>().is_ok());
        for bad in ["", ".x", "-x", "a b", "a/b", &"x".repeat(129)] {
            assert!(bad.parse::<TagName>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_proposed_is_accepted(text in "\\PC{0,60}") {
            if let Err(error) = text.parse::<RepositoryPath>()
                && let Some(near) = error.to_string().split("did you mean \"").nth(1).and_then(|rest| rest.strip_suffix("\"?")) {
                prop_assert!(near.parse::<RepositoryPath>().is_ok(), "{near}");
            }
            let near = nearest_label(&text);
            prop_assert!(near.is_empty() || label("a name", &near, &[]).is_ok(), "{near}");
        }
    }
}

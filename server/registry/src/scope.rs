//! The `scope` of a token (Docker's token specification, "Token Scope Documentation"):
//! `resourcetype[(class)]:resourcename:action[,action...]`. Read from both ends, since a name may hold a colon. Pure; what
//! the caller may do is decided elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::path::Name;

/// Most resources that one token is asked for. Clients ask for one, or two to mount.
pub const RESOURCES_MAX: usize = 64;
/// Longest text of one `scope` parameter.
const TEXT_MAX: usize = 8 * 1024;

/// What may be done to a repository, in the token's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Read it.
    Pull,
    /// Write to it.
    Push,
    /// Delete from it.
    Delete,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// What was asked for: for each repository, in the order of their names, which verbs. Unknown types of resources, names and
/// verbs are left out: a token simply does not grant them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Repositories by name, as they were written.
    pub repositories: BTreeMap<String, Vec<Verb>>,
    /// Whether the list of repositories was asked for (`registry:catalog:*`).
    pub catalog: bool,
}

impl Asked {
    /// Reads any number of `scope` parameters; each may hold several scopes, separated by blanks.
    pub fn parse<'a>(parameters: impl IntoIterator<Item = &'a str>) -> Self {
        let mut asked = Self::default();
        for parameter in parameters {
            for scope in parameter.get(..TEXT_MAX).unwrap_or(parameter).split_ascii_whitespace() {
                asked.add(scope);
            }
        }
        asked
    }

    fn add(&mut self, scope: &str) {
        let Some((kind, rest)) = scope.split_once(':') else { return };
        let Some((name, actions)) = rest.rsplit_once(':') else { return };
        // A class, `repository(plugin)`, says what is inside and changes no right.
        let kind = kind.split('(').next().unwrap_or(kind);
        match kind {
            "repository" => self.add_repository(name, actions),
            "registry" if name == "catalog" => self.catalog = true,
            _ => {}
        }
    }

    fn add_repository(&mut self, name: &str, actions: &str) {
        if name.parse::<Name>().is_err() || (self.repositories.len() >= RESOURCES_MAX && !self.repositories.contains_key(name)) {
            return;
        }
        let verbs = self.repositories.entry(name.to_owned()).or_default();
        for action in actions.split(',') {
            let named: &[Verb] = match action {
                "*" => &Verb::ALL,
                _ => Verb::ALL.iter().position(|verb| verb.as_str() == action).map_or(&[], |at| &Verb::ALL[at..=at]),
            };
            verbs.extend(named);
        }
        verbs.sort();
        verbs.dedup();
    }
}

/// One entry of a token's `access` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The repository's whole name.
    pub name: String,
    /// `pull`, `push`, `delete`, or `*` for the catalogue.
    pub actions: Vec<String>,
}

impl Access {
    /// Access to a repository.
    #[must_use]
    pub fn repository(name: &str, verbs: &[Verb]) -> Self {
        let actions = verbs.iter().map(|verb| verb.as_str().to_owned()).collect();
        Self { kind: "repository".into(), name: name.into(), actions }
    }

    /// Access to the list of repositories.
    #[must_use]
    pub fn catalog() -> Self {
        Self { kind: "registry".into(), name: "catalog".into(), actions: vec!["*".into()] }
    }

    /// Whether it reaches so far.
    #[must_use]
    pub fn covers(&self, name: &str, verb: Verb) -> bool {
        self.kind == "repository" && self.name == name && self.actions.iter().any(|action| action == verb.as_str())
    }
}

/// The scope that a challenge asks a client to bring (RFC 6750, section 3).
#[must_use]
pub fn needed(name: &str, verb: Verb) -> String {
    // Who pushes looks at what is there, so pull is asked for with it.
    let actions = match verb {
        Verb::Pull => "pull",
        Verb::Push => "pull,push",
        Verb::Delete => "delete",
    };
    format!("repository:{name}:{actions}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(scopes: &[&str]) -> Vec<(String, Vec<Verb>)> {
        Asked::parse(scopes.iter().copied()).repositories.into_iter().collect()
    }

    #[test]
    fn several_scopes_are_gathered() {
        let push = ("shop/web".to_owned(), vec![Verb::Pull, Verb::Push]);
        let pull = ("shop/base".to_owned(), vec![Verb::Pull]);
        assert_eq!(asked(&["repository:shop/web:pull,push", "repository:shop/base:pull"]), [pull.clone(), push.clone()]);
        assert_eq!(asked(&["repository:shop/web:push,pull repository:shop/base:pull"]), [pull, push.clone()]);
        assert_eq!(asked(&["repository:shop/web:push", "repository:shop/web:pull"]), [push]);
        assert_eq!(asked(&["repository(plugin):shop/web:*"]), [("shop/web".to_owned(), Verb::ALL.to_vec())]);
    }

    #[test]
    fn what_is_not_understood_grants_nothing() {
        for scope in ["", "repository", "repository:shop/web", "repository:web:pull", "repository:../etc:pull", "machine:shop/web:pull", ":::"] {
            assert_eq!(Asked::parse([scope]), Asked::default(), "{scope}");
        }
        assert_eq!(asked(&["repository:shop/web:fly"]), [("shop/web".to_owned(), vec![])]);
        assert!(Asked::parse(["registry:catalog:*"]).catalog);
    }

    #[test]
    fn one_token_has_its_limit() {
        let many: Vec<String> = (0..1000).map(|n| format!("repository:shop/r{n}:pull")).collect();
        assert_eq!(Asked::parse(many.iter().map(String::as_str)).repositories.len(), RESOURCES_MAX);
    }

    proptest! {
        #[test]
        fn no_scope_panics(text in "\\PC{0,80}|repository:[a-z/:]{0,20}:[a-z,*]{0,20}") {
            for name in Asked::parse([text.as_str()]).repositories.keys() {
                prop_assert!(name.parse::<Name>().is_ok());
            }
        }
    }
}

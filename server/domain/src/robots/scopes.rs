//! What a robot may be used for at most: chosen words, or what goes with its role. Pure.

use std::collections::BTreeSet;

use model::access::{Role, Scope};

/// What can be chosen.
const CHOICES: [Scope; 7] = [Scope::Read, Scope::Pull, Scope::Push, Scope::Deploy, Scope::Shell, Scope::Metrics, Scope::Discovery];

/// What a robot of a role may be used for where nothing was chosen. A shell has to be chosen: a program seldom needs one, and whoever finds its
/// secret would like it.
fn of_role(role: Role) -> BTreeSet<Scope> {
    let scopes: &[Scope] = match role {
        Role::Guest => &[Scope::Read, Scope::Pull],
        Role::Developer => &[Scope::Read, Scope::Pull, Scope::Push, Scope::Deploy],
        Role::Admin => &[Scope::Admin],
    };
    scopes.iter().copied().collect()
}

/// The ceiling of a robot.
pub(super) fn reach(role: Role, chosen: &BTreeSet<Scope>) -> BTreeSet<Scope> {
    if chosen.is_empty() { of_role(role) } else { chosen.clone() }
}

/// Why a choice makes no sense for a role, if it does not.
pub(super) fn wrong(role: Role, chosen: &BTreeSet<Scope>) -> Option<String> {
    if let Some(scope) = chosen.iter().find(|scope| !CHOICES.contains(scope)) {
        return Some(format!(
            "{scope} cannot be chosen: choose among read, pull, push, deploy, shell, metrics, discovery, or leave scopes out for all that goes with the role"
        ));
    }
    let beyond = |scope: &&Scope| role == Role::Guest && !matches!(scope, Scope::Read | Scope::Pull | Scope::Metrics | Scope::Discovery);
    let scope = chosen.iter().find(beyond)?;
    Some(format!("the role {role} gives no right to {scope}: choose read, pull, metrics and discovery, or the role developer"))
}

pub(super) fn words(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Words that are no scope (any more) give nothing.
pub(super) fn parse(words: &str) -> BTreeSet<Scope> {
    words.split(' ').filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_a_role_is_within_it_and_a_choice_narrows_it() {
        for role in Role::ALL {
            let own = reach(role, &BTreeSet::new());
            assert!(!own.contains(&Scope::Shell), "a shell is chosen");
            assert_eq!(parse(&words(&own)), own);
        }
        let pull = BTreeSet::from([Scope::Pull]);
        assert_eq!(reach(Role::Admin, &pull), pull);
        assert!(wrong(Role::Developer, &BTreeSet::from([Scope::Shell])).is_none());
        assert!(wrong(Role::Guest, &BTreeSet::from([Scope::Metrics, Scope::Discovery])).is_none());
        assert!(wrong(Role::Guest, &BTreeSet::from([Scope::Push])).is_some_and(|text| text.contains("guest")));
        assert!(wrong(Role::Admin, &BTreeSet::from([Scope::Admin])).is_some_and(|text| text.contains("leave scopes out")));
        assert!(parse("").is_empty() && parse("pull fly").len() == 1);
    }
}

//! Words and rules of the configuration centre: what an entry is, where it can stand, and which of several with one name reaches a task.
//! No I/O, the same in the browser.
//!
//! Entries stand at four levels. The nearest one to the task wins, entry by entry:
//! project < project in one environment < service < service in one environment. What a service says of itself beats what its project says
//! of an environment. A nearer level can replace what it inherits; it cannot take it away (an empty variable is the way to say "nothing").

use std::collections::BTreeMap;

use crate::descriptor::{ENV_VALUE_MAX, check_entry_name, check_env_name};
pub use crate::form::{read_variables, show_variables};
use crate::words::words;

/// Largest file, in bytes.
pub const FILE_MAX: usize = 512 * 1024;
/// Largest secret, in bytes.
pub const SECRET_MAX: usize = 64 * 1024;
/// Largest value of a variable, in bytes.
pub const VARIABLE_MAX: usize = ENV_VALUE_MAX;
/// Most entries of one level.
pub const ENTRIES_MAX: usize = 500;
/// Most bytes of all entries of one level.
pub const LEVEL_MAX: i64 = 8 * 1024 * 1024;

words! {
    /// What sort of thing an entry is. Each sort has names of its own.
    EntryKind,
    /// It reaches every task's environment by itself.
    Variable = "variable",
    /// A descriptor says at which path it stands.
    File = "file",
    /// Never shown again; a descriptor says in which variable or file it stands.
    Secret = "secret",
}

words! {
    /// Where an entry stands; the farthest from the task first.
    Level,
    /// For every service of the project, everywhere.
    Project = "project",
    /// For every service of the project, in one environment.
    ProjectEnvironment = "project_environment",
    /// For one service, everywhere.
    Service = "service",
    /// For one service in one environment.
    ServiceEnvironment = "service_environment",
}

impl Level {
    /// The level of something that belongs to a service or not, to one environment or not.
    #[must_use]
    pub const fn of(service: bool, environment: bool) -> Self {
        match (service, environment) {
            (false, false) => Self::Project,
            (false, true) => Self::ProjectEnvironment,
            (true, false) => Self::Service,
            (true, true) => Self::ServiceEnvironment,
        }
    }

    /// For people: `this project in local`.
    #[must_use]
    pub fn phrase(self, environment: &str) -> String {
        match self {
            Self::Project => String::from("project"),
            Self::ProjectEnvironment => format!("project in {environment}"),
            Self::Service => String::from("service"),
            Self::ServiceEnvironment => format!("service in {environment}"),
        }
    }
}

/// What reaches a task under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited<V> {
    /// Where it stands.
    pub level: Level,
    /// What stands there.
    pub value: V,
    /// Farther levels that have the same name, the farthest first: it stands in front of them.
    pub over: Vec<Level>,
}

/// For each name the entry of the nearest level.
#[must_use]
pub fn inherit<K: Ord, V>(entries: impl IntoIterator<Item = (Level, K, V)>) -> BTreeMap<K, Inherited<V>> {
    let mut found: BTreeMap<K, Inherited<V>> = BTreeMap::new();
    for (level, name, value) in entries {
        match found.entry(name) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Inherited { level, value, over: Vec::new() });
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let kept = place.get_mut();
                let farther = if level > kept.level {
                    kept.value = value;
                    std::mem::replace(&mut kept.level, level)
                } else {
                    level
                };
                kept.over.push(farther);
                kept.over.sort_unstable();
            }
        }
    }
    found
}

/// Whether an entry may be called so.
///
/// # Errors
/// What would be right.
pub fn check_name(kind: EntryKind, name: &str) -> Result<(), String> {
    match kind {
        EntryKind::Variable => check_env_name(name),
        EntryKind::File | EntryKind::Secret => check_entry_name(name),
    }
}

/// Whether a value may stand in a variable.
///
/// # Errors
/// What would be right.
pub fn check_value(value: &str) -> Result<(), String> {
    if value.len() > VARIABLE_MAX {
        return Err(format!("{} bytes; a variable holds at most {VARIABLE_MAX}: use a file", value.len()));
    }
    if value.contains('\0') {
        return Err(String::from("holds a NUL character, which no program can be given"));
    }
    Ok(())
}

/// The known name that is nearest to what was written, if one is near.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    crate::descriptor::nearest(written, &known)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level() -> impl Strategy<Value = Level> {
        prop::sample::select(Level::ALL)
    }

    /// Entries as they are stored: at each level a name stands once.
    fn entries() -> impl Strategy<Value = Vec<(Level, String, u32)>> {
        let names = prop::sample::select(vec!["A", "B", "C", "D"]);
        let all = prop::collection::btree_map((level(), names), any::<u32>(), 0..16);
        all.prop_map(|all| all.into_iter().map(|((level, name), value)| (level, name.to_owned(), value)).collect::<Vec<_>>()).prop_shuffle()
    }

    proptest! {
        #[test]
        fn the_nearest_level_wins_whatever_the_order(all in entries()) {
            let found = inherit(all.clone());
            for (name, kept) in &found {
                let mut same: Vec<_> = all.iter().filter(|(_, other, _)| other == name).collect();
                same.sort();
                let (level, _, value) = same.pop().expect("what is found was there");
                prop_assert_eq!((kept.level, kept.value), (*level, *value));
                let farther: Vec<Level> = same.iter().map(|(level, _, _)| *level).collect();
                prop_assert_eq!(&kept.over, &farther);
            }
            prop_assert!(all.iter().all(|(_, name, _)| found.contains_key(name)), "nothing is lost");
        }

        #[test]
        fn a_farther_entry_changes_nothing_but_what_it_stands_behind(all in entries(), level in level(), value: u32) {
            let before = inherit(all.clone());
            let mut more = all.clone();
            more.retain(|(there, name, _)| !(*there == level && name == "A"));
            more.push((level, String::from("A"), value));
            let after = inherit(more);
            for (name, kept) in &before {
                if name != "A" || kept.level > level {
                    prop_assert_eq!((after[name].level, after[name].value), (kept.level, kept.value));
                }
            }
            prop_assert!(before.get("A").is_some_and(|kept| kept.level > level) || after["A"].value == value);
        }
    }

    #[test]
    fn levels_stand_in_their_order() {
        let mut sorted = Level::ALL.to_vec();
        sorted.sort();
        assert_eq!(sorted, [Level::of(false, false), Level::of(false, true), Level::of(true, false), Level::of(true, true)]);
    }

    #[test]
    fn names_follow_where_they_are_used() {
        assert!(check_name(EntryKind::Variable, "LOG_LEVEL").is_ok() && check_name(EntryKind::File, "app.conf").is_ok());
        for (kind, name) in [
            (EntryKind::Variable, "1A"),
            (EntryKind::Variable, "SLIPWAY_SERVICE"),
            (EntryKind::File, "../etc/passwd"),
            (EntryKind::File, ".hidden"),
            (EntryKind::Secret, "a b"),
            (EntryKind::Secret, ""),
        ] {
            assert!(check_name(kind, name).is_err(), "{name:?}");
        }
        assert_eq!(nearest("db_pasword", ["app_key", "db_password"]), Some("db_password"));
        assert_eq!(nearest("zzz", ["app_key", "db_password"]), None);
    }
}

//! What differs between two descriptors, by path, for a plan and for comparing revisions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reader::join;
use crate::secret::{HIDDEN, names_a_secret};

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field: `env.LOG_LEVEL`, `ports[0].container`.
    pub field: String,
    /// What stood there; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What stands there now; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Change {
    /// Hides both values of a variable whose name says that they are secret, and of everything of the configuration centre, which a reader alone may
    /// not read; that they differ stays to be seen.
    pub fn hide_secrets(&mut self) {
        let configured = ["variables.", "files.", "secrets."].iter().any(|sort| self.field.starts_with(sort));
        if configured || self.field.strip_prefix("env.").is_some_and(names_a_secret) {
            [&mut self.before, &mut self.after].into_iter().flatten().for_each(|value| HIDDEN.clone_into(value));
        }
    }
}

/// The differences, in the order of their paths.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(before), Some(after), &mut changes);
    changes
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                compare(&join(path, key), old.get(key), new.get(key), changes);
            }
        }
        // A list of records is compared item by item; a command is one thing.
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.iter().chain(new).all(Value::is_object) => {
            for at in 0..old.len().max(new.len()) {
                compare(&format!("{path}[{at}]"), old.get(at), new.get(at), changes);
            }
        }
        _ => changes.push(Change { field: path.to_owned(), before: before.map(show), after: after.map(show) }),
    }
}

/// A text as itself, everything else as JSON.
fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

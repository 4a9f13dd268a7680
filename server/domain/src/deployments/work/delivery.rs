//! What of a revision's configuration goes into its tasks: variables, and files that are put in place before the program starts.
//!
//! Asked for when a container is made; a loop never keeps it, so that a secret is in memory no longer than it takes to hand it over.

use std::collections::BTreeMap;
use std::fmt;

use model::ids::RevisionId;
use model::secret::Secret;
use zeroize::Zeroizing;

use super::WorkKey;
use crate::error::Result;
use crate::worker::Worker;

/// What goes into a task.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Variables, already inherited; the descriptor's own win over them.
    pub env: BTreeMap<String, String>,
    /// Secrets that the descriptor puts into variables.
    pub secret_env: BTreeMap<String, Secret>,
    /// Configuration files and secret files.
    pub files: Vec<TaskFile>,
}

/// A file of a task.
#[derive(Clone)]
pub struct TaskFile {
    /// Where it stands, from the root.
    pub path: String,
    /// What is in it; wiped when it is let go of.
    pub content: Zeroizing<Vec<u8>>,
    /// Its permission bits; it belongs to root.
    pub mode: u32,
    /// It is kept in memory only.
    pub secret: bool,
}

impl fmt::Debug for TaskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskFile({}, {} bytes)", self.path, self.content.len())
    }
}

/// What goes into the tasks of a revision.
///
/// # Errors
/// Names what is missing.
pub async fn delivery(_worker: &Worker, _key: WorkKey, _revision: RevisionId) -> Result<Delivery> {
    Ok(Delivery::default())
}

//! What of a revision's configuration goes into one of its tasks. Asked for when the task's container is made, and dropped right after: no loop
//! keeps it, nothing prints it.

use std::collections::BTreeMap;

use model::ids::RevisionId;
use model::secret::Secret;

use super::{WorkKey, load};
use crate::args;
use crate::configs::{Hush, pinned};
use crate::error::{Error, Result};
use crate::worker::Worker;

/// Everybody in the task may read it; it is the task's own.
const MODE: u32 = 0o444;

/// What a task gets.
#[derive(Debug)]
pub struct Delivery {
    /// Variables of the configuration centre, already inherited. The descriptor's own win over them, and were left out.
    pub env: BTreeMap<String, String>,
    /// Secrets that the descriptor puts into variables.
    pub secret_env: BTreeMap<String, Secret>,
    /// Files and secret files.
    pub files: Vec<TaskFile>,
}

/// A file of a task.
#[derive(Debug)]
pub struct TaskFile {
    /// Where it stands: absolute, of no folder that the kernel owns.
    pub path: String,
    /// What it holds.
    pub content: Hush,
    /// Permissions.
    pub mode: u32,
    /// Whether it may only lie in memory.
    pub secret: bool,
}

/// What a task of this revision gets.
///
/// # Errors
/// `Unavailable`, naming what is missing.
pub async fn delivery(worker: &Worker, key: WorkKey, revision: RevisionId) -> Result<Delivery> {
    let platform = worker.platform();
    let mut tx = platform.read().await?;
    let found = load::revision_work(&mut tx, revision).await?;
    let owner = tx.one("SELECT service_id FROM revisions WHERE id = $1", args![revision], |row| row.get("service_id")).await?;
    if key.service != owner {
        return Err(Error::internal("a revision of another service"));
    }
    let d = &found.descriptor;
    let held = pinned::delivered(&mut tx, platform, revision, d).await?;
    let missing =
        |kind: &str, name: &str| Error::Unavailable(format!("the {kind} {name:?} of this revision's configuration is not there; deploy it again"));
    let mut delivery = Delivery { env: held.variables, secret_env: BTreeMap::new(), files: Vec::new() };
    for config in &d.configs {
        let content = held.files.get(&config.name).cloned().ok_or_else(|| missing("file", &config.name))?;
        delivery.files.push(TaskFile { path: config.path.clone(), content, mode: MODE, secret: false });
    }
    for secret in &d.secrets {
        let content = held.secrets.get(&secret.name).cloned().ok_or_else(|| missing("secret", &secret.name))?;
        if let Some(name) = &secret.env {
            let text = std::str::from_utf8(content.expose()).map_err(|_| missing("text of the secret", &secret.name))?;
            delivery.secret_env.insert(name.clone(), Secret::new(text));
        }
        if let Some(path) = &secret.path {
            delivery.files.push(TaskFile { path: path.clone(), content, mode: MODE, secret: true });
        }
    }
    Ok(delivery)
}

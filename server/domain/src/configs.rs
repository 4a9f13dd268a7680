//! The configuration centre: variables, files and secrets of a project and of its services, everywhere or in one environment.
//!
//! - **Where**: each such place is a *scope* with numbered versions of its own ([`scopes`]). What reaches a task is, name by name, the entry of
//!   the nearest level: project < project in the environment < service < service in the environment (`model::configs`).
//! - **Versions never change.** An entry is a row for the versions in which it stood; a change ends rows and begins others ([`change`]).
//!   A revision names the versions that it was made with ([`pinned`]) and runs with them for ever, also when it is rolled back to. Old contents are
//!   given up only for room, and never those that something runs with.
//! - **Secrets are write-only.** They are sealed before they are stored, opened for a task alone ([`pinned::delivered`]), and told apart by a random
//!   stamp, so that nothing that can be read depends on what they are.

use model::access::Action;
use model::configs::{EntryKind, Level};
use model::ids::{ConfigScopeId, EnvironmentId, ProjectId};
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::configs::UseView;
use zeroize::Zeroizing;

use crate::access::{Key, Resource};
use crate::db::Tx;
use crate::environments::{Environment, choose_configured};
use crate::error::{Error, Result};
use crate::projects::Project;
use crate::services::{Service, ServiceKey};

mod change;
pub(crate) mod coming;
mod diff;
mod history;
mod next;
pub(crate) mod pinned;
mod room;
mod scopes;
#[cfg(test)]
mod tests;
mod uses;
mod view;

pub use change::{Content, Edit, put, put_variables, remove, restore};
pub use history::{file, version, versions};
pub(crate) use room::forget_environment;
pub use view::{environments, get, would_be_used};

crate::text_columns! { EntryKind }

/// What has a configuration: a project, or a service of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The project.
    pub project: Project,
    /// The service; none: the project itself.
    pub service: Option<Service>,
}

impl Holder {
    /// The level of its configuration, everywhere or in one environment.
    fn level(&self, environment: Option<&Environment>) -> Level {
        Level::of(self.service.is_some(), environment.is_some())
    }
}

impl Resource for Holder {
    const WHAT: &'static str = "project or service";
    const VISIBLE: Action = Action::SeeServices;

    fn project(&self) -> Option<&Project> {
        Some(&self.project)
    }
}

/// The name of a holder.
#[derive(Clone, Copy, Debug)]
pub struct HolderKey<'a> {
    /// The project.
    pub project: &'a ProjectName,
    /// The service; none: the project itself.
    pub service: Option<&'a ServiceName>,
}

impl Key for HolderKey<'_> {
    type Resource = Holder;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Holder>> {
        let Some(name) = self.service else {
            return Ok(self.project.find(tx).await?.map(|project| Holder { project, service: None }));
        };
        let found = ServiceKey { project: self.project, service: name }.find(tx).await?;
        Ok(found.map(|service| Holder { project: service.project.clone(), service: Some(service) }))
    }
}

/// The environment that is meant; none: everywhere. One that the project may not use is as if it were missing.
async fn place(tx: &mut Tx, project: &Project, name: Option<&EnvironmentName>) -> Result<Option<Environment>> {
    match name {
        Some(name) => choose_configured(tx, project.id, name).await.map(Some),
        None => Ok(None),
    }
}

/// What runs there with an older configuration than it would get today, and is not stopped.
pub(crate) async fn behind(tx: &mut Tx, holder: &Holder, environment: Option<&EnvironmentName>) -> Result<Vec<UseView>> {
    let environment = place(tx, &holder.project, environment).await?;
    let uses = uses::of(tx, holder, environment.as_ref()).await?;
    Ok(uses.into_iter().filter(|one| one.behind && !one.stopped).collect())
}

/// What a secret of a scope is sealed for.
pub(crate) fn secret_purpose(scope: impl std::fmt::Display, name: &str) -> String {
    format!("config-secret {scope} {name}")
}

/// Bytes that leave no trace when they are dropped, and that nothing prints: contents of files and secrets on their way into a task.
#[derive(Clone, PartialEq, Eq)]
pub struct Hush(Zeroizing<Vec<u8>>);

impl Hush {
    /// Takes bytes into hiding.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Whoever calls this keeps them out of logs, pages and errors.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Hush {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hush({} bytes)", self.0.len())
    }
}

/// Takes away what a project, or one service of it, has set: it is being deleted, and nothing of it runs again.
pub(crate) async fn forget(tx: &mut Tx, project: ProjectId, service: Option<model::ids::ServiceId>) -> Result<()> {
    let which = "SELECT id FROM config_scopes WHERE project_id = $1 AND ($2 IS NULL OR service_id = $2)";
    let sql = format!("DELETE FROM config_entries WHERE scope_id IN ({which})");
    tx.exec(sql, crate::args![project, service]).await?;
    let sql = "UPDATE config_scopes SET kept_from = version + 1 WHERE project_id = $1 AND ($2 IS NULL OR service_id = $2)";
    tx.exec(sql, crate::args![project, service]).await.map(drop)
}

/// A scope's row, as far as something was set there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub id: ConfigScopeId,
    pub level: Level,
    pub service: Option<model::ids::ServiceId>,
    pub environment: Option<EnvironmentId>,
    /// The version that is meant: the newest, or the one that a revision names.
    pub version: i64,
    /// Versions before this one are not whole.
    pub kept_from: i64,
}

fn conflict(version: i64, based_on: i64) -> Error {
    Error::conflict(
        "version_conflict",
        format!(
            "somebody changed this configuration meanwhile: it is at version {version} now, and your change was based on version {based_on}; look at it and change it again"
        ),
    )
}

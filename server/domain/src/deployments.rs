//! Deployments: acts of bringing a revision of a service into an environment. Use cases check, write what is wanted and wake
//! the loop; the engine acts and records through [`work`]. Invariants: a revision never changes; one service's deployments never
//! interleave (at most one is unfinished in each environment, the newest wins); a state only follows one that it may follow.

use model::access::Action;
use model::ids::{DeploymentId, EnvironmentId, RevisionId, ServiceId};
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::deployments::{DeploymentKind, DeploymentState, RevisionView};

use crate::access::{Key, Resource};
use crate::access::{May, can};
use crate::args;
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::Result;
use crate::platform::Platform;
use crate::projects::Project;
use crate::services::{Service, ServiceKey};

pub(crate) mod acts;
mod apply;
mod approval;
mod begin;
mod behind;
mod cloning;
mod deploy;
mod frozen;
mod hooked;
mod hosts;
mod limits;
mod plan;
mod ports;
mod reimage;
mod renewal;
pub(crate) mod revisions;
mod roll;
mod since;
mod source;
pub mod steps;
pub(crate) mod telling;
#[cfg(test)]
mod tests;
mod verbs;
pub mod work;

pub use acts::{get, list, of_project, to_approve, wait};
pub use apply::{Applied, applied, apply, plan_apply};
pub use approval::{approve, approve_frozen, expire, plan_of, refuse};
pub use cloning::{CloneOrder, clone, clone_places, clone_plan};
pub use deploy::{Request, deploy, deploy_from, plan, plan_from};
pub(crate) use hooked::{Base, CHANGED, base, renew};
pub use hosts::prepare;
pub(crate) use reimage::{bring_image, foresee};
pub use renewal::ask_again;
pub use revisions::{compare, revision, revisions};
pub use roll::{roll, roll_all};
pub use verbs::{cancel, plan_rollback, restart, rollback, scale, start, stop};

crate::text_columns! { DeploymentState, DeploymentKind }

/// Checks that the caller may bring a stored revision again: what a deploy of it would ask for now.
pub(crate) async fn still_allowed(
    platform: &Platform,
    tx: &mut Tx,
    may: &May<can::Deploy, Service>,
    environment: &Environment,
    revision: RevisionId,
) -> Result<()> {
    let revision = revisions::by_id(tx, revision).await?;
    limits::still_allowed(platform, tx, may, environment, &revision).await
}

/// Longest reason that a person gives, in characters.
const WHY_MAX: usize = 1000;

/// A deployment's row, as far as permission asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Its service.
    pub service: Service,
    /// Where.
    pub environment_id: EnvironmentId,
    /// Its revision.
    pub revision_id: RevisionId,
    /// How far it came, when it was looked up.
    pub state: DeploymentState,
}

impl Resource for Deployment {
    const WHAT: &'static str = "deployment";
    const VISIBLE: Action = Action::SeeServices;

    fn project(&self) -> Option<&Project> {
        Some(&self.service.project)
    }
}

/// A deployment of a service, by id. Owned, so that a lease can keep it.
#[derive(Clone, Debug)]
pub struct DeploymentKey {
    /// Its project.
    pub project: ProjectName,
    /// Its service.
    pub service: ServiceName,
    /// The deployment.
    pub deployment: DeploymentId,
}

impl Key for DeploymentKey {
    type Resource = Deployment;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Deployment>> {
        let key = ServiceKey { project: &self.project, service: &self.service };
        let Some(service) = key.find(tx).await? else { return Ok(None) };
        of_service(tx, service, self.deployment).await
    }
}

impl Key for DeploymentId {
    type Resource = Deployment;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Deployment>> {
        let sql = "SELECT service_id FROM deployments WHERE id = $1";
        let service: Option<ServiceId> = tx.opt(sql, args![*self], |row| row.get("service_id")).await?;
        let Some(service) = service else { return Ok(None) };
        let Some(service) = service.find(tx).await? else { return Ok(None) };
        of_service(tx, service, *self).await
    }
}

async fn of_service(tx: &mut Tx, service: Service, id: DeploymentId) -> Result<Option<Deployment>> {
    let sql = "SELECT environment_id, revision_id, state FROM deployments WHERE id = $1 AND service_id = $2";
    tx.opt(sql, args![id, service.id], |row| {
        Ok(Deployment {
            id,
            service: service.clone(),
            environment_id: row.get("environment_id")?,
            revision_id: row.get("revision_id")?,
            state: row.get("state")?,
        })
    })
    .await
}

/// Who does something, why, and where; common to all verbs.
#[derive(Clone, Debug, Default)]
pub struct Intent {
    /// The environment; may be left out while there is only one.
    pub environment: Option<EnvironmentName>,
    /// Why, for the history.
    pub why: String,
    /// The source's commit, if CI says so.
    pub commit: Option<String>,
    /// The CI build, if CI says so.
    pub build: Option<String>,
    /// The branch or tag of the source, if CI says so.
    pub reference: Option<String>,
    /// Who changed the source, or ran the build, if CI says so.
    pub author: Option<String>,
    /// The page of the commit, if CI says so.
    pub link: Option<String>,
    /// Whether an operator overrides the freeze of the environment; then `why` says why.
    pub override_freeze: bool,
}

impl Intent {
    /// Nothing but the environment.
    #[must_use]
    pub fn in_environment(environment: Option<EnvironmentName>) -> Self {
        Self { environment, ..Self::default() }
    }

    /// For a revision with the image of another one: what it was built from is what that was built from, where nobody says something else.
    fn like(&self, base: &revisions::Stored) -> Self {
        let own = [&self.commit, &self.build, &self.reference, &self.author, &self.link];
        // All are said by one build: the commit of one and the number of another would be neither's.
        if own.into_iter().any(Option::is_some) {
            return self.clone();
        }
        self.clone().built_from(&base.view)
    }

    /// The same, built from what another revision was built from.
    fn built_from(self, view: &RevisionView) -> Self {
        let (commit, build, reference) = (view.commit.clone(), view.build.clone(), view.reference.clone());
        Self { commit, build, reference, author: view.author.clone(), link: view.link.clone(), ..self }
    }

    /// Every text is short and printable.
    fn check(&self) -> Result<()> {
        let texts = [
            ("why", Some(&self.why)),
            ("commit", self.commit.as_ref()),
            ("build", self.build.as_ref()),
            ("ref", self.reference.as_ref()),
            ("actor", self.author.as_ref()),
            ("commit_url", self.link.as_ref()),
        ];
        let wrong = |text: &String| text.chars().count() > WHY_MAX || text.contains('\0');
        let errors = texts.into_iter().filter(|(_, text)| text.is_some_and(wrong));
        let errors: Vec<_> = errors.map(|(field, _)| model::problem::FieldError::new(field, format!("at most {WHY_MAX} characters"))).collect();
        if errors.is_empty() { Ok(()) } else { Err(crate::Error::Invalid(errors)) }
    }
}

//! A permission on what either a project has or the whole site, like rules of alerts: both are the same to whoever works with them.

use model::access::Action;
use model::ids::ProjectId;
use model::names::ProjectName;

use super::{Actor, May, Site, can};
use crate::error::Result;
use crate::platform::Platform;
use crate::projects::Project;

/// The permission to do `P` to a project, or `Q` to the site.
#[derive(Clone, Debug)]
pub enum Held<P, Q = P> {
    /// To a project.
    Project(May<P, Project>),
    /// To the site.
    Site(May<Q, Site>),
}

impl<P: can::Permission, Q: can::Permission> Held<P, Q> {
    /// Asks for it: to the project, or to the site where none is named.
    pub async fn of(platform: &Platform, actor: &Actor, project: Option<&ProjectName>) -> Result<Self> {
        Ok(match project {
            Some(name) => Self::Project(actor.may(platform, name).await?),
            None => Self::Site(actor.may(platform, &Site).await?),
        })
    }

    /// The project; none: the site.
    #[must_use]
    pub fn project(&self) -> Option<&Project> {
        match self {
            Self::Project(may) => Some(may),
            Self::Site(_) => None,
        }
    }

    /// The project's id; none: the site.
    #[must_use]
    pub fn project_id(&self) -> Option<ProjectId> {
        self.project().map(|project| project.id)
    }

    /// Whether the same caller may also do this to it.
    #[must_use]
    pub fn also(&self, action: Action) -> bool {
        match self {
            Self::Project(may) => may.also(action),
            Self::Site(may) => may.also(action),
        }
    }

    /// Who may.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        match self {
            Self::Project(may) => may.actor(),
            Self::Site(may) => may.actor(),
        }
    }
}

//! Where services are at the moment, for proxies and collectors outside: which tasks serve, at which addresses, and by which routes they are reached.
//!
//! All of it is kept in memory ([`Index`]) and follows the tables by what they tell of ([`work`]): who asks costs no query over tasks, and who waits
//! hears of a change at once. Each change has a number, larger than those before, also than those of the process before.
//!
//! A reader sees the projects whose services it may see, and needs the scope `discovery`. Only tasks that serve are told: running, and healthy where
//! there is a check; those that are to end are marked so until they have ended.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use model::ids::{ProjectId, ServiceId, UserId};
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::discovery::DiscoveredService;
use tokio::sync::watch;

use crate::access::{Actor, Changes, May, Visible, can};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
use crate::{accounts, environments};

mod index;
mod load;
#[cfg(test)]
mod tests;
pub mod work;

pub(crate) use index::Index;
use index::Snapshot;

/// Most projects that one reader follows.
const PROJECTS: i64 = 10_000;
/// How long the first look at everything may take.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// What a reader asks for; what is left out may be any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this project.
    pub project: Option<ProjectName>,
    /// Called so.
    pub service: Option<ServiceName>,
    /// In this environment.
    pub environment: Option<EnvironmentName>,
}

impl Filter {
    /// Whether one service in one environment is meant.
    fn is_exact(&self) -> bool {
        self.project.is_some() && self.service.is_some() && self.environment.is_some()
    }

    /// Whether a service is meant.
    #[must_use]
    pub fn meets(&self, service: &DiscoveredService) -> bool {
        self.project.as_ref().is_none_or(|project| *project == service.project)
            && self.service.as_ref().is_none_or(|name| *name == service.service)
            && self.environment.as_ref().is_none_or(|environment| *environment == service.environment)
    }
}

/// What a reader found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Another one, and a larger one: something of the reader's projects changed, or which those are.
    pub index: u64,
    /// The services, oldest first.
    pub services: Vec<Arc<DiscoveredService>>,
    /// Their ids, in the same order.
    ids: Vec<ServiceId>,
}

/// Somebody who reads, and may go on reading. What they may see is looked at again whenever anybody's access changes.
pub struct Reader {
    platform: Platform,
    actor: Actor,
    account: UserId,
    projects: HashSet<ProjectId>,
    /// The change since which it sees just these.
    seen_since: u64,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    access: Changes,
    /// Somebody's access changed, and nobody has looked at it yet.
    stale: bool,
}

impl Reader {
    /// A reader.
    ///
    /// # Errors
    /// `Unauthenticated`, `Forbidden` without the scope; `Unavailable` where nothing was looked at yet.
    pub async fn open(platform: &Platform, actor: &Actor) -> Result<Self> {
        // Listening begins before the check, so that no change falls between the two.
        let access = platform.access_changes();
        let mut snapshots = platform.discovery().follow();
        let projects = seen(platform, &actor.visible::<can::ReadDiscovery>()?).await?;
        let looked = matches!(tokio::time::timeout(FIRST_LOOK, snapshots.wait_for(|snapshot| snapshot.is_known())).await, Ok(Ok(_)));
        if !looked {
            return Err(Error::Unavailable("the portal has not looked yet where services are; try again in a moment".into()));
        }
        let account = actor.account()?.id;
        let seen_since = platform.discovery().seen(platform.now(), account, &projects);
        Ok(Self { platform: platform.clone(), actor: actor.clone(), account, projects, seen_since, snapshots, access, stale: false })
    }

    /// Who reads.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What there is now.
    pub fn find(&mut self, filter: &Filter) -> Found {
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        let mut found = snapshot.find(&self.projects, self.seen_since, filter);
        // Another reader of this account knows already that it sees other projects, and this one will in a moment: what it finds until then is from
        // before that, whatever changed since.
        if let Some(newer) = self.platform.discovery().seen_otherwise(self.account, self.seen_since) {
            found.index = found.index.min(newer - 1);
        }
        found
    }

    /// Notes that the reader sends requests to these of the services that it found: their tasks let it hear of their end before they end.
    pub fn sends_to(&self, found: &Found, which: impl Fn(&DiscoveredService) -> bool) {
        let sent = found.services.iter().zip(&found.ids).filter(|(service, _)| !service.tcp_ports.is_empty() && which(service));
        let sent: Vec<ServiceId> = sent.map(|(_, id)| *id).collect();
        self.platform.discovery().note(self.platform.now(), &sent);
    }

    /// Resolves when there may be something else. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The reader may read no longer; the portal stops.
    pub async fn changed(&mut self) -> Result<()> {
        let stopping = || Error::Unavailable("the portal is stopping".into());
        if !self.stale {
            tokio::select! {
                told = self.snapshots.changed() => return told.map_err(|_| stopping()),
                due = self.access.due() => self.stale = due,
            }
        }
        if !self.stale {
            return Err(stopping());
        }
        self.actor = accounts::refresh(&self.platform, &self.actor).await?;
        self.projects = seen(&self.platform, &self.actor.visible::<can::ReadDiscovery>()?).await?;
        self.seen_since = self.platform.discovery().seen(self.platform.now(), self.account, &self.projects);
        self.stale = false;
        Ok(())
    }
}

/// The projects whose services somebody may see.
async fn seen(platform: &Platform, visible: &Visible<can::ReadDiscovery>) -> Result<HashSet<ProjectId>> {
    let (condition, arguments) = visible.condition("p", 1);
    let sql = format!("SELECT p.id FROM projects p WHERE p.deleted_at IS NULL AND {condition} ORDER BY p.id LIMIT {PROJECTS}");
    let found: Vec<ProjectId> = platform.read().await?.all(sql, arguments, |row| row.get("id")).await?;
    Ok(found.into_iter().collect())
}

/// Where one service is, in each environment, for people who look. It is read from the tables: whoever was just told of a change sees it, also before
/// the index has it.
pub async fn of_service(platform: &Platform, may: &May<can::ReadDiscovery, Service>) -> Result<Vec<DiscoveredService>> {
    let mut tx = platform.read().await?;
    let found = load::load(&mut tx, &mut load::Revisions::default(), Some(&[may.id])).await?;
    Ok(found.into_values().map(|entry| Arc::unwrap_or_clone(entry.service)).collect())
}

/// The environment that is meant: the one that is named, or the only one.
///
/// # Errors
/// `Invalid` where there is none of the name, or where there are several and none is named.
pub async fn environment(platform: &Platform, may: &May<can::ReadDiscovery, Service>, name: Option<&EnvironmentName>) -> Result<EnvironmentName> {
    Ok(environments::choose_for(&mut platform.read().await?, may, name).await?.name)
}

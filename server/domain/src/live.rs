//! What just changed: pages hear of it as an event, loops are woken by it. Both are sent after the commit alone, and both may be
//! missed without harm: a page reads the state anew, a loop has a timer too.

use std::fmt;

use model::ids::{DeploymentId, EnvironmentId, MachineId, ProjectId, ServiceId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::error::{Error, Result};

/// Something that pages can watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A project: its settings, members, list of services.
    Project(ProjectId),
    /// A project's images.
    Images(ProjectId),
    /// A service: its desired state, its tasks.
    Service(ServiceId),
    /// A deployment: its state and progress.
    Deployment(DeploymentId),
    /// An environment: its engine's state.
    Environment(EnvironmentId),
    /// A machine: what happens on it, also to others' containers.
    Machine(MachineId),
    /// The registry's upkeep: its runs and what they have done.
    Upkeep,
    /// What services and machines use: there are newer samples.
    Metrics,
    /// A project's copies from outside registries: which there are and how far they are.
    Copies(ProjectId),
    /// A project's alerts, their rules, silences and routes.
    Alerts(ProjectId),
    /// The same of the whole site.
    SiteAlerts,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(id) => write!(f, "project:{id}"),
            Self::Images(id) => write!(f, "images:{id}"),
            Self::Service(id) => write!(f, "service:{id}"),
            Self::Deployment(id) => write!(f, "deployment:{id}"),
            Self::Environment(id) => write!(f, "environment:{id}"),
            Self::Machine(id) => write!(f, "machine:{id}"),
            Self::Metrics => f.write_str("metrics"),
            Self::Upkeep => f.write_str("upkeep"),
            Self::Copies(id) => write!(f, "copies:{id}"),
            Self::Alerts(id) => write!(f, "alerts:{id}"),
            Self::SiteAlerts => f.write_str("site-alerts"),
        }
    }
}

impl std::str::FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        match text {
            "metrics" => return Ok(Self::Metrics),
            "site-alerts" => return Ok(Self::SiteAlerts),
            "upkeep" => return Ok(Self::Upkeep),
            _ => {}
        }
        let (kind, id) = text.split_once(':').ok_or(InvalidTopic)?;
        Ok(match kind {
            "project" => Self::Project(id.parse()?),
            "images" => Self::Images(id.parse()?),
            "service" => Self::Service(id.parse()?),
            "deployment" => Self::Deployment(id.parse()?),
            "environment" => Self::Environment(id.parse()?),
            "machine" => Self::Machine(id.parse()?),
            "copies" => Self::Copies(id.parse()?),
            "alerts" => Self::Alerts(id.parse()?),
            _ => return Err(InvalidTopic),
        })
    }
}

/// The text names nothing that can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a topic is one of project, images, service, deployment, environment, machine, copies, alerts, a colon and an id; or one of metrics, site-alerts, upkeep"
)]
pub struct InvalidTopic;

impl From<model::ids::InvalidId> for InvalidTopic {
    fn from(_: model::ids::InvalidId) -> Self {
        Self
    }
}

/// What wakes a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Desired or actual state changed: compare them.
    Reconcile,
    /// A run of a project's rules for images was asked for.
    ImageRules,
    /// A run of the registry's upkeep was asked for, or its schedule changed.
    Upkeep,
    /// A copy from an outside registry was asked for, or has ended.
    Copies,
    /// A repository was deleted whose rows are still to be taken away.
    DeletedRepositories,
    /// Machines were added, changed or removed.
    Machines,
    /// Images of a machine are to be pruned, or how that is done changed.
    Pruning,
    /// How long or how much of a project's logs is kept changed, or the project is gone; or much was added, or the disk is full.
    LogRetention,
    /// Rules of alerts changed: look whether they hold.
    Alerts,
    /// A notice is to be sent, or where to.
    Notices,
    /// Images were pushed that a service's rule may be about.
    Pushes,
    /// What the public status page shows may have changed.
    Status,
    /// Recordings of shells may be to go: their project did, it keeps them for less time or in less room, or there is another one.
    Recordings,
}

/// Resolves when what the topic names may have changed. Listening begins with the receiver: make it before the first look, so that no change falls
/// between the two.
///
/// # Errors
/// `Unavailable` when the portal stops.
pub(crate) async fn changed(live: &mut broadcast::Receiver<Topic>, topic: Topic) -> Result<()> {
    loop {
        match live.recv().await {
            Ok(heard) if heard == topic => return Ok(()),
            Ok(_) => {}
            // Having missed some is a reason to look.
            Err(RecvError::Lagged(_)) => return Ok(()),
            Err(RecvError::Closed) => return Err(Error::Unavailable("the portal is stopping".into())),
        }
    }
}

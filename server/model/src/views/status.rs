//! Views of the public status page. [`StatusView`] and all that is in it is for everybody: what stands here is seen by the whole world, and a test
//! holds its fields to a list. The others are for those who write the page.

use serde::{Deserialize, Serialize};

use crate::ids::{IncidentId, IncidentUpdateId, LegacyServiceId};
use crate::status::{ComponentState, Impact, IncidentKind, IncidentState};
use crate::time::Millis;

/// A status page: the whole site's, or one project's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// The project's name; none: the whole site.
    pub project: Option<String>,
    /// What heads it.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Whether it has a logo.
    pub logo: bool,
    /// How all of it does.
    pub state: ComponentState,
    /// When its services were last probed; none: not yet.
    pub checked_at: Option<Millis>,
    /// Whether that is so long ago that nothing is known of them since.
    pub stale: bool,
    /// The services, by project.
    pub groups: Vec<GroupView>,
    /// Incidents, those that are not over first, then newest first.
    pub incidents: Vec<PublicIncident>,
    /// Planned work that is not over, the next first.
    pub maintenances: Vec<PublicIncident>,
}

/// The services of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    /// The project's name.
    pub project: String,
    /// What its page is called.
    pub title: String,
    /// The services, by name.
    pub components: Vec<ComponentView>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentView {
    /// Its name in the project.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// How it does.
    pub state: ComponentState,
    /// Since when.
    pub since: Option<Millis>,
    /// Per cent of the time of the last 90 days that was looked at in which it worked, planned work left out; none: nobody looked.
    pub uptime: Option<f64>,
    /// How long its last answer took, in milliseconds.
    pub response_ms: Option<i64>,
    /// The last 90 days in UTC, the oldest first.
    pub days: Vec<DayView>,
    /// How long answers took in each quarter of an hour of the last day, in milliseconds, the oldest first.
    pub responses: Vec<Option<i64>>,
}

/// A day of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayView {
    /// `2026-11-22`, in UTC.
    pub date: String,
    /// The worst of it; none: nothing is known.
    pub state: Option<ComponentState>,
    /// Per cent of the time that was looked at in which it worked; none: nobody looked.
    pub uptime: Option<f64>,
    /// So long it did not answer, planned work left out.
    pub down_seconds: i64,
}

/// An incident, or planned work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicIncident {
    /// Its id.
    pub id: IncidentId,
    /// The project that it is of; none: the whole site.
    pub project: Option<String>,
    /// In one line.
    pub title: String,
    /// How much it concerns people.
    pub impact: Impact,
    /// How far it is.
    pub state: IncidentState,
    /// The services that it concerns; none: each one.
    pub components: Vec<String>,
    /// When it began, or will.
    pub starts_at: Millis,
    /// When it ended, or planned work will.
    pub ends_at: Option<Millis>,
    /// When it was written, or proposed.
    pub created_at: Millis,
    /// When something was told of it last.
    pub updated_at: Millis,
    /// What was told, newest first.
    pub updates: Vec<PublicUpdate>,
}

impl PublicIncident {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, IncidentState::Resolved | IncidentState::Completed)
    }
}

/// Something that was told of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicUpdate {
    /// Its id.
    pub id: IncidentUpdateId,
    /// How far it was.
    pub state: IncidentState,
    /// The text.
    pub text: String,
    /// When.
    pub at: Millis,
}

/// What heads a page, for those who write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageView {
    /// Its title; empty: the usual one.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Only what runs there is shown; empty: wherever it runs.
    pub environment: String,
    /// Whether it has a logo.
    pub logo: bool,
    /// Whether nobody sees it.
    pub hidden: bool,
}

/// A project that stands on the whole site's page, or was taken off, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteProjectView {
    /// Its name.
    pub project: String,
    /// What it calls its page; empty: its name.
    pub title: String,
    /// Whether it was taken off; its own page stays.
    pub off_site: bool,
}

/// A service outside of containers, for those who write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyView {
    /// Its id.
    pub id: LegacyServiceId,
    /// Its name.
    pub name: String,
    /// What people call it; empty: its name.
    pub title: String,
    /// Where it is probed.
    pub address: String,
    /// Whether the status page shows it.
    pub shown: bool,
    /// What the last probe found; none: there was none yet.
    pub state: Option<ComponentState>,
    /// Why, for those who may see addresses.
    pub finding: Option<String>,
    /// Who wrote it last.
    pub by: String,
    /// When.
    pub updated_at: Millis,
}

/// An incident, for those who write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentView {
    /// Which of the two.
    pub kind: IncidentKind,
    /// What everybody sees, once it is not only proposed.
    #[serde(flatten)]
    pub public: PublicIncident,
    /// Whether an alert proposed it.
    pub proposed: bool,
    /// Whether that alert still fires.
    pub firing: bool,
    /// Who wrote it.
    pub by: String,
}

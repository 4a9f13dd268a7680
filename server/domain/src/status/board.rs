//! What everybody may see, put together: views of all pages, in memory. Whatever is not in a board cannot be told to anybody.

use std::sync::Arc;
use std::time::Duration;

use model::ids::ProjectId;
use model::names::ProjectName;
use model::status::{ComponentState, Impact, IncidentState};
use model::time::Millis;
use model::views::status::{ComponentView, GroupView, PublicIncident, StatusView};

use super::called;
use super::things::Thing;

/// So long after the last round of probes nobody knows any more how services do.
const STALE: Duration = Duration::from_secs(180);
/// Most incidents of projects on the whole site's page, and most planned work of theirs.
const ON_SITE: usize = 100;
/// Most updates of each of those there; their project's page has more.
const UPDATES_ON_SITE: usize = 3;

/// A logo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its media type.
    pub kind: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What heads a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub project: Option<ProjectId>,
    pub title: String,
    pub about: String,
    pub hidden: bool,
    /// Operators took it off the whole site's page.
    pub off_site: bool,
    pub logo: Option<Arc<Picture>>,
    pub updated_at: Millis,
}

/// A project that shows something.
#[derive(Clone, Debug, PartialEq)]
struct Section {
    head: Head,
    group: GroupView,
    incidents: Vec<PublicIncident>,
    maintenances: Vec<PublicIncident>,
}

/// All that is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Another board has another number.
    pub number: u64,
    /// The last round of probes; none: there was none yet.
    pub checked_at: Option<Millis>,
    /// That was so long ago that nothing is known since.
    stale: bool,
    site: Head,
    sections: Vec<Section>,
    incidents: Vec<PublicIncident>,
    maintenances: Vec<PublicIncident>,
}

/// An incident that may be shown, with its project's id.
pub(super) struct Shown {
    pub project: Option<ProjectId>,
    pub planned: bool,
    pub public: PublicIncident,
}

/// A board without its number. Heads without a service that is shown are left out: nobody hears that their projects are there.
pub(super) fn assemble(heads: Vec<Head>, components: Vec<(Thing, ComponentView)>, incidents: &[Shown], checked_at: Option<Millis>) -> Board {
    let mut board = Board { checked_at, ..Board::default() };
    let mut rest: Vec<Head> = Vec::new();
    for head in heads {
        if head.project.is_none() {
            board.site = head;
        } else {
            rest.push(head);
        }
    }
    for (thing, view) in components {
        match board.sections.last_mut().filter(|section| section.head.project == Some(thing.project)) {
            Some(section) => section.group.components.push(view),
            None => board.sections.push(section(&rest, &thing, view)),
        }
    }
    let named: Vec<String> = board.sections.iter().flat_map(Section::names).collect();
    (board.incidents, board.maintenances) = told(incidents, None, &named);
    for section in &mut board.sections {
        let own: Vec<String> = section.group.components.iter().map(|component| component.name.clone()).collect();
        (section.incidents, section.maintenances) = told(incidents, section.head.project, &own);
    }
    board
}

fn section(heads: &[Head], thing: &Thing, first: ComponentView) -> Section {
    let named = heads.iter().find(|head| head.project == Some(thing.project)).cloned();
    let head = named.unwrap_or_else(|| Head { project: Some(thing.project), ..Head::default() });
    let title = if head.title.is_empty() { thing.project_name.to_string() } else { head.title.clone() };
    let group = GroupView { project: thing.project_name.to_string(), title, components: vec![first] };
    Section { head, group, incidents: Vec::new(), maintenances: Vec::new() }
}

/// The incidents and the planned work of a project, or of the site. They name no service that is not shown, and those about none that is are left out.
fn told(all: &[Shown], project: Option<ProjectId>, shown: &[String]) -> (Vec<PublicIncident>, Vec<PublicIncident>) {
    let of = move |planned: bool| {
        let own = all.iter().filter(move |incident| incident.project == project && incident.planned == planned);
        own.filter_map(move |incident| narrowed(&incident.public, shown))
    };
    let mut incidents: Vec<PublicIncident> = of(false).chain(of(true).filter(PublicIncident::is_over)).collect();
    incidents.sort_by_key(|incident| (incident.is_over(), std::cmp::Reverse(incident.starts_at), incident.id));
    let mut maintenances: Vec<PublicIncident> = of(true).filter(|planned| !planned.is_over()).collect();
    maintenances.sort_by_key(|planned| (planned.starts_at, planned.id));
    (incidents, maintenances)
}

/// An incident with these services alone; none where it is about none of them.
fn narrowed(incident: &PublicIncident, shown: &[String]) -> Option<PublicIncident> {
    let concerns = incident.components.is_empty() || incident.components.iter().any(|name| shown.contains(name));
    concerns.then(|| {
        let mut incident = incident.clone();
        incident.components.retain(|name| shown.contains(name));
        incident
    })
}

/// Of each project the first, then of each the second, until there are enough: nobody's many leave no room for others' few.
fn fairly(all: impl Iterator<Item = Vec<PublicIncident>>) -> impl Iterator<Item = PublicIncident> {
    let mut ranked: Vec<(usize, PublicIncident)> = all.flat_map(|of_one| of_one.into_iter().enumerate()).collect();
    ranked.sort_by_key(|(rank, incident)| (*rank, incident.is_over(), std::cmp::Reverse(incident.starts_at)));
    ranked.into_iter().take(ON_SITE).map(|(_, incident)| incident)
}

impl Section {
    fn names(&self) -> Vec<String> {
        let Ok(project) = self.group.project.parse::<ProjectName>() else { return Vec::new() };
        self.group.components.iter().map(|component| called(true, &project, &component.name)).collect()
    }

    /// What was told of it, as the whole site's page tells it: services bear their project's name, and of each incident the newest is enough.
    fn told_on_site(&self, own: &[PublicIncident]) -> Vec<PublicIncident> {
        let on_site = |incident: &PublicIncident| {
            let mut incident = incident.clone();
            incident.components.iter_mut().for_each(|name| *name = format!("{}/{name}", self.group.project));
            incident.updates.truncate(UPDATES_ON_SITE);
            incident
        };
        own.iter().map(on_site).collect()
    }
}

impl Board {
    /// The page of a project, or of the whole site; none where there is none for everybody.
    #[must_use]
    pub fn view(&self, project: Option<&str>) -> Option<StatusView> {
        if self.site.hidden {
            return None;
        }
        match project {
            None => Some(self.whole()),
            Some(name) => self.section(name).map(|section| self.part(section)),
        }
    }

    /// Whether there is a page of this project, or of the whole site, for everybody.
    #[must_use]
    pub fn has(&self, project: Option<&str>) -> bool {
        !self.site.hidden && project.is_none_or(|name| self.section(name).is_some())
    }

    /// Whether what it says of services was found too long ago to hold, and it does not say so yet.
    pub(super) fn is_old(&self, now: Millis) -> bool {
        !self.stale && self.checked_at.is_some_and(|at| now.since(at) > STALE)
    }

    /// The same when nothing is known any more since the last round of probes.
    pub(super) fn unknown(mut self) -> Self {
        self.stale = true;
        for component in self.sections.iter_mut().flat_map(|section| &mut section.group.components) {
            if component.state != ComponentState::Unknown {
                component.since = self.checked_at;
            }
            component.state = ComponentState::Unknown;
            component.response_ms = None;
        }
        self
    }

    /// The logo of a page.
    #[must_use]
    pub fn logo(&self, project: Option<&str>) -> Option<&Picture> {
        let head = match project {
            _ if self.site.hidden => return None,
            None => &self.site,
            Some(name) => &self.section(name)?.head,
        };
        head.logo.as_deref()
    }

    /// One service.
    #[must_use]
    pub fn component(&self, project: &str, name: &str) -> Option<&ComponentView> {
        if self.site.hidden {
            return None;
        }
        self.section(project)?.group.components.iter().find(|component| component.name == name)
    }

    /// The logo that the same head had, unless it was written since.
    pub(super) fn known_logo(&self, head: &Head) -> Option<Arc<Picture>> {
        let heads = std::iter::once(&self.site).chain(self.sections.iter().map(|section| &section.head));
        let mut same = heads.filter(|known| known.project == head.project && known.updated_at == head.updated_at);
        same.next().and_then(|known| known.logo.clone())
    }

    fn section(&self, project: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.group.project == project)
    }

    fn whole(&self) -> StatusView {
        let sections = || self.sections.iter().filter(|section| !section.head.off_site);
        let groups: Vec<GroupView> = sections().map(|section| section.group.clone()).collect();
        let named: Vec<String> = sections().flat_map(Section::names).collect();
        let mut incidents: Vec<PublicIncident> = self.incidents.iter().filter_map(|incident| narrowed(incident, &named)).collect();
        let mut maintenances: Vec<PublicIncident> = self.maintenances.iter().filter_map(|planned| narrowed(planned, &named)).collect();
        // A project speaks for itself: how the whole site does, its probes and the site's own incidents say.
        let state = state(&groups, &incidents);
        incidents.extend(fairly(sections().map(|section| section.told_on_site(&section.incidents))));
        maintenances.extend(fairly(sections().map(|section| section.told_on_site(&section.maintenances))));
        incidents.sort_by_key(|incident| (incident.is_over(), std::cmp::Reverse(incident.starts_at), incident.id));
        maintenances.sort_by_key(|planned| (planned.starts_at, planned.id));
        StatusView {
            project: None,
            title: self.site.title.clone(),
            about: self.site.about.clone(),
            logo: self.site.logo.is_some(),
            state,
            checked_at: self.checked_at,
            stale: self.stale,
            groups,
            incidents,
            maintenances,
        }
    }

    fn part(&self, section: &Section) -> StatusView {
        let groups = vec![section.group.clone()];
        // What is told of the whole site concerns each project, unless it names services of others alone.
        let own = section.names();
        let here = |incident: &PublicIncident| narrowed(incident, &own).map(by_own_names);
        let mut incidents = section.incidents.clone();
        incidents.extend(self.incidents.iter().filter_map(here));
        let mut maintenances = section.maintenances.clone();
        maintenances.extend(self.maintenances.iter().filter_map(here));
        incidents.sort_by_key(|incident| (incident.is_over(), std::cmp::Reverse(incident.starts_at), incident.id));
        maintenances.sort_by_key(|planned| (planned.starts_at, planned.id));
        StatusView {
            project: Some(section.group.project.clone()),
            title: section.group.title.clone(),
            about: section.head.about.clone(),
            logo: section.head.logo.is_some(),
            state: state(&groups, &incidents),
            checked_at: self.checked_at,
            stale: self.stale,
            groups,
            incidents,
            maintenances,
        }
    }
}

/// The site's incident on a project's page, where services go by their own names.
fn by_own_names(mut incident: PublicIncident) -> PublicIncident {
    incident.components.iter_mut().for_each(|name| *name = name.split('/').next_back().unwrap_or_default().to_owned());
    incident
}

/// How all of it does: down where nothing works, degraded where something does not or those whose page it is say so.
fn state(groups: &[GroupView], incidents: &[PublicIncident]) -> ComponentState {
    let states = || groups.iter().flat_map(|group| &group.components).map(|component| component.state);
    let open = || incidents.iter().filter(|incident| !incident.is_over() && incident.state != IncidentState::Scheduled);
    let has = |state: ComponentState| states().any(|own| own == state);
    let nothing_works = states().next().is_some() && states().all(|state| state == ComponentState::Down);
    if nothing_works || open().any(|incident| incident.impact == Impact::Critical) {
        ComponentState::Down
    } else if has(ComponentState::Down) || has(ComponentState::Degraded) || open().any(|incident| incident.impact != Impact::None) {
        ComponentState::Degraded
    } else if has(ComponentState::Unknown) {
        ComponentState::Unknown
    } else if has(ComponentState::Maintenance) {
        ComponentState::Maintenance
    } else {
        ComponentState::Operational
    }
}

//! The same for programs: Atom (RFC 4287), the shape of Atlassian's `summary.json`, and badges as SVG or as shields.io reads them.

use std::fmt::Write as _;

use model::status::{ComponentState, Impact, IncidentState};
use model::time::Millis;
use model::views::status::{ComponentView, GroupView, PublicIncident, PublicUpdate, StatusView};
use serde_json::{Value, json};

use super::draw::{escape, percent};
use super::words::Language;

/// Entries of a feed at most.
const ENTRIES: usize = 50;

fn page(view: &StatusView, origin: &str) -> String {
    view.project.as_ref().map_or_else(|| format!("{origin}/status"), |project| format!("{origin}/status/{project}"))
}

fn title(view: &StatusView) -> &str {
    if view.title.is_empty() { "Status" } else { &view.title }
}

/// When something was told last.
fn updated(view: &StatusView) -> Millis {
    let told = view.incidents.iter().chain(&view.maintenances).map(|incident| incident.updated_at).max();
    told.or(view.checked_at).unwrap_or_default()
}

/// The feed of incidents and planned work.
pub(super) fn atom(view: &StatusView, origin: &str) -> String {
    let (page, title) = (page(view, origin), escape(title(view)));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"><id>{page}</id><title>{title}</title>\
         <updated>{}</updated><link rel=\"alternate\" type=\"text/html\" href=\"{page}\"/><link rel=\"self\" href=\"{}\"/><author><name>{title}</name></author>",
        updated(view).rfc3339(),
        if view.project.is_some() { format!("{page}/feed.atom") } else { format!("{origin}/status/feed.atom") }
    );
    let mut all: Vec<&PublicIncident> = view.incidents.iter().chain(&view.maintenances).collect();
    all.sort_by_key(|incident| std::cmp::Reverse((incident.updated_at, incident.id)));
    for incident in all.into_iter().take(ENTRIES) {
        let told = incident.updates.iter().map(|update| {
            let step = Language::English.step(update.state);
            format!("<p><strong>{step}</strong>, {}: {}</p>", update.at.exact(), escape(&update.text).replace('\n', "<br/>"))
        });
        let _ = write!(
            xml,
            "<entry><id>urn:uuid:{0}</id><title>{1}</title><updated>{2}</updated><published>{3}</published>\
             <link rel=\"alternate\" type=\"text/html\" href=\"{page}#{0}\"/><category term=\"{4}\"/><content type=\"html\">{5}</content></entry>",
            incident.id,
            escape(&incident.title),
            incident.updated_at.rfc3339(),
            incident.starts_at.rfc3339(),
            incident.state,
            escape(&told.collect::<String>())
        );
    }
    xml.push_str("</feed>\n");
    xml
}

/// `/api/v2/summary.json` as Atlassian's pages have it.
pub(super) fn summary(view: &StatusView, origin: &str) -> Value {
    let now = updated(view).max(view.checked_at.unwrap_or_default()).rfc3339();
    let summary = Summary { view, id: view.project.as_deref().unwrap_or("status"), page: page(view, origin), now };
    let (indicator, description) = overall(view.state);
    let description = match view.checked_at.filter(|_| view.stale && view.state == ComponentState::Unknown) {
        Some(at) => format!("Not Known Since {}", at.rfc3339()),
        None => description.to_owned(),
    };
    let open = view.incidents.iter().filter(|incident| !incident.is_over());
    json!({
        "page": {"id": summary.id, "name": title(view), "url": summary.page, "time_zone": "Etc/UTC", "updated_at": summary.now},
        "status": {"indicator": indicator, "description": description},
        "components": summary.components(),
        "incidents": open.map(|incident| summary.told(incident)).collect::<Vec<_>>(),
        "scheduled_maintenances": view.maintenances.iter().map(|incident| summary.told(incident)).collect::<Vec<_>>(),
    })
}

/// What each part of a summary is made of.
struct Summary<'a> {
    view: &'a StatusView,
    /// The page's id.
    id: &'a str,
    /// The page's address.
    page: String,
    /// When something changed last.
    now: String,
}

impl Summary<'_> {
    /// The services; on the whole site's page behind the group that they belong to, which is listed as one of them.
    fn components(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (group, at) in self.view.groups.iter().zip(1..) {
            if self.view.project.is_none() {
                all.push(self.group(group, at));
            }
            all.extend(group.components.iter().zip(1..).map(|(component, at)| self.component(group, component, at)));
        }
        all
    }

    /// A project's services together: as bad as the worst of them.
    fn group(&self, group: &GroupView, position: usize) -> Value {
        let times: Vec<(String, String)> = group.components.iter().map(|component| self.times(component)).collect();
        json!({
            "id": group.project,
            "name": group.title,
            "status": group.components.iter().map(|component| component.state).max().map_or("operational", status),
            "created_at": times.iter().map(|(created, _)| created).min(),
            "updated_at": times.iter().map(|(_, updated)| updated).max(),
            "position": position,
            "description": null,
            "showcase": false,
            "start_date": null,
            "group_id": null,
            "group": true,
            "page_id": self.id,
            "only_show_if_degraded": false,
            "components": group.components.iter().map(|component| id(group, component)).collect::<Vec<_>>(),
        })
    }

    fn component(&self, group: &GroupView, component: &ComponentView, position: usize) -> Value {
        let (created, updated) = self.times(component);
        json!({
            "id": id(group, component),
            "name": component.title,
            "status": status(component.state),
            "created_at": created,
            "updated_at": updated,
            "position": position,
            "description": null,
            "showcase": true,
            "start_date": null,
            "group_id": self.view.project.is_none().then_some(&group.project),
            "group": false,
            "page_id": self.id,
            "only_show_if_degraded": false,
        })
    }

    /// The first day that something is known of it, of those that are shown, and when its state changed. Readers take neither for nothing.
    fn times(&self, component: &ComponentView) -> (String, String) {
        let updated = component.since.or(self.view.checked_at).map_or_else(|| self.now.clone(), Millis::rfc3339);
        let first = component.days.iter().find(|day| day.state.is_some()).map(|day| format!("{}T00:00:00.000Z", day.date));
        let created = first.filter(|first| *first < updated).unwrap_or_else(|| updated.clone());
        (created, updated)
    }

    /// The service that an incident names, as it stands among all of them.
    fn named(&self, name: &str) -> Option<Value> {
        let (project, name) = match &self.view.project {
            Some(project) => (project.as_str(), name),
            // There, services bear their project's name.
            None => name.split_once('/')?,
        };
        let group = self.view.groups.iter().find(|group| group.project == project)?;
        let (component, at) = group.components.iter().zip(1..).find(|(component, _)| component.name == name)?;
        Some(self.component(group, component, at))
    }

    fn told(&self, incident: &PublicIncident) -> Value {
        let watched = incident.updates.iter().find(|update| update.state == IncidentState::Monitoring);
        let mut value = json!({
            "id": incident.id,
            "name": incident.title,
            "status": incident.state,
            "impact": incident.impact,
            "shortlink": format!("{}#{}", self.page, incident.id),
            "started_at": incident.starts_at.rfc3339(),
            "created_at": incident.created_at.rfc3339(),
            "updated_at": incident.updated_at.rfc3339(),
            "monitoring_at": watched.map(|update| update.at.rfc3339()),
            "resolved_at": incident.ends_at.filter(|_| incident.is_over()).map(Millis::rfc3339),
            "page_id": self.id,
            "incident_updates": incident.updates.iter().map(|update| step(incident, update)).collect::<Vec<_>>(),
            "components": incident.components.iter().filter_map(|name| self.named(name)).collect::<Vec<_>>(),
        });
        if matches!(incident.state, IncidentState::Scheduled | IncidentState::InProgress) {
            value["impact"] = json!(if incident.impact == Impact::None { "maintenance" } else { incident.impact.as_str() });
            value["scheduled_for"] = json!(incident.starts_at.rfc3339());
            value["scheduled_until"] = json!(incident.ends_at.map(Millis::rfc3339));
        }
        value
    }
}

/// A service's id: the same wherever it is named.
fn id(group: &GroupView, component: &ComponentView) -> String {
    format!("{}/{}", group.project, component.name)
}

/// Something that was told. Programs know by its id whether they have read it.
fn step(incident: &PublicIncident, update: &PublicUpdate) -> Value {
    let at = update.at.rfc3339();
    json!({
        "id": update.id,
        "status": update.state,
        "body": update.text,
        "incident_id": incident.id,
        "created_at": at,
        "updated_at": at,
        "display_at": at,
        "affected_components": null,
        "deliver_notifications": false,
        "custom_tweet": null,
        "tweet_id": null,
    })
}

fn overall(state: ComponentState) -> (&'static str, &'static str) {
    match state {
        ComponentState::Operational => ("none", "All Systems Operational"),
        ComponentState::Maintenance => ("none", "Service Under Maintenance"),
        ComponentState::Unknown => ("minor", "Some Systems Cannot Be Seen"),
        ComponentState::Degraded => ("major", "Partial System Outage"),
        ComponentState::Down => ("critical", "Major System Outage"),
    }
}

/// Its words for how a component does. They know none for what cannot be seen.
fn status(state: ComponentState) -> &'static str {
    match state {
        ComponentState::Operational => "operational",
        ComponentState::Maintenance => "under_maintenance",
        ComponentState::Unknown => "degraded_performance",
        ComponentState::Degraded => "partial_outage",
        ComponentState::Down => "major_outage",
    }
}

/// What a badge tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Tells {
    /// How it does.
    #[default]
    Status,
    /// How much of the last 90 days it worked.
    Uptime,
    /// How long its last answer took.
    Response,
}

impl Tells {
    pub fn of(query: Option<&str>) -> Self {
        match query.into_iter().flat_map(|query| query.split('&')).find_map(|part| part.strip_prefix("kind=")) {
            Some("uptime") => Self::Uptime,
            Some("response") => Self::Response,
            Some(_) | None => Self::Status,
        }
    }
}

/// A badge's label, message and colour.
fn badge(component: &ComponentView, tells: Tells) -> (String, String, &'static str) {
    const GREY: &str = "#6b7280";
    let colour = match component.state {
        ComponentState::Operational => "#15803d",
        ComponentState::Maintenance => "#1d4ed8",
        ComponentState::Unknown => GREY,
        ComponentState::Degraded => "#b45309",
        ComponentState::Down => "#b91c1c",
    };
    let unknown = || "unknown".to_owned();
    match tells {
        Tells::Status => (component.title.clone(), component.state.to_string(), colour),
        Tells::Uptime => {
            let colour = component.uptime.map_or(GREY, |uptime| {
                if uptime >= 99.0 {
                    "#15803d"
                } else if uptime >= 95.0 {
                    "#b45309"
                } else {
                    "#b91c1c"
                }
            });
            (format!("{} 90 d", component.title), component.uptime.map_or_else(unknown, percent), colour)
        }
        Tells::Response => {
            let message = component.response_ms.map_or_else(unknown, |millis| format!("{millis} ms"));
            (format!("{} response", component.title), message, if component.response_ms.is_some() { "#15803d" } else { GREY })
        }
    }
}

/// The badge as shields.io's endpoint reads it.
pub(super) fn shields(component: &ComponentView, tells: Tells) -> Value {
    let (label, message, color) = badge(component, tells);
    json!({"schemaVersion": 1, "label": label, "message": message, "color": color})
}

/// The badge as a picture, in the flat style that people know.
pub(super) fn badge_svg(component: &ComponentView, tells: Tells) -> String {
    let (label, message, colour) = badge(component, tells);
    let (left, right) = (width(&label), width(&message));
    let whole = left + right;
    let (label, message) = (escape(&label), escape(&message));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" aria-label=\"{label}: {message}\"><title>{label}: {message}</title>\
         <clipPath id=\"r\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath><g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#374151\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/></g>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,Geneva,DejaVu Sans,sans-serif\" font-size=\"11\">\
         <text x=\"{}\" y=\"14\" textLength=\"{}\">{label}</text><text x=\"{}\" y=\"14\" textLength=\"{}\">{message}</text></g></svg>",
        left / 2,
        left - 10,
        left + right / 2,
        right - 10
    )
}

/// About how wide a text is at 11 px, with room at both sides.
fn width(text: &str) -> usize {
    10 + text.chars().map(|c| if c.is_ascii() { 7 } else { 12 }).sum::<usize>()
}

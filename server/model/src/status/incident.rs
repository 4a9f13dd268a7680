//! Incidents and planned work, as they are typed: what is told first, and what is told further.

use serde::{Deserialize, Serialize};

use super::{Impact, IncidentKind, IncidentState, check_text, check_title};
use crate::names::ServiceName;
use crate::notices::one_line;
use crate::problem::FieldError;
use crate::time::Millis;

/// Most services that one incident names.
const COMPONENTS_MAX: usize = 100;

/// An incident, or planned work, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentForm {
    /// In one line.
    pub title: String,
    /// What is told of it first.
    pub text: String,
    /// An [`Impact`]; empty: minor, of planned work: none.
    pub impact: String,
    /// An [`IncidentState`] of [`IncidentState::STEPS`]; empty: investigating. Not for planned work.
    pub state: String,
    /// Names of the services that it concerns; none: each one.
    pub components: Vec<String>,
    /// When planned work begins, `2026-11-24T02:00:00Z`; empty: it is an incident, which begins now.
    pub starts_at: String,
    /// When planned work ends.
    pub ends_at: String,
}

/// An incident, or planned work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentOrder {
    /// Which of the two.
    pub kind: IncidentKind,
    /// In one line.
    pub title: String,
    /// What is told of it first.
    pub text: String,
    /// How much it concerns people.
    pub impact: Impact,
    /// How far it is.
    pub state: IncidentState,
    /// What it concerns.
    pub components: Vec<String>,
    /// When it begins.
    pub starts_at: Millis,
    /// When planned work ends.
    pub ends_at: Option<Millis>,
}

impl IncidentForm {
    /// What was typed, at `now`.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self, now: Millis) -> Result<IncidentOrder, Vec<FieldError>> {
        let mut errors = Vec::new();
        if let Err(message) = check_title(&self.title) {
            errors.push(FieldError::new("title", message));
        }
        if let Err(message) = check_said(&self.text) {
            errors.push(FieldError::new("text", message));
        }
        let planned = !self.starts_at.trim().is_empty() || !self.ends_at.trim().is_empty();
        let impact = word(&self.impact, if planned { Impact::None } else { Impact::Minor }, "impact", &mut errors);
        let components = components(&self.components, &mut errors);
        let (state, starts_at, ends_at) = if planned { window(self, now, &mut errors) } else { (step(&self.state, &mut errors), now, None) };
        if !errors.is_empty() {
            return Err(errors);
        }
        let kind = if planned { IncidentKind::Maintenance } else { IncidentKind::Incident };
        let (title, text) = (self.title.trim().to_owned(), self.text.trim().to_owned());
        // What began resolved ended when it was written.
        let ends_at = if state == IncidentState::Resolved { Some(now) } else { ends_at };
        Ok(IncidentOrder { kind, title, text, impact, state, components, starts_at, ends_at })
    }
}

/// When planned work is done.
fn window(form: &IncidentForm, now: Millis, errors: &mut Vec<FieldError>) -> (IncidentState, Millis, Option<Millis>) {
    let mut at = |field: &str, text: &str| {
        let read = moment(text);
        if read.is_none() {
            errors.push(FieldError::new(field, "write a time like 2026-11-24T02:00:00Z"));
        }
        read
    };
    let (starts, ends) = (at("starts_at", &form.starts_at), at("ends_at", &form.ends_at));
    if let (Some(starts), Some(ends)) = (starts, ends)
        && (ends <= starts || ends <= now)
    {
        errors.push(FieldError::new("ends_at", "the end must lie behind the beginning, and ahead of now"));
    }
    if !form.state.trim().is_empty() {
        errors.push(FieldError::new("state", "planned work follows its times; leave it out"));
    }
    (IncidentState::Scheduled, starts.unwrap_or(now), ends)
}

/// A time as it was typed: RFC 3339, or without a zone, as browsers send it, in UTC.
fn moment(text: &str) -> Option<Millis> {
    let text = text.trim();
    let seconds = if text.len() == 16 { ":00" } else { "" };
    Millis::parse_rfc3339(text).or_else(|| Millis::parse_rfc3339(&format!("{text}{seconds}Z")))
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str, usual: T, field: &str, errors: &mut Vec<FieldError>) -> T {
    match text.trim() {
        "" => usual,
        text => text.parse::<T>().unwrap_or_else(|error| {
            errors.push(FieldError::new(field, format!("{error}")));
            usual
        }),
    }
}

fn step(text: &str, errors: &mut Vec<FieldError>) -> IncidentState {
    let read = word(text, IncidentState::Investigating, "state", errors);
    if !IncidentState::STEPS.contains(&read) {
        errors.push(FieldError::new("state", format!("expected one of {}", IncidentState::STEPS.map(IncidentState::as_str).join(", "))));
    }
    read
}

fn components(names: &[String], errors: &mut Vec<FieldError>) -> Vec<String> {
    let mut known: Vec<String> = names.iter().flat_map(|names| names.split(',')).map(|name| name.trim().to_owned()).collect();
    known.retain(|name| !name.is_empty());
    known.sort_unstable();
    known.dedup();
    if let Some(odd) = known.iter().find(|name| name.split('/').count() > 2 || name.split('/').any(|part| part.parse::<ServiceName>().is_err())) {
        errors.push(FieldError::new("components", format!("{:?} is not the name of a service", one_line(odd, 80))));
    } else if known.len() > COMPONENTS_MAX {
        errors.push(FieldError::new("components", format!("at most {COMPONENTS_MAX}; leave them out for all")));
    }
    known
}

/// What is told further of an incident, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateForm {
    /// The text.
    pub text: String,
    /// An [`IncidentState`] of [`IncidentState::STEPS`]; of planned work: empty, or `completed` to end it now.
    pub state: String,
    /// An [`Impact`]; empty: as it was.
    pub impact: String,
}

/// What is told further of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateOrder {
    /// The text.
    pub text: String,
    /// How far it is now; none: as it was.
    pub state: Option<IncidentState>,
    /// How much it concerns people; none: as it was.
    pub impact: Option<Impact>,
}

impl UpdateForm {
    /// What was typed of something of this kind.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self, kind: IncidentKind) -> Result<UpdateOrder, Vec<FieldError>> {
        let mut errors = Vec::new();
        if let Err(message) = check_said(&self.text) {
            errors.push(FieldError::new("text", message));
        }
        let state = match (kind, self.state.trim()) {
            (_, "") => None,
            (IncidentKind::Incident, text) => Some(step(text, &mut errors)),
            (IncidentKind::Maintenance, "completed") => Some(IncidentState::Completed),
            (IncidentKind::Maintenance, _) => {
                errors.push(FieldError::new("state", "planned work follows its times; write completed to end it now, or leave it out"));
                None
            }
        };
        let impact = match self.impact.trim() {
            "" => None,
            text => Some(word(text, Impact::Minor, "impact", &mut errors)),
        };
        if errors.is_empty() { Ok(UpdateOrder { text: self.text.trim().to_owned(), state, impact }) } else { Err(errors) }
    }
}

/// What is wrong with what everybody is to read.
fn check_said(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("write what people should know".into()) } else { check_text(text) }
}

//! The public status page as people write it: how a service does in one word, what heads a page, services outside of containers, incidents and
//! planned work. The checks are shared with the browser.

use serde::{Deserialize, Serialize};

use crate::names::{EnvironmentName, ServiceName};
use crate::notices::one_line;
use crate::problem::FieldError;
use crate::words::words;

mod address;
mod incident;
#[cfg(test)]
mod tests;

pub use address::{Address, Scheme};
pub use incident::{IncidentForm, IncidentOrder, UpdateForm, UpdateOrder};

/// Longest title, in characters.
pub const TITLE_MAX: usize = 120;
/// Longest text, in characters.
pub const TEXT_MAX: usize = 4_000;
/// Most bytes of a logo.
pub const LOGO_MAX: usize = 64 * 1024;
/// Kinds of pictures that a logo may be. No SVG: it can hold scripts.
pub const LOGO_KINDS: [&str; 3] = ["image/png", "image/jpeg", "image/webp"];

words! {
    /// How a service does, for everybody.
    ComponentState,
    /// As it should.
    Operational = "operational",
    /// Work on it is planned for now.
    Maintenance = "maintenance",
    /// It cannot be seen at the moment.
    Unknown = "unknown",
    /// A part of it does not answer.
    Degraded = "degraded",
    /// It does not answer.
    Down = "down",
}

words! {
    /// How much an incident concerns those who use a service.
    Impact,
    /// Not at all.
    None = "none",
    /// A little.
    Minor = "minor",
    /// Much.
    Major = "major",
    /// Nothing works.
    Critical = "critical",
}

words! {
    /// An incident, or work that is planned.
    IncidentKind,
    /// Something is wrong.
    Incident = "incident",
    /// Something will be done.
    Maintenance = "maintenance",
}

words! {
    /// How far an incident is, or planned work.
    IncidentState,
    /// An alert proposed it; nobody outside sees it.
    Proposed = "proposed",
    /// It was proposed and not wanted.
    Dismissed = "dismissed",
    /// Somebody looks for the cause.
    Investigating = "investigating",
    /// The cause is known.
    Identified = "identified",
    /// It is mended, and watched.
    Monitoring = "monitoring",
    /// It is over.
    Resolved = "resolved",
    /// Work is planned.
    Scheduled = "scheduled",
    /// Work is being done.
    InProgress = "in_progress",
    /// Work is done.
    Completed = "completed",
}

impl IncidentState {
    /// The steps of an incident that people write.
    pub const STEPS: [Self; 4] = [Self::Investigating, Self::Identified, Self::Monitoring, Self::Resolved];
}

/// What heads a status page, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageForm {
    /// Empty: the project's name; of the site: Status.
    pub title: String,
    /// What the page is about, in some lines.
    pub about: String,
    /// Only what runs there is shown; empty: wherever it runs.
    pub environment: String,
    /// A picture as `data:image/png;base64,...`; empty: as it was; `none`: no logo.
    pub logo: String,
    /// Nobody sees the page.
    pub hidden: bool,
}

/// Whether a project stands on the whole site's page, as operators decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteForm {
    /// It does not; its own page stays.
    pub off_site: bool,
}

/// What is to be done with the logo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logo {
    /// As it was.
    Keep,
    /// None.
    Remove,
    /// This one: its media type and its bytes in base64.
    Picture(&'static str, String),
}

/// What heads a status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOrder {
    /// Its title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Only what runs there.
    pub environment: Option<EnvironmentName>,
    /// The logo.
    pub logo: Logo,
    /// Nobody sees it.
    pub hidden: bool,
}

impl PageForm {
    /// The page that was typed.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self) -> Result<PageOrder, Vec<FieldError>> {
        let mut errors = Vec::new();
        if !self.title.trim().is_empty()
            && let Err(message) = check_title(&self.title)
        {
            errors.push(FieldError::new("title", message));
        }
        if let Err(message) = check_text(&self.about) {
            errors.push(FieldError::new("about", message));
        }
        let environment = match self.environment.trim() {
            "" => None,
            name => name.parse::<EnvironmentName>().map_err(|error| errors.push(FieldError::new("environment", error.to_string()))).ok(),
        };
        let logo = logo(self.logo.trim()).map_err(|message| errors.push(FieldError::new("logo", message))).ok();
        match logo {
            Some(logo) if errors.is_empty() => {
                let (title, about) = (self.title.trim().to_owned(), self.about.trim().to_owned());
                Ok(PageOrder { title, about, environment, logo, hidden: self.hidden })
            }
            _ => Err(errors),
        }
    }
}

fn logo(text: &str) -> Result<Logo, String> {
    let wrong = || format!("write data:image/png;base64,... (or jpeg, webp) of at most {} KiB, or none", LOGO_MAX / 1024);
    match text {
        "" => return Ok(Logo::Keep),
        "none" => return Ok(Logo::Remove),
        _ => {}
    }
    let (kind, bytes) = text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).ok_or_else(wrong)?;
    let kind = LOGO_KINDS.into_iter().find(|known| *known == kind).ok_or_else(wrong)?;
    if bytes.len() > LOGO_MAX.div_ceil(3) * 4 { Err(wrong()) } else { Ok(Logo::Picture(kind, bytes.to_owned())) }
}

/// A service outside of containers, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyForm {
    /// Its name, as a service's.
    pub name: String,
    /// What people call it; empty: its name.
    pub title: String,
    /// Where it is probed: `https://shop.example.com/healthz`, `http://10.0.0.7:8080/`, `tcp://10.0.0.9:5432`.
    pub address: String,
    /// The status page does not show it.
    pub hidden: bool,
}

/// A service outside of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyOrder {
    /// Its name.
    pub name: ServiceName,
    /// What people call it.
    pub title: String,
    /// Where it is probed.
    pub address: Address,
    /// Whether the status page shows it.
    pub shown: bool,
}

impl LegacyForm {
    /// The service that was typed.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self) -> Result<LegacyOrder, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = self.name.trim().parse::<ServiceName>().map_err(|error| errors.push(FieldError::new("name", error.to_string()))).ok();
        if !self.title.trim().is_empty()
            && let Err(message) = check_title(&self.title)
        {
            errors.push(FieldError::new("title", message));
        }
        let address = self.address.trim().parse::<Address>().map_err(|error| errors.push(FieldError::new("address", error.to_string()))).ok();
        match (name, address) {
            (Some(name), Some(address)) if errors.is_empty() => {
                Ok(LegacyOrder { name, title: self.title.trim().to_owned(), address, shown: !self.hidden })
            }
            _ => Err(errors),
        }
    }
}

/// What is wrong with a title.
///
/// # Errors
/// What would be right.
pub fn check_title(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() || one_line(text, TITLE_MAX) != text {
        return Err(format!("write 1 to {TITLE_MAX} characters, in one line"));
    }
    Ok(())
}

/// What is wrong with a text; an empty one is right.
///
/// # Errors
/// What would be right.
pub fn check_text(text: &str) -> Result<(), String> {
    let odd = |line: &str| one_line(line, TEXT_MAX) != line;
    if text.chars().count() > TEXT_MAX || text.lines().any(odd) {
        return Err(format!("at most {TEXT_MAX} characters, without control characters"));
    }
    Ok(())
}

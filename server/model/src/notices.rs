//! Notices: what is told to people and programs outside, and where to. What they are about is none of their business: alerts and deployments send
//! some. The checks are shared with the browser.

use serde::{Deserialize, Serialize};

use crate::names::ProjectName;
use crate::problem::FieldError;
use crate::time::Millis;
use crate::words::words;

mod mail;

pub use mail::{MailForm, MailOrder, MailSecurity};

/// Longest name of a route, in characters.
pub const NAME_MAX: usize = 60;
/// Longest address, in bytes.
const ADDRESS_MAX: usize = 2_000;
/// Most addresses of e-mail of one route.
const MAILBOXES: usize = 20;
/// Bytes of a secret to sign with: fewer can be guessed, and more are none (Standard Webhooks).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// What a secret to sign with begins with.
pub const SECRET_PREFIX: &str = "whsec_";

words! {
    /// What a notice tells of.
    Event,
    /// Something is wrong.
    AlertFiring = "alert.firing",
    /// It is not any more.
    AlertResolved = "alert.resolved",
    /// A deployment waits until somebody approves or refuses it.
    DeploymentPending = "deployment.pending",
    /// The work on a deployment began.
    DeploymentStarted = "deployment.started",
    /// What it brought serves.
    DeploymentSucceeded = "deployment.succeeded",
    /// It failed.
    DeploymentFailed = "deployment.failed",
    /// It failed, and what served before serves again.
    DeploymentRolledBack = "deployment.rolled_back",
    /// It ended otherwise, after it was told that it began or waits: cancelled, superseded, refused, expired.
    DeploymentCancelled = "deployment.cancelled",
    /// Somebody tries a route.
    Test = "test",
}

impl Event {
    /// What a route can be asked to tell; a test is always told.
    pub const CHOSEN: [Self; 8] = [
        Self::AlertFiring,
        Self::AlertResolved,
        Self::DeploymentPending,
        Self::DeploymentStarted,
        Self::DeploymentSucceeded,
        Self::DeploymentFailed,
        Self::DeploymentRolledBack,
        Self::DeploymentCancelled,
    ];

    /// What it is, for people.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::AlertFiring => "an alert fires",
            Self::AlertResolved => "an alert is resolved",
            Self::DeploymentPending => "a deployment waits for approval",
            Self::DeploymentStarted => "a deployment starts",
            Self::DeploymentSucceeded => "a deployment succeeds",
            Self::DeploymentFailed => "a deployment fails",
            Self::DeploymentRolledBack => "a deployment is rolled back",
            Self::DeploymentCancelled => "a deployment is cancelled, superseded, refused or expires",
            Self::Test => "a test",
        }
    }

    /// Whether a new route tells it unless somebody says otherwise: what people should look at. Of the deployments of all projects a route of the
    /// site tells those that wait for somebody, operators among them; more where it is chosen.
    #[must_use]
    pub const fn is_usual(self, of_site: bool) -> bool {
        match self {
            Self::AlertFiring | Self::AlertResolved | Self::DeploymentPending => true,
            Self::DeploymentFailed | Self::DeploymentRolledBack => !of_site,
            Self::DeploymentStarted | Self::DeploymentSucceeded | Self::DeploymentCancelled | Self::Test => false,
        }
    }
}

words! {
    /// How notices reach a route.
    RouteKind,
    /// Posted as JSON and signed as Standard Webhooks says.
    Webhook = "webhook",
    /// Posted as Slack takes messages; Mattermost, Rocket.Chat and others take them too.
    Slack = "slack",
    /// By e-mail.
    Email = "email",
}

words! {
    /// How far a notice came.
    NoticeState,
    /// It waits, for its turn or for the receiver.
    Queued = "queued",
    /// The receiver took it.
    Sent = "sent",
    /// It was given up.
    Failed = "failed",
}

words! {
    /// How grave what a notice tells is.
    Tone,
    /// As it should be.
    Good = "good",
    /// To be known.
    Info = "info",
    /// Somebody should look.
    Warning = "warning",
    /// Somebody should look at once.
    Critical = "critical",
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it tells of.
    pub event: Event,
    /// In one line.
    pub title: String,
    /// In a few sentences.
    pub text: String,
    /// How grave it is.
    pub tone: Tone,
    /// Names and values beside it.
    #[serde(default)]
    pub facts: Vec<(String, String)>,
    /// The page that shows it, without the portal's own address.
    pub link: String,
    /// The project that it is about.
    pub project: Option<ProjectName>,
    /// When it happened.
    pub at: Millis,
}

/// A route as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteForm {
    /// What it is called.
    pub name: String,
    /// A [`RouteKind`].
    pub kind: String,
    /// An https address, or addresses of e-mail with commas between; empty at a change: as it was.
    pub address: String,
    /// What webhooks are signed with; empty: made anew, at a change: as it was.
    pub secret: String,
    /// What it tells ([`Event::CHOSEN`]).
    pub events: Vec<String>,
    /// Whether nothing is told for now.
    pub disabled: bool,
}

/// A route that was read from a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOrder {
    /// What it is called.
    pub name: String,
    /// How it is reached.
    pub kind: RouteKind,
    /// Where; none: as it was.
    pub address: Option<String>,
    /// What it tells.
    pub events: Vec<Event>,
    /// Whether it tells.
    pub enabled: bool,
}

impl RouteForm {
    /// The route that was typed; `anew`: it is not there yet.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self, anew: bool) -> Result<RouteOrder, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut note = |field: &str, message: String| errors.push(FieldError::new(field, message));
        if let Err(message) = check_name(&self.name) {
            note("name", message);
        }
        let kind = self.kind.parse::<RouteKind>().map_err(|error| note("kind", error.to_string())).ok();
        let address = self.address.trim();
        if let (Some(kind), true) = (kind, anew || !address.is_empty())
            && let Err(message) = check_address(kind, address)
        {
            note("address", message);
        }
        if kind.is_some_and(|kind| kind != RouteKind::Webhook) && !self.secret.trim().is_empty() {
            note("secret", "only a webhook is signed; leave it empty".into());
        } else if let Err(message) = check_secret(self.secret.trim()) {
            note("secret", message);
        }
        let mut events = Vec::new();
        for text in self.events.iter().filter(|text| !text.is_empty()) {
            match text.parse::<Event>() {
                Ok(event) if Event::CHOSEN.contains(&event) => events.push(event),
                _ => note("events", format!("expected some of {}", Event::CHOSEN.map(Event::as_str).join(", "))),
            }
        }
        events.sort_unstable();
        events.dedup();
        match kind {
            Some(kind) if errors.is_empty() => Ok(RouteOrder {
                name: self.name.trim().to_owned(),
                kind,
                address: (!address.is_empty()).then(|| address.to_owned()),
                events,
                enabled: !self.disabled,
            }),
            _ => Err(errors),
        }
    }
}

/// What is wrong with a name that people choose, if something is.
///
/// # Errors
/// What would be right.
pub fn check_name(text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME_MAX || text.chars().any(odd) {
        return Err(format!("write a name of 1 to {NAME_MAX} characters, in one line"));
    }
    Ok(())
}

/// What is no part of a line that people read: control characters, and what turns the direction of writing.
fn odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text as one line that shows what it is, of at most so many characters.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let mut line: String = text.chars().take(most).map(|c| if odd(c) { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        line.push('\u{2026}');
    }
    line
}

/// What is wrong with an address.
///
/// # Errors
/// What would be right.
pub fn check_address(kind: RouteKind, text: &str) -> Result<(), String> {
    if text.len() > ADDRESS_MAX || text.chars().any(odd) {
        return Err(format!("at most {ADDRESS_MAX} bytes, in one line"));
    }
    match kind {
        RouteKind::Webhook | RouteKind::Slack => check_url(text),
        RouteKind::Email => {
            let mailboxes: Vec<&str> = text.split(',').map(str::trim).collect();
            if mailboxes.len() > MAILBOXES {
                return Err(format!("at most {MAILBOXES} addresses"));
            }
            mailboxes.into_iter().try_for_each(check_mailbox)
        }
    }
}

fn check_url(text: &str) -> Result<(), String> {
    let wrong = || Err("write the whole address, https://hooks.example.com/...; http:// only where an operator allows the host".to_owned());
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return wrong() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || text.contains([' ', '\\', '"', '<', '>']) || !text.is_ascii() {
        return wrong();
    }
    if host.contains('@') {
        return Err("no name and password before the host: they would be sent in clear with every notice".into());
    }
    if text.contains('#') {
        return Err("leave out what is behind the #: it is never sent".into());
    }
    Ok(())
}

/// An address of e-mail: plain, without a name before it. What SMTP can carry without extensions.
///
/// # Errors
/// What would be right.
pub fn check_mailbox(text: &str) -> Result<(), String> {
    let wrong = || Err(format!("{:?} is no address of e-mail: write ops@example.com, several with commas between", one_line(text, 80)));
    let Some((local, domain)) = text.rsplit_once('@') else { return wrong() };
    let fits = |part: &str, more: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let dots = |part: &str| !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    if text.len() > 254 || local.len() > 64 || !fits(local, "!#$%&'*+-/=?^_`{|}~.") || !fits(domain, "-.") || !dots(local) || !dots(domain) {
        return wrong();
    }
    Ok(())
}

/// What is wrong with a secret to sign with; an empty one is right.
///
/// # Errors
/// What would be right.
pub fn check_secret(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let wrong = || Err(format!("write {SECRET_PREFIX} and {} to {} bytes in base64, or leave it empty", SECRET_BYTES.start(), SECRET_BYTES.end()));
    let Some(rest) = text.strip_prefix(SECRET_PREFIX) else { return wrong() };
    let bare = rest.trim_end_matches('=');
    let letters = bare.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    if !letters || !rest.len().is_multiple_of(4) || rest.len() - bare.len() > 2 || !SECRET_BYTES.contains(&(bare.len() * 3 / 4)) {
        return wrong();
    }
    Ok(())
}

#[cfg(test)]
mod tests;

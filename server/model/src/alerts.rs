//! Rules of alerts: what people write, what it means, and the checks that the browser shares with the server. Pure: whether a rule holds is decided
//! elsewhere, from samples and states.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{EnvironmentName, ServiceName};
use crate::notices::check_name;
use crate::problem::FieldError;
use crate::quantity::Span;
use crate::words::words;

mod figures;
mod silence;

pub use figures::{Counts, FIGURES, Figure, shown};
pub use silence::{SilenceForm, SilenceOrder, check_note};

/// Longest time that a rule must hold, or not hold.
const SPAN_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Most routes of one rule.
const ROUTES: usize = 20;
/// Longest label, in bytes.
const LABEL_MAX: usize = 200;
/// Most alerts by one rule in one project, or of machines, that are not over at a time.
pub const OPEN_MOST: usize = 50;
/// Longest text that people write beside an answer.
pub const NOTE_MAX: usize = 500;

words! {
    /// How grave it is.
    Severity,
    /// To be known.
    Info = "info",
    /// Somebody should look.
    Warning = "warning",
    /// Somebody should look at once.
    Critical = "critical",
}

words! {
    /// How far an alert is.
    AlertState,
    /// It holds, but not for long enough.
    Pending = "pending",
    /// It is wrong.
    Firing = "firing",
    /// It was, and is no more.
    Resolved = "resolved",
}

words! {
    /// What a rule looks at.
    RuleKind,
    /// A figure is over or under a value.
    Threshold = "threshold",
    /// A sum grows faster or slower than so much in a second.
    Rate = "rate",
    /// No samples come.
    Absent = "absent",
    /// Tasks fail again and again.
    CrashLoop = "crash_loop",
    /// A health check does not pass.
    Unhealthy = "unhealthy",
    /// The last deployment failed.
    DeployFailed = "deploy_failed",
    /// A machine's engine does not answer.
    MachineGone = "machine_gone",
    /// A certificate that a machine is reached with runs out.
    CertificateEnds = "certificate_ends",
}

words! {
    /// What a rule is about.
    Of,
    /// Services, each in each environment.
    Services = "services",
    /// Machines.
    Machines = "machines",
}

words! {
    /// On which side of the value it is wrong.
    Compare,
    /// More is wrong.
    Over = "over",
    /// Less is wrong.
    Under = "under",
}

impl RuleKind {
    /// Whether it compares a figure.
    #[must_use]
    pub const fn has_figure(self) -> bool {
        matches!(self, Self::Threshold | Self::Rate)
    }

    /// What it can be about.
    #[must_use]
    pub const fn subjects(self) -> &'static [Of] {
        match self {
            Self::Threshold | Self::Rate | Self::Absent => &[Of::Services, Of::Machines],
            Self::CrashLoop | Self::Unhealthy | Self::DeployFailed => &[Of::Services],
            Self::MachineGone | Self::CertificateEnds => &[Of::Machines],
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// What it looks at.
    pub kind: RuleKind,
    /// What it is about.
    pub of: Of,
    /// The figure's name; empty where it compares none.
    pub metric: String,
    /// The figure's part (a mount, an application's own name); empty: each one.
    pub label: String,
    /// On which side it is wrong.
    pub compare: Compare,
    /// The value: in the figure's unit, or per cent of the limit, or days of a certificate.
    pub value: f64,
    /// Whether the value is per cent of the limit.
    pub share: bool,
    /// How grave it is.
    pub severity: Severity,
    /// The only service that it is about; none: each one.
    pub service: Option<ServiceName>,
    /// The only environment; none: each one.
    pub environment: Option<EnvironmentName>,
    /// So long it must hold before it is an alert.
    pub after: Span,
    /// So long it must not hold before the alert is over.
    pub resolve_after: Span,
    /// Names of the only routes that hear of it; empty: each one.
    pub routes: Vec<String>,
    /// Whether it is looked at.
    pub enabled: bool,
}

/// A rule as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleForm {
    /// What it is called.
    pub name: String,
    /// A [`RuleKind`].
    pub kind: String,
    /// An [`Of`]; empty: services, or machines where the kind is about those alone.
    pub of: String,
    /// A figure's name.
    pub metric: String,
    /// The figure's part.
    pub label: String,
    /// A [`Compare`]; empty: over.
    pub compare: String,
    /// `90 %`, `1GiB`, `0.5`, `14`.
    pub value: String,
    /// A [`Severity`]; empty: warning.
    pub severity: String,
    /// The only service.
    pub service: String,
    /// The only environment.
    pub environment: String,
    /// `5m`; empty: at once.
    pub after: String,
    /// `5m`; empty: at once.
    pub resolve_after: String,
    /// Names of the only routes.
    pub routes: Vec<String>,
    /// Whether it is not looked at.
    pub disabled: bool,
}

/// The names of the form's fields.
pub const FIELDS: &[&str] =
    &["name", "kind", "of", "metric", "label", "compare", "value", "severity", "service", "environment", "after", "resolve_after", "routes"];

impl RuleForm {
    /// The form that shows a rule.
    #[must_use]
    pub fn of(rule: &Rule) -> Self {
        Self {
            name: rule.name.clone(),
            kind: rule.kind.to_string(),
            of: rule.of.to_string(),
            metric: rule.metric.clone(),
            label: rule.label.clone(),
            compare: rule.compare.to_string(),
            value: rule.typed_value(),
            severity: rule.severity.to_string(),
            service: rule.service.as_ref().map(ToString::to_string).unwrap_or_default(),
            environment: rule.environment.as_ref().map(ToString::to_string).unwrap_or_default(),
            after: rule.after.to_string(),
            resolve_after: rule.resolve_after.to_string(),
            routes: rule.routes.clone(),
            disabled: !rule.enabled,
        }
    }

    /// The rule that was typed; `of_site`: operators write it.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self, of_site: bool) -> Result<Rule, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut note = |field: &str, message: String| errors.push(FieldError::new(field, message));
        if let Err(message) = check_name(&self.name) {
            note("name", message);
        }
        let kind = word::<RuleKind>(&self.kind, None).map_err(|message| note("kind", message)).ok();
        let usual = kind.map_or(Of::Services, |kind| kind.subjects()[0]);
        let of = word::<Of>(&self.of, Some(usual)).unwrap_or_else(|message| {
            note("of", message);
            usual
        });
        if let Some(kind) = kind
            && (!kind.subjects().contains(&of) || (of == Of::Machines && !of_site))
        {
            let message = if of_site { "this sort of rule is not about them" } else { "a project's rules are about its services" };
            note(if kind.subjects().len() > 1 { "of" } else { "kind" }, message.into());
        }
        let compare = word(&self.compare, Some(Compare::Over)).unwrap_or_else(|message| {
            note("compare", message);
            Compare::Over
        });
        let severity = word(&self.severity, Some(Severity::Warning)).unwrap_or_else(|message| {
            note("severity", message);
            Severity::Warning
        });
        let (metric, label, value, share) = kind.map_or_else(Default::default, |kind| self.figure(kind, of, &mut note));
        let service = name::<ServiceName>(&self.service).unwrap_or_else(|message| {
            note("service", message);
            None
        });
        let environment = name::<EnvironmentName>(&self.environment).unwrap_or_else(|message| {
            note("environment", message);
            None
        });
        if service.is_some() && of_site {
            note("service", "a rule of the whole site names no service: they are called the same in several projects".into());
        }
        let mut span = |field: &str, text: &str| {
            span(text).unwrap_or_else(|message| {
                note(field, message);
                Span::from_secs(0)
            })
        };
        let (after, resolve_after) = (span("after", &self.after), span("resolve_after", &self.resolve_after));
        let routes: Vec<String> = self.routes.iter().map(|route| route.trim().to_owned()).filter(|route| !route.is_empty()).collect();
        if routes.len() > ROUTES || routes.iter().any(|route| check_name(route).is_err()) {
            errors.push(FieldError::new("routes", format!("names of at most {ROUTES} routes")));
        }
        let (Some(kind), true) = (kind, errors.is_empty()) else { return Err(errors) };
        let (name, enabled) = (self.name.trim().to_owned(), !self.disabled);
        Ok(Rule { name, kind, of, metric, label, compare, value, share, severity, service, environment, after, resolve_after, routes, enabled })
    }

    /// Figure, part, value, and whether the value is a share.
    fn figure(&self, kind: RuleKind, of: Of, note: &mut impl FnMut(&str, String)) -> (String, String, f64, bool) {
        if kind == RuleKind::CertificateEnds {
            let days = self.value.trim().parse::<f64>().ok().filter(|days| (0.0..=3650.0).contains(days));
            if days.is_none() {
                note("value", "write how many days before its end, 0 to 3650".into());
            }
            return (String::new(), String::new(), days.unwrap_or_default(), false);
        }
        if !kind.has_figure() {
            return Default::default();
        }
        let label = self.label.trim();
        if label.len() > LABEL_MAX || label.chars().any(char::is_control) {
            note("label", format!("at most {LABEL_MAX} bytes, in one line"));
        }
        let wanted = kind == RuleKind::Rate;
        let Some(figure) = Figure::named(self.metric.trim()).filter(|figure| figure.counter == wanted && figure.is_of(of)) else {
            let fits: Vec<&str> = FIGURES.iter().filter(|figure| figure.counter == wanted && figure.is_of(of)).map(|figure| figure.metric).collect();
            note("metric", format!("expected one of {}", fits.join(", ")));
            return Default::default();
        };
        let (value, share) = figure.read(&self.value).unwrap_or_else(|message| {
            note("value", message);
            (0.0, false)
        });
        (figure.metric.to_owned(), label.to_owned(), value, share)
    }

    /// The mistake of one field, for a check as one types.
    #[must_use]
    pub fn error_of(&self, field: &str, of_site: bool) -> Option<String> {
        self.read(of_site).err()?.into_iter().find(|error| error.field == field).map(|error| error.message)
    }
}

fn word<T: std::str::FromStr<Err = crate::words::UnknownWord>>(text: &str, usual: Option<T>) -> Result<T, String> {
    match (text.trim(), usual) {
        ("", Some(usual)) => Ok(usual),
        (text, _) => text.parse().map_err(|error: crate::words::UnknownWord| error.to_string()),
    }
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<Option<T>, String> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error: T::Err| error.to_string()),
    }
}

fn span(text: &str) -> Result<Span, String> {
    let span = match text.trim() {
        "" | "0" => Span::from_secs(0),
        text => text.parse::<Span>().map_err(|error| error.to_string())?,
    };
    if span.duration() > SPAN_MAX {
        return Err("at most seven days, 168h".into());
    }
    Ok(span)
}

impl Rule {
    /// The value as it would be typed.
    #[must_use]
    pub fn typed_value(&self) -> String {
        match self.kind {
            RuleKind::Threshold | RuleKind::Rate if self.share => format!("{} %", self.value),
            RuleKind::Threshold | RuleKind::Rate | RuleKind::CertificateEnds => self.value.to_string(),
            _ => String::new(),
        }
    }

    /// What it says, for people: `memory working set over 90 % of its limit for 5m`.
    #[must_use]
    pub fn says(&self) -> String {
        let what = match self.kind {
            RuleKind::Threshold | RuleKind::Rate => {
                let figure = Figure::named(&self.metric).map_or(self.metric.as_str(), |figure| figure.says);
                let of = if self.label.is_empty() { String::new() } else { format!(" ({})", self.label) };
                format!("{figure}{of} {} {}", self.compare, shown(&self.metric, self.value, self.share))
            }
            RuleKind::Absent => "no samples come".into(),
            RuleKind::CrashLoop => "tasks fail again and again".into(),
            RuleKind::Unhealthy => "a health check does not pass".into(),
            RuleKind::DeployFailed => "the last deployment failed".into(),
            RuleKind::MachineGone => "a machine does not answer".into(),
            RuleKind::CertificateEnds => format!("a machine's certificate has less than {} days left", self.value),
        };
        if self.after.millis() == 0 { what } else { format!("{what} for {}", self.after) }
    }

    /// The rules that a site begins with.
    #[must_use]
    pub fn shipped() -> Vec<Self> {
        let form = |name: &str, kind: &str, severity: &str, after: &str, resolve: &str| RuleForm {
            name: name.into(),
            kind: kind.into(),
            severity: severity.into(),
            after: after.into(),
            resolve_after: resolve.into(),
            ..RuleForm::default()
        };
        let figure =
            |form: RuleForm, of: &str, metric: &str, value: &str| RuleForm { of: of.into(), metric: metric.into(), value: value.into(), ..form };
        let forms = [
            figure(form("Memory near its limit", "threshold", "warning", "5m", "5m"), "services", "memory_working_set", "90 %"),
            figure(form("CPU throttled", "rate", "warning", "10m", "5m"), "services", "cpu_throttled_periods", "25 %"),
            form("Crash loop", "crash_loop", "critical", "", "1m"),
            form("Unhealthy", "unhealthy", "critical", "2m", "1m"),
            form("Deployment failed", "deploy_failed", "warning", "", ""),
            figure(form("Disk nearly full", "threshold", "critical", "5m", "5m"), "machines", "disk_used", "90 %"),
            figure(form("Inodes nearly used up", "threshold", "critical", "5m", "5m"), "machines", "disk_inodes_used", "90 %"),
            form("Machine does not answer", "machine_gone", "critical", "1m", "1m"),
            RuleForm { of: "machines".into(), ..form("No samples", "absent", "warning", "5m", "1m") },
            RuleForm { value: "14".into(), ..form("Certificate runs out", "certificate_ends", "warning", "", "") },
            RuleForm { value: "3".into(), ..form("Certificate is about to end", "certificate_ends", "critical", "", "") },
        ];
        forms.into_iter().map(|form| form.read(true).expect("a test reads them all")).collect()
    }
}

#[cfg(test)]
mod tests;

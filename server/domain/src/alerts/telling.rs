//! What is said of an alert that begins or is over, and to whom.

use std::time::Duration;

use model::alerts::Severity;
use model::ids::ProjectId;
use model::notices::{Event, Notice, Tone};
use model::time::Millis;
use model::views::alerts::{ChangedView, SubjectView};

use super::judge::Finding;
use crate::change::Bookkeeping;
use crate::notices::{Audience, Telling};

/// What is told of an alert.
pub(super) struct Told<'a> {
    pub rule: &'a str,
    pub of_site: bool,
    pub severity: Severity,
    pub project: Option<ProjectId>,
    pub subject: &'a SubjectView,
    pub summary: &'a str,
    pub link: &'a str,
    pub routes: &'a [String],
    pub changed: Option<&'a ChangedView>,
    pub since: Option<Millis>,
    pub facts: &'a [(String, String)],
}

impl<'a> Told<'a> {
    pub fn of(finding: &'a Finding<'_>, changed: Option<&'a ChangedView>) -> Self {
        let rule = &finding.kept.rule;
        Self {
            rule: &rule.name,
            of_site: finding.kept.project.is_none(),
            severity: rule.severity,
            project: finding.thing.project,
            subject: &finding.thing.names,
            summary: &finding.summary,
            link: &finding.link,
            routes: &rule.routes,
            changed,
            since: None,
            facts: &finding.facts,
        }
    }
}

/// Writes the notices of an alert's beginning or end.
pub(super) fn tell(tx: &mut Bookkeeping, told: &Told<'_>, event: Event, now: Millis) {
    let over = event == Event::AlertResolved;
    let subject = told.subject.says();
    let title = if over {
        format!("Resolved: {} \u{2014} {subject}", told.rule)
    } else {
        format!("{}: {} \u{2014} {subject}", grave(told.severity), told.rule)
    };
    let text = match (over, told.since) {
        (true, Some(since)) => format!("It is over, after {}. It was: {}", lasted(now.since(since)), told.summary),
        (true, None) => format!("It is over. It was: {}", told.summary),
        (false, _) => told.summary.to_owned(),
    };
    let mut facts = vec![("rule".to_owned(), told.rule.to_owned()), ("severity".to_owned(), told.severity.to_string())];
    let named = [("service", &told.subject.service), ("environment", &told.subject.environment), ("machine", &told.subject.machine)];
    facts.extend(named.into_iter().filter(|(_, name)| !name.is_empty()).map(|(what, name)| (what.to_owned(), name.clone())));
    facts.extend_from_slice(told.facts);
    if let Some(changed) = told.changed {
        let text = format!("revision {} ({}) by {}, {}", changed.revision, changed.kind, changed.by, changed.at.exact());
        facts.push(("last change".to_owned(), text));
    }
    let tone = match (over, told.severity) {
        (true, _) => Tone::Good,
        (false, Severity::Info) => Tone::Info,
        (false, Severity::Warning) => Tone::Warning,
        (false, Severity::Critical) => Tone::Critical,
    };
    let project = told.subject.project.parse().ok();
    let notice = Notice { event, title, text, tone, facts, link: told.link.to_owned(), project, at: now };
    let audience = Audience { project: told.project, site: told.of_site, routes: told.routes.to_vec() };
    tx.tell([Telling { audience, notice }]);
}

fn grave(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Info",
        Severity::Warning => "Warning",
        Severity::Critical => "Critical",
    }
}

/// A span in its two largest units.
fn lasted(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

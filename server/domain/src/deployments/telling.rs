//! What is said outside of a deployment: that it waits, began, and how it ended. Each is told in the transaction that makes it so.

use std::time::Duration;

use model::ids::{DeploymentId, ProjectId};
use model::notices::{Event, Notice, Tone, one_line};
use model::time::Millis;
use model::views::deployments::{DeploymentKind, DeploymentState, DeploymentView};

use super::acts;
use crate::args;
use crate::db::{Row, Tx};
use crate::error::Result;
use crate::notices::{Audience, Telling};

/// Characters of a fact.
const FACT: usize = 300;
/// Lines of a reason that are told: what happened, and the last ones of what a task printed.
const LINES: usize = 12;
/// What stands between what happened and a task's last lines.
const BEFORE_LINES: &str = " Its last lines:";

/// What a deployment's view does not hold.
struct More {
    project: ProjectId,
    commit: Option<String>,
    build: Option<String>,
    /// When it would expire, or would have: it waited for an approval.
    expires: Option<Millis>,
}

/// What is told when a deployment goes over from one state to another, where something is.
const fn event(from: Option<DeploymentState>, to: DeploymentState) -> Option<Event> {
    use DeploymentState::{Cancelled, Expired, Failed, Pending, Pulling, Queued, Refused, RolledBack, Rolling, Succeeded, Superseded};
    match (from, to) {
        (_, Pending) => Some(Event::DeploymentPending),
        (Some(Queued), Pulling | Rolling) => Some(Event::DeploymentStarted),
        (_, Queued | Pulling | Rolling) => None,
        (_, Succeeded) => Some(Event::DeploymentSucceeded),
        (_, Failed) => Some(Event::DeploymentFailed),
        (_, RolledBack) => Some(Event::DeploymentRolledBack),
        (_, Cancelled | Superseded | Refused | Expired) => Some(Event::DeploymentCancelled),
    }
}

/// What is told of a deployment that has just gone over to its state; nothing of one that ended before anybody heard of it.
pub(super) async fn telling(tx: &mut Tx, id: DeploymentId, from: Option<DeploymentState>, now: Millis) -> Result<Option<Telling>> {
    let view = acts::by_id(tx, id).await?;
    let Some(event) = event(from, view.state) else { return Ok(None) };
    let sql = "SELECT s.project_id, r.source_commit, r.build, a.expires_at FROM deployments a JOIN services s ON s.id = a.service_id
               JOIN revisions r ON r.id = a.revision_id WHERE a.id = $1";
    let read = |row: &Row<'_>| {
        let (commit, build) = (row.get("source_commit")?, row.get("build")?);
        Ok(More { project: row.get("project_id")?, commit, build, expires: row.get("expires_at")? })
    };
    let more = tx.one(sql, args![id], read).await?;
    if event == Event::DeploymentCancelled && view.started_at.is_none() && more.expires.is_none() {
        return Ok(None);
    }
    let audience = Audience { project: Some(more.project), site: true, routes: Vec::new() };
    Ok(Some(Telling { audience, notice: notice(event, &view, &more, now) }))
}

/// The same of one that ended before it came to its own end.
pub(crate) async fn ended(tx: &mut Tx, id: DeploymentId, now: Millis) -> Result<Option<Telling>> {
    telling(tx, id, None, now).await
}

fn notice(event: Event, view: &DeploymentView, more: &More, now: Millis) -> Notice {
    let title = format!("{}: {} \u{2014} {}/{} in {}", word(view.state), act(view), view.project, view.service, view.environment);
    let tone = match event {
        Event::DeploymentFailed => Tone::Critical,
        Event::DeploymentPending | Event::DeploymentRolledBack => Tone::Warning,
        Event::DeploymentSucceeded => Tone::Good,
        _ => Tone::Info,
    };
    Notice {
        event,
        title,
        text: text(event, view, more, now),
        tone,
        facts: facts(view, more, now),
        link: link(view),
        project: Some(view.project.clone()),
        at: now,
    }
}

/// Its page; of a service that was deleted the project's.
fn link(view: &DeploymentView) -> String {
    if view.reason.as_ref().is_some_and(|reason| reason.code == "service_deleted") {
        return format!("/projects/{}", view.project);
    }
    format!("/projects/{}/services/{}/deployments/{}", view.project, view.service, view.id)
}

/// The state as the first word of a title.
fn word(state: DeploymentState) -> &'static str {
    match state {
        DeploymentState::Pending => "Waits for approval",
        DeploymentState::Queued | DeploymentState::Pulling | DeploymentState::Rolling => "Started",
        DeploymentState::Succeeded => "Succeeded",
        DeploymentState::Failed => "Failed",
        DeploymentState::RolledBack => "Failed and rolled back",
        DeploymentState::Cancelled => "Cancelled",
        DeploymentState::Superseded => "Superseded",
        DeploymentState::Refused => "Refused",
        DeploymentState::Expired => "Expired",
    }
}

/// What is done, as a noun.
fn act(view: &DeploymentView) -> String {
    let number = view.revision;
    match view.kind {
        DeploymentKind::Deploy => format!("deployment of revision {number}"),
        DeploymentKind::Rollback => format!("roll-back to revision {number}"),
        DeploymentKind::Scale => format!("scaling, revision {number}"),
        DeploymentKind::Restart => format!("restart of revision {number}"),
        DeploymentKind::Start => format!("start of revision {number}"),
        DeploymentKind::Clone => format!("clone, revision {number}"),
    }
}

fn text(event: Event, view: &DeploymentView, more: &More, now: Millis) -> String {
    let why = one_line(view.why.trim(), FACT);
    let asked = if why.is_empty() { format!("{} asked for it.", view.by) } else { format!("{} asked for it: {why}", view.by) };
    let reason = view.reason.as_ref().map(|reason| lines(&reason.message)).unwrap_or_default();
    match event {
        Event::DeploymentPending => {
            let until = more.expires.map(|at| format!(" until {}", at.exact())).unwrap_or_default();
            format!("{asked}\nAn admin of the project or an operator approves or refuses it{until}. What runs runs on meanwhile.")
        }
        Event::DeploymentSucceeded => took(view, now).map_or_else(|| asked.clone(), |took| format!("It took {took}. {asked}")),
        Event::DeploymentFailed | Event::DeploymentRolledBack | Event::DeploymentCancelled if !reason.is_empty() => reason,
        _ => asked,
    }
}

/// A reason as people read it elsewhere, each line as one that shows what it is.
fn lines(message: &str) -> String {
    message.lines().take(LINES).map(|line| one_line(line, FACT)).collect::<Vec<_>>().join("\n")
}

/// How long the work went on, where it is over.
fn took(view: &DeploymentView, now: Millis) -> Option<String> {
    let began = view.started_at?;
    view.state.is_final().then(|| span(now.since(began)))
}

/// A span in its two largest units.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn facts(view: &DeploymentView, more: &More, now: Millis) -> Vec<(String, String)> {
    let decided = view.decision.as_ref();
    let decided_by = |approved: bool| decided.filter(|decision| decision.approved == approved).map(|decision| decision.by.clone());
    let reason = view.reason.as_ref();
    let first = reason.and_then(|reason| reason.message.lines().next()).map(|line| line.trim_end_matches(BEFORE_LINES).to_owned());
    let all = [
        ("service", Some(view.service.to_string())),
        ("environment", Some(view.environment.to_string())),
        ("revision", Some(view.revision.to_string())),
        ("image", Some(view.image.clone())),
        ("kind", Some(view.kind.to_string())),
        ("state", Some(view.state.to_string())),
        ("by", Some(view.by.clone())),
        ("why", Some(view.why.trim().to_owned())),
        ("commit", more.commit.clone()),
        ("build", more.build.clone()),
        ("approved by", decided_by(true)),
        ("refused by", decided_by(false)),
        ("overridden by", view.overridden.as_ref().map(|freeze| freeze.by.clone())),
        ("duration", took(view, now)),
        ("reason", first),
        ("reason code", reason.map(|reason| reason.code.clone())),
        ("deployment", Some(view.id.to_string())),
    ];
    let said = all.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    said.map(|(name, value)| (name.to_owned(), one_line(&value, FACT))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_told_once_and_every_end_is() {
        use DeploymentState::{Pulling, Queued, Rolling};
        assert_eq!(event(Some(Queued), Pulling), Some(Event::DeploymentStarted));
        assert_eq!(event(Some(Queued), Rolling), Some(Event::DeploymentStarted));
        assert_eq!(event(Some(Pulling), Rolling), None);
        for state in DeploymentState::ALL.iter().filter(|state| state.is_final()) {
            assert!(event(Some(Rolling), *state).is_some_and(|event| Event::CHOSEN.contains(&event)), "{state}");
        }
    }

    #[test]
    fn spans_are_read_in_two_units() {
        let said = [7, 95, 3_720].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(said, ["7 s", "1 min 35 s", "1 h 2 min"]);
    }

    #[test]
    fn what_a_task_printed_stays_short_and_shows_what_it_is() {
        let message = format!("web.1 exited; nothing runs. Its last lines:\n{}", "a\u{202e}b\n".repeat(100));
        let told = lines(&message);
        assert_eq!((told.lines().count(), told.lines().nth(1)), (LINES, Some("a b")));
    }
}

//! What happened to a service, as marks on a chart's axis of time: deployments, alerts, and ends, wants of memory and failed checks of its tasks. There are
//! never more than [`MOST`]: where more happened, those of a stretch of time are one mark.

mod machine;

use model::ids::{DeploymentId, EnvironmentId};
use model::time::Millis;
use model::views::alerts::AlertView;
use model::views::deployments::{DeploymentKind, DeploymentState};
use model::views::events::{MarkKind, MarkView, signal_name};

use crate::access::{May, can};
use crate::alerts;
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;

pub use machine::of_machine;

/// Most marks.
pub const MOST: usize = 200;
/// Most deployments that are looked at.
const DEPLOYMENTS: i64 = 2_000;
/// In so many stretches time is cut where there is too much: each has a mark of every kind at most.
const STRETCHES: i64 = 40;

/// The kind of an event's mark, in SQL; NULL: none. What Slipway ended itself is no mark of its own.
const KIND: &str = "CASE WHEN kind = 'unhealthy' THEN 'unhealthy' WHEN kind = 'died' AND NOT planned AND oom THEN 'oom'
    WHEN kind = 'died' AND NOT planned THEN 'restart' END";
const WHICH: &str = "service_id = $1 AND environment_id = $2 AND at >= $3 AND at <= $4 AND kind IN ('unhealthy', 'died')";

/// The marks of a service in an environment from one time to another, the oldest first.
pub async fn marks(
    platform: &Platform,
    may: &May<can::SeeServices, Service>,
    environment: EnvironmentId,
    from: Millis,
    to: Millis,
) -> Result<Vec<MarkView>> {
    let mut tx = platform.read().await?;
    let mut marks = deployments(&mut tx, may, environment, from, to).await?;
    marks.extend(fired(&mut tx, may, environment, from, to).await?);
    let events = single(&mut tx, may, environment, from, to).await?;
    if marks.len() + events.len() <= MOST {
        marks.extend(events);
    } else {
        marks = summed(marks, from, to);
        marks.extend(counted(&mut tx, may, environment, from, to).await?);
    }
    marks.sort_by_key(|mark| mark.ms);
    Ok(marks)
}

async fn fired(tx: &mut Tx, may: &May<can::SeeServices, Service>, environment: EnvironmentId, from: Millis, to: Millis) -> Result<Vec<MarkView>> {
    let fired = alerts::fired(tx, may, environment, from, to).await?;
    let mark = |alert: AlertView| {
        let text = format!("{}: {}", alert.rule, alert.summary);
        MarkView {
            ms: alert.fired_at.unwrap_or(alert.since).0,
            kind: MarkKind::Alert,
            text,
            link: Some(format!("/projects/{}/alerts", may.project.name)),
        }
    };
    Ok(fired.into_iter().map(mark).collect())
}

async fn deployments(tx: &mut Tx, service: &Service, environment: EnvironmentId, from: Millis, to: Millis) -> Result<Vec<MarkView>> {
    let sql = format!(
        "SELECT d.id, d.kind, d.state, d.created_by, COALESCE(d.started_at, d.created_at) AS at, r.number FROM deployments d
         JOIN revisions r ON r.id = d.revision_id WHERE d.service_id = $1 AND d.environment_id = $2
         AND COALESCE(d.started_at, d.created_at) >= $3 AND COALESCE(d.started_at, d.created_at) <= $4 ORDER BY d.id DESC LIMIT {DEPLOYMENTS}"
    );
    tx.all(sql, args![service.id, environment, from, to], |row| {
        let (id, kind, state): (DeploymentId, DeploymentKind, DeploymentState) = (row.get("id")?, row.get("kind")?, row.get("state")?);
        let (number, by): (i64, String) = (row.get("number")?, row.get("created_by")?);
        Ok(MarkView {
            ms: row.get("at")?,
            kind: MarkKind::Deployment,
            text: format!("{kind} of revision {number} by {by}: {}", state.as_str().replace('_', " ")),
            link: Some(format!("/projects/{}/services/{}/deployments/{id}", service.project.name, service.name)),
        })
    })
    .await
}

/// The page of a service's events of one kind.
fn page(service: &Service, kind: &str) -> String {
    format!("/projects/{}/services/{}/events?kind={kind}", service.project.name, service.name)
}

async fn single(tx: &mut Tx, service: &Service, environment: EnvironmentId, from: Millis, to: Millis) -> Result<Vec<MarkView>> {
    let most = MOST + 1;
    let sql = format!(
        "SELECT at, slot, exit_code, signal, kind, {KIND} AS mark FROM events WHERE {WHICH} AND {KIND} IS NOT NULL ORDER BY at DESC, id DESC LIMIT {most}"
    );
    tx.all(sql, args![service.id, environment, from, to], |row| {
        let kind = kind(row)?;
        Ok(MarkView { ms: row.get("at")?, kind, text: told(row, kind)?, link: Some(page(service, row.get::<String>("kind")?.as_str())) })
    })
    .await
}

fn kind(row: &Row<'_>) -> Result<MarkKind> {
    row.get::<String>("mark")?.parse().map_err(|_| Error::internal("column mark holds no kind of mark"))
}

/// What happened to a task, for people.
fn told(row: &Row<'_>, kind: MarkKind) -> Result<String> {
    let task = row.get::<Option<i64>>("slot")?.map_or_else(|| "a task".to_owned(), |slot| format!("task {slot}"));
    let (code, signal): (Option<i64>, Option<i64>) = (row.get("exit_code")?, row.get("signal")?);
    Ok(match (kind, code, signal) {
        (MarkKind::Unhealthy, ..) => format!("{task} became unhealthy"),
        (MarkKind::OutOfMemory, ..) => format!("{task} was ended for want of memory"),
        (_, Some(code), Some(signal)) if code == 128 + signal => format!("{task} was ended by {}", signal_name(signal)),
        (_, Some(code), _) => format!("{task} ended with exit code {code}"),
        (_, None, _) => format!("{task} ended"),
    })
}

/// How long a stretch is.
fn stretch(from: Millis, to: Millis) -> i64 {
    (to.0.saturating_sub(from.0) / STRETCHES).saturating_add(1).max(1)
}

/// Events of one kind in one stretch are one mark.
async fn counted(tx: &mut Tx, service: &Service, environment: EnvironmentId, from: Millis, to: Millis) -> Result<Vec<MarkView>> {
    let sql = format!(
        "SELECT mark, stretch, COUNT(*) AS n, MIN(at) AS first FROM (SELECT at, {KIND} AS mark, (at - $3) / $5 AS stretch FROM events WHERE {WHICH}) x
         WHERE mark IS NOT NULL GROUP BY mark, stretch ORDER BY stretch LIMIT {MOST}"
    );
    tx.all(sql, args![service.id, environment, from, to, stretch(from, to)], |row| {
        let (kind, count) = (kind(row)?, row.get::<i64>("n")?);
        let (text, page_of) = match kind {
            MarkKind::Unhealthy => (format!("{count} times unhealthy"), "unhealthy"),
            MarkKind::OutOfMemory => (format!("{count} ends for want of memory"), "died"),
            _ => (format!("{count} ends of tasks"), "died"),
        };
        Ok(MarkView { ms: row.get("first")?, kind, text, link: Some(page(service, page_of)) })
    })
    .await
}

/// Deployments of one stretch are one mark, which leads to the last of them.
fn summed(deployments: Vec<MarkView>, from: Millis, to: Millis) -> Vec<MarkView> {
    if deployments.len() <= usize::try_from(STRETCHES).unwrap_or(usize::MAX) {
        return deployments;
    }
    let size = stretch(from, to);
    let mut sums: Vec<(i64, usize, MarkView)> = Vec::new();
    // They come newest first: the first of a stretch is its last one.
    let mut sorted = deployments;
    sorted.sort_by_key(|mark| std::cmp::Reverse(mark.ms));
    for mark in sorted {
        let place = mark.ms.saturating_sub(from.0) / size;
        match sums.last_mut() {
            Some((last, count, _)) if *last == place => *count += 1,
            _ => sums.push((place, 1, mark)),
        }
    }
    let told = |(_, count, mark): (i64, usize, MarkView)| match count {
        1 => mark,
        _ => MarkView { text: format!("{count} deployments, the last: {}", mark.text), ..mark },
    };
    sums.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_deployments_are_few_marks_and_none_is_lost() {
        let mark = |ms: i64| MarkView { ms, kind: MarkKind::Deployment, text: format!("at {ms}"), link: None };
        let few = summed((0..10).map(mark).collect(), Millis(0), Millis(1_000));
        assert_eq!(few.len(), 10);
        let many = summed((0..1_000).rev().map(mark).collect(), Millis(0), Millis(1_000));
        assert!(many.len() <= 40, "{}", many.len());
        let counted = |mark: &MarkView| mark.text.split(' ').next().and_then(|word| word.parse::<usize>().ok()).unwrap_or(1);
        assert_eq!(many.iter().map(counted).sum::<usize>(), 1_000);
        assert!(many.iter().any(|mark| mark.text.ends_with("the last: at 999")));
    }
}

//! What happened on a machine, as marks on its charts' axis of time: alerts about it, its engine going and coming back, times of which nobody knows what
//! happened, and deployments that made tasks there.

use model::ids::DeploymentId;
use model::time::Millis;
use model::views::deployments::{DeploymentKind, DeploymentState};
use model::views::environments::MachineState;
use model::views::events::{MarkKind, MarkView};

use super::{DEPLOYMENTS, MOST, summed};
use crate::access::{May, Site, can};
use crate::alerts;
use crate::args;
use crate::db::Tx;
use crate::error::Result;
use crate::machines::Machine;
use crate::platform::Platform;

/// Most gaps.
const GAPS: i64 = 50;

/// The marks of a machine from one time to another, the oldest first.
pub async fn of_machine(
    platform: &Platform,
    may: &May<can::ManageEnvironments, Site>,
    machine: &Machine,
    from: Millis,
    to: Millis,
) -> Result<Vec<MarkView>> {
    let mut tx = platform.read().await?;
    let mut marks = gaps(&mut tx, machine, from, to).await?;
    marks.extend(engine(&mut tx, machine, from, to).await?);
    for alert in alerts::fired_on(&mut tx, may, machine.id, from, to).await? {
        let text = format!("{}: {}", alert.rule, alert.summary);
        marks.push(MarkView { ms: alert.fired_at.unwrap_or(alert.since).0, kind: MarkKind::Alert, text, link: Some("/admin/alerts".to_owned()) });
    }
    let deployments = deployments(&mut tx, machine, from, to).await?;
    let few = marks.len() + deployments.len() <= MOST;
    marks.extend(if few { deployments } else { summed(deployments, from, to) });
    marks.sort_by_key(|mark| mark.ms);
    Ok(marks)
}

/// Times of which it is not known what happened, the last ones.
async fn gaps(tx: &mut Tx, machine: &Machine, from: Millis, to: Millis) -> Result<Vec<MarkView>> {
    let link = format!("/admin/environments/{}/machines/{}/events?kind=gap", machine.environment, machine.name);
    let sql = "SELECT at, text FROM events WHERE machine_id = $1 AND kind = 'gap' AND at >= $2 AND at <= $3 ORDER BY at DESC LIMIT $4";
    tx.all(sql, args![machine.id, from, to, GAPS], |row| {
        Ok(MarkView { ms: row.get("at")?, kind: MarkKind::Engine, text: row.get("text")?, link: Some(link.clone()) })
    })
    .await
}

/// When its engine went away, or came back last.
async fn engine(tx: &mut Tx, machine: &Machine, from: Millis, to: Millis) -> Result<Option<MarkView>> {
    let sql = "SELECT state, since FROM machines WHERE id = $1 AND since >= $2 AND since <= $3";
    let found = tx
        .opt(sql, args![machine.id, from, to], |row| {
            let (state, ms): (MachineState, i64) = (row.get("state")?, row.get("since")?);
            Ok((state, ms))
        })
        .await?;
    let link = format!("/admin/environments/{}", machine.environment);
    Ok(found.and_then(|(state, ms)| {
        let text = match state {
            MachineState::Unknown => return None,
            MachineState::Up => "its engine answers since then",
            MachineState::Away => "its engine does not answer since then",
        };
        Some(MarkView { ms, kind: MarkKind::Engine, text: text.to_owned(), link: Some(link) })
    }))
}

async fn deployments(tx: &mut Tx, machine: &Machine, from: Millis, to: Millis) -> Result<Vec<MarkView>> {
    let sql = format!(
        "SELECT d.id, d.kind, d.state, d.created_by, COALESCE(d.started_at, d.created_at) AS at, r.number, p.name AS project, s.name AS service
         FROM deployments d JOIN revisions r ON r.id = d.revision_id JOIN services s ON s.id = d.service_id JOIN projects p ON p.id = s.project_id
         WHERE d.environment_id = $1 AND COALESCE(d.started_at, d.created_at) >= $3 AND COALESCE(d.started_at, d.created_at) <= $4
         AND EXISTS (SELECT 1 FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND t.machine_id = $2
                     AND t.deployment_id = d.id) ORDER BY d.id DESC LIMIT {DEPLOYMENTS}"
    );
    tx.all(sql, args![machine.environment_id, machine.id, from, to], |row| {
        let (id, kind, state): (DeploymentId, DeploymentKind, DeploymentState) = (row.get("id")?, row.get("kind")?, row.get("state")?);
        let (number, by): (i64, String) = (row.get("number")?, row.get("created_by")?);
        let (project, service): (String, String) = (row.get("project")?, row.get("service")?);
        Ok(MarkView {
            ms: row.get("at")?,
            kind: MarkKind::Deployment,
            text: format!("{project}/{service}: {kind} of revision {number} by {by}: {}", state.as_str().replace('_', " ")),
            link: Some(format!("/projects/{project}/services/{service}/deployments/{id}")),
        })
    })
    .await
}

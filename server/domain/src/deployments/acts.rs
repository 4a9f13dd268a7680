//! Deployments as people see them: one, the newest, lists; and waiting for an end without asking again and again.

use std::time::Duration;

use model::ids::{DeploymentId, EnvironmentId, RevisionId, ServiceId};
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::deployments::{Decision, DeploymentView, Override, Progress};

use super::{Deployment, DeploymentKey};
use crate::access::{Lease, May, Visible, can};
use crate::args;
use crate::db::{Json, Row, Tx, Value};
use crate::error::Result;
use crate::live::Topic;
use crate::platform::Platform;
use crate::projects::Project;
use crate::services::Service;
use crate::watch;

const SELECT: &str = "SELECT a.id, p.name AS project, s.name AS service, e.name AS environment, a.kind, a.state, a.reason_code, a.reason_message,
    a.progress, r.number, pr.number AS previous, r.image, a.created_by, a.why, a.created_at, a.started_at, a.finished_at,
    a.expires_at, a.approved, a.decided_by, a.decided_at, a.decided_why, a.overridden_by, a.overridden_why
    FROM deployments a JOIN services s ON s.id = a.service_id JOIN projects p ON p.id = s.project_id
    JOIN environments e ON e.id = a.environment_id JOIN revisions r ON r.id = a.revision_id
    LEFT JOIN revisions pr ON pr.id = a.previous_revision_id";

/// The later one first: what waited for an approval began when it was approved.
const NEWEST: &str = "COALESCE(a.decided_at, a.created_at) DESC, a.id DESC";

fn decision(row: &Row<'_>) -> Result<Option<Decision>> {
    let Some(approved) = row.get("approved")? else { return Ok(None) };
    let why: Option<String> = row.get("decided_why")?;
    Ok(Some(Decision { approved, by: row.get("decided_by")?, at: row.get("decided_at")?, why: why.unwrap_or_default() }))
}

fn overridden(row: &Row<'_>) -> Result<Option<Override>> {
    let Some(by) = row.get("overridden_by")? else { return Ok(None) };
    let why: Option<String> = row.get("overridden_why")?;
    Ok(Some(Override { by, why: why.unwrap_or_default() }))
}

fn view(row: &Row<'_>) -> Result<DeploymentView> {
    let finished_at: Option<Millis> = row.get("finished_at")?;
    let decision = decision(row)?;
    let waits = finished_at.is_none() && decision.is_none();
    Ok(DeploymentView {
        id: row.get("id")?,
        project: row.get("project")?,
        service: row.get("service")?,
        environment: row.get("environment")?,
        kind: row.get("kind")?,
        state: row.get("state")?,
        reason: crate::services::reason(row)?,
        progress: row.get::<Json<Progress>>("progress")?.0,
        revision: row.get("number")?,
        previous: row.get("previous")?,
        image: row.get("image")?,
        by: row.get("created_by")?,
        why: row.get("why")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        finished_at,
        expires_at: row.get::<Option<Millis>>("expires_at")?.filter(|_| waits),
        decision,
        overridden: overridden(row)?,
    })
}

pub(super) async fn by_id(tx: &mut Tx, id: DeploymentId) -> Result<DeploymentView> {
    tx.one(format!("{SELECT} WHERE a.id = $1"), args![id], view).await
}

pub(crate) async fn newest(tx: &mut Tx, service: ServiceId, environment: EnvironmentId) -> Result<Option<DeploymentView>> {
    // What is under way is the newest, also when two began in the same millisecond; then what waits for an approval.
    let order = "CASE WHEN a.finished_at IS NOT NULL THEN 2 WHEN a.state = 'pending' THEN 1 ELSE 0 END";
    let sql = format!("{SELECT} WHERE a.service_id = $1 AND a.environment_id = $2 ORDER BY {order}, {NEWEST} LIMIT 1");
    tx.opt(sql, args![service, environment], view).await
}

/// The newest deployment of a revision, the unfinished one first.
pub(super) async fn newest_of(tx: &mut Tx, service: ServiceId, environment: EnvironmentId, revision: RevisionId) -> Result<Option<DeploymentView>> {
    let order = "CASE WHEN a.finished_at IS NULL THEN 0 ELSE 1 END";
    let sql = format!("{SELECT} WHERE a.service_id = $1 AND a.environment_id = $2 AND a.revision_id = $3 ORDER BY {order}, {NEWEST} LIMIT 1");
    tx.opt(sql, args![service, environment, revision], view).await
}

/// The revision that waits for an approval in an environment.
pub(super) async fn waiting(tx: &mut Tx, service: ServiceId, environment: EnvironmentId) -> Result<Option<RevisionId>> {
    let sql = "SELECT revision_id FROM deployments WHERE service_id = $1 AND environment_id = $2 AND finished_at IS NULL AND state = 'pending'";
    tx.opt(sql, args![service, environment], |row| row.get("revision_id")).await
}

/// The act that brought a revision into an environment the last time, if it was not this one.
pub(crate) async fn that_brought(
    tx: &mut Tx,
    id: Option<DeploymentId>,
    environment: EnvironmentId,
    revision: RevisionId,
) -> Result<Option<DeploymentView>> {
    let condition = "WHERE a.id = $1 OR ($1 IS NULL AND a.environment_id = $2 AND a.revision_id = $3)";
    tx.opt(format!("{SELECT} {condition} ORDER BY {NEWEST} LIMIT 1"), args![id, environment, revision], view).await
}

/// A deployment as it is now.
pub async fn get(platform: &Platform, may: &May<can::SeeServices, Deployment>) -> Result<DeploymentView> {
    by_id(&mut platform.read().await?, may.id).await
}

/// A deployment when it ended, or as it is after a time (at most [`watch::WAIT_MAX`]). Ends with an error when the permission is lost.
pub async fn wait(platform: &Platform, lease: &mut Lease<can::SeeServices, DeploymentKey>, span: Duration) -> Result<DeploymentView> {
    let id = lease.may().id;
    let look = || async move { by_id(&mut platform.read().await?, id).await };
    watch::until(platform, Topic::Deployment(id), span, lease.lost(), look, |view| view.state.is_final()).await
}

/// The deployments of a service, newest first.
pub async fn list(platform: &Platform, may: &May<can::SeeServices, Service>, page: &PageRequest) -> Result<Page<DeploymentView>> {
    read(platform, "a.service_id = $3", may.id.into(), page).await
}

/// The deployments of a project's services, newest first.
pub async fn of_project(platform: &Platform, may: &May<can::SeeServices, Project>, page: &PageRequest) -> Result<Page<DeploymentView>> {
    read(platform, "s.project_id = $3", may.id.into(), page).await
}

/// What waits for an approval that the caller may give, of every project; the newest first.
pub async fn to_approve(platform: &Platform, visible: &Visible<can::Approve>, page: &PageRequest) -> Result<Page<DeploymentView>> {
    let limit = page.limit();
    let (seen, mut more) = visible.condition("p", 3);
    let mut arguments: Vec<Value> = args![page.before_id(), i64::from(limit) + 1];
    arguments.append(&mut more);
    let waits = "a.finished_at IS NULL AND a.state = 'pending'";
    let sql = format!("{SELECT} WHERE a.id < $1 AND {waits} AND {seen} ORDER BY a.id DESC LIMIT $2");
    let items = platform.read().await?.all(sql, arguments, view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

async fn read(platform: &Platform, condition: &str, id: Value, page: &PageRequest) -> Result<Page<DeploymentView>> {
    let limit = page.limit();
    let mut arguments = args![page.before_id(), i64::from(limit) + 1];
    arguments.push(id);
    let sql = format!("{SELECT} WHERE a.id < $1 AND {condition} ORDER BY a.id DESC LIMIT $2");
    let items = platform.read().await?.all(sql, arguments, view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

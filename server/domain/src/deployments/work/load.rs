//! Reading: which keys have something to do, and all about one of them.

use model::descriptor::Descriptor;
use model::ids::{DeploymentId, EnvironmentId, RevisionId};
use model::time::Millis;
use model::views::deployments::Progress;

use super::{DeploymentWork, RevisionWork, TaskWork, Work, WorkKey};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::machines;
use crate::services::ports;
use crate::worker::Worker;

/// Most keys of one pass; the next pass sees the rest.
const MOST: i64 = 5000;

fn key(row: &Row<'_>) -> Result<WorkKey> {
    Ok(WorkKey { service: row.get("service_id")?, environment: row.get("environment_id")? })
}

/// The keys of an environment whose stored tasks do not fit what is wanted, or whose deployment is not over, or of whose deleted service
/// a container is left. What only the engine knows (a container that vanished) is found by comparing [`super::living`] with its list.
pub async fn due(worker: &Worker, environment: EnvironmentId) -> Result<Vec<WorkKey>> {
    let sql = "SELECT d.service_id, d.environment_id FROM desired d JOIN services s ON s.id = d.service_id
        LEFT JOIN revisions r ON r.id = d.revision_id
        WHERE d.environment_id = $1 AND (
          EXISTS (SELECT 1 FROM deployments a WHERE a.service_id = d.service_id AND a.environment_id = d.environment_id
                  AND a.finished_at IS NULL AND a.state <> 'pending')
          OR (SELECT COUNT(*) FROM tasks t WHERE t.service_id = d.service_id AND t.environment_id = d.environment_id AND t.ended_at IS NULL)
             <> CASE WHEN s.deleted_at IS NOT NULL OR d.state = 'stopped' OR r.id IS NULL THEN 0 ELSE r.replicas END
          OR EXISTS (SELECT 1 FROM tasks t JOIN revisions tr ON tr.id = t.revision_id WHERE t.service_id = d.service_id
                  AND t.environment_id = d.environment_id AND t.ended_at IS NULL
                  AND (tr.spec <> r.spec OR t.health = 'unhealthy' OR t.state IN ('preparing', 'stopping')))
          OR (s.deleted_at IS NOT NULL
              AND d.service_id IN (SELECT t.service_id FROM tasks t WHERE t.removed_at IS NULL AND t.environment_id = $1)))
        ORDER BY d.service_id LIMIT $2";
    worker.platform().read().await?.all(sql, args![environment, MOST], key).await
}

/// Every key of an environment in which something was ever deployed and may run, for a full pass.
pub async fn every_key(worker: &Worker, environment: EnvironmentId) -> Result<Vec<WorkKey>> {
    let sql = "SELECT d.service_id, d.environment_id FROM desired d JOIN services s ON s.id = d.service_id
        WHERE d.environment_id = $1 AND (s.deleted_at IS NULL OR EXISTS (SELECT 1 FROM tasks t WHERE t.service_id = d.service_id
        AND t.environment_id = d.environment_id AND t.removed_at IS NULL)) ORDER BY d.service_id LIMIT $2";
    worker.platform().read().await?.all(sql, args![environment, MOST], key).await
}

/// How many tasks of a key failed since a time: a crash loop is told and slowed down by it.
pub async fn recent_failures(worker: &Worker, key: WorkKey, since: Millis) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS n FROM tasks WHERE service_id = $1 AND environment_id = $2 AND state = 'failed' AND ended_at > $3";
    worker.platform().read().await?.one(sql, args![key.service, key.environment, since], |row| row.get("n")).await
}

/// Everything about one key. None: nothing was ever deployed there.
pub async fn load(worker: &Worker, key: WorkKey) -> Result<Option<Work>> {
    let mut tx = worker.platform().read().await?;
    let sql = "SELECT p.id AS project_id, p.name AS project, s.name AS service, s.deleted_at, e.name AS environment, d.state, d.revision_id
        FROM desired d JOIN services s ON s.id = d.service_id JOIN projects p ON p.id = s.project_id
        JOIN environments e ON e.id = d.environment_id WHERE d.service_id = $1 AND d.environment_id = $2";
    let found = tx
        .opt(sql, args![key.service, key.environment], |row| {
            let work = Work {
                key,
                project_id: row.get("project_id")?,
                project: row.get("project")?,
                service: row.get("service")?,
                environment: row.get("environment")?,
                machines: Vec::new(),
                deleted: row.get::<Option<Millis>>("deleted_at")?.is_some(),
                state: row.get("state")?,
                revision: None,
                deployment: None,
                tasks: Vec::new(),
            };
            Ok((work, row.get::<Option<RevisionId>>("revision_id")?))
        })
        .await?;
    let Some((mut work, revision)) = found else { return Ok(None) };
    work.machines = machines::by_environment(&mut tx, key.environment).await?;
    if let Some(id) = revision {
        work.revision = Some(revision_work(&mut tx, id).await?);
    }
    work.deployment = deployment_work(&mut tx, key).await?;
    work.tasks = tasks_of(&mut tx, key).await?;
    Ok(Some(work))
}

/// A revision by its id: what a task of one that is neither wanted nor on its way was made from.
pub async fn revision(worker: &Worker, id: RevisionId) -> Result<RevisionWork> {
    revision_work(&mut worker.platform().read().await?, id).await
}

pub(super) async fn revision_work(tx: &mut Tx, id: RevisionId) -> Result<RevisionWork> {
    tx.one("SELECT id, number, descriptor, digest, spec FROM revisions WHERE id = $1", args![id], |row| {
        let text: String = row.get("descriptor")?;
        Ok(RevisionWork {
            id: row.get("id")?,
            number: row.get("number")?,
            descriptor: Descriptor::from_canonical(&text).map_err(|error| Error::internal(format!("column descriptor: {error}")))?,
            digest: row.get("digest")?,
            spec: row.get("spec")?,
        })
    })
    .await
}

async fn deployment_work(tx: &mut Tx, key: WorkKey) -> Result<Option<DeploymentWork>> {
    let sql = "SELECT revision_id FROM deployments WHERE service_id = $1 AND environment_id = $2 AND finished_at IS NULL AND state <> 'pending'";
    let revision: Option<RevisionId> = tx.opt(sql, args![key.service, key.environment], |row| row.get("revision_id")).await?;
    let Some(revision) = revision else { return Ok(None) };
    let revision = revision_work(tx, revision).await?;
    let sql = "SELECT id, kind, state, progress, created_at, started_at FROM deployments
               WHERE service_id = $1 AND environment_id = $2 AND revision_id = $3 AND finished_at IS NULL AND state <> 'pending'";
    tx.opt(sql, args![key.service, key.environment, revision.id], |row| {
        Ok(DeploymentWork {
            id: row.get::<DeploymentId>("id")?,
            kind: row.get("kind")?,
            state: row.get("state")?,
            revision: revision.clone(),
            progress: row.get::<Json<Progress>>("progress")?.0,
            created_at: row.get("created_at")?,
            started_at: row.get("started_at")?,
        })
    })
    .await
}

pub(super) const TASK: &str = "SELECT t.id, t.service_id, t.environment_id, t.slot, t.machine_id, t.revision_id, r.number, r.spec, t.deployment_id,
    t.state, t.health, t.container, t.address, t.restarts, t.created_at, t.started_at, t.healthy_at
    FROM tasks t JOIN revisions r ON r.id = t.revision_id";

pub(super) fn task(row: &Row<'_>) -> Result<TaskWork> {
    Ok(TaskWork {
        id: row.get("id")?,
        key: key(row)?,
        slot: row.get("slot")?,
        machine: row.get("machine_id")?,
        revision: row.get("revision_id")?,
        number: row.get("number")?,
        spec: row.get("spec")?,
        deployment: row.get("deployment_id")?,
        state: row.get("state")?,
        health: row.get("health")?,
        container: row.get("container")?,
        address: row.get("address")?,
        ports: Vec::new(),
        restarts: row.get("restarts")?,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        healthy_at: row.get("healthy_at")?,
    })
}

async fn tasks_of(tx: &mut Tx, key: WorkKey) -> Result<Vec<TaskWork>> {
    let sql = format!("{TASK} WHERE t.service_id = $1 AND t.environment_id = $2 AND t.ended_at IS NULL ORDER BY t.slot, t.id LIMIT 1000");
    let mut tasks = tx.all(sql, args![key.service, key.environment], task).await?;
    let mut held = ports(tx, key.service).await?;
    for task in &mut tasks {
        task.ports = held.remove(&task.id).unwrap_or_default();
    }
    Ok(tasks)
}

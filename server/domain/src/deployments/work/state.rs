//! Recording how a deployment goes, and handing out what it needs: the network, the image's source.

use model::descriptor::OnFailure;
use model::digest::Digest;
use model::ids::{DeploymentId, EnvironmentId, ProjectId, RevisionId, ServiceId};
use model::image::ImageReference;
use model::names::{ProjectName, RepositoryPath};
use model::outside::AllowList;
use model::reference::Reference;
use model::time::Millis;
use model::views::deployments::{DeploymentState, Progress, Reason, Share};

use super::PullSource;
use super::load::revision_work;
use crate::args;
use crate::db::{Json, Row, Tx, Value};
use crate::deployments::telling;
use crate::environments::{Subnet, subnets};
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::machines::Machine;
use crate::services::credentials;
use crate::worker::Worker;

/// Moves a deployment on. Answers `false`, and changes nothing, when it is over or may not go that way: a newer one, a cancel or
/// a stop took its place, and whoever worked on it lets go. To `Succeeded` makes its revision the one that should run. What ends
/// without having left the queue never began.
pub async fn advance(worker: &Worker, deployment: DeploymentId, to: DeploymentState, reason: Option<&Reason>) -> Result<bool> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    let sql = "SELECT state FROM deployments WHERE id = $1 AND finished_at IS NULL";
    let before: Option<DeploymentState> = change.opt(sql, args![deployment], |row| row.get("state")).await?;
    let from: Vec<&str> = DeploymentState::ALL.iter().filter(|from| from.may_become(to)).map(|from| from.as_str()).collect();
    let (began, finished) = ((!to.is_final()).then_some(now), to.is_final().then_some(now));
    let sql = format!(
        "UPDATE deployments SET state = $2, reason_code = $3, reason_message = $4, started_at = COALESCE(started_at, $5),
         finished_at = $6 WHERE id = $1 AND finished_at IS NULL AND state IN ('{}')
         RETURNING service_id, environment_id, revision_id, created_at",
        from.join("', '")
    );
    let (code, message) = (reason.map(|reason| reason.code.as_str()), reason.map(|reason| reason.message.as_str()));
    let arguments: Vec<Value> = args![deployment, to, code, message, began, finished];
    type Moved = (ServiceId, EnvironmentId, RevisionId, Millis);
    let read = |row: &Row<'_>| Ok((row.get("service_id")?, row.get("environment_id")?, row.get("revision_id")?, row.get("created_at")?));
    let moved: Option<Moved> = change.opt(sql, arguments, read).await?;
    let Some((service, environment, revision, asked)) = moved else { return Ok(false) };
    if to == DeploymentState::Rolling {
        count_tasks(&mut change, deployment, revision).await?;
    }
    if to == DeploymentState::Succeeded {
        let sql = "UPDATE desired SET revision_id = $3, state = 'running', updated_at = $4 WHERE service_id = $1 AND environment_id = $2";
        change.exec(sql, args![service, environment, revision, now]).await?;
        crate::jobs::work::deployed(worker, &mut change, service, environment, revision).await?;
    }
    let halted = to == DeploymentState::Failed
        && before == Some(DeploymentState::Rolling)
        && revision_work(&mut change, revision).await?.descriptor.update.on_failure == OnFailure::Stop;
    // A rollout that stopped in the middle is over with the next one that comes to an end: all tasks are of one revision then.
    if halted || matches!(to, DeploymentState::Succeeded | DeploymentState::RolledBack) {
        let sql = "UPDATE desired SET halted_at = $3 WHERE service_id = $1 AND environment_id = $2";
        change.exec(sql, args![service, environment, halted.then_some(now)]).await?;
    }
    let told = telling::telling(&mut change, deployment, before, now).await?;
    change.tell(told);
    change.touch(Topic::Deployment(deployment));
    change.touch(Topic::Service(service));
    if to.is_final() {
        let sql = "SELECT project_id FROM services WHERE id = $1";
        let project: ProjectId = change.one(sql, args![service], |row| row.get("project_id")).await?;
        change.touch(Topic::Project(project));
        change.wake(Signal::Reconcile);
    }
    change.finish().await?;
    if to.is_final() {
        let counters = worker.platform().counters();
        counters.deployments_ended(to, 1);
        counters.deployments_took.observe(now.since(asked));
    }
    Ok(true)
}

/// From here on there are tasks to make. Before that none are counted: so a deployment that ended tells how far it came.
async fn count_tasks(tx: &mut Tx, deployment: DeploymentId, revision: RevisionId) -> Result<()> {
    let total = revision_work(tx, revision).await?.descriptor.standing().into();
    let sql = "SELECT progress FROM deployments WHERE id = $1";
    let before: Progress = tx.one(sql, args![deployment], |row| Ok(row.get::<Json<Progress>>("progress")?.0)).await?;
    let progress = Progress { tasks: Share { done: 0, total }, note: None, ..before };
    tx.exec("UPDATE deployments SET progress = $2 WHERE id = $1", args![deployment, Json(progress)]).await.map(drop)
}

/// Records how far the work came. Nothing happens to a deployment that is over.
pub async fn progress(worker: &Worker, deployment: DeploymentId, progress: &Progress) -> Result<()> {
    let mut change = worker.change().await?;
    let sql = "UPDATE deployments SET progress = $2 WHERE id = $1 AND finished_at IS NULL";
    if change.exec(sql, args![deployment, Json(progress)]).await? > 0 {
        change.touch(Topic::Deployment(deployment));
    }
    change.finish().await
}

/// Records what an outside image's tag turned out to be. Written once: a revision never changes its content.
pub async fn pin(worker: &Worker, revision: RevisionId, digest: &Digest) -> Result<()> {
    let mut change = worker.change().await?;
    change.exec("UPDATE revisions SET digest = $2 WHERE id = $1 AND digest IS NULL", args![revision, digest]).await?;
    change.finish().await
}

/// Where an engine gets a revision's image.
pub async fn pull_source(worker: &Worker, revision: RevisionId) -> Result<PullSource> {
    let platform = worker.platform();
    let mut tx = platform.read().await?;
    let sql = "SELECT r.image, r.digest, r.image_repository, ip.name AS image_project, s.project_id
               FROM revisions r JOIN services s ON s.id = r.service_id LEFT JOIN projects ip ON ip.id = r.image_project_id WHERE r.id = $1";
    type Found = (String, Option<Digest>, Option<RepositoryPath>, Option<ProjectName>, ProjectId);
    let (image, digest, repository, image_project, project): Found = tx
        .one(sql, args![revision], |row| {
            let place = (row.get("image_repository")?, row.get("image_project")?);
            Ok((row.get("image")?, row.get("digest")?, place.0, place.1, row.get("project_id")?))
        })
        .await?;
    if let (Some(project), Some(repository)) = (image_project, repository) {
        let digest = digest.ok_or_else(|| Error::internal("a revision of our own image without a digest"))?;
        return Ok(PullSource::Embedded { project, repository, digest });
    }
    let image: ImageReference = image.parse().map_err(|_| Error::internal("column image holds no image"))?;
    let host = image.host().ok_or_else(|| Error::internal("an outside image without a host"))?.to_owned();
    let reference = digest.map_or_else(|| Reference::from(&image), Reference::Digest);
    let credential = credentials::open(&mut tx, platform, project, &host).await?;
    Ok(PullSource::Outside { host, repository: image.path().to_string(), reference, credential })
}

/// What operators let be spoken to besides the public internet.
pub async fn outside_allowed(worker: &Worker) -> Result<AllowList> {
    crate::outside::allowed(&mut worker.platform().read().await?).await
}

/// The project's network in the machine's environment; given out at the first call.
pub async fn network(worker: &Worker, machine: &Machine, project: ProjectId) -> Result<Subnet> {
    let platform = worker.platform();
    let given = subnets::given(&mut platform.read().await?, machine.subnet_pool, machine.environment_id, project).await?;
    if let Some(subnet) = given {
        return Ok(subnet);
    }
    let mut change = worker.change().await?;
    let subnet = match subnets::given(&mut change, machine.subnet_pool, machine.environment_id, project).await? {
        Some(subnet) => subnet,
        None => subnets::give(&mut change, platform, machine.subnet_pool, machine.environment_id, project, None).await?,
    };
    change.finish().await?;
    Ok(subnet)
}

/// Another network, when the engine says that `taken` overlaps with something of the machine's own.
pub async fn move_network(worker: &Worker, machine: &Machine, project: ProjectId, taken: Subnet) -> Result<Subnet> {
    let mut change = worker.change().await?;
    let subnet = subnets::give(&mut change, worker.platform(), machine.subnet_pool, machine.environment_id, project, Some(taken)).await?;
    change.finish().await?;
    Ok(subnet)
}

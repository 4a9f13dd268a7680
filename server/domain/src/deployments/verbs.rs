//! The verbs on a service that runs (or ran): roll back, scale, restart, stop, start, and cancel a deployment. Each is one change
//! of what is wanted; the loop does the rest.

use model::ids::RevisionId;
use model::template::Answers;
use model::views::deployments::{DeploymentKind, DeploymentState, DeploymentView, PlanView};
use model::views::services::DesiredState;

use super::begin::{Act, End, Unfinished, begin, end_unfinished, lock, tell};
use super::deploy::{need_wanted, rescaled};
use super::revisions::{self, Stored};
use super::{Deployment, Intent, acts, hosts, limits, plan, since, source, telling};
use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::configs::pinned;
use crate::db::Tx;
use crate::environments::{self, Environment};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::services::Service;
use crate::templates;

/// Brings an earlier revision again, with its configuration. Needs Pull on its image, and the image to be there. Where it was made for another
/// environment whose configuration gave it something else, it becomes a new revision with this environment's configuration of now.
pub async fn rollback(platform: &Platform, may: &May<can::Deploy, Service>, intent: &Intent, number: i64) -> Result<DeploymentView> {
    intent.check()?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = environments::choose(&mut change, may.project.id, intent.environment.as_ref()).await?;
    let revision = revisions::by_number(&mut change, may.id, number).await?;
    limits::still_allowed(platform, &mut change, may, &environment, &revision).await?;
    source::still_there(&revision)?;
    plan::refuse_taken_ports(&mut change, may, &environment, &revision.descriptor).await?;
    let revision = for_environment(&mut change, platform, may, &environment, intent, revision).await?;
    again(change, platform, may, &Again { environment: &environment, intent, kind: DeploymentKind::Rollback, revision: &revision }).await
}

/// Says what bringing an earlier revision again would do, and does nothing. The mistakes are those that it would have.
pub async fn plan_rollback(platform: &Platform, may: &May<can::Deploy, Service>, intent: &Intent, number: i64) -> Result<PlanView> {
    let mut tx = platform.read().await?;
    let environment = environments::choose(&mut tx, may.project.id, intent.environment.as_ref()).await?;
    let revision = revisions::by_number(&mut tx, may.id, number).await?;
    since::refuse_unpinned(&environment, &revision.descriptor.image, revision.digest)?;
    limits::still_allowed(platform, &mut tx, may, &environment, &revision).await?;
    source::still_there(&revision)?;
    plan::refuse_taken_ports(&mut tx, may, &environment, &revision.descriptor).await?;
    hosts::refuse_taken(&mut tx, may.actor(), &may.project, &revision.descriptor).await?;
    let mut configuration = pinned::of_revision(&mut tx, revision.id, &revision.descriptor).await?;
    if configuration.environment.is_none_or(|id| id == environment.id) {
        configuration.still_there(number)?;
    } else {
        configuration = pinned::newest(&mut tx, may, &environment, &revision.descriptor).await?;
    }
    let mut plan = plan::plan(&mut tx, may, &environment, &revision.descriptor, &revision.source(), &configuration).await?;
    plan.takes = limits::room(&mut tx, may, &environment, &revision.descriptor).await?;
    Ok(plan)
}

/// The revision itself where its configuration is the environment's, else one like it with that environment's configuration.
pub(super) async fn for_environment(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: &Environment,
    intent: &Intent,
    revision: Stored,
) -> Result<Stored> {
    let own = pinned::of_revision(change, revision.id, &revision.descriptor).await?;
    if own.environment.is_none_or(|id| id == environment.id) {
        own.still_there(revision.number)?;
        return Ok(revision);
    }
    let here = pinned::newest(change, may, environment, &revision.descriptor).await?;
    if here.fingerprint == own.fingerprint {
        return Ok(revision);
    }
    let intent = intent.like(&revision);
    let (id, _) = revisions::insert(change, platform, may, &revision.descriptor, &revision.source(), &here, &intent).await?;
    templates::note_same(change, revision.id, id).await?;
    revisions::by_id(change, id).await
}

/// Makes a revision with another number of tasks, like the newest one that was asked for, and brings it. Where a template's answer says how many,
/// that is the answer from then on.
pub async fn scale(platform: &Platform, may: &May<can::Deploy, Service>, intent: &Intent, replicas: u32) -> Result<DeploymentView> {
    intent.check()?;
    loop {
        // Rendering may take a while, so it is done without the lock.
        let (foreseen, answers) = scaled_answers(platform, may, intent, replicas).await?;
        let mut change = platform.change(may.actor()).await?;
        lock(&mut change, may).await?;
        let environment = environments::choose(&mut change, may.project.id, intent.environment.as_ref()).await?;
        let base = running(&mut change, may, &environment).await?;
        if base.id != foreseen && base.view.template.is_some() {
            // Somebody else was faster: once more, from theirs.
            continue;
        }
        limits::still_allowed(platform, &mut change, may, &environment, &base).await?;
        let intent = intent.like(&base);
        let (id, _) = rescaled(&mut change, platform, may, &base, replicas, &intent).await?;
        templates::note_scaled(&mut change, base.id, id, answers.as_ref()).await?;
        let revision = revisions::by_id(&mut change, id).await?;
        let wanted = Again { environment: &environment, intent: &intent, kind: DeploymentKind::Scale, revision: &revision };
        return again(change, platform, may, &wanted).await;
    }
}

/// The revision that would be scaled now, and the answers of its template that would lead to so many tasks.
async fn scaled_answers(
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    intent: &Intent,
    replicas: u32,
) -> Result<(RevisionId, Option<Answers>)> {
    let mut tx = platform.read().await?;
    let environment = environments::choose(&mut tx, may.project.id, intent.environment.as_ref()).await?;
    let base = running(&mut tx, may, &environment).await?;
    let made = templates::made_from(&mut tx, may, &environment, base.id).await?;
    drop(tx);
    Ok(match made {
        Some(made) => (base.id, templates::rescaled(may.actor(), made, templates::Another::Replicas(replicas)).await?),
        None => (base.id, None),
    })
}

/// Brings the same revision in new tasks.
pub async fn restart(platform: &Platform, may: &May<can::Deploy, Service>, intent: &Intent) -> Result<DeploymentView> {
    intent.check()?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = environments::choose(&mut change, may.project.id, intent.environment.as_ref()).await?;
    let revision = running(&mut change, may, &environment).await?;
    limits::still_allowed(platform, &mut change, may, &environment, &revision).await?;
    again(change, platform, may, &Again { environment: &environment, intent, kind: DeploymentKind::Restart, revision: &revision }).await
}

/// Lets run what was stopped.
pub async fn start(platform: &Platform, may: &May<can::Deploy, Service>, intent: &Intent) -> Result<DeploymentView> {
    intent.check()?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = environments::choose(&mut change, may.project.id, intent.environment.as_ref()).await?;
    let wanted = need_wanted(&mut change, may, &environment).await?;
    if wanted.state == DesiredState::Running && wanted.revision.is_some() {
        return Err(Error::conflict("already_running", format!("{} is not stopped in {}", may.name, environment.name)));
    }
    let revision = match wanted.newest() {
        Some(id) => revisions::by_id(&mut change, id).await?,
        None => return Err(never_good(may, &environment)),
    };
    limits::still_allowed(platform, &mut change, may, &environment, &revision).await?;
    plan::refuse_taken_ports(&mut change, may, &environment, &revision.descriptor).await?;
    again(change, platform, may, &Again { environment: &environment, intent, kind: DeploymentKind::Start, revision: &revision }).await
}

/// Ends every task, each with its grace; what is unfinished is cancelled. The revision stays what a start brings again.
pub async fn stop(platform: &Platform, may: &May<can::Deploy, Service>, intent: &Intent) -> Result<()> {
    intent.check()?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = environments::choose_for(&mut change, may, intent.environment.as_ref()).await?;
    need_wanted(&mut change, may, &environment).await?;
    for of in [Unfinished::UnderWay, Unfinished::Waiting] {
        let end = End { state: DeploymentState::Cancelled, code: "stopped", message: "the service was stopped" };
        end_unfinished(&mut change, platform, may, &environment, of, &end).await?;
    }
    let sql = "UPDATE desired SET state = 'stopped', updated_at = $3 WHERE service_id = $1 AND environment_id = $2";
    change.exec(sql, args![may.id, environment.id, platform.now()]).await?;
    tell(&mut change, may);
    let detail = serde_json::json!({ "environment": environment.name, "why": intent.why.trim() });
    change.commit(Record::new("service.stop", "service", &may.name).project(&may.project).detail(detail)).await
}

/// Stops a deployment: what served before serves on, or again.
pub async fn cancel(platform: &Platform, may: &May<can::Deploy, Deployment>) -> Result<DeploymentView> {
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, &may.service).await?;
    let sql = "UPDATE deployments SET state = 'cancelled', reason_code = 'cancelled', reason_message = $2, finished_at = $3
               WHERE id = $1 AND finished_at IS NULL";
    let message = format!("cancelled by {}", may.actor().name());
    if change.exec(sql, args![may.id, message, platform.now()]).await? == 0 {
        let state = acts::by_id(&mut change, may.id).await?.state;
        return Err(Error::conflict("deployment_over", format!("this deployment is over: {state}")));
    }
    let told = telling::ended(&mut change, may.id, platform.now()).await?;
    change.tell(told);
    change.touch(Topic::Deployment(may.id));
    tell(&mut change, &may.service);
    let view = acts::by_id(&mut change, may.id).await?;
    let detail = serde_json::json!({ "deployment": may.id, "environment": view.environment, "revision": view.revision });
    change.commit(Record::new("deployment.cancel", "service", &may.service.name).project(&may.service.project).detail(detail)).await?;
    platform.counters().deployments_ended(DeploymentState::Cancelled, 1);
    Ok(view)
}

/// The newest revision that was asked for, of a service that is not stopped.
pub(super) async fn running(tx: &mut Tx, service: &Service, environment: &Environment) -> Result<Stored> {
    let wanted = need_wanted(tx, service, environment).await?;
    if wanted.state == DesiredState::Stopped && wanted.next.is_none() {
        return Err(Error::conflict("stopped", format!("{} is stopped in {}; start it first", service.name, environment.name)));
    }
    match wanted.newest() {
        Some(id) => revisions::by_id(tx, id).await,
        None => Err(never_good(service, environment)),
    }
}

fn never_good(service: &Service, environment: &Environment) -> Error {
    Error::conflict("not_deployed", format!("no deployment of {} to {} succeeded yet; deploy it again", service.name, environment.name))
}

/// A stored revision on its way into an environment.
pub(super) struct Again<'a> {
    pub environment: &'a Environment,
    pub intent: &'a Intent,
    pub kind: DeploymentKind,
    pub revision: &'a Stored,
}

/// Puts a stored revision into the queue, with its record, if the project has room for it.
pub(super) async fn again(mut change: Change, platform: &Platform, may: &May<can::Deploy, Service>, wanted: &Again<'_>) -> Result<DeploymentView> {
    let (view, record) = queue(&mut change, platform, may, wanted).await?;
    change.commit(record).await?;
    Ok(view)
}

/// The same within a change that does more. The caller commits with the record.
pub(super) async fn queue(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    wanted: &Again<'_>,
) -> Result<(DeploymentView, Record)> {
    let Again { environment, intent, kind, revision } = *wanted;
    limits::take(change, may, environment, &revision.descriptor).await?;
    let act = Act { kind, revision: revision.id, descriptor: &revision.descriptor, environment, intent, note: None };
    let id = begin(change, platform, may, &act).await?;
    let view = acts::by_id(change, id).await?;
    let action = match kind {
        DeploymentKind::Deploy => "deployment.create",
        DeploymentKind::Rollback => "deployment.rollback",
        DeploymentKind::Scale => "service.scale",
        DeploymentKind::Restart => "service.restart",
        DeploymentKind::Start => "service.start",
        DeploymentKind::Clone => "deployment.clone",
    };
    let detail = serde_json::json!({
        "environment": environment.name, "revision": revision.number, "replicas": revision.descriptor.replicas, "deployment": id
    });
    Ok((view, Record::new(action, "service", &may.name).project(&may.project).detail(detail)))
}

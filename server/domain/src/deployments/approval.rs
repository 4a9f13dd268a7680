//! Deployments to protected environments: they wait until a person who may approves or refuses them, and expire when nobody does. At the
//! approval everything is checked again, for the one who approves: what was right yesterday may not be today. What runs runs on meanwhile.

use model::access::Action;
use model::ids::{DeploymentId, EnvironmentId, RevisionId, ServiceId};
use model::time::Millis;
use model::views::deployments::{DeploymentState, DeploymentView, PlanView, Progress};

use super::begin::{End, Unfinished, end_unfinished, lock, tell};
use super::behind::Askers;
use super::revisions::Stored;
use super::{Deployment, WHY_MAX, acts, frozen, hosts, limits, plan, revisions, since, source, telling};
use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::configs::pinned;
use crate::db::{Json, Row, Tx};
use crate::environments::{self, Environment};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::services::Service;
use crate::templates;
use crate::worker::Worker;

/// Most that expire in one go.
const MOST: i64 = 500;

/// A deployment that waits.
pub(super) struct Waiting {
    pub environment: EnvironmentId,
    revision: RevisionId,
    askers: Askers,
    asked_by_name: String,
    /// Its note says what stays of it, whatever is decided.
    progress: Progress,
}

/// Lets a deployment through. It goes into the queue, and takes the place of what is under way.
///
/// # Errors
/// `Conflict`: it does not wait any more, something changed since it was asked for, the caller asked for it where somebody else must approve, the
/// environment is frozen; or what a deploy of it would be refused for now.
pub async fn approve(platform: &Platform, may: &May<can::Approve, Deployment>, why: &str) -> Result<DeploymentView> {
    let_through(platform, may, why, false).await
}

/// The same for an operator who overrides the freeze of the environment and says why.
pub async fn approve_frozen(platform: &Platform, may: &May<can::Approve, Deployment>, why: &str) -> Result<DeploymentView> {
    let_through(platform, may, why, true).await
}

async fn let_through(platform: &Platform, may: &May<can::Approve, Deployment>, why: &str, overrides: bool) -> Result<DeploymentView> {
    check_why(why)?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, &may.service).await?;
    let waiting = waiting(&mut change, platform, may.id).await?;
    let environment = still_good(&mut change, platform, may, &waiting).await?;
    refuse_own(may, &environment, &waiting)?;
    let overridden = frozen::pass(&environment, may, overrides, why)?;
    end_unfinished(&mut change, platform, &may.service, &environment, Unfinished::UnderWay, &End::SUPERSEDED).await?;
    let progress = Progress { note: None, ..waiting.progress.clone() };
    let sql = "UPDATE deployments SET state = 'queued', progress = $2, overridden_by = COALESCE($3, overridden_by),
               overridden_why = COALESCE($4, overridden_why), previous_revision_id =
               (SELECT d.revision_id FROM desired d WHERE d.service_id = deployments.service_id AND d.environment_id = deployments.environment_id)
               WHERE id = $1 AND state = 'pending' AND finished_at IS NULL";
    let arguments = args![may.id, Json(progress), overridden.map(|_| may.actor().name()), overridden];
    if change.exec(sql, arguments).await? == 0 {
        return Err(expired());
    }
    if let Some(why) = overridden {
        frozen::record(&mut change, &may.service, &environment, may.id, why).await?;
    }
    templates::remember(&mut change, platform, waiting.environment, waiting.revision, &waiting.asked_by_name).await?;
    decide(change, platform, may, &waiting, true, why).await
}

fn refuse_own(may: &May<can::Approve, Deployment>, environment: &Environment, waiting: &Waiting) -> Result<()> {
    match waiting.askers.own(may.actor())? {
        Some(whose) if environment.second_person => Err(Error::conflict("own_request", own_request(whose, environment))),
        _ => Ok(()),
    }
}

fn own_request(whose: &str, environment: &Environment) -> String {
    format!("{whose}; in {} somebody else approves it", environment.name)
}

/// Sends a deployment back, with a reason that its asker reads. Nothing changes for what runs.
pub async fn refuse(platform: &Platform, may: &May<can::Approve, Deployment>, why: &str) -> Result<DeploymentView> {
    check_why(why)?;
    if why.trim().is_empty() {
        return Err(Error::invalid("why", "say why: who asked for it reads this"));
    }
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, &may.service).await?;
    let waiting = waiting(&mut change, platform, may.id).await?;
    let message = format!("refused by {}: {}; what ran before runs on", may.actor().name(), why.trim());
    let message = with_note(message, waiting.progress.note.as_deref());
    let sql = "UPDATE deployments SET state = 'refused', reason_code = 'refused', reason_message = $2, finished_at = $3
               WHERE id = $1 AND state = 'pending' AND finished_at IS NULL";
    if change.exec(sql, args![may.id, message, platform.now()]).await? == 0 {
        return Err(expired());
    }
    let view = decide(change, platform, may, &waiting, false, why).await?;
    platform.counters().deployments_ended(DeploymentState::Refused, 1);
    Ok(view)
}

fn with_note(message: String, note: Option<&str>) -> String {
    match note {
        Some(note) => format!("{message}; {note}"),
        None => message,
    }
}

/// Writes down who decided, and leaves the record. That somebody let their own deployment through is told.
async fn decide(
    mut change: Change,
    platform: &Platform,
    may: &May<can::Approve, Deployment>,
    waiting: &Waiting,
    approved: bool,
    why: &str,
) -> Result<DeploymentView> {
    let actor = may.actor().account()?.id;
    let sql = "UPDATE deployments SET approved = $2, decided_by_id = $3, decided_by = $4, decided_at = $5, decided_why = $6 WHERE id = $1";
    change.exec(sql, args![may.id, approved, actor, may.actor().name(), platform.now(), why.trim()]).await?;
    if !approved {
        let told = telling::ended(&mut change, may.id, platform.now()).await?;
        change.tell(told);
    }
    change.touch(Topic::Deployment(may.id));
    tell(&mut change, &may.service);
    let view = acts::by_id(&mut change, may.id).await?;
    let detail = serde_json::json!({
        "deployment": may.id, "environment": view.environment, "revision": view.revision, "asked_by": waiting.asked_by_name,
        "own": waiting.askers.own(may.actor())?.is_some(), "why": why.trim(),
    });
    let action = if approved { "deployment.approve" } else { "deployment.refuse" };
    change.commit(Record::new(action, "service", &may.service.name).project(&may.service.project).detail(detail)).await?;
    Ok(view)
}

fn check_why(why: &str) -> Result<()> {
    if why.chars().count() > WHY_MAX || why.contains('\0') {
        return Err(Error::invalid("why", format!("at most {WHY_MAX} characters")));
    }
    Ok(())
}

/// The deployment, if it waits still. The caller holds the lock.
pub(super) async fn waiting(change: &mut Change, platform: &Platform, id: DeploymentId) -> Result<Waiting> {
    let askers = Askers::of(change, id).await?;
    let sql = "SELECT state, expires_at, environment_id, revision_id, created_by, progress FROM deployments WHERE id = $1";
    let (state, expires, waiting) = change
        .one(sql, args![id], |row: &Row<'_>| {
            let waiting = Waiting {
                environment: row.get("environment_id")?,
                revision: row.get("revision_id")?,
                askers: askers.clone(),
                asked_by_name: row.get("created_by")?,
                progress: row.get::<Json<Progress>>("progress")?.0,
            };
            Ok((row.get::<DeploymentState>("state")?, row.get::<Option<Millis>>("expires_at")?, waiting))
        })
        .await?;
    if state != DeploymentState::Pending {
        return Err(not_waiting(state));
    }
    if expires.is_some_and(|expires| expires <= platform.now()) {
        return Err(expired());
    }
    Ok(waiting)
}

fn not_waiting(state: DeploymentState) -> Error {
    Error::conflict("not_waiting", format!("this deployment does not wait for an approval: it is {state}"))
}

/// Nobody but the loop ends what waits without the service's lock.
fn expired() -> Error {
    Error::conflict("expired", "nobody decided in time: this deployment expired; deploy again")
}

/// What was checked when it was asked for, checked again: the grant, the image, what the descriptor asks of the machines and of the quota; and that
/// it is still what would be asked for today.
async fn still_good(change: &mut Change, platform: &Platform, may: &May<can::Approve, Deployment>, waiting: &Waiting) -> Result<Environment> {
    let service = &may.service;
    let Some(environment) = environments::granted(change, service.project.id, waiting.environment).await? else {
        let text = format!("project {} may not use this environment any more", service.project.name);
        return Err(Error::conflict("environment_not_granted", text));
    };
    let deploy: May<can::Deploy, Service> = may.actor().may_in(change, &service.id).await?;
    let revision = revisions::by_id(change, waiting.revision).await?;
    source::still_there(&revision)?;
    pinned::of_revision(change, revision.id, &revision.descriptor).await?.still_there(revision.number)?;
    let followed = since::followed(change, may.id).await?;
    since::refuse(&since::changes(change, service, &environment, &revision, followed).await?)?;
    limits::still_allowed(platform, change, &deploy, &environment, &revision).await?;
    plan::refuse_taken_ports(change, service, &environment, &revision.descriptor).await?;
    limits::take(change, service, &environment, &revision.descriptor).await?;
    hosts::claim(change, platform, may.actor(), &service.project, &revision.descriptor).await?;
    Ok(environment)
}

/// All of [`still_good`] but for the room that stands in the way now, for a plan. What is asked of the one who approves is told to those who could.
async fn hindrances(
    tx: &mut Tx,
    platform: &Platform,
    may: &May<can::SeeServices, Deployment>,
    place: &Environment,
    of: &Stored,
) -> Result<Vec<String>> {
    let (service, d) = (&may.service, &of.descriptor);
    let mut all = Vec::new();
    let mut look = |found: Result<()>| match found {
        Ok(()) => Ok(()),
        Err(Error::Invalid(errors)) => {
            all.extend(errors.into_iter().map(|error| error.message));
            Ok(())
        }
        Err(Error::Conflict { message, .. }) => {
            all.push(message);
            Ok(())
        }
        Err(other) => Err(other),
    };
    look(source::still_there(of))?;
    look(pinned::of_revision(tx, of.id, d).await?.still_there(of.number))?;
    if may.also(Action::Deploy) {
        let deploy: May<can::Deploy, Service> = may.actor().may_in(tx, &service.id).await?;
        look(limits::still_allowed(platform, tx, &deploy, place, of).await)?;
    }
    look(plan::refuse_taken_ports(tx, service, place, d).await)?;
    look(hosts::refuse_taken(tx, may.actor(), &service.project, d).await)?;
    Ok(all)
}

/// What letting a deployment through would do now, and what stands in its way.
///
/// # Errors
/// `Conflict`: it does not wait, or the project may not use the environment any more.
pub async fn plan_of(platform: &Platform, may: &May<can::SeeServices, Deployment>) -> Result<PlanView> {
    if may.state != DeploymentState::Pending {
        return Err(not_waiting(may.state));
    }
    let mut tx = platform.read().await?;
    let service = &may.service;
    let Some(environment) = environments::granted(&mut tx, service.project.id, may.environment_id).await? else {
        return Err(Error::conflict("environment_not_granted", "the project may not use this environment any more"));
    };
    let revision = revisions::by_id(&mut tx, may.revision_id).await?;
    let configuration = pinned::of_revision(&mut tx, revision.id, &revision.descriptor).await?;
    // Whoever reads this knows that it waits: it is told as what follows when it does no more.
    let let_through = Environment { protected: false, ..environment.clone() };
    let mut plan = plan::plan(&mut tx, service, &let_through, &revision.descriptor, &revision.source(), &configuration).await?;
    let mut hindrances = hindrances(&mut tx, platform, may, &environment, &revision).await?;
    match limits::room(&mut tx, service, &environment, &revision.descriptor).await {
        Ok(takes) => plan.takes = takes,
        Err(Error::Invalid(errors)) => hindrances.extend(errors.into_iter().map(|error| error.message)),
        Err(error) => return Err(error),
    }
    plan.notes.extend(hindrances.into_iter().map(|text| format!("it cannot be approved now: {text}")));
    plan.second_person = environment.second_person;
    let asked = acts::by_id(&mut tx, may.id).await?;
    let whose = Askers::of(&mut tx, may.id).await?.own(may.actor())?.filter(|_| environment.second_person);
    plan.own = whose.is_some();
    if let Some(whose) = whose.filter(|_| may.also(Action::Approve)) {
        plan.notes.push(own_request(whose, &environment));
    }
    plan.notes.extend(asked.progress.note);
    let followed = since::followed(&mut tx, may.id).await?;
    plan.changed_since = since::changes(&mut tx, service, &environment, &revision, followed).await?;
    if !may.also(Action::Deploy) {
        plan.changes.iter_mut().chain(&mut plan.changed_since).for_each(model::descriptor::Change::hide_secrets);
    }
    Ok(plan)
}

/// Ends what waited too long. Idempotent; answers how many.
pub async fn expire(worker: &Worker) -> Result<usize> {
    let platform = worker.platform();
    let now = platform.now();
    let sql =
        "SELECT id, progress FROM deployments WHERE state = 'pending' AND finished_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2";
    let due: Vec<(DeploymentId, Json<Progress>)> =
        platform.read().await?.all(sql, args![now, MOST], |row| Ok((row.get("id")?, row.get("progress")?))).await?;
    let mut ended = 0;
    for (id, Json(progress)) in due {
        let mut change = worker.change().await?;
        let sql = "UPDATE deployments SET state = 'expired', reason_code = 'expired', reason_message = $2, finished_at = $3
                   WHERE id = $1 AND state = 'pending' AND finished_at IS NULL RETURNING service_id";
        let message = String::from("nobody approved it within 24 hours; what ran before runs on");
        let message = with_note(message, progress.note.as_deref());
        let service: Option<ServiceId> = change.opt(sql, args![id, message, now], |row| row.get("service_id")).await?;
        let Some(service) = service else { continue };
        if let Some(service) = crate::access::Key::find(&service, &mut change).await? {
            let told = telling::ended(&mut change, id, now).await?;
            change.tell(told);
            change.touch(Topic::Deployment(id));
            change.touch(Topic::Service(service.id));
            change.touch(Topic::Project(service.project.id));
            let record = Record::new("deployment.expire", "service", &service.name).project(&service.project);
            change.record(worker, "approval", &record.detail(serde_json::json!({ "deployment": id }))).await?;
        }
        change.finish().await?;
        platform.counters().deployments_ended(DeploymentState::Expired, 1);
        ended += 1;
    }
    Ok(ended)
}

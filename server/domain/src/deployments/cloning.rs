//! Cloning: what runs in one environment is brought into another, one service or all of a project. The same image, by its content, and the same
//! description; the configuration is that of the place where it goes to. Nothing of the configuration centre is copied: what is missing there is told
//! before, and while something is missing nothing is begun: all of it is one change, or none.

use std::collections::BTreeMap;

use model::ids::{RevisionId, ServiceId};
use model::names::{EnvironmentName, ServiceName};
use model::problem::FieldError;
use model::views::deployments::{CloneOf, ClonePlaces, ClonePlan, DeploymentKind, DeploymentView, LeftOut, PlanView};
use model::views::quotas::Running;
use model::views::services::DesiredState;

use super::begin::lock;
use super::revisions::{self, Stored};
use super::verbs::{Again, for_environment, queue};
use super::{Intent, frozen, hosts, limits, plan as plans, since, source};
use crate::access::{May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::configs::pinned::{self, Pinned};
use crate::db::Tx;
use crate::environments::{self, Environment};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;
use crate::quotas::running::{self, Place};
use crate::services::{Service, ServiceKey};

/// Most services that are cloned at once.
const MOST: usize = 200;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CloneOrder {
    /// From where.
    pub from: EnvironmentName,
    /// Where to.
    pub to: EnvironmentName,
    /// Which services; empty: all that run there.
    pub services: Vec<ServiceName>,
    /// Why, for the history.
    pub why: String,
}

/// The environments between which services of a project can be cloned.
pub async fn clone_places(platform: &Platform, may: &May<can::Deploy, Project>) -> Result<ClonePlaces> {
    let mut tx = platform.read().await?;
    let names = |all: Vec<Environment>| all.into_iter().map(|environment| environment.name).collect();
    let from = names(environments::configured_for(&mut tx, may.id).await?);
    Ok(ClonePlaces { from, to: names(environments::granted_to(&mut tx, may.id).await?) })
}

/// Says what cloning would do, and does nothing.
pub async fn clone_plan(platform: &Platform, may: &May<can::Deploy, Project>, order: &CloneOrder) -> Result<ClonePlan> {
    let mut tx = platform.read().await?;
    let (from, to) = places(&mut tx, may, order).await?;
    let (chosen, left_out) = chosen(&mut tx, may, &from, &to, order).await?;
    let mut services = Vec::with_capacity(chosen.len());
    let mut beside = Beside::new();
    for (id, revision) in chosen {
        let may = may.actor().may_in::<can::Deploy, _>(&mut tx, &id).await?;
        services.push(one(platform, &mut tx, &may, &to, revision, &mut beside).await?);
    }
    Ok(ClonePlan { from: from.name, to: to.name, services, left_out })
}

/// What the services before take where they go to: they go there together.
type Beside = BTreeMap<Place, Running>;

/// Brings the services there: a deployment for each. Nothing is begun while one of them cannot be.
pub async fn clone(platform: &Platform, may: &May<can::Deploy, Project>, order: &CloneOrder) -> Result<Vec<DeploymentView>> {
    let plan = clone_plan(platform, may, order).await?;
    let told = |one: &CloneOf| one.problems.iter().map(|problem| of_service(&one.service, problem.clone())).collect::<Vec<_>>();
    let problems: Vec<FieldError> = plan.services.iter().flat_map(told).collect();
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    let mut all = Vec::with_capacity(plan.services.len());
    for planned in &plan.services {
        let key = ServiceKey { project: &may.name, service: &planned.service };
        all.push((may.actor().may::<can::Deploy, _>(platform, &key).await?, planned.revision));
    }
    // In one order, whoever else clones at the same time; and before the project's lock, as everybody does.
    all.sort_by_key(|(may, _)| may.id);
    let mut change = platform.change(may.actor()).await?;
    for (may, _) in &all {
        lock(&mut change, may).await?;
    }
    hold_hosts(platform, &mut change, may, &all).await?;
    let (mut begun, mut records) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for (may, number) in &all {
        let (view, record) = bring(platform, &mut change, may, order, *number).await.map_err(|error| told_of(&may.name, error))?;
        begun.push(view);
        records.push(record);
    }
    let Some(last) = records.pop() else {
        return Err(Error::invalid("services", format!("nothing of this project runs in {}", plan.from)));
    };
    for record in &records {
        change.also(record).await?;
    }
    change.commit(last).await?;
    begun.sort_by(|one, other| one.service.cmp(&other.service));
    Ok(begun)
}

/// Holds the hosts of all of them, whoever else brings some of the same meanwhile; behind the project's lock, as everybody does.
async fn hold_hosts(platform: &Platform, change: &mut Change, project: &Project, all: &[(May<can::Deploy, Service>, i64)]) -> Result<()> {
    running::lock(change, project).await?;
    let mut descriptors = Vec::with_capacity(all.len());
    for (may, number) in all {
        descriptors.push(revisions::by_number(change, may.id, *number).await?.descriptor);
    }
    hosts::hold_all(change, platform, project, &descriptors).await
}

fn of_service(service: &ServiceName, problem: FieldError) -> FieldError {
    FieldError::new(format!("services.{service}.{}", problem.field), problem.message)
}

/// A mistake that was none when it was planned, or what else is in the way, with the service that it is about.
fn told_of(service: &ServiceName, error: Error) -> Error {
    match error {
        Error::Invalid(problems) => Error::Invalid(problems.into_iter().map(|problem| of_service(service, problem)).collect()),
        Error::Conflict { code, message } => Error::conflict(code, format!("{service}: {message}")),
        other => other,
    }
}

/// Brings one service; the caller holds its lock. What was planned is checked again, since it may not be so any more.
async fn bring(
    platform: &Platform,
    change: &mut Change,
    may: &May<can::Deploy, Service>,
    order: &CloneOrder,
    number: i64,
) -> Result<(DeploymentView, Record)> {
    let to = environments::choose(change, may.project.id, Some(&order.to)).await?;
    let revision = revisions::by_number(change, may.id, number).await?;
    let why = if order.why.trim().is_empty() { String::new() } else { format!(": {}", order.why.trim()) };
    let why = format!("cloned from revision {number} in {}{why}", order.from);
    let intent = Intent { why, ..Intent::in_environment(Some(order.to.clone())) }.built_from(&revision.view);
    intent.check()?;
    check(platform, change, may, &to, &revision).await?;
    let revision = for_environment(change, platform, may, &to, &intent, revision).await?;
    queue(change, platform, may, &Again { environment: &to, intent: &intent, kind: DeploymentKind::Clone, revision: &revision }).await
}

async fn places(tx: &mut Tx, project: &Project, order: &CloneOrder) -> Result<(Environment, Environment)> {
    if order.from == order.to {
        return Err(Error::invalid("to", format!("choose another environment than {}, where it runs already", order.from)));
    }
    let named = |field: &'static str| {
        move |error: Error| match error {
            Error::Invalid(errors) => Error::Invalid(errors.into_iter().map(|error| FieldError::new(field, error.message)).collect()),
            other => other,
        }
    };
    let from = environments::choose_configured(tx, project.id, &order.from).await.map_err(named("from"))?;
    let to = environments::choose(tx, project.id, Some(&order.to)).await.map_err(named("to"))?;
    Ok((from, to))
}

/// What is cloned, by name of the service, and what is left out.
async fn chosen(
    tx: &mut Tx,
    project: &Project,
    from: &Environment,
    to: &Environment,
    order: &CloneOrder,
) -> Result<(Vec<(ServiceId, RevisionId)>, Vec<LeftOut>)> {
    if order.services.len() > MOST {
        return Err(Error::invalid("services", format!("at most {MOST} services are cloned at once")));
    }
    let sql = "SELECT s.id, s.name, d.revision_id, d.state FROM services s
               LEFT JOIN desired d ON d.service_id = s.id AND d.environment_id = $2
               WHERE s.project_id = $1 AND s.deleted_at IS NULL ORDER BY s.name LIMIT 1000";
    type Found = (ServiceId, ServiceName, Option<RevisionId>, Option<DesiredState>);
    let found: Vec<Found> =
        tx.all(sql, args![project.id, from.id], |row| Ok((row.get("id")?, row.get("name")?, row.get("revision_id")?, row.get("state")?))).await?;
    if let Some(unknown) = order.services.iter().find(|name| !found.iter().any(|(_, known, ..)| known == *name)) {
        return Err(Error::invalid("services", format!("there is no service {unknown} in this project")));
    }
    let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
    for (id, name, revision, state) in found {
        let named = order.services.contains(&name);
        if !named && !order.services.is_empty() {
            continue;
        }
        match (revision, state) {
            (Some(revision), Some(DesiredState::Running)) => chosen.push((id, revision)),
            (Some(revision), Some(DesiredState::Stopped)) if named => chosen.push((id, revision)),
            (Some(_), _) => left_out.push(LeftOut { service: name, why: format!("it is stopped in {}", from.name) }),
            (None, _) if named => {
                return Err(Error::invalid("services", format!("nothing of {name} was brought to {} with success", from.name)));
            }
            (None, _) => left_out.push(LeftOut { service: name, why: format!("it does not run in {}", from.name) }),
        }
    }
    if chosen.len() > MOST {
        let text = format!("{} services run in {}; name at most {MOST} of them to go to {}", chosen.len(), from.name, to.name);
        return Err(Error::invalid("services", text));
    }
    Ok((chosen, left_out))
}

/// What cloning one service would do.
async fn one(
    platform: &Platform,
    tx: &mut Tx,
    may: &May<can::Deploy, Service>,
    to: &Environment,
    revision: RevisionId,
    beside: &mut Beside,
) -> Result<CloneOf> {
    let stored = revisions::by_id(tx, revision).await?;
    let mut told = CloneOf {
        service: may.name.clone(),
        revision: stored.number,
        image: stored.view.image.clone(),
        plan: None,
        problems: Vec::new(),
        differs: Vec::new(),
    };
    match planned(platform, tx, may, to, &stored, beside).await {
        Ok((plan, differs)) => {
            (told.plan, told.differs) = (Some(plan), differs);
            // What waits for an approval takes nothing yet.
            if !to.protected {
                beside.insert((may.id, to.id), Running::of(&stored.descriptor.resources, stored.descriptor.replicas));
            }
        }
        Err(Error::Invalid(problems)) => told.problems = problems,
        Err(Error::Conflict { code, message }) => told.problems = vec![FieldError::new(code, message)],
        Err(other) => return Err(other),
    }
    Ok(told)
}

async fn planned(
    platform: &Platform,
    tx: &mut Tx,
    may: &May<can::Deploy, Service>,
    to: &Environment,
    stored: &Stored,
    beside: &Beside,
) -> Result<(PlanView, Vec<model::descriptor::Change>)> {
    let there = check(platform, tx, may, to, stored).await?;
    let own = pinned::of_revision(tx, stored.id, &stored.descriptor).await?;
    let mut plan = plans::plan(tx, may, to, &stored.descriptor, &stored.source(), &there).await?;
    plan.takes = running::room_beside(tx, &may.project, (may.id, to.id), &stored.descriptor, beside).await?;
    Ok((plan, there.changes_since(&own)))
}

/// What a deploy of the revision there would ask for; the configuration that it would run with.
async fn check(platform: &Platform, tx: &mut Tx, may: &May<can::Deploy, Service>, to: &Environment, stored: &Stored) -> Result<Pinned> {
    // Several at once are no exception that somebody makes for one.
    frozen::pass(to, may, false, "")?;
    source::still_there(stored)?;
    since::refuse_unpinned(to, &stored.descriptor.image, stored.digest)?;
    limits::still_allowed(platform, tx, may, to, stored).await?;
    plans::refuse_taken_ports(tx, may, to, &stored.descriptor).await?;
    hosts::refuse_taken(tx, may.actor(), &may.project, &stored.descriptor).await?;
    pinned::newest(tx, may, to, &stored.descriptor).await
}

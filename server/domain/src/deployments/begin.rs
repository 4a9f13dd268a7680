//! The beginning of every act, under the service's lock: what is unfinished in that environment is superseded, the new deployment
//! stands in the queue, and the loop is woken when it is committed.

use std::time::Duration;

use model::descriptor::Descriptor;
use model::ids::{DeploymentId, RevisionId};
use model::views::deployments::{DeploymentKind, DeploymentState, Progress};
use model::views::services::DesiredState;

use super::{Intent, behind, frozen, hosts, revisions, since, telling};
use crate::access::{May, can};
use crate::args;
use crate::change::Change;
use crate::db::{Json, Tx};
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::live::{Signal, Topic};
use crate::platform::Platform;
use crate::services::Service;
use crate::templates;

/// What is wanted of a service in an environment at the moment.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The revision that should run; none: no deployment succeeded yet.
    pub revision: Option<RevisionId>,
    pub state: DesiredState,
    /// The revision of the deployment that is under way. What waits for an approval is nothing that others build on.
    pub next: Option<RevisionId>,
    /// A rollout failed that stopped where it was: tasks of two revisions run.
    pub halted: bool,
}

impl Wanted {
    /// The newest revision that somebody asked for: verbs that change one thing build on it.
    pub fn newest(&self) -> Option<RevisionId> {
        self.next.or(self.revision)
    }

    /// Every revision whose tasks may be running: what is not stopped, and what is on its way.
    pub fn serving(&self) -> impl Iterator<Item = RevisionId> + use<> {
        self.revision.filter(|_| self.state == DesiredState::Running).into_iter().chain(self.next)
    }
}

/// What is wanted now; none: nothing was ever deployed there.
pub(super) async fn wanted(tx: &mut Tx, service: &Service, environment: &Environment) -> Result<Option<Wanted>> {
    let sql = "SELECT d.revision_id, d.state, d.halted_at, a.revision_id AS next FROM desired d
               LEFT JOIN deployments a ON a.service_id = d.service_id AND a.environment_id = d.environment_id AND a.finished_at IS NULL
                   AND a.state <> 'pending'
               WHERE d.service_id = $1 AND d.environment_id = $2";
    tx.opt(sql, args![service.id, environment.id], |row| {
        let halted = row.get::<Option<model::time::Millis>>("halted_at")?.is_some();
        Ok(Wanted { revision: row.get("revision_id")?, state: row.get("state")?, next: row.get("next")?, halted })
    })
    .await
}

/// From here to the commit, nobody else changes what is wanted of the service. A service that was deleted meanwhile is not found.
pub(super) async fn lock(change: &mut Change, service: &Service) -> Result<()> {
    change.lock_key(&format!("service {}", service.id)).await?;
    let sql = "SELECT id FROM services WHERE id = $1 AND deleted_at IS NULL";
    let found = change.opt(sql, args![service.id], |row| row.get::<model::ids::ServiceId>("id")).await?;
    found.map(drop).ok_or(Error::NotFound { what: "service" })
}

/// An act that begins.
pub(super) struct Act<'a> {
    pub kind: DeploymentKind,
    pub revision: RevisionId,
    /// What the revision says.
    pub descriptor: &'a Descriptor,
    pub environment: &'a Environment,
    pub intent: &'a Intent,
    /// What those should know who decide whether it is let through.
    pub note: Option<&'static str>,
}

/// How long a deployment waits for an approval.
pub(super) const WAITS: Duration = Duration::from_secs(24 * 60 * 60);

/// Puts the deployment into the queue, or lets it wait where the environment is protected. A restart brings nothing new, so it waits for nobody.
/// The caller holds the lock, and commits.
pub(super) async fn begin(change: &mut Change, platform: &Platform, may: &May<can::Deploy, Service>, act: &Act<'_>) -> Result<DeploymentId> {
    let now = platform.now();
    let environment = act.environment.id;
    let waits = act.environment.protected && act.kind != DeploymentKind::Restart;
    let overridden = let_in(change, platform, may, act).await?;
    let followed = if waits { Some(looked_at(change, may, act).await?) } else { None };
    let (of, state) = if waits { (Unfinished::Waiting, DeploymentState::Pending) } else { (Unfinished::UnderWay, DeploymentState::Queued) };
    end_unfinished(change, platform, may, act.environment, of, &End::SUPERSEDED).await?;
    let sql = "INSERT INTO desired (service_id, environment_id, revision_id, state, updated_at) VALUES ($1, $2, NULL, 'running', $3)
               ON CONFLICT (service_id, environment_id) DO UPDATE SET updated_at = excluded.updated_at RETURNING revision_id";
    let previous: Option<RevisionId> = change.one(sql, args![may.id, environment, now], |row| row.get("revision_id")).await?;
    let (id, people): (DeploymentId, _) = (platform.new_id(), behind::people(change, platform, may.actor()).await?);
    let note = act.note.filter(|_| waits).map(str::to_owned);
    let arguments = args![
        id,
        may.id,
        environment,
        act.revision,
        previous,
        act.kind,
        state,
        Json(Progress { note, ..Progress::default() }),
        now,
        may.actor().account()?.id,
        may.actor().name(),
        act.intent.why.trim(),
        waits.then(|| now.plus(WAITS)),
        followed.map(|followed| followed.image),
        followed.map(|followed| followed.configuration),
        overridden.map(|_| may.actor().name()),
        overridden,
        Json(people),
    ];
    let sql = "INSERT INTO deployments (id, service_id, environment_id, revision_id, previous_revision_id, kind, state, progress, created_at,
               created_by_id, created_by, why, expires_at, newest_image, newest_configuration, overridden_by, overridden_why,
               behind_ids) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    change.exec(sql, arguments).await?;
    // From here on nobody removes the environment: the new row holds on to it.
    let there = "SELECT id FROM environments WHERE id = $1 AND removed_at IS NULL";
    if change.opt(there, args![environment], |row| row.get::<model::ids::EnvironmentId>("id")).await?.is_none() {
        return Err(Error::conflict("environment_removed", format!("the environment {} was removed meanwhile", act.environment.name)));
    }
    if waits {
        let told = telling::telling(change, id, None, now).await?;
        change.tell(told);
    } else {
        templates::remember(change, platform, environment, act.revision, may.actor().name()).await?;
    }
    if let Some(why) = overridden {
        frozen::record(change, may, act.environment, id, why).await?;
    }
    change.touch(Topic::Deployment(id));
    tell(change, may);
    Ok(id)
}

/// Whether anything may be brought there now, and the hosts that it claims are its project's; the reason for which a freeze is overridden. What runs may
/// always be mended.
async fn let_in<'a>(change: &mut Change, platform: &Platform, may: &May<can::Deploy, Service>, act: &Act<'a>) -> Result<Option<&'a str>> {
    if act.kind == DeploymentKind::Restart {
        return Ok(None);
    }
    let overridden = frozen::pass(act.environment, may, act.intent.override_freeze, &act.intent.why)?;
    hosts::claim(change, platform, may.actor(), &may.project, act.descriptor).await?;
    Ok(overridden)
}

/// What is about to wait, as those see it who decide on it: pinned, and the newest or not.
async fn looked_at(change: &mut Change, service: &Service, act: &Act<'_>) -> Result<since::Followed> {
    let revision = revisions::by_id(change, act.revision).await?;
    // These bring what is wanted there already, whose image was let in before.
    if !matches!(act.kind, DeploymentKind::Scale | DeploymentKind::Start) {
        since::refuse_unpinned(act.environment, &revision.descriptor.image, revision.digest)?;
    }
    since::follows(change, service, act.environment, &revision).await
}

/// Which unfinished deployment of a service in an environment: there is at most one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// In the queue, or at work.
    UnderWay,
    /// Waiting for an approval.
    Waiting,
}

/// How a deployment ends that did not come to its own end.
pub(super) struct End<'a> {
    pub state: DeploymentState,
    pub code: &'a str,
    pub message: &'a str,
}

impl End<'static> {
    /// A newer one came.
    pub const SUPERSEDED: Self = Self { state: DeploymentState::Superseded, code: "superseded", message: "a newer deployment took its place" };
}

/// Ends what is unfinished in an environment, if there is something.
pub(super) async fn end_unfinished(
    change: &mut Change,
    platform: &Platform,
    service: &Service,
    environment: &Environment,
    of: Unfinished,
    end: &End<'_>,
) -> Result<()> {
    let sql = "UPDATE deployments SET state = $3, reason_code = $4, reason_message = $5, finished_at = $6
               WHERE service_id = $1 AND environment_id = $2 AND finished_at IS NULL AND (state = 'pending') = $7 RETURNING id";
    let arguments = args![service.id, environment.id, end.state, end.code, end.message, platform.now(), of == Unfinished::Waiting];
    let ended: Vec<DeploymentId> = change.all(sql, arguments, |row| row.get("id")).await?;
    platform.counters().deployments_ended(end.state, ended.len() as u64);
    for id in ended {
        let told = telling::ended(change, id, platform.now()).await?;
        change.tell(told);
        change.touch(Topic::Deployment(id));
    }
    Ok(())
}

/// Pages of the service and its project, and the loop, hear of it.
pub(super) fn tell(change: &mut Change, service: &Service) {
    change.touch(Topic::Service(service.id));
    change.touch(Topic::Project(service.project.id));
    change.wake(Signal::Reconcile);
}

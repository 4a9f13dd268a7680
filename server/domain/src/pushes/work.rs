//! What the loop does with a push: for each rule that may be about it, a deployment begins in one transaction with the mark that it did, or it is
//! written down why none did. Then the push is forgotten. Cut anywhere, it goes on where it was. Projects take turns, and what is only away for the
//! moment is tried again later, while others go on: nobody's pushes keep those of others waiting.

use std::time::Duration;

use model::access::Scope;
use model::digest::Digest;
use model::filters::{TagFilter, is_older};
use model::ids::{DeploymentId, EnvironmentId, ProjectId, PushId, ServiceId, UserId};
use model::manifest::config::ImageConfig;
use model::names::{RepositoryPath, TagName};
use model::pushes::PushOutcome;
use model::time::Millis;
use model::views::deployments::DeploymentState;

use crate::access::{Actor, Credential, May, can};
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::deployments::{self, Intent};
use crate::environments;
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::services::Service;
use crate::worker::Worker;
use crate::{accounts, robots};

/// Rules that one push is compared with before others come, and pushes, each of another project, that are taken together.
const AT_ONCE: i64 = if cfg!(test) { 3 } else { 20 };
/// How often pushes are taken in one turn.
const ROUNDS: usize = 100;
/// Longest time for which a push is set aside. The first is a second, and each one is twice as long.
const LONGEST: Duration = Duration::from_secs(60);
/// What may pass and is in the way so often, or for so long, is not waited for any more.
const ATTEMPTS: i64 = 20;
const GIVEN_UP: Duration = Duration::from_secs(3600);
/// How often it is begun anew when somebody else deploys the same service meanwhile.
const TRIES: usize = 5;
/// Pushes without a deployment that are remembered of a service in an environment.
const REMEMBERED: i64 = if cfg!(test) { 5 } else { 500 };
/// What a build writes into an image to say which commit it was made of (OCI image-spec, "Annotations").
const REVISION: &str = "org.opencontainers.image.revision";
/// Longest commit that is taken from there.
const COMMIT_MAX: usize = 100;

/// A push, as it was written down.
struct Push {
    id: PushId,
    project: ProjectId,
    repository: RepositoryPath,
    tag: TagName,
    digest: Digest,
    pusher_id: UserId,
    pusher: String,
    address: String,
    at: Millis,
    /// How often something was in the way.
    tries: i64,
    failing_since: Option<Millis>,
    /// The service and the environment of the last rule that was looked at.
    reached: (String, String),
}

impl Push {
    /// Whether what is in the way now is not waited for.
    fn is_last_try(&self, now: Millis) -> bool {
        self.tries + 1 >= ATTEMPTS || self.failing_since.is_some_and(|since| now.since(since) >= GIVEN_UP)
    }
}

/// Where a rule may deploy it.
struct Place {
    service: ServiceId,
    environment: EnvironmentId,
    filter: TagFilter,
}

/// What became of it.
enum Verdict {
    /// A deployment began, which is written down with it.
    Deployed,
    Not(PushOutcome, String),
}

/// Looks at the pushes that are due, one of each project after the other; how many of them are over. What is in the way of one push for the moment
/// keeps none behind it waiting: it is set aside for a while.
///
/// # Errors
/// When nothing can be written down. What was done is whole, and the next turn goes on.
pub async fn tend(worker: &Worker) -> Result<u64> {
    let mut over = 0;
    for _ in 0..ROUNDS {
        let due = due(worker).await?;
        if due.is_empty() {
            break;
        }
        for push in &due {
            let done = match attend(worker, push).await {
                Ok(done) => done,
                Err(error) => {
                    tracing::warn!(%error, push = %push.id, tries = push.tries, "a push could not be compared with rules");
                    if push.is_last_try(worker.platform().now()) { forget(worker, push).await? } else { put_back(worker, push, None, true).await? }
                }
            };
            over += u64::from(done);
        }
    }
    Ok(over)
}

/// How long nothing is due; none: there is nothing.
pub async fn wait(worker: &Worker) -> Result<Option<Duration>> {
    let sql = "SELECT MIN(not_before) AS due FROM pushes";
    let due: Option<Millis> = worker.platform().read().await?.one(sql, args![], |row| row.get("due")).await?;
    Ok(due.map(|due| due.since(worker.platform().now())))
}

/// The first push of each project that is due. What is due later than anything is set aside was so by a clock that was wrong.
async fn due(worker: &Worker) -> Result<Vec<Push>> {
    let sql = "SELECT id, project_id, repository, tag, digest, pusher_id, pusher, address, pushed_at, tries, failing_since, reached_service,
               reached_environment FROM (SELECT p.*, ROW_NUMBER() OVER (PARTITION BY p.project_id ORDER BY p.id) AS nth FROM pushes p
                   WHERE p.not_before <= $1 OR p.not_before > $2) d
               WHERE nth = 1 ORDER BY not_before, id LIMIT $3";
    let push = |row: &Row<'_>| {
        Ok(Push {
            id: row.get("id")?,
            project: row.get("project_id")?,
            repository: row.get("repository")?,
            tag: row.get("tag")?,
            digest: row.get("digest")?,
            pusher_id: row.get("pusher_id")?,
            pusher: row.get("pusher")?,
            address: row.get("address")?,
            at: row.get("pushed_at")?,
            tries: row.get("tries")?,
            failing_since: row.get("failing_since")?,
            reached: (row.get("reached_service")?, row.get("reached_environment")?),
        })
    };
    let now = worker.platform().now();
    worker.platform().read().await?.all(sql, args![now, now.plus(LONGEST), AT_ONCE], push).await
}

/// Does what the next few rules say. Whether the push is over.
async fn attend(worker: &Worker, push: &Push) -> Result<bool> {
    let places = places(worker, push).await?;
    for place in &places {
        // What is in the way may take its time to be: others first.
        match look(worker, push, place).await? {
            Looked::Done => {}
            Looked::GivenUp => return put_back(worker, push, Some(place), false).await,
            Looked::InTheWay => return put_back(worker, push, Some(place), true).await,
        }
    }
    match places.last() {
        Some(last) if places.len() >= AT_ONCE as usize => put_back(worker, push, Some(last), false).await,
        // Once more from the first one on: something may have been in the way.
        _ if !push.reached.0.is_empty() => put_back(worker, push, None, false).await,
        _ => forget(worker, push).await,
    }
}

/// The push goes on behind a place, or from the first one on; after a while, where something is in the way. It is not over.
async fn put_back(worker: &Worker, push: &Push, reached: Option<&Place>, failed: bool) -> Result<bool> {
    let now = worker.platform().now();
    let (not_before, since) = if failed { (now.plus(pause(push.tries)), push.failing_since.or(Some(now))) } else { (now, push.failing_since) };
    let (service, environment) = reached.map(|place| (place.service.to_string(), place.environment.to_string())).unwrap_or_default();
    let mut change = worker.change().await?;
    let sql = "UPDATE pushes SET not_before = $2, tries = $3, failing_since = $4, reached_service = $5, reached_environment = $6 WHERE id = $1";
    change.exec(sql, args![push.id, not_before, push.tries + i64::from(failed), since, service, environment]).await?;
    change.finish().await?;
    Ok(false)
}

/// The push is over.
async fn forget(worker: &Worker, push: &Push) -> Result<bool> {
    let mut change = worker.change().await?;
    change.exec("DELETE FROM pushes WHERE id = $1", args![push.id]).await?;
    change.finish().await?;
    Ok(true)
}

/// How long a push is set aside that failed so often before.
pub(super) fn pause(tries: i64) -> Duration {
    let doubled = u32::try_from(tries).ok().and_then(|tries| 1_u64.checked_shl(tries)).unwrap_or(u64::MAX);
    Duration::from_secs(doubled).min(LONGEST)
}

/// The next few rules that it may be about, without those of which it is settled what became of it.
async fn places(worker: &Worker, push: &Push) -> Result<Vec<Place>> {
    let sql = "SELECT u.service_id, u.environment_id, u.filter FROM push_rules u JOIN services s ON s.id = u.service_id
               JOIN environments e ON e.id = u.environment_id
               WHERE s.project_id = $1 AND u.repository = $2 AND u.enabled AND s.deleted_at IS NULL AND e.removed_at IS NULL
               AND NOT EXISTS (SELECT 1 FROM push_outcomes o WHERE o.push_id = $3 AND o.service_id = u.service_id AND o.environment_id = u.environment_id)
               AND (u.service_id, u.environment_id) > ($4, $5) ORDER BY u.service_id, u.environment_id LIMIT $6";
    let place = |row: &Row<'_>| {
        let Json(filter) = row.get::<Json<TagFilter>>("filter")?;
        Ok(Place { service: row.get("service_id")?, environment: row.get("environment_id")?, filter })
    };
    let arguments = args![push.project, &push.repository, push.id, &push.reached.0, &push.reached.1, AT_ONCE];
    worker.platform().read().await?.all(sql, arguments, place).await
}

/// How it went with one rule.
enum Looked {
    /// What became of the push is written down.
    Done,
    /// The same: something was in the way for too long.
    GivenUp,
    /// Something is in the way that may pass.
    InTheWay,
}

/// Does what one rule says, and writes down what became of it.
async fn look(worker: &Worker, push: &Push, place: &Place) -> Result<Looked> {
    let (outcome, reason, looked) = match judge(worker.platform(), push, place).await {
        Ok(Verdict::Deployed) => return Ok(Looked::Done),
        Ok(Verdict::Not(outcome, reason)) => (outcome, reason, Looked::Done),
        Err(error) if passes(&error) => {
            if !push.is_last_try(worker.platform().now()) {
                tracing::info!(%error, push = %push.id, service = %place.service, tries = push.tries, "a push waits");
                return Ok(Looked::InTheWay);
            }
            (PushOutcome::Refused, format!("{error}; it was tried {} times", push.tries + 1), Looked::GivenUp)
        }
        Err(error) => (PushOutcome::Refused, told(push, error), Looked::Done),
    };
    let mut change = worker.change().await?;
    write(&mut change, push, place, (outcome, Some(reason), None)).await?;
    let sql = "DELETE FROM push_outcomes WHERE service_id = $1 AND environment_id = $2 AND deployment_id IS NULL AND push_id <
               (SELECT o.push_id FROM push_outcomes o WHERE o.service_id = $1 AND o.environment_id = $2 AND o.deployment_id IS NULL
                ORDER BY o.push_id DESC LIMIT 1 OFFSET $3)
               AND NOT EXISTS (SELECT 1 FROM pushes p WHERE p.id = push_outcomes.push_id)";
    change.exec(sql, args![place.service, place.environment, REMEMBERED - 1]).await?;
    change.touch(Topic::Service(place.service));
    change.finish().await?;
    Ok(looked)
}

/// Whether something is only away now. That is no answer: it is tried again.
fn passes(error: &Error) -> bool {
    matches!(error, Error::Unavailable(_) | Error::TooMany { .. } | Error::TooManyOpen(_))
}

/// What stands in the way, for people. It begins with a word and no name: a page writes its first letter large.
fn told(push: &Push, error: Error) -> String {
    match error {
        Error::Internal(text) => {
            tracing::error!(error = %text, push = %push.id, "a push could not be deployed");
            String::from("something went wrong on our side; the log has the details")
        }
        // The text of it speaks to whoever pushed, and everybody in the project reads this.
        Error::Forbidden(_) => format!("the account {} may not deploy here; an admin of the project can give them a role that may", push.pusher),
        Error::NotFound { .. } | Error::Unauthenticated => format!("the account {} is no member of the project any more", push.pusher),
        other => other.to_string(),
    }
}

async fn judge(platform: &Platform, push: &Push, place: &Place) -> Result<Verdict> {
    let ignored = |why: String| Ok(Verdict::Not(PushOutcome::Ignored, why));
    if let Some(why) = place.filter.refusal(push.tag.as_str()) {
        return ignored(why);
    }
    let mut tx = platform.read().await?;
    if let Some(state) = brought(&mut tx, push, place).await? {
        return ignored(format!(
            "a push brought this image here before, by a deployment whose state is {state}; deploy it by hand to bring it again"
        ));
    }
    if let Some(later) = overtaken(&mut tx, push, place).await? {
        return ignored(format!("the tag {later}, which was pushed later, was brought here before this one could be"));
    }
    let Some(environment) = environments::granted(&mut tx, push.project, place.environment).await? else { return Err(not_granted()) };
    let Some(actor) = pusher(&mut tx, platform, push).await? else {
        let why = format!("the account {} was deleted or disabled, or has expired", push.pusher);
        return Ok(Verdict::Not(PushOutcome::Refused, why));
    };
    let may: May<can::Deploy, Service> = actor.may_in(&mut tx, &place.service).await?;
    let commit = commit(&mut tx, push).await?;
    drop(tx);
    for _ in 0..TRIES {
        let foreseen = deployments::foresee(platform, &may, &environment, (&push.repository, &push.tag)).await?;
        if foreseen.digest() != Some(push.digest) {
            return ignored(format!("the tag {} was moved to another image before this one was deployed", push.tag));
        }
        if foreseen.is_there() {
            return ignored(String::from("this image runs already, is on its way or waits for an approval"));
        }
        let newer = foreseen.tags().find(|there| place.filter.versions.is_some() && is_older(push.tag.as_str(), there.as_str()));
        if let Some(newer) = newer {
            return ignored(format!("{} is older than {newer}, which runs, is on its way or waits for an approval", push.tag));
        }
        let why = format!("push of {}/{}:{} by {}", may.project.name, push.repository, push.tag, push.pusher);
        let mut change = platform.change(&actor).await?;
        // As it is now: it may be protected since.
        let Some(environment) = environments::granted(&mut change, push.project, place.environment).await? else { return Err(not_granted()) };
        let intent = Intent { why, commit: commit.clone(), ..Intent::in_environment(Some(environment.name.clone())) };
        let begun = deployments::bring_image(&mut change, platform, &may, &environment, &intent, &foreseen).await?;
        let Some((view, record)) = begun else { continue };
        // Where another portal over this database was faster, nothing of this one is kept.
        if write(&mut change, push, place, (PushOutcome::Deployed, None, Some(view.id))).await? {
            change.commit(record).await?;
        }
        return Ok(Verdict::Deployed);
    }
    Err(Error::Unavailable(String::from("others deploy the same service again and again")))
}

fn not_granted() -> Error {
    Error::conflict("environment_not_granted", "the project may not use this environment any more")
}

/// How the deployment does that a push of this image began here before.
async fn brought(tx: &mut Tx, push: &Push, place: &Place) -> Result<Option<DeploymentState>> {
    let sql = "SELECT d.state FROM push_outcomes o JOIN deployments d ON d.id = o.deployment_id
               WHERE o.service_id = $1 AND o.environment_id = $2 AND o.digest = $3 LIMIT 1";
    tx.opt(sql, args![place.service, place.environment, push.digest], |row| row.get("state")).await
}

/// What was pushed later and deployed while this push was set aside: it is never undone. Of versions the newest wins, in whichever order they come.
async fn overtaken(tx: &mut Tx, push: &Push, place: &Place) -> Result<Option<TagName>> {
    if place.filter.versions.is_some() {
        return Ok(None);
    }
    let sql = "SELECT tag FROM push_outcomes WHERE service_id = $1 AND environment_id = $2 AND push_id > $3 AND deployment_id IS NOT NULL
               ORDER BY push_id DESC LIMIT 1";
    tx.opt(sql, args![place.service, place.environment, push.id], |row| row.get("tag")).await
}

/// Whoever pushed, as they are now; none where they may not come in any more. The rule lets their push deploy, whatever their token was for.
async fn pusher(tx: &mut Tx, platform: &Platform, push: &Push) -> Result<Option<Actor>> {
    let account = match accounts::account(tx, push.pusher_id).await? {
        Some(person) => Some(person),
        None => robots::account(tx, push.pusher_id, platform.now()).await?,
    };
    let scopes = [Scope::Read, Scope::Pull, Scope::Deploy].into_iter().collect();
    Ok(account.map(|account| Actor::account_with(account, Credential::Push, Some(scopes), push.address.clone())))
}

/// The commit that the image says it was built from; of an image for several platforms, that of the first that says one.
async fn commit(tx: &mut Tx, push: &Push) -> Result<Option<String>> {
    let sql = "SELECT m.config FROM repositories r JOIN manifests m ON m.repository_id = r.id
               WHERE r.project_id = $1 AND r.name = $2 AND m.config IS NOT NULL AND (m.digest = $3 OR m.digest IN
                   (SELECT p.digest FROM manifest_parts p WHERE p.repository_id = r.id AND p.manifest = $3 AND p.role = 'manifest'))
               ORDER BY m.digest LIMIT 64";
    let read = |row: &Row<'_>| Ok(row.get::<Json<ImageConfig>>("config")?.0);
    let configs = tx.all(sql, args![push.project, &push.repository, push.digest], read).await?;
    let said = |config: ImageConfig| config.config.labels.get(REVISION).map(|text| text.trim().to_owned());
    let fine = |text: &String| !text.is_empty() && text.len() <= COMMIT_MAX && !text.contains(char::is_control);
    Ok(configs.into_iter().filter_map(said).find(fine))
}

type Became = (PushOutcome, Option<String>, Option<DeploymentId>);

/// Writes down what became of a push. False: that was written before, or this image was brought before.
async fn write(tx: &mut Tx, push: &Push, place: &Place, (outcome, reason, deployment): Became) -> Result<bool> {
    let sql =
        "INSERT INTO push_outcomes (push_id, service_id, environment_id, repository, tag, digest, pusher, pushed_at, outcome, reason, deployment_id)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
    let arguments = args![
        push.id,
        place.service,
        place.environment,
        &push.repository,
        &push.tag,
        push.digest,
        &push.pusher,
        push.at,
        outcome,
        reason,
        deployment,
    ];
    Ok(tx.exec(sql, arguments).await? > 0)
}

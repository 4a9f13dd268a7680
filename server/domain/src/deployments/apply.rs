//! Applying a descriptor, as a file in a repository is applied again and again: the service is made where it is missing, a deployment begins
//! where something differs, and nothing happens where nothing does. Service, revision and deployment are one change: a descriptor that is
//! refused leaves no service behind.

use model::descriptor::Descriptor;
use model::ids::ServiceId;
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::deployments::{DeploymentView, PlanView, RevisionDetail};

use super::begin::{lock, wanted};
use super::deploy::{Bringing, bring, check, plan};
use super::source::Source;
use super::{Request, acts, limits, revisions};
use crate::access::{Actor, May, can};
use crate::change::Change;
use crate::configs::pinned;
use crate::db::Tx;
use crate::environments::{self, Environment};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;
use crate::services::{self, Service, ServiceKey};

/// What applying a descriptor came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The service was made, and its first deployment began.
    Created(DeploymentView),
    /// A deployment began.
    Begun(DeploymentView),
    /// What is described runs already, or is on its way; the deployment that brought it.
    Unchanged(DeploymentView),
}

/// Makes what is described so. Needs the permission to deploy, and to make services where this one is missing.
pub async fn apply(platform: &Platform, actor: &Actor, project: &ProjectName, service: &ServiceName, request: &Request) -> Result<Applied> {
    let key = ServiceKey { project, service };
    match actor.may::<can::Deploy, _>(platform, &key).await {
        Ok(may) => return to_existing(platform, &may, request).await,
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    match make(platform, actor, project, service, request).await {
        // Somebody else was faster: then it is there.
        Err(Error::Conflict { code: "name_taken", .. }) => {
            let may = actor.may::<can::Deploy, _>(platform, &key).await?;
            to_existing(platform, &may, request).await
        }
        made => made.map(Applied::Created),
    }
}

async fn to_existing(platform: &Platform, may: &May<can::Deploy, Service>, request: &Request) -> Result<Applied> {
    let source = check(platform, may, request).await?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = environments::choose(&mut change, may.project.id, request.intent.environment.as_ref()).await?;
    let (descriptor, _) = limits::fill(&mut change, may, &request.descriptor).await?;
    if let Some(view) = same(&mut change, may, &environment, &descriptor, &source).await? {
        return Ok(Applied::Unchanged(view));
    }
    let bringing = Bringing { environment: &environment, descriptor: &descriptor, source: &source, intent: &request.intent, origin: None };
    let (view, record) = bring(&mut change, platform, may, &bringing).await?;
    change.commit(record).await?;
    Ok(Applied::Begun(view))
}

/// Says what applying would do, and does nothing.
pub async fn plan_apply(platform: &Platform, actor: &Actor, project: &ProjectName, service: &ServiceName, request: &Request) -> Result<PlanView> {
    match actor.may::<can::Deploy, _>(platform, &ServiceKey { project, service }).await {
        Ok(may) => plan(platform, &may, request).await,
        Err(Error::NotFound { .. }) => {
            let create: May<can::CreateService, Project> = actor.may(platform, project).await?;
            let may = rehearsed(platform, &create, service, platform.new_id()).await?;
            let mut view = plan(platform, &may, request).await?;
            view.notes.insert(0, format!("the service {service} is made"));
            Ok(view)
        }
        Err(error) => Err(error),
    }
}

/// Makes the service and begins its first deployment, both or neither.
async fn make(platform: &Platform, actor: &Actor, project: &ProjectName, service: &ServiceName, request: &Request) -> Result<DeploymentView> {
    let create: May<can::CreateService, Project> = actor.may(platform, project).await?;
    let id = platform.new_id();
    let may = rehearsed(platform, &create, service, id).await?;
    let source = check(platform, &may, request).await?;
    let mut change = platform.change(actor).await?;
    let made = services::insert(&mut change, platform, &create, id, service).await?;
    lock(&mut change, &may).await?;
    let environment = environments::choose(&mut change, may.project.id, request.intent.environment.as_ref()).await?;
    let (descriptor, _) = limits::fill(&mut change, &may, &request.descriptor).await?;
    let bringing = Bringing { environment: &environment, descriptor: &descriptor, source: &source, intent: &request.intent, origin: None };
    let (view, record) = bring(&mut change, platform, &may, &bringing).await?;
    change.also(&made).await?;
    change.commit(record).await?;
    Ok(view)
}

/// The permission to deploy a service that is about to be made, asked for within a change that is undone: so that everything else can be
/// checked before a transaction is held.
async fn rehearsed(
    platform: &Platform,
    create: &May<can::CreateService, Project>,
    service: &ServiceName,
    id: ServiceId,
) -> Result<May<can::Deploy, Service>> {
    let mut change: Change = platform.change(create.actor()).await?;
    services::insert(&mut change, platform, create, id, service).await?;
    create.actor().may_in(&mut change, &ServiceKey { project: &create.name, service }).await
}

/// The deployment that brought, or brings, just this, also one that waits for an approval; none where something differs. A tag of an outside
/// registry is the same as long as its name is: what it names is fetched anew by a restart or a deployment.
async fn same(tx: &mut Tx, service: &Service, environment: &Environment, d: &Descriptor, source: &Source) -> Result<Option<DeploymentView>> {
    let Some(wanted) = wanted(tx, service, environment).await? else { return Ok(None) };
    let waiting = acts::waiting(tx, service.id, environment.id).await?;
    let Some(newest) = waiting.or_else(|| wanted.serving().last()) else { return Ok(None) };
    // Where a rollout stopped in the middle, tasks of two revisions run.
    let halted = wanted.halted && wanted.next.is_none() && waiting.is_none();
    let stored = revisions::by_id(tx, newest).await?;
    if halted || stored.descriptor != *d || (source.digest.is_some() && source.digest != stored.digest) {
        return Ok(None);
    }
    // A change of the configuration reaches tasks by a deployment, so by this one too.
    let here = pinned::newest(tx, service, environment, d).await?;
    if here.fingerprint != pinned::of_revision(tx, stored.id, &stored.descriptor).await?.fingerprint {
        return Ok(None);
    }
    acts::newest_of(tx, service.id, environment.id, newest).await
}

/// The descriptor that was asked for last in an environment, with its revision; values of secret variables are for those who may change them.
pub async fn applied(platform: &Platform, may: &May<can::SeeServices, Service>, environment: Option<&EnvironmentName>) -> Result<RevisionDetail> {
    let mut tx = platform.read().await?;
    let environment = environments::choose_for(&mut tx, may, environment).await?;
    let newest = wanted(&mut tx, may, &environment).await?.and_then(|wanted| wanted.newest());
    let Some(id) = newest else {
        return Err(Error::NotFound { what: "descriptor: nothing was deployed there yet" });
    };
    revisions::detail(&mut tx, may, id).await
}

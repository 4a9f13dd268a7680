//! Rolling: what runs is brought again with the newest configuration, as a new revision. Image and description stay as they are.

use model::names::ServiceName;
use model::views::configs::{NotRolled, RollView};
use model::views::deployments::{DeploymentKind, DeploymentView};

use super::begin::lock;
use super::verbs::{Again, again, running};
use super::{Intent, limits, plan, revisions, source};
use crate::access::{May, can};
use crate::configs::{self, Holder, pinned};
use crate::environments;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::{Service, ServiceKey};
use crate::templates;

/// Makes a revision like the newest one that was asked for, with the configuration of now, and brings it.
///
/// # Errors
/// `Conflict`: its tasks would get what they have; it is stopped; its image is gone.
pub async fn roll(platform: &Platform, may: &May<can::Deploy, Service>, intent: &Intent) -> Result<DeploymentView> {
    intent.check()?;
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may).await?;
    let environment = environments::choose(&mut change, may.project.id, intent.environment.as_ref()).await?;
    let base = running(&mut change, may, &environment).await?;
    limits::still_allowed(platform, &mut change, may, &environment, &base).await?;
    source::still_there(&base)?;
    plan::refuse_taken_ports(&mut change, may, &environment, &base.descriptor).await?;
    let fresh = pinned::newest(&mut change, may, &environment, &base.descriptor).await?;
    if fresh.fingerprint == pinned::of_revision(&mut change, base.id, &base.descriptor).await?.fingerprint {
        let message = format!("{} runs with the newest configuration in {} already", may.name, environment.name);
        return Err(Error::conflict("configuration_unchanged", message));
    }
    let intent = intent.like(&base);
    let (id, _) = revisions::insert(&mut change, platform, may, &base.descriptor, &base.source(), &fresh, &intent).await?;
    templates::note_same(&mut change, base.id, id).await?;
    let revision = revisions::by_id(&mut change, id).await?;
    again(change, platform, may, &Again { environment: &environment, intent: &intent, kind: DeploymentKind::Deploy, revision: &revision }).await
}

/// Rolls everything that runs at a place with an older configuration than it would get today, in the environment that is named or in all: a deployment
/// for each, each by its own check. What cannot be rolled keeps nothing else from it, and is told with why.
///
/// # Errors
/// `Conflict`: nothing is behind, or none of it could be rolled.
pub async fn roll_all(platform: &Platform, may: &May<can::Deploy, Holder>, intent: &Intent) -> Result<RollView> {
    intent.check()?;
    let behind = configs::behind(&mut platform.read().await?, may, intent.environment.as_ref()).await?;
    if behind.is_empty() {
        return Err(Error::conflict("configuration_unchanged", "whatever runs with this configuration runs with the newest already"));
    }
    let mut view = RollView::default();
    for one in behind {
        let intent = Intent { environment: Some(one.environment.clone()), ..intent.clone() };
        match named(platform, may, &one.service, &intent).await {
            Ok(begun) => view.begun.push(begun),
            Err(error) => view.left.push(NotRolled { service: one.service, environment: one.environment, why: told(error) }),
        }
    }
    if view.begun.is_empty() {
        let left = view.left.iter().map(|one| format!("{} in {}: {}", one.service, one.environment, one.why));
        return Err(Error::conflict("nothing_rolled", format!("nothing was rolled. {}", left.collect::<Vec<_>>().join("; "))));
    }
    Ok(view)
}

async fn named(platform: &Platform, may: &May<can::Deploy, Holder>, service: &ServiceName, intent: &Intent) -> Result<DeploymentView> {
    let key = ServiceKey { project: &may.project.name, service };
    let may: May<can::Deploy, Service> = may.actor().may(platform, &key).await?;
    roll(platform, &may, intent).await
}

fn told(error: Error) -> String {
    match error {
        Error::Internal(text) => {
            tracing::error!(error = %text, "a service could not be rolled with others");
            String::from("something went wrong on our side; the log has the details")
        }
        other => other.to_string(),
    }
}

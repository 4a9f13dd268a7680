//! Rolling: what runs is brought again with the newest configuration, as a new revision. Image and description stay as they are.

use model::views::deployments::{DeploymentKind, DeploymentView};

use super::begin::lock;
use super::verbs::{again, running};
use super::{Intent, limits, plan, revisions, source};
use crate::access::{May, can};
use crate::configs::pinned;
use crate::environments;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
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
    again(change, platform, may, &environment, &intent, DeploymentKind::Deploy, &revision).await
}

//! Asking again for what waits for an approval, after something changed since: the same description, with what its tag names and its configuration
//! holds now. What waited is superseded, and what is asked for now is looked at anew.

use model::views::deployments::DeploymentView;

use super::approval::waiting;
use super::begin::{End, Unfinished, end_unfinished, lock};
use super::verbs::{Again, queue};
use super::{Deployment, Intent, acts, limits, plan, revisions, since, source};
use crate::access::{May, can};
use crate::change::Record;
use crate::configs::pinned;
use crate::environments;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::services::Service;
use crate::templates;

/// Asks again. Whoever does is from then on the one who asked. Without a reason, the one that was given before holds; but who overrides a freeze says
/// one of their own.
///
/// # Errors
/// `Conflict`: it does not wait any more, or the environment is frozen; `Invalid`: what is the newest now cannot be deployed.
pub async fn ask_again(platform: &Platform, may: &May<can::Deploy, Deployment>, intent: &Intent) -> Result<DeploymentView> {
    intent.check()?;
    let deploy: May<can::Deploy, Service> = may.actor().may(platform, &may.service.id).await?;
    let mut tx = platform.read().await?;
    let stored = revisions::by_id(&mut tx, may.revision_id).await?;
    let followed = since::followed(&mut tx, may.id).await?;
    drop(tx);
    // The image is looked up before the lock is taken, as every deploy does.
    let source = if followed.image {
        let has_command = stored.descriptor.command.is_some() || stored.descriptor.entrypoint.is_some();
        source::resolve(platform, &deploy, &stored.descriptor.image, has_command).await?
    } else {
        source::still_there(&stored)?;
        stored.source()
    };
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, &deploy).await?;
    let waiting = waiting(&mut change, platform, may.id).await?;
    let Some(environment) = environments::granted(&mut change, deploy.project.id, waiting.environment).await? else {
        let text = format!("project {} may not use this environment any more", deploy.project.name);
        return Err(Error::conflict("environment_not_granted", text));
    };
    limits::still_allowed(platform, &mut change, &deploy, &environment, &stored).await?;
    plan::refuse_taken_ports(&mut change, &deploy, &environment, &stored.descriptor).await?;
    let configuration = if followed.configuration {
        pinned::newest(&mut change, &deploy, &environment, &stored.descriptor).await?
    } else {
        let own = pinned::of_revision(&mut change, stored.id, &stored.descriptor).await?;
        own.still_there(stored.number)?;
        own
    };
    let before = acts::by_id(&mut change, may.id).await?;
    // Also where nothing waits any more since the environment is not protected now.
    end_unfinished(&mut change, platform, &deploy, &environment, Unfinished::Waiting, &End::SUPERSEDED).await?;
    let overrides = intent.override_freeze && environment.frozen.is_some();
    let why = if intent.why.trim().is_empty() && !overrides { before.why.clone() } else { intent.why.clone() };
    let intent = Intent { why, ..intent.clone() };
    // Another content was built from something else.
    let intent = if source.digest == stored.digest { intent.like(&stored) } else { intent };
    let (id, _) = revisions::insert(&mut change, platform, &deploy, &stored.descriptor, &source, &configuration, &intent).await?;
    templates::note_same(&mut change, stored.id, id).await?;
    let revision = revisions::by_id(&mut change, id).await?;
    let wanted = Again { environment: &environment, intent: &intent, kind: before.kind, revision: &revision };
    let (view, record) = queue(&mut change, platform, &deploy, &wanted).await?;
    let detail = serde_json::json!({ "deployment": view.id, "instead_of": may.id, "environment": environment.name });
    let asked = Record::new("deployment.ask_again", "service", &deploy.name).project(&deploy.project).detail(detail);
    change.also(&asked).await?;
    change.commit(record).await?;
    Ok(view)
}

//! Whose image it is, and which content: an image of the own project, of another project (which needs Pull on it), or of an
//! outside registry (pinned by the engine when it is first fetched).

use model::digest::Digest;
use model::ids::ProjectId;
use model::image::ImageReference;
use model::manifest::Kind;
use model::names::RepositoryPath;
use model::problem::FieldError;
use model::reference::Reference;
use sha2::{Digest as _, Sha256};

use crate::access::{Actor, May, can};
use crate::configs::pinned::Pinned;
use crate::db::Tx;
use crate::environments;
use crate::error::{Error, Result};
use crate::images::{self, RepositoryKey, Resolved};
use crate::keys::hex;
use crate::platform::Platform;
use crate::services::Service;

use super::revisions::Stored;

/// The descriptor's field that names the image, in mistakes.
const FIELD: &str = "descriptor.image";

/// An image that may be deployed.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// As it was named.
    pub image: ImageReference,
    /// The project and repository of this portal; none: of an outside registry.
    pub own: Option<(ProjectId, RepositoryPath)>,
    /// The content; none: of an outside registry by tag, not fetched yet.
    pub digest: Option<Digest>,
}

impl Source {
    /// A hash of all that a container is made from: the image's content, the descriptor's part, and what reaches it of the configuration.
    pub fn spec(&self, task_part: &str, configuration: &Pinned) -> String {
        let content = self.digest.as_ref().map_or_else(|| self.image.to_string(), ToString::to_string);
        // Without any it is what it was before there was a configuration: tasks of that time stay.
        let used = if configuration.fingerprint.is_empty() { String::new() } else { format!("\n{}", configuration.fingerprint) };
        hex(&Sha256::digest(format!("{content}\n{task_part}{used}")))
    }
}

/// Finds the image, checks that the caller may run it, and pins it.
pub(super) async fn resolve(platform: &Platform, may: &May<can::Deploy, Service>, image: &ImageReference, has_command: bool) -> Result<Source> {
    let hosts = environments::registry_hosts(&mut platform.read().await?).await?;
    let project = &may.project;
    let Some((name, path)) = images::located(image, &project.name, &hosts) else {
        if let Some(host) = image.host().filter(|host| hosts.iter().any(|known| known == host)) {
            return Err(Error::invalid(FIELD, format!("name the project too: {host}/{}/{}", project.name, image.path())));
        }
        return Ok(Source { image: image.clone(), own: None, digest: image.digest().copied() });
    };
    let reference = Reference::from(image);
    let (owner, found) = if name == project.name {
        let found = images::resolve_own(platform, may, &path, &reference).await.map_err(at_field)?;
        (project.id, found)
    } else {
        let key = RepositoryKey { project: &name, repository: &path };
        let pull = may.actor().may::<can::Pull, _>(platform, &key).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::invalid(FIELD, format!("there is no image {name}/{path} that you may pull")),
            other => other,
        })?;
        let found = images::resolve(platform, &pull, &reference).await.map_err(at_field)?;
        (pull.project.id, found)
    };
    runs(&found, image, has_command)?;
    Ok(Source { image: image.clone(), own: Some((owner, path)), digest: Some(found.digest) })
}

/// Mistakes of the image are mistakes of the descriptor's field.
fn at_field(error: Error) -> Error {
    match error {
        Error::Invalid(fields) => Error::Invalid(fields.into_iter().map(|field| FieldError::new(FIELD, field.message)).collect()),
        other => other,
    }
}

/// Whether a container can be made of it at all.
fn runs(found: &Resolved, image: &ImageReference, has_command: bool) -> Result<()> {
    if found.kind == Kind::Other {
        return Err(Error::invalid(FIELD, format!("{image} is not an image that can run: its media type is {}", found.media_type)));
    }
    let says_none = found.config.as_ref().is_some_and(|config| config.config.entrypoint.is_empty() && config.config.cmd.is_empty());
    if says_none && !has_command {
        return Err(Error::invalid("descriptor.command", format!("{image} says no command of its own; name one")));
    }
    Ok(())
}

/// Checks that a stored revision's image may still be pulled by the caller.
pub(super) async fn still_allowed(tx: &mut Tx, actor: &Actor, service: &Service, revision: &Stored) -> Result<()> {
    let Some((_, name, path)) = &revision.own else { return Ok(()) };
    if *name != service.project.name {
        let key = RepositoryKey { project: name, repository: path };
        actor.may_in::<can::Pull, _>(tx, &key).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::conflict("image_gone", format!("its image {name}/{path} is gone, or you may not pull it")),
            other => other,
        })?;
    }
    Ok(())
}

/// Checks that a stored revision's image is still in the registry.
pub(super) fn still_there(revision: &Stored) -> Result<()> {
    let Some((_, name, path)) = revision.own.as_ref().filter(|_| !revision.image_present) else { return Ok(()) };
    let digest = revision.digest.map(|digest| digest.short()).unwrap_or_default();
    let what_to_do = "push it again or choose another revision";
    Err(Error::conflict("image_gone", format!("its image {name}/{path} ({digest}) was deleted from the registry; {what_to_do}")))
}

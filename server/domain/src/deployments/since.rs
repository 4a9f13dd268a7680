//! What changed since a deployment was asked for that waits for an approval: its tag names another image, its configuration holds something else.
//! Then it is not what its asker would get today, and nobody lets it through any more: it is asked for again, with what is the newest now, and looked
//! at anew. What was not the newest to begin with (an earlier revision that is brought back) was meant so, and stays what it is.

use model::descriptor::Change;
use model::digest::Digest;
use model::ids::DeploymentId;
use model::image::ImageReference;
use model::reference::Reference;

use super::revisions::Stored;
use crate::args;
use crate::configs::pinned;
use crate::db::Tx;
use crate::environments::Environment;
use crate::error::{Error, Result};
use crate::images;
use crate::services::Service;

/// Which parts of what waits were the newest when it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Followed {
    /// Its image's tag named the very content.
    pub image: bool,
    /// Its tasks would have got the newest of the configuration.
    pub configuration: bool,
}

/// What a tag names now; none: there is no such tag any more.
struct Tagged(Option<Digest>);

/// What the tag of a revision's image names now; none: the image is named by its content, or of another registry.
async fn tagged(tx: &mut Tx, revision: &Stored) -> Result<Option<Tagged>> {
    let (Some((project, _, path)), Reference::Tag(tag)) = (&revision.own, Reference::from(&revision.descriptor.image)) else { return Ok(None) };
    Ok(Some(Tagged(images::tagged(tx, *project, path, &tag).await?)))
}

/// Which parts of a revision are the newest now, when it begins to wait.
pub(super) async fn follows(tx: &mut Tx, service: &Service, environment: &Environment, revision: &Stored) -> Result<Followed> {
    let image = tagged(tx, revision).await?.is_some_and(|Tagged(now)| now == revision.digest);
    let configuration = match pinned::newest(tx, service, environment, &revision.descriptor).await {
        Ok(newest) => newest.fingerprint == pinned::of_revision(tx, revision.id, &revision.descriptor).await?.fingerprint,
        Err(Error::Invalid(_)) => false,
        Err(error) => return Err(error),
    };
    Ok(Followed { image, configuration })
}

/// What was written down of a deployment when it began to wait.
pub(super) async fn followed(tx: &mut Tx, id: DeploymentId) -> Result<Followed> {
    let sql = "SELECT newest_image, newest_configuration FROM deployments WHERE id = $1";
    tx.one(sql, args![id], |row| {
        let was = |column: &str| Ok::<_, Error>(row.get::<Option<bool>>(column)?.unwrap_or(false));
        Ok(Followed { image: was("newest_image")?, configuration: was("newest_configuration")? })
    })
    .await
}

/// What changed: from what waits to what is the newest now.
pub(super) async fn changes(tx: &mut Tx, service: &Service, environment: &Environment, revision: &Stored, followed: Followed) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    if followed.image
        && let Some(Tagged(now)) = tagged(tx, revision).await?
        && now != revision.digest
    {
        let text = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
        changes.push(Change { field: "image content".into(), before: text(revision.digest), after: text(now) });
    }
    if followed.configuration {
        let waits = pinned::of_revision(tx, revision.id, &revision.descriptor).await?;
        match pinned::newest(tx, service, environment, &revision.descriptor).await {
            Ok(newest) => changes.extend(newest.changes_since(&waits)),
            Err(Error::Invalid(errors)) => {
                let missing = |message| Change { field: "configuration".into(), before: None, after: Some(message) };
                changes.extend(errors.into_iter().map(|error| missing(error.message)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(changes)
}

/// Refuses to let through what changed since.
pub(super) fn refuse(changes: &[Change]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let fields = changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>().join(", ");
    Err(Error::conflict("changed_since", format!("since this was asked for, something changed: {fields}; look at it and ask again")))
}

/// Refuses to let an image wait that could be another one once it is fetched: what is approved is what runs. Scaling and starting bring the image of
/// what is there already, and are not asked.
pub(super) fn refuse_unpinned(environment: &Environment, image: &ImageReference, digest: Option<Digest>) -> Result<()> {
    if !environment.protected || digest.is_some() {
        return Ok(());
    }
    let text = format!(
        "{} is protected, and what is approved there is what runs: name the content of an image of another registry too, like {image}@sha256:...",
        environment.name
    );
    Err(Error::invalid("descriptor.image", text))
}

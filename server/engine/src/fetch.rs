//! Getting a revision's image onto a machine: its complete reference there, a credential that lives as long as the pull, the pull.
//!
//! Only pinned images are pulled. A tag of an outside registry is asked for its digest first, by the engine that will pull it, and
//! the answer is recorded, so that the revision stays what it is.

use std::time::Duration;

use domain::deployments::work::{self, PullSource, RevisionWork};
use domain::machines::{self, Machine};
use model::digest::Digest;
use model::reference::Reference;
use model::views::deployments::Reason;

use crate::context::Context;
use crate::docker::{Credential, Docker, PullProgress};
use crate::trouble::Trouble;

/// Longest time for a whole pull.
const PULL_LIMIT: Duration = Duration::from_secs(3_600);

/// An image on its way to a machine.
pub(crate) struct Source {
    /// Complete, with the registry's host as the machine knows it, and the digest.
    pub reference: String,
    digest: Digest,
    credential: Option<Credential>,
}

/// Where a machine gets a revision's image from.
pub(crate) async fn source(context: &Context, docker: &Docker, machine: &Machine, revision: &RevisionWork) -> Result<Source, Trouble> {
    match work::pull_source(&context.worker, revision.id).await? {
        PullSource::Embedded { project, repository, digest } => Ok(Source {
            reference: format!("{}/{project}/{repository}@{digest}", machine.registry_address),
            digest,
            credential: Some(Credential::Bearer(context.grants.pull_grant(&project, &repository))),
        }),
        PullSource::Outside { host, repository, reference, credential } => {
            let credential = credential.map(|(username, password)| Credential::Password { username, password });
            let digest = match reference {
                Reference::Digest(digest) => digest,
                Reference::Tag(tag) => pin(context, docker, revision, &format!("{host}/{repository}:{tag}"), credential.as_ref()).await?,
            };
            Ok(Source { reference: format!("{host}/{repository}@{digest}"), digest, credential })
        }
    }
}

async fn pin(context: &Context, docker: &Docker, revision: &RevisionWork, tagged: &str, credential: Option<&Credential>) -> Result<Digest, Trouble> {
    let found = docker.resolve(tagged, credential).await?;
    let digest: Digest =
        found.parse().map_err(|_| Trouble::Reason(Reason::new("image_not_found", format!("the registry told no digest of {tagged}"))))?;
    work::pin(&context.worker, revision.id, &digest).await?;
    Ok(digest)
}

/// Pulls it, telling how far it is, and writes down that the image is there because of us.
pub(crate) async fn pull(
    context: &Context,
    docker: &Docker,
    machine: &Machine,
    source: &Source,
    tell: impl FnMut(&PullProgress) + Send,
) -> Result<(), Trouble> {
    tracing::info!(image = %source.reference, "an image is pulled");
    docker.pull(&source.reference, source.credential.as_ref(), PULL_LIMIT, tell).await?;
    Ok(machines::pulled(&context.worker, machine.id, &source.reference, &source.digest).await?)
}

//! Another image for what runs: the newest revision that was asked for, with the image of a tag that was just pushed and the configuration of now. All
//! else stays. Where a template's answer says which image, that is the answer from then on.

use model::descriptor::Descriptor;
use model::digest::Digest;
use model::ids::RevisionId;
use model::image::ImageReference;
use model::names::{RepositoryPath, TagName};
use model::template::Answers;
use model::views::deployments::{DeploymentKind, DeploymentView};

use super::begin::lock;
use super::deploy::check;
use super::source::Source;
use super::verbs::{Again, queue, running};
use super::{Intent, Request, acts, limits, plan, revisions};
use crate::access::{May, can};
use crate::change::{Change, Record};
use crate::configs::pinned;
use crate::db::Tx;
use crate::environments::{self, Environment};
use crate::error::Result;
use crate::folders;
use crate::images;
use crate::platform::Platform;
use crate::services::Service;
use crate::templates::{self, Another};

/// What would be brought. It is found without the service's lock: a template may have to be rendered for it.
pub(crate) struct Foreseen {
    base: RevisionId,
    /// What runs, is on its way or waits for an approval.
    others: Vec<Other>,
    descriptor: Descriptor,
    source: Source,
    answers: Option<Answers>,
}

/// An image that is there before: its content, and its tag where it is of the same repository.
struct Other {
    digest: Option<Digest>,
    tag: Option<TagName>,
}

impl Foreseen {
    /// The content that the tag names.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.source.digest
    }

    /// Whether that is what runs, is on its way or waits for an approval.
    pub(crate) fn is_there(&self) -> bool {
        self.digest().is_some_and(|digest| self.others.iter().any(|other| other.digest == Some(digest)))
    }

    /// The tags of the same repository that run, are on their way or wait for an approval.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &TagName> {
        self.others.iter().filter_map(|other| other.tag.as_ref())
    }
}

/// Looks what bringing the image of a repository of the own project would be.
///
/// # Errors
/// What stands in the way of any deployment of it: nothing runs there, the tag is gone, the descriptor is none that this caller may bring.
pub(crate) async fn foresee(
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: &Environment,
    (repository, tag): (&RepositoryPath, &TagName),
) -> Result<Foreseen> {
    let mut tx = platform.read().await?;
    let base = running(&mut tx, may, environment).await?;
    let others = others(&mut tx, may, environment, &base, repository).await?;
    let image = named(&mut tx, may, &base.descriptor.image, repository, tag).await?;
    let made = templates::made_from(&mut tx, may, environment, base.id).await?;
    drop(tx);
    let answers = match made {
        Some(made) => templates::rescaled(may.actor(), made, Another::Image(image.clone())).await?,
        None => None,
    };
    let request = Request { intent: Intent::default(), descriptor: Descriptor { image, ..base.descriptor } };
    let source = check(platform, may, &request).await?;
    Ok(Foreseen { base: base.id, others, descriptor: request.descriptor, source, answers })
}

/// The image as the descriptor named it before, where that is of this repository: a host that people wrote stays written.
async fn named(tx: &mut Tx, service: &Service, before: &ImageReference, repository: &RepositoryPath, tag: &TagName) -> Result<ImageReference> {
    let hosts = environments::registry_hosts(tx).await?;
    let located = images::located(before, &service.project.name, &hosts);
    Ok(match located {
        Some((project, path)) if project == service.project.name && path == *repository => before.with(Some(tag.clone()), None),
        _ => ImageReference::own(repository.clone(), tag.clone()),
    })
}

async fn others(
    tx: &mut Tx,
    service: &Service,
    environment: &Environment,
    base: &revisions::Stored,
    repository: &RepositoryPath,
) -> Result<Vec<Other>> {
    let other = |one: &revisions::Stored| {
        let same = one.own.as_ref().is_some_and(|(project, _, path)| *project == service.project.id && path == repository);
        Other { digest: one.digest, tag: one.descriptor.image.tag().filter(|_| same).cloned() }
    };
    let mut others = vec![other(base)];
    if let Some(waiting) = acts::waiting(tx, service.id, environment.id).await? {
        others.push(other(&revisions::by_id(tx, waiting).await?));
    }
    Ok(others)
}

/// Makes the revision and puts its deployment into the queue, within a change that does more. The caller commits with the record. None: somebody else
/// brought another revision meanwhile, so that it is to be foreseen again.
pub(crate) async fn bring_image(
    change: &mut Change,
    platform: &Platform,
    may: &May<can::Deploy, Service>,
    environment: &Environment,
    intent: &Intent,
    foreseen: &Foreseen,
) -> Result<Option<(DeploymentView, Record)>> {
    intent.check()?;
    lock(change, may).await?;
    let base = running(change, may, environment).await?;
    if base.id != foreseen.base {
        return Ok(None);
    }
    let d = &foreseen.descriptor;
    limits::refuse_foreign_ports(change, may, environment, d).await?;
    folders::refuse(platform, change, d).await?;
    plan::refuse_taken_ports(change, may, environment, d).await?;
    let configuration = pinned::newest(change, may, environment, d).await?;
    let (id, _) = revisions::insert(change, platform, may, d, &foreseen.source, &configuration, intent).await?;
    templates::note_scaled(change, base.id, id, foreseen.answers.as_ref()).await?;
    let revision = revisions::by_id(change, id).await?;
    let wanted = Again { environment, intent, kind: DeploymentKind::Deploy, revision: &revision };
    queue(change, platform, may, &wanted).await.map(Some)
}

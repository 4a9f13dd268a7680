//! What the registry holds, as people and deployments ask for it: repositories, tags, images, and their deletion. The bytes
//! and the protocol are the registry's; it writes the rows of these tables when something is pushed.
//!
//! A repository is reached in three ways, and no other: with the permission to do something to it ([`Repository`]), with the
//! permission to push to where it may not be yet ([`Destination`]), and, for reading alone, as [`Readable`], which is made
//! of the permission to pull or, for the portal's own engines, by a worker.

use model::access::Action;
use model::digest::Digest;
use model::ids::{ProjectId, RepositoryId};
use model::image::ImageReference;
use model::manifest::Kind;
use model::manifest::config::ImageConfig;
use model::names::{ProjectName, RepositoryPath, TagName};
use model::reference::Reference;
use model::views::images::Part;

use crate::access::{Key, May, Resource, can};
use crate::args;
use crate::db::{Json, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::projects::Project;
use crate::worker::Worker;

pub mod chains;
mod delete;
mod detail;
mod gone;
mod lineage;
mod repositories;
pub mod rules;
mod tags;
mod untagged;
pub mod usage;
mod uses;

pub use delete::{clear, delete_manifest, delete_repository, delete_tag};
pub use detail::{image, manifest, manifest_text};
pub use gone::gone;
pub use lineage::{of_image as image_lineage, of_project as project_lineage};
pub use repositories::repositories;
pub use tags::tags;
pub use untagged::{counts, untagged};

crate::text_columns! { Digest, Kind, Part }

/// How many tags are proposed where one is not found.
const PROPOSED: u32 = 5;

/// A repository that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its id.
    pub id: RepositoryId,
    /// Its project.
    pub project: Project,
    /// Its path below the project.
    pub path: RepositoryPath,
}

impl Repository {
    /// Its whole name: `<project>/<path>`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.project.name, self.path)
    }
}

impl Resource for Repository {
    const WHAT: &'static str = "repository";
    const VISIBLE: Action = Action::SeeProject;

    fn project(&self) -> Option<&Project> {
        Some(&self.project)
    }
}

/// The name of a repository.
#[derive(Clone, Copy, Debug)]
pub struct RepositoryKey<'a> {
    /// Its project.
    pub project: &'a ProjectName,
    /// Its path below the project.
    pub repository: &'a RepositoryPath,
}

impl Key for RepositoryKey<'_> {
    type Resource = Repository;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Repository>> {
        let Some(project) = self.project.find(tx).await? else { return Ok(None) };
        let id = id(tx, &project, self.repository).await?;
        Ok(id.map(|id| Repository { id, project, path: self.repository.clone() }))
    }
}

/// Where a push goes: a project and a path in it. The repository itself may be there or not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The repository's id, if it is there.
    pub id: Option<RepositoryId>,
    /// The project.
    pub project: Project,
    /// The path below the project.
    pub path: RepositoryPath,
}

impl Destination {
    /// Its whole name: `<project>/<path>`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.project.name, self.path)
    }
}

impl Resource for Destination {
    const WHAT: &'static str = "project";
    const VISIBLE: Action = Action::SeeProject;

    fn project(&self) -> Option<&Project> {
        Some(&self.project)
    }
}

/// The name of a destination.
#[derive(Clone, Copy, Debug)]
pub struct DestinationKey<'a> {
    /// The project, which must be there.
    pub project: &'a ProjectName,
    /// The path below it.
    pub repository: &'a RepositoryPath,
}

impl Key for DestinationKey<'_> {
    type Resource = Destination;

    async fn find(&self, tx: &mut Tx) -> Result<Option<Destination>> {
        let Some(project) = self.project.find(tx).await? else { return Ok(None) };
        let id = id(tx, &project, self.repository).await?;
        Ok(Some(Destination { id, project, path: self.repository.clone() }))
    }
}

async fn id(tx: &mut Tx, project: &Project, path: &RepositoryPath) -> Result<Option<RepositoryId>> {
    let sql = "SELECT id FROM repositories WHERE project_id = $1 AND name = $2";
    tx.opt(sql, args![project.id, path], |row| row.get("id")).await
}

/// A repository that may be read.
#[derive(Clone, Debug)]
pub struct Readable {
    repository: Repository,
}

impl Readable {
    /// For the portal's own engines: a worker may read any repository. Who may hand such a reading out is the worker's affair.
    pub async fn by_worker(worker: &Worker, key: &RepositoryKey<'_>) -> Result<Option<Self>> {
        let mut tx = worker.platform().read().await?;
        Ok(key.find(&mut tx).await?.map(|repository| Self { repository }))
    }
}

impl From<&May<can::Pull, Repository>> for Readable {
    fn from(may: &May<can::Pull, Repository>) -> Self {
        Self { repository: (**may).clone() }
    }
}

impl std::ops::Deref for Readable {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.repository
    }
}

/// What a tag or digest turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The content.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// What sort of document it is.
    pub kind: Kind,
    /// How it runs, for an image.
    pub config: Option<ImageConfig>,
}

/// Pins a tag (or checks a digest) for a deploy. What is not there is an error of the field `image` that names the newest tags.
pub async fn resolve(platform: &Platform, may: &May<can::Pull, Repository>, reference: &Reference) -> Result<Resolved> {
    pin(&mut platform.read().await?, may, reference).await
}

/// The same for an image of the service's own project: who may deploy there may run its images, whatever else their token lacks.
pub(crate) async fn resolve_own(
    platform: &Platform,
    may: &May<can::Deploy, crate::services::Service>,
    path: &RepositoryPath,
    reference: &Reference,
) -> Result<Resolved> {
    let mut tx = platform.read().await?;
    let Some(id) = id(&mut tx, &may.project, path).await? else {
        return Err(Error::invalid("image", format!("project {} has no repository {path}; push an image to it first", may.project.name)));
    };
    pin(&mut tx, &Repository { id, project: may.project.clone(), path: path.clone() }, reference).await
}

async fn pin(tx: &mut Tx, repository: &Repository, reference: &Reference) -> Result<Resolved> {
    if let Some(found) = find(tx, repository.id, reference).await? {
        return Ok(found);
    }
    let newest = tags::newest_names(tx, repository.id, PROPOSED).await?;
    let instead = match newest.as_slice() {
        [] => "it has no tags; push one first".to_owned(),
        names => format!("its newest tags are {}", names.iter().map(TagName::as_str).collect::<Vec<_>>().join(", ")),
    };
    let kind = match reference {
        Reference::Tag(_) => "tag",
        Reference::Digest(_) => "image",
    };
    Err(Error::invalid("image", format!("{} has no {kind} {reference}; {instead}", repository.full_name())))
}

async fn find(tx: &mut Tx, repository: RepositoryId, reference: &Reference) -> Result<Option<Resolved>> {
    let (condition, argument) = match reference {
        Reference::Tag(tag) => ("m.digest = (SELECT t.digest FROM tags t WHERE t.repository_id = $1 AND t.name = $2)", tag.to_string()),
        Reference::Digest(digest) => ("m.digest = $2", digest.to_string()),
    };
    let sql = format!("SELECT m.digest, m.media_type, m.kind, m.config FROM manifests m WHERE m.repository_id = $1 AND {condition}");
    tx.opt(sql, args![repository, argument], |row| {
        let config: Option<Json<ImageConfig>> = row.get("config")?;
        Ok(Resolved { digest: row.get("digest")?, media_type: row.get("media_type")?, kind: row.get("kind")?, config: config.map(|json| json.0) })
    })
    .await
}

/// What a tag of a project's repository names now; none: there is no such tag. For what was asked for with the permission to run it.
pub(crate) async fn tagged(tx: &mut Tx, project: ProjectId, path: &RepositoryPath, tag: &TagName) -> Result<Option<Digest>> {
    let sql = "SELECT t.digest FROM tags t JOIN repositories r ON r.id = t.repository_id WHERE r.project_id = $1 AND r.name = $2 AND t.name = $3";
    tx.opt(sql, args![project, path, tag], |row| row.get("digest")).await
}

/// The project and repository that an image's name means at this portal: `web:1` is of `own`; a name with a host must name this
/// registry by one of `hosts`, and begins with its project. None: it is of another registry.
#[must_use]
pub fn located(image: &ImageReference, own: &ProjectName, hosts: &[String]) -> Option<(ProjectName, RepositoryPath)> {
    match image.host() {
        None => Some((own.clone(), image.path().clone())),
        Some(host) if hosts.iter().any(|known| known == host) => {
            let (project, repository) = image.path().as_str().split_once('/')?;
            Some((project.parse().ok()?, repository.parse().ok()?))
        }
        Some(_) => None,
    }
}

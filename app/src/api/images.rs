//! Images: a project's repositories and their tags, single images, and what is built on what.

use std::collections::BTreeSet;

use leptos::prelude::*;
use model::digest::Digest;
use model::names::{ProjectName, RepositoryPath, TagName};
use model::page::Page;
use model::views::images::{ImageView, ManifestText, RepositoryCounts, RepositorySummary, TagView, UntaggedView};
#[cfg(feature = "ssr")]
use model::views::lineage::{BaseView, NodeImage, Owner};
use model::views::lineage::{ImageLineage, ProjectLineage};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::images::{self, Repository, RepositoryKey};
#[cfg(feature = "ssr")]
use model::manifest::config::notes_shortened;
#[cfg(feature = "ssr")]
use model::reference::Reference;
#[cfg(feature = "ssr")]
use model::views::images::{Matching, RepositoryOrder, RepositoryQuery, TagKind, TagOrder, TagQuery};

/// Most parts of a manifest that a page shows.
#[cfg(feature = "ssr")]
const PARTS_SHOWN: usize = 500;

#[cfg(feature = "ssr")]
async fn may<P: can::Permission>(caller: &Caller, project: &str, repository: &str) -> Result<May<P, Repository>, ApiError> {
    let project: ProjectName = named("repository", project)?;
    let path: RepositoryPath = named("repository", repository)?;
    Ok(caller.actor.may::<P, _>(&caller.platform, &RepositoryKey { project: &project, repository: &path }).await?)
}

/// A project's repositories. Words that mean no order are taken for the usual one: they come from an address that people edit.
#[server(prefix = "/fn", endpoint = "images/repositories")]
pub async fn list_repositories(
    project: String,
    #[server(default)] order: String,
    #[server(default)] q: String,
    #[server(default)] after: Option<String>,
) -> Result<Page<RepositorySummary>, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Pull, _>(&caller.platform, &name).await?;
    let query = RepositoryQuery { order: RepositoryOrder::named(&order).unwrap_or_default(), q };
    Ok(images::repositories(&caller.platform, &may, &query, &page(after)).await?)
}

/// What is asked of a list of tags, as it stands in a page's address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagSearch {
    /// The order; the last pushed first where it is left out.
    #[serde(default)]
    pub order: String,
    /// What names have in them.
    #[serde(default)]
    pub q: String,
    /// Where in them.
    #[serde(default)]
    pub matching: String,
    /// What they name.
    #[serde(default)]
    pub kind: String,
}

/// What of a repository is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listed {
    /// Tags.
    Tags(Page<TagView>),
    /// What no tag names.
    Untagged(Page<UntaggedView>),
}

/// One repository: a page of what it lists, and how much there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryPage {
    /// The list.
    pub listed: Listed,
    /// How much there is.
    pub counts: RepositoryCounts,
}

/// The word in addresses for what no tag names, beside the words of [`TagKind`](model::views::images::TagKind).
pub const UNTAGGED: &str = "untagged";

/// A repository's tags, or what no tag of it names.
#[server(prefix = "/fn", endpoint = "images/tags")]
pub async fn list_tags(
    project: String,
    repository: String,
    #[server(default)] search: TagSearch,
    #[server(default)] after: Option<String>,
) -> Result<RepositoryPage, ApiError> {
    let caller = caller().await?;
    let may = may::<can::Pull>(&caller, &project, &repository).await?;
    let counts = images::counts(&caller.platform, &may).await?;
    if search.kind == UNTAGGED {
        let listed = Listed::Untagged(images::untagged(&caller.platform, &may, &page(after)).await?);
        return Ok(RepositoryPage { listed, counts });
    }
    let query = TagQuery {
        order: TagOrder::named(&search.order).unwrap_or(TagOrder::Newest),
        q: search.q,
        matching: Matching::named(&search.matching).unwrap_or_default(),
        kind: TagKind::named(&search.kind),
    };
    let listed = Listed::Tags(images::tags(&caller.platform, &may, &query, &page(after)).await?);
    Ok(RepositoryPage { listed, counts })
}

/// What a lineage names and nothing answers to any more, as `project/repository:tag` and `project/repository@digest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone(BTreeSet<String>);

impl Gone {
    /// Whether the tag names nothing any more.
    #[must_use]
    pub fn tag(&self, project: &ProjectName, repository: &RepositoryPath, tag: &TagName) -> bool {
        self.0.contains(&format!("{project}/{repository}:{tag}"))
    }

    /// Whether the image cannot be had any more.
    #[must_use]
    pub fn image(&self, project: &ProjectName, repository: &RepositoryPath, digest: &Digest) -> bool {
        self.0.contains(&format!("{project}/{repository}@{digest}"))
    }
}

#[cfg(feature = "ssr")]
async fn gone<'a>(caller: &Caller, bases: impl Iterator<Item = &'a BaseView>, nodes: impl Iterator<Item = &'a NodeImage>) -> Result<Gone, ApiError> {
    let mut names = Vec::new();
    for base in bases.filter(|base| !base.current) {
        let place = (base.project.clone(), base.repository.clone());
        names.push((place.0.clone(), place.1.clone(), Reference::Tag(base.tag.clone())));
        names.push((place.0, place.1, Reference::Digest(base.digest)));
    }
    names.extend(nodes.filter(|node| !node.own).map(|node| (node.project.clone(), node.repository.clone(), Reference::Tag(node.tag.clone()))));
    Ok(Gone(images::gone(&caller.platform, &caller.actor.visible::<can::Pull>()?, names).await?))
}

/// Everything that the page of one image shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePage {
    /// The image; long lists and texts of its maker are cut.
    pub image: ImageView,
    /// What it stands on and what stands on it.
    pub lineage: ImageLineage,
    /// What of its bases is gone by now.
    pub gone: Gone,
    /// The beginning of its manifest.
    pub manifest: ManifestText,
}

/// One image by tag or digest.
#[server(prefix = "/fn", endpoint = "images/get")]
pub async fn get_image(project: String, repository: String, reference: String) -> Result<ImagePage, ApiError> {
    let caller = caller().await?;
    let may = may::<can::Pull>(&caller, &project, &repository).await?;
    let reference: Reference = named("image", &reference)?;
    let mut image = images::image(&caller.platform, &may, &reference).await?;
    // A tag that moves meanwhile must not mix two images.
    let digest = Reference::Digest(image.digest);
    let lineage = images::image_lineage(&caller.platform, &may, &digest).await?;
    let bases = lineage.stacks.iter().flat_map(|stack| &stack.blocks).filter_map(|block| match &block.owner {
        Owner::Image(base) => Some(base),
        Owner::AnotherProject | Owner::Itself => None,
    });
    let gone = gone(&caller, bases, std::iter::empty()).await?;
    let manifest = images::manifest_text(&caller.platform, &may, &digest).await?;
    image.parts.truncate(PARTS_SHOWN);
    image.annotations = notes_shortened(image.annotations);
    image.config = image.config.map(model::manifest::config::ImageConfig::shortened);
    Ok(ImagePage { image, lineage, gone, manifest })
}

/// What a project's images are built on, and what of that is gone by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineagePage {
    /// What they are built on.
    pub lineage: ProjectLineage,
    /// What of it is gone.
    pub gone: Gone,
}

/// What a project's images are built on.
#[server(prefix = "/fn", endpoint = "images/lineage")]
pub async fn get_lineage(project: String) -> Result<LineagePage, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Pull, _>(&caller.platform, &name).await?;
    let lineage = images::project_lineage(&caller.platform, &may).await?;
    let nodes = lineage.nodes.iter().filter_map(|node| node.image.as_ref());
    let gone = gone(&caller, lineage.outdated.iter().map(|one| &one.base), nodes).await?;
    Ok(LineagePage { lineage, gone })
}

/// What a deletion took away beside what was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// What was deleted, for people.
    pub what: String,
}

/// Deletes a tag; the manifest that it named stays reachable by its digest until it is collected.
#[server(prefix = "/fn", endpoint = "images/delete_tag")]
pub async fn delete_tag(csrf: String, project: String, repository: String, tag: String) -> Result<Deleted, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::DeleteImages>(&caller, &project, &repository).await?;
    let tag = named("tag", &tag)?;
    images::delete_tag(&caller.platform, &may, &tag).await?;
    Ok(Deleted { what: format!("tag {tag}") })
}

/// Deletes an image with every tag that names it.
#[server(prefix = "/fn", endpoint = "images/delete_image")]
pub async fn delete_image(csrf: String, project: String, repository: String, digest: String) -> Result<Deleted, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::DeleteImages>(&caller, &project, &repository).await?;
    let digest = named("image", &digest)?;
    images::delete_manifest(&caller.platform, &may, &digest).await?;
    lead_to(&crate::urls::repository(&project, &repository));
    Ok(Deleted { what: format!("image {digest}") })
}

/// Deletes a repository with all its tags and manifests.
#[server(prefix = "/fn", endpoint = "images/delete_repository")]
pub async fn delete_repository(csrf: String, project: String, repository: String) -> Result<Deleted, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::DeleteImages>(&caller, &project, &repository).await?;
    images::delete_repository(&caller.platform, &may).await?;
    lead_to(&crate::urls::project_page(&project, "images"));
    Ok(Deleted { what: format!("repository {project}/{repository}") })
}

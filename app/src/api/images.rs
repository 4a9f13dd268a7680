//! Images: a project's repositories and their tags.

use leptos::prelude::*;
use model::page::Page;
use model::views::images::{ImageView, RepositorySummary, TagView};
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
use model::names::{ProjectName, RepositoryPath};
#[cfg(feature = "ssr")]
use model::views::images::TagOrder;

#[cfg(feature = "ssr")]
async fn may<P: can::Permission>(caller: &Caller, project: &str, repository: &str) -> Result<May<P, Repository>, ApiError> {
    let project: ProjectName = named("repository", project)?;
    let path: RepositoryPath = named("repository", repository)?;
    Ok(caller.actor.may::<P, _>(&caller.platform, &RepositoryKey { project: &project, repository: &path }).await?)
}

/// A project's repositories.
#[server(prefix = "/fn", endpoint = "images/repositories")]
pub async fn list_repositories(project: String, #[server(default)] after: Option<String>) -> Result<Page<RepositorySummary>, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Pull, _>(&caller.platform, &name).await?;
    Ok(images::repositories(&caller.platform, &may, &page(after)).await?)
}

/// A repository's tags, the last pushed first.
#[server(prefix = "/fn", endpoint = "images/tags")]
pub async fn list_tags(project: String, repository: String, #[server(default)] after: Option<String>) -> Result<Page<TagView>, ApiError> {
    let caller = caller().await?;
    let may = may::<can::Pull>(&caller, &project, &repository).await?;
    Ok(images::tags(&caller.platform, &may, TagOrder::Newest, &page(after)).await?)
}

/// One image by tag or digest.
#[server(prefix = "/fn", endpoint = "images/get")]
pub async fn get_image(project: String, repository: String, reference: String) -> Result<ImageView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::Pull>(&caller, &project, &repository).await?;
    Ok(images::image(&caller.platform, &may, &named("image", &reference)?).await?)
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

/// Deletes a repository with all its tags and manifests.
#[server(prefix = "/fn", endpoint = "images/delete_repository")]
pub async fn delete_repository(csrf: String, project: String, repository: String) -> Result<Deleted, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::DeleteImages>(&caller, &project, &repository).await?;
    images::delete_repository(&caller.platform, &may).await?;
    lead_to(&crate::urls::project_page(&project, "images"));
    Ok(Deleted { what: format!("repository {project}/{repository}") })
}

//! Shells of a project and their recordings. A recording itself is a file beside the pages.

use leptos::prelude::*;
use model::page::Page;
use model::views::shells::ShellView;

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::shells::watching::{self, Opened, ShellKey};
#[cfg(feature = "ssr")]
use model::names::ProjectName;

#[cfg(feature = "ssr")]
async fn may(caller: &Caller, project: &str, shell: &str) -> Result<May<can::WatchOwnShells, Opened>, ApiError> {
    caller.actor.account()?;
    let project: ProjectName = named("project", project)?;
    let key = ShellKey { project, shell: named("shell", shell)?, reader: caller.actor.clone() };
    Ok(caller.actor.may(&caller.platform, &key).await?)
}

/// Shells of a project, or of one of its services, newest first: those that are open, or those that were.
#[server(prefix = "/fn", endpoint = "shells/list")]
pub async fn list_shells(
    project: String,
    #[server(default)] service: String,
    #[server(default)] open: bool,
    #[server(default)] after: Option<String>,
) -> Result<Page<ShellView>, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::WatchOwnShells, _>(&caller.platform, &name).await?;
    let service = if service.is_empty() { None } else { Some(field("service", &service)?) };
    Ok(watching::list(&caller.platform, &may, &watching::Query { service, open: Some(open), page: page(after) }).await?)
}

/// One shell.
#[server(prefix = "/fn", endpoint = "shells/get")]
pub async fn get_shell(project: String, shell: String) -> Result<ShellView, ApiError> {
    let caller = caller().await?;
    let may = may(&caller, &project, &shell).await?;
    Ok(watching::get(&caller.platform, &may).await?)
}

/// Ends a shell that is open.
#[server(prefix = "/fn", endpoint = "shells/end")]
pub async fn end_shell(csrf: String, project: String, shell: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may(&caller, &project, &shell).await?;
    Ok(watching::end(&caller.platform, &may).await?)
}

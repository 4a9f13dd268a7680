//! The audit log, of a project and of the site.

use leptos::prelude::*;
use model::page::Page;
use model::views::audit::AuditView;

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{named, page};
#[cfg(feature = "ssr")]
use super::server::caller;
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use model::names::ProjectName;

/// What was done in a project, newest first.
#[server(prefix = "/fn", endpoint = "audit/project")]
pub async fn project_audit(project: String, #[server(default)] after: Option<String>) -> Result<Page<AuditView>, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::ReadAudit, _>(&caller.platform, &name).await?;
    Ok(domain::audit::of_project(&caller.platform, &may, &page(after)).await?)
}

/// What was done anywhere, newest first.
#[server(prefix = "/fn", endpoint = "audit/site")]
pub async fn site_audit(#[server(default)] after: Option<String>) -> Result<Page<AuditView>, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ReadSiteAudit, _>(&caller.platform, &Site).await?;
    Ok(domain::audit::of_site(&caller.platform, &may, &page(after)).await?)
}

//! Containers that something else made, as services.

use leptos::prelude::*;
use model::names::ProjectName;
use model::views::imports::ImportView;
use model::views::services::ServiceSummary;

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::deployments::draft_of;
#[cfg(feature = "ssr")]
use super::descriptor::{TYPED_TEXT, TypedText};
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::{imports, projects, services};

/// What a container of a machine would be as a service.
#[server(prefix = "/fn", endpoint = "imports/read")]
pub async fn read_import(machine: String, container: String) -> Result<ImportView, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    Ok(imports::read(&caller.platform, &may, &named("machine", machine.trim())?, container.trim()).await?)
}

/// The projects into which the caller may import, of those who may import at all.
#[server(prefix = "/fn", endpoint = "imports/projects")]
pub async fn list_import_projects() -> Result<Vec<ProjectName>, ApiError> {
    let caller = caller().await?;
    caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let page = projects::list(&caller.platform, &caller.actor.visible::<can::SeeProject>()?, &page(None)).await?;
    Ok(page.items.into_iter().map(|project| project.name).collect())
}

/// Makes a service for what was read. Its text waits on the service's deploy page, to be looked at before it is deployed.
#[server(prefix = "/fn", endpoint = "imports/begin")]
pub async fn begin_import(csrf: String, project: String, name: String, text: String) -> Result<ServiceSummary, ApiError> {
    let caller = mutating(&csrf).await?;
    caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let of: ProjectName = field("project", project.trim())?;
    let may = caller.actor.may::<can::CreateService, _>(&caller.platform, &of).await?;
    let made = services::create(&caller.platform, &may, &field("name", name.trim())?).await?;
    let typed = TypedText { text: text.replace("\r\n", "\n"), ..TypedText::default() };
    caller.keep_draft(TYPED_TEXT, &draft_of(made.id, ""), &typed).await?;
    lead_to(&crate::urls::deploy_text(&made.project, &made.name));
    Ok(made)
}

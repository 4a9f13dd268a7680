//! What the public status page shows, of a project or, where none is named, of the site: for those who write it.

use leptos::prelude::*;
use model::page::Page;
use model::status::{IncidentForm, LegacyForm, PageForm, UpdateForm};
use model::views::status::{IncidentView, LegacyView, PageView, SiteProjectView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::alerts::held;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{named, page};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::status::{self, Managing};
#[cfg(feature = "ssr")]
use model::names::ProjectName;
#[cfg(feature = "ssr")]
use model::status::SiteForm;

/// The page of those who write the status page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAdmin {
    /// What heads it.
    pub page: PageView,
    /// Whether everybody finds it: something is shown, and it is not hidden.
    pub public: bool,
    /// Incidents and planned work, newest first.
    pub incidents: Page<IncidentView>,
    /// Services outside of containers; none of the site.
    pub legacy: Vec<LegacyView>,
    /// Projects on the site's page, by name; none of a project.
    pub projects: Page<SiteProjectView>,
}

/// What is shown of a project, or of the site.
#[server(prefix = "/fn", endpoint = "status/get")]
pub async fn get_status(
    #[server(default)] project: String,
    #[server(default)] after: Option<String>,
    #[server(default)] projects: Option<String>,
) -> Result<StatusAdmin, ApiError> {
    let caller = caller().await?;
    let may: Managing = held(&caller, &project).await?;
    let name = may.project().map(|project| project.name.to_string());
    let legacy = if name.is_some() { status::list_legacy(&caller.platform, &may).await?.items } else { Vec::new() };
    let projects = match &may {
        Managing::Site(site) => status::site_projects(&caller.platform, site, &page(projects)).await?,
        Managing::Project(_) => Page { items: Vec::new(), next: None },
    };
    Ok(StatusAdmin {
        page: status::page(&caller.platform, &may).await?,
        public: caller.platform.status().board().has(name.as_deref()),
        incidents: status::list(&caller.platform, &may, &page(after)).await?,
        legacy,
        projects,
    })
}

/// Takes a project off the whole site's page, or puts it back.
#[server(prefix = "/fn", endpoint = "status/put_project")]
pub async fn put_site_project(csrf: String, project: String, #[server(default)] off_site: bool) -> Result<SiteProjectView, ApiError> {
    let caller = mutating(&csrf).await?;
    let site = caller.actor.may::<can::ManageStatus, _>(&caller.platform, &Site).await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::ManageStatus, _>(&caller.platform, &name).await?;
    let written = status::put_site_project(&caller.platform, &site, &may, &SiteForm { off_site }).await?;
    lead_to(&crate::urls::status(""));
    Ok(written)
}

/// Writes what heads the page.
#[server(prefix = "/fn", endpoint = "status/put_page")]
pub async fn put_status_page(csrf: String, #[server(default)] project: String, #[server(default)] form: PageForm) -> Result<PageView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    let written = status::put_page(&caller.platform, &may, &form).await?;
    lead_to(&crate::urls::status(&project));
    Ok(written)
}

/// Writes an incident, or plans work.
#[server(prefix = "/fn", endpoint = "status/create_incident")]
pub async fn create_incident(
    csrf: String,
    #[server(default)] project: String,
    #[server(default)] form: IncidentForm,
) -> Result<IncidentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    let made = status::create(&caller.platform, &may, &form).await?;
    lead_to(&crate::urls::status(&project));
    Ok(made)
}

/// Says something further of an incident.
#[server(prefix = "/fn", endpoint = "status/say")]
pub async fn say_incident(
    csrf: String,
    #[server(default)] project: String,
    incident: String,
    #[server(default)] form: UpdateForm,
) -> Result<IncidentView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    let said = status::say(&caller.platform, &may, named("incident", &incident)?, &form).await?;
    lead_to(&crate::urls::status(&project));
    Ok(said)
}

/// Takes an incident away.
#[server(prefix = "/fn", endpoint = "status/remove_incident")]
pub async fn remove_incident(csrf: String, #[server(default)] project: String, incident: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    status::remove(&caller.platform, &may, named("incident", &incident)?).await?;
    lead_to(&crate::urls::status(&project));
    Ok(())
}

/// Writes a service outside of containers: a new one where none is named.
#[server(prefix = "/fn", endpoint = "status/put_legacy")]
pub async fn put_legacy(
    csrf: String,
    project: String,
    #[server(default)] legacy: String,
    #[server(default)] form: LegacyForm,
) -> Result<LegacyView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    let written = if legacy.is_empty() {
        status::create_legacy(&caller.platform, &may, &form).await?
    } else {
        status::update_legacy(&caller.platform, &may, named("legacy service", &legacy)?, &form).await?
    };
    lead_to(&crate::urls::status(&project));
    Ok(written)
}

/// Deletes a service outside of containers.
#[server(prefix = "/fn", endpoint = "status/delete_legacy")]
pub async fn delete_legacy(csrf: String, project: String, legacy: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may: Managing = held(&caller, &project).await?;
    status::delete_legacy(&caller.platform, &may, named("legacy service", &legacy)?).await?;
    lead_to(&crate::urls::status(&project));
    Ok(())
}

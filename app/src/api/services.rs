//! Services and their tasks.

use leptos::prelude::*;
use model::page::Page;
use model::views::services::{RunningView, ServiceDetail, ServiceSummary};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::services::{self, Service, ServiceKey};
#[cfg(feature = "ssr")]
use model::names::{ProjectName, ServiceName};
#[cfg(feature = "ssr")]
use model::running::Running;

/// The permission for one service, by its names in the address.
#[cfg(feature = "ssr")]
pub(super) async fn may<P: can::Permission>(caller: &Caller, project: &str, service: &str) -> Result<May<P, Service>, ApiError> {
    let project: ProjectName = named("service", project)?;
    let service: ServiceName = named("service", service)?;
    Ok(caller.actor.may::<P, _>(&caller.platform, &ServiceKey { project: &project, service: &service }).await?)
}

/// A project's services with how they do.
#[server(prefix = "/fn", endpoint = "services/list")]
pub async fn list_services(project: String, #[server(default)] after: Option<String>) -> Result<Page<ServiceSummary>, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::SeeServices, _>(&caller.platform, &name).await?;
    Ok(services::list(&caller.platform, &may, &page(after)).await?)
}

/// The services of all the caller's projects, the newest first.
#[server(prefix = "/fn", endpoint = "services/mine")]
pub async fn my_services(#[server(default)] after: Option<String>) -> Result<Page<ServiceSummary>, ApiError> {
    let caller = caller().await?;
    Ok(services::list_all(&caller.platform, &caller.actor.visible::<can::SeeServices>()?, &page(after)).await?)
}

/// One service with all that a page shows.
#[server(prefix = "/fn", endpoint = "services/get")]
pub async fn get_service(project: String, service: String) -> Result<ServiceDetail, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    Ok(services::get(&caller.platform, &may).await?)
}

/// Makes a service, with nothing deployed yet. The next page is the form of the template that was chosen.
#[server(prefix = "/fn", endpoint = "services/create")]
pub async fn create_service(csrf: String, project: String, name: String, #[server(default)] template: String) -> Result<ServiceSummary, ApiError> {
    let caller = mutating(&csrf).await?;
    let of: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::CreateService, _>(&caller.platform, &of).await?;
    let made = services::create(&caller.platform, &may, &field("name", name.trim())?).await?;
    lead_to(&crate::urls::deploy(&made.project, &made.name, &template));
    Ok(made)
}

/// Deletes a service and what runs of it.
#[server(prefix = "/fn", endpoint = "services/delete")]
pub async fn delete_service(csrf: String, project: String, service: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::DeleteService>(&caller, &project, &service).await?;
    services::delete(&caller.platform, &may).await?;
    lead_to(&crate::urls::project(&project));
    Ok(())
}

/// What a container is: by its id or its beginning, or by its task's.
#[server(prefix = "/fn", endpoint = "services/running")]
pub async fn what_runs(id: String) -> Result<RunningView, ApiError> {
    let caller = caller().await?;
    let key: Running = field("id", &id)?;
    let may = caller.actor.may::<can::SeeServices, _>(&caller.platform, &key).await?;
    Ok(services::running(&caller.platform, &may).await?)
}

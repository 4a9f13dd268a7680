//! Outside registries: a project's credentials for them, copies from them, and what operators allow to be spoken to.

use leptos::prelude::*;
use model::page::Page;
use model::views::copies::{CheckView, CopyView, OutsideSettings};
use model::views::services::RegistryCredentialView;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::{lead_to, posted_form};
#[cfg(feature = "ssr")]
use super::parse::{named, page};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{May, Site, can};
#[cfg(feature = "ssr")]
use domain::copies::{self, CopyKey, Wanted};
#[cfg(feature = "ssr")]
use domain::images::DestinationKey;
#[cfg(feature = "ssr")]
use domain::projects::Project;
#[cfg(feature = "ssr")]
use domain::services::credentials;
#[cfg(feature = "ssr")]
use model::names::ProjectName;
#[cfg(feature = "ssr")]
use model::secret::Secret;

/// Where the outcome of a check waits for the page of a browser without scripts.
#[cfg(feature = "ssr")]
const CHECKED: &str = "registry-checked";

#[cfg(feature = "ssr")]
async fn may<P: can::Permission>(caller: &Caller, project: &str) -> Result<May<P, Project>, ApiError> {
    let name: ProjectName = named("project", project)?;
    Ok(caller.actor.may::<P, _>(&caller.platform, &name).await?)
}

/// What came of the check of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The registry.
    pub host: String,
    /// What came of it.
    pub view: CheckView,
}

/// The outside registries of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The registries, with whom they are spoken to as.
    pub items: Vec<RegistryCredentialView>,
    /// What came of the last check, where it could not be shown at once.
    pub checked: Option<Checked>,
}

/// The outside registries that a project has credentials for.
#[server(prefix = "/fn", endpoint = "outside/credentials")]
pub async fn list_credentials(project: String) -> Result<Kept, ApiError> {
    let caller = caller().await?;
    let may = may::<can::Configure>(&caller, &project).await?;
    let items = credentials::list(&caller.platform, &may).await?;
    let checked = caller.session.take_flash(CHECKED).await?.and_then(|text| serde_json::from_str(&text).ok());
    Ok(Kept { items, checked })
}

/// Keeps credentials for an outside registry. The secret is never shown again.
#[server(prefix = "/fn", endpoint = "outside/put_credential")]
pub async fn put_credential(
    csrf: String,
    project: String,
    host: String,
    #[server(default)] username: String,
    #[server(default)] secret: String,
) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageRegistries>(&caller, &project).await?;
    Ok(credentials::put(&caller.platform, &may, host.trim(), username.trim(), &Secret::new(secret)).await?)
}

/// Forgets credentials for an outside registry.
#[server(prefix = "/fn", endpoint = "outside/delete_credential")]
pub async fn delete_credential(csrf: String, project: String, host: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageRegistries>(&caller, &project).await?;
    Ok(credentials::delete(&caller.platform, &may, &host).await?)
}

/// Asks a registry whether it answers and takes the credential.
#[server(prefix = "/fn", endpoint = "outside/check_credential")]
pub async fn check_credential(csrf: String, project: String, host: String) -> Result<Checked, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = may::<can::ManageRegistries>(&caller, &project).await?;
    let view = domain::outside::check(&caller.platform, &may, &host).await?;
    let checked = Checked { host, view };
    if posted_form() {
        caller.session.flash(CHECKED, serde_json::to_string(&checked).unwrap_or_default()).await?;
        lead_to(&crate::urls::project_page(&project, "registries"));
    }
    Ok(checked)
}

/// A project's copies, newest first.
#[server(prefix = "/fn", endpoint = "outside/copies")]
pub async fn list_copies(project: String, #[server(default)] after: Option<String>) -> Result<Page<CopyView>, ApiError> {
    let caller = caller().await?;
    let may = may::<can::Push>(&caller, &project).await?;
    Ok(copies::list(&caller.platform, &may, &page(after)).await?)
}

/// Asks for a copy. `platforms` are separated by commas or blanks; empty: everything.
#[server(prefix = "/fn", endpoint = "outside/copy")]
pub async fn copy_image(
    csrf: String,
    project: String,
    from: String,
    #[server(default)] to: String,
    #[server(default)] platforms: String,
    #[server(default)] referrers: bool,
) -> Result<CopyView, ApiError> {
    let caller = mutating(&csrf).await?;
    may::<can::Push>(&caller, &project).await?;
    let platforms: Vec<String> = platforms.split([',', ' ', '\n']).map(str::to_owned).collect();
    let wanted = Wanted::read(&from, &to, &platforms, referrers)?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Push, _>(&caller.platform, &DestinationKey { project: &name, repository: &wanted.to.path }).await?;
    let made = copies::ask(&caller.platform, &may, &wanted).await?;
    lead_to(&crate::urls::project_page(&project, "registries"));
    Ok(made)
}

/// Cancels a copy.
#[server(prefix = "/fn", endpoint = "outside/cancel_copy")]
pub async fn cancel_copy(csrf: String, project: String, copy: String) -> Result<CopyView, ApiError> {
    let caller = mutating(&csrf).await?;
    let key = CopyKey { project: named("copy", &project)?, copy: named("copy", &copy)? };
    let may = caller.actor.may::<can::Push, _>(&caller.platform, &key).await?;
    Ok(copies::cancel(&caller.platform, &may).await?)
}

/// What operators allow to be spoken to.
#[server(prefix = "/fn", endpoint = "outside/settings")]
pub async fn get_outside() -> Result<OutsideSettings, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::MaintainRegistry, _>(&caller.platform, &Site).await?;
    Ok(domain::outside::settings(&caller.platform, &may).await?)
}

/// Sets what operators allow to be spoken to: one host or network in each line.
#[server(prefix = "/fn", endpoint = "outside/set")]
pub async fn set_outside(csrf: String, #[server(default)] allowed: String) -> Result<OutsideSettings, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::MaintainRegistry, _>(&caller.platform, &Site).await?;
    let settings = OutsideSettings { allowed: allowed.lines().map(str::to_owned).collect() };
    Ok(domain::outside::set(&caller.platform, &may, &settings).await?)
}

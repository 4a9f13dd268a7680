//! Folders of machines that operators let services mount.

use leptos::prelude::*;
use model::folders::FolderSettings;

use super::ApiError;
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};

/// What is allowed.
#[server(prefix = "/fn", endpoint = "folders/settings")]
pub async fn get_folders() -> Result<FolderSettings, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    Ok(domain::folders::settings(&caller.platform, &may).await?)
}

/// Sets what is allowed: one folder in each line.
#[server(prefix = "/fn", endpoint = "folders/set")]
pub async fn set_folders(csrf: String, #[server(default)] allowed: String) -> Result<FolderSettings, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let settings = FolderSettings { allowed: allowed.lines().map(str::to_owned).collect() };
    Ok(domain::folders::set(&caller.platform, &may, &settings).await?)
}

//! Looking into a task: its processes, its changed files, and whether there is a file to download. The file itself goes by its own door.

use leptos::prelude::*;
use model::views::inspect::{ChangesView, FileView, ProcessesView};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{field, named};
#[cfg(feature = "ssr")]
use super::server::{Caller, caller};
#[cfg(feature = "ssr")]
use domain::access::{May, can};
#[cfg(feature = "ssr")]
use domain::services::{self, Task};
#[cfg(feature = "ssr")]
use model::ids::TaskId;
#[cfg(feature = "ssr")]
use model::views::inspect::ChangesQuery;

/// The permission for one task, by its id in the address.
#[cfg(feature = "ssr")]
async fn may<P: can::Permission>(caller: &Caller, task: &str) -> Result<May<P, Task>, ApiError> {
    let task: TaskId = named("task", task)?;
    Ok(caller.actor.may::<P, _>(&caller.platform, &task).await?)
}

/// A task's processes, with secrets hidden.
#[server(prefix = "/fn", endpoint = "inspect/processes")]
pub async fn list_processes(task: String) -> Result<ProcessesView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &task).await?;
    Ok(services::processes(&caller.platform, &may).await?)
}

/// A page of a task's changed files.
#[server(prefix = "/fn", endpoint = "inspect/changes")]
pub async fn list_changes(
    task: String,
    #[server(default)] q: String,
    #[server(default)] kind: String,
    #[server(default)] after: String,
) -> Result<ChangesView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &task).await?;
    let kind = if kind.is_empty() { None } else { Some(field("kind", &kind)?) };
    let query = ChangesQuery { q, kind, after: Some(after).filter(|after| !after.is_empty()), limit: None };
    Ok(services::changes(&caller.platform, &may, &query).await?)
}

/// The file that a path of a task leads to, for whoever may download it.
#[server(prefix = "/fn", endpoint = "inspect/file")]
pub async fn find_file(task: String, #[server(default)] path: String) -> Result<FileView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::OpenShell>(&caller, &task).await?;
    Ok(services::find_file(&caller.platform, &may, &field("path", &path)?).await?)
}

//! How much projects may keep and run.

use leptos::prelude::*;
use model::views::quotas::{QuotaView, QuotasView};
use model::views::upkeep::WaitingView;
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{field, named, page};
#[cfg(feature = "ssr")]
use super::server::{caller, mutating};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::quotas::{self, Wanted};
#[cfg(feature = "ssr")]
use model::names::ProjectName;
#[cfg(feature = "ssr")]
use model::quantity::Memory;

/// A project's quota, and whether the reader sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaPage {
    /// The quota.
    pub quota: QuotaView,
    /// Of what is kept that which no image needs any more; a collection gives it back. Told where it was asked for.
    pub waiting: Option<WaitingView>,
    /// Whether the reader may set it.
    pub may_set: bool,
}

/// Limits as a form sends them: texts, of which an empty one is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsForm {
    /// Size of what is kept, like `10GiB`.
    pub bytes: String,
    /// Tags.
    pub tags: String,
    /// Processors of all tasks, like `4`.
    pub cpus: String,
    /// Memory of all tasks, like `8GiB`.
    pub memory: String,
    /// Tasks.
    pub tasks: String,
    /// Fixed ports, like `20000-20999` or `none`.
    pub ports: String,
    /// Processors of a task that names none.
    pub task_cpus: String,
    /// Memory of a task that names none.
    pub task_memory: String,
    /// Size of kept logs, like `2GiB`.
    pub logs: String,
    /// Size of kept recordings of shells, like `1GiB`.
    pub recordings: String,
}

#[cfg(feature = "ssr")]
impl LimitsForm {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        Ok(Wanted {
            bytes: Some(size("bytes", &self.bytes)?),
            tags: Some(count("tags", &self.tags)?),
            cpus: Some(read("cpus", &self.cpus)?),
            memory: Some(size("memory", &self.memory)?),
            tasks: Some(count("tasks", &self.tasks)?),
            ports: Some(read("ports", &self.ports)?),
            task_cpus: Some(read("task_cpus", &self.task_cpus)?),
            task_memory: Some(size("task_memory", &self.task_memory)?),
            logs: Some(size("logs", &self.logs)?),
            recordings: Some(size("recordings", &self.recordings)?),
        })
    }
}

#[cfg(feature = "ssr")]
fn read<T: std::str::FromStr<Err: std::fmt::Display>>(name: &'static str, text: &str) -> Result<Option<T>, ApiError> {
    if text.trim().is_empty() { Ok(None) } else { field(name, text).map(Some) }
}

#[cfg(feature = "ssr")]
fn size(name: &'static str, text: &str) -> Result<Option<i64>, ApiError> {
    let Some(size) = read::<Memory>(name, text)? else { return Ok(None) };
    let bytes = i64::try_from(size.bytes()).map_err(|_| ApiError::from(domain::Error::invalid(name, "that is more than any disk has")))?;
    Ok(Some(bytes))
}

#[cfg(feature = "ssr")]
fn count(name: &'static str, text: &str) -> Result<Option<i64>, ApiError> {
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| domain::Error::invalid(name, "a whole number, or nothing for no limit").into()),
    }
}

/// A project's quota.
#[server(prefix = "/fn", endpoint = "quotas/get")]
pub async fn get_quota(project: String, #[server(default)] waiting: bool) -> Result<QuotaPage, ApiError> {
    let caller = caller().await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::Push, _>(&caller.platform, &name).await?;
    let waiting = if waiting { Some(quotas::waiting(&caller.platform, &may).await?) } else { None };
    Ok(QuotaPage { quota: quotas::get(&caller.platform, &may).await?, waiting, may_set: quotas::may_set(&may) })
}

/// Sets a project's limits.
#[server(prefix = "/fn", endpoint = "quotas/set")]
pub async fn set_quota(csrf: String, project: String, #[server(default)] limits: LimitsForm) -> Result<QuotaView, ApiError> {
    let caller = mutating(&csrf).await?;
    let name: ProjectName = named("project", &project)?;
    let may = caller.actor.may::<can::SetQuotas, _>(&caller.platform, &name).await?;
    Ok(quotas::set(&caller.platform, &may, limits.wanted()?).await?)
}

/// Every project by what it keeps.
#[server(prefix = "/fn", endpoint = "quotas/list")]
pub async fn list_quotas(#[server(default)] after: Option<String>) -> Result<QuotasView, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::SetQuotas, _>(&caller.platform, &Site).await?;
    Ok(quotas::list(&caller.platform, &may, &page(after)).await?)
}

/// Sets what new projects may keep and run, and what tasks get where their project says nothing.
#[server(prefix = "/fn", endpoint = "quotas/set_default")]
pub async fn set_default_quota(csrf: String, #[server(default)] limits: LimitsForm) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::SetQuotas, _>(&caller.platform, &Site).await?;
    quotas::set_default(&caller.platform, &may, limits.wanted()?).await?;
    Ok(())
}

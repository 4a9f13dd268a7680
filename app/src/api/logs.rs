//! Logs and inspection: looking inside what runs. The lines that come later are a stream of their own, beside the page.

use leptos::prelude::*;
use model::views::logs::{LogFilter, LogPage};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::{field, named};
#[cfg(feature = "ssr")]
use super::server::caller;
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::can;
#[cfg(feature = "ssr")]
use domain::logs::{self, LineId, Place};
#[cfg(feature = "ssr")]
use model::ids::TaskId;

/// Some lines of a service's tasks, of those that match: the last ones, those right before or behind a line, or those from a place on, which is a
/// time as a filter's `since` says it, or a line's name: then some before it too.
#[server(name = ReadLog, prefix = "/fn", endpoint = "logs/page")]
pub async fn log_page(
    project: String,
    service: String,
    #[server(default)] filter: LogFilter,
    #[server(default)] before: Option<String>,
    #[server(default)] after: Option<String>,
    #[server(default)] at: Option<String>,
) -> Result<LogPage, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let place = match (said(before), said(after), said(at)) {
        (Some(line), _, _) => Place::Before(field("before", &line)?),
        (None, Some(line), _) => Place::After(field("after", &line)?),
        (None, None, Some(at)) => match at.parse::<LineId>() {
            Ok(line) => Place::Around(line),
            Err(_) => Place::At(time(&caller.platform, &at)?),
        },
        (None, None, None) => Place::End,
    };
    Ok(logs::page(&caller.platform, &may, &filter, place).await?)
}

/// A time as people write it, in nanoseconds since the epoch.
#[cfg(feature = "ssr")]
fn time(platform: &domain::Platform, text: &str) -> Result<i64, ApiError> {
    let right = "a time like 2026-11-20T09:30:00Z, seconds since 1970, an age like 10m or 2h, or a line's name";
    model::views::logs::time_nanos(text.trim(), platform.now()).ok_or_else(|| domain::Error::invalid("at", right).into())
}

/// What the engine knows of a task's container, as indented JSON, with secrets hidden.
#[server(prefix = "/fn", endpoint = "logs/inspect")]
pub async fn inspect_task(task: String) -> Result<String, ApiError> {
    let caller = caller().await?;
    let id: TaskId = named("task", &task)?;
    let may = caller.actor.may::<can::SeeServices, _>(&caller.platform, &id).await?;
    let value = domain::services::inspect(&caller.platform, &may).await?;
    serde_json::to_string_pretty(&value).map_err(|error| domain::Error::internal(format!("an inspection does not print: {error}")).into())
}

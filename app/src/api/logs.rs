//! Logs and inspection: looking inside what runs. The lines that come later are a stream of their own, beside the page.

use leptos::prelude::*;
use model::views::logs::LogView;

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
use domain::logs;
#[cfg(feature = "ssr")]
use domain::ports;
#[cfg(feature = "ssr")]
use model::ids::TaskId;

/// Lines that a page begins with.
#[cfg(feature = "ssr")]
const TAIL: u32 = 300;

/// The last lines of a service's tasks, or of one task; of those with a text in them.
#[server(prefix = "/fn", endpoint = "logs/tail")]
pub async fn log_tail(
    project: String,
    service: String,
    #[server(default)] environment: String,
    #[server(default)] task: String,
    #[server(default)] grep: String,
) -> Result<Vec<LogView>, ApiError> {
    use futures::TryStreamExt as _;
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    let query = logs::Query {
        environment: if environment.is_empty() { None } else { Some(field("environment", &environment)?) },
        task: if task.is_empty() { None } else { Some(named("task", &task)?) },
        tail: Some(TAIL),
        grep: Some(grep).filter(|grep| !grep.is_empty()),
        ..logs::Query::default()
    };
    let lines = logs::of_service(&caller.platform, &may, &query).await?;
    Ok(lines.map_ok(view).try_collect().await?)
}

#[cfg(feature = "ssr")]
fn view(line: logs::TaskLine) -> LogView {
    LogView {
        nanos: line.line.at_nanos,
        task: line.task,
        slot: line.slot,
        stream: match line.line.source {
            ports::LogSource::Stdout => model::views::logs::LogSource::Stdout,
            ports::LogSource::Stderr => model::views::logs::LogSource::Stderr,
        },
        text: line.line.text,
        cut: line.line.cut,
    }
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

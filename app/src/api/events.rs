//! Events: what happened to a service's tasks, and on a machine.

use leptos::prelude::*;
use model::ids::MachineId;
use model::views::events::{EventFilter, EventsView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::parse::named;
#[cfg(feature = "ssr")]
use super::server::caller;
#[cfg(feature = "ssr")]
use super::services::may;
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::events::{self, Ask};
#[cfg(feature = "ssr")]
use model::names::MachineName;

/// What happened on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineTimeline {
    /// The machine, for its live topic.
    pub machine_id: MachineId,
    /// A part of its events.
    pub events: EventsView,
}

/// What happened to a service's tasks, newest first.
#[server(prefix = "/fn", endpoint = "events/service")]
pub async fn service_events(project: String, service: String, #[server(default)] filter: EventFilter) -> Result<EventsView, ApiError> {
    let caller = caller().await?;
    let may = may::<can::SeeServices>(&caller, &project, &service).await?;
    let ask = Ask::read(&filter, caller.platform.now())?;
    Ok(events::of_service(&caller.platform, &may, &ask).await?)
}

/// What happened on a machine, newest first; for operators.
#[server(prefix = "/fn", endpoint = "events/machine")]
pub async fn machine_events(machine: String, #[server(default)] filter: EventFilter) -> Result<MachineTimeline, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageEnvironments, _>(&caller.platform, &Site).await?;
    let name: MachineName = named("machine", &machine)?;
    let ask = Ask::read(&filter, caller.platform.now())?;
    let (machine_id, events) = events::of_machine(&caller.platform, &may, &name, &ask).await?;
    Ok(MachineTimeline { machine_id, events })
}

//! Containers that something else made, read as services. The container is only looked at: it is neither changed nor taken over, and its
//! service runs beside it until somebody ends it. Values that look like secrets never leave the engine's answer.

use model::names::MachineName;
use model::views::imports::ImportView;

use crate::access::{May, Site, can};
use crate::error::{Error, Result};
use crate::machines;
use crate::platform::Platform;
use crate::ports::Place;

mod clean;
mod read;

/// Longest name or id of a container that is looked for, in characters.
const NAME_MAX: usize = 255;

/// What a container of a machine would be as a service: what maps, and what does not.
///
/// # Errors
/// `NotFound` for what is not there, `Conflict` for Slipway's own tasks, `Unavailable` when the engine is away.
pub async fn read(platform: &Platform, _: &May<can::ManageEnvironments, Site>, machine: &MachineName, container: &str) -> Result<ImportView> {
    let found = machines::by_name(&mut platform.read().await?, machine).await?.ok_or(Error::NotFound { what: "machine" })?;
    // As engines name them: nothing that could lead elsewhere in a path.
    let named = container.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if container.is_empty() || container.len() > NAME_MAX || !named || container.starts_with('.') {
        return Err(Error::NotFound { what: "container" });
    }
    let described = platform.engines().describe(&Place::new(found.id, container)).await?;
    let import = read::import(&described)?;
    Ok(ImportView {
        machine: machine.clone(),
        container: import.name,
        service: import.service,
        yaml: import.descriptor.to_yaml(),
        descriptor: import.descriptor,
        left: import.left,
    })
}

//! A task's container as its engine describes it, with secrets hidden: values of variables whose name says that they are one.

use super::Task;
use crate::access::{May, can};
use crate::error::Result;
use crate::platform::Platform;
use crate::ports::Hidden;

/// The engine's inspection of a task's container.
pub async fn inspect(platform: &Platform, may: &May<can::SeeServices, Task>) -> Result<serde_json::Value> {
    let place = super::place(may)?;
    platform.engines().inspect(&place, &Hidden::default()).await
}

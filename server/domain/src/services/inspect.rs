//! A task's container as its engine describes it, with secrets hidden: values of variables whose name says that they are one.

use super::Task;
use crate::access::{May, can};
use crate::error::Result;
use crate::platform::Platform;
use crate::ports::Hidden;

/// Parts of names that say that a variable's value is secret; matched without regard to case.
const SECRET_NAMES: [&str; 11] = ["password", "passwd", "secret", "token", "apikey", "api_key", "private", "credential", "auth", "_key", "_dsn"];

/// The engine's inspection of a task's container.
pub async fn inspect(platform: &Platform, may: &May<can::SeeServices, Task>) -> Result<serde_json::Value> {
    let place = super::place(may)?;
    let hidden = Hidden { names: SECRET_NAMES.map(str::to_owned).to_vec(), values: Vec::new() };
    platform.engines().inspect(&place, &hidden).await
}

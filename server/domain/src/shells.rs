//! Shells: a terminal in a running task. Who opened one, where and as whom is on record before its first byte.

pub mod recording;
pub mod retention;
pub mod watching;

use model::views::services::TaskState;

use crate::access::{May, can};
use crate::change::Record;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::ports::{Shell, ShellOrder};
use crate::services::{self, Task};

/// Longest name of a user, a folder or a program, in bytes.
const TEXT_MAX: usize = 255;

/// Opens a terminal; answers the session's id and the terminal. The caller ends it with its control.
///
/// # Errors
/// `Conflict` with `not_running`, `no_container` or `command_not_found` (the image has no shell); `Unavailable` when the engine is away.
pub async fn open(platform: &Platform, may: &May<can::OpenShell, Task>, order: &ShellOrder) -> Result<(String, Shell)> {
    check(order)?;
    if may.state != TaskState::Running {
        return Err(Error::conflict("not_running", format!("this task is {}; a shell needs a running one", may.state)));
    }
    let place = services::place(may)?;
    let shell = platform.engines().shell(&place, order).await?;
    let session = crate::keys::hex(&platform.random_bytes::<16>());
    if let Err(error) = record(platform, may, order, &session).await {
        // What is not on record is not open.
        let _ = shell.control.end().await;
        return Err(error);
    }
    Ok((session, shell))
}

fn check(order: &ShellOrder) -> Result<()> {
    let fine = |text: &str| !text.is_empty() && text.len() <= TEXT_MAX && !text.contains('\0');
    let user = order.user.iter().map(|text| ("user", text));
    let workdir = order.workdir.iter().map(|text| ("workdir", text));
    let command = order.command.iter().flatten().map(|text| ("command", text));
    let wrong = user.chain(workdir).chain(command).find(|(_, text)| !fine(text));
    match wrong {
        Some((field, _)) => Err(Error::invalid(field, format!("1 to {TEXT_MAX} bytes without NUL, or left out"))),
        None => Ok(()),
    }
}

async fn record(platform: &Platform, may: &May<can::OpenShell, Task>, order: &ShellOrder, session: &str) -> Result<()> {
    let detail = serde_json::json!({
        "session": session, "service": may.service.name, "environment": may.environment, "slot": may.slot,
        "user": order.user, "workdir": order.workdir, "command": order.command,
    });
    let record = Record::new("shell.open", "task", may.id).project(&may.service.project).detail(detail);
    platform.change(may.actor()).await?.commit(record).await
}

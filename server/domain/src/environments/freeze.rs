//! Freezing an environment: from then on nobody brings anything there but an operator who says why. What is under way goes on, jobs run on, and
//! what runs can be restarted and stopped: a freeze keeps what runs as it is, and must not keep it from being mended.

use model::views::environments::{EnvironmentView, FreezeView};

use super::{Environment, view};
use crate::access::{Key, May, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Row, Value};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;

/// Longest reason, in characters.
const WHY_MAX: usize = 1000;

/// The freeze of an environment's row; none: it is not frozen.
pub(crate) fn of(row: &Row<'_>) -> Result<Option<FreezeView>> {
    let Some(at) = row.get("frozen_at")? else { return Ok(None) };
    let (by, why): (Option<String>, Option<String>) = (row.get("frozen_by")?, row.get("frozen_why")?);
    Ok(Some(FreezeView { at, by: by.unwrap_or_default(), why: why.unwrap_or_default() }))
}

/// Freezes an environment. One that is frozen already is so since then, for the reason that is said now.
///
/// # Errors
/// `Invalid`: no reason.
pub async fn freeze(platform: &Platform, may: &May<can::ManageEnvironments, Environment>, why: &str) -> Result<EnvironmentView> {
    let why = why.trim();
    if why.is_empty() || why.chars().count() > WHY_MAX || why.contains('\0') {
        return Err(Error::invalid("why", format!("say why nothing is to be changed there, in at most {WHY_MAX} characters")));
    }
    let sql = "UPDATE environments SET frozen_at = COALESCE(frozen_at, $2), frozen_by = $3, frozen_why = $4 WHERE id = $1 AND removed_at IS NULL";
    let arguments = args![may.id, platform.now(), may.actor().name(), why];
    let record = Record::new("environment.freeze", "environment", &may.name).detail(serde_json::json!({ "why": why }));
    write(platform, may, sql, arguments, record).await
}

/// Ends the freeze of an environment. Idempotent.
pub async fn thaw(platform: &Platform, may: &May<can::ManageEnvironments, Environment>) -> Result<EnvironmentView> {
    let sql = "UPDATE environments SET frozen_at = NULL, frozen_by = NULL, frozen_why = NULL WHERE id = $1 AND removed_at IS NULL";
    write(platform, may, sql, args![may.id], Record::new("environment.thaw", "environment", &may.name)).await
}

async fn write(
    platform: &Platform,
    may: &May<can::ManageEnvironments, Environment>,
    sql: &'static str,
    arguments: Vec<Value>,
    record: Record,
) -> Result<EnvironmentView> {
    let missing = Error::NotFound { what: "environment" };
    let mut change: Change = platform.change(may.actor()).await?;
    if change.exec(sql, arguments).await? == 0 {
        return Err(missing);
    }
    let Some(now) = may.id.find(&mut change).await? else { return Err(missing) };
    let view = view(&mut change, now, true).await?;
    change.touch(Topic::Environment(may.id));
    change.commit(record).await?;
    Ok(view)
}

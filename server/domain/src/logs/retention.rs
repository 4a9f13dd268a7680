//! How long logs are kept: as many days as their project says, and no more bytes than it may have; the oldest go first. Of a project that was deleted
//! nothing is kept, of a deleted service what its project still keeps.

use std::time::Duration;

use logs::{Removed, Store};
use model::ids::ProjectId;
use model::time::Millis;

use crate::args;
use crate::blocking::blocking;
use crate::db::Row;
use crate::error::Result;
use crate::quotas;
use crate::worker::Worker;

/// Days that a project's logs may be kept.
pub const DAYS: std::ops::RangeInclusive<i64> = 1..=3650;
/// Days that they are kept where nobody says anything.
pub const DAYS_BY_DEFAULT: i64 = 30;

/// What is kept of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// What is no older, and no more than so many bytes.
    Since(Millis, u64),
    Nothing,
}

/// Takes away what is too old or too much, and lets the store put itself in order. How much went.
///
/// # Errors
/// When the store or the database cannot be read at all; what fails for one project is logged, and keeps nothing else from being done.
pub async fn tend(worker: &Worker) -> Result<u64> {
    let Some(store) = worker.platform().logs() else { return Ok(0) };
    let of = store.clone();
    let projects = blocking(move || of.projects()).await?;
    let mut bytes = 0;
    for project in projects {
        match tend_project(worker, &store, project).await {
            Ok(removed) => bytes += removed.bytes,
            Err(error) => tracing::warn!(%error, project.id = %project, "a project's old logs could not be taken away"),
        }
    }
    blocking(move || store.tidy()).await?;
    Ok(bytes)
}

async fn tend_project(worker: &Worker, store: &Store, project: ProjectId) -> Result<Removed> {
    let kept = kept(worker, project).await?;
    let store = store.clone();
    blocking(move || match kept {
        // A folder that this database knows nothing of is not ours to delete.
        None => Ok(Removed::default()),
        Some(Kept::Nothing) => store.remove_project(project).map(|()| Removed::default()),
        Some(Kept::Since(at, most)) => store.retain(project, at.0.saturating_mul(1_000_000), most),
    })
    .await
}

async fn kept(worker: &Worker, project: ProjectId) -> Result<Option<Kept>> {
    let now = worker.platform().now();
    let mut tx = worker.platform().read().await?;
    let site = quotas::site_logs(&mut tx).await?;
    let sql = "SELECT p.deleted_at, p.logs_days, u.logs_limit FROM projects p LEFT JOIN project_usage u ON u.project_id = p.id WHERE p.id = $1";
    let kept = |row: &Row<'_>| {
        if row.get::<Option<Millis>>("deleted_at")?.is_some() {
            return Ok(Kept::Nothing);
        }
        let days = u64::try_from(row.get::<i64>("logs_days")?).unwrap_or(0);
        let most = row.get::<Option<i64>>("logs_limit")?.or(site);
        let most = most.map_or(u64::MAX, |most| u64::try_from(most).unwrap_or(0));
        Ok(Kept::Since(now.minus(Duration::from_secs(days * 86_400)), most))
    };
    tx.opt(sql, args![project], kept).await
}

//! Writing down that a slot's tasks fail, so that people are told of a crash loop: how often, why, and when the next try is. Failures within a
//! deployment are that deployment's reason and not counted here.

use std::time::Duration;

use model::time::Millis;
use model::views::deployments::Reason;

use super::WorkKey;
use super::tasks::touch;
use crate::args;
use crate::error::Result;
use crate::worker::Worker;

/// A slot without a failure for so long starts with a clean record.
pub(crate) const REST: Duration = Duration::from_secs(600);

/// A failure in a slot.
#[derive(Clone, Debug)]
pub struct SlotFailure {
    /// The slot, from 1.
    pub slot: i64,
    /// Why.
    pub reason: Reason,
    /// The last lines that the task wrote, without secrets.
    pub lines: String,
    /// When another is tried at the earliest.
    pub next: Millis,
}

/// A task failed by itself, or none could be made.
pub async fn slot_failed(worker: &Worker, key: WorkKey, failure: &SlotFailure) -> Result<()> {
    let now = worker.platform().now();
    let mut change = worker.change().await?;
    let sql = "INSERT INTO failures (service_id, environment_id, slot, times, first_at, last_at, next_at, code, message, lines)
               VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7, $8) ON CONFLICT (service_id, environment_id, slot) DO UPDATE SET
               times = CASE WHEN failures.last_at > $9 THEN failures.times + 1 ELSE 1 END,
               first_at = CASE WHEN failures.last_at > $9 THEN failures.first_at ELSE excluded.first_at END,
               last_at = excluded.last_at, next_at = excluded.next_at, code = excluded.code, message = excluded.message, lines = excluded.lines";
    let (reason, rested) = (&failure.reason, now.minus(REST));
    let arguments = args![key.service, key.environment, failure.slot, now, failure.next, &reason.code, &reason.message, &failure.lines, rested];
    change.exec(sql, arguments).await?;
    touch(&mut change, key.service).await?;
    change.finish().await
}

/// Something new is brought: what failed before says nothing about it.
pub async fn forget_failures(worker: &Worker, key: WorkKey) -> Result<()> {
    let mut change = worker.change().await?;
    let sql = "DELETE FROM failures WHERE service_id = $1 AND environment_id = $2";
    if change.exec(sql, args![key.service, key.environment]).await? > 0 {
        touch(&mut change, key.service).await?;
    }
    change.finish().await
}

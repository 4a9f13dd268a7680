//! Crash loops: services whose tasks fail again and again, told from what was written down of each slot.

use model::ids::{EnvironmentId, ServiceId};
use model::time::Millis;
use model::views::services::CrashLoop;

use crate::args;
use crate::db::Tx;
use crate::deployments::work::REST;
use crate::error::Result;

/// So many failures with no long rest in between are a loop. The lists count so too (`summary::RUN_COLUMNS`).
const LOOP: i64 = 3;

/// Whether the last failure of a loop was so lately that it goes on.
pub(super) fn is_fresh(last: Millis, now: Millis) -> bool {
    now.since(last) < REST
}

struct Slot {
    slot: i64,
    times: i64,
    first_at: Millis,
    last_at: Millis,
    next_at: Millis,
    /// A task is there: made anew, or the engine starts it again by itself.
    tried: bool,
    reason: model::views::deployments::Reason,
    lines: String,
}

/// The crash loop that a service is in, if it is in one.
pub(super) async fn of(tx: &mut Tx, service: ServiceId, environment: EnvironmentId, now: Millis) -> Result<Option<CrashLoop>> {
    let sql = "SELECT f.slot, f.times, f.first_at, f.last_at, f.next_at, f.code, f.message, f.lines,
               EXISTS (SELECT 1 FROM tasks t WHERE t.service_id = f.service_id AND t.environment_id = f.environment_id AND t.slot = f.slot
                       AND t.ended_at IS NULL) AS tried
               FROM failures f WHERE f.service_id = $1 AND f.environment_id = $2 AND f.times >= $3 AND f.last_at > $4 ORDER BY f.slot LIMIT 1000";
    let slots: Vec<Slot> = tx
        .all(sql, args![service, environment, LOOP, now.minus(REST)], |row| {
            Ok(Slot {
                slot: row.get("slot")?,
                times: row.get("times")?,
                first_at: row.get("first_at")?,
                last_at: row.get("last_at")?,
                next_at: row.get("next_at")?,
                tried: row.get("tried")?,
                reason: model::views::deployments::Reason::new(row.get::<String>("code")?, row.get::<String>("message")?),
                lines: row.get("lines")?,
            })
        })
        .await?;
    let (Some(since), Some(last)) = (slots.iter().map(|slot| slot.first_at).min(), slots.iter().max_by_key(|slot| slot.last_at)) else {
        return Ok(None);
    };
    Ok(Some(CrashLoop {
        failures: slots.iter().map(|slot| slot.times).sum(),
        since,
        last_at: last.last_at,
        next_at: slots.iter().filter(|slot| !slot.tried).map(|slot| slot.next_at).filter(|next| *next > now).min(),
        slots: slots.iter().map(|slot| slot.slot).collect(),
        reason: last.reason.clone(),
        lines: last.lines.clone(),
    }))
}

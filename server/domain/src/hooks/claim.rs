//! Who works on a delivery: one, once. A delivery is a row before anything is done about it; what it is answered is written in the transaction of
//! what was done. Whoever brings the same meanwhile waits for that answer.

use std::time::Duration;

use model::hooks::HookAnswer;
use model::ids::{HookDeliveryId, HookId, ServiceId};
use model::problem::ProblemKind;
use model::time::Millis;

use super::keep::Kept;
use super::request_purpose;
use super::rows::Hook;
use crate::args;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::live::Topic;
use crate::platform::Platform;
use crate::watch;

/// Whoever took a delivery so long ago and has not answered is gone.
const GONE: Duration = Duration::from_secs(60);
/// How long a repeat waits for whoever works on it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Deliveries of a hook that are kept whole, to be looked at and delivered again.
pub(super) const WHOLE: i64 = 50;
/// Deliveries of a hook whose answers are kept: repeats of older ones are new.
pub(super) const KEPT: i64 = 10_000;
/// Characters of an event's name that are kept.
const EVENT_MAX: usize = 100;

/// The right to work on a delivery.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(super) id: HookDeliveryId,
    service: ServiceId,
    at: Millis,
}

impl Claim {
    /// Writes down what was answered, with what was done. An error where somebody else took it over meanwhile: then nothing is done.
    pub(crate) async fn settle_in(&self, tx: &mut Tx, answer: &HookAnswer) -> Result<()> {
        let sql = "UPDATE hook_deliveries SET status = $3, answer = $4, deployment_id = $5 WHERE id = $1 AND claimed_at = $2 AND status IS NULL";
        let arguments = args![self.id, self.at, i64::from(answer.status()), Json(answer), answer.deployment];
        if tx.exec(sql, arguments).await? == 0 {
            return Err(Error::Unavailable("somebody else works on the same delivery; send it again to learn what came of it".into()));
        }
        Ok(())
    }

    /// The same where nothing was done but to answer.
    pub(super) async fn settle(&self, platform: &Platform, answer: &HookAnswer) -> Result<()> {
        let mut write = platform.bookkeeping().await?;
        self.settle_in(&mut write, answer).await?;
        if depends(answer) {
            write.exec("UPDATE hook_deliveries SET repeat_key = NULL, body_key = NULL WHERE id = $1", args![self.id]).await?;
        }
        write.touch(Topic::Service(self.service));
        write.finish().await
    }

    /// Gives it up: nothing was done, and the next time it is a new delivery.
    pub(super) async fn release(&self, platform: &Platform) -> Result<()> {
        let mut write = platform.bookkeeping().await?;
        write.exec("DELETE FROM hook_deliveries WHERE id = $1 AND claimed_at = $2 AND status IS NULL", args![self.id, self.at]).await?;
        write.touch(Topic::Service(self.service));
        write.finish().await
    }
}

/// Whether it is refused for how things stand here (a freeze, a stopped service) and not for what it says: its name is free again, so that the same
/// delivery is worked on anew when things stand otherwise.
fn depends(answer: &HookAnswer) -> bool {
    answer.problem.as_ref().is_some_and(|problem| matches!(problem.kind, ProblemKind::Conflict | ProblemKind::Forbidden))
}

/// A delivery as it is written down.
pub(super) struct New<'a> {
    /// Which one it is, as its sender says.
    pub key: Option<&'a str>,
    /// Its fingerprint, where it is known by that too: nothing else of it is signed.
    pub body_key: Option<&'a str>,
    /// SHA-256 of its body.
    pub fingerprint: &'a str,
    pub sender: &'a str,
    pub event: &'a str,
    /// What it repeats because somebody, by name, asked for that.
    pub redelivery: Option<(HookDeliveryId, &'a str)>,
}

/// Who works on a delivery that came.
pub(super) enum Held {
    /// The caller.
    Mine(Claim),
    /// It was answered.
    Answered(HookAnswer),
    /// Another body bears its name.
    Another,
}

/// What is known of a delivery.
struct Known {
    id: HookDeliveryId,
    fingerprint: String,
    claimed_at: Millis,
    answer: Option<HookAnswer>,
}

/// Takes a delivery that is none of those that came before, or finds what became of it where it came meanwhile.
///
/// # Errors
/// `TooMany`: the hook was brought more than it takes; nothing is written down.
pub(super) async fn take(platform: &Platform, hook: &Hook, new: &New<'_>, kept: &Kept) -> Result<Held> {
    let mut write = platform.bookkeeping().await?;
    let taken = insert(&mut write, platform, hook, new, kept).await?;
    if let Some(claim) = taken {
        // Counted where it is known to be no repeat, and undone with the row.
        platform.hook_rates().take(platform.now(), hook.id)?;
        write.finish().await?;
        return Ok(Held::Mine(claim));
    }
    drop(write);
    repeated(platform, hook, new).await?.ok_or_else(given_up)
}

/// What became of a delivery that came before; none: it did not.
pub(super) async fn repeated(platform: &Platform, hook: &Hook, new: &New<'_>) -> Result<Option<Held>> {
    let Some(found) = known(platform, hook.id, new).await? else { return Ok(None) };
    if found.fingerprint != new.fingerprint {
        return Ok(Some(Held::Another));
    }
    if let Some(answer) = found.answer {
        return Ok(Some(Held::Answered(answer)));
    }
    let now = platform.now();
    if now.since(found.claimed_at) >= GONE {
        let mut write = platform.bookkeeping().await?;
        let sql = "UPDATE hook_deliveries SET claimed_at = $3 WHERE id = $1 AND claimed_at = $2 AND status IS NULL";
        if write.exec(sql, args![found.id, found.claimed_at, now]).await? == 1 {
            write.finish().await?;
            return Ok(Some(Held::Mine(Claim { id: found.id, service: hook.service_id, at: now })));
        }
    }
    let look = || known(platform, hook.id, new);
    let over = |found: &Option<Known>| found.as_ref().is_none_or(|found| found.answer.is_some());
    let ended = watch::until(platform, Topic::Service(hook.service_id), PATIENCE, std::future::pending(), look, over).await?;
    match ended {
        Some(Known { answer: Some(answer), .. }) => Ok(Some(Held::Answered(answer))),
        Some(_) => Err(Error::Unavailable("the same delivery is still being worked on; send it again to learn what came of it".into())),
        None => Err(given_up()),
    }
}

fn given_up() -> Error {
    Error::Unavailable("the same delivery just could not be worked on; send it again".into())
}

/// The delivery with the same name, else the one with the same body where that is a name too.
async fn known(platform: &Platform, hook: HookId, new: &New<'_>) -> Result<Option<Known>> {
    let read = |row: &Row<'_>| {
        Ok(Known {
            id: row.get("id")?,
            fingerprint: row.get("fingerprint")?,
            claimed_at: row.get("claimed_at")?,
            answer: row.get::<Option<Json<HookAnswer>>>("answer")?.map(|answer| answer.0),
        })
    };
    for (column, key) in [("repeat_key", new.key), ("body_key", new.body_key)] {
        let Some(key) = key else { continue };
        let sql = format!("SELECT id, fingerprint, claimed_at, answer FROM hook_deliveries WHERE hook_id = $1 AND {column} = $2");
        let found = platform.read().await?.opt(sql, args![hook, key], read).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Writes a delivery down and takes it; none: one with its name is there. Older ones are thinned out.
pub(super) async fn insert(tx: &mut Tx, platform: &Platform, hook: &Hook, new: &New<'_>, kept: &Kept) -> Result<Option<Claim>> {
    let (id, at): (HookDeliveryId, Millis) = (platform.new_id(), platform.now());
    let request = match &kept.request {
        Some(text) => Some(platform.seal_in(tx, &request_purpose(id), text).await?),
        None => None,
    };
    let event: String = new.event.chars().take(EVENT_MAX).collect();
    let (of, by) = new.redelivery.unzip();
    let sql =
        "INSERT INTO hook_deliveries (id, hook_id, repeat_key, body_key, fingerprint, received_at, claimed_at, sender, event, request, not_kept,
               redelivery_of, redelivered_by) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";
    let arguments = args![id, hook.id, new.key, new.body_key, new.fingerprint, at, new.sender, event, request, kept.not_kept, of, by];
    if tx.exec(sql, arguments).await? == 0 {
        return Ok(None);
    }
    let sql = "UPDATE hook_deliveries SET request = NULL WHERE hook_id = $1 AND request IS NOT NULL AND id <=
               (SELECT id FROM hook_deliveries WHERE hook_id = $1 AND request IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET $2)";
    tx.exec(sql, args![hook.id, WHOLE]).await?;
    let sql = "DELETE FROM hook_deliveries WHERE hook_id = $1 AND id <=
               (SELECT id FROM hook_deliveries WHERE hook_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    tx.exec(sql, args![hook.id, KEPT]).await?;
    Ok(Some(Claim { id, service: hook.service_id, at }))
}

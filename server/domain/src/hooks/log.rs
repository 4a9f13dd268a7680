//! What was delivered to a hook, with what was answered; and delivering again, for those who mended what was in its way.

use model::hooks::HookAnswer;
use model::ids::HookDeliveryId;
use model::names::HookName;
use model::page::{Page, PageRequest};
use model::views::hooks::{HookDeliveryDetail, HookDeliveryView};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::keep::{self, Kept};
use super::{MayManage, bodies, claim, deliver, request_purpose, rows};
use crate::args;
use crate::change::Record;
use crate::db::{Json, Row, Tx};
use crate::error::{Error, Result};
use crate::keys::hex;
use crate::live::Topic;
use crate::platform::Platform;
use crate::templates::Surroundings;

const SELECT: &str = "SELECT d.id, d.repeat_key, d.received_at, d.sender, d.event, d.status, d.answer, d.deployment_id, d.redelivery_of,
    d.redelivered_by, d.not_kept, d.request IS NOT NULL AND length(d.request) > 0 AND d.not_kept IS NULL AS whole FROM hook_deliveries d";

fn view(row: &Row<'_>) -> Result<HookDeliveryView> {
    Ok(HookDeliveryView {
        id: row.get("id")?,
        received_at: row.get("received_at")?,
        sender: row.get("sender")?,
        event: row.get("event")?,
        key: row.get("repeat_key")?,
        answer: row.get::<Option<Json<HookAnswer>>>("answer")?.map(|answer| answer.0),
        status: row.get("status")?,
        deployment: row.get("deployment_id")?,
        redelivery_of: row.get("redelivery_of")?,
        redelivered_by: row.get("redelivered_by")?,
        whole: row.get("whole")?,
        not_kept: row.get("not_kept")?,
    })
}

/// A hook's deliveries, newest first.
pub async fn deliveries(platform: &Platform, may: &MayManage, hook: &HookName, page: &PageRequest) -> Result<Page<HookDeliveryView>> {
    let mut tx = platform.read().await?;
    let hook = rows::named(&mut tx, may.id, hook).await?;
    let limit = page.limit();
    let sql = format!("{SELECT} WHERE d.hook_id = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3");
    let items = tx.all(sql, args![hook.id, page.before_id(), i64::from(limit) + 1], view).await?;
    Ok(Page::cut(items, limit, |item| item.id.to_string()))
}

async fn one(tx: &mut Tx, hook: &rows::Hook, id: HookDeliveryId) -> Result<HookDeliveryView> {
    let found = tx.opt(format!("{SELECT} WHERE d.hook_id = $1 AND d.id = $2"), args![hook.id, id], view).await?;
    found.ok_or(Error::NotFound { what: "delivery" })
}

/// What is kept of a delivery; none: nothing of its headers and body.
async fn request(tx: &mut Tx, platform: &Platform, id: HookDeliveryId) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let sql = "SELECT request FROM hook_deliveries WHERE id = $1";
    let sealed: Option<Vec<u8>> = tx.one(sql, args![id], |row| row.get("request")).await?;
    let sealed = sealed.filter(|bytes| !bytes.is_empty());
    sealed.map(|bytes| platform.open(&request_purpose(id), &bytes).map(Zeroizing::new)).transpose()
}

/// One delivery, with what was sent.
pub async fn delivery(platform: &Platform, may: &MayManage, hook: &HookName, id: HookDeliveryId) -> Result<HookDeliveryDetail> {
    let mut tx = platform.read().await?;
    let hook = rows::named(&mut tx, may.id, hook).await?;
    let delivery = one(&mut tx, &hook, id).await?;
    let Some(text) = request(&mut tx, platform, id).await? else {
        return Ok(HookDeliveryDetail { delivery, headers: Vec::new(), body: None });
    };
    let (envelope, body) = deliver::kept(id, &text)?;
    Ok(HookDeliveryDetail { delivery, headers: envelope.said(), body: Some(body) })
}

/// Delivers again what is kept whole: it is worked on as if it came now, whatever it was answered before. Answers when it is done. Whoever asks for
/// that is behind what comes of it.
///
/// # Errors
/// `Conflict`: it is not kept whole, or the hook is disabled.
pub async fn redeliver(platform: &Platform, may: &MayManage, site: &Surroundings, hook: &HookName, id: HookDeliveryId) -> Result<HookDeliveryView> {
    let mut tx = platform.read().await?;
    let found = rows::named(&mut tx, may.id, hook).await?;
    let text = whole(&mut tx, platform, &found, id).await?;
    drop(tx);
    let actor = found.actor(may.actor().address()).for_person(may.actor().account()?.id);
    let (envelope, body) = deliver::kept(id, &text)?;
    let letter = bodies::read(&envelope, body.as_bytes());
    let fingerprint = hex(&Sha256::digest(body.as_bytes()));
    let disabled = || Error::conflict("hook_disabled", format!("the hook {hook} is disabled; enable it first"));
    if found.disabled {
        return Err(disabled());
    }
    if keep::holds_a_secret(platform, &found, &actor, &envelope, body.as_bytes()).await? {
        return Err(not_kept("its template asks as a secret by now what it answers"));
    }
    let mut change = platform.change(may.actor()).await?;
    let hook = rows::named(&mut change, may.id, hook).await?;
    if hook.disabled {
        return Err(disabled());
    }
    let new = deliver::again(id, may.actor().name(), &letter, &fingerprint);
    let taken = claim::insert(&mut change, platform, &hook, &new, &Kept::again(&text)).await?;
    let claim = taken.ok_or_else(|| Error::internal("a delivery without a key was there already"))?;
    let record = Record::new("hook.redeliver", "service", &may.name).project(&may.project);
    let detail = serde_json::json!({ "hook": hook.name, "delivery": id });
    change.touch(Topic::Service(may.id));
    change.commit(record.detail(detail)).await?;
    let fresh = claim.id;
    let done = deliver::work(platform, site, hook.clone(), &actor, letter, claim).await;
    match done {
        Ok(_) => one(&mut platform.read().await?, &hook, fresh).await,
        Err(error) => Err(error),
    }
}

/// A delivery that is kept whole.
async fn whole(tx: &mut Tx, platform: &Platform, hook: &rows::Hook, id: HookDeliveryId) -> Result<Zeroizing<Vec<u8>>> {
    if let Some(why) = one(tx, hook, id).await?.not_kept {
        return Err(not_kept(why.why()));
    }
    let found = request(tx, platform, id).await?;
    found.ok_or_else(|| not_kept(&format!("only the last {} deliveries are kept whole", claim::WHOLE)))
}

fn not_kept(why: &str) -> Error {
    Error::conflict("not_kept", format!("{why}; send it again from where it came"))
}

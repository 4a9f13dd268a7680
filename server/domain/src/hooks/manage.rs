//! Hooks as a project's admins manage them. A secret is shown once; a rotated one may hold on for a while, so that senders can be changed over.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::hooks::{HookForm, HookOutcome, HookRule};
use model::ids::{HookId, ServiceId};
use model::names::HookName;
use model::notices::SECRET_PREFIX;
use model::page::{Page, PageRequest};
use model::time::Millis;
use model::views::hooks::{HookView, LastDelivery, NewHook};
use serde_json::json;

use super::{MayManage, secret_purpose};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Json, Row, Tx};
use crate::environments;
use crate::error::{Error, Result};
use crate::keys::hex;
use crate::live::Topic;
use crate::platform::Platform;
use crate::robots::LONGEST_OVERLAP;
use crate::services::Service;

/// Hooks of one service at most.
const MOST: i64 = 20;

/// What can be changed of a hook; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct HookChange {
    /// Which deliveries deploy, and what.
    pub rule: Option<HookRule>,
    /// Whether deliveries are refused.
    pub disabled: Option<bool>,
}

/// What a view is made of; `$2` is now. A hook has one secret without an end, and at most one whose end lies ahead.
const SELECT: &str = "SELECT h.id, h.name, h.address, h.rule, h.created_at, h.created_by, h.disabled_at, e.name AS environment,
    k.created_at AS secret_since, length(k.secret) = 0 AS lost, b.ends_at AS previous_ends, l.received_at AS last_at,
    l.answer AS last_answer
    FROM hooks h JOIN environments e ON e.id = h.environment_id JOIN hook_secrets k ON k.hook_id = h.id AND k.ends_at IS NULL
    LEFT JOIN hook_secrets b ON b.hook_id = h.id AND b.ends_at > $2
    LEFT JOIN hook_deliveries l ON l.id = (SELECT MAX(d.id) FROM hook_deliveries d WHERE d.hook_id = h.id)";

fn view(row: &Row<'_>, service: &Service) -> Result<HookView> {
    let last: Option<Millis> = row.get("last_at")?;
    let answer: Option<Json<model::hooks::HookAnswer>> = row.get("last_answer")?;
    let outcome: Option<HookOutcome> = answer.map(|answer| answer.0.outcome);
    Ok(HookView {
        id: row.get("id")?,
        project: service.project.name.clone(),
        service: service.name.clone(),
        name: row.get("name")?,
        environment: row.get("environment")?,
        path: format!("/hooks/{}", row.get::<String>("address")?),
        rule: row.get::<Json<HookRule>>("rule")?.0,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        disabled_at: row.get("disabled_at")?,
        secret_since: row.get("secret_since")?,
        previous_ends: row.get("previous_ends")?,
        lost: row.get("lost")?,
        last: last.map(|at| LastDelivery { at, outcome }),
    })
}

async fn get_in(tx: &mut Tx, may: &MayManage, name: &HookName, now: Millis) -> Result<HookView> {
    let sql = format!("{SELECT} WHERE h.service_id = $1 AND h.name = $3");
    tx.opt(sql, args![may.id, now, name], |row| view(row, may)).await?.ok_or(Error::NotFound { what: "hook" })
}

/// A service's hooks, by name.
pub async fn list(platform: &Platform, may: &MayManage, page: &PageRequest) -> Result<Page<HookView>> {
    let limit = page.limit();
    let sql = format!("{SELECT} WHERE h.service_id = $1 AND h.name > $3 ORDER BY h.name LIMIT $4");
    let arguments = args![may.id, platform.now(), page.after.as_deref().unwrap_or_default(), i64::from(limit) + 1];
    let hooks = platform.read().await?.all(sql, arguments, |row| view(row, may)).await?;
    Ok(Page::cut(hooks, limit, |hook| hook.name.to_string()))
}

/// One hook.
pub async fn get(platform: &Platform, may: &MayManage, name: &HookName) -> Result<HookView> {
    get_in(&mut platform.read().await?, may, name, platform.now()).await
}

/// Makes a hook. Its secret is in this answer alone.
///
/// # Errors
/// `Conflict` with `name_taken` or `too_many_hooks`; `Invalid`, by field.
pub async fn create(platform: &Platform, may: &MayManage, form: &HookForm) -> Result<NewHook> {
    let order = form.read().map_err(Error::Invalid)?;
    let mut change = begin(platform, may).await?;
    let environment = environments::choose(&mut change, may.project.id, Some(&order.environment)).await?;
    let sql = "SELECT COUNT(*) AS n FROM hooks WHERE service_id = $1";
    if change.one(sql, args![may.id], |row| row.get::<i64>("n")).await? >= MOST {
        return Err(Error::conflict("too_many_hooks", format!("the service has {MOST} hooks, which is the most; delete one first")));
    }
    let id: HookId = platform.new_id();
    let now = platform.now();
    let address = hex(&platform.random_bytes::<16>());
    let sql = "INSERT INTO hooks (id, project_id, service_id, environment_id, name, address, rule, created_at, created_by_id, created_by)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
    let (maker, by) = (may.actor().account()?.id, may.actor().name());
    let arguments = args![id, may.project.id, may.id, environment.id, &order.name, address, Json(&order.rule), now, maker, by];
    if change.exec(sql, arguments).await? == 0 {
        let text = format!("the service has a hook {} already; choose another name, or rotate that hook's secret", order.name);
        return Err(Error::conflict("name_taken", text));
    }
    let secret = put_secret(&mut change, platform, may, id, order.secret).await?;
    let hook = get_in(&mut change, may, &order.name, now).await?;
    let detail = json!({ "hook": hook.name, "environment": hook.environment, "rule": hook.rule });
    change.commit(record(may, "hook.create").detail(detail)).await?;
    Ok(NewHook { hook, secret })
}

/// Changes a hook. Disabled, it refuses deliveries at once, and whoever waits for a deployment of its is sent away.
pub async fn update(platform: &Platform, may: &MayManage, name: &HookName, wanted: &HookChange) -> Result<HookView> {
    let now = platform.now();
    let mut change = begin(platform, may).await?;
    let hook = get_in(&mut change, may, name, now).await?;
    let rule = wanted.rule.as_ref().unwrap_or(&hook.rule);
    let disabled_at = match wanted.disabled {
        Some(true) => Some(hook.disabled_at.unwrap_or(now)),
        Some(false) => None,
        None => hook.disabled_at,
    };
    change.exec("UPDATE hooks SET rule = $2, disabled_at = $3 WHERE id = $1", args![hook.id, Json(rule), disabled_at]).await?;
    let hook = get_in(&mut change, may, name, now).await?;
    change.access_changed();
    let detail = json!({ "hook": hook.name, "rule": hook.rule, "disabled": disabled_at.is_some() });
    change.commit(record(may, "hook.update").detail(detail)).await?;
    Ok(hook)
}

/// Gives a hook a new secret, which is in this answer alone. The old one ends at once, or after so many hours; one that was replaced before ends at
/// once in any case. `typed`: the new one, where somebody chose it.
pub async fn rotate(platform: &Platform, may: &MayManage, name: &HookName, overlap_hours: u32, typed: &str) -> Result<NewHook> {
    if overlap_hours > LONGEST_OVERLAP {
        return Err(Error::invalid("overlap_hours", format!("from 0 to {LONGEST_OVERLAP} hours; 0 ends the old secret at once")));
    }
    let chosen = model::hooks::check_secret(typed).map_err(|message| Error::invalid("secret", message))?;
    let now = platform.now();
    let mut change = begin(platform, may).await?;
    let hook = get_in(&mut change, may, name, now).await?;
    if overlap_hours == 0 {
        change.exec("DELETE FROM hook_secrets WHERE hook_id = $1", args![hook.id]).await?;
    } else {
        change.exec("DELETE FROM hook_secrets WHERE hook_id = $1 AND ends_at IS NOT NULL", args![hook.id]).await?;
        let ends_at = now.plus(Duration::from_secs(u64::from(overlap_hours) * 3600));
        change.exec("UPDATE hook_secrets SET ends_at = $2 WHERE hook_id = $1", args![hook.id, ends_at]).await?;
    }
    let secret = put_secret(&mut change, platform, may, hook.id, chosen).await?;
    let hook = get_in(&mut change, may, name, now).await?;
    change.access_changed();
    change.commit(record(may, "hook.rotate").detail(json!({ "hook": hook.name, "overlap_hours": overlap_hours }))).await?;
    Ok(NewHook { hook, secret })
}

/// Deletes a hook with its log: whoever delivers to it is told that there is none.
pub async fn delete(platform: &Platform, may: &MayManage, name: &HookName) -> Result<()> {
    let mut change = begin(platform, may).await?;
    if change.exec("DELETE FROM hooks WHERE service_id = $1 AND name = $2", args![may.id, name]).await? == 0 {
        return Err(Error::NotFound { what: "hook" });
    }
    change.access_changed();
    change.commit(record(may, "hook.delete").detail(json!({ "hook": name }))).await
}

/// A change of a service's hooks: one at a time, for each begins with a look at what is there.
async fn begin(platform: &Platform, may: &MayManage) -> Result<Change> {
    let mut change = platform.change(may.actor()).await?;
    lock(&mut change, may.id).await?;
    change.touch(Topic::Service(may.id));
    Ok(change)
}

async fn lock(tx: &mut Tx, service: ServiceId) -> Result<()> {
    tx.lock_key(&format!("hooks {service}")).await
}

fn record(may: &MayManage, action: &'static str) -> Record {
    Record::new(action, "service", &may.name).project(&may.project)
}

/// Writes a secret down, sealed: what was chosen, or a new one in the form of Standard Webhooks.
async fn put_secret(change: &mut Change, platform: &Platform, may: &MayManage, hook: HookId, chosen: Option<String>) -> Result<String> {
    let secret = chosen.unwrap_or_else(|| format!("{SECRET_PREFIX}{}", STANDARD.encode(platform.random_bytes::<32>())));
    let id: HookId = platform.new_id();
    let sealed = platform.seal_in(change, &secret_purpose(id), secret.as_bytes()).await?;
    let sql = "INSERT INTO hook_secrets (id, hook_id, secret, created_at, made_by_id) VALUES ($1, $2, $3, $4, $5)";
    change.exec(sql, args![id, hook, sealed, platform.now(), may.actor().account()?.id]).await?;
    Ok(secret)
}

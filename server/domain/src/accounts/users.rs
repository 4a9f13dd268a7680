//! Accounts as operators manage them, and a person's own password. The last operator cannot be disabled or demoted.

use model::ids::UserId;
use model::names::Username;
use model::page::{Page, PageRequest};
use model::secret::Secret;
use model::views::accounts::UserView;

use super::{passwords, sessions};
use crate::access::{Actor, May, Site, can};
use crate::args;
use crate::change::{Change, Record};
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::site;

const COLUMNS: &str = "id, username, operator, disabled_at, created_at, signed_in_at";

/// Makes an account.
pub async fn create(
    platform: &Platform,
    may: &May<can::ManageUsers, Site>,
    username: &Username,
    password: &Secret,
    operator: bool,
) -> Result<UserView> {
    passwords::check("password", username, password)?;
    let hash = passwords::hash(platform, password).await?;
    let mut change = platform.change(may.actor()).await?;
    let id = insert(&mut change, platform, username, &hash, operator).await?;
    let user = get(&mut change, id).await?;
    let detail = serde_json::json!({"operator": operator});
    change.commit(Record::new("user.create", "user", username).detail(detail)).await?;
    Ok(user)
}

/// Makes the first operator, if there is none; otherwise a conflict. Two at once: one wins.
pub(crate) async fn create_first(platform: &Platform, actor: &Actor, username: &Username, password: &Secret) -> Result<()> {
    passwords::check("password", username, password)?;
    let hash = passwords::hash(platform, password).await?;
    let mut change = platform.change(actor).await?;
    change.lock_key("first operator").await?;
    if site::operators(&mut change).await? > 0 {
        return Err(Error::conflict("set_up", "the first operator exists already: sign in"));
    }
    insert(&mut change, platform, username, &hash, true).await?;
    change.exec("DELETE FROM settings WHERE name = 'setup'", args![]).await?;
    change.commit(Record::new("user.create", "user", username).detail(serde_json::json!({"operator": true, "first": true}))).await
}

async fn insert(change: &mut Change, platform: &Platform, username: &Username, hash: &str, operator: bool) -> Result<UserId> {
    let id: UserId = platform.new_id();
    let sql = "INSERT INTO users (id, username, password_hash, operator, created_at, credentials_since) VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING";
    if change.exec(sql, args![id, username, hash, operator, platform.now()]).await? == 0 {
        return Err(Error::conflict("username_taken", format!("there is an account {username} already; choose another name")));
    }
    Ok(id)
}

/// Accounts by name.
pub async fn list(platform: &Platform, _: &May<can::ManageUsers, Site>, page: &PageRequest) -> Result<Page<UserView>> {
    let limit = page.limit();
    let sql = format!("SELECT {COLUMNS} FROM users WHERE deleted_at IS NULL AND username > $1 ORDER BY username LIMIT $2");
    let arguments = args![page.after.as_deref().unwrap_or_default(), i64::from(limit) + 1];
    let users = platform.read().await?.all(sql, arguments, view).await?;
    Ok(Page::cut(users, limit, |user| user.username.to_string()))
}

/// Disables or enables an account, makes it an operator or an ordinary one; what is none stays. A disabled one is signed out everywhere at
/// once.
pub async fn update(
    platform: &Platform,
    may: &May<can::ManageUsers, Site>,
    username: &Username,
    disabled: Option<bool>,
    operator: Option<bool>,
) -> Result<UserView> {
    let mut change = platform.change(may.actor()).await?;
    let user = by_name(&mut change, username).await?;
    if let Some(disabled) = disabled {
        let at = disabled.then(|| user.disabled_at.unwrap_or_else(|| platform.now()));
        change.exec("UPDATE users SET disabled_at = $2 WHERE id = $1", args![user.id, at]).await?;
        if disabled {
            end_password(&mut change, platform, user.id).await?;
            sessions::end_all(&mut change, user.id, None).await?;
        }
    }
    if let Some(operator) = operator {
        change.exec("UPDATE users SET operator = $2 WHERE id = $1", args![user.id, operator]).await?;
    }
    keep_an_operator(&mut change).await?;
    change.access_changed();
    let user = get(&mut change, user.id).await?;
    let detail = serde_json::json!({"disabled": disabled, "operator": operator});
    change.commit(Record::new("user.update", "user", username).detail(detail)).await?;
    Ok(user)
}

/// Gives an account a new password, and ends its sessions.
pub async fn reset_password(platform: &Platform, may: &May<can::ManageUsers, Site>, username: &Username, password: &Secret) -> Result<()> {
    reset(platform, may.actor(), username, password).await
}

/// The same from the machine's console, also for an account that is disabled: it is enabled again, so that an operator that nobody can
/// sign in as is never lost.
pub async fn reset_password_at_console(platform: &Platform, username: &Username, password: &Secret) -> Result<()> {
    reset(platform, &Actor::console(), username, password).await
}

async fn reset(platform: &Platform, actor: &Actor, username: &Username, password: &Secret) -> Result<()> {
    passwords::check("password", username, password)?;
    let hash = passwords::hash(platform, password).await?;
    let mut change = platform.change(actor).await?;
    let user = by_name(&mut change, username).await?;
    put_password(&mut change, platform, user.id, hash).await?;
    if *actor.credential() == crate::access::Credential::Console {
        change.exec("UPDATE users SET disabled_at = NULL WHERE id = $1", args![user.id]).await?;
    }
    sessions::end_all(&mut change, user.id, None).await?;
    change.access_changed();
    change.commit(Record::new("user.reset_password", "user", username)).await
}

/// Deletes an account: its name stays taken, its memberships, sessions and tokens end, what it did stays on record.
pub async fn delete(platform: &Platform, may: &May<can::ManageUsers, Site>, username: &Username) -> Result<()> {
    let mut change = platform.change(may.actor()).await?;
    let user = by_name(&mut change, username).await?;
    let now = platform.now();
    change.exec("UPDATE users SET deleted_at = $2, password_hash = '' WHERE id = $1", args![user.id, now]).await?;
    change.exec("DELETE FROM members WHERE user_id = $1", args![user.id]).await?;
    change.exec("UPDATE tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL", args![user.id, now]).await?;
    sessions::end_all(&mut change, user.id, None).await?;
    keep_an_operator(&mut change).await?;
    change.access_changed();
    change.commit(Record::new("user.delete", "user", username)).await
}

/// Changes the caller's own password; the current one is asked for, and every other session ends.
pub async fn change_own_password(platform: &Platform, actor: &Actor, current: &Secret, new: &Secret) -> Result<()> {
    let account = actor.account()?.clone();
    actor.need(model::access::Scope::Admin)?;
    passwords::check("new_password", &account.name, new)?;
    if super::check_password(platform, account.name.as_str(), current, actor.address()).await.map_err(wrong_current)?.id != account.id {
        return Err(Error::Unauthenticated);
    }
    let hash = passwords::hash(platform, new).await?;
    let mut change = platform.change(actor).await?;
    put_password(&mut change, platform, account.id, hash).await?;
    let own = match actor.credential() {
        crate::access::Credential::Session(hash) => Some(hash.clone()),
        _ => None,
    };
    sessions::end_all(&mut change, account.id, own.as_deref()).await?;
    change.access_changed();
    change.commit(Record::new("user.change_password", "user", &account.name)).await
}

pub(super) async fn put_password(change: &mut Change, platform: &Platform, id: UserId, hash: String) -> Result<()> {
    change.exec("UPDATE users SET password_hash = $2 WHERE id = $1", args![id, hash]).await?;
    end_password(change, platform, id).await
}

/// What was proved with the account's password holds no more. The number always grows, also within a millisecond or when the clock moves back.
async fn end_password(change: &mut Change, platform: &Platform, id: UserId) -> Result<()> {
    let sql = "UPDATE users SET credentials_since = CASE WHEN credentials_since >= $2 THEN credentials_since + 1 ELSE $2 END WHERE id = $1";
    change.exec(sql, args![id, platform.now()]).await.map(drop)
}

fn wrong_current(error: Error) -> Error {
    match error {
        Error::Unauthenticated => Error::invalid("current_password", "this is not your current password"),
        other => other,
    }
}

/// Within the change that would take the last operator away, an error: the change is undone.
async fn keep_an_operator(change: &mut Change) -> Result<()> {
    change.lock_key("operators").await?;
    if site::operators(change).await? > 0 {
        return Ok(());
    }
    Err(Error::conflict("last_operator", "this is the last operator: make another one first"))
}

/// An account by name, for those who may know of it.
pub(crate) async fn by_name(tx: &mut Tx, username: &Username) -> Result<UserView> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE username = $1 AND deleted_at IS NULL");
    tx.opt(sql, args![username], view).await?.ok_or(Error::NotFound { what: "user" })
}

async fn get(tx: &mut Tx, id: UserId) -> Result<UserView> {
    tx.one(format!("SELECT {COLUMNS} FROM users WHERE id = $1"), args![id], view).await
}

fn view(row: &Row<'_>) -> Result<UserView> {
    Ok(UserView {
        id: row.get("id")?,
        username: row.get("username")?,
        operator: row.get("operator")?,
        disabled_at: row.get("disabled_at")?,
        created_at: row.get("created_at")?,
        signed_in_at: row.get("signed_in_at")?,
    })
}

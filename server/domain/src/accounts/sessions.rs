//! Sessions of browsers, as rows: found by the hash of the cookie's value, listed and ended by their owner. The server's session
//! layer puts its own data into `data`; nothing here reads it.

use model::access::Scope;
use model::ids::{SessionId, UserId};
use model::time::Millis;
use model::views::accounts::SessionView;

use crate::access::{Actor, Credential};
use crate::args;
use crate::change::Record;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::platform::Platform;

/// A session as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// SHA-256 of the cookie's value.
    pub id_hash: String,
    /// Whose it is; none before sign-in.
    pub user: Option<UserId>,
    /// The session layer's own data.
    pub data: Vec<u8>,
    /// Where it was opened from.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// When it ends.
    pub expires_at: Millis,
}

/// Stores a new session. False where its id is taken already: the caller chooses another.
pub async fn create(platform: &Platform, session: &Stored) -> Result<bool> {
    let public: SessionId = platform.new_id();
    let now = platform.now();
    let mut write = platform.bookkeeping().await?;
    let made = write
        .exec(
            "INSERT INTO sessions (id_hash, public_id, user_id, data, address, agent, created_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8) ON CONFLICT DO NOTHING",
            args![&session.id_hash, public, session.user, session.data.clone(), &session.address, &session.agent, now, session.expires_at],
        )
        .await?;
    write.finish().await?;
    Ok(made == 1)
}

/// Writes a session as it is now. One that has been ended meanwhile stays ended.
pub async fn save(platform: &Platform, session: &Stored) -> Result<()> {
    let mut write = platform.bookkeeping().await?;
    let sql = "UPDATE sessions SET user_id = $2, data = $3, seen_at = $4, expires_at = $5 WHERE id_hash = $1";
    write.exec(sql, args![&session.id_hash, session.user, session.data.clone(), platform.now(), session.expires_at]).await?;
    write.finish().await
}

/// A session that has not ended, by the hash of its id: its data and its end.
pub async fn load(platform: &Platform, id_hash: &str) -> Result<Option<(Vec<u8>, Millis)>> {
    let sql = "SELECT data, expires_at FROM sessions WHERE id_hash = $1 AND expires_at > $2";
    let read = |row: &Row<'_>| Ok((row.get("data")?, row.get("expires_at")?));
    platform.read().await?.opt(sql, args![id_hash, platform.now()], read).await
}

/// Ends a session by the hash of its id. Ending one that is gone is fine.
pub async fn remove(platform: &Platform, id_hash: &str) -> Result<()> {
    let mut write = platform.bookkeeping().await?;
    write.exec("DELETE FROM sessions WHERE id_hash = $1", args![id_hash]).await?;
    write.finish().await?;
    platform.publish_access_change();
    Ok(())
}

/// The caller's own sessions, newest first; at most 100 are kept in sight.
pub async fn list(platform: &Platform, actor: &Actor) -> Result<Vec<SessionView>> {
    let account = actor.account()?;
    actor.need(Scope::Read)?;
    let own = own_hash(actor);
    let sql = "SELECT id_hash, public_id, address, agent, created_at, seen_at, expires_at FROM sessions
               WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC LIMIT 100";
    let view = |row: &Row<'_>| {
        Ok(SessionView {
            id: row.get("public_id")?,
            current: own.is_some_and(|own| row.get::<String>("id_hash").is_ok_and(|hash| hash == own)),
            address: row.get("address")?,
            agent: row.get("agent")?,
            created_at: row.get("created_at")?,
            seen_at: row.get("seen_at")?,
            expires_at: row.get("expires_at")?,
        })
    };
    platform.read().await?.all(sql, args![account.id, platform.now()], view).await
}

/// Ends one of the caller's own sessions; what it holds open (shells, streams) is cut.
pub async fn end(platform: &Platform, actor: &Actor, id: SessionId) -> Result<()> {
    let account = actor.account()?.clone();
    actor.need(Scope::Admin)?;
    let mut change = platform.change(actor).await?;
    let ended = change.exec("DELETE FROM sessions WHERE public_id = $1 AND user_id = $2", args![id, account.id]).await?;
    if ended == 0 {
        return Err(Error::NotFound { what: "session" });
    }
    change.access_changed();
    change.commit(Record::new("session.end", "session", id)).await
}

/// Ends every session of the caller but the one that asks.
pub async fn end_others(platform: &Platform, actor: &Actor) -> Result<()> {
    let account = actor.account()?.clone();
    actor.need(Scope::Admin)?;
    let mut change = platform.change(actor).await?;
    end_all(&mut change, account.id, own_hash(actor)).await?;
    change.access_changed();
    change.commit(Record::new("session.end_others", "user", account.name)).await
}

pub(crate) async fn end_all(tx: &mut Tx, user: UserId, but: Option<&str>) -> Result<u64> {
    tx.exec("DELETE FROM sessions WHERE user_id = $1 AND id_hash <> $2", args![user, but.unwrap_or_default()]).await
}

/// Records a sign-in or sign-out of the actor.
pub async fn note(platform: &Platform, actor: &Actor, action: SignInOut) -> Result<()> {
    let account = actor.account()?.clone();
    let mut change = platform.change(actor).await?;
    let action = match action {
        SignInOut::In => {
            change.exec("UPDATE users SET signed_in_at = $2 WHERE id = $1", args![account.id, platform.now()]).await?;
            "session.create"
        }
        SignInOut::Out => "session.sign_out",
    };
    change.commit(Record::new(action, "user", &account.name)).await
}

/// A sign-in or a sign-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInOut {
    /// Signed in.
    In,
    /// Signed out.
    Out,
}

fn own_hash(actor: &Actor) -> Option<&str> {
    match actor.credential() {
        Credential::Session(hash) => Some(hash),
        Credential::None
        | Credential::Token(_)
        | Credential::Robot(_)
        | Credential::Password { .. }
        | Credential::Hook(_)
        | Credential::Push
        | Credential::Console => None,
    }
}

pub(crate) async fn holds(tx: &mut Tx, id_hash: &str, now: Millis) -> Result<bool> {
    let sql = "SELECT CAST(1 AS BIGINT) AS one FROM sessions WHERE id_hash = $1 AND expires_at > $2";
    Ok(tx.opt(sql, args![id_hash, now], |row| row.get::<i64>("one")).await?.is_some())
}

/// Removes sessions that have ended; for the housekeeping loop.
pub async fn sweep(worker: &crate::Worker) -> Result<u64> {
    let now = worker.platform().now();
    let mut write = worker.change().await?;
    let gone = write.exec("DELETE FROM sessions WHERE expires_at <= $1", args![now]).await?;
    write.finish().await?;
    Ok(gone)
}

//! What belongs to the whole site: its instance id, its settings, and the first operator's set-up.

use model::names::Username;
use model::secret::Secret;

use crate::access::Actor;
use crate::accounts::{self, passwords};
use crate::args;
use crate::change::Record;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::keys::token_hash;
use crate::platform::Platform;

/// How the first operator comes to be.
#[derive(Debug)]
pub enum FirstRun {
    /// There is one already.
    Done,
    /// The account `admin` was made with the configured password.
    Made,
    /// A one-time link is needed: this is its token.
    Token(Secret),
}

/// Reads or makes what the site needs before anything else runs. Idempotent.
pub async fn prepare(platform: &Platform) -> Result<()> {
    let mut write = platform.bookkeeping().await?;
    let fresh: model::ids::MachineId = platform.new_id();
    let sql = "INSERT INTO settings (name, value) VALUES ('instance', $1) ON CONFLICT DO NOTHING";
    write.exec(sql, args![fresh.to_string()]).await?;
    let instance = setting(&mut write, "instance").await?.ok_or_else(|| Error::internal("no instance id"))?;
    write.finish().await?;
    platform.set_instance(instance);
    Ok(())
}

/// Makes the first operator from a configured password, or a one-time link for them. A link made earlier ends with the next start.
pub async fn first_run(platform: &Platform, password: Option<&Secret>) -> Result<FirstRun> {
    if operators(&mut platform.read().await?).await? > 0 {
        return Ok(FirstRun::Done);
    }
    let console = Actor::console();
    if let Some(password) = password {
        let admin: Username = "admin".parse().map_err(|_| Error::internal("admin is a user name"))?;
        accounts::users::create_first(platform, &console, &admin, password).await?;
        return Ok(FirstRun::Made);
    }
    let token = platform.new_token("setup_");
    let mut change = platform.change(&console).await?;
    let sql = "INSERT INTO settings (name, value) VALUES ('setup', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    change.exec(sql, args![token_hash(&token)]).await?;
    change.commit(Record::new("setup.open", "site", "slipway")).await?;
    Ok(FirstRun::Token(Secret::new(token)))
}

/// Whether somebody has still to be made the first operator.
pub async fn needs_setup(platform: &Platform) -> Result<bool> {
    Ok(operators(&mut platform.read().await?).await? == 0)
}

/// Uses the one-time link: makes the first operator.
pub async fn set_up(platform: &Platform, actor: &Actor, token: &Secret, username: &Username, password: &Secret) -> Result<()> {
    check_setup_token(platform, token).await?;
    passwords::check("password", username, password)?;
    accounts::users::create_first(platform, actor, username, password).await
}

async fn check_setup_token(platform: &Platform, token: &Secret) -> Result<()> {
    let stored = setting(&mut platform.read().await?, "setup").await?.unwrap_or_default();
    let given = token_hash(token.expose());
    if bool::from(subtle::ConstantTimeEq::ct_eq(stored.as_bytes(), given.as_bytes())) {
        return Ok(());
    }
    Err(Error::invalid("token", "this set-up link does not hold; the portal prints a new one when it starts without an operator"))
}

/// Whether any signed-in user may create projects; operators can switch it off.
pub(crate) async fn anyone_creates_projects(tx: &mut Tx) -> Result<bool> {
    Ok(setting(tx, "anyone_creates_projects").await?.as_deref() != Some("false"))
}

pub(crate) async fn setting(tx: &mut Tx, name: &'static str) -> Result<Option<String>> {
    tx.opt("SELECT value FROM settings WHERE name = $1", args![name], |row| row.get("value")).await
}

pub(crate) async fn put_setting(tx: &mut Tx, name: &'static str, value: &str) -> Result<()> {
    let sql = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.exec(sql, args![name, value]).await.map(drop)
}

pub(crate) async fn operators(tx: &mut Tx) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS n FROM users WHERE operator AND disabled_at IS NULL AND deleted_at IS NULL";
    tx.one(sql, args![], |row| row.get("n")).await
}

/// Whether the database answers.
pub async fn answers(platform: &Platform) -> Result<()> {
    let found = setting(&mut platform.read().await?, "instance").await?;
    found.map(drop).ok_or_else(|| Error::Unavailable("the site is not prepared".into()))
}

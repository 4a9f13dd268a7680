//! Accounts of people: sign-in, sessions, passwords, tokens, and who a credential stands for. Nothing here tells an outsider which user names exist: a
//! wrong name and a wrong password take the same time and get the same answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use model::access::Scope;
use model::ids::UserId;
use model::names::{AccountName, Username};
use model::secret::Secret;
use model::time::Millis;
use model::views::accounts::Me;

use crate::access::{Account, Actor, Credential};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::hooks;
use crate::platform::Platform;
use crate::robots;

pub mod passwords;
pub mod sessions;
pub mod throttle;
pub mod tokens;
pub mod users;

/// How long a password that was right in a Basic header is taken as right without hashing it again.
const CREDENTIAL_CACHE: Duration = Duration::from_secs(60);
/// Credentials that are remembered so at most.
const CREDENTIAL_CACHE_SIZE: usize = 4096;

impl Actor {
    /// Whoever stands at the machine and runs a command of the binary over the data folder.
    #[must_use]
    pub fn console() -> Self {
        Self::nobody("console").proved_by(Credential::Console)
    }

    /// The signed-in person, for pages.
    pub fn me(&self) -> Result<Me> {
        let account = self.account()?;
        Ok(Me { id: account.id, username: account.name.clone(), operator: account.operator })
    }
}

/// Whether a Bearer header's text is a secret of an account, for [`authenticate_bearer`], and not a signed token of some door.
#[must_use]
pub fn is_bearer_secret(token: &Secret) -> bool {
    token.expose().starts_with(tokens::PREFIX) || token.expose().starts_with(robots::PREFIX)
}

/// The actor behind a Basic header: user name and password, user name and a personal access token, or a robot's name and its secret.
pub async fn authenticate_basic(platform: &Platform, username: &str, secret: &Secret, address: &str) -> Result<Actor> {
    if AccountName::means_robot(username) || robots::is_secret(secret) {
        return robots::authenticate(platform, Some(username), secret, address).await;
    }
    if secret.expose().starts_with(tokens::PREFIX) {
        let actor = authenticate_bearer(platform, secret, address).await?;
        // The name is part of the credential: a token under another's name is wrong.
        return if actor.name() == username { Ok(actor) } else { Err(Error::Unauthenticated) };
    }
    let key = platform.credential_key(username, secret);
    if let Some(actor) = remembered(platform, &key, address).await? {
        return Ok(actor);
    }
    // A client that sends ten requests at once is one client with one password: the first hashes it, the others wait for what it found. Each
    // on its own would be counted as an attempt, and throttled.
    let turn = platform.credentials().turn(key);
    let _turn = turn.lock().await;
    if let Some(actor) = remembered(platform, &key, address).await? {
        return Ok(actor);
    }
    let account = check_password(platform, username, secret, address).await?;
    let since = account.password_since;
    platform.credentials().put(key, (account.id, since), platform.now());
    Ok(Actor::account_with(account, Credential::Password { since }, None, address.to_owned()))
}

/// The actor of a password that was lately found right.
async fn remembered(platform: &Platform, key: &[u8; 32], address: &str) -> Result<Option<Actor>> {
    let Some((id, since)) = platform.credentials().get(key, platform.now()) else { return Ok(None) };
    // What was found right was that password: the account may have another one by now, or be disabled.
    let account = account(&mut platform.read().await?, id).await?.filter(|account| account.password_since == since);
    Ok(account.map(|account| Actor::account_with(account, Credential::Password { since }, None, address.to_owned())))
}

/// The actor behind a Bearer header: a personal access token, or a robot's secret.
pub async fn authenticate_bearer(platform: &Platform, token: &Secret, address: &str) -> Result<Actor> {
    if token.expose().starts_with(robots::PREFIX) {
        return robots::authenticate(platform, None, token, address).await;
    }
    let found = tokens::find(platform, token).await?.ok_or(Error::Unauthenticated)?;
    Ok(Actor::account_with(found.account, Credential::Token(found.id), Some(found.scopes), address.to_owned()))
}

/// Checks a user name and password, slowly, throttled, and in the same time whether or not the name exists.
pub async fn check_password(platform: &Platform, username: &str, password: &Secret, address: &str) -> Result<Account> {
    let throttle = platform.throttle();
    throttle.admit(platform.now(), username, address)?;
    let found = match username.parse::<Username>() {
        Ok(name) => {
            let sql = "SELECT id, username, operator, credentials_since, password_hash FROM users WHERE username = $1 AND disabled_at IS NULL AND deleted_at IS NULL";
            let read = |row: &Row<'_>| Ok((account_of(row)?, row.get::<String>("password_hash")?));
            platform.read().await?.opt(sql, args![&name], read).await?
        }
        Err(_) => None,
    };
    let (account, hash) = match found {
        Some((account, hash)) => (Some(account), Some(hash)),
        None => (None, None),
    };
    let right = passwords::verify(platform, hash, password).await?;
    match account {
        Some(account) if right => {
            throttle.succeeded(username, address);
            Ok(account)
        }
        _ => {
            tracing::warn!(client.address = address, "a sign-in failed");
            Err(Error::Unauthenticated)
        }
    }
}

/// The actor of an account by its id, behind a credential that was checked elsewhere (a signed registry token). None where the account
/// is gone or disabled.
pub async fn actor_by_id(
    platform: &Platform,
    id: UserId,
    credential: Credential,
    scopes: Option<BTreeSet<Scope>>,
    address: &str,
) -> Result<Option<Actor>> {
    let account = account(&mut platform.read().await?, id).await?.filter(|account| password_holds(account, &credential));
    Ok(account.map(|account| Actor::account_with(account, credential, scopes, address.to_owned())))
}

/// The same actor as the database has them now; an error where the credential has ended or the account is disabled.
pub async fn refresh(platform: &Platform, actor: &Actor) -> Result<Actor> {
    let mut tx = platform.read().await?;
    let id = actor.account()?.id;
    if let Credential::Robot(secret) = actor.credential() {
        // Its scopes too are what they are now.
        return robots::by_secret(&mut tx, id, *secret, platform.now(), actor.address()).await?.ok_or(Error::Unauthenticated);
    }
    if let Credential::Hook(hook) = actor.credential() {
        return hooks::by_id(&mut tx, *hook, actor.address()).await?.ok_or(Error::Unauthenticated);
    }
    let account = account(&mut tx, id).await?.ok_or(Error::Unauthenticated)?;
    let holds = match actor.credential() {
        Credential::Session(hash) => sessions::holds(&mut tx, hash, platform.now()).await?,
        Credential::Token(id) => tokens::holds(&mut tx, *id, platform.now()).await?,
        Credential::Password { .. } => password_holds(&account, actor.credential()),
        Credential::Console => true,
        Credential::None | Credential::Push | Credential::Robot(_) | Credential::Hook(_) => false,
    };
    if !holds {
        return Err(Error::Unauthenticated);
    }
    Ok(actor.clone().with_account(account))
}

/// Whether the password that this rests on, if it rests on one, was not changed since.
fn password_holds(account: &Account, credential: &Credential) -> bool {
    match credential {
        Credential::Password { since } => *since == account.password_since,
        _ => true,
    }
}

/// A person's account that is there and not disabled.
pub(crate) async fn account(tx: &mut Tx, id: UserId) -> Result<Option<Account>> {
    let sql = "SELECT id, username, operator, credentials_since FROM users WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL";
    tx.opt(sql, args![id], account_of).await
}

pub(crate) fn account_of(row: &Row<'_>) -> Result<Account> {
    let name: Username = row.get("username")?;
    Ok(Account { id: row.get("id")?, name: name.into(), operator: row.get("operator")?, robot: None, password_since: row.get("credentials_since")? })
}

/// An account, and which of its passwords it was ([`Account::password_since`]).
type Proved = (UserId, Millis);

/// Passwords lately found right, by a keyed hash of name and password. What it says holds only while the account has that very password, which
/// is asked of the database each time: so nothing needs to be forgotten when one changes, and no change can be missed.
#[derive(Default)]
pub(crate) struct CredentialCache {
    entries: Mutex<HashMap<[u8; 32], (Proved, Millis)>>,
    /// Who is checking which credential at this moment.
    turns: Mutex<HashMap<[u8; 32], Weak<tokio::sync::Mutex<()>>>>,
}

impl CredentialCache {
    /// The turn to check a credential: whoever brings the same one waits for it.
    fn turn(&self, key: [u8; 32]) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (Proved, Millis)>> {
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn get(&self, key: &[u8; 32], now: Millis) -> Option<Proved> {
        self.entries().get(key).filter(|(_, at)| *at <= now && now.since(*at) < CREDENTIAL_CACHE).map(|(proved, _)| *proved)
    }

    fn put(&self, key: [u8; 32], proved: Proved, now: Millis) {
        let mut entries = self.entries();
        if entries.len() >= CREDENTIAL_CACHE_SIZE {
            entries.clear();
        }
        entries.insert(key, (proved, now));
    }
}

#[cfg(test)]
mod tests;

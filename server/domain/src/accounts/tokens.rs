//! Personal access tokens: random, shown once, stored as SHA-256, with scopes as a ceiling and an end.

use std::collections::BTreeSet;
use std::time::Duration;

use model::access::Scope;
use model::ids::TokenId;
use model::problem::FieldError;
use model::secret::Secret;
use model::time::Millis;
use model::views::accounts::{NewToken, TokenView};

use super::account_of;
use crate::access::{Account, Actor, Credential};
use crate::args;
use crate::change::Record;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::keys::token_hash;
use crate::platform::Platform;

/// What every personal access token begins with, so that scanners for leaked secrets know it.
pub const PREFIX: &str = "slw_";
/// Tokens of one person at most.
const MOST: i64 = 100;
/// The time of last use is kept to this.
const USED_GRAIN: Duration = Duration::from_secs(60);
/// Longest life that can be asked for, in days.
const LONGEST_DAYS: u32 = 3650;

pub(crate) struct Found {
    pub(crate) id: TokenId,
    pub(crate) account: Account,
    pub(crate) scopes: BTreeSet<Scope>,
}

/// Makes a token for the caller. A token without the scope `admin` cannot make another one.
pub async fn create(platform: &Platform, actor: &Actor, name: &str, scopes: &[Scope], expires_in_days: Option<u32>) -> Result<NewToken> {
    let account = actor.account()?.clone();
    // A token that could make others would outlive its own end.
    actor.need(Scope::Admin)?;
    check(name, scopes, expires_in_days)?;
    let secret = platform.new_token(PREFIX);
    let now = platform.now();
    let expires_at = expires_in_days.map(|days| now.plus(Duration::from_secs(u64::from(days) * 86_400)));
    let scopes: BTreeSet<Scope> = scopes.iter().copied().collect();
    let token = TokenView {
        id: platform.new_id(),
        name: name.to_owned(),
        scopes: scopes.iter().copied().collect(),
        created_at: now,
        expires_at,
        used_at: None,
    };
    let mut change = platform.change(actor).await?;
    // Two at once would both find room for one.
    change.lock_key(&format!("tokens {}", account.id)).await?;
    let count: i64 =
        change.one("SELECT COUNT(*) AS n FROM tokens WHERE user_id = $1 AND revoked_at IS NULL", args![account.id], |row| row.get("n")).await?;
    if count >= MOST {
        return Err(Error::conflict("too_many_tokens", format!("you have {MOST} tokens; revoke one first")));
    }
    change
        .exec(
            "INSERT INTO tokens (id, user_id, name, hash, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![token.id, account.id, name, token_hash(&secret), words(&scopes), now, expires_at],
        )
        .await?;
    let detail = serde_json::json!({"scopes": token.scopes, "expires_at": expires_at});
    change.commit(Record::new("token.create", "token", name).detail(detail)).await?;
    Ok(NewToken { token, secret })
}

fn check(name: &str, scopes: &[Scope], expires_in_days: Option<u32>) -> Result<()> {
    let mut wrong = Vec::new();
    if name.trim().is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        wrong.push(FieldError::new("name", "a token's name has 1 to 80 characters: say what it is for"));
    }
    if scopes.is_empty() {
        wrong.push(FieldError::new("scopes", "choose at least one of read, pull, push, deploy, shell, metrics, discovery, admin"));
    }
    if expires_in_days.is_some_and(|days| !(1..=LONGEST_DAYS).contains(&days)) {
        wrong.push(FieldError::new("expires_in_days", format!("from 1 to {LONGEST_DAYS} days, or left out for no end")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// The caller's own tokens, newest first.
pub async fn list(platform: &Platform, actor: &Actor) -> Result<Vec<TokenView>> {
    actor.account()?;
    actor.need(Scope::Read)?;
    let sql = "SELECT id, name, scopes, created_at, expires_at, used_at FROM tokens
               WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC LIMIT 200";
    platform.read().await?.all(sql, args![actor.account()?.id], view).await
}

/// Revokes one of the caller's own tokens. A token may always end itself, whatever else it may do: whoever signs out of a program does that.
pub async fn revoke(platform: &Platform, actor: &Actor, id: TokenId) -> Result<()> {
    let account = actor.account()?.clone();
    if *actor.credential() != Credential::Token(id) {
        actor.need(Scope::Admin)?;
    }
    let mut change = platform.change(actor).await?;
    let sql = "UPDATE tokens SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING name";
    let name: Option<String> = change.opt(sql, args![id, account.id, platform.now()], |row| row.get("name")).await?;
    let name = name.ok_or(Error::NotFound { what: "token" })?;
    change.access_changed();
    change.commit(Record::new("token.revoke", "token", name)).await
}

/// Finds a token that holds, with its account; notes the use.
pub(crate) async fn find(platform: &Platform, token: &Secret) -> Result<Option<Found>> {
    let now = platform.now();
    let sql = "SELECT t.id AS token_id, t.scopes, t.used_at, u.id, u.username, u.operator, u.credentials_since FROM tokens t JOIN users u ON u.id = t.user_id
               WHERE t.hash = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2)
               AND u.disabled_at IS NULL AND u.deleted_at IS NULL";
    let read = |row: &Row<'_>| {
        let found = Found { id: row.get("token_id")?, account: account_of(row)?, scopes: parse(&row.get::<String>("scopes")?) };
        Ok((found, row.get::<Option<Millis>>("used_at")?))
    };
    let found = platform.read().await?.opt(sql, args![token_hash(token.expose()), now], read).await?;
    let Some((found, used_at)) = found else { return Ok(None) };
    if used_at.is_none_or(|at| now.since(at) >= USED_GRAIN) {
        let mut write = platform.bookkeeping().await?;
        write.exec("UPDATE tokens SET used_at = $2 WHERE id = $1", args![found.id, now]).await?;
        write.finish().await?;
    }
    Ok(Some(found))
}

pub(crate) async fn holds(tx: &mut Tx, id: TokenId, now: Millis) -> Result<bool> {
    let sql = "SELECT id FROM tokens WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    Ok(tx.opt(sql, args![id, now], |row| row.get::<TokenId>("id")).await?.is_some())
}

/// The scopes of a token that holds, for a caller that bears proof of it made earlier.
pub async fn scopes(platform: &Platform, credential: &Credential) -> Result<Option<BTreeSet<Scope>>> {
    let Credential::Token(id) = credential else { return Ok(None) };
    let sql = "SELECT scopes FROM tokens WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    let words: Option<String> = platform.read().await?.opt(sql, args![*id, platform.now()], |row| row.get("scopes")).await?;
    words.map(|words| Some(parse(&words))).ok_or(Error::Unauthenticated)
}

fn view(row: &Row<'_>) -> Result<TokenView> {
    Ok(TokenView {
        id: row.get("id")?,
        name: row.get("name")?,
        scopes: parse(&row.get::<String>("scopes")?).into_iter().collect(),
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        used_at: row.get("used_at")?,
    })
}

fn words(scopes: &BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Words that are no scope (any more) give nothing.
fn parse(words: &str) -> BTreeSet<Scope> {
    words.split(' ').filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::authenticate_bearer;
    use crate::testing::Store;

    #[tokio::test]
    async fn a_narrow_token_ends_itself_and_no_other() {
        let store = Store::open().await;
        let ana = store.person("ana", false).await;
        let make = async |name: &str| create(&store.platform, &ana, name, &[Scope::Read, Scope::Shell], None).await.expect("made");
        let bearer = async |made: &NewToken| authenticate_bearer(&store.platform, &Secret::new(made.secret.clone()), "10.0.0.1").await;
        let (own, other) = (make("client").await, make("another").await);
        let client = bearer(&own).await.expect("it holds");
        let refused = revoke(&store.platform, &client, other.token.id).await.expect_err("that is not itself");
        assert!(matches!(refused, Error::Forbidden(_)), "{refused:?}");
        revoke(&store.platform, &client, own.token.id).await.expect("its own end");
        assert!(matches!(bearer(&own).await, Err(Error::Unauthenticated)));
        bearer(&other).await.expect("the other one holds");
        assert!(store.audit().await.contains(&"token.revoke client".to_owned()), "it is on record");
    }
}

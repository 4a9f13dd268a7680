//! How a robot comes in: its secret is found by its hash. Nothing here costs a password's hash. A right secret always comes in, whatever wrong
//! ones came before it (160 random bits are not guessed); wrong ones are answered later and later, and counted apart from people's passwords.

use std::collections::BTreeSet;
use std::time::Duration;

use model::access::{Role, Scope};
use model::ids::{RobotSecretId, UserId};
use model::names::{AccountName, ProjectName, RobotName};
use model::secret::Secret;
use model::time::Millis;

use super::scopes;
use crate::access::{Account, Actor, Credential};
use crate::args;
use crate::db::{Row, Tx};
use crate::error::{Error, Result};
use crate::keys::token_hash;
use crate::platform::Platform;

/// What every robot's secret begins with, so that scanners for leaked secrets know it.
pub const PREFIX: &str = "slr_";
/// Characters behind it.
const DIGITS: usize = 40;
/// The time of last use is kept to this.
const USED_GRAIN: Duration = Duration::from_secs(60);

/// Whether a text has the form of a robot's secret.
#[must_use]
pub fn is_secret(text: &Secret) -> bool {
    text.expose().strip_prefix(PREFIX).is_some_and(|rest| rest.len() == DIGITS && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

struct Found {
    secret: RobotSecretId,
    account: Account,
    scopes: BTreeSet<Scope>,
    used_at: Option<Millis>,
}

impl Found {
    fn actor(self, address: &str) -> Actor {
        Actor::account_with(self.account, Credential::Robot(self.secret), Some(self.scopes), address.to_owned())
    }
}

/// A secret that holds, of a robot that is neither disabled nor expired, of a project that is there. `$2` is now.
const SELECT: &str = "SELECT s.id AS secret_id, s.used_at, r.id, r.project_id, r.name, r.role, r.scopes, p.name AS project
    FROM robot_secrets s JOIN robots r ON r.id = s.robot_id JOIN projects p ON p.id = r.project_id
    WHERE (s.ends_at IS NULL OR s.ends_at > $2) AND r.disabled_at IS NULL AND (r.expires_at IS NULL OR r.expires_at > $2) AND p.deleted_at IS NULL";

fn found(row: &Row<'_>) -> Result<Found> {
    let account = account_of(row)?;
    let chosen = scopes::parse(&row.get::<String>("scopes")?);
    let role: Role = row.get("role")?;
    Ok(Found { secret: row.get("secret_id")?, account, scopes: scopes::reach(role, &chosen), used_at: row.get("used_at")? })
}

/// A robot that may come in now, whatever secrets it has: for what is done in its name.
pub(crate) async fn account(tx: &mut Tx, robot: UserId, now: Millis) -> Result<Option<Account>> {
    let sql = "SELECT r.id, r.project_id, r.name, p.name AS project FROM robots r JOIN projects p ON p.id = r.project_id
               WHERE r.id = $1 AND r.disabled_at IS NULL AND (r.expires_at IS NULL OR r.expires_at > $2) AND p.deleted_at IS NULL";
    tx.opt(sql, args![robot, now], account_of).await
}

fn account_of(row: &Row<'_>) -> Result<Account> {
    let (project, name): (ProjectName, RobotName) = (row.get("project")?, row.get("name")?);
    Ok(Account {
        id: row.get("id")?,
        name: AccountName::of_robot(&project, &name),
        operator: false,
        robot: Some(row.get("project_id")?),
        password_since: Millis(0),
    })
}

/// The robot behind a secret, and behind this name if one was sent with it; notes the use.
pub(crate) async fn authenticate(platform: &Platform, name: Option<&str>, secret: &Secret, address: &str) -> Result<Actor> {
    let now = platform.now();
    let right = if is_secret(secret) {
        let sql = format!("{SELECT} AND s.hash = $1");
        platform.read().await?.opt(sql, args![token_hash(secret.expose()), now], found).await?
    } else {
        None
    };
    // The name is part of the credential: a secret under another's name is wrong.
    let Some(right) = right.filter(|found| name.is_none_or(|name| name == found.account.name.as_str())) else {
        // Under the name of a person it is no attempt at that person's account.
        let counted = name.filter(|name| AccountName::means_robot(name)).unwrap_or("a robot");
        platform.robot_throttle().admit(now, counted, address)?;
        tracing::warn!(client.address = address, "a robot's secret was wrong, or the robot is disabled or has expired");
        return Err(Error::Unauthenticated);
    };
    if right.used_at.is_none_or(|at| now.since(at) >= USED_GRAIN) {
        let mut write = platform.bookkeeping().await?;
        // The robot's row first, as where it is deleted: else the two could wait for each other.
        write.exec("UPDATE robots SET used_at = $2 WHERE id = $1", args![right.account.id, now]).await?;
        write.exec("UPDATE robot_secrets SET used_at = $2 WHERE id = $1", args![right.secret, now]).await?;
        write.finish().await?;
    }
    Ok(right.actor(address))
}

/// The robot that proved itself with a secret earlier, as it is now; none where the secret has ended or the robot may not come in.
pub async fn actor(platform: &Platform, robot: UserId, secret: RobotSecretId, address: &str) -> Result<Option<Actor>> {
    by_secret(&mut platform.read().await?, robot, secret, platform.now(), address).await
}

pub(crate) async fn by_secret(tx: &mut Tx, robot: UserId, secret: RobotSecretId, now: Millis, address: &str) -> Result<Option<Actor>> {
    let sql = format!("{SELECT} AND s.id = $1 AND r.id = $3");
    Ok(tx.opt(sql, args![secret, now, robot], found).await?.map(|found| found.actor(address)))
}

//! Who asked for a copy, kept so that they can be asked for their rights again when nobody is connected any more.
//!
//! What ends a copy: the account disabled or deleted, the role lost, the token or robot's secret revoked or expired, the password changed that it was asked
//! with. What does not: a session that ended, because people ask for a copy and go home.

use std::collections::BTreeSet;

use model::access::Scope;
use model::ids::{RobotSecretId, TokenId, UserId};
use model::time::Millis;
use serde::{Deserialize, Serialize};

use crate::access::{Actor, Credential};
use crate::accounts::{self, tokens};
use crate::db::{Json, Value};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::robots;

/// What a request was proved by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof {
    by: By,
    /// The ceiling at that time, where there was one.
    scopes: Option<BTreeSet<Scope>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Session,
    Token(TokenId),
    Robot(RobotSecretId),
    Password(i64),
}

/// The proof of a caller, as it is stored.
pub(super) fn of(actor: &Actor) -> Result<Value> {
    let by = match actor.credential() {
        Credential::Session(_) => By::Session,
        Credential::Token(id) => By::Token(*id),
        Credential::Robot(id) => By::Robot(*id),
        Credential::Password { since } => By::Password(since.0),
        Credential::None | Credential::Hook(_) | Credential::Push | Credential::Console => return Err(Error::Unauthenticated),
    };
    Ok(Json(Proof { by, scopes: actor.ceiling().cloned() }).into())
}

/// The caller again, as they are now.
///
/// # Errors
/// `Unauthenticated` when the account is gone or disabled, or what it was proved by has ended.
pub async fn asker_of(platform: &Platform, job: &super::work::Job) -> Result<Actor> {
    again(platform, job.asked_by, &job.proof, &job.address).await
}

async fn again(platform: &Platform, id: UserId, proof: &Proof, address: &str) -> Result<Actor> {
    let credential = match proof.by {
        By::Session => Credential::Session("ended".into()),
        By::Token(id) => Credential::Token(id),
        By::Robot(id) => Credential::Robot(id),
        By::Password(since) => Credential::Password { since: Millis(since) },
    };
    // A token's scopes as they are now, under those that it was used with.
    let actor = match &credential {
        Credential::Robot(secret) => robots::actor(platform, id, *secret, address).await?,
        _ => {
            let now = tokens::scopes(platform, &credential).await?;
            accounts::actor_by_id(platform, id, credential, now, address).await?
        }
    };
    let actor = actor.ok_or(Error::Unauthenticated)?;
    Ok(match &proof.scopes {
        Some(scopes) => actor.limited_to(scopes.iter().copied()),
        None => actor,
    })
}

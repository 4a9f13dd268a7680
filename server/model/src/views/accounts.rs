//! Views of people, their sessions and their tokens.

use serde::{Deserialize, Serialize};

use crate::access::Scope;
use crate::ids::{SessionId, TokenId, UserId};
use crate::names::{AccountName, Username};
use crate::time::Millis;

/// The caller's own account, as every page and the API know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// Their account.
    pub id: UserId,
    /// Their name; a robot's where one asks.
    pub username: AccountName,
    /// Whether they are a site administrator.
    pub operator: bool,
}

/// An account, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// The account.
    pub id: UserId,
    /// Its name.
    pub username: Username,
    /// Whether it is a site administrator.
    pub operator: bool,
    /// When it was disabled, if it is.
    pub disabled_at: Option<Millis>,
    /// When it was made.
    pub created_at: Millis,
    /// When it signed in last.
    pub signed_in_at: Option<Millis>,
}

/// One of a person's own sign-ins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The session; not the cookie's value.
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// The address that it was opened from.
    pub address: String,
    /// The browser's own description of itself.
    pub agent: String,
    /// When it was opened.
    pub created_at: Millis,
    /// When it was used last (to the minute).
    pub seen_at: Millis,
    /// When it ends if it is not used.
    pub expires_at: Millis,
}

/// One of a person's own tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// The token.
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for at most.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Millis,
    /// When it ends, if it does.
    pub expires_at: Option<Millis>,
    /// When it was used last (to the minute).
    pub used_at: Option<Millis>,
}

/// A token just made: the only time that its secret is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// The token.
    pub token: TokenView,
    /// The secret, to be copied now.
    pub secret: String,
}

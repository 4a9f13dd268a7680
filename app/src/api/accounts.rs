//! Accounts: signing in and out, set-up, the own password, sessions and tokens, and the operators' list of users.

use leptos::prelude::*;
use model::access::Scope;
use model::page::Page;
use model::views::accounts::{NewToken, SessionView, TokenView, UserView};
use serde::{Deserialize, Serialize};

use super::ApiError;
#[cfg(feature = "ssr")]
use super::answer::lead_to;
#[cfg(feature = "ssr")]
use super::parse::field;
#[cfg(feature = "ssr")]
use super::server::{caller, mutating, refused};
#[cfg(feature = "ssr")]
use domain::access::{Site, can};
#[cfg(feature = "ssr")]
use domain::accounts::{self, sessions, tokens, users};
#[cfg(feature = "ssr")]
use model::problem::{Problem, ProblemKind};
#[cfg(feature = "ssr")]
use model::secret::Secret;

/// Name under which a new token's secret waits for the next page of a browser without scripts.
#[cfg(feature = "ssr")]
const NEW_TOKEN: &str = "new_token";

/// Signs in. Answers the page to go to.
#[server(prefix = "/fn", endpoint = "accounts/login")]
pub async fn login(username: String, password: String, #[server(default)] next: String) -> Result<String, ApiError> {
    let caller = caller().await?;
    let found = accounts::check_password(&caller.platform, username.trim(), &Secret::new(password), caller.actor.address()).await;
    let account = found.map_err(|error| match error {
        domain::Error::Unauthenticated => {
            let text = "the user name or the password is wrong, or the account is disabled; an operator can set a new password";
            refused(Problem::new(ProblemKind::Invalid, "wrong_credentials", text))
        }
        other => other.into(),
    })?;
    caller.session.sign_in(&account).await?;
    let next = crate::urls::safe_next(&next).to_owned();
    lead_to(&next);
    Ok(next)
}

/// Signs out: the session ends, and what it holds open is cut.
#[server(prefix = "/fn", endpoint = "accounts/logout")]
pub async fn logout(csrf: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    caller.session.sign_out().await?;
    lead_to(crate::urls::LOGIN);
    Ok(())
}

/// Whether the first operator is still to be made.
#[server(prefix = "/fn", endpoint = "accounts/set_up_needed")]
pub async fn set_up_needed() -> Result<bool, ApiError> {
    Ok(domain::site::needs_setup(&caller().await?.platform).await?)
}

/// Makes the first operator by the one-time link, and signs them in. Answers the page to go to.
#[server(prefix = "/fn", endpoint = "accounts/set_up")]
pub async fn set_up(token: String, username: String, password: String) -> Result<String, ApiError> {
    let caller = caller().await?;
    let username = field("username", username.trim())?;
    let password = Secret::new(password);
    domain::site::set_up(&caller.platform, &caller.actor, &Secret::new(token), &username, &password).await?;
    let account = accounts::check_password(&caller.platform, username.as_str(), &password, caller.actor.address()).await?;
    caller.session.sign_in(&account).await?;
    lead_to(crate::urls::HOME);
    Ok(crate::urls::HOME.to_owned())
}

/// Changes the own password; every other session and nothing else ends.
#[server(prefix = "/fn", endpoint = "accounts/change_password")]
pub async fn change_password(csrf: String, current: String, new: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    Ok(accounts::users::change_own_password(&caller.platform, &caller.actor, &Secret::new(current), &Secret::new(new)).await?)
}

/// The own sign-ins.
#[server(prefix = "/fn", endpoint = "accounts/sessions")]
pub async fn own_sessions() -> Result<Vec<SessionView>, ApiError> {
    let caller = caller().await?;
    Ok(sessions::list(&caller.platform, &caller.actor).await?)
}

/// Ends one of the own sign-ins.
#[server(prefix = "/fn", endpoint = "accounts/end_session")]
pub async fn end_session(csrf: String, session: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    Ok(sessions::end(&caller.platform, &caller.actor, field("session", &session)?).await?)
}

/// Ends every own sign-in but this one.
#[server(prefix = "/fn", endpoint = "accounts/end_other_sessions")]
pub async fn end_other_sessions(csrf: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    Ok(sessions::end_others(&caller.platform, &caller.actor).await?)
}

/// The own tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnTokens {
    /// The tokens.
    pub tokens: Vec<TokenView>,
    /// The secret of one that was just made without scripts: shown in this answer only.
    pub made: Option<String>,
}

/// The own tokens.
#[server(prefix = "/fn", endpoint = "accounts/tokens")]
pub async fn list_tokens() -> Result<OwnTokens, ApiError> {
    let caller = caller().await?;
    let tokens = tokens::list(&caller.platform, &caller.actor).await?;
    Ok(OwnTokens { tokens, made: caller.session.take_flash(NEW_TOKEN).await? })
}

/// Makes a token. Its secret is in this answer only (or on the next page, once, for a browser without scripts).
#[server(prefix = "/fn", endpoint = "accounts/create_token")]
pub async fn create_token(
    csrf: String,
    name: String,
    #[server(default)] scopes: Vec<Scope>,
    #[server(default)] expires_in_days: Option<u32>,
) -> Result<NewToken, ApiError> {
    let caller = mutating(&csrf).await?;
    // 0 is what the form sends for "never".
    let days = expires_in_days.filter(|days| *days > 0);
    let made = tokens::create(&caller.platform, &caller.actor, name.trim(), &scopes, days).await?;
    if super::answer::posted_form() {
        caller.session.flash(NEW_TOKEN, made.secret.clone()).await?;
    }
    Ok(made)
}

/// Revokes a token: what uses it is refused from now on.
#[server(prefix = "/fn", endpoint = "accounts/revoke_token")]
pub async fn revoke_token(csrf: String, token: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    Ok(tokens::revoke(&caller.platform, &caller.actor, field("token", &token)?).await?)
}

/// Everybody, for operators.
#[server(prefix = "/fn", endpoint = "accounts/users")]
pub async fn all_users(#[server(default)] after: Option<String>) -> Result<Page<UserView>, ApiError> {
    let caller = caller().await?;
    let may = caller.actor.may::<can::ManageUsers, _>(&caller.platform, &Site).await?;
    Ok(users::list(&caller.platform, &may, &super::parse::page(after)).await?)
}

/// Makes an account.
#[server(prefix = "/fn", endpoint = "accounts/create_user")]
pub async fn create_user(csrf: String, username: String, password: String, #[server(default)] operator: bool) -> Result<UserView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageUsers, _>(&caller.platform, &Site).await?;
    let username = field("username", username.trim())?;
    Ok(users::create(&caller.platform, &may, &username, &Secret::new(password), operator).await?)
}

/// Disables an account (its sessions end, its tokens are refused) or enables it again.
#[server(prefix = "/fn", endpoint = "accounts/set_disabled")]
pub async fn set_user_disabled(csrf: String, username: String, #[server(default)] disabled: bool) -> Result<UserView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageUsers, _>(&caller.platform, &Site).await?;
    Ok(users::update(&caller.platform, &may, &field("username", &username)?, Some(disabled), None).await?)
}

/// Makes an account an operator, or no longer one.
#[server(prefix = "/fn", endpoint = "accounts/set_operator")]
pub async fn set_user_operator(csrf: String, username: String, #[server(default)] operator: bool) -> Result<UserView, ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageUsers, _>(&caller.platform, &Site).await?;
    Ok(users::update(&caller.platform, &may, &field("username", &username)?, None, Some(operator)).await?)
}

/// Gives an account a new password; its sessions end.
#[server(prefix = "/fn", endpoint = "accounts/reset_password")]
pub async fn reset_user_password(csrf: String, username: String, password: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageUsers, _>(&caller.platform, &Site).await?;
    Ok(users::reset_password(&caller.platform, &may, &field("username", &username)?, &Secret::new(password)).await?)
}

/// Deletes an account. What it did stays in the audit log under its name.
#[server(prefix = "/fn", endpoint = "accounts/delete_user")]
pub async fn delete_user(csrf: String, username: String) -> Result<(), ApiError> {
    let caller = mutating(&csrf).await?;
    let may = caller.actor.may::<can::ManageUsers, _>(&caller.platform, &Site).await?;
    Ok(users::delete(&caller.platform, &may, &field("username", &username)?).await?)
}

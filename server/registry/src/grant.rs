//! `/auth/token`: Docker's token service (distribution's "Token Authentication Specification" and "OAuth2 Token Authentication").
//! Answers the intersection of what was asked for and what the caller may do. Fewer rights than asked are no error, wrong credentials are; who
//! brings none gets a token that says so and reaches nothing.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest as _, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use domain::access::{Account, Credential, can};
use domain::accounts;
use domain::images::DestinationKey;
use domain::{Actor, Error as DomainError};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use model::secret::Secret;
use serde_json::json;

use crate::auth::{self, Sent};
use crate::error::{Code, Error, Result};
use crate::path::Name;
use crate::registry::Registry;
use crate::scope::{Access, Asked, Verb};
use crate::token::{Bearer, Issued, LIFE};

/// Largest form that is read, in bytes.
pub const FORM_MAX: usize = 64 * 1024;
/// How long a form may take to come.
const FORM_TIME: Duration = Duration::from_secs(10);

/// `GET /auth/token`: Basic credentials, or none; what is wanted is in the query.
pub async fn get(State(registry): State<Registry>, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    answer(by_query(&registry, &parts).await)
}

/// `POST /auth/token`: everything in a form (OAuth 2.0, RFC 6749, section 4.3).
pub async fn post(State(registry): State<Registry>, request: Request<Body>) -> Response {
    let address = auth::address_of(request.extensions());
    let form = Form::<Vec<(String, String)>>::from_request(request, &());
    let form = match tokio::time::timeout(FORM_TIME, form).await {
        Ok(Ok(Form(form))) => form,
        Ok(Err(rejected)) => return bad_request(&rejected.body_text()).into_response(),
        Err(_) => return bad_request("the form did not come in time").into_response(),
    };
    answer(by_form(&registry, &address, &form).await)
}

fn answer(issued: Result<(Issued, Vec<Access>)>) -> Response {
    let (issued, access) = match issued {
        Ok(issued) => issued,
        // RFC 9110, section 15.5.2: a 401 says what would be taken.
        Err(error) if error.code() == StatusCode::UNAUTHORIZED => {
            return error.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"slipway\"")).into_response();
        }
        Err(error) => return error.into_response(),
    };
    let scope: Vec<String> = access.iter().map(|one| format!("{}:{}:{}", one.kind, one.name, one.actions.join(","))).collect();
    let token = issued.text.expose();
    let body = Json(json!({
        "token": token,
        "access_token": token,
        "expires_in": issued.life,
        "issued_at": issued.at.rfc3339(),
        "scope": scope.join(" "),
    }));
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
}

async fn by_query(registry: &Registry, parts: &Parts) -> Result<(Issued, Vec<Access>)> {
    let wrong = |message: &str| Error::new(Code::Unauthorized, message);
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|error| bad_request(&error.to_string()))?.0;
    let address = auth::address(parts);
    let actor = match auth::sent(&parts.headers).map_err(wrong)? {
        Sent::Nothing => Actor::nobody(address),
        Sent::Basic(name, secret) => signed_in(registry, &name, &secret, &address).await?,
        Sent::Bearer(_) => {
            return Err(wrong("this address takes a user name and a password or personal access token, or a robot's name and its secret"));
        }
    };
    let scopes = query.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.as_str());
    issue(registry, &actor, &Asked::parse(scopes)).await
}

async fn by_form(registry: &Registry, address: &str, form: &[(String, String)]) -> Result<(Issued, Vec<Access>)> {
    let field = |wanted: &str| form.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.as_str());
    if field("grant_type") != "password" {
        return Err(bad_request("grant_type must be password; refresh tokens are not given out"));
    }
    let actor = signed_in(registry, field("username"), &Secret::new(field("password")), address).await?;
    issue(registry, &actor, &Asked::parse([field("scope")])).await
}

async fn signed_in(registry: &Registry, name: &str, secret: &Secret, address: &str) -> Result<Actor> {
    accounts::authenticate_basic(registry.platform(), name, secret, address).await.map_err(|error| match error {
        DomainError::Unauthenticated => Error::new(
            Code::Unauthorized,
            "the user name or the password (or personal access token, or robot's secret) is wrong, or the account is disabled or has expired",
        ),
        other => other.into(),
    })
}

/// The intersection of what is asked and what the caller may do.
async fn issue(registry: &Registry, actor: &Actor, asked: &Asked) -> Result<(Issued, Vec<Access>)> {
    let Ok(account) = actor.account() else {
        return Ok((registry.issue("", Bearer::Nobody, Vec::new(), LIFE), Vec::new()));
    };
    let mut access = Vec::new();
    for (full, verbs) in &asked.repositories {
        let Ok(name) = full.parse::<Name>() else { continue };
        let allowed = allowed(registry, actor, &name, verbs).await?;
        if !allowed.is_empty() {
            access.push(Access::repository(full, &allowed));
        }
    }
    if asked.catalog && actor.visible::<can::Pull>().is_ok() {
        access.push(Access::catalog());
    }
    Ok((registry.issue(account.name.as_str(), bearer(account, actor.credential()), access.clone(), LIFE), access))
}

/// Whom the token speaks for, with the proof that it rests on and ends with.
fn bearer(account: &Account, credential: &Credential) -> Bearer {
    let user = account.id;
    match credential {
        Credential::Token(id) => Bearer::Account { user, token: Some(*id), password: None },
        Credential::Password { since } => Bearer::Account { user, token: None, password: Some(*since) },
        Credential::Robot(secret) => Bearer::Robot { robot: user, secret: *secret },
        Credential::None | Credential::Session(_) | Credential::Hook(_) | Credential::Push | Credential::Console => {
            Bearer::Account { user, token: None, password: None }
        }
    }
}

async fn allowed(registry: &Registry, actor: &Actor, name: &Name, verbs: &[Verb]) -> Result<Vec<Verb>> {
    // The repository need not be there yet: who pushes the first image asks for pull and push at once.
    let key = DestinationKey { project: &name.project, repository: &name.repository };
    let mut tx = registry.platform().read().await?;
    let mut allowed = Vec::new();
    for verb in verbs {
        let answer = match verb {
            Verb::Pull => actor.may_in::<can::Pull, _>(&mut tx, &key).await.map(drop),
            Verb::Push => actor.may_in::<can::Push, _>(&mut tx, &key).await.map(drop),
            Verb::Delete => actor.may_in::<can::DeleteImages, _>(&mut tx, &key).await.map(drop),
        };
        match answer {
            Ok(()) => allowed.push(*verb),
            Err(DomainError::NotFound { .. } | DomainError::Forbidden(_) | DomainError::Unauthenticated) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(allowed)
}

fn bad_request(message: &str) -> Error {
    Error::new(Code::Unsupported, message).status(StatusCode::BAD_REQUEST)
}

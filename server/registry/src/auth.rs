//! Who comes through `/v2`: the bearer of a token of `/auth/token`, of a personal access token or a robot's secret, or Basic credentials. Decides nothing
//! about rights: those are asked of the domain, here for the registry's four doings, with the token as a ceiling upon them.
//!
//! A caller who may know of a repository and brings a token that does not reach so far is asked for a better one (401); who may not do it
//! at all is refused (403), and what the caller may not know of is not there (404).
//!
//! A token lives for minutes and a push may take hours. How the two go together:
//! - a request is judged when it begins; however long its body takes, the token's end does not cut it;
//! - the next requests of an upload that was begun are taken with a token that has expired meanwhile, for a day ([`Caller::of`], `late`). It
//!   still only names its bearer: credential, account and role are asked anew, and the upload must be that account's own. So an expired
//!   token carries on what it began and reaches nothing else;
//! - everything else (the next blob, the manifest) is answered with 401 and a challenge, and every client gets a new token then, which costs
//!   one request and none of the bytes;
//! - before a blob is kept, credential, account and role are looked at once more ([`Caller::still_destination`]): who was disabled or changed the
//!   password, whose token was revoked or who lost the role while the bytes came has pushed nothing.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::access::{Credential, May, can};
use domain::accounts::{self, tokens};
use domain::images::{Destination, DestinationKey, Readable, Repository, RepositoryKey};
use domain::{Actor, Error as DomainError, robots};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::secret::Secret;

use crate::error::{Code, Error, Result};
use crate::path::Name;
use crate::registry::Registry;
use crate::scope::{Verb, needed};
use crate::token::{Bearer, Claims, SERVICE, Verified};

/// A header longer than this is no credential of ours.
const HEADER_MAX: usize = 20 * 1024;

/// What a request brings to prove who sends it.
pub enum Sent {
    /// Nothing.
    Nothing,
    /// User name and password, or a personal access token or a robot's secret in the password's place.
    Basic(String, Secret),
    /// A token.
    Bearer(Secret),
}

/// Reads the credential of a request.
///
/// # Errors
/// When there is a header that is neither Basic nor Bearer, or not readable.
pub fn sent(headers: &HeaderMap) -> Result<Sent, &'static str> {
    let Some(header) = headers.get(header::AUTHORIZATION) else { return Ok(Sent::Nothing) };
    let text = header.to_str().ok().filter(|text| text.len() <= HEADER_MAX).ok_or("the Authorization header is not readable")?;
    let (scheme, value) = text.split_once(' ').ok_or("the Authorization header has no value")?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Sent::Bearer(Secret::new(value.trim())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err("the Authorization header must be Basic or Bearer");
    }
    let wrong = "the Basic credentials are not base64 of name:password";
    let text = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(wrong)?;
    let (name, secret) = text.split_once(':').ok_or(wrong)?;
    Ok(Sent::Basic(name.to_owned(), Secret::new(secret)))
}

/// The address that a request comes from, for the audit log and the throttle.
#[must_use]
pub fn address(parts: &Parts) -> String {
    address_of(&parts.extensions)
}

/// The same, of the parts that a server knows of a request.
#[must_use]
pub fn address_of(extensions: &http::Extensions) -> String {
    let info = extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or_else(|| "unknown".to_owned(), |info| info.0.ip().to_canonical().to_string())
}

/// Scheme, host and port under which this client reaches us: what users see, or the request's own host if that is one of our names. An
/// unknown host is never repeated to anybody.
#[must_use]
pub fn base_url(registry: &Registry, parts: &Parts) -> String {
    let header = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = header.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default().to_ascii_lowercase();
    let own = registry.origin().split_once("://").map_or("", |(_, authority)| authority);
    if host != own && registry.hosts().contains(&host) {
        // Our other names are of this machine, and we speak plain HTTP there.
        return format!("http://{host}");
    }
    registry.origin().to_owned()
}

/// Who asks.
enum Who {
    Nobody,
    Account(Actor),
    Engine,
}

/// A caller at the registry's door, with what they need to be told to get in.
pub struct Caller<'r> {
    registry: &'r Registry,
    who: Who,
    /// What the token was made for; none: Basic credentials or a personal token, which are not made for anything.
    claims: Option<Claims>,
    /// Another repository that this request would read from: its scope is asked for along with the main one.
    source: Option<String>,
    base: String,
}

impl<'r> Caller<'r> {
    /// The caller of a request. With `late`, a token whose time is over is taken all the same: for requests on an upload that is under way.
    ///
    /// # Errors
    /// 401 with a challenge, when a credential is sent that does not hold.
    pub async fn of(registry: &'r Registry, parts: &Parts, late: bool) -> Result<Self> {
        let mut caller = Self { registry, who: Who::Nobody, claims: None, source: None, base: base_url(registry, parts) };
        let address = address(parts);
        let sent = sent(&parts.headers).map_err(|message| caller.challenge(None, None, message))?;
        let found = match sent {
            Sent::Nothing => Ok(Who::Nobody),
            Sent::Basic(name, secret) => accounts::authenticate_basic(registry.platform(), &name, &secret, &address).await.map(Who::Account),
            Sent::Bearer(token) if accounts::is_bearer_secret(&token) => {
                accounts::authenticate_bearer(registry.platform(), &token, &address).await.map(Who::Account)
            }
            Sent::Bearer(token) => {
                let claims = match registry.tokens().verify(token.expose(), registry.platform().now()) {
                    Verified::Valid(claims) => claims,
                    Verified::Expired(claims) if late => claims,
                    Verified::Expired(_) => return Err(caller.challenge(None, Some("invalid_token"), "the token has expired; get a new one")),
                    Verified::Wrong => return Err(caller.challenge(None, Some("invalid_token"), "the token is not one of ours; get a new one")),
                };
                let found = account(registry, &claims, &address).await;
                caller.claims = Some(claims);
                found
            }
        };
        caller.who = found.map_err(|error| caller.refused(error))?;
        Ok(caller)
    }

    fn refused(&self, error: DomainError) -> Error {
        match error {
            DomainError::Unauthenticated => {
                self.challenge(None, None, "the user name or password is wrong, or the account is disabled or has expired, or the token was revoked")
            }
            other => other.into(),
        }
    }

    /// From now on a challenge asks for pulling from this repository, too.
    #[must_use]
    pub fn reading_from(mut self, source: &Name) -> Self {
        self.source = Some(source.to_string());
        self
    }

    /// 401: asks for a token, for this scope if it is about one.
    #[must_use]
    pub fn challenge(&self, scope: Option<&str>, error: Option<&str>, message: &str) -> Error {
        let mut text = format!("Bearer realm=\"{}/auth/token\",service=\"{SERVICE}\"", self.base);
        let scope = scope.map(|scope| match &self.source {
            Some(source) => format!("{scope} {}", needed(source, Verb::Pull)),
            None => scope.to_owned(),
        });
        for (name, value) in [("scope", scope.as_deref()), ("error", error)] {
            if let Some(value) = value {
                text.push_str(&format!(",{name}=\"{value}\""));
            }
        }
        let answer = Error::new(Code::Unauthorized, message);
        match HeaderValue::try_from(text) {
            Ok(value) => answer.header(header::WWW_AUTHENTICATE, value),
            Err(_) => answer,
        }
    }

    /// The account; 401 for somebody who has none.
    ///
    /// # Errors
    /// 401 with a challenge for `scope`.
    pub fn actor(&self, scope: Option<&str>) -> Result<&Actor> {
        match &self.who {
            Who::Account(actor) => Ok(actor),
            Who::Nobody => Err(self.challenge(scope, None, "sign in first: docker login")),
            Who::Engine => Err(Error::new(Code::Denied, "this token is for pulling one repository only")),
        }
    }

    /// Whether anybody at all stands there.
    ///
    /// # Errors
    /// 401 with a challenge.
    pub fn somebody(&self) -> Result<()> {
        match &self.who {
            Who::Account(_) | Who::Engine => Ok(()),
            Who::Nobody => Err(self.challenge(None, None, "sign in first: docker login")),
        }
    }

    /// The permission to read a repository.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub async fn readable(&self, name: &Name) -> Result<Readable> {
        let full = name.to_string();
        if let (Who::Engine, Some(claims)) = (&self.who, &self.claims) {
            let granted = if claims.covers(&full, Verb::Pull) { self.registry.granted(name).await? } else { None };
            return granted.ok_or_else(|| Error::name_unknown(name));
        }
        let readable = self.readable_with_a_better_token(name).await?;
        self.within_ceiling(&full, Verb::Pull)?;
        Ok(readable)
    }

    /// The same, or nothing where the repository is not there yet but its project is, and the caller may pull from it.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub async fn readable_or_new(&self, name: &Name) -> Result<Option<Readable>> {
        let absent = match self.readable(name).await {
            Ok(repository) => return Ok(Some(repository)),
            Err(absent) if absent.code() == StatusCode::NOT_FOUND => absent,
            Err(other) => return Err(other),
        };
        let Who::Account(actor) = &self.who else { return Err(absent) };
        let key = DestinationKey { project: &name.project, repository: &name.repository };
        let may: Result<May<can::Pull, Destination>, _> = actor.may(self.registry.platform(), &key).await;
        may.map_err(|error| named(error, name))?;
        self.within_ceiling(&name.to_string(), Verb::Pull)?;
        Ok(None)
    }

    /// Whether the caller's token was made for pulling from this repository; a caller without one needs none.
    #[must_use]
    pub fn covers_pull(&self, name: &Name) -> bool {
        self.claims.as_ref().is_none_or(|claims| claims.covers(&name.to_string(), Verb::Pull))
    }

    /// The permission to read a repository, whatever the caller's token was made for: to know whether a better one is worth asking for.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub async fn readable_with_a_better_token(&self, name: &Name) -> Result<Readable> {
        let actor = self.actor(Some(&needed(&name.to_string(), Verb::Pull)))?;
        let key = RepositoryKey { project: &name.project, repository: &name.repository };
        let may: May<can::Pull, Repository> = actor.may(self.registry.platform(), &key).await.map_err(|error| named(error, name))?;
        Ok(Readable::from(&may))
    }

    /// 401: asks for a token for pushing here that reaches the source of a mount, too.
    #[must_use]
    pub fn must_reach_source(&self, name: &Name, source: &Name) -> Error {
        let wanted = needed(&name.to_string(), Verb::Push);
        let scope = if self.source.is_some() { wanted } else { format!("{wanted} {}", needed(&source.to_string(), Verb::Pull)) };
        let text = format!("the blob can be mounted from {source}, which the token does not reach; get one that does");
        self.challenge(Some(&scope), Some("insufficient_scope"), &text)
    }

    /// The permission to push to a repository, which need not be there.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub async fn destination(&self, name: &Name) -> Result<May<can::Push, Destination>> {
        self.destination_of(self.actor(Some(&needed(&name.to_string(), Verb::Push)))?, name).await
    }

    /// The same at the end of a body that may have taken hours to come: whether the caller's credential still holds is asked, too.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub async fn still_destination(&self, name: &Name) -> Result<May<can::Push, Destination>> {
        let actor = self.actor(Some(&needed(&name.to_string(), Verb::Push)))?;
        let actor = accounts::refresh(self.registry.platform(), actor).await.map_err(|error| self.refused(error))?;
        self.destination_of(&actor, name).await
    }

    async fn destination_of(&self, actor: &Actor, name: &Name) -> Result<May<can::Push, Destination>> {
        let full = name.to_string();
        let key = DestinationKey { project: &name.project, repository: &name.repository };
        let may = actor.may(self.registry.platform(), &key).await.map_err(|error| match error {
            DomainError::NotFound { .. } => {
                let text = format!("no project {} here that you may see; a project admin can add you, or create it first", name.project);
                Error::new(Code::NameUnknown, text)
            }
            other => other.into(),
        })?;
        self.within_ceiling(&full, Verb::Push)?;
        Ok(may)
    }

    /// The permission to delete from a repository.
    ///
    /// # Errors
    /// 401, 403 or 404.
    pub async fn deletable(&self, name: &Name) -> Result<May<can::DeleteImages, Repository>> {
        let full = name.to_string();
        let actor = self.actor(Some(&needed(&full, Verb::Delete)))?;
        let key = RepositoryKey { project: &name.project, repository: &name.repository };
        let may = actor.may(self.registry.platform(), &key).await.map_err(|error| named(error, name))?;
        self.within_ceiling(&full, Verb::Delete)?;
        Ok(may)
    }

    /// The claims of the caller's token, if it brought one that was made for something.
    #[must_use]
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    fn within_ceiling(&self, repository: &str, verb: Verb) -> Result<()> {
        match &self.claims {
            Some(claims) if !claims.covers(repository, verb) => {
                let text = format!("the token does not reach {repository} for {}; get one that does", verb.as_str());
                Err(self.challenge(Some(&needed(repository, verb)), Some("insufficient_scope"), &text))
            }
            _ => Ok(()),
        }
    }
}

async fn account(registry: &Registry, claims: &Claims, address: &str) -> Result<Who, DomainError> {
    let (user, token, password) = match claims.bearer.clone() {
        Bearer::Nobody => return Ok(Who::Nobody),
        Bearer::Engine => return Ok(Who::Engine),
        Bearer::Robot { robot, secret } => {
            let actor = robots::actor(registry.platform(), robot, secret, address).await?;
            return actor.map(Who::Account).ok_or(DomainError::Unauthenticated);
        }
        Bearer::Account { user, token, password } => (user, token, password),
    };
    let platform = registry.platform();
    let credential = match (token, password) {
        (Some(token), _) => Credential::Token(token),
        (None, Some(since)) => Credential::Password { since },
        (None, None) => return Err(DomainError::Unauthenticated),
    };
    // A personal token that was revoked since ends what was made of it.
    let scopes = tokens::scopes(platform, &credential).await?;
    let actor = accounts::actor_by_id(platform, user, credential, scopes, address).await?;
    actor.map(Who::Account).ok_or(DomainError::Unauthenticated)
}

fn named(error: DomainError, name: &Name) -> Error {
    match error {
        DomainError::NotFound { .. } => Error::name_unknown(name),
        other => other.into(),
    }
}

//! Who comes with a browser: the session cookie (tower-sessions over our own store), the person behind it, and the session as pages use it.
//! The cookie's value is random, stored only as a hash, replaced at sign-in, slides with use and ends after 30 days however much it is used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app::api::server::{BrowserSession, Caller};
use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use domain::access::{Account, Credential};
use domain::accounts::sessions::{self, SignInOut, Stored};
use domain::{Actor, Error, Platform, Result, accounts, keys};
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::USER_AGENT;
use model::ids::UserId;
use model::time::Millis;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore, session_store};

use super::caller::client_address;
use super::table::Table;
use super::{Portal, live, logs, pages, shell};

/// Unused for so long, a session ends.
const IDLE: time::Duration = time::Duration::days(7);
/// Used or not, it ends after this.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// A session in use is renewed when it was last renewed this long ago.
const RENEW: Duration = Duration::from_secs(60);
/// The key of the session's data under which the person is kept.
const PERSON: &str = "person";

/// The doors that take a session cookie.
pub fn routes(portal: &Portal) -> Table {
    live::table()
        .merge(logs::page_table())
        .merge(super::api::images_page_table())
        .merge(super::api::inspect_page_table())
        .merge(super::api::metrics_page_table())
        .merge(super::api::templates_page_table())
        .merge(super::api::shells_page_table())
        .merge(super::api::usage_page_table())
        .merge(shell::table())
        .merge(pages::table(portal))
}

/// The layer that reads and sets the cookie.
pub fn sessions(portal: &Portal) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(Sessions { platform: portal.platform.clone() })
        .with_name(cookie_name(portal.origin.is_https()))
        .with_secure(portal.origin.is_https())
        .with_same_site(tower_sessions::cookie::SameSite::Lax)
        .with_http_only(true)
        .with_expiry(Expiry::OnInactivity(IDLE))
}

/// Over https browsers themselves see to it that a cookie of this prefix was set by this very host, over https, for all paths (RFC 6265bis,
/// section 4.1.3): a page of a neighbouring subdomain cannot plant one.
const fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-slipway_session" } else { "slipway_session" }
}

/// What a session knows of its person.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Person {
    id: UserId,
    csrf: String,
    address: String,
    agent: String,
    since: Millis,
    renewed: Millis,
}

/// Finds out who calls and puts it beside the request, for pages and server functions.
pub async fn identify(State(portal): State<Portal>, session: Session, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let address = client_address(&parts);
    let person = current(&portal.platform, &session).await;
    let actor = match &person {
        Some(person) => actor_of(&portal.platform, &session, person, &address).await,
        None => None,
    };
    let csrf = actor.as_ref().and(person.as_ref()).map(|person| person.csrf.clone());
    let held = Held {
        session,
        platform: portal.platform.clone(),
        csrf,
        address: address.clone(),
        agent: agent(&parts.headers),
        actor: actor.clone(),
        taken: tokio::sync::Mutex::default(),
    };
    let caller = Caller { platform: portal.platform.clone(), actor: actor.unwrap_or_else(|| Actor::nobody(address)), session: Arc::new(held) };
    parts.extensions.insert(caller);
    parts.extensions.insert(app::boot::SiteNames {
        public_url: portal.origin.as_str().to_owned(),
        registry: portal.origin.authority().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: portal.leptos.site_pkg_dir.to_string(),
    });
    app::api::server::forget_earlier_refusal(&mut parts.headers);
    next.run(Request::from_parts(parts, body)).await
}

/// The person of the session, renewed where it is time. A session too old, or a store that fails, is nobody's.
async fn current(platform: &Platform, session: &Session) -> Option<Person> {
    let mut person: Person = match session.get(PERSON).await {
        Ok(person) => person?,
        Err(error) => {
            tracing::warn!(%error, "a session could not be read");
            return None;
        }
    };
    let now = platform.now();
    if now.since(person.since) >= LONGEST {
        return None;
    }
    if now.since(person.renewed) >= RENEW {
        person.renewed = now;
        if let Err(error) = session.insert(PERSON, &person).await {
            tracing::warn!(%error, "a session could not be renewed");
        }
    }
    Some(person)
}

async fn actor_of(platform: &Platform, session: &Session, person: &Person, address: &str) -> Option<Actor> {
    let credential = Credential::Session(hash(session.id()?));
    match accounts::actor_by_id(platform, person.id, credential, None, address).await {
        Ok(actor) => actor,
        Err(error) => {
            tracing::warn!(%error, "a session's account could not be read");
            None
        }
    }
}

fn agent(headers: &HeaderMap) -> String {
    headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default().chars().take(200).collect()
}

/// The hash under which a session is stored.
fn hash(id: Id) -> String {
    keys::token_hash(&id.to_string())
}

/// A session in the hands of a page.
struct Held {
    session: Session,
    platform: Platform,
    csrf: Option<String>,
    address: String,
    agent: String,
    actor: Option<Actor>,
    /// What this request took: parts of a page may be made more than once, and each of them finds it.
    taken: tokio::sync::Mutex<BTreeMap<&'static str, String>>,
}

impl BrowserSession for Held {
    fn sign_in<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let now = self.platform.now();
            let person = Person {
                id: account.id,
                csrf: keys::hex(&self.platform.random_bytes::<16>()),
                address: self.address.clone(),
                agent: self.agent.clone(),
                since: now,
                renewed: now,
            };
            // A new id, whatever the browser came with: a session that somebody planted is worth nothing.
            self.session.flush().await.map_err(broken)?;
            self.session.insert(PERSON, person).await.map_err(broken)?;
            self.session.save().await.map_err(broken)?;
            let id = self.session.id().ok_or_else(|| Error::internal("a saved session has an id"))?;
            let credential = Credential::Session(hash(id));
            let actor = accounts::actor_by_id(&self.platform, account.id, credential, None, &self.address).await?;
            // The password may have been changed, or the account disabled, between the check of the password and now.
            let actor = actor.filter(|actor| actor.account().is_ok_and(|now| now.password_since == account.password_since));
            let Some(actor) = actor else {
                self.session.flush().await.map_err(broken)?;
                return Err(Error::Unauthenticated);
            };
            sessions::note(&self.platform, &actor, SignInOut::In).await
        })
    }

    fn sign_out(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if let Some(actor) = &self.actor {
                sessions::note(&self.platform, actor, SignInOut::Out).await?;
            }
            self.session.flush().await.map_err(broken)
        })
    }

    fn csrf(&self) -> Option<String> {
        self.csrf.clone()
    }

    fn flash(&self, name: &'static str, text: String) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            // Sealed: what may be shown once is not left readable in the store.
            let sealed = keys::hex(&self.platform.seal("flash", text.as_bytes()));
            self.taken.lock().await.remove(name);
            self.session.insert(&format!("flash {name}"), sealed).await.map_err(broken)
        })
    }

    fn take_flash(&self, name: &'static str) -> BoxFuture<'_, Result<Option<String>>> {
        Box::pin(async move {
            let mut taken = self.taken.lock().await;
            if let Some(text) = taken.get(name) {
                return Ok(Some(text.clone()));
            }
            let sealed: Option<String> = self.session.remove(&format!("flash {name}")).await.map_err(broken)?;
            let Some(bytes) = sealed.and_then(|text| keys::unhex(&text)) else { return Ok(None) };
            // One that a change of the key left behind is gone.
            let Ok(plain) = self.platform.open("flash", &bytes) else { return Ok(None) };
            let text = String::from_utf8(plain).map_err(|_| Error::internal("a flash is text"))?;
            taken.insert(name, text.clone());
            Ok(Some(text))
        })
    }
}

fn broken(error: tower_sessions::session::Error) -> Error {
    Error::internal(format!("session: {error}"))
}

/// The store of sessions over the domain's rows.
#[derive(Clone)]
pub struct Sessions {
    platform: Platform,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        loop {
            if sessions::create(&self.platform, &stored(record)?).await.map_err(backend)? {
                return Ok(());
            }
            record.id = Id::default();
        }
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        sessions::save(&self.platform, &stored(record)?).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let Some((data, expires_at)) = sessions::load(&self.platform, &hash(*id)).await.map_err(backend)? else { return Ok(None) };
        let data = serde_json::from_slice(&data).map_err(|error| session_store::Error::Decode(error.to_string()))?;
        let nanos = i128::from(expires_at.0) * 1_000_000;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|error| session_store::Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        sessions::remove(&self.platform, &hash(*id)).await.map_err(backend)
    }
}

fn stored(record: &Record) -> session_store::Result<Stored> {
    let encode = |error: serde_json::Error| session_store::Error::Encode(error.to_string());
    let person: Option<Person> = record.data.get(PERSON).cloned().map(serde_json::from_value).transpose().map_err(encode)?;
    let expires_at = i64::try_from(record.expiry_date.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
    Ok(Stored {
        id_hash: hash(record.id),
        user: person.as_ref().map(|person| person.id),
        data: serde_json::to_vec(&record.data).map_err(encode)?,
        address: person.as_ref().map(|person| person.address.clone()).unwrap_or_default(),
        agent: person.map(|person| person.agent).unwrap_or_default(),
        expires_at: Millis(expires_at),
    })
}

fn backend(error: Error) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}

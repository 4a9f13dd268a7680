//! Who comes through `/api/v1`: the account behind a Bearer token or Basic credentials. Cookies are not looked at, so no page of another
//! site can use a browser's session here.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Actor, Error, accounts};
use http::header::AUTHORIZATION;
use http::request::Parts;
use model::secret::Secret;

use super::Portal;
use super::guard::is_foreign_page;
use super::problem::Refusal;

/// A header longer than this is no credential of ours.
const HEADER_MAX: usize = 4096;

/// The caller of the API; nobody where no credential is sent, refused where a wrong one is.
pub struct ApiCaller(pub Actor);

impl FromRequestParts<Portal> for ApiCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Refusal> {
        let address = client_address(parts);
        match credential(parts)? {
            None => Ok(Self(Actor::nobody(address))),
            Some(Credential::Bearer(token)) => Ok(Self(accounts::authenticate_bearer(&portal.platform, &token, &address).await?)),
            // A browser sends Basic credentials by itself once somebody typed them in: then a page of another site must not use them.
            Some(Credential::Basic(..)) if is_foreign_page(portal, &parts.headers) => {
                Err(Refusal(Error::Forbidden("a page of another site may not call the API with a browser's stored password".into())))
            }
            Some(Credential::Basic(name, secret)) => Ok(Self(accounts::authenticate_basic(&portal.platform, &name, &secret, &address).await?)),
        }
    }
}

enum Credential {
    Bearer(Secret),
    Basic(String, Secret),
}

fn credential(parts: &Parts) -> Result<Option<Credential>, Refusal> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = header.to_str().ok().filter(|text| text.len() <= HEADER_MAX).ok_or(Refusal(Error::Unauthenticated))?;
    let (scheme, value) = text.split_once(' ').ok_or(Refusal(Error::Unauthenticated))?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(Credential::Bearer(Secret::new(value.trim()))));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal(Error::Unauthenticated));
    }
    let bytes = STANDARD.decode(value.trim()).map_err(|_| Refusal(Error::Unauthenticated))?;
    let text = String::from_utf8(bytes).map_err(|_| Refusal(Error::Unauthenticated))?;
    let (name, secret) = text.split_once(':').ok_or(Refusal(Error::Unauthenticated))?;
    Ok(Some(Credential::Basic(name.to_owned(), Secret::new(secret))))
}

/// The address that the connection comes from; behind a proxy on this machine, the client's (see `forwarded`).
#[must_use]
pub fn client_address(parts: &Parts) -> String {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or_else(|| "unknown".to_owned(), |info| info.0.ip().to_canonical().to_string())
}

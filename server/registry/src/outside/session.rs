//! One registry and one repository of it, spoken to for a while: requests with the right credential, redirects, and answers turned into
//! failures that say who can do what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LOCATION, RANGE, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use model::digest::{Algorithm, Digest};
use model::manifest::{MANIFEST_MAX, media_type};
use model::outside::{AllowList, RegistryHost};
use model::reference::Reference;
use model::secret::Secret;

use super::Failure;
use super::body::{Fetch, whole};
use super::challenge::{self, Challenge};
use super::net::{Http, Net, came_from_inside};
use super::token::{self, Token};
use crate::hash;

/// Longest wait for the head of an answer.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// Who asks.
const AGENT: &str = concat!("slipway/", env!("CARGO_PKG_VERSION"));

/// A manifest as it came.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its digest, which is that of the bytes.
    pub digest: Digest,
    /// The type that the source gave it.
    pub media_type: Option<String>,
    /// The bytes.
    pub body: Bytes,
}

/// A registry that is spoken to.
pub struct Session {
    http: Http,
    /// Goes to public addresses alone, whatever operators allow: for where somebody outside leads.
    public: Http,
    pub(super) host: RegistryHost,
    pub(super) path: String,
    /// Scheme, host and port.
    base: String,
    plain: bool,
    pub(super) credential: Option<(String, Secret)>,
    proof: Mutex<Proof>,
}

/// What is sent to prove who asks.
#[derive(Default)]
struct Proof {
    tokens: HashMap<String, Token>,
    basic: bool,
}

impl Session {
    pub(super) async fn open(
        net: &Net,
        host: &RegistryHost,
        path: &str,
        credential: Option<(String, Secret)>,
        allowed: AllowList,
    ) -> Result<Self, Failure> {
        let (name, port) = host.host_and_port();
        let plain = allowed.plan(name, port).plain;
        let base = format!("{}://{}", if plain { "http" } else { "https" }, host.authority());
        let allowed = Arc::new(allowed);
        let (http, public) = (net.client(Arc::clone(&allowed), true).await?, net.client(allowed, false).await?);
        Ok(Self { http, public, host: host.clone(), path: path.to_owned(), base, plain, credential, proof: Mutex::default() })
    }

    /// Whether the registry answers and lets the caller in. True: it asked for a credential and took the one that is kept.
    ///
    /// # Errors
    /// When it does not answer like a registry, or refuses the credential.
    pub async fn ping(&self) -> Result<bool, Failure> {
        let answer = self.get("/v2/", &[], false).await;
        match answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => return Err(self.refusal(&answer, "its base")),
            // As nobody one is let in to some images alone.
            Err(failure) if failure.code == "unauthorized" && self.credential.is_none() => return Ok(false),
            Err(failure) => return Err(failure),
        }
        let proof = self.proof();
        Ok(self.credential.is_some() && (proof.basic || !proof.tokens.is_empty()))
    }

    /// A manifest by tag or digest, which it is compared with.
    ///
    /// # Errors
    /// Says what is wrong and who can do something.
    pub async fn manifest(&self, reference: &Reference) -> Result<Document, Failure> {
        let accept: Vec<HeaderValue> =
            [media_type::OCI_INDEX, media_type::DOCKER_LIST, media_type::OCI_MANIFEST, media_type::DOCKER_MANIFEST, "*/*;q=0.1"]
                .into_iter()
                .map(HeaderValue::from_static)
                .collect();
        let headers: Vec<_> = accept.into_iter().map(|value| (ACCEPT, value)).collect();
        let answer = self.get(&format!("/v2/{}/manifests/{reference}", self.path), &headers, true).await?;
        if !answer.status().is_success() {
            return Err(self.refusal(&answer, &format!("{}:{reference}", self.path).replace(":sha", "@sha")));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = whole(self.host.as_str(), answer, MANIFEST_MAX).await?;
        let algorithm = match reference {
            Reference::Digest(digest) => digest.algorithm(),
            Reference::Tag(_) => Algorithm::Sha256,
        };
        let digest = hash::digest(algorithm, &body);
        match reference {
            Reference::Digest(wanted) if *wanted != digest => Err(Failure::last(
                "digest_mismatch",
                format!("{} sent a manifest with the digest {digest} where {wanted} was asked for; nothing of it was kept", self.host),
            )),
            _ => Ok(Document { digest, media_type: kind, body }),
        }
    }

    /// A manifest that may be missing.
    ///
    /// # Errors
    /// As [`Session::manifest`], but for its absence.
    pub async fn manifest_if_there(&self, reference: &Reference) -> Result<Option<Document>, Failure> {
        match self.manifest(reference).await {
            Ok(document) => Ok(Some(document)),
            Err(failure) if failure.code == "not_found" => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A blob from one byte on; from its first where the source cannot do otherwise.
    ///
    /// # Errors
    /// Says what is wrong and who can do something.
    pub async fn blob(&self, digest: &Digest, from: u64) -> Result<Fetch, Failure> {
        let path = format!("/v2/{}/blobs/{digest}", self.path);
        if from > 0 {
            let range = HeaderValue::from_str(&format!("bytes={from}-")).map_err(|_| Failure::last("internal", "a range is no header"))?;
            let answer = self.get(&path, &[(RANGE, range)], true).await?;
            if answer.status() == StatusCode::PARTIAL_CONTENT && first_byte(answer.headers()) == Some(from) {
                return Ok(Fetch { start: from, body: answer.into_body() });
            }
            if answer.status() == StatusCode::OK {
                return Ok(Fetch { start: 0, body: answer.into_body() });
            }
        }
        let answer = self.get(&path, &[], true).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.refusal(&answer, &format!("the blob {digest} of {}", self.path)));
        }
        Ok(Fetch { start: 0, body: answer.into_body() })
    }

    fn proof(&self) -> std::sync::MutexGuard<'_, Proof> {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, answering a challenge once. `scoped`: for this session's repository.
    pub(super) async fn get(&self, path: &str, headers: &[(http::HeaderName, HeaderValue)], scoped: bool) -> Result<Response<Incoming>, Failure> {
        let scope = if scoped { format!("repository:{}:pull", self.path) } else { String::new() };
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() };
        let answer = self.follow(&url, headers, self.authorization(&scope)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.proof().tokens.remove(&scope);
        let authorization = match challenge::read(answer.headers()) {
            Some(Challenge::Bearer { realm, service }) => self.fetch_token(&realm, service.as_deref(), &scope, came_from_inside(&answer)).await?,
            Some(Challenge::Basic) => self.basic().ok_or_else(|| self.unauthorized())?,
            None => return Err(self.unauthorized()),
        };
        let answer = self.follow(&url, headers, Some(authorization)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.proof().tokens.remove(&scope);
            return Err(self.unauthorized());
        }
        Ok(answer)
    }

    /// What proves who asks, as far as it is known to be wanted.
    fn authorization(&self, scope: &str) -> Option<HeaderValue> {
        let proof = self.proof();
        let token = proof.tokens.get(scope).and_then(Token::header);
        let wants_basic = proof.basic;
        drop(proof);
        token.or_else(|| if wants_basic { self.basic() } else { None })
    }

    fn basic(&self) -> Option<HeaderValue> {
        let header = basic(self.credential.as_ref()?);
        self.proof().basic = true;
        header
    }

    /// `inside`: whether the realm may be inside, which one outside may not name.
    async fn fetch_token(&self, realm: &str, service: Option<&str>, scope: &str, inside: bool) -> Result<HeaderValue, Failure> {
        let shown: String = realm.chars().take(120).collect();
        let wrong = || Failure::last("protocol", format!("{} names a token service that may not be asked: {shown:?}", self.host));
        let scope_asked = Some(scope).filter(|scope| !scope.is_empty());
        let url = token::address(realm, service, scope_asked, self.plain).ok_or_else(wrong)?;
        let authorization = self.credential.as_ref().and_then(basic);
        let answer = self.send(&url, &[], authorization, inside).await?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.unauthorized()),
            _ => return Err(self.refusal(&answer, "a token")),
        }
        let body = whole(self.host.as_str(), answer, token::ANSWER_MAX).await?;
        let token = Token::read(&body).ok_or_else(|| Failure::passing("protocol", format!("the token service of {} gave no token", self.host)))?;
        let header = token.header().ok_or_else(wrong)?;
        self.proof().tokens.insert(scope.to_owned(), token);
        Ok(header)
    }

    /// Asks, and follows redirects. What proves who asks goes to the registry alone.
    async fn follow(
        &self,
        url: &str,
        headers: &[(http::HeaderName, HeaderValue)],
        authorization: Option<HeaderValue>,
    ) -> Result<Response<Incoming>, Failure> {
        let wrong = || Failure::last("protocol", format!("{} redirects to what is no address", self.host));
        let mut at: Uri = url.parse().map_err(|_| wrong())?;
        // The registry itself may be inside; where it leads, only if it is.
        let mut inside = true;
        for _ in 0..=REDIRECTS {
            let own = format!("{}://{}", at.scheme_str().unwrap_or_default(), at.authority().map_or("", |authority| authority.as_str())) == self.base;
            let answer = self.send(&at, headers, authorization.clone().filter(|_| own), inside).await?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                // A 401 of a storage is no challenge to us.
                let foreign = !own && answer.status() == StatusCode::UNAUTHORIZED;
                return if foreign { Err(self.refusal_of(StatusCode::FORBIDDEN, answer.headers(), "its storage")) } else { Ok(answer) };
            }
            inside = inside && came_from_inside(&answer);
            at = redirected(&at, answer.headers()).ok_or_else(wrong)?;
        }
        Err(Failure::last("protocol", format!("{} redirects again and again", self.host)))
    }

    async fn send(
        &self,
        url: &Uri,
        headers: &[(http::HeaderName, HeaderValue)],
        authorization: Option<HeaderValue>,
        inside: bool,
    ) -> Result<Response<Incoming>, Failure> {
        let http = if inside { &self.http } else { &self.public };
        let mut request = Request::get(url.clone()).header(USER_AGENT, AGENT).header(ACCEPT_ENCODING, "identity");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request =
            request.body(Empty::<Bytes>::new()).map_err(|_| Failure::last("protocol", format!("{} cannot be asked for {url}", self.host)))?;
        match tokio::time::timeout(HEAD_TIME, http.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(Failure::passing("unreachable", format!("{} did not answer in time", self.host))),
        }
    }
}

fn basic((name, secret): &(String, Secret)) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{name}:{}", secret.expose())))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// The first byte of `Content-Range: bytes 5-9/10`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// Where a redirect leads: an address of its own, or a path at the same place.
fn redirected(from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let text = headers.get(LOCATION)?.to_str().ok()?;
    let text = text.split('#').next().unwrap_or(text);
    if let Some(rest) = text.strip_prefix("//") {
        return format!("{}://{rest}", from.scheme_str()?).parse().ok();
    }
    if text.starts_with('/') {
        return format!("{}://{}{text}", from.scheme_str()?, from.authority()?).parse().ok();
    }
    let to: Uri = text.parse().ok()?;
    let known = matches!(to.scheme_str(), Some("https" | "http")) && to.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    known.then_some(to)
}

//! The client's side of a portal's doors: one connection for each request, over TLS where the address says https, with the certificates that
//! this machine trusts. It follows no redirect, and what it sends to prove who asks goes to that one portal alone.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::secret::Secret;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::{Error, Problem, Result};

/// Longest wait for a connection, and for an answer to begin. A password may wait its turn to be looked at.
const PATIENCE: Duration = Duration::from_secs(30);
/// A stream is silent for so long at most: the portal says something sooner.
const SILENCE: Duration = Duration::from_secs(90);
/// Longest answer that is read as a whole, in bytes.
const ANSWER: usize = 4 * 1024 * 1024;
/// Longest line of a stream, in bytes: a log's line has 64 KiB at most, and JSON may quote each of them.
const LINE: usize = 1024 * 1024;

/// A portal's address: scheme, host and port, no path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortalUrl {
    tls: bool,
    /// Host and, where it is not the usual one, port.
    authority: String,
}

impl FromStr for PortalUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "http:// or https://, a host and maybe a port, without a path: https://slipway.example.com".to_owned();
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        match uri.authority() {
            Some(authority) if matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@') => {
                Ok(Self { tls, authority: authority.as_str().to_ascii_lowercase() })
            }
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for PortalUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PortalUrl> for String {
    fn from(url: PortalUrl) -> Self {
        url.to_string()
    }
}

impl std::fmt::Display for PortalUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

impl PortalUrl {
    fn host(&self) -> &str {
        let end = self.authority.rfind(':').filter(|at| !self.authority[*at..].contains(']')).unwrap_or(self.authority.len());
        self.authority[..end].trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> u16 {
        let named = self.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        named.unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// The address of a websocket at this path.
    pub(crate) fn websocket(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.tls { "wss" } else { "ws" }, self.authority)
    }
}

/// What proves who asks.
pub(crate) enum Credential {
    Token(Secret),
    Password(String, Secret),
}

/// A connection of any sort.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A portal, and who asks it.
pub(crate) struct Portal {
    url: PortalUrl,
    authorization: HeaderValue,
    tls: Option<TlsConnector>,
}

impl Portal {
    /// Nothing is dialled yet.
    pub(crate) fn new(url: PortalUrl, credential: Credential) -> Result<Self> {
        let text = match credential {
            Credential::Token(token) => format!("Bearer {}", token.expose()),
            Credential::Password(name, password) => {
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{}", password.expose())))
            }
        };
        let mut authorization = HeaderValue::from_str(&text).map_err(|_| Error::wrong("a token is one line of plain characters"))?;
        authorization.set_sensitive(true);
        let tls = if url.tls { Some(connector()?) } else { None };
        Ok(Self { url, authorization, tls })
    }

    /// Its address.
    pub(crate) fn url(&self) -> &PortalUrl {
        &self.url
    }

    /// The header that proves who asks.
    pub(crate) fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    /// One connection.
    pub(crate) async fn dial(&self) -> Result<Box<dyn Wire>> {
        let unreachable = |error: String| Error::Unreachable(format!("{} cannot be reached: {error}", self.url));
        let connect = async {
            let stream = TcpStream::connect((self.url.host(), self.url.port())).await.map_err(|error| unreachable(error.to_string()))?;
            // A key is a packet of its own.
            stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
            let Some(tls) = &self.tls else { return Ok(Box::new(stream) as Box<dyn Wire>) };
            let name = ServerName::try_from(self.url.host().to_owned()).map_err(|error| unreachable(error.to_string()))?;
            let stream = tls.connect(name, stream).await.map_err(|error| unreachable(error.to_string()))?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        };
        tokio::time::timeout(PATIENCE, connect).await.unwrap_or_else(|_| Err(unreachable("it takes no connection".into())))
    }

    async fn send(&self, method: Method, path: &str, accept: &str, body: Option<&Value>) -> Result<Response<Incoming>> {
        let broken = |error: hyper::Error| Error::Unreachable(format!("the connection to {} broke: {error}", self.url));
        let wire = self.dial().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(broken)?;
        // It ends with the answer's body; what goes wrong is told there.
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.url.authority);
        request = request
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("slipway/", env!("CARGO_PKG_VERSION")));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|error| Error::wrong(format!("this cannot be asked: {error}")))?;
        let sent = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        let answer = sent.map_err(|_| Error::Unreachable(format!("{} does not answer", self.url)))?.map_err(broken)?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refusal(answer).await) }
    }

    async fn refusal(&self, answer: Response<Incoming>) -> Error {
        let status = answer.status();
        let to = answer.headers().get(http::header::LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
        if let (true, Some(to)) = (status.is_redirection(), to) {
            return Error::wrong(format!("{} leads to {to}: sign in with that address", self.url));
        }
        let body = collect(answer).await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Error::Refused(Box::new(problem)),
            Err(_) => Error::Unreachable(format!("{} answered {status}: is it a Slipway portal?", self.url)),
        }
    }

    async fn value(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.send(method, path, "application/json", body).await?;
        let bytes = collect(answer).await.map_err(|error| Error::Unreachable(format!("the answer of {} broke off: {error}", self.url)))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes)
            .map_err(|_| Error::Unreachable(format!("{} answered with something else than JSON: is it a Slipway portal?", self.url)))
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.value(Method::GET, path, None).await
    }

    /// POST.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.value(Method::POST, path, Some(body)).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        self.value(Method::DELETE, path, None).await.map(drop)
    }

    /// GET of an answer without end.
    pub(crate) async fn stream(&self, path: &str, accept: &str) -> Result<Stream> {
        let answer = self.send(Method::GET, path, accept, None).await?;
        Ok(Stream { body: answer.into_body(), held: BytesMut::new(), from: self.url.to_string() })
    }
}

async fn collect(answer: Response<Incoming>) -> std::result::Result<Bytes, String> {
    let body = tokio::time::timeout(PATIENCE, Limited::new(answer.into_body(), ANSWER).collect()).await;
    Ok(body.map_err(|_| "it came too slowly".to_owned())?.map_err(|error| error.to_string())?.to_bytes())
}

fn connector() -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    // One that cannot be read is left out: then what it vouches for is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::wrong(format!("TLS cannot be used: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A long answer.
pub(crate) struct Stream {
    body: Incoming,
    held: BytesMut,
    from: String,
}

impl Stream {
    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| Error::Unreachable(format!("{} fell silent", self.from)))? {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => return Err(Error::Unreachable(format!("the connection to {} broke: {error}", self.from))),
            }
        }
    }

    /// The next line that is not empty, without its end; none at the end.
    pub(crate) async fn line(&mut self) -> Result<Option<String>> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.held[seen..].iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(seen + at + 1);
                seen = 0;
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if !text.is_empty() {
                    return Ok(Some(text));
                }
                continue;
            }
            seen = self.held.len();
            if seen > LINE {
                return Err(Error::Unreachable(format!("{} sends a line without end", self.from)));
            }
            match self.next().await? {
                Some(bytes) => self.held.extend_from_slice(&bytes),
                None if self.held.is_empty() => return Ok(None),
                None => return Err(Error::Unreachable(format!("the answer of {} broke off", self.from))),
            }
        }
    }
}

/// A text as a part of a query.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        let read = |text: &str| text.parse::<PortalUrl>().map(|url| (url.to_string(), url.host().to_owned(), url.port()));
        assert_eq!(read("https://Slipway.example.com/"), Ok(("https://slipway.example.com".into(), "slipway.example.com".into(), 443)));
        assert_eq!(read("http://localhost:3000"), Ok(("http://localhost:3000".into(), "localhost".into(), 3000)));
        assert_eq!(read("http://[::1]:3000"), Ok(("http://[::1]:3000".into(), "::1".into(), 3000)));
        assert_eq!(read("http://[::1]"), Ok(("http://[::1]".into(), "::1".into(), 80)));
        for wrong in ["", "slipway.example.com", "ftp://x", "https://x/path", "https://x?y", "https://user@x", "https://"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!("https://x.example".parse::<PortalUrl>().expect("an address").websocket("/ws"), "wss://x.example/ws");
    }

    #[test]
    fn what_stands_in_a_query_is_quoted() {
        assert_eq!(quoted("a b&c=ä+%"), "a%20b%26c%3D%C3%A4%2B%25");
    }
}

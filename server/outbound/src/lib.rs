//! Connections to hosts that people of a project name: other registries, places to fetch files from. [`Guard`] resolves a name, looks at
//! each address, and connects to one that it has just looked at: a name that resolves to something else a moment later gains nothing. TLS is
//! rustls over `ring`, with the certificates that this machine trusts. No proxy is used: behind one, nothing could be said about the address.
//!
//! What is outside leads nowhere inside: whoever follows a redirect or a challenge asks [`Net::came_from_inside`] about the answer, and goes on
//! with a client that is not for `inside` where it did not.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{Empty, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpInfo;
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::outside::{AllowList, special};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

mod pace;

pub use pace::Pace;

/// Longest time for a name to be resolved.
const RESOLVE: Duration = Duration::from_secs(10);
/// Longest time for one address to take a connection.
const CONNECT: Duration = Duration::from_secs(8);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 6;
/// Bytes of an answer's head at most.
const HEAD: usize = 64 * 1024;

/// Sends requests without a body.
pub type Http = Client<HttpsConnector<Guard>, Empty<Bytes>>;
/// Sends requests with a body.
pub type Sender = Client<HttpsConnector<Guard>, Full<Bytes>>;

/// What is shared by all connections: whom this machine trusts.
#[derive(Clone, Default)]
pub struct Net {
    tls: Arc<OnceLock<ClientConfig>>,
    public: Arc<[u16]>,
}

impl Net {
    /// Trusts these certificates instead of the machine's.
    ///
    /// # Errors
    /// When the cryptography does not know today's TLS, which cannot be.
    pub fn trusting(roots: RootCertStore) -> Result<Self, rustls::Error> {
        Ok(Self { tls: Arc::new(OnceLock::from(config(roots)?)), public: Arc::default() })
    }

    /// Takes what answers at these ports for public, wherever it is. For tests, which have no public address; operators' lists rule there too.
    #[must_use]
    pub fn calling_public(self, ports: &[u16]) -> Self {
        Self { public: ports.into(), ..self }
    }

    /// Whether an answer came from an address that is not of the public internet. What is inside may lead to what is inside too; what is
    /// outside may not, or else everybody's host would reach what an operator allows for one purpose.
    pub fn came_from_inside<B>(&self, answer: &http::Response<B>) -> bool {
        answer.extensions().get::<HttpInfo>().is_some_and(|info| is_inside(info.remote_addr(), &self.public))
    }

    async fn tls(&self) -> Result<ClientConfig, NoCertificates> {
        if let Some(known) = self.tls.get() {
            return Ok(known.clone());
        }
        let loaded = tokio::task::spawn_blocking(|| {
            let mut roots = RootCertStore::empty();
            // One that cannot be read is left out: then what it vouches for is not trusted.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            config(roots)
        });
        let config = loaded.await.map_err(|error| NoCertificates(error.to_string()))?.map_err(|error| NoCertificates(error.to_string()))?;
        Ok(self.tls.get_or_init(|| config).clone())
    }

    /// A client that goes only where `allowed` lets it; where it does not go `inside`, to public addresses alone.
    ///
    /// # Errors
    /// When this machine has no certificates to trust.
    pub async fn client(&self, allowed: Arc<AllowList>, inside: bool) -> Result<Http, NoCertificates> {
        let (builder, connector) = self.parts(allowed, inside).await?;
        Ok(builder.build(connector))
    }

    /// The same for requests that carry a body.
    ///
    /// # Errors
    /// When this machine has no certificates to trust.
    pub async fn sender(&self, allowed: Arc<AllowList>, inside: bool) -> Result<Sender, NoCertificates> {
        let (builder, connector) = self.parts(allowed, inside).await?;
        Ok(builder.build(connector))
    }

    /// Whether something takes connections there, if `allowed` lets it be spoken to. Nothing is said to it.
    ///
    /// # Errors
    /// Why not.
    pub async fn reach(&self, allowed: Arc<AllowList>, host: &str, port: u16) -> io::Result<()> {
        // The guard looks at a host and a port; what would be spoken there is none of its business.
        let uri = Uri::builder().scheme("https").authority(format!("{host}:{port}")).path_and_query("/").build();
        let guard = Guard { allowed, inside: true, public: Arc::clone(&self.public) };
        guard.connect(&uri.map_err(io::Error::other)?).await.map(drop)
    }

    async fn parts(&self, allowed: Arc<AllowList>, inside: bool) -> Result<(Builder, HttpsConnector<Guard>), NoCertificates> {
        let tls = self.tls().await?;
        let guard = Guard { allowed, inside, public: Arc::clone(&self.public) };
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().wrap_connector(guard);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.http1_max_buf_size(HEAD).http2_max_header_list_size(HEAD as u32).http2_adaptive_window(true);
        builder.pool_timer(TokioTimer::new()).timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(20));
        Ok((builder, connector))
    }
}

fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

/// Whom this machine trusts cannot be found out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this machine's certificates cannot be read ({0}); an operator must look")]
pub struct NoCertificates(String);

/// An address that may not be spoken to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is at a {range} address")]
pub struct Refused {
    /// The host, with its port where that is not the usual one.
    pub host: String,
    /// The sort of range.
    pub range: &'static str,
    /// It may be spoken to, but not because somebody outside said so.
    pub led: bool,
}

/// An error and all that caused it, from the outside in: how one learns why a connection was not made.
pub fn causes<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |cause| {
        // What a wrapped i/o error carries is not its source.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as &(dyn std::error::Error + 'static));
        inner.or_else(|| cause.source())
    })
}

fn is_inside(address: SocketAddr, public: &[u16]) -> bool {
    special(address.ip()).is_some() && !public.contains(&address.port())
}

/// Connects to what may be spoken to.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<AllowList>,
    /// Whether also to addresses inside, where they are allowed.
    inside: bool,
    /// Ports that a test calls public.
    public: Arc<[u16]>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, io::Error>> + Send>>;

impl tower::Service<Uri> for Guard {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let guard = self.clone();
        Box::pin(async move { guard.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Guard {
    async fn connect(&self, uri: &Uri) -> io::Result<TcpStream> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let plain = uri.scheme_str() != Some("https");
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
        let mut failed = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
        for address in resolve(&host, port).await?.into_iter().take(ADDRESSES) {
            let named = || if uri.port_u16().is_some() { format!("{host}:{port}") } else { host.clone() };
            if let Err(range) = self.allowed.admits(plain, &host, port, address.ip()) {
                failed = io::Error::other(Refused { host: named(), range, led: false });
                continue;
            }
            if !self.inside && is_inside(address, &self.public) {
                let range = special(address.ip()).unwrap_or("private");
                failed = io::Error::other(Refused { host: named(), range, led: true });
                continue;
            }
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::Error::new(io::ErrorKind::TimedOut, format!("{host} does not take connections")),
            }
        }
        Err(failed)
    }
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host, port))).await;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("the name {host} could not be resolved in time"));
    let found = found.map_err(late)?.map_err(|error| io::Error::new(error.kind(), format!("the name {host} cannot be resolved: {error}")))?;
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(allowed: &str, uri: &str) -> bool {
        refused_from(allowed, true, uri).await
    }

    async fn refused_from(allowed: &str, inside: bool, uri: &str) -> bool {
        let allowed = AllowList::from_lines(allowed.lines()).expect("a list");
        let guard = Guard { allowed: Arc::new(allowed), inside, public: Arc::default() };
        let error = guard.connect(&uri.parse().expect("an address")).await.expect_err("nobody is there");
        error.get_ref().is_some_and(|inner| inner.is::<Refused>())
    }

    #[tokio::test]
    async fn connections_go_nowhere_inside_unless_an_operator_says_so() {
        for uri in [
            "https://127.0.0.1:9/",
            "https://localhost:9/",
            "https://[::1]:9/",
            "https://169.254.169.254/latest",
            "http://127.0.0.1:9/",
            "https://10.0.0.1/",
            "https://[::ffff:127.0.0.1]:9/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://0.0.0.0:9/",
            "https://[64:ff9b::7f00:1]/",
            "http://1.1.1.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
        ] {
            assert!(refused("", uri).await, "{uri}");
        }
        assert!(!refused("127.0.0.1:9", "https://127.0.0.1:9/").await);
        assert!(!refused("http://localhost:9", "http://localhost:9/").await);
        assert!(refused("http://localhost:9", "http://127.0.0.1:9/").await, "another name for the same");
        assert!(!refused("127.0.0.0/8\n::1/128", "https://localhost:9/").await);
        for uri in ["https://127.0.0.1:9/", "https://localhost:9/"] {
            assert!(refused_from("127.0.0.1:9\nlocalhost:9\n127.0.0.0/8\n::1/128", false, uri).await, "{uri} is not reached from outside");
        }
    }
}

//! One byte stream to an engine, however it is reached: a socket, a port, TLS, a channel of an SSH connection.
//!
//! A [`Dialer`] holds what proves both sides, opened once; it never prints any of it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::ports::EngineDoor;
use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use model::engine::EngineAddress;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::ssh::{Channel, Line};
use super::tls::Tls;
use super::{EngineError, Kind, Result};

/// Longest time for a name to be resolved and one of its addresses to take a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection of any sort.
pub(super) enum Wire {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<super::tls::Stream>),
    Ssh(Box<Channel>),
}

macro_rules! on_wire {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Wire::Unix($stream) => $call,
            Wire::Tcp($stream) => $call,
            Wire::Tls($stream) => $call,
            Wire::Ssh($stream) => $call,
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_wire!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_wire!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Opens connections to one engine.
pub(super) struct Dialer {
    address: EngineAddress,
    way: Way,
}

enum Way {
    Plain,
    Tls(Tls),
    Ssh(Arc<Line>),
    /// The keys cannot be used, for this reason.
    None(EngineError),
}

impl Dialer {
    /// Nothing is dialled yet. Keys that are none are told at the first call.
    pub fn new(door: EngineDoor) -> Self {
        let way = match (&door.address, door.tls, door.ssh) {
            (EngineAddress::Tcp { host, .. }, Some(keys), _) => Tls::new(host, &keys).map_or_else(Way::None, Way::Tls),
            (EngineAddress::Ssh { .. }, _, Some(keys)) => Line::new(&door.address, &keys).map_or_else(Way::None, |line| Way::Ssh(Arc::new(line))),
            (EngineAddress::Ssh { .. }, _, None) => {
                let text = format!("there is no key to sign in with at {}; an operator adds the machine with one", door.address);
                Way::None(EngineError::new(Kind::Identity, text))
            }
            (EngineAddress::Tcp { .. } | EngineAddress::Unix(_), _, _) => Way::Plain,
        };
        Self { address: door.address, way }
    }

    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// Why the keys cannot be used at all, whoever answers.
    pub fn unusable(&self) -> Option<EngineError> {
        match &self.way {
            Way::None(error) => Some(error.clone()),
            Way::Plain | Way::Tls(_) | Way::Ssh(_) => None,
        }
    }

    /// Whether connections of this sort are made by bollard itself.
    pub fn plain(&self) -> bool {
        matches!(self.way, Way::Plain)
    }

    /// Whether a connection costs more than a call to the kernel, so that it is kept for the next request.
    pub fn dear(&self) -> bool {
        matches!(self.way, Way::Tls(_))
    }

    /// The key that the SSH server showed last.
    pub fn shown_key(&self) -> Option<model::views::environments::HostKeyView> {
        match &self.way {
            Way::Ssh(line) => line.shown_key(),
            Way::Plain | Way::Tls(_) | Way::None(_) => None,
        }
    }

    /// The certificate that the engine showed last, in DER; only over TLS.
    pub fn shown_certificate(&self) -> Option<Vec<u8>> {
        match &self.way {
            Way::Tls(tls) => tls.shown(),
            Way::Plain | Way::Ssh(_) | Way::None(_) => None,
        }
    }

    /// One connection.
    pub async fn dial(&self) -> Result<Wire> {
        match (&self.way, &self.address) {
            (Way::None(error), _) => Err(error.clone()),
            (_, EngineAddress::Unix(path)) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Wire::Unix(stream)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(EngineError::new(Kind::Unreachable, format!("this portal may not use the socket of the engine at {}: {error}", self.address)))
                }
                Err(error) => Err(EngineError::new(Kind::Unreachable, format!("no engine answers at {}: {error}", self.address))),
            },
            (Way::Ssh(line), _) => Ok(Wire::Ssh(Box::new(line.open().await?))),
            (Way::Tls(tls), EngineAddress::Tcp { host, port }) => {
                Ok(Wire::Tls(Box::new(tls.over(connect(host, *port).await?, &self.address).await?)))
            }
            (_, EngineAddress::Tcp { host, port }) => Ok(Wire::Tcp(connect(host, *port).await?)),
            (_, EngineAddress::Ssh { .. }) => Err(EngineError::new(Kind::Identity, "an engine over SSH needs a key")),
        }
    }
}

/// A TCP connection to one of a name's addresses; says what is wrong in words that tell the cases apart.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream> {
    let away = |text: String| EngineError::new(Kind::Unreachable, text);
    let attempt = async {
        let found = tokio::net::lookup_host((host, port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|error| away(format!("the name {host} cannot be resolved from the portal's machine: {}", plain(&error))))?.collect();
        let mut last = away(format!("the name {host} has no address"));
        for address in found {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(|error| away(format!("the connection to {address} broke: {error}")))?;
                    return Ok(stream);
                }
                Err(error) => last = away(refused(host, address, &error)),
            }
        }
        Err(last)
    };
    match tokio::time::timeout(CONNECT, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(away(format!(
            "{host} port {port} did not answer within {} s: is the machine on, is the address right, does a firewall swallow it?",
            CONNECT.as_secs()
        ))),
    }
}

fn refused(host: &str, address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("the machine {host} answers, and refuses connections at {address}: no engine listens there, or a firewall forbids it")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way from the portal's machine to {address}: {}", plain(error))
        }
        _ => format!("no connection to {address}: {}", plain(error)),
    }
}

/// An error of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).trim_start_matches("failed to lookup address information: ").to_owned()
}

/// Dials for bollard's requests.
#[derive(Clone)]
pub(super) struct Connector(pub Arc<Dialer>);

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = EngineError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = Arc::clone(&self.0);
        Box::pin(async move { Ok(TokioIo::new(dialer.dial().await?)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_with_a_place_is_told_apart() {
        let (closed, _held) = crate::probe::tests::closed_port();
        let refused = connect("127.0.0.1", closed.port()).await.expect_err("nobody listens").message;
        assert!(refused.contains("refuses") && refused.contains("no engine listens"), "{refused}");
        let unknown = connect("no-such-host.invalid", 1).await.expect_err("no such name").message;
        assert!(unknown.contains("cannot be resolved"), "{unknown}");
    }
}

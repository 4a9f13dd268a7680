//! Where a service outside of containers is probed.

use std::fmt;
use std::str::FromStr;

use crate::notices::one_line;
use crate::words::words;

words! {
    /// How it is probed.
    Scheme,
    /// A GET over TLS.
    Https = "https",
    /// A GET.
    Http = "http",
    /// A connection that must be taken.
    Tcp = "tcp",
}

/// A probe's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How.
    pub scheme: Scheme,
    /// A name or an address, an IPv6 one in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query; empty of `tcp`.
    pub path: String,
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of these: https://shop.example.com/healthz, http://10.0.0.7:8080/, tcp://10.0.0.9:5432")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let wrong = || InvalidAddress(one_line(text, 80));
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme: Scheme = scheme.parse().map_err(|_| wrong())?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?)),
            None => (authority, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let named = |host: &str| {
            host.len() <= 253
                && host.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
        };
        let right = bare.map_or_else(|| named(host), |bare| bare.parse::<std::net::Ipv6Addr>().is_ok());
        let shown =
            path.len() <= 2_000 && path.bytes().all(|b| b.is_ascii_graphic()) && !path.contains(['#', '"', '<', '>', '\\', '{', '}', '|', '^', '`']);
        let port = match (scheme, port) {
            (_, Some(port)) => port,
            (Scheme::Https, None) => 443,
            (Scheme::Http, None) => 80,
            (Scheme::Tcp, None) => return Err(wrong()),
        };
        if !right || !shown || (scheme == Scheme::Tcp && !path.is_empty()) {
            return Err(wrong());
        }
        let path = if path.is_empty() && scheme != Scheme::Tcp { "/".to_owned() } else { path.to_owned() };
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port, path })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", self.scheme, self.host, self.port, self.path)
    }
}

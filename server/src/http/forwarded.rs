//! Where a request comes from when a proxy stands in front: the address that the proxy saw, for the throttle and the audit log.
//!
//! `X-Forwarded-For` is a claim that anybody can make. It is believed from a proxy on this machine alone (the connection comes from a loopback
//! address), and only where the public URL is https: Slipway itself speaks plain HTTP, so there such a proxy was announced. From anywhere else
//! the connection's own address counts.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;

use super::Portal;

/// Entries of the header that are looked at.
const ENTRIES: usize = 20;

/// Puts the client's address in place of the proxy's, for everything behind.
pub async fn client(State(portal): State<Portal>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    if let Some(peer) = peer
        && portal.origin.is_https()
        && let Some(client) = believed(peer.ip(), request.headers())
    {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, peer.port())));
    }
    next.run(request).await
}

/// The last address in the header that is not of this machine: each proxy appends the one that it saw, so what stands before may be invented.
fn believed(peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
    if !peer.to_canonical().is_loopback() {
        return None;
    }
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("unreadable")).collect();
    let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for entry in entries.take(ENTRIES) {
        let address = address(entry.trim())?;
        if !address.is_loopback() {
            return Some(address);
        }
    }
    None
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(found.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().expect("a header"));
        }
        believed(peer.parse().expect("an address"), &headers).map(|address| address.to_string())
    }

    #[test]
    fn the_address_that_the_proxy_saw_counts_and_no_invented_one() {
        assert_eq!(from("127.0.0.1", &["203.0.113.9"]).as_deref(), Some("203.0.113.9"));
        assert_eq!(from("::1", &["198.51.100.1, 203.0.113.9"]).as_deref(), Some("203.0.113.9"), "the last one is the proxy's own word");
        assert_eq!(from("::ffff:127.0.0.1", &["198.51.100.1", "[2001:db8::7]:4711"]).as_deref(), Some("2001:db8::7"));
        assert_eq!(from("127.0.0.1", &["203.0.113.9, 127.0.0.1"]).as_deref(), Some("203.0.113.9"), "a second proxy on this machine");
        assert_eq!(from("127.0.0.1", &["203.0.113.9:80"]).as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(from("192.0.2.50", &["203.0.113.9"]), None);
        assert_eq!(from("127.0.0.1", &[]), None);
        assert_eq!(from("127.0.0.1", &["203.0.113.9, unknown"]), None, "what the nearest proxy says is not skipped");
        assert_eq!(from("127.0.0.1", &["127.0.0.1"]), None);
    }
}

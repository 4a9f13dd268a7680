//! Tokens of a registry's token service (Docker's token specification): asked for when a challenge says so, kept for as long as they last.

use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use model::secret::Secret;
use serde::Deserialize;
use tokio::time::Instant;

/// Most bytes of a token service's answer.
pub(super) const ANSWER_MAX: usize = 64 * 1024;
/// A token that says nothing of its end lasts so long (the specification's default).
const USUAL: u64 = 60;
/// Longest that a token is kept.
const LONGEST: u64 = 3600;
/// It is no longer used so long before its end.
const MARGIN: u64 = 5;

/// A token that is in use.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<u64>,
}

impl Token {
    /// Reads the answer of a token service.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let text = answer.token.filter(|token| !token.expose().is_empty()).or(answer.access_token)?;
        let mut header = HeaderValue::from_str(&format!("Bearer {}", text.expose())).ok()?;
        header.set_sensitive(true);
        let life = answer.expires_in.filter(|life| *life > 0).unwrap_or(USUAL).min(LONGEST);
        Some(Self { header, until: Instant::now() + Duration::from_secs(life.saturating_sub(MARGIN).max(1)) })
    }

    /// What to send, while it lasts.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        (Instant::now() < self.until).then(|| self.header.clone())
    }
}

/// Where to ask for a token. None: the realm is no address that may be asked.
pub(super) fn address(realm: &str, service: Option<&str>, scope: Option<&str>, plain_allowed: bool) -> Option<Uri> {
    let base: Uri = realm.parse().ok()?;
    let scheme = base.scheme_str()?;
    // A name before an @ would only mislead.
    if !(scheme == "https" || (scheme == "http" && plain_allowed)) || base.authority()?.as_str().contains('@') {
        return None;
    }
    let query: Vec<String> = [("service", service), ("scope", scope)]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", escape(value))))
        .collect();
    let joint = if base.query().is_some() { '&' } else { '?' };
    let text = if query.is_empty() { realm.to_owned() } else { format!("{realm}{joint}{}", query.join("&")) };
    text.parse().ok()
}

/// Percent-encodes what a query's value cannot hold.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':' | b'/') {
            escaped.push(byte.into());
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_service_is_asked_by_https_alone() {
        let at = |realm: &str, plain| address(realm, Some("a b"), Some("repository:x/y:pull"), plain).map(|uri| uri.to_string());
        assert_eq!(at("https://auth.x/token", false).as_deref(), Some("https://auth.x/token?service=a%20b&scope=repository:x/y:pull"));
        assert_eq!(at("https://auth.x/token?a=1", false).as_deref(), Some("https://auth.x/token?a=1&service=a%20b&scope=repository:x/y:pull"));
        assert_eq!(at("http://auth.x/token", false), None);
        assert!(at("http://auth.x/token", true).is_some());
        for wrong in ["file:///etc/passwd", "/token", "https://user@evil.x/token", "gopher://x", ""] {
            assert_eq!(at(wrong, true), None, "{wrong}");
        }
    }

    #[test]
    fn answers_are_read_as_services_write_them() {
        let sent = |text: &str| Token::read(text.as_bytes()).and_then(|token| token.header()).map(|header| header.to_str().expect("text").to_owned());
        assert_eq!(sent(r#"{"token":"t","expires_in":300}"#).as_deref(), Some("Bearer t"));
        assert_eq!(sent(r#"{"access_token":"a"}"#).as_deref(), Some("Bearer a"));
        assert_eq!(sent(r#"{"token":"","access_token":"a"}"#).as_deref(), Some("Bearer a"));
        for wrong in ["", "{}", r#"{"token":"a\nb"}"#, "<html>"] {
            assert_eq!(sent(wrong), None, "{wrong}");
        }
    }
}

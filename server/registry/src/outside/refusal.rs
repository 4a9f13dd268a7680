//! What a registry refuses, or why it cannot be reached, as a failure that says who can do what.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use outbound::{Refused, causes};

use super::{Failure, Retry, Session};

/// Where the source does not say for how long to wait.
const WAIT: Duration = Duration::from_secs(60);
/// Longest that a source can make us wait at once.
const WAIT_MAX: Duration = Duration::from_secs(6 * 3600);

impl Session {
    /// Why no answer came.
    pub(super) fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let mut texts = Vec::new();
        for cause in causes(error) {
            if let Some(Refused { host, range, led: true }) = cause.downcast_ref() {
                let text = format!(
                    "{} leads on to {host}, which is at a {range} address; a registry outside may lead nowhere inside, also where an operator allows it: name the one inside itself",
                    self.host
                );
                return Failure::last("address_refused", text);
            }
            if let Some(Refused { host, range, .. }) = cause.downcast_ref() {
                return Failure::last("address_refused", domain::copies::refusal(host, range));
            }
            // What a server that speaks no TLS answers is no message of TLS.
            if let Some(rustls::Error::InvalidMessage(_)) = cause.downcast_ref() {
                let text = format!(
                    "{} does not answer as https; it seems to speak plain HTTP: an operator can allow that by writing it as http://{} under Outside registries",
                    self.host, self.host
                );
                return Failure::last("plain_http", text);
            }
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                let text = format!(
                    "{} cannot be spoken to over https: {tls}; where its certificate is of your own authority, an operator adds that to the portal's machine",
                    self.host
                );
                return Failure::last("tls", text);
            }
            texts.push(cause.to_string());
        }
        texts.dedup();
        let cause = texts.pop().unwrap_or_default();
        Failure::passing("unreachable", format!("{} cannot be reached: {cause}", self.host))
    }

    pub(super) fn unauthorized(&self) -> Failure {
        let of = if self.path.is_empty() { self.host.to_string() } else { format!("{}/{}", self.host, self.path) };
        let text = match &self.credential {
            Some((name, _)) => format!(
                "{of} refused the credential of {name} that this project keeps for {}: it is wrong, has ended, or may not pull there; a project admin can set another under Outside registries",
                self.host
            ),
            None => format!(
                "{of} lets nobody in without a credential: it is private or not there; a project admin can keep a credential for {} under Outside registries",
                self.host
            ),
        };
        Failure::last("unauthorized", text)
    }

    pub(super) fn refusal(&self, answer: &Response<Incoming>, what: &str) -> Failure {
        self.refusal_of(answer.status(), answer.headers(), what)
    }

    pub(super) fn refusal_of(&self, status: StatusCode, headers: &HeaderMap, what: &str) -> Failure {
        let host = &self.host;
        match status {
            StatusCode::NOT_FOUND => {
                Failure::last("not_found", format!("{host} has no {what}, or does not show it to this project; look at its name and tag"))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => match &self.credential {
                Some((name, _)) => {
                    Failure::last("forbidden", format!("{host} does not let {name} have {what}; a credential that may pull it is needed"))
                }
                None => Failure::last(
                    "forbidden",
                    format!("{host} gives {what} to nobody without a credential; a project admin can keep one under Outside registries"),
                ),
            },
            StatusCode::TOO_MANY_REQUESTS => {
                let after = retry_after(headers).unwrap_or(WAIT).min(WAIT_MAX);
                let anonymous = if self.credential.is_none() { "; with a credential it may allow more" } else { "" };
                let text = format!("{host} says that it was asked too often (429){anonymous}");
                Failure::new("too_many", text, Retry::After(after))
            }
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                let retry = retry_after(headers).map_or(Retry::Soon, |after| Retry::After(after.min(WAIT_MAX)));
                Failure::new("source_failed", format!("{host} failed with {status} when asked for {what}"), retry)
            }
            status => Failure::last("protocol", format!("{host} answered {status} when asked for {what}")),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)))
}

//! Posting to a URL: signed as Standard Webhooks says, through the guard that lets nothing inside be reached, with an answer that is read as far as
//! it says something. Redirects are not followed: they would lead what is told elsewhere.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::notices::work::{Delivery, Outcome, Verdict};
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use model::ids::NoticeId;
use model::notices::{RouteKind, SECRET_PREFIX};
use model::secret::Secret;
use model::time::Millis;
use outbound::{Net, Refused, causes};
use ring::hmac;

use super::{away, payload, refused};

/// Who posts.
const AGENT: &str = concat!("slipway/", env!("CARGO_PKG_VERSION"));
/// Bytes of an answer that are read.
const ANSWER: usize = 1024;

/// Posts a notice once.
pub(crate) async fn send(net: &Net, now: Millis, origin: &str, delivery: &Delivery, address: &Secret) -> Outcome {
    let body = match delivery.kind {
        RouteKind::Slack => payload::slack(origin, delivery),
        RouteKind::Webhook | RouteKind::Email => payload::webhook(origin, delivery),
    };
    let body = Bytes::from(body.to_string());
    let Some(request) = request(now, delivery, address, &body) else {
        return refused("its address cannot be asked; type it again");
    };
    let http = match net.sender(Arc::new(delivery.allowed.clone()), true).await {
        Ok(http) => http,
        Err(error) => return away(error.to_string()),
    };
    match http.request(request).await {
        Ok(answer) => judged(answer.status(), answer.headers().clone(), first_words(answer.into_body()).await),
        Err(error) => unreachable(&error),
    }
}

fn request(now: Millis, delivery: &Delivery, address: &Secret, body: &Bytes) -> Option<Request<Full<Bytes>>> {
    let seconds = now.0 / 1000;
    let mut request = Request::post(address.expose())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, "application/json")
        .header(HeaderName::from_static("webhook-id"), delivery.id.to_string())
        .header(HeaderName::from_static("webhook-timestamp"), seconds);
    if let Some(secret) = &delivery.secret {
        let mut signature = HeaderValue::from_str(&signature(secret, delivery.id, seconds, body)?).ok()?;
        signature.set_sensitive(true);
        request = request.header(HeaderName::from_static("webhook-signature"), signature);
    }
    request.body(Full::new(body.clone())).ok()
}

/// `v1,` and the HMAC of id, time and body; none where the secret is none.
fn signature(secret: &Secret, id: NoticeId, seconds: i64, body: &[u8]) -> Option<String> {
    let key = STANDARD.decode(secret.expose().strip_prefix(SECRET_PREFIX)?).ok()?;
    let mut signed = format!("{id}.{seconds}.").into_bytes();
    signed.extend_from_slice(body);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
    Some(format!("v1,{}", STANDARD.encode(mac)))
}

/// What an answer means: 2xx is taken; what asks for patience or is the receiver's own fault is tried again for long. So is the rest, since a proxy
/// says 404, 403 or 401 where what stands behind it is away; but what comes behind need not wait for it. 400 and 422 are about this one notice, and
/// 410 is how receivers of Standard Webhooks say that nothing is wanted any more: these three no proxy says of itself.
fn judged(status: StatusCode, headers: HeaderMap, words: String) -> Outcome {
    let verdict = match status {
        status if status.is_success() => Verdict::Taken,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Verdict::Away(retry_after(&headers)),
        status if status.is_server_error() => Verdict::Away(retry_after(&headers)),
        StatusCode::BAD_REQUEST | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => Verdict::Unwanted,
        _ => Verdict::Refused,
    };
    let answer = if status.is_redirection() { "it leads elsewhere, and redirects are not followed".to_owned() } else { words };
    Outcome { status: Some(status.as_u16().into()), answer, verdict }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The beginning of an answer, as text.
async fn first_words(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(data);
                }
            }
            Some(Err(_)) | None => break,
        }
    }
    bytes.truncate(ANSWER);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why no answer came. Nothing of the address is told but its host: the rest may be a secret.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> Outcome {
    let mut last = String::new();
    for cause in causes(error) {
        if let Some(Refused { host, range, .. }) = cause.downcast_ref() {
            return refused(domain::copies::refusal(host, range));
        }
        if let Some(rustls::Error::InvalidMessage(_)) = cause.downcast_ref() {
            return refused("it does not answer as https; plain HTTP is for hosts that an operator allows under Admin, Outside registries");
        }
        last = cause.to_string();
    }
    away(format!("it cannot be reached: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // Standard Webhooks' own example: secret, id, time and body of its reference libraries.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id: NoticeId = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id");
        let made = signature(&secret, id, 1_614_265_330, b"{\"test\": 2432232314}").expect("a signature");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64"));
        let mac = STANDARD.decode(made.strip_prefix("v1,").expect("a version")).expect("base64");
        let signed = format!("{id}.1614265330.{{\"test\": 2432232314}}");
        assert!(hmac::verify(&key, signed.as_bytes(), &mac).is_ok());
        assert!(signature(&Secret::new("MfKQ"), id, 1, b"").is_none());
    }

    #[test]
    fn an_answer_is_taken_at_its_word() {
        let of = |status: u16| judged(StatusCode::from_u16(status).expect("a status"), HeaderMap::new(), "no".into()).verdict;
        assert_eq!((of(200), of(204)), (Verdict::Taken, Verdict::Taken));
        for status in [301, 302, 401, 403, 404, 405, 413] {
            assert_eq!(of(status), Verdict::Refused, "{status}");
        }
        for status in [400, 410, 422] {
            assert_eq!(of(status), Verdict::Unwanted, "{status}");
        }
        assert_eq!((of(500), of(503), of(429)), (Verdict::Away(None), Verdict::Away(None), Verdict::Away(None)));
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("120"))]);
        let patient = judged(StatusCode::TOO_MANY_REQUESTS, headers, String::new());
        assert_eq!(patient.verdict, Verdict::Away(Some(Duration::from_secs(120))));
    }
}

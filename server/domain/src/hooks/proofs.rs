//! Whether a delivery comes from somebody who knows the hook's secret. Signatures are made over the bytes as they came, before anything reads them;
//! everything is compared in constant time. Pure.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::notices::SECRET_PREFIX;
use model::time::Millis;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::envelope::Envelope;
use crate::keys::unhex;

/// How far a signed time may be from now, as Standard Webhooks advises.
const TOLERANCE: Duration = Duration::from_secs(300);

/// A secret as it was opened.
pub(super) type Opened = Zeroizing<String>;

/// What a delivery proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Its sender knows the secret.
    Right,
    /// Its sender knew the secret, and signed it at another time; how it is told.
    Stale(String),
    /// Nothing.
    Wrong,
}

/// Looks at every proof with every secret; one that is right is enough. Takes as long for a wrong one as for a right one.
pub(super) fn check(envelope: &Envelope, body: &[u8], secrets: &[Opened], now: Millis) -> Proof {
    let mut plain = false;
    let mut signed = false;
    for secret in secrets {
        plain |= bearer(envelope, secret) | gitlab(envelope, secret) | hub(envelope, body, secret) | gitea(envelope, body, secret);
        signed |= standard(envelope, body, secret);
    }
    match (plain, signed) {
        (true, _) => Proof::Right,
        (false, true) => in_time(envelope, now),
        (false, false) => Proof::Wrong,
    }
}

/// What an unknown hook is checked with, so that its answer takes as long.
pub(super) fn nobodys() -> Vec<Opened> {
    vec![Zeroizing::new(format!("{SECRET_PREFIX}{}", STANDARD.encode([0_u8; 32])))]
}

fn same(given: &str, secret: &str) -> bool {
    // Of one length, whatever was sent.
    Sha256::digest(given.as_bytes()).as_slice().ct_eq(Sha256::digest(secret.as_bytes()).as_slice()).into()
}

/// `Authorization: Bearer <secret>`.
fn bearer(envelope: &Envelope, secret: &str) -> bool {
    let given = envelope.proof("authorization").and_then(|value| value.expose().split_once(' '));
    let Some((scheme, token)) = given else { return false };
    let right = same(token.trim(), secret);
    right && scheme.eq_ignore_ascii_case("bearer")
}

/// `X-Gitlab-Token: <secret>`.
fn gitlab(envelope: &Envelope, secret: &str) -> bool {
    envelope.proof("x-gitlab-token").is_some_and(|given| same(given.expose(), secret))
}

/// `X-Hub-Signature-256: sha256=<hex>`: GitHub, and whoever learned from it.
fn hub(envelope: &Envelope, body: &[u8], secret: &str) -> bool {
    let given = envelope.proof("x-hub-signature-256").and_then(|value| value.expose().strip_prefix("sha256="));
    given.and_then(unhex).is_some_and(|given| mac_is(secret.as_bytes(), &[body], &given))
}

/// `X-Gitea-Signature: <hex>`.
fn gitea(envelope: &Envelope, body: &[u8], secret: &str) -> bool {
    let given = envelope.proof("x-gitea-signature").and_then(|value| unhex(value.expose()));
    given.is_some_and(|given| mac_is(secret.as_bytes(), &[body], &given))
}

/// `webhook-signature: v1,<base64> v1,<base64>` over id, time and body.
fn standard(envelope: &Envelope, body: &[u8], secret: &str) -> bool {
    let (Some(id), Some(time), Some(given)) = (envelope.get("webhook-id"), envelope.get("webhook-timestamp"), envelope.proof("webhook-signature"))
    else {
        return false;
    };
    let coded = secret.strip_prefix(SECRET_PREFIX).and_then(|coded| STANDARD.decode(coded).ok());
    let key = Zeroizing::new(coded.unwrap_or_else(|| secret.as_bytes().to_vec()));
    let head = format!("{id}.{time}.");
    let signatures = given.expose().split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let mut right = false;
    for signature in signatures {
        right |= mac_is(&key, &[head.as_bytes(), body], &signature);
    }
    right
}

fn mac_is(key: &[u8], parts: &[&[u8]], given: &[u8]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(given).is_ok()
}

fn in_time(envelope: &Envelope, now: Millis) -> Proof {
    let signed = envelope.get("webhook-timestamp").and_then(|time| time.parse::<i64>().ok()).and_then(|seconds| seconds.checked_mul(1000));
    let Some(signed) = signed.map(Millis) else { return Proof::Stale("it is no time in seconds since 1970".into()) };
    let apart = now.since(signed).max(signed.since(now));
    if apart <= TOLERANCE {
        return Proof::Right;
    }
    Proof::Stale(format!(
        "it was signed {} s from now, and at most {} s are accepted; sign it again, or set the clock",
        apart.as_secs(),
        TOLERANCE.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::hex;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const NOW: Millis = Millis(1_614_265_330_000);

    fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }

    fn checked(headers: &[(&str, &str)], body: &[u8]) -> Proof {
        check(&Envelope::of(headers.iter().copied()), body, &[Zeroizing::new("another secret 1".into()), Zeroizing::new(SECRET.into())], NOW)
    }

    fn standard_signature(id: &str, time: &str, body: &[u8]) -> String {
        let key = STANDARD.decode(&SECRET[SECRET_PREFIX.len()..]).expect("base64");
        format!("v1,{}", STANDARD.encode(sign(&key, &[format!("{id}.{time}.").as_bytes(), body].concat())))
    }

    #[test]
    fn githubs_own_example_is_right() {
        // From GitHub's documentation of webhooks: secret, body and signature.
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let envelope = Envelope::of([("x-hub-signature-256", signature)]);
        let secrets = [Zeroizing::new("It's a Secret to Everybody".to_owned())];
        assert_eq!(check(&envelope, b"Hello, World!", &secrets, NOW), Proof::Right);
        assert_eq!(check(&envelope, b"Hello, World?", &secrets, NOW), Proof::Wrong);
    }

    #[test]
    fn standard_webhooks_own_example_is_right() {
        // Of its reference libraries.
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let headers = [("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"), ("webhook-signature", signature)];
        assert_eq!(checked(&headers, BODY), Proof::Right);
        let both = format!("v1,bm9u v2,bm9u {signature}");
        let headers = [headers[0], headers[1], ("webhook-signature", both.as_str())];
        assert_eq!(checked(&headers, BODY), Proof::Right, "one of several is right");
    }

    #[test]
    fn every_scheme_takes_the_secret_and_no_other() {
        let mac = hex(&sign(SECRET.as_bytes(), BODY));
        let (hub, bearer) = (format!("sha256={mac}"), format!("Bearer {SECRET}"));
        let proofs = [
            ("x-hub-signature-256", hub.as_str()),
            ("x-gitea-signature", mac.as_str()),
            ("x-gitlab-token", SECRET),
            ("authorization", bearer.as_str()),
        ];
        for proof in proofs {
            assert_eq!(checked(&[proof], BODY), Proof::Right, "{}", proof.0);
            let near: String = proof.1.chars().take(proof.1.len() - 1).chain(['0']).collect();
            let near = if near == proof.1 { near.replace('0', "1") } else { near };
            assert_eq!(checked(&[(proof.0, near.as_str())], BODY), Proof::Wrong, "{}", proof.0);
            assert_eq!(checked(&[(proof.0, "")], BODY), Proof::Wrong, "{}", proof.0);
        }
        assert_eq!(checked(&[], BODY), Proof::Wrong);
        assert_eq!(checked(&[("authorization", &format!("Basic {SECRET}"))], BODY), Proof::Wrong);
    }

    #[test]
    fn what_is_signed_is_the_body_as_it_came_and_the_time() {
        let headers =
            |time: &str, signature: &str| Envelope::of([("webhook-id", "a"), ("webhook-timestamp", time), ("webhook-signature", signature)]);
        let secrets = [Zeroizing::new(SECRET.to_owned())];
        for (time, wanted) in [("1614265330", true), ("1614265031", true), ("1614265629", true), ("1614265029", false), ("1614265632", false)] {
            let proof = check(&headers(time, &standard_signature("a", time, BODY)), BODY, &secrets, NOW);
            assert_eq!(proof == Proof::Right, wanted, "{time}: {proof:?}");
            assert!(wanted || matches!(proof, Proof::Stale(_)), "{time}");
        }
        let other_time = check(&headers("1614265331", &standard_signature("a", "1614265330", BODY)), BODY, &secrets, NOW);
        assert_eq!(other_time, Proof::Wrong, "the time is signed too");
        let no_time = check(&headers("soon", &standard_signature("a", "soon", BODY)), BODY, &secrets, NOW);
        assert!(matches!(no_time, Proof::Stale(_)));
        assert_eq!(check(&headers("1614265330", "v1,"), BODY, &secrets, NOW), Proof::Wrong);
    }
}

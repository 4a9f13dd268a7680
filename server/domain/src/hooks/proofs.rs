//! Whether a delivery comes from somebody who knows the hook's secret. Signatures are made over the bytes as they came, before anything reads them;
//! everything is compared in constant time. Pure.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::notices::SECRET_PREFIX;
use model::secret::Secret;
use model::time::Millis;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::envelope::Envelope;
use crate::keys::unhex;

/// How far a signed time may be from now, as Standard Webhooks advises.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Signatures of one header that are looked at: a sender whose secret is being changed sends two.
const SIGNATURES: usize = 8;

/// A secret as it was opened.
pub(super) type Opened = Zeroizing<String>;

/// What a delivery proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Its sender knows the secret; how that was proved.
    Right(By),
    /// Its sender knew the secret, and signed it at another time; how it is told.
    Stale(String),
    /// Nothing.
    Wrong,
}

/// What a proof covers: whatever it does not cover, somebody may have written who recorded a delivery and has no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The secret itself was sent: whoever has that may say anything.
    Secret,
    /// Its id, its time and its body are signed.
    Standard,
    /// Its body is signed, and nothing that stands around it.
    Body,
}

/// A signature by HMAC-SHA256.
type Code = [u8; 32];

/// Looks at every proof with every secret; one that is right is enough. Takes as long for a wrong one as for a right one, and what is signed is read
/// once for each secret and way of signing, however many signatures were sent.
pub(super) fn check(envelope: &Envelope, body: &[u8], secrets: &[Opened], now: Millis) -> Proof {
    let (of_body, of_all) = (of_body(envelope), Signed::read(envelope));
    let (mut told, mut body_signed, mut all_signed) = (false, false, false);
    for secret in secrets {
        told |= bearer(envelope, secret) | gitlab(envelope, secret);
        body_signed |= !of_body.is_empty() && one_of(&code(secret.as_bytes(), &[body]), &of_body);
        all_signed |= of_all.as_ref().is_some_and(|signed| signed.by(secret, body));
    }
    match (told, all_signed.then(|| in_time(envelope, now)), body_signed) {
        (true, ..) => Proof::Right(By::Secret),
        (false, Some(Ok(())), _) => Proof::Right(By::Standard),
        (false, _, true) => Proof::Right(By::Body),
        (false, Some(Err(why)), false) => Proof::Stale(why),
        (false, None, false) => Proof::Wrong,
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

/// Signatures of the body alone: `X-Hub-Signature-256: sha256=<hex>` of GitHub and whoever learned from it, `X-Gitea-Signature: <hex>`.
fn of_body(envelope: &Envelope) -> Vec<Code> {
    let hub = envelope.proof("x-hub-signature-256").and_then(|value| value.expose().strip_prefix("sha256="));
    let gitea = envelope.proof("x-gitea-signature").map(Secret::expose);
    hub.into_iter().chain(gitea).filter_map(|text| unhex(text)?.try_into().ok()).collect()
}

/// `webhook-signature: v1,<base64> v1,<base64>` over id, time and body.
struct Signed {
    /// What is signed before the body.
    head: String,
    signatures: Vec<Code>,
}

impl Signed {
    fn read(envelope: &Envelope) -> Option<Self> {
        let (id, time, given) = (envelope.get("webhook-id")?, envelope.get("webhook-timestamp")?, envelope.proof("webhook-signature")?);
        let coded = given.expose().split(' ').filter_map(|one| one.strip_prefix("v1,")).take(SIGNATURES);
        let signatures: Vec<Code> = coded.filter_map(|one| STANDARD.decode(one).ok()?.try_into().ok()).collect();
        (!signatures.is_empty()).then(|| Self { head: format!("{id}.{time}."), signatures })
    }

    fn by(&self, secret: &str, body: &[u8]) -> bool {
        let coded = secret.strip_prefix(SECRET_PREFIX).and_then(|coded| STANDARD.decode(coded).ok());
        let key = Zeroizing::new(coded.unwrap_or_else(|| secret.as_bytes().to_vec()));
        one_of(&code(&key, &[self.head.as_bytes(), body]), &self.signatures)
    }
}

/// The signature that is right.
fn code(key: &[u8], parts: &[&[u8]]) -> Code {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn one_of(right: &Code, given: &[Code]) -> bool {
    let mut found = Choice::from(0);
    for one in given {
        found |= right.as_slice().ct_eq(one.as_slice());
    }
    found.into()
}

/// Whether a signed time is near; how it is told where it is not.
fn in_time(envelope: &Envelope, now: Millis) -> Result<(), String> {
    let signed = envelope.get("webhook-timestamp").and_then(|time| time.parse::<i64>().ok()).and_then(|seconds| seconds.checked_mul(1000));
    let Some(signed) = signed.map(Millis) else { return Err("it is no time in seconds since 1970".into()) };
    let apart = now.since(signed).max(signed.since(now));
    if apart <= TOLERANCE {
        return Ok(());
    }
    Err(format!("it was signed {} s from now, and at most {} s are accepted; sign it again, or set the clock", apart.as_secs(), TOLERANCE.as_secs()))
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
        assert_eq!(check(&envelope, b"Hello, World!", &secrets, NOW), Proof::Right(By::Body));
        assert_eq!(check(&envelope, b"Hello, World?", &secrets, NOW), Proof::Wrong);
    }

    #[test]
    fn standard_webhooks_own_example_is_right() {
        // Of its reference libraries.
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let headers = [("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"), ("webhook-signature", signature)];
        assert_eq!(checked(&headers, BODY), Proof::Right(By::Standard));
        let both = format!("v1,bm9u v2,bm9u {signature}");
        let headers = [headers[0], headers[1], ("webhook-signature", both.as_str())];
        assert_eq!(checked(&headers, BODY), Proof::Right(By::Standard), "one of several is right");
    }

    #[test]
    fn every_scheme_takes_the_secret_and_no_other() {
        let mac = hex(&sign(SECRET.as_bytes(), BODY));
        let (hub, bearer) = (format!("sha256={mac}"), format!("Bearer {SECRET}"));
        let proofs = [
            ("x-hub-signature-256", hub.as_str(), By::Body),
            ("x-gitea-signature", mac.as_str(), By::Body),
            ("x-gitlab-token", SECRET, By::Secret),
            ("authorization", bearer.as_str(), By::Secret),
        ];
        for (header, value, by) in proofs {
            let proof = (header, value);
            assert_eq!(checked(&[proof], BODY), Proof::Right(by), "{}", proof.0);
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
            assert_eq!(proof == Proof::Right(By::Standard), wanted, "{time}: {proof:?}");
            assert!(wanted || matches!(proof, Proof::Stale(_)), "{time}");
        }
        let other_time = check(&headers("1614265331", &standard_signature("a", "1614265330", BODY)), BODY, &secrets, NOW);
        assert_eq!(other_time, Proof::Wrong, "the time is signed too");
        let no_time = check(&headers("soon", &standard_signature("a", "soon", BODY)), BODY, &secrets, NOW);
        assert!(matches!(no_time, Proof::Stale(_)));
        assert_eq!(check(&headers("1614265330", "v1,"), BODY, &secrets, NOW), Proof::Wrong);
    }

    #[test]
    fn a_flood_of_signatures_is_not_looked_at() {
        let right = standard_signature("a", "1614265330", BODY);
        let headers = |signatures: String| {
            checked(&[("webhook-id", "a"), ("webhook-timestamp", "1614265330"), ("webhook-signature", signatures.as_str())], BODY)
        };
        for wrong in ["v1,", "v1,bm9u", standard_signature("b", "1614265330", BODY).as_str()] {
            let before = |count: usize| headers(format!("{}{right}", format!("{wrong} ").repeat(count)));
            assert_eq!(before(SIGNATURES - 1), Proof::Right(By::Standard), "{wrong}");
            assert_eq!(before(SIGNATURES), Proof::Wrong, "{wrong}");
        }
    }

    #[test]
    fn the_proof_that_covers_most_counts() {
        let mac = format!("sha256={}", hex(&sign(SECRET.as_bytes(), BODY)));
        let right = standard_signature("a", "1614265330", BODY);
        let signed = [("webhook-id", "a"), ("webhook-timestamp", "1614265330"), ("webhook-signature", right.as_str())];
        let hub = ("x-hub-signature-256", mac.as_str());
        assert_eq!(checked(&[signed[0], signed[1], signed[2], hub], BODY), Proof::Right(By::Standard));
        assert_eq!(checked(&[signed[0], signed[1], hub], BODY), Proof::Right(By::Body), "an id that nobody signed");
        assert_eq!(checked(&[signed[0], signed[1], signed[2], hub, ("x-gitlab-token", SECRET)], BODY), Proof::Right(By::Secret));
    }
}

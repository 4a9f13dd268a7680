//! The registry's bearer token: a JSON Web Token (RFC 7519) signed with HMAC-SHA-256 under a key derived from the portal's.
//!
//! Signed here with `ring`, and not by a JWT library: one issuer and one verifier share one key and one algorithm, so the
//! header is a constant that is compared whole. There is no algorithm to be confused about, and no RSA or elliptic curve to
//! carry along.
//!
//! A token tells who its bearer is and what it may be used for at most. It grants nothing by itself: what the bearer may do
//! is asked of the domain at each request. The one exception is a *grant*, which the portal gives to an engine of its own so
//! that it can pull one repository for a few minutes; it names no account and reaches nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::ids::{RobotSecretId, TokenId, UserId};
use model::secret::Secret;
use model::time::Millis;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::scope::{Access, Verb};

/// The audience, and the `service` that clients are told to ask for.
pub const SERVICE: &str = "slipway";
/// How long a token is good, in seconds.
pub const LIFE: i64 = 15 * 60;
/// How long after its end a token still carries an upload on that its bearer has begun, in seconds.
pub const GRACE: i64 = 24 * 60 * 60;
/// Longest text that is taken for a token.
const TEXT_MAX: usize = 16 * 1024;
/// Clocks of several portals over one database may differ by so many seconds.
const LEEWAY: i64 = 60;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bearer {
    /// Nobody: somebody who asked without a credential.
    Nobody,
    /// An account, and how it signed in.
    Account {
        /// The account.
        user: UserId,
        /// The personal access token that it signed in with, whose ceiling holds too; none: its password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenId>,
        /// Which password it signed in with (`Account::password_since`), where it was one: the token ends with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Millis>,
    },
    /// A robot, and which of its secrets it came with: the token ends with that.
    Robot {
        /// The robot's account.
        robot: UserId,
        /// The secret's id.
        secret: RobotSecretId,
    },
    /// An engine of this portal, which may use exactly what `access` lists.
    Engine,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    /// The bearer's name, for logs of clients; empty for nobody.
    pub sub: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    /// Whom it speaks for.
    pub bearer: Bearer,
    /// What it may be used for at most.
    pub access: Vec<Access>,
}

impl Claims {
    /// Whether the token may be used for this.
    #[must_use]
    pub fn covers(&self, repository: &str, verb: Verb) -> bool {
        self.access.iter().any(|access| access.covers(repository, verb))
    }

    /// Whether the token may be used to list repositories.
    #[must_use]
    pub fn covers_catalog(&self) -> bool {
        self.access.contains(&Access::catalog())
    }
}

/// How a token was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Ours and in force.
    Valid(Claims),
    /// Ours, and its time is over, by less than [`GRACE`].
    Expired(Claims),
    /// Not ours, damaged, of another service, or long over.
    Wrong,
}

/// Signs and checks tokens.
pub struct Tokens {
    key: hmac::Key,
    header: String,
}

/// A token that was just made.
pub struct Issued {
    /// Its text.
    pub text: Secret,
    /// When it was made.
    pub at: Millis,
    /// Seconds that it is good for.
    pub life: i64,
}

impl Tokens {
    /// With the key for this purpose.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), header: URL_SAFE_NO_PAD.encode(HEADER) }
    }

    /// Makes a token. `id` tells tokens apart in logs; `life` is in seconds.
    #[must_use]
    pub fn issue(&self, name: &str, bearer: Bearer, access: Vec<Access>, now: Millis, life: i64, id: String) -> Issued {
        let iat = now.0.div_euclid(1000);
        let (iss, aud) = (SERVICE.to_owned(), SERVICE.to_owned());
        let claims = Claims { iss, sub: name.to_owned(), aud, iat, nbf: iat, exp: iat + life, jti: id, bearer, access };
        let json = serde_json::to_vec(&claims).expect("claims have nothing that JSON refuses");
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(json));
        let signature = hmac::sign(&self.key, signed.as_bytes());
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        Issued { text: Secret::new(text), at: now, life }
    }

    /// Checks a token's text.
    #[must_use]
    pub fn verify(&self, text: &str, now: Millis) -> Verified {
        let Some(claims) = self.open(text) else { return Verified::Wrong };
        let now = now.0.div_euclid(1000);
        if claims.aud != SERVICE || claims.iss != SERVICE || now + LEEWAY < claims.nbf || now >= claims.exp + GRACE {
            return Verified::Wrong;
        }
        if now >= claims.exp { Verified::Expired(claims) } else { Verified::Valid(claims) }
    }

    fn open(&self, text: &str) -> Option<Claims> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, body) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // In constant time, before anything of the body is read.
        hmac::verify(&self.key, signed.as_bytes(), &signature).ok()?;
        if header != self.header {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn tokens() -> Tokens {
        Tokens::new(&[7; 32])
    }

    fn issued() -> String {
        let access = vec![Access::repository("shop/web", &[Verb::Pull])];
        tokens().issue("ana", Bearer::Nobody, access, NOW, LIFE, "1".into()).text.expose().to_owned()
    }

    fn after(seconds: i64) -> Verified {
        tokens().verify(&issued(), Millis(NOW.0 + seconds * 1000))
    }

    #[test]
    fn a_token_is_good_until_its_end_and_a_while_for_uploads() {
        assert!(matches!(after(0), Verified::Valid(claims) if claims.covers("shop/web", Verb::Pull) && claims.sub == "ana"));
        assert!(matches!(after(LIFE - 1), Verified::Valid(_)));
        assert!(matches!(after(LIFE), Verified::Expired(_)));
        assert!(matches!(after(LIFE + GRACE - 1), Verified::Expired(_)));
        assert_eq!(after(LIFE + GRACE), Verified::Wrong);
        assert!(matches!(after(-LEEWAY), Verified::Valid(_)));
        assert_eq!(after(-LEEWAY - 1), Verified::Wrong);
    }

    #[test]
    fn a_token_reaches_what_it_lists_and_no_further() {
        let Verified::Valid(claims) = after(0) else { panic!("valid") };
        assert!(!claims.covers("shop/web", Verb::Push));
        assert!(!claims.covers("shop/web2", Verb::Pull));
        assert!(!claims.covers_catalog());
    }

    #[test]
    fn other_keys_and_other_headers_are_wrong() {
        assert_eq!(Tokens::new(&[8; 32]).verify(&issued(), NOW), Verified::Wrong);
        let text = issued();
        let body = text.split('.').nth(1).expect("three parts");
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        assert_eq!(tokens().verify(&format!("{none}.{body}."), NOW), Verified::Wrong);
        let signature = hmac::sign(&tokens().key, format!("{none}.{body}").as_bytes());
        let other = format!("{none}.{body}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(tokens().verify(&other, NOW), Verified::Wrong);
    }

    proptest! {
        #[test]
        fn a_changed_token_is_wrong(at in any::<prop::sample::Index>(), character in "[A-Za-z0-9._-]") {
            let mut text = issued();
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != *character);
            text.replace_range(at..=at, &character);
            // The last character of a signature carries two unused bits, which the decoder refuses when they are set.
            prop_assert_eq!(tokens().verify(&text, NOW), Verified::Wrong);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}|[a-zA-Z0-9._-]{0,80}") {
            prop_assert_eq!(tokens().verify(&text, NOW), Verified::Wrong);
        }
    }
}

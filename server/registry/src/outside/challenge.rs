//! `WWW-Authenticate` (RFC 9110, section 11.6.1), as registries write it: several challenges in one header or in several, parameters quoted
//! or not. Of all of them the one that a registry's client answers is taken.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// How a registry wants its callers to prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By a token of a token service (Docker's token specification).
    Bearer {
        /// Where the token is got.
        realm: String,
        /// For whom.
        service: Option<String>,
    },
    /// By user name and password.
    Basic,
}

/// The challenge to answer: Bearer before Basic. None: there is none that is understood.
pub(super) fn read(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE).iter().take(8) {
        let Ok(text) = value.to_str() else { continue };
        for (scheme, parameters) in challenges(text) {
            let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            match (scheme.as_str(), parameter("realm")) {
                ("bearer", Some(realm)) => return Some(Challenge::Bearer { realm, service: parameter("service") }),
                ("basic", _) => basic = Some(Challenge::Basic),
                _ => {}
            }
        }
    }
    basic
}

type Parameters = Vec<(String, String)>;

/// Every challenge of a header's value, names in lower case.
fn challenges(text: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return found;
        }
        let after = after.trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            Some(value) => {
                let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((word.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            None => {
                found.push((word.to_ascii_lowercase(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A quoted string or a token, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).expect("a header"));
        }
        read(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
    }

    #[test]
    fn challenges_of_real_registries_are_read() {
        let hub =
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull",error="invalid_token""#;
        assert_eq!(of(&[hub]), bearer("https://auth.docker.io/token", Some("registry.docker.io")));
        assert_eq!(of(&["Basic realm=\"harbor\""]), Some(Challenge::Basic));
        assert_eq!(of(&["basic"]), Some(Challenge::Basic));
        assert_eq!(of(&["Basic realm=\"a\", Bearer realm=\"https://t\""]), bearer("https://t", None));
        assert_eq!(of(&["Basic realm=x", "BEARER  Realm = https://t , Service=s"]), bearer("https://t", Some("s")));
        assert_eq!(of(&[r#"Bearer realm="https://t?a=\"b, c\"",service="x y""#]), bearer("https://t?a=\"b, c\"", Some("x y")));
        assert_eq!(of(&["Negotiate abc=="]), None);
        assert_eq!(of(&["Bearer error=\"x\""]), None);
        assert_eq!(of(&[]), None);
    }

    proptest! {
        #[test]
        fn no_header_panics_or_hangs(text in "[ -~]{0,80}") {
            let _ = of(&[&text]);
        }
    }
}

//! A text that must not be seen: no way of printing shows it. And the one judgement whether a variable's name says that its value is secret.

/// Stands in place of what was hidden.
pub const HIDDEN: &str = "(hidden)";

/// Parts of names that say that a value is secret, in upper case.
const PARTS: [&str; 14] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "_PASS", "_PWD", "SECRET", "TOKEN", "APIKEY", "API_KEY", "PRIVATE", "CREDENTIAL", "AUTH", "_KEY", "_DSN"];

/// Whether the name of a variable says that its value is secret: `DB_PASSWORD`, `github.token`, `KEY`. Upper and lower case are alike.
#[must_use]
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    name.ends_with("KEY") || name == "PASS" || name == "DSN" || PARTS.iter().any(|part| name.contains(part))
}

/// A secret text. `Debug` hides it, `Display` does not exist; [`Secret::expose`] is the one way in.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into hiding.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Whoever calls this keeps it out of logs, pages and errors.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_that_a_value_is_secret() {
        let secret =
            ["DB_PASSWORD", "github-token", "KEY", "SIGNINGKEY", "key.private", "client_secret", "SENTRY_DSN", "MYSQL_PWD", "db.pass", "PASS"];
        for name in secret {
            assert!(names_a_secret(name), "{name}");
        }
        for name in ["LOG_LEVEL", "PWD", "PATH", "KEYBOARD", "PORT", "GREETING"] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}

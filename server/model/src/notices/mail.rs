//! How e-mail leaves: the server that operators set, and whom mail may go to.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{check_mailbox, odd, one_line};
use crate::problem::FieldError;
use crate::words::words;

/// Most domains that mail may go to.
const DOMAINS: usize = 50;
/// Longest name of a host or a domain, in bytes.
const HOST_MAX: usize = 253;

words! {
    /// How the connection to the mail server is guarded.
    MailSecurity,
    /// TLS from its first byte on; usually port 465.
    Tls = "tls",
    /// TLS before anything is said; usually port 587.
    StartTls = "starttls",
    /// Not at all: for a server on the same machine.
    None = "none",
}

/// How e-mail leaves, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailForm {
    /// The server; empty: no e-mail leaves.
    pub host: String,
    /// Its port.
    pub port: String,
    /// A [`MailSecurity`].
    pub security: String,
    /// Who signs in; empty: nobody.
    pub username: String,
    /// With what; empty: as it was.
    pub password: String,
    /// Whom e-mail is from.
    pub sender: String,
    /// Domains that mail may go to, with commas between; empty: all.
    pub recipients: String,
}

/// How e-mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailOrder {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is guarded.
    pub security: MailSecurity,
    /// Who signs in; empty: nobody.
    pub username: String,
    /// Whom e-mail is from.
    pub sender: String,
    /// Domains that mail may go to, in small letters; none: all.
    pub recipients: Vec<String>,
}

impl MailForm {
    /// What was typed.
    ///
    /// # Errors
    /// Every mistake, with the field's name.
    pub fn read(&self) -> Result<MailOrder, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut note = |field: &str, message: &str| errors.push(FieldError::new(field, message));
        let host = self.host.trim();
        if host.is_empty() || host.len() > HOST_MAX || !host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c)) {
            note("host", "write the server's name or address: mail.example.com");
        }
        let port = self.port.trim().parse::<u16>().ok().filter(|port| *port > 0);
        if port.is_none() {
            note("port", "a port, 1 to 65535; usually 465 or 587");
        }
        let username = self.username.trim();
        let security = self.security.parse::<MailSecurity>();
        match security {
            Err(_) => note("security", "expected one of tls, starttls, none"),
            Ok(security) if in_clear(host, security, username) => note("security", IN_CLEAR),
            Ok(_) => {}
        }
        if username.len() > 256 || username.chars().any(odd) {
            note("username", "at most 256 characters, in one line");
        }
        if self.password.len() > 1024 || self.password.chars().any(char::is_control) {
            note("password", "at most 1024 bytes, in one line");
        }
        if let Err(message) = check_mailbox(self.sender.trim()) {
            note("sender", &message);
        }
        let recipients = domains(&self.recipients).map_err(|message| note("recipients", &message)).unwrap_or_default();
        match (port, security) {
            (Some(port), Ok(security)) if errors.is_empty() => {
                let (host, username, sender) = (host.to_owned(), username.to_owned(), self.sender.trim().to_owned());
                Ok(MailOrder { host, port, security, username, sender, recipients })
            }
            _ => Err(errors),
        }
    }
}

/// Why no password is sent without TLS.
const IN_CLEAR: &str =
    "the password would cross the network in clear: choose tls or starttls, or let nobody sign in; none is for a server on this machine alone";

/// Whether whoever signs in so tells the network the password.
fn in_clear(host: &str, security: MailSecurity, username: &str) -> bool {
    security == MailSecurity::None && !username.is_empty() && !is_loopback(host)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Domains with commas or spaces between, in small letters.
fn domains(text: &str) -> Result<Vec<String>, String> {
    let parts = text.split([',', ' ', '\t', '\r', '\n']).filter(|part| !part.is_empty());
    let mut domains: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    domains.sort_unstable();
    domains.dedup();
    if domains.len() > DOMAINS {
        return Err(format!("at most {DOMAINS} domains"));
    }
    let wrong = |domain: &&String| {
        let letters = domain.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        !letters || domain.len() > HOST_MAX || domain.starts_with('.') || domain.ends_with('.') || domain.contains("..")
    };
    if let Some(domain) = domains.iter().find(wrong) {
        return Err(format!("{:?} is no domain: write example.com, several with commas between", one_line(domain, 80)));
    }
    Ok(domains)
}

impl MailOrder {
    /// Why the password must not be sent to this server as it is guarded, if it must not.
    #[must_use]
    pub fn tells_password(&self) -> Option<&'static str> {
        in_clear(&self.host, self.security, &self.username).then_some(IN_CLEAR)
    }

    /// Why one of these addresses, with commas between, gets no mail; none where each may get it.
    #[must_use]
    pub fn refuses(&self, addresses: &str) -> Option<String> {
        let allowed = |address: &&str| {
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            self.recipients.iter().any(|known| known.eq_ignore_ascii_case(domain))
        };
        if self.recipients.is_empty() {
            return None;
        }
        let refused = addresses.split(',').map(str::trim).find(|address| !allowed(address))?;
        Some(format!("{} gets no mail: operators let it go to {} alone", one_line(refused, 80), self.recipients.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(host: &str, security: &str, username: &str) -> MailForm {
        let (host, security, username) = (host.into(), security.into(), username.into());
        MailForm { host, port: "587".into(), security, username, sender: "slipway@example.com".into(), ..MailForm::default() }
    }

    fn wrong(form: &MailForm) -> Vec<String> {
        form.read().expect_err("wrong").into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_password_leaves_this_machine_behind_tls_alone() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.3.2.1", "::1", "[::1]", "::ffff:127.0.0.1"] {
            let order = form(host, "none", "slipway").read().expect(host);
            assert_eq!(order.tells_password(), None, "{host}");
        }
        for host in ["mail.example.com", "10.0.0.5", "localhost.example.com", "127.0.0.1.example.com", "[::2]"] {
            assert_eq!(wrong(&form(host, "none", "slipway")), ["security"], "{host}");
            form(host, "none", "").read().expect("nobody signs in");
            form(host, "starttls", "slipway").read().expect("behind TLS");
        }
        let kept = MailOrder { security: MailSecurity::None, ..form("mail.example.com", "tls", "slipway").read().expect("an order") };
        assert!(kept.tells_password().is_some(), "one that was kept before this was refused");
    }

    #[test]
    fn mail_goes_to_the_domains_that_operators_allow() {
        let of = |recipients: &str| MailForm { recipients: recipients.into(), ..form("mail.example.com", "tls", "") };
        let all = of("").read().expect("an order");
        assert_eq!(all.refuses("a@example.org"), None);
        let some = of("Example.com, example.net\nexample.com").read().expect("an order");
        assert_eq!(some.recipients, ["example.com", "example.net"]);
        assert_eq!(some.refuses("a@example.com, b@EXAMPLE.net"), None);
        for address in ["a@example.org", "a@example.com, b@example.org", "a@sub.example.com", "a@example.com.evil.org", "a@example.org@b"] {
            assert!(some.refuses(address).is_some_and(|why| why.contains("example.com, example.net")), "{address}");
        }
        for bad in ["@example.com", "*.example.com", ".example.com", "example..com", "ex\u{e4}mple.com"] {
            assert_eq!(wrong(&of(bad)), ["recipients"], "{bad}");
        }
        let many: Vec<String> = (0..=DOMAINS).map(|n| format!("d{n}.example.com")).collect();
        assert_eq!(wrong(&of(&many.join(","))), ["recipients"]);
    }
}

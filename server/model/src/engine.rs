//! Where an engine is: the addresses that `DOCKER_HOST` knows, as far as we speak them. Never dials.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The socket on which an engine listens on its own machine, where nothing else is said.
pub const SOCKET: &str = "/var/run/docker.sock";
/// SSH's port.
const SSH_PORT: u16 = 22;

/// The address of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EngineAddress {
    /// A socket on the portal's own machine.
    Unix(PathBuf),
    /// A port: with TLS, or plain for tests and closed networks (an engine gives root to everyone who reaches it).
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket of another machine, reached through its SSH server.
    Ssh {
        /// Who signs in.
        user: String,
        /// Name or address, without brackets.
        host: String,
        /// The SSH server's port.
        port: u16,
        /// The engine's socket there.
        socket: String,
    },
}

impl EngineAddress {
    /// The name or address of the machine that it is on; none: a socket on this one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp { host, .. } | Self::Ssh { host, .. } => Some(host),
        }
    }

    /// The name or address of another machine that it is on, by name; none: it is on the portal's own, as far as the address says.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&str> {
        self.host().filter(|host| *host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()))
    }
}

/// Why a text is no engine's address, and what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidEngineAddress(String);

fn refuse<T>(message: String) -> Result<T, InvalidEngineAddress> {
    Err(InvalidEngineAddress(message))
}

impl FromStr for EngineAddress {
    type Err = InvalidEngineAddress;

    fn from_str(text: &str) -> Result<Self, InvalidEngineAddress> {
        let text = text.trim();
        if text.len() > 500 || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return refuse("an engine's address has no blanks and at most 500 characters".into());
        }
        match text.split_once("://") {
            Some(("unix", path)) if socket(path) => Ok(Self::Unix(PathBuf::from(path))),
            Some(("unix", _)) => refuse(format!("{text}: a socket needs an absolute path, like unix:///var/run/docker.sock")),
            Some(("tcp" | "http" | "https", rest)) => tcp(text, rest),
            Some(("ssh", rest)) => ssh(text, rest),
            Some((scheme, _)) => refuse(format!("{text}: {scheme}:// is not supported; use unix://, tcp:// or ssh://")),
            None if socket(text) => Ok(Self::Unix(PathBuf::from(text))),
            None => refuse(format!("{text:?} is not an engine's address; use unix:///path/to/docker.sock, tcp://host:2376 or ssh://user@host")),
        }
    }
}

fn socket(path: &str) -> bool {
    path.starts_with('/') && path.len() > 1
}

/// A host and maybe a port: `name`, `name:1`, `[::1]:1`.
fn place(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port != 0)?),
        None => None,
    };
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.len() <= 253 && host.chars().all(name)).then(|| (host.to_owned(), port))
}

fn tcp(text: &str, rest: &str) -> Result<EngineAddress, InvalidEngineAddress> {
    match place(rest.trim_end_matches('/')) {
        Some((host, Some(port))) => Ok(EngineAddress::Tcp { host, port }),
        _ => refuse(format!("{text}: a TCP address needs a host and a port, like tcp://docker1.example.com:2376")),
    }
}

fn ssh(text: &str, rest: &str) -> Result<EngineAddress, InvalidEngineAddress> {
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let path = if path.is_empty() { SOCKET.to_owned() } else { format!("/{path}") };
    let Some((user, host)) = authority.rsplit_once('@') else {
        return refuse(format!("{text}: say who signs in, like ssh://slipway@docker1.example.com"));
    };
    let good = !user.is_empty() && user.len() <= 64 && user.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    match place(host) {
        Some((host, port)) if good => Ok(EngineAddress::Ssh { user: user.to_owned(), host, port: port.unwrap_or(SSH_PORT), socket: path }),
        _ if user.contains(':') => refuse("an address holds no password; sign in with a key".into()),
        _ => refuse(format!(
            "{}: an SSH address is written like ssh://slipway@docker1.example.com:22",
            text.split('@').next_back().unwrap_or_default()
        )),
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{}:{port}", bracketed(host)),
            Self::Ssh { user, host, port, socket } => {
                write!(f, "ssh://{user}@{}", bracketed(host))?;
                if *port != SSH_PORT {
                    write!(f, ":{port}")?;
                }
                if socket != SOCKET {
                    f.write_str(socket)?;
                }
                Ok(())
            }
        }
    }
}

impl From<EngineAddress> for String {
    fn from(address: EngineAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for EngineAddress {
    type Error = InvalidEngineAddress;

    fn try_from(text: String) -> Result<Self, InvalidEngineAddress> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_host_may_hold() {
        for (text, shown) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("/var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375"),
            ("tcp://[::1]:2375/", "tcp://[::1]:2375"),
            ("http://engine:2375", "tcp://engine:2375"),
            ("https://engine:2376", "tcp://engine:2376"),
            ("ssh://root@host", "ssh://root@host"),
            ("ssh://root@host:22/var/run/docker.sock", "ssh://root@host"),
            ("ssh://a.b-c@[fe80::1]:2222", "ssh://a.b-c@[fe80::1]:2222"),
            ("ssh://u@host/run/user/1000/docker.sock", "ssh://u@host/run/user/1000/docker.sock"),
        ] {
            let address = text.parse::<EngineAddress>().expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse::<EngineAddress>(), Ok(address));
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_can() {
        for text in [
            "",
            "docker",
            "unix://",
            "unix://x",
            "tcp://host",
            "tcp://:2375",
            "tcp://h:0",
            "tcp://u@h:1",
            "npipe://./pipe",
            "ssh://host",
            "ssh://@host",
            "ssh://u@",
            "ssh://u@h:0",
            "tcp://h:1/x",
            "ssh://-oProxyCommand=x@h",
            "tcp://a b:1",
        ] {
            let error = text.parse::<EngineAddress>().expect_err(text).to_string();
            assert!(error.contains("://") || error.contains("blanks"), "{error}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = "ssh://root:geheim@host".parse::<EngineAddress>().expect_err("a password").to_string();
        assert!(error.contains("key") && !error.contains("geheim"), "{error}");
    }

    #[test]
    fn what_is_on_this_machine_is_known_by_its_address() {
        let elsewhere = |text: &str| text.parse::<EngineAddress>().expect(text).elsewhere().map(str::to_owned);
        assert_eq!(elsewhere("unix:///x"), None);
        assert_eq!(elsewhere("tcp://127.0.0.2:1"), None);
        assert_eq!(elsewhere("ssh://u@localhost"), None);
        assert_eq!(elsewhere("ssh://u@10.0.0.1"), Some("10.0.0.1".into()));
        assert_eq!(elsewhere("tcp://[2001:db8::1]:1"), Some("2001:db8::1".into()));
    }
}

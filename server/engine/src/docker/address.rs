//! Where an engine is: the addresses that `DOCKER_HOST` knows, as far as we speak them.
//!
//! Never dials.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{EngineError, Kind};

/// The address of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket on this machine.
    Unix(PathBuf),
    /// `host:port`, plain HTTP. The engine gives root to everyone who reaches it, so this is for tests and closed networks.
    Tcp(String),
}

impl FromStr for Address {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let text = text.trim();
        let refuse = |message: String| Err(EngineError::new(Kind::Unsupported, message));
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') && path.len() > 1 => Ok(Address::Unix(PathBuf::from(path))),
            Some(("unix", _)) => refuse(format!("{text}: a socket needs an absolute path, like unix:///var/run/docker.sock")),
            Some(("tcp" | "http", rest)) => tcp(text, rest),
            Some(("ssh", _)) => refuse(format!("{text}: engines over SSH are not supported yet; use a socket (unix://) or tcp://")),
            Some((scheme, _)) => refuse(format!("{text}: {scheme}:// is not supported; use unix:// or tcp://")),
            None if text.starts_with('/') && text.len() > 1 => Ok(Address::Unix(PathBuf::from(text))),
            None => refuse(format!("{text:?} is not an engine's address; use unix:///path/to/docker.sock or tcp://host:port")),
        }
    }
}

fn tcp(text: &str, rest: &str) -> Result<Address, EngineError> {
    let place = rest.trim_end_matches('/');
    let good = place.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
        && !place.contains(['/', '@', '?', '#'])
        && !place.contains(char::is_whitespace);
    if good {
        Ok(Address::Tcp(place.to_owned()))
    } else {
        Err(EngineError::new(Kind::Unsupported, format!("{text}: a TCP address needs a host and a port, like tcp://127.0.0.1:2375")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Tcp(place) => write!(f, "tcp://{place}"),
        }
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
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_can() {
        for text in
            ["", "docker", "unix://", "unix://x", "tcp://host", "tcp://:2375", "tcp://h:0", "tcp://u@h:1", "npipe://./pipe", "ssh://root@host"]
        {
            let error = text.parse::<Address>().expect_err(text);
            assert_eq!(error.kind, Kind::Unsupported);
            assert!(error.message.contains("unix") || error.message.contains("tcp"), "{}", error.message);
        }
    }
}

//! What operators allow besides the public internet: hosts (`registry.lan:5000`, `*.corp.example`, with `http://` where plain HTTP is
//! spoken) and networks (`10.20.0.0/16`, over https). Everything else must be https to a public address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{is_link_local, special, split};

/// Most patterns of a list.
const MOST: usize = 200;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A host, whatever its address.
    Host {
        /// Whether plain HTTP is spoken with it.
        plain: bool,
        /// Its name or address; `*.` before it means every name below it, not itself.
        name: String,
        /// The port; none: the usual one.
        port: Option<u16>,
    },
    /// Addresses.
    Network {
        /// The network's address.
        address: IpAddr,
        /// How many bits are fixed.
        bits: u8,
    },
}

/// Why a line is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of these: registry.lan:5000, *.corp.example, http://registry.lan:5000 (plain HTTP), 10.20.0.0/16")]
pub struct InvalidPattern(String);

/// How a host may be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Over plain HTTP.
    pub plain: bool,
    /// The host was named by an operator: its address may be a private one.
    pub named: bool,
}

/// The list. Empty: the public internet alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct AllowList(Vec<Pattern>);

impl AllowList {
    /// The patterns, in the order that they were written in.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// How the registry itself is spoken to: over https, unless an operator said that it speaks plain HTTP.
    #[must_use]
    pub fn plan(&self, host: &str, port: Option<u16>) -> Plan {
        if !self.names(false, host, port.unwrap_or(443)) && self.names(true, host, port.unwrap_or(80)) {
            return Plan { plain: true, named: true };
        }
        Plan { plain: false, named: self.names(false, host, port.unwrap_or(443)) }
    }

    /// Whether an operator named this host.
    #[must_use]
    pub fn names(&self, plain: bool, host: &str, port: u16) -> bool {
        self.0.iter().any(|pattern| pattern.names(plain, host, port))
    }

    /// Whether a connection may go to this address; else the sort of range that it is in. A host that an operator named may be anywhere but
    /// at a link-local address, unless they named that address itself.
    ///
    /// # Errors
    /// The sort of range, for the message.
    pub fn admits(&self, plain: bool, host: &str, port: u16, address: IpAddr) -> Result<(), &'static str> {
        let address = address.to_canonical();
        let Some(range) = special(address) else {
            return if plain && !self.names(true, host, port) { Err("public, but spoken to in plain HTTP") } else { Ok(()) };
        };
        let literal = host.parse::<IpAddr>().is_ok_and(|named| named.to_canonical() == address);
        let by_name = self.names(plain, host, port) && (literal || !is_link_local(address));
        let by_network = self.0.iter().any(|pattern| pattern.holds(address)) && (!plain || self.names(true, host, port));
        if by_name || by_network { Ok(()) } else { Err(range) }
    }

    /// Reads one pattern from each line; empty lines and what follows a `#` are left out.
    ///
    /// # Errors
    /// The first line that is no pattern, or that there are too many.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let lines = lines.into_iter().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty());
        let mut patterns = Vec::new();
        for line in lines {
            let pattern: Pattern = line.parse().map_err(|error: InvalidPattern| error.to_string())?;
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        if patterns.len() > MOST {
            return Err(format!("at most {MOST} lines"));
        }
        Ok(Self(patterns))
    }
}

impl Pattern {
    fn names(&self, wanted_plain: bool, wanted: &str, wanted_port: u16) -> bool {
        let Self::Host { plain, name, port } = self else { return false };
        let fits = match name.strip_prefix("*.") {
            Some(below) => wanted.strip_suffix(below).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => name == wanted,
        };
        fits && *plain == wanted_plain && port.unwrap_or(if *plain { 80 } else { 443 }) == wanted_port
    }

    fn holds(&self, wanted: IpAddr) -> bool {
        let Self::Network { address, bits } = self else { return false };
        match (address, wanted) {
            (IpAddr::V4(own), IpAddr::V4(wanted)) => same(u32::from(*own).into(), u32::from(wanted).into(), 32, *bits),
            (IpAddr::V6(own), IpAddr::V6(wanted)) => same((*own).into(), wanted.into(), 128, *bits),
            _ => false,
        }
    }
}

/// Whether the first `bits` of two addresses of `width` bits are the same.
fn same(one: u128, other: u128, width: u8, bits: u8) -> bool {
    bits == 0 || (one ^ other) >> (width - bits) == 0
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let wrong = || InvalidPattern(text.chars().take(80).collect());
        let lower = text.trim().to_ascii_lowercase();
        let (plain, rest) = match (lower.strip_prefix("http://"), lower.strip_prefix("https://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (false, lower.as_str()),
        };
        if let Some((address, bits)) = rest.split_once('/').filter(|_| !plain && !lower.contains("://")) {
            let (address, bits): (IpAddr, u8) = (address.parse().map_err(|_| wrong())?, bits.parse().map_err(|_| wrong())?);
            let address = address.to_canonical();
            let width = if address.is_ipv4() { 32 } else { 128 };
            return if bits <= width { Ok(Self::Network { address, bits }) } else { Err(wrong()) };
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let checked = rest.strip_prefix("*.").unwrap_or(rest);
        // A single word is a host too where somebody's resolver knows it; the reference's grammar wants a dot or a port to see one.
        let host_like = if checked.contains(['.', ':']) { checked.to_owned() } else { format!("{checked}:1") };
        host_like.parse::<super::RegistryHost>().map_err(|_| wrong())?;
        let (name, port) = split(rest);
        Ok(Self::Host { plain, name: name.to_owned(), port })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { address, bits } => write!(f, "{address}/{bits}"),
            Self::Host { plain, name, port } => {
                f.write_str(if *plain { "http://" } else { "" })?;
                if name.contains(':') {
                    write!(f, "[{name}]")?
                } else {
                    f.write_str(name)?
                };
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

impl TryFrom<Vec<String>> for AllowList {
    type Error = String;

    fn try_from(lines: Vec<String>) -> Result<Self, String> {
        Self::from_lines(lines.iter().map(String::as_str))
    }
}

impl From<AllowList> for Vec<String> {
    fn from(list: AllowList) -> Self {
        list.0.iter().map(ToString::to_string).collect()
    }
}

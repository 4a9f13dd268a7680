//! What those who ask may say behind the question mark.

use std::str::FromStr;
use std::time::Duration;

use domain::discovery::Filter;
use domain::{Actor, Error};
use model::views::discovery::Endpoint;

/// A query. Names that mean nothing are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Which services.
    pub(super) filter: Filter,
    /// How long to wait for something else.
    pub(super) wait: Duration,
    /// The number of the change that the asker knows.
    pub(super) index: Option<u64>,
    /// Addresses in the projects' networks instead of those of machines.
    pub(super) inside: bool,
    /// Of ports with this name only.
    pub(super) port: Option<String>,
    /// nginx: servers without the block around them.
    pub(super) servers: bool,
    /// Traefik: who gets certificates.
    pub(super) resolver: Option<String>,
    /// Traefik: through which entry points routes are reached; none: all.
    pub(super) entry_points: Vec<String>,
}

impl Asked {
    /// Reads it, for somebody who is somebody.
    pub(super) fn read(actor: &Actor, pairs: &[(String, String)]) -> Result<Self, Error> {
        actor.account()?;
        let mut asked = Self::default();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            asked.take(name, value)?;
        }
        Ok(asked)
    }

    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "project" => self.filter.project = Some(parsed(name, value)?),
            "service" => self.filter.service = Some(parsed(name, value)?),
            "environment" => self.filter.environment = Some(parsed(name, value)?),
            "wait" => self.wait = Duration::from_secs(number(name, value)?),
            "index" => self.index = Some(number(name, value)?),
            "port" => self.port = Some(value.to_owned()),
            "address" => self.inside = choice(name, value, ("machine", "container"))?,
            "form" => self.servers = choice(name, value, ("upstream", "servers"))?,
            "resolver" => self.resolver = Some(word(name, value)?),
            "entrypoints" => self.entry_points = value.split(',').map(|one| word(name, one)).collect::<Result<_, _>>()?,
            _ => {}
        }
        Ok(())
    }

    /// Where a port is reached, if that is asked for and known.
    pub(super) fn address<'a>(&self, endpoint: &'a Endpoint) -> Option<&'a str> {
        let address = if self.inside { endpoint.container_address.as_deref() } else { Some(endpoint.address.as_str()) };
        address.filter(|_| self.port.as_ref().is_none_or(|port| *port == endpoint.name))
    }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, Error> {
    value.parse().map_err(|error| Error::invalid(name, error))
}

fn number(name: &str, value: &str) -> Result<u64, Error> {
    value.parse().map_err(|_| Error::invalid(name, "write a whole number"))
}

/// Whether it is the second of two words.
fn choice(name: &str, value: &str, (first, second): (&str, &str)) -> Result<bool, Error> {
    if value == first || value == second { Ok(value == second) } else { Err(Error::invalid(name, format!("{first} or {second}"))) }
}

/// A name in the asker's own configuration.
fn word(name: &str, value: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=100).contains(&value.len()) && value.chars().all(plain) {
        return Ok(value.to_owned());
    }
    Err(Error::invalid(name, "a name of letters, digits, hyphens, underscores and dots"))
}

//! Networks: each project gets one /24 of the pool in each environment. Which one is a ledger (the table `networks`); what is
//! computed here is only where the n-th lies.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use model::ids::{EnvironmentId, ProjectId};

use crate::args;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// A range of addresses that is cut into /24s; `10.208.0.0/12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    base: u32,
    prefix: u8,
}

/// The text is no pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pool of networks is written like 10.208.0.0/12: a private IPv4 range of /8 to /24, at its first address")]
pub struct InvalidPool;

impl Pool {
    /// How many /24s it holds.
    #[must_use]
    pub fn size(self) -> u32 {
        1 << (24 - self.prefix)
    }

    /// The /24 at a position.
    #[must_use]
    pub fn at(self, position: u32) -> Option<Subnet> {
        (position < self.size()).then(|| Subnet { base: Ipv4Addr::from(self.base + (position << 8)) })
    }
}

impl FromStr for Pool {
    type Err = InvalidPool;

    fn from_str(text: &str) -> Result<Self, InvalidPool> {
        let (address, prefix) = text.split_once('/').ok_or(InvalidPool)?;
        let address: Ipv4Addr = address.parse().map_err(|_| InvalidPool)?;
        let prefix: u8 = prefix.parse().map_err(|_| InvalidPool)?;
        let base = u32::from(address);
        let fine = (8..=24).contains(&prefix) && address.is_private() && base & (u32::MAX >> prefix) == 0;
        if fine { Ok(Self { base, prefix }) } else { Err(InvalidPool) }
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

/// One network of 256 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    base: Ipv4Addr,
}

impl Subnet {
    /// The machine's own address in it.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base) + 1)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/24", self.base)
    }
}

/// The project's network in an environment, if it has one.
pub(crate) async fn given(tx: &mut Tx, pool: Pool, environment: EnvironmentId, project: ProjectId) -> Result<Option<Subnet>> {
    let sql = "SELECT position FROM networks WHERE environment_id = $1 AND project_id = $2";
    let position: Option<i64> = tx.opt(sql, args![environment, project], |row| row.get("position")).await?;
    Ok(position.and_then(|position| pool.at(u32::try_from(position).ok()?)))
}

/// Gives the project a network, or another one than it has: the lowest free position, behind `after` if there is one that is free.
pub(crate) async fn give(
    tx: &mut Tx,
    platform: &Platform,
    pool: Pool,
    environment: EnvironmentId,
    project: ProjectId,
    after: Option<Subnet>,
) -> Result<Subnet> {
    tx.lock_key(&format!("networks {environment}")).await?;
    let sql = "SELECT position FROM networks WHERE environment_id = $1 AND project_id <> $2 ORDER BY position LIMIT 65536";
    let taken: Vec<i64> = tx.all(sql, args![environment, project], |row| row.get("position")).await?;
    let own = after.map_or(0, |subnet| (u32::from(subnet.base).wrapping_sub(pool.base) >> 8).saturating_add(1));
    let free = |position: &u32| taken.binary_search(&i64::from(*position)).is_err();
    let last = own.saturating_sub(1);
    let mut order = (own..pool.size()).chain(0..last.min(pool.size()));
    let position = order.find(free).ok_or_else(|| {
        Error::Unavailable(format!("all {} networks of the pool {pool} are given out: an operator must configure a larger one", pool.size()))
    })?;
    let sql = "INSERT INTO networks (environment_id, project_id, position, since) VALUES ($1, $2, $3, $4)
               ON CONFLICT (environment_id, project_id) DO UPDATE SET position = excluded.position, since = excluded.since";
    tx.exec(sql, args![environment, project, i64::from(position), platform.now()]).await?;
    pool.at(position).ok_or_else(|| Error::internal("a position outside of its pool"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_cut_into_networks() {
        let pool: Pool = "10.208.0.0/12".parse().expect("a pool");
        assert_eq!(pool.size(), 4096);
        assert_eq!(pool.at(0).map(|subnet| subnet.to_string()), Some("10.208.0.0/24".into()));
        assert_eq!(pool.at(4095).map(|subnet| subnet.to_string()), Some("10.223.255.0/24".into()));
        assert_eq!(pool.at(4096), None);
        assert_eq!(pool.at(1).map(|subnet| subnet.gateway().to_string()), Some("10.208.1.1".into()));
        assert_eq!(pool.to_string(), "10.208.0.0/12");
    }

    #[test]
    fn what_is_no_private_range_is_no_pool() {
        for text in ["", "10.0.0.0", "10.0.0.0/7", "10.0.0.0/25", "10.0.0.1/16", "8.8.0.0/16", "192.168.0.0/12", "x/16", "10.0.0.0/x"] {
            assert!(text.parse::<Pool>().is_err(), "{text}");
        }
    }
}

//! How many connections one client may hold, so that nobody holds all of them. A connection from this machine itself may be a proxy's, which
//! brings everybody: those are not counted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections by client.
type Held = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The places for connections.
#[derive(Clone)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    of_one: usize,
    held: Held,
}

/// A connection's place; free when it is dropped.
pub(super) struct Place {
    _one: OwnedSemaphorePermit,
    counted: Option<(IpAddr, Held)>,
}

impl Places {
    /// So many for everybody, and so many for one client.
    pub(super) fn new(all: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_one, held: Arc::default() }
    }

    /// A place for a connection from here.
    ///
    /// # Errors
    /// Says why there is none.
    pub(super) fn take(&self, from: IpAddr) -> Result<Place, &'static str> {
        let one = Arc::clone(&self.all).try_acquire_owned().map_err(|_| "too many connections")?;
        let Some(client) = client(from) else { return Ok(Place { _one: one, counted: None }) };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(client).or_default();
        if *count >= self.of_one {
            return Err("too many connections of one client");
        }
        *count += 1;
        drop(held);
        Ok(Place { _one: one, counted: Some((client, Arc::clone(&self.held))) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((client, held)) = &self.counted else { return };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(client) {
            *count -= 1;
            if *count == 0 {
                held.remove(client);
            }
        }
    }
}

/// Whom an address counts as: of IPv6 the network, since a client has all addresses of one. None: this machine.
fn client(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => Some(Ipv6Addr::from(u128::from(address) >> 64 << 64).into()),
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Places, from: &str) -> Result<Place, &'static str> {
        places.take(from.parse().expect("an address"))
    }

    #[test]
    fn nobody_holds_every_place() {
        let places = Places::new(6, 2);
        let mut held = vec![take(&places, "192.0.2.1").expect("one"), take(&places, "::ffff:192.0.2.1").expect("another")];
        assert!(take(&places, "192.0.2.1").is_err_and(|why| why.contains("one client")));
        held.push(take(&places, "2001:db8::1").expect("others are not concerned"));
        held.push(take(&places, "2001:db8::2").expect("one network"));
        assert!(take(&places, "2001:db8::3").is_err() && take(&places, "2001:db8:0:1::3").is_ok());
        drop(held.remove(0));
        held.push(take(&places, "192.0.2.1").expect("its place is free again"));
        held.clear();
        assert!(places.held.lock().expect("no panic").is_empty(), "nothing is remembered of who is gone");
    }

    #[test]
    fn this_machine_may_be_a_proxy_and_has_all_places() {
        let places = Places::new(6, 2);
        let held: Vec<_> = (0..6).map(|n| take(&places, if n % 2 == 0 { "127.0.0.1" } else { "::1" }).expect("one")).collect();
        assert!(take(&places, "127.0.0.1").is_err_and(|why| !why.contains("client")));
        drop(held);
        assert!(take(&places, "127.0.0.1").is_ok());
    }
}

//! Where a port of a task is reached from here: at the container's own address, or where it is published on its machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::machines::Machine;

use crate::docker::Address;
use crate::probe::Target;

/// The ways to one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The container's own address, where its network may be ours.
    pub container: Option<SocketAddr>,
    /// Where its port is published: an address or a name, and the port.
    pub published: Option<(String, u16)>,
}

impl Way {
    /// To a port of a task of this machine. `address`: the task's in its project's network; `published`: the machine's port for this one.
    pub(crate) fn of(machine: &Machine, address: Option<&str>, port: u16, published: Option<u16>) -> Self {
        let container: Option<IpAddr> = address.and_then(|text| text.parse().ok());
        let elsewhere = elsewhere(machine);
        let published = published.and_then(|host| Some((reachable(machine, elsewhere.as_deref())?, host)));
        // The networks of an engine on another machine are not ours, even where their numbers are: somebody else may answer there.
        let near = elsewhere.is_none() && (machine.engine.starts_with("unix:") || published.is_none());
        let container = container.map(|ip| SocketAddr::new(ip, port)).filter(|_| near);
        Self { container, published }
    }

    /// Where to try. A name that cannot be resolved now may be later.
    ///
    /// # Errors
    /// The machine's name could not be resolved, and there is no other way.
    pub(crate) async fn target(&self, limit: Duration) -> Result<Target, String> {
        let Some((host, port)) = &self.published else { return Ok(Target::new(self.container, None)) };
        let found = tokio::time::timeout(limit, tokio::net::lookup_host((host.as_str(), *port))).await;
        match found.ok().and_then(Result::ok).and_then(|mut found| found.next()) {
            Some(published) => Ok(Target::new(self.container, Some(published))),
            None if self.container.is_some() => Ok(Target::new(self.container, None)),
            None => Err(format!("the machine's name {host} could not be resolved")),
        }
    }
}

/// The name or address of another machine that the engine is on; none: it is on this one.
fn elsewhere(machine: &Machine) -> Option<String> {
    machine.engine.parse::<Address>().ok()?.elsewhere().map(str::to_owned)
}

/// Where published ports of a machine are reached from here: the address that they are published on, where it says which machine, else the one by
/// which its engine is reached.
fn reachable(machine: &Machine, elsewhere: Option<&str>) -> Option<String> {
    let published: IpAddr = machine.publish_address.parse().ok()?;
    let vague = published.is_unspecified() || (elsewhere.is_some() && published.is_loopback());
    Some(match elsewhere {
        _ if !vague => published.to_string(),
        Some(host) => host.to_owned(),
        None => machine.host.parse::<IpAddr>().unwrap_or(IpAddr::from([127, 0, 0, 1])).to_string(),
    })
}

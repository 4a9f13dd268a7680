//! Networks: a bridge with a given range that bears our labels.
//!
//! A network that is not ours is never used or removed, whatever its name.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::InspectNetworkOptions;

use super::{Docker, EngineError, Kind, LABEL_INSTANCE, QUICK, Result, WORK};

/// A bridge that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOrder {
    /// Name on the engine.
    pub name: String,
    /// Range, like `10.213.4.0/24`.
    pub subnet: String,
    /// Labels; the instance's label is among them.
    pub labels: BTreeMap<String, String>,
}

impl Docker {
    /// Makes the network if it is missing; its id.
    ///
    /// # Errors
    /// `NameTaken` when another's network bears the name, `RangeTaken` when the range overlaps with another network of the engine.
    pub async fn ensure_network(&self, order: &NetworkOrder) -> Result<String> {
        if let Some(found) = self.network(&order.name).await? {
            return ours(&found, order);
        }
        let ipam = Ipam { config: Some(vec![IpamConfig { subnet: Some(order.subnet.clone()), ..IpamConfig::default() }]), ..Ipam::default() };
        let request = NetworkCreateRequest {
            name: order.name.clone(),
            driver: Some("bridge".to_owned()),
            ipam: Some(ipam),
            labels: Some(order.labels.clone().into_iter().collect::<HashMap<_, _>>()),
            ..NetworkCreateRequest::default()
        };
        match self.call("make the network", WORK, async move |client| client.create_network(request).await).await {
            Ok(made) => Ok(made.id),
            // Someone was quicker: theirs is as good, if it is ours.
            Err(error) if error.kind == Kind::NameTaken || error.message.contains("already exists") => match self.network(&order.name).await? {
                Some(found) => ours(&found, order),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Removes a network of this instance, if it exists. One that is still in use stays, with an error.
    pub async fn remove_network(&self, name: &str, instance: &str) -> Result<()> {
        let Some(found) = self.network(name).await? else { return Ok(()) };
        if label(&found, LABEL_INSTANCE) != Some(instance) {
            return Err(EngineError::new(Kind::Refused, format!("the network {name} is not one of ours")));
        }
        let id = found.id.unwrap_or_else(|| name.to_owned());
        match self.call("remove the network", WORK, async |client| client.remove_network(&id).await).await {
            Err(EngineError { kind: Kind::NoSuchNetwork, .. }) => Ok(()),
            other => other,
        }
    }

    async fn network(&self, name: &str) -> Result<Option<NetworkInspect>> {
        match self.call("look for the network", QUICK, async |client| client.inspect_network(name, None::<InspectNetworkOptions>).await).await {
            Ok(found) => Ok(Some(found)),
            Err(EngineError { kind: Kind::NoSuchNetwork, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn label<'a>(network: &'a NetworkInspect, name: &str) -> Option<&'a str> {
    network.labels.as_ref()?.get(name).map(String::as_str)
}

fn ours(found: &NetworkInspect, order: &NetworkOrder) -> Result<String> {
    let same = label(found, LABEL_INSTANCE) == order.labels.get(LABEL_INSTANCE).map(String::as_str);
    match &found.id {
        Some(id) if same => Ok(id.clone()),
        _ => Err(EngineError::new(Kind::NameTaken, format!("a network named {} exists on the engine, and it is not one of ours", order.name))),
    }
}

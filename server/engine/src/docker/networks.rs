//! Networks: a bridge with a given range that bears our labels.
//!
//! A network that is not ours is never used or removed, whatever its name; nor is one removed that a container still counts on.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::{InspectNetworkOptions, ListContainersOptionsBuilder};

use super::{Docker, EngineError, Kind, LABEL_INSTANCE, LABEL_PROJECT_ID, QUICK, Result, WORK};

/// A bridge that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOrder {
    /// Name on the engine.
    pub name: String,
    /// Range, like `10.213.4.0/24`.
    pub subnet: String,
    /// Labels; those of the instance and of the project's id are among them.
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

    /// Removes a project's network. Whether there is none (any more); `false`: containers are attached, so it stays.
    ///
    /// # Errors
    /// `Refused` when what bears the name is not marked as this instance's and as a project's.
    pub async fn remove_network(&self, name: &str, instance: &str, project: &str) -> Result<bool> {
        let Some(found) = self.network(name).await? else { return Ok(true) };
        match (label(&found, LABEL_INSTANCE), label(&found, LABEL_PROJECT_ID), &found.id) {
            (Some(of), Some(whose), Some(id)) if of == instance => {
                // The name went on to another project: the one that is asked for is gone.
                if whose != project {
                    return Ok(true);
                }
                if self.attached(name, id).await? {
                    return Ok(false);
                }
                match self.call("remove the network", WORK, async |client| client.remove_network(id).await).await {
                    Ok(()) | Err(EngineError { kind: Kind::NoSuchNetwork, .. }) => Ok(true),
                    // One was attached at this moment.
                    Err(error) if error.message.contains("active endpoints") => Ok(false),
                    Err(error) => Err(error),
                }
            }
            _ => Err(EngineError::new(Kind::Refused, format!("the network {name} is not one of ours"))),
        }
    }

    /// Whether a container belongs to the network, also one that does not run: the engine would remove the network from under that one.
    async fn attached(&self, name: &str, id: &str) -> Result<bool> {
        let filters = HashMap::from([("network", vec![name.to_owned(), id.to_owned()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let seen = self.call("list the network's containers", QUICK, async move |client| client.list_containers(Some(options)).await).await?;
        Ok(!seen.is_empty())
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
    let wanted = |name: &str| order.labels.get(name).map(String::as_str);
    let same = label(found, LABEL_INSTANCE) == wanted(LABEL_INSTANCE);
    let others = label(found, LABEL_PROJECT_ID).is_some_and(|whose| Some(whose) != wanted(LABEL_PROJECT_ID));
    match &found.id {
        Some(id) if same && !others => Ok(id.clone()),
        Some(_) if same => {
            let message = format!("the network {} is a deleted project's of the same name, and containers are still attached to it", order.name);
            Err(EngineError::new(Kind::NameTaken, message))
        }
        _ => Err(EngineError::new(Kind::NameTaken, format!("a network named {} exists on the engine, and it is not one of ours", order.name))),
    }
}

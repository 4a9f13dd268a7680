//! Services as Prometheus' `http_sd` reads them: each TCP port of each task that serves is a target. Of a service that says where it tells figures it is
//! that port alone, with its path.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::descriptor::Protocol;
use model::views::discovery::{DiscoveredService, DiscoveredTask, Endpoint, Standing};
use serde::Serialize;

use super::asked::Asked;

/// Targets with their labels.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Group {
    targets: [String; 1],
    labels: BTreeMap<&'static str, String>,
}

/// The whole list: Prometheus takes it in place of the one before.
pub(super) fn groups(services: &[Arc<DiscoveredService>], asked: &Asked) -> Vec<Group> {
    let mut groups = Vec::new();
    for service in services {
        for task in service.tasks.iter().filter(|task| task.state == Standing::Serving) {
            let told = task.ports.iter().any(|port| port.metrics_path.is_some());
            let ports = task.ports.iter().filter(|port| port.protocol == Protocol::Tcp && (!told || port.metrics_path.is_some()));
            groups.extend(ports.filter_map(|port| Some(group(service, task, port, asked.address(port)?))));
        }
    }
    groups
}

fn group(service: &DiscoveredService, task: &DiscoveredTask, port: &Endpoint, address: &str) -> Group {
    let mut labels = BTreeMap::from([
        ("__meta_slipway_project", service.project.to_string()),
        ("__meta_slipway_service", service.service.to_string()),
        ("__meta_slipway_environment", service.environment.to_string()),
        ("__meta_slipway_task", task.id.to_string()),
        ("__meta_slipway_slot", task.slot.to_string()),
        ("__meta_slipway_revision", task.revision.to_string()),
        ("__meta_slipway_machine", task.machine.to_string()),
        ("__meta_slipway_port", port.name.clone()),
        ("__meta_slipway_metrics", port.metrics_path.is_some().to_string()),
    ]);
    if let Some(path) = &port.metrics_path {
        labels.insert("__metrics_path__", path.clone());
    }
    Group { targets: [address.to_owned()], labels }
}

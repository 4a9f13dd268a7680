//! Views of where services are at the moment: what proxies and collectors outside are told.

use serde::{Deserialize, Serialize};

use crate::descriptor::Protocol;
use crate::ids::TaskId;
use crate::names::{EnvironmentName, MachineName, ProjectName, ServiceName};
use crate::words::words;

words! {
    /// Whether a task takes requests.
    Standing,
    /// It does.
    Serving = "serving",
    /// It is to end: it answers what it has, and nothing new should be sent to it.
    Draining = "draining",
}

/// A port of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The port's name in the descriptor.
    pub name: String,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where it is reached from outside: address and port of the machine.
    pub address: String,
    /// Where it is reached in the project's network on its machine: address and port of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_address: Option<String>,
    /// Path of its figures, where it tells some on this port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_path: Option<String>,
}

/// A task that serves, or did until a moment ago. What is not healthy is not among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveredTask {
    /// The task.
    pub id: TaskId,
    /// Its place among the service's tasks, from 1.
    pub slot: i64,
    /// The number of the revision that it was made from.
    pub revision: i64,
    /// The machine that it runs on.
    pub machine: MachineName,
    /// Whether it takes requests.
    pub state: Standing,
    /// Its share of the requests beside the service's other tasks: tenths of a processor that it may use, 10 where there is no limit.
    pub weight: u32,
    /// Its ports.
    pub ports: Vec<Endpoint>,
}

/// How proxies reach a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveredRoute {
    /// Host name, in lower case.
    pub host: String,
    /// Path prefix.
    pub path: String,
    /// Name of the port that it leads to.
    pub port: String,
    /// It is reached over https.
    pub tls: bool,
    /// Numbers of the revisions that say so: tasks of others do not take its requests.
    pub revisions: Vec<i64>,
}

/// A service in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveredService {
    /// Its project.
    pub project: ProjectName,
    /// Its name.
    pub service: ServiceName,
    /// Where it runs.
    pub environment: EnvironmentName,
    /// When it last changed; larger is later.
    pub index: u64,
    /// Names of its TCP ports, also while no task serves.
    pub tcp_ports: Vec<String>,
    /// Its routes.
    pub routes: Vec<DiscoveredRoute>,
    /// Its tasks, by slot.
    pub tasks: Vec<DiscoveredTask>,
}

impl DiscoveredService {
    /// Whether it is the same but for when it changed.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let names = (&self.project, &self.service, &self.environment) == (&other.project, &other.service, &other.environment);
        names && self.tcp_ports == other.tcp_ports && self.routes == other.routes && self.tasks == other.tasks
    }
}

/// Everything that a reader may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicesView {
    /// When any of it last changed; for `?index=`.
    pub index: u64,
    /// By project, service and environment.
    pub services: Vec<DiscoveredService>,
}

/// What changed, in the stream of changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// When.
    pub index: u64,
    /// Services as they are now.
    pub services: Vec<DiscoveredService>,
    /// Those that are gone.
    pub gone: Vec<GoneService>,
}

/// A service that is no longer in an environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GoneService {
    /// Its project.
    pub project: ProjectName,
    /// Its name.
    pub service: ServiceName,
    /// Where it ran.
    pub environment: EnvironmentName,
}

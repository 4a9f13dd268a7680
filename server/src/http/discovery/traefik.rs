//! Services as Traefik's HTTP provider reads them: a router and a service for each route. Sections that are empty are left out, since Traefik refuses them.
//!
//! A host is one project's (`deployments/hosts.rs` in the domain), and services have no routes with another project's. A host and path that several
//! services of a project say to be theirs is the oldest one's.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::descriptor::Protocol;
use model::views::discovery::{DiscoveredRoute, DiscoveredService, Standing};
use serde::Serialize;

use super::asked::Asked;

/// Traefik's dynamic configuration.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Http>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Http {
    routers: BTreeMap<String, Router>,
    services: BTreeMap<String, Service>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Router {
    rule: String,
    service: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry_points: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tls {
    #[serde(skip_serializing_if = "Option::is_none")]
    cert_resolver: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    load_balancer: Balancer,
}

/// Also where it is empty: Traefik answers 503 then.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Balancer {
    servers: Vec<Server>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Server {
    url: String,
}

/// The configuration for these services, which come oldest first.
pub(super) fn document(services: &[Arc<DiscoveredService>], asked: &Asked) -> Document {
    let mut http = Http { routers: BTreeMap::new(), services: BTreeMap::new() };
    let mut taken: BTreeMap<(&str, &str, bool), (usize, String)> = BTreeMap::new();
    for (at, service) in services.iter().enumerate() {
        let routes = service.routes.iter().enumerate().filter(|(_, route)| asked.port.as_ref().is_none_or(|port| *port == route.port));
        for (number, route) in routes {
            // No name has an underscore, so no two of these are the same.
            let own = || (at, format!("{}_{}_{}_{number}", service.project, service.service, service.environment));
            let (owner, name) = taken.entry((route.host.as_str(), route.path.as_str(), route.tls)).or_insert_with(own).clone();
            if owner != at {
                continue;
            }
            let tls = route.tls.then(|| Tls { cert_resolver: asked.resolver.clone() });
            let router = Router { rule: rule(route), service: name.clone(), entry_points: asked.entry_points.clone(), tls };
            http.routers.insert(name.clone(), router);
            // Two revisions may serve the same on ports of other names.
            http.services.entry(name).or_default().load_balancer.servers.extend(servers(service, route, asked));
        }
    }
    Document { http: (!http.routers.is_empty()).then_some(http) }
}

/// Host and path hold nothing that ends a text here; what would is refused in descriptors, and left out of those of before.
fn rule(route: &DiscoveredRoute) -> String {
    match route.path.as_str() {
        "/" => format!("Host(`{}`)", route.host),
        path => format!("Host(`{}`) && PathPrefix(`{path}`)", route.host),
    }
}

fn servers(service: &DiscoveredService, route: &DiscoveredRoute, asked: &Asked) -> Vec<Server> {
    let serving = service.tasks.iter().filter(|task| task.state == Standing::Serving && route.revisions.contains(&task.revision));
    let ports = serving.filter_map(|task| task.ports.iter().find(|port| port.name == route.port && port.protocol == Protocol::Tcp));
    ports.filter_map(|port| asked.address(port)).map(|address| Server { url: format!("http://{address}") }).collect()
}

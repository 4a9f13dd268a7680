//! Services as nginx reads them: an `upstream` for each TCP port. A task that is to end stays in it as `down`, so that it gets nothing new; one that has
//! ended is not there. There is always a server: without one nginx takes no file.

use std::fmt::Write as _;
use std::sync::Arc;

use model::descriptor::Protocol;
use model::views::discovery::{DiscoveredService, DiscoveredTask, Standing};

use super::asked::Asked;

/// What stands where nothing serves: nginx answers 502.
const NOBODY: &str = "server 127.0.0.1:1 down; # nothing serves";

/// The file of these services.
pub(super) fn file(services: &[Arc<DiscoveredService>], asked: &Asked) -> String {
    let mut text = String::new();
    for service in services {
        let ports = service.tcp_ports.iter().filter(|port| asked.port.as_ref().is_none_or(|wanted| wanted == *port));
        for port in ports {
            if asked.servers {
                servers(&mut text, service, port, asked, "");
            } else {
                let DiscoveredService { project, service: name, environment, .. } = &**service;
                let _ = writeln!(text, "# {project}/{name} in {environment}, port {port}: written by Slipway");
                let _ = writeln!(text, "upstream {project}_{name}_{environment}_{port} {{");
                servers(&mut text, service, port, asked, "    ");
                text.push_str("}\n");
            }
        }
    }
    if text.is_empty() {
        text.push_str("# no such TCP port was deployed yet\n");
    }
    text
}

fn servers(text: &mut String, service: &DiscoveredService, port: &str, asked: &Asked, indent: &str) {
    let known: Vec<(&str, &DiscoveredTask)> = service.tasks.iter().filter_map(|task| Some((address(task, port, asked)?, task))).collect();
    let common = known.iter().map(|(_, task)| task.weight).fold(0, divisor).max(1);
    let even = known.iter().all(|(_, task)| task.weight == common);
    for (address, task) in &known {
        let weight = if even { String::new() } else { format!(" weight={}", task.weight / common) };
        let (down, note) = match task.state {
            Standing::Serving => ("", ""),
            Standing::Draining => (" down", ", draining"),
        };
        let _ = writeln!(text, "{indent}server {address}{weight}{down}; # {}.{}{note}", service.service, task.slot);
    }
    if known.iter().all(|(_, task)| task.state == Standing::Draining) {
        let _ = writeln!(text, "{indent}{NOBODY}");
    }
}

fn address<'a>(task: &'a DiscoveredTask, port: &str, asked: &Asked) -> Option<&'a str> {
    let endpoint = task.ports.iter().find(|endpoint| endpoint.protocol == Protocol::Tcp && endpoint.name == port)?;
    // Operators write machines' addresses; one that would be more than an address is none.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    asked.address(endpoint).filter(|address| address.chars().all(plain))
}

/// The greatest number by which both can be divided.
fn divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { divisor(other, one % other) }
}

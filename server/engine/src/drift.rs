//! What is not as it was ordered of a running task: its name, its networks, its limits, whether it is frozen. Somebody changed it with another
//! tool. Pure.
//!
//! What the engine's list tells is compared in every pass. Limits are in an inspection only, so they are looked at once after the portal
//! or the engine came, and when an event tells that they were changed. An engine never changes a container's image, command or variables: a
//! container with others is another one; it is nobody's task, and the one that it stood for is made anew.

use model::ids::TaskId;
use model::views::services::Difference;

use crate::build::{self, LABEL_ENVIRONMENT, LABEL_PROJECT, LABEL_SERVICE};
use crate::docker::{ContainerSeen, Limits, Restart, Status};

/// What the list tells. `network`: that of the project in the environment.
pub fn in_list(instance: &str, task: TaskId, slot: i64, seen: &ContainerSeen) -> Vec<Difference> {
    let named = |label| seen.label(label).and_then(|text| text.parse().ok());
    let (Some(project), Some(service), Some(environment)) = (named(LABEL_PROJECT), seen.label(LABEL_SERVICE), seen.label(LABEL_ENVIRONMENT)) else {
        return Vec::new();
    };
    let (Ok(service), Ok(environment)) = (service.parse(), environment.parse()) else { return Vec::new() };
    let mut found = Vec::new();
    let name = build::container_name(&project, &service, &environment, slot, task);
    if seen.name != name {
        found.push(Difference::new("name", &name, &seen.name));
    }
    if seen.status == Status::Paused {
        found.push(Difference::new("state", "running", "frozen"));
    }
    let network = build::network_name(instance, &project, &environment);
    if !seen.networks.contains(&network) {
        found.push(Difference::new("network", &network, "not connected"));
    }
    let others: Vec<&str> = seen.networks.iter().map(String::as_str).filter(|name| *name != network).collect();
    if !others.is_empty() {
        found.push(Difference::new("other networks", "none", others.join(", ")));
    }
    found
}

/// What an inspection tells of its limits.
pub fn in_limits(ordered: &Limits, found: &Limits) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, ordered: String, found: String| {
        if ordered != found {
            differences.push(Difference::new(what, ordered, found));
        }
    };
    let bytes = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |bytes| format!("{bytes} bytes"));
    let cpus = |limit: Option<u32>| limit.map_or_else(|| "no limit".to_owned(), |millis| format!("{}", f64::from(millis) / 1000.0));
    compare("memory", bytes(ordered.memory), bytes(found.memory));
    compare("cpus", cpus(ordered.cpu_millis), cpus(found.cpu_millis));
    let pids = |limit: Option<u32>| limit.map_or_else(|| "no limit".to_owned(), |pids| pids.to_string());
    compare("processes", pids(ordered.pids), pids(found.pids));
    compare("restart", restart(ordered.restart), restart(found.restart));
    differences
}

fn restart(policy: Restart) -> String {
    match policy {
        Restart::No => "never".to_owned(),
        Restart::OnFailure { max } => format!("on failure, at most {max} times"),
        Restart::Always => "always".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::docker::Health;

    fn seen() -> ContainerSeen {
        let labels = [(LABEL_PROJECT, "shop"), (LABEL_SERVICE, "web"), (LABEL_ENVIRONMENT, "local")];
        ContainerSeen {
            id: "c".into(),
            name: "slipway-shop.web.local.1.aaaaaaaaaaaa".into(),
            image: "i".into(),
            labels: labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into(),
            status: Status::Running,
            health: Health::None,
            exit_code: None,
            addresses: BTreeMap::new(),
            networks: vec!["slipway-instance-shop.local".into()],
            created: 0,
        }
    }

    fn what(seen: &ContainerSeen) -> Vec<String> {
        let task = "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id");
        in_list("instance", task, 1, seen).into_iter().map(|difference| format!("{}: {}", difference.what, difference.found)).collect()
    }

    #[test]
    fn what_is_as_it_was_ordered_does_not_differ_and_the_rest_is_named() {
        assert_eq!(what(&seen()), [""; 0]);
        assert_eq!(what(&ContainerSeen { name: "mine".into(), ..seen() }), ["name: mine"]);
        assert_eq!(what(&ContainerSeen { status: Status::Paused, ..seen() }), ["state: frozen"]);
        assert_eq!(what(&ContainerSeen { networks: vec!["bridge".into()], ..seen() }), ["network: not connected", "other networks: bridge"]);
    }

    #[test]
    fn changed_limits_are_named() {
        let ordered = Limits { memory: None, cpu_millis: Some(500), pids: Some(4096), restart: Restart::OnFailure { max: 5 } };
        assert!(in_limits(&ordered, &ordered).is_empty());
        let found = Limits { memory: Some(64 << 20), cpu_millis: Some(500), pids: Some(4096), restart: Restart::Always };
        let names: Vec<_> = in_limits(&ordered, &found).into_iter().map(|difference| difference.what).collect();
        assert_eq!(names, ["memory", "restart"]);
    }
}

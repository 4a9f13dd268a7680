//! What is sent to the engine for a descriptor that asks for everything: exactly the settings that are named here, and no others. Whoever adds
//! a setting to containers adds it here, and thinks about what it lets a task do to its machine.

use model::descriptor::Descriptor;
use model::views::services::TaskPort;
use serde_json::{Map, Value};

use crate::build::Blueprint;

/// Settings of a container.
const CONTAINER: &[&str] = &[
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "HostConfig",
    "Image",
    "Labels",
    "NetworkingConfig",
    "StopSignal",
    "StopTimeout",
    "User",
    "WorkingDir",
];
/// Settings of how it is bound to its machine.
const HOST: &[&str] =
    &["LogConfig", "Memory", "MemorySwap", "Mounts", "NanoCpus", "NetworkMode", "PidsLimit", "PortBindings", "RestartPolicy", "SecurityOpt"];

/// Every key that a descriptor has and the engine acts on.
const MAXIMAL: &str = r#"
image: web:1
replicas: 1
command: [serve]
entrypoint: [/bin/app]
env: {A: b}
ports: [{name: http, container: 8080, host: 18080}, {name: dns, container: 53, protocol: udp}]
health: {command: [check], interval: 5s, timeout: 2s, retries: 3, start_period: 10s}
resources: {cpus: 0.5, memory: 256MiB, pids: 256}
volumes: [{name: data, path: /data}, {name: more, path: /more, read_only: true}]
update: {order: stop-first, parallelism: 1, monitor: 10s}
stop: {signal: SIGINT, grace: 10s}
restart: {policy: always, max: 5}
user: "0:0"
workdir: /srv
"#;

fn said(value: &Value) -> Map<String, Value> {
    let entries = value.as_object().expect("an object").iter();
    entries.filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[test]
fn the_engine_is_asked_for_nothing_else() {
    let descriptor = Descriptor::parse(MAXIMAL).expect("a descriptor");
    let (project, service, environment) = ("shop".parse().expect("a name"), "web".parse().expect("a name"), "local".parse().expect("a name"));
    let ports: Vec<TaskPort> = descriptor
        .ports
        .iter()
        .map(|port| TaskPort { name: port.name.clone(), container: port.container, host: port.host.unwrap_or(20_000), protocol: port.protocol })
        .collect();
    let blueprint = Blueprint {
        instance: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11",
        project: &project,
        service: &service,
        environment: &environment,
        revision: 7,
        descriptor: &descriptor,
        image: "127.0.0.1:3000/shop/web@sha256:00",
        task: "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id"),
        slot: 1,
        ports: &ports,
        host: "10.0.0.5",
        publish_address: "127.0.0.1".parse().expect("an address"),
    };
    let body = serde_json::to_value(blueprint.spec().body()).expect("JSON");
    let container = said(&body);
    let beyond: Vec<&String> = container.keys().filter(|key| !CONTAINER.contains(&key.as_str())).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    let host = said(&container["HostConfig"]);
    let beyond: Vec<&String> = host.keys().filter(|key| !HOST.contains(&key.as_str())).collect();
    assert!(beyond.is_empty(), "{beyond:?}");

    assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges:true"]));
    assert!(host["NetworkMode"].as_str().is_some_and(|mode| mode.starts_with("slipway-")), "{}", host["NetworkMode"]);
    for mount in host["Mounts"].as_array().expect("mounts") {
        assert_eq!(mount["Type"], "volume", "{mount}");
        assert!(mount["Source"].as_str().is_some_and(|name| name.starts_with("slipway-")), "{mount}");
    }
    let labels = container["Labels"].as_object().expect("labels");
    assert!(labels.keys().all(|label| label.starts_with("dev.slipway.")), "{labels:?}");
}

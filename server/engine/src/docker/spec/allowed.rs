//! What is sent to the engine for a descriptor that asks for everything: exactly the settings that are named here, and no others. Whoever adds
//! a setting to containers adds it here, and thinks about what it lets a task do to its machine.

use domain::configs::Hush;
use domain::deployments::work::{Delivery, TaskFile};
use model::descriptor::Descriptor;
use model::secret::Secret;
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
configs: [{name: app.conf, path: /etc/app.conf}]
secrets: [{name: key, path: /etc/key}, {name: password, env: PASSWORD}]
volumes: [{name: data, path: /data}, {name: more, path: /more, read_only: true}, {host: /mnt/shared/x, path: /x, read_only: true}]
update: {order: stop-first, parallelism: 1, monitor: 10s}
stop: {signal: SIGINT, grace: 10s}
restart: {policy: always, max: 5}
timezone: Asia/Shanghai
user: "0:0"
workdir: /srv
artifact: {url: "https://a.example/a.tgz", sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, path: /app}
drift: heal
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
    let file = |path: &str, secret| TaskFile { path: path.into(), content: Hush::new(b"hunter22".to_vec()), mode: 0o444, secret };
    let delivery = Delivery {
        env: [("FROM_THE_CENTRE".to_owned(), "x".to_owned())].into(),
        secret_env: [("PASSWORD".to_owned(), Secret::new("hunter22"))].into(),
        files: vec![file("/etc/app.conf", false), file("/etc/key", true)],
    };
    let blueprint = Blueprint {
        instance: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11",
        project_id: "0192f0c1-7c1e-7b44-8d2a-bbbbbbbbbbbb".parse().expect("an id"),
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
        delivery: &delivery,
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
    let mounts = host["Mounts"].as_array().expect("mounts");
    for mount in mounts.iter().filter(|mount| mount["Type"] == "volume") {
        assert!(mount["Source"].as_str().is_some_and(|name| name.starts_with("slipway-")), "{mount}");
        // Only the memory of secret files says how it is made, and a descriptor says nothing of that.
        let driver = &mount["VolumeOptions"]["DriverConfig"];
        let memory = mount["Target"] == crate::build::SECRETS;
        assert_eq!(memory, driver.is_object(), "{mount}");
        assert!(!memory || (driver["Options"]["type"] == "tmpfs" && mount["ReadOnly"] == true), "{mount}");
    }
    let folders: Vec<&Value> = mounts.iter().filter(|mount| mount["Type"] != "volume").collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    assert!(folders[0]["Type"] == "bind" && folders[0]["Source"] == "/mnt/shared/x" && folders[0]["ReadOnly"] == true, "{folders:?}");
    let secret = body["Env"].as_array().expect("variables").iter().filter(|entry| entry.as_str().is_some_and(|entry| entry.contains("hunter22")));
    assert_eq!(secret.count(), 1, "what is a file is in no variable");
    assert!(!format!("{}{}", container["Labels"], host["Mounts"]).contains("hunter22"));
    let labels = container["Labels"].as_object().expect("labels");
    assert!(labels.keys().all(|label| label.starts_with("dev.slipway.")), "{labels:?}");
}

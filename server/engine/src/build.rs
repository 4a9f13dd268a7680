//! What a task's container is made of: from a revision's descriptor and what was given out to the task (ports, network).
//!
//! Pure. The labels say whose it is, the variables of the contract say to the program where it runs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use domain::deployments::work::Delivery;
use model::descriptor::{Descriptor, Probe, Resources, RestartPolicy};
use model::ids::{ProjectId, TaskId};
use model::names::{EnvironmentName, ProjectName, ServiceName};
use model::views::services::TaskPort;

use crate::docker::{
    ContainerSpec, HealthCommand, LABEL_INSTANCE, LABEL_PROJECT_ID, Limits, LogLimits, Mount, NetworkOrder, NetworkPlace, Port, Protocol, Restart,
};

/// Which project's a container is.
pub const LABEL_PROJECT: &str = "dev.slipway.project";
/// Which service's.
pub const LABEL_SERVICE: &str = "dev.slipway.service";
/// In which environment.
pub const LABEL_ENVIRONMENT: &str = "dev.slipway.environment";
/// The number of the revision that it was made from.
pub const LABEL_REVISION: &str = "dev.slipway.revision";
/// Which task it is.
pub const LABEL_TASK: &str = "dev.slipway.task";
/// For which task something carries secret files: a container that never runs, a volume in memory.
pub const LABEL_CARRIER: &str = "dev.slipway.carrier";
/// All of these, and those that the engine's side filters by.
const LABELS: [&str; 8] =
    [LABEL_INSTANCE, LABEL_PROJECT_ID, LABEL_PROJECT, LABEL_SERVICE, LABEL_ENVIRONMENT, LABEL_REVISION, LABEL_TASK, LABEL_CARRIER];
/// Where secret files are in a task.
pub const SECRETS: &str = "/run/slipway/secrets";

/// What a task is made from.
#[derive(Debug, Clone)]
pub struct Blueprint<'a> {
    /// This portal's id.
    pub instance: &'a str,
    /// The project's id.
    pub project_id: ProjectId,
    /// The project.
    pub project: &'a ProjectName,
    /// The service.
    pub service: &'a ServiceName,
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// The revision's number.
    pub revision: i64,
    /// What the revision says.
    pub descriptor: &'a Descriptor,
    /// Complete reference with host and digest, as the engine pulls it.
    pub image: &'a str,
    /// The task.
    pub task: TaskId,
    /// Its place among the replicas.
    pub slot: i64,
    /// The ports that were given out to it.
    pub ports: &'a [TaskPort],
    /// The machine's address for users and programs.
    pub host: &'a str,
    /// The address that ports are published on.
    pub publish_address: IpAddr,
    /// What the configuration centre puts into it.
    pub delivery: &'a Delivery,
}

impl Blueprint<'_> {
    /// The container's name. People read it in `docker ps`; the task's id makes it unique.
    pub fn name(&self) -> String {
        container_name(self.project, self.service, self.environment, self.slot, self.task)
    }

    /// The project's network in this environment.
    pub fn network(&self) -> String {
        network_name(self.instance, self.project, self.environment)
    }

    /// All that the container is made of.
    pub fn spec(&self) -> ContainerSpec {
        let descriptor = self.descriptor;
        let limits = limits(descriptor);
        ContainerSpec {
            name: self.name(),
            image: self.image.to_owned(),
            command: descriptor.command.clone(),
            entrypoint: descriptor.entrypoint.clone(),
            env: self.env(),
            labels: complete(self.labels()),
            ports: self.ports.iter().map(|port| self.port(port)).collect(),
            network: Some(NetworkPlace { network: self.network(), aliases: vec![self.service.to_string()], ip: None }),
            memory: limits.memory,
            cpu_millis: limits.cpu_millis,
            pids: limits.pids,
            health: health(descriptor),
            restart: if self.delivery.files.iter().any(|file| file.secret) { Restart::No } else { limits.restart },
            stop_signal: descriptor.stop.signal.clone(),
            stop_grace: Some(descriptor.stop.grace.duration()),
            user: descriptor.user.clone(),
            workdir: descriptor.workdir.clone(),
            mounts: self.mounts().into_iter().chain(self.secrets()).collect(),
            logs: LogLimits::default(),
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LABEL_INSTANCE.to_owned(), self.instance.to_owned()),
            (LABEL_PROJECT_ID.to_owned(), self.project_id.to_string()),
            (LABEL_PROJECT.to_owned(), self.project.to_string()),
            (LABEL_SERVICE.to_owned(), self.service.to_string()),
            (LABEL_ENVIRONMENT.to_owned(), self.environment.to_string()),
            (LABEL_REVISION.to_owned(), self.revision.to_string()),
            (LABEL_TASK.to_owned(), self.task.to_string()),
        ])
    }

    /// The configuration centre's variables, the descriptor's, and those of the contract, which nobody can shadow.
    fn env(&self) -> BTreeMap<String, String> {
        let mut env = self.delivery.env.clone();
        env.extend(self.delivery.secret_env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
        if let Some((name, _)) = self.descriptor.timezone.as_deref().and_then(domain::zones::find) {
            env.insert("TZ".to_owned(), name.to_owned());
        }
        env.extend(self.descriptor.env.clone());
        let ours = [
            ("SLIPWAY_PROJECT", self.project.to_string()),
            ("SLIPWAY_SERVICE", self.service.to_string()),
            ("SLIPWAY_ENVIRONMENT", self.environment.to_string()),
            ("SLIPWAY_TASK", self.task.to_string()),
            ("SLIPWAY_REVISION", self.revision.to_string()),
            ("SLIPWAY_HOST", self.host.to_owned()),
        ];
        env.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        env.extend(self.ports.iter().map(|port| (format!("SLIPWAY_PORT_{}", port.container), port.host.to_string())));
        env
    }

    /// The memory in which its secret files are.
    fn secrets(&self) -> Option<Mount> {
        let files = self.delivery.files.iter().filter(|file| file.secret);
        // Memory is given out by pages; the rest is for the names.
        let bytes: usize = files.clone().map(|file| file.content.expose().len().next_multiple_of(4_096) + 4_096).sum();
        files.clone().next()?;
        Some(Mount::Kept {
            name: secrets_name(self.instance, self.task),
            path: SECRETS.to_owned(),
            bytes: bytes as u64 + (64 << 10),
            read_only: true,
            labels: carrier_labels(self.instance, self.task),
        })
    }

    fn port(&self, port: &TaskPort) -> Port {
        let protocol = match port.protocol {
            model::descriptor::Protocol::Tcp => Protocol::Tcp,
            model::descriptor::Protocol::Udp => Protocol::Udp,
        };
        Port { address: self.publish_address, host: port.host, container: port.container, protocol }
    }

    /// Named volumes belong to the service in the environment: the next task finds what the last one wrote. Their names are made of names, which
    /// are free again when a project was deleted; the project's id is among their labels and is looked at before they are mounted.
    fn mounts(&self) -> Vec<Mount> {
        let named = |volume: &model::descriptor::Volume| {
            let path = volume.path.clone();
            match (&volume.name, &volume.host) {
                (Some(name), _) => Some(Mount::Volume {
                    name: format!("slipway-{}-{}.{}.{}.{name}", short(self.instance), self.project, self.environment, self.service),
                    path,
                    read_only: volume.read_only,
                    labels: self.labels().into_iter().filter(|(label, _)| label != LABEL_TASK && label != LABEL_REVISION).collect(),
                }),
                (None, Some(source)) => Some(Mount::Host { source: source.clone(), path, read_only: volume.read_only }),
                (None, None) => None,
            }
        };
        self.descriptor.volumes.iter().filter_map(named).collect()
    }
}

/// What a task's container is called.
pub fn container_name(project: &ProjectName, service: &ServiceName, environment: &EnvironmentName, slot: i64, task: TaskId) -> String {
    let id = task.to_string();
    let tail = id.rsplit('-').next().unwrap_or(&id);
    format!("slipway-{project}.{service}.{environment}.{slot}.{tail}")
}

/// What the container is called that carries a task's secret files.
pub fn carrier_name(task: TaskId) -> String {
    format!("slipway-carrier.{task}")
}

/// What a task may take, and what the engine does when it ends.
pub fn limits(descriptor: &Descriptor) -> Limits {
    Limits {
        memory: descriptor.resources.memory.map(|memory| memory.bytes()),
        cpu_millis: descriptor.resources.cpus.map(|cpus| cpus.millis()),
        pids: Some(descriptor.resources.pids.unwrap_or(Resources::PIDS)),
        restart: if has_secret_files(descriptor) { Restart::No } else { restart(descriptor) },
    }
}

/// The name of the volume that holds a task's secret files.
pub fn secrets_name(instance: &str, task: TaskId) -> String {
    format!("slipway-{}-secrets.{task}", short(instance))
}

/// Labels of what carries a task's secret files. Not those of the task itself: it is none of the service's containers.
pub fn carrier_labels(instance: &str, task: TaskId) -> BTreeMap<String, String> {
    BTreeMap::from([(LABEL_INSTANCE.to_owned(), instance.to_owned()), (LABEL_CARRIER.to_owned(), task.to_string())])
}

/// A container's labels with all others of ours, empty: what it does not bear itself it would inherit from its image, in which anybody may write
/// anything.
pub fn complete(labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from(LABELS.map(|label| (label.to_owned(), String::new())));
    all.extend(labels);
    all
}

/// Whether tasks have secret files. They are in memory, which the engine empties when it starts a container again by itself.
pub fn has_secret_files(descriptor: &Descriptor) -> bool {
    descriptor.secrets.iter().any(|secret| secret.path.is_some())
}

/// The network of a project in an environment.
pub fn network_order(instance: &str, id: ProjectId, project: &ProjectName, environment: &EnvironmentName, subnet: &str) -> NetworkOrder {
    let labels = [
        (LABEL_INSTANCE, instance.to_owned()),
        (LABEL_PROJECT_ID, id.to_string()),
        (LABEL_PROJECT, project.to_string()),
        (LABEL_ENVIRONMENT, environment.to_string()),
    ];
    NetworkOrder {
        name: network_name(instance, project, environment),
        subnet: subnet.to_owned(),
        labels: labels.into_iter().map(|(label, value)| (label.to_owned(), value)).collect(),
    }
}

/// What a project's network is called. Two portals may share an engine, so the instance is in the name.
pub fn network_name(instance: &str, project: &ProjectName, environment: &EnvironmentName) -> String {
    format!("slipway-{}-{project}.{environment}", short(instance))
}

/// Enough of an instance's id to tell two apart in a name. The end of it: the beginning of a version 7 id is the time.
fn short(instance: &str) -> &str {
    instance.char_indices().rev().nth(7).map_or(instance, |(at, _)| &instance[at..])
}

fn health(descriptor: &Descriptor) -> HealthCommand {
    match &descriptor.health {
        None => HealthCommand::FromImage,
        Some(health) => match &health.probe {
            Probe::Http { .. } | Probe::Tcp { .. } => HealthCommand::Off,
            Probe::Command(command) => HealthCommand::Command {
                command: command.clone(),
                interval: health.interval.duration(),
                timeout: health.timeout.duration(),
                retries: health.retries,
                start_period: health.start_period.duration(),
            },
        },
    }
}

fn restart(descriptor: &Descriptor) -> Restart {
    match descriptor.restart.policy {
        RestartPolicy::OnFailure => Restart::OnFailure { max: descriptor.restart.max },
        RestartPolicy::Always => Restart::Always,
        RestartPolicy::Never => Restart::No,
    }
}

#[cfg(test)]
mod tests {
    use domain::configs::Hush;
    use domain::deployments::work::TaskFile;

    use super::*;

    fn spec(yaml: &str, ports: &[TaskPort]) -> ContainerSpec {
        with(yaml, ports, &Delivery::default())
    }

    fn with(yaml: &str, ports: &[TaskPort], delivery: &Delivery) -> ContainerSpec {
        let descriptor = Descriptor::parse(yaml).expect("a descriptor");
        let name = |text: &str| text.parse().expect("a name");
        let (project, service, environment) = (name("shop"), "web".parse().expect("a name"), "local".parse().expect("a name"));
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
            slot: 2,
            ports,
            host: "10.0.0.5",
            publish_address: "127.0.0.1".parse().expect("an address"),
            delivery,
        };
        blueprint.spec()
    }

    #[test]
    fn a_task_knows_where_it_runs_and_nobody_can_tell_it_otherwise() {
        let port = TaskPort { name: "http".into(), container: 8080, host: 21_000, protocol: model::descriptor::Protocol::Tcp };
        let spec = spec("{image: web, env: {A: b}}", &[port]);
        let env: Vec<_> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let wanted = [
            "A=b",
            "SLIPWAY_ENVIRONMENT=local",
            "SLIPWAY_HOST=10.0.0.5",
            "SLIPWAY_PORT_8080=21000",
            "SLIPWAY_PROJECT=shop",
            "SLIPWAY_REVISION=7",
            "SLIPWAY_SERVICE=web",
            "SLIPWAY_TASK=0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa",
        ];
        assert_eq!(env, wanted);
        assert_eq!(spec.name, "slipway-shop.web.local.2.aaaaaaaaaaaa");
        assert_eq!(
            spec.network.expect("a place"),
            NetworkPlace { network: "slipway-1f0b5a11-shop.local".into(), aliases: vec!["web".into()], ip: None }
        );
        assert_eq!(spec.labels[LABEL_REVISION], "7");
    }

    #[test]
    fn the_engine_checks_commands_alone() {
        assert_eq!(spec("{image: web}", &[]).health, HealthCommand::FromImage);
        assert_eq!(spec("{image: web, health: {tcp: {port: 80}}}", &[]).health, HealthCommand::Off);
        assert!(matches!(spec("{image: web, health: {command: [true-ish]}}", &[]).health, HealthCommand::Command { .. }));
    }

    #[test]
    fn a_task_cannot_fill_the_machine_with_processes() {
        assert_eq!(spec("{image: web}", &[]).pids, Some(4096));
        assert_eq!(spec("{image: web, resources: {pids: 7}}", &[]).pids, Some(7));
    }

    #[test]
    fn a_volume_outlives_tasks_and_revisions() {
        let spec = spec("{image: web, volumes: [{name: data, path: /data}]}", &[]);
        let [Mount::Volume { name, labels, .. }] = &spec.mounts[..] else { panic!("one volume, not {:?}", spec.mounts) };
        assert_eq!(name, "slipway-1f0b5a11-shop.local.web.data");
        assert!(!labels.contains_key(LABEL_TASK) && labels.contains_key(LABEL_INSTANCE));
        assert_eq!(labels[LABEL_PROJECT_ID], "0192f0c1-7c1e-7b44-8d2a-bbbbbbbbbbbb", "a name may be another project's later");
    }

    #[test]
    fn a_container_inherits_no_label_of_ours_from_its_image() {
        let spec = spec("{image: web}", &[]);
        assert!(LABELS.iter().all(|label| spec.labels.contains_key(*label)), "{:?}", spec.labels);
        assert_eq!(spec.labels[LABEL_CARRIER], "");
    }

    #[test]
    fn the_descriptor_wins_over_the_configuration_centre_and_the_contract_over_both() {
        let delivery = Delivery {
            env: [("A", "centre"), ("B", "centre"), ("SLIPWAY_SERVICE", "other")].map(|(name, value)| (name.into(), value.into())).into(),
            secret_env: [("C".to_owned(), "hunter2".parse().expect("a secret"))].into(),
            ..Delivery::default()
        };
        let spec = with("{image: web, env: {A: own}}", &[], &delivery);
        let found = ["A", "B", "C", "SLIPWAY_SERVICE"].map(|name| spec.env[name].as_str());
        assert_eq!(found, ["own", "centre", "hunter2", "web"]);
        assert!(spec.mounts.is_empty(), "no memory where there is no secret file");
    }

    #[test]
    fn a_task_with_secret_files_is_not_started_again_by_the_engine() {
        let file = TaskFile { path: "/etc/key".into(), content: Hush::new(b"hunter2".to_vec()), mode: 0o400, secret: true };
        let spec = with("{image: web, restart: {policy: always}}", &[], &Delivery { files: vec![file], ..Delivery::default() });
        assert_eq!(spec.restart, Restart::No);
        let [Mount::Kept { path, read_only: true, labels, .. }] = &spec.mounts[..] else { panic!("memory, not {:?}", spec.mounts) };
        assert_eq!(path, SECRETS);
        assert!(!labels.contains_key(LABEL_TASK) && labels.contains_key(LABEL_CARRIER));
        assert!(!format!("{spec:?}").contains("hunter2"));
    }

    #[test]
    fn the_time_zone_is_a_variable_unless_the_descriptor_has_one() {
        assert_eq!(spec("{image: web}", &[]).env.get("TZ"), None);
        let env = |yaml| with(yaml, &[], &Delivery::default()).env["TZ"].clone();
        assert_eq!(env("{image: web, timezone: Asia/Shanghai}"), "Asia/Shanghai");
        assert_eq!(env("{image: web, timezone: Asia/Shanghai, env: {TZ: UTC}}"), "UTC");
    }
}

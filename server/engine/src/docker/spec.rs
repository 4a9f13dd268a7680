//! What a container is made of, in our own words, and its translation for the engine.
//!
//! Pure. What is not in [`ContainerSpec`] cannot be asked for: no privileges, host namespaces, devices or added capabilities. And no process of
//! a container gains privileges that it was not started with: set-user-id programs (`su`, `sudo`) run as whoever calls them.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, MountTmpfsOptions, MountType, MountVolumeOptions,
    MountVolumeOptionsDriverConfig, NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};

/// Everything that a container is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerSpec {
    /// Name on the engine.
    pub name: String,
    /// Complete reference with host and digest.
    pub image: String,
    /// In place of the image's command.
    pub command: Option<Vec<String>>,
    /// In place of the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Labels; the instance's label is among them.
    pub labels: BTreeMap<String, String>,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Where it is reached by its peers.
    pub network: Option<NetworkPlace>,
    /// Bytes; swap is not allowed beyond it.
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    pub cpu_millis: Option<u32>,
    /// Most processes and threads.
    pub pids: Option<u32>,
    /// What to do about the image's health check.
    pub health: HealthCommand,
    /// What the engine does by itself when it ends.
    pub restart: Restart,
    /// Signal that asks it to stop, like `SIGTERM`.
    pub stop_signal: Option<String>,
    /// How long it may take to stop.
    pub stop_grace: Option<Duration>,
    /// `user` or `uid:gid`.
    pub user: Option<String>,
    /// Working folder.
    pub workdir: Option<String>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// How much of its log the engine keeps.
    pub logs: LogLimits,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Address on the host.
    pub address: IpAddr,
    /// Port on the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// Transport.
    pub protocol: Protocol,
}

/// Transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// A place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlace {
    /// The network's name.
    pub network: String,
    /// Names by which peers find it.
    pub aliases: Vec<String>,
    /// A fixed address.
    pub ip: Option<Ipv4Addr>,
}

/// What the engine's own health check does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HealthCommand {
    /// What the image says.
    #[default]
    FromImage,
    /// Nothing: Slipway probes by itself.
    Off,
    /// A command inside the container.
    Command {
        /// Program and arguments; no shell.
        command: Vec<String>,
        /// Between two checks.
        interval: Duration,
        /// For one check.
        timeout: Duration,
        /// Failures in a row that make it unhealthy.
        retries: u32,
        /// In which failures do not count.
        start_period: Duration,
    },
}

/// What the engine does by itself when a container ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// Starts it again after a failure, with back-off.
    OnFailure {
        /// At most so often in a row.
        max: u32,
    },
    /// Starts it again, whatever the reason.
    Always,
}

/// How much of a log the engine keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of one file, in MiB.
    pub file_mib: u32,
    /// Number of files.
    pub files: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file_mib: 10, files: 3 }
    }
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A named volume of the engine; made when missing.
    Volume {
        /// Its name on the engine.
        name: String,
        /// Where it appears.
        path: String,
        /// Not to be written.
        read_only: bool,
        /// Labels of a volume that is made.
        labels: BTreeMap<String, String>,
    },
    /// A volume in memory that keeps what is in it as long as something has it mounted; made when missing.
    Kept {
        /// Its name on the engine.
        name: String,
        /// Where it appears.
        path: String,
        /// Most bytes.
        bytes: u64,
        /// Not to be written.
        read_only: bool,
        /// Labels of a volume that is made.
        labels: BTreeMap<String, String>,
    },
    /// A folder of the host, from the operator's list.
    Host {
        /// On the host; must exist.
        source: String,
        /// Where it appears.
        path: String,
        /// Not to be written.
        read_only: bool,
    },
    /// Memory.
    Memory {
        /// Where it appears.
        path: String,
        /// Most bytes.
        bytes: u64,
        /// Permission bits.
        mode: u32,
    },
}

impl Protocol {
    /// As in `80/tcp`.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

impl ContainerSpec {
    /// The engine's form of it.
    pub(super) fn body(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: self.command.clone(),
            entrypoint: self.entrypoint.clone(),
            env: Some(self.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(self.labels.clone().into_iter().collect()),
            exposed_ports: (!self.ports.is_empty()).then(|| self.ports.iter().map(Port::key).collect()),
            user: self.user.clone(),
            working_dir: self.workdir.clone(),
            stop_signal: self.stop_signal.clone(),
            stop_timeout: self.stop_grace.map(whole_seconds),
            healthcheck: self.health.config(),
            host_config: Some(self.host_config()),
            networking_config: self.network.as_ref().map(NetworkPlace::config),
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        HostConfig {
            memory: self.memory.map(to_i64),
            memory_swap: self.memory.map(to_i64),
            nano_cpus: self.cpu_millis.map(|millis| i64::from(millis) * 1_000_000),
            pids_limit: self.pids.map(i64::from),
            port_bindings: (!self.ports.is_empty()).then(|| self.port_bindings()),
            network_mode: self.network.as_ref().map(|place| place.network.clone()),
            restart_policy: Some(self.restart.policy()),
            mounts: (!self.mounts.is_empty()).then(|| self.mounts.iter().map(Mount::config).collect()),
            log_config: Some(self.logs.config()),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            ..HostConfig::default()
        }
    }

    fn port_bindings(&self) -> HashMap<String, Option<Vec<PortBinding>>> {
        let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
        for port in &self.ports {
            let binding = PortBinding { host_ip: Some(port.address.to_string()), host_port: Some(port.host.to_string()) };
            bindings.entry(port.key()).or_default().get_or_insert_default().push(binding);
        }
        bindings
    }
}

impl Port {
    fn key(&self) -> String {
        format!("{}/{}", self.container, self.protocol.word())
    }
}

impl NetworkPlace {
    fn config(&self) -> NetworkingConfig {
        let ipam_config = self.ip.map(|ip| bollard::models::EndpointIpamConfig { ipv4_address: Some(ip.to_string()), ..Default::default() });
        let endpoint = EndpointSettings { aliases: Some(self.aliases.clone()), ipam_config, ..EndpointSettings::default() };
        NetworkingConfig { endpoints_config: Some(HashMap::from([(self.network.clone(), endpoint)])) }
    }
}

impl HealthCommand {
    fn config(&self) -> Option<HealthConfig> {
        match self {
            HealthCommand::FromImage => None,
            HealthCommand::Off => Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
            HealthCommand::Command { command, interval, timeout, retries, start_period } => Some(HealthConfig {
                test: Some(std::iter::once("CMD".to_owned()).chain(command.iter().cloned()).collect()),
                interval: Some(nanoseconds(*interval)),
                timeout: Some(nanoseconds(*timeout)),
                retries: Some(i64::from(*retries)),
                start_period: Some(nanoseconds(*start_period)),
                start_interval: None,
            }),
        }
    }
}

impl Restart {
    fn policy(self) -> RestartPolicy {
        match self {
            Restart::No => RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None },
            Restart::OnFailure { max } => RestartPolicy { name: Some(RestartPolicyNameEnum::ON_FAILURE), maximum_retry_count: Some(i64::from(max)) },
            Restart::Always => RestartPolicy { name: Some(RestartPolicyNameEnum::UNLESS_STOPPED), maximum_retry_count: None },
        }
    }
}

impl LogLimits {
    fn config(self) -> HostConfigLogConfig {
        let sizes = [("max-size", format!("{}m", self.file_mib.max(1))), ("max-file", self.files.max(1).to_string())];
        HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(sizes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        }
    }
}

impl Mount {
    fn config(&self) -> bollard::models::Mount {
        let plain = bollard::models::Mount::default();
        match self {
            Mount::Volume { name, path, read_only, labels } => bollard::models::Mount {
                typ: Some(MountType::VOLUME),
                source: Some(name.clone()),
                target: Some(path.clone()),
                read_only: Some(*read_only),
                volume_options: Some(MountVolumeOptions { labels: Some(labels.clone().into_iter().collect()), ..MountVolumeOptions::default() }),
                ..plain
            },
            Mount::Kept { name, path, bytes, read_only, labels } => {
                let options =
                    [("type", "tmpfs".to_owned()), ("device", "tmpfs".to_owned()), ("o", format!("size={bytes},mode=0755,nosuid,nodev,noexec"))];
                let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let driver = MountVolumeOptionsDriverConfig { name: Some("local".to_owned()), options: Some(options) };
                bollard::models::Mount {
                    typ: Some(MountType::VOLUME),
                    source: Some(name.clone()),
                    target: Some(path.clone()),
                    read_only: Some(*read_only),
                    volume_options: Some(MountVolumeOptions {
                        no_copy: Some(true),
                        labels: Some(labels.clone().into_iter().collect()),
                        driver_config: Some(driver),
                        ..MountVolumeOptions::default()
                    }),
                    ..plain
                }
            }
            Mount::Host { source, path, read_only } => bollard::models::Mount {
                typ: Some(MountType::BIND),
                source: Some(source.clone()),
                target: Some(path.clone()),
                read_only: Some(*read_only),
                ..plain
            },
            Mount::Memory { path, bytes, mode } => bollard::models::Mount {
                typ: Some(MountType::TMPFS),
                target: Some(path.clone()),
                tmpfs_options: Some(MountTmpfsOptions {
                    size_bytes: Some(to_i64(*bytes)),
                    mode: Some(i64::from(*mode)),
                    ..MountTmpfsOptions::default()
                }),
                ..plain
            },
        }
    }
}

fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn nanoseconds(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

/// Whole seconds, rounded up: a grace of half a second is not none.
pub(super) fn whole_seconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod allowed;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bindings_of_one_port_are_both_kept() {
        let port = |host| Port { address: IpAddr::V4(Ipv4Addr::LOCALHOST), host, container: 80, protocol: Protocol::Tcp };
        let spec = ContainerSpec { ports: vec![port(8080), port(8081)], ..ContainerSpec::default() };
        let body = spec.body();
        let bindings = body.host_config.and_then(|host| host.port_bindings).expect("bindings");
        assert_eq!(bindings["80/tcp"].as_ref().expect("list").len(), 2);
    }

    #[test]
    fn memory_has_no_swap_on_top() {
        let host = ContainerSpec { memory: Some(64 << 20), cpu_millis: Some(500), ..ContainerSpec::default() }.host_config();
        assert_eq!((host.memory, host.memory_swap, host.nano_cpus), (Some(64 << 20), Some(64 << 20), Some(500_000_000)));
    }

    #[test]
    fn nothing_in_it_gains_privileges() {
        let host = ContainerSpec::default().host_config();
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges:true".to_owned()]));
        assert_eq!((host.privileged, host.cap_add, host.pid_mode), (None, None, None));
    }

    #[test]
    fn a_short_grace_is_not_none() {
        assert_eq!(whole_seconds(Duration::from_millis(200)), 1);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }
}

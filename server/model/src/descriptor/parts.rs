//! The parts of a descriptor, as types that hold what was read. Their rules are in `check`, their grammar in `sections`.

use serde::{Deserialize, Serialize};

use crate::quantity::{Cpus, Memory, Span};

/// A file of the configuration centre in a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigMount {
    /// The file's name in the configuration centre.
    pub name: String,
    /// Where it stands in the task.
    pub path: String,
}

/// A secret of the configuration centre in a task: a variable or a file, exactly one of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretUse {
    /// The secret's name in the configuration centre.
    pub name: String,
    /// The variable that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its name, a DNS label; unique in the service.
    pub name: String,
    /// The port inside the task.
    pub container: u16,
    /// A fixed port of the machine; none: one is given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// TCP or UDP.
    #[serde(default)]
    pub protocol: Protocol,
}

/// How to tell that a task works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is tried.
    #[serde(flatten)]
    pub probe: Probe,
    /// Time from one probe to the next.
    pub interval: Span,
    /// Longest wait for an answer.
    pub timeout: Span,
    /// Failures in a row that make a task unhealthy.
    pub retries: u32,
    /// Time after the start in which failures do not count.
    pub start_period: Span,
}

/// What a health check tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// A GET that must answer with a status from 200 to 399.
    Http {
        /// The port inside the task.
        port: u16,
        /// Path and query.
        path: String,
    },
    /// A connection that must be taken.
    Tcp {
        /// The port inside the task.
        port: u16,
    },
    /// A program in the task that must end with 0.
    Command(Vec<String>),
}

/// Limits of each task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// Memory; a task that takes more is ended by the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Processes and threads; none: [`Resources::PIDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

impl Resources {
    /// Processes and threads of a task that says nothing about them: more than a service needs, less than what stops a machine.
    pub const PIDS: u32 = 4096;
}

/// What outlives a task: a named volume, or a folder of the machine; exactly one of `name` and `host`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The volume's name in this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A folder of the machine, from the operator's allow-list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where it stands in the task.
    pub path: String,
    /// The task may not write.
    #[serde(default)]
    pub read_only: bool,
}

/// The network that a service joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The network's name; `default` is the project's own in each environment.
    pub name: String,
    /// A fixed address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

impl Default for Network {
    fn default() -> Self {
        Self { name: String::from("default"), ip: None }
    }
}

/// Where a service may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// A pool of machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// These machines only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// What tasks are spread over: `machine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
}

/// Which comes first when a task is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The new task is healthy before the old one ends.
    StartFirst,
    /// The old task ends before the new one starts.
    StopFirst,
}

/// What happens when the new revision does not become healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The last good revision serves again.
    #[default]
    Rollback,
    /// The rollout stops where it is.
    Stop,
}

/// How one revision takes the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Which comes first. Left out: stop-first where a fixed port or a volume can be held by one task only, else start-first.
    pub order: UpdateOrder,
    /// Tasks replaced at the same time.
    pub parallelism: u32,
    /// How long a new task is watched after it became healthy.
    pub monitor: Span,
    /// What happens when it fails.
    pub on_failure: OnFailure,
}

/// How a task is asked to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The signal it gets; none: the image's own, else SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Time until it is killed.
    pub grace: Span,
    /// Before it is asked: how long it goes on serving while proxies are told that it will not. None: [`super::Descriptor::drain`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Span>,
}

impl Stop {
    /// The drain of what has routes and says nothing about it: twice the time after which Traefik asks again.
    pub const ROUTED: Span = Span::from_secs(10);
    /// The drain of what has no routes, says nothing about it, and is asked for by proxies: those hear of a change at once, or look every second.
    pub const FOLLOWED: Span = Span::from_secs(3);
    /// The longest drain.
    pub const DRAIN_MAX: Span = Span::from_secs(300);
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: None, grace: Span::from_secs(10), drain: None }
    }
}

/// When the engine starts a task again that ended by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// When it ended with an error.
    #[default]
    OnFailure,
    /// Whenever it ended.
    Always,
    /// Never.
    Never,
}

/// What the engine does with a task that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// When it is started again.
    pub policy: RestartPolicy,
    /// How often at most (`on-failure` only).
    pub max: u32,
}

impl Default for Restart {
    fn default() -> Self {
        Self { policy: RestartPolicy::OnFailure, max: 5 }
    }
}

/// A service that stays, or a job that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Tasks stay.
    #[default]
    Service,
    /// A run makes tasks that end.
    Job,
}

/// What is fetched before the main command starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Where from: http or https.
    pub url: String,
    /// What it must be, 64 hexadecimal digits.
    pub sha256: String,
    /// Where it is unpacked.
    pub path: String,
}

/// What happens when something else changed a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// It is shown.
    #[default]
    Report,
    /// It is put right.
    Heal,
}

/// How proxies reach a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Host name.
    pub host: String,
    /// Path prefix.
    pub path: String,
    /// Name of one of the service's ports.
    pub port: String,
    /// It is reached over https; the proxy holds the certificate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
}

impl Route {
    /// Whether host and path are such as would be taken today: nothing in them ends a text in another program's rules.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        super::check::host_name(&self.host).is_ok() && super::check::route_path(&self.path).is_ok()
    }
}

/// What the status page shows of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusPage {
    /// It is on the page.
    pub show: bool,
    /// A probe of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

/// What is scraped from a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The port inside the task.
    pub port: u16,
    /// Path.
    pub path: String,
    /// Names of what is kept; one that ends with a star stands for all that begin so.
    #[serde(default)]
    pub names: Vec<String>,
}

//! Views of environments and machines.

use serde::{Deserialize, Serialize};

use crate::ids::{EnvironmentId, MachineId};
use crate::names::{EnvironmentName, MachineName, ProjectName, ServiceName};
use crate::time::Millis;
use crate::views::services::RunSummary;
use crate::words::words;

words! {
    /// Whether a machine's engine answers.
    MachineState,
    /// It was not asked yet.
    Unknown = "unknown",
    /// It answers.
    Up = "up",
    /// It does not; the message says what is wrong and what to do.
    Away = "away",
}

/// A machine: a Docker host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineView {
    /// The machine.
    pub id: MachineId,
    /// Its name.
    pub name: MachineName,
    /// The environment that it belongs to.
    pub environment: EnvironmentName,
    /// Whether its engine answers.
    pub state: MachineState,
    /// What is wrong and what to do, where it does not; others than operators are told only that they see it.
    pub message: Option<String>,
    /// Since when it is in this state.
    pub since: Option<Millis>,
    /// The engine's address; for operators alone.
    pub engine: Option<String>,
    /// What guards the way to the engine; for operators alone.
    pub guard: Option<Guard>,
    /// The key of its SSH server that was confirmed, as OpenSSH writes public keys; for operators alone.
    pub host_key: Option<String>,
    /// Whether the configuration made it: its address is changed there.
    pub configured: bool,
    /// When a test of what is kept now passed; none: it was saved without one.
    pub tested_at: Option<Millis>,
    /// Its address for links.
    pub host: String,
    /// The address that ports are published on; for operators alone.
    pub publish_address: Option<String>,
    /// First and last of the ports that are given out.
    pub ports: (u16, u16),
    /// The range that networks are made of; for operators alone.
    pub subnet_pool: Option<String>,
    /// The engine's version.
    pub version: Option<String>,
    /// The version of the API that is spoken with it.
    pub api_version: Option<String>,
    /// Its operating system.
    pub os: Option<String>,
    /// Its processors.
    pub cpus: Option<i64>,
    /// Its memory in bytes.
    pub memory: Option<i64>,
    /// Tasks that live on it.
    pub tasks: i64,
}

words! {
    /// What guards the way to an engine.
    Guard,
    /// A socket's permissions.
    Socket = "socket",
    /// TLS, with certificates that were given.
    Tls = "tls",
    /// Nothing: whoever reaches the port is root on the machine.
    Nothing = "nothing",
    /// SSH, with a key that was given.
    Ssh = "ssh",
}

/// An environment: where things run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentView {
    /// The environment.
    pub id: EnvironmentId,
    /// Its name.
    pub name: EnvironmentName,
    /// What it is for.
    pub description: String,
    /// Whether its engine answers: up when one machine is.
    pub state: MachineState,
    /// What is wrong and what to do, where none answers; others than operators are told only that they see it.
    pub message: Option<String>,
    /// How its engines reach the registry; for operators alone.
    pub registry_address: Option<String>,
    /// Whether a deployment waits there until somebody approves it.
    pub protected: bool,
    /// Whether every project may use it.
    pub open: bool,
    /// The projects that may use it where not every one may; for operators alone.
    pub projects: Option<Vec<ProjectName>>,
    /// Whether the configuration made it: it cannot be removed.
    pub configured: bool,
    /// Its machines.
    pub machines: Vec<MachineView>,
}

/// What runs in an environment, as far as the reader may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidentView {
    /// The project.
    pub project: ProjectName,
    /// The service.
    pub service: ServiceName,
    /// How it does there.
    pub run: RunSummary,
}

words! {
    /// What came of one step of a test.
    StepState,
    /// It is as it should be.
    Ok = "ok",
    /// It works, and there is something to know.
    Warning = "warning",
    /// It does not work.
    Failed = "failed",
    /// It could not be tried, because something before it failed.
    Skipped = "skipped",
}

/// One step of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialStep {
    /// A stable word: `reach`, `identity`, `engine`, `same_engine`, `clock`, `registry`, `ports`.
    pub step: String,
    /// What came of it.
    pub state: StepState,
    /// What was found, what is wrong and what to do, for people.
    pub message: String,
}

/// What came of the test of a machine's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialView {
    /// Whether nothing failed.
    pub passed: bool,
    /// The steps, in the order in which they were made.
    pub steps: Vec<TrialStep>,
    /// The key that the SSH server showed and nobody confirmed yet.
    pub host_key: Option<HostKeyView>,
}

/// The key of an SSH server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostKeyView {
    /// The key, as OpenSSH writes public keys.
    pub key: String,
    /// Its fingerprint, as `ssh-keygen -lf` prints it: `SHA256:...`.
    pub fingerprint: String,
}

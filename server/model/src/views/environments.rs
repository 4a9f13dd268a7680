//! Views of environments and machines.

use serde::{Deserialize, Serialize};

use crate::ids::{EnvironmentId, MachineId, PruneId};
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

words! {
    /// Why images of a machine were pruned.
    PruneWhy,
    /// Somebody asked for it.
    Asked = "asked",
    /// A day had passed.
    Daily = "daily",
    /// Its disk was fuller than it may be.
    Full = "full",
}

words! {
    /// How far a pruning came.
    PruneState,
    /// It waits for its turn, or is at work.
    Queued = "queued",
    /// It went through.
    Done = "done",
    /// It could not be done; the message says why.
    Failed = "failed",
}

/// How images are taken away from a machine. Only those that Slipway itself had pulled, and never one that something runs from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrunePolicy {
    /// Whether it is done by itself, daily and when the disk is full.
    pub enabled: bool,
    /// How many images of each service stay, of those that it ran there last: what can be gone back to without a pull.
    pub keep: i64,
    /// Images that were pulled less than so many hours ago stay.
    pub min_hours: i64,
    /// Percent: a disk that is fuller is not left until the next day. Known of machines on the portal's own host alone.
    pub fuller_than: i64,
}

/// An image that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedImage {
    /// Complete, with the digest.
    pub reference: String,
    /// Bytes that only it takes.
    pub bytes: i64,
    /// Why it stays; none: it goes, or would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<String>,
}

/// What a pruning did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PruneReport {
    /// What went, or would.
    pub gone: Vec<PrunedImage>,
    /// What stays, with the reason.
    pub stay: Vec<PrunedImage>,
    /// Bytes that were freed, or would be.
    pub bytes: i64,
    /// How full the disk was, in percent, where that is known.
    pub disk: Option<u8>,
}

/// One pruning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneRunView {
    /// The run.
    pub id: PruneId,
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// Why.
    pub why: PruneWhy,
    /// Who asked for it; none: the policy did.
    pub by: Option<String>,
    /// How far it came.
    pub state: PruneState,
    /// What went wrong.
    pub message: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// What it did.
    pub report: PruneReport,
}

/// The images on a machine that Slipway answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruningView {
    /// How they are taken away.
    pub policy: PrunePolicy,
    /// How many it had pulled that may still be there.
    pub pulled: i64,
    /// The last runs, the newest first.
    #[serde(rename = "items")]
    pub runs: Vec<PruneRunView>,
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
    /// Whether that is somebody else than who asked for it.
    #[serde(default)]
    pub second_person: bool,
    /// Since when, by whom and why nothing is changed there; none: it is not frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<FreezeView>,
    /// Whether every project may use it.
    pub open: bool,
    /// The projects that may use it where not every one may; for operators alone.
    pub projects: Option<Vec<ProjectName>>,
    /// Whether the configuration made it: it cannot be removed.
    pub configured: bool,
    /// Its machines.
    pub machines: Vec<MachineView>,
}

/// An environment is frozen: nothing is changed there for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeView {
    /// Since when.
    pub at: Millis,
    /// Who froze it, by the name at that time.
    pub by: String,
    /// Why, as they said.
    pub why: String,
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

//! Views of environments and machines.

use serde::{Deserialize, Serialize};

use crate::ids::{EnvironmentId, MachineId};
use crate::names::{EnvironmentName, MachineName};
use crate::time::Millis;
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
    /// What is wrong and what to do, where it does not.
    pub message: Option<String>,
    /// Since when it is in this state.
    pub since: Option<Millis>,
    /// The engine's address; for operators alone.
    pub engine: Option<String>,
    /// Its address for links.
    pub host: String,
    /// The address that ports are published on; for operators alone.
    pub publish_address: Option<String>,
    /// First and last of the ports that are given out.
    pub ports: (u16, u16),
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
    /// What is wrong and what to do, where none answers.
    pub message: Option<String>,
    /// How its engines reach the registry; for operators alone.
    pub registry_address: Option<String>,
    /// Its machines.
    pub machines: Vec<MachineView>,
}

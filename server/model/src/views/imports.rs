//! Views of containers that something else made, as services of a project.

use serde::{Deserialize, Serialize};

use crate::descriptor::Descriptor;
use crate::names::MachineName;

/// What a container would be as a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportView {
    /// The machine that it runs on.
    pub machine: MachineName,
    /// Its name on that machine's engine.
    pub container: String,
    /// A name for the service.
    pub service: String,
    /// What maps.
    pub descriptor: Descriptor,
    /// The same as text.
    pub yaml: String,
    /// What is not taken, each with why.
    pub left: Vec<LeftOut>,
}

/// Something of a container that its service will not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What: `--privileged`, `volume /data`.
    pub what: String,
    /// Why, and what to do instead.
    pub why: String,
}

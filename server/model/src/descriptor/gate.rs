//! What the contract knows and the engine cannot do yet. One line for each; an issue that builds the thing removes its line.

use super::{Descriptor, Drift, Kind, OnFailure};
use crate::problem::FieldError;

/// A mistake for each thing that was asked for and is not built.
pub(super) fn gate(d: &Descriptor) -> Vec<FieldError> {
    let sections = [
        ("configs", !d.configs.is_empty()),
        ("secrets", !d.secrets.is_empty()),
        ("network.name", d.network.name != "default"),
        ("network.ip", d.network.ip.is_some()),
        ("placement", d.placement.is_some()),
        ("update.on_failure", d.update.on_failure == OnFailure::Stop),
        ("kind", d.kind == Kind::Job),
        ("schedule", d.schedule.is_some()),
        ("drift", d.drift == Drift::Heal),
        ("metrics", d.metrics.is_some()),
    ];
    sections.into_iter().filter(|(_, used)| *used).map(|path| FieldError::new(path, "not yet supported; leave it out for now")).collect()
}

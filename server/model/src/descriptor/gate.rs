//! What the contract knows and the engine cannot do yet. One line for each; an issue that builds the thing removes its line.

use super::{Descriptor, Drift, Kind, OnFailure};
use crate::problem::FieldError;

/// A mistake for each thing that was asked for and is not built.
pub(super) fn gate(d: &Descriptor) -> Vec<FieldError> {
    let host_folders = d.volumes.iter().enumerate().filter(|(_, volume)| volume.host.is_some());
    let mut asked: Vec<String> = host_folders.map(|(at, _)| format!("volumes[{at}].host")).collect();
    let sections = [
        ("network.name", d.network.name != "default"),
        ("network.ip", d.network.ip.is_some()),
        ("placement", d.placement.is_some()),
        ("update.on_failure", d.update.on_failure == OnFailure::Stop),
        ("timezone", d.timezone.is_some()),
        ("kind", d.kind == Kind::Job),
        ("schedule", d.schedule.is_some()),
        ("artifact", d.artifact.is_some()),
        ("drift", d.drift == Drift::Heal),
        ("routes", !d.routes.is_empty()),
        ("status_page", d.status_page.is_some()),
        ("metrics", d.metrics.is_some()),
    ];
    asked.extend(sections.into_iter().filter(|(_, used)| *used).map(|(path, _)| path.to_owned()));
    asked.into_iter().map(|path| FieldError::new(path, "not yet supported; leave it out for now")).collect()
}

//! What the contract knows and the engine cannot do yet. One line for each; an issue that builds the thing removes its line.

use super::Descriptor;
use crate::problem::FieldError;

/// A mistake for each thing that was asked for and is not built.
pub(super) fn gate(d: &Descriptor) -> Vec<FieldError> {
    let sections = [("network.name", d.network.name != "default"), ("network.ip", d.network.ip.is_some()), ("placement", d.placement.is_some())];
    let asked = sections.into_iter().filter(|(_, used)| *used);
    asked.map(|(path, _)| FieldError::new(path, "not yet supported; leave it out for now")).collect()
}

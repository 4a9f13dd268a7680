//! Makes machines match the desired state.

pub mod docker;
pub mod plan;
pub mod probe;

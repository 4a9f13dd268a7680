//! Makes machines match the desired state.

pub mod docker;

//! The OCI registry.
pub mod disk;
pub mod error;
pub mod hash;
pub mod path;
pub mod range;
pub mod scope;
pub mod token;

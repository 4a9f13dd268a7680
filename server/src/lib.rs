//! The server: configuration, assembly, HTTP doors and the list of background loops. Everything here is a thin shell around `domain`,
//! `registry` and `engine`; nothing depends on it but the binary and its tests.

pub mod admin;
pub mod config;
pub mod http;
pub mod serve;
pub mod workers;

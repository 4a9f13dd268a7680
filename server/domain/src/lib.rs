//! The rules of Slipway and its database: who may do what, and every use case as one function that checks, writes and
//! signals. Knows no HTTP, no Leptos and no Docker; what is outside is reached through [`ports`].
//!
//! Three shapes keep it honest:
//! - what is needed to touch a project's rows is only returned by the permission check: [`May`], [`Visible`];
//! - a caller's change can only be committed together with its audit record: [`Change`];
//! - loops that act for nobody hold a [`Worker`], with narrow functions of their own.

pub mod access;
pub mod accounts;
pub mod alerts;
pub mod audit;
mod blocking;
pub mod change;
pub mod clock;
pub mod configs;
pub mod copies;
pub mod counters;
mod csv;
pub mod db;
pub mod deployments;
pub mod discovery;
pub mod environments;
mod error;
pub mod events;
pub mod folders;
pub mod hooks;
pub mod images;
pub mod imports;
pub mod jobs;
pub mod keys;
pub mod live;
pub mod logs;
pub mod machines;
pub mod metrics;
pub mod notices;
pub mod outside;
pub mod platform;
pub mod ports;
pub mod projects;
pub mod pushes;
pub mod quotas;
pub mod robots;
pub mod room;
pub mod services;
pub mod shells;
pub mod site;
pub mod status;
pub mod streams;
pub mod templates;
#[cfg(test)]
mod testing;
pub mod upkeep;
pub mod usage;
pub mod watch;
pub mod worker;
pub mod zones;

pub use access::{Actor, Key, May, Resource, Visible, can};
pub use change::{Bookkeeping, Change, Record};
pub use error::{Error, Result};
pub use live::{Signal, Topic};
pub use platform::Platform;
pub use worker::Worker;

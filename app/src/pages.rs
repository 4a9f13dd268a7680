//! The pages, one file for each section of addresses. A page reads its data, shows it with components, and sends changes;
//! what it may show and what it may do is decided behind the door.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod alerts;
mod audit;
pub(crate) mod cloning;
pub(crate) mod configs;
pub(crate) mod deployments;
pub(crate) mod environments;
mod events;
pub(crate) mod frame;
pub(crate) mod home;
pub(crate) mod image_rules;
pub(crate) mod images;
pub(crate) mod login;
pub(crate) mod members;
pub(crate) mod metrics;
pub(crate) mod outside;
pub(crate) mod projects;
mod quotas;
pub(crate) mod robots;
pub(crate) mod services;
pub(crate) mod setup;
pub(crate) mod shells;
mod states;
pub(crate) mod templates;
pub(crate) mod usage;

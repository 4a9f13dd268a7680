//! The words of Slipway: ids, names, roles, forms and views, with the checks that belong to them. No I/O, no clock, no
//! randomness; builds for wasm, so that the browser checks a form with the very code that the server checks it with.

pub mod access;
pub mod alerts;
pub mod configs;
pub mod descriptor;
pub mod digest;
pub mod engine;
pub mod folders;
pub mod form;
pub mod ids;
pub mod image;
pub mod logs;
pub mod machine;
pub mod manifest;
pub mod metrics;
pub mod names;
pub mod notices;
pub mod outside;
pub mod page;
pub mod password;
pub mod pattern;
pub mod problem;
pub mod quantity;
pub mod reference;
pub mod rules;
pub mod running;
pub mod secret;
pub mod shell;
pub mod status;
pub mod template;
mod text;
pub mod time;
pub mod usage;
pub mod views;
pub mod words;

//! What leaves the process: each view holds what its reader may see, and no row of the database is ever sent itself.

pub mod accounts;
pub mod alerts;
pub mod audit;
pub mod configs;
pub mod copies;
pub mod deployments;
pub mod environments;
pub mod events;
pub mod images;
pub mod imports;
pub mod inspect;
pub mod jobs;
pub mod lineage;
pub mod logs;
pub mod metrics;
pub mod notices;
pub mod projects;
pub mod quotas;
pub mod robots;
pub mod rules;
pub mod services;
pub mod shells;
pub mod status;
pub mod templates;
pub mod upkeep;
pub mod usage;

//! The one integration-test binary: a whole portal for each test, with a database and a data folder of its own, spoken to over HTTP as its
//! users do. With `SLIPWAY_TEST_POSTGRES` set the same tests run on PostgreSQL; tests that need an engine find it by
//! `SLIPWAY_TEST_DOCKER_HOST`. `make test` sets both.

mod access;
mod accounts;
mod alerts;
mod charts;
mod collected;
mod configs;
mod copies;
mod delivery;
mod deploy;
mod deploy_pages;
mod descriptors;
mod docker;
mod drift;
mod environments;
mod events;
mod far;
mod faults;
mod forms;
mod ground;
mod image_pages;
mod image_rules;
mod inside;
mod inside_doors;
mod jobs;
mod limits;
mod logs;
mod looking;
mod metrics_door;
mod networks;
mod portal;
mod projects;
mod push;
mod quotas;
mod recordings;
mod registry;
mod robots;
mod running;
mod sampled;
mod shells;
mod status;
mod templates;
mod usage;

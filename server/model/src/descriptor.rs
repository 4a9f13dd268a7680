//! What a service should be: the descriptor of the contract, as types that hold only what is right. It is read from YAML
//! or JSON with every mistake told at once ([`Descriptor::parse`]), and written as one stable JSON text
//! ([`Descriptor::canonical`]) in which every default stands, so that a revision stays complete when defaults change.
//! What the engine cannot do yet is refused by name, never ignored ([`gate`]). No I/O, the same in the browser.

mod changes;
mod check;
pub(crate) mod document;
mod gate;
mod parts;
pub(crate) mod reader;
mod refused;
pub mod schema;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use changes::Change;
pub use check::{ENV_TOTAL_MAX, ENV_VALUE_MAX, MEMORY_MIN, REPLICAS_MAX, check_entry_name, check_env_name};
pub use document::TEXT_MAX;
pub use parts::{
    Artifact, ConfigMount, Drift, Health, Kind, Metrics, Network, OnFailure, Placement, Port, Probe, Protocol, Resources, Restart, RestartPolicy,
    Route, SecretUse, StatusPage, Stop, Update, UpdateOrder, Volume,
};
pub(crate) use reader::nearest;

use crate::image::ImageReference;
use crate::problem::FieldError;
use crate::quantity::Span;
use crate::secret::{HIDDEN, names_a_secret};

/// The complete description of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// What to run, as it was named; a revision holds the digest beside it.
    pub image: ImageReference,
    /// How many tasks.
    pub replicas: u32,
    /// Arguments in place of the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The program in place of the image's own entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Variables of the environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files from the configuration centre.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<ConfigMount>,
    /// Secrets from the configuration centre.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// Published ports.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// How to tell that a task works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Limits of each task.
    #[serde(default)]
    pub resources: Resources,
    /// What outlives a task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// The network it joins.
    #[serde(default)]
    pub network: Network,
    /// Where it may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// How one revision takes the place of another.
    pub update: Update,
    /// How a task is asked to end.
    #[serde(default)]
    pub stop: Stop,
    /// What the engine does with a task that ended by itself.
    #[serde(default)]
    pub restart: Restart,
    /// Time zone inside the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// User (and group) that the task runs as. None of its processes gains more than that: programs like `su` and `sudo` run, and change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Folder that the task starts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// A service that stays, or a job that ends.
    #[serde(default)]
    pub kind: Kind,
    /// When a job runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// What is fetched before the main command starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// What happens when something else changed a task.
    #[serde(default)]
    pub drift: Drift,
    /// How proxies reach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// What the status page shows of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_page: Option<StatusPage>,
    /// What is scraped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
}

impl Descriptor {
    /// The smallest descriptor: one task of an image, everything else by default.
    #[must_use]
    pub fn of(image: ImageReference) -> Self {
        Self {
            image,
            replicas: 1,
            command: None,
            entrypoint: None,
            env: BTreeMap::new(),
            configs: Vec::new(),
            secrets: Vec::new(),
            ports: Vec::new(),
            health: None,
            resources: Resources::default(),
            volumes: Vec::new(),
            network: Network::default(),
            placement: None,
            update: Update { order: UpdateOrder::StartFirst, parallelism: 1, monitor: Span::from_secs(10), on_failure: OnFailure::Rollback },
            stop: Stop::default(),
            restart: Restart::default(),
            timezone: None,
            user: None,
            workdir: None,
            kind: Kind::Service,
            schedule: None,
            artifact: None,
            drift: Drift::Report,
            routes: Vec::new(),
            status_page: None,
            metrics: None,
        }
    }

    /// Reads YAML or JSON text of at most [`TEXT_MAX`] bytes.
    ///
    /// # Errors
    /// Every mistake found, each with the path of its field (empty: the document itself) and, where known, line and column.
    pub fn parse(text: &str) -> Result<Self, Vec<FieldError>> {
        let node = document::Node::parse(text).map_err(|error| vec![error])?;
        Self::from_node(&node, "")
    }

    /// Reads JSON that was parsed already, or YAML text inside a JSON string. `path` stands before the paths of mistakes
    /// (`descriptor` in the body of a request).
    ///
    /// # Errors
    /// Every mistake found.
    pub fn from_json(value: &serde_json::Value, path: &str) -> Result<Self, Vec<FieldError>> {
        let node = match value {
            serde_json::Value::String(text) => document::Node::parse(text),
            value => document::Node::from_value(value),
        }
        .map_err(|error| vec![FieldError { field: reader::join_mistake(path, &error.field), ..error }])?;
        Self::from_node(&node, path)
    }

    /// Mistakes that were found behind the parser, as mistakes of the text itself: by the paths of its fields, and with their places as far as
    /// those are known.
    #[must_use]
    pub fn placed(text: &str, errors: Vec<FieldError>) -> Vec<FieldError> {
        let node = document::Node::parse(text).ok();
        let own = |error: FieldError| {
            let field = error.field.strip_prefix("descriptor.").unwrap_or(&error.field).to_owned();
            let place = node.as_ref().filter(|_| error.line.is_none()).and_then(|node| node.find(&field));
            FieldError { field, ..error }.at(place)
        };
        errors.into_iter().map(own).collect()
    }

    fn from_node(node: &document::Node, path: &str) -> Result<Self, Vec<FieldError>> {
        let mut reader = reader::Reader::default();
        let read = sections::descriptor(&mut reader, node, path);
        let mut errors = reader.errors;
        if let Some(descriptor) = &read {
            let mut found = check::check(descriptor);
            found.extend(gate::gate(descriptor));
            errors.extend(found.into_iter().map(|error| {
                let place = node.find(&error.field);
                FieldError::new(reader::join_mistake(path, &error.field), error.message).at(place)
            }));
        }
        match read {
            Some(descriptor) if errors.is_empty() => Ok(descriptor),
            _ => Err(errors),
        }
    }

    /// The rules that concern more than one field, and what is not supported yet; for descriptors that were not parsed but
    /// put together (the form, a scale).
    ///
    /// # Errors
    /// Every mistake found.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        Self::from_json(&self.to_value(), "").map(drop)
    }

    /// The order of replacement that holds where none is chosen.
    #[must_use]
    pub fn default_order(&self) -> UpdateOrder {
        check::default_order(self)
    }

    /// How many tasks there should be all the time: those of a job are made by its runs.
    #[must_use]
    pub fn standing(&self) -> u32 {
        if self.kind == Kind::Job { 0 } else { self.replicas }
    }

    /// How long a task that is to end serves on after proxies were told that it will not. `followed`: some asked where it is.
    #[must_use]
    pub fn drain(&self, followed: bool) -> Span {
        match self.stop.drain {
            _ if self.kind == Kind::Job => Span::from_millis(0),
            Some(drain) => drain,
            None if !self.routes.is_empty() => Stop::ROUTED,
            None if followed => Stop::FOLLOWED,
            None => Span::from_millis(0),
        }
    }

    /// The stable JSON text: the same descriptor gives the same bytes, with every default written out.
    #[must_use]
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("a descriptor holds texts and numbers only")
    }

    /// The part that a container is made from, as stable text: everything but the image's name, the number of tasks, how
    /// they are replaced, and what is told of them on the status page. Tasks whose image's content and part are the same need not be replaced.
    #[must_use]
    pub fn task_part(&self) -> String {
        let plain = Self::of("any:any".parse().expect("a reference"));
        Self { image: plain.image, replicas: 1, update: plain.update, status_page: None, ..self.clone() }.canonical()
    }

    /// Reads what [`Self::canonical`] wrote. Only the shape is checked: a stored revision stays readable when rules change.
    ///
    /// # Errors
    /// Not such a text.
    pub fn from_canonical(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Hides the values of variables whose names say that they are secret, and what signs an artifact's address: for readers who may not change them.
    pub fn hide_secrets(&mut self) {
        let named = self.env.iter_mut().filter(|(name, _)| names_a_secret(name));
        named.for_each(|(_, value)| HIDDEN.clone_into(value));
        if let Some(artifact) = &mut self.artifact {
            artifact.url = changes::without_query(&artifact.url);
        }
    }

    /// The same as JSON values.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a descriptor holds texts and numbers only")
    }

    /// The same as YAML, for people to read and edit.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("a descriptor holds texts and numbers only")
    }

    /// What differs from `before` to `self`, by path.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        changes::between(&before.to_value(), &self.to_value())
    }
}

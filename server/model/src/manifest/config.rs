//! An image's configuration (image-spec 1.1, "Image Configuration"; docker's is the same): what it runs, for which machines,
//! and how it came to be. Read leniently: old tools write `null` where a list belongs, and nothing here decides anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Largest configuration that is read, in bytes.
pub const CONFIG_MAX: usize = 1024 * 1024;

/// What the registry and the pages tell of an image's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// `linux`, `windows`, ...
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
    /// `amd64`, `arm64`, ...
    #[serde(default, deserialize_with = "or_default")]
    pub architecture: String,
    /// `v7`, `v8`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When it was built, RFC 3339, as its builder wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// How to run it.
    #[serde(default, deserialize_with = "or_default")]
    pub config: RunConfig,
    /// How it came to be, first step first.
    #[serde(default, deserialize_with = "or_default")]
    pub history: Vec<Step>,
}

/// How a container of the image runs when nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// `user[:group]`; empty is root.
    #[serde(default, deserialize_with = "or_default")]
    pub user: String,
    /// `8080/tcp`, ...
    #[serde(default, deserialize_with = "or_default")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    /// `NAME=value`.
    #[serde(default, deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(default, deserialize_with = "or_default")]
    pub entrypoint: Vec<String>,
    /// The arguments that follow, or the whole command where there is no entry point.
    #[serde(default, deserialize_with = "or_default")]
    pub cmd: Vec<String>,
    /// Folders that are meant to be volumes.
    #[serde(default, deserialize_with = "or_default")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    /// The folder that it starts in.
    #[serde(default, deserialize_with = "or_default")]
    pub working_dir: String,
    /// Labels.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops it.
    #[serde(default, deserialize_with = "or_default")]
    pub stop_signal: String,
}

/// One step of an image's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command.
    #[serde(default, deserialize_with = "or_default")]
    pub created_by: String,
    /// A note.
    #[serde(default, deserialize_with = "or_default")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, deserialize_with = "or_default")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// The configuration in `body`, or nothing if that is not one: a wrong configuration is the image's own affair.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_docker_build_is_read() {
        let config = ImageConfig::parse(
            br#"{"architecture":"amd64","config":{"Env":["PATH=/bin"],"Cmd":["sh"],"Entrypoint":null,"ExposedPorts":{"8080/tcp":{}},
            "Labels":null,"WorkingDir":"","User":""},"created":"2026-11-20T10:00:00Z","history":[{"created_by":"COPY / /"},
            {"created_by":"CMD [\"sh\"]","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#,
        )
        .expect("a configuration");
        assert_eq!(config.config.cmd, ["sh"]);
        assert!(config.config.entrypoint.is_empty());
        assert!(config.config.exposed_ports.contains_key("8080/tcp"));
        assert!(config.history[1].empty_layer);
    }

    #[test]
    fn what_is_no_configuration_is_nothing() {
        assert_eq!(ImageConfig::parse(b"not json"), None);
        assert_eq!(ImageConfig::parse(b"{}"), Some(ImageConfig::default()));
    }
}

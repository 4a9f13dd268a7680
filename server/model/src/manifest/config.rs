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
    /// What its layers are, unpacked. Not kept by portals before it was asked for.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<RootFs>,
}

/// The layers of an image by their unpacked contents: the same content has one name here, however it was compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Digests of the unpacked layers, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<String>,
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
    /// How docker asks whether it is well. Docker's addition; OCI's configuration has none.
    #[serde(default, deserialize_with = "or_none", skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
}

/// How docker asks whether a container is well; times in nanoseconds, 0 where docker's own hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["CMD", ...]`, `["CMD-SHELL", "..."]`, or `["NONE"]`.
    #[serde(default, deserialize_with = "or_default")]
    pub test: Vec<String>,
    /// From one to the next.
    #[serde(default, deserialize_with = "or_default")]
    pub interval: i64,
    /// How long one may take.
    #[serde(default, deserialize_with = "or_default")]
    pub timeout: i64,
    /// How long failing counts for nothing.
    #[serde(default, deserialize_with = "or_default")]
    pub start_period: i64,
    /// After how many failures it is ill.
    #[serde(default, deserialize_with = "or_default")]
    pub retries: i64,
}

impl Healthcheck {
    /// What is run, for people; nothing where the image switches it off.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        match self.test.split_first() {
            Some((kind, rest)) if kind == "CMD-SHELL" || kind == "CMD" => Some(rest.join(" ")),
            _ => None,
        }
    }
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

    /// `linux/amd64`, `linux/arm/v7`; nothing where it does not say. The variant that every machine of an architecture has is left out.
    #[must_use]
    pub fn platform(&self) -> Option<String> {
        if self.os.is_empty() || self.architecture.is_empty() {
            return None;
        }
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty() && (self.architecture.as_str(), *variant) != ("arm64", "v8"));
        Some(variant.map_or_else(|| format!("{}/{}", self.os, self.architecture), |variant| format!("{}/{}/{variant}", self.os, self.architecture)))
    }

    /// The same for a page, with long texts and lists cut: a configuration may have a megabyte, and its maker may mean no good.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        let run = &mut self.config;
        for list in [&mut run.env, &mut run.entrypoint, &mut run.cmd] {
            list.truncate(LIST_SHOWN);
            list.iter_mut().for_each(shorten);
        }
        for text in [&mut run.user, &mut run.working_dir, &mut run.stop_signal] {
            shorten(text);
        }
        run.labels = notes_shortened(std::mem::take(&mut run.labels));
        for names in [&mut run.exposed_ports, &mut run.volumes] {
            let all = std::mem::take(names).into_keys().take(LIST_SHOWN);
            *names = all.map(|name| (shortened(name), serde_json::json!({}))).collect();
        }
        if let Some(check) = &mut run.healthcheck {
            check.test.truncate(LIST_SHOWN);
            check.test.iter_mut().for_each(shorten);
        }
        self.history.truncate(STEPS_SHOWN);
        for step in &mut self.history {
            shorten(&mut step.created_by);
            shorten(&mut step.comment);
        }
        self.rootfs = None;
        self
    }
}

/// Longest text of a configuration on a page, in characters.
const TEXT_SHOWN: usize = 2_000;
/// Most entries of one of its lists on a page.
const LIST_SHOWN: usize = 200;
/// Most steps of its history on a page.
const STEPS_SHOWN: usize = 500;

/// Labels or annotations with long texts cut, and not all of very many.
#[must_use]
pub fn notes_shortened(notes: BTreeMap<String, String>) -> BTreeMap<String, String> {
    notes.into_iter().take(LIST_SHOWN).map(|(name, value)| (shortened(name), shortened(value))).collect()
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT_SHOWN) {
        text.truncate(end);
        text.push('\u{2026}');
    }
}

fn shortened(mut text: String) -> String {
    shorten(&mut text);
    text
}

fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What is not as it should be is left out, and the rest is read all the same.
fn or_none<'de, T: serde::de::DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(deserializer)?).ok())
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
    fn a_page_shows_a_bounded_part_of_it() {
        let mut config = ImageConfig { history: vec![Step::default(); 2_000], ..ImageConfig::default() };
        config.config.env = vec!["\u{e4}".repeat(5_000); 1_000];
        let short = config.shortened();
        assert_eq!((short.history.len(), short.config.env.len(), short.config.env[0].chars().count()), (500, 200, 2_001));
    }

    #[test]
    fn a_platform_has_one_spelling() {
        let of = |text: &str| ImageConfig::parse(text.as_bytes()).expect("a configuration").platform();
        assert_eq!(of(r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#).as_deref(), Some("linux/arm64"));
        assert_eq!(of(r#"{"os":"linux","architecture":"arm","variant":"v7"}"#).as_deref(), Some("linux/arm/v7"));
        assert_eq!(of("{}"), None);
    }

    #[test]
    fn docker_s_health_check_is_read() {
        let body =
            br#"{"config":{"Healthcheck":{"Test":["CMD-SHELL","curl -f localhost"],"Interval":5000000000}},"rootfs":{"diff_ids":["sha256:a"]}}"#;
        let config = ImageConfig::parse(body).expect("a configuration");
        assert_eq!(config.config.healthcheck.and_then(|check| check.command()).as_deref(), Some("curl -f localhost"));
        assert_eq!(config.rootfs.expect("layers").diff_ids, ["sha256:a"]);
        let odd = ImageConfig::parse(br#"{"config":{"Healthcheck":{"Interval":"5s"},"Cmd":["sh"]},"rootfs":"layers"}"#).expect("the rest is read");
        assert_eq!((odd.config.healthcheck, odd.rootfs, odd.config.cmd.len()), (None, None, 1));
    }

    #[test]
    fn what_is_no_configuration_is_nothing() {
        assert_eq!(ImageConfig::parse(b"not json"), None);
        assert_eq!(ImageConfig::parse(b"{}"), Some(ImageConfig::default()));
    }
}

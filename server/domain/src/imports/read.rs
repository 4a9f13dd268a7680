//! From the engine's description of a container to a descriptor. Pure. Whatever differs from what the engine does by itself is either in the
//! descriptor or named as left out: settings that this code does not know are named too.

mod settings;

use std::collections::{BTreeMap, BTreeSet};

use model::descriptor::Descriptor;
use model::secret::{HIDDEN, names_a_secret};
use model::views::imports::LeftOut;
use serde_json::{Map, Value, json};

use super::clean::Known;
use crate::error::{Error, Result};
use crate::ports::Described;
use settings::{HANDLED, by_itself, why};

/// The label of every container that a Slipway made.
const OURS: &str = "dev.slipway.instance";
/// Longest value that is told of something left out, in characters.
const SHOWN: usize = 100;

/// What came out.
pub(super) struct Import {
    pub name: String,
    pub service: String,
    pub descriptor: Descriptor,
    pub left: Vec<LeftOut>,
}

/// What is being put together.
struct Reading<'a> {
    config: &'a Value,
    host: &'a Value,
    /// The image's own configuration: what is the same as there was not asked for.
    image: &'a Value,
    known: &'a Known,
    document: Map<String, Value>,
    left: Vec<LeftOut>,
}

/// Reads a description.
pub(super) fn import(described: &Described) -> Result<Import> {
    let known = Known::of(&described.container["Config"]["Env"]);
    let (container, image) = (known.cleaned(&described.container), known.cleaned(&described.image));
    let config = &container["Config"];
    if config["Labels"].get(OURS).is_some() {
        return Err(Error::conflict("slipways_own", "this container bears the labels of a task of Slipway's: it is one already, or a copy of one"));
    }
    let name = container["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
    let mut reading =
        Reading { config, host: &container["HostConfig"], image: &image["Config"], known: &known, document: Map::new(), left: Vec::new() };
    reading.image_name(&image);
    reading.program();
    reading.variables();
    reading.ports();
    reading.mounts(&container["Mounts"]);
    reading.limits();
    reading.health();
    reading.lifecycle();
    reading.networks(&container["NetworkSettings"]["Networks"], container["Id"].as_str().unwrap_or_default());
    reading.rest();
    reading.hidden();
    let (descriptor, mut left) = reading.finish()?;
    left.dedup();
    Ok(Import { service: service_name(&name), name, descriptor, left })
}

/// A name for a service, as near to the container's as the rules let it.
fn service_name(name: &str) -> String {
    let mapped: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let trimmed = mapped.trim_matches('-').to_owned();
    if trimmed.parse::<model::names::ServiceName>().is_ok() { trimmed } else { String::from("imported") }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|items| items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()).unwrap_or_default()
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => texts(value).join(", "),
        other => other.to_string(),
    };
    if text.chars().count() > SHOWN { format!("{}...", text.chars().take(SHOWN).collect::<String>()) } else { text }
}

/// Whether nothing was asked for.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(empty),
        Value::Object(entries) => entries.is_empty(),
    }
}

impl Reading<'_> {
    fn put(&mut self, key: &str, value: Value) {
        self.document.insert(key.to_owned(), value);
    }

    fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(LeftOut { what: what.into(), why: why.into() });
    }

    fn image_name(&mut self, image: &Value) {
        let said = self.config["Image"].as_str().unwrap_or_default().to_owned();
        let tags = texts(&image["RepoTags"]);
        let bare = said.starts_with("sha256:") || said.parse::<model::image::ImageReference>().is_err();
        let name = if bare { tags.into_iter().next().unwrap_or_default() } else { said };
        self.put("image", json!(name));
    }

    /// Entry point, command, user, folder: where they are not the image's own.
    fn program(&mut self) {
        let (entry, command) = (texts(&self.config["Entrypoint"]), texts(&self.config["Cmd"]));
        let (image_entry, image_command) = (texts(&self.image["Entrypoint"]), texts(&self.image["Cmd"]));
        let entry: Vec<String> = entry.into_iter().filter(|word| !word.is_empty()).collect();
        if entry != image_entry {
            match (entry.is_empty(), command.split_first()) {
                // The image's entry point was taken away: the command's first word is the program.
                (true, Some((program, arguments))) => {
                    self.put("entrypoint", json!([program]));
                    if !arguments.is_empty() {
                        self.put("command", json!(arguments));
                    }
                }
                (true, None) => {}
                (false, _) => {
                    self.put("entrypoint", json!(entry));
                    if !command.is_empty() {
                        self.put("command", json!(command));
                    }
                }
            }
        } else if command != image_command && !command.is_empty() {
            self.put("command", json!(command));
        }
        for (key, name) in [("user", "User"), ("workdir", "WorkingDir")] {
            let said = self.config[name].as_str().unwrap_or_default();
            if !said.is_empty() && Some(said) != self.image[name].as_str() {
                let said = json!(said);
                self.put(key, said);
            }
        }
    }

    fn variables(&mut self) {
        let image: BTreeSet<String> = texts(&self.image["Env"]).into_iter().collect();
        let mut env = BTreeMap::new();
        for entry in texts(&self.config["Env"]).into_iter().filter(|entry| !image.contains(entry)) {
            let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
            if names_a_secret(name) || self.known.text(value) != value {
                self.leave(
                    format!("variable {name}"),
                    format!("looks like a secret, so its value was not read: write it into the project's secrets and name it under secrets, with env: {name}"),
                );
            } else if let Err(why) = model::descriptor::check_env_name(name) {
                self.leave(format!("variable {name}"), why);
            } else {
                env.insert(name.to_owned(), value.to_owned());
            }
        }
        if !env.is_empty() {
            self.put("env", json!(env));
        }
    }

    fn ports(&mut self) {
        let mut ports = Vec::new();
        let bound = self.host["PortBindings"].as_object().cloned().unwrap_or_default();
        let mut keys: Vec<String> = bound.keys().cloned().collect();
        if self.host["PublishAllPorts"] == true {
            keys.extend(self.config["ExposedPorts"].as_object().into_iter().flat_map(Map::keys).filter(|key| !bound.contains_key(*key)).cloned());
        }
        for key in keys {
            let (container, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
            let Some(container) = container.parse::<u16>().ok().filter(|_| matches!(protocol, "tcp" | "udp")) else {
                self.leave(format!("port {key}"), "ports are TCP or UDP");
                continue;
            };
            let bindings = bound.get(&key).and_then(Value::as_array).cloned().unwrap_or_default();
            let mut port = json!({ "container": container, "protocol": protocol });
            if let Some(host) = bindings.first().and_then(|binding| binding["HostPort"].as_str()?.parse::<u16>().ok()).filter(|host| *host > 0) {
                port["host"] = json!(host);
            }
            for more in bindings.iter().skip(1) {
                self.leave(format!("port {} on {}", shown(&more["HostPort"]), key), "each port of a task is published once");
            }
            let address = bindings.first().and_then(|binding| binding["HostIp"].as_str()).unwrap_or_default();
            if !matches!(address, "" | "0.0.0.0" | "::") {
                self.leave(format!("address {address} of port {key}"), "ports are published on the address of the machine that an operator set");
            }
            ports.push(port);
        }
        ports.sort_by_key(|port| port["container"].as_u64());
        if !ports.is_empty() {
            self.put("ports", json!(ports));
        }
    }

    fn mounts(&mut self, mounts: &Value) {
        let mut volumes = Vec::new();
        for mount in mounts.as_array().into_iter().flatten() {
            let (target, source) = (shown(&mount["Destination"]), shown(&mount["Source"]));
            match mount["Type"].as_str() {
                Some("volume") => {
                    let name = mount["Name"].as_str().unwrap_or_default();
                    let anonymous = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                    if anonymous {
                        self.leave(format!("volume at {target}"), "it has no name; add one under volumes if what it holds should stay");
                        continue;
                    }
                    let label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
                    volumes.push(json!({ "name": label.trim_matches('-'), "path": mount["Destination"], "read_only": mount["RW"] == false }));
                    self.leave(
                        format!("what volume {name} holds"),
                        "the service gets a volume of its own at the same path, which begins empty: copy the files over",
                    );
                }
                Some("bind") => {
                    self.leave(
                        format!("folder {source} at {target}"),
                        "folders of the machine are mounted only from the operator's list; add it under volumes as host, if it is there",
                    );
                }
                kind => self.leave(format!("{} at {target}", kind.unwrap_or("mount")), "only volumes are taken"),
            }
        }
        if !volumes.is_empty() {
            self.put("volumes", json!(volumes));
        }
    }

    fn limits(&mut self) {
        let number = |name: &str| self.host[name].as_i64().unwrap_or(0);
        let mut resources = Map::new();
        if number("Memory") > 0 {
            resources.insert("memory".into(), json!(format!("{}B", number("Memory"))));
        }
        let period = if number("CpuPeriod") > 0 { number("CpuPeriod") } else { 100_000 };
        let millis = if number("NanoCpus") > 0 { number("NanoCpus") / 1_000_000 } else { number("CpuQuota").max(0).saturating_mul(1000) / period };
        if millis > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a share of processors is small")]
            resources.insert("cpus".into(), json!(millis as f64 / 1000.0));
        }
        if number("PidsLimit") > 0 {
            resources.insert("pids".into(), json!(number("PidsLimit")));
        }
        if !resources.is_empty() {
            self.put("resources", Value::Object(resources));
        }
    }

    fn health(&mut self) {
        let check = &self.config["Healthcheck"];
        if empty(check) || *check == self.image["Healthcheck"] {
            return;
        }
        let test = texts(&check["Test"]);
        let command = match test.split_first() {
            Some((kind, words)) if kind == "CMD" => words.to_vec(),
            Some((kind, words)) if kind == "CMD-SHELL" => ["sh", "-c"].into_iter().map(str::to_owned).chain(words.iter().cloned()).collect(),
            _ => {
                self.leave("health check", "the image's own was switched off; without health in the descriptor it is used again");
                return;
            }
        };
        let span = |name: &str, default: i64| format!("{}ms", check[name].as_i64().filter(|nanos| *nanos > 0).unwrap_or(default) / 1_000_000);
        let (interval, timeout) = (span("Interval", 30_000_000_000), span("Timeout", 30_000_000_000));
        let retries = check["Retries"].as_i64().filter(|count| *count > 0).unwrap_or(3);
        let health = json!({
            "command": command, "interval": interval, "timeout": timeout, "retries": retries, "start_period": span("StartPeriod", 0)
        });
        self.put("health", health);
    }

    /// Says where something was hidden.
    fn hidden(&mut self) {
        for key in ["entrypoint", "command", "health"] {
            if self.document.get(key).is_some_and(|value| value.to_string().contains(HIDDEN)) {
                self.leave(
                    format!("what looks like a secret in {key}"),
                    format!("{HIDDEN} stands for it and is refused at a deploy: write it into the project's secrets, and let the program read it from a variable or a file"),
                );
            }
        }
    }

    /// How it is started again and stopped.
    fn lifecycle(&mut self) {
        let policy = &self.host["RestartPolicy"];
        let restart = match policy["Name"].as_str().unwrap_or_default() {
            "always" | "unless-stopped" => json!({ "policy": "always" }),
            "on-failure" => {
                json!({ "policy": "on-failure", "max": policy["MaximumRetryCount"].as_i64().filter(|max| *max > 0).unwrap_or(1000).min(1000) })
            }
            _ => json!({ "policy": "never" }),
        };
        self.put("restart", restart);
        let mut stop = Map::new();
        let signal = self.config["StopSignal"].as_str().unwrap_or_default();
        if !signal.is_empty() && self.image["StopSignal"] != signal {
            stop.insert("signal".into(), json!(signal));
        }
        if let Some(seconds) = self.config["StopTimeout"].as_i64().filter(|seconds| *seconds >= 0) {
            stop.insert("grace".into(), json!(format!("{seconds}s")));
        }
        if !stop.is_empty() {
            self.put("stop", Value::Object(stop));
        }
    }

    fn networks(&mut self, networks: &Value, id: &str) {
        let why = "tasks are in their project's network, where services find each other by name";
        for (name, end) in networks.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "bridge" | "host" | "none") {
                self.leave(format!("network {name}"), why);
            }
            for alias in texts(&end["Aliases"]).into_iter().filter(|alias| !id.starts_with(alias.as_str())) {
                self.leave(format!("alias {alias}"), "a service is found by its own name");
            }
            for link in texts(&end["Links"]) {
                self.leave(format!("link {link}"), why);
            }
            if !empty(&end["IPAMConfig"]) {
                self.leave(format!("fixed address in {name}"), why);
            }
        }
        let hostname = self.config["Hostname"].as_str().unwrap_or_default();
        if !hostname.is_empty() && !id.starts_with(hostname) {
            self.leave(format!("host name {hostname}"), "containers are named by Slipway");
        }
    }

    /// Every other setting that is not what the engine does by itself.
    fn rest(&mut self) {
        let mut left = Vec::new();
        for (name, value) in self.host.as_object().into_iter().flatten() {
            if !HANDLED.contains(&name.as_str()) && !empty(value) && !by_itself(name, value) {
                left.push((format!("{name}: {}", shown(value)), why(name)));
            }
        }
        for name in ["Domainname", "MacAddress", "Tty", "OpenStdin"] {
            if !empty(&self.config[name]) {
                left.push((format!("{name}: {}", shown(&self.config[name])), "not known to descriptors"));
            }
        }
        let labels = self.config["Labels"].as_object().into_iter().flatten();
        let own: Vec<String> =
            labels.filter(|(name, value)| self.image["Labels"].get(name.as_str()) != Some(*value)).map(|(name, _)| name.clone()).collect();
        if !own.is_empty() {
            left.push((format!("labels {}", shown(&json!(own))), "labels are set by Slipway"));
        }
        for (what, why) in left {
            self.leave(what, why);
        }
    }

    /// The descriptor. What its rules refuse is left out, with the rule.
    fn finish(mut self) -> Result<(Descriptor, Vec<LeftOut>)> {
        loop {
            let errors = match Descriptor::from_json(&Value::Object(self.document.clone()), "") {
                Ok(descriptor) => return Ok((descriptor, self.left)),
                Err(errors) => errors,
            };
            let before = self.document.len();
            for error in &errors {
                let key = error.field.split(['.', '[']).next().unwrap_or_default();
                if key == "image" || key.is_empty() {
                    return Err(Error::conflict("image_without_name", format!("its image has no name that can be pulled: {}", error.message)));
                }
                if let Some(value) = self.document.remove(key) {
                    self.left.push(LeftOut { what: format!("{key}: {}", shown(&value)), why: format!("{}: {}", error.field, error.message) });
                }
            }
            if self.document.len() == before {
                return Err(Error::internal(format!("a container's import: {errors:?}")));
            }
        }
    }
}

#[cfg(test)]
mod tests;

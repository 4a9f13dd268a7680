//! The descriptor's grammar: which keys stand where, and how each is read. Rules between fields are in `check`.

use std::collections::BTreeMap;

use super::check;
use super::document::{Kind as Value, Node};
use super::reader::{Reader, Section};
use super::refused;
use super::{
    Artifact, ConfigMount, Descriptor, Drift, Health, Kind, Metrics, Network, OnFailure, Placement, Port, Probe, Protocol, Resources, Restart,
    RestartPolicy, SecretUse, StatusPage, Stop, Update, UpdateOrder, Volume,
};
use crate::image::ImageReference;
use crate::quantity::{Cpus, Span};

mod routes;

/// Longest text that is not a variable's value, in bytes.
const TEXT: usize = 4096;

pub(super) const KEYS: &[&str] = &[
    "image",
    "replicas",
    "command",
    "entrypoint",
    "env",
    "configs",
    "secrets",
    "ports",
    "health",
    "resources",
    "volumes",
    "network",
    "placement",
    "update",
    "stop",
    "restart",
    "timezone",
    "user",
    "workdir",
    "kind",
    "schedule",
    "artifact",
    "drift",
    "routes",
    "status_page",
    "metrics",
];

/// The whole descriptor; none when there is no map or no image to hang the rest on.
pub(super) fn descriptor(r: &mut Reader, node: &Node, path: &str) -> Option<Descriptor> {
    let top = r.section(node, path, KEYS)?;
    let image = match top.get("image") {
        Some((node, path)) => r.parsed::<ImageReference>(node, &path),
        None => {
            r.fail(top.path_of("image"), None, "name the image to run, like web:1.4.2");
            None
        }
    };
    // The rest is read all the same, so that its mistakes are told too.
    let stand_in = || "unknown:none".parse().expect("a reference");
    let mut d = Descriptor::of(image.clone().unwrap_or_else(stand_in));
    process(r, &top, &mut d);
    storage(r, &top, &mut d);
    lifecycle(r, &top, &mut d);
    outside(r, &top, &mut d);
    image.map(|_| d)
}

/// What runs: command, variables, user, limits.
fn process(r: &mut Reader, top: &Section<'_>, d: &mut Descriptor) {
    if let Some((node, path)) = top.get("replicas") {
        d.replicas = r.whole(node, &path, 0..=check::REPLICAS_MAX, "a number of tasks").unwrap_or(1);
    }
    d.command = top.get("command").and_then(|(node, path)| words(r, node, &path));
    d.entrypoint = top.get("entrypoint").and_then(|(node, path)| words(r, node, &path));
    d.env = top.get("env").map(|(node, path)| env(r, node, &path)).unwrap_or_default();
    d.user = top.get("user").and_then(|(node, path)| checked(r, node, &path, check::user));
    d.workdir = top.get("workdir").and_then(|(node, path)| checked(r, node, &path, check::path));
    d.timezone = top.get("timezone").and_then(|(node, path)| checked(r, node, &path, check::timezone));
    if let Some((node, path)) = top.get("resources") {
        d.resources = resources(r, node, &path);
    }
}

/// What it keeps and what is put into it.
fn storage(r: &mut Reader, top: &Section<'_>, d: &mut Descriptor) {
    if let Some((node, path)) = top.get("configs") {
        d.configs = r.list(node, &path, 64, |r, node, path| {
            let s = r.section(node, path, &["name", "path"])?;
            let (name, at) = (need(r, &s, "name", check::check_entry_name), need(r, &s, "path", check::file_path));
            Some(ConfigMount { name: name?, path: at? })
        });
    }
    if let Some((node, path)) = top.get("secrets") {
        d.secrets = r.list(node, &path, 64, secret);
    }
    if let Some((node, path)) = top.get("volumes") {
        d.volumes = r.list(node, &path, 32, volume);
    }
    if let Some((node, path)) = top.get("artifact") {
        d.artifact = artifact(r, node, &path);
    }
}

/// How it starts, is watched, replaced and ended.
fn lifecycle(r: &mut Reader, top: &Section<'_>, d: &mut Descriptor) {
    if let Some((node, path)) = top.get("ports") {
        d.ports = r.list(node, &path, 64, port);
    }
    d.health = top.get("health").and_then(|(node, path)| health(r, node, &path));
    d.update.order = check::default_order(d);
    if let Some((node, path)) = top.get("update") {
        update(r, node, &path, &mut d.update);
    }
    if let Some((node, path)) = top.get("stop") {
        d.stop = stop(r, node, &path);
    }
    if let Some((node, path)) = top.get("restart") {
        d.restart = restart(r, node, &path);
    }
    if let Some((node, path)) = top.get("kind") {
        d.kind = r.choice(node, &path, &[("service", Kind::Service), ("job", Kind::Job)]).unwrap_or_default();
    }
    d.schedule = top.get("schedule").and_then(|(node, path)| r.text(node, &path, 256));
    if let Some((node, path)) = top.get("drift") {
        d.drift = r.choice(node, &path, &[("report", Drift::Report), ("heal", Drift::Heal)]).unwrap_or_default();
    }
}

/// How others find it.
fn outside(r: &mut Reader, top: &Section<'_>, d: &mut Descriptor) {
    if let Some((node, path)) = top.get("network") {
        d.network = network(r, node, &path);
    }
    d.placement = top.get("placement").and_then(|(node, path)| placement(r, node, &path));
    routes::read(r, top, d);
    d.status_page = top.get("status_page").and_then(|(node, path)| {
        let s = r.section(node, &path, &["show", "probe"])?;
        let show = s.get("show").map_or(Some(true), |(node, path)| r.truth(node, &path));
        let probe = s.get("probe").map(|(node, path)| r.section(node, &path, PROBES).and_then(|s| probe(r, &s, &path)));
        Some(StatusPage { show: show?, probe: probe.flatten() })
    });
    d.metrics = top.get("metrics").and_then(|(node, path)| {
        let s = r.section(node, &path, &["port", "path", "names"])?;
        let port = need_port(r, &s, "port");
        let at = s.get("path").map_or(Some("/metrics".into()), |(node, path)| checked(r, node, &path, check::url_path));
        Some(Metrics { port: port?, path: at?, names: metric_names(r, &s)? })
    });
}

fn metric_names(r: &mut Reader, section: &Section<'_>) -> Option<Vec<String>> {
    match section.get("names") {
        Some((node, path)) if !matches!(&node.kind, Value::List(items) if items.is_empty()) => {
            Some(r.list(node, &path, check::METRIC_NAMES_MAX, |r, node, path| checked(r, node, path, check::metric_name)))
        }
        found => {
            r.fail(section.path_of("names"), found.map(|(node, _)| node), "name what is kept of it, like [http_requests_total, \"process_*\"]");
            None
        }
    }
}

/// A text that passes `rule`, which tells what would be right.
fn checked(r: &mut Reader, node: &Node, path: &str, rule: fn(&str) -> Result<(), String>) -> Option<String> {
    let text = r.text(node, path, TEXT)?;
    rule(&text).map_err(|message| r.fail(path, Some(node), message)).ok().map(|()| text)
}

/// The same for a key that must be there.
fn need(r: &mut Reader, section: &Section<'_>, key: &str, rule: fn(&str) -> Result<(), String>) -> Option<String> {
    match section.get(key) {
        Some((node, path)) => checked(r, node, &path, rule),
        None => {
            r.fail(section.path_of(key), None, "is needed here");
            None
        }
    }
}

fn port_number(r: &mut Reader, node: &Node, path: &str) -> Option<u16> {
    r.whole(node, path, 1..=65535, "a port").and_then(|port| u16::try_from(port).ok())
}

fn need_port(r: &mut Reader, section: &Section<'_>, key: &str) -> Option<u16> {
    match section.get(key) {
        Some((node, path)) => port_number(r, node, &path),
        None => {
            r.fail(section.path_of(key), None, "name the port inside the task, 1 to 65535");
            None
        }
    }
}

fn span(r: &mut Reader, section: &Section<'_>, key: &str, default: Span, least: Span, most: Span) -> Span {
    let Some((node, path)) = section.get(key) else { return default };
    match r.parsed::<Span>(node, &path) {
        Some(span) if span < least || span > most => {
            r.fail(path, Some(node), format!("{span} is not between {least} and {most}"));
            default
        }
        Some(span) => span,
        None => default,
    }
}

/// A command: a list of words, not empty.
fn words(r: &mut Reader, node: &Node, path: &str) -> Option<Vec<String>> {
    if let Value::Text(text) = &node.kind {
        let list = shell_words::split(text).ok().and_then(|words| serde_json::to_string(&words).ok());
        let list = list.filter(|list| list.len() < 200).unwrap_or_else(|| String::from("[\"program\", \"argument\"]"));
        r.fail(path, Some(node), format!("write it as a list: {list}"));
        return None;
    }
    let before = r.errors.len();
    let words = r.list(node, path, 256, |r, node, path| r.text(node, path, 32 * 1024));
    if words.is_empty() && r.errors.len() == before {
        r.fail(path, Some(node), "an empty list runs nothing; leave the key out to use the image's own");
        return None;
    }
    Some(words)
}

fn env(r: &mut Reader, node: &Node, path: &str) -> BTreeMap<String, String> {
    if matches!(node.kind, Value::List(_)) {
        r.fail(path, Some(node), "write variables as a map: {LOG_LEVEL: info}");
        return BTreeMap::new();
    }
    let mut env = BTreeMap::new();
    for (name, node) in r.entries(node, path, 512) {
        let shown: String = name.chars().take(60).collect();
        let path = super::reader::join(path, &shown);
        if let Err(message) = check::check_env_name(name) {
            r.fail(&path, Some(node), message);
        }
        if matches!(node.kind, Value::Null) {
            r.fail(&path, Some(node), "has no value; write \"\" for an empty one");
        } else if let Some(value) = r.text(node, &path, check::ENV_VALUE_MAX) {
            env.insert(name.clone(), value);
        }
    }
    env
}

fn resources(r: &mut Reader, node: &Node, path: &str) -> Resources {
    let Some(s) = r.section(node, path, &["cpus", "memory", "pids"]) else { return Resources::default() };
    let cpus = s.get("cpus").and_then(|(node, path)| match &node.kind {
        Value::Number { value, .. } => Cpus::from_number(*value).map_err(|error| r.fail(path, Some(node), error.to_string())).ok(),
        _ => r.parsed::<Cpus>(node, &path),
    });
    let memory = s.get("memory").and_then(|(node, path)| r.parsed(node, &path));
    let pids = s.get("pids").and_then(|(node, path)| r.whole(node, &path, 1..=4_194_304, "a number of processes"));
    Resources { cpus, memory, pids }
}

fn secret(r: &mut Reader, node: &Node, path: &str) -> Option<SecretUse> {
    let s = r.section(node, path, &["name", "env", "path"])?;
    let name = need(r, &s, "name", check::check_entry_name);
    let env = s.get("env").and_then(|(node, path)| checked(r, node, &path, check::check_env_name));
    let at = s.get("path").and_then(|(node, path)| checked(r, node, &path, check::file_path));
    if s.get("env").is_some() == s.get("path").is_some() {
        r.fail(path, Some(node), "say where it goes: either env or path");
        return None;
    }
    Some(SecretUse { name: name?, env, path: at })
}

fn volume(r: &mut Reader, node: &Node, path: &str) -> Option<Volume> {
    if let Value::Text(text) = &node.kind {
        // As other tools write it: source:target.
        let source = text.split(':').next().unwrap_or_default();
        let refusal = Some(source).filter(|source| source.starts_with('/')).and_then(crate::folders::never);
        r.fail(path, Some(node), refusal.unwrap_or_else(|| String::from("write a volume as {name: data, path: /data}")));
        return None;
    }
    let s = r.section(node, path, &["name", "host", "path", "read_only"])?;
    let name = s.get("name").and_then(|(node, path)| checked(r, node, &path, check::label));
    let host = s.get("host").and_then(|(node, path)| checked(r, node, &path, check::path));
    if let Some(refusal) = host.as_deref().and_then(crate::folders::never) {
        r.fail(s.path_of("host"), s.get("host").map(|(node, _)| node), refusal);
    }
    let at = need(r, &s, "path", check::mount_path);
    let read_only = s.get("read_only").map_or(Some(false), |(node, path)| r.truth(node, &path));
    if s.get("name").is_some() == s.get("host").is_some() {
        r.fail(path, Some(node), "say what is mounted: either name (a volume) or host (a folder of the machine)");
        return None;
    }
    Some(Volume { name, host, path: at?, read_only: read_only? })
}

fn artifact(r: &mut Reader, node: &Node, path: &str) -> Option<Artifact> {
    let s = r.section(node, path, &["url", "sha256", "path"])?;
    let (url, sha256, at) = (need(r, &s, "url", check::url), need(r, &s, "sha256", check::sha256), need(r, &s, "path", check::mount_path));
    Some(Artifact { url: url?, sha256: sha256?, path: at? })
}

fn port(r: &mut Reader, node: &Node, path: &str) -> Option<Port> {
    let s = r.section(node, path, &["name", "container", "host", "protocol"])?;
    let container = need_port(r, &s, "container");
    let host = s.get("host").and_then(|(node, path)| port_number(r, node, &path));
    let protocol =
        s.get("protocol").map_or(Some(Protocol::Tcp), |(node, path)| r.choice(node, &path, &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)]));
    let name = s.get("name").map(|(node, path)| checked(r, node, &path, check::label));
    let (container, protocol) = (container?, protocol?);
    let name = name.unwrap_or_else(|| Some(format!("{protocol}-{container}")));
    Some(Port { name: name?, container, host, protocol })
}

const PROBES: &[&str] = &["http", "tcp", "command"];

fn health(r: &mut Reader, node: &Node, path: &str) -> Option<Health> {
    let s = r.section(node, path, &["http", "tcp", "command", "interval", "timeout", "retries", "start_period"])?;
    let (least, hour) = (Span::from_millis(100), Span::from_secs(3600));
    let interval = span(r, &s, "interval", Span::from_secs(5), least, hour);
    let timeout = span(r, &s, "timeout", Span::from_secs(2), least, hour);
    let start_period = span(r, &s, "start_period", Span::from_secs(10), Span::from_millis(0), hour);
    let retries = s.get("retries").map_or(Some(3), |(node, path)| r.whole(node, &path, 1..=100, "a number of tries"));
    let probe = probe(r, &s, path)?;
    Some(Health { probe, interval, timeout, retries: retries?, start_period })
}

/// Exactly one of `http`, `tcp` and `command`.
fn probe(r: &mut Reader, s: &Section<'_>, path: &str) -> Option<Probe> {
    let given: Vec<&str> = PROBES.iter().copied().filter(|key| s.get(key).is_some()).collect();
    let [one] = given[..] else {
        let found = if given.is_empty() { String::from("none of them") } else { given.join(" and ") };
        r.fail(path, None, format!("say exactly one of http, tcp and command; found {found}"));
        return None;
    };
    let (node, path) = s.get(one)?;
    match one {
        "http" => {
            let s = r.section(node, &path, &["port", "path"])?;
            let port = need_port(r, &s, "port");
            let at = s.get("path").map_or(Some("/".into()), |(node, path)| checked(r, node, &path, check::url_path));
            Some(Probe::Http { port: port?, path: at? })
        }
        "tcp" => {
            let s = r.section(node, &path, &["port"])?;
            need_port(r, &s, "port").map(|port| Probe::Tcp { port })
        }
        _ => words(r, node, &path).map(Probe::Command),
    }
}

fn network(r: &mut Reader, node: &Node, path: &str) -> Network {
    if let (Value::Text(_), Some(rule)) = (&node.kind, refused::rule("network")) {
        r.fail(path, Some(node), rule);
        return Network::default();
    }
    let Some(s) = r.section(node, path, &["name", "ip"]) else { return Network::default() };
    let name = s.get("name").and_then(|(node, path)| checked(r, node, &path, check::network));
    let ip = s.get("ip").and_then(|(node, path)| checked(r, node, &path, check::address));
    Network { name: name.unwrap_or_else(|| Network::default().name), ip }
}

fn placement(r: &mut Reader, node: &Node, path: &str) -> Option<Placement> {
    let s = r.section(node, path, &["pool", "machines", "spread"])?;
    let pool = s.get("pool").and_then(|(node, path)| checked(r, node, &path, check::label));
    let machines = s.get("machines").map(|(node, path)| r.list(node, &path, 256, |r, node, path| checked(r, node, path, check::label)));
    let spread = s.get("spread").and_then(|(node, path)| checked(r, node, &path, check::label));
    Some(Placement { pool, machines: machines.unwrap_or_default(), spread })
}

fn update(r: &mut Reader, node: &Node, path: &str, update: &mut Update) {
    let Some(s) = r.section(node, path, &["order", "parallelism", "monitor", "on_failure"]) else { return };
    if let Some((node, path)) = s.get("order") {
        let words = [("start-first", UpdateOrder::StartFirst), ("stop-first", UpdateOrder::StopFirst)];
        update.order = r.choice(node, &path, &words).unwrap_or(update.order);
    }
    if let Some((node, path)) = s.get("parallelism") {
        update.parallelism = r.whole(node, &path, 1..=check::REPLICAS_MAX, "a number of tasks").unwrap_or(1);
    }
    update.monitor = span(r, &s, "monitor", update.monitor, Span::from_millis(0), Span::from_secs(3600));
    if let Some((node, path)) = s.get("on_failure") {
        let words = [("rollback", OnFailure::Rollback), ("stop", OnFailure::Stop)];
        update.on_failure = r.choice(node, &path, &words).unwrap_or_default();
    }
}

fn stop(r: &mut Reader, node: &Node, path: &str) -> Stop {
    let Some(s) = r.section(node, path, &["signal", "grace", "drain"]) else { return Stop::default() };
    let signal = s.get("signal").and_then(|(node, path)| checked(r, node, &path, check::signal));
    let none = Span::from_millis(0);
    let grace = span(r, &s, "grace", Stop::default().grace, none, Span::from_secs(3600));
    let drain = s.get("drain").map(|_| span(r, &s, "drain", none, none, Stop::DRAIN_MAX));
    Stop { signal, grace, drain }
}

fn restart(r: &mut Reader, node: &Node, path: &str) -> Restart {
    let Some(s) = r.section(node, path, &["policy", "max"]) else { return Restart::default() };
    let words = [("on-failure", RestartPolicy::OnFailure), ("always", RestartPolicy::Always), ("never", RestartPolicy::Never)];
    let policy = s.get("policy").and_then(|(node, path)| r.choice(node, &path, &words));
    let max = s.get("max").and_then(|(node, path)| r.whole(node, &path, 0..=1000, "a number of restarts"));
    Restart { policy: policy.unwrap_or_default(), max: max.unwrap_or(Restart::default().max) }
}

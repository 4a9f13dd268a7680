//! The descriptor's grammar as a JSON schema (draft 2020-12), from which editors complete and check a file while it is typed. It says what
//! each key holds; rules between fields and what depends on stored things are checked by the portal alone. A test holds it against the
//! parser: what the parser takes is valid here, and what is wrong in one field is wrong here too.

use serde_json::{Value, json};

use super::check::{ENV_VALUE_MAX, REPLICAS_MAX};
use crate::names::LABEL_MAX;

/// Where it is served, below the portal's address.
pub const PATH: &str = "/api/v1/descriptor.schema.json";

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let mut properties = process();
    for part in [storage(), lifecycle(), outside()] {
        properties.extend(part);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Slipway service",
        "description": "What a service should be: its image, how many tasks, and how they are made, watched and replaced.",
        "type": "object",
        "properties": properties,
        "required": ["image"],
        "additionalProperties": false,
        "$defs": definitions(),
    })
}

type Properties = serde_json::Map<String, Value>;

/// Named entries; a key that is null is one that was left out.
fn properties<const N: usize>(entries: [(&str, Value); N]) -> Properties {
    entries.into_iter().map(|(key, schema)| (key.to_owned(), or_null(schema))).collect()
}

fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn object<const N: usize>(needed: &[&str], entries: [(&str, Value); N]) -> Value {
    let mut all: Properties = properties(entries);
    for key in needed {
        // What must be there must say something.
        if let Some(strict) = all.get(*key).and_then(|schema| schema["anyOf"].get(0)).cloned() {
            all.insert((*key).to_owned(), strict);
        }
    }
    json!({ "type": "object", "properties": all, "required": needed, "additionalProperties": false })
}

fn list(items: Value, most: u32) -> Value {
    json!({ "type": "array", "items": items, "maxItems": most })
}

fn of(definition: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

fn said(schema: Value, description: &str) -> Value {
    let mut schema = schema;
    schema["description"] = json!(description);
    schema
}

fn whole(least: u32, most: u32) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn words(choices: &[&str], default: &str) -> Value {
    json!({ "enum": choices, "default": default })
}

/// No part of a path is empty, `.` or `..`.
const WHOLE_PARTS: &str = r"(?!.*/\.{1,2}(/|$))(?!.*//[^/])";

/// Not the whole of a task's folders, and none that somebody else owns there.
const OWN: &str = r"(?!/*$)(?!/(proc|sys|dev|run/slipway)(/|$))";

fn definitions() -> Value {
    let label = format!("^[a-z0-9]([a-z0-9-]{{0,{}}}[a-z0-9])?$", LABEL_MAX - 2);
    json!({
        "label": { "type": "string", "pattern": label },
        "text": { "type": ["string", "number", "boolean"] },
        "path": { "type": "string", "pattern": format!("^{WHOLE_PARTS}/[^\\n:]*$"), "maxLength": 4095 },
        "mountPath": { "type": "string", "pattern": format!("^{OWN}{WHOLE_PARTS}/[^\\n:]*$"), "maxLength": 4095 },
        "filePath": { "type": "string", "pattern": format!("^{OWN}{WHOLE_PARTS}/[^\\n:]*[^\\n:/]$"), "maxLength": 4095 },
        "urlPath": { "type": "string", "pattern": "^/[!-~]*$", "maxLength": 2048 },
        "routePath": { "type": "string", "pattern": "^/[A-Za-z0-9/._~%!$&'()*+,;=:@-]*$", "maxLength": 1024, "default": "/" },
        "port": whole(1, 65535),
        "entryName": { "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$" },
        "envName": { "type": "string", "pattern": "^(?![Ss][Ll][Ii][Pp][Ww][Aa][Yy]_)[A-Za-z_][A-Za-z0-9_.-]{0,127}$" },
        "span": { "type": "string", "pattern": "^\\s*([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?([0-9.]+ms)?\\s*$", "minLength": 2, "examples": ["5s", "1m30s", "500ms"] },
        "memory": {
            "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]{1,9})?\\s*([KMGT](iB?)?|[kmgt]|[Bb])\\s*$", "examples": ["256MiB", "1.5GiB"],
        },
        "command": { "type": "array", "items": of("text"), "minItems": 1, "maxItems": 256 },
        "http": object(&["port"], [("port", of("port")), ("path", json!({ "$ref": "#/$defs/urlPath", "default": "/" }))]),
        "tcp": object(&["port"], [("port", of("port"))]),
        "probe": {
            "type": "object",
            "properties": probes(),
            "additionalProperties": false,
            "$comment": "exactly one of http, tcp and command",
            "oneOf": one_probe(),
        },
    })
}

fn probes() -> Properties {
    properties([("http", of("http")), ("tcp", of("tcp")), ("command", of("command"))])
}

fn one_probe() -> Value {
    let has = |key: &str| json!({ "required": [key], "properties": { key: { "not": { "type": "null" } } } });
    json!([has("http"), has("tcp"), has("command")])
}

fn process() -> Properties {
    let cpus = json!({ "anyOf": [{ "type": "number", "minimum": 0.01, "maximum": 1024 }, { "type": "string", "pattern": "^\\s*[0-9.]+\\s*$" }] });
    let mut all = properties([
        ("replicas", said(json!({ "type": "integer", "minimum": 0, "maximum": REPLICAS_MAX, "default": 1 }), "How many tasks.")),
        ("command", said(of("command"), "Arguments in place of the image's own, as a list.")),
        ("entrypoint", said(of("command"), "The program in place of the image's own, as a list.")),
        (
            "env",
            said(
                json!({
                    "type": "object", "maxProperties": 512, "propertyNames": of("envName"),
                    "additionalProperties": { "type": ["string", "number", "boolean"], "maxLength": ENV_VALUE_MAX },
                }),
                "Variables. Names that begin with SLIPWAY_ are set by Slipway.",
            ),
        ),
        (
            "user",
            said(
                json!({ "type": ["string", "integer"], "pattern": "^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}(:[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63})?$" }),
                "User, with an optional group: \"1000:1000\".",
            ),
        ),
        ("workdir", said(of("path"), "Folder that the task starts in.")),
        (
            "timezone",
            said(
                json!({ "type": "string", "maxLength": 64, "pattern": "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$", "examples": ["Asia/Shanghai"] }),
                "Time zone inside the task.",
            ),
        ),
        ("resources", said(object(&[], [("cpus", cpus), ("memory", of("memory")), ("pids", whole(1, 4_194_304))]), "Limits of each task.")),
    ]);
    let image =
        json!({ "type": "string", "minLength": 1, "maxLength": 4096, "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:/@-]*$", "examples": ["web:1.4.2"] });
    all.insert(
        "image".into(),
        said(image, "What to run: an image of this project, or host/project/name@sha256:...; pinned to its content when deployed."),
    );
    all
}

fn storage() -> Properties {
    let either = |one: &str, other: &str| {
        let has = |key: &str| json!({ "required": [key], "properties": { key: { "not": { "type": "null" } } } });
        json!([has(one), has(other)])
    };
    let mut secret = object(&["name"], [("name", of("entryName")), ("env", of("envName")), ("path", of("filePath"))]);
    secret["oneOf"] = either("env", "path");
    let host = said(of("path"), "A folder of the machine, from the operator's list.");
    let mut volume = object(
        &["path"],
        [("name", of("label")), ("host", host), ("path", of("mountPath")), ("read_only", json!({ "type": "boolean", "default": false }))],
    );
    volume["oneOf"] = either("name", "host");
    let config = object(&["name", "path"], [("name", of("entryName")), ("path", of("filePath"))]);
    let sha256 = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let url = json!({ "type": "string", "pattern": "^https?://(?![^/?#]*@)[!-.0-~][!-~]*$", "maxLength": 4096 });
    properties([
        ("configs", said(list(config, 64), "Files from the configuration centre.")),
        ("secrets", said(list(secret, 64), "Secrets from the configuration centre: each into a variable (env) or a file in memory (path).")),
        ("volumes", said(list(volume, 32), "What outlives a task.")),
        (
            "artifact",
            said(
                object(&["url", "sha256", "path"], [("url", url), ("sha256", sha256), ("path", of("mountPath"))]),
                "Fetched before the main command starts.",
            ),
        ),
    ])
}

fn lifecycle() -> Properties {
    let host = said(of("port"), "A fixed port of the machine; left out: a free one.");
    let port =
        object(&["container"], [("name", of("label")), ("container", of("port")), ("host", host), ("protocol", words(&["tcp", "udp"], "tcp"))]);
    let mut health = object(
        &[],
        [
            ("http", of("http")),
            ("tcp", of("tcp")),
            ("command", of("command")),
            ("interval", of("span")),
            ("timeout", of("span")),
            ("retries", whole(1, 100)),
            ("start_period", of("span")),
        ],
    );
    health["oneOf"] = one_probe();
    let update = object(
        &[],
        [
            ("order", json!({ "enum": ["start-first", "stop-first"] })),
            ("parallelism", whole(1, REPLICAS_MAX)),
            ("monitor", of("span")),
            ("on_failure", words(&["rollback", "stop"], "rollback")),
        ],
    );
    let drain = said(
        of("span"),
        "How long it serves on while proxies are told that it will not; 10s where there are routes, 3s where proxies ask for it, else none.",
    );
    let stop = object(&[], [("signal", json!({ "enum": super::check::SIGNALS })), ("grace", of("span")), ("drain", drain)]);
    properties([
        ("ports", said(list(port, 64), "Published ports.")),
        ("health", said(health, "How to tell that a task works: exactly one of http, tcp and command.")),
        ("update", said(update, "How one revision takes the place of another.")),
        ("stop", said(stop, "How a task is asked to end.")),
        (
            "restart",
            said(
                object(&[], [("policy", words(&["on-failure", "always", "never"], "on-failure")), ("max", whole(0, 1000))]),
                "What the engine does when a task ends by itself.",
            ),
        ),
        ("kind", said(words(&["service", "job"], "service"), "A service that stays, or a job that ends.")),
        ("schedule", said(json!({ "type": "string", "maxLength": 256, "examples": ["0 3 * * *"] }), "When a job runs.")),
        ("drift", said(words(&["report", "heal"], "report"), "What happens when something else changed a task.")),
    ])
}

fn outside() -> Properties {
    let network = json!({ "allOf": [of("label"), { "not": { "enum": ["host", "none", "bridge", "container"] } }] });
    let address = json!({ "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$" });
    let host = json!({ "type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$", "maxLength": 253 });
    let name = json!({ "type": ["string", "boolean"], "pattern": "^[A-Za-z_:][A-Za-z0-9_:]*\\*?$", "maxLength": 150 });
    let mut names = list(name, super::check::METRIC_NAMES_MAX as u32);
    names["minItems"] = json!(1);
    names["examples"] = json!([["http_requests_total", "process_*"]]);
    let at = json!({ "$ref": "#/$defs/urlPath", "default": "/metrics" });
    let metrics = object(&["port", "names"], [("port", of("port")), ("path", at), ("names", names)]);
    let tls = said(json!({ "type": "boolean", "default": false }), "Reached over https; the proxy holds the certificate.");
    let route = object(&["host", "port"], [("host", host), ("path", of("routePath")), ("port", of("label")), ("tls", tls)]);
    properties([
        ("network", said(object(&[], [("name", network), ("ip", address)]), "The network it joins.")),
        ("placement", said(object(&[], [("pool", of("label")), ("machines", list(of("label"), 256)), ("spread", of("label"))]), "Where it may run.")),
        ("routes", said(list(route, 32), "How proxies reach it; port is the name of one of its ports.")),
        ("status_page", said(object(&[], [("show", json!({ "type": "boolean" })), ("probe", of("probe"))]), "What the status page shows of it.")),
        ("metrics", said(metrics, "Where a task tells its own figures, in Prometheus' text format, and which of them are kept.")),
    ])
}

#[cfg(test)]
mod tests;

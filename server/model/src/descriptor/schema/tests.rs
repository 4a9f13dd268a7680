use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::descriptor::Descriptor;

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("a schema")
}

/// The text as an editor sees it.
fn as_json(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

/// What the parser says; "not yet supported" is no mistake of the grammar.
fn parser_takes(text: &str) -> Result<(), Vec<String>> {
    let errors = Descriptor::parse(text).err().unwrap_or_default();
    let wrong: Vec<String> = errors.iter().filter(|error| !error.message.starts_with("not yet supported")).map(ToString::to_string).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

const GOOD: &[&str] = &[
    "image: web",
    "image: web:1.4.2\nreplicas: 0",
    "image: registry.example.com:5000/shop/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "image: web\ncommand: [serve, --port, 8080, true]\nentrypoint: [/bin/app]",
    "image: web\nenv: {A: b, N: 1.10, T: true, E: \"\"}\nports: ~\nhealth: null",
    "image: web\nports: [{container: 8080}, {name: dns, container: 53, protocol: udp}]\nroutes: [{host: app.example.com, port: tcp-8080}]",
    "image: web\nports: [{name: http, container: 80}]\nroutes: [{host: a.example, path: \"/a-b/%20\", port: http, tls: true}]\nstop: {drain: 3s}",
    "image: web\nports: [{name: http, container: 8080, host: 18080}]",
    "image: web\nhealth: {http: {port: 8080}, interval: 1m30s, timeout: 500ms, retries: 3, start_period: 0s}",
    "image: web\nhealth: {command: [pg_isready, -q]}",
    "image: web\nhealth: {http: ~, tcp: {port: 80}}",
    "image: web\nresources: {cpus: 0.5, memory: 1.5GiB, pids: 20}",
    "image: web\nresources: {cpus: \"2\", memory: 256m}",
    "image: web\nvolumes: [{name: data, path: /data}, {host: /mnt/shared/x, path: /x, read_only: true}]",
    "image: web\nconfigs: [{name: app.conf, path: /etc/app.conf}]\nsecrets: [{name: db_password, env: DB_PASSWORD}, {name: key, path: /run/key}]",
    "image: web\nnetwork: {name: default, ip: 10.8.0.20}\nplacement: {pool: web, machines: [m1], spread: machine}",
    "image: web\nupdate: {order: stop-first, parallelism: 2, monitor: 10s, on_failure: stop}\nstop: {signal: SIGINT, grace: 2m}",
    "image: web\nrestart: {policy: never, max: 0}\ntimezone: Asia/Shanghai\nuser: 1000:1000\nworkdir: /srv/",
    "image: web\nuser: 1000\nkind: job\nschedule: 0 3 * * *\ndrift: heal",
    "image: web\nartifact: {url: \"https://example.com/app.tar.gz\", sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, path: /app}",
    "image: web\nstatus_page: {show: true, probe: {http: {port: 8080, path: /}}}\nmetrics: {port: 9100, path: /metrics, names: [up]}",
    "image: web\nmetrics: {port: 9100, names: [http_requests_total, \"process_*\", \"app:queue\"]}",
];

/// Wrong in one field, which is what a schema can say.
const WRONG: &[&str] = &[
    "replicas: 1",
    "image: ~",
    "[image, web]",
    "image: web\nreplica: 2",
    "image: web\nreplicas: -1",
    "image: web\nreplicas: 1.5",
    "image: web\nreplicas: 101",
    "image: web\nreplicas: two",
    "image: web\ncommand: serve --port 80",
    "image: web\ncommand: []",
    "image: web\nenv: [A=b]",
    "image: web\nenv: {SLIPWAY_TASK: x}",
    "image: web\nenv: {slipway_task: x}",
    "image: web\nenv: {1A: x}",
    "image: web\nenv: {A: ~}",
    "image: web\nports: [8080]",
    "image: web\nports: [{container: 0}]",
    "image: web\nports: [{container: 70000}]",
    "image: web\nports: [{name: HTTP, container: 80}]",
    "image: web\nports: [{container: 80, protocol: sctp}]",
    "image: web\nhealth: {}",
    "image: web\nhealth: {tcp: {port: 1}, http: {port: 1}}",
    "image: web\nhealth: {tcp: {port: 1}, interval: 5}",
    "image: web\nhealth: {http: {port: 1, path: healthz}}",
    "image: web\nresources: {memory: 256}",
    "image: web\nresources: {memory: 256MB}",
    "image: web\nresources: {cpus: 0}",
    "image: web\nresources: {cpus: 4000}",
    "image: web\nvolumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]",
    "image: web\nvolumes: [{path: /data}]",
    "image: web\nvolumes: [{name: a, host: /b, path: /data}]",
    "image: web\nvolumes: [{name: data, path: data}]",
    "image: web\nvolumes: [{name: data, path: /proc/x}]",
    "image: web\nvolumes: [{name: data, path: /a/../b}]",
    "image: web\nvolumes: [{name: data, path: /}]",
    "image: web\nvolumes: [{name: data, path: /run/slipway/secrets}]",
    "image: web\nconfigs: [{name: a, path: /etc/}]",
    "image: web\nsecrets: [{name: a, path: /sys/x}]",
    "image: web\nartifact: {url: \"https://u:p@a.example/x\", sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, path: /app}",
    "image: web\nsecrets: [{name: a}]",
    "image: web\nsecrets: [{name: a, env: A, path: /a}]",
    "image: web\nnetwork: host",
    "image: web\nnetwork: {name: host}",
    "image: web\nnetwork_mode: host",
    "image: web\nprivileged: true",
    "image: web\nupdate: {order: both}",
    "image: web\nupdate: {parallelism: 0}",
    "image: web\nstop: {signal: TERM}",
    "image: web\nstop: {drain: 5}",
    "image: web\nports: [{name: http, container: 80}]\nroutes: [{host: a.example, path: \"/`)||Host(`b.example\", port: http}]",
    "image: web\nports: [{name: http, container: 80}]\nroutes: [{host: a.example, path: \"/a?b\", port: http}]",
    "image: web\nports: [{name: http, container: 80}]\nroutes: [{host: a.example, port: http, tls: 1}]",
    "image: web\nrestart: {policy: sometimes}",
    "image: web\nuser: \"a b\"",
    "image: web\nworkdir: srv",
    "image: web\ntimezone: ../etc/passwd",
    "image: web\nkind: daemon",
    "image: web\nmetrics: {port: 9100}",
    "image: web\nmetrics: {port: 9100, names: []}",
    "image: web\nmetrics: {port: 9100, names: [\"*\"]}",
    "image: web\nmetrics: {port: 9100, names: [a-b]}",
    "image: web\nmetrics: {port: 0, names: [up]}",
    "image: web\nartifact: {url: \"ftp://x/y\", sha256: aa, path: /app}",
];

#[test]
fn what_the_parser_takes_is_valid() {
    let validator = validator();
    for text in GOOD {
        assert_eq!(parser_takes(text), Ok(()), "{text}");
        let errors: Vec<String> = validator.iter_errors(&as_json(text)).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{text}: {errors:?}");
        // And what a revision keeps of it, with every default written out.
        if let Ok(descriptor) = Descriptor::parse(text) {
            assert!(validator.is_valid(&descriptor.to_value()), "{}", descriptor.canonical());
            assert!(validator.is_valid(&as_json(&descriptor.to_yaml())), "{}", descriptor.to_yaml());
        }
    }
}

#[test]
fn what_is_wrong_in_a_field_is_wrong_in_both() {
    let validator = validator();
    for text in WRONG {
        assert!(parser_takes(text).is_err(), "the parser takes {text}");
        assert!(!validator.is_valid(&as_json(text)), "the schema takes {text}");
    }
}

#[test]
fn it_is_a_schema_of_its_draft_and_knows_every_key_of_the_parser() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema), "{schema}");
    let known: Vec<&str> = schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
    for key in crate::descriptor::sections::KEYS {
        assert!(known.contains(key), "{key}");
        let described = &schema["properties"][key];
        assert!(described.to_string().contains("\"description\""), "{key} says what it is");
    }
    assert_eq!(known.len(), crate::descriptor::sections::KEYS.len());
}

proptest! {
    /// Any mixture of the corpus' sections: whatever the parser takes, the schema takes.
    #[test]
    fn mixtures_that_the_parser_takes_are_valid(picks in proptest::collection::vec((0..GOOD.len() + WRONG.len(), any::<bool>()), 1..5)) {
        let mut all = serde_json::Map::new();
        for (pick, _) in picks {
            let text = GOOD.iter().chain(WRONG).nth(pick).expect("one of them");
            if let Value::Object(entries) = as_json(text) {
                all.extend(entries);
            }
        }
        let value = Value::Object(all);
        let errors = Descriptor::from_json(&value, "").err().unwrap_or_default();
        if errors.iter().all(|error| error.message.starts_with("not yet supported")) {
            prop_assert!(validator().is_valid(&value), "{value}");
        }
    }

    /// Amounts and names as they may be typed: what the parser takes, the schema takes.
    #[test]
    fn single_values_that_the_parser_takes_are_valid(
        memory in "[0-9]{1,3}(\\.[0-9]{1,2})?(KiB|Mi|G|MB|x)?",
        span in "[0-9]{1,3}(h|m|s|ms|d)?([0-9]s)?",
        name in "[a-zA-Z_0-9][a-zA-Z_.-]{0,6}",
        label in "[a-z0-9-]{1,6}",
    ) {
        let validator = validator();
        for (key, value) in [
            ("resources", json!({ "memory": memory })),
            ("stop", json!({ "grace": span })),
            ("env", json!({ name: "x" })),
            ("volumes", json!([{ "name": label, "path": "/data" }])),
        ] {
            let whole = json!({ "image": "web", key: value });
            prop_assert!(Descriptor::from_json(&whole, "").is_err() || validator.is_valid(&whole), "the schema refuses {whole}");
        }
    }
}

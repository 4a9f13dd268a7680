//! Hostile descriptors at every door that takes one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{WEB, ground, yaml};
use crate::portal::Browser;

/// Hostile descriptors: the text, the field that is named, and words of the rule.
fn hostile() -> Vec<(String, &'static str, &'static str)> {
    let mut all: Vec<(String, &'static str, &'static str)> = [
        ("privileged: true", "privileged", "privileges of its machine"),
        ("cap_add: [SYS_ADMIN]", "cap_add", "capabilities"),
        ("capAdd: [ALL]", "capAdd", "capabilities"),
        ("devices: [/dev/sda]", "devices", "devices"),
        ("gpus: all", "gpus", "devices"),
        ("pid: host", "pid", "process namespace"),
        ("ipc: host", "ipc", "IPC namespace"),
        ("uts: host", "uts", "namespace"),
        ("cgroup_parent: /", "cgroup_parent", "control group"),
        ("network_mode: host", "network_mode", "project's network"),
        ("network_mode: \"container:abc\"", "network_mode", "project's network"),
        ("hostNetwork: true", "hostNetwork", "project's network"),
        ("network: host", "network", "project's network"),
        ("network: {name: host}", "network.name", "project's network"),
        ("network: {mode: host}", "network.mode", "unknown key"),
        ("security_opt: [\"seccomp=unconfined\"]", "security_opt", "confinement"),
        ("sysctls: {net.ipv4.ip_forward: 1}", "sysctls", "kernel parameters"),
        ("userns_mode: host", "userns_mode", "user namespace"),
        ("labels: {dev.slipway.instance: x}", "labels", "labels are set by Slipway"),
        ("extra_hosts: [\"registry:1.2.3.4\"]", "extra_hosts", "names are the network's"),
        ("volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]", "volumes[0]", "never mounted"),
        ("volumes: [{host: /var/run/docker.sock, path: /x}]", "volumes[0].host", "never mounted"),
        ("volumes: [{host: /run/docker.sock, path: /x}]", "volumes[0].host", "never mounted"),
        ("volumes: [{host: /, path: /x}]", "volumes[0].host", "never mounted"),
        ("volumes: [{host: /mnt/../etc, path: /x}]", "volumes[0].host", "without .."),
        ("volumes: [{host: /proc/1/root, path: /x}]", "volumes[0].host", "never mounted"),
        ("volumes: [{name: data, path: /proc/sys}]", "volumes[0].path", "nothing can be mounted"),
        ("volumes: [{name: ../../etc, path: /x}]", "volumes[0].name", "not a name"),
        ("volumes: [{host: /srv/x, path: /x}]", "volumes[0].host", "not one of the folders"),
        ("volumes: [{host: /srv/x, path: /x, read_only: true}]", "volumes[0].host", "not one of the folders"),
        ("volumes: [{host: /home/app/engine.sock, path: /x}]", "volumes[0].host", "a socket of a machine"),
        ("volumes: [{name: data, path: /run/slipway}]", "volumes[0].path", "nothing can be mounted"),
        ("volumes: [{name: data, path: /run/slipway/secrets/}]", "volumes[0].path", "nothing can be mounted"),
        ("volumes: [{name: data, path: /}]", "volumes[0].path", "nothing can be mounted"),
        ("volumes: [{name: data, path: /x/../dev}]", "volumes[0].path", "without .. or :"),
        ("configs: [{name: app.conf, path: /proc/sysrq-trigger}]", "configs[0].path", "nothing can be mounted"),
        ("configs: [{name: app.conf, path: /run/slipway/secrets/key}]", "configs[0].path", "nothing can be mounted"),
        ("configs: [{name: app.conf, path: /etc/../proc/self/mem}]", "configs[0].path", "without .. or :"),
        ("configs: [{name: app.conf, path: etc/app.conf}]", "configs[0].path", "not a path"),
        ("configs: [{name: ../../etc/shadow, path: /x}]", "configs[0].name", "not a name"),
        ("secrets: [{name: key, path: /proc/self/environ}]", "secrets[0].path", "nothing can be mounted"),
        ("secrets: [{name: key, path: /run/slipway}]", "secrets[0].path", "nothing can be mounted"),
        ("secrets: [{name: key, path: /sys/kernel/x}]", "secrets[0].path", "nothing can be mounted"),
        ("secrets: [{name: ../key, path: /x}]", "secrets[0].name", "not a name"),
        ("secrets: [{name: key, env: SLIPWAY_X}]", "secrets[0].env", "set by Slipway"),
        ("secrets: [{name: key, env: Slipway_Task}]", "secrets[0].env", "set by Slipway"),
        ("secrets: [{name: key, env: \"A=B\"}]", "secrets[0].env", "not a variable's name"),
        ("secrets: [{name: key, env: A, path: /x}]", "secrets[0]", "either env or path"),
        ("secrets: [{name: key, env: A}]\nenv: {A: mine}", "secrets[0].env", "is set in env already"),
        ("secrets: [{name: key, path: /x}]\nvolumes: [{name: data, path: /x}]", "secrets[0].path", "is used twice"),
        ("volumes: [{name: d, path: \"/x:/y\"}]", "volumes[0].path", "without .. or :"),
        ("volumes: [{name: d, path: /x, propagation: shared}]", "volumes[0].propagation", "unknown key"),
        ("env: {SLIPWAY_TASK: mine}", "env.SLIPWAY_TASK", "set by Slipway"),
        ("env: {slipway_port_80: 1}", "env.slipway_port_80", "set by Slipway"),
        ("env: {\"A=B\": c}", "env.A=B", "not a variable's name"),
        ("env: {\"A\\nB\": c}", "env.A\nB", "not a variable's name"),
        ("env: {A: \"x\\0y\"}", "env.A", "NUL"),
        ("user: \"0:0:0\"", "user", "user as name or number"),
        ("user: \"$(id)\"", "user", "user as name or number"),
        ("replicas: 1e309", "", "non-finite"),
        ("replicas: 99999999999999999999", "", ""),
        ("replicas: -1", "replicas", "is not a number of tasks"),
        ("replicas: 0x7fffffff", "replicas", "is not a number of tasks"),
        ("resources: {memory: 99999999999TiB}", "resources.memory", "memory"),
        ("resources: {memory: 1B}", "resources.memory", "minimum"),
        ("resources: {cpus: .inf}", "", "non-finite"),
        ("resources: {cpus: .nan}", "", ""),
        ("resources: {pids: -1}", "resources.pids", "number of processes"),
        ("ports: [{container: 80, host: 22}]", "ports[0].host", "only an operator"),
        ("ports: [{container: 80, host: 99999}]", "ports[0].host", "a port"),
        ("ports: [{name: \"\u{430}dmin\", container: 80}]", "ports[0].name", "not a name"),
        ("stop: {signal: SIGSTOP}", "stop.signal", "not a signal"),
        ("stop: {grace: 999999h}", "stop.grace", "is not between"),
        ("workdir: ../../etc", "workdir", "not a path"),
        ("health: {http: {port: 80, path: \"/ HTTP/1.1\\r\\nHost: x\"}}", "health.http.path", "not a URL path"),
        ("timezone: ../../etc/shadow", "timezone", "time zone"),
        ("command: \"sh -c 'rm -rf /'\"", "command", "write it as a list"),
    ]
    .into_iter()
    .map(|(text, field, words)| (format!("image: web:1\n{text}\n"), field, words))
    .collect();
    all.extend(
        [
            ("image: \"web:1 --privileged\"", "image", ""),
            ("image: ../../etc/passwd", "image", ""),
            ("image: \"web:1\\nX: y\"", "image", ""),
            ("image: \"http://example.com/web\"", "image", ""),
            ("image: \"\u{ff57}eb:1\"", "image", ""),
            ("image: localhost:3000/../shop/web:1", "image", ""),
            ("image: \"web@sha256:zz\"", "image", ""),
            ("image: web:1\nimage: web:2", "", ""),
            ("image: !!binary aGVsbG8=", "", ""),
            ("--- \nimage: web:1\n--- \nimage: web:1", "", ""),
            ("a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e]\nimage: web:1", "", ""),
        ]
        .into_iter()
        .map(|(text, field, words)| (text.to_owned(), field, words)),
    );
    let zeros = "0".repeat(64);
    let zeros = zeros.as_str();
    all.extend(
        [
            ("file:///etc/passwd", zeros, "/x", "artifact.url", "write a URL like"),
            ("https:///etc/passwd", zeros, "/x", "artifact.url", "write a URL like"),
            ("ftp://example.com/a.tgz", zeros, "/x", "artifact.url", "write a URL like"),
            ("unix:///var/run/docker.sock", zeros, "/x", "artifact.url", "write a URL like"),
            ("https://example.com/a\\r\\nX: y", zeros, "/x", "artifact.url", "write a URL like"),
            ("https://user:pw@example.com/a.tgz", zeros, "/x", "artifact.url", "a name and password in a URL"),
            ("https://token@example.com/a.tgz", zeros, "/x", "artifact.url", "a name and password in a URL"),
            ("https://example.com/a.tgz", "../../etc/passwd", "/x", "artifact.sha256", "64 hexadecimal digits"),
            ("https://example.com/a.tgz", zeros, "/", "artifact.path", "nothing can be mounted"),
            ("https://example.com/a.tgz", zeros, "/proc", "artifact.path", "nothing can be mounted"),
            ("https://example.com/a.tgz", zeros, "/run/slipway/secrets", "artifact.path", "nothing can be mounted"),
            ("https://example.com/a.tgz", zeros, "/www/../etc", "artifact.path", "without .. or :"),
        ]
        .into_iter()
        .map(|(url, sum, path, field, words)| {
            (format!("image: web:1\nartifact: {{url: \"{url}\", sha256: \"{sum}\", path: {path}}}\n"), field, words)
        }),
    );
    all.push((format!("image: web:1\nenv: {}1{}", "{A: ".repeat(40), "}".repeat(40)), "", ""));
    all.push((format!("image: web:1\ncommand: {}x{}", "[".repeat(3_000), "]".repeat(3_000)), "", ""));
    let many: String = (0..2_000).map(|at| format!("  V{at}: x\n")).collect();
    all.push((format!("image: web:1\nenv:\n{many}"), "env", "at most 512"));
    let ports: String = (1..3_000).map(|at| format!("  - {{container: {at}}}\n")).collect();
    all.push((format!("image: web:1\nports:\n{ports}"), "ports", "at most 64"));
    all.push((format!("image: web:1\nenv: {{A: \"{}\"}}", "x".repeat(40_000)), "env.A", "at most"));
    all.push((format!("image: web:1\nenv: {{A: \"{}\"}}", "x".repeat(400_000)), "", "at most"));
    all.push((format!("image: web:1\n{}: x", "k".repeat(50_000)), "", ""));
    all
}

/// The refusal of a hostile text: 422 that names the field and the rule.
pub fn is_refused(text: &str, prefix: &str, problem: &Value, field: &str, words: &str) {
    let shown: String = text.chars().take(200).collect();
    let errors = problem["errors"].as_array().or_else(|| problem["fields"].as_array()).unwrap_or_else(|| panic!("{shown}: {problem}"));
    let wanted = match (prefix, field) {
        ("", field) => field.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, field) => format!("{prefix}.{field}"),
    };
    let told = errors.iter().any(|error| {
        let (found, message) = (error["field"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default());
        (field.is_empty() || found == wanted) && message.contains(words)
    });
    assert!(told, "{shown}: wanted {wanted}: {words}, got {problem}");
    assert!(problem.to_string().len() < 40_000, "an answer stays small: {}", problem.to_string().len());
}

#[tokio::test]
async fn hostile_descriptors_are_refused_at_every_door() {
    let (portal, dev) = ground().await;
    let browser = portal.browser("dev").await;
    let csrf = browser.csrf().await;
    let before = dev.get(&format!("{WEB}/revisions")).await.expect_status(StatusCode::OK).await;
    for (text, field, words) in hostile() {
        let shown: String = text.chars().take(200).collect();
        let began = std::time::Instant::now();
        let problem = yaml(&dev, "web", &text).await;
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY, "{shown}");
        is_refused(&text, "", &problem.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await, field, words);
        for door in ["plan", "deployments"] {
            let problem = dev.post(&format!("{WEB}/{door}"), json!({"environment": "local", "descriptor": text})).await;
            is_refused(&text, "descriptor", &problem.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await, field, words);
        }
        for door in ["plan_text", "deploy_text"] {
            let problem = by_form(&browser, &csrf, door, &text).await;
            is_refused(&text, "", &problem, field, words);
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{shown}: took {:?}", began.elapsed());
    }
    let after = dev.get(&format!("{WEB}/revisions")).await.expect_status(StatusCode::OK).await;
    assert_eq!(before, after, "nothing was written");
}

/// What a server function of the text answers to hydrated pages.
async fn by_form(browser: &Browser, csrf: &str, door: &str, text: &str) -> Value {
    let fields = [("csrf", csrf), ("project", "shop"), ("service", "web"), ("environment", "local"), ("text", text)];
    let answer = browser.form(&format!("/fn/deployments/{door}"), &fields).await;
    assert!(!answer.status().is_success() && !answer.status().is_redirection(), "{}", answer.status());
    let body = answer.text().await.expect("a body");
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("a problem, not {body}"))
}

/// JSON has tricks of its own.
#[tokio::test]
async fn hostile_json_is_refused_too() {
    let (_portal, dev) = ground().await;
    let deep = format!("{{\"environment\":\"local\",\"descriptor\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for body in [
        deep.as_str(),
        r#"{"environment":"local","descriptor":{"image":"web:1","privileged":true}}"#,
        r#"{"environment":"local","descriptor":{"image":"web:1","__proto__":{"privileged":true}}}"#,
        r#"{"environment":"local","descriptor":[]}"#,
        r#"{"environment":"local","descriptor":7}"#,
        r#"{"environment":"local","descriptor":{"image":"web:1"},"privileged":true}"#,
        r#"{"environment":"local","descriptor":{"image":"web:1","env":{"A":"\u0000"}}}"#,
        r#"{"environment":"local","descriptor":{"image":"web:1","replicas":1e400}}"#,
    ] {
        let request = dev.request(Method::POST, &format!("{WEB}/deployments")).header("content-type", "application/json").body(body.to_owned());
        let status = request.send().await.expect("an answer").status();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{}", &body[..body.len().min(120)]);
    }
    let huge = format!("image: web:1\nenv: {{A: \"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(yaml(&dev, "web", &huge).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

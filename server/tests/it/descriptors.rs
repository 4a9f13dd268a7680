//! The descriptor as a file that is applied, its schema, and hostile descriptors at every door that takes one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Answer, Browser, Person, TestPortal};
use crate::push::push;
use crate::quotas::shop;

const WEB: &str = "/api/v1/projects/shop/services/web";

/// `shop` with an image, its developer, and the service `web`.
async fn ground() -> (TestPortal, Person) {
    let portal = shop(TestPortal::start().await).await;
    let dev = portal.person("dev");
    push(&dev, "shop/web", "1", b"a layer").await;
    dev.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    (portal, dev)
}

async fn apply(person: &Person, service: &str, query: &str, kind: &str, text: &str) -> Answer {
    let path = format!("/api/v1/projects/shop/services/{service}/descriptor{query}");
    let request = person.request(Method::PUT, &path).header("content-type", kind).body(text.to_owned());
    Answer(request.send().await.expect("an answer"))
}

async fn yaml(person: &Person, service: &str, text: &str) -> Answer {
    apply(person, service, "", "application/yaml", text).await
}

async fn services(person: &Person) -> Vec<String> {
    let listed = person.get("/api/v1/projects/shop/services").await.expect_status(StatusCode::OK).await;
    listed["items"].as_array().expect("items").iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_applied_again_and_again() {
    let (portal, dev) = ground().await;
    let text = "image: web:1\nreplicas: 2\nenv: {API_TOKEN: t0p-s3cret, LEVEL: info}\n";
    let planned = apply(&dev, "api", "?dry_run=true", "application/yaml", text).await.expect_status(StatusCode::OK).await;
    assert_eq!((&planned["creates"], &planned["notes"][0]), (&json!(2), &json!("the service api is made")));
    assert_eq!(services(&dev).await, ["web"], "a dry run makes nothing");

    let answer = yaml(&dev, "api", text).await;
    let location = answer.0.headers()["location"].to_str().expect("text").to_owned();
    let made = answer.expect_status(StatusCode::CREATED).await;
    assert_eq!(location, format!("/api/v1/projects/shop/services/api/deployments/{}", made["id"].as_str().expect("an id")));
    assert_eq!(services(&dev).await, ["api", "web"]);

    let again = yaml(&dev, "api", text).await.expect_status(StatusCode::OK).await;
    assert_eq!(again["id"], made["id"], "nothing differs from what is on its way");
    let same_as_json = json!({"image": "web:1", "replicas": 2, "env": {"API_TOKEN": "t0p-s3cret", "LEVEL": "info"}}).to_string();
    apply(&dev, "api", "", "application/json", &same_as_json).await.expect_status(StatusCode::OK).await;

    let changed = yaml(&dev, "api", &text.replace("replicas: 2", "replicas: 3")).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!((changed["revision"].as_i64(), changed["state"].as_str()), (Some(2), Some("queued")));
    push(&dev, "shop/web", "1", b"another layer").await;
    yaml(&dev, "api", &text.replace("replicas: 2", "replicas: 3")).await.expect_status(StatusCode::ACCEPTED).await;

    // What tasks get of the configuration counts as well.
    let same = text.replace("replicas: 2", "replicas: 3");
    yaml(&dev, "api", &same).await.expect_status(StatusCode::OK).await;
    dev.put("/api/v1/projects/shop/variables/REGION", json!({"value": "north"})).await.expect_status(StatusCode::OK).await;
    yaml(&dev, "api", &same).await.expect_status(StatusCode::ACCEPTED).await;
    yaml(&dev, "api", &same).await.expect_status(StatusCode::OK).await;

    let path = "/api/v1/projects/shop/services/api/descriptor";
    let read = dev.request(Method::GET, path).header("accept", "application/yaml").send().await.expect("an answer");
    assert_eq!(read.headers()["content-type"], "application/yaml");
    let file = read.text().await.expect("text");
    assert!(file.contains("t0p-s3cret"), "whoever may set it may edit it: {file}");
    yaml(&dev, "api", &file).await.expect_status(StatusCode::OK).await;

    portal.new_person("guest").await;
    portal.person("admin").put("/api/v1/projects/shop/members/guest", json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
    let guest = portal.person("guest");
    let seen = guest.get(path).await.expect_status(StatusCode::OK).await;
    assert_eq!((&seen["env"]["API_TOKEN"], &seen["env"]["LEVEL"]), (&json!("(hidden)"), &json!("info")));
    yaml(&guest, "api", text).await.expect_status(StatusCode::FORBIDDEN).await;
    yaml(&guest, "new", text).await.expect_status(StatusCode::FORBIDDEN).await;
    let back = yaml(&dev, "api", &seen.to_string()).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(back["errors"][0]["field"], "env.API_TOKEN", "what was hidden is not written back: {back}");
}

#[tokio::test]
async fn what_is_refused_leaves_no_service_and_says_where_it_is_wrong() {
    let (portal, dev) = ground().await;
    for (text, field, line, column) in [
        ("image: web:1\nprots: []\n", "prots", 2, 8),
        ("image: web:1\nports:\n  - container: 80\n    host: 80\n", "ports[0].host", 4, 11),
        ("image: web:9\n", "image", 1, 8),
        ("image: web:1\nroutes:\n- {host: a.b, port: none}\n", "routes[0].port", 3, 21),
        ("image: web:1\n  replicas: [", "", 2, 0),
        ("image: web:1\nreplicas: 1\nreplicas: 2\n", "", 3, 0),
    ] {
        let answer = yaml(&dev, "fresh", text).await;
        assert_eq!(answer.0.headers()["content-type"], "application/problem+json");
        let problem = answer.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        let error = problem["errors"].as_array().expect("errors").iter().find(|error| error["field"] == field).unwrap_or(&Value::Null);
        assert_eq!(error["line"], line, "{text}: {problem}");
        assert!(column == 0 || error["column"] == column, "{text}: {problem}");
    }
    assert_eq!(services(&dev).await, ["web"], "nothing is left of what was refused");
    let answer = apply(&dev, "web", "", "application/yaml", "image: web:1\nenv: {A: \"\\0\"}").await;
    answer.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    let request = dev.request(Method::PUT, &format!("{WEB}/descriptor")).body(b"image: web:1\nenv: {A: \xff}".to_vec());
    let problem = Answer(request.send().await.expect("an answer")).expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(problem["errors"][0]["message"].as_str().is_some_and(|text| text.contains("line 2")), "{problem}");
    for service in ["UPPER", "a b", "\u{430}pi", "-x"] {
        let status = yaml(&dev, service, "image: web:1").await.status();
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY || status == StatusCode::NOT_FOUND, "{service}: {status}");
    }
    let strangers = portal.new_person("olga").await;
    yaml(&strangers, "web", "not even: [yaml").await.expect_status(StatusCode::NOT_FOUND).await;
    yaml(&portal.nobody(), "web", "image: web:1").await.expect_status(StatusCode::UNAUTHORIZED).await;
}

/// Two that apply the same new file at once: one service, no error that is ours.
#[tokio::test]
async fn a_new_file_may_be_applied_by_two_at_once() {
    let (_portal, dev) = ground().await;
    let answers = futures::future::join_all((0..4).map(|_| yaml(&dev, "twice", "image: web:1"))).await;
    let mut created = 0;
    for answer in answers {
        match answer.status() {
            StatusCode::CREATED => created += 1,
            StatusCode::OK => {}
            other => panic!("{other}: {}", answer.0.text().await.expect("a body")),
        }
    }
    assert_eq!(created, 1);
    yaml(&dev, "twice", "image: web:1").await.expect_status(StatusCode::OK).await;
}

#[tokio::test]
async fn the_schema_is_served_to_everybody() {
    let portal = TestPortal::start().await;
    let answer = portal.nobody().get("/api/v1/descriptor.schema.json").await;
    assert_eq!(answer.0.headers()["content-type"], "application/schema+json");
    let tag = answer.0.headers()["etag"].clone();
    let schema = answer.expect_status(StatusCode::OK).await;
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["image"].is_object() && schema["additionalProperties"] == false);
    let again = portal.nobody().request(Method::GET, "/api/v1/descriptor.schema.json").header("if-none-match", tag).send().await.expect("an answer");
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

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
fn is_refused(text: &str, prefix: &str, problem: &Value, field: &str, words: &str) {
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

/// The page of the text without scripts: what was typed is there again, with its mistakes by line.
#[tokio::test]
async fn the_text_can_be_deployed_without_scripts() {
    let (portal, _) = ground().await;
    let browser = portal.browser("dev").await;
    let csrf = browser.csrf().await;
    let page = browser.open("/projects/shop/services/web/deploy?as=yaml").await.text().await.expect("a page");
    assert!(page.contains("image: web:1") && page.contains("descriptor.schema.json"), "{page}");
    let post = async |text: &str| {
        let fields = [("csrf", csrf.as_str()), ("project", "shop"), ("service", "web"), ("environment", "local"), ("text", text)];
        let request = browser.request(Method::POST, "/fn/deployments/deploy_text");
        let from = format!("{}/projects/shop/services/web/deploy?as=yaml", portal.base);
        browser.send(request.header("origin", &portal.base).header("referer", from).header("accept", "text/html").form(&fields)).await
    };
    let refused = post("image: web:1\r\nprivileged: true\r\n").await;
    assert!(refused.status().is_redirection(), "{}", refused.status());
    let back = refused.headers()["location"].to_str().expect("text").trim_start_matches(&portal.base).to_owned();
    let page = browser.open(&back).await.text().await.expect("a page");
    assert!(page.contains("Line 2") && page.contains("privileges of its machine"), "{page}");
    assert!(page.contains("image: web:1\nprivileged: true"), "what was typed is there again: {page}");
    let taken = post("image: web:1\nreplicas: 2\n").await;
    let location = taken.headers()["location"].to_str().expect("text").to_owned();
    assert!(location.contains("/projects/shop/services/web/deployments/"), "{location}");
}

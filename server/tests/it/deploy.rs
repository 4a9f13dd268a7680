//! Deployments on a real engine, through the API: what runs, what is told, what is left when something goes wrong.

mod broken;

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::ground::{Ground, docker, push_busybox};
use crate::portal::{Answer, TestPortal};

/// A web service with a check.
fn web(replicas: u32) -> Value {
    json!({
        "image": "web:1", "replicas": replicas,
        "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "20s"},
        "update": {"monitor": "500ms"}, "stop": {"grace": "1s"},
    })
}

fn with(mut descriptor: Value, field: &str, value: Value) -> Value {
    descriptor[field] = value;
    descriptor
}

fn slots(tasks: &[Value]) -> Vec<u64> {
    let mut slots: Vec<u64> = tasks.iter().filter(|task| task["state"] == "running").map(|task| task["slot"].as_u64().expect("a slot")).collect();
    slots.sort_unstable();
    slots
}

fn healthy(tasks: &[Value], count: usize) -> bool {
    tasks.iter().filter(|task| task["state"] == "running" && task["health"] == "healthy").count() == count
}

fn is_alive(task: &Value) -> bool {
    ["preparing", "running", "restarting", "stopping"].contains(&task["state"].as_str().unwrap_or_default())
}

/// A port of those that services are given, held until the listener is dropped.
fn listener_in_range() -> (std::net::TcpListener, u16) {
    // Tests run side by side: each begins elsewhere.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 5_000).expect("small") + 100 * NEXT.fetch_add(1, Ordering::Relaxed);
    let ports = first..30_000;
    let held = |port| std::net::TcpListener::bind(("127.0.0.1", port)).ok().map(|listener| (listener, port));
    ports.into_iter().find_map(held).expect("a free port")
}

#[tokio::test]
async fn a_service_is_deployed_scaled_restarted_stopped_started_and_deleted() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let view = ground.deployed("web", web(2)).await;
    assert_eq!(view["progress"]["tasks"], json!({"done": 2, "total": 2}), "{view}");
    assert!(view["progress"]["layers"]["total"].as_u64() >= Some(1), "the pull was told: {view}");
    let first = ground.running("web").await;
    assert_eq!(slots(&first), [1, 2]);
    for task in &first {
        assert_eq!(task["health"], "healthy");
        assert_eq!(ground.answer(task).await, "hello");
    }

    let id = ground.verb("web", "scale", json!({"environment": "local", "replicas": 3})).await.expect("a deployment");
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    let scaled = ground.running("web").await;
    assert_eq!(slots(&scaled), [1, 2, 3]);
    assert!(first.iter().all(|task| scaled.iter().any(|now| now["id"] == task["id"])), "scaling replaces nothing");

    let id = ground.verb("web", "restart", json!({})).await.expect("a deployment");
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    let restarted = ground.running("web").await;
    assert_eq!(slots(&restarted), [1, 2, 3]);
    assert!(scaled.iter().all(|task| !restarted.iter().any(|now| now["id"] == task["id"])), "a restart replaces all");
    ground.containers_are("what was replaced is removed", 3).await;

    ground.verb("web", "stop", json!({})).await;
    ground.until("web", "stopped", |tasks| !tasks.iter().any(is_alive)).await;
    assert_eq!(docker(&["ps", "-q", "--filter", &ground.label()]).lines().count(), 0);
    ground.containers_are("a stopped service can be looked into", 3).await;

    let id = ground.verb("web", "start", json!({})).await.expect("a deployment");
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    assert_eq!(slots(&ground.running("web").await), [1, 2, 3]);

    ground.portal().person("admin").delete("/api/v1/projects/shop/services/web").await;
    ground.containers_are("nothing is left of a deleted service", 0).await;
}

#[tokio::test]
async fn what_a_task_is_told_and_how_its_peers_find_it() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.service("peer").await;
    ground.deployed("web", with(web(1), "env", json!({"GREETING": "good morning"}))).await;
    let task = &ground.running("web").await[0];
    let container = task["container"].as_str().expect("a container");
    let env = docker(&["exec", container, "sh", "-c", "busybox env"]);
    let port = task["ports"][0]["host"].as_u64().expect("a port");
    for line in [
        "GREETING=good morning",
        "SLIPWAY_PROJECT=shop",
        "SLIPWAY_SERVICE=web",
        "SLIPWAY_ENVIRONMENT=local",
        "SLIPWAY_REVISION=1",
        "SLIPWAY_HOST=127.0.0.1",
        &format!("SLIPWAY_TASK={}", task["id"].as_str().expect("an id")),
        &format!("SLIPWAY_PORT_8080={port}"),
    ] {
        assert!(env.lines().any(|found| found == line), "{line} is missing in {env}");
    }
    let peer = json!({"image": "web:1", "command": ["sleep", "1000"], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}});
    ground.deployed("peer", peer).await;
    let peer = ground.running("peer").await[0]["container"].as_str().expect("a container").to_owned();
    assert_eq!(docker(&["exec", &peer, "busybox", "wget", "-q", "-O", "-", "http://web:8080/"]), "hello");
}

/// A container of a descriptor that asks for everything, as the engine made it.
#[tokio::test]
async fn a_real_container_has_nothing_of_its_machine() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let (_, port) = listener_in_range();
    let maximal = json!({
        "image": "web:1", "replicas": 1, "command": ["httpd", "-f", "-p", "8080", "-h", "/www"],
        "env": {"GREETING": "hello"},
        "ports": [{"name": "http", "container": 8080, "host": port}, {"name": "dns", "container": 53, "protocol": "udp"}],
        "health": {"command": ["true"], "interval": "1s", "timeout": "1s", "retries": 30, "start_period": "0s"},
        "resources": {"cpus": 0.5, "memory": "64MiB", "pids": 50},
        "volumes": [{"name": "data", "path": "/data"}],
        "update": {"order": "stop-first", "monitor": "0s"}, "stop": {"signal": "SIGKILL", "grace": "0s"},
        "restart": {"policy": "always"}, "user": "0:0", "workdir": "/www",
    });
    ground.deployed("web", maximal).await;
    let container = ground.running("web").await[0]["container"].as_str().expect("a container").to_owned();
    let inspected: Value = serde_json::from_str(&docker(&["inspect", &container])).expect("JSON");
    let host = &inspected[0]["HostConfig"];
    for key in [
        "Privileged",
        "CapAdd",
        "Devices",
        "DeviceRequests",
        "DeviceCgroupRules",
        "PidMode",
        "UTSMode",
        "UsernsMode",
        "Sysctls",
        "Binds",
        "VolumesFrom",
        "Links",
        "ExtraHosts",
        "GroupAdd",
        "CgroupParent",
        "PublishAllPorts",
    ] {
        let value = &host[key];
        let empty = value.is_null()
            || value == false
            || value == ""
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty);
        assert!(empty, "{key}: {value}");
    }
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!((&host["NanoCpus"], &host["Memory"], &host["PidsLimit"]), (&json!(500_000_000), &json!(64 << 20), &json!(50)));
    assert!(matches!(host["IpcMode"].as_str(), Some("private" | "shareable")), "{host}");
    assert!(host["NetworkMode"].as_str().is_some_and(|mode| mode.starts_with("slipway-")), "{host}");
    let mounts = inspected[0]["Mounts"].as_array().expect("mounts");
    assert!(mounts.iter().all(|mount| mount["Type"] == "volume"), "{mounts:?}");
}

/// A container that the docker client made is read as a service, and deployed as one.
#[tokio::test]
async fn a_foreign_container_is_imported() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web(1)).await;
    let own = ground.running("web").await[0]["container"].as_str().expect("a container").to_owned();
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", &own]);
    let (_, port) = listener_in_range();
    let name = format!("foreign-{port}");
    let publish = format!("{port}:8080");
    let made = [
        "run",
        "-d",
        "--name",
        &name,
        "--cap-add",
        "NET_ADMIN",
        "-p",
        &publish,
        "-e",
        "LEVEL=info",
        "-e",
        "DB_PASSWORD=hunter22",
        "--memory",
        "64m",
        &image,
    ];
    docker(&made);
    let admin = ground.portal().person("admin");
    let machines = admin.get("/api/v1/machines").await.expect_status(StatusCode::OK).await;
    let machine = machines["items"][0]["name"].as_str().expect("a name").to_owned();
    let path = format!("/api/v1/machines/{machine}/containers/{name}/descriptor");
    ground.developer.get(&path).await.expect_status(StatusCode::FORBIDDEN).await;
    let read = admin.get(&path).await.expect_status(StatusCode::OK).await;
    docker(&["rm", "-f", &name]);
    assert_eq!((&read["service"], &read["descriptor"]["ports"][0]["host"]), (&json!(name), &json!(port)), "{read}");
    assert_eq!((&read["descriptor"]["env"], &read["descriptor"]["resources"]["memory"]), (&json!({"LEVEL": "info"}), &json!("64MiB")), "{read}");
    let left = read["left"].to_string();
    assert!(left.contains("CAP_NET_ADMIN") && left.contains("variable DB_PASSWORD") && !read.to_string().contains("hunter22"), "{read}");

    // As it was read it is applied: a service that answers where the container did.
    let yaml = read["yaml"].as_str().expect("a descriptor").to_owned();
    let path = format!("/api/v1/projects/shop/services/{name}/descriptor?environment=local");
    let applied = ground.developer.request(Method::PUT, &path).header("content-type", "application/yaml").body(yaml.clone());
    let made = Answer(applied.send().await.expect("an answer")).expect_status(StatusCode::CREATED).await;
    let view = ground.over(&name, made["id"].as_str().expect("an id")).await;
    assert_eq!(view["state"], "succeeded", "{yaml}\n{view}");
    let task = ground.running(&name).await.remove(0);
    assert_eq!((&task["ports"][0]["host"], ground.answer(&task).await.as_str()), (&json!(port), "hello"), "{task}");
    let inspected: Value = serde_json::from_str(&docker(&["inspect", task["container"].as_str().expect("a container")])).expect("JSON");
    let (host, env) = (&inspected[0]["HostConfig"], inspected[0]["Config"]["Env"].to_string());
    assert_eq!((&host["Memory"], host["CapAdd"].as_array().map_or(0, Vec::len)), (&json!(64 << 20), 0), "{host}");
    assert!(env.contains("\"LEVEL=info\"") && !env.contains("DB_PASSWORD"), "{env}");

    let own = admin.get(&format!("/api/v1/machines/{machine}/containers/{own}/descriptor")).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(own["code"], "slipways_own");
    admin.get(&format!("/api/v1/machines/{machine}/containers/nowhere/descriptor")).await.expect_status(StatusCode::NOT_FOUND).await;
    admin.get(&format!("/api/v1/machines/{machine}/containers/..%2F..%2Finfo/descriptor")).await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_task_is_bounded_and_gains_no_privileges() {
    let ground = Ground::new().await;
    ground.service("web").await;
    // A program with the set-user-id bit runs; the bit does nothing.
    let script = "cp /bin/busybox /tmp/busybox && chmod 4755 /tmp/busybox && exec /tmp/busybox httpd -f -p 8080 -h /www";
    ground.deployed("web", with(web(1), "command", json!(["sh", "-c", script]))).await;
    let task = &ground.running("web").await[0];
    assert_eq!(ground.answer(task).await, "hello");
    let container = task["container"].as_str().expect("a container");
    let status = docker(&["exec", container, "cat", "/proc/1/status"]);
    assert!(status.lines().any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"])), "{status}");
    assert_eq!(docker(&["inspect", "--format", "{{.HostConfig.PidsLimit}}", container]), "4096");
}

#[tokio::test]
async fn stop_first_never_runs_two_at_once() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let (_, port) = listener_in_range();
    let fixed = with(web(1), "ports", json!([{"name": "http", "container": 8080, "host": port}]));
    let volume = with(fixed, "volumes", json!([{"name": "data", "path": "/data"}]));
    ground
        .deployed("web", with(volume.clone(), "command", json!(["sh", "-c", "echo first >/data/index.html; exec httpd -f -p 8080 -h /data"])))
        .await;
    ground.deployed("web", with(volume, "command", json!(["httpd", "-f", "-p", "8080", "-h", "/data"]))).await;
    assert_eq!(ground.answer(&ground.running("web").await[0]).await, "first", "the volume was handed over");
    ground.containers_are("one after the other", 1).await;
}

#[tokio::test]
async fn an_image_of_an_outside_registry_is_pinned_and_pulled_with_the_projects_credential() {
    let ground = Ground::new().await;
    let outside = TestPortal::start().await;
    let owner = outside.new_person("olga").await;
    outside.new_project("tools", &[("olga", "developer")]).await;
    push_busybox(&owner, "tools/box", "7", "from outside").await;
    let host = outside.base.trim_start_matches("http://").to_owned();

    ground.service("web").await;
    let descriptor = with(web(1), "image", json!(format!("{host}/tools/box:7")));
    let id = ground.deploy("web", descriptor.clone()).await;
    let view = ground.over("web", &id).await;
    assert_eq!((view["state"].as_str(), view["reason"]["code"].as_str()), (Some("failed"), Some("pull_denied")), "{view}");

    let admin = ground.portal().person("admin");
    let path = format!("/api/v1/projects/shop/registries/{}", host.replace(':', "%3A"));
    let answer = admin.put(&path, json!({"username": "olga", "secret": crate::portal::PASSWORD})).await;
    assert!(answer.status().is_success(), "{:?}", answer.0.text().await);
    ground.deployed("web", descriptor).await;
    assert_eq!(ground.answer(&ground.running("web").await[0]).await, "from outside");
    let container = ground.running("web").await[0]["container"].as_str().expect("a container").to_owned();
    let inspected = docker(&["inspect", &container]);
    assert!(inspected.contains(&format!("{host}/tools/box@sha256:")), "what runs is pinned: {inspected}");
    assert!(!inspected.contains(crate::portal::PASSWORD));
}

#[tokio::test]
async fn without_an_engine_a_deployment_says_what_it_waits_for_and_can_be_cancelled() {
    let portal = TestPortal::start().await;
    let developer = portal.new_person("dora").await;
    portal.new_project("shop", &[("dora", "developer")]).await;
    push_busybox(&developer, "shop/web", "1", "hello").await;
    let service = "/api/v1/projects/shop/services/web";
    developer.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    let body = json!({"environment": "local", "descriptor": web(1)});
    let made = developer.post(&format!("{service}/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await;
    let path = format!("{service}/deployments/{}", made["id"].as_str().expect("an id"));
    let began = Instant::now();
    loop {
        let view = developer.get(&path).await.expect_status(StatusCode::OK).await;
        assert_eq!(view["state"], "queued", "{view}");
        assert!(!view.to_string().contains("no-engine.sock"), "where the engine is, is for operators: {view}");
        if view["progress"]["note"].as_str().is_some_and(|note| note.contains("waiting for the engine")) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{view}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let listed = developer.get("/api/v1/machines").await.expect_status(StatusCode::OK).await;
    assert!(listed["items"][0]["state"] == "away" && !listed.to_string().contains("no-engine.sock"), "{listed}");
    let listed = portal.person("admin").get("/api/v1/machines").await.expect_status(StatusCode::OK).await;
    assert!(listed["items"][0]["message"].as_str().is_some_and(|message| message.contains("no-engine.sock")), "{listed}");
    let cancelled = developer.post(&format!("{path}/cancel"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(cancelled["state"], "cancelled");
}

//! Things that go wrong around rollouts, on a real engine: whatever happens, in the end one revision runs, whole, and the history says what was.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker, engine, push_busybox};

const SERVICE: &str = "/api/v1/projects/shop/services/web";
const PRUNING: &str = "/api/v1/environments/local/machines/local/pruning";

/// A web service with a check, replaced one task after the other.
fn web(image: &str, replicas: u32) -> Value {
    json!({
        "image": image, "replicas": replicas,
        "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "20s"},
        "update": {"monitor": "200ms"}, "stop": {"grace": "1s"},
    })
}

/// The tasks that live.
fn living(tasks: &[Value]) -> Vec<&Value> {
    tasks.iter().filter(|task| ["preparing", "running", "restarting", "stopping"].contains(&task["state"].as_str().unwrap_or_default())).collect()
}

/// Whether exactly one revision runs, with so many healthy tasks in their slots, and nothing else.
fn whole(tasks: &[Value], revision: u64, replicas: usize) -> bool {
    let living = living(tasks);
    let mut slots: Vec<u64> = living.iter().filter_map(|task| task["slot"].as_u64()).collect();
    slots.sort_unstable();
    let good = |task: &&&Value| task["state"] == "running" && task["health"] == "healthy" && task["revision"] == revision;
    living.iter().filter(good).count() == replicas && slots == (1..=replicas as u64).collect::<Vec<_>>()
}

fn container(task: &Value) -> String {
    task["container"].as_str().expect("a container").to_owned()
}

/// Runs docker, whatever comes of it.
fn try_docker(arguments: &[&str]) {
    let _ = std::process::Command::new("docker").arg("--host").arg(engine()).args(arguments).output();
}

impl Ground {
    /// The service's deployments, the newest first.
    async fn history(&self) -> Vec<Value> {
        let listed = self.developer.get(&format!("{SERVICE}/deployments")).await.expect_status(StatusCode::OK).await;
        listed["items"].as_array().expect("items").clone()
    }

    /// The service in its environment.
    async fn run_of_web(&self) -> Value {
        self.developer.get(SERVICE).await.expect_status(StatusCode::OK).await["runs"][0].clone()
    }

    async fn pruned(&self, dry_run: bool) -> Value {
        let admin = self.portal().person("admin");
        let asked = admin.post(PRUNING, json!({"dry_run": dry_run})).await.expect_status(StatusCode::ACCEPTED).await;
        let began = Instant::now();
        loop {
            let view = admin.get(PRUNING).await.expect_status(StatusCode::OK).await;
            let run = view["items"].as_array().expect("items").iter().find(|run| run["id"] == asked["id"]).expect("the run").clone();
            if run["state"] != "queued" {
                assert_eq!(run["state"], "done", "{run}");
                return run["report"].clone();
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{view}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn of_deployments_at_once_one_is_brought_and_the_others_say_so() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web("web:1", 2)).await;
    let path = format!("{SERVICE}/deployments");
    let bodies = (0..6).map(|number| {
        let mut descriptor = web("web:1", 2);
        descriptor["env"] = json!({"NUMBER": number.to_string()});
        json!({"environment": "local", "descriptor": descriptor})
    });
    let answers = futures::future::join_all(bodies.map(|body| ground.developer.post(&path, body))).await;
    for answer in answers {
        answer.expect_status(StatusCode::ACCEPTED).await;
    }
    let newest = ground.history().await.remove(0);
    let over = ground.over("web", newest["id"].as_str().expect("an id")).await;
    assert_eq!(over["state"], "succeeded", "{over}");
    let revision = over["revision"].as_u64().expect("a number");
    ground.until("web", "one revision, whole", |tasks| whole(tasks, revision, 2)).await;
    ground.containers_are("nothing else is left", 2).await;
    let states: Vec<String> = ground.history().await.iter().map(|one| one["state"].as_str().expect("a state").to_owned()).collect();
    assert_eq!(states.iter().filter(|state| *state == "superseded").count(), 5, "{states:?}");
    assert_eq!(ground.run_of_web().await["revision"]["revision"]["number"], revision);
}

#[tokio::test]
async fn tasks_and_images_that_vanish_in_the_middle_leave_one_revision_whole() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web("web:1", 4)).await;
    for round in 2..=4 {
        let tag = round.to_string();
        push_busybox(&ground.developer, "shop/web", &tag, &format!("version {tag}")).await;
        let before = ground.running("web").await;
        let id = ground.deploy("web", web(&format!("web:{tag}"), 4)).await;
        let number = ground.history().await[0]["revision"].as_u64().expect("a number");
        let is_new = |task: &&Value| task["revision"] == number && task["state"] == "running";
        let tasks = ground.until("web", "the rollout has begun", |tasks| tasks.iter().any(|task| is_new(&task))).await;
        let new = container(tasks.iter().find(is_new).expect("one"));
        match round {
            // An old one is killed, another is removed: neither is the new revision's fault.
            2 => {
                try_docker(&["kill", &container(&before[3])]);
                try_docker(&["rm", "-f", &container(&before[2])]);
            }
            // A new one is removed.
            3 => try_docker(&["rm", "-f", &new]),
            // And its image with it.
            _ => {
                let image = docker(&["inspect", "--format", "{{.Config.Image}}", &new]);
                try_docker(&["rm", "-f", &new]);
                try_docker(&["rmi", "-f", &image]);
            }
        }
        let over = ground.over("web", &id).await;
        let runs = ground.run_of_web().await["revision"]["revision"]["number"].as_u64().expect("a number");
        match over["state"].as_str().expect("a state") {
            "succeeded" => assert_eq!(runs, over["revision"].as_u64().expect("a number"), "{over}"),
            "rolled_back" => assert_eq!(runs, over["previous"].as_u64().expect("a number"), "{over}"),
            other => panic!("it ended as {other}: {over}"),
        }
        ground.until("web", "one revision, whole", |tasks| whole(tasks, runs, 4)).await;
        ground.containers_are("nothing else is left", 4).await;
        if runs != number {
            // What went wrong was no fault of the revision's: it can be brought.
            ground.deployed("web", web(&format!("web:{tag}"), 4)).await;
        }
    }
}

/// A registry that had an image: its address, and how often it was asked for one.
async fn emptied_registry() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |uri: axum::http::Uri| {
        let manifest = uri.path().contains("/manifests/");
        count.fetch_add(usize::from(manifest), Ordering::SeqCst);
        async move {
            let gone = json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
            if manifest { (StatusCode::NOT_FOUND, axum::Json(gone)) } else { (StatusCode::OK, axum::Json(json!({}))) }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    (host, asked)
}

#[tokio::test]
async fn an_image_that_is_gone_fails_its_deployment_once_and_the_old_tasks_serve_on() {
    let mut ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web("web:1", 2)).await;
    let before = ground.running("web").await;
    let missing = format!("sha256:{}", "0".repeat(64));
    for door in ["plan", "deployments"] {
        let body = json!({"environment": "local", "descriptor": web(&format!("web@{missing}"), 2)});
        let refused = ground.developer.post(&format!("{SERVICE}/{door}"), body).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused["errors"][0]["field"], "descriptor.image", "what is not in our registry is known at once: {refused}");
    }

    let (host, asked) = emptied_registry().await;
    let gone = web(&format!("{host}/tools/box@{missing}"), 2);
    let plan = json!({"environment": "local", "descriptor": gone});
    ground.developer.post(&format!("{SERVICE}/plan"), plan).await.expect_status(StatusCode::OK).await;
    let id = ground.deploy("web", gone).await;
    let view = ground.over("web", &id).await;
    assert_eq!((view["state"].as_str(), view["reason"]["code"].as_str()), (Some("failed"), Some("image_not_found")), "{view}");
    assert!(view["reason"]["message"].as_str().is_some_and(|text| text.contains("revision 1 stays what should run")), "{view}");
    let tries = asked.load(Ordering::SeqCst);
    assert!(tries > 0, "the engine asked for it");
    assert_eq!(ground.run_of_web().await["revision"]["revision"]["number"], 1);
    let after = ground.running("web").await;
    assert!(before.len() == 2 && before.iter().all(|task| after.iter().any(|now| now["id"] == task["id"])), "they were never touched: {after:?}");
    assert_eq!(ground.answer(&after[0]).await, "hello");

    // The loop looks at the service again, also after the portal was away: it mends what runs, and does not try that image again.
    ground.restart().await;
    try_docker(&["rm", "-f", &container(&before[0])]);
    let mended = |tasks: &[Value]| whole(tasks, 1, 2) && tasks.iter().all(|task| task["id"] != before[0]["id"] || task["state"] != "running");
    ground.until("web", "what was removed is there again", mended).await;
    assert_eq!(asked.load(Ordering::SeqCst), tries, "nobody asked for it again");
    let states: Vec<Value> = ground.history().await.iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["failed", "succeeded"]);
}

#[tokio::test]
async fn a_crash_loop_is_told_with_its_last_lines_and_ends_with_a_new_deployment() {
    let ground = Ground::new().await;
    ground.service("web").await;
    // It serves long enough to be brought, and dies for good when it is told to.
    let script = "echo the database went away >&2; test -e /tmp/dying && exit 3; httpd -p 8080 -h /www; while ! test -e /tmp/dying; do sleep 0.1; done; exit 3";
    let mut descriptor = web("web:1", 1);
    descriptor["command"] = json!(["sh", "-c", script]);
    descriptor["restart"] = json!({"policy": "on-failure", "max": 1});
    descriptor.as_object_mut().expect("an object").remove("health");
    // Each new task finds the file too: it lies in a volume.
    descriptor["volumes"] = json!([{"name": "state", "path": "/tmp"}]);
    ground.deployed("web", descriptor.clone()).await;
    assert_eq!(ground.run_of_web().await.get("crash_loop"), None);
    docker(&["exec", &container(&ground.running("web").await[0]), "sh", "-c", "echo >/tmp/dying"]);
    let began = Instant::now();
    let found = loop {
        let run = ground.run_of_web().await;
        if let Some(found) = run.get("crash_loop").filter(|found| found["failures"].as_i64() >= Some(3)) {
            break found.clone();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{run}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((found["reason"]["code"].as_str(), &found["slots"]), (Some("exited"), &json!([1])), "{found}");
    assert!(found["lines"].as_str().expect("lines").contains("the database went away"), "{found}");
    let page = ground.portal().browser("dora").await.open("/projects/shop/services/web").await.text().await.expect("a page");
    assert!(page.contains("Crash loop:") && page.contains("the database went away"), "the page says so");

    ground.deployed("web", web("web:1", 1)).await;
    assert_eq!(ground.run_of_web().await.get("crash_loop"), None);
}

#[tokio::test]
async fn what_a_container_is_told_by_the_beginning_of_its_id() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let path = format!("{SERVICE}/deployments");
    let body = json!({"environment": "local", "descriptor": web("web:1", 1), "why": "first light", "commit": "0badc0de", "build": "https://ci.example.com/7"});
    let made = ground.developer.post(&path, body).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!(ground.over("web", made["id"].as_str().expect("an id")).await["state"], "succeeded");
    let task = ground.running("web").await.remove(0);
    let id = container(&task);
    for name in [&id[..12], &id, task["id"].as_str().expect("an id")] {
        let found = ground.developer.get(&format!("/api/v1/running/{name}")).await.expect_status(StatusCode::OK).await;
        assert_eq!((&found["service"], &found["task"]["id"]), (&json!("web"), &task["id"]), "{found}");
        let revision = &found["revision"];
        assert_eq!((&revision["commit"], &revision["build"]), (&json!("0badc0de"), &json!("https://ci.example.com/7")), "{found}");
        assert_eq!((&found["deployment"]["by"], &found["deployment"]["why"]), (&json!("dora"), &json!("first light")), "{found}");
    }
    let stranger = ground.portal().new_person("stranger").await;
    stranger.get(&format!("/api/v1/running/{id}")).await.expect_status(StatusCode::NOT_FOUND).await;
    ground.developer.get("/api/v1/running/web").await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn images_that_nothing_needs_are_pruned_and_no_other() {
    let ground = Ground::new().await;
    ground.service("web").await;
    // Content of its own, so that no other test's image is the same to the engine.
    let own = std::process::id();
    for tag in ["11", "12", "13"] {
        push_busybox(&ground.developer, "shop/web", tag, &format!("pruned {tag} of {own}")).await;
        ground.deployed("web", web(&format!("web:{tag}"), 1)).await;
    }
    ground.containers_are("what was replaced is removed", 1).await;
    let foreign = format!("foreign-{own}:1");
    let image = docker(&["inspect", "--format", "{{.Image}}", &container(&ground.running("web").await[0])]);
    docker(&["tag", &image, &foreign]);
    let repository = format!("{}/shop/web", ground.portal().base.trim_start_matches("http://"));
    let there = || {
        docker(&["images", "--digests", "--no-trunc", "--format", "{{.Digest}}", &repository])
            .lines()
            .filter(|line| line.starts_with("sha256:"))
            .count()
    };
    assert_eq!(there(), 3);

    let admin = ground.portal().person("admin");
    let wrong = json!({"enabled": true, "keep": 0, "min_hours": 0, "fuller_than": 80});
    admin.put(PRUNING, wrong).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    ground.developer.post(PRUNING, json!({"dry_run": true})).await.expect_status(StatusCode::FORBIDDEN).await;
    let young = ground.pruned(true).await;
    assert_eq!(young["gone"], json!([]), "what is young stays: {young}");
    // By hand alone: how full this machine's disk is decides nothing here.
    let policy = json!({"enabled": false, "keep": 2, "min_hours": 0, "fuller_than": 80});
    admin.put(PRUNING, policy).await.expect_status(StatusCode::OK).await;
    let would = ground.pruned(true).await;
    assert_eq!(would["gone"].as_array().map(Vec::len), Some(1), "{would}");
    assert_eq!(there(), 3, "a dry run takes nothing away");
    let did = ground.pruned(false).await;
    assert_eq!(did["gone"][0]["reference"], would["gone"][0]["reference"], "{did}");
    assert!(did["bytes"].as_i64() > Some(0), "{did}");
    assert_eq!(there(), 2);
    assert!(docker(&["images", "-q", &foreign]).lines().count() == 1, "what is not ours stays");
    assert_eq!(ground.pruned(false).await["gone"], json!([]));

    // What went can be gone back to: the registry has it.
    let id = ground.verb("web", "rollback", json!({"environment": "local", "revision": 1})).await.expect("a deployment");
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    assert!(ground.answer(&ground.running("web").await[0]).await.starts_with("pruned 11"));
    try_docker(&["rmi", &foreign]);
}

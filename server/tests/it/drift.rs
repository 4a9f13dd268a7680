//! What is changed behind the portal's back on a real engine: it is told, and put right where the service says so. And what is not ours.

use std::time::{Duration, Instant};

use engine::docker::Docker;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{self, Ground, docker};

fn quiet(drift: &str) -> Value {
    json!({
        "image": "web:1", "command": ["sleep", "1000"], "drift": drift, "resources": {"memory": "64MiB"},
        "update": {"monitor": "0s"}, "stop": {"grace": "0s"}, "restart": {"policy": "never"},
    })
}

fn container(task: &Value) -> String {
    task["container"].as_str().expect("a container").to_owned()
}

fn differs(task: &Value) -> Vec<&str> {
    let found = task["drift"].as_array().map(Vec::as_slice).unwrap_or_default();
    found.iter().map(|difference| difference["what"].as_str().expect("a word")).collect()
}

#[tokio::test]
async fn what_was_changed_from_outside_is_told_with_what_differs() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", quiet("report")).await;
    let id = container(&ground.running("web").await[0]);
    // Names are the engine's, and other tests are on it.
    let mine = format!("mine-{}", &id[..12]);
    docker(&["rename", &id, &mine]);
    let tasks = ground.until("web", "the name is told", |tasks| differs(&tasks[0]) == ["name"]).await;
    assert_eq!(tasks[0]["drift"][0]["found"], json!(mine));
    docker(&["update", "--memory", "128m", "--memory-swap", "128m", &id]);
    let tasks = ground.until("web", "the limit is told", |tasks| differs(&tasks[0]) == ["name", "memory"]).await;
    assert_eq!((&tasks[0]["drift"][1]["ordered"], &tasks[0]["drift"][1]["found"]), (&json!("67108864 bytes"), &json!("134217728 bytes")));
    docker(&["pause", &id]);
    ground.until("web", "that it is frozen is told", |tasks| differs(&tasks[0]) == ["name", "state", "memory"]).await;
    docker(&["unpause", &id]);
    ground.until("web", "and that it is not any more", |tasks| differs(&tasks[0]) == ["name", "memory"]).await;
    docker(&["network", "connect", "bridge", &id]);
    // No event of the container tells it: the next pass does.
    ground.until("web", "another network is told", |tasks| differs(&tasks[0]).contains(&"other networks")).await;
    assert_eq!(container(&ground.running("web").await[0]), id, "nothing was replaced");
    let page = ground.portal().browser("dora").await.open("/projects/shop/services/web").await.text().await.expect("a page");
    assert!(page.contains("Changed from outside") && page.contains(&format!("name: {mine}")), "the page tells it");
}

#[tokio::test]
async fn what_was_changed_from_outside_is_put_right_where_the_service_says_so() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", quiet("heal")).await;
    let id = container(&ground.running("web").await[0]);
    let name = docker(&["inspect", "-f", "{{.Name}}", &id]);
    docker(&["rename", &id, &format!("mine-{}", &id[..12])]);
    wait_until(|| docker(&["inspect", "-f", "{{.Name}}", &id]) == name).await;
    docker(&["pause", &id]);
    wait_until(|| docker(&["inspect", "-f", "{{.State.Status}}", &id]) == "running").await;
    docker(&["update", "--memory", "128m", "--memory-swap", "128m", &id]);
    let replaced =
        |tasks: &[Value]| tasks.iter().any(|task| task["state"] == "running" && task["container"] != json!(id) && differs(task).is_empty());
    let tasks = ground.until("web", "it is replaced", replaced).await;
    let old = tasks.iter().find(|task| task["container"] == json!(id)).expect("it is told");
    assert_eq!(old["reason"]["code"], "drifted", "{old}");
}

/// The name of a container as the engine has it.
fn name_of(id: &str) -> String {
    docker(&["inspect", "-f", "{{.Name}}", id]).trim_start_matches('/').to_owned()
}

#[tokio::test]
async fn a_task_whose_name_something_else_took_is_replaced_where_the_service_says_so() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", quiet("heal")).await;
    let id = container(&ground.running("web").await[0]);
    let (name, mine) = (name_of(&id), format!("mine-{}", std::process::id()));
    let image = docker(&["inspect", "-f", "{{.Config.Image}}", &id]);
    let other = docker(&["create", "--name", &format!("other-{}", std::process::id()), &image, "true"]);
    let engine = Docker::new(ground::engine().parse().expect("an address"));
    let began = Instant::now();
    loop {
        engine.rename(&id, &mine).await.expect("renamed");
        // Else it was put right already.
        if engine.rename(&other, &name).await.is_ok() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the other one never got the name");
        wait_until(|| name_of(&id) == name).await;
    }
    let replaced =
        |tasks: &[Value]| tasks.iter().any(|task| task["state"] == "running" && task["container"] != json!(id) && differs(task).is_empty());
    let tasks = ground.until("web", "it is replaced", replaced).await;
    let old = tasks.iter().find(|task| task["container"] == json!(id)).expect("it is told");
    assert!(old["reason"]["code"] == "drifted" && old["reason"]["message"].as_str().is_some_and(|text| text.contains(&mine)), "{old}");
    assert_eq!(name_of(&other), name, "what is not ours is left alone");
    docker(&["rm", &other]);
}

async fn wait_until(fits: impl Fn() -> bool) {
    for _ in 0..1200 {
        if fits() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("not in time");
}

#[tokio::test]
async fn what_is_not_ours_is_listed_for_operators_and_left_alone() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", quiet("heal")).await;
    let image = docker(&["inspect", "-f", "{{.Config.Image}}", &container(&ground.running("web").await[0])]);
    let name = format!("foreign-{}", std::process::id());
    docker(&["create", "--name", &name, "--label", "dev.slipway.instance=another", &image, "true"]);
    ground.developer.get("/api/v1/foreign-containers").await.expect_status(StatusCode::FORBIDDEN).await;
    let listed = ground.portal().person("admin").get("/api/v1/foreign-containers").await.expect_status(StatusCode::OK).await;
    let items = listed["items"].as_array().expect("a list");
    assert!(items.iter().any(|item| item["name"] == json!(name) && item["state"] == "created"), "{listed}");
    assert!(
        !items
            .iter()
            .any(|item| item["name"].as_str().is_some_and(|name| name.contains("shop.web.local") && ground.containers().contains(&name.to_owned())))
    );
    let operator = ground.portal().browser("admin").await;
    let page = operator.open("/admin/other-containers").await.text().await.expect("a page");
    assert!(page.contains(&name), "it is on the operators' page");
    let page = operator.open("/admin/host-folders").await.text().await.expect("a page");
    assert!(page.contains("Folders that services may mount"));
    docker(&["rm", &name]);
}

/// The ids that operators see as others' containers.
async fn others(ground: &Ground) -> Vec<String> {
    let listed = ground.portal().person("admin").get("/api/v1/foreign-containers").await.expect_status(StatusCode::OK).await;
    listed["items"].as_array().expect("a list").iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

fn there(id: &str) -> bool {
    docker(&["ps", "-aq", "--no-trunc"]).lines().any(|line| line == id)
}

#[tokio::test]
async fn what_bears_our_labels_out_of_its_image_is_not_ours() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", quiet("report")).await;
    let task = ground.running("web").await[0].clone();
    let (id, own) = (container(&task), std::process::id());
    let name = name_of(&id);
    // Somebody looks into a task: the copy has its labels. And an image may have ours by hand.
    let image = format!("copy-{own}:1");
    docker(&["commit", &id, &image]);
    let copy = docker(&["run", "-d", "--network", "none", "--name", &format!("copy-{own}"), &image]);
    assert_eq!(docker(&["inspect", "-f", "{{index .Config.Labels \"dev.slipway.task\"}}", &copy]), task["id"].as_str().expect("an id"));
    let plain = docker(&["inspect", "-f", "{{.Config.Image}}", &id]);
    let instance = format!("dev.slipway.instance={}", ground.portal().platform().instance());
    let hand = docker(&["create", "--name", &format!("hand-{own}"), "--label", &instance, &plain, "true"]);
    docker(&["rename", &id, &format!("renamed-{own}")]);
    let renamed = ground.until("web", "the task's name is told", |tasks| differs(&tasks[0]) == ["name"]).await;
    assert_eq!(container(&renamed[0]), id, "the copy does not stand for it");
    let listed = others(&ground).await;
    assert!(listed.contains(&copy) && listed.contains(&hand), "both are listed: {listed:?}");
    assert!(!listed.contains(&id), "a task is ours by whatever name: {listed:?}");

    ground.portal().person("admin").delete("/api/v1/projects/shop/services/web").await;
    wait_until(|| !there(&id)).await;
    // A container that a portal left before it wrote it down bears the name as well: that one goes.
    let left = docker(&["create", "--name", &name, &image]);
    wait_until(|| {
        // News of a container makes the portal look at all of them.
        docker(&["pause", &copy]);
        docker(&["unpause", &copy]);
        !there(&left)
    })
    .await;
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &copy]), "true", "it was left alone");
    assert!(there(&hand), "and so was the other one");
    let listed = others(&ground).await;
    assert!(listed.contains(&copy) && listed.contains(&hand), "{listed:?}");
    docker(&["rm", "-f", &copy, &hand]);
    docker(&["rmi", &image]);
}

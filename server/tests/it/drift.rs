//! What is changed behind the portal's back on a real engine: it is told, and put right where the service says so. And what is not ours.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker};

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
    docker(&["rename", &id, "mine"]);
    let tasks = ground.until("web", "the name is told", |tasks| differs(&tasks[0]) == ["name"]).await;
    assert_eq!(tasks[0]["drift"][0]["found"], "mine");
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
    assert!(page.contains("Changed from outside") && page.contains("name: mine"), "the page tells it");
}

#[tokio::test]
async fn what_was_changed_from_outside_is_put_right_where_the_service_says_so() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", quiet("heal")).await;
    let id = container(&ground.running("web").await[0]);
    let name = docker(&["inspect", "-f", "{{.Name}}", &id]);
    docker(&["rename", &id, "mine"]);
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

async fn wait_until(fits: impl Fn() -> bool) {
    for _ in 0..300 {
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

//! Deployments that go wrong, and what is broken from outside: what is told, and what serves on.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{healthy, is_alive, listener_in_range, slots, web, with};
use crate::ground::{Ground, docker, push_busybox};

#[tokio::test]
async fn a_broken_revision_fails_with_its_reason_and_the_old_tasks_serve_on() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web(2)).await;
    let before = ground.running("web").await;

    let dying = with(web(2), "command", json!(["sh", "-c", "echo the database is missing >&2; exit 3"]));
    let id = ground.deploy("web", dying).await;
    let view = ground.over("web", &id).await;
    assert_eq!((view["state"].as_str(), view["reason"]["code"].as_str()), (Some("rolled_back"), Some("exited")), "{view}");
    let message = view["reason"]["message"].as_str().expect("a message");
    assert!(message.contains("exit code 3") && message.contains("the database is missing") && message.contains("revision 1 serves on"), "{message}");
    let after = ground.until("web", "only the old tasks", |tasks| tasks.iter().filter(|task| is_alive(task)).count() == 2).await;
    assert!(
        before.iter().all(|task| after.iter().any(|now| now["id"] == task["id"] && now["state"] == "running")),
        "the old tasks were never touched"
    );

    let unhealthy = with(
        web(2),
        "health",
        json!({"http": {"port": 8080, "path": "/nowhere"}, "interval": "3s", "timeout": "3s", "retries": 2, "start_period": "0s"}),
    );
    let id = ground.deploy("web", unhealthy).await;
    let view = ground.over("web", &id).await;
    assert_eq!((view["state"].as_str(), view["reason"]["code"].as_str()), (Some("rolled_back"), Some("unhealthy")), "{view}");
    assert!(view["reason"]["message"].as_str().expect("a message").contains("/nowhere answered 404"), "{view}");
    assert_eq!(slots(&ground.running("web").await).len().min(2), 2);
}

/// The tasks of a failed revision fail on while the old ones are made whole again: that is no crash loop of what serves.
#[tokio::test]
async fn a_good_roll_back_is_no_crash_loop() {
    let ground = Ground::new().await;
    ground.service("web").await;
    // A task that has to be made again takes its time to be healthy.
    let slow = with(web(2), "command", json!(["sh", "-c", "sleep 4; exec httpd -f -p 8080 -h /www"]));
    let check = json!({"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "20s"});
    ground.deployed("web", with(slow, "health", check)).await;
    let mut dying = with(web(1), "command", json!(["sh", "-c", "echo no configuration found; exit 1"]));
    dying.as_object_mut().expect("an object").remove("health");
    let id = ground.deploy("web", dying).await;
    assert_eq!(ground.over("web", &id).await["state"], "rolled_back");
    ground.until("web", "the old revision is whole", |tasks| healthy(tasks, 2) && tasks.iter().filter(|task| is_alive(task)).count() == 2).await;
    let service = ground.developer.get("/api/v1/projects/shop/services/web").await.expect_status(StatusCode::OK).await;
    assert_eq!(service["runs"][0].get("crash_loop"), None, "{service}");
}

#[tokio::test]
async fn a_first_deployment_that_cannot_be_is_told_why_and_leaves_nothing_running() {
    let ground = Ground::new().await;
    let plain = json!({"image": "web:1", "update": {"monitor": "2s"}, "stop": {"grace": "0s"}});
    let (_taken, port) = listener_in_range();
    let cases = [
        ("command", with(plain.clone(), "command", json!(["no-such-command"])), "command_not_found", "no-such-command".to_owned()),
        ("ends", with(plain.clone(), "command", json!(["true"])), "exited", "exit code 0".to_owned()),
        ("port", with(plain.clone(), "ports", json!([{"name": "http", "container": 8080, "host": port}])), "port_taken", port.to_string()),
    ];
    for (service, descriptor, code, words) in cases {
        ground.service(service).await;
        let id = ground.deploy(service, descriptor).await;
        let view = ground.over(service, &id).await;
        assert_eq!((view["state"].as_str(), view["reason"]["code"].as_str()), (Some("failed"), Some(code)), "{service}: {view}");
        assert!(view["reason"]["message"].as_str().expect("a message").contains(&words), "{service}: {view}");
        ground.until(service, "nothing runs", |tasks| !tasks.iter().any(is_alive)).await;
    }
}

#[tokio::test]
async fn what_dies_is_killed_or_removed_by_hand_comes_back() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web(2)).await;
    let first = ground.running("web").await;
    let container = |task: &Value| task["container"].as_str().expect("a container").to_owned();

    docker(&["rm", "-f", &container(&first[0])]);
    let tasks =
        ground.until("web", "a new task for the removed one", |tasks| healthy(tasks, 2) && tasks.iter().any(|task| task["state"] == "lost")).await;
    let lost = tasks.iter().find(|task| task["state"] == "lost").expect("one");
    assert_eq!((&lost["id"], lost["reason"]["code"].as_str()), (&first[0]["id"], Some("removed")));

    docker(&["kill", &container(&first[1])]);
    ground.until("web", "the killed one runs again", |tasks| healthy(tasks, 2)).await;

    docker(&["stop", "-t", "0", &container(&ground.running("web").await[0])]);
    ground.until("web", "the stopped one is replaced", |tasks| healthy(tasks, 2) && slots(tasks) == [1, 2]).await;
}

#[tokio::test]
async fn a_portal_that_was_away_goes_on_and_mends_what_happened_meanwhile() {
    let mut ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web(2)).await;
    let before = ground.running("web").await;
    let slow = with(web(2), "command", json!(["sh", "-c", "sleep 2; exec httpd -f -p 8080 -h /www"]));
    let slow = with(
        slow,
        "health",
        json!({"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "20s"}),
    );
    let id = ground.deploy("web", slow).await;
    ground.until("web", "a new task is on its way", |tasks| tasks.iter().filter(|task| is_alive(task)).count() > 2).await;
    ground.restart().await;
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    let after = ground.running("web").await;
    assert_eq!(slots(&after), [1, 2]);
    assert!(before.iter().all(|task| !after.iter().any(|now| now["id"] == task["id"])));
    ground.containers_are("nothing is doubled, nothing is left", 2).await;
}

#[tokio::test]
async fn a_newer_deployment_takes_the_place_of_one_that_is_stuck_and_a_cancel_goes_back() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web(1)).await;
    let before = ground.running("web").await;
    let never = with(web(1), "health", json!({"tcp": {"port": 9}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "10m"}));
    let stuck = ground.deploy("web", never.clone()).await;
    ground.until("web", "the new task runs", |tasks| slots(tasks).len() == 2).await;
    push_busybox(&ground.developer, "shop/web", "2", "better").await;
    let view = ground.deployed("web", with(web(1), "image", json!("web:2"))).await;
    assert_eq!(view["revision"], 3);
    assert_eq!(ground.over("web", &stuck).await["state"], "superseded");
    let now = ground.running("web").await;
    assert_eq!(ground.answer(&now[0]).await, "better");
    assert_ne!(now[0]["id"], before[0]["id"]);

    let stuck = ground.deploy("web", with(never, "image", json!("web:2"))).await;
    ground.until("web", "the new task runs", |tasks| slots(tasks).len() == 2).await;
    let path = format!("/api/v1/projects/shop/services/web/deployments/{stuck}/cancel");
    ground.developer.post(&path, json!({})).await.expect_status(StatusCode::OK).await;
    let tasks = ground.until("web", "only the old task", |tasks| tasks.iter().filter(|task| is_alive(task)).count() == 1).await;
    assert!(tasks.iter().any(|task| task["id"] == now[0]["id"] && task["state"] == "running"));

    let id = ground.verb("web", "rollback", json!({"environment": "local", "revision": 1})).await.expect("a deployment");
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    assert_eq!(ground.answer(&ground.running("web").await[0]).await, "hello");
}

#[tokio::test]
async fn an_image_pruned_from_the_engine_is_pulled_again() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web(1)).await;
    let container = ground.running("web").await[0]["container"].as_str().expect("a container").to_owned();
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", &container]);
    docker(&["rm", "-f", &container]);
    let _ = std::process::Command::new("docker").arg("--host").arg(crate::ground::engine()).args(["rmi", "-f", &image]).output();
    ground
        .until("web", "a new task", |tasks| healthy(tasks, 1) && tasks.iter().all(|task| task["container"] != container.as_str() || !is_alive(task)))
        .await;
}

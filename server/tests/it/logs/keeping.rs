//! How long logs are kept, and who says so.

use std::time::Instant;

use ::logs::Record;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{LOGS, SOON, Scene, ask, page, shown};
use crate::portal::TestPortal;

const DAY: i64 = 86_400_000;

/// Letters and digits without order, so that they take their room on the disk.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed | 1;
    let mut letter = || {
        // A xorshift: good enough that nothing packs it well.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + (state % 64) as u8)
    };
    (0..length).map(|_| letter()).collect()
}

/// So many MiB at this time: a segment is full with 8 of them. The lines of each are named after it.
fn fill(scene: &Scene, at: i64, name: &str, mib: usize) {
    for part in 0..mib {
        let line = |number: usize| scene.line(at, &format!("{name}-{part} {}", noise((part * 1000 + number) as u64 + 77, 16 * 1024)));
        scene.append((0..64).map(line).collect::<Vec<Record>>());
    }
}

/// Waits until the log no longer holds lines of this name.
async fn gone(scene: &Scene, name: &str) {
    let began = Instant::now();
    while !scene.found(&[("grep", name), ("tail", "1"), ("stream", "stdout")]).await.iter().all(|text| !text.starts_with(name)) {
        assert!(began.elapsed() < SOON, "{name} is still kept");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_older_than_the_project_says_goes_and_a_reader_is_told() {
    let scene = Scene::on(TestPortal::start_with_clock().await).await;
    fill(&scene, -20 * DAY, "old", 9);
    fill(&scene, 0, "young", 1);
    let first = ask(&scene.portal.person("gus"), &[("grep", "old-0 "), ("tail", "1")]).header("accept", "application/x-ndjson");
    let first: Value = first.send().await.expect("an answer").json().await.expect("a line");
    let admin = scene.portal.person("admin");
    let project = "/api/v1/projects/shop";
    assert_eq!(admin.get(project).await.expect_status(StatusCode::OK).await["logs_days"], 30);
    for wrong in [0, 3651] {
        let problem = admin.patch(project, json!({"logs_days": wrong})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["errors"][0]["field"], "logs_days", "{problem}");
    }
    let dora = scene.portal.person("dora");
    dora.patch(project, json!({"logs_days": 7})).await.expect_status(StatusCode::FORBIDDEN).await;
    admin.patch(project, json!({"logs_days": 7})).await.expect_status(StatusCode::NO_CONTENT).await;
    gone(&scene, "old-0 ").await;
    assert_eq!(scene.found(&[("grep", "young"), ("tail", "all")]).await.iter().filter(|text| text.starts_with("young")).count(), 64);
    let rest = scene.found(&[("after", first["id"].as_str().expect("an id")), ("grep", "nothing such")]).await;
    assert!(!rest.is_empty(), "who was behind what went is told that lines are missing");
    let audit = admin.get(&format!("{project}/audit")).await.expect_status(StatusCode::OK).await;
    let told = |record: &Value| record["action"] == "project.update" && record["detail"]["logs_days"] == 7;
    assert!(audit["items"].as_array().expect("records").iter().any(told), "{audit}");
}

#[tokio::test]
async fn what_is_more_than_operators_allow_goes_the_oldest_first() {
    let scene = Scene::new().await;
    fill(&scene, 0, "first", 9);
    fill(&scene, 60_000, "second", 9);
    fill(&scene, 120_000, "third", 1);
    let admin = scene.portal.person("admin");
    let quota = "/api/v1/projects/shop/quota";
    let before = admin.get(quota).await.expect_status(StatusCode::OK).await;
    assert_eq!((&before["logs"], &before["limits"]["logs"]), (&json!(2_i64 << 30), &Value::Null), "the site's word: {before}");
    let kept = before["logs_bytes"].as_u64().expect("bytes");
    scene.portal.person("dora").put(quota, json!({"logs": "1MiB"})).await.expect_status(StatusCode::FORBIDDEN).await;
    // Less than the full parts take, however well they are packed by now, and more than the one that is being written.
    let most = 4_u64 << 20;
    let set = admin.put(quota, json!({"logs": most})).await.expect_status(StatusCode::OK).await;
    assert_eq!(set["logs"], most);
    gone(&scene, "first-0 ").await;
    let young = scene.found(&[("grep", "third-0 "), ("tail", "all")]).await;
    assert_eq!(young.iter().filter(|text| text.starts_with("third-0 ")).count(), 64, "the youngest stay");
    let storage = admin.get("/api/v1/registry").await.expect_status(StatusCode::OK).await;
    assert!(storage["logs_bytes"].as_u64().is_some_and(|bytes| bytes > 0 && bytes < kept), "{storage}");
}

#[tokio::test]
async fn a_deleted_service_keeps_its_logs_as_long_as_its_project_and_no_longer() {
    let scene = Scene::new().await;
    scene.append(vec![scene.line(0, "hello")]);
    let gus = scene.portal.browser("gus").await;
    assert_eq!(shown(&gus, &[]).await["lines"][0]["text"], "hello");
    let admin = scene.portal.person("admin");
    admin.delete("/api/v1/projects/shop/services/web").await.expect_status(StatusCode::NO_CONTENT).await;
    admin.get(LOGS).await.expect_status(StatusCode::NOT_FOUND).await;
    assert_ne!(page(&gus, &[]).await.status(), StatusCode::OK);
    let store = scene.portal.platform().logs().expect("logs are kept");
    assert_eq!(store.projects().expect("read"), [scene.key.project]);
    admin.delete("/api/v1/projects/shop").await.expect_status(StatusCode::NO_CONTENT).await;
    let began = Instant::now();
    while !store.projects().expect("read").is_empty() {
        assert!(began.elapsed() < SOON, "logs of a deleted project go");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn kept_lines_are_there_after_a_restart() {
    let mut scene = Scene::new().await;
    super::fill(&scene);
    let before = scene.found(&[]).await;
    scene.portal = scene.portal.restart(None).await;
    assert_eq!(scene.found(&[]).await, before);
}

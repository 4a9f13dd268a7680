//! Jobs on a real engine: runs whose tasks end, by hand and by schedule, well and badly.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker};

fn job(script: &str) -> Value {
    json!({"image": "web:1", "kind": "job", "command": ["sh", "-c", script], "stop": {"grace": "0s"}, "restart": {"policy": "never"}})
}

async fn runs(ground: &Ground, service: &str) -> Vec<Value> {
    let path = format!("/api/v1/projects/shop/services/{service}/runs");
    let view = ground.developer.get(&path).await.expect_status(StatusCode::OK).await;
    view["items"].as_array().expect("a list").clone()
}

/// The runs of a job, once they are as wanted.
pub async fn until(ground: &Ground, service: &str, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..1200 {
        let runs = runs(ground, service).await;
        if wanted(&runs) {
            return runs;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("{what}: {:?}", runs(ground, service).await);
}

#[tokio::test]
async fn a_run_ends_well_when_every_task_ended_with_0_and_its_log_stays() {
    let ground = Ground::new().await;
    ground.service("tidy").await;
    let mut tidy = job("echo swept; exit 0");
    tidy["replicas"] = json!(2);
    ground.deployed("tidy", tidy).await;
    let first = until(&ground, "tidy", "it ran when it was deployed", |runs| runs.len() == 1 && runs[0]["state"] == "succeeded").await;
    assert_eq!((&first[0]["cause"], first[0]["tasks"].as_array().map(Vec::len)), (&json!("deployment"), Some(2)), "{first:?}");
    assert!(first[0]["tasks"].as_array().expect("tasks").iter().all(|task| task["exit_code"] == 0 && task["state"] == "ended"));
    let logs = docker(&["ps", "-aq", "--filter", &ground.label()]);
    assert_eq!(logs.lines().count(), 2);
    assert_eq!(docker(&["logs", logs.lines().next().expect("one")]), "swept");

    ground.developer.post("/api/v1/projects/shop/services/tidy/runs", json!({})).await.expect_status(StatusCode::CREATED).await;
    let second = until(&ground, "tidy", "it ran again", |runs| runs.len() == 2 && runs[0]["state"] == "succeeded").await;
    assert_eq!((&second[0]["cause"], &second[0]["by"]), (&json!("hand"), &json!("dora")));
    ground.containers_are("the containers of the last run alone stay", 2).await;

    let page = ground.portal().browser("dora").await.open("/projects/shop/services/tidy").await.text().await.expect("a page");
    for text in ["Run now", "Succeeded", "last run in local", "a deployment", "dora"] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    assert!(!page.contains("0 of 0"), "its tasks are there to end");
}

#[tokio::test]
async fn a_run_that_fails_says_with_what_and_runs_never_overlap() {
    let mut ground = Ground::new().await;
    ground.service("bad").await;
    ground.deployed("bad", job("exit 3")).await;
    let failed = until(&ground, "bad", "it failed", |runs| runs.first().is_some_and(|run| run["state"] == "failed")).await;
    assert_eq!(failed[0]["reason"]["message"], "bad.1 ended with exit code 3", "{failed:?}");

    let mut retried = job("test -e /tmp/second || { : >/tmp/second; exit 1; }");
    retried["restart"] = json!({"policy": "on-failure", "max": 2});
    ground.deployed("bad", retried).await;
    until(&ground, "bad", "a retry counts as success", |runs| runs.len() == 2 && runs[0]["state"] == "succeeded").await;

    ground.deployed("bad", job("sleep 1000")).await;
    until(&ground, "bad", "it runs", |runs| runs[0]["tasks"][0]["state"] == "running").await;
    let again = ground.developer.post("/api/v1/projects/shop/services/bad/runs", json!({})).await;
    assert_eq!(again.expect_status(StatusCode::CONFLICT).await["code"], "already_running");
    ground.restart().await;
    let after = until(&ground, "bad", "it runs on after the portal was away", |runs| runs[0]["tasks"][0]["state"] == "running").await;
    assert_eq!(after[0]["tasks"].as_array().map(Vec::len), Some(1), "{after:?}");
    ground.verb("bad", "stop", json!({})).await;
    until(&ground, "bad", "it is cancelled", |runs| runs[0]["state"] == "cancelled").await;
}

#[tokio::test]
async fn a_job_with_a_schedule_is_deployed_without_being_run() {
    let ground = Ground::new().await;
    ground.service("nightly").await;
    let mut nightly = job("exit 0");
    nightly["schedule"] = json!("0 3 29 2 *");
    nightly["timezone"] = json!("Asia/Shanghai");
    ground.deployed("nightly", nightly).await;
    let view = ground.developer.get("/api/v1/projects/shop/services/nightly/runs").await.expect_status(StatusCode::OK).await;
    assert_eq!((view["items"].as_array().map(Vec::len), &view["schedule"]), (Some(0), &json!("0 3 29 2 *")));
    assert!(view["next"].as_i64().is_some_and(|next| next > 0), "{view}");
    assert_eq!(ground.tasks("nightly").await.len(), 0);
}

//! Networks of projects on a real engine: made with the first container, removed after the project with the last one.

use std::process::Command;
use std::time::{Duration, Instant};

use domain::args;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker, engine, push_busybox};
use crate::portal::{Person, TestPortal};

/// Longest wait: networks are given back once in each pass.
const LONG: Duration = Duration::from_secs(120);

fn idle() -> Value {
    json!({"image": "web:1", "command": ["sleep", "1000"], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}})
}

/// The networks of this portal on the engine, by name.
fn networks(ground: &Ground) -> Vec<String> {
    docker(&["network", "ls", "--format", "{{.Name}}", "--filter", &ground.label()]).lines().map(str::to_owned).collect()
}

fn subnet(network: &str) -> String {
    docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", network])
}

/// How many ranges are given out.
#[expect(clippy::disallowed_methods, reason = "no page shows the ledger")]
async fn given_out(portal: &TestPortal) -> i64 {
    let mut tx = portal.platform().read().await.expect("a transaction");
    tx.one("SELECT COUNT(*) AS n FROM networks", args![], |row| row.get("n")).await.expect("a count")
}

/// Waits until the engine has these networks, and the ledger as many ranges.
async fn networks_are(ground: &Ground, what: &str, wanted: &[&String]) {
    let began = Instant::now();
    loop {
        let (found, ranges) = (networks(ground), given_out(ground.portal()).await);
        if found.iter().eq(wanted.iter().copied()) && usize::try_from(ranges) == Ok(wanted.len()) {
            return;
        }
        ground.pass();
        assert!(began.elapsed() < LONG, "{what}: there are {found:?}, and {ranges} ranges are given out");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Stops a project's only service and deletes the project.
async fn give_up(admin: &Person, project: &str) {
    let path = format!("/api/v1/projects/{project}");
    let answer = admin.post(&format!("{path}/services/web/stop"), json!({})).await;
    assert!(answer.status().is_success(), "{}", answer.status());
    admin.delete(&path).await.expect_status(StatusCode::NO_CONTENT).await;
}

#[tokio::test]
async fn a_deleted_project_leaves_neither_containers_nor_a_network() {
    let mut ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", idle()).await;
    let all = networks(&ground);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(given_out(ground.portal()).await, 1);

    ground.verb("web", "stop", json!({})).await;
    ground.until("web", "stopped", |tasks| tasks.iter().all(|task| task["state"] == "ended")).await;
    ground.containers_are("a stopped service can be looked into", 1).await;
    assert_eq!(networks(&ground), all, "it can be started again");
    ground.portal().person("admin").delete("/api/v1/projects/shop").await.expect_status(StatusCode::NO_CONTENT).await;
    ground.containers_are("nothing is left of a deleted project", 0).await;
    ground.restart().await;
    networks_are(&ground, "the network goes", &[]).await;
}

/// A container that is not ours; removed with the test.
struct Foreign(String);

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = Command::new("docker").arg("--host").arg(engine()).args(["rm", "-f", &self.0]).output();
    }
}

#[tokio::test]
async fn a_network_with_a_foreign_container_stays_until_that_is_gone_and_so_does_its_range() {
    let ground = Ground::new().await;
    let admin = ground.portal().person("admin");
    ground.service("web").await;
    ground.deployed("web", idle()).await;
    let [shop] = networks(&ground).try_into().expect("one network");
    let container = ground.running("web").await[0]["container"].as_str().expect("a container").to_owned();
    let image = docker(&["inspect", "--format", "{{.Config.Image}}", &container]);
    // It does not run: the engine itself would not mind.
    let foreign = Foreign(docker(&["create", "--network", &shop, &image, "sleep", "1000"]));
    give_up(&admin, "shop").await;
    ground.containers_are("nothing of ours is left", 0).await;

    // Another project gets another range, though the first one is deleted.
    ground.portal().new_project("next", &[("dora", "developer")]).await;
    push_busybox(&ground.developer, "next/web", "1", "hello").await;
    let services = "/api/v1/projects/next/services";
    ground.developer.post(services, json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    let body = json!({"environment": "local", "descriptor": idle()});
    let made = ground.developer.post(&format!("{services}/web/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await;
    let path = format!("{services}/web/deployments/{}?wait=90", made["id"].as_str().expect("an id"));
    let view = ground.developer.get(&path).await.expect_status(StatusCode::OK).await;
    assert_eq!(view["state"], "succeeded", "{view}");
    let next = networks(&ground).into_iter().find(|name| *name != shop).expect("a second network");
    assert_ne!(subnet(&next), subnet(&shop));

    // Who gave back the second looked at the first as well: it is the older one.
    give_up(&admin, "next").await;
    networks_are(&ground, "only the one in use stays", &[&shop]).await;
    assert_eq!(docker(&["inspect", "--format", "{{.State.Status}}", &foreign.0]), "created");
    drop(foreign);
    networks_are(&ground, "now it goes", &[]).await;
}

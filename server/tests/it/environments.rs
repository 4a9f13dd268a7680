//! Environments and machines that operators add: through the API and the pages, and on real engines elsewhere, over TLS and SSH.

mod approvals;
mod pages;
mod trial;

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::far::Far;
use crate::ground::push_busybox;
use crate::portal::{Person, TestPortal};

/// Longest wait for anything; a busy machine is slow.
const LONG: Duration = Duration::from_secs(90);

fn web() -> Value {
    json!({
        "image": "web:1", "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "20s"},
        "update": {"monitor": "0s"}, "stop": {"grace": "0s"},
    })
}

/// A portal with the project `shop`, its image and its people.
struct Site {
    portal: TestPortal,
    admin: Person,
    developer: Person,
}

impl Site {
    async fn of(portal: TestPortal) -> Self {
        let (developer, admin) = (portal.new_person("dora").await, portal.person("admin"));
        portal.new_person("ada").await;
        portal.new_project("shop", &[("dora", "developer"), ("ada", "admin")]).await;
        push_busybox(&developer, "shop/web", "1", "hello").await;
        Self { portal, admin, developer }
    }

    async fn environment(&self, name: &str, body: Value) {
        let answer = self.admin.put(&format!("/api/v1/environments/{name}"), body).await;
        assert!(answer.status().is_success(), "{:?}", answer.0.text().await);
    }

    async fn service(&self, name: &str) {
        self.developer.post("/api/v1/projects/shop/services", json!({"name": name})).await.expect_status(StatusCode::CREATED).await;
    }

    async fn deploy(&self, service: &str, environment: &str, descriptor: Value) -> String {
        let path = format!("/api/v1/projects/shop/services/{service}/deployments");
        let body = json!({"environment": environment, "descriptor": descriptor});
        let made = self.developer.post(&path, body).await.expect_status(StatusCode::ACCEPTED).await;
        format!("{path}/{}", made["id"].as_str().expect("an id"))
    }

    async fn succeeded(&self, deployment: &str) {
        let view = self.developer.get(&format!("{deployment}?wait={}", LONG.as_secs())).await.expect_status(StatusCode::OK).await;
        assert_eq!(view["state"], "succeeded", "{view}");
    }

    async fn task(&self, service: &str, environment: &str) -> Value {
        let path = format!("/api/v1/projects/shop/services/{service}/tasks?environment={environment}");
        let listed = self.developer.get(&path).await.expect_status(StatusCode::OK).await;
        listed["items"].as_array().expect("items").iter().find(|task| task["state"] == "running").expect("one that runs").clone()
    }

    async fn machine(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let listed = self.admin.get("/api/v1/machines").await.expect_status(StatusCode::OK).await;
            let found = listed["items"].as_array().expect("items").iter().find(|one| one["name"] == name).cloned();
            if let Some(found) = found.filter(|found| wanted(found)) {
                return found;
            }
            assert!(began.elapsed() < LONG, "{listed}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn test(&self, path: &str, body: Value) -> Value {
        self.admin.post(&format!("/api/v1/environments/{path}/test"), body).await.expect_status(StatusCode::OK).await
    }
}

/// What a task answers at the address that its link leads to.
async fn answer(task: &Value) -> String {
    let url = format!("http://{}:{}/", task["host"].as_str().expect("a host"), task["ports"][0]["host"]);
    let answer = crate::portal::client().get(url).timeout(Duration::from_secs(5)).send().await;
    answer.expect("an answer").text().await.expect("a body").trim().to_owned()
}

/// The step of a test.
fn step<'a>(test: &'a Value, name: &str) -> (&'a str, &'a str) {
    let found = test["steps"].as_array().expect("steps").iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name}: {test}"));
    (found["state"].as_str().expect("a state"), found["message"].as_str().expect("a message"))
}

fn over_tls(far: &Far) -> Value {
    json!({
        "engine": format!("tcp://{}:2376", far.address()),
        "tls": {"ca": far.file("tls/ca.pem"), "certificate": far.file("tls/client.pem"), "key": far.file("tls/client-key.pem")},
    })
}

fn over_ssh(far: &Far) -> Value {
    json!({
        "engine": format!("ssh://root@{}{}", far.address(), far.folder().join("engine/docker.sock").display()),
        "ssh": {"key": far.file("ssh/client"), "host_key": far.file("ssh/host.pub")},
    })
}

fn with(mut body: Value, path: &[&str], value: Value) -> Value {
    let mut place = &mut body;
    for part in path {
        place = &mut place[*part];
    }
    *place = value;
    body
}

/// The engine of the environment `ssh` takes connections and answers nothing: what asks it waits, and nothing else does.
async fn one_that_hangs_harms_no_other(site: &Site, far: &Far) {
    let task = site.task("web", "ssh").await;
    let admin = site.portal.browser("admin").await;
    far.freeze();
    let began = Instant::now();
    // At once, while nobody knows yet that it hangs.
    for machine in ["ssh/machines/ssh-1", "local/machines/local"] {
        let path = format!("/api/v1/environments/{machine}/pruning");
        site.admin.post(&path, json!({"dry_run": true})).await.expect_status(StatusCode::ACCEPTED).await;
    }
    let waits = site.deploy("web", "ssh", with(web(), &["env"], json!({"ROUND": "3"}))).await;
    let others = async {
        for environment in ["local", "tls"] {
            site.succeeded(&site.deploy("web", environment, with(web(), &["env"], json!({"ROUND": "3"}))).await).await;
        }
        let deployed = began.elapsed();
        assert!(deployed < Duration::from_secs(110), "{deployed:?}");
        for path in ["/environments", "/projects/shop/services/web", "/admin/environments", "/admin/environments/ssh"] {
            let began = Instant::now();
            assert_eq!(admin.open(path).await.status(), StatusCode::OK, "{path}");
            assert!(began.elapsed() < Duration::from_secs(30), "{path} took {:?}", began.elapsed());
        }
    };
    let pruned = async {
        loop {
            let view = site.admin.get("/api/v1/environments/local/machines/local/pruning").await.expect_status(StatusCode::OK).await;
            if view["items"].as_array().expect("items").iter().all(|run| run["state"] != "queued") {
                return began.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let inspected = async {
        let path = format!("/api/v1/tasks/{}/inspect", task["id"].as_str().expect("an id"));
        let asked = site.developer.get(&path).await.status();
        (asked, began.elapsed())
    };
    let listed = async { site.admin.get("/api/v1/foreign-containers").await.expect_status(StatusCode::OK).await };
    let ((), pruned, (asked, after), listed) = tokio::join!(others, pruned, inspected, listed);
    assert!(pruned < Duration::from_secs(100), "the local disk did not wait: {pruned:?}");
    assert_eq!(asked, StatusCode::SERVICE_UNAVAILABLE);
    assert!(after < Duration::from_secs(100), "who asks it is told in time: {after:?}");
    assert_eq!(listed["away"], json!(["ssh-1"]), "{listed}");
    site.machine("ssh-1", |machine| machine["state"] == "away").await;
    let view = site.developer.get(&waits).await.expect_status(StatusCode::OK).await;
    assert_ne!(view["state"], "succeeded", "{view}");

    far.thaw();
    site.machine("ssh-1", |machine| machine["state"] == "up").await;
    site.succeeded(&site.deploy("web", "ssh", with(web(), &["env"], json!({"ROUND": "4"}))).await).await;
    assert_eq!(answer(&site.task("web", "ssh").await).await, "hello");
}

#[tokio::test]
async fn services_run_on_several_engines_at_once_and_one_that_goes_away_or_hangs_harms_no_other() {
    let (Some(one), Some(two)) = (Far::start(), Far::start()) else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let port = site.portal.running.port;
    for (name, far, body) in [("tls", &one, over_tls(&one)), ("ssh", &two, over_ssh(&two))] {
        site.environment(name, json!({"registry_address": format!("{}:{port}", far.ours()), "projects": ["shop"]})).await;
        let path = format!("/api/v1/environments/{name}/machines/{name}-1");
        let made = site.admin.put(&path, body).await.expect_status(StatusCode::CREATED).await;
        assert_eq!(made["test"]["passed"], true, "{made}");
        site.machine(&format!("{name}-1"), |machine| machine["state"] == "up").await;
    }
    site.service("web").await;
    site.service("peer").await;
    let everywhere = ["local", "tls", "ssh"];
    let (local, tls, ssh) = tokio::join!(site.deploy("web", "local", web()), site.deploy("web", "tls", web()), site.deploy("web", "ssh", web()),);
    for deployment in [&local, &tls, &ssh] {
        site.succeeded(deployment).await;
    }
    for (environment, host) in everywhere.into_iter().zip(["127.0.0.1".to_owned(), one.address(), two.address()]) {
        let task = site.task("web", environment).await;
        assert_eq!(answer(&task).await, "hello", "in {environment}");
        if environment != "local" {
            assert_eq!(task["host"], host, "the link leads to the machine");
        }
    }

    // Services of a project reach each other by name, wherever they run; logs and shells go the same way.
    let peer = json!({"image": "web:1", "command": ["sleep", "1000"], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}});
    for (environment, far) in [("tls", &one), ("ssh", &two)] {
        site.succeeded(&site.deploy("peer", environment, peer.clone()).await).await;
        let container = site.task("peer", environment).await["container"].as_str().expect("a container").to_owned();
        assert_eq!(far.docker(&["exec", &container, "busybox", "wget", "-q", "-O", "-", "http://web:8080/"]), "hello");
    }

    // One goes away: it is said since when and why, and the others deploy on.
    one.pause();
    let away = site.machine("tls-1", |machine| machine["state"] == "away").await;
    assert!(away["since"].is_i64() && !away["message"].as_str().expect("why").is_empty(), "{away}");
    let waits = site.deploy("web", "tls", with(web(), &["env"], json!({"ROUND": "2"}))).await;
    let began = Instant::now();
    for environment in ["local", "ssh"] {
        site.succeeded(&site.deploy("web", environment, with(web(), &["env"], json!({"ROUND": "2"}))).await).await;
    }
    assert!(began.elapsed() < Duration::from_secs(110), "{:?}", began.elapsed());
    let view = site.developer.get(&waits).await.expect_status(StatusCode::OK).await;
    assert_eq!(view["state"], "queued", "{view}");

    // What runs there is not moved, and the environment is not removed; the others are still spoken with.
    let refused = site.admin.delete("/api/v1/environments/tls").await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.0.text().await.expect("a problem").contains("shop/web"));
    one.resume();
    site.machine("tls-1", |machine| machine["state"] == "up").await;
    site.succeeded(&waits).await;
    assert_eq!(answer(&site.task("web", "tls").await).await, "hello");

    one_that_hangs_harms_no_other(&site, &two).await;

    for service in ["web", "peer"] {
        site.portal.person("ada").delete(&format!("/api/v1/projects/shop/services/{service}")).await;
    }
    for far in [&one, &two] {
        let began = Instant::now();
        while !far.docker(&["ps", "-aq"]).is_empty() {
            assert!(began.elapsed() < LONG, "containers are left");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    for name in ["tls", "ssh"] {
        site.admin.delete(&format!("/api/v1/environments/{name}")).await.expect_status(StatusCode::NO_CONTENT).await;
    }
}

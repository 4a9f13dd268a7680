//! Every shipped template on a real engine, with an image made from scratch, and the script that its service gets.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker, push_busybox};
use crate::image_rules::open;

impl Ground {
    async fn made_from(&self, service: &str, template: &str, answers: Value) -> Value {
        self.service(service).await;
        let body = json!({"environment": "local", "template": format!("site/{template}"), "answers": answers});
        let path = format!("/api/v1/projects/shop/services/{service}/deployments");
        let made = self.developer.post(&path, body).await.expect_status(StatusCode::ACCEPTED).await;
        let view = self.over(service, made["id"].as_str().expect("an id")).await;
        assert_eq!(view["state"], "succeeded", "{template}: {view}");
        view
    }
}

#[tokio::test]
async fn shipped_templates_with_a_port_deploy_for_real() {
    let ground = Ground::new().await;
    for template in ["static-site", "http-service", "java-web"] {
        let answers = json!({"image": "web:1", "port": 8080, "monitor": "500ms", "replicas": 1, "grace": "1s", "memory": "64MiB", "cpus": 0.2});
        ground.made_from(template, template, answers).await;
        let running = ground.running(template).await;
        assert_eq!(ground.answer(&running[0]).await, "hello", "{template}");
    }
    let container = ground.running("java-web").await[0]["container"].as_str().expect("a container").to_owned();
    assert!(docker(&["exec", &container, "sh", "-c", "busybox env"]).contains("-XX:MaxRAMPercentage=75"));
}

#[tokio::test]
async fn a_shipped_worker_deploys_for_real() {
    let ground = Ground::new().await;
    let command = "echo \"it's $GREETING\" >/tmp/said; exec sleep 1000";
    let answers = json!({
        "image": "web:1", "command": command, "monitor": "500ms", "grace": "1s", "variables": "GREETING=a: b # c\n",
        "check": "command", "check_command": "test -e /bin/busybox || cat /tmp/said", "overlap": false,
    });
    ground.made_from("worker", "worker", answers).await;
    let container = ground.running("worker").await[0]["container"].as_str().expect("a container").to_owned();
    assert_eq!(docker(&["exec", &container, "cat", "/tmp/said"]), "it's a: b # c");
}

#[tokio::test]
async fn a_shipped_scheduled_job_is_brought() {
    let ground = Ground::new().await;
    ground.service("report").await;
    let body = json!({"template": "scheduled-job", "answers": {"image": "web:1", "command": "true", "often": "hourly"}});
    let path = "/api/v1/projects/shop/services/report/deployments";
    let made = ground.developer.post(path, body).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!(ground.over("report", made["id"].as_str().expect("an id")).await["state"], "succeeded");
}

#[tokio::test]
async fn the_script_of_a_service_deploys_and_waits() {
    let ground = Ground::new().await;
    let answers = json!({"image": "web:1", "port": 8080, "monitor": "500ms", "replicas": 1, "grace": "1s", "memory": "64MiB"});
    ground.made_from("site", "static-site", answers).await;
    scaled_is_not_what_the_template_made(&ground).await;
    push_busybox(&ground.developer, "shop/web", "2", "better").await;
    let made = ground.developer.get("/api/v1/projects/shop/services/site/template").await.expect_status(StatusCode::OK).await;
    let texts = made["rendered"]["outputs"].as_array().expect("texts");
    let script = texts.iter().find(|one| one["output"] == "curl").and_then(|one| one["text"].as_str()).expect("a script");
    let portal = ground.portal();
    let script = script.replace(portal.running.portal.origin.as_str().trim_end_matches('/'), &portal.base);
    let token =
        ground.developer.post("/api/v1/me/tokens", json!({"name": "ci", "scopes": ["deploy"]})).await.expect_status(StatusCode::CREATED).await;
    let token = token["token"].as_str().or(token["secret"].as_str()).expect("a token").to_owned();
    let ran =
        tokio::process::Command::new("sh").args(["-c", &script, "deploy.sh", "web:2"]).env("SLIPWAY_TOKEN", &token).output().await.expect("a shell");
    assert!(ran.status.success(), "{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ground.answer(&ground.running("site").await[0]).await, "better");
    let nothing =
        tokio::process::Command::new("sh").args(["-c", &script, "deploy.sh", "web:3"]).env("SLIPWAY_TOKEN", &token).output().await.expect("a shell");
    assert!(!nothing.status.success(), "an image that is not there is told");
}

/// The answers say one task, and two run: the form and the template's page say so.
async fn scaled_is_not_what_the_template_made(ground: &Ground) {
    let browser = ground.portal().browser("admin").await;
    let pages = ["/projects/shop/services/site/deploy", "/projects/shop/services/site/template"];
    let said = "was not made by this template";
    for page in pages {
        assert!(!open(&browser, page).await.contains(said), "{page}");
    }
    let scaled = ground.developer.post("/api/v1/projects/shop/services/site/scale", json!({"environment": "local", "replicas": 2})).await;
    let scaled = scaled.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!(ground.over("site", scaled["id"].as_str().expect("an id")).await["state"], "succeeded");
    for page in pages {
        let page = open(&browser, page).await;
        assert!(page.contains("Revision 2") && page.contains(said), "{page}");
    }
}

//! Push deploys, with real pushes to the registry: what deploys by itself, what does not and says why, and how far it is on a real engine.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forms::Form;
use crate::ground::{Ground, push_busybox};
use crate::portal::{Person, TestPortal};
use crate::push::{push, push_blob};

const SERVICE: &str = "/api/v1/projects/shop/services/web";

/// A portal with the project `shop`, whose service `web` was deployed once; its admin `dora`, and a robot that may push and nothing else.
async fn shop() -> (TestPortal, Person, Person) {
    let portal = TestPortal::start().await;
    let dora = portal.new_person("dora").await;
    portal.new_project("shop", &[("dora", "admin")]).await;
    let admin = portal.person("admin");
    let wanted = json!({"name": "ci", "role": "developer", "scopes": ["pull", "push"]});
    let made = admin.post("/api/v1/projects/shop/robots", wanted).await.expect_status(StatusCode::CREATED).await;
    let robot = admin.named(made["username"].as_str().expect("a name"), made["secret"].as_str().expect("a secret"));
    push(&robot, "shop/web", "1.0.0", b"one").await;
    dora.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    let first = json!({"environment": "local", "descriptor": {"image": "web:1.0.0", "replicas": 2}});
    dora.post(&format!("{SERVICE}/deployments"), first).await.expect_status(StatusCode::ACCEPTED).await;
    (portal, dora, robot)
}

async fn rule(person: &Person, body: Value) -> Value {
    person.put(&format!("{SERVICE}/push-rules/local"), body).await.expect_status(StatusCode::OK).await
}

/// What became of pushes, newest first, once there are so many.
async fn outcomes(person: &Person, count: usize) -> Vec<Value> {
    let path = format!("{SERVICE}/pushes");
    let mut last = Value::Null;
    for _ in 0..1200 {
        last = person.get(&path).await.expect_status(StatusCode::OK).await;
        let items = last["items"].as_array().expect("a list");
        if items.len() >= count {
            assert_eq!(items.len(), count, "{last}");
            return items.clone();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{count} pushes were not looked at in time: {last}");
}

async fn deployment(person: &Person, push: &Value) -> Value {
    let id = push["deployment"].as_str().unwrap_or_else(|| panic!("no deployment: {push}"));
    person.get(&format!("{SERVICE}/deployments/{id}")).await.expect_status(StatusCode::OK).await
}

/// Pushes an image with this configuration of how it runs.
async fn push_configured(person: &Person, tag: &str, runs: Value) {
    let bytes = tag.as_bytes();
    let layer = push_blob(person, "shop/web", bytes).await;
    let config = json!({"architecture": "amd64", "os": "linux", "config": runs, "rootfs": {"type": "layers", "diff_ids": [layer]}});
    let config = config.to_string().into_bytes();
    let digest = push_blob(person, "shop/web", &config).await;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": bytes.len()}],
    });
    let request = person.request(Method::PUT, &format!("/v2/shop/web/manifests/{tag}"));
    let request = request.header("content-type", "application/vnd.oci.image.manifest.v1+json").body(manifest.to_string());
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_robot_that_may_only_push_deploys_where_a_rule_says_so_and_each_image_once() {
    let (portal, dora, robot) = shop().await;
    let set = rule(&dora, json!({"repository": "web", "versions": ">=1 <2"})).await;
    assert_eq!(
        (&set["environment"], &set["versions"], &set["enabled"], &set["by"]),
        (&json!("local"), &json!(">=1 <2"), &json!(true), &json!("dora"))
    );

    let pushed = push(&robot, "shop/web", "1.1.0", b"two").await;
    let first = outcomes(&dora, 1).await.remove(0);
    assert_eq!((&first["outcome"], &first["tag"], &first["by"]), (&json!("deployed"), &json!("1.1.0"), &json!("robot-shop.ci")), "{first}");
    assert_eq!(first["digest"], json!(pushed.manifest));
    let begun = deployment(&dora, &first).await;
    assert_eq!((&begun["image"], &begun["by"]), (&json!("web:1.1.0"), &json!("robot-shop.ci")), "{begun}");
    assert_eq!(begun["why"], "push of shop/web:1.1.0 by robot-shop.ci");

    // The same image under a shorter tag, and one that is no version.
    push(&robot, "shop/web", "1.1", b"two").await;
    let again = outcomes(&dora, 2).await.remove(0);
    assert!(again["outcome"] == "ignored" && again["reason"].as_str().is_some_and(|why| why.contains("brought this image here before")), "{again}");
    push(&robot, "shop/web", "nightly", b"three").await;
    let other = outcomes(&dora, 3).await.remove(0);
    assert_eq!((&other["outcome"], &other["reason"]), (&json!("ignored"), &json!("the tag nightly is not a version")));

    let runs = json!({"Cmd": ["/web"], "Labels": {"org.opencontainers.image.revision": "0a1b2c3d"}});
    push_configured(&robot, "1.2.0", runs).await;
    let built = outcomes(&dora, 4).await.remove(0);
    let revision = deployment(&dora, &built).await["revision"].clone();
    let revision = dora.get(&format!("{SERVICE}/revisions/{revision}")).await.expect_status(StatusCode::OK).await;
    assert_eq!((&revision["revision"]["commit"], &revision["descriptor"]["replicas"]), (&json!("0a1b2c3d"), &json!(2)), "{revision}");

    let audit = portal.person("admin").get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records");
    let by_push = records.iter().filter(|one| one["action"] == "deployment.create" && one["door"] == "push" && one["actor"] == "robot-shop.ci");
    assert_eq!(by_push.count(), 2, "{audit}");
    let page = portal.browser("dora").await.open("/projects/shop/services/web/pushes").await.text().await.expect("a page");
    for text in ["versions &gt;=1 &lt;2", "web:1.2.0", "the tag nightly is not a version", "Ignored", "robot-shop.ci"] {
        assert!(page.contains(text), "{text} is not on the page: {page}");
    }
}

#[tokio::test]
async fn a_push_to_a_protected_environment_waits_for_an_approval() {
    let (portal, dora, robot) = shop().await;
    let admin = portal.person("admin");
    admin.put("/api/v1/environments/local", json!({"protected": true, "projects": "all"})).await.expect_status(StatusCode::OK).await;
    rule(&dora, json!({"repository": "web", "tags": "release-*"})).await;
    push(&robot, "shop/web", "release-2", b"two").await;
    let waits = outcomes(&dora, 1).await.remove(0);
    assert_eq!((&waits["outcome"], &waits["state"]), (&json!("deployed"), &json!("pending")), "{waits}");
    let path = format!("{SERVICE}/deployments/{}/approve", waits["deployment"].as_str().expect("a deployment"));
    admin.post(&path, json!({"why": "looked at"})).await.expect_status(StatusCode::OK).await;
    let after = outcomes(&dora, 1).await.remove(0);
    assert_ne!(after["state"], "pending", "{after}");
}

#[tokio::test]
async fn what_cannot_be_deployed_says_why_and_rules_are_checked() {
    let (portal, dora, robot) = shop().await;
    let wrong = dora.put(&format!("{SERVICE}/push-rules/local"), json!({"repository": "web:1", "versions": "newest"})).await;
    let wrong = wrong.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await.to_string();
    assert!(wrong.contains("\"repository\"") && wrong.contains("\"versions\""), "{wrong}");
    rule(&dora, json!({"repository": "web"})).await;

    push_configured(&robot, "2", json!({})).await;
    let refused = outcomes(&dora, 1).await.remove(0);
    assert_eq!((&refused["outcome"], refused["deployment"].is_null()), (&json!("refused"), true), "{refused}");
    assert!(refused["reason"].as_str().is_some_and(|why| why.contains("says no command of its own")), "{refused}");
    let page = portal.browser("dora").await.open("/projects/shop/services/web/pushes").await.text().await.expect("a page");
    assert!(page.contains("Not deployed") && page.contains("says no command of its own"), "{page}");

    dora.delete(&format!("{SERVICE}/push-rules/local")).await.expect_status(StatusCode::NO_CONTENT).await;
    let left = dora.get(&format!("{SERVICE}/push-rules")).await.expect_status(StatusCode::OK).await;
    assert_eq!(left["items"], json!([]));
    // Pushes are looked at in their order: once the last one was, the one before it was too.
    push(&robot, "shop/web", "3", b"three").await;
    rule(&dora, json!({"repository": "web"})).await;
    push(&robot, "shop/web", "4", b"four").await;
    assert_eq!(outcomes(&dora, 2).await[0]["tag"], "4", "without a rule a push leaves nothing");
}

#[tokio::test]
async fn an_image_that_is_pushed_runs_by_itself() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let web = json!({
        "image": "web:1", "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "20s"},
        "update": {"monitor": "0s"}, "stop": {"grace": "0s"},
    });
    ground.deployed("web", web).await;
    let browser = ground.portal().browser("admin").await;
    let page = "/projects/shop/services/web/pushes";
    let form = Form::open(&browser, page, "/fn/pushes/put").await;
    assert!(form.page.contains("No push deploys yet"));
    let led = form.fill("environment", "local").fill("form[repository]", "web").fill("form[tags]", "release-*").send(&browser, "").await;
    assert_eq!(led, page);

    push_busybox(&ground.developer, "shop/web", "release-2", "hello again").await;
    let begun = outcomes(&ground.developer, 1).await.remove(0);
    let over = ground.over("web", begun["deployment"].as_str().expect("a deployment")).await;
    assert_eq!(over["state"], "succeeded", "{over}");
    let tasks = ground.running("web").await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(ground.answer(&tasks[0]).await, "hello again");
    let shown = browser.open(page).await.text().await.expect("a page");
    assert!(shown.contains("web:release-2") && shown.contains("Succeeded"), "{shown}");
}

//! The descriptor as a file that is applied, its schema, and hostile descriptors at every door that takes one.

mod hostile;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Answer, Person, TestPortal};
use crate::push::push;
use crate::quotas::shop;

pub use hostile::is_refused;

const WEB: &str = "/api/v1/projects/shop/services/web";

/// `shop` with an image, its developer, and the service `web`.
async fn ground() -> (TestPortal, Person) {
    let portal = shop(TestPortal::start().await).await;
    let dev = portal.person("dev");
    push(&dev, "shop/web", "1", b"a layer").await;
    dev.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    (portal, dev)
}

async fn apply(person: &Person, service: &str, query: &str, kind: &str, text: &str) -> Answer {
    let path = format!("/api/v1/projects/shop/services/{service}/descriptor{query}");
    let request = person.request(Method::PUT, &path).header("content-type", kind).body(text.to_owned());
    Answer(request.send().await.expect("an answer"))
}

async fn yaml(person: &Person, service: &str, text: &str) -> Answer {
    apply(person, service, "", "application/yaml", text).await
}

async fn services(person: &Person) -> Vec<String> {
    let listed = person.get("/api/v1/projects/shop/services").await.expect_status(StatusCode::OK).await;
    listed["items"].as_array().expect("items").iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_applied_again_and_again() {
    let (portal, dev) = ground().await;
    let text = "image: web:1\nreplicas: 2\nenv: {API_TOKEN: t0p-s3cret, LEVEL: info}\n";
    let planned = apply(&dev, "api", "?dry_run=true", "application/yaml", text).await.expect_status(StatusCode::OK).await;
    assert_eq!((&planned["creates"], &planned["notes"][0]), (&json!(2), &json!("the service api is made")));
    assert_eq!(services(&dev).await, ["web"], "a dry run makes nothing");

    let answer = yaml(&dev, "api", text).await;
    let location = answer.0.headers()["location"].to_str().expect("text").to_owned();
    let made = answer.expect_status(StatusCode::CREATED).await;
    assert_eq!(location, format!("/api/v1/projects/shop/services/api/deployments/{}", made["id"].as_str().expect("an id")));
    assert_eq!(services(&dev).await, ["api", "web"]);

    let again = yaml(&dev, "api", text).await.expect_status(StatusCode::OK).await;
    assert_eq!(again["id"], made["id"], "nothing differs from what is on its way");
    let same_as_json = json!({"image": "web:1", "replicas": 2, "env": {"API_TOKEN": "t0p-s3cret", "LEVEL": "info"}}).to_string();
    apply(&dev, "api", "", "application/json", &same_as_json).await.expect_status(StatusCode::OK).await;

    let changed = yaml(&dev, "api", &text.replace("replicas: 2", "replicas: 3")).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!((changed["revision"].as_i64(), changed["state"].as_str()), (Some(2), Some("queued")));
    push(&dev, "shop/web", "1", b"another layer").await;
    yaml(&dev, "api", &text.replace("replicas: 2", "replicas: 3")).await.expect_status(StatusCode::ACCEPTED).await;

    // What tasks get of the configuration counts as well.
    let same = text.replace("replicas: 2", "replicas: 3");
    yaml(&dev, "api", &same).await.expect_status(StatusCode::OK).await;
    dev.put("/api/v1/projects/shop/variables/REGION", json!({"value": "north"})).await.expect_status(StatusCode::OK).await;
    yaml(&dev, "api", &same).await.expect_status(StatusCode::ACCEPTED).await;
    yaml(&dev, "api", &same).await.expect_status(StatusCode::OK).await;

    let path = "/api/v1/projects/shop/services/api/descriptor";
    let read = dev.request(Method::GET, path).header("accept", "application/yaml").send().await.expect("an answer");
    assert_eq!(read.headers()["content-type"], "application/yaml");
    let file = read.text().await.expect("text");
    assert!(file.contains("t0p-s3cret"), "whoever may set it may edit it: {file}");
    yaml(&dev, "api", &file).await.expect_status(StatusCode::OK).await;

    portal.new_person("guest").await;
    portal.person("admin").put("/api/v1/projects/shop/members/guest", json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
    let guest = portal.person("guest");
    let seen = guest.get(path).await.expect_status(StatusCode::OK).await;
    assert_eq!((&seen["env"]["API_TOKEN"], &seen["env"]["LEVEL"]), (&json!("(hidden)"), &json!("info")));
    yaml(&guest, "api", text).await.expect_status(StatusCode::FORBIDDEN).await;
    yaml(&guest, "new", text).await.expect_status(StatusCode::FORBIDDEN).await;
    let back = yaml(&dev, "api", &seen.to_string()).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(back["errors"][0]["field"], "env.API_TOKEN", "what was hidden is not written back: {back}");
}

#[tokio::test]
async fn what_is_refused_leaves_no_service_and_says_where_it_is_wrong() {
    let (portal, dev) = ground().await;
    for (text, field, line, column) in [
        ("image: web:1\nprots: []\n", "prots", 2, 8),
        ("image: web:1\nports:\n  - container: 80\n    host: 80\n", "ports[0].host", 4, 11),
        ("image: web:9\n", "image", 1, 8),
        ("image: web:1\nroutes:\n- {host: a.b, port: none}\n", "routes[0].port", 3, 21),
        ("image: web:1\n  replicas: [", "", 2, 0),
        ("image: web:1\nreplicas: 1\nreplicas: 2\n", "", 3, 0),
    ] {
        let answer = yaml(&dev, "fresh", text).await;
        assert_eq!(answer.0.headers()["content-type"], "application/problem+json");
        let problem = answer.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        let error = problem["errors"].as_array().expect("errors").iter().find(|error| error["field"] == field).unwrap_or(&Value::Null);
        assert_eq!(error["line"], line, "{text}: {problem}");
        assert!(column == 0 || error["column"] == column, "{text}: {problem}");
    }
    assert_eq!(services(&dev).await, ["web"], "nothing is left of what was refused");
    let answer = apply(&dev, "web", "", "application/yaml", "image: web:1\nenv: {A: \"\\0\"}").await;
    answer.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    let request = dev.request(Method::PUT, &format!("{WEB}/descriptor")).body(b"image: web:1\nenv: {A: \xff}".to_vec());
    let problem = Answer(request.send().await.expect("an answer")).expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(problem["errors"][0]["message"].as_str().is_some_and(|text| text.contains("line 2")), "{problem}");
    for service in ["UPPER", "a b", "\u{430}pi", "-x"] {
        let status = yaml(&dev, service, "image: web:1").await.status();
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY || status == StatusCode::NOT_FOUND, "{service}: {status}");
    }
    let strangers = portal.new_person("olga").await;
    yaml(&strangers, "web", "not even: [yaml").await.expect_status(StatusCode::NOT_FOUND).await;
    yaml(&portal.nobody(), "web", "image: web:1").await.expect_status(StatusCode::UNAUTHORIZED).await;
}

/// Two that apply the same new file at once: one service, no error that is ours.
#[tokio::test]
async fn a_new_file_may_be_applied_by_two_at_once() {
    let (_portal, dev) = ground().await;
    let answers = futures::future::join_all((0..4).map(|_| yaml(&dev, "twice", "image: web:1"))).await;
    let mut created = 0;
    for answer in answers {
        match answer.status() {
            StatusCode::CREATED => created += 1,
            StatusCode::OK => {}
            other => panic!("{other}: {}", answer.0.text().await.expect("a body")),
        }
    }
    assert_eq!(created, 1);
    yaml(&dev, "twice", "image: web:1").await.expect_status(StatusCode::OK).await;
}

#[tokio::test]
async fn the_schema_is_served_to_everybody() {
    let portal = TestPortal::start().await;
    let answer = portal.nobody().get("/api/v1/descriptor.schema.json").await;
    assert_eq!(answer.0.headers()["content-type"], "application/schema+json");
    let tag = answer.0.headers()["etag"].clone();
    let schema = answer.expect_status(StatusCode::OK).await;
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["image"].is_object() && schema["additionalProperties"] == false);
    let again = portal.nobody().request(Method::GET, "/api/v1/descriptor.schema.json").header("if-none-match", tag).send().await.expect("an answer");
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

/// The page of the text without scripts: what was typed is there again, with its mistakes by line.
#[tokio::test]
async fn the_text_can_be_deployed_without_scripts() {
    let (portal, _) = ground().await;
    let browser = portal.browser("dev").await;
    let csrf = browser.csrf().await;
    let page = browser.open("/projects/shop/services/web/deploy?as=yaml").await.text().await.expect("a page");
    assert!(page.contains("image: web:1") && page.contains("descriptor.schema.json"), "{page}");
    let post = async |text: &str| {
        let fields = [("csrf", csrf.as_str()), ("project", "shop"), ("service", "web"), ("environment", "local"), ("text", text)];
        let request = browser.request(Method::POST, "/fn/deployments/deploy_text");
        let from = format!("{}/projects/shop/services/web/deploy?as=yaml", portal.base);
        browser.send(request.header("origin", &portal.base).header("referer", from).header("accept", "text/html").form(&fields)).await
    };
    let refused = post("image: web:1\r\nprivileged: true\r\n").await;
    assert!(refused.status().is_redirection(), "{}", refused.status());
    let back = refused.headers()["location"].to_str().expect("text").trim_start_matches(&portal.base).to_owned();
    let page = browser.open(&back).await.text().await.expect("a page");
    assert!(page.contains("Line 2") && page.contains("privileges of its machine"), "{page}");
    assert!(page.contains("image: web:1\nprivileged: true"), "what was typed is there again: {page}");
    let taken = post("image: web:1\nreplicas: 2\n").await;
    let location = taken.headers()["location"].to_str().expect("text").to_owned();
    assert!(location.contains("/projects/shop/services/web/deployments/"), "{location}");
}

//! Hooks over HTTP: bodies as their senders send them, each with the proof that its sender gives; what is forged, stale, repeated, huge, slow or
//! broken; and, on a real engine, that a job of CI fails when its deployment fails.

mod engine;
mod queued;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::clock::{Clock as _, MachineClock};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::alerts::receiver::hmac_sha256;
use crate::portal::{Person, TestPortal};
use crate::push::push;

macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("hooks/bodies/", $name))
    };
}

/// A portal without an engine, with a service that was deployed once, and a hook of it.
struct Scene {
    portal: TestPortal,
    admin: Person,
    path: String,
    secret: String,
    /// The digest of `web:1.4.2`.
    digest: String,
}

const HOOKS: &str = "/api/v1/projects/team/services/web/hooks";
const DEPLOYMENTS: &str = "/api/v1/projects/team/services/web/deployments";

impl Scene {
    async fn open() -> Self {
        let portal = TestPortal::start().await;
        portal.new_project("team", &[]).await;
        let admin = portal.person("admin");
        push(&admin, "team/web", "1", b"one").await;
        let digest = push(&admin, "team/web", "1.4.2", b"two").await.manifest;
        admin.post("/api/v1/projects/team/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
        deploy(&admin, "local").await;
        let (path, secret) = hook(&admin, json!({"name": "ci", "environment": "local"})).await;
        Self { portal, admin, path, secret, digest }
    }

    async fn send(&self, headers: &[(&str, &str)], body: &str) -> Response {
        self.send_to(&self.path, headers, body).await
    }

    async fn send_to(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = self.portal.nobody().request(Method::POST, path).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    fn mac(&self, text: &[u8]) -> String {
        domain::keys::hex(&hmac_sha256(self.secret.as_bytes(), text))
    }

    fn hub(&self, body: &str) -> String {
        format!("sha256={}", self.mac(body.as_bytes()))
    }

    fn standard(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = STANDARD.decode(self.secret.trim_start_matches("whsec_")).expect("base64");
        format!("v1,{}", STANDARD.encode(hmac_sha256(&key, format!("{id}.{seconds}.{body}").as_bytes())))
    }

    async fn deployments(&self) -> Vec<Value> {
        let listed = self.admin.get("/api/v1/projects/team/services/web/deployments").await.expect_status(StatusCode::OK).await;
        listed["items"].as_array().expect("a list").clone()
    }
}

async fn deploy(admin: &Person, environment: &str) -> String {
    let body = json!({"environment": environment, "descriptor": {"image": "web:1"}});
    let made = admin.post("/api/v1/projects/team/services/web/deployments", body).await.expect_status(StatusCode::ACCEPTED).await;
    made["id"].as_str().expect("an id").to_owned()
}

/// Makes a hook; its path and its secret.
async fn hook(admin: &Person, wanted: Value) -> (String, String) {
    let made = admin.post(HOOKS, wanted).await.expect_status(StatusCode::CREATED).await;
    (made["hook"]["path"].as_str().expect("a path").to_owned(), made["secret"].as_str().expect("a secret").to_owned())
}

/// An environment whose deployments wait for an approval, with something that was approved, and a hook of it: its path and its secret.
async fn protected(scene: &Scene) -> (String, String) {
    let place = json!({"registry_address": "10.0.0.5:3000", "protected": true, "projects": ["team"]});
    scene.admin.put("/api/v1/environments/prod", place).await;
    scene.admin.put("/api/v1/environments/prod/machines/far", json!({"engine": "unix:///nowhere.sock", "untested": true})).await;
    let first = deploy(&scene.admin, "prod").await;
    scene.admin.post(&format!("{DEPLOYMENTS}/{first}/approve"), json!({})).await.expect_status(StatusCode::OK).await;
    hook(&scene.admin, json!({"name": "prod", "environment": "prod"})).await
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.expect("a body")).expect("JSON")
}

/// Delivers, and looks at what it came to: the outcome, and the image of the newest deployment.
async fn outcome(scene: &Scene, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
    let response = scene.send(headers, body).await;
    let status = response.status().as_u16();
    let told = json_of(response).await;
    let newest = scene.deployments().await[0]["image"].as_str().expect("an image").to_owned();
    (status, told["outcome"].as_str().unwrap_or_default().to_owned(), newest)
}

#[tokio::test]
async fn every_sender_is_understood_with_its_own_proof() {
    let scene = Scene::open().await;
    let said = |status: u16, outcome: &str, image: &str| (status, outcome.to_owned(), image.to_owned());
    let bearer = format!("Bearer {}", scene.secret);
    let ping = body!("github-ping.json");
    let signed: [(&str, &str); 2] = [("x-github-event", "ping"), ("x-hub-signature-256", &scene.hub(ping))];
    assert_eq!(outcome(&scene, &signed, ping).await, said(200, "pong", "web:1"));

    let own = body!("own.json");
    assert_eq!(outcome(&scene, &[("authorization", &bearer)], own).await, said(202, "accepted", "web:1.4.2"));

    let run = body!("github-workflow-run.json");
    let signed: [(&str, &str); 3] = [("x-github-event", "workflow_run"), ("x-github-delivery", "d-1"), ("x-hub-signature-256", &scene.hub(run))];
    assert_eq!(outcome(&scene, &signed, run).await, said(202, "accepted", "web:1.4.2"));
    let newest = &scene.deployments().await[0];
    assert_eq!((newest["why"].as_str(), newest["by"].as_str()), (Some("Show prices with their currency"), Some("hook-team.web.ci")));
    let package = body!("github-package.json");
    let signed: [(&str, &str); 2] = [("x-github-event", "package"), ("x-hub-signature-256", &scene.hub(package))];
    assert_eq!(outcome(&scene, &signed, package).await.1, "ignored", "it is of another repository");

    let pipeline = body!("gitlab-pipeline.json");
    let tokened = [("x-gitlab-event", "Pipeline Hook"), ("x-gitlab-token", scene.secret.as_str()), ("x-gitlab-event-uuid", "u-1")];
    assert_eq!(outcome(&scene, &tokened, pipeline).await.1, "accepted");
    let push = body!("gitlab-push.json");
    let tokened = [("x-gitlab-event", "Push Hook"), ("x-gitlab-token", scene.secret.as_str())];
    assert_eq!(outcome(&scene, &tokened, push).await.1, "ignored");

    let package = body!("gitea-package.json");
    let signed: [(&str, &str); 3] =
        [("x-gitea-event", "package"), ("x-github-event", "package"), ("x-gitea-signature", &scene.mac(package.as_bytes()))];
    assert_eq!(outcome(&scene, &signed, package).await, said(202, "accepted", "web:1.4.2"));

    let harbor = body!("harbor.json").replace("sha256:8a9e9863dbb6e10edb5adfe917c00da84e1700fa76e7ed02476aa6e6fb8ee0d8", &scene.digest);
    let pinned = format!("web:1.4.2@{}", scene.digest);
    assert_eq!(outcome(&scene, &[("authorization", &bearer)], &harbor).await, said(202, "accepted", &pinned));
    let events = body!("distribution.json").replace("sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf", &scene.digest);
    assert_eq!(outcome(&scene, &[("authorization", &bearer)], &events).await, said(202, "accepted", &pinned));
    assert_eq!(outcome(&scene, &[("authorization", &bearer)], body!("dockerhub.json")).await.1, "ignored", "it is of another repository");

    let seconds = MachineClock.now().0 / 1000;
    let text = r#"{"tag": "1"}"#;
    let (signature, time) = (scene.standard("msg_1", seconds, text), seconds.to_string());
    let signed: [(&str, &str); 3] = [("webhook-id", "msg_1"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature.as_str())];
    assert_eq!(outcome(&scene, &signed, text).await, said(202, "accepted", "web:1"));
}

#[tokio::test]
async fn what_proves_nothing_is_answered_as_if_there_was_no_hook() {
    let scene = Scene::open().await;
    let body = body!("own.json");
    let answers = [
        scene.send(&[], body).await,
        scene.send(&[("authorization", "Bearer whsec_AAAAAAAAAAAAAAAAAAAAAAAA")], body).await,
        scene.send(&[("x-hub-signature-256", &scene.hub(&body.replace("1.4.2", "1.4.3")))], body).await,
        scene.send_to("/hooks/0123456789abcdef0123456789abcdef", &[("authorization", &format!("Bearer {}", scene.secret))], body).await,
        scene.send_to("/hooks/nothing", &[], body).await,
    ];
    let mut texts = Vec::new();
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        texts.push(answer.text().await.expect("a body"));
    }
    assert!(texts.iter().all(|text| text == &texts[0]), "{texts:?}");
    assert_eq!(scene.deployments().await.len(), 1, "nothing was deployed");
    let mut slowed = false;
    for _ in 0..30 {
        slowed |= scene.send(&[("authorization", "Bearer guess")], body).await.status() == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(slowed, "guesses are slowed down");
    // So is who knows the secret and stands at the same place, for as long as is said.
    let bearer = format!("Bearer {}", scene.secret);
    let mut right = scene.send(&[("authorization", &bearer)], body).await;
    while right.status() == StatusCode::TOO_MANY_REQUESTS {
        let seconds = right.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
        tokio::time::sleep(std::time::Duration::from_secs(seconds.expect("how long to wait"))).await;
        right = scene.send(&[("authorization", &bearer)], body).await;
    }
    assert_eq!(right.status(), StatusCode::ACCEPTED, "and then heard");
}

#[tokio::test]
async fn what_is_stale_repeated_or_changed_is_not_done_again() {
    let scene = Scene::open().await;
    let text = r#"{"tag": "1.4.2"}"#;
    let old = MachineClock.now().0 / 1000 - 3600;
    let (signature, time) = (scene.standard("msg_1", old, text), old.to_string());
    let stale = [("webhook-id", "msg_1"), ("webhook-timestamp", time.as_str()), ("webhook-signature", signature.as_str())];
    let refused = scene.send(&stale, text).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json_of(refused).await["errors"][0]["field"], "webhook-timestamp");

    let bearer = format!("Bearer {}", scene.secret);
    let named = [("authorization", bearer.as_str()), ("idempotency-key", "build-7")];
    let first = scene.send(&named, text).await;
    assert_eq!((first.status(), first.headers().get("idempotent-replayed")), (StatusCode::ACCEPTED, None));
    let location = first.headers().get("location").cloned();
    let first = json_of(first).await;
    let again = scene.send(&named, text).await;
    assert_eq!(again.headers().get("idempotent-replayed").map(|value| value.as_bytes()), Some(&b"true"[..]));
    assert_eq!((again.status(), again.headers().get("location").cloned()), (StatusCode::ACCEPTED, location));
    assert_eq!(json_of(again).await, first);
    let url = first["url"].as_str().expect("a URL");
    assert!(url.ends_with(&format!("/projects/team/services/web/deployments/{}", first["deployment"].as_str().expect("an id"))), "{url}");

    let other = scene.send(&named, r#"{"tag": "1"}"#).await;
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json_of(other).await["errors"][0]["field"], "idempotency-key");
    assert_eq!(scene.deployments().await.len(), 2);
}

#[tokio::test]
async fn what_is_huge_slow_or_broken_is_told_so() {
    use std::io::{Read as _, Write as _};

    const SLOW: &str = "it did not come whole within 30 s";

    let scene = Scene::open().await;
    let bearer = format!("Bearer {}", scene.secret);
    let huge = scene.send(&[("authorization", &bearer)], &format!(r#"{{"message": "{}"}}"#, "x".repeat(2 * 1024 * 1024))).await;
    assert_eq!(huge.status(), StatusCode::PAYLOAD_TOO_LARGE);
    for (broken, field) in [("{\"tag\"", "body"), ("", "body"), ("[]", "body"), (r#"{"tgas": "1"}"#, "tgas"), (r#"{"tag": "no tag"}"#, "tag")] {
        let refused = scene.send(&[("authorization", &bearer)], broken).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{broken}");
        assert_eq!(json_of(refused).await["errors"][0]["field"], field, "{broken}");
    }
    let (address, path) = (scene.portal.base.trim_start_matches("http://").to_owned(), scene.path.clone());
    let slow = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(&address).expect("connected");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(120))).expect("a limit");
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {bearer}\r\ncontent-length: 100\r\n\r\n{{");
        stream.write_all(head.as_bytes()).expect("sent");
        let (mut answer, mut piece) = (String::new(), [0; 1024]);
        while !answer.contains(SLOW) {
            match stream.read(&mut piece).expect("an answer within the limit") {
                0 => break,
                read => answer.push_str(&String::from_utf8_lossy(&piece[..read])),
            }
        }
        answer
    });
    let answer = slow.await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 422 ") && answer.contains(SLOW), "who is slow is told so, and not just cut off: {answer:?}");
    assert_eq!(scene.deployments().await.len(), 1, "nothing was deployed");
    let log = scene.admin.get(&format!("{HOOKS}/ci/deliveries")).await.expect_status(StatusCode::OK).await;
    let kept = log["items"].as_array().expect("a list");
    assert_eq!((kept.len(), &kept[0]["answer"]["outcome"], &kept[0]["status"]), (5, &json!("refused"), &json!(422)), "{log}");
}

#[tokio::test]
async fn a_deployment_that_waits_for_an_approval_is_waited_for_and_its_refusal_fails_the_job() {
    let scene = Scene::open().await;
    let (path, secret) = protected(&scene).await;
    let bearer = format!("Bearer {secret}");
    let named = [("authorization", bearer.as_str()), ("idempotency-key", "build-1")];
    let asked = json_of(scene.send_to(&path, &named, r#"{"tag": "1.4.2"}"#).await).await;
    assert_eq!((&asked["outcome"], &asked["state"]), (&json!("accepted"), &json!("pending")), "{asked}");
    let late = scene.send_to(&format!("{path}?wait=0"), &named, r#"{"tag": "1.4.2"}"#).await;
    assert_eq!((late.status(), late.headers().get("retry-after").is_some()), (StatusCode::GATEWAY_TIMEOUT, true));
    assert_eq!(json_of(late).await["deployment"], asked["deployment"], "the same delivery waits on for the same deployment");
    let waited = format!("{path}?wait=120");
    let waiting = scene.send_to(&waited, &named, r#"{"tag": "1.4.2"}"#);
    let refusing = async {
        let refuse = format!("{DEPLOYMENTS}/{}/refuse", asked["deployment"].as_str().expect("an id"));
        scene.admin.post(&refuse, json!({"why": "not on a Friday"})).await.expect_status(StatusCode::OK).await
    };
    let (ended, _) = tokio::join!(waiting, refusing);
    assert_eq!(ended.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let ended = json_of(ended).await;
    assert_eq!((&ended["outcome"], &ended["state"]), (&json!("failed"), &json!("refused")));
    assert!(ended["message"].as_str().is_some_and(|text| text.contains("not on a Friday")), "{ended}");
}

#[tokio::test]
async fn what_a_template_made_stays_so_and_takes_parameters() {
    let scene = Scene::open().await;
    let document = "name: echo\nparameters:\n  - {name: image, label: Image, type: image, required: true}\n  \
                    - {name: tasks, label: Tasks, type: integer, default: 1, min: 0, max: 5, required: true}\n\
                    descriptor: |\n  image: {{ image }}\n  replicas: {{ tasks }}\n";
    let made = scene.admin.put("/api/v1/projects/team/templates/echo", json!({"document": document})).await;
    made.expect_status(StatusCode::CREATED).await;
    let wanted = json!({"environment": "local", "template": "own/echo", "answers": {"image": "web:1"}});
    scene.admin.post("/api/v1/projects/team/services/web/deployments", wanted).await.expect_status(StatusCode::ACCEPTED).await;
    let bearer = format!("Bearer {}", scene.secret);
    let done = scene.send(&[("authorization", &bearer)], r#"{"tag": "1.4.2", "parameters": {"tasks": 3}}"#).await;
    assert_eq!(done.status(), StatusCode::ACCEPTED);
    let number = scene.deployments().await[0]["revision"].clone();
    let revision = format!("/api/v1/projects/team/services/web/revisions/{number}");
    let revision = scene.admin.get(&revision).await.expect_status(StatusCode::OK).await;
    assert_eq!((&revision["descriptor"]["image"], &revision["descriptor"]["replicas"]), (&json!("web:1.4.2"), &json!(3)));
    assert_eq!(revision["revision"]["template"]["name"], "echo", "a template made it, as before");
    for (body, field) in [
        (r#"{"tag": "1", "parameters": {"tasks": 9}}"#, "parameters.tasks"),
        (r#"{"tag": "1", "parameters": {"nothing": "x"}}"#, "parameters.nothing"),
        (r#"{"parameters": {"image": "api:1"}}"#, "parameters"),
    ] {
        let refused = scene.send(&[("authorization", &bearer)], body).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(json_of(refused).await["errors"][0]["field"], field, "{body}");
    }
    assert_eq!(scene.deployments().await.len(), 3);
}

#[tokio::test]
async fn pages_show_hooks_deliveries_and_where_a_revision_comes_from() {
    let scene = Scene::open().await;
    let bearer = format!("Bearer {}", scene.secret);
    scene.send(&[("authorization", &bearer), ("user-agent", "jenkins")], body!("own.json")).await;
    let browser = scene.portal.browser("admin").await;
    let list = browser.open("/projects/team/services/web/hooks").await.text().await.expect("a page");
    assert!(list.contains("/projects/team/services/web/hooks/ci") && list.contains("every tag"), "the hook is listed");
    assert!(!list.contains(&scene.secret), "its secret is not");
    let page = browser.open("/projects/team/services/web/hooks/ci").await.text().await.expect("a page");
    assert!(page.contains(&scene.path) && page.contains("is on its way to local"), "its URL and its log are there");
    let log = scene.admin.get(&format!("{HOOKS}/ci/deliveries")).await.expect_status(StatusCode::OK).await;
    let id = log["items"][0]["id"].as_str().expect("an id");
    let one = browser.open(&format!("/projects/team/services/web/hooks/ci?delivery={id}")).await.text().await.expect("a page");
    assert!(one.contains("Delivery from slipway") && one.contains("jenkins") && one.contains("https://jenkins.example.com/job/shop/562/"));
    let revisions = browser.open("/projects/team/services/web/revisions").await.text().await.expect("a page");
    for text in
        ["href=\"https://jenkins.example.com/job/shop/562/\"", "href=\"https://git.example.com/team/shop/commit/7fd1a60b\"", "refs/heads/main", "ana"]
    {
        assert!(revisions.contains(text), "{text} is not on the page of revisions");
    }
}

#[tokio::test]
async fn a_run_of_another_workflow_is_ignored_with_the_reason() {
    let scene = Scene::open().await;
    let rule = async |workflow: &str| {
        let wanted = json!({"rule": {"workflow": workflow}});
        scene.admin.request(Method::PATCH, &format!("{HOOKS}/ci")).json(&wanted).send().await.expect("an answer")
    };
    let wrong = rule("{Release").await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json_of(wrong).await["errors"][0]["field"], "workflow");
    assert_eq!(json_of(rule("Release it").await).await["rule"], json!({"workflow": "Release it"}));
    let run = body!("github-workflow-run.json");
    let signed: [(&str, &str); 2] = [("x-github-event", "workflow_run"), ("x-hub-signature-256", &scene.hub(run))];
    let told = json_of(scene.send(&signed, run).await).await;
    assert_eq!(told["message"], "ignored, because it is a run of the workflow build, and only Release it deploys", "{told}");
    assert_eq!(scene.deployments().await.len(), 1);
    // What is no run of a workflow passes as before.
    let tokened = [("x-gitlab-event", "Pipeline Hook"), ("x-gitlab-token", scene.secret.as_str())];
    assert_eq!(outcome(&scene, &tokened, body!("gitlab-pipeline.json")).await.1, "accepted");
    rule("{build,release}*").await;
    // Another run of the same workflow: what was delivered before may get its first answer again.
    let later = run.replace("\"run_number\":562", "\"run_number\":563");
    let signed: [(&str, &str); 2] = [("x-github-event", "workflow_run"), ("x-hub-signature-256", &scene.hub(&later))];
    assert_eq!(outcome(&scene, &signed, &later).await.1, "accepted");
    let page = scene.portal.browser("admin").await.open("/projects/team/services/web/hooks").await.text().await.expect("a page");
    assert!(page.contains("workflow {build,release}*"), "the list says so");
}

//! A job of CI as its script is documented: its exit code says what became of the deployment, on a real engine, and where none is needed for it. What
//! GitHub and GitLab send deploys there as well.

use std::process::Command;
use std::time::{Duration, Instant};

use domain::keys::hex;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{DEPLOYMENTS, Scene, deploy, json_of, protected};
use crate::alerts::receiver::hmac_sha256;
use crate::ground::{Ground, push_busybox, push_without_shell};

/// The step of a pipeline that the portal shows, without the tries: here a try more would only take its time.
const STEP: &str = r#"printf 'header = "Authorization: Bearer %s"\n' "$SLIPWAY_HOOK" |
  curl --config - --silent --show-error --fail-with-body --max-time 330 \
    --header 'Content-Type: application/json' --header "Idempotency-Key: $BUILD_URL" \
    --data "{\"tag\": \"$TAG\", \"commit\": \"$COMMIT\", \"build_url\": \"$BUILD_URL\"}" "$HOOK_URL"
"#;

/// curl's exit code for an answer of 400 or more.
const REFUSED: i32 = 22;

struct Job {
    url: String,
    secret: String,
}

impl Job {
    /// Runs the step for a tag; its exit code and what it printed.
    async fn run(&self, build: u32, tag: &str, wait: u32) -> (i32, String) {
        let (url, secret, tag) = (format!("{}?wait={wait}", self.url), self.secret.clone(), tag.to_owned());
        let ran = tokio::task::spawn_blocking(move || {
            let build = format!("https://jenkins.example.com/job/shop/{build}/");
            let mut step = Command::new("sh");
            step.args(["-ec", STEP])
                .env("SLIPWAY_HOOK", secret)
                .env("HOOK_URL", url)
                .env("TAG", tag)
                .env("COMMIT", "7fd1a60b")
                .env("BUILD_URL", build);
            step.output().expect("sh and curl")
        });
        let output = ran.await.expect("no panic");
        (output.status.code().expect("an exit code"), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn web() -> Value {
    json!({
        "image": "web:1", "replicas": 1, "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "5s"},
        "update": {"monitor": "500ms"}, "stop": {"grace": "1s"},
    })
}

/// A hook of the ground's service: its path and its secret.
async fn hook(ground: &Ground, wanted: Value) -> (String, String) {
    let hooks = "/api/v1/projects/shop/services/web/hooks";
    let made = ground.portal().person("admin").post(hooks, wanted).await.expect_status(StatusCode::CREATED).await;
    (made["hook"]["path"].as_str().expect("a path").to_owned(), made["secret"].as_str().expect("a secret").to_owned())
}

#[tokio::test]
async fn a_job_of_ci_ends_as_its_deployment_does() {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web()).await;
    push_busybox(&ground.developer, "shop/web", "2", "second").await;
    push_without_shell(&ground.developer, "shop/web", "mute").await;
    let admin = ground.portal().person("admin");
    let (path, secret) = hook(&ground, json!({"name": "ci", "environment": "local"})).await;
    let job = Job { url: format!("{}{path}", ground.portal().base), secret };

    let (code, printed) = job.run(1, "2", 300).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("\"outcome\":\"succeeded\""), "{printed}");
    let serving = ground.running("web").await;
    assert_eq!(ground.answer(&serving[0]).await, "second");
    let again = job.run(1, "2", 300).await;
    assert_eq!((again.0, again.1.contains("succeeded")), (0, true), "the same build once more: {}", again.1);

    let (code, printed) = job.run(2, "mute", 300).await;
    assert_eq!(code, REFUSED, "{printed}");
    assert!(printed.contains("\"outcome\":\"failed\"") && printed.contains("\"state\":\"rolled_back\""), "{printed}");

    let (code, printed) = job.run(3, "nowhere", 300).await;
    assert_eq!(code, REFUSED, "{printed}");
    assert!(printed.contains("descriptor.image"), "what is wrong is told: {printed}");

    let (code, printed) = job.run(4, "mute", 0).await;
    assert_eq!(code, REFUSED, "{printed}");
    assert!(printed.contains("\"outcome\":\"under_way\""), "{printed}");
    let (code, printed) = job.run(4, "mute", 300).await;
    assert!(code == REFUSED && printed.contains("\"outcome\":\"failed\""), "the same build waits on: {printed}");
    let all = admin.get("/api/v1/projects/shop/services/web/deployments").await.expect_status(StatusCode::OK).await;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(4), "the first one, and one for each build that named an image");
}

/// Delivers as a git server does, which does not wait; the deployment that it begins must serve.
async fn delivers(ground: &Ground, path: &str, headers: &[(&str, &str)], body: &'static str) -> Value {
    let mut request = ground.portal().nobody().request(Method::POST, path).header("content-type", "application/json").body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("an answer");
    let (status, told) = (answer.status(), json_of(answer).await);
    assert_eq!((status, &told["outcome"]), (StatusCode::ACCEPTED, &json!("accepted")), "{told}");
    let view = ground.over("web", told["deployment"].as_str().expect("an id")).await;
    assert_eq!(view["state"], "succeeded", "{view}");
    view
}

#[tokio::test]
async fn what_github_and_gitlab_send_deploys_what_their_commit_built() {
    let (of_github, of_gitlab) = ("7fd1a60b01f91b314f59955a4e4d4e80d8edf11d", "bcbb5ec396a2c0f828686f14fac9b80b780504f2");
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web()).await;
    push_busybox(&ground.developer, "shop/web", of_github, "github").await;
    push_busybox(&ground.developer, "shop/web", of_gitlab, "gitlab").await;
    let rule = json!({"name": "git", "environment": "local", "branches": "main", "tag": "{commit}"});
    let (path, secret) = hook(&ground, rule).await;

    let run = include_str!("bodies/github-workflow-run.json");
    let signature = format!("sha256={}", hex(&hmac_sha256(secret.as_bytes(), run.as_bytes())));
    let signed = [("x-github-event", "workflow_run"), ("x-github-delivery", "d-1"), ("x-hub-signature-256", signature.as_str())];
    let first = delivers(&ground, &path, &signed, run).await;
    assert_eq!(first["image"], json!(format!("web:{of_github}")), "{first}");
    assert_eq!(ground.answer(&ground.running("web").await[0]).await, "github");

    let pipeline = include_str!("bodies/gitlab-pipeline.json");
    let tokened = [("x-gitlab-event", "Pipeline Hook"), ("x-gitlab-event-uuid", "u-1"), ("x-gitlab-token", secret.as_str())];
    let second = delivers(&ground, &path, &tokened, pipeline).await;
    assert_eq!(second["image"], json!(format!("web:{of_gitlab}")), "{second}");
    let running = ground.running("web").await;
    assert_eq!((running.len(), ground.answer(&running[0]).await.as_str()), (1, "gitlab"));

    // GitHub delivers again what it once delivered: nothing goes back.
    let again = delivers(&ground, &path, &signed, run).await;
    assert_eq!(again["id"], first["id"]);
    assert_eq!(ground.answer(&ground.running("web").await[0]).await, "gitlab");
}

/// Waits until the newest deployment is as wanted.
async fn newest(scene: &Scene, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let newest = scene.deployments().await.swap_remove(0);
        if wanted(&newest) {
            return newest;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it did not come about: {newest}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_job_of_ci_fails_when_its_deployment_is_refused_or_another_takes_its_place() {
    let scene = Scene::open().await;
    let (path, secret) = protected(&scene).await;
    let job = Job { url: format!("{}{path}", scene.portal.base), secret };
    let refusing = async {
        let pending = newest(&scene, |one| one["state"] == "pending").await;
        let refuse = format!("{DEPLOYMENTS}/{}/refuse", pending["id"].as_str().expect("an id"));
        scene.admin.post(&refuse, json!({"why": "not on a Friday"})).await.expect_status(StatusCode::OK).await
    };
    let ((code, printed), _) = tokio::join!(job.run(1, "1.4.2", 300), refusing);
    assert_eq!(code, REFUSED, "{printed}");
    assert!(printed.contains("\"state\":\"refused\"") && printed.contains("not on a Friday"), "{printed}");

    let job = Job { url: format!("{}{}", scene.portal.base, scene.path), secret: scene.secret.clone() };
    let overtaking = async {
        newest(&scene, |one| one["image"] == "web:1.4.2" && one["environment"] == "local").await;
        deploy(&scene.admin, "local").await
    };
    let ((code, printed), _) = tokio::join!(job.run(2, "1.4.2", 300), overtaking);
    assert_eq!(code, REFUSED, "{printed}");
    assert!(printed.contains("\"outcome\":\"superseded\""), "{printed}");
}

//! A job of CI as its script is documented, on a real engine: its exit code says what became of the deployment.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::json;

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

#[tokio::test]
async fn a_job_of_ci_ends_as_its_deployment_does() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let descriptor = json!({
        "image": "web:1", "replicas": 1, "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "5s"},
        "update": {"monitor": "500ms"}, "stop": {"grace": "1s"},
    });
    ground.deployed("web", descriptor).await;
    push_busybox(&ground.developer, "shop/web", "2", "second").await;
    push_without_shell(&ground.developer, "shop/web", "mute").await;
    let admin = ground.portal().person("admin");
    let hooks = "/api/v1/projects/shop/services/web/hooks";
    let made = admin.post(hooks, json!({"name": "ci", "environment": "local"})).await.expect_status(StatusCode::CREATED).await;
    let path = made["hook"]["path"].as_str().expect("a path");
    let job = Job { url: format!("{}{path}", ground.portal().base), secret: made["secret"].as_str().expect("a secret").to_owned() };

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

//! Every shipped template on a real engine, with an image made from scratch: by its form, and by the script that its service gets.

use std::process::Output;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::forms::Form;
use crate::ground::{Ground, docker, push_busybox};
use crate::image_rules::open;
use crate::jobs;

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
async fn a_shipped_scheduled_job_is_brought_and_runs() {
    let ground = Ground::new().await;
    let answers = json!({
        "image": "web:1", "command": "echo \"swept $ROOM\"; exit 0", "often": "weekly", "weekday": "0", "hour": 4, "variables": "ROOM=the attic",
    });
    ground.made_from("report", "scheduled-job", answers).await;
    let path = "/api/v1/projects/shop/services/report";
    let view = ground.developer.get(&format!("{path}/runs")).await.expect_status(StatusCode::OK).await;
    assert_eq!((&view["schedule"], view["items"].as_array().map(Vec::len)), (&json!("0 4 * * 0"), Some(0)), "it waits for its time: {view}");
    ground.developer.post(&format!("{path}/runs"), json!({})).await.expect_status(StatusCode::CREATED).await;
    let over = |runs: &[Value]| runs.len() == 1 && runs[0]["state"] != "running";
    let run = jobs::until(&ground, "report", "it ran", over).await.remove(0);
    assert_eq!((&run["state"], &run["cause"], &run["tasks"][0]["exit_code"]), (&json!("succeeded"), &json!("hand"), &json!(0)), "{run}");
    ground.logged("report", &run["tasks"][0], "swept the attic").await;
}

impl Ground {
    /// The script that a service gets of its template, at this portal's address, and a token for it.
    async fn script(&self, service: &str) -> (String, String) {
        let made = self.developer.get(&format!("/api/v1/projects/shop/services/{service}/template")).await.expect_status(StatusCode::OK).await;
        let texts = made["rendered"]["outputs"].as_array().expect("texts");
        let script = texts.iter().find(|one| one["output"] == "curl").and_then(|one| one["text"].as_str()).expect("a script");
        let portal = self.portal();
        let script = script.replace(portal.running.portal.origin.as_str().trim_end_matches('/'), &portal.base);
        let token = self.developer.post("/api/v1/me/tokens", json!({"name": "ci", "scopes": ["deploy"]})).await;
        let token = token.expect_status(StatusCode::CREATED).await;
        (script, token["token"].as_str().or(token["secret"].as_str()).expect("a token").to_owned())
    }

    async fn revision(&self, service: &str, number: &Value) -> Value {
        self.developer.get(&format!("/api/v1/projects/shop/services/{service}/revisions/{number}")).await.expect_status(StatusCode::OK).await
    }
}

async fn run(script: &str, token: &str, image: &str) -> Output {
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", script, "deploy.sh", image]).env("SLIPWAY_TOKEN", token).output().await.expect("a shell")
}

fn printed(ran: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

/// What a revision is made of, without who made it, when and why.
fn content(revision: &Value) -> Value {
    let of = |key: &str| revision["revision"][key].clone();
    json!([revision["descriptor"], of("image"), of("digest"), of("replicas"), of("template"), of("configuration")])
}

/// A service of a shipped template: what its page's form makes of an image, and what its script makes of the same, is the same.
async fn by_form_and_by_script(template: &str, answers: &[(&str, &str)]) {
    let ground = Ground::new().await;
    push_busybox(&ground.developer, "shop/web", "2", "better").await;
    ground.developer.put("/api/v1/projects/shop/variables/LEVEL", json!({"value": "info"})).await.expect_status(StatusCode::OK).await;
    ground.service("made").await;
    let browser = ground.portal().browser("dora").await;
    let by_form = async |image: &str| {
        let path = format!("/projects/shop/services/made/deploy?template=site%2F{template}");
        let form = Form::open(&browser, &path, "/fn/templates/deploy").await.fill("answers[image]", image);
        let form = answers.iter().fold(form, |form, (name, answer)| form.fill(&format!("answers[{name}]"), answer));
        let led = form.send(&browser, "").await;
        let (_, deployment) = led.split_once("/deployments/").unwrap_or_else(|| panic!("{template}: {led}"));
        let view = ground.over("made", deployment).await;
        assert_eq!(view["state"], "succeeded", "{template}: {view}");
        ground.revision("made", &view["revision"]).await
    };
    let first = by_form("web:1").await;
    let (script, token) = ground.script("made").await;
    let ran = run(&script, &token, "web:2").await;
    assert!(ran.status.success(), "{template}: {}", printed(&ran));
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", printed(&ran)));
    assert_eq!((&told["state"], &told["revision"]), (&json!("succeeded"), &json!(2)), "the script waits for the end: {told}");
    let by_script = ground.revision("made", &told["revision"]).await;
    let again = by_form("web:2").await;

    assert_eq!(content(&again), content(&by_script), "{template}");
    assert_ne!(first["revision"]["digest"], by_script["revision"]["digest"], "{template}: the script brings its own image");
    assert_eq!(by_script["revision"]["template"], json!({"name": template, "of_site": true, "version": 1}));
    assert_eq!(by_script["revision"]["configuration"]["versions"][0]["version"], 1, "{by_script}");
    assert!(by_script["revision"]["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{by_script}");
    if !["worker", "scheduled-job"].contains(&template) {
        assert_eq!(ground.answer(&ground.running("made").await[0]).await, "better", "{template}");
    }
}

/// What makes every roll-out short, and its image the busybox that serves on port 8080.
const WEB: &[(&str, &str)] = &[("port", "8080"), ("monitor", "500ms"), ("grace", "1s"), ("replicas", "1"), ("memory", "64MiB"), ("cpus", "0.2")];

#[tokio::test]
async fn a_static_site_is_the_same_by_form_and_by_script() {
    by_form_and_by_script("static-site", &[WEB, &[("single_page", "true")]].concat()).await;
}

#[tokio::test]
async fn an_http_service_is_the_same_by_form_and_by_script() {
    let more = [("runtime", "python"), ("runtime_version", "3.12"), ("start", "app:main"), ("variables", "GREETING=a: b # c\nPLACE=here")];
    by_form_and_by_script("http-service", &[WEB, &more].concat()).await;
}

#[tokio::test]
async fn a_java_web_application_is_the_same_by_form_and_by_script() {
    let more = [("java", "21"), ("tomcat", "11"), ("java_options", "-Duser.timezone=UTC"), ("start_period", "5s")];
    by_form_and_by_script("java-web", &[WEB, &more].concat()).await;
}

#[tokio::test]
async fn a_worker_is_the_same_by_form_and_by_script() {
    let answers =
        [("command", "echo it\\'s \"$GREETING\"; exec sleep 1000"), ("variables", "GREETING=good morning"), ("monitor", "500ms"), ("grace", "1s")];
    by_form_and_by_script("worker", &[&answers[..], &[("check", "command"), ("check_command", "true"), ("overlap", "false")]].concat()).await;
}

#[tokio::test]
async fn a_scheduled_job_is_the_same_by_form_and_by_script() {
    let answers = [("command", "exit 0"), ("often", "cron"), ("cron", "30 2 * * 1-5"), ("timezone", "Asia/Shanghai")];
    by_form_and_by_script("scheduled-job", &answers).await;
}

#[tokio::test]
async fn a_script_says_that_an_image_is_not_there() {
    let ground = Ground::new().await;
    let answers = json!({"image": "web:1", "port": 8080, "monitor": "500ms", "replicas": 1, "grace": "1s", "memory": "64MiB"});
    ground.made_from("site", "static-site", answers).await;
    let (script, token) = ground.script("site").await;
    let nothing = run(&script, &token, "web:3").await;
    assert!(!nothing.status.success() && printed(&nothing).contains("has no tag 3"), "{}", printed(&nothing));
    assert_eq!(ground.answer(&ground.running("site").await[0]).await, "hello");
    what_the_template_did_not_make_is_told(&ground).await;
}

/// A service that was scaled is still what its template made; one that was deployed past it is not, which the form and the template's page say.
async fn what_the_template_did_not_make_is_told(ground: &Ground) {
    let browser = ground.portal().browser("admin").await;
    let pages = ["/projects/shop/services/site/deploy", "/projects/shop/services/site/template"];
    let said = "was not made by this template";
    let scaled = ground.developer.post("/api/v1/projects/shop/services/site/scale", json!({"environment": "local", "replicas": 2})).await;
    let scaled = scaled.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!(ground.over("site", scaled["id"].as_str().expect("an id")).await["state"], "succeeded");
    for page in pages {
        assert!(!open(&browser, page).await.contains(said), "{page}");
    }
    ground.deployed("site", json!({"image": "web:1", "update": {"monitor": "0s"}, "stop": {"grace": "0s"}})).await;
    for page in pages {
        let page = open(&browser, page).await;
        assert!(page.contains("Revision 3") && page.contains(said), "{page}");
    }
}

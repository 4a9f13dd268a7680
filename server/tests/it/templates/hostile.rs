//! Templates that make what no descriptor may say: refused at every door that makes something of them, whoever wrote them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Scene;
use crate::descriptors::is_refused;

/// What a template may try, by the answer that brings it out: its lines, the field that is named, and words of the rule.
const TRIES: &[(&str, &str, &str, &str)] = &[
    ("privileged", "privileged: true", "privileged", "privileges of its machine"),
    ("pid", "pid: host", "pid", "process namespace"),
    ("ipc", "ipc: host", "ipc", "IPC namespace"),
    ("network", "network_mode: host", "network_mode", "project's network"),
    ("named", "network: {name: host}", "network.name", "project's network"),
    ("devices", "devices: [/dev/sda]", "devices", "devices"),
    ("caps", "cap_add: [SYS_ADMIN]", "cap_add", "capabilities"),
    ("sysctls", "sysctls: {net.ipv4.ip_forward: 1}", "sysctls", "kernel parameters"),
    ("socket", "volumes: [{host: /var/run/docker.sock, path: /x}]", "volumes[0].host", "never mounted"),
    ("folder", "volumes: [{host: /srv/x, path: /x}]", "volumes[0].host", "not one of the folders"),
    ("port", "ports: [{container: 80, host: 22}]", "ports[0].host", "only an operator"),
    ("task", "env: {SLIPWAY_TASK: mine}", "env.SLIPWAY_TASK", "set by Slipway"),
];

/// Harmless, until one of the answers is given.
fn sly() -> String {
    let names: Vec<&str> = TRIES.iter().map(|(name, ..)| *name).collect();
    let lines: String = TRIES.iter().map(|(name, text, ..)| format!("  {{% if mode == \"{name}\" %}}\n  {text}\n  {{% endif %}}\n")).collect();
    format!(
        "name: sly\ntitle: Sly\nparameters:\n  - {{name: image, type: image, required: true}}\n  - {{name: folder, default: /srv/data}}\n  \
         - {{name: mode, type: choice, choices: [plain, answer, {}], default: plain}}\ndescriptor: |\n  image: {{{{ image }}}}\n{lines}  \
         {{% if mode == \"answer\" %}}\n  volumes:\n    - {{host: {{{{ folder }}}}, path: /x}}\n  {{% endif %}}\n",
        names.join(", ")
    )
}

#[tokio::test]
async fn what_a_template_makes_is_refused_like_what_people_write() {
    let scene = Scene::set().await;
    for (who, path) in [(&scene.ana, "/api/v1/projects/shop/templates/sly"), (&scene.portal.person("admin"), "/api/v1/templates/sly")] {
        let request = who.request(Method::PUT, path).header("content-type", "application/yaml").body(sly());
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.expect("a body"));
    }
    let browser = scene.portal.browser("dora").await;
    let csrf = browser.csrf().await;
    let revisions = "/api/v1/projects/shop/services/web/revisions";
    let before = scene.dora.get(revisions).await.expect_status(StatusCode::OK).await;
    let refused = async |template: &str, mode: &str, folder: &str, field: &str, words: &str| {
        for door in ["plan", "deployments"] {
            let body = json!({"environment": "local", "template": template, "answers": {"image": "web:1", "mode": mode, "folder": folder}});
            let told = scene.dora.post(&format!("/api/v1/projects/shop/services/web/{door}"), body).await;
            is_refused(mode, "descriptor", &told.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await, field, words);
        }
        for door in ["plan", "deploy"] {
            let fields = [
                ("csrf", csrf.as_str()),
                ("project", "shop"),
                ("service", "web"),
                ("environment", "local"),
                ("of[template]", template),
                ("of[version]", "1"),
                ("answers[image]", "web:1"),
                ("answers[mode]", mode),
                ("answers[folder]", folder),
            ];
            let answer = browser.form(&format!("/fn/templates/{door}"), &fields).await;
            assert!(!answer.status().is_success() && !answer.status().is_redirection(), "{mode}: {}", answer.status());
            let told: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("a problem");
            is_refused(mode, "descriptor", &told, field, words);
        }
    };
    for template in ["own/sly", "site/sly"] {
        for &(mode, _, field, words) in TRIES {
            refused(template, mode, "/srv/data", field, words).await;
        }
        refused(template, "answer", "/var/run/docker.sock", "volumes[0].host", "never mounted").await;
        refused(template, "answer", "/srv/data", "volumes[0].host", "not one of the folders").await;
    }
    assert_eq!(scene.dora.get(revisions).await.expect_status(StatusCode::OK).await, before, "nothing was written");
    let plain = json!({"environment": "local", "template": "own/sly", "answers": {"image": "web:1"}});
    scene.dora.post("/api/v1/projects/shop/services/web/plan", plain).await.expect_status(StatusCode::OK).await;
}

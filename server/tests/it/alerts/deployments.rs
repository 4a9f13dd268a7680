//! Deployments, as receivers outside hear of them.

use domain::Worker;
use domain::deployments::work;
use model::ids::DeploymentId;
use model::views::deployments::{DeploymentState, Reason};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::receiver::{Mode, Receiver};
use super::{all_over, shop};
use crate::portal::{Person, TestPortal};
use crate::push::push;

const SERVICE: &str = "/api/v1/projects/shop/services/web";

/// What the engine's loop records of a deployment.
#[expect(clippy::disallowed_methods, reason = "there is no engine: the test records what its loop would")]
async fn goes(portal: &TestPortal, deployment: &str, to: DeploymentState, reason: Option<&Reason>) {
    let id: DeploymentId = deployment.parse().expect("an id");
    let worker = Worker::hire(portal.platform(), "test");
    assert!(work::advance(&worker, id, to, reason).await.expect("recorded"), "{to}");
}

async fn deploy(person: &Person, environment: &str) -> String {
    let body = json!({
        "environment": environment, "descriptor": {"image": "web:1"}, "why": "a <!channel> fix", "commit": "4f2a9c1",
        "build": "https://ci.example.com/7",
    });
    let made = person.post(&format!("{SERVICE}/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await;
    made["id"].as_str().expect("an id").to_owned()
}

async fn route(person: &Person, name: &str, kind: &str, receiver: &Receiver, events: &[&str]) -> String {
    let form = json!({"name": name, "kind": kind, "address": receiver.address("/hook"), "events": events});
    let made = person.post("/api/v1/projects/shop/routes", form).await.expect_status(StatusCode::CREATED).await;
    made["route"]["id"].as_str().expect("an id").to_owned()
}

/// A project with an image, a service and two environments, one of them protected.
async fn ground(portal: &TestPortal, receivers: &[&Receiver]) -> Person {
    let (ana, admin) = (shop(portal).await, portal.person("admin"));
    let allowed: Vec<String> = receivers.iter().map(|receiver| receiver.address("")).collect();
    admin.put("/api/v1/outside-registries", json!({"allowed": allowed})).await.expect_status(StatusCode::OK).await;
    let prod = json!({"registry_address": "10.0.0.5:3000", "protected": true, "projects": ["shop"]});
    admin.put("/api/v1/environments/prod", prod).await.expect_status(StatusCode::CREATED).await;
    push(&ana, "shop/web", "1", b"a layer").await;
    ana.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    ana
}

fn types(receiver: &Receiver) -> Vec<Value> {
    receiver.taken().into_iter().map(|request| request.json()["type"].clone()).collect()
}

#[tokio::test]
async fn every_step_of_a_deployment_reaches_the_routes_that_chose_it() {
    let portal = TestPortal::start_with_clock().await;
    let (hook, chat) = (Receiver::start().await, Receiver::start().await);
    let ana = ground(&portal, &[&hook, &chat]).await;
    let all = ["pending", "started", "succeeded", "failed", "rolled_back", "cancelled"].map(|event| format!("deployment.{event}"));
    let hooked = route(&ana, "ci", "webhook", &hook, &all.each_ref().map(String::as_str)).await;
    let chatted = route(&ana, "chat", "slack", &chat, &["deployment.failed"]).await;

    let first = deploy(&ana, "local").await;
    goes(&portal, &first, DeploymentState::Rolling, None).await;
    goes(&portal, &first, DeploymentState::Succeeded, None).await;
    let second = deploy(&ana, "local").await;
    goes(&portal, &second, DeploymentState::Rolling, None).await;
    let why = Reason::new("exited", "web.1: it ended with 1; revision 1 serves on. Its last lines:\nno database");
    goes(&portal, &second, DeploymentState::RolledBack, Some(&why)).await;
    let third = deploy(&ana, "local").await;
    let why = Reason::new("pull_failed", "the registry is away; revision 1 stays what should run");
    goes(&portal, &third, DeploymentState::Failed, Some(&why)).await;
    let fourth = deploy(&ana, "prod").await;
    let refused = portal.person("admin").post(&format!("{SERVICE}/deployments/{fourth}/refuse"), json!({"why": "not today"})).await;
    refused.expect_status(StatusCode::OK).await;

    all_over(&portal, &ana, &hooked).await;
    let wanted = ["started", "succeeded", "started", "rolled_back", "failed", "pending", "cancelled"].map(|event| format!("deployment.{event}"));
    assert_eq!(types(&hook), wanted, "each once, in order");
    let taken: Vec<Value> = hook.taken().iter().map(|request| request.json()["data"].clone()).collect();
    let facts = &taken[1]["facts"];
    let known = [("service", "web"), ("environment", "local"), ("revision", "1"), ("by", "ana"), ("commit", "4f2a9c1"), ("state", "succeeded")];
    for (name, value) in known {
        assert_eq!(facts[name], value, "{facts}");
    }
    assert_eq!((&facts["build"], &facts["deployment"]), (&json!("https://ci.example.com/7"), &json!(first)));
    assert!(facts["duration"].as_str().is_some_and(|took| took.ends_with(" s")), "{facts}");
    assert!(taken[3]["text"].as_str().is_some_and(|text| text.ends_with("Its last lines:\nno database")), "{}", taken[3]);
    assert_eq!((&taken[3]["facts"]["reason code"], &taken[3]["tone"]), (&json!("exited"), &json!("warning")));
    assert_eq!(taken[6]["facts"]["refused by"], "admin");
    let link = taken[1]["link"].as_str().and_then(|link| link.find("/projects/").map(|at| link[at..].to_owned())).expect("a link");
    let page = portal.browser("ana").await.open(&link).await;
    assert_eq!(page.status(), StatusCode::OK, "{link}");

    all_over(&portal, &ana, &chatted).await;
    let messages = chat.taken();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = messages[0].json();
    assert!(message["text"].as_str().is_some_and(|text| text.starts_with("Failed: deployment of revision 3")), "{message}");
    assert_eq!(message["attachments"][0]["color"], "danger");
    assert!(!message.to_string().contains("<!channel>"), "what somebody wrote calls nobody: {message}");
}

#[tokio::test]
async fn a_portal_that_stops_right_after_a_deployment_tells_of_it_when_it_is_back() {
    let portal = TestPortal::start_with_clock().await;
    let hook = Receiver::start().await;
    let ana = ground(&portal, &[&hook]).await;
    let hooked = route(&ana, "ci", "webhook", &hook, &["deployment.succeeded"]).await;
    hook.set(Mode::Refuse);
    let deployment = deploy(&ana, "local").await;
    goes(&portal, &deployment, DeploymentState::Rolling, None).await;
    goes(&portal, &deployment, DeploymentState::Succeeded, None).await;
    let portal = portal.restart(None).await;
    hook.set(Mode::Take);
    all_over(&portal, &portal.person("ana"), &hooked).await;
    assert_eq!(types(&hook), ["deployment.succeeded"]);
}

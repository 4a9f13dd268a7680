//! Alerts and the notices that tell of them, as people and receivers outside meet them.

mod deployments;
mod mail;
mod pages;
pub mod receiver;

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Signal, args};
use model::ids::{EnvironmentId, NoticeId, ProjectId, ServiceId, TaskId};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};
use receiver::{Mode, Receiver};

/// Longest wait for what a loop does.
const LONG: Duration = Duration::from_secs(60);

/// What `look` finds, once it finds something.
async fn once<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(LONG, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// Lets plain HTTP be spoken with this port.
async fn allow(portal: &TestPortal, port: u16) {
    let allowed = json!({"allowed": [format!("http://127.0.0.1:{port}")]});
    portal.person("admin").put("/api/v1/outside-registries", allowed).await.expect_status(StatusCode::OK).await;
}

/// A route of project `shop` to a receiver; its id and its secret.
async fn route(person: &Person, address: &str) -> (String, String) {
    let form = json!({"name": "ops", "kind": "webhook", "address": address, "events": ["alert.firing", "alert.resolved"]});
    let made = person.post("/api/v1/projects/shop/routes", form).await.expect_status(StatusCode::CREATED).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["route"]["id"]), text(&made["secret"]))
}

async fn log(person: &Person, route: &str) -> Vec<Value> {
    let path = format!("/api/v1/projects/shop/routes/{route}/notices?limit=200");
    let page = person.get(&path).await.expect_status(StatusCode::OK).await;
    page["items"].as_array().expect("a list").clone()
}

/// Waits until no notice of the route waits, and moves the clock on meanwhile so that what is to be tried again is.
async fn all_over(portal: &TestPortal, person: &Person, route: &str) -> Vec<Value> {
    once("the end of all notices", async || {
        portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(5));
        portal.platform().signal(Signal::Notices).notify_one();
        let log = log(person, route).await;
        log.iter().all(|notice| notice["state"] != "queued").then_some(log)
    })
    .await
}

/// Something happens that a route tells of; the notice's id.
#[expect(clippy::disallowed_methods, reason = "an alert for each of many notices would take as many services; the rows are planted")]
async fn happens(portal: &TestPortal, route: &str, title: &str) -> String {
    let platform = portal.platform();
    let (id, now): (NoticeId, _) = (platform.new_id(), platform.now());
    let notice = json!({"event": "alert.firing", "title": title, "text": "", "tone": "info", "link": "/", "project": "shop", "at": now});
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO notices (id, route_id, event, notice, state, attempts, due_at, created_at, queued_at)
               VALUES ($1, $2, 'alert.firing', $3, 'queued', 0, $4, $4, $4)";
    write.exec(sql, args![id, route, notice.to_string(), now]).await.expect("a notice");
    write.finish().await.expect("kept");
    platform.signal(Signal::Notices).notify_one();
    id.to_string()
}

/// A service of project `shop` that runs, as far as the database knows.
#[expect(clippy::disallowed_methods, reason = "without an engine nothing runs; the rows are planted")]
async fn plant_service(portal: &TestPortal) -> (ProjectId, ServiceId, EnvironmentId) {
    let platform = portal.platform();
    let service: ServiceId = platform.new_id();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let project = write.one("SELECT id FROM projects WHERE name = 'shop'", args![], |row| row.get("id")).await.expect("a project");
    let environment = write.one("SELECT id FROM environments WHERE name = 'local'", args![], |row| row.get("id")).await.expect("an environment");
    let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) VALUES ($1, $2, 'web', 1, 'ana')";
    write.exec(sql, args![service, project]).await.expect("a service");
    let sql = "INSERT INTO desired (service_id, environment_id, state, updated_at) VALUES ($1, $2, 'running', 1)";
    write.exec(sql, args![service, environment]).await.expect("it runs");
    write.finish().await.expect("kept");
    (project, service, environment)
}

/// Ten seconds later a task uses so much of its 1000 bytes of memory, and the rules are looked at.
fn uses(portal: &TestPortal, key: metrics::Key, task: TaskId, bytes: f64) {
    let values = vec![metrics::Value::new(metrics::Metric::MemoryWorkingSet, bytes), metrics::Value::new(metrics::Metric::MemoryLimit, 1000.0)];
    let sample = metrics::Sample { key, member: Some(metrics::Member { task, slot: 1, revision: 1 }), values };
    portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(10));
    portal.platform().metrics().expect("a store").append(portal.platform().now().0, &[sample]).expect("kept");
    portal.platform().signal(Signal::Alerts).notify_one();
}

async fn shop(portal: &TestPortal) -> Person {
    let ana = portal.new_person("ana").await;
    portal.new_project("shop", &[("ana", "admin")]).await;
    ana
}

#[tokio::test]
async fn an_alert_is_told_when_it_begins_and_when_it_is_over() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let receiver = Receiver::start().await;
    allow(&portal, receiver.port).await;
    let (route, _) = route(&ana, &receiver.address("/hook")).await;
    let rule = json!({"name": "Memory", "kind": "threshold", "metric": "memory_working_set", "value": "90 %"});
    ana.post("/api/v1/projects/shop/alert-rules", rule).await.expect_status(StatusCode::CREATED).await;
    let (project, service, environment) = plant_service(&portal).await;
    let task = portal.platform().new_id();
    let uses = |bytes: f64| uses(&portal, metrics::Key::Service { project, service, environment }, task, bytes);
    let in_state = async |state: &str| {
        let page = ana.get(&format!("/api/v1/projects/shop/alerts?state={state}")).await.expect_status(StatusCode::OK).await;
        page["items"].as_array().and_then(|items| items.iter().find(|alert| alert["rule"] == "Memory").cloned())
    };
    uses(950.0);
    let alert = once("the alert", async || in_state("firing").await).await;
    assert_eq!(alert["subject"], json!({"project": "shop", "service": "web", "environment": "local"}));
    assert!(alert["summary"].as_str().expect("a text").contains("memory is 95 % of its limit"), "{alert}");
    let path = format!("/api/v1/projects/shop/alerts/{}/acknowledge", alert["id"].as_str().expect("an id"));
    let seen = ana.post(&path, json!({"note": "mine"})).await.expect_status(StatusCode::OK).await;
    assert_eq!((&seen["acknowledged_by"], &seen["state"]), (&json!("ana"), &json!("firing")));
    uses(100.0);
    once("its end", async || in_state("resolved").await).await;
    all_over(&portal, &ana, &route).await;
    let told: Vec<Value> = receiver.taken().into_iter().map(|request| request.json()["type"].clone()).collect();
    assert_eq!(told, ["alert.firing", "alert.resolved"]);
    let link = receiver.taken()[0].json()["data"]["link"].as_str().expect("a link").to_owned();
    assert!(link.contains("/projects/shop/services/web/metrics?"), "{link}");
}

#[tokio::test]
async fn through_an_outage_none_is_lost_none_comes_twice_and_all_in_order() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let receiver = Receiver::start().await;
    allow(&portal, receiver.port).await;
    let (route, secret) = route(&ana, &receiver.address("/hook?token=hidden")).await;
    let mut ids = Vec::new();
    for mode in [Mode::Refuse, Mode::Fail, Mode::Proxy, Mode::Hang, Mode::Refuse] {
        receiver.set(mode);
        for number in 0..3 {
            ids.push(happens(&portal, &route, &format!("{mode:?} {number}")).await);
        }
        let before = receiver.tries();
        once("a try", async || {
            portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(20));
            portal.platform().signal(Signal::Notices).notify_one();
            (receiver.tries() > before).then_some(())
        })
        .await;
    }
    receiver.set(Mode::Take);
    let log = all_over(&portal, &ana, &route).await;
    assert!(log.iter().all(|notice| notice["state"] == "sent"), "{log:?}");
    let taken = receiver.taken();
    let seen: Vec<String> = taken.iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(seen, ids, "each once, in order");
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 15);
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a prefix")).expect("base64");
    for request in &taken {
        let signed = format!("{}.{}.{}", request.header("webhook-id"), request.header("webhook-timestamp"), request.body);
        assert_eq!(request.header("webhook-signature"), format!("v1,{}", STANDARD.encode(receiver::hmac_sha256(&key, signed.as_bytes()))));
    }
    let shown = format!("{log:?}");
    assert!(!shown.contains("hidden") && !shown.contains(&secret), "{shown}");
    let again = format!("/api/v1/projects/shop/routes/{route}/notices/{}/redeliver", ids[0]);
    ana.post(&again, json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    all_over(&portal, &ana, &route).await;
    assert_eq!(receiver.taken().last().expect("a notice").header("webhook-id"), ids[0], "the same id, so that it can be dropped");
}

#[tokio::test]
async fn what_a_proxy_refuses_for_long_is_sent_once_when_the_receiver_is_back() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let receiver = Receiver::start().await;
    allow(&portal, receiver.port).await;
    let (route, _) = route(&ana, &receiver.address("/hook")).await;
    receiver.set(Mode::Proxy);
    let ids = [happens(&portal, &route, "begins").await, happens(&portal, &route, "ends").await];
    let refused = once("more refusals than a notice gets that nobody wants", async || {
        portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(60));
        portal.platform().signal(Signal::Notices).notify_one();
        let log = log(&ana, &route).await;
        log.iter().all(|notice| notice["attempts"].as_i64() > Some(6)).then_some(log)
    })
    .await;
    for notice in &refused {
        assert_eq!((&notice["state"], &notice["status"], &notice["answer"]), (&json!("queued"), &json!(404), &json!("no backend")));
    }
    receiver.set(Mode::Take);
    portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(7_200));
    let log = all_over(&portal, &ana, &route).await;
    assert!(log.iter().all(|notice| notice["state"] == "sent"), "{log:?}");
    let mut seen: Vec<String> = receiver.taken().iter().map(|request| request.header("webhook-id")).collect();
    seen.sort_unstable();
    assert_eq!(seen, ids, "each once");
}

#[tokio::test]
async fn a_dead_receiver_keeps_no_other_waiting() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let (dead, alive) = (Receiver::start().await, Receiver::start().await);
    let allowed = json!({"allowed": [format!("http://127.0.0.1:{}", dead.port), format!("http://127.0.0.1:{}", alive.port)]});
    portal.person("admin").put("/api/v1/outside-registries", allowed).await.expect_status(StatusCode::OK).await;
    dead.set(Mode::Hang);
    let mut routes = Vec::new();
    for (name, address) in [("dead", dead.address("/")), ("alive", alive.address("/"))] {
        let form = json!({"name": name, "kind": "slack", "address": address});
        let made = ana.post("/api/v1/projects/shop/routes", form).await.expect_status(StatusCode::CREATED).await;
        assert!(made["secret"].is_null());
        routes.push(made["route"]["id"].as_str().expect("an id").to_owned());
    }
    for route in &routes {
        ana.post(&format!("/api/v1/projects/shop/routes/{route}/test"), json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    }
    let taken = once("the message", async || alive.taken().into_iter().next()).await;
    assert!(taken.json()["text"].as_str().expect("a text").contains("Test of route alive"), "{}", taken.body);
    assert_eq!(log(&ana, &routes[0]).await[0]["state"], "queued");
}

#[tokio::test]
async fn nothing_inside_is_reached_and_hostile_input_is_refused_by_field() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let receiver = Receiver::start().await;
    let (route, _) = route(&ana, &receiver.address("/")).await;
    ana.post(&format!("/api/v1/projects/shop/routes/{route}/test"), json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    let notice = once("a refusal", async || log(&ana, &route).await.into_iter().find(|notice| !notice["answer"].is_null())).await;
    assert!(notice["answer"].as_str().expect("a text").contains("unless an operator allows"), "{notice}");
    assert_eq!(receiver.tries(), 0, "no connection was made");
    let refused = |form: Value, field: &'static str| {
        let ana = ana.clone();
        async move {
            let answer = ana.post("/api/v1/projects/shop/routes", form).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
            assert_eq!(answer["errors"][0]["field"], field, "{answer}");
        }
    };
    let url = "https://hooks.example.com/";
    refused(json!({"name": "x\r\ny", "kind": "slack", "address": url}), "name").await;
    refused(json!({"name": "x".repeat(100_000), "kind": "slack", "address": url}), "name").await;
    refused(json!({"name": "x", "kind": "slack", "address": format!("{url}{}", "a".repeat(5_000))}), "address").await;
    refused(json!({"name": "x", "kind": "email", "address": "a@example.com\r\nBcc: b@example.com"}), "address").await;
    refused(json!({"name": "x", "kind": "webhook", "address": "file:///etc/passwd"}), "address").await;
    refused(json!({"name": "x", "kind": "webhook", "address": url, "secret": "weak"}), "secret").await;
    refused(json!({"name": "ops", "kind": "webhook", "address": url}), "name").await;
    let rule = json!({"name": "\u{202e}evil", "kind": "threshold", "metric": "nothing", "value": "NaN"});
    let answer = ana.post("/api/v1/projects/shop/alert-rules", rule).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    let fields: Vec<&str> = answer["errors"].as_array().expect("errors").iter().filter_map(|error| error["field"].as_str()).collect();
    assert_eq!(fields, ["name", "metric"]);
}

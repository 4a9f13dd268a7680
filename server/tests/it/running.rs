//! How much projects may run: enforced at plan, deploy and every verb, also by many at once; defaults for tasks that name no limit.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};
use crate::push::push;
use crate::quotas::shop;

const QUOTA: &str = "/api/v1/projects/shop/quota";

async fn ground(services: &[&str]) -> (TestPortal, Person, Person) {
    let portal = shop(TestPortal::start().await).await;
    let (admin, dev) = (portal.person("admin"), portal.person("dev"));
    push(&dev, "shop/web", "1", b"a layer").await;
    for name in services {
        dev.post("/api/v1/projects/shop/services", json!({"name": name})).await.expect_status(StatusCode::CREATED).await;
    }
    (portal, admin, dev)
}

fn place(service: &str, verb: &str) -> String {
    format!("/api/v1/projects/shop/services/{service}/{verb}")
}

fn descriptor(cpus: f64, memory: &str, replicas: u32) -> Value {
    json!({"descriptor": {"image": "web:1", "replicas": replicas, "resources": {"cpus": cpus, "memory": memory}}})
}

async fn set(admin: &Person, limits: Value) -> Value {
    admin.put(QUOTA, limits).await.expect_status(StatusCode::OK).await
}

fn first(problem: &Value) -> (&str, &str) {
    let error = &problem["errors"][0];
    (error["field"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_plan_says_what_it_takes_and_a_deploy_takes_no_more() {
    let (_portal, admin, dev) = ground(&["web", "api"]).await;
    set(&admin, json!({"cpus": 4, "memory": "1GiB", "tasks": 10})).await;
    let plan = dev.post(&place("web", "plan"), descriptor(0.5, "128MiB", 3)).await.expect_status(StatusCode::OK).await;
    let texts: Vec<&str> = plan["takes"].as_array().expect("takes").iter().filter_map(|taking| taking["text"].as_str()).collect();
    assert_eq!(texts, ["takes 1.5 of 4 CPUs, 2.5 left", "takes 384 MiB of 1.0 GiB of memory, 640 MiB left", "takes 3 of 10 tasks, 7 left"]);
    dev.post(&place("web", "deployments"), descriptor(0.5, "128MiB", 3)).await.expect_status(StatusCode::ACCEPTED).await;

    for verb in ["plan", "deployments"] {
        let problem = dev.post(&place("api", verb), descriptor(1.0, "64MiB", 3)).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        let (field, message) = first(&problem);
        assert_eq!(field, "descriptor.resources.cpus");
        assert!(
            message.starts_with("takes 3 of the 4 CPUs that project shop may have, and 2.5 are left") && message.contains("operator"),
            "{message}"
        );
    }
    dev.post(&place("api", "deployments"), descriptor(1.0, "64MiB", 2)).await.expect_status(StatusCode::ACCEPTED).await;
    let used = admin.get(QUOTA).await.expect_status(StatusCode::OK).await["running"].clone();
    assert_eq!((&used["cpu_millis"], &used["memory"], &used["tasks"]), (&json!(3500), &json!(512 << 20), &json!(5)));

    // The same again, and less, is no more than before, whatever the limit.
    set(&admin, json!({"cpus": 1, "tasks": 0})).await;
    dev.post(&place("api", "deployments"), descriptor(1.0, "64MiB", 2)).await.expect_status(StatusCode::ACCEPTED).await;
    let scaled = dev.post(&place("api", "scale"), json!({"replicas": 3})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(first(&scaled).0.starts_with("descriptor."), "{scaled}");
    dev.post(&place("api", "scale"), json!({"replicas": 1})).await.expect_status(StatusCode::ACCEPTED).await;
    dev.post(&place("api", "stop"), json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    let started = dev.post(&place("api", "rollback"), json!({"revision": 1})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(first(&started).1.contains("that project shop may have"), "{started}");
}

#[tokio::test]
async fn memory_and_tasks_are_refused_at_plan_and_at_deploy() {
    let (_portal, admin, dev) = ground(&["web", "api"]).await;
    // No default fills in what a task does not say.
    admin.put("/api/v1/quotas/default", json!({"task_cpus": null, "task_memory": null})).await.expect_status(StatusCode::OK).await;
    set(&admin, json!({"memory": "256MiB", "tasks": 3})).await;
    let memory = (
        "descriptor.resources.memory",
        "takes 384 MiB of the 256 MiB of memory that project shop may have, and 256 MiB are left: ask for less, free some in another service, or ask an operator for more",
    );
    let tasks = (
        "descriptor.replicas",
        "takes 4 of the 3 tasks that project shop may have, and 3 are left: ask for less, free some in another service, or ask an operator for more",
    );
    for verb in ["plan", "deployments"] {
        for (wanted, refusal) in [(descriptor(0.1, "128MiB", 3), memory), (descriptor(0.1, "32MiB", 4), tasks)] {
            let problem = dev.post(&place("web", verb), wanted).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
            assert_eq!(first(&problem), refusal, "{verb}");
            assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "{problem}");
        }
        let problem = dev.post(&place("web", verb), descriptor(0.1, "128MiB", 4)).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(2), "both are told: {problem}");
        let open = json!({"descriptor": "image: web:1"});
        let problem = dev.post(&place("web", verb), open).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(first(&problem).0, "descriptor.resources.memory");
        assert!(first(&problem).1.contains("each task needs a limit of its own"), "{problem}");
    }
    let made = dev.get(&place("web", "revisions")).await.expect_status(StatusCode::OK).await;
    assert_eq!(made["items"], json!([]), "nothing was written");

    // As much as there is, and then nothing more.
    dev.post(&place("web", "deployments"), descriptor(0.1, "128MiB", 2)).await.expect_status(StatusCode::ACCEPTED).await;
    for verb in ["plan", "deployments"] {
        let problem = dev.post(&place("api", verb), descriptor(0.1, "6MiB", 1)).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(first(&problem).0, "descriptor.resources.memory");
        assert!(first(&problem).1.contains("and 0 B are left"), "{problem}");
    }
}

#[tokio::test]
async fn deploys_at_once_never_get_the_same_room() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let (_portal, admin, dev) = ground(&names).await;
    for round in 1..=4_u32 {
        let limit = f64::from(2 * round);
        set(&admin, json!({"cpus": limit, "tasks": 1000})).await;
        let asked = names.map(|name| {
            let dev = dev.clone();
            async move { dev.post(&place(name, "deployments"), descriptor(2.0, "64MiB", round)).await.status() }
        });
        let answers = futures::future::join_all(asked).await;
        assert!(answers.iter().all(|status| matches!(*status, StatusCode::ACCEPTED | StatusCode::UNPROCESSABLE_ENTITY)), "{answers:?}");
        let used = admin.get(QUOTA).await.expect_status(StatusCode::OK).await["running"]["cpu_millis"].as_i64().expect("a number");
        assert_eq!(used, i64::from(2000 * round), "round {round}: {answers:?}");
        for name in names {
            dev.post(&place(name, "stop"), json!({})).await;
        }
        assert_eq!(admin.get(QUOTA).await.expect_status(StatusCode::OK).await["running"]["tasks"], 0);
    }
}

#[tokio::test]
async fn a_task_without_a_limit_gets_the_default_and_its_revision_says_so() {
    let (portal, admin, dev) = ground(&["web", "api"]).await;
    let wrong = admin.put("/api/v1/quotas/default", json!({"task_memory": "1KiB"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(first(&wrong).0, "task_memory");
    let notes = async || {
        let plan = dev.post(&place("web", "plan"), json!({"descriptor": "image: web:1"})).await.expect_status(StatusCode::OK).await;
        plan["notes"].to_string()
    };
    assert!(notes().await.contains("each task gets at most 1GiB"), "as long as no operator said anything: {}", notes().await);
    admin.put("/api/v1/quotas/default", json!({"task_cpus": 0.5, "task_memory": "256MiB"})).await.expect_status(StatusCode::OK).await;
    set(&admin, json!({"task_cpus": 0.25})).await;
    let open = json!({"descriptor": "image: web:1\nresources: {pids: 10}"});
    let plan = dev.post(&place("web", "plan"), open.clone()).await.expect_status(StatusCode::OK).await;
    assert!(plan["notes"].to_string().contains("each task gets at most 0.25 CPUs and 256MiB"), "{plan}");
    dev.post(&place("web", "deployments"), open).await.expect_status(StatusCode::ACCEPTED).await;
    let revision = dev.get(&place("web", "revisions/1")).await.expect_status(StatusCode::OK).await;
    assert_eq!(revision["descriptor"]["resources"], json!({"cpus": 0.25, "memory": "256MiB", "pids": 10}));
    let own = json!({"descriptor": "image: web:1\nresources: {cpus: 2, memory: 64MiB}"});
    dev.post(&place("api", "deployments"), own).await.expect_status(StatusCode::ACCEPTED).await;
    let revision = dev.get(&place("api", "revisions/1")).await.expect_status(StatusCode::OK).await;
    assert_eq!(revision["descriptor"]["resources"], json!({"cpus": 2, "memory": "64MiB"}), "what is said stays");

    let quota = portal.person("ana").get(QUOTA).await.expect_status(StatusCode::OK).await;
    assert_eq!(quota["task"], json!({"cpus": 0.25, "memory": "256MiB"}));
    // Without a default, which an operator may want, a limited project wants each task's own.
    admin.put("/api/v1/quotas/default", json!({"task_cpus": null, "task_memory": null})).await.expect_status(StatusCode::OK).await;
    set(&admin, json!({"task_cpus": null})).await;
    assert!(!notes().await.contains("each task gets"), "{}", notes().await);
    set(&admin, json!({"cpus": 8})).await;
    let none = dev.post(&place("api", "plan"), json!({"descriptor": "image: web:1"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(first(&none).0, "descriptor.resources.cpus");
    assert!(first(&none).1.contains("each task needs a limit of its own"), "{none}");
}

#[tokio::test]
async fn what_waits_for_an_approval_takes_nothing_and_is_asked_again_when_it_is_approved() {
    let (portal, admin, dev) = ground(&["web", "api"]).await;
    let prod = json!({"registry_address": "10.0.0.5:3000", "protected": true, "projects": ["shop"]});
    admin.put("/api/v1/environments/prod", prod).await.expect_status(StatusCode::CREATED).await;
    set(&admin, json!({"cpus": 2})).await;
    let text = "image: web:1\nresources: {cpus: 2, memory: 64MiB}\n";
    let apply = async || {
        let path = "/api/v1/projects/shop/services/web/descriptor?environment=prod";
        crate::portal::Answer(dev.request(reqwest::Method::PUT, path).body(text).send().await.expect("an answer"))
    };
    let waiting = apply().await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!(waiting["state"], "pending");
    assert_eq!(apply().await.expect_status(StatusCode::OK).await["id"], waiting["id"], "the same file is what waits");
    assert_eq!(admin.get(QUOTA).await.expect_status(StatusCode::OK).await["running"]["tasks"], 0);
    let mut other = descriptor(1.0, "64MiB", 1);
    other["environment"] = json!("local");
    dev.post(&place("api", "deployments"), other).await.expect_status(StatusCode::ACCEPTED).await;
    let path = place("web", &format!("deployments/{}", waiting["id"].as_str().expect("an id")));
    let owner = portal.person("ana");
    let refused = owner.post(&format!("{path}/approve"), json!({})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(first(&refused).1.contains("and 1 are left"), "{refused}");
    set(&admin, json!({"cpus": 3})).await;
    owner.post(&format!("{path}/approve"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(admin.get(QUOTA).await.expect_status(StatusCode::OK).await["running"]["cpu_millis"], 3000);
}

#[tokio::test]
async fn fixed_ports_lie_in_the_projects_range() {
    let (_portal, admin, dev) = ground(&["web", "api"]).await;
    let fixed = |port: u32| json!({"descriptor": {"image": "web:1", "ports": [{"container": 80, "host": port}]}});
    set(&admin, json!({"ports": "21000-21009"})).await;
    for (verb, port) in [("plan", 22_000), ("deployments", 22_000), ("plan", 20_999), ("deployments", 21_010)] {
        let problem = dev.post(&place("web", verb), fixed(port)).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        let text = format!("this project's fixed ports lie in 21000-21009; choose one of them instead of {port}, or leave host out");
        assert_eq!(first(&problem), ("descriptor.ports[0].host", text.as_str()), "{verb}");
    }
    for port in [21_000, 21_009] {
        dev.post(&place("web", "plan"), fixed(port)).await.expect_status(StatusCode::OK).await;
    }
    dev.post(&place("web", "deployments"), fixed(21_005)).await.expect_status(StatusCode::ACCEPTED).await;
    set(&admin, json!({"ports": "none"})).await;
    for verb in ["plan", "deployments"] {
        let problem = dev.post(&place("api", verb), fixed(21_006)).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(
            first(&problem),
            ("descriptor.ports[0].host", "this project may take no fixed ports; leave host out, and a free one is given"),
            "{verb}"
        );
    }
    dev.post(&place("web", "deployments"), fixed(21_005)).await.expect_status(StatusCode::ACCEPTED).await;
    dev.post(&place("api", "deployments"), json!({"descriptor": "image: web:1\nports: [{container: 80}]"}))
        .await
        .expect_status(StatusCode::ACCEPTED)
        .await;
    admin.put(QUOTA, json!({"ports": "9-8"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    set(&admin, json!({"ports": null})).await;
    dev.post(&place("api", "deployments"), fixed(22_000)).await.expect_status(StatusCode::ACCEPTED).await;
}

#[tokio::test]
async fn new_projects_begin_with_the_sites_limits_and_developers_set_none() {
    let (portal, admin, dev) = ground(&[]).await;
    admin
        .put("/api/v1/quotas/default", json!({"cpus": 2.5, "tasks": 7, "ports": "none", "task_cpus": 0.5}))
        .await
        .expect_status(StatusCode::OK)
        .await;
    portal.new_project("fresh", &[]).await;
    let fresh = admin.get("/api/v1/projects/fresh/quota").await.expect_status(StatusCode::OK).await;
    assert_eq!((&fresh["limits"]["cpus"], &fresh["limits"]["tasks"], &fresh["limits"]["ports"]), (&json!(2.5), &json!(7), &json!("none")));
    assert_eq!((&fresh["limits"]["task_cpus"], &fresh["task"]["cpus"]), (&Value::Null, &json!(0.5)), "the site's word stays the site's");
    dev.put(QUOTA, json!({"cpus": 100})).await.expect_status(StatusCode::FORBIDDEN).await;
    portal.person("ana").put(QUOTA, json!({"cpus": 100})).await.expect_status(StatusCode::FORBIDDEN).await;
    for wrong in [json!({"cpus": 0}), json!({"cpus": -1}), json!({"memory": -1}), json!({"tasks": -1}), json!({"memory": "1GB"}), json!({"cpu": 1})] {
        let status = admin.put(QUOTA, wrong.clone()).await.status();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

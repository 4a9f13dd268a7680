//! Requests to the doors of hooks. The world's hook is made where a door is about it, and something was delivered to it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::access::cast::Cast;
use crate::access::world::World;
use crate::portal::TestPortal;

/// Server functions that only read, though they are called with POST.
pub fn reads(path: &str) -> bool {
    matches!(path, "/fn/hooks/list" | "/fn/hooks/get")
}

/// The world's hook with a delivery; that delivery.
async fn plant(portal: &TestPortal, cast: &Cast, world: &World) -> String {
    let builder = cast.person(Cast::NAMES.len() - 1);
    let hooks = format!("/api/v1/projects/{}/services/web/hooks", world.project);
    let known = builder.get(&format!("{hooks}/ci")).await;
    if known.status() == StatusCode::NOT_FOUND {
        let made = builder.post(&hooks, json!({"name": "ci", "environment": "local"})).await.expect_status(StatusCode::CREATED).await;
        let (path, secret) = (made["hook"]["path"].as_str().expect("a path"), made["secret"].as_str().expect("a secret"));
        let ping = portal.nobody().bearing(secret).request(reqwest::Method::POST, path).header("x-github-event", "ping").json(&json!({"zen": "z"}));
        assert_eq!(ping.send().await.expect("an answer").status(), StatusCode::OK);
    }
    let log = builder.get(&format!("{hooks}/ci/deliveries")).await.expect_status(StatusCode::OK).await;
    log["items"][0]["id"].as_str().expect("a delivery").to_owned()
}

/// The path with the parameters of these doors filled in.
pub async fn fill(portal: &TestPortal, cast: &Cast, world: &World, path: &str) -> String {
    if !path.contains("/hooks/{hook}") {
        return path.to_owned();
    }
    let delivery = plant(portal, cast, world).await;
    path.replace("{hook}", "ci").replace("{delivery}", &delivery)
}

/// The body for a door of the API; none where it is another's.
pub fn body(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path.strip_prefix("/api/v1/projects/{project}/services/{service}/hooks")?) {
        ("POST", "") => json!({"name": "another", "environment": "local"}),
        ("PATCH", "/{hook}") => json!({"rule": {"tags": "v*", "branches": "main"}}),
        ("POST", "/{hook}/rotate") => json!({"overlap_hours": 1}),
        ("POST", "/{hook}/deliveries/{delivery}/redeliver") => json!({}),
        _ => return None,
    })
}

/// The fields of a server function's form; none where it is another's.
pub async fn form(portal: &TestPortal, cast: &Cast, world: &World, path: &str) -> Option<Vec<(&'static str, String)>> {
    let called = path.strip_prefix("/fn/hooks/")?;
    let delivery = plant(portal, cast, world).await;
    let text = |text: &str| text.to_owned();
    let mut fields = vec![("project", world.project.clone()), ("service", text("web"))];
    if !matches!(called, "list" | "create") {
        fields.push(("hook", text("ci")));
    }
    fields.extend(match called {
        "create" => vec![("form[name]", text("another")), ("form[environment]", text("local"))],
        "update" => vec![("rule[tags]", text("v*"))],
        "set_disabled" => vec![("disabled", text("true"))],
        "rotate" => vec![("overlap_hours", text("1"))],
        "redeliver" => vec![("delivery", delivery)],
        "list" | "get" | "delete" => Vec::new(),
        _ => return None,
    });
    Some(fields)
}

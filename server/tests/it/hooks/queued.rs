//! A sender that keeps what is refused at the head of its queue is told in the body what came of it; and what was refused for how things stood is
//! worked on anew when it comes again.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{HOOKS, Scene, deploy, json_of};

const FREEZE: &str = "/api/v1/environments/local/freeze";
const SERVICE: &str = "/api/v1/projects/team/services/web";

/// Delivers distribution's notification: the status, and what the body says of it.
async fn notify(scene: &Scene, body: &str) -> (StatusCode, Value) {
    let bearer = format!("Bearer {}", scene.secret);
    let kind = "application/vnd.docker.distribution.events.v2+json";
    let answer = scene.send(&[("authorization", &bearer), ("content-type", kind)], body).await;
    (answer.status(), json_of(answer).await)
}

/// The status and the outcome of the delivery that came last, as the log has them.
async fn logged(scene: &Scene) -> (Value, Value) {
    let log = scene.admin.get(&format!("{HOOKS}/ci/deliveries")).await.expect_status(StatusCode::OK).await;
    (log["items"][0]["status"].clone(), log["items"][0]["answer"]["outcome"].clone())
}

fn notification(scene: &Scene) -> String {
    let digest = "sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf";
    include_str!("bodies/distribution.json").replace(digest, &scene.digest)
}

#[tokio::test]
async fn what_distribution_sends_blocks_its_queue_never_and_a_freeze_is_over_when_it_ends() {
    let scene = Scene::open().await;
    let events = notification(&scene);
    scene.admin.put(FREEZE, json!({"why": "stocktaking"})).await.expect_status(StatusCode::OK).await;
    let (status, told) = notify(&scene, &events).await;
    assert_eq!((status, &told["status"], &told["code"]), (StatusCode::OK, &json!(409), &json!("environment_frozen")), "{told}");
    assert_eq!(logged(&scene).await, (json!(409), json!("refused")));
    assert_eq!(scene.deployments().await.len(), 1, "nothing was deployed");
    let thawed = scene.admin.delete(FREEZE).await.status();
    assert!(thawed.is_success(), "{thawed}");
    let (status, told) = notify(&scene, &events).await;
    assert_eq!((status, &told["outcome"]), (StatusCode::ACCEPTED, &json!("accepted")), "the same event, when the freeze is over: {told}");
    assert_eq!(scene.deployments().await.len(), 2);
    assert_eq!(notify(&scene, &events).await.1["deployment"], told["deployment"], "and from then on it is the same");

    // An image that is not there, and a hook that is disabled.
    let unknown = events.replace(&scene.digest, &format!("sha256:{}", "e".repeat(64))).replace("320678d8", "420678d8");
    let (status, told) = notify(&scene, &unknown).await;
    assert_eq!((status, &told["status"]), (StatusCode::OK, &json!(422)), "{told}");
    assert_eq!(logged(&scene).await, (json!(422), json!("refused")));
    let disabled = scene.admin.request(Method::PATCH, &format!("{HOOKS}/ci")).json(&json!({"disabled": true})).send().await.expect("an answer");
    assert_eq!(disabled.status(), StatusCode::OK);
    let (status, told) = notify(&scene, &events).await;
    assert_eq!((status, &told["status"]), (StatusCode::OK, &json!(403)), "{told}");
    // Who proves nothing is answered as ever.
    assert_eq!(scene.send(&[], &events).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stopped_service_sticks_to_no_delivery() {
    let scene = Scene::open().await;
    let events = notification(&scene);
    let stopped = scene.admin.post(&format!("{SERVICE}/stop"), json!({"environment": "local"})).await.status();
    assert_eq!(stopped, StatusCode::ACCEPTED);
    let (status, told) = notify(&scene, &events).await;
    assert_eq!((status, &told["status"]), (StatusCode::OK, &json!(409)), "{told}");
    let bearer = format!("Bearer {}", scene.secret);
    let named = [("authorization", bearer.as_str()), ("idempotency-key", "build-1")];
    let refused = scene.send(&named, r#"{"tag": "1.4.2"}"#).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT, "a job of CI fails, as ever");
    deploy(&scene.admin, "local").await;
    let (status, told) = notify(&scene, &events).await;
    assert_eq!((status, &told["outcome"]), (StatusCode::ACCEPTED, &json!("accepted")), "{told}");
    let again = scene.send(&named, r#"{"tag": "1.4.2"}"#).await;
    assert_eq!((again.status(), again.headers().get("idempotent-replayed")), (StatusCode::ACCEPTED, None), "it runs again");
}

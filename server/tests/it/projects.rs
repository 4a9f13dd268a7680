//! Projects and members, as their users see them.

use reqwest::StatusCode;
use serde_json::json;

use crate::portal::TestPortal;

#[tokio::test]
async fn a_project_is_seen_by_its_members_alone() {
    let portal = TestPortal::start().await;
    let ana = portal.new_person("ana").await;
    let bob = portal.new_person("bob").await;
    ana.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CREATED).await;

    let view = ana.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
    assert_eq!(view["standing"], json!({"member": "admin"}));
    bob.get("/api/v1/projects/shop").await.expect_status(StatusCode::NOT_FOUND).await;
    let list = bob.get("/api/v1/projects").await.expect_status(StatusCode::OK).await;
    assert_eq!(list, json!({"items": []}));

    ana.patch("/api/v1/projects/shop", json!({"internal": true})).await.expect_status(StatusCode::NO_CONTENT).await;
    let view = bob.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
    assert_eq!(view["may"], json!(["see_project", "pull", "create_project", "see_environments"]));
    let refused = bob.get("/api/v1/projects/shop/members").await.expect_status(StatusCode::FORBIDDEN).await;
    assert_eq!(refused["code"], "forbidden");
}

#[tokio::test]
async fn a_wrong_name_gets_the_nearest_right_one() {
    let portal = TestPortal::start().await;
    let admin = portal.person("admin");
    let refused = admin.post("/api/v1/projects", json!({"name": "My Shop"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "name");
    assert!(refused["errors"][0]["message"].as_str().expect("a text").contains("my-shop"), "{refused}");
    let refused = admin.post("/api/v1/projects", json!({"nmae": "shop"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(refused["detail"].as_str().expect("a text").contains("nmae"), "{refused}");
}

#[tokio::test]
async fn two_who_want_one_name_get_one_project() {
    let portal = TestPortal::start().await;
    let admin = portal.person("admin");
    let wanted = || admin.post("/api/v1/projects", json!({"name": "shop"}));
    let (first, second) = tokio::join!(wanted(), wanted());
    let mut statuses = [first.status().as_u16(), second.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let portal = TestPortal::start().await;
    let ana = portal.new_person("ana").await;
    portal.new_person("bob").await;
    ana.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CREATED).await;
    let refused = ana.delete("/api/v1/projects/shop/members/ana").await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "last_admin");
    ana.put("/api/v1/projects/shop/members/ana", json!({"role": "guest"})).await.expect_status(StatusCode::CONFLICT).await;
    ana.put("/api/v1/projects/shop/members/bob", json!({"role": "admin"})).await.expect_status(StatusCode::CREATED).await;
    ana.delete("/api/v1/projects/shop/members/ana").await.expect_status(StatusCode::NO_CONTENT).await;
    ana.get("/api/v1/projects/shop").await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    let portal = TestPortal::start().await;
    let admin = portal.person("admin");
    for name in ["a", "b", "c"] {
        admin.post("/api/v1/projects", json!({"name": name})).await.expect_status(StatusCode::CREATED).await;
    }
    let answer = admin.get("/api/v1/projects?limit=2").await;
    let link = answer.0.headers()["link"].to_str().expect("a link").to_owned();
    let page = answer.expect_status(StatusCode::OK).await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let next = link.trim_start_matches('<').split('>').next().expect("a path");
    let page = admin.get(next).await.expect_status(StatusCode::OK).await;
    assert_eq!(page["items"][0]["name"], "c");
    assert!(page["next"].is_null());
}

#[tokio::test]
async fn a_deleted_project_is_gone_and_its_name_rests() {
    let portal = TestPortal::start_with_clock().await;
    let ana = portal.new_person("ana").await;
    let bob = portal.new_person("bob").await;
    ana.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CREATED).await;
    ana.delete("/api/v1/projects/shop").await.expect_status(StatusCode::NO_CONTENT).await;
    ana.get("/api/v1/projects/shop").await.expect_status(StatusCode::NOT_FOUND).await;
    let refused = bob.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "name_taken");
    portal.clock.as_ref().expect("a clock").advance(std::time::Duration::from_secs(31 * 86_400));
    bob.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CREATED).await;
}

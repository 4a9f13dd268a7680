//! Approvals and freezes as programs and browsers without scripts meet them: what changed since is asked for again, nobody approves their own where
//! somebody else must, and nothing is brought into what is frozen but by operators who say why.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Site, web};
use crate::forms::Form;
use crate::ground::push_busybox;
use crate::portal::{Person, TestPortal};

const DEPLOYMENTS: &str = "/api/v1/projects/shop/services/web/deployments";

async fn refused(person: &Person, path: &str, body: Value) -> Value {
    let problem = person.post(path, body).await.expect_status(StatusCode::CONFLICT).await;
    problem["code"].clone()
}

#[tokio::test]
async fn what_changed_since_is_shown_and_asked_for_again() {
    let site = Site::of(TestPortal::start().await).await;
    let order = json!({"registry_address": "10.0.0.5:3000", "protected": true, "second_person": true, "projects": "all"});
    site.environment("prod", order).await;
    site.service("web").await;
    let waiting = site.deploy("web", "prod", web()).await;
    let plan = site.developer.get(&format!("{waiting}/plan")).await.expect_status(StatusCode::OK).await;
    assert!(plan["changed_since"].is_null() && plan["second_person"] == true, "{plan}");
    let before = plan["digest"].clone();

    push_busybox(&site.developer, "shop/web", "1", "hello again").await;
    let ada = site.portal.person("ada");
    assert_eq!(refused(&ada, &format!("{waiting}/approve"), json!({})).await, "changed_since");
    let plan = ada.get(&format!("{waiting}/plan")).await.expect_status(StatusCode::OK).await;
    let since = &plan["changed_since"][0];
    assert!(since["field"] == "image content" && since["before"] == before && since["after"] != before, "{plan}");

    // The page shows what changed to both, and asks again without scripts.
    let page = waiting.replace("/api/v1", "");
    let (of_ada, of_dora) = (site.portal.browser("ada").await, site.portal.browser("dora").await);
    let theirs = of_ada.open(&page).await.text().await.expect("a page");
    let after = since["after"].as_str().expect("a digest");
    assert!(theirs.contains("Changed since it was asked for") && theirs.contains(after), "{theirs}");
    let led = Form::open(&of_dora, &page, "/fn/deployments/ask_again").await.send(&of_dora, "").await;
    assert!(led.starts_with("/projects/shop/services/web/deployments/") && led != page, "{led}");
    let again = format!("/api/v1{led}");
    let view = site.developer.get(&waiting).await.expect_status(StatusCode::OK).await;
    assert_eq!(view["state"], "superseded", "{view}");
    let hers = of_dora.open(&led).await.text().await.expect("a page");
    assert!(hers.contains("waits for an approval") && !hers.contains("Changed since it was asked for"), "{hers}");
    let approved = ada.post(&format!("{again}/approve"), json!({})).await.expect_status(StatusCode::OK).await;
    assert!(approved["state"] == "queued" && approved["revision"] == 2, "{approved}");
    let revision = ada.get("/api/v1/projects/shop/services/web/revisions/2").await.expect_status(StatusCode::OK).await;
    assert_eq!(revision["revision"]["digest"], after, "what was looked at is what runs: {revision}");

    // Asked for by an admin, it is another one who approves. Whoever refuses says why.
    let own = ada.post(DEPLOYMENTS, json!({"environment": "prod", "descriptor": web()})).await.expect_status(StatusCode::ACCEPTED).await;
    let own = format!("{DEPLOYMENTS}/{}", own["id"].as_str().expect("an id"));
    assert_eq!(refused(&ada, &format!("{own}/approve"), json!({})).await, "own_request");
    let theirs = of_ada.open(&own.replace("/api/v1", "")).await.text().await.expect("a page");
    assert!(theirs.contains("You asked for this yourself"), "{theirs}");
    let silent = site.admin.post(&format!("{own}/refuse"), json!({})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(silent["errors"][0]["field"], "why", "{silent}");
    site.admin.post(&format!("{own}/approve"), json!({})).await.expect_status(StatusCode::OK).await;
}

#[tokio::test]
async fn a_freeze_is_told_to_everybody_and_overridden_with_a_reason() {
    const PAGE: &str = "/admin/environments/prod";
    let site = Site::of(TestPortal::start().await).await;
    site.environment("prod", json!({"registry_address": "10.0.0.5:3000", "projects": "all"})).await;
    site.service("web").await;
    let (of_admin, of_dora) = (site.portal.browser("admin").await, site.portal.browser("dora").await);
    Form::open(&of_admin, PAGE, "/fn/environments/freeze").await.fill("why", "the stocktaking").send(&of_admin, "").await;
    for path in ["/environments/prod", "/projects/shop/services/web/deploy?environment=prod"] {
        let page = of_dora.open(path).await.text().await.expect("a page");
        assert!(page.contains("prod is frozen: the stocktaking"), "{path}: {page}");
        assert!(!page.contains("Override the freeze"), "{path}: that is for operators: {page}");
    }
    let frozen = site.developer.get("/api/v1/environments/prod").await.expect_status(StatusCode::OK).await;
    assert_eq!((&frozen["frozen"]["by"], &frozen["frozen"]["why"]), (&json!("admin"), &json!("the stocktaking")));

    let body = |more: Value| {
        let mut body = json!({"environment": "prod", "descriptor": web()});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let over = json!({"override_freeze": true, "why": "the shop is down"});
    assert_eq!(refused(&site.developer, DEPLOYMENTS, body(json!({}))).await, "environment_frozen");
    assert_eq!(refused(&site.portal.person("ada"), DEPLOYMENTS, body(over.clone())).await, "environment_frozen");
    assert_eq!(refused(&site.admin, DEPLOYMENTS, body(json!({"why": "as ever"}))).await, "environment_frozen");
    let silent = site.admin.post(DEPLOYMENTS, body(json!({"override_freeze": true}))).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(silent["errors"][0]["field"], "why", "{silent}");
    let made = site.admin.post(DEPLOYMENTS, body(over)).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!(made["overridden"], json!({"by": "admin", "why": "the shop is down"}), "{made}");
    let page = format!("/projects/shop/services/web/deployments/{}", made["id"].as_str().expect("an id"));
    let page = of_dora.open(&page).await.text().await.expect("a page");
    assert!(page.contains("Freeze overridden") && page.contains("by admin: the shop is down"), "{page}");

    Form::open(&of_admin, PAGE, "/fn/environments/thaw").await.send(&of_admin, "").await;
    site.deploy("web", "prod", web()).await;
    let thawed = site.developer.get("/api/v1/environments/prod").await.expect_status(StatusCode::OK).await;
    assert!(thawed["frozen"].is_null(), "{thawed}");
}

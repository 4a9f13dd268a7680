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

#[tokio::test]
async fn the_verbs_override_a_freeze_by_their_forms_and_by_the_api() {
    const OVERVIEW: &str = "/projects/shop/services/web?environment=prod";
    const REVISIONS: &str = "/projects/shop/services/web/revisions";
    const CONFIGURATION: &str = "/projects/shop/configuration";
    let site = Site::of(TestPortal::start().await).await;
    site.environment("prod", json!({"registry_address": "10.0.0.5:3000", "projects": "all"})).await;
    site.service("web").await;
    site.deploy("web", "prod", web()).await;
    let (of_admin, of_dora) = (site.portal.browser("admin").await, site.portal.browser("dora").await);
    let page = of_admin.open(OVERVIEW).await.text().await.expect("a page");
    assert!(!page.contains("Override the freeze"), "nothing is frozen: {page}");
    site.admin.put("/api/v1/environments/prod/freeze", json!({"why": "the stocktaking"})).await.expect_status(StatusCode::OK).await;
    for path in [OVERVIEW, REVISIONS] {
        let page = of_dora.open(path).await.text().await.expect("a page");
        assert!(!page.contains("Override the freeze"), "{path}: that is for operators: {page}");
    }
    let page = of_dora.open(OVERVIEW).await.text().await.expect("a page");
    assert!(page.contains("prod is frozen: the stocktaking"), "{page}");

    let newest = async || {
        let listed = site.developer.get(DEPLOYMENTS).await.expect_status(StatusCode::OK).await;
        let newest = &listed["items"][0];
        (newest["kind"].clone(), newest["overridden"]["why"].clone())
    };
    let over = |form: Form, why: &str| form.fill("why", why).tick("override_freeze", true);
    let form = Form::open(&of_admin, OVERVIEW, "/fn/deployments/scale").await.fill("replicas", "2");
    over(form, "the queue is long").send(&of_admin, "").await;
    assert_eq!(newest().await, (json!("scale"), json!("the queue is long")));
    let form = Form::open(&of_admin, REVISIONS, "/fn/deployments/rollback").await;
    over(form, "the prices are wrong").send(&of_admin, "").await;
    assert_eq!(newest().await, (json!("rollback"), json!("the prices are wrong")));

    let set = async |value: &str| {
        let body = json!({"value": value});
        site.developer.put("/api/v1/projects/shop/variables/LOG_LEVEL", body).await.expect_status(StatusCode::OK).await;
    };
    set("info").await;
    let form = Form::open(&of_admin, CONFIGURATION, "/fn/configs/roll").await;
    over(form, "to look closely").send(&of_admin, "").await;
    assert_eq!(newest().await, (json!("deploy"), json!("to look closely")));
    let overriding = |why: &str| json!({"environment": "prod", "override_freeze": true, "why": why});
    for (path, value) in [("/api/v1/projects/shop/services/web/roll", "debug"), ("/api/v1/projects/shop/configuration/roll", "warn")] {
        set(value).await;
        let plain = site.admin.post(path, json!({"environment": "prod", "why": "as ever"})).await;
        let plain = plain.expect_status(StatusCode::CONFLICT).await;
        assert!(plain.to_string().contains("the stocktaking"), "{path}: {plain}");
        let theirs = site.developer.post(path, overriding("as they like")).await.expect_status(StatusCode::CONFLICT).await;
        assert!(theirs.to_string().contains("the stocktaking"), "{path}: {theirs}");
        site.admin.post(path, overriding(value)).await.expect_status(StatusCode::ACCEPTED).await;
        assert_eq!(newest().await, (json!("deploy"), json!(value)), "{path}");
    }

    // What is stopped is started with a reason too.
    let stop = json!({"environment": "prod"});
    site.developer.post("/api/v1/projects/shop/services/web/stop", stop).await.expect_status(StatusCode::ACCEPTED).await;
    let form = over(Form::open(&of_admin, OVERVIEW, "/fn/deployments/start").await, "the stocktaking needs it");
    assert!(form.page.contains("Start web in prod"), "{}", form.page);
    let page = of_dora.open(OVERVIEW).await.text().await.expect("a page");
    assert!(page.contains("/fn/deployments/start") && !page.contains("Start web in prod"), "{page}");
}

#[tokio::test]
async fn what_changed_since_is_asked_for_again_in_what_is_frozen_by_the_form() {
    let site = Site::of(TestPortal::start().await).await;
    site.environment("prod", json!({"registry_address": "10.0.0.5:3000", "protected": true, "projects": "all"})).await;
    site.service("web").await;
    let body = json!({"environment": "prod", "descriptor": web(), "why": "the new prices"});
    let waiting = site.developer.post(DEPLOYMENTS, body).await.expect_status(StatusCode::ACCEPTED).await;
    let waiting = format!("{DEPLOYMENTS}/{}", waiting["id"].as_str().expect("an id"));
    push_busybox(&site.developer, "shop/web", "1", "hello again").await;
    site.admin.put("/api/v1/environments/prod/freeze", json!({"why": "the stocktaking"})).await.expect_status(StatusCode::OK).await;
    let again = format!("{waiting}/ask-again");
    assert_eq!(refused(&site.developer, &again, json!({})).await, "environment_frozen");
    let silent = site.admin.post(&again, json!({"override_freeze": true})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(silent["errors"][0]["field"], "why", "{silent}");

    let page = waiting.replace("/api/v1", "");
    let (of_admin, of_dora) = (site.portal.browser("admin").await, site.portal.browser("dora").await);
    let hers = of_dora.open(&page).await.text().await.expect("a page");
    assert!(hers.contains("/fn/deployments/ask_again") && !hers.contains("Override the freeze"), "{hers}");
    let form = Form::open(&of_admin, &page, "/fn/deployments/ask_again").await.fill("why", "the shop is down").tick("override_freeze", true);
    let led = form.send(&of_admin, "").await;
    assert!(led.starts_with("/projects/shop/services/web/deployments/") && led != page, "{led}");
    let made = site.developer.get(&format!("/api/v1{led}")).await.expect_status(StatusCode::OK).await;
    assert_eq!((&made["state"], &made["overridden"]["why"]), (&json!("pending"), &json!("the shop is down")), "{made}");
}

#[tokio::test]
async fn what_waits_for_somebody_is_listed_in_pages() {
    const WAITING: &str = "/api/v1/deployments/waiting";
    let site = Site::of(TestPortal::start().await).await;
    site.environment("prod", json!({"registry_address": "10.0.0.5:3000", "protected": true, "projects": "all"})).await;
    let of_ada = site.portal.browser("ada").await;
    let page = of_ada.open("/deployments/waiting").await.text().await.expect("a page");
    assert!(page.contains("Nothing waits for you"), "{page}");
    for service in ["web", "api"] {
        site.service(service).await;
        site.deploy(service, "prod", web()).await;
    }
    let listed = async |person: &Person, query: &str| person.get(&format!("{WAITING}{query}")).await.expect_status(StatusCode::OK).await;
    let services = |list: &Value| list["items"].as_array().expect("items").iter().map(|one| one["service"].clone()).collect::<Vec<_>>();
    let ada = site.portal.person("ada");
    let first = listed(&ada, "?limit=1").await;
    assert_eq!(services(&first), [json!("api")], "the newest first: {first}");
    let next = first["next"].as_str().expect("more follows").to_owned();
    let rest = listed(&ada, &format!("?limit=1&after={next}")).await;
    assert!(services(&rest) == [json!("web")] && rest["next"].is_null(), "{rest}");
    assert_eq!(services(&listed(&site.admin, "").await).len(), 2);
    assert!(services(&listed(&site.developer, "").await).is_empty(), "who may not approve is told of nothing");

    let page = of_ada.open("/deployments/waiting").await.text().await.expect("a page");
    assert!(page.contains("shop/api: Deploy") && page.contains("shop/web: Deploy"), "{page}");
    let page = of_ada.open(&format!("/deployments/waiting?after={next}")).await.text().await.expect("a page");
    assert!(!page.contains("shop/api: Deploy") && page.contains("shop/web: Deploy"), "what stood before is not there again: {page}");
}

//! The pages of alerts, in a browser without scripts.

use reqwest::StatusCode;
use serde_json::json;

use super::{once, plant_service, shop, uses};
use crate::forms::Form;
use crate::portal::TestPortal;

#[tokio::test]
async fn rules_and_routes_are_written_without_scripts() {
    let portal = TestPortal::start().await;
    let ana = shop(&portal).await;
    let browser = portal.browser("ana").await;
    let page = browser.open("/projects/shop/alerts").await.text().await.expect("a page");
    assert!(page.contains("No alerts are firing") && page.contains("5 rules are watched"), "those of the site about services: {page}");
    assert!(page.contains("add a route"), "nobody would be told: {page}");
    let form = Form::open(&browser, "/projects/shop/alerts/rules/new", "/fn/alerts/put_rule").await;
    form.fill("form[name]", "Busy").fill("form[value]", "80 %").send(&browser, "").await;
    let rules = ana.get("/api/v1/projects/shop/alert-rules").await.expect_status(StatusCode::OK).await;
    assert_eq!(rules["items"][0]["says"], "memory over 80 % for 5m");
    let page = browser.open("/projects/shop/alerts/rules").await.text().await.expect("a page");
    assert!(page.contains("Busy") && page.contains("memory over 80 % for 5m"), "{page}");
    let form = Form::open(&browser, "/projects/shop/alerts/routes", "/fn/notices/put_route").await;
    form.fill("form[name]", "ops").fill("form[address]", "https://hooks.example.com/secret-path").send(&browser, "").await;
    let page = browser.open("/projects/shop/alerts/routes").await.text().await.expect("a page");
    assert!(page.contains("whsec_") && !page.contains("secret-path"), "the secret is shown this once: {page}");
    let page = browser.open("/projects/shop/alerts/routes").await.text().await.expect("a page");
    assert!(page.contains("https://hooks.example.com") && !page.contains("whsec_"), "{page}");
    let routes = ana.get("/api/v1/projects/shop/routes").await.expect_status(StatusCode::OK).await;
    let usual = ["alert.firing", "alert.resolved", "deployment.pending", "deployment.failed", "deployment.rolled_back"];
    assert_eq!(routes["items"][0]["events"], json!(usual), "what people should look at is chosen at first");
    let page = browser.open("/projects/shop/alerts").await.text().await.expect("a page");
    assert!(page.contains("6 rules are watched") && !page.contains("add a route"), "{page}");
    let form = Form::open(&browser, "/projects/shop/alerts/routes", "/fn/notices/put_route").await;
    let form = form.fill("form[name]", "post").fill("form[kind]", "email").fill("form[address]", "ops@example.com");
    form.send(&browser, "").await;
    let page = browser.open("/projects/shop/alerts/routes").await.text().await.expect("a page");
    assert!(page.contains("no mail server is set"), "{page}");
}

#[tokio::test]
async fn operators_have_the_rules_that_a_site_begins_with_and_nobody_else_sees_them() {
    let portal = TestPortal::start().await;
    shop(&portal).await;
    let admin = portal.browser("admin").await;
    let page = admin.open("/admin/alerts/rules").await.text().await.expect("a page");
    assert!(page.contains("Memory near its limit") && page.contains("Machine does not answer"), "{page}");
    assert_eq!(portal.browser("ana").await.open("/admin/alerts/rules").await.status(), StatusCode::FORBIDDEN);
    let rules = portal.person("admin").get("/api/v1/alert-rules").await.expect_status(StatusCode::OK).await;
    assert_eq!(rules["items"].as_array().map(Vec::len), Some(11));
    assert_eq!(rules["items"][0]["by"], json!("slipway"));
    // Operators hear of what waits for them, unless they choose otherwise.
    let form = Form::open(&admin, "/admin/alerts/routes", "/fn/notices/put_route").await;
    form.fill("form[name]", "ops").fill("form[address]", "https://hooks.example.com/secret-path").send(&admin, "").await;
    let routes = portal.person("admin").get("/api/v1/routes").await.expect_status(StatusCode::OK).await;
    assert_eq!(routes["items"][0]["events"], json!(["alert.firing", "alert.resolved", "deployment.pending"]));
}

#[tokio::test]
async fn a_rule_of_the_site_is_about_machines_where_its_condition_is() {
    let portal = TestPortal::start().await;
    shop(&portal).await;
    let admin = portal.browser("admin").await;
    let form = Form::open(&admin, "/admin/alerts/rules/new", "/fn/alerts/put_rule").await;
    form.fill("form[name]", "Away").fill("form[kind]", "machine_gone").send(&admin, "").await;
    let rules = portal.person("admin").get("/api/v1/alert-rules").await.expect_status(StatusCode::OK).await;
    let away = rules["items"].as_array().and_then(|rules| rules.iter().find(|rule| rule["rule"]["name"] == "Away")).expect("the rule");
    assert_eq!(away["rule"]["of"], json!("machines"), "{away}");
    let form = Form::open(&portal.browser("ana").await, "/projects/shop/alerts/rules/new", "/fn/alerts/put_rule").await;
    assert!(form.page.contains("every service") && form.page.contains(">local</option>"), "places are chosen: {}", form.page);
}

#[tokio::test]
async fn the_number_of_what_fires_stands_in_the_navigation() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let rule = json!({"name": "Memory", "kind": "threshold", "metric": "memory_working_set", "value": "90 %"});
    ana.post("/api/v1/projects/shop/alert-rules", rule).await.expect_status(StatusCode::CREATED).await;
    let (project, service, environment) = plant_service(&portal).await;
    let (key, task) = (metrics::Key::Service { project, service, environment }, portal.platform().new_id());
    let (ana, admin) = (portal.browser("ana").await, portal.browser("admin").await);
    let page = async || ana.open("/projects/shop/images").await.text().await.expect("a page");
    let calm = page().await;
    assert!(calm.contains("/projects/shop/alerts") && !calm.contains(" firing<"), "{calm}");
    uses(&portal, key, task, 950.0);
    once("the number", async || page().await.contains(" 1 firing<").then_some(())).await;
    let all = admin.open("/admin/quotas").await.text().await.expect("a page");
    assert!(all.contains(" firing<"), "operators see how many fire in all projects: {all}");
    uses(&portal, key, task, 100.0);
    once("its end", async || (!page().await.contains(" firing<")).then_some(())).await;
}

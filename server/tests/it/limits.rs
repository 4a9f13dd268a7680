//! How much one account may hold open, and what is believed of a proxy in front.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Browser, PASSWORD, TestPortal};

async fn live(browser: &Browser) -> Response {
    browser.request(Method::GET, "/live").send().await.expect("an answer")
}

#[tokio::test]
async fn an_account_listens_with_so_many_browsers_and_is_told_what_to_do_about_more() {
    let portal = TestPortal::start().await;
    portal.new_person("dora").await;
    let (browser, other) = (portal.browser("dora").await, portal.browser("dora").await);
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(live(&browser).await);
        assert_eq!(open.last().expect("one").status(), StatusCode::OK);
    }
    let refused = live(&other).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let problem: Value = refused.json().await.expect("a problem");
    assert_eq!(problem["code"], "too_many_open");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("256 browsers") && text.contains("close some")), "{problem}");
    assert_eq!(live(&portal.browser("admin").await).await.status(), StatusCode::OK, "others are not concerned");
    drop(open);
    // The server hears of the closed connections a moment later.
    let began = std::time::Instant::now();
    while live(&other).await.status() != StatusCode::OK {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "closed streams free their places");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_account_follows_so_many_logs() {
    let portal = TestPortal::start().await;
    let dora = portal.new_person("dora").await;
    portal.new_project("shop", &[("dora", "developer")]).await;
    dora.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    let path = "/api/v1/projects/shop/services/web/logs?follow=true";
    let mut open = Vec::new();
    for _ in 0..128 {
        open.push(dora.get(path).await);
        assert_eq!(open.last().expect("one").status(), StatusCode::OK);
    }
    let problem = dora.get(path).await.expect_status(StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!(problem["code"], "too_many_open");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("128 logs") && text.contains("close one")), "{problem}");
}

async fn sign_in(portal: &TestPortal, forwarded: &str, password: &str) -> Response {
    let browser = Browser::new(portal);
    let form = [("username", "admin"), ("password", password)];
    let request = browser.request(Method::POST, "/fn/accounts/login").header("origin", "https://slipway.example.com").form(&form);
    browser.send(request.header("x-forwarded-for", forwarded)).await
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    let portal = TestPortal::start_behind_proxy().await;
    let answer = sign_in(&portal, "203.0.113.9", PASSWORD).await;
    let cookie = answer.headers()["set-cookie"].to_str().expect("a readable cookie");
    assert!(cookie.starts_with("__Host-slipway_session="), "{cookie}");
    // Without any of these browsers refuse a cookie of that name.
    assert!(cookie.contains("Secure") && cookie.contains("Path=/") && !cookie.contains("Domain") && cookie.contains("HttpOnly"), "{cookie}");

    let plain = TestPortal::start().await;
    let answer = Browser::new(&plain).form("/fn/accounts/login", &[("username", "admin"), ("password", PASSWORD)]).await;
    let cookie = answer.headers()["set-cookie"].to_str().expect("a readable cookie");
    assert!(cookie.starts_with("slipway_session=") && !cookie.contains("Secure"), "{cookie}");
}

#[tokio::test]
async fn behind_a_proxy_each_client_is_slowed_down_for_itself() {
    let portal = TestPortal::start_behind_proxy().await;
    for _ in 0..6 {
        sign_in(&portal, "198.51.100.1, 203.0.113.9", "wrong wrong wrong").await;
    }
    let refused = sign_in(&portal, "198.51.100.2, 203.0.113.9", PASSWORD).await.text().await.expect("text");
    assert!(refused.contains("too many"), "what stands before the proxy's own word changes nothing: {refused}");
    let other = sign_in(&portal, "203.0.113.10", PASSWORD).await;
    assert!(other.headers().contains_key("set-cookie"), "{}", other.status());
    let audit = portal.person("admin").get("/api/v1/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records");
    assert!(records.iter().any(|record| record["action"] == "session.create" && record["address"] == "203.0.113.10"), "{audit}");
}

#[tokio::test]
async fn without_a_proxy_nobody_chooses_an_address() {
    let portal = TestPortal::start_with_clock().await;
    for at in 0..6 {
        let guess = portal.person("admin").with_secret("wrong wrong wrong");
        let answer = guess.request(Method::GET, "/api/v1/me").header("x-forwarded-for", format!("203.0.113.{at}")).send().await.expect("an answer");
        let wanted = if at < 5 { StatusCode::UNAUTHORIZED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(answer.status(), wanted, "attempt {at}");
    }
}

//! Sign-in, sessions, passwords and tokens, as their owners and as strangers see them.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::portal::{Browser, PASSWORD, TestPortal};

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_look_the_same() {
    let portal = TestPortal::start().await;
    let browser = Browser::new(&portal);
    let wrong_password = browser.form("/fn/accounts/login", &[("username", "admin"), ("password", "wrong wrong wrong")]).await;
    let wrong_name = browser.form("/fn/accounts/login", &[("username", "nobody-here"), ("password", "wrong wrong wrong")]).await;
    assert_eq!(wrong_password.status(), wrong_name.status());
    let (one, other) = (wrong_password.text().await.expect("text"), wrong_name.text().await.expect("text"));
    assert_eq!(one, other);
    assert!(!one.contains("admin"));
}

#[tokio::test]
async fn guessing_is_slowed_down_for_names_that_exist_or_not() {
    let portal = TestPortal::start_with_clock().await;
    for name in ["admin", "nobody-here"] {
        let guess = || portal.person(name).with_secret("wrong wrong wrong");
        for _ in 0..5 {
            guess().get("/api/v1/me").await.expect_status(StatusCode::UNAUTHORIZED).await;
        }
        let slowed = guess().get("/api/v1/me").await;
        assert!(slowed.0.headers().contains_key("retry-after"));
        slowed.expect_status(StatusCode::TOO_MANY_REQUESTS).await;
    }
}

#[tokio::test]
async fn a_session_gets_a_new_id_at_sign_in_and_ends_at_sign_out() {
    let portal = TestPortal::start().await;
    let browser = portal.browser("admin").await;
    let csrf = browser.csrf().await;
    assert!(!csrf.is_empty(), "a signed-in page carries a token");
    assert_eq!(browser.open("/account").await.status(), StatusCode::OK);
    let refused = browser.form("/fn/accounts/logout", &[("csrf", "another")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let out = browser.form("/fn/accounts/logout", &[("csrf", &csrf)]).await;
    assert!(out.status().is_success() || out.status().is_redirection());
    let after = browser.open("/account").await;
    assert!(after.status().is_redirection() || after.status() == StatusCode::UNAUTHORIZED, "{}", after.status());
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_a_session() {
    let portal = TestPortal::start().await;
    let browser = portal.browser("admin").await;
    let csrf = browser.csrf().await;
    let request = browser.request(Method::POST, "/fn/projects/create").header("origin", "http://evil.example");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(format!("csrf={csrf}&name=shop"));
    assert_eq!(browser.send(request).await.status(), StatusCode::FORBIDDEN);
    portal.person("admin").get("/api/v1/projects/shop").await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn the_api_does_not_look_at_cookies() {
    let portal = TestPortal::start().await;
    let browser = portal.browser("admin").await;
    let answer = browser.send(browser.request(Method::GET, "/api/v1/me")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sessions_end_unused_and_at_the_owners_word() {
    let portal = TestPortal::start_with_clock().await;
    let clock = portal.clock.clone().expect("a clock");
    let browser = portal.browser("admin").await;
    let admin = portal.person("admin");
    let sessions = admin.get("/api/v1/me/sessions").await.expect_status(StatusCode::OK).await;
    let id = sessions["items"][0]["id"].as_str().expect("a session").to_owned();
    assert_eq!(browser.open("/account").await.status(), StatusCode::OK);
    admin.delete(&format!("/api/v1/me/sessions/{id}")).await.expect_status(StatusCode::NO_CONTENT).await;
    assert_ne!(browser.open("/account").await.status(), StatusCode::OK);

    let browser = portal.browser("admin").await;
    clock.advance(Duration::from_secs(8 * 86_400));
    let after = browser.open("/account").await;
    assert_ne!(after.status(), StatusCode::OK, "eight unused days end it");
}

#[tokio::test]
async fn a_token_is_a_ceiling_and_ends_when_revoked() {
    let portal = TestPortal::start().await;
    let admin = portal.person("admin");
    let made = admin
        .post("/api/v1/me/tokens", json!({"name": "ci", "scopes": ["read"], "expires_in_days": 1}))
        .await
        .expect_status(StatusCode::CREATED)
        .await;
    let secret = made["secret"].as_str().expect("a secret");
    let id = made["token"]["id"].as_str().expect("an id");
    let reader = portal.person("admin").with_secret(secret);
    reader.get("/api/v1/projects").await.expect_status(StatusCode::OK).await;
    let refused = reader.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::FORBIDDEN).await;
    assert!(refused["detail"].as_str().expect("a text").contains("scope admin"), "{refused}");
    let wider = reader.post("/api/v1/me/tokens", json!({"name": "more", "scopes": ["admin"]})).await;
    wider.expect_status(StatusCode::FORBIDDEN).await;
    let list = admin.get("/api/v1/me/tokens").await.expect_status(StatusCode::OK).await;
    assert!(!list.to_string().contains(secret), "a secret is shown once");
    admin.delete(&format!("/api/v1/me/tokens/{id}")).await.expect_status(StatusCode::NO_CONTENT).await;
    reader.get("/api/v1/projects").await.expect_status(StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn the_last_operator_cannot_be_lost() {
    let portal = TestPortal::start().await;
    let admin = portal.person("admin");
    for (method, path, body) in [
        (Method::PATCH, "/api/v1/users/admin", Some(json!({"disabled": true}))),
        (Method::PATCH, "/api/v1/users/admin", Some(json!({"operator": false}))),
        (Method::DELETE, "/api/v1/users/admin", None),
    ] {
        let request = admin.request(method, path);
        let request = if let Some(body) = &body { request.json(body) } else { request };
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::CONFLICT);
    }
    admin.get("/api/v1/me").await.expect_status(StatusCode::OK).await;
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once() {
    let portal = TestPortal::start().await;
    let ana = portal.new_person("ana").await;
    let browser = portal.browser("ana").await;
    ana.get("/api/v1/me").await.expect_status(StatusCode::OK).await;
    let admin = portal.person("admin");
    admin.patch("/api/v1/users/ana", json!({"disabled": true})).await.expect_status(StatusCode::OK).await;
    ana.get("/api/v1/me").await.expect_status(StatusCode::UNAUTHORIZED).await;
    assert_ne!(browser.open("/account").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_own_password_changes_with_the_current_one_alone() {
    let portal = TestPortal::start().await;
    let ana = portal.new_person("ana").await;
    let wrong = json!({"current_password": "not the current", "new_password": "another good one"});
    let refused = ana.put("/api/v1/me/password", wrong).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "current_password");
    let short = json!({"current_password": PASSWORD, "new_password": "short"});
    ana.put("/api/v1/me/password", short).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    let right = json!({"current_password": PASSWORD, "new_password": "another good one"});
    ana.put("/api/v1/me/password", right).await.expect_status(StatusCode::NO_CONTENT).await;
    ana.get("/api/v1/me").await.expect_status(StatusCode::UNAUTHORIZED).await;
    ana.with_secret("another good one").get("/api/v1/me").await.expect_status(StatusCode::OK).await;
}

#[tokio::test]
async fn what_rests_on_an_old_password_ends_with_it() {
    let portal = TestPortal::start_with_clock().await;
    let ana = portal.new_person("ana").await;
    portal.new_project("shop", &[("ana", "developer")]).await;
    let scope = "/auth/token?service=slipway&scope=repository:shop/web:pull,push";
    let token = ana.get(scope).await.expect_status(StatusCode::OK).await["token"].as_str().expect("a token").to_owned();
    let push = || portal.nobody().request(Method::POST, "/v2/shop/web/blobs/uploads/").bearer_auth(&token).send();
    assert_eq!(push().await.expect("an answer").status(), StatusCode::ACCEPTED);
    portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(5));
    let new = json!({"password": "another good one"});
    portal.person("admin").put("/api/v1/users/ana/password", new).await.expect_status(StatusCode::NO_CONTENT).await;
    assert_eq!(push().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn attempts_sent_at_once_are_counted_one_by_one() {
    let portal = TestPortal::start_with_clock().await;
    let guess = || async { portal.person("admin").with_secret("wrong wrong wrong").get("/api/v1/me").await.status() };
    let answers = futures::future::join_all((0..30).map(|_| guess())).await;
    let judged = answers.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count();
    assert!(judged <= 6, "{judged} of 30 guesses were judged");
}

#[tokio::test]
async fn a_client_that_sends_many_requests_at_once_is_no_guesser() {
    let portal = TestPortal::start().await;
    let ana = portal.new_person("ana").await;
    let answers = futures::future::join_all((0..16).map(|_| ana.get("/api/v1/me"))).await;
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
}

#[tokio::test]
async fn a_signed_out_stream_is_cut() {
    let portal = TestPortal::start().await;
    let browser = portal.browser("admin").await;
    let mut stream = browser.send(browser.request(Method::GET, "/live")).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert!(stream.chunk().await.expect("readable").is_some(), "it begins at once");
    let csrf = browser.csrf().await;
    browser.form("/fn/accounts/logout", &[("csrf", &csrf)]).await;
    let end = tokio::time::timeout(Duration::from_secs(60), async { while stream.chunk().await.expect("readable").is_some() {} });
    end.await.expect("the stream ends when its session does");
}

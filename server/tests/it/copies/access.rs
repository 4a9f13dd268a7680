//! Credentials, and what the portal does not speak with.

use super::*;

/// Another portal with the private image `team/app:1`, which `bob` may pull.
async fn private() -> (TestPortal, String) {
    let other = TestPortal::start().await;
    other.new_person("bob").await;
    other.new_project("team", &[("bob", "developer")]).await;
    let pushed = push(&other.person("bob"), "team/app", "1", b"a private layer").await;
    (other, pushed.manifest)
}

fn host(portal: &TestPortal) -> String {
    portal.base.trim_start_matches("http://").to_owned()
}

#[tokio::test]
async fn a_private_image_needs_the_right_credential_and_says_which() {
    let (portal, (other, digest)) = (shop().await, private().await);
    allow(&portal, std::slice::from_ref(&other.base)).await;
    let (dev, ana) = (portal.person("dev"), portal.person("ana"));
    let from = json!({"from": format!("{}/team/app:1", host(&other))});
    let message = fails(&dev, from.clone(), "unauthorized").await;
    assert!(message.contains("project admin") && message.contains(&host(&other)), "{message}");

    let path = format!("/api/v1/projects/shop/registries/{}", host(&other));
    let wrong = json!({"username": "bob", "secret": "not the password"});
    assert_eq!(dev.put(&path, wrong.clone()).await.status(), StatusCode::FORBIDDEN, "developers keep no credentials");
    ana.put(&path, wrong).await.expect_status(StatusCode::NO_CONTENT).await;
    let message = fails(&dev, from.clone(), "unauthorized").await;
    assert!(message.contains("bob") && !message.contains("not the password"), "{message}");
    let checked = ana.post(&format!("{path}/check"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(checked["state"], "refused", "{checked}");

    ana.put(&path, json!({"username": "bob", "secret": crate::portal::PASSWORD})).await.expect_status(StatusCode::NO_CONTENT).await;
    let checked = ana.post(&format!("{path}/check"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(checked["state"], "accepted", "{checked}");
    let view = copied(&dev, from.clone()).await;
    assert_eq!(view["digest"], digest);
    assert_eq!(digest_of(&manifest(&dev, "shop/app", "1").await.expect("it is here").1), digest);

    let listed = dev.get("/api/v1/projects/shop/registries").await.expect_status(StatusCode::OK).await;
    assert_eq!((&listed["items"][0]["username"], listed.to_string().contains("correct horse")), (&json!("bob"), false));
    let audit = ana.get("/api/v1/projects/shop/audit").await;
    assert_eq!(audit.status(), StatusCode::OK);
    ana.delete(&path).await.expect_status(StatusCode::NO_CONTENT).await;
    fails(&dev, json!({"from": format!("{}/team/app:1", host(&other)), "to": "again"}), "unauthorized").await;
}

#[tokio::test]
async fn a_registry_may_be_kept_without_a_credential() {
    let (portal, source) = (shop().await, Source::start().await);
    allow(&portal, &[source.pattern()]).await;
    source.serve("/v2/", vec![Reply::ok(b"{}")]);
    let ana = portal.person("ana");
    let path = format!("/api/v1/projects/shop/registries/{}", source.host());
    ana.put(&path, json!({})).await.expect_status(StatusCode::NO_CONTENT).await;
    let checked = ana.post(&format!("{path}/check"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(checked["state"], "open", "{checked}");
    let half = ana.put(&path, json!({"username": "u"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(half["errors"][0]["field"], "secret", "{half}");
    assert_eq!(ana.post("/api/v1/projects/shop/registries/other.example/check", json!({})).await.status(), StatusCode::NOT_FOUND);
    // Docker Hub's names are one.
    ana.put("/api/v1/projects/shop/registries/index.docker.io", json!({"username": "u", "secret": "s"}))
        .await
        .expect_status(StatusCode::NO_CONTENT)
        .await;
    let listed = ana.get("/api/v1/projects/shop/registries").await.expect_status(StatusCode::OK).await;
    let hosts: Vec<_> = listed["items"].as_array().expect("items").iter().map(|item| item["host"].as_str().expect("a host")).collect();
    assert_eq!(hosts, [source.host().as_str(), "docker.io"]);
    ana.delete("/api/v1/projects/shop/registries/registry-1.docker.io").await.expect_status(StatusCode::NO_CONTENT).await;
}

#[tokio::test]
async fn nothing_inside_is_spoken_to_unless_an_operator_allows_it() {
    let (portal, source) = (shop().await, Source::start().await);
    let (dev, ana) = (portal.person("dev"), portal.person("ana"));
    for inside in
        [source.host(), "127.0.0.1".into(), "169.254.169.254".into(), "10.0.0.7:5000".into(), "[::1]:5000".into(), "[::ffff:10.0.0.1]:80".into()]
    {
        let asked = dev.post("/api/v1/projects/shop/copies", json!({"from": format!("{inside}/latest/meta-data:1")})).await;
        let refused = asked.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        let message = refused["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains("operator"), "{inside}: {refused}");
    }
    // By a name: looked at when it is resolved.
    let named = format!("localhost:{}", source.port);
    let message = fails(&dev, json!({"from": format!("{named}/team/app:1")}), "address_refused").await;
    assert!(message.contains(&named) && message.contains("loopback"), "{message}");
    let path = format!("/api/v1/projects/shop/registries/{named}");
    ana.put(&path, json!({})).await.expect_status(StatusCode::NO_CONTENT).await;
    let checked = ana.post(&format!("{path}/check"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(checked["state"], "not_allowed", "{checked}");
    assert_eq!(source.asked(), 0, "nothing was sent");

    // Allowed, but over https, which it does not speak.
    let plain = Source::start().await;
    allow(&portal, &[plain.host()]).await;
    let message = fails(&dev, json!({"from": format!("{}/team/app:1", plain.host())}), "plain_http").await;
    assert!(message.contains(&format!("an operator can allow that by writing it as {}", plain.pattern())), "{message}");

    // Neither by what an allowed registry says.
    let allowed = Source::start().await;
    allow(&portal, &[allowed.pattern()]).await;
    let from = json!({"from": format!("{}/team/app:1", allowed.host())});
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"x\"", source.host());
    allowed.serve("/v2/team/app/manifests/1", vec![Reply::status(401).header("www-authenticate", &realm)]);
    fails(&dev, from.clone(), "address_refused").await;
    for place in [format!("http://{}/x", source.host()), format!("https://{}/x", source.host()), "http://169.254.169.254/latest".into()] {
        allowed.serve("/v2/team/app/manifests/1", vec![Reply::status(302).header("location", &place)]);
        fails(&dev, from.clone(), "address_refused").await;
    }
    allowed.serve("/v2/team/app/manifests/1", vec![Reply::status(302).header("location", "file:///etc/passwd")]);
    fails(&dev, from.clone(), "protocol").await;
    allowed.serve("/v2/team/app/manifests/1", vec![Reply::status(302).header("location", "/v2/team/app/manifests/1")]);
    fails(&dev, from, "protocol").await;
    assert_eq!(source.asked(), 0, "nothing was sent");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_field() {
    let portal = shop().await;
    let (dev, gus) = (portal.person("dev"), portal.person("gus"));
    let body = json!({"from": "https://quay.io/x", "to": "App:1", "platforms": ["amd64"]});
    let refused = dev.post("/api/v1/projects/shop/copies", body.clone()).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    let fields: Vec<_> = refused["errors"].as_array().expect("fields").iter().map(|field| field["field"].as_str().expect("a name")).collect();
    assert_eq!(fields, ["from", "to", "platforms"], "{refused}");
    assert_eq!(gus.post("/api/v1/projects/shop/copies", body).await.status(), StatusCode::FORBIDDEN);
    let own = json!({"from": format!("{}/shop/web:1", host(&portal))});
    let refused = dev.post("/api/v1/projects/shop/copies", own).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(refused["errors"][0]["message"].as_str().expect("a message").contains("own registry"), "{refused}");
    let admin = portal.person("admin");
    let refused = admin.put("/api/v1/outside-registries", json!({"allowed": ["ftp://x"]})).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    allow(&portal, &["Registry.LAN:5000\n# a remark\n10.0.0.0/8".into()]).await;
    let kept = admin.get("/api/v1/outside-registries").await.expect_status(StatusCode::OK).await;
    assert_eq!(kept["allowed"], json!(["registry.lan:5000", "10.0.0.0/8"]));
    let _ = push_blob(&dev, "shop/web", b"the project itself goes on").await;
}

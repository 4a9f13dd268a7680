//! Quotas: who sets and sees them, and how pushes meet the one of tags.

use model::manifest::media_type::OCI_MANIFEST;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};
use crate::push::{digest_of, push, push_blob};

/// A portal with the project `shop`, its admin `ana` and its developer `dev`.
pub async fn shop(portal: TestPortal) -> TestPortal {
    portal.new_person("ana").await;
    portal.new_person("dev").await;
    portal.new_project("shop", &[("ana", "admin"), ("dev", "developer")]).await;
    portal
}

/// The manifest of an image whose blobs are in the repository.
pub async fn image(person: &Person, name: &str, seed: &str) -> String {
    let layer = format!("layer {seed}");
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/web", seed]}}).to_string();
    let (layer_digest, config_digest) = (push_blob(person, name, layer.as_bytes()).await, push_blob(person, name, config.as_bytes()).await);
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": layer.len()}],
    })
    .to_string()
}

/// Points a tag (or a digest) at a manifest: the status, and the first error's message as docker prints it.
pub async fn put(person: &Person, name: &str, reference: &str, manifest: &str) -> (StatusCode, String) {
    let request = person.request(Method::PUT, &format!("/v2/{name}/manifests/{reference}"));
    let answer = request.header("content-type", OCI_MANIFEST).body(manifest.to_owned()).send().await.expect("an answer");
    let status = answer.status();
    let body: Value = serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default();
    let error = &body["errors"][0];
    let told = format!("{}: {}", error["code"].as_str().unwrap_or_default().to_lowercase(), error["message"].as_str().unwrap_or_default());
    (status, told)
}

/// The same, which must be taken.
pub async fn put_fine(person: &Person, name: &str, reference: &str, manifest: &str) {
    let (status, told) = put(person, name, reference, manifest).await;
    assert_eq!(status, StatusCode::CREATED, "{name}:{reference}: {told}");
}

#[tokio::test]
async fn operators_set_quotas_and_who_pushes_sees_them() {
    let portal = shop(TestPortal::start().await).await;
    let (admin, ana, dev) = (portal.person("admin"), portal.person("ana"), portal.person("dev"));
    push(&dev, "shop/web", "1", b"a layer").await;
    let path = "/api/v1/projects/shop/quota";
    ana.put(path, json!({"tags": 1})).await.expect_status(StatusCode::FORBIDDEN).await;
    dev.put(path, json!({"tags": 1})).await.expect_status(StatusCode::FORBIDDEN).await;
    assert_eq!(dev.get(path).await.expect_status(StatusCode::OK).await["used_tags"], 1, "it refuses their pushes");
    portal.new_person("gus").await;
    admin.put("/api/v1/projects/shop/members/gus", json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
    portal.person("gus").get(path).await.expect_status(StatusCode::FORBIDDEN).await;
    let set = admin.put(path, json!({"bytes": "10GiB", "tags": 500})).await.expect_status(StatusCode::OK).await;
    assert_eq!(set["limits"], json!({"bytes": 10_737_418_240_i64, "tags": 500}));
    admin.put(path, json!({"bytes": 5000})).await.expect_status(StatusCode::OK).await;
    let seen = ana.get(path).await.expect_status(StatusCode::OK).await;
    assert_eq!((&seen["limits"], &seen["used_tags"]), (&json!({"bytes": 5000, "tags": 500}), &json!(1)), "what was left out stays");
    let wrong = admin.put(path, json!({"bytes": "10GB"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(wrong["errors"][0]["message"].as_str().is_some_and(|text| text.contains("GiB")), "{wrong}");
    admin.put(path, json!({"tags": -1})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    admin.put(path, json!({"bytes": null, "tags": null})).await.expect_status(StatusCode::OK).await;
    assert_eq!(ana.get(path).await.expect_status(StatusCode::OK).await["limits"], json!({"bytes": null, "tags": null}));
}

#[tokio::test]
async fn new_projects_get_the_default_and_operators_see_all() {
    let portal = shop(TestPortal::start().await).await;
    let admin = portal.person("admin");
    admin.put("/api/v1/quotas/default", json!({"tags": 2})).await.expect_status(StatusCode::OK).await;
    for name in ["one", "two"] {
        portal.new_project(name, &[]).await;
    }
    let mut names = Vec::new();
    let mut after = String::new();
    loop {
        let page = admin.get(&format!("/api/v1/quotas?limit=1{after}")).await.expect_status(StatusCode::OK).await;
        assert_eq!(page["default"], json!({"bytes": null, "tags": 2}));
        let item = &page["items"][0];
        let limit = if item["project"] == "shop" { Value::Null } else { json!(2) };
        assert_eq!(item["limits"]["tags"], limit, "{item}");
        names.push(item["project"].as_str().expect("a name").to_owned());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    names.sort();
    assert_eq!(names, ["one", "shop", "two"]);
    portal.person("ana").get("/api/v1/quotas").await.expect_status(StatusCode::FORBIDDEN).await;
}

#[tokio::test]
async fn a_full_project_takes_no_new_tag_and_says_what_to_do() {
    let portal = shop(TestPortal::start().await).await;
    let (admin, ana, dev) = (portal.person("admin"), portal.person("ana"), portal.person("dev"));
    let (one, two) = (image(&dev, "shop/web", "one").await, image(&dev, "shop/web", "two").await);
    put_fine(&dev, "shop/web", "1", &one).await;
    put_fine(&dev, "shop/web", "2", &one).await;
    // Less than there is already: nothing goes, and nothing more comes.
    admin.put("/api/v1/projects/shop/quota", json!({"tags": 1})).await.expect_status(StatusCode::OK).await;
    let (status, told) = put(&dev, "shop/web", "3", &one).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(told.starts_with("denied: project shop has 2 tags and its quota is 1: delete tags") && told.contains("operator"), "{told}");
    put_fine(&dev, "shop/web", "2", &two).await;
    put_fine(&dev, "shop/web", &digest_of(two.as_bytes()), &two).await;
    for tag in ["1", "2"] {
        ana.delete(&format!("/api/v1/projects/shop/repositories/web/tags/{tag}")).await.expect_status(StatusCode::NO_CONTENT).await;
    }
    put_fine(&dev, "shop/web", "3", &one).await;
}

#[tokio::test]
async fn two_pushes_never_get_the_same_last_place() {
    let portal = shop(TestPortal::start().await).await;
    let (admin, dev) = (portal.person("admin"), portal.person("dev"));
    let mut images = Vec::new();
    for name in ["shop/a", "shop/b", "shop/c", "shop/d"] {
        images.push((name, image(&dev, name, "one").await));
    }
    for round in 0..8 {
        let limit = round + 1;
        admin.put("/api/v1/projects/shop/quota", json!({"tags": limit})).await.expect_status(StatusCode::OK).await;
        let tag = format!("r{round}");
        let pushes = images.iter().map(|(name, manifest)| put(&dev, name, &tag, manifest));
        let taken = futures::future::join_all(pushes).await.into_iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
        let used = admin.get("/api/v1/projects/shop/quota").await.expect_status(StatusCode::OK).await["used_tags"].clone();
        assert_eq!((taken, used), (1, json!(limit)), "round {round}");
    }
}

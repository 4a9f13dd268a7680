//! Copies and the project's own rules: what has no room or may not be named so is refused before anything is fetched, in words that say what to
//! do, and leaves nothing.

use super::*;

const QUOTA: &str = "/api/v1/projects/shop/quota";

/// A portal that may speak with a source, whose image `team/app:1` has a layer of this size.
async fn shop_and_image(size: usize) -> (TestPortal, Source, Image) {
    let (portal, source) = (shop().await, Source::start().await);
    allow(&portal, &[source.pattern()]).await;
    let image = Image::new("amd64", &bytes(size));
    image.serve(&source, vec![Reply::ok(&image.layer)]).await;
    (portal, source, image)
}

fn to(source: &Source, to: &str) -> Value {
    json!({"from": format!("{}/team/app:1", source.host()), "to": to})
}

async fn used(portal: &TestPortal) -> (i64, i64) {
    let quota = portal.person("admin").get(QUOTA).await.expect_status(StatusCode::OK).await;
    (quota["used_bytes"].as_i64().expect("bytes"), quota["used_tags"].as_i64().expect("tags"))
}

fn files(portal: &TestPortal, folder: &str) -> usize {
    let all = std::fs::read_dir(portal.folder().join(folder)).expect("a folder");
    all.map(|entry| entry.expect("an entry").path())
        .map(|path| if path.is_dir() { std::fs::read_dir(path).expect("a folder").count() } else { 1 })
        .sum()
}

async fn repositories(person: &Person) -> Vec<String> {
    let listed = person.get("/api/v1/projects/shop/repositories").await.expect_status(StatusCode::OK).await;
    listed["items"].as_array().expect("items").iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_copy_that_the_quota_of_bytes_does_not_take_is_refused_and_leaves_nothing() {
    let (portal, source, image) = shop_and_image(300_000).await;
    let (admin, dev) = (portal.person("admin"), portal.person("dev"));
    push(&dev, "shop/web", "1", b"there already").await;
    let before = (used(&portal).await, files(&portal, "blobs/sha256"));
    // The configuration alone would fit.
    admin.put(QUOTA, json!({"bytes": before.0.0 + 200_000})).await.expect_status(StatusCode::OK).await;
    let message = fails(&dev, to(&source, "app:1"), "forbidden").await;
    assert!(message.contains("the quota of project shop") && message.contains("operator"), "{message}");
    assert_eq!((used(&portal).await, files(&portal, "blobs/sha256")), before);
    assert_eq!((files(&portal, "uploads"), repositories(&dev).await), (0, vec!["web".to_owned()]));
    assert_eq!(source.seen(&image.layer_path()).len(), 0, "nothing was fetched for nothing");
    // Each of two layers alone would fit.
    let other = Image::new("arm64", &bytes(140_000));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other.described("arm64"), image.described("amd64")]}).to_string();
    other.serve(&source, vec![Reply::ok(&other.layer)]).await;
    image.serve(&source, vec![Reply::ok(&image.layer)]).await;
    source.serve("/v2/team/app/manifests/both", vec![Reply::ok(index.as_bytes()).typed(INDEX)]);
    admin.put(QUOTA, json!({"bytes": before.0.0 + 310_000})).await.expect_status(StatusCode::OK).await;
    fails(&dev, json!({"from": format!("{}/team/app:both", source.host())}), "forbidden").await;
    assert_eq!((used(&portal).await, files(&portal, "blobs/sha256")), before);
    // With room it comes; and once it is here, a full project takes it again, since nothing more is kept.
    copied(&dev, to(&source, "app:1")).await;
    admin.put(QUOTA, json!({"bytes": used(&portal).await.0})).await.expect_status(StatusCode::OK).await;
    copied(&dev, to(&source, "app:1")).await;
    copied(&dev, to(&source, "elsewhere:1")).await;
}

#[tokio::test]
async fn a_copy_that_the_quota_of_tags_does_not_take_is_refused_and_leaves_nothing() {
    let (portal, source, image) = shop_and_image(50_000).await;
    let (admin, dev) = (portal.person("admin"), portal.person("dev"));
    push(&dev, "shop/app", "0", b"there already").await;
    let before = (used(&portal).await, files(&portal, "blobs/sha256"));
    admin.put(QUOTA, json!({"tags": 1})).await.expect_status(StatusCode::OK).await;
    for to_there in ["app:1", "new:1"] {
        let message = fails(&dev, to(&source, to_there), "forbidden").await;
        assert!(message.contains("project shop has 1 tags and its quota is 1") && message.contains("operator"), "{message}");
    }
    assert_eq!((used(&portal).await, files(&portal, "blobs/sha256"), files(&portal, "uploads")), (before.0, before.1, 0));
    assert_eq!(repositories(&dev).await, ["app"]);
    assert_eq!(source.seen(&image.layer_path()).len(), 0);
    // One tag has room, the two of two platforms have not.
    let other = Image::new("arm64", &bytes(40_000));
    other.serve(&source, vec![Reply::ok(&other.layer)]).await;
    image.serve(&source, vec![Reply::ok(&image.layer)]).await;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other.described("arm64"), image.described("amd64")]}).to_string();
    source.serve("/v2/team/app/manifests/both", vec![Reply::ok(index.as_bytes()).typed(INDEX)]);
    admin.put(QUOTA, json!({"tags": 2})).await.expect_status(StatusCode::OK).await;
    let both = json!({"from": format!("{}/team/app:both", source.host()), "to": "app:x", "platforms": ["linux/amd64", "linux/arm64"]});
    fails(&dev, both.clone(), "forbidden").await;
    assert_eq!(used(&portal).await, before.0);
    admin.put(QUOTA, json!({"tags": 3})).await.expect_status(StatusCode::OK).await;
    copied(&dev, both.clone()).await;
    // A tag that is there may be set again, however full it is.
    copied(&dev, both).await;
}

#[tokio::test]
async fn a_copy_onto_an_immutable_tag_is_refused_unless_it_is_the_same() {
    let (portal, source, image) = shop_and_image(50_000).await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    copied(&dev, to(&source, "app:1")).await;
    let rules = json!({"immutable": [{"name": "releases stay", "repositories": "**", "tags": "*"}]});
    ana.put("/api/v1/projects/shop/image-rules", rules).await.expect_status(StatusCode::OK).await;
    // The same content again is fine.
    copied(&dev, to(&source, "app:1")).await;
    let before = (used(&portal).await, files(&portal, "blobs/sha256"));
    let changed = Image::new("amd64", &bytes(60_000));
    changed.serve(&source, vec![Reply::ok(&changed.layer)]).await;
    let message = fails(&dev, to(&source, "app:1"), "immutable_tag").await;
    assert!(message.contains("tag 1 of shop/app is immutable by the rule \"releases stay\""), "{message}");
    assert_eq!((used(&portal).await, files(&portal, "blobs/sha256"), files(&portal, "uploads")), (before.0, before.1, 0));
    assert_eq!(source.seen(&changed.layer_path()).len(), 0, "nothing was fetched for nothing");
    assert_eq!(manifest(&dev, "shop/app", "1").await.map(|(_, body)| body), Some(image.manifest));
    // Under another tag it comes.
    copied(&dev, to(&source, "app:2")).await;
    assert_eq!(manifest(&dev, "shop/app", "2").await.map(|(_, body)| body), Some(changed.manifest));
}

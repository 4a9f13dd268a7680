//! Blobs: "Pulling blobs" and "Checking if content exists" (end-2), "Deleting Blobs" (end-10).

use reqwest::Method;

use super::{call, digest, get, push_blob, push_image, send, shop};
use crate::portal::TestPortal;

fn path(name: &str, content: &[u8]) -> String {
    format!("/v2/{name}/blobs/{}", digest(content))
}

#[tokio::test]
async fn a_blob_comes_back_as_it_was_sent() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let content: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    let digest = push_blob(&dev, "shop/team/web", &content).await;
    let path = path("shop/team/web", &content);
    let whole = get(&dev, &path).await.expect(200);
    assert_eq!(whole.body, content);
    assert_eq!(whole.header("docker-content-digest"), digest.to_string());
    assert_eq!(whole.header("content-length"), "700000");
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    let head = call(&dev, Method::HEAD, &path, "").await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("700000", 0));
    assert_eq!(head.header("docker-content-digest"), digest.to_string());
    let known = send(dev.request(Method::GET, &path).header("if-none-match", whole.header("etag"))).await.expect(304);
    assert!(known.body.is_empty());
}

#[tokio::test]
async fn parts_of_a_blob_can_be_had() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let content: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
    push_blob(&dev, "shop/web", &content).await;
    let path = path("shop/web", &content);
    let range = |range: &str| send(dev.request(Method::GET, &path).header("range", range));
    let part = range("bytes=10-300009").await.expect(206);
    assert_eq!(part.body, content[10..300_010]);
    assert_eq!((part.header("content-range"), part.header("content-length")), ("bytes 10-300009/600000", "300000"));
    assert_eq!(range("bytes=599990-").await.expect(206).body, content[599_990..]);
    assert_eq!(range("bytes=-5").await.expect(206).body, content[599_995..]);
    let nowhere = range("bytes=600000-").await.expect(416);
    assert_eq!(nowhere.header("content-range"), "bytes */600000");
    assert_eq!(range("bytes=599990-700000").await.expect(206).body, content[599_990..]);
    assert_eq!(range("bytes=-700000").await.expect(206).body, content);
    for outside in ["bytes=600000-700000", "bytes=-0", "bytes=9-2"] {
        let refused = range(outside).await.expect_error(416, "SIZE_INVALID");
        assert_eq!(refused.header("content-range"), "bytes */600000");
    }
    // Several at once, and what is no range of bytes, are answered with everything.
    for ignored in ["bytes=0-1,5-6", "lines=0-1", "bytes=a-b"] {
        assert_eq!(range(ignored).await.expect(200).body, content);
    }
    // A range means nothing but for GET.
    let head = send(dev.request(Method::HEAD, &path).header("range", "bytes=0-1")).await.expect(200);
    assert_eq!(head.header("content-length"), "600000");
    let other = dev.request(Method::GET, &path).header("range", "bytes=0-1").header("if-range", "\"another\"");
    assert_eq!(send(other).await.expect(200).body, content);
}

#[tokio::test]
async fn a_blob_is_reached_only_through_a_repository_that_holds_it() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"content").await;
    push_blob(&dev, "shop/other", b"something else").await;
    get(&dev, &path("shop/other", b"content")).await.expect_error(404, "BLOB_UNKNOWN");
    get(&dev, &path("shop/nothing", b"content")).await.expect_error(404, "NAME_UNKNOWN");
    get(&dev, &path("shop/web", b"never pushed")).await.expect_error(404, "BLOB_UNKNOWN");
    get(&dev, "/v2/shop/web/blobs/sha256:12").await.expect_error(400, "DIGEST_INVALID");
    get(&dev, "/v2/shop/..%2f..%2fetc/blobs/sha256:12").await.expect(404);
    get(&dev, "/v2/Shop/web/tags/list").await.expect_error(400, "NAME_INVALID");
    call(&dev, Method::PUT, &path("shop/web", b"content"), "").await.expect_error(405, "UNSUPPORTED");
}

#[tokio::test]
async fn a_blob_is_let_go_when_no_manifest_needs_it() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    push_image(&dev, "shop/web", "1", "one").await;
    let layer = path("shop/web", b"layer one");
    let used = call(&ana, Method::DELETE, &layer, "").await.expect_error(405, "UNSUPPORTED");
    assert_eq!(used.header("allow"), "GET, HEAD");
    assert!(used.json()["errors"][0]["message"].as_str().expect("a text").contains("delete that first"));
    let manifest = get(&dev, "/v2/shop/web/manifests/1").await.header("docker-content-digest").to_owned();
    call(&ana, Method::DELETE, &format!("/v2/shop/web/manifests/{manifest}"), "").await.expect(202);
    call(&ana, Method::DELETE, &layer, "").await.expect(202);
    call(&ana, Method::DELETE, &layer, "").await.expect_error(404, "BLOB_UNKNOWN");
    get(&dev, &layer).await.expect_error(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn a_blob_whose_file_is_lost_is_told_as_missing_and_mended_by_the_next_push() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let hex = push_blob(&dev, "shop/web", b"content").await.hex();
    std::fs::remove_file(portal.folder().join("blobs/sha256").join(&hex[..2]).join(&hex)).expect("it lay there");
    call(&dev, Method::HEAD, &path("shop/web", b"content"), "").await.expect(404);
    push_blob(&dev, "shop/web", b"content").await;
    assert_eq!(get(&dev, &path("shop/web", b"content")).await.expect(200).body, b"content");
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let portal: TestPortal = shop().await;
    let manifest = push_image(&portal.person("dev"), "shop/web", "1", "one").await;
    let portal = portal.restart(None).await;
    let gus = portal.person("gus");
    assert_eq!(get(&gus, "/v2/shop/web/manifests/1").await.expect(200).body, manifest);
    assert_eq!(get(&gus, &path("shop/web", b"layer one")).await.expect(200).body, b"layer one");
}

//! "Error Codes": each of code-1 to code-14, in the JSON that the specification gives, with a status that its end-point allows.

use model::manifest::media_type::OCI_MANIFEST;
use reqwest::Method;

use super::{Read, begin, call, digest, get, image_of, push_blob, push_image, put_manifest, send, shop};

/// Every code of the specification: what is answered with 4XX bears no other.
const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

#[track_caller]
fn well_formed(read: &Read) {
    assert_eq!(read.header("content-type"), "application/json");
    let errors = read.json()["errors"].as_array().expect("a list").clone();
    assert!(!errors.is_empty());
    for error in errors {
        assert!(CODES.contains(&error["code"].as_str().expect("a code")), "{error}");
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 10), "{error}");
        assert!(error.as_object().expect("an object").keys().all(|key| ["code", "message", "detail"].contains(&key.as_str())), "{error}");
    }
}

#[tokio::test]
async fn each_code_has_its_occasion_and_the_form_of_the_specification() {
    let portal = shop().await;
    let (ana, dev, gus) = (portal.person("ana"), portal.person("dev"), portal.person("gus"));
    push_image(&dev, "shop/web", "1", "one").await;
    let blob = |content: &[u8]| format!("/v2/shop/web/blobs/{}", digest(content));
    let location = begin(&dev, "shop/web").await;
    let chunk = |range: &str| send(dev.request(Method::PATCH, &location).header("content-range", range).body("abc"));
    let gone = format!("{}/0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11", "/v2/shop/web/blobs/uploads");
    let image = image_of(b"nowhere", b"neither");
    let seen = [
        get(&dev, &blob(b"never pushed")).await.expect_error(404, CODES[0]),
        chunk("5-7").await.expect_error(416, CODES[1]),
        call(&dev, Method::PATCH, &gone, "abc").await.expect_error(404, CODES[2]),
        call(&dev, Method::PUT, &format!("{location}?digest={}", digest(b"other")), "abc").await.expect_error(400, CODES[3]),
        put_manifest(&dev, "shop/web", "2", OCI_MANIFEST, &image).await.expect_error(404, CODES[4]),
        put_manifest(&dev, "shop/web", "2", OCI_MANIFEST, b"{}").await.expect_error(400, CODES[5]),
        get(&dev, "/v2/shop/web/manifests/2").await.expect_error(404, CODES[6]),
        get(&dev, "/v2/shop/We_b/manifests/1").await.expect_error(400, CODES[7]),
        get(&dev, "/v2/shop/none/manifests/1").await.expect_error(404, CODES[8]),
        send(dev.request(Method::PATCH, &begin(&dev, "shop/web").await).header("content-range", "0-8").body("abc")).await.expect_error(400, CODES[9]),
        get(&portal.nobody(), "/v2/shop/web/manifests/1").await.expect_error(401, CODES[10]),
        call(&gus, Method::DELETE, "/v2/shop/web/manifests/1", "").await.expect_error(403, CODES[11]),
        call(&ana, Method::DELETE, "/v2/shop/web/tags/list", "").await.expect_error(405, CODES[12]),
    ];
    seen.iter().for_each(well_formed);
    // Each missing blob is named.
    assert_eq!(seen[4].json()["errors"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn code_14_guessing_is_slowed_down_and_told_for_how_long() {
    let portal = shop().await;
    let guesser = portal.person("dev").with_secret("wrong wrong wrong");
    let slowed = loop {
        let answer = get(&guesser, "/v2/").await;
        if answer.status.as_u16() != 401 {
            break answer.expect_error(429, CODES[13]);
        }
    };
    well_formed(&slowed);
    assert!(slowed.header("retry-after").parse::<u32>().expect("seconds") >= 1);
}

#[tokio::test]
async fn what_is_wrong_in_a_request_has_a_code_of_the_specification_too() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let wrong = [
        "/v2/shop/web/tags/list?n=x",
        "/v2/shop/web/tags/list?n=-1",
        "/v2/_catalog?last=Not%20A%20Name",
        "/v2/shop/web/referrers/sha256:12",
        "/v2/shop/web/blobs/sha256:12",
        "/v2/shop/web/blobs/md5:d41d8cd98f00b204e9800998ecf8427e",
    ];
    for path in wrong {
        well_formed(&get(&dev, path).await.expect(400));
    }
}

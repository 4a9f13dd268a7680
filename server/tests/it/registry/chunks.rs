//! "Pushing a blob monolithically" and "Pushing a blob in chunks", word by word: what the location may bear, how the status after a refused
//! chunk leads on, and bodies that are not what was announced.

use model::digest::Digest;
use reqwest::Method;

use super::{Read, begin, call, digest, get, send, shop};
use crate::portal::Person;

async fn patch(person: &Person, location: &str, range: &str, content: &'static [u8]) -> Read {
    send(person.request(Method::PATCH, location).header("content-range", range).body(content)).await
}

fn blob(digest: &Digest) -> String {
    format!("/v2/shop/web/blobs/{digest}")
}

#[tokio::test]
async fn end_4a_there_is_no_least_length_of_a_chunk() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let begun = call(&dev, Method::POST, "/v2/shop/web/blobs/uploads/", "").await.expect(202);
    assert!(!begun.headers.contains_key("oci-chunk-min-length"));
    assert_eq!(begun.header("content-length"), "0");
    let location = begun.header("location").to_owned();
    for (at, byte) in [&b"a"[..], b"b", b"c"].into_iter().enumerate() {
        let range = format!("{at}-{at}");
        assert_eq!(patch(&dev, &location, &range, byte).await.expect(202).header("range"), format!("0-{at}"));
    }
    let put = call(&dev, Method::PUT, &format!("{location}?digest={}", digest(b"abc")), "").await.expect(201);
    assert_eq!((put.header("location"), put.header("docker-content-digest")), (blob(&digest(b"abc")).as_str(), digest(b"abc").to_string().as_str()));
}

#[tokio::test]
async fn end_4b_one_request_is_taken_whole_or_not_at_all() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let post = |digest: Digest, body: &'static str| {
        let (dev, path) = (dev.clone(), format!("/v2/shop/web/blobs/uploads/?digest={digest}"));
        async move { call(&dev, Method::POST, &path, body).await }
    };
    let posted = post(digest(b"content"), "content").await.expect(201);
    assert_eq!(
        (posted.header("location"), posted.header("docker-content-digest")),
        (blob(&digest(b"content")).as_str(), digest(b"content").to_string().as_str())
    );
    // Nothing is a content, too, and the wrong one for any other digest.
    let empty = post(digest(b""), "").await.expect(201);
    assert_eq!(get(&dev, empty.header("location")).await.expect(200).header("content-length"), "0");
    post(digest(b"other"), "").await.expect_error(400, "DIGEST_INVALID");
    post(digest(b"other"), "not that").await.expect_error(400, "DIGEST_INVALID");
    get(&dev, &blob(&digest(b"not that"))).await.expect_error(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn end_5_a_chunk_out_of_order_is_refused_and_the_status_leads_on() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let location = begin(&dev, "shop/web").await;
    // Before anything came, too: the first chunk's range begins with 0.
    patch(&dev, &location, "3-5", b"def").await.expect_error(416, "BLOB_UPLOAD_INVALID");
    let first = patch(&dev, &location, "0-2", b"abc").await.expect(202);
    assert_eq!(first.header("range"), "0-2");
    // The same once more, one too far, and one with the closing request: nothing of them is kept.
    patch(&dev, first.header("location"), "0-2", b"abc").await.expect_error(416, "BLOB_UPLOAD_INVALID");
    patch(&dev, first.header("location"), "4-6", b"efg").await.expect_error(416, "BLOB_UPLOAD_INVALID");
    let put = format!("{}?digest={}", first.header("location"), digest(b"abcdef"));
    send(dev.request(Method::PUT, &put).header("content-range", "4-6").body("efg")).await.expect_error(416, "BLOB_UPLOAD_INVALID");
    // end-13: where to go on, also at an address that bears the parameters of the refused request.
    for asked in [&location, &put] {
        let status = get(&dev, asked).await.expect(204);
        assert_eq!((status.header("range"), status.header("location")), ("0-2", location.as_str()));
        assert_eq!(status.header("docker-upload-uuid"), location.rsplit('/').next().expect("an id"));
    }
    send(dev.request(Method::PUT, &put).header("content-range", "3-5").body("def")).await.expect(201);
    get(&dev, &location).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn end_6_parameters_of_a_location_are_left_alone() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let location = begin(&dev, "shop/web").await;
    assert!(location.starts_with("/v2/shop/web/blobs/uploads/"), "relative: right behind every proxy");
    call(&dev, Method::PATCH, &format!("{location}?state=x&state=y"), "abc").await.expect(202);
    call(&dev, Method::PUT, &format!("{location}?state=x&digest={}&more=", digest(b"abc")), "").await.expect(201);
    // Without a digest there is no end.
    let location = begin(&dev, "shop/web").await;
    call(&dev, Method::PATCH, &location, "abc").await.expect(202);
    for query in ["", "?digest=", "?digest=sha256:12", "?digest=md5:900150983cd24fb0d6963f7d28e17f72"] {
        call(&dev, Method::PUT, &format!("{location}{query}"), "").await.expect_error(400, "DIGEST_INVALID");
    }
    call(&dev, Method::PUT, &format!("{location}?digest={}", digest(b"abc")), "").await.expect(201);
}

#[tokio::test]
async fn end_6_an_upload_may_end_without_a_byte() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let location = begin(&dev, "shop/web").await;
    call(&dev, Method::PATCH, &location, "").await.expect(202);
    let put = call(&dev, Method::PUT, &format!("{location}?digest={}", digest(b"")), "").await.expect(201);
    let head = call(&dev, Method::HEAD, put.header("location"), "").await.expect(200);
    assert_eq!((head.header("content-length"), head.header("docker-content-digest")), ("0", digest(b"").to_string().as_str()));
    get(&dev, put.header("location")).await.expect(200);
    send(dev.request(Method::GET, put.header("location")).header("range", "bytes=0-")).await.expect_error(416, "SIZE_INVALID");
}

//! Uploads: "Pushing a blob monolithically" (end-4a, end-4b, end-6), "Pushing a blob in chunks" (end-5, end-13), what is cut and goes on, and
//! what two do at once.

use model::digest::Algorithm;
use reqwest::Method;
use tokio::io::AsyncWriteExt as _;

use super::{Read, begin, call, digest, get, push_blob, send, shop};
use crate::portal::{PASSWORD, Person, TestPortal};

async fn chunk(person: &Person, location: &str, range: &str, content: &[u8]) -> Read {
    send(person.request(Method::PATCH, location).header("content-range", range).body(content.to_vec())).await
}

async fn finish(person: &Person, location: &str, whole: &[u8]) -> Read {
    call(person, Method::PUT, &format!("{location}?digest={}", digest(whole)), "").await
}

fn files(portal: &TestPortal, folder: &str) -> usize {
    std::fs::read_dir(portal.folder().join(folder)).expect("a folder").count()
}

#[tokio::test]
async fn a_blob_is_sent_in_each_of_the_ways() {
    let portal = shop().await;
    let dev = portal.person("dev");
    // In one request.
    let posted = push_blob(&dev, "shop/web", b"posted").await;
    get(&dev, &format!("/v2/shop/web/blobs/{posted}")).await.expect(200);
    // POST, then PUT with all of it.
    let location = begin(&dev, "shop/web").await;
    let put = call(&dev, Method::PUT, &format!("{location}?digest={}", digest(b"put")), "put").await.expect(201);
    assert_eq!(put.header("location"), format!("/v2/shop/web/blobs/{}", digest(b"put")));
    assert_eq!(get(&dev, put.header("location")).await.expect(200).body, b"put");
    // As a stream.
    let location = begin(&dev, "shop/web").await;
    let streamed = call(&dev, Method::PATCH, &location, "streamed").await.expect(202);
    assert_eq!(streamed.header("range"), "0-7");
    finish(&dev, streamed.header("location"), b"streamed").await.expect(201);
    // In chunks, the last of them with the PUT.
    let location = begin(&dev, "shop/web").await;
    assert_eq!(get(&dev, &location).await.expect(204).header("range"), "0-0");
    assert_eq!(chunk(&dev, &location, "0-3", b"in c").await.expect(202).header("range"), "0-3");
    let status = get(&dev, &location).await.expect(204);
    assert_eq!((status.header("range"), status.header("location")), ("0-3", location.as_str()));
    assert_eq!(chunk(&dev, &location, "4-6", b"hun").await.expect(202).header("range"), "0-6");
    let last = dev.request(Method::PUT, &format!("{location}?digest={}", digest(b"in chunks"))).header("content-range", "7-8");
    send(last.body("ks")).await.expect(201);
    // Nothing at all is a blob, too.
    let empty = push_blob(&dev, "shop/web", b"").await;
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{empty}")).await.expect(200).body, b"");
    assert_eq!(files(&portal, "uploads"), 0);
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_harms_nothing() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let location = begin(&dev, "shop/web").await;
    chunk(&dev, &location, "0-3", b"abcd").await.expect(202);
    for wrong in ["0-3", "5-8", "x", "9-5"] {
        let refused = chunk(&dev, &location, wrong, b"efgh").await.expect_error(416, "BLOB_UPLOAD_INVALID");
        assert_eq!((refused.header("range"), refused.header("location")), ("0-3", location.as_str()), "{wrong}");
    }
    chunk(&dev, &location, "4-9", b"efgh").await.expect_error(400, "SIZE_INVALID");
    chunk(&dev, &location, "4-5", b"efgh").await.expect_error(400, "SIZE_INVALID");
    chunk(&dev, &location, "4-7", b"efgh").await.expect(202);
    finish(&dev, &location, b"abcdefgh").await.expect(201);
}

#[tokio::test]
async fn a_wrong_digest_keeps_nothing() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let wrong = digest(b"other");
    let refused = call(&dev, Method::POST, &format!("/v2/shop/web/blobs/uploads/?digest={wrong}"), "content").await;
    let refused = refused.expect_error(400, "DIGEST_INVALID");
    assert!(refused.json()["errors"][0]["message"].as_str().expect("a text").contains(&digest(b"content").to_string()));
    let location = begin(&dev, "shop/web").await;
    call(&dev, Method::PUT, &format!("{location}?digest={wrong}"), "content").await.expect_error(400, "DIGEST_INVALID");
    get(&dev, &location).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    let location = begin(&dev, "shop/web").await;
    call(&dev, Method::PUT, &location, "content").await.expect_error(400, "DIGEST_INVALID");
    call(&dev, Method::PUT, &format!("{location}?digest=md5:00"), "content").await.expect_error(400, "DIGEST_INVALID");
    call(&dev, Method::POST, "/v2/shop/web/blobs/uploads/?digest=nonsense", "content").await.expect_error(400, "DIGEST_INVALID");
    call(&dev, Method::DELETE, &location, "").await.expect(204);
    assert_eq!(files(&portal, "uploads"), 0);
}

#[tokio::test]
async fn sha512_is_as_good() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let wanted = registry::hash::digest(Algorithm::Sha512, b"content");
    call(&dev, Method::POST, &format!("/v2/shop/web/blobs/uploads/?digest={wanted}"), "content").await.expect(201);
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{wanted}")).await.expect(200).body, b"content");
    let location = begin(&dev, "shop/other").await;
    call(&dev, Method::PATCH, &location, "content").await.expect(202);
    call(&dev, Method::PUT, &format!("{location}?digest={wanted}"), "").await.expect(201);
}

#[tokio::test]
async fn an_upload_is_its_owners_and_its_repositorys() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let location = begin(&dev, "shop/web").await;
    for (person, location) in [(&ana, location.clone()), (&dev, location.replace("shop/web", "shop/other"))] {
        get(person, &location).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        call(person, Method::PATCH, &location, "x").await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        finish(person, &location, b"").await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        call(person, Method::DELETE, &location, "").await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }
    get(&dev, "/v2/shop/web/blobs/uploads/..%2fkey").await.expect(404);
    call(&dev, Method::DELETE, &location, "").await.expect(204);
    get(&dev, &location).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn an_upload_that_was_cut_in_the_middle_goes_on() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let content: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 253) as u8).collect();
    let location = begin(&dev, "shop/web").await;
    cut_patch(&portal, &location, &content, 1_300_000).await;
    // The cut request may reach the portal even after this one: then the answer says to ask again where to go on.
    loop {
        let there = next_byte(&get(&dev, &location).await.expect(204));
        if there == content.len() {
            break;
        }
        let answer = chunk(&dev, &location, &format!("{there}-{}", content.len() - 1), &content[there..]).await;
        match answer.status.as_u16() {
            202 => break,
            status => assert!(matches!(status, 409 | 416), "{status}"),
        }
    }
    finish(&dev, &location, &content).await.expect(201);
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let portal = shop().await;
    let content: Vec<u8> = (0..900_000_u32).map(|n| (n % 253) as u8).collect();
    let location = begin(&portal.person("dev"), "shop/web").await;
    call(&portal.person("dev"), Method::PATCH, &location, content[..500_000].to_vec()).await.expect(202);
    let portal = portal.restart(None).await;
    let dev = portal.person("dev");
    assert_eq!(next_byte(&get(&dev, &location).await.expect(204)), 500_000);
    call(&dev, Method::PATCH, &location, content[500_000..].to_vec()).await.expect(202);
    finish(&dev, &location, &content).await.expect(201);
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{}", digest(&content))).await.expect(200).body, content);
}

#[tokio::test]
async fn the_same_blob_pushed_by_many_at_once_is_one_blob() {
    let portal = shop().await;
    let content: Vec<u8> = (0..800_000_u32).map(|n| (n % 249) as u8).collect();
    let pushes = (0..8).map(|n| {
        let (person, content) = (portal.person(if n % 2 == 0 { "dev" } else { "ana" }), content.clone());
        tokio::spawn(async move { push_blob(&person, &format!("shop/r{}", n % 3), &content).await })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.expect("pushed");
    }
    for n in 0..3 {
        let path = format!("/v2/shop/r{n}/blobs/{}", digest(&content));
        assert_eq!(get(&portal.person("gus"), &path).await.expect(200).body, content);
    }
    assert_eq!(files(&portal, "uploads"), 0);
}

/// Sends a PATCH that promises all and ends after `sent` bytes, as a lost connection does.
async fn cut_patch(portal: &TestPortal, location: &str, content: &[u8], sent: usize) {
    use base64::Engine as _;
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", portal.running.port)).await.expect("connected");
    let credential = base64::engine::general_purpose::STANDARD.encode(format!("dev:{PASSWORD}"));
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Basic {credential}\r\n\
         Content-Range: 0-{}\r\nContent-Length: {}\r\n\r\n",
        portal.running.port,
        content.len() - 1,
        content.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&content[..sent]).await.expect("sent");
    stream.shutdown().await.expect("cut");
}

/// The byte at which a status says to go on.
fn next_byte(status: &Read) -> usize {
    let last: usize = status.header("range").strip_prefix("0-").expect("a range").parse().expect("a number");
    if last == 0 { 0 } else { last + 1 }
}

//! Manifests and tags: "Pulling manifests" (end-3), "Pushing Manifests" (end-7), "Deleting tags" and "Deleting Manifests" (end-9), and the
//! records that pushes leave.

use model::manifest::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{call, digest, get, image_of, push_blob, push_image, put_manifest, send, shop};

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    push_blob(&dev, "shop/web", b"layer").await;
    // Blanks and order are its maker's.
    let text = String::from_utf8(image_of(b"{}", b"layer")).expect("text");
    let body = text.replace("\"schemaVersion\":2", " \"schemaVersion\" :\n 2").into_bytes();
    let pushed = put_manifest(&dev, "shop/web", "1.4", OCI_MANIFEST, &body).await.expect(201);
    let digest = digest(&body).to_string();
    assert_eq!(pushed.header("docker-content-digest"), digest);
    assert_eq!(pushed.header("location"), format!("/v2/shop/web/manifests/{digest}"));
    for reference in ["1.4", &digest] {
        let path = format!("/v2/shop/web/manifests/{reference}");
        let read = get(&dev, &path).await.expect(200);
        assert_eq!(read.body, body);
        assert_eq!((read.header("content-type"), read.header("docker-content-digest")), (OCI_MANIFEST, digest.as_str()));
        let head = call(&dev, Method::HEAD, &path, "").await.expect(200);
        assert_eq!((head.header("content-length"), head.body.len()), (body.len().to_string().as_str(), 0));
        assert_eq!((head.header("content-type"), head.header("docker-content-digest")), (OCI_MANIFEST, digest.as_str()));
        send(dev.request(Method::GET, &path).header("if-none-match", read.header("etag"))).await.expect(304);
    }
}

#[tokio::test]
async fn a_manifest_that_names_a_missing_blob_is_refused_by_its_name() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    push_blob(&dev, "shop/other", b"layer").await;
    let body = image_of(b"{}", b"layer");
    let refused = put_manifest(&dev, "shop/web", "1", OCI_MANIFEST, &body).await.expect_error(404, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(refused.json()["errors"][0]["detail"]["digest"], digest(b"layer").to_string());
    get(&dev, "/v2/shop/web/manifests/1").await.expect_error(404, "MANIFEST_UNKNOWN");
    let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, "digest": digest(b"x"), "size": 1}]}).to_string();
    put_manifest(&dev, "shop/web", "1", OCI_INDEX, index.as_bytes()).await.expect_error(404, "MANIFEST_BLOB_UNKNOWN");
    put_manifest(&dev, "shop/fresh", "1", OCI_MANIFEST, &body).await.expect_error(404, "MANIFEST_BLOB_UNKNOWN");
    // A repository that holds nothing yet is not shown.
    let listed = portal.person("gus").get("/api/v1/projects/shop/repositories").await.expect_status(StatusCode::OK).await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn an_index_of_platforms_is_kept_with_its_images() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let (amd, arm) = (push_image(&dev, "shop/web", "amd", "amd64").await, push_image(&dev, "shop/web", "arm", "arm64").await);
    let entry = |body: &[u8], architecture: &str| json!({"mediaType": OCI_MANIFEST, "digest": digest(body), "size": body.len(), "platform": {"os": "linux", "architecture": architecture}});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(&amd, "amd64"), entry(&arm, "arm64")]}).to_string();
    put_manifest(&dev, "shop/web", "latest", OCI_INDEX, index.as_bytes()).await.expect(201);
    assert_eq!(get(&dev, "/v2/shop/web/manifests/latest").await.expect(200).body, index.as_bytes());
}

#[tokio::test]
async fn wrong_manifests_are_told_what_is_wrong() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let body = image_of(b"{}", b"{}");
    let put = |reference: &str, kind: &str, body: &[u8]| {
        let (dev, reference, kind, body) = (dev.clone(), reference.to_owned(), kind.to_owned(), body.to_vec());
        async move { put_manifest(&dev, "shop/web", &reference, &kind, &body).await }
    };
    put(&digest(b"other").to_string(), OCI_MANIFEST, &body).await.expect_error(400, "DIGEST_INVALID");
    put("sha256:12", OCI_MANIFEST, &body).await.expect_error(400, "DIGEST_INVALID");
    put(".1", OCI_MANIFEST, &body).await.expect_error(400, "MANIFEST_INVALID");
    put(&"a".repeat(128), OCI_MANIFEST, &body).await.expect(201);
    put(&"a".repeat(129), OCI_MANIFEST, &body).await.expect_error(400, "MANIFEST_INVALID");
    put("1", OCI_MANIFEST, b"{").await.expect_error(400, "MANIFEST_INVALID");
    put("1", DOCKER_MANIFEST, &body).await.expect_error(400, "MANIFEST_INVALID");
    put("1", "application/vnd.docker.distribution.manifest.v1+prettyjws", &body).await.expect_error(400, "MANIFEST_INVALID");
    put("1", OCI_MANIFEST, &vec![b' '; 4 * 1024 * 1024 + 1]).await.expect_error(413, "MANIFEST_INVALID");
    get(&dev, "/v2/shop/web/manifests/.INVALID").await.expect_error(404, "MANIFEST_UNKNOWN");
    get(&dev, "/v2/shop/web/manifests/none").await.expect_error(404, "MANIFEST_UNKNOWN");
    call(&portal.person("ana"), Method::DELETE, "/v2/shop/web/manifests/none", "").await.expect_error(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn end_7_what_a_manifest_is_comes_from_its_header_and_its_own_word() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let body = image_of(b"{}", b"{}");
    let put = |tag: &str, kind: Option<&str>, body: &[u8]| {
        let request = dev.request(Method::PUT, &format!("/v2/shop/web/manifests/{tag}")).body(body.to_vec());
        send(if let Some(kind) = kind { request.header("content-type", kind) } else { request })
    };
    // Without a header its own word holds; parameters are ignored, and not given back.
    for (tag, kind) in [("none", None), ("parameters", Some(format!("{OCI_MANIFEST}; charset=utf-8")))] {
        put(tag, kind.as_deref(), &body).await.expect(201);
        assert_eq!(get(&dev, &format!("/v2/shop/web/manifests/{tag}")).await.expect(200).header("content-type"), OCI_MANIFEST);
    }
    let text = String::from_utf8(body).expect("text");
    let untyped = text.replace(&format!(",\"mediaType\":\"{OCI_MANIFEST}\""), "").replace(&format!("\"mediaType\":\"{OCI_MANIFEST}\","), "");
    assert_ne!(untyped, text);
    put("typed", Some(OCI_MANIFEST), untyped.as_bytes()).await.expect(201);
    put("untyped", None, untyped.as_bytes()).await.expect_error(400, "MANIFEST_INVALID");
    // A document that says something twice says it differently to different readers.
    for twice in ["\"schemaVersion\":2,\"schemaVersion\":2", "\"schemaVersion\":2,\"layers\":[]", "\"schemaVersion\":1", "\"schemaVersion\":\"2\""] {
        let wrong = text.replace("\"schemaVersion\":2", twice);
        put("wrong", Some(OCI_MANIFEST), wrong.as_bytes()).await.expect_error(400, "MANIFEST_INVALID");
    }
    put("wrong", Some(OCI_MANIFEST), text.replace("\"schemaVersion\":2,", "").replace(",\"schemaVersion\":2", "").as_bytes()).await.expect(400);
    get(&dev, "/v2/shop/web/manifests/wrong").await.expect_error(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn end_7_four_mebibytes_are_taken_and_not_a_byte_more() {
    const MOST: usize = 4 * 1024 * 1024;
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let mut body = image_of(b"{}", b"{}");
    body.resize(MOST, b' ');
    put_manifest(&dev, "shop/web", "most", OCI_MANIFEST, &body).await.expect(201);
    assert_eq!(get(&dev, "/v2/shop/web/manifests/most").await.expect(200).body, body);
    body.push(b' ');
    put_manifest(&dev, "shop/web", "more", OCI_MANIFEST, &body).await.expect_error(413, "MANIFEST_INVALID");
}

#[tokio::test]
async fn end_7_a_manifest_by_sha512_and_one_without_layers() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let body = image_of(b"{}", b"{}");
    let long = registry::hash::digest(model::digest::Algorithm::Sha512, &body).to_string();
    let pushed = put_manifest(&dev, "shop/web", &format!("{long}?tag=long"), OCI_MANIFEST, &body).await.expect(201);
    assert_eq!(
        (pushed.header("docker-content-digest"), pushed.header("location")),
        (long.as_str(), format!("/v2/shop/web/manifests/{long}").as_str())
    );
    for reference in [&long, "long"] {
        let read = get(&dev, &format!("/v2/shop/web/manifests/{reference}")).await.expect(200);
        assert_eq!((read.header("docker-content-digest"), &read.body), (long.as_str(), &body));
    }
    let none = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "config": {"mediaType": "application/json", "digest": digest(b"{}"), "size": 2, "data": "e30=", "x": 1}, "y": null});
    put_manifest(&dev, "shop/web", "none", OCI_MANIFEST, none.to_string().as_bytes()).await.expect(201);
    let empty = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []});
    put_manifest(&dev, "shop/web", "empty", OCI_INDEX, empty.to_string().as_bytes()).await.expect(201);
    let nested = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI_INDEX, "digest": digest(empty.to_string().as_bytes()), "size": empty.to_string().len()}]});
    put_manifest(&dev, "shop/web", "nested", OCI_INDEX, nested.to_string().as_bytes()).await.expect(201);
    // Layers that may not be pushed are elsewhere.
    let foreign = json!({"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "digest": digest(b"elsewhere"), "size": 9, "urls": ["https://example.com/layer"]});
    let with_foreign = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [foreign], "config": {"mediaType": "application/json", "digest": digest(b"{}"), "size": 2}});
    put_manifest(&dev, "shop/web", "foreign", OCI_MANIFEST, with_foreign.to_string().as_bytes()).await.expect(201);
}

#[tokio::test]
async fn end_7_of_two_clients_that_change_what_they_read_one_is_told() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let index = |n: usize| json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"n": n.to_string()}}).to_string();
    let put = |n: usize, condition: &'static str, tag: String| {
        let request = dev.request(Method::PUT, "/v2/shop/web/manifests/list").header("content-type", OCI_INDEX);
        send(request.header(condition, tag).body(index(n)))
    };
    let tag = |n: usize| format!("\"{}\"", digest(index(n).as_bytes()));
    put(0, "if-match", tag(0)).await.expect_error(412, "DENIED");
    put(0, "if-none-match", "*".into()).await.expect(201);
    put(1, "if-none-match", "*".into()).await.expect_error(412, "DENIED");
    // All of them read the first and write their own: one of them stands.
    let answers = futures::future::join_all((1..7).map(|n| put(n, "if-match", tag(0)))).await;
    let stand: Vec<usize> = (1..7).filter(|n| answers[n - 1].status == StatusCode::CREATED).collect();
    assert_eq!((stand.len(), answers.iter().filter(|answer| answer.status == StatusCode::PRECONDITION_FAILED).count()), (1, 5));
    let read = get(&dev, "/v2/shop/web/manifests/list").await.expect(200);
    assert_eq!((read.body, read.headers["etag"].to_str().expect("text")), (index(stand[0]).into_bytes(), tag(stand[0]).as_str()));
    put(8, "if-match", format!("\"other\", {}", tag(stand[0]))).await.expect(201);
}

#[tokio::test]
async fn a_type_that_nobody_knows_is_kept_as_it_is() {
    let portal = shop().await;
    let dev = portal.person("dev");
    put_manifest(&dev, "shop/things", "1", "application/vnd.example.thing+json", b"{\"a\": 1}").await.expect(201);
    let read = get(&dev, "/v2/shop/things/manifests/1").await.expect(200);
    assert_eq!((read.header("content-type"), read.body.as_slice()), ("application/vnd.example.thing+json", &b"{\"a\": 1}"[..]));
    let whole = vec![b'x'; 4 * 1024 * 1024];
    put_manifest(&dev, "shop/things", "big", "application/vnd.example.big", &whole).await.expect(201);
    assert_eq!(get(&dev, "/v2/shop/things/manifests/big").await.expect(200).body, whole);
}

#[tokio::test]
async fn of_two_pushes_of_one_tag_at_once_both_succeed_and_one_stands_whole() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let mut manifests = Vec::new();
    for n in 0..8 {
        let name = format!("{n}");
        manifests.push(push_image(&dev, "shop/web", &name, &name).await);
    }
    let pushes = manifests.iter().map(|body| {
        let (dev, body) = (dev.clone(), body.clone());
        tokio::spawn(async move { put_manifest(&dev, "shop/web", "latest", OCI_MANIFEST, &body).await.expect(201) })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.expect("pushed");
    }
    let read = get(&dev, "/v2/shop/web/manifests/latest").await.expect(200);
    assert!(manifests.contains(&read.body));
    assert_eq!(read.header("docker-content-digest"), digest(&read.body).to_string());
}

#[tokio::test]
async fn a_tag_goes_alone_and_a_manifest_with_its_tags() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let body = push_image(&dev, "shop/web", "1", "one").await;
    put_manifest(&dev, "shop/web", "2", OCI_MANIFEST, &body).await.expect(201);
    put_manifest(&dev, "shop/web", "3", OCI_MANIFEST, &body).await.expect(201);
    let by_digest = format!("/v2/shop/web/manifests/{}", digest(&body));
    call(&ana, Method::DELETE, "/v2/shop/web/manifests/1", "").await.expect(202);
    get(&dev, "/v2/shop/web/manifests/1").await.expect(404);
    get(&dev, &by_digest).await.expect(200);
    call(&ana, Method::DELETE, &by_digest, "").await.expect(202);
    for reference in ["2", "3"] {
        get(&dev, &format!("/v2/shop/web/manifests/{reference}")).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
    assert_eq!(get(&dev, "/v2/shop/web/tags/list").await.expect(200).json()["tags"], json!([]));
}

#[tokio::test]
async fn several_tags_may_come_with_a_digest() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let body = image_of(b"{}", b"{}");
    let reference = format!("{}?tag=b&tag=a", digest(&body));
    let pushed = put_manifest(&dev, "shop/web", &reference, OCI_MANIFEST, &body).await.expect(201);
    assert_eq!(pushed.headers.get_all("oci-tag").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(get(&dev, "/v2/shop/web/manifests/a").await.expect(200).body, body);
}

#[tokio::test]
async fn pushes_and_deletions_leave_records_and_pulls_are_counted() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    push_image(&dev, "shop/web", "1", "one").await;
    for _ in 0..3 {
        get(&portal.person("gus"), "/v2/shop/web/manifests/1").await.expect(200);
    }
    call(&portal.person("gus"), Method::HEAD, "/v2/shop/web/manifests/1", "").await.expect(200);
    #[expect(clippy::disallowed_methods, reason = "a test does what the loop does, now")]
    let worker = domain::Worker::hire(portal.platform(), "pulls");
    portal.running.portal.registry.write_pulls(&worker).await.expect("written");
    let tags = dev.get("/api/v1/projects/shop/repositories/web/tags").await.expect_status(StatusCode::OK).await;
    let tag = &tags["items"][0];
    assert_eq!((&tag["name"], &tag["pulls"], &tag["pushed_by"]), (&json!("1"), &json!(3), &json!("dev")));
    let repositories = dev.get("/api/v1/projects/shop/repositories").await.expect_status(StatusCode::OK).await;
    assert_eq!((&repositories["items"][0]["pulls"], &repositories["items"][0]["tags"]), (&json!(3), &json!(1)));
    call(&ana, Method::DELETE, "/v2/shop/web/manifests/1", "").await.expect(202);
    let audit = ana.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records: Vec<_> = audit["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["action"].as_str(), one["actor"].as_str(), one["target"].as_str()))
        .collect();
    assert!(records.contains(&(Some("image.push"), Some("dev"), Some("shop/web:1"))), "{records:?}");
    assert!(records.contains(&(Some("tag.delete"), Some("ana"), Some("shop/web:1"))), "{records:?}");
}

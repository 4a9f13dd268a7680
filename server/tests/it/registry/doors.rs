//! "Endpoints" and "Determining Support" (end-1): which paths and methods there are, names and how they are written, HEAD, and conditions.

use model::manifest::media_type::OCI_MANIFEST;
use reqwest::Method;

use super::{begin, call, digest, get, image_of, push_blob, push_image, put_manifest, send, shop};

#[tokio::test]
async fn end_1_tells_that_this_is_a_registry() {
    let portal = shop().await;
    for path in ["/v2/", "/v2"] {
        let base = get(&portal.person("gus"), path).await.expect(200);
        assert_eq!(base.header("docker-distribution-api-version"), "registry/2.0");
        get(&portal.nobody(), path).await.expect_error(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn names_follow_the_grammar_and_what_cannot_be_is_told_from_what_is_not() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let long = format!("shop/{}", "a".repeat(256));
    for name in ["", "shop/", "/web", "shop//web", "Shop/web", "shop/web-", "shop/.web", "shop/we b", "shop/web..x", &long] {
        for path in [format!("/v2/{name}/manifests/1"), format!("/v2/{name}/tags/list")] {
            get(&dev, &path).await.expect_error(400, "NAME_INVALID");
        }
        call(&dev, Method::POST, &format!("/v2/{name}/blobs/uploads/"), "").await.expect_error(400, "NAME_INVALID");
    }
    // Names by the grammar that no repository here can have.
    for name in ["web", "my_project/web", "library/web", "a.b/c", "shop/none"] {
        get(&dev, &format!("/v2/{name}/manifests/1")).await.expect_error(404, "NAME_UNKNOWN");
        get(&dev, &format!("/v2/{name}/tags/list")).await.expect_error(404, "NAME_UNKNOWN");
    }
    for path in ["/v2/shop/web", "/v2/shop/web/tags", "/v2/shop/web/tags/list/", "/v2/shop/we%2Fb/manifests/1", "/v2/shop/web/%zz/1", "/v2/_catalog/"]
    {
        get(&dev, path).await.expect_error(404, "UNSUPPORTED");
    }
}

#[tokio::test]
async fn a_name_has_as_many_parts_as_its_owner_likes() {
    let portal = shop().await;
    let dev = portal.person("dev");
    // A part may be called as one of the protocol's own words.
    for name in ["shop/team/service/deep", "shop/blobs/uploads/web", "shop/manifests", "shop/a__b/c.d/e-f--g"] {
        let body = push_image(&dev, name, "1", name).await;
        assert_eq!(get(&dev, &format!("/v2/{name}/manifests/1")).await.expect(200).body, body);
        assert_eq!(get(&dev, &format!("/v2/{name}/tags/list")).await.expect(200).json()["name"], name);
        get(&dev, &format!("/v2/{name}/referrers/{}", digest(&body))).await.expect(200);
    }
}

#[tokio::test]
async fn a_digest_may_be_percent_encoded() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let body = push_image(&dev, "shop/web", "1", "one").await;
    let encoded = |digest: String| digest.replace(':', "%3A");
    let manifest = encoded(digest(&body).to_string());
    assert_eq!(get(&dev, &format!("/v2/shop/web/manifests/{manifest}")).await.expect(200).body, body);
    get(&dev, &format!("/v2/shop/web/referrers/{manifest}")).await.expect(200);
    let layer = encoded(digest(b"layer one").to_string());
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{layer}")).await.expect(200).body, b"layer one");
    let location = begin(&dev, "shop/web").await;
    let put = format!("{location}?digest={}", encoded(digest(b"more").to_string()));
    call(&dev, Method::PUT, &put, "more").await.expect(201);
}

#[tokio::test]
async fn head_answers_as_get_does_without_a_body() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let body = push_image(&dev, "shop/web", "1", "one").await;
    let empty = push_blob(&dev, "shop/web", b"").await;
    let (manifest, layer) = (digest(&body), digest(b"layer one"));
    let paths = [
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/shop/web/tags/list".to_owned(),
        "/v2/shop/web/manifests/1".to_owned(),
        format!("/v2/shop/web/manifests/{manifest}"),
        format!("/v2/shop/web/referrers/{manifest}"),
        format!("/v2/shop/web/blobs/{layer}"),
        format!("/v2/shop/web/blobs/{empty}"),
        "/v2/shop/web/manifests/none".to_owned(),
        format!("/v2/shop/web/blobs/{}", digest(b"never pushed")),
    ];
    for path in paths {
        let get = get(&dev, &path).await;
        let head = call(&dev, Method::HEAD, &path, "").await.expect(get.status.as_u16());
        assert!(head.body.is_empty(), "{path}");
        for header in ["content-type", "content-length", "docker-content-digest", "range", "location"] {
            assert_eq!(head.header(header), get.header(header), "{header} of {path}");
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_told_with_those_that_it_takes() {
    let portal = shop().await;
    let ana = portal.person("ana");
    let body = push_image(&ana, "shop/web", "1", "one").await;
    let (manifest, upload) = (digest(&body), begin(&ana, "shop/web").await);
    let doors = [
        ("/v2/".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET, HEAD"),
        ("/v2/shop/web/tags/list".to_owned(), "GET, HEAD"),
        (format!("/v2/shop/web/referrers/{manifest}"), "GET, HEAD"),
        ("/v2/shop/web/manifests/1".to_owned(), "GET, HEAD, PUT, DELETE"),
        (format!("/v2/shop/web/blobs/{manifest}"), "GET, HEAD, DELETE"),
        ("/v2/shop/web/blobs/uploads/".to_owned(), "POST"),
        (upload, "GET, HEAD, PATCH, PUT, DELETE"),
    ];
    for (path, allowed) in doors {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            if !allowed.contains(method.as_str()) {
                let refused = call(&ana, method.clone(), &path, "").await.expect_error(405, "UNSUPPORTED");
                assert_eq!(refused.header("allow"), allowed, "{method} {path}");
                // Who is nobody is told nothing, not even this.
                call(&portal.nobody(), method, &path, "").await.expect(401);
            }
        }
    }
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let body = image_of(b"{}", b"{}");
    put_manifest(&dev, "shop/web", "1", OCI_MANIFEST, &body).await.expect(201);
    let tag = format!("\"{}\"", digest(&body));
    let known = |condition: String| send(dev.request(Method::GET, "/v2/shop/web/manifests/1").header("if-none-match", condition));
    for condition in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = known(condition).await.expect(304);
        assert_eq!((answer.header("docker-content-digest"), answer.body.len()), (digest(&body).to_string().as_str(), 0));
    }
    assert_eq!(known("\"other\"".to_owned()).await.expect(200).body, body);
}

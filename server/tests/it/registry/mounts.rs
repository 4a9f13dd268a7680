//! "Mounting a blob from another repository" (end-11): from where the caller may pull, with a token that reaches so far, and nothing is told
//! of anything else.

use reqwest::Method;

use super::auth::{token, with};
use super::{call, digest, get, push_blob, shop};

fn path(name: &str, content: &[u8]) -> String {
    format!("/v2/{name}/blobs/{}", digest(content))
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_the_caller_may_pull() {
    let portal = shop().await;
    portal.new_project("hidden", &[]).await;
    portal.new_project("second", &[("dev", "developer")]).await;
    let (dev, admin) = (portal.person("dev"), portal.person("admin"));
    push_blob(&dev, "shop/web", b"seen").await;
    push_blob(&admin, "hidden/web", b"unseen").await;
    let mount = |content: &[u8], from: &str| {
        let path = format!("/v2/second/app/blobs/uploads/?mount={}{from}", digest(content));
        let dev = dev.clone();
        async move { call(&dev, Method::POST, &path, "").await }
    };
    // What cannot be mounted becomes an upload, and nothing is told of what there is.
    for (content, from) in [(&b"unseen"[..], "&from=hidden/web"), (b"unseen", ""), (b"seen", "&from=shop/nothing"), (b"seen", "&from=nonsense")] {
        let upload = mount(content, from).await.expect(202);
        assert!(upload.header("location").starts_with("/v2/second/app/blobs/uploads/"));
    }
    get(&dev, &path("second/app", b"unseen")).await.expect(404);
    let mounted = mount(b"seen", "&from=shop/web").await.expect(201);
    assert_eq!(mounted.header("location"), path("second/app", b"seen"));
    assert_eq!(get(&dev, mounted.header("location")).await.expect(200).body, b"seen");
    push_blob(&dev, "shop/web", b"seen too").await;
    let found = mount(b"seen too", "").await.expect(201);
    assert_eq!(get(&dev, found.header("location")).await.expect(200).body, b"seen too");
}

#[tokio::test]
async fn a_token_that_does_not_reach_the_source_is_answered_with_what_would() {
    let portal = shop().await;
    portal.new_project("hidden", &[]).await;
    let (dev, admin) = (portal.person("dev"), portal.person("admin"));
    push_blob(&dev, "shop/base", b"layer").await;
    push_blob(&admin, "hidden/base", b"secret layer").await;
    let mount = |content: &[u8], from: &str| format!("/v2/shop/web/blobs/uploads/?mount={}{from}", digest(content));
    let both = "scope=\"repository:shop/web:pull,push repository:shop/base:pull\"";

    // Who brings nothing is told both at once.
    let asked = call(&portal.nobody(), Method::POST, &mount(b"layer", "&from=shop/base"), "").await.expect_error(401, "UNAUTHORIZED");
    assert!(asked.header("www-authenticate").contains(both), "{}", asked.header("www-authenticate"));

    // With a token for the destination alone, the source that is named and the one that is found are asked for.
    let narrow = token(&dev, &["repository:shop/web:pull,push"]).await;
    for from in ["&from=shop/base", ""] {
        let refused = with(&portal, &narrow, Method::POST, &mount(b"layer", from)).await.expect_error(401, "UNAUTHORIZED");
        let challenge = refused.header("www-authenticate");
        assert!(challenge.contains(both) && challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    }
    // What the caller may not see, or is nowhere, is an upload like any other.
    for (content, from) in [(&b"secret layer"[..], "&from=hidden/base"), (b"secret layer", ""), (b"layer", "&from=shop/none"), (b"nowhere", "")] {
        with(&portal, &narrow, Method::POST, &mount(content, from)).await.expect(202);
    }
    let wide = token(&dev, &["repository:shop/web:pull,push repository:shop/base:pull"]).await;
    let mounted = with(&portal, &wide, Method::POST, &mount(b"layer", "&from=shop/base")).await.expect(201);
    assert_eq!(
        (mounted.header("location"), mounted.header("docker-content-digest")),
        (path("shop/web", b"layer").as_str(), digest(b"layer").to_string().as_str())
    );
    // What the destination holds itself needs no more than it.
    with(&portal, &narrow, Method::POST, &mount(b"layer", "")).await.expect(201);
    with(&portal, &narrow, Method::POST, &mount(b"layer", "&from=shop/web")).await.expect(201);
}

#[tokio::test]
async fn a_mount_is_a_push_and_demands_the_right_to() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/base", b"layer").await;
    let mount = format!("/v2/shop/web/blobs/uploads/?mount={}&from=shop/base", digest(b"layer"));
    call(&portal.person("gus"), Method::POST, &mount, "").await.expect_error(403, "DENIED");
    call(&portal.person("eve"), Method::POST, &mount, "").await.expect_error(404, "NAME_UNKNOWN");
    get(&dev, &path("shop/web", b"layer")).await.expect_error(404, "NAME_UNKNOWN");
    call(&dev, Method::POST, "/v2/shop/web/blobs/uploads/?mount=sha256:12&from=shop/base", "").await.expect_error(400, "DIGEST_INVALID");
}

//! "Listing Tags" (end-8a, end-8b), and the catalogue.

use model::manifest::media_type::OCI_MANIFEST;
use serde_json::json;

use super::{digest, get, image_of, push_blob, push_image, put_manifest, shop};

#[tokio::test]
async fn end_8a_tags_come_in_byte_order_page_by_page() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let body = image_of(b"{}", b"{}");
    let mut tags = ["b", "a", "B", "_", "10", "9", "a.1", "a-1", "latest"].map(str::to_owned);
    for tag in &tags {
        put_manifest(&dev, "shop/web", tag, OCI_MANIFEST, &body).await.expect(201);
    }
    tags.sort();
    let list = get(&dev, "/v2/shop/web/tags/list").await.expect(200);
    assert_eq!(list.json(), json!({"name": "shop/web", "tags": tags}));
    assert_eq!(list.header("link"), "");
    let mut read: Vec<String> = Vec::new();
    let mut next = "/v2/shop/web/tags/list?n=4".to_owned();
    while !next.is_empty() {
        let page = get(&dev, &next).await.expect(200);
        read.extend(page.json()["tags"].as_array().expect("tags").iter().map(|tag| tag.as_str().expect("a tag").to_owned()));
        let link = page.header("link");
        next = link.split('>').next().and_then(|start| start.strip_prefix('<')).unwrap_or_default().to_owned();
        assert!(link.is_empty() || link.ends_with("; rel=\"next\""));
    }
    assert_eq!(read, tags);
    let none = get(&dev, "/v2/shop/web/tags/list?n=0").await.expect(200);
    assert_eq!((&none.json()["tags"], none.header("link")), (&json!([]), ""));
    assert_eq!(get(&dev, "/v2/shop/web/tags/list?last=latest").await.expect(200).json()["tags"], json!([]));
    get(&dev, "/v2/shop/web/tags/list?n=x").await.expect_error(400, "UNSUPPORTED");
    get(&dev, "/v2/shop/web/tags/list?last=%00").await.expect(400);
    get(&dev, "/v2/shop/none/tags/list").await.expect_error(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn end_8b_a_page_ends_at_the_limit_and_the_link_leads_to_the_end() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let body = image_of(b"{}", b"{}");
    let tags: Vec<String> = (0..1040).map(|n| format!("t{n:04}")).collect();
    for some in tags.chunks(40) {
        let named: Vec<String> = some.iter().map(|tag| format!("tag={tag}")).collect();
        let reference = format!("{}?{}", digest(&body), named.join("&"));
        put_manifest(&dev, "shop/web", &reference, OCI_MANIFEST, &body).await.expect(201);
    }
    for query in ["", "?n=5000", "?n=99999999999999", "?n=700"] {
        let (mut read, mut next) = (Vec::new(), format!("/v2/shop/web/tags/list{query}"));
        while !next.is_empty() {
            let page = get(&dev, &next).await.expect(200);
            let link = page.header("link");
            next = link.split('>').next().and_then(|start| start.strip_prefix('<')).unwrap_or_default().to_owned();
            read.extend(page.json()["tags"].as_array().expect("tags").iter().map(|tag| tag.as_str().expect("a tag").to_owned()));
        }
        assert_eq!(read, tags, "{query}");
    }
    // What follows a tag that is not there, and without `n`.
    let after = |last: &str| {
        let (dev, path) = (dev.clone(), format!("/v2/shop/web/tags/list?last={last}"));
        async move { get(&dev, &path).await.expect(200).json()["tags"].as_array().expect("tags").len() }
    };
    assert_eq!((after("t1037x").await, after("t1038").await, after("z").await, after("A").await), (2, 1, 0, 1000));
}

#[tokio::test]
async fn the_catalogue_lists_what_the_caller_may_pull() {
    let portal = shop().await;
    portal.new_project("hidden", &[]).await;
    let (admin, dev) = (portal.person("admin"), portal.person("dev"));
    push_image(&dev, "shop/web", "1", "one").await;
    push_image(&dev, "shop/team/api", "1", "two").await;
    push_image(&admin, "hidden/web", "1", "three").await;
    push_blob(&dev, "shop/nothing-yet", b"x").await;
    let of = |person: &str, query: &str| {
        let (person, path) = (portal.person(person), format!("/v2/_catalog{query}"));
        async move { get(&person, &path).await.expect(200) }
    };
    assert_eq!(of("gus", "").await.json()["repositories"], json!(["shop/team/api", "shop/web"]));
    assert_eq!(of("eve", "").await.json()["repositories"], json!([]));
    let first = of("admin", "?n=2").await;
    assert_eq!(first.json()["repositories"], json!(["hidden/web", "shop/team/api"]));
    assert_eq!(first.header("link"), "</v2/_catalog?n=2&last=shop/team/api>; rel=\"next\"");
    assert_eq!(of("admin", "?n=2&last=shop/team/api").await.json()["repositories"], json!(["shop/web"]));
}

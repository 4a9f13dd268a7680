//! What pages and scripts are told of images, and their deletion, over `/api/v1`.

use model::manifest::media_type::OCI_MANIFEST;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{digest, get, push_blob, push_image, put_manifest, shop};
use crate::portal::Person;

const REPOSITORIES: &str = "/api/v1/projects/shop/repositories";

async fn read(person: &Person, path: &str) -> Value {
    person.get(path).await.expect_status(StatusCode::OK).await
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("a list").iter().map(|item| item["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn repositories_and_tags_are_listed_page_by_page() {
    let portal = shop().await;
    let (dev, gus) = (portal.person("dev"), portal.person("gus"));
    for (name, tag) in [("shop/web", "b"), ("shop/web", "a"), ("shop/web", "c"), ("shop/team/api", "1"), ("shop/zoo", "1")] {
        push_image(&dev, name, tag, &format!("{name} {tag}")).await;
    }
    let first = read(&gus, &format!("{REPOSITORIES}?limit=2")).await;
    assert_eq!(names(&first), ["team/api", "web"]);
    let web = &first["items"][1];
    let size: usize = web["size"].as_i64().and_then(|size| size.try_into().ok()).expect("bytes");
    assert!(web["tags"] == 3 && size > 3 * "layer shop/web a".len(), "{web}");
    let rest = read(&gus, &format!("{REPOSITORIES}?limit=2&after={}", first["next"].as_str().unwrap_or("web"))).await;
    assert_eq!(names(&rest), ["zoo"]);

    let tags = format!("{REPOSITORIES}/web/tags");
    assert_eq!(names(&read(&gus, &tags).await), ["a", "b", "c"]);
    assert_eq!(names(&read(&gus, &format!("{tags}?order=newest")).await), ["c", "a", "b"]);
    let newest = read(&gus, &format!("{tags}?order=newest&limit=1")).await;
    assert_eq!(names(&newest), ["c"]);
    assert_eq!(names(&read(&gus, &format!("{REPOSITORIES}/team%2Fapi/tags")).await), ["1"]);
    portal.person("eve").get(&tags).await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn an_image_is_told_with_all_that_is_known_of_it() {
    let portal = shop().await;
    let (dev, gus) = (portal.person("dev"), portal.person("gus"));
    let body = push_image(&dev, "shop/web", "1.4", "one").await;
    put_manifest(&dev, "shop/web", "latest", OCI_MANIFEST, &body).await.expect(201);
    let image = read(&gus, &format!("{REPOSITORIES}/web/images/1.4")).await;
    assert_eq!(image["digest"], digest(&body).to_string());
    assert_eq!(image["tags"], json!(["1.4", "latest"]));
    assert_eq!((&image["pushed_by"], &image["kind"]), (&json!("dev"), &json!("image")));
    assert_eq!(image["config"]["config"]["Cmd"], json!(["/serve", "one"]));
    let parts: Vec<_> = image["parts"].as_array().expect("parts").iter().map(|part| part["part"].as_str().expect("a word")).collect();
    assert_eq!(parts, ["config", "layer"]);
    assert_eq!(image["parts"][1]["digest"], digest(b"layer one").to_string());
    let by_digest = read(&gus, &format!("{REPOSITORIES}/web/images/{}", digest(&body))).await;
    assert_eq!(by_digest["tags"], image["tags"]);
    gus.get(&format!("{REPOSITORIES}/web/images/none")).await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn tags_and_repositories_are_deleted_by_admins_alone() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let body = push_image(&dev, "shop/web", "1", "one").await;
    push_blob(&dev, "shop/web", b"more").await;
    let (tag, repository) = (format!("{REPOSITORIES}/web/tags/1"), format!("{REPOSITORIES}/web"));
    for path in [&tag, &repository] {
        dev.delete(path).await.expect_status(StatusCode::FORBIDDEN).await;
        portal.person("eve").delete(path).await.expect_status(StatusCode::NOT_FOUND).await;
    }
    ana.delete(&tag).await.expect_status(StatusCode::NO_CONTENT).await;
    ana.delete(&tag).await.expect_status(StatusCode::NOT_FOUND).await;
    get(&dev, &format!("/v2/shop/web/manifests/{}", digest(&body))).await.expect(200);
    ana.delete(&repository).await.expect_status(StatusCode::NO_CONTENT).await;
    get(&dev, &format!("/v2/shop/web/manifests/{}", digest(&body))).await.expect_error(404, "NAME_UNKNOWN");
    get(&dev, &format!("/v2/shop/web/blobs/{}", digest(b"more"))).await.expect_error(404, "NAME_UNKNOWN");
    assert_eq!(names(&read(&dev, REPOSITORIES).await), Vec::<&str>::new());
    // The name is free for a fresh start.
    push_image(&dev, "shop/web", "1", "one").await;
    assert_eq!(names(&read(&dev, REPOSITORIES).await), ["web"]);
}

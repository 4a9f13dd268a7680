//! What the pages of the registry offer and say, as a browser without scripts sees them: each refusal once and in its place, and to everybody what
//! is theirs.

use model::manifest::media_type::OCI_INDEX;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::image_rules::{open, post};
use crate::portal::TestPortal;
use crate::push::digest_of;
use crate::quotas::{image, put_fine, shop};

const WEB: &str = "/projects/shop/images/web";

async fn immutable(portal: &TestPortal, tags: &str) {
    let rules = json!({"immutable": [{"name": "releases", "tags": tags}]});
    portal.person("ana").put("/api/v1/projects/shop/image-rules", rules).await.expect_status(StatusCode::OK).await;
}

#[tokio::test]
async fn a_refused_deletion_is_told_once_and_in_no_other_tags_dialog() {
    let portal = shop(TestPortal::start().await).await;
    let dev = portal.person("dev");
    for tag in ["1.0", "2.0", "latest"] {
        put_fine(&dev, "shop/web", tag, &image(&dev, "shop/web", tag).await).await;
    }
    let browser = portal.browser("ana").await;
    assert!(!open(&browser, WEB).await.contains("is immutable"));
    immutable(&portal, "1*").await;
    let sent = [("project", "shop"), ("repository", "web"), ("tag", "1.0")];
    let back = post(&portal, &browser, WEB, "/fn/images/delete_tag", &sent).await;
    let page = open(&browser, back.trim_start_matches(&portal.base)).await;
    // Nobody knows which dialog sent it: it stands above all of them.
    assert_eq!(page.matches("Tag 1.0 of shop/web is immutable").count(), 1, "{page}");
    let (above, table) = page.split_once("<table").expect("tags");
    assert!(above.contains("Tag 1.0 of shop/web is immutable") && !table.contains("Tag 1.0 of shop/web is immutable"));
}

#[tokio::test]
async fn what_is_immutable_is_marked_and_cannot_be_asked_to_be_deleted() {
    let portal = shop(TestPortal::start().await).await;
    let dev = portal.person("dev");
    for tag in ["1.0", "latest"] {
        put_fine(&dev, "shop/web", tag, &image(&dev, "shop/web", tag).await).await;
    }
    immutable(&portal, "1*").await;
    let tags = dev.get("/api/v1/projects/shop/repositories/web/tags").await.expect_status(StatusCode::OK).await;
    let rules: Vec<_> = tags["items"].as_array().expect("tags").iter().map(|tag| (tag["name"].clone(), tag["immutable"].clone())).collect();
    assert_eq!(rules, [(json!("1.0"), json!("releases")), (json!("latest"), json!(null))]);
    assert_eq!(tags["items"][0]["platforms"], json!(["linux/amd64"]));

    let browser = portal.browser("ana").await;
    let page = open(&browser, WEB).await;
    let button = |tag: &str| {
        let at = page.find(&format!("commandfor=\"delete-tag-{tag}\"")).expect("a button");
        page[at..].split_once('>').expect("its end").0.to_owned()
    };
    assert!(button("1_d0").contains("disabled") && button("1_d0").contains("rule releases"), "{}", button("1_d0"));
    assert!(!button("latest").contains("disabled"));
    let page = open(&browser, &format!("{WEB}/1.0")).await;
    assert!(page.contains("immutable") && page.contains("cannot be deleted before an admin"), "so is the image itself");
    assert!(page.contains("skopeo copy --src-tls-verify=false"), "the portal speaks plain http");
}

#[tokio::test]
async fn images_without_a_tag_are_listed_and_reached() {
    let portal = shop(TestPortal::start().await).await;
    let dev = portal.person("dev");
    let (old, new, part) = (image(&dev, "shop/web", "old").await, image(&dev, "shop/web", "new").await, image(&dev, "shop/web", "part").await);
    put_fine(&dev, "shop/web", "latest", &old).await;
    put_fine(&dev, "shop/web", "latest", &new).await;
    // What an index lists is reached through it.
    let listed = digest_of(part.as_bytes());
    put_fine(&dev, "shop/web", &listed, &part).await;
    let child = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": listed, "size": part.len(), "platform": {"os": "linux", "architecture": "arm64"}});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string();
    let request = dev.request(Method::PUT, "/v2/shop/web/manifests/multi").header("content-type", OCI_INDEX).body(index);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::CREATED);

    let browser = portal.browser("ana").await;
    let page = open(&browser, WEB).await;
    assert!(page.contains("Without a tag") && page.contains("linux/arm64"), "{page}");
    let page = open(&browser, &format!("{WEB}?kind=untagged")).await;
    let gone = digest_of(old.as_bytes());
    assert!(page.contains(&gone), "{page}");
    assert!(!page.contains(&digest_of(new.as_bytes())) && !page.contains(&listed), "tagged, and listed");
    let page = open(&browser, &format!("{WEB}/{}", gone.replace(':', "%3A"))).await;
    assert!(page.contains("Delete image") && page.contains("none: by digest alone"), "it can be deleted there");
    let page = open(&browser, &format!("{WEB}?kind=untagged&after=sha256:f")).await;
    assert!(page.contains("Nothing without a tag") || page.contains(&gone));
}

#[tokio::test]
async fn a_page_shows_no_form_that_its_reader_may_not_send() {
    let portal = shop(TestPortal::start().await).await;
    portal.new_person("gus").await;
    let admin = portal.person("admin");
    admin.put("/api/v1/projects/shop/members/gus", json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
    admin.put("/api/v1/projects/shop/quota", json!({"tags": 500})).await.expect_status(StatusCode::OK).await;
    immutable(&portal, "v*").await;
    put_fine(&portal.person("dev"), "shop/web", "1", &image(&portal.person("dev"), "shop/web", "1").await).await;
    for (name, may_push) in [("dev", true), ("gus", false)] {
        let browser = portal.browser(name).await;
        let answer = browser.open("/projects/shop/settings").await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let page = answer.text().await.expect("a page");
        assert!(page.contains("You may not manage this project") && !page.contains("Save settings") && !page.contains("Delete project"), "{page}");
        // Who pushes sees what can refuse it.
        let images = open(&browser, "/projects/shop/images").await;
        assert_eq!(images.contains("in 1 of 500 tags."), may_push, "{name}");
        let rules = browser.open("/projects/shop/images/-/rules").await;
        assert_eq!(rules.status(), if may_push { StatusCode::OK } else { StatusCode::FORBIDDEN });
        let rules = rules.text().await.expect("a page");
        assert_eq!(rules.contains("releases"), may_push);
        assert!(!rules.contains("Make immutable") && !rules.contains("Take away") && !rules.contains("Save rule"), "{name}");
    }
    let page = open(&portal.browser("ana").await, "/projects/shop/images/-/rules").await;
    assert!(page.contains("Take the rule releases away?") && page.contains("Tags like v* of repositories like ** can be moved"), "it asks first");
}

#[tokio::test]
async fn a_rule_that_keeps_nothing_is_told_at_its_field() {
    let portal = shop(TestPortal::start().await).await;
    let browser = portal.browser("ana").await;
    let rules = "/projects/shop/images/-/rules";
    let refused = post(&portal, &browser, rules, "/fn/image_rules/put_retention", &[("project", "shop"), ("rule[tags]", "v*")]).await;
    let page = open(&browser, refused.trim_start_matches(&portal.base)).await;
    assert!(page.contains("Fill in one of these four") && !page.contains("retention.rules[0]"), "{page}");
    let wrong = [("project", "shop"), ("rule[tags]", "v*"), ("rule[newest]", "0")];
    let refused = post(&portal, &browser, rules, "/fn/image_rules/put_retention", &wrong).await;
    let page = open(&browser, refused.trim_start_matches(&portal.base)).await;
    assert!(page.contains("From 1 to 10000 tags") && !page.contains("retention.rules[0]"), "{page}");
}

#[tokio::test]
async fn deleting_says_when_bytes_come_back() {
    let portal = shop(TestPortal::start().await).await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    put_fine(&dev, "shop/web", "1", &image(&dev, "shop/web", "1").await).await;
    let (browser, operator) = (portal.browser("ana").await, portal.browser("admin").await);
    assert!(!open(&browser, "/projects/shop/settings").await.contains("belong to nothing any more"));
    let page = open(&browser, WEB).await;
    assert!(page.contains("1 tag and 1 image, index or artifact go") && page.contains("next collection"), "{page}");
    ana.delete("/api/v1/projects/shop/repositories/web/tags/1").await.expect_status(StatusCode::NO_CONTENT).await;
    let digest = digest_of(image(&dev, "shop/web", "1").await.as_bytes());
    ana.delete(&format!("/api/v1/projects/shop/repositories/web/images/{digest}")).await.expect_status(StatusCode::NO_CONTENT).await;
    let settings = open(&browser, "/projects/shop/settings").await;
    assert!(settings.contains("belong to nothing any more") && settings.contains("in 1 d"), "{settings}");
    let storage = portal.person("admin").get("/api/v1/registry").await.expect_status(StatusCode::OK).await;
    assert!(storage["waiting"]["bytes"].as_i64().is_some_and(|bytes| bytes > 0), "{storage}");
    assert!(open(&operator, "/admin/registry").await.contains("Waiting for collection"));
}

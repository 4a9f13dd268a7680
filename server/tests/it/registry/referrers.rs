//! "Listing Referrers" (end-12a, end-12b), "Pushing Manifests with Subject", and "Enabling the Referrers API".

use domain::args;
use model::digest::Digest;
use model::manifest::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

use super::{call, digest, get, push_blob, push_image, put_manifest, shop};
use crate::portal::Person;

/// An artifact about `subject`, made of an empty configuration, with `more` fields.
fn about(subject: &Digest, more: &Value) -> Vec<u8> {
    let mut artifact = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
        "config": {"mediaType": OCI_CONFIG, "digest": digest(b"{}"), "size": 2},
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 2},
    });
    for (name, value) in more.as_object().expect("fields") {
        artifact[name] = value.clone();
    }
    artifact.to_string().into_bytes()
}

/// Pushes it by its digest, which it answers.
async fn attach(person: &Person, kind: &str, body: &[u8]) -> String {
    let digest = digest(body).to_string();
    put_manifest(person, "shop/web", &digest, kind, body).await.expect(201);
    digest
}

async fn listed(person: &Person, path: &str) -> Vec<Value> {
    let answer = get(person, path).await.expect(200);
    assert_eq!(answer.header("content-type"), OCI_INDEX);
    let index = answer.json();
    assert_eq!((&index["schemaVersion"], &index["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
    index["manifests"].as_array().expect("a list").clone()
}

/// The address of the next page.
fn next(link: &str) -> Option<String> {
    let (address, relation) = link.strip_prefix('<')?.split_once('>')?;
    assert_eq!(relation, "; rel=\"next\"");
    Some(address.to_owned())
}

#[tokio::test]
async fn end_12a_what_is_about_an_image_can_be_found() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let body = push_image(&dev, "shop/web", "1", "one").await;
    let subject = digest(&body);
    let path = format!("/v2/shop/web/referrers/{subject}");
    let none = get(&dev, &path).await.expect(200);
    assert_eq!((none.header("content-type"), &none.json()["manifests"]), (OCI_INDEX, &json!([])));
    push_blob(&dev, "shop/web", b"{}").await;
    for kind in ["application/vnd.example.sbom", "application/vnd.example.signature"] {
        let artifact = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "layers": [],
            "config": {"mediaType": OCI_CONFIG, "digest": digest(b"{}"), "size": 2},
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": body.len()},
            "annotations": {"org.example.kind": kind},
        });
        let artifact = artifact.to_string();
        let reference = digest(artifact.as_bytes()).to_string();
        let pushed = put_manifest(&dev, "shop/web", &reference, OCI_MANIFEST, artifact.as_bytes()).await.expect(201);
        assert_eq!(pushed.header("oci-subject"), subject.to_string());
    }
    assert_eq!(get(&dev, &path).await.expect(200).json()["manifests"].as_array().map(Vec::len), Some(2));
    let filtered = get(&dev, &format!("{path}?artifactType=application/vnd.example.sbom")).await.expect(200);
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let found = filtered.json();
    assert_eq!(found["manifests"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["manifests"][0]["artifactType"], "application/vnd.example.sbom");
    assert_eq!(found["manifests"][0]["annotations"]["org.example.kind"], "application/vnd.example.sbom");
}

#[tokio::test]
async fn end_12a_there_is_always_a_list_where_the_caller_may_pull() {
    let portal = shop().await;
    let (dev, gus) = (portal.person("dev"), portal.person("gus"));
    push_blob(&dev, "shop/web", b"{}").await;
    let unknown = digest(b"never pushed");
    // Of an unknown digest, of a repository that holds no manifest yet, and of one that is not there at all.
    for name in ["shop/web", "shop/none"] {
        assert_eq!(listed(&gus, &format!("/v2/{name}/referrers/{unknown}")).await, Vec::<Value>::new());
        let filtered = get(&gus, &format!("/v2/{name}/referrers/{unknown}?artifactType=a/b")).await.expect(200);
        assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    }
    // What nobody may know of stays unknown; a digest that is none is a wrong request.
    get(&portal.person("eve"), &format!("/v2/shop/web/referrers/{unknown}")).await.expect_error(404, "NAME_UNKNOWN");
    get(&gus, &format!("/v2/nowhere/web/referrers/{unknown}")).await.expect_error(404, "NAME_UNKNOWN");
    for wrong in ["sha256:12", "nonsense", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        get(&gus, &format!("/v2/shop/web/referrers/{wrong}")).await.expect_error(400, "DIGEST_INVALID");
    }
}

#[tokio::test]
async fn end_7_a_subject_need_not_be_there_and_is_acknowledged() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let subject = digest(b"to be pushed later");
    let body = about(&subject, &json!({"artifactType": "application/vnd.example"}));
    for reference in ["signed".to_owned(), digest(&body).to_string()] {
        let pushed = put_manifest(&dev, "shop/web", &reference, OCI_MANIFEST, &body).await.expect(201);
        assert_eq!(pushed.header("oci-subject"), subject.to_string());
    }
    assert_eq!(listed(&dev, &format!("/v2/shop/web/referrers/{subject}")).await[0]["digest"], digest(&body).to_string());
    let plain = push_image(&dev, "shop/web", "1", "one").await;
    let again = put_manifest(&dev, "shop/web", "2", OCI_MANIFEST, &plain).await.expect(201);
    assert_eq!(again.header("oci-subject"), "");
}

#[tokio::test]
async fn end_12a_a_descriptor_tells_the_type_and_every_annotation() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let subject = digest(b"subject");
    let long = "x".repeat(40_000);
    let typed =
        attach(&dev, OCI_MANIFEST, &about(&subject, &json!({"artifactType": "a/typed", "annotations": {"long": long, "org.example": "ä"}}))).await;
    // An image without a type of its own has its configuration's; one that is empty is none.
    let by_config = attach(&dev, OCI_MANIFEST, &about(&subject, &json!({}))).await;
    let empty = attach(&dev, OCI_MANIFEST, &about(&subject, &json!({"artifactType": "", "annotations": {"n": "1"}}))).await;
    let index = |more: Value| {
        let mut index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}});
        index.as_object_mut().expect("an object").extend(more.as_object().expect("fields").clone());
        index.to_string().into_bytes()
    };
    let typed_index = attach(&dev, OCI_INDEX, &index(json!({"artifactType": "a/index"}))).await;
    let plain_index = attach(&dev, OCI_INDEX, &index(json!({"annotations": {"of": "an index"}}))).await;
    let path = format!("/v2/shop/web/referrers/{subject}");
    let all = listed(&dev, &path).await;
    let of = |digest: &String| all.iter().find(|one| one["digest"] == *digest).expect("listed").clone();
    let size = get(&dev, &format!("/v2/shop/web/manifests/{typed}")).await.body.len();
    let expected = json!({"mediaType": OCI_MANIFEST, "digest": typed, "size": size, "artifactType": "a/typed", "annotations": {"long": long, "org.example": "ä"}});
    assert_eq!(of(&typed), expected);
    assert_eq!((&of(&by_config)["artifactType"], of(&by_config).get("annotations")), (&json!(OCI_CONFIG), None));
    assert_eq!((&of(&empty)["artifactType"], &of(&empty)["annotations"]), (&json!(OCI_CONFIG), &json!({"n": "1"})));
    assert_eq!((&of(&typed_index)["mediaType"], &of(&typed_index)["artifactType"]), (&json!(OCI_INDEX), &json!("a/index")));
    assert_eq!((of(&plain_index).get("artifactType"), &of(&plain_index)["annotations"]), (None, &json!({"of": "an index"})));
    // end-12b
    let filtered = listed(&dev, &format!("{path}?artifactType={OCI_CONFIG}").replace('+', "%2B")).await;
    assert_eq!(filtered.len(), 2);
    assert_eq!(listed(&dev, &format!("{path}?artifactType=a/other")).await, Vec::<Value>::new());
}

#[tokio::test]
async fn end_12a_a_long_list_comes_in_pages_each_of_which_a_client_can_take() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let subject = digest(b"subject");
    let mut pushed = Vec::new();
    for n in 0..203 {
        // Some of them with notes that do not fit on one page together: in bytes, which are three for each of these characters.
        let notes = if n < 8 { format!("{n}{}", "\u{20ac}".repeat(300_000)) } else { n.to_string() };
        let body = about(&subject, &json!({"artifactType": if n % 2 == 0 { "a/even" } else { "a/odd" }, "annotations": {"notes": notes}}));
        pushed.push(attach(&dev, OCI_MANIFEST, &body).await);
    }
    pushed.sort();
    for (query, count) in [("", 203), ("?artifactType=a/even", 102)] {
        let (mut read, mut pages) = (Vec::new(), 0);
        let mut path = Some(format!("/v2/shop/web/referrers/{subject}{query}"));
        while let Some(page) = path {
            let answer = get(&dev, &page).await.expect(200);
            assert!(answer.body.len() < 2_200_000, "{}", answer.body.len());
            assert_eq!(answer.header("oci-filters-applied"), if query.is_empty() { "" } else { "artifactType" });
            read.extend(
                answer.json()["manifests"].as_array().expect("a list").iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()),
            );
            path = next(answer.header("link"));
            pages += 1;
        }
        assert!(pages > 1);
        assert_eq!(read.len(), count);
        assert!(read.is_sorted() && read.iter().all(|digest| pushed.contains(digest)));
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the rows are made as an older portal took them")]
async fn end_12a_a_page_is_bounded_by_all_that_it_carries() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    let subject = digest(b"subject");
    let body = about(&subject, &json!({"artifactType": "a".repeat(256)}));
    put_manifest(&dev, "shop/web", "1", OCI_MANIFEST, &body).await.expect_error(400, "MANIFEST_INVALID");
    for n in 0..4 {
        attach(&dev, OCI_MANIFEST, &about(&subject, &json!({"artifactType": "a/b", "annotations": {"n": n.to_string()}}))).await;
    }
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let long = format!("a/{}", "b".repeat(900_000));
    write.exec("UPDATE manifests SET artifact_type = $1 WHERE artifact_type = 'a/b'", args![long]).await.expect("long types");
    write.finish().await.expect("kept");
    let first = get(&dev, &format!("/v2/shop/web/referrers/{subject}")).await.expect(200);
    assert!(first.body.len() < 2_200_000 && next(first.header("link")).is_some(), "{}", first.body.len());
}

#[tokio::test]
async fn what_a_client_of_the_older_scheme_listed_under_a_tag_is_found_by_the_api() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let image = push_image(&dev, "shop/web", "1", "one").await;
    let subject = digest(&image);
    push_blob(&dev, "shop/web", b"{}").await;
    // "Referrers Tag Schema": the client pushes what is about the image, and lists it in an index whose tag is the image's digest.
    let artifact = about(&subject, &json!({"artifactType": "application/vnd.example.sbom", "annotations": {"a": "b"}}));
    let unrelated = push_image(&dev, "shop/web", "other", "two").await;
    for body in [&artifact, &unrelated] {
        attach(&dev, OCI_MANIFEST, body).await;
    }
    let entry =
        |body: &[u8]| json!({"mediaType": OCI_MANIFEST, "digest": digest(body), "size": body.len(), "artifactType": "application/vnd.example.sbom"});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(&artifact), entry(&unrelated)]}).to_string();
    let tag = subject.to_string().replace(':', "-");
    put_manifest(&dev, "shop/web", &tag, OCI_INDEX, index.as_bytes()).await.expect(201);
    // Both ways lead to it; what has no subject of its own is listed by the index alone.
    assert_eq!(get(&dev, &format!("/v2/shop/web/manifests/{tag}")).await.expect(200).body, index.as_bytes());
    let path = format!("/v2/shop/web/referrers/{subject}");
    let found = listed(&dev, &path).await;
    assert_eq!((found.len(), &found[0]["digest"]), (1, &json!(digest(&artifact))));
    // "Deleting Manifests": what is deleted is not listed any more.
    let by_digest = format!("/v2/shop/web/manifests/{}", digest(&artifact));
    call(&ana, reqwest::Method::DELETE, &by_digest, "").await.expect(202);
    assert_eq!(listed(&dev, &path).await, Vec::<Value>::new());
}

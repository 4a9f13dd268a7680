//! Rules for images through real pushes: what is immutable stays, what retention deletes is what its dry run showed, and nothing that somebody
//! needs goes.

mod pages;

use std::time::Duration;

use domain::Signal;
use model::manifest::media_type::OCI_INDEX;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};
use crate::push::digest_of;
use crate::quotas::{image, put, put_fine, shop};

pub use pages::{open, post};

const RULES: &str = "/api/v1/projects/shop/image-rules";
const DAY: Duration = Duration::from_secs(86_400);

async fn with_clock() -> TestPortal {
    shop(TestPortal::start_with_clock().await).await
}

fn later(portal: &TestPortal, span: Duration) {
    portal.clock.as_ref().expect("a test's clock").advance(span);
}

async fn set(ana: &Person, rules: Value) -> Value {
    ana.put(RULES, rules).await.expect_status(StatusCode::OK).await
}

/// Begins a run (`dry-run`, `run`) and waits for its end; what it decided about, as `repository:tag` or `repository@digest`, that goes.
async fn finish(ana: &Person, verb: &str) -> (Value, Vec<String>) {
    let run = ana.post(&format!("{RULES}/{verb}?wait=60"), json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!(run["state"], "done", "{run}");
    let gone = items(ana, run["id"].as_str().expect("an id"), "goes=true").await;
    (run, gone.iter().map(name).collect())
}

async fn items(ana: &Person, run: &str, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("{RULES}/runs/{run}?limit=2&{query}{after}");
        let page = ana.get(&path).await.expect_status(StatusCode::OK).await["items"].clone();
        all.extend(page["items"].as_array().expect("items").iter().cloned());
        let Some(next) = page["next"].as_str() else { return all };
        after = format!("&after={next}");
    }
}

fn name(item: &Value) -> String {
    let repository = item["repository"].as_str().expect("a repository");
    match item["tag"].as_str() {
        Some(tag) => format!("{repository}:{tag}"),
        None => format!("{repository}@{}", item["digest"].as_str().expect("a digest")),
    }
}

async fn accept(ana: &Person, dry_run: &Value) -> Value {
    ana.post(&format!("{RULES}/activate"), json!({"dry_run": dry_run["id"]})).await.expect_status(StatusCode::OK).await
}

/// The tags of a repository, by name.
async fn tags(person: &Person, repository: &str) -> Vec<String> {
    let list = person.get(&format!("/api/v1/projects/shop/repositories/{repository}/tags?limit=200")).await.expect_status(StatusCode::OK).await;
    list["items"].as_array().expect("tags").iter().map(|tag| tag["name"].as_str().expect("a name").to_owned()).collect()
}

async fn has(person: &Person, name: &str, reference: &str) -> bool {
    let answer = person.request(Method::HEAD, &format!("/v2/{name}/manifests/{reference}")).send().await.expect("an answer");
    answer.status() == StatusCode::OK
}

#[tokio::test]
async fn an_immutable_tag_is_neither_moved_nor_deleted_before_its_rule_is() {
    let portal = shop(TestPortal::start().await).await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let (one, two) = (image(&dev, "shop/team/web", "one").await, image(&dev, "shop/team/web", "two").await);
    let child = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest_of(two.as_bytes()), "size": two.len()});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string();
    put_fine(&dev, "shop/team/web", "v1", &one).await;
    put_fine(&dev, "shop/team/web", &digest_of(two.as_bytes()), &two).await;
    let request = dev.request(Method::PUT, "/v2/shop/team/web/manifests/v2").header("content-type", OCI_INDEX).body(index);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::CREATED);
    put_fine(&dev, "shop/team/web", "latest", &one).await;

    set(&ana, json!({"immutable": [{"name": "releases", "repositories": "team/**", "tags": "v*"}]})).await;
    let (status, told) = put(&dev, "shop/team/web", "v1", &two).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(told.starts_with("denied: tag v1 of shop/team/web is immutable by the rule \"releases\" of project shop"), "{told}");
    assert!(told.contains("push under another tag") && told.contains("ask an admin"), "{told}");
    put_fine(&dev, "shop/team/web", "v1", &one).await;
    put_fine(&dev, "shop/team/web", "v3", &two).await;
    put_fine(&dev, "shop/team/web", "latest", &two).await;

    let repository = "/api/v1/projects/shop/repositories/team%2Fweb";
    let problem = ana.delete(&format!("{repository}/tags/v1")).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(problem["code"], "immutable_tag");
    ana.delete(repository).await.expect_status(StatusCode::CONFLICT).await;
    for reference in ["v1".to_owned(), digest_of(one.as_bytes()), digest_of(two.as_bytes())] {
        let answer = ana.request(Method::DELETE, &format!("/v2/shop/team/web/manifests/{reference}")).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CONFLICT, "{reference}");
    }
    ana.delete(&format!("{repository}/tags/latest")).await.expect_status(StatusCode::NO_CONTENT).await;

    dev.put(RULES, json!({})).await.expect_status(StatusCode::FORBIDDEN).await;
    set(&ana, json!({})).await;
    put_fine(&dev, "shop/team/web", "v1", &two).await;
    ana.delete(repository).await.expect_status(StatusCode::NO_CONTENT).await;
}

#[tokio::test]
async fn of_pushes_of_one_immutable_tag_the_first_stands() {
    let portal = shop(TestPortal::start().await).await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    set(&ana, json!({"immutable": [{"tags": "v*"}]})).await;
    let mut images = Vec::new();
    for seed in ["one", "two", "three", "four"] {
        images.push(image(&dev, "shop/web", seed).await);
    }
    for round in 0..8 {
        let tag = format!("v{round}");
        let answers = futures::future::join_all(images.iter().map(|manifest| put(&dev, "shop/web", &tag, manifest))).await;
        let taken: Vec<usize> = (0..answers.len()).filter(|at| answers[*at].0 == StatusCode::CREATED).collect();
        assert_eq!(taken.len(), 1, "round {round}: {answers:?}");
        let standing = dev.get(&format!("/v2/shop/web/manifests/{tag}")).await.0.bytes().await.expect("a body");
        assert_eq!(standing, images[taken[0]].as_bytes(), "round {round}");
    }
}

#[tokio::test]
async fn retention_deletes_what_its_accepted_dry_run_showed() {
    let portal = with_clock().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    for build in 1..=6 {
        let manifest = image(&dev, "shop/web", &format!("build {build}")).await;
        put_fine(&dev, "shop/web", &format!("build-{build}"), &manifest).await;
        if build == 1 {
            put_fine(&dev, "shop/web", "v1", &manifest).await;
        }
        later(&portal, DAY);
    }
    let rules = json!({
        "immutable": [{"name": "releases", "tags": "v*"}],
        "retention": {"rules": [{"name": "builds", "tags": "{build-*,v*}", "keep": [{"newest": 2}, {"always": "build-3"}]}], "untagged_after_days": 7},
    });
    let stored = set(&ana, rules).await;
    assert_eq!(stored["retention"], "needs_review");
    let refused = ana.post(&format!("{RULES}/run"), json!({})).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "not_reviewed");

    let (dry, would_go) = finish(&ana, "dry-run").await;
    assert_eq!(would_go, ["web:build-4", "web:build-2", "web:build-1"]);
    assert_eq!(dry["counts"]["kept_by"], json!({"rule: builds": 3, "immutable": 1}));
    let stays = items(&ana, dry["id"].as_str().expect("an id"), "goes=false").await;
    let why = |tag: &str| stays.iter().find(|item| item["tag"] == tag).expect(tag)["why"].as_str().expect("a reason").to_owned();
    assert_eq!((why("build-6").as_str(), why("build-3").as_str()), ("builds: newest 2", "builds: always build-3"));
    assert_eq!(why("v1"), "immutable by releases");
    assert_eq!(tags(&dev, "web").await.len(), 7, "a dry run deletes nothing");

    assert_eq!(accept(&ana, &dry).await["retention"], "active");
    let (run, gone) = finish(&ana, "run").await;
    assert_eq!(gone, would_go);
    assert_eq!(tags(&dev, "web").await, ["build-3", "build-5", "build-6", "v1"]);
    let (again, nothing) = finish(&ana, "run").await;
    assert_eq!((nothing.len(), &again["counts"]["tags_kept"]), (0, &json!(4)));
    // The images of deleted tags rest, are as old as the deletion, and go then; the one that v1 names stays.
    let build_2 = gone_digest(&ana, &run, "build-2").await;
    assert!(has(&dev, "shop/web", &build_2).await);
    later(&portal, 8 * DAY);
    let (last, images) = finish(&ana, "run").await;
    assert_eq!((images.len(), &last["counts"]["images_gone"]), (2, &json!(2)), "{images:?}");
    assert!(!has(&dev, "shop/web", &build_2).await && has(&dev, "shop/web", "v1").await);

    let audit = ana.get("/api/v1/projects/shop/audit?limit=200").await.expect_status(StatusCode::OK).await;
    let by_rule =
        |action: &str| audit["items"].as_array().expect("records").iter().filter(|one| one["action"] == action && one["door"] == "retention").count();
    assert_eq!((by_rule("tag.delete"), by_rule("image.delete")), (3, 2));
    let record = audit["items"].as_array().expect("records").iter().find(|one| one["target"] == "shop/web:build-2").expect("its record");
    assert_eq!(record["actor"], "rule builds");
    let runs = ana.get(&format!("{RULES}/runs")).await.expect_status(StatusCode::OK).await;
    assert_eq!(runs["items"].as_array().expect("runs").iter().filter(|run| run["dry_run"] == false).count(), 3);
}

async fn gone_digest(ana: &Person, run: &Value, tag: &str) -> String {
    let items = items(ana, run["id"].as_str().expect("an id"), "goes=true").await;
    items.iter().find(|item| item["tag"] == tag).expect(tag)["digest"].as_str().expect("a digest").to_owned()
}

#[tokio::test]
async fn changed_rules_delete_nothing_before_they_are_looked_at_again() {
    let portal = with_clock().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    put_fine(&dev, "shop/web", "1", &image(&dev, "shop/web", "one").await).await;
    let none = ana.post(&format!("{RULES}/dry-run"), json!({})).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(none["code"], "no_rules");
    let rules = |newest: u32, immutable: Value, hour: Value| json!({"immutable": immutable, "retention": {"rules": [{"name": "few", "keep": [{"newest": newest}]}], "daily_at": hour}});
    set(&ana, rules(5, json!([{"tags": "v*"}]), Value::Null)).await;
    let (dry, _) = finish(&ana, "dry-run").await;
    // A dry run of other rules than the stored ones is none of these.
    let given = json!({"rules": rules(1, json!([]), Value::Null)});
    let other = ana.post(&format!("{RULES}/dry-run?wait=60"), given).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!((&other["is_current"], &dry["is_current"]), (&json!(false), &json!(true)));
    ana.post(&format!("{RULES}/activate"), json!({"dry_run": other["id"]})).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(accept(&ana, &dry).await["retention"], "active");

    let at_three = set(&ana, rules(5, json!([{"tags": "v*"}, {"tags": "w*"}]), json!(3))).await;
    assert_eq!(at_three["retention"], "active", "an hour and more that is immutable delete no more");
    assert!(at_three["next_run_at"].is_i64());
    let open = set(&ana, rules(5, json!([{"tags": "w*"}]), json!(3))).await;
    assert_eq!((&open["retention"], &open["next_run_at"]), (&json!("needs_review"), &Value::Null), "less that is immutable may delete more");

    let (dry, _) = finish(&ana, "dry-run").await;
    later(&portal, DAY + Duration::from_secs(1));
    let stale = ana.post(&format!("{RULES}/activate"), json!({"dry_run": dry["id"]})).await.expect_status(StatusCode::CONFLICT).await;
    assert!(stale["detail"].as_str().is_some_and(|text| text.contains("more than a day old")), "{stale}");
    let wrong = json!({"retention": {"rules": [{"tags": "[a]", "keep": []}]}});
    let wrong = ana.put(RULES, wrong).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(wrong["errors"][0]["field"], "retention.rules[0].tags");
}

#[tokio::test]
async fn what_a_revision_needs_stays_also_in_another_project() {
    let portal = with_clock().await;
    let (admin, ana, dev) = (portal.person("admin"), portal.person("ana"), portal.person("dev"));
    portal.new_project("other", &[]).await;
    let (one, two, three) = (image(&dev, "shop/web", "1").await, image(&dev, "shop/web", "2").await, image(&dev, "shop/web", "3").await);
    let child = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest_of(three.as_bytes()), "size": three.len(),
        "platform": {"os": "linux", "architecture": "amd64"}});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string();
    put_fine(&dev, "shop/web", "1", &one).await;
    put_fine(&dev, "shop/web", "part", &three).await;
    let request = dev.request(Method::PUT, "/v2/shop/web/manifests/multi").header("content-type", OCI_INDEX).body(index.clone());
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::CREATED);
    put_fine(&dev, "shop/web", "2", &two).await;
    let host = portal.base.strip_prefix("http://").expect("http");
    for (project, service, image) in [("shop", "web", "web:1".to_owned()), ("other", "app", format!("{host}/shop/web:multi"))] {
        let services = format!("/api/v1/projects/{project}/services");
        admin.post(&services, json!({"name": service})).await.expect_status(StatusCode::CREATED).await;
        let body = json!({"environment": "local", "descriptor": {"image": image, "command": ["/web"]}});
        admin.post(&format!("{services}/{service}/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await;
    }
    // The tags are gone; what they named is still needed.
    for tag in ["1", "multi", "part"] {
        put_fine(&dev, "shop/web", &format!("keep-{tag}"), &two).await;
    }
    later(&portal, 30 * DAY);
    let rules = json!({"retention": {"rules": [{"tags": "*", "keep": [{"pushed_within_days": 1}]}], "untagged_after_days": 1}});
    set(&ana, rules).await;
    let (dry, would_go) = finish(&ana, "dry-run").await;
    assert_eq!(would_go, ["web:keep-part", "web:keep-multi", "web:keep-1", "web:2"], "{dry}");
    let stays = items(&ana, dry["id"].as_str().expect("an id"), "goes=false").await;
    let why: Vec<(&str, &str)> = stays.iter().map(|item| (item["tag"].as_str().expect("a tag"), item["why"].as_str().expect("a reason"))).collect();
    assert!(why.contains(&("1", "service shop/web revision 1")), "{why:?}");
    // An admin here may not know of that project.
    assert!(why.contains(&("multi", "a service of another project")) && why.contains(&("part", "a service of another project")), "{why:?}");

    for tag in ["1", "multi", "part"] {
        ana.delete(&format!("/api/v1/projects/shop/repositories/web/tags/{tag}")).await.expect_status(StatusCode::NO_CONTENT).await;
    }
    later(&portal, 30 * DAY);
    let (dry, _) = finish(&ana, "dry-run").await;
    accept(&ana, &dry).await;
    finish(&ana, "run").await;
    for manifest in [&one, &three, &index] {
        assert!(has(&dev, "shop/web", &digest_of(manifest.as_bytes())).await, "a roll-back needs it");
    }
    // With the services what they needed goes, an index together with what it listed.
    for (project, service) in [("shop", "web"), ("other", "app")] {
        admin.post(&format!("/api/v1/projects/{project}/services/{service}/stop"), json!({})).await;
        admin.delete(&format!("/api/v1/projects/{project}/services/{service}")).await;
    }
    later(&portal, 2 * DAY);
    let (_, would_go) = finish(&ana, "dry-run").await;
    let (_, gone) = finish(&ana, "run").await;
    assert_eq!(gone, would_go);
    for manifest in [&one, &two, &three, &index] {
        assert!(!has(&dev, "shop/web", &digest_of(manifest.as_bytes())).await);
    }
}

#[tokio::test]
async fn a_push_while_retention_decides_is_never_lost() {
    let portal = with_clock().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let (old, new) = (image(&dev, "shop/web", "old").await, image(&dev, "shop/web", "new").await);
    let names: Vec<String> = (0..250).map(|n| format!("t{n:03}")).collect();
    for some in names.chunks(50) {
        let query: Vec<String> = some.iter().map(|tag| format!("tag={tag}")).collect();
        put_fine(&dev, "shop/web", &format!("{}?{}", digest_of(old.as_bytes()), query.join("&")), &old).await;
    }
    later(&portal, 10 * DAY);
    set(&ana, json!({"retention": {"rules": [{"name": "lately", "keep": [{"pushed_within_days": 5}]}]}})).await;
    let (dry, would_go) = finish(&ana, "dry-run").await;
    assert_eq!(would_go.len(), 250);
    accept(&ana, &dry).await;
    let moved: Vec<&String> = names.iter().rev().step_by(10).collect();
    let push = async {
        for tag in &moved {
            put_fine(&dev, "shop/web", tag, &new).await;
        }
    };
    let ((run, gone), ()) = tokio::join!(finish(&ana, "run"), push);
    let left = tags(&dev, "web").await;
    let mut wanted: Vec<String> = moved.iter().map(|tag| (*tag).clone()).collect();
    wanted.sort();
    assert_eq!(left, wanted, "every tag that was pushed meanwhile is there, and no other; {run}");
    let mut once = gone.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), gone.len(), "nothing is told twice");
}

#[tokio::test]
async fn a_run_that_was_cut_short_goes_on_and_the_hour_begins_one() {
    let portal = with_clock().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let manifest = image(&dev, "shop/web", "one").await;
    let digest = digest_of(manifest.as_bytes());
    for ten in 0..30 {
        let query: Vec<String> = (0..10).map(|n| format!("tag=t{:03}", ten * 10 + n)).collect();
        put_fine(&dev, "shop/web", &format!("{digest}?{}", query.join("&")), &manifest).await;
        later(&portal, Duration::from_secs(1));
    }
    set(&ana, json!({"retention": {"rules": [{"name": "few", "keep": [{"newest": 5}]}], "daily_at": 3}})).await;
    let (dry, would_go) = finish(&ana, "dry-run").await;
    accept(&ana, &dry).await;
    let next = ana.get(RULES).await.expect_status(StatusCode::OK).await["next_run_at"].as_i64().expect("a time");
    assert_eq!(next % 86_400_000, 3 * 3_600_000);

    later(&portal, DAY);
    portal.platform().signal(Signal::ImageRules).notify_one();
    let portal = portal.restart(None).await;
    let ana = portal.person("ana");
    portal.platform().signal(Signal::ImageRules).notify_one();
    let mut live = portal.platform().live();
    let run = loop {
        let runs = ana.get(&format!("{RULES}/runs")).await.expect_status(StatusCode::OK).await;
        match &runs["items"][0] {
            run if run["asked_by"] == "schedule" && run["state"] == "done" => break run.clone(),
            _ => drop(tokio::time::timeout(Duration::from_secs(2), live.recv()).await),
        }
    };
    let gone: Vec<String> = items(&ana, run["id"].as_str().expect("an id"), "goes=true").await.iter().map(name).collect();
    assert_eq!(gone, would_go);
    assert_eq!(tags(&portal.person("dev"), "web").await, ["t295", "t296", "t297", "t298", "t299"]);

    // Reports go after their time: those of dry runs first.
    later(&portal, 8 * DAY);
    finish(&ana, "run").await;
    finish(&ana, "run").await;
    ana.get(&format!("{RULES}/runs/{}", dry["id"].as_str().expect("an id"))).await.expect_status(StatusCode::NOT_FOUND).await;
    ana.get(&format!("{RULES}/runs/{}", run["id"].as_str().expect("an id"))).await.expect_status(StatusCode::OK).await;
    later(&portal, 91 * DAY);
    finish(&ana, "run").await;
    finish(&ana, "run").await;
    ana.get(&format!("{RULES}/runs/{}", run["id"].as_str().expect("an id"))).await.expect_status(StatusCode::NOT_FOUND).await;
}

//! Collection and scrubbing: what nothing needs goes, what anybody needs or is about to need stays, whatever happens in between.

use std::path::PathBuf;
use std::time::Duration;

use domain::args;
use model::digest::Digest;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::portal::Person;

const LEASE: Duration = Duration::from_secs(24 * 3600);

/// The shop, with a clock that the test moves and no run that begins by itself.
pub(super) async fn shop() -> TestPortal {
    let portal = furnished(TestPortal::start_with_clock().await).await;
    let by_hand = json!({"collect_hours": null, "scrub_days": null, "scrub_rate": 1000});
    portal.person("admin").put("/api/v1/registry/schedule", by_hand).await.expect_status(StatusCode::NO_CONTENT).await;
    portal
}

pub(super) fn later(portal: &TestPortal, span: Duration) {
    portal.clock.as_ref().expect("a clock of the test").advance(span);
}

/// Asks for a run and waits for its end.
async fn run(portal: &TestPortal, kind: &str, dry_run: bool) -> Value {
    let admin = portal.person("admin");
    let asked = admin.post("/api/v1/registry/runs", json!({"kind": kind, "dry_run": dry_run})).await.expect_status(StatusCode::CREATED).await;
    let id = asked["id"].as_str().expect("an id").to_owned();
    let ended = admin.get(&format!("/api/v1/registry/runs/{id}?wait=60")).await.expect_status(StatusCode::OK).await;
    assert_eq!(ended["state"], "done", "{ended}");
    ended["counts"].clone()
}

pub(super) async fn collect(portal: &TestPortal) -> Value {
    run(portal, "collect", false).await
}

fn file(portal: &TestPortal, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    portal.folder().join("blobs/sha256").join(&hex[..2]).join(hex)
}

fn files_aside(portal: &TestPortal) -> usize {
    std::fs::read_dir(portal.folder().join("blobs/aside")).expect("the folder").count()
}

async fn head(person: &Person, name: &str, digest: &Digest) -> u16 {
    call(person, Method::HEAD, &format!("/v2/{name}/blobs/{digest}"), "").await.status.as_u16()
}

async fn delete(person: &Person, path: &str) {
    call(person, Method::DELETE, path, "").await.expect(202);
}

/// What the ledger says that the project keeps, and what the repositories' holds add up to.
#[expect(clippy::disallowed_methods, reason = "two sums of the database are compared; no door tells the second")]
pub(super) async fn kept(portal: &TestPortal, project: &str) -> (i64, i64) {
    let mut tx = portal.platform().read().await.expect("a transaction");
    let sql = "SELECT CAST(COALESCE((SELECT u.bytes FROM project_usage u JOIN projects p ON p.id = u.project_id WHERE p.name = $1), 0) AS BIGINT) AS ledger,
               CAST(COALESCE((SELECT SUM(b.size) FROM blobs b WHERE b.digest IN (SELECT rb.digest FROM repository_blobs rb
                   JOIN repositories r ON r.id = rb.repository_id JOIN projects p ON p.id = r.project_id WHERE p.name = $1)), 0) AS BIGINT) AS held";
    tx.one(sql, args![project], |row| Ok((row.get("ledger")?, row.get("held")?))).await.expect("two sums")
}

#[tokio::test]
async fn what_nothing_needs_goes_after_its_lease_and_no_earlier() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "1", "kept").await;
    let dead = push_blob(&dev, "shop/web", b"nobody will ever name this").await;

    let counts = collect(&portal).await;
    assert_eq!((&counts["holds"], &counts["blobs"]), (&json!(0), &json!(0)), "{counts}");
    assert_eq!(head(&dev, "shop/web", &dead).await, 200);

    later(&portal, LEASE + Duration::from_secs(1));
    let counts = collect(&portal).await;
    assert_eq!((&counts["holds"], &counts["blobs"], &counts["bytes"]), (&json!(1), &json!(1), &json!(26)), "{counts}");
    assert_eq!(head(&dev, "shop/web", &dead).await, 404);
    assert!(!file(&portal, &dead).exists());
    for blob in [&b"layer kept"[..]] {
        assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{}", digest(blob))).await.expect(200).body, blob);
    }
    let (ledger, held) = kept(&portal, "shop").await;
    assert_eq!(ledger, held);
}

#[tokio::test]
async fn who_asked_by_head_may_rely_on_it_for_a_lease() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let layer = b"a layer that the client found here";
    let config = b"{}";
    push_blob(&dev, "shop/web", config).await;
    push_blob(&dev, "shop/web", layer).await;
    later(&portal, LEASE);
    // The client finds both and sends nothing; its manifest comes most of a lease later, after two collections.
    for content in [&config[..], &layer[..]] {
        assert_eq!(head(&dev, "shop/web", &digest(content)).await, 200);
    }
    collect(&portal).await;
    later(&portal, LEASE - Duration::from_secs(60));
    collect(&portal).await;
    let manifest = image_of(config, layer);
    put_manifest(&dev, "shop/web", "1", media_type::OCI_MANIFEST, &manifest).await.expect(201);
    later(&portal, LEASE * 3);
    assert_eq!(collect(&portal).await["blobs"], 0);
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{}", digest(layer))).await.expect(200).body, layer);
}

#[tokio::test]
async fn a_mounted_blob_has_a_lease_of_its_own() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let layer = push_blob(&dev, "shop/base", b"shared").await;
    later(&portal, LEASE);
    let path = format!("/v2/shop/web/blobs/uploads/?mount={layer}&from=shop/base");
    call(&dev, Method::POST, &path, "").await.expect(201);
    later(&portal, Duration::from_secs(60));
    let counts = collect(&portal).await;
    assert_eq!((&counts["holds"], &counts["blobs"]), (&json!(1), &json!(0)), "only the first repository's hold ends: {counts}");
    assert_eq!(head(&dev, "shop/base", &layer).await, 404);
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{layer}")).await.expect(200).body, b"shared");
    assert_eq!(kept(&portal, "shop").await, (6, 6));
}

#[tokio::test]
async fn a_manifest_whose_blob_was_collected_is_refused_and_the_blob_can_be_sent_again() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"{}").await;
    push_blob(&dev, "shop/web", b"late").await;
    later(&portal, LEASE * 2);
    collect(&portal).await;
    let manifest = image_of(b"{}", b"late");
    put_manifest(&dev, "shop/web", "1", media_type::OCI_MANIFEST, &manifest).await.expect_error(404, "MANIFEST_BLOB_UNKNOWN");
    push_blob(&dev, "shop/web", b"{}").await;
    push_blob(&dev, "shop/web", b"late").await;
    put_manifest(&dev, "shop/web", "1", media_type::OCI_MANIFEST, &manifest).await.expect(201);
    later(&portal, Duration::from_secs(120));
    assert_eq!(collect(&portal).await["blobs"], 0);
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{}", digest(b"late"))).await.expect(200).body, b"late");
}

#[tokio::test]
async fn deleted_images_and_projects_give_their_bytes_back() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    portal.new_project("other", &[("dev", "developer")]).await;
    let manifest = push_image(&dev, "shop/web", "1", "gone").await;
    push_image(&dev, "other/web", "1", "gone").await;
    push_image(&dev, "shop/api", "1", "kept").await;
    delete(&ana, &format!("/v2/shop/web/manifests/{}", digest(&manifest))).await;
    later(&portal, LEASE * 2);
    let counts = collect(&portal).await;
    assert_eq!((&counts["holds"], &counts["blobs"]), (&json!(2), &json!(0)), "the other project has them still: {counts}");
    assert_eq!(kept(&portal, "other").await.0, kept(&portal, "shop").await.0, "two images of the same length");

    portal.person("admin").delete("/api/v1/projects/other").await.expect_status(StatusCode::NO_CONTENT).await;
    let counts = collect(&portal).await;
    assert_eq!((&counts["repositories"], &counts["blobs"]), (&json!(1), &json!(2)), "{counts}");
    assert!(!file(&portal, &digest(b"layer gone")).exists());
    assert_eq!(kept(&portal, "other").await, (0, 0));
    let (ledger, held) = kept(&portal, "shop").await;
    assert!(ledger > 0 && ledger == held);
}

#[tokio::test]
async fn a_deleted_repository_frees_what_it_alone_held() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    push_image(&dev, "shop/web", "1", "a").await;
    push_image(&dev, "shop/copy", "1", "a").await;
    push_image(&dev, "shop/copy", "2", "b").await;
    ana.delete("/api/v1/projects/shop/repositories/copy").await.expect_status(StatusCode::NO_CONTENT).await;
    let (ledger, held) = kept(&portal, "shop").await;
    assert!(ledger > 0 && ledger == held, "{ledger} {held}");
    later(&portal, LEASE * 2);
    assert_eq!(collect(&portal).await["blobs"], 2);
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "1", "kept").await;
    let dead = push_blob(&dev, "shop/web", b"dead").await;
    later(&portal, LEASE * 2);
    let told = run(&portal, "collect", true).await;
    assert_eq!((&told["holds"], &told["blobs"], &told["bytes"]), (&json!(1), &json!(1), &json!(4)), "{told}");
    assert_eq!(head(&dev, "shop/web", &dead).await, 200);
    // That HEAD was a use of it.
    assert_eq!(collect(&portal).await["blobs"], 0);
    later(&portal, LEASE * 2);
    assert_eq!(collect(&portal).await["blobs"], 1);
}

#[tokio::test]
async fn a_file_that_a_crash_left_goes_and_one_that_a_push_just_wrote_stays() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let known = push_blob(&dev, "shop/web", b"known").await;
    let (orphan, content) = (digest(b"orphan"), b"orphan");
    std::fs::write(file(&portal, &orphan), content).expect("written");
    assert_eq!(collect(&portal).await["files"], 0);
    later(&portal, LEASE + Duration::from_secs(60));
    assert_eq!(head(&dev, "shop/web", &known).await, 200);
    let counts = collect(&portal).await;
    assert_eq!((&counts["files"], &counts["file_bytes"]), (&json!(1), &json!(6)), "{counts}");
    assert!(!file(&portal, &orphan).exists());
    assert!(file(&portal, &known).exists());
    // Pushed again it is back from aside or written anew.
    push_blob(&dev, "shop/web", content).await;
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{orphan}")).await.expect(200).body, content);
}

#[tokio::test]
async fn what_a_kill_left_aside_is_brought_back_or_removed_at_the_start() {
    let portal = shop().await;
    let dev = portal.person("dev");
    let living = push_blob(&dev, "shop/web", b"its row is still there").await;
    let aside = portal.folder().join("blobs/aside");
    // Killed before the commit: the row is there and the file is aside. Killed after it: no row.
    std::fs::rename(file(&portal, &living), aside.join(format!("sha256-{}", living.hex()))).expect("moved");
    std::fs::write(aside.join(format!("sha256-{}", digest(b"dead").hex())), b"dead").expect("written");
    let portal = portal.restart(None).await;
    let dev = portal.person("dev");
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{living}")).await.expect(200).body, b"its row is still there");
    assert_eq!(files_aside(&portal), 0);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what a kill leaves is planted")]
async fn a_run_that_was_cut_short_goes_on_at_the_next_start() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/web", b"dead").await;
    later(&portal, LEASE * 2);
    // As a kill leaves it: begun, with a place, and nobody at work on it.
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO registry_runs (id, kind, dry_run, state, asked_by, started_at, place, counts)
               VALUES ('01990000-0000-7000-8000-000000000000', 'collect', $1, 'running', 'admin', 1, '{\"Holds\":null}', '{\"of\":1}')";
    write.exec(sql, args![false]).await.expect("a run");
    write.finish().await.expect("kept");
    let portal = portal.restart(None).await;
    let admin = portal.person("admin");
    let ended = admin.get("/api/v1/registry/runs/01990000-0000-7000-8000-000000000000?wait=60").await.expect_status(StatusCode::OK).await;
    assert_eq!((&ended["state"], &ended["counts"]["blobs"]), (&json!("done"), &json!(1)), "{ended}");
}

#[tokio::test]
async fn a_collection_begins_by_itself_when_it_is_due() {
    let portal = shop().await;
    let admin = portal.person("admin");
    let mut live = portal.platform().live();
    let none = admin.get("/api/v1/registry/runs").await.expect_status(StatusCode::OK).await;
    assert_eq!(none["items"], json!([]));
    later(&portal, Duration::from_secs(6 * 3600));
    let schedule = json!({"collect_hours": 6, "scrub_days": null, "scrub_rate": 10});
    admin.put("/api/v1/registry/schedule", schedule).await.expect_status(StatusCode::NO_CONTENT).await;
    loop {
        let runs = admin.get("/api/v1/registry/runs").await.expect_status(StatusCode::OK).await;
        if runs["items"][0]["state"] == "done" {
            assert_eq!((&runs["items"][0]["kind"], &runs["items"][0]["asked_by"]), (&json!("collect"), &json!("schedule")));
            break;
        }
        tokio::time::timeout(Duration::from_secs(60), live.recv()).await.expect("something happens").expect("the portal runs");
    }
    let wrong = json!({"collect_hours": 0, "scrub_days": 400, "scrub_rate": 0});
    let refused = admin.put("/api/v1/registry/schedule", wrong).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"].as_array().map(Vec::len), Some(3), "{refused}");
}

#[tokio::test]
async fn a_scrub_reports_what_is_damaged_and_the_next_push_heals_it() {
    let portal = shop().await;
    let (dev, admin) = (portal.person("dev"), portal.person("admin"));
    let manifest = push_image(&dev, "shop/web", "1", "fine").await;
    let layer = digest(b"layer fine");
    let lost = push_blob(&dev, "shop/web", b"lost").await;
    assert_eq!(run(&portal, "scrub", false).await["damaged_count"], 0);

    std::fs::write(file(&portal, &layer), b"layer f1ne").expect("a bit fell over");
    std::fs::remove_file(file(&portal, &lost)).expect("a file was lost");
    let counts = run(&portal, "scrub", false).await;
    let mut named: Vec<&str> = counts["damaged"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    named.sort_unstable();
    let mut expected = [layer.to_string(), lost.to_string()];
    expected.sort();
    assert_eq!(named, expected);
    assert!(file(&portal, &layer).exists(), "nothing is deleted");
    let storage = admin.get("/api/v1/registry").await.expect_status(StatusCode::OK).await;
    assert_eq!(storage["damaged"], 2);
    let named = storage["damage"].as_array().expect("names").iter().find(|one| one["digest"] == json!(layer.to_string())).expect("the layer");
    assert_eq!(named["places"][0]["repository"], "web");
    assert_eq!((&named["places"][0]["project"], &named["places"][0]["tag"]), (&json!("shop"), &json!("1")));
    let page = portal.browser("admin").await.open("/admin/registry").await.text().await.expect("a page");
    assert!(page.contains("shop/web:1") && page.contains("no image needs it"), "{page}");
    let page = portal.browser("dev").await.open("/projects/shop/images/web/1").await.text().await.expect("a page");
    assert!(page.contains("It cannot be pulled") && page.contains(">damaged</span>"), "{page}");
    assert_eq!(head(&dev, "shop/web", &layer).await, 404, "told as missing, so that a client sends it");

    push_blob(&dev, "shop/web", b"layer fine").await;
    put_manifest(&dev, "shop/web", "1", media_type::OCI_MANIFEST, &manifest).await.expect(201);
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{layer}")).await.expect(200).body, b"layer fine");
    let counts = run(&portal, "scrub", false).await;
    assert_eq!(counts["damaged"], json!([lost.to_string()]));
}

#[tokio::test]
async fn one_run_works_at_a_time_and_can_be_cancelled() {
    let portal = shop().await;
    let (dev, admin) = (portal.person("dev"), portal.person("admin"));
    push_blob(&dev, "shop/web", &vec![7; 8 << 20]).await;
    let schedule = json!({"collect_hours": null, "scrub_days": null, "scrub_rate": 1});
    admin.put("/api/v1/registry/schedule", schedule).await.expect_status(StatusCode::NO_CONTENT).await;
    let scrub = admin.post("/api/v1/registry/runs", json!({"kind": "scrub"})).await.expect_status(StatusCode::CREATED).await;
    let second = admin.post("/api/v1/registry/runs", json!({"kind": "collect"})).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(second["code"], "run_works");
    let path = format!("/api/v1/registry/runs/{}", scrub["id"].as_str().expect("an id"));
    admin.post(&format!("{path}/cancel"), json!({})).await.expect_status(StatusCode::NO_CONTENT).await;
    assert_eq!(admin.get(&path).await.expect_status(StatusCode::OK).await["state"], "cancelled");
    let refused = dev.post("/api/v1/registry/runs", json!({"kind": "collect"})).await.expect_status(StatusCode::FORBIDDEN).await;
    assert_eq!(refused["code"], "forbidden");
}

#[tokio::test]
async fn a_quota_is_kept_by_uploads_mounts_and_at_once() {
    let portal = shop().await;
    let dev = portal.person("dev");
    push_blob(&dev, "shop/base", &[1; 600]).await;
    limit(&portal, "shop", 1000).await;
    // Told before anything is sent, in the middle of a chunk, and at the end: nothing is kept.
    let path = format!("/v2/shop/web/blobs/uploads/?digest={}", digest(&[2; 500]));
    let refused = call(&dev, Method::POST, &path, vec![2; 500]).await.expect_error(403, "DENIED");
    let message = refused.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("quota of project shop") && message.contains("600 B of 1.0 KiB") || message.contains("600 B of 1000 B"), "{message}");
    let upload = begin(&dev, "shop/web").await;
    call(&dev, Method::PATCH, &upload, vec![3; 300]).await.expect(202);
    call(&dev, Method::PATCH, &upload, vec![3; 300]).await.expect_error(403, "DENIED");
    call(&dev, Method::GET, &upload, "").await.expect(404);
    // What the project has already costs nothing.
    let again = format!("/v2/shop/web/blobs/uploads/?mount={}&from=shop/base", digest(&[1; 600]));
    call(&dev, Method::POST, &again, "").await.expect(201);
    // Many at once: as many as fit, and not a byte more.
    let each = (0..8_u8).map(|n| {
        let dev = &dev;
        async move {
            let content = [10 + n; 100];
            call(dev, Method::POST, &format!("/v2/shop/r{n}/blobs/uploads/?digest={}", digest(&content)), content.to_vec()).await.status.as_u16()
        }
    });
    let answers = futures::future::join_all(each).await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 4, "{answers:?}");
    assert_eq!(kept(&portal, "shop").await, (1000, 1000));
}

#[expect(clippy::disallowed_methods, reason = "the limit alone is planted; who may set it is tested elsewhere")]
async fn limit(portal: &TestPortal, project: &str, bytes: i64) {
    let mut write = portal.platform().bookkeeping().await.expect("a transaction");
    let sql = "UPDATE project_usage SET bytes_limit = $2 WHERE project_id = (SELECT id FROM projects WHERE name = $1)";
    assert_eq!(write.exec(sql, args![project, bytes]).await.expect("a limit"), 1);
    write.finish().await.expect("kept");
}

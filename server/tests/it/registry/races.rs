//! Deletion while others push into the same repository: nobody waits for anybody in a circle, nobody is told of a fault of ours, and in the end
//! there is what was acknowledged and not deleted after, whole, and the ledger knows its bytes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::upkeep::kept;
use super::*;

const ROUNDS: u64 = 40;
const REPOSITORY: &str = "/api/v1/projects/shop/repositories/web";

/// What happened, by a clock that counts.
#[derive(Default)]
struct Log {
    clock: AtomicU64,
    /// Tags that were acknowledged: the manifest's digest, and when its push had begun.
    pushed: Mutex<BTreeMap<String, (Digest, u64)>>,
    /// When the last deletion of everything had ended.
    emptied: AtomicU64,
    /// When the last deletion of a tag had ended.
    deleted: Mutex<BTreeMap<String, u64>>,
}

impl Log {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

#[track_caller]
fn one_of(read: &Read, wanted: &[u16]) {
    assert!(wanted.contains(&read.status.as_u16()), "{}: {}", read.status, String::from_utf8_lossy(&read.body));
}

/// Pushes an image of two blobs; every step may meet a deletion.
async fn push(log: &Log, dev: &Person, tag: &str, seed: &str) {
    let (config, layer) = (json!({"os": "linux", "seed": seed}).to_string(), format!("layer {seed}"));
    for content in [&config, &layer] {
        let path = format!("/v2/shop/web/blobs/uploads/?digest={}", digest(content.as_bytes()));
        one_of(&call(dev, Method::POST, &path, content.clone()).await, &[201]);
    }
    put(log, dev, tag, &image_of(config.as_bytes(), layer.as_bytes())).await;
}

/// Points the tag to a manifest, whose blobs may have gone meanwhile.
async fn put(log: &Log, dev: &Person, tag: &str, body: &[u8]) {
    let began = log.tick();
    let put = put_manifest(dev, "shop/web", tag, media_type::OCI_MANIFEST, body).await;
    one_of(&put, &[201, 404]);
    if put.status == StatusCode::CREATED {
        log.pushed.lock().expect("no panic").insert(tag.to_owned(), (digest(body), began));
    } else {
        assert_eq!(put.code(), "MANIFEST_BLOB_UNKNOWN");
    }
}

async fn pushes(log: &Log, dev: Person, name: &str) {
    for round in 0..ROUNDS {
        push(log, &dev, &format!("{name}{}", round % 5), &format!("{name} {round}")).await;
    }
}

/// Manifests that are made of nothing: nothing but the repository has to be there.
async fn pushes_hollow(log: &Log, dev: Person) {
    for round in 0..ROUNDS {
        let body = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [], "annotations": {"n": round.to_string()}});
        let (body, tag) = (body.to_string().into_bytes(), format!("hollow{}", round % 5));
        let began = log.tick();
        let put = put_manifest(&dev, "shop/web", &tag, media_type::OCI_INDEX, &body).await;
        one_of(&put, &[201]);
        log.pushed.lock().expect("no panic").insert(tag, (digest(&body), began));
    }
}

/// Mounts what another repository of the project has, and makes an image of it.
async fn mounts(log: &Log, dev: Person) {
    let (config, layer) = (b"{}".to_vec(), b"shared".to_vec());
    for round in 0..ROUNDS {
        for content in [&config, &layer] {
            let path = format!("/v2/shop/web/blobs/uploads/?mount={}&from=shop/base", digest(content));
            one_of(&call(&dev, Method::POST, &path, "").await, &[201]);
        }
        put(log, &dev, &format!("mounted{}", round % 3), &image_of(&config, &layer)).await;
    }
}

async fn empties(log: &Log, ana: Person) {
    for _ in 0..ROUNDS {
        let gone = call(&ana, Method::DELETE, REPOSITORY, "").await;
        one_of(&gone, &[204, 404]);
        if gone.status == StatusCode::NO_CONTENT {
            log.emptied.fetch_max(log.tick(), Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

async fn deletes_tags(log: &Log, ana: Person) {
    for round in 0..ROUNDS {
        let tag = format!("a{}", round % 5);
        let gone = call(&ana, Method::DELETE, &format!("{REPOSITORY}/tags/{tag}"), "").await;
        one_of(&gone, &[204, 404]);
        log.deleted.lock().expect("no panic").insert(tag, log.tick());
    }
}

/// Deletes whatever images there are, by digest, with the tags that name them.
async fn deletes_images(log: &Log, ana: Person) {
    for round in 0..ROUNDS {
        let tag = format!("b{}", round % 5);
        let seen = call(&ana, Method::HEAD, &format!("/v2/shop/web/manifests/{tag}"), "").await;
        if seen.status == StatusCode::OK {
            let gone = call(&ana, Method::DELETE, &format!("/v2/shop/web/manifests/{}", seen.header("docker-content-digest")), "").await;
            one_of(&gone, &[202, 404]);
            log.deleted.lock().expect("no panic").insert(tag, log.tick());
        }
    }
}

/// Takes blobs out by hand and looks at others.
async fn deletes_blobs(ana: Person) {
    for round in 0..ROUNDS {
        let blob = digest(format!("layer a {round}").as_bytes());
        one_of(&call(&ana, Method::DELETE, &format!("/v2/shop/web/blobs/{blob}"), "").await, &[202, 404, 405]);
        one_of(&call(&ana, Method::HEAD, &format!("/v2/shop/web/blobs/{}", digest(b"shared")), "").await, &[200, 404]);
        one_of(&call(&ana, Method::GET, "/v2/shop/web/tags/list", "").await, &[200, 404]);
    }
}

async fn race(portal: &TestPortal) {
    let (dev, ana) = (portal.person("dev"), portal.person("ana"));
    push_blob(&dev, "shop/base", b"{}").await;
    push_blob(&dev, "shop/base", b"shared").await;
    let log = Log::default();
    let all = async {
        tokio::join!(
            pushes(&log, dev.clone(), "a"),
            pushes(&log, dev.clone(), "b"),
            pushes_hollow(&log, dev.clone()),
            mounts(&log, dev.clone()),
            empties(&log, ana.clone()),
            deletes_tags(&log, ana.clone()),
            deletes_images(&log, ana.clone()),
            deletes_blobs(ana.clone()),
        )
    };
    tokio::time::timeout(Duration::from_secs(120), all).await.expect("nobody waits for ever");

    let (pushed, deleted) = (log.pushed.into_inner().expect("no panic"), log.deleted.into_inner().expect("no panic"));
    let emptied = log.emptied.into_inner();
    for (tag, (digest, began)) in &pushed {
        let found = get(&dev, &format!("/v2/shop/web/manifests/{tag}")).await;
        if found.status == StatusCode::NOT_FOUND {
            let after = deleted.get(tag).is_some_and(|at| at > began) || emptied > *began;
            assert!(after, "{tag} was acknowledged, nothing was deleted after it, and it is not there");
            continue;
        }
        let found = found.expect(200);
        assert_eq!(found.header("docker-content-digest"), digest.to_string(), "{tag} names what was acknowledged last");
        let manifest = found.json();
        let parts = manifest["layers"].as_array().into_iter().flatten().chain(manifest.get("config"));
        for part in parts {
            get(&dev, &format!("/v2/shop/web/blobs/{}", part["digest"].as_str().expect("a digest"))).await.expect(200);
        }
    }
    consistent(portal).await;
    // And once more, alone: everything goes, and the bytes come back.
    let gone = call(&ana, Method::DELETE, REPOSITORY, "").await;
    one_of(&gone, &[204, 404]);
    // Of a repository that came to hold much the rows follow a moment later.
    let began = std::time::Instant::now();
    while kept(portal, "shop").await != (8, 8) {
        assert!(began.elapsed() < Duration::from_secs(60), "besides what shop/base holds: {:?}", kept(portal, "shop").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    consistent(portal).await;
}

/// What the ledger says of each blob is what a recount says.
#[expect(clippy::disallowed_methods, reason = "the ledger is compared with what it was counted from; no door tells either")]
async fn consistent(portal: &TestPortal) {
    let (ledger, held) = kept(portal, "shop").await;
    assert_eq!(ledger, held);
    let mut tx = portal.platform().read().await.expect("a transaction");
    let sql = "SELECT digest, CAST(SUM(ledger) AS BIGINT) AS ledger, CAST(SUM(held) AS BIGINT) AS held FROM (
                   SELECT digest, holders AS ledger, 0 AS held FROM project_blobs
                   UNION ALL SELECT rb.digest, 0, 1 FROM repository_blobs rb) x GROUP BY digest HAVING SUM(ledger) <> SUM(held)";
    let wrong = tx.all(sql, vec![], |row| Ok((row.get::<Digest>("digest")?, row.get::<i64>("ledger")?, row.get::<i64>("held")?))).await;
    assert_eq!(wrong.expect("rows"), [], "holders in the ledger, and in truth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletion_and_pushes_into_one_repository_meet_in_any_order() {
    let portal = shop().await;
    race(&portal).await;
}

/// A quota of tags makes pushes of manifests take the project's turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_where_pushes_are_counted() {
    let portal = shop().await;
    let quota = json!({"tags": 1000, "bytes": 1_000_000_000});
    portal.person("admin").put("/api/v1/projects/shop/quota", quota).await.expect_status(StatusCode::OK).await;
    race(&portal).await;
}

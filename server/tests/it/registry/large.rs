//! A repository of four thousand images is deleted: for those who look it is gone at once, and others push meanwhile as if nothing were.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::args;
use domain::db::Value as Bound;

use super::upkeep::kept;
use super::*;

const IMAGES: usize = 4000;
const REPOSITORY: &str = "/api/v1/projects/shop/repositories/web";

/// Rows of one statement, with their placeholders.
fn rows(columns: usize, count: usize) -> String {
    let row = |row: usize| (1..=columns).map(|column| format!("${}", row * columns + column)).collect::<Vec<_>>().join(", ");
    (0..count).map(|n| format!("({})", row(n))).collect::<Vec<_>>().join(", ")
}

/// Writes `shop/web` with so many images, each with a layer and a configuration of its own, as their pushes would.
#[expect(clippy::disallowed_methods, reason = "four thousand pushes would take minutes")]
async fn fill(portal: &TestPortal) {
    push_image(&portal.person("dev"), "shop/web", "first", "first").await;
    let platform = portal.platform();
    let mut tx = platform.bookkeeping().await.expect("a transaction");
    let sql = "SELECT r.id, r.project_id FROM repositories r WHERE r.name = 'web'";
    let (id, project): (String, String) = tx.one(sql, args![], |row| Ok((row.get("id")?, row.get("project_id")?))).await.expect("shop/web");
    let now = platform.now();
    for some in (0..IMAGES).collect::<Vec<_>>().chunks(200) {
        let mut all: [Vec<Bound>; 8] = std::array::from_fn(|_| Vec::new());
        for n in some {
            let of = |what: &str| digest(format!("{what} {n}").as_bytes());
            let (image, layer, config, chain) = (of("image"), of("layer"), of("config"), n.to_be_bytes().repeat(4));
            for blob in [&layer, &config] {
                all[0].extend(args![blob, 1000_i64, now, now]);
                all[1].extend(args![&id, blob, now, now]);
                all[2].extend(args![&project, blob, 1000_i64, 1_i64]);
            }
            let body = vec![b'x'; 900];
            all[3].extend(args![
                &id,
                image,
                media_type::OCI_MANIFEST,
                "image",
                900_i64,
                2900_i64,
                "{}",
                now,
                "dev",
                0_i64,
                body,
                true,
                chain.clone()
            ]);
            all[4].extend(args![&id, image, 0_i64, "config", config, "c", 1000_i64]);
            all[4].extend(args![&id, image, 1_i64, "layer", layer, "l", 1000_i64]);
            all[5].extend(args![&id, image, 0_i64, chain.clone()]);
            all[6].extend(args![&id, format!("t{n}"), image, now, "dev"]);
            all[7].extend(args![&id, format!("t{n}"), image, chain, now]);
        }
        let tables = [
            ("blobs (digest, size, created_at, used_at)", 4),
            ("repository_blobs (repository_id, digest, since, used_at)", 4),
            ("project_blobs (project_id, digest, size, holders)", 4),
            (
                "manifests (repository_id, digest, media_type, kind, size, content_size, annotations, pushed_at, pusher, pulls, body, layered, chain)",
                13,
            ),
            ("manifest_parts (repository_id, manifest, position, role, digest, media_type, size)", 7),
            ("image_layers (repository_id, manifest, position, chain)", 4),
            ("tags (repository_id, name, digest, pushed_at, pusher)", 5),
            ("tag_moves (repository_id, name, digest, chain, since)", 5),
        ];
        for ((table, columns), values) in tables.into_iter().zip(all) {
            let sql = format!("INSERT INTO {table} VALUES {}", rows(columns, values.len() / columns));
            tx.exec(sql, values).await.expect("written");
        }
    }
    let sql = "UPDATE project_usage SET bytes = bytes + $2 WHERE project_id = $1";
    tx.exec(sql, args![&project, 2000 * IMAGES as i64]).await.expect("written");
    tx.finish().await.expect("kept");
}

/// Repositories that were deleted and of which rows are left: their own goes last.
#[expect(clippy::disallowed_methods, reason = "what is left cannot be seen through any door")]
async fn left(portal: &TestPortal) -> i64 {
    let mut tx = portal.platform().read().await.expect("a transaction");
    tx.one("SELECT COUNT(*) AS n FROM repositories WHERE deleted_at IS NOT NULL", args![], |row| row.get("n")).await.expect("a count")
}

/// Pushes small images until it is told to stop; how long each request took.
async fn pushes(dev: Person, name: &'static str, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut timed = async |request: reqwest::RequestBuilder| {
        let began = Instant::now();
        send(request).await.expect(201);
        took.push(began.elapsed());
    };
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let layer = format!("beside {n}");
        for content in ["{}", &layer] {
            let path = format!("/v2/{name}/blobs/uploads/?digest={}", digest(content.as_bytes()));
            timed(dev.request(Method::POST, &path).body(content.to_owned())).await;
        }
        let put = dev.request(Method::PUT, &format!("/v2/{name}/manifests/n{}", n % 10));
        timed(put.header("content-type", media_type::OCI_MANIFEST).body(image_of(b"{}", layer.as_bytes()))).await;
        n += 1;
    }
    took.sort();
    took
}

/// Waits until both have begun to push.
async fn both_pushed(person: &Person) {
    let began = Instant::now();
    loop {
        let catalog = get(person, "/v2/_catalog").await.expect(200).json();
        let names = catalog["repositories"].as_array().expect("names");
        if ["shop/beside", "other/beside"].iter().all(|name| names.iter().any(|found| found == name)) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{catalog}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_repository_of_four_thousand_images_goes_while_others_push() {
    let portal = shop().await;
    portal.new_project("other", &[("dev", "developer")]).await;
    let (dev, ana) = (portal.person("dev"), portal.person("ana"));
    let few = push_image(&dev, "shop/few", "1", "few").await;
    let (before, _) = kept(&portal, "shop").await;
    fill(&portal).await;
    let stop = Arc::new(AtomicBool::new(false));
    let beside =
        [tokio::spawn(pushes(dev.clone(), "shop/beside", Arc::clone(&stop))), tokio::spawn(pushes(dev.clone(), "other/beside", Arc::clone(&stop)))];
    both_pushed(&dev).await;

    let began = Instant::now();
    call(&ana, Method::DELETE, REPOSITORY, "").await.expect(204);
    let took = began.elapsed();
    assert_eq!(left(&portal).await, 1, "one transaction took all of it, which every push had to wait for");
    // Gone for everybody who looks, in every list and count.
    get(&dev, "/v2/shop/web/manifests/t7").await.expect_error(404, "NAME_UNKNOWN");
    get(&dev, "/v2/shop/web/tags/list").await.expect_error(404, "NAME_UNKNOWN");
    call(&ana, Method::DELETE, REPOSITORY, "").await.expect(404);
    let listed = get(&ana, "/api/v1/projects/shop/repositories").await.expect(200).json();
    let names: Vec<_> = listed["items"].as_array().expect("items").iter().map(|item| item["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["beside", "few"]);
    let catalog = get(&dev, "/v2/_catalog").await.expect(200).json();
    assert_eq!(catalog["repositories"], json!(["other/beside", "shop/beside", "shop/few"]));
    let quota = get(&ana, "/api/v1/projects/shop/quota").await.expect(200).json();
    assert!(quota["used_tags"].as_i64().expect("a number") <= 11, "{quota}");
    let audit = get(&ana, "/api/v1/projects/shop/audit").await.expect(200).json();
    let record = audit["items"].as_array().expect("items").iter().find(|item| item["action"] == "repository.delete").expect("a record").clone();
    assert_eq!((&record["target"], &record["detail"]["tags"]), (&json!("shop/web"), &json!(IMAGES + 1)), "{record}");
    // The name is free at once, and what is pushed under it is another repository.
    push_image(&dev, "shop/web", "t7", "again").await;
    let tags = get(&dev, "/v2/shop/web/tags/list").await.expect(200).json();
    assert_eq!(tags["tags"], json!(["t7"]));

    // The rows follow by and by, and the bytes come back.
    let waited = Instant::now();
    while left(&portal).await > 0 {
        assert!(waited.elapsed() < Duration::from_secs(240), "rows are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let cleared = waited.elapsed();
    stop.store(true, Ordering::SeqCst);
    for (name, beside) in ["the same project", "another project"].into_iter().zip(beside) {
        let took = beside.await.expect("pushed");
        let (p50, p99, max) = (took[took.len() / 2], took[took.len() * 99 / 100], took[took.len() - 1]);
        eprintln!("pushes into {name}: {} requests, p50 {p50:?}, p99 {p99:?}, max {max:?}", took.len());
    }
    eprintln!("the deletion answered after {took:?}; its rows were gone after {cleared:?}");
    let (ledger, held) = kept(&portal, "shop").await;
    assert_eq!(ledger, held);
    assert!(ledger < before + 1000 * IMAGES as i64, "{ledger} bytes are kept, and were {before} before");
    assert_eq!(get(&dev, "/v2/shop/few/manifests/1").await.expect(200).body, few);
    get(&dev, "/v2/shop/web/manifests/t7").await.expect(200);
}

//! A disk that becomes full: the pusher is told so, what was acknowledged stays, nothing is left of what was not, and as soon as there is room
//! everything goes on. The disk is a small file system in memory, mounted in a namespace of the test's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::upkeep::{collect, kept, later};
use super::*;
use crate::portal::Person;

/// Set in the process that has a namespace of its own.
const INSIDE: &str = "SLIPWAY_TEST_INSIDE";
/// A page of the file system: what a file's size there is counted in.
const PAGE: u64 = 4096;

/// Runs one test of this file in a process of its own that may mount. True: it ran, here is nothing left to do.
fn ran_elsewhere(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    // As root at once; else with a user namespace, in which everybody is root.
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let way = ways.into_iter().find(|way| Command::new("unshare").args(*way).arg("true").output().is_ok_and(|tried| tried.status.success()));
    let way = way.expect("a full disk is tried on a file system of the test's own: root, or a kernel that gives users namespaces, is needed");
    let test = format!("registry::full::{test}");
    let itself = std::env::current_exe().expect("this program");
    let ran = Command::new("unshare").args(way).arg(itself).args(["--exact", &test, "--nocapture"]).env(INSIDE, "1").output().expect("it runs");
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
    true
}

/// A small disk, and the file that fills it.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output().expect("mount");
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Self { folder }
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Leaves room for so many bytes, in whole pages.
    fn leave(&self, bytes: u64) {
        let mut filler = std::fs::File::options().append(true).create(true).open(self.filler()).expect("opened");
        let mut size = filler.metadata().expect("there").len();
        while let Ok(written @ 1..) = filler.write(&[0; PAGE as usize]) {
            size += written as u64;
        }
        filler.set_len((size - size % PAGE).saturating_sub(bytes.next_multiple_of(PAGE))).expect("cut");
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).output();
    }
}

async fn shop(disk: &Disk) -> TestPortal {
    let portal = furnished(TestPortal::start_in(disk.folder.path()).await).await;
    let by_hand = json!({"collect_hours": null, "scrub_days": null, "scrub_rate": 1000});
    portal.person("admin").put("/api/v1/registry/schedule", by_hand).await.expect_status(StatusCode::NO_CONTENT).await;
    portal
}

/// Bytes that no two calls share.
fn content(size: usize, seed: u8) -> Vec<u8> {
    (0..size).map(|n| (n / 7 % 251) as u8 ^ seed).collect()
}

fn uploads(portal: &TestPortal) -> usize {
    std::fs::read_dir(portal.folder().join("uploads")).expect("a folder").count()
}

/// Files of blobs, also those put aside.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.append(&mut files(&path)) } else { found.push(path) }
    }
    found
}

/// What a client is told by a full disk: in the protocol's form, and in words that name it.
#[track_caller]
fn is_full(read: Read) {
    let read = read.expect_error(503, "UNAVAILABLE");
    let message = read.json()["errors"][0]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("the disk is full") && message.contains("operator"), "{message}");
}

async fn post(person: &Person, content: &[u8]) -> Read {
    let path = format!("/v2/shop/web/blobs/uploads/?digest={}", digest(content));
    call(person, Method::POST, &path, content.to_vec()).await
}

#[tokio::test]
async fn an_upload_that_does_not_fit_is_refused_leaves_nothing_and_goes_through_when_there_is_room() {
    if ran_elsewhere("an_upload_that_does_not_fit_is_refused_leaves_nothing_and_goes_through_when_there_is_room") {
        return;
    }
    let disk = Disk::new(24);
    let portal = shop(&disk).await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "before", "before").await;
    let large = content(3 << 20, 1);

    // In one request, and as a whole with the PUT.
    disk.leave(1 << 20);
    let known = files(&portal.folder().join("blobs")).len();
    is_full(post(&dev, &large).await);
    assert_eq!(uploads(&portal), 0, "what came of it would only keep the disk full");
    let location = begin(&dev, "shop/web").await;
    is_full(call(&dev, Method::PUT, &format!("{location}?digest={}", digest(&large)), large.clone()).await);
    assert_eq!(uploads(&portal), 0);

    // In chunks: the first ones fit.
    let location = begin(&dev, "shop/web").await;
    let first = call(&dev, Method::PATCH, &location, large[..400_000].to_vec()).await.expect(202);
    assert_eq!(first.header("range"), "0-399999");
    is_full(call(&dev, Method::PATCH, &location, large[400_000..].to_vec()).await);
    get(&dev, &location).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(uploads(&portal), 0);

    // Nothing that was there is gone, and nothing new is there.
    assert_eq!(files(&portal.folder().join("blobs")).len(), known);
    get(&dev, "/v2/shop/web/manifests/before").await.expect(200);
    assert_eq!(get(&dev, &format!("/v2/shop/web/blobs/{}", digest(b"layer before"))).await.expect(200).body, b"layer before");
    call(&dev, Method::HEAD, &format!("/v2/shop/web/blobs/{}", digest(&large)), "").await.expect(404);
    // What is small still goes through meanwhile.
    push_image(&dev, "shop/web", "small", "small").await;

    disk.make_room();
    post(&dev, &large).await.expect(201);
    let location = begin(&dev, "shop/other").await;
    call(&dev, Method::PATCH, &location, large[..400_000].to_vec()).await.expect(202);
    call(&dev, Method::PATCH, &location, large[400_000..].to_vec()).await.expect(202);
    call(&dev, Method::PUT, &format!("{location}?digest={}", digest(&large)), "").await.expect(201);
    assert_eq!(get(&dev, &format!("/v2/shop/other/blobs/{}", digest(&large))).await.expect(200).body, large);
}

/// These manifests are there, byte for byte, and those are not.
async fn told(portal: &TestPortal, taken: &[(u32, Vec<u8>)], refused: &[u32]) {
    let dev = portal.person("dev");
    for (n, body) in taken {
        assert_eq!(&get(&dev, &format!("/v2/shop/web/manifests/n{n}")).await.expect(200).body, body);
    }
    for n in refused {
        get(&dev, &format!("/v2/shop/web/manifests/n{n}")).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
}

#[tokio::test]
async fn a_database_that_cannot_grow_refuses_manifests_and_loses_none_that_it_took() {
    let elsewhere = std::env::var("SLIPWAY_TEST_POSTGRES").is_ok_and(|url| !url.is_empty());
    // On PostgreSQL the database lies on another disk.
    if elsewhere || ran_elsewhere("a_database_that_cannot_grow_refuses_manifests_and_loses_none_that_it_took") {
        return;
    }
    let disk = Disk::new(24);
    let portal = shop(&disk).await;
    let dev = portal.person("dev");
    let (config, layer) = (b"{}".to_vec(), b"a layer".to_vec());
    push_blob(&dev, "shop/web", &config).await;
    push_blob(&dev, "shop/web", &layer).await;
    let manifest = |n: u32| {
        let mut manifest: Value = serde_json::from_slice(&image_of(&config, &layer)).expect("JSON");
        manifest["annotations"] = json!({"n": format!("{n} {}", "x".repeat(20_000))});
        manifest.to_string().into_bytes()
    };
    disk.leave(0);
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for n in 0..400 {
        let body = manifest(n);
        let put = put_manifest(&dev, "shop/web", &format!("n{n}"), media_type::OCI_MANIFEST, &body).await;
        if put.status == StatusCode::CREATED {
            taken.push((n, body));
        } else {
            is_full(put);
            refused.push(n);
            if refused.len() == 5 {
                break;
            }
        }
    }
    assert!(!refused.is_empty(), "{} manifests of 20 kB found room on a full disk", taken.len());
    // Reading goes on, and tells what was acknowledged and no more.
    told(&portal, &taken, &refused).await;
    disk.make_room();
    // At once, without a restart.
    for n in &refused {
        put_manifest(&dev, "shop/web", &format!("n{n}"), media_type::OCI_MANIFEST, &manifest(*n)).await.expect(201);
    }
    taken.extend(refused.drain(..).map(|n| (n, manifest(n))));
    told(&portal, &taken, &refused).await;
    let portal = portal.restart(None).await;
    told(&portal, &taken, &refused).await;
}

#[tokio::test]
async fn a_blob_that_came_and_could_not_be_noted_does_not_stay() {
    let elsewhere = std::env::var("SLIPWAY_TEST_POSTGRES").is_ok_and(|url| !url.is_empty());
    if elsewhere || ran_elsewhere("a_blob_that_came_and_could_not_be_noted_does_not_stay") {
        return;
    }
    let disk = Disk::new(24);
    let portal = shop(&disk).await;
    let dev = portal.person("dev");
    push_image(&dev, "shop/web", "before", "before").await;
    // The blob's bytes fit each time, to the page, and a row more does at some time not.
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for n in 0..150 {
        let blob = content(64 * 1024, n);
        disk.leave(blob.len() as u64);
        let answer = post(&dev, &blob).await;
        if answer.status == StatusCode::CREATED {
            taken.push(digest(&blob));
        } else {
            is_full(answer);
            refused.push(digest(&blob));
            if refused.len() == 5 {
                break;
            }
        }
    }
    assert!(!refused.is_empty(), "{} blobs were noted on a full disk", taken.len());
    assert_eq!(uploads(&portal), 0);
    disk.make_room();
    // It is seen to within a minute, and not after a lease: the disk is full now.
    later(&portal, Duration::from_secs(120));
    collect(&portal).await;
    later(&portal, Duration::from_secs(120));
    collect(&portal).await;
    let left: Vec<String> = files(&portal.folder().join("blobs")).iter().map(|path| path.display().to_string()).collect();
    for digest in &refused {
        assert!(!left.iter().any(|path| path.contains(&digest.hex())), "{digest} stayed");
        call(&dev, Method::HEAD, &format!("/v2/shop/web/blobs/{digest}"), "").await.expect(404);
    }
    for digest in &taken {
        get(&dev, &format!("/v2/shop/web/blobs/{digest}")).await.expect(200);
    }
    let (ledger, held) = kept(&portal, "shop").await;
    assert_eq!(ledger, held);
}

#[tokio::test]
async fn a_blob_that_a_quota_refused_at_the_end_does_not_stay() {
    let portal = super::upkeep::shop().await;
    let (admin, dev) = (portal.person("admin"), portal.person("dev"));
    admin.put("/api/v1/projects/shop/quota", json!({"bytes": 100_000})).await.expect_status(StatusCode::OK).await;
    // Each of them fits alone: which of them do not is known when they are here.
    let blobs: Vec<Vec<u8>> = (0..6).map(|n| content(60_000, n)).collect();
    let mut begun = Vec::new();
    for blob in &blobs {
        let location = begin(&dev, "shop/web").await;
        call(&dev, Method::PATCH, &location, blob.clone()).await.expect(202);
        begun.push(location);
    }
    let mut taken = 0;
    for (location, blob) in begun.iter().zip(&blobs) {
        let put = call(&dev, Method::PUT, &format!("{location}?digest={}", digest(blob)), "").await;
        if put.status == StatusCode::CREATED { taken += 1 } else { drop(put.expect_error(403, "DENIED")) }
    }
    assert_eq!(taken, 1);
    for _ in 0..2 {
        later(&portal, Duration::from_secs(120));
        collect(&portal).await;
    }
    assert_eq!(files(&portal.folder().join("blobs")).len(), 1);
    assert_eq!(kept(&portal, "shop").await, (60_000, 60_000));
}

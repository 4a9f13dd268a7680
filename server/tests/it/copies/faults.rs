//! Sources that cut, lie, send elsewhere or make one wait; and what ends a copy from our side.

use super::*;

const SIZE: usize = 900_000;

/// A portal that may speak with a source.
async fn shop_and_source() -> (TestPortal, Source) {
    let (portal, source) = (shop().await, Source::start().await);
    allow(&portal, &[source.pattern()]).await;
    (portal, source)
}

fn from(source: &Source) -> Value {
    json!({"from": format!("{}/team/app:1", source.host())})
}

async fn is_whole(person: &Person, image: &Image) {
    assert_eq!(manifest(person, "shop/app", "1").await.map(|(_, body)| body), Some(image.manifest.clone()));
    assert!(blob(person, "shop/app", &digest_of(&image.layer)).await == image.layer);
}

#[tokio::test]
async fn a_cut_blob_is_taken_up_where_it_was_cut() {
    let (portal, source) = shop_and_source().await;
    let image = Image::new("amd64", &bytes(SIZE));
    let whole = Reply::ok(&image.layer);
    image.serve(&source, vec![whole.clone().cut_after(300_000), whole.clone().cut_after(200_000), whole]).await;
    let dev = portal.person("dev");
    copied(&dev, from(&source)).await;
    is_whole(&dev, &image).await;
    let asked = source.seen(&image.layer_path());
    let ranges: Vec<_> = asked.iter().map(|seen| seen.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [None, Some("bytes=300000-".into()), Some("bytes=500000-".into())]);
}

#[tokio::test]
async fn a_source_without_ranges_is_asked_from_the_beginning() {
    let (portal, source) = shop_and_source().await;
    let image = Image::new("amd64", &bytes(SIZE));
    let whole = Reply::ok(&image.layer).without_ranges();
    image.serve(&source, vec![whole.clone().cut_after(300_000), whole]).await;
    let dev = portal.person("dev");
    copied(&dev, from(&source)).await;
    is_whole(&dev, &image).await;
}

#[tokio::test]
async fn what_has_another_digest_or_size_is_not_kept() {
    let (portal, source) = shop_and_source().await;
    let dev = portal.person("dev");
    let image = Image::new("amd64", &bytes(SIZE));
    let mut wrong = image.layer.clone();
    wrong[SIZE / 2] ^= 1;
    image.serve(&source, vec![Reply::ok(&wrong)]).await;
    let message = fails(&dev, from(&source), "digest_mismatch").await;
    assert!(message.contains(&digest_of(&wrong)) && message.contains(&digest_of(&image.layer)), "{message}");
    assert_eq!(manifest(&dev, "shop/app", "1").await, None);
    wrong.extend_from_slice(b"more than the manifest says");
    image.serve(&source, vec![Reply::ok(&wrong)]).await;
    fails(&dev, from(&source), "size_mismatch").await;
    // A manifest that is not what was asked for by digest.
    let path = format!("/v2/team/app/manifests/{}", image.digest());
    source.serve(&path, vec![Reply::ok(b"{}").typed(IMAGE)]);
    let pinned = json!({"from": format!("{}/team/app@{}", source.host(), image.digest())});
    fails(&dev, pinned, "digest_mismatch").await;
    source.serve("/v2/team/app/manifests/1", vec![Reply::ok(&bytes(5 << 20)).typed(IMAGE)]);
    fails(&dev, from(&source), "too_large").await;
    // What a source writes begins no line of our log.
    let forged = r#"{"schemaVersion":2,"annotations":{"x\n2026 INFO admin\u001b[31m":5}}"#;
    source.serve("/v2/team/app/manifests/1", vec![Reply::ok(forged.as_bytes()).typed(IMAGE)]);
    let message = fails(&dev, from(&source), "manifest_invalid").await;
    assert!(!message.contains(char::is_control), "{message:?}");
    source.serve("/v2/team/app/manifests/1", vec![Reply::ok(b"<html>hello</html>").typed("text/html")]);
    fails(&dev, from(&source), "manifest_invalid").await;
}

#[tokio::test]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
    let (portal, mut source) = shop_and_source().await;
    let image = Image::new("amd64", &bytes(SIZE));
    let whole = Reply::ok(&image.layer);
    image.serve(&source, vec![whole.clone().held_after(SIZE - 50_000), whole]).await;
    let id = ask(&portal.person("dev"), from(&source)).await;
    source.is_held().await;
    // What came is written by and by: pieces of 256 KiB.
    let uploads = portal.folder().join("uploads");
    until(|| {
        std::fs::read_dir(&uploads).expect("a folder").any(|file| file.expect("a file").metadata().is_ok_and(|found| found.len() >= 512 * 1024))
    })
    .await;
    let portal = portal.restart(None).await;
    let dev = portal.person("dev");
    let view = over(&dev, &id).await;
    assert_eq!(view["state"], "succeeded", "{view}");
    is_whole(&dev, &image).await;
    let asked = source.seen(&image.layer_path());
    assert!(asked.last().expect("asked").headers.contains_key("range"), "{asked:?}");
}

async fn until(wanted: impl Fn() -> bool) {
    for _ in 0..3000 {
        if wanted() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it did not come about");
}

#[tokio::test]
async fn a_cancelled_copy_fetches_nothing_more_and_sets_no_tag() {
    let (portal, mut source) = shop_and_source().await;
    let image = Image::new("amd64", &bytes(SIZE));
    image.serve(&source, vec![Reply::ok(&image.layer).held_after(1000)]).await;
    let dev = portal.person("dev");
    let id = ask(&dev, from(&source)).await;
    source.is_held().await;
    let cancelled = dev.post(&format!("/api/v1/projects/shop/copies/{id}/cancel"), json!({})).await.expect_status(StatusCode::OK).await;
    assert_eq!(cancelled["state"], "cancelled");
    let again = dev.post(&format!("/api/v1/projects/shop/copies/{id}/cancel"), json!({})).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    source.let_go();
    // The next one, which waited for the repository, goes through; it could not while the first one ran.
    copied(&dev, from(&source)).await;
    assert_eq!(over(&dev, &id).await["state"], "cancelled");
}

#[tokio::test]
async fn whoever_lost_the_right_to_push_meanwhile_pushes_nothing() {
    let (portal, mut source) = shop_and_source().await;
    let image = Image::new("amd64", &bytes(SIZE));
    image.serve(&source, vec![Reply::ok(&image.layer).held_after(1000)]).await;
    let (dev, ana) = (portal.person("dev"), portal.person("ana"));
    let id = ask(&dev, from(&source)).await;
    source.is_held().await;
    ana.put("/api/v1/projects/shop/members/dev", json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
    let view = over(&ana, &id).await;
    assert_eq!((&view["state"], &view["reason"]["code"]), (&json!("failed"), &json!("forbidden")), "{view}");
    source.let_go();
    assert_eq!(manifest(&ana, "shop/app", "1").await, None);
    assert_eq!(dev.get(&format!("/api/v1/projects/shop/copies/{id}")).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_copy_asked_with_a_token_ends_with_the_token() {
    let (portal, mut source) = shop_and_source().await;
    let image = Image::new("amd64", &bytes(SIZE));
    image.serve(&source, vec![Reply::ok(&image.layer).held_after(1000)]).await;
    let dev = portal.person("dev");
    let made = dev.post("/api/v1/me/tokens", json!({"name": "ci", "scopes": ["push"]})).await.expect_status(StatusCode::CREATED).await;
    let ci = dev.clone().with_secret(made["secret"].as_str().expect("a secret"));
    let id = ask(&ci, from(&source)).await;
    source.is_held().await;
    let token = made["token"]["id"].as_str().expect("an id");
    dev.delete(&format!("/api/v1/me/tokens/{token}")).await.expect_status(StatusCode::NO_CONTENT).await;
    let view = over(&dev, &id).await;
    assert_eq!(view["reason"]["code"], "forbidden", "{view}");
}

#[tokio::test]
async fn a_source_that_makes_wait_is_waited_for() {
    let (portal, source) = shop_and_source().await;
    let image = Image::new("amd64", b"small");
    image.serve(&source, vec![Reply::status(503), Reply::ok(&image.layer)]).await;
    let manifest = Reply::ok(&image.manifest).typed(IMAGE);
    source.serve("/v2/team/app/manifests/1", vec![Reply::status(429).header("retry-after", "1"), manifest]);
    let dev = portal.person("dev");
    copied(&dev, from(&source)).await;
    is_whole(&dev, &image).await;
}

#[tokio::test]
async fn a_redirect_is_followed_where_it_may_lead_and_without_the_credential() {
    let (portal, source) = (shop().await, Source::start().await);
    let storage = Source::start().await;
    let image = Image::new("amd64", &bytes(50_000));
    let away = Reply::status(307).header("location", &format!("{}/bucket/layer?signed=1", storage.pattern()));
    image.serve(&source, vec![away]).await;
    storage.serve("/bucket/layer?signed=1", vec![Reply::ok(&image.layer)]);
    let manifest = Reply::ok(&image.manifest).typed(IMAGE);
    let asks = Reply::status(401).header("www-authenticate", "Basic realm=\"x\"");
    source.serve("/v2/team/app/manifests/1", vec![asks.clone(), manifest.clone(), asks, manifest]);
    let (dev, ana) = (portal.person("dev"), portal.person("ana"));
    let path = format!("/api/v1/projects/shop/registries/{}", source.host());
    ana.put(&path, json!({"username": "u", "secret": "hunter2"})).await.expect_status(StatusCode::NO_CONTENT).await;
    // Only the registry itself is allowed: the storage is inside, and stays unasked.
    allow(&portal, &[source.pattern()]).await;
    let message = fails(&dev, from(&source), "address_refused").await;
    assert!(message.contains("loopback") && message.contains("operator"), "{message}");
    assert_eq!(storage.asked(), 0);
    allow(&portal, &[source.pattern(), storage.pattern()]).await;
    copied(&dev, from(&source)).await;
    let at_source = source.seen(&image.layer_path());
    assert!(at_source.iter().all(|seen| seen.headers.contains_key("authorization")), "{at_source:?}");
    let at_storage = storage.seen("/bucket/layer?signed=1");
    assert!(!at_storage.is_empty() && at_storage.iter().all(|seen| !seen.headers.contains_key("authorization")), "{at_storage:?}");
}

#[tokio::test]
async fn lists_without_an_end_end_the_copy() {
    let (portal, source) = shop_and_source().await;
    let dev = portal.person("dev");
    let image = Image::new("amd64", b"small");
    image.serve(&source, vec![Reply::ok(&image.layer)]).await;
    let list = |entries: std::ops::Range<usize>| {
        let entry = |n: usize| json!({"mediaType": IMAGE, "digest": format!("sha256:{n:064x}"), "size": 1, "annotations": {"n": "x".repeat(800)}});
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries.map(entry).collect::<Vec<_>>()}).to_string().into_bytes()
    };
    let path = format!("/v2/team/app/referrers/{}", image.digest());
    let page = |n: usize| if n == 0 { path.clone() } else { format!("{path}?page={n}") };
    for n in 0..20 {
        let next = format!("<{}>; rel=\"next\"", page(n + 1));
        source.serve(&page(n), vec![Reply::ok(&list(n * 1_000..(n + 1) * 1_000)).typed(INDEX).header("link", &next)]);
    }
    let wanted = json!({"from": format!("{}/team/app:1", source.host()), "referrers": true});
    let message = fails(&dev, wanted.clone(), "too_large").await;
    assert!(message.contains("leave out"), "{message}");
    assert_eq!(source.seen(&page(2)).len(), 1);
    assert_eq!(source.seen(&page(3)).len(), 0, "nothing more is read");
    // A page that names itself as the next one is read once.
    let circle = Reply::ok(&list(0..0)).typed(INDEX).header("link", &format!("<{path}>; rel=\"next\""));
    source.serve(&path, vec![circle]);
    let before = source.seen(&path).len();
    copied(&dev, wanted).await;
    assert_eq!(source.seen(&path).len(), before + 1);
}

#[tokio::test]
async fn more_than_a_copy_may_be_made_of_is_not_fetched_first() {
    let (portal, source) = shop_and_source().await;
    let padded = |n: usize| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"n": format!("{n}{}", "x".repeat(4_000_000))}})
            .to_string()
            .into_bytes()
    };
    let mut parts = Vec::new();
    for part in (0..30).map(padded) {
        parts.push(json!({"mediaType": INDEX, "digest": digest_of(&part), "size": part.len()}));
        source.serve(&format!("/v2/team/app/manifests/{}", digest_of(&part)), vec![Reply::ok(&part).typed(INDEX)]);
    }
    let whole = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": parts}).to_string();
    source.serve("/v2/team/app/manifests/1", vec![Reply::ok(whole.as_bytes()).typed(INDEX)]);
    fails(&portal.person("dev"), from(&source), "too_large").await;
    assert!(source.asked() < 25, "{}", source.asked());
}

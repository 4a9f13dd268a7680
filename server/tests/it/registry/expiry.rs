//! A push that outlives its token: how `registry::auth` says that the two go together, with requests in every order and with a stock client.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::clock::{Clock as _, MachineClock};
use model::manifest::media_type::OCI_MANIFEST;
use reqwest::{Body, Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::auth::{bearing, token, with};
use super::{begin, call, digest, furnished, get, image_of, push_blob, send, shop};
use crate::portal::{PASSWORD, TestPortal};

const HOURS: Duration = Duration::from_secs(5 * 3600);
const SCOPE: &str = "repository:shop/web:pull,push";

/// A body whose bytes come when the test sends them.
fn slow_body() -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Body::wrap_stream(ReceiverStream::new(receiver)))
}

/// Waits until bytes of an upload have come to its file.
async fn bytes_came(portal: &TestPortal) {
    let came = || {
        let entries = std::fs::read_dir(portal.folder().join("uploads")).expect("a folder");
        entries.filter_map(|entry| entry.ok()?.metadata().ok()).any(|file| file.len() > 0)
    };
    while !came() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_token_that_expires_during_a_push_finishes_that_upload_and_nothing_else() {
    let portal = furnished(TestPortal::start_with_clock().await).await;
    let clock = portal.clock.clone().expect("a clock");
    let dev = portal.person("dev");
    let token = token(&dev, &["repository:shop/web:pull,push"]).await;
    let begun = with(&portal, &token, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(202);
    let location = begun.header("location").to_owned();
    send(bearing(&portal, &token, Method::PATCH, &location).body("hello ")).await.expect(202);
    clock.advance(Duration::from_secs(3600));
    let late = with(&portal, &token, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    assert!(late.header("www-authenticate").contains("error=\"invalid_token\""));
    // Another's upload is not to be found, late or not.
    let others = begin(&portal.person("ana"), "shop/web").await;
    send(bearing(&portal, &token, Method::PATCH, &others).body("x")).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    send(bearing(&portal, &token, Method::PATCH, &location).body("world")).await.expect(202);
    let put = format!("{location}?digest={}", digest(b"hello world"));
    send(bearing(&portal, &token, Method::PUT, &put)).await.expect(201);
    // A day after its end it is worth nothing.
    let location = begin(&dev, "shop/web").await;
    clock.advance(Duration::from_secs(25 * 3600));
    send(bearing(&portal, &token, Method::PATCH, &location).body("x")).await.expect_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn who_lost_the_right_cannot_finish_an_upload() {
    let portal = shop().await;
    let (ana, dev) = (portal.person("ana"), portal.person("dev"));
    let location = begin(&dev, "shop/web").await;
    call(&dev, Method::PATCH, &location, "hello").await.expect(202);
    ana.put("/api/v1/projects/shop/members/dev", json!({"role": "guest"})).await.expect_status(reqwest::StatusCode::CREATED).await;
    let put = format!("{location}?digest={}", digest(b"hello"));
    call(&dev, Method::PUT, &put, "").await.expect_error(403, "DENIED");
    ana.delete("/api/v1/projects/shop/members/dev").await.expect_status(reqwest::StatusCode::NO_CONTENT).await;
    call(&dev, Method::PUT, &put, "").await.expect_error(404, "NAME_UNKNOWN");
    push_blob(&ana, "shop/web", b"other").await;
    get(&ana, &format!("/v2/shop/web/blobs/{}", digest(b"hello"))).await.expect_error(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn several_blobs_at_once_outlive_their_token_and_the_manifest_gets_a_new_one() {
    let portal = furnished(TestPortal::start_with_clock().await).await;
    let clock = portal.clock.clone().expect("a clock");
    let dev = portal.person("dev");
    let old = token(&dev, &[SCOPE]).await;
    let parts: [&[u8]; 3] = [b"{\"config\": 1}", b"a layer of many bytes", b"another layer"];
    let mut uploads = Vec::new();
    for part in parts {
        let begun = with(&portal, &old, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(202);
        let location = begun.header("location").to_owned();
        send(bearing(&portal, &old, Method::PATCH, &location).header("content-range", "0-4").body(part[..5].to_vec())).await.expect(202);
        uploads.push((location, part));
    }
    clock.advance(HOURS);
    let (portal, old) = (&portal, &old);
    let finished = uploads.iter().map(|(location, part)| async move {
        let status = with(portal, old, Method::GET, location).await.expect(204);
        assert_eq!(status.header("range"), "0-4");
        let put = format!("{location}?digest={}", digest(part));
        let range = format!("5-{}", part.len() - 1);
        send(bearing(portal, old, Method::PUT, &put).header("content-range", range).body(part[5..].to_vec())).await.expect(201)
    });
    futures::future::join_all(finished).await;

    // What is no upload under way wants a token that holds, and says which.
    let body = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/json", "digest": digest(parts[0]), "size": parts[0].len()},
        "layers": parts[1..].iter().map(|part| json!({"mediaType": "a/layer", "digest": digest(part), "size": part.len()})).collect::<Vec<_>>(),
    });
    let put = |token: &str| {
        let request = bearing(portal, token, Method::PUT, "/v2/shop/web/manifests/1");
        send(request.header("content-type", OCI_MANIFEST).body(body.to_string()))
    };
    let head = format!("/v2/shop/web/blobs/{}", digest(parts[0]));
    for refused in [put(old).await.expect_error(401, "UNAUTHORIZED"), with(portal, old, Method::HEAD, &head).await.expect(401)] {
        let challenge = refused.header("www-authenticate");
        assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains("/auth/token\""), "{challenge}");
    }
    put(&token(&dev, &[SCOPE]).await).await.expect(201);
}

#[tokio::test]
async fn a_body_that_takes_hours_is_taken_whole() {
    let portal = furnished(TestPortal::start_with_clock().await).await;
    let clock = portal.clock.clone().expect("a clock");
    let dev = portal.person("dev");
    let (first, second) = (vec![b'a'; 2 << 20], vec![b'b'; 2 << 20]);
    let whole = [first.clone(), second.clone()].concat();
    for way in ["POST", "PATCH", "PUT"] {
        let fresh = token(&dev, &[SCOPE]).await;
        let begin = || async { with(&portal, &fresh, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(202).header("location").to_owned() };
        let (method, path, expected) = match way {
            "POST" => (Method::POST, format!("/v2/shop/web/blobs/uploads/?digest={}", digest(&whole)), 201),
            "PATCH" => (Method::PATCH, begin().await, 202),
            _ => (Method::PUT, format!("{}?digest={}", begin().await, digest(&whole)), 201),
        };
        let (sender, body) = slow_body();
        let sending = tokio::spawn(send(bearing(&portal, &fresh, method, &path).body(body)));
        sender.send(Ok(first.clone().into())).await.expect("sent");
        bytes_came(&portal).await;
        clock.advance(HOURS);
        sender.send(Ok(second.clone().into())).await.expect("sent");
        drop(sender);
        let answer = sending.await.expect("an answer").expect(expected);
        if way == "PATCH" {
            with(&portal, &fresh, Method::PUT, &format!("{}?digest={}", answer.header("location"), digest(&whole))).await.expect(201);
        }
    }
}

#[tokio::test]
async fn who_loses_the_right_while_the_bytes_come_has_pushed_nothing() {
    let portal = shop().await;
    let (admin, ana) = (portal.person("admin"), portal.person("ana"));
    let members = "/api/v1/projects/shop/members/dev";
    let made = portal.person("dev").post("/api/v1/me/tokens", json!({"name": "ci", "scopes": ["pull", "push"]})).await;
    let made = made.expect_status(StatusCode::CREATED).await;
    let by_token = portal.person("dev").with_secret(made["secret"].as_str().expect("a secret"));
    for (n, (loss, status, code)) in
        [("role", 403, "DENIED"), ("token", 401, "UNAUTHORIZED"), ("password", 401, "UNAUTHORIZED"), ("account", 401, "UNAUTHORIZED")]
            .into_iter()
            .enumerate()
    {
        let dev = if loss == "token" {
            by_token.clone()
        } else {
            portal.person("dev").with_secret(if n == 3 { "another long password" } else { PASSWORD })
        };
        let content = vec![b'0' + u8::try_from(n).expect("small"); 2 << 20];
        let bearer = token(&dev, &[SCOPE]).await;
        let location = with(&portal, &bearer, Method::POST, "/v2/shop/web/blobs/uploads/").await.expect(202).header("location").to_owned();
        let (sender, body) = slow_body();
        let put = format!("{location}?digest={}", digest(&content));
        let sending = tokio::spawn(send(bearing(&portal, &bearer, Method::PUT, &put).body(body)));
        sender.send(Ok(content[..1 << 20].to_vec().into())).await.expect("sent");
        bytes_came(&portal).await;
        match loss {
            "role" => drop(ana.put(members, json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await),
            "token" => {
                let path = format!("/api/v1/me/tokens/{}", made["token"]["id"].as_str().expect("an id"));
                portal.person("dev").delete(&path).await.expect_status(StatusCode::NO_CONTENT).await;
            }
            "password" => {
                let change = json!({"current_password": PASSWORD, "new_password": "another long password"});
                dev.put("/api/v1/me/password", change).await.expect_status(StatusCode::NO_CONTENT).await;
            }
            _ => drop(admin.patch("/api/v1/users/dev", json!({"disabled": true})).await.expect_status(StatusCode::OK).await),
        }
        sender.send(Ok(content[1 << 20..].to_vec().into())).await.expect("sent");
        drop(sender);
        sending.await.expect("an answer").expect_error(status, code);
        if loss == "role" {
            ana.put(members, json!({"role": "developer"})).await.expect_status(StatusCode::CREATED).await;
        }
        push_blob(&ana, "shop/web", b"{}").await;
        get(&ana, &format!("/v2/shop/web/blobs/{}", digest(&content))).await.expect_error(404, "BLOB_UNKNOWN");
    }
}

/// Between a client and the portal: stops what the client sends after so many bytes, until it is told to go on.
struct Gate {
    address: String,
    reached: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    async fn before(portal: &TestPortal, after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (reached, open, passed, port) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)), portal.running.port);
        let (told, gate) = (Arc::clone(&reached), Arc::clone(&open));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (told, gate, passed) = (Arc::clone(&told), Arc::clone(&gate), Arc::clone(&passed));
                tokio::spawn(async move {
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_portal, mut to_portal) = TcpStream::connect(("127.0.0.1", port)).await?.into_split();
                    tokio::spawn(async move { tokio::io::copy(&mut from_portal, &mut to_client).await });
                    let mut buffer = vec![0; 64 << 10];
                    loop {
                        let count = from_client.read(&mut buffer).await?;
                        if count == 0 {
                            return Ok::<_, io::Error>(());
                        }
                        to_portal.write_all(&buffer[..count]).await?;
                        let before = passed.fetch_add(count, Ordering::SeqCst);
                        if before < after && before + count >= after {
                            told.notify_one();
                            gate.notified().await;
                        }
                    }
                });
            }
        });
        Self { address, reached, open }
    }
}

/// An image in a folder, as `skopeo copy dir:...` takes it.
fn image_in_a_folder(folder: &std::path::Path, layer: &[u8]) {
    let write = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content).expect("written");
    write("version", b"Directory Transport Version: 1.1\n");
    write("manifest.json", &image_of(b"{}", layer));
    write(&digest(b"{}").hex(), b"{}");
    write(&digest(layer).hex(), layer);
}

#[tokio::test]
async fn a_stock_client_whose_token_expires_in_the_middle_of_a_layer_finishes_its_push() {
    const BEHIND: Duration = Duration::from_secs(897);
    let portal = furnished(TestPortal::start_behind_time(BEHIND * 2).await).await;
    let clock = portal.clock.clone().expect("a clock");
    // The client reads in a token when it was made: it takes this portal's for old, with three seconds to live.
    clock.advance(MachineClock.now().minus(BEHIND).since(clock.now()));
    let folder = tempfile::tempdir().expect("a folder");
    let mut layer = vec![0; 8 << 20];
    getrandom::fill(&mut layer).expect("randomness");
    image_in_a_folder(folder.path(), &layer);
    let gate = Gate::before(&portal, 2 << 20).await;
    let mut skopeo = tokio::process::Command::new("skopeo");
    skopeo.args(["copy", "--preserve-digests", "--dest-tls-verify=false", "--dest-creds", &format!("dev:{PASSWORD}")]);
    skopeo.args([format!("dir:{}", folder.path().display()), format!("docker://{}/shop/web:1", gate.address)]);
    let running = skopeo.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let running = running.expect("skopeo is there; scripts/setup.sh gets it");
    let output = tokio::spawn(running.wait_with_output());
    gate.reached.notified().await;
    bytes_came(&portal).await;
    // Its token is over for the client, by its own clock, and for the portal.
    tokio::time::sleep(Duration::from_secs(4)).await;
    clock.advance(HOURS);
    gate.open.notify_one();
    let output = output.await.expect("no panic").expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(get(&portal.person("gus"), "/v2/shop/web/manifests/1").await.expect(200).body, image_of(b"{}", &layer));
}

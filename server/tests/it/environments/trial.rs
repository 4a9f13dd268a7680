//! The test of a connection, over TLS and over SSH, to real engines elsewhere.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Site, over_ssh, over_tls, step, with};
use crate::far::Far;
use crate::portal::TestPortal;

#[tokio::test]
async fn the_test_of_a_connection_over_tls_says_what_is_wrong() {
    let Some(far) = Far::start() else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let port = site.portal.running.port;
    site.environment("far", json!({"registry_address": format!("{}:{port}", far.ours()), "projects": []})).await;
    let machine = "far/machines/m";
    let good = over_tls(&far);
    let test = site.test(machine, good.clone()).await;
    assert_eq!(test["passed"], true, "{test}");
    for name in ["reach", "identity", "engine", "clock", "registry"] {
        assert_eq!(step(&test, name).0, "ok", "{test}");
    }
    assert!(step(&test, "registry").1.contains(&format!("{}:{port}", far.ours())));

    let identity = async |body: Value| {
        let test = site.test(machine, body).await;
        let (state, message) = step(&test, "identity");
        assert_eq!((state, test["passed"].as_bool()), ("failed", Some(false)), "{test}");
        message.to_owned()
    };
    let other = far.file("tls/other.pem");
    assert!(identity(with(good.clone(), &["tls", "ca"], json!(other))).await.contains("not signed by the authority"));
    let stranger = json!({"ca": far.file("tls/ca.pem"), "certificate": far.file("tls/stranger.pem"), "key": far.file("tls/stranger-key.pem")});
    assert!(identity(with(good.clone(), &["tls"], stranger)).await.contains("refuses the portal's certificate"));
    let bare = identity(with(good.clone(), &["tls"], json!({"ca": far.file("tls/ca.pem")}))).await;
    assert!(bare.contains("asks for a certificate"), "{bare}");
    let plain = identity(json!({"engine": good["engine"], "without_tls": true})).await;
    assert!(plain.contains("speaks TLS at this port"), "{plain}");
    let mixed = with(good.clone(), &["tls", "key"], json!(far.file("tls/stranger-key.pem")));
    assert!(identity(mixed).await.contains("do not belong together"));
    // The certificate is made out to the machine's address: the portal's own is another name for nobody.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let relay = listener.local_addr().expect("an address").port();
    let target = format!("{}:2376", far.address());
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                if let Ok(mut to) = tokio::net::TcpStream::connect(target).await {
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    let named = identity(with(good.clone(), &["engine"], json!(format!("tcp://localhost:{relay}")))).await;
    assert!(named.contains(&far.address()) && named.contains("not to localhost"), "{named}");

    // The way there.
    let reach = async |engine: &str| {
        let test = site.test(machine, with(good.clone(), &["engine"], json!(engine))).await;
        assert_eq!(step(&test, "engine").0, "skipped");
        step(&test, "reach").1.to_owned()
    };
    assert!(reach(&format!("tcp://{}:1", far.address())).await.contains("no engine listens there"));
    assert!(reach("tcp://no-such-machine.invalid:2376").await.contains("cannot be resolved"));

    // The registry as the engine reaches it.
    let registry = async |address: &str| {
        site.environment("far", json!({"registry_address": address, "projects": []})).await;
        let test = site.test(machine, good.clone()).await;
        let (state, message) = step(&test, "registry");
        assert_eq!(state, "failed", "{test}");
        message.to_owned()
    };
    let absent = registry(&format!("{}:1", far.ours())).await;
    assert!(absent.contains("does not reach the portal's registry"), "{absent}");
    let ran = std::process::Command::new("ip").args(["address", "replace", "10.98.0.1/32", "dev", &far.card()]).status();
    assert!(ran.is_ok_and(|status| status.success()));
    let insecure = registry(&format!("10.98.0.1:{port}")).await;
    assert!(insecure.contains("insecure-registries"), "{insecure}");

    // Saved only after a test that passed; the same engine is no second machine, however it is reached.
    site.environment("far", json!({"registry_address": format!("{}:{port}", far.ours()), "projects": []})).await;
    let wrong = with(good.clone(), &["tls", "ca"], json!(other));
    let refused = site.admin.put("/api/v1/environments/far/machines/m", wrong).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.0.text().await.expect("a problem").contains("machine_test_failed"));
    site.admin.put("/api/v1/environments/far/machines/m", good.clone()).await.expect_status(StatusCode::CREATED).await;
    site.machine("m", |machine| machine["state"] == "up").await;
    let twin = site.test("far/machines/n", over_ssh(&far)).await;
    assert!(step(&twin, "same_engine").1.contains("of the machine m already"), "{twin}");

    // No key comes out again.
    let secret = far.file("tls/client-key.pem").lines().nth(1).expect("a line").to_owned();
    let seen = site.admin.get("/api/v1/environments/far").await.expect_status(StatusCode::OK).await;
    let audit = site.admin.get("/api/v1/audit").await.expect_status(StatusCode::OK).await;
    let page = site.portal.browser("admin").await.open("/admin/environments/far/machines/m").await;
    for text in [seen.to_string(), audit.to_string(), page.text().await.expect("a page")] {
        assert!(!text.contains(&secret) && text.contains(&far.address()));
    }
}

#[tokio::test]
async fn the_test_of_a_connection_over_ssh_says_what_is_wrong() {
    let Some(far) = Far::start() else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let port = site.portal.running.port;
    site.environment("far", json!({"registry_address": format!("{}:{port}", far.ours()), "projects": []})).await;
    let machine = "far/machines/m";
    let good = over_ssh(&far);

    // Nobody confirmed its key yet: it is shown, and nothing is said to it.
    let unknown = with(good.clone(), &["ssh"], json!({"key": far.file("ssh/client")}));
    let test = site.test(machine, unknown.clone()).await;
    let fingerprint = test["host_key"]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let printed = std::process::Command::new("ssh-keygen").arg("-lf").arg(far.folder().join("ssh/host.pub")).output().expect("ssh-keygen");
    assert!(String::from_utf8_lossy(&printed.stdout).contains(&fingerprint), "{fingerprint}");
    assert!(step(&test, "identity").1.contains(&fingerprint), "{test}");
    assert!(!std::fs::read_to_string(far.folder().join("sshd.log")).expect("a log").contains("Accepted"));
    let confirmed = with(unknown, &["ssh", "host_key"], test["host_key"]["key"].clone());
    let test = site.test(machine, confirmed.clone()).await;
    assert_eq!(test["passed"], true, "{test}");
    assert!(step(&test, "identity").1.contains("lets root in"));
    let rsa = site.test(machine, with(confirmed.clone(), &["ssh", "key"], json!(far.file("ssh/rsa")))).await;
    assert_eq!(rsa["passed"], true, "{rsa}");

    let failed = async |name: &str, body: Value| {
        let test = site.test(machine, body).await;
        let (state, message) = step(&test, name);
        assert_eq!(state, "failed", "{test}");
        message.to_owned()
    };
    let changed = failed("identity", with(good.clone(), &["ssh", "host_key"], json!(far.file("ssh/host2.pub")))).await;
    assert!(changed.contains("another key") && changed.contains(&fingerprint), "{changed}");
    let stranger = failed("identity", with(good.clone(), &["ssh", "key"], json!(far.file("ssh/host2")))).await;
    assert!(stranger.contains("authorized_keys") && stranger.contains("ssh-ed25519 "), "{stranger}");
    let locked = failed("identity", with(good.clone(), &["ssh", "key"], json!(far.file("ssh/locked")))).await;
    assert!(locked.contains("passphrase"), "{locked}");
    let socket = failed("reach", with(good.clone(), &["engine"], json!(format!("ssh://root@{}/nowhere.sock", far.address())))).await;
    assert!(socket.contains("/nowhere.sock") && socket.contains("group docker"), "{socket}");
    let other = failed("reach", with(good.clone(), &["engine"], json!(format!("ssh://root@{}:2376", far.address())))).await;
    assert!(other.contains("no SSH server"), "{other}");

    site.admin.put("/api/v1/environments/far/machines/m", confirmed).await.expect_status(StatusCode::CREATED).await;
    let up = site.machine("m", |machine| machine["state"] == "up").await;
    assert!(up["tested_at"].is_i64() && up["guard"] == "ssh", "{up}");
    // The kept key opens the way again, without being sent.
    let again = site.test(machine, json!({})).await;
    assert_eq!(again["passed"], true, "{again}");

    // One connection carries all calls: a call costs no new handshake.
    let keys = domain::ports::SshKeys { key: model::secret::Secret::new(far.file("ssh/client")), host_key: Some(far.file("ssh/host.pub")) };
    let address = good["engine"].as_str().expect("an address").parse().expect("an address");
    let docker = engine::docker::Docker::through(domain::ports::EngineDoor { address, tls: None, ssh: Some(keys) });
    let began = Instant::now();
    docker.ping().await.expect("it answers");
    let first = began.elapsed();
    let began = Instant::now();
    for _ in 0..50 {
        docker.ping().await.expect("it answers");
    }
    eprintln!("over SSH: first call {first:?}, then {:?} each", began.elapsed() / 50);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?} for 50 calls", began.elapsed());
}

#[tokio::test]
async fn the_certificate_that_an_engine_shows_is_watched() {
    let Some(far) = Far::start() else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let port = site.portal.running.port;
    site.environment("far", json!({"registry_address": format!("{}:{port}", far.ours()), "projects": []})).await;
    // The engine's ends in a day, the others with which it is reached in two.
    let rule = json!({"name": "The engine's own", "kind": "certificate_ends", "value": "1.5"});
    site.admin.post("/api/v1/alert-rules", rule).await.expect_status(StatusCode::CREATED).await;
    let put = site.admin.put("/api/v1/environments/far/machines/m", over_tls(&far)).await;
    assert!(put.status().is_success(), "{:?}", put.0.text().await);
    let began = Instant::now();
    loop {
        let page = site.admin.get("/api/v1/alerts?state=firing").await.expect_status(StatusCode::OK).await;
        let alerts = page["items"].as_array().expect("a list");
        if let Some(alert) = alerts.iter().find(|alert| alert["rule"] == "The engine's own") {
            assert_eq!(alert["subject"], json!({"environment": "far", "machine": "m"}));
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{page}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

//! E-mail, against a server that speaks as much SMTP as a relay inside a network does.

use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{log, once, shop};
use crate::portal::TestPortal;

/// A mail that was taken.
#[derive(Clone, Debug, Default)]
struct Mail {
    from: String,
    to: Vec<String>,
    text: String,
}

/// Takes mail; the first one is put off, as busy servers do.
async fn relay() -> (u16, Arc<Mutex<Vec<Mail>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let taken: Arc<Mutex<Vec<Mail>>> = Arc::default();
    tokio::spawn({
        let taken = Arc::clone(&taken);
        async move {
            let mut first = true;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, std::mem::take(&mut first), Arc::clone(&taken)));
            }
        }
    });
    (port, taken)
}

async fn converse(stream: TcpStream, busy: bool, taken: Arc<Mutex<Vec<Mail>>>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 relay.test ESMTP\r\n").await.ok()?;
    let mut mail = Mail::default();
    while let Some(line) = lines.next_line().await.ok()? {
        let upper = line.to_ascii_uppercase();
        let answer: &[u8] = if upper.starts_with("EHLO") {
            b"250-relay.test\r\n250 8BITMIME\r\n"
        } else if upper.starts_with("MAIL") && busy {
            b"451 4.3.0 come again later\r\n"
        } else if upper.starts_with("MAIL") {
            mail.from = line;
            b"250 ok\r\n"
        } else if upper.starts_with("RCPT") {
            mail.to.push(line);
            b"250 ok\r\n"
        } else if upper.starts_with("DATA") {
            writer.write_all(b"354 go on\r\n").await.ok()?;
            while let Some(line) = lines.next_line().await.ok()? {
                if line == "." {
                    break;
                }
                mail.text.push_str(&line);
                mail.text.push('\n');
            }
            taken.lock().expect("no panic").push(mail.clone());
            b"250 taken\r\n"
        } else if upper.starts_with("QUIT") {
            b"221 bye\r\n"
        } else {
            b"250 ok\r\n"
        };
        writer.write_all(answer).await.ok()?;
    }
    Some(())
}

#[tokio::test]
async fn a_mail_arrives_once_with_the_notices_own_id() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let (port, taken) = relay().await;
    let form = json!({"name": "post", "kind": "email", "address": "ops@example.com, dev@example.com"});
    let made = ana.post("/api/v1/projects/shop/routes", form).await.expect_status(StatusCode::CREATED).await;
    let route = made["route"]["id"].as_str().expect("an id").to_owned();
    let admin = portal.person("admin");
    let settings = json!({"host": "127.0.0.1", "port": port.to_string(), "security": "none", "sender": "slipway@example.com"});
    admin.put("/api/v1/mail", settings).await.expect_status(StatusCode::OK).await;
    let sent = ana.post(&format!("/api/v1/projects/shop/routes/{route}/test"), json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    let put_off = once("the first answer", async || log(&ana, &route).await.into_iter().find(|notice| notice["status"] == 451)).await;
    assert_eq!(put_off["state"], "queued");
    super::all_over(&portal, &ana, &route).await;
    let mails = taken.lock().expect("no panic").clone();
    let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
    assert!(mail.from.contains("slipway@example.com"), "{}", mail.from);
    assert_eq!(mail.to.len(), 2);
    let id = sent["id"].as_str().expect("an id");
    assert!(mail.text.contains(&format!("Message-ID: <{id}@slipway>")), "{}", mail.text);
    assert!(mail.text.contains("Subject: [Slipway] Test of route post"), "{}", mail.text);
}

#[tokio::test]
async fn mail_that_operators_do_not_allow_waits_until_they_do() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let (port, taken) = relay().await;
    let form = |name: &str| json!({"name": name, "kind": "email", "address": "ops@example.com, all@example.org"});
    let made = ana.post("/api/v1/projects/shop/routes", form("post")).await.expect_status(StatusCode::CREATED).await;
    let route = made["route"]["id"].as_str().expect("an id").to_owned();
    let admin = portal.person("admin");
    let settings = |recipients: &str| json!({"host": "127.0.0.1", "port": port.to_string(), "security": "none", "sender": "slipway@example.com", "recipients": recipients});
    admin.put("/api/v1/mail", settings("example.com")).await.expect_status(StatusCode::OK).await;
    let refused = ana.post("/api/v1/projects/shop/routes", form("another")).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "address", "{refused}");
    let test = format!("/api/v1/projects/shop/routes/{route}/test");
    ana.post(&test, json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    let waits = once("a refusal", async || log(&ana, &route).await.into_iter().find(|notice| !notice["answer"].is_null())).await;
    assert!(waits["answer"].as_str().expect("a text").contains("all@example.org gets no mail"), "{waits}");
    ana.post(&test, json!({})).await.expect_status(StatusCode::CONFLICT).await;
    assert!(taken.lock().expect("no panic").is_empty(), "nobody got it");
    admin.put("/api/v1/mail", settings("")).await.expect_status(StatusCode::OK).await;
    super::all_over(&portal, &ana, &route).await;
    let mails = taken.lock().expect("no panic").clone();
    assert_eq!(mails.iter().map(|mail| mail.to.len()).collect::<Vec<_>>(), [2], "{mails:?}");
}

#[tokio::test]
async fn a_password_is_kept_and_never_shown_nor_sent_to_another_server() {
    let portal = TestPortal::start().await;
    let admin = portal.person("admin");
    let settings = |host: &str, password: &str| json!({"host": host, "port": "587", "security": "starttls", "username": "slipway", "password": password, "sender": "slipway@example.com"});
    admin.put("/api/v1/mail", settings("mail.example.com", "hunter2 hunter2")).await.expect_status(StatusCode::OK).await;
    let kept = admin.put("/api/v1/mail", settings("mail.example.com", "")).await.expect_status(StatusCode::OK).await;
    assert_eq!(kept["has_password"], true);
    assert!(!kept.to_string().contains("hunter2"));
    let refused = admin.put("/api/v1/mail", settings("elsewhere.example.com", "")).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "password");
    let mut clear = settings("mail.example.com", "hunter2 hunter2");
    clear["security"] = json!("none");
    let refused = admin.put("/api/v1/mail", clear).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "security");
    let audit = admin.get("/api/v1/audit").await.expect_status(StatusCode::OK).await;
    assert!(audit.to_string().contains("mail.set") && !audit.to_string().contains("hunter2"));
    admin.put("/api/v1/mail", json!({})).await.expect_status(StatusCode::OK).await;
    assert!(admin.get("/api/v1/mail").await.expect_status(StatusCode::OK).await.is_null());
}

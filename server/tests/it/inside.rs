//! Looking inside on a real engine: logs that follow, shells over the websocket, and that both end when their reader's role does.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use model::shell::ToClient;
use reqwest::StatusCode;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::ground::Ground;
use crate::portal::PASSWORD;

const SOON: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A service whose task writes without end, and a member of its project.
async fn flooding(ground: &Ground, role: &str) {
    ground.portal().new_person("eve").await;
    let path = "/api/v1/projects/shop/members/eve";
    let admin = ground.portal().person("admin");
    admin.put(path, json!({"role": role})).await.expect_status(StatusCode::CREATED).await;
    ground.service("web").await;
    let descriptor = json!({"image": "web:1", "command": ["/bin/busybox", "yes", "a line"], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}});
    ground.deployed("web", descriptor).await;
}

async fn expel(ground: &Ground) {
    let admin = ground.portal().person("admin");
    admin.delete("/api/v1/projects/shop/members/eve").await.expect_status(StatusCode::NO_CONTENT).await;
}

#[tokio::test]
async fn a_flooded_log_is_cut_when_its_reader_loses_the_role() {
    let ground = Ground::new().await;
    flooding(&ground, "guest").await;
    let eve = ground.portal().person("eve");
    let mut stream = eve.get("/api/v1/projects/shop/services/web/logs?follow=true&tail=10").await.0;
    assert_eq!(stream.status(), StatusCode::OK);
    let mut read = 0;
    while read < 1_000_000 {
        read += stream.chunk().await.expect("lines").expect("more lines").len();
    }
    expel(&ground).await;
    let end = tokio::time::timeout(SOON, async { while let Ok(Some(_)) = stream.chunk().await {} });
    end.await.expect("the stream ends with the role, however busy it is");
}

/// Opens a shell in the service's only task, as eve.
async fn shell(ground: &Ground) -> Socket {
    try_shell(ground).await.expect("a shell opens")
}

async fn try_shell(ground: &Ground) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
    use base64::Engine as _;
    let task = ground.running("web").await[0]["id"].as_str().expect("a task").to_owned();
    let url = format!("{}/ws/tasks/{task}/shell?cols=91&rows=33", ground.portal().base.replace("http://", "ws://"));
    let mut request = url.into_client_request().expect("a request");
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("eve:{PASSWORD}"));
    request.headers_mut().insert("authorization", format!("Basic {basic}").parse().expect("a header"));
    connect_async(request).await.map(|(socket, _)| socket)
}

/// Reads until the terminal printed this; acknowledges what it read.
async fn until(socket: &mut Socket, wanted: &str) -> String {
    let mut shown = String::new();
    let mut bytes = 0;
    let reading = async {
        while !shown.contains(wanted) {
            match socket.next().await.expect("the shell goes on").expect("a message") {
                Message::Binary(part) => {
                    bytes += part.len();
                    shown.push_str(&String::from_utf8_lossy(&part));
                    let ack = json!({"type": "ack", "bytes": bytes}).to_string();
                    socket.send(Message::Text(ack.into())).await.expect("sent");
                }
                Message::Text(text) => {
                    let told: ToClient = serde_json::from_str(&text).expect("a word of ours");
                    assert!(!matches!(told, ToClient::Error { .. }), "{text}");
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(SOON, reading).await.expect("the shell answers in time");
    shown
}

async fn type_in(socket: &mut Socket, text: &str) {
    socket.send(Message::Binary(text.to_owned().into_bytes().into())).await.expect("sent");
}

#[tokio::test]
async fn a_shell_answers_with_the_right_size_and_tells_its_exit_code() {
    let ground = Ground::new().await;
    flooding(&ground, "developer").await;
    let mut socket = shell(&ground).await;
    type_in(&mut socket, "stty size; echo to$((1+1))gether\n").await;
    let shown = until(&mut socket, "to2gether").await;
    assert!(shown.contains("33 91"), "the size is right from the first byte: {shown}");
    socket.send(Message::Text(json!({"type": "resize", "cols": 120, "rows": 40}).to_string().into())).await.expect("sent");
    type_in(&mut socket, "stty size; echo re$((1+1))sized; exit 7\n").await;
    assert!(until(&mut socket, "re2sized").await.contains("40 120"));
    let told = tokio::time::timeout(SOON, async {
        loop {
            if let Message::Text(text) = socket.next().await.expect("a word").expect("a message")
                && let Ok(ToClient::Exit { code }) = serde_json::from_str(&text)
            {
                return code;
            }
        }
    });
    assert_eq!(told.await.expect("it tells the code"), 7);
    let audit = ground.portal().person("admin").get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    assert!(audit["items"].as_array().expect("records").iter().any(|record| record["action"] == "shell.open" && record["actor"] == "eve"));
}

#[tokio::test]
async fn a_busy_shell_is_cut_when_its_owner_loses_the_role() {
    let ground = Ground::new().await;
    flooding(&ground, "developer").await;
    let mut socket = shell(&ground).await;
    type_in(&mut socket, "while :; do echo still here; done\n").await;
    until(&mut socket, "still here").await;
    expel(&ground).await;
    let mut bytes = 0;
    let cut = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Binary(part) => {
                    bytes += part.len();
                    let ack = json!({"type": "ack", "bytes": bytes}).to_string();
                    if socket.send(Message::Text(ack.into())).await.is_err() {
                        return;
                    }
                }
                Message::Text(text) if text.contains("\"error\"") => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(SOON, cut).await.expect("the shell is cut, however busy it is");
}

#[tokio::test]
async fn an_account_has_so_many_shells_and_gets_one_again_when_it_ends_one() {
    let ground = Ground::new().await;
    flooding(&ground, "developer").await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(shell(&ground).await);
    }
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = try_shell(&ground).await else { panic!("the seventeenth is refused") };
    assert_eq!(refused.status().as_u16(), 429);
    let body = String::from_utf8_lossy(refused.body().as_deref().unwrap_or_default()).into_owned();
    assert!(body.contains("too_many_open") && body.contains("32 shells"), "{body}");
    drop(open.pop());
    let again = async {
        while try_shell(&ground).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("its place is free again");
}

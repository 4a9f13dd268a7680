//! Shells on a real engine, and what their recordings hold.

use futures::{SinkExt as _, StreamExt as _};
use model::shell::ToClient;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{SHELLS, SOON, within};
use crate::ground::Ground;
use crate::portal::PASSWORD;

/// A terminal of dora's in the only task of `web`.
struct Terminal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: String,
    shown: Vec<u8>,
}

impl Terminal {
    async fn open(ground: &Ground) -> Self {
        use base64::Engine as _;
        let task = ground.running("web").await[0]["id"].as_str().expect("a task").to_owned();
        let base = ground.portal().base.replace("http://", "ws://");
        let mut request = format!("{base}/ws/tasks/{task}/shell?cols=91&rows=33&why=a+look").into_client_request().expect("a request");
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("dora:{PASSWORD}"));
        request.headers_mut().insert("authorization", format!("Basic {basic}").parse().expect("a header"));
        let (socket, _) = connect_async(request).await.expect("a shell opens");
        let mut terminal = Self { socket, id: String::new(), shown: Vec::new() };
        let ready = async {
            while terminal.id.is_empty() {
                if let Some(ToClient::Ready { session }) = terminal.next().await {
                    terminal.id = session;
                }
            }
        };
        tokio::time::timeout(SOON, ready).await.expect("it is ready in time");
        terminal
    }

    /// The next word; none where the terminal printed something. What it prints is acknowledged.
    async fn next(&mut self) -> Option<ToClient> {
        match self.socket.next().await.expect("the shell goes on").expect("a message") {
            Message::Binary(part) => {
                self.shown.extend_from_slice(&part);
                let ack = json!({"type": "ack", "bytes": self.shown.len()}).to_string();
                // It may have ended meanwhile.
                let _ = self.socket.send(Message::Text(ack.into())).await;
                None
            }
            Message::Text(text) => Some(serde_json::from_str(&text).expect("a word of ours")),
            _ => None,
        }
    }

    async fn enter(&mut self, text: &str) {
        self.socket.send(Message::Binary(format!("{text}\n").into_bytes().into())).await.expect("sent");
    }

    async fn until(&mut self, wanted: &str) {
        let reading = async {
            while !String::from_utf8_lossy(&self.shown).contains(wanted) {
                self.next().await;
            }
        };
        tokio::time::timeout(SOON, reading).await.expect("the shell answers in time");
    }

    async fn exit(&mut self, code: i64) {
        self.enter(&format!("exit {code}")).await;
        let told = async {
            loop {
                if let Some(ToClient::Exit { code }) = self.next().await {
                    return code;
                }
            }
        };
        assert_eq!(tokio::time::timeout(SOON, told).await.expect("it ends in time"), code);
    }

    fn path(&self) -> String {
        format!("{SHELLS}/{}", self.id)
    }
}

async fn ground() -> Ground {
    let ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", json!({"image": "web:1", "update": {"monitor": "0s"}, "stop": {"grace": "0s"}})).await;
    ground
}

/// What a recording says was printed.
fn printed(cast: &str) -> String {
    let events = cast.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    events.filter(|event| event[1] == "o").map(|event| event[2].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn a_shell_is_recorded_while_it_runs_and_what_is_typed_unseen_is_not() {
    let ground = ground().await;
    let mut terminal = Terminal::open(&ground).await;
    terminal.enter("stty -echo; echo sec''ret?").await;
    terminal.until("secret?").await;
    terminal.enter("read -r word; stty echo; echo th''anks").await;
    terminal.enter("hunter2").await;
    terminal.until("thanks").await;
    let recording = format!("{}/recording", terminal.path());
    let read = async || match ground.developer.get(&recording).await.expect_status(StatusCode::OK).await {
        Value::String(text) => text,
        // Of its first line alone, which is JSON by itself.
        header => header.to_string(),
    };
    within("the recording of a shell that is open", async || printed(&read().await).contains("thanks")).await;
    let resize = json!({"type": "resize", "cols": 120, "rows": 40}).to_string();
    terminal.socket.send(Message::Text(resize.into())).await.expect("sent");
    terminal.enter("stty size").await;
    terminal.until("40 120").await;
    terminal.exit(7).await;
    let path = terminal.path();
    let view = async || ground.developer.get(&path).await.expect_status(StatusCode::OK).await;
    within("the end of the shell", async || view().await["open"] == false).await;

    let cast = read().await;
    assert_eq!(printed(&cast), String::from_utf8_lossy(&terminal.shown), "it is what was seen");
    assert!(!cast.contains("hunter2"), "what is typed is not recorded");
    let lines: Vec<Value> = cast.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!((&lines[0]["version"], &lines[0]["width"], &lines[0]["height"]), (&json!(2), &json!(91), &json!(33)));
    let title = lines[0]["title"].as_str().expect("a title");
    assert!(title.starts_with("shop/web ") && title.ends_with(" by dora: a look"), "{title}");
    assert!(lines[1..].iter().all(|line| ["o", "r", "m"].iter().any(|kind| line[1] == *kind)), "what was printed, and no input");
    assert!(lines.iter().any(|line| line[1] == "r" && line[2] == "120x40"));
    let view = view().await;
    assert_eq!((&view["by"], &view["why"], &view["ended_why"], &view["exit_code"]), (&json!("dora"), &json!("a look"), &json!("exited"), &json!(7)));
    assert_eq!(view["bytes"], json!(cast.len()));
    let list = ground.developer.get(SHELLS).await.expect_status(StatusCode::OK).await;
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["why"]), (&json!(terminal.id), &json!("a look")));
    assert_eq!(view["address"], "127.0.0.1");
}

#[tokio::test]
async fn where_recording_is_switched_off_nothing_is_written_and_it_is_said() {
    let ground = ground().await;
    let admin = ground.portal().person("admin");
    admin.patch("/api/v1/projects/shop", json!({"shells_recorded": false})).await.expect_status(StatusCode::NO_CONTENT).await;
    let mut terminal = Terminal::open(&ground).await;
    terminal.enter("echo un''seen").await;
    terminal.until("unseen").await;
    terminal.exit(0).await;
    let view = ground.developer.get(&terminal.path()).await.expect_status(StatusCode::OK).await;
    assert_eq!((&view["recorded"], &view["bytes"]), (&json!(false), &json!(0)));
    let refused = ground.developer.get(&format!("{}/recording", terminal.path())).await.expect_status(StatusCode::NOT_FOUND).await;
    assert!(refused["detail"].as_str().expect("a text").contains("not recorded"), "{refused}");
    let kept = std::fs::read_dir(ground.portal().folder().join("recordings"));
    let files = kept.into_iter().flatten().flat_map(|folder| std::fs::read_dir(folder.expect("a folder").path()).expect("a folder"));
    assert_eq!(files.count(), 0, "nothing is on the disk");
    let browser = ground.portal().browser("dora").await;
    let one = format!("/projects/shop/shells/{}", terminal.id);
    let service = "/projects/shop/services/web/shell";
    for (page, said) in [("/projects/shop/shells", "not recorded"), (one.as_str(), "not recorded"), (service, "recording is switched off")] {
        let text = browser.open(page).await.text().await.expect("a page").to_lowercase();
        assert!(text.contains(said), "{page}");
    }
}

#[tokio::test]
async fn a_shell_ends_for_its_client_when_an_admin_ends_it() {
    let ground = ground().await;
    let mut terminal = Terminal::open(&ground).await;
    terminal.enter("echo st''arted").await;
    terminal.until("started").await;
    ground.portal().person("admin").delete(&terminal.path()).await.expect_status(StatusCode::NO_CONTENT).await;
    let told = async {
        loop {
            if let Some(ToClient::Error { message, .. }) = terminal.next().await {
                return message;
            }
        }
    };
    let told = tokio::time::timeout(SOON, told).await.expect("the client is told");
    assert!(told.contains("ended"), "{told}");
    let path = terminal.path();
    let open = async || ground.developer.get(&path).await.expect_status(StatusCode::OK).await["open"] == true;
    within("the end of the row", async || !open().await).await;
    let refused = ground.developer.delete(&path).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "ended");
}

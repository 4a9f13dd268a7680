//! Shells over the websocket, on a real engine: what passes, what survives a cut connection, who is refused, and (`ends`) that nothing stays behind.

mod ends;
mod killed;
mod pulse;

use std::time::Duration;

use base64::Engine as _;
use futures::{SinkExt as _, StreamExt as _};
use model::shell::ToClient;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::ground::{Ground, docker, push_without_shell};
use crate::portal::{Browser, PASSWORD};

const SOON: Duration = Duration::from_secs(90);
/// As much as may be sent ahead of what the client has shown.
const AHEAD: u64 = 1024 * 1024;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How somebody comes to a task's shell.
#[derive(Clone)]
struct Way {
    url: String,
    headers: Vec<(&'static str, String)>,
}

impl Way {
    /// As a program with user name and password.
    fn of(base: &str, task: &str, name: &str) -> Self {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{PASSWORD}"));
        Self { url: url(base, task), headers: vec![("authorization", format!("Basic {basic}"))] }
    }

    /// As a page.
    fn of_page(browser: &Browser, task: &str, origin: &str) -> Self {
        let request = browser.request(reqwest::Method::GET, "/").build().expect("a request");
        let cookie = request.headers()["cookie"].to_str().expect("text").to_owned();
        Self { url: url(browser.base(), task), headers: vec![("cookie", cookie), ("origin", origin.to_owned())] }
    }

    async fn connect(&self, query: &str) -> Result<Socket, SocketError> {
        let mut request = format!("{}?cols=91&rows=33&{query}", self.url).into_client_request().expect("a request");
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        timeout(SOON, connect_async(request)).await.expect("an answer in time").map(|(socket, _)| socket)
    }

    async fn open(&self, query: &str) -> Terminal {
        self.try_open(query).await.unwrap_or_else(|(code, message)| panic!("no shell: {code}: {message}"))
    }

    /// A shell, or why there is none: a code and a text over the websocket.
    async fn try_open(&self, query: &str) -> Result<Terminal, (String, String)> {
        let socket = self.connect(query).await.unwrap_or_else(|error| panic!("no websocket: {error}"));
        let mut terminal = Terminal { socket, session: String::new(), received: Vec::new(), taken: 0, acks: true };
        match terminal.hear().await {
            Heard::Ready(session) => terminal.session = session,
            Heard::Error(code, message) => return Err((code, message)),
            other => panic!("the first word is another one: {other:?}"),
        }
        let Heard::Taken(taken) = terminal.hear().await else { panic!("what was taken is told at once") };
        terminal.taken = taken;
        Ok(terminal)
    }

    /// The status of a refusal.
    async fn refused(&self, query: &str) -> u16 {
        match self.connect(query).await {
            Err(SocketError::Http(answer)) => answer.status().as_u16(),
            other => panic!("it is refused before the upgrade, but {other:?}"),
        }
    }
}

fn url(base: &str, task: &str) -> String {
    format!("{}/ws/tasks/{task}/shell", base.replace("http://", "ws://"))
}

fn query(parts: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", parts).expect("a URL");
    url.query().unwrap_or_default().to_owned()
}

/// A client of a shell.
struct Terminal {
    socket: Socket,
    session: String,
    received: Vec<u8>,
    taken: u64,
    /// It says what it has shown.
    acks: bool,
}

/// What a client hears.
#[derive(Debug)]
enum Heard {
    Ready(String),
    Output,
    Taken(u64),
    Exit(i64),
    Error(String, String),
    Closed,
}

impl Terminal {
    /// The next word; output is kept, and shown where it acknowledges.
    async fn hear(&mut self) -> Heard {
        timeout(SOON, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => {
                        self.received.extend_from_slice(&bytes);
                        if self.acks {
                            self.ack().await;
                        }
                        return Heard::Output;
                    }
                    Some(Ok(Message::Text(text))) => match serde_json::from_str(&text).expect("a word of ours") {
                        ToClient::Ready { session } => return Heard::Ready(session),
                        ToClient::Ack { bytes } => return Heard::Taken(bytes),
                        ToClient::Exit { code } => return Heard::Exit(code),
                        ToClient::Error { code, message } => return Heard::Error(code, message),
                    },
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Heard::Closed,
                    Some(Ok(_)) => {}
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("nothing is said, after {}", self.tail()))
    }

    async fn ack(&mut self) {
        let ack = json!({"type": "ack", "bytes": self.received.len()}).to_string();
        // A line that is cut shows nothing.
        let _ = self.socket.send(Message::Text(ack.into())).await;
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    fn tail(&self) -> String {
        String::from_utf8_lossy(&self.received[self.received.len().saturating_sub(2000)..]).into_owned()
    }

    /// Reads until the terminal has printed this; all that it printed so far.
    async fn until(&mut self, wanted: &str) -> String {
        let mut looked = 0_usize;
        loop {
            let from = looked.saturating_sub(wanted.len());
            if self.received[from.min(self.received.len())..].windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
                return self.text();
            }
            looked = self.received.len();
            match self.hear().await {
                Heard::Output | Heard::Taken(_) => {}
                other => panic!("{wanted:?} did not come but {other:?}, after {}", self.tail()),
            }
        }
    }

    /// Reads until the last word.
    async fn last_word(&mut self) -> Heard {
        loop {
            match self.hear().await {
                Heard::Output | Heard::Taken(_) | Heard::Ready(_) => {}
                other => return other,
            }
        }
    }

    /// The code of the error with which it ends.
    async fn error(&mut self) -> String {
        match self.last_word().await {
            Heard::Error(code, _) => code,
            other => panic!("it ends with {other:?}, after {}", self.tail()),
        }
    }

    async fn key(&mut self, bytes: &[u8]) {
        self.socket.send(Message::Binary(bytes.to_vec().into())).await.expect("sent");
    }

    async fn resize(&mut self, cols: u16, rows: u16) {
        self.socket.send(Message::Text(json!({"type": "resize", "cols": cols, "rows": rows}).to_string().into())).await.expect("sent");
    }

    /// Ends it for good, as whoever closes its window.
    async fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.socket.send(Message::Close(Some(frame))).await.expect("sent");
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

/// A service whose task sleeps, and eve and bob, developers of its project.
struct Place {
    ground: Ground,
    task: String,
    container: String,
}

impl Place {
    async fn new() -> Self {
        Self::with(json!({"image": "web:1", "command": ["sleep", "100000"]})).await
    }

    async fn with(mut descriptor: Value) -> Self {
        let ground = Ground::new().await;
        for (name, role) in [("eve", "developer"), ("bob", "developer"), ("gus", "guest")] {
            ground.portal().new_person(name).await;
            let admin = ground.portal().person("admin");
            let path = format!("/api/v1/projects/shop/members/{name}");
            admin.put(&path, json!({"role": role})).await.expect_status(StatusCode::CREATED).await;
        }
        push_without_shell(&ground.developer, "shop/bare", "1").await;
        ground.service("web").await;
        descriptor["update"] = json!({"monitor": "0s"});
        descriptor["stop"] = json!({"grace": "0s"});
        ground.deployed("web", descriptor).await;
        let task = ground.running("web").await.remove(0);
        let text = |key: &str| task[key].as_str().expect("text").to_owned();
        Self { task: text("id"), container: text("container"), ground }
    }

    fn way(&self, name: &str) -> Way {
        Way::of(&self.ground.portal().base, &self.task, name)
    }

    /// What runs in the container.
    /// As the machine sees them: one more process in the container would be met by what is tested.
    fn processes(&self) -> String {
        programs(&self.container)
    }

    async fn expel(&self) {
        let admin = self.ground.portal().person("admin");
        admin.delete("/api/v1/projects/shop/members/eve").await.expect_status(StatusCode::NO_CONTENT).await;
    }

    fn grace(&self, grace: Duration) {
        self.ground.portal().platform().shells().set_grace(grace);
    }

    async fn audit(&self) -> Vec<Value> {
        let admin = self.ground.portal().person("admin");
        let audit = admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
        audit["items"].as_array().expect("records").clone()
    }
}

/// Waits until something that nobody tells of is so.
async fn until(what: &str, is: impl Fn() -> bool) {
    let waited = timeout(SOON, async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not come about");
}

/// What runs in a container, as the machine sees it, a line each.
fn programs(container: &str) -> String {
    let all = docker(&["top", container, "-eo", "pid,args"]);
    all.lines().skip(1).filter_map(|line| line.trim().split_once(' ')).map(|(_, program)| format!("{program}\n")).collect()
}

/// Numbers from a seed (xorshift), so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[tokio::test]
async fn a_shell_answers_with_the_right_size_and_tells_its_exit_code() {
    let place = Place::new().await;
    let mut shell = place.way("eve").open(&query(&[("why", "to look at the size")])).await;
    shell.key(b"stty size; echo to$((1+1))gether\n").await;
    let shown = shell.until("to2gether").await;
    assert!(shown.contains("33 91"), "the size is right from the first byte: {shown}");
    for cols in 100..=120 {
        shell.resize(cols, 40).await;
    }
    // A size without lines or columns is none.
    shell.key(b"stty size; echo re$((1+1))sized\n").await;
    let resized = async {
        while !shell.text().contains("40 120") {
            shell.key(b"stty size\n").await;
            shell.hear().await;
        }
    };
    timeout(SOON, resized).await.expect("the last size of a storm is the terminal's");
    shell.key(b"exit 7\n").await;
    let Heard::Exit(7) = shell.last_word().await else { panic!("it tells the code") };
    let audit = place.audit().await;
    let opened = audit.iter().find(|record| record["action"] == "shell.open").expect("a record");
    assert_eq!((opened["actor"].as_str(), opened["detail"]["why"].as_str()), (Some("eve"), Some("to look at the size")), "{opened}");
    assert_eq!(opened["detail"]["session"], shell.session);
}

#[tokio::test]
async fn a_window_of_no_size_gets_one_that_has_lines() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut request = format!("{}?cols=0&rows=0", way.url).into_client_request().expect("a request");
    request.headers_mut().insert("authorization", way.headers[0].1.parse().expect("a header"));
    let (socket, _) = connect_async(request).await.expect("a websocket");
    let mut shell = Terminal { socket, session: String::new(), received: Vec::new(), taken: 0, acks: true };
    let (Heard::Ready(_), Heard::Taken(0)) = (shell.hear().await, shell.hear().await) else { panic!("it opens") };
    shell.key(b"stty size; echo do$((1+1))ne\n").await;
    let shown = shell.until("do2ne").await;
    // One line and two columns; of a window of one line busybox says that it has 24.
    assert!(shown.contains(" 2\r\n") && !shown.contains("0 0"), "{shown}");
}

#[tokio::test]
async fn a_hundred_cuts_of_the_connection_lose_nothing_and_double_nothing() {
    let place = Place::new().await;
    let command = r#"sh -c 'stty raw -echo; (i=0; while [ ! -e /tmp/stop ]; do echo n$i; i=$((i+1)); done; echo END) & exec cat >/tmp/typed'"#;
    let way = place.way("eve");
    let mut shell = way.open(&query(&[("command", command)])).await;
    shell.until("n0\n").await;
    let session = shell.session.clone();
    let mut dice = Dice(0x511b_0a7d);
    let mut keys: Vec<u8> = Vec::new();
    let mut received = Vec::new();
    for cut in 0..100 {
        let most = received.len() as u64 + shell.received.len() as u64 + dice.roll(96 * 1024);
        while (shell.received.len() as u64) < most {
            if dice.roll(6) == 0 {
                let key = format!("<{}>", keys.len());
                keys.extend_from_slice(key.as_bytes());
                shell.key(key.as_bytes()).await;
            }
            match shell.hear().await {
                Heard::Output | Heard::Taken(_) => {}
                other => panic!("cut {cut}: {other:?}"),
            }
        }
        received = std::mem::take(&mut shell.received);
        // Not closed: cut, in the middle of what is under way in both directions.
        drop(shell);
        let again = query(&[("session", &session), ("received", &received.len().to_string())]);
        shell = way.open(&again).await;
        assert_eq!(shell.session, session);
        let taken = usize::try_from(shell.taken).expect("small");
        assert!(taken <= keys.len(), "cut {cut}: more was taken than typed");
        shell.key(&keys[taken..]).await;
        shell.received = std::mem::take(&mut received);
    }
    docker(&["exec", &place.container, "/bin/busybox", "touch", "/tmp/stop"]);
    let text = shell.until("END\n").await;
    let mut lines = text.lines();
    for (number, line) in lines.by_ref().enumerate() {
        if line == "END" {
            assert!(number > 100, "it counted");
            break;
        }
        assert_eq!(line, format!("n{number}"));
    }
    assert_eq!(lines.next(), None);
    let expected = String::from_utf8(keys).expect("text");
    let typed = || docker(&["exec", &place.container, "cat", "/tmp/typed"]);
    until("all that was typed has arrived", || typed().len() >= expected.len()).await;
    assert_eq!(typed(), expected, "every key once, in order");
    shell.close().await;
}

#[tokio::test]
async fn the_newest_connection_has_the_shell() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut older = way.open("").await;
    older.key(b"echo o$((1+1))ne\n").await;
    let seen = older.until("o2ne\r\n").await;
    let again = query(&[("session", &older.session), ("received", &seen.len().to_string())]);
    let mut newer = way.open(&again).await;
    assert_eq!(older.error().await, "replaced");
    newer.key(b"echo t$((1+2))wo\n").await;
    let shown = newer.until("t3wo").await;
    assert!(!shown.contains("o2ne"), "nothing comes twice: {shown}");
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_said_and_not_left_out() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut shell = way.open("").await;
    shell.key(b"echo o$((1+1))ne\n").await;
    shell.until("o2ne").await;
    // What was shown is forgotten: the next thing that is heard comes after the acknowledgement.
    shell.key(b"echo t$((1+1))wo\n").await;
    shell.until("t2wo").await;
    for received in ["0", "99999999"] {
        let again = query(&[("session", &shell.session), ("received", received)]);
        let (code, message) = way.try_open(&again).await.map(drop).expect_err("those bytes are not there");
        assert_eq!(code, "lost");
        assert!(message.contains("open a new shell"), "{message}");
    }
}

#[tokio::test]
async fn a_shell_is_attached_to_by_its_owner_alone() {
    let place = Place::new().await;
    let shell = place.way("eve").open("").await;
    let again = query(&[("session", &shell.session), ("received", "0")]);
    for name in ["bob", "admin"] {
        let (code, _) = place.way(name).try_open(&again).await.map(drop).expect_err("it is eve's");
        assert_eq!(code, "not_found", "{name}");
    }
    assert_eq!(place.way("gus").refused(&again).await, 403, "a guest opens no shell");
    place.ground.portal().new_person("zoe").await;
    assert_eq!(place.way("zoe").refused(&again).await, 404, "and a stranger knows of none");
    // The same shell through a task of another project, where eve may open shells.
    let admin = place.ground.portal().person("admin");
    let other = killed::task(&admin, "other").await;
    let path = "/api/v1/projects/other/members/eve";
    admin.put(path, json!({"role": "developer"})).await.expect_status(StatusCode::CREATED).await;
    let elsewhere = Way::of(&place.ground.portal().base, other["id"].as_str().expect("an id"), "eve");
    let (code, _) = elsewhere.try_open(&again).await.map(drop).expect_err("it is in another task");
    assert_eq!(code, "not_found");
    elsewhere.open("").await.close().await;
    place.expel().await;
    assert_eq!(place.way("eve").refused(&again).await, 404, "who was removed finds nothing");
}

#[tokio::test]
async fn a_token_that_is_not_for_shells_opens_none() {
    let place = Place::new().await;
    let shell = place.way("eve").open("").await;
    let eve = place.ground.portal().person("eve");
    let url = place.way("eve").url;
    let bearing = async |scopes: Value| {
        let made = eve.post("/api/v1/me/tokens", json!({"name": "client", "scopes": scopes})).await.expect_status(StatusCode::CREATED).await;
        let token = made["secret"].as_str().expect("a secret");
        Way { url: url.clone(), headers: vec![("authorization", format!("Bearer {token}"))] }
    };
    let again = query(&[("session", &shell.session), ("received", "0")]);
    for scopes in [json!(["read"]), json!(["read", "deploy"])] {
        let narrow = bearing(scopes).await;
        assert_eq!((narrow.refused("").await, narrow.refused(&again).await), (403, 403), "nor does it come back to hers");
    }
    bearing(json!(["read", "shell"])).await.open("").await.close().await;
}

#[tokio::test]
async fn pages_show_their_origin_and_are_told_over_the_websocket() {
    let place = Place::new().await;
    let browser = place.ground.portal().browser("eve").await;
    let base = place.ground.portal().base.clone();
    let mut shell = Way::of_page(&browser, &place.task, &base).open("").await;
    shell.key(b"echo pa$((1+1))ge\n").await;
    shell.until("pa2ge").await;
    assert_eq!(Way::of_page(&browser, &place.task, "https://elsewhere.example").refused("").await, 403);
    let mut silent = Way::of_page(&browser, &place.task, &base);
    silent.headers.retain(|(name, _)| *name != "origin");
    assert_eq!(silent.refused("").await, 403);
    let guest = place.ground.portal().browser("gus").await;
    let (code, message) = Way::of_page(&guest, &place.task, &base).try_open("").await.map(drop).expect_err("a guest opens none");
    assert_eq!(code, "forbidden");
    assert!(message.contains("guest"), "{message}");
}

#[tokio::test]
async fn a_proxy_that_strips_the_upgrade_is_named() {
    let place = Place::new().await;
    let eve = place.ground.portal().person("eve");
    let answer = eve.get(&format!("/ws/tasks/{}/shell", place.task)).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(answer["detail"].as_str().is_some_and(|text| text.contains("proxy") && text.contains("Upgrade")), "{answer}");
}

#[tokio::test]
async fn a_flood_that_nobody_shows_holds_a_mebibyte_and_ctrl_c_ends_it() {
    let place = Place::new().await;
    let mut shell = place.way("eve").open("").await;
    shell.acks = false;
    shell.key(b"busybox yes flood\n").await;
    while (shell.received.len() as u64) < AHEAD {
        shell.hear().await;
    }
    assert_eq!(shell.received.len() as u64, AHEAD, "not a byte more than may be sent ahead");
    let more = timeout(Duration::from_secs(1), shell.socket.next());
    let more = more.await.ok().and_then(|message| message?.ok()).filter(Message::is_binary);
    assert_eq!(more, None, "nothing follows before something was shown");
    assert!(place.processes().contains("yes flood"));
    // The key passes all that waits to be shown: its effect is there before any of it is.
    shell.key(b"\x03").await;
    until("the flood has ended", || !place.processes().contains("yes flood")).await;
    shell.key(b"echo do$((1+1))ne\n").await;
    shell.acks = true;
    shell.ack().await;
    shell.until("do2ne").await;
    // What was on its way in the engine and its pipes comes too.
    assert!((shell.received.len() as u64) < 4 * AHEAD, "what was printed before, and little more: {}", shell.received.len());
}

#[tokio::test]
async fn a_flood_that_is_shown_ends_at_ctrl_c() {
    let place = Place::new().await;
    let mut shell = place.way("eve").open("").await;
    shell.key(b"busybox yes flood\n").await;
    while (shell.received.len() as u64) < 8 * AHEAD {
        shell.hear().await;
    }
    shell.key(b"\x03").await;
    shell.key(b"echo do$((1+1))ne\n").await;
    // A program that went on would never let the next command run.
    shell.until("do2ne").await;
    assert!(!place.processes().contains("yes flood"));
}

#[tokio::test]
async fn a_paste_of_a_mebibyte_arrives_whole_also_when_it_is_echoed() {
    let place = Place::new().await;
    let paste: Vec<u8> = (0..1024 * 1024_u32).map(|at| b'a' + (at.wrapping_mul(2_654_435_761) >> 24) as u8 % 26).collect();
    let sum = domain::keys::hex(&Sha256::digest(&paste));
    let command = "sh -c 'stty raw -echo; printf READY; busybox head -c 1048576 | busybox sha256sum'";
    let mut shell = place.way("eve").open(&query(&[("command", command)])).await;
    shell.until("READY").await;
    shell.key(&paste).await;
    shell.until(&sum).await;
    // As much as comes at once, all of it shown while it is typed: what the client says that it has shown is heard before what it typed is taken.
    let twice = [&paste[..], &paste[..]].concat();
    let sum = domain::keys::hex(&Sha256::digest(&twice));
    let command = "sh -c 'stty raw echo; printf READY; busybox head -c 2097152 | busybox sha256sum'";
    let mut shell = place.way("eve").open(&query(&[("command", command)])).await;
    shell.until("READY").await;
    shell.key(&twice).await;
    shell.until(&sum).await;
    // Shown again byte by byte: both directions at once, by a client that writes it all before it reads.
    let mut shell = place.way("eve").open(&query(&[("command", "sh -c 'stty raw -echo; printf READY; exec cat'")])).await;
    shell.until("READY").await;
    for _ in 0..2 {
        shell.key(&paste).await;
    }
    let wanted = 5 + 2 * paste.len();
    while shell.received.len() < wanted {
        shell.hear().await;
    }
    assert!(shell.received[5..5 + paste.len()] == paste[..] && shell.received[5 + paste.len()..] == paste[..], "every byte, in order");
}

#[tokio::test]
async fn characters_that_are_cut_in_the_middle_are_whole_in_the_end() {
    let place = Place::new().await;
    let mut shell = place.way("eve").open(&query(&[("command", "sh -c 'stty raw -echo; printf READY; exec cat'")])).await;
    shell.until("READY").await;
    let text = "é 漢字 👩‍🚀 \u{1b}[38;2;1;2;3m";
    for byte in text.as_bytes() {
        shell.key(&[*byte]).await;
    }
    assert!(shell.until("3m").await.ends_with(text));
    // What detaches elsewhere, and every other byte, passes.
    let all: Vec<u8> = (0..=255).chain([0x10, 0x11]).collect();
    let before = shell.received.len();
    shell.key(&all).await;
    while shell.received.len() < before + all.len() {
        shell.hear().await;
    }
    assert_eq!(shell.received[before..], all);
}

#[tokio::test]
async fn a_shell_runs_what_is_wanted_as_whom_and_where() {
    let place = Place::new().await;
    let way = place.way("eve");
    let asked = query(&[("command", "busybox sh -c 'busybox id -u; pwd; echo \"a  b\"; exit 3'"), ("user", "65534"), ("workdir", "/tmp")]);
    let mut shell = way.open(&asked).await;
    let Heard::Exit(3) = shell.last_word().await else { panic!("it ends by itself") };
    assert_eq!(shell.text(), "65534\r\n/tmp\r\na  b\r\n");
    for (asked, code, part) in
        [(query(&[("command", "nonsense")]), "command_not_found", "nonsense"), (query(&[("why", &"x".repeat(256))]), "invalid", "why")]
    {
        let (told, message) = way.try_open(&asked).await.map(drop).expect_err("refused");
        assert_eq!(told, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(way.refused(&query(&[("command", "sh -c 'unclosed")])).await, 422);
}

#[tokio::test]
async fn an_image_without_a_shell_says_so_and_still_runs_commands_that_end() {
    let place = Place::with(json!({"image": "bare:1"})).await;
    let way = place.way("eve");
    let (code, message) = way.try_open("").await.map(drop).expect_err("there is no shell");
    assert_eq!(code, "command_not_found");
    assert!(message.contains("this image has no shell"), "{message}");
    let mut shell = way.open(&query(&[("command", "/app/busybox echo hello")])).await;
    let Heard::Exit(0) = shell.last_word().await else { panic!("a command needs no shell") };
    assert_eq!(shell.text(), "hello\r\n");
    // What has no shell to be ended by is ended from outside.
    let shell = way.open(&query(&[("command", "/app/busybox sleep 4713")])).await;
    let processes = || programs(&place.container);
    until("it runs", || processes().contains("sleep 4713")).await;
    shell.close().await;
    until("it is ended", || !processes().contains("sleep 4713")).await;
}

#[tokio::test]
async fn an_account_has_so_many_shells_and_gets_one_again_when_it_ends_one() {
    let place = Place::new().await;
    let way = place.way("eve");
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(way.open("").await);
    }
    // One that is cut off waits for its owner, and counts.
    drop(open.pop());
    let Err(SocketError::Http(refused)) = way.connect("").await else { panic!("the next one is refused") };
    assert_eq!(refused.status().as_u16(), 429);
    let body = String::from_utf8_lossy(refused.body().as_deref().unwrap_or_default()).into_owned();
    assert!(body.contains("too_many_open") && body.contains("32 shells"), "{body}");
    open.pop().expect("one").close().await;
    let again = async { while way.connect("").await.is_err() {} };
    timeout(SOON, again).await.expect("its place is free again");
}

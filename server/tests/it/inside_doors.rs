//! Every door to the inside of a task, on a real engine, for whoever comes to it when they may not any more, by the path of something else, or with
//! a token that is for something else; and what is open when the right to it ends. Who may not by their role stands in `access`.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::ground::{Ground, docker};
use crate::portal::{Browser, Person};

const SOON: Duration = Duration::from_secs(60);
const PROJECT: &str = "/api/v1/projects/shop";
const LOGS: &str = "/api/v1/projects/shop/services/web/logs";
const MEMBER: &str = "/api/v1/projects/shop/members/dora";

/// What a form holds.
type Fields<'a> = Vec<(&'static str, &'a str)>;

/// A service `web` of the project `shop` that has said a line, and a shell that its developer `dora` has open in it, which is recorded. `olga` is
/// the admin of the project `other`, which has a service `web` as well.
struct Inside {
    ground: Ground,
    task: String,
    container: String,
    session: String,
    shell: Socket,
}

impl Inside {
    async fn new() -> Self {
        let ground = Ground::new().await;
        let olga = ground.portal().new_person("olga").await;
        ground.portal().new_project("other", &[("olga", "admin")]).await;
        olga.post("/api/v1/projects/other/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
        ground.service("web").await;
        let command = json!(["sh", "-c", "echo said in shop; exec sleep 100000"]);
        ground.deployed("web", json!({"image": "web:1", "command": command, "update": {"monitor": "0s"}, "stop": {"grace": "0s"}})).await;
        let task = ground.running("web").await.remove(0);
        let text = |key: &str| task[key].as_str().expect("a text").to_owned();
        let (task, container) = (text("id"), text("container"));
        let mut shell = Socket::open(&shell_of(&ground.developer, &task)).await.expect("a shell");
        let session = shell.ready().await;
        let inside = Self { ground, task, container, session, shell };
        let dora = &inside.ground.developer;
        // A recording is written a moment after what it holds, and so is a log.
        until("the recording has begun", async || dora.get(&inside.recording()).await.status() == StatusCode::OK).await;
        until("the line is kept", async || dora.get(LOGS).await.0.text().await.is_ok_and(|text| text.contains("said in shop"))).await;
        inside
    }

    fn recording(&self) -> String {
        format!("{PROJECT}/shells/{}/recording", self.session)
    }

    /// All doors of programs that only look.
    fn doors(&self) -> Vec<String> {
        let Self { task, session, .. } = self;
        let mut doors = vec![LOGS.to_owned(), format!("{LOGS}?follow=true"), format!("{LOGS}?download=true")];
        doors.extend([format!("{PROJECT}/shells"), format!("{PROJECT}/shells/{session}"), self.recording()]);
        doors.extend(["inspect", "processes", "changes", "file?path=%2Fetc%2Fpasswd"].map(|what| format!("/api/v1/tasks/{task}/{what}")));
        doors
    }

    /// All of pages.
    fn pages(&self) -> Vec<String> {
        let Self { task, session, .. } = self;
        let service = ["logs", "logs/stream", "logs/download", "shell", "inspect"].map(|page| format!("/projects/shop/services/web/{page}"));
        let project = ["shells".to_owned(), format!("shells/{session}"), format!("shells/{session}/recording")];
        let task = ["inspection", "file?path=%2Fetc%2Fpasswd"].map(|what| format!("/tasks/{task}/{what}"));
        service.into_iter().chain(project.map(|page| format!("/projects/shop/{page}"))).chain(task).collect()
    }

    /// All server functions that only look, with what they are asked.
    fn functions(&self) -> Vec<(&'static str, Fields<'_>)> {
        let (project, task) = (("project", "shop"), ("task", self.task.as_str()));
        vec![
            ("/fn/logs/page", vec![project, ("service", "web")]),
            ("/fn/logs/inspect", vec![task]),
            ("/fn/inspect/processes", vec![task]),
            ("/fn/inspect/changes", vec![task]),
            ("/fn/inspect/file", vec![task, ("path", "/etc/passwd")]),
            ("/fn/shells/list", vec![project]),
            ("/fn/shells/get", vec![project, ("shell", self.session.as_str())]),
        ]
    }

    /// Every door of pages gives this browser this answer.
    async fn shows(&self, browser: &Browser, status: StatusCode) {
        for page in self.pages() {
            assert_eq!(browser.open(&page).await.status(), status, "{page}");
        }
        for (function, fields) in self.functions() {
            assert_eq!(browser.form(function, &fields).await.status(), status, "{function}");
        }
    }

    async fn open_shells(&self) -> String {
        let admin = self.ground.portal().person("admin");
        admin.get(&format!("{PROJECT}/shells?open=true")).await.expect_status(StatusCode::OK).await["items"].to_string()
    }
}

/// Waits until something that nobody tells of is so.
async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is().await {
        assert!(began.elapsed() < SOON, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What somebody shows at the door of a task's shell.
fn shell_of(person: &Person, task: &str) -> RequestBuilder {
    person.request(Method::GET, &format!("/ws/tasks/{task}/shell"))
}

/// The other end of a shell.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Asks the same by a websocket; the status where it is refused before the upgrade.
    async fn open(asked: &RequestBuilder) -> Result<Self, u16> {
        let asked = asked.try_clone().expect("no body").build().expect("a request");
        let mut request = asked.url().as_str().replacen("http", "ws", 1).into_client_request().expect("a request");
        request.headers_mut().extend(asked.headers().clone());
        match timeout(SOON, connect_async(request)).await.expect("an answer in time") {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(SocketError::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("no websocket: {error}"),
        }
    }

    /// The next word of this type; what else is said is passed over.
    async fn word(&mut self, kind: &str) -> Value {
        let heard = timeout(SOON, async {
            loop {
                let word: Value = match self.0.next().await {
                    Some(Ok(Message::Text(text))) => serde_json::from_str(&text).expect("a word of ours"),
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => continue,
                    other => panic!("it ends without {kind}: {other:?}"),
                };
                if word["type"] == kind {
                    return word;
                }
            }
        });
        heard.await.unwrap_or_else(|_| panic!("no {kind} is said"))
    }

    /// The session's name.
    async fn ready(&mut self) -> String {
        self.word("ready").await["session"].as_str().expect("a session").to_owned()
    }

    /// The code of the error with which it ends.
    async fn error(&mut self) -> String {
        self.word("error").await["code"].as_str().expect("a code").to_owned()
    }
}

/// Somebody reads on to the end of an answer, which comes.
async fn ends(answer: &mut Response) {
    let end = timeout(SOON, async { while let Ok(Some(_)) = answer.chunk().await {} });
    end.await.expect("it ends");
}

/// Reads on until this was said.
async fn says(answer: &mut Response, wanted: &str) {
    let mut text = String::new();
    let said = timeout(SOON, async {
        while !text.contains(wanted) {
            text.push_str(&String::from_utf8_lossy(&answer.chunk().await.expect("no break").expect("more lines")));
        }
    });
    said.await.unwrap_or_else(|_| panic!("{wanted:?} is not said"));
}

async fn following(person: &Person) -> Response {
    let mut answer = person.get(&format!("{LOGS}?follow=true")).await.0;
    assert_eq!(answer.status(), StatusCode::OK);
    says(&mut answer, "said in shop").await;
    answer
}

#[tokio::test]
async fn a_session_that_outlives_its_role_opens_no_door() {
    let mut inside = Inside::new().await;
    let portal = inside.ground.portal();
    let base = portal.base.clone();
    let (browser, stranger) = (portal.browser("dora").await, portal.browser("olga").await);
    let page = |browser: &Browser| browser.request(Method::GET, &format!("/ws/tasks/{}/shell", inside.task)).header("origin", &base);
    let (hers, elsewhere) = (page(&browser), page(&stranger));
    inside.shows(&browser, StatusCode::OK).await;
    inside.shows(&stranger, StatusCode::NOT_FOUND).await;
    for door in inside.doors() {
        assert_eq!(inside.ground.developer.get(&door).await.status(), StatusCode::OK, "{door}");
        assert_eq!(portal.person("olga").get(&door).await.status(), StatusCode::NOT_FOUND, "{door}");
        assert_eq!(portal.nobody().get(&door).await.status(), StatusCode::UNAUTHORIZED, "{door}");
    }
    // A page is told over the websocket, as it cannot read why there is none.
    assert_eq!(Socket::open(&elsewhere).await.expect("a websocket").error().await, "not_found");

    portal.person("admin").delete(MEMBER).await.expect_status(StatusCode::NO_CONTENT).await;
    assert_eq!(inside.shell.error().await, "not_found", "the open one ends");
    inside.shows(&browser, StatusCode::NOT_FOUND).await;
    let csrf = browser.csrf().await;
    let fields = [("csrf", csrf.as_str()), ("project", "shop"), ("shell", inside.session.as_str())];
    assert_eq!(browser.form("/fn/shells/end", &fields).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(Socket::open(&hers).await.expect("a websocket").error().await, "not_found");
    let dora = &inside.ground.developer;
    for door in inside.doors() {
        assert_eq!(dora.get(&door).await.status(), StatusCode::NOT_FOUND, "{door}");
    }
    assert_eq!(dora.delete(&format!("{PROJECT}/shells/{}", inside.session)).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(Socket::open(&shell_of(dora, &inside.task)).await.err(), Some(404));
}

#[tokio::test]
async fn who_becomes_a_guest_loses_what_guests_may_not_and_keeps_the_rest() {
    let mut inside = Inside::new().await;
    let dora = inside.ground.developer.clone();
    let mut log = following(&dora).await;
    docker(&["exec", &inside.container, "busybox", "truncate", "-s", "4G", "/sparse"]);
    let mut file = dora.get(&format!("/api/v1/tasks/{}/file?path=%2Fsparse", inside.task)).await.0;
    assert!(!file.chunk().await.expect("bytes").expect("bytes").is_empty());
    let admin = inside.ground.portal().person("admin");
    assert!(admin.put(MEMBER, json!({"role": "guest"})).await.status().is_success());
    assert_eq!(inside.shell.error().await, "forbidden");
    let mut taken = 0;
    let cut = timeout(SOON, async {
        while let Ok(Some(piece)) = file.chunk().await {
            taken += piece.len();
        }
    });
    cut.await.expect("it ends");
    assert!(taken < (4 << 30), "the file is cut with the role");
    until("the shell is over", async || !inside.open_shells().await.contains(&inside.session)).await;
    docker(&["exec", &inside.container, "sh", "-c", "echo and then > /proc/1/fd/1"]);
    says(&mut log, "and then").await;
    for door in inside.doors() {
        let shells = door.contains("/shells") || door.contains("/file");
        let status = if shells { StatusCode::FORBIDDEN } else { StatusCode::OK };
        assert_eq!(dora.get(&door).await.status(), status, "{door}");
    }
    assert_eq!(Socket::open(&shell_of(&dora, &inside.task)).await.err(), Some(403));
}

#[tokio::test]
async fn what_a_token_opened_ends_with_it_and_what_an_account_opened_with_that() {
    let mut inside = Inside::new().await;
    let dora = inside.ground.developer.clone();
    let wanted = json!({"name": "client", "scopes": ["read", "shell"]});
    let made = dora.post("/api/v1/me/tokens", wanted).await.expect_status(StatusCode::CREATED).await;
    let client = dora.bearing(made["secret"].as_str().expect("a secret"));
    let mut shell = Socket::open(&shell_of(&client, &inside.task)).await.expect("a shell");
    shell.ready().await;
    let (mut log, mut other) = (following(&client).await, following(&dora).await);
    dora.delete(&format!("/api/v1/me/tokens/{}", made["token"]["id"].as_str().expect("an id"))).await.expect_status(StatusCode::NO_CONTENT).await;
    assert_eq!(shell.error().await, "unauthenticated");
    ends(&mut log).await;
    for door in inside.doors() {
        assert_eq!(client.get(&door).await.status(), StatusCode::UNAUTHORIZED, "{door}");
    }
    assert_eq!(Socket::open(&shell_of(&client, &inside.task)).await.err(), Some(401));
    // What rests on her password goes on.
    assert!(inside.open_shells().await.contains(&inside.session));
    docker(&["exec", &inside.container, "sh", "-c", "echo and then > /proc/1/fd/1"]);
    says(&mut other, "and then").await;

    let admin = inside.ground.portal().person("admin");
    admin.patch("/api/v1/users/dora", json!({"disabled": true})).await.expect_status(StatusCode::OK).await;
    assert_eq!(inside.shell.error().await, "unauthenticated");
    ends(&mut other).await;
}

#[tokio::test]
async fn the_path_of_ones_own_project_leads_to_nothing_of_another() {
    let inside = Inside::new().await;
    let portal = inside.ground.portal();
    let admin = portal.person("admin");
    let member = "/api/v1/projects/other/members/dora";
    admin.put(member, json!({"role": "admin"})).await.expect_status(StatusCode::CREATED).await;
    let (session, task) = (&inside.session, &inside.task);
    // Dora may see both; but it is no shell of that project, and no task of that service.
    for name in ["olga", "dora"] {
        let person = portal.person(name);
        let shell = format!("/api/v1/projects/other/shells/{session}");
        for door in [shell.clone(), format!("{shell}/recording")] {
            assert_eq!(person.get(&door).await.status(), StatusCode::NOT_FOUND, "{name} at {door}");
        }
        assert_eq!(person.delete(&shell).await.status(), StatusCode::NOT_FOUND, "{name}");
        let logs = format!("/api/v1/projects/other/services/web/logs?tail=all&task={task}");
        assert_eq!(person.get(&logs).await.expect_status(StatusCode::OK).await, json!(""), "{name}");

        let browser = portal.browser(name).await;
        for page in [format!("/projects/other/shells/{session}"), format!("/projects/other/shells/{session}/recording")] {
            assert_eq!(browser.open(&page).await.status(), StatusCode::NOT_FOUND, "{name} at {page}");
        }
        let csrf = browser.csrf().await;
        let fields = [("csrf", csrf.as_str()), ("project", "other"), ("shell", session.as_str())];
        for function in ["/fn/shells/get", "/fn/shells/end"] {
            assert_eq!(browser.form(function, &fields).await.status(), StatusCode::NOT_FOUND, "{name} at {function}");
        }
        let fields = [("project", "other"), ("service", "web"), ("filter[task]", task.as_str())];
        let page: Value = browser.form("/fn/logs/page", &fields).await.json().await.expect("a page");
        assert_eq!(page["lines"], json!([]), "{name}: {page}");
    }
    let listed = admin.get("/api/v1/projects/other/shells").await.expect_status(StatusCode::OK).await;
    assert_eq!(listed["items"], json!([]));
    assert!(inside.open_shells().await.contains(session), "nobody ended it");
}

#[tokio::test]
async fn a_token_for_something_else_opens_nothing() {
    let inside = Inside::new().await;
    let dora = &inside.ground.developer;
    for (scopes, look, enter) in [
        (json!(["read"]), StatusCode::OK, StatusCode::FORBIDDEN),
        (json!(["push"]), StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        (json!(["read", "shell"]), StatusCode::OK, StatusCode::OK),
    ] {
        let made = dora.post("/api/v1/me/tokens", json!({"name": "narrow", "scopes": scopes})).await.expect_status(StatusCode::CREATED).await;
        let narrow = dora.bearing(made["secret"].as_str().expect("a secret"));
        for door in inside.doors() {
            let expected = if door.contains("/shells") || door.contains("/file") { enter } else { look };
            assert_eq!(narrow.get(&door).await.status(), expected, "{scopes} at {door}");
        }
        if enter == StatusCode::FORBIDDEN {
            let end = narrow.delete(&format!("{PROJECT}/shells/{}", inside.session)).await.status();
            assert_eq!(end, StatusCode::FORBIDDEN, "{scopes}");
            assert_eq!(Socket::open(&shell_of(&narrow, &inside.task)).await.err(), Some(403), "{scopes}");
        }
    }
    assert!(inside.open_shells().await.contains(&inside.session));
}

/// Puts a link to the secrets in the place of the folder and takes it away again, until it is told to stop.
const SWAP: &str = "\
busybox mkdir /swap; echo harmless >/swap/0
while ! busybox test -e /stop; do busybox mv /swap /aside; busybox ln -s /run/slipway/secrets /swap; busybox rm /swap; busybox mv /aside /swap; done
exec busybox sleep 100000";

#[tokio::test]
async fn a_link_that_is_put_in_the_place_of_a_folder_leads_to_no_secret() {
    let ground = Ground::new().await;
    let dora = &ground.developer;
    dora.put(&format!("{PROJECT}/secrets/key"), json!({"value": "hunter2-in-a-file"})).await.expect_status(StatusCode::OK).await;
    ground.service("app").await;
    let descriptor = json!({
        "image": "web:1", "command": ["sh", "-c", SWAP], "update": {"monitor": "0s"}, "stop": {"grace": "0s"},
        "secrets": [{"name": "key", "path": "/etc/key"}],
    });
    ground.deployed("app", descriptor).await;
    let task = ground.running("app").await.remove(0);
    let text = |key: &str| task[key].as_str().expect("a text").to_owned();
    let door = format!("/api/v1/tasks/{}/file?path=%2Fswap%2F0", text("id"));
    let taken = async || {
        let answer = dora.get(&door).await.0;
        let status = answer.status();
        // One that breaks off says less than all of it, never something else.
        let body = answer.text().await.unwrap_or_default();
        assert!(!body.contains("hunter2"), "{status}: {body}");
        assert!(status != StatusCode::OK || body == "harmless\n", "{body:?}");
        status == StatusCode::OK
    };
    for _ in 0..150 {
        taken().await;
    }
    docker(&["exec", &text("container"), "busybox", "touch", "/stop"]);
    until("the file is taken when nobody meddles", taken).await;
}

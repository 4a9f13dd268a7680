//! Looking into a task on a real engine: its inspection and processes without its secrets, its changed files, and one file of it, byte for byte,
//! for those who may open a shell there. What may not be taken out is refused, and says why.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker};
use crate::portal::Person;

/// What the task makes before it waits: something of each sort that a path may lead to, and one file with every byte there is.
const MAKE: &str = "\
busybox mkdir -p /made/deep; echo text >/made/deep/text; busybox rm /www/index.html; echo root:x:0:0::/:/bin/sh >/etc/passwd
busybox awk 'BEGIN{for(i=0;i<256;i++)printf \"\\\\%03o\",i}' >/tmp/codes; busybox printf \"$(cat /tmp/codes)\" >/made/bytes
busybox ln -s ../made/deep/text /etc/link; busybox ln -s /etc /way; busybox ln -s /nowhere /broken; busybox ln -s /loop /loop
busybox ln -s /etc/key /second; busybox ln -s /run/slipway /around; busybox ln -s .. /made/deep/up
busybox mkfifo /pipe; busybox mknod /device c 1 3; busybox truncate -s 3M /sparse; echo long >'/made/a \"quoted\" ü.txt'
echo made >/made/done";

/// The task's only container, its id, and people of each sort: the developer is the ground's own.
struct Seen {
    ground: Ground,
    task: String,
    container: String,
    guest: Person,
    stranger: Person,
}

impl Seen {
    /// A service whose task got secrets in every way there is.
    async fn new() -> Self {
        let ground = Ground::new().await;
        let guest = ground.portal().new_person("gus").await;
        let stranger = ground.portal().new_person("sam").await;
        let admin = ground.portal().person("admin");
        admin.put("/api/v1/projects/shop/members/gus", json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
        for (name, value) in [("key", "hunter2-in-a-file"), ("harmless", "hunter2-in-a-variable"), ("pin", "h2")] {
            let path = format!("/api/v1/projects/shop/secrets/{name}");
            ground.developer.put(&path, json!({"value": value})).await.expect_status(StatusCode::OK).await;
        }
        ground.service("app").await;
        // A secret in a variable is in the engine's description; in an argument, for everybody to read, when a program is called with it.
        let run = format!("{MAKE}; busybox sleep 1000 & busybox sh -c 'sleep 1000; :' arg $HARMLESS --pin=$PIN --token=$TOKEN");
        let app = json!({
            "image": "web:1", "command": ["sh", "-c", run], "update": {"monitor": "0s"}, "stop": {"grace": "0s"},
            "env": {"TOKEN": "hunter2-of-the-descriptor"},
            "secrets": [{"name": "key", "path": "/etc/key"}, {"name": "harmless", "env": "HARMLESS"}, {"name": "pin", "env": "PIN"}],
            "health": {"command": ["sh", "-c", "echo it said $HARMLESS and $TOKEN; busybox test -e /made/done"], "interval": "2s", "timeout": "2s", "retries": 30, "start_period": "0s"},
        });
        ground.deployed("app", app).await;
        let task = ground.running("app").await[0].clone();
        let text = |field: &str| task[field].as_str().expect("a text").to_owned();
        let (task, container) = (text("id"), text("container"));
        ground.until("app", "it is healthy: all is made, and its check said something", |tasks| tasks[0]["health"] == "healthy").await;
        Self { ground, task, container, guest, stranger }
    }

    fn at(&self, what: &str) -> String {
        format!("/api/v1/tasks/{}/{what}", self.task)
    }

    async fn looked(&self, person: &Person, what: &str) -> Value {
        person.get(&self.at(what)).await.expect_status(StatusCode::OK).await
    }

    async fn file(&self, person: &Person, path: &str) -> reqwest::Response {
        person.get(&self.at(&format!("file?path={}", escaped(path)))).await.0
    }

    /// Why a file is refused, with the status that says the same.
    async fn refused(&self, path: &str) -> (StatusCode, String) {
        let answer = self.file(&self.ground.developer, path).await;
        let status = answer.status();
        assert!(!status.is_success(), "{path} is no file to take out");
        let problem: Value = answer.json().await.expect("a problem");
        (status, problem["detail"].as_str().expect("a detail").to_owned())
    }
}

fn escaped(path: &str) -> String {
    path.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn secrets_are_nowhere_in_what_is_told_of_a_task() {
    let seen = Seen::new().await;
    assert!(docker(&["inspect", &seen.container]).contains("it said hunter2-in-a-variable"), "the engine itself tells it");
    assert!(docker(&["top", &seen.container]).contains("hunter2-of-the-descriptor"));
    let inspected = seen.looked(&seen.guest, "inspect").await;
    assert_eq!(inspected["Id"], json!(seen.container));
    let text = inspected.to_string();
    assert!(!text.contains("hunter2") && text.contains("it said (hidden) and (hidden)"), "{text}");
    assert!(text.contains("HARMLESS=(hidden)") && text.contains("PIN=(hidden)") && text.contains("TOKEN=(hidden)"), "{text}");

    let processes = seen.looked(&seen.guest, "processes").await;
    let columns: Vec<&str> = processes["columns"].as_array().expect("columns").iter().filter_map(Value::as_str).collect();
    let rows = processes["items"].as_array().expect("rows");
    assert!(columns.contains(&"PID") && processes["total"] == json!(rows.len()) && rows.len() >= 2, "{processes}");
    assert!(rows.iter().all(|row| row.as_array().expect("values").len() == columns.len()), "{processes}");
    let text = processes.to_string();
    assert!(!text.contains("hunter2") && text.contains("arg (hidden) --pin=(hidden) --token=(hidden)"), "{text}");

    let browser = seen.ground.portal().browser("gus").await;
    for show in ["", "processes", "changes"] {
        let page = browser.open(&format!("/projects/shop/services/app/inspect?show={show}")).await;
        assert_eq!(page.status(), StatusCode::OK, "{show}");
        let page = page.text().await.expect("a page");
        assert!(!page.contains("hunter2-"), "{show}: {page}");
        assert!(show != "processes" || page.contains("--pin=(hidden)"), "{page}");
        assert!(show != "changes" || page.contains("/made/deep/text"), "{page}");
    }
    let kept = browser.open(&format!("/tasks/{}/inspection", seen.task)).await;
    assert!(kept.headers()["content-disposition"].to_str().expect("text").starts_with("attachment; filename=\"app.1.json\""));
    let kept = kept.text().await.expect("JSON");
    assert!(!kept.contains("hunter2") && kept.contains(&seen.container), "{kept}");
}

#[tokio::test]
async fn what_changed_is_told_in_pages_and_by_what_it_is() {
    let seen = Seen::new().await;
    let changes = seen.looked(&seen.guest, "changes?limit=1000").await;
    let items = changes["items"].as_array().expect("items");
    let paths: Vec<&str> = items.iter().filter_map(|item| item["path"].as_str()).collect();
    let kind = |path: &str| items.iter().find(|item| item["path"] == path).map(|item| item["kind"].as_str().expect("a kind"));
    assert_eq!(
        (kind("/made/deep/text"), kind("/www/index.html"), kind("/etc/passwd")),
        (Some("added"), Some("deleted"), Some("changed")),
        "{changes}"
    );
    assert_eq!((changes["total"].clone(), changes["found"].clone()), (json!(paths.len()), json!(paths.len())));
    // As the engine's own client tells it, in the order of a tree.
    let told = docker(&["diff", &seen.container]);
    let mut told: Vec<&str> = told.lines().filter_map(|line| line.get(2..)).collect();
    told.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    assert_eq!(paths, told);

    let made = seen.looked(&seen.guest, "changes?q=%2Fmade&kind=added").await;
    assert_eq!((made["total"].clone(), made["found"].clone()), (changes["total"].clone(), json!(7)), "{made}");
    // Page by page it is the same.
    let (mut after, mut by_page) = (String::new(), Vec::new());
    loop {
        let page = seen.looked(&seen.guest, &format!("changes?limit=3&after={}", escaped(&after))).await;
        by_page.extend(page["items"].as_array().expect("items").iter().map(|item| item["path"].as_str().expect("a path").to_owned()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(by_page, paths);
    // However many there are, all are counted and no more are told than a page of them.
    let many = "busybox mkdir /many; for i in $(busybox seq 20000); do : >/many/$i; done";
    docker(&["exec", &seen.container, "sh", "-c", many]);
    let counted = seen.looked(&seen.guest, "changes?q=%2Fmany%2F&limit=5000").await;
    assert_eq!((counted["found"].clone(), counted["items"].as_array().expect("items").len()), (json!(20_000), 1_000));
    assert!(counted["total"].as_u64() > changes["total"].as_u64().map(|total| total + 20_000) && counted["next"].is_string());
    let wrong = seen.guest.get(&seen.at("changes?kind=new")).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(wrong["errors"].to_string().contains("added, changed, deleted"), "{wrong}");
}

#[tokio::test]
async fn a_file_comes_out_as_it_is_and_it_is_on_record_who_took_it() {
    let seen = Seen::new().await;
    let answer = seen.file(&seen.ground.developer, "/made/bytes").await;
    assert_eq!((answer.status(), answer.content_length()), (StatusCode::OK, Some(256)));
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"bytes\"; filename*=UTF-8''bytes");
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.bytes().await.expect("bytes").to_vec(), (0..=255).collect::<Vec<u8>>());

    // Links lead where they lead for the task's own programs, also in the middle of a path, and never out of it.
    for path in ["/etc/link", "/way/link", "/way/../made/deep/text", "/made/deep/up/deep/text", "/../../made//deep/./text"] {
        let answer = seen.file(&seen.ground.developer, path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.text().await.expect("text"), "text\n", "{path}");
    }
    let sparse = seen.file(&seen.ground.developer, "/sparse").await.bytes().await.expect("bytes");
    assert!(sparse.len() == 3 << 20 && sparse.iter().all(|byte| *byte == 0));
    let named = seen.file(&seen.ground.developer, "/made/a \"quoted\" ü.txt").await;
    let name = named.headers()["content-disposition"].to_str().expect("ASCII").to_owned();
    assert_eq!(name, "attachment; filename=\"a _quoted_ _.txt\"; filename*=UTF-8''a%20%22quoted%22%20%C3%BC.txt");

    let admin = seen.ground.portal().person("admin");
    let audit = admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records").iter().filter(|record| record["action"] == "file.download");
    let took: Vec<&Value> = records.filter(|record| record["actor"] == "dora" && record["target"] == json!(seen.task)).collect();
    assert_eq!(took.len(), 8, "{audit}");
    let linked = took.iter().find(|record| record["detail"]["path"] == "/way/link").expect("it is there");
    assert_eq!((linked["detail"]["leads_to"].clone(), linked["detail"]["size"].clone()), (json!("/made/deep/text"), json!(5)));

    // The same by the page, which says first what would come.
    let browser = seen.ground.portal().browser("dora").await;
    let page = browser.open("/projects/shop/services/app/inspect?show=file&path=%2Fetc%2Flink").await.text().await.expect("a page");
    let link = format!("/tasks/{}/file?path=%2Fetc%2Flink", seen.task);
    assert!(page.contains("/made/deep/text") && page.contains(&link), "{page}");
    assert_eq!(browser.open(&link).await.text().await.expect("text"), "text\n");
}

#[tokio::test]
async fn what_is_no_file_is_refused_and_said() {
    let seen = Seen::new().await;
    let not_a_file = [
        ("/etc", "/etc is a folder; name a file in it"),
        ("/", "a folder"),
        ("/way", "a folder"),
        ("/device", "a device"),
        ("/pipe", "a pipe"),
        ("/loop", "lead to itself"),
        ("/made/bytes/below", "/made/bytes is no folder"),
    ];
    for (path, said) in not_a_file {
        let (status, detail) = seen.refused(path).await;
        assert_eq!(status, StatusCode::CONFLICT, "{path}: {detail}");
        assert!(detail.contains(said), "{path}: {detail}");
    }
    for path in ["/nowhere", "/broken", "/made/deep/nothing", "/www/index.html", "/nowhere/../etc/passwd"] {
        assert_eq!(seen.refused(path).await, (StatusCode::NOT_FOUND, "no such file in this task".into()), "{path}");
    }
    for path in ["", "etc/passwd", "/a\0b", &format!("/{}", "a".repeat(4096))] {
        let (status, detail) = seen.refused(path).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path:?}: {detail}");
    }
    let deep = "/a".repeat(2_000);
    assert_eq!(seen.refused(&deep).await.0, StatusCode::CONFLICT, "the engine is not asked two thousand times");
    // What the machine or the kernel holds is not the task's: its processes' variables are in no file of it.
    assert_eq!(seen.refused("/proc/1/environ").await.0, StatusCode::NOT_FOUND);
    let page = seen.ground.portal().browser("dora").await.open("/projects/shop/services/app/inspect?show=file&path=%2Fetc").await;
    assert!(page.text().await.expect("a page").contains("/etc is a folder; name a file in it"));
}

#[tokio::test]
async fn a_secret_file_is_taken_out_by_nobody_however_it_is_called() {
    let seen = Seen::new().await;
    for path in [
        "/etc/key",
        "/run/slipway/secrets/0",
        "/run/slipway/secrets",
        "/second",
        "/way/key",
        "/around/secrets/0",
        "/run//slipway/./x/../secrets/0",
        "/made/deep/up/../run/slipway/secrets/.complete",
    ] {
        let (status, detail) = seen.refused(path).await;
        // A folder that is not there leads nowhere, and not past itself.
        if path.contains("/x/") {
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {detail}");
            continue;
        }
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {detail}");
        assert!(detail.contains("holds a secret"), "{path}: {detail}");
    }
    let admin = seen.ground.portal().person("admin");
    let (status, path) = (StatusCode::FORBIDDEN, seen.at("file?path=%2Fetc%2Fkey"));
    admin.get(&path).await.expect_status(status).await;
    let audit = admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    assert!(!audit.to_string().contains("file.download"), "what was refused was not taken: {audit}");
}

#[tokio::test]
async fn who_may_not_open_a_shell_gets_no_file_and_strangers_nothing() {
    let seen = Seen::new().await;
    let doors = ["inspect", "processes", "changes", "file?path=%2Fetc%2Fpasswd"];
    for what in doors {
        seen.stranger.get(&seen.at(what)).await.expect_status(StatusCode::NOT_FOUND).await;
        let guest = seen.guest.get(&seen.at(what)).await.status();
        assert_eq!(guest, if what.starts_with("file") { StatusCode::FORBIDDEN } else { StatusCode::OK }, "{what}");
    }
    let browser = seen.ground.portal().browser("gus").await;
    let link = format!("/tasks/{}/file?path=%2Fetc%2Fpasswd", seen.task);
    assert_eq!(browser.open(&link).await.status(), StatusCode::FORBIDDEN);
    let page = browser.open("/projects/shop/services/app/inspect?show=changes").await.text().await.expect("a page");
    assert!(!page.contains("Get a file") && !page.contains("show=file"), "nothing is offered that would be refused: {page}");

    // A download is cut when its taker loses the role.
    let admin = seen.ground.portal().person("admin");
    docker(&["exec", &seen.container, "busybox", "truncate", "-s", "4G", "/sparse"]);
    let mut long = seen.file(&seen.ground.developer, "/sparse").await;
    assert_eq!(long.content_length(), Some(4 << 30));
    assert!(!long.chunk().await.expect("bytes").expect("bytes").is_empty());
    admin.delete("/api/v1/projects/shop/members/dora").await.expect_status(StatusCode::NO_CONTENT).await;
    let mut taken = 0;
    let cut = async {
        while let Ok(Some(piece)) = long.chunk().await {
            taken += piece.len();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), cut).await.expect("it ends");
    assert!(taken < (4 << 30), "it was cut with the role");
    seen.ground.developer.get(&seen.at("file?path=%2Fetc%2Fpasswd")).await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn processes_are_in_a_running_task_alone() {
    let seen = Seen::new().await;
    docker(&["kill", &seen.container]);
    let ended = |tasks: &[Value]| tasks.iter().any(|task| task["id"] == json!(seen.task) && task["state"] != "running");
    seen.ground.until("app", "it ends", ended).await;
    let answer = seen.ground.developer.get(&seen.at("processes")).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(answer["code"], "not_running", "{answer}");
}

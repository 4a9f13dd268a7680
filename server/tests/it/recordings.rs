//! Recordings of shells: who may watch them, how long they are kept, and what is in them. Without an engine shells are planted; what a real one
//! leaves behind is in `real`.

mod real;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use domain::{Signal, args};
use model::ids::{ShellId, TaskId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::world::{RECORDING, plant_shell, plant_task};
use crate::portal::{Person, TestPortal};
use crate::push::push;

const SHELLS: &str = "/api/v1/projects/shop/shells";
const SOON: Duration = Duration::from_secs(90);

/// The project `shop` with a task, in which the developer `dee` has a shell open. `dan` is another developer.
struct Stage {
    portal: TestPortal,
    admin: Person,
    task: TaskId,
    shell: ShellId,
}

impl Stage {
    async fn set() -> Self {
        let portal = TestPortal::start_with_clock().await;
        let dee = portal.new_person("dee").await;
        portal.new_person("dan").await;
        portal.new_project("shop", &[("dee", "developer"), ("dan", "developer")]).await;
        push(&dee, "shop/web", "1", b"a layer").await;
        let services = "/api/v1/projects/shop/services";
        dee.post(services, json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
        let wanted = json!({"descriptor": {"image": "web:1"}});
        let deployed = dee.post(&format!("{services}/web/deployments"), wanted).await.expect_status(StatusCode::ACCEPTED).await;
        let task = plant_task(&portal, deployed["id"].as_str().expect("an id")).await;
        let shell = plant_shell(&portal, task, "dee").await;
        let admin = portal.person("admin");
        Self { portal, admin, task, shell }
    }

    /// Waits until a recording is gone: its file goes first, then its row says so.
    async fn gone(&self, shell: ShellId) {
        let path = format!("{SHELLS}/{shell}");
        within("the end of a recording", async || self.admin.get(&path).await.expect_status(StatusCode::OK).await["gone"] == true).await;
        assert_eq!(self.admin.get(&format!("{path}/recording")).await.status(), StatusCode::NOT_FOUND);
    }

    fn path(&self) -> String {
        format!("{SHELLS}/{}", self.shell)
    }

    /// Where the recording of the shell is.
    fn file(&self) -> PathBuf {
        let projects = std::fs::read_dir(self.portal.folder().join("recordings")).expect("a folder");
        let folders = projects.map(|entry| entry.expect("a folder").path());
        let name = format!("{}.cast", self.shell);
        folders.map(|folder| folder.join(&name)).find(|file| file.exists()).expect("a recording")
    }

    /// The shell ended just now.
    #[expect(clippy::disallowed_methods, reason = "a shell that was planted does not end by itself")]
    async fn over(&self, shell: ShellId) {
        let mut write = self.portal.platform().bookkeeping().await.expect("a transaction");
        let sql = "UPDATE shells SET ended_at = $2, ended_why = 'left', recording_bytes = $3 WHERE id = $1";
        write.exec(sql, args![shell, self.portal.platform().now(), RECORDING.len() as i64]).await.expect("an end");
        write.finish().await.expect("kept");
    }

    fn later(&self, days: u64) {
        self.portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(days * 86_400));
        self.portal.platform().signal(Signal::Recordings).notify_one();
    }
}

async fn within(what: &str, done: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < SOON, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("items").iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

/// The statuses of the list, the shell, its recording and its end.
async fn statuses(person: &Person, shell: &str) -> [u16; 4] {
    let one = format!("{SHELLS}/{shell}");
    [
        person.get(SHELLS).await.status().as_u16(),
        person.get(&one).await.status().as_u16(),
        person.get(&format!("{one}/recording")).await.status().as_u16(),
        person.delete(&one).await.status().as_u16(),
    ]
}

#[tokio::test]
async fn who_may_not_watch_is_refused_at_every_door() {
    let stage = Stage::set().await;
    let shell = stage.shell.to_string();
    let people = &stage.portal;
    let (gus, rex) = (people.new_person("gus").await, people.new_person("rex").await);
    let stranger = people.new_person("sam").await;
    let member = |name: &str| format!("/api/v1/projects/shop/members/{name}");
    for (name, role) in [("gus", "guest"), ("rex", "developer")] {
        stage.admin.put(&member(name), json!({"role": role})).await.expect_status(StatusCode::CREATED).await;
    }
    let his = plant_shell(people, stage.task, "rex").await.to_string();
    assert_eq!(rex.get(&format!("{SHELLS}/{his}/recording")).await.status(), StatusCode::OK, "as long as he is a developer");
    stage.admin.delete(&member("rex")).await.expect_status(StatusCode::NO_CONTENT).await;
    let robot = json!({"name": "ci", "role": "developer", "scopes": ["read", "shell"]});
    let robot = stage.admin.post("/api/v1/projects/shop/robots", robot).await.expect_status(StatusCode::CREATED).await;
    let robot = stage.admin.named(robot["username"].as_str().expect("a name"), robot["secret"].as_str().expect("a secret"));
    let dee = people.person("dee");
    let token = json!({"name": "reader", "scopes": ["read", "deploy"]});
    let token = dee.post("/api/v1/me/tokens", token).await.expect_status(StatusCode::CREATED).await;
    let narrow = dee.clone().with_secret(token["secret"].as_str().expect("a secret"));

    assert_eq!(statuses(&people.nobody(), &shell).await, [401; 4]);
    assert_eq!(statuses(&stranger, &shell).await, [404; 4]);
    assert_eq!(statuses(&gus, &shell).await, [403, 404, 404, 404]);
    assert_eq!(statuses(&people.person("dan"), &shell).await, [200, 404, 404, 404]);
    assert_eq!(statuses(&robot, &shell).await, [200, 404, 404, 404]);
    assert_eq!(statuses(&rex, &his).await, [404; 4], "his own, too");
    assert_eq!(statuses(&narrow, &shell).await, [403; 4], "a token that is not for shells");

    for (name, status) in [("sam", 404), ("gus", 404), ("rex", 404), ("dan", 404)] {
        let browser = people.browser(name).await;
        let page = format!("/projects/shop/shells/{shell}");
        assert_eq!(browser.open(&format!("{page}/recording")).await.status().as_u16(), status, "{name}");
        assert_eq!(browser.open(&page).await.status().as_u16(), status, "{name}");
        let csrf = browser.csrf().await;
        let fields = [("csrf", csrf.as_str()), ("project", "shop"), ("shell", shell.as_str())];
        for function in ["/fn/shells/get", "/fn/shells/end"] {
            assert_eq!(browser.form(function, &fields).await.status().as_u16(), status, "{function} as {name}");
        }
    }
    let open = stage.admin.get(&format!("{SHELLS}?open=true")).await.expect_status(StatusCode::OK).await;
    assert_eq!(ids(&open), [his.as_str(), shell.as_str()], "nobody ended anything");
    // A guest again, the owner does not watch what they did as a developer.
    stage.admin.put(&member("dee"), json!({"role": "guest"})).await.expect_status(StatusCode::CREATED).await;
    assert_eq!(statuses(&dee, &shell).await, [403; 4]);
}

#[tokio::test]
async fn a_developer_sees_their_own_shells_and_an_admin_everybodys() {
    let stage = Stage::set().await;
    let (dee, dan) = (stage.portal.person("dee"), stage.portal.person("dan"));
    let his = plant_shell(&stage.portal, stage.task, "dan").await;
    stage.over(his).await;
    let (hers, his) = (stage.shell.to_string(), his.to_string());
    let list = async |person: &Person, query: &str| person.get(&format!("{SHELLS}{query}")).await.expect_status(StatusCode::OK).await;
    assert_eq!(ids(&list(&dee, "").await), [hers.as_str()]);
    assert_eq!(ids(&list(&dan, "").await), [his.as_str()]);
    let all = list(&stage.admin, "").await;
    assert_eq!(ids(&all), [his.as_str(), hers.as_str()], "the newest first");
    assert_eq!(ids(&list(&stage.admin, "?open=true").await), [hers.as_str()]);
    assert_eq!(ids(&list(&stage.admin, "?open=false&service=web").await), [his.as_str()]);
    assert!(ids(&list(&stage.admin, "?service=other").await).is_empty());
    let first = stage.admin.get(&format!("{SHELLS}?limit=1")).await;
    let link = first.0.headers()["link"].to_str().expect("a link").to_owned();
    let next = link.trim_start_matches('<').split('>').next().expect("a path");
    assert_eq!(ids(&stage.admin.get(next).await.expect_status(StatusCode::OK).await), [hers.as_str()]);
    let refused = stage.admin.get(&format!("{SHELLS}?open=maybe")).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "open");

    let view = dee.get(&stage.path()).await.expect_status(StatusCode::OK).await;
    let told = ["service", "slot", "by", "address", "why", "open", "recorded", "gone"].map(|name| view[name].clone());
    let expected = [json!("web"), json!(1), json!("dee"), json!("192.0.2.7"), json!("a look"), json!(true), json!(true), json!(false)];
    assert_eq!(told, expected, "{view}");
    assert_eq!((&view["size"], &view["bytes"]), (&json!([91, 33]), &json!(RECORDING.len())));

    let page = stage.portal.browser("dan").await.open("/projects/shop/shells").await.text().await.expect("a page");
    assert!(page.contains(&his) && !page.contains(&hers), "dan sees his own alone");
    let page = stage.portal.browser("admin").await.open("/projects/shop/shells").await.text().await.expect("a page");
    assert!(page.contains(&his) && page.contains(&hers) && page.contains("a look"));
    assert!(page.find("Open now").expect("a heading") < page.find(&hers).expect("a row"));
}

#[tokio::test]
async fn a_recording_whose_portal_was_killed_is_read_up_to_its_last_whole_line() {
    let stage = Stage::set().await;
    let browser = stage.portal.browser("dee").await;
    let by_page = browser.request(Method::GET, &format!("/projects/shop/shells/{}/recording", stage.shell)).send().await.expect("an answer");
    let by_program = stage.portal.person("dee").get(&format!("{}/recording", stage.path())).await.0;
    for answer in [by_page, by_program] {
        assert_eq!(answer.status(), StatusCode::OK);
        let header = |name: &str| answer.headers()[name].to_str().expect("readable").to_owned();
        assert_eq!(header("content-type"), "application/x-asciicast");
        let name = header("content-disposition");
        assert!(name.starts_with("attachment; filename=\"web-20") && name.ends_with("Z.cast\""), "{name}");
        let text = answer.text().await.expect("the whole body");
        assert!(text.ends_with('\n'));
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        assert_eq!(lines[0]["version"], 2);
        assert_eq!(lines[1..], [json!([0.5, "o", "$ "]), json!([1.25, "o", "ls\r\n"])]);
    }
}

#[tokio::test]
async fn an_account_reads_so_many_recordings_at_the_same_time() {
    let stage = Stage::set().await;
    // More than a connection holds, so that no reading comes to its end while nobody takes it.
    let header = RECORDING.lines().next().expect("a header");
    let line = format!("[1.0,\"o\",\"{}\"]\n", "x".repeat(1 << 20));
    std::fs::write(stage.file(), format!("{header}\n{}", line.repeat(48))).expect("a recording");
    let recording = format!("{}/recording", stage.path());
    let dee = stage.portal.person("dee");
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(dee.get(&recording).await);
        assert_eq!(open.last().expect("one").status(), StatusCode::OK);
    }
    let problem = dee.get(&recording).await.expect_status(StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!(problem["code"], "too_many_open");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("8 recordings") && text.contains("wait")), "{problem}");
    let page = format!("/projects/shop/shells/{}/recording", stage.shell);
    assert_eq!(stage.portal.browser("dee").await.open(&page).await.status(), StatusCode::TOO_MANY_REQUESTS, "by session it is the same account");
    assert_eq!(stage.admin.get(&recording).await.status(), StatusCode::OK, "others are not concerned");
    drop(open);
    // The server hears of the closed connections a moment later.
    within("a place for one more", async || dee.get(&recording).await.status() == StatusCode::OK).await;
}

#[tokio::test]
async fn an_admin_ends_a_shell_and_it_is_written_down_who_did() {
    let stage = Stage::set().await;
    stage.admin.delete(&stage.path()).await.expect_status(StatusCode::NO_CONTENT).await;
    let view = stage.portal.person("dee").get(&stage.path()).await.expect_status(StatusCode::OK).await;
    assert_eq!(view["ended_why"], "ended");
    let audit = stage.admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records");
    let ended: Vec<&Value> = records.iter().filter(|record| record["action"] == "shell.end").collect();
    assert_eq!((ended.len(), &ended[0]["actor"], &ended[0]["target"]), (1, &json!("admin"), &json!(stage.shell.to_string())));
}

#[tokio::test]
async fn a_recording_goes_when_its_time_is_over_and_its_row_stays() {
    let stage = Stage::set().await;
    let file = stage.file();
    let open = plant_shell(&stage.portal, stage.task, "dan").await;
    stage.admin.patch("/api/v1/projects/shop", json!({"recordings_days": 7})).await.expect_status(StatusCode::NO_CONTENT).await;
    stage.over(stage.shell).await;
    stage.later(6);
    let recording = format!("{}/recording", stage.path());
    stage.admin.get(&recording).await.expect_status(StatusCode::OK).await;
    stage.later(1);
    let gone = async || stage.admin.get(&stage.path()).await.expect_status(StatusCode::OK).await["gone"] == true;
    within("the end of the recording", gone).await;
    assert!(!file.exists());
    let view = stage.admin.get(&stage.path()).await.expect_status(StatusCode::OK).await;
    assert_eq!((&view["by"], &view["recorded"], &view["bytes"]), (&json!("dee"), &json!(true), &json!(0)));
    let refused = stage.admin.get(&recording).await.expect_status(StatusCode::NOT_FOUND).await;
    assert!(refused["detail"].as_str().expect("a text").contains("deleted"), "{refused}");
    let other = format!("{SHELLS}/{open}/recording");
    assert_eq!(stage.admin.get(&other).await.status(), StatusCode::OK, "what is open is kept, however long it is");
    let audit = stage.admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records");
    assert!(records.iter().any(|record| record["action"] == "recordings.delete" && record["detail"]["recordings"] == 1), "{audit}");
    let page = stage.portal.browser("dee").await.open(&format!("/projects/shop/shells/{}", stage.shell)).await;
    assert!(page.text().await.expect("a page").contains("Deleted"));
}

#[tokio::test]
async fn the_oldest_recordings_go_when_a_project_has_more_than_its_quota() {
    let stage = Stage::set().await;
    let bytes = RECORDING.len();
    // The oldest one is open.
    let mut ended = Vec::new();
    for _ in 0..3 {
        let shell = plant_shell(&stage.portal, stage.task, "dee").await;
        stage.over(shell).await;
        ended.push(shell);
    }
    let quota = "/api/v1/projects/shop/quota";
    let before = stage.admin.get(quota).await.expect_status(StatusCode::OK).await;
    assert_eq!((&before["recordings"], &before["limits"]["recordings"]), (&json!(1_i64 << 30), &Value::Null), "the site's word: {before}");
    assert_eq!(before["recordings_bytes"], 3 * bytes);
    stage.portal.person("dee").put(quota, json!({"recordings": "1MiB"})).await.expect_status(StatusCode::FORBIDDEN).await;
    let most = 2 * bytes + bytes / 2;
    let set = stage.admin.put(quota, json!({"recordings": most})).await.expect_status(StatusCode::OK).await;
    assert_eq!(set["recordings"], most);
    let watched = async |shell: ShellId| stage.admin.get(&format!("{SHELLS}/{shell}/recording")).await.status();
    let (first, second, third) = (ended[0], ended[1], ended[2]);
    stage.gone(first).await;
    for shell in [stage.shell, second, third] {
        assert_eq!(watched(shell).await, StatusCode::OK, "newer ones are kept, and that of the shell that is open");
    }
    let after = stage.admin.get(quota).await.expect_status(StatusCode::OK).await;
    assert_eq!(after["recordings_bytes"], 2 * bytes);
    let storage = stage.admin.get("/api/v1/registry").await.expect_status(StatusCode::OK).await;
    assert_eq!(storage["recordings_bytes"], 2 * bytes);
    let audit = stage.admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records");
    assert!(records.iter().any(|record| record["action"] == "recordings.delete" && record["detail"]["why"] == "quota"), "{audit}");

    let fourth = plant_shell(&stage.portal, stage.task, "dan").await;
    stage.over(fourth).await;
    stage.later(0);
    stage.gone(second).await;
    assert_eq!([watched(third).await, watched(fourth).await], [StatusCode::OK; 2]);
    let row = stage.admin.get(&format!("{SHELLS}/{second}")).await.expect_status(StatusCode::OK).await;
    assert_eq!(row["by"], "dee", "its row stays");
    let page = stage.portal.browser("admin").await.open("/projects/shop/settings").await.text().await.expect("a page");
    assert!(page.contains("Kept recordings of shells"), "what is kept is shown with the quota");
}

#[tokio::test]
async fn who_fills_the_quota_loses_their_own_recordings_and_nobody_elses() {
    let stage = Stage::set().await;
    let hers = plant_shell(&stage.portal, stage.task, "dee").await;
    stage.over(hers).await;
    let mut his = Vec::new();
    for _ in 0..3 {
        let shell = plant_shell(&stage.portal, stage.task, "dan").await;
        stage.over(shell).await;
        his.push(shell);
    }
    let most = 2 * RECORDING.len() + RECORDING.len() / 2;
    stage.admin.put("/api/v1/projects/shop/quota", json!({"recordings": most})).await.expect_status(StatusCode::OK).await;
    let watched = async |shell: ShellId| stage.admin.get(&format!("{SHELLS}/{shell}/recording")).await.status();
    for shell in &his[..2] {
        stage.gone(*shell).await;
    }
    assert_eq!([watched(hers).await, watched(his[2]).await], [StatusCode::OK; 2], "hers is the oldest, and all she has");
    let audit = stage.admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let records = audit["items"].as_array().expect("records");
    let record = records.iter().find(|record| record["action"] == "recordings.delete").expect("it is on record");
    assert_eq!((&record["detail"]["openers"], &record["detail"]["of_others"]), (&json!({"dan": 2}), &json!(0)), "{audit}");
}

#[tokio::test]
async fn recordings_go_with_their_project() {
    let stage = Stage::set().await;
    let file = stage.file();
    let folder = file.parent().expect("the project's folder").to_owned();
    let path = "/api/v1/projects/shop/services/web/stop";
    assert!(stage.admin.post(path, json!({})).await.status().is_success());
    stage.admin.delete("/api/v1/projects/shop").await.expect_status(StatusCode::NO_CONTENT).await;
    within("the end of the folder", async || !folder.exists()).await;
    assert_eq!(statuses(&stage.admin, &stage.shell.to_string()).await, [404; 4]);
}

#[tokio::test]
async fn what_is_recorded_is_the_projects_to_say() {
    let stage = Stage::set().await;
    let project = "/api/v1/projects/shop";
    let view = stage.admin.get(project).await.expect_status(StatusCode::OK).await;
    assert_eq!((&view["shells_recorded"], &view["recordings_days"]), (&json!(true), &json!(90)));
    for days in [0, 3651, -1] {
        let refused = stage.admin.patch(project, json!({"recordings_days": days})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(refused["errors"][0]["field"], "recordings_days");
        assert!(refused["errors"][0]["message"].as_str().expect("a text").contains("1 to 3650"), "{refused}");
    }
    let dee = stage.portal.person("dee");
    dee.patch(project, json!({"shells_recorded": false})).await.expect_status(StatusCode::FORBIDDEN).await;
    let page = async || stage.portal.browser("dee").await.open("/projects/shop/shells").await.text().await.expect("a page");
    assert!(!page().await.contains("are not recorded"));
    stage.admin.patch(project, json!({"shells_recorded": false, "recordings_days": 30})).await.expect_status(StatusCode::NO_CONTENT).await;
    let view = dee.get(project).await.expect_status(StatusCode::OK).await;
    assert_eq!((&view["shells_recorded"], &view["recordings_days"]), (&json!(false), &json!(30)));
    assert!(page().await.contains("are not recorded"), "it is said where shells are");
    let audit = stage.admin.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await;
    let newest = &audit["items"][0];
    assert_eq!((&newest["action"], &newest["detail"]["shells_recorded"]), (&json!("project.update"), &json!(false)));

    let browser = stage.portal.browser("admin").await;
    let settings = browser.open("/projects/shop/settings").await.text().await.expect("a page");
    assert!(settings.contains("1 to 3650. Counted from the end of a shell."), "the field says its range");
    let quotas = browser.open("/admin/quotas").await.text().await.expect("a page");
    assert!(quotas.contains("0B or more, like 1GiB. Beyond it the oldest go. Left empty: no limit."), "so does the one of bytes");
    let csrf = browser.csrf().await;
    let fields = [("csrf", csrf.as_str()), ("project", "shop"), ("form[shells_recorded]", "true"), ("form[recordings_days]", "many")];
    let refused = browser.form("/fn/projects/update", &fields).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.expect("a text").contains("recordings_days"));
}

//! The configuration centre through the API, the pages and the binary: what is set, who runs with it, what never comes out, and the change of
//! the key under a portal that runs.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::portal::{Browser, PASSWORD, Person, TestPortal};
use crate::push::push;

const SECRET: &str = "Zx81-never-to-be-seen-0451";

/// A project with a service that was deployed once; there is no engine.
async fn shop() -> (TestPortal, Person) {
    let portal = TestPortal::start().await;
    let dev = portal.new_person("dev").await;
    portal.new_project("shop", &[("dev", "developer")]).await;
    push(&dev, "shop/web", "1", b"a layer").await;
    dev.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    (portal, dev)
}

async fn deploy(dev: &Person, descriptor: Value) -> Value {
    let body = json!({"descriptor": descriptor});
    dev.post("/api/v1/projects/shop/services/web/deployments", body).await.expect_status(StatusCode::ACCEPTED).await
}

fn items(view: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    view["items"].as_array().expect("a list").iter().map(|item| (text(&item["name"]), text(&item["origin"]))).collect()
}

#[tokio::test]
async fn entries_are_set_inherited_versioned_and_taken_away() {
    let (_portal, dev) = shop().await;
    let project = "/api/v1/projects/shop";
    let service = "/api/v1/projects/shop/services/web";
    let put = |path: String, body: Value| {
        let dev = dev.clone();
        async move { dev.put(&path, body).await.expect_status(StatusCode::OK).await }
    };
    assert_eq!(put(format!("{project}/variables/LOG_LEVEL"), json!({"value": "info", "why": "as everywhere"})).await["version"], 1);
    assert_eq!(put(format!("{service}/variables/LOG_LEVEL?environment=local"), json!({"value": "debug"})).await["version"], 1);
    assert_eq!(put(format!("{project}/configs/app.conf"), json!({"content": "a = 1\n"})).await["version"], 2);
    assert_eq!(put(format!("{project}/configs/logo.png"), json!({"content_base64": "iVBORwD/"})).await["version"], 3);
    assert_eq!(put(format!("{project}/secrets/db_password"), json!({"value": SECRET})).await["version"], 4);

    let seen = dev.get(&format!("{service}/variables?environment=local")).await.expect_status(StatusCode::OK).await;
    assert_eq!(items(&seen), [("LOG_LEVEL".into(), "service_environment".into())]);
    assert_eq!((&seen["items"][0]["value"], &seen["items"][0]["over"]), (&json!("debug"), &json!(["project"])));
    let file = dev.get(&format!("{service}/configs/logo.png")).await.expect_status(StatusCode::OK).await;
    assert_eq!((&file["content_base64"], &file["content"], &file["origin"]), (&json!("iVBORwD/"), &Value::Null, &json!("project")));
    let secrets = dev.get(&format!("{service}/secrets")).await.expect_status(StatusCode::OK).await;
    assert!(secrets["items"][0].get("value").is_none() && secrets["items"][0]["size"] == 0, "{secrets}");
    dev.get(&format!("{project}/secrets/db_password")).await.expect_status(StatusCode::METHOD_NOT_ALLOWED).await;

    let stale = json!({"content": "a = 2\n", "based_on": 2});
    let refused = dev.put(&format!("{project}/configs/app.conf"), stale).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "version_conflict");
    put(format!("{project}/configs/app.conf"), json!({"content": "a = 2\n", "based_on": 4})).await;
    let version = dev.get(&format!("{project}/configuration/versions/5")).await.expect_status(StatusCode::OK).await;
    assert_eq!(version["changes"][0]["lines"], json!([{"kind": "cut", "text": "a = 1"}, {"kind": "add", "text": "a = 2"}]));
    let page = dev.get(&format!("{project}/configuration/versions?limit=2")).await.expect_status(StatusCode::OK).await;
    assert_eq!((page["items"].as_array().map(Vec::len), &page["next"]), (Some(2), &json!("4")));
    let all = json!({"variables": {"A": "1", "B": "2"}, "based_on": 5});
    put(format!("{project}/variables"), all).await;
    let now = dev.get(&format!("{project}/variables")).await.expect_status(StatusCode::OK).await;
    assert_eq!(items(&now), [("A".into(), "project".into()), ("B".into(), "project".into())]);
    let back = dev.post(&format!("{project}/configuration/restore"), json!({"version": 4, "based_on": 6})).await.expect_status(StatusCode::OK).await;
    assert_eq!(back["version"], 7);
    let file = dev.get(&format!("{project}/configs/app.conf")).await.expect_status(StatusCode::OK).await;
    assert_eq!(file["content"], "a = 1\n");
    let gone = dev.delete(&format!("{project}/secrets/db_password?based_on=7")).await.expect_status(StatusCode::OK).await;
    assert_eq!(gone["version"], 8);
    dev.delete(&format!("{project}/secrets/db_password")).await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn what_is_wrong_is_told_without_the_secret() {
    let (_portal, dev) = shop().await;
    let path = "/api/v1/projects/shop/secrets/key";
    for body in [
        json!({"value": 451_451_451}),
        json!({"value": [SECRET]}),
        json!({"value": SECRET, "value_base64": SECRET}),
        json!({"value_base64": SECRET}),
        json!({"valeu": SECRET}),
        json!({"value": SECRET, "based_on": SECRET}),
    ] {
        let refused = dev.put(path, body.clone()).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await.to_string();
        // What stands where a version should stand is no secret of ours to guess.
        if body["based_on"].is_null() {
            assert!(!refused.contains(SECRET) && !refused.contains("451451451"), "{refused}");
        }
    }
    let refused = dev.put("/api/v1/projects/shop/variables/1A", json!({"value": "x"})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "name");
    dev.put("/api/v1/projects/shop/configs/big", json!({"content": "x".repeat(600 * 1024)}))
        .await
        .expect_status(StatusCode::UNPROCESSABLE_ENTITY)
        .await;
    dev.get("/api/v1/projects/shop/configuration?environment=nowhere").await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_change_says_who_uses_it_and_a_roll_brings_it() {
    let (portal, dev) = shop().await;
    let service = "/api/v1/projects/shop/services/web";
    let refused =
        dev.post(&format!("{service}/deployments"), json!({"descriptor": {"image": "web:1", "configs": [{"name": "app.cnf", "path": "/a"}]}})).await;
    assert_eq!(refused.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await["errors"][0]["field"], "descriptor.configs[0].name");
    dev.put("/api/v1/projects/shop/configs/app.conf", json!({"content": "first"})).await.expect_status(StatusCode::OK).await;
    deploy(&dev, json!({"image": "web:1", "configs": [{"name": "app.conf", "path": "/a"}]})).await;
    let changed = dev.put("/api/v1/projects/shop/configs/app.conf", json!({"content": "second"})).await.expect_status(StatusCode::OK).await;
    let expected = json!([{"service": "web", "environment": "local", "revision": 1, "behind": true, "uses": ["file app.conf"], "stopped": false}]);
    assert_eq!(changed["uses"], expected);
    let rolled = dev.post(&format!("{service}/roll"), json!({"why": "second file"})).await.expect_status(StatusCode::ACCEPTED).await;
    assert_eq!((&rolled["revision"], &rolled["kind"], &rolled["why"]), (&json!(2), &json!("deploy"), &json!("second file")));
    dev.post(&format!("{service}/roll"), json!({})).await.expect_status(StatusCode::CONFLICT).await;
    let revisions = dev.get(&format!("{service}/revisions")).await.expect_status(StatusCode::OK).await;
    let of = |at: usize| revisions["items"][at]["configuration"]["versions"].clone();
    assert_eq!((of(0), of(1)), (json!([{"level": "project", "version": 2}]), json!([{"level": "project", "version": 1}])));
    let browser = portal.browser("dev").await;
    let page = browser.open("/projects/shop/services/web/revisions").await.text().await.expect("a page");
    assert!(page.contains("project version 2"), "{page}");
}

#[tokio::test]
async fn all_that_is_behind_is_rolled_at_once_from_the_page_and_by_the_api() {
    let (portal, dev) = shop().await;
    dev.post("/api/v1/projects/shop/services", json!({"name": "api"})).await.expect_status(StatusCode::CREATED).await;
    let set = async |value: &str| {
        dev.put("/api/v1/projects/shop/variables/LOG_LEVEL", json!({"value": value})).await.expect_status(StatusCode::OK).await;
    };
    set("info").await;
    for service in ["api", "web"] {
        let path = format!("/api/v1/projects/shop/services/{service}/deployments");
        dev.post(&path, json!({"descriptor": {"image": "web:1"}})).await.expect_status(StatusCode::ACCEPTED).await;
    }
    let all = "/api/v1/projects/shop/configuration/roll";
    let refused = dev.post(all, json!({})).await.expect_status(StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "configuration_unchanged");
    set("debug").await;
    let rolled = dev.post(all, json!({"environment": "local", "why": "to look closely"})).await.expect_status(StatusCode::ACCEPTED).await;
    let begun: Vec<_> = rolled["begun"].as_array().expect("a list").iter().map(|one| (one["service"].clone(), one["why"].clone())).collect();
    assert_eq!(begun, [(json!("api"), json!("to look closely")), (json!("web"), json!("to look closely"))]);
    assert_eq!(rolled["left"], json!([]));

    let browser = portal.browser("dev").await;
    let open = async || browser.open("/projects/shop/configuration").await.text().await.expect("a page");
    assert!(!open().await.contains("Roll all"), "nothing is behind");
    set("warn").await;
    let page = open().await;
    assert!(page.contains("Roll all 2"), "{page}");
    let csrf = browser.csrf().await;
    let sent = browser.form("/fn/configs/roll_all", &[("csrf", csrf.as_str()), ("at[project]", "shop")]).await;
    assert!(sent.status().is_success() || sent.status().is_redirection(), "{}", sent.status());
    let revisions = dev.get("/api/v1/projects/shop/services/api/revisions").await.expect_status(StatusCode::OK).await;
    assert_eq!(revisions["items"][0]["number"], 3);
}

#[tokio::test]
async fn pages_show_where_everything_comes_from_and_forms_work_without_scripts() {
    let (portal, dev) = shop().await;
    dev.put("/api/v1/projects/shop/variables/LOG_LEVEL", json!({"value": "info"})).await.expect_status(StatusCode::OK).await;
    dev.put("/api/v1/projects/shop/secrets/db_password", json!({"value": SECRET})).await.expect_status(StatusCode::OK).await;
    let browser = portal.browser("dev").await;
    let csrf = browser.csrf().await;
    let place = [("csrf", csrf.as_str()), ("at[project]", "shop"), ("at[service]", "web"), ("at[environment]", "local")];
    let send = |path: &'static str, more: Vec<(&'static str, &'static str)>| {
        let fields: Vec<_> = place.iter().copied().chain(more).collect();
        let browser = &browser;
        async move { browser.form(path, &fields).await }
    };
    let made = send("/fn/configs/put_variable", vec![("based_on", "0"), ("name", "LOG_LEVEL"), ("value", "debug"), ("why", "to look closely")]).await;
    assert!(made.status().is_success() || made.status().is_redirection(), "{}", made.status());
    assert_eq!(send("/fn/configs/put_file", vec![("based_on", "0"), ("name", "x"), ("content", "y")]).await.status(), StatusCode::CONFLICT);
    let file = send("/fn/configs/put_file", vec![("based_on", "1"), ("name", "app.conf"), ("content", "a\r\nb\r\n")]).await;
    assert!(file.status().is_success() || file.status().is_redirection());
    let stored = dev.get("/api/v1/projects/shop/services/web/configs/app.conf?environment=local").await.expect_status(StatusCode::OK).await;
    assert_eq!(stored["content"], "a\nb\n", "a form's line ends are not the file's");
    let page = browser.open("/projects/shop/services/web/configuration?environment=local&version=1&file=app.conf").await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.expect("a page");
    for part in ["service in local", "instead of project", "db_password", "to look closely", "variable LOG_LEVEL added", "Restore", "a\nb\n"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!page.contains(SECRET));
    let page = browser.open("/projects/shop/configuration").await.text().await.expect("a page");
    assert!(page.contains("LOG_LEVEL") && page.contains(">info") && !page.contains(">debug"), "{page}");
    let deploy = browser.open("/projects/shop/services/web/deploy?environment=local").await.text().await.expect("a page");
    assert!(deploy.contains("project version 2, service in local version 2"), "{deploy}");
}

/// The portal as a process of its own, on SQLite, telling its log all that it can tell.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(data: &Path, log: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_slipway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--docker-host", "unix:///nowhere.sock", "--data-dir"])
            .arg(data)
            .env("SLIPWAY_ADMIN_PASSWORD", PASSWORD)
            .env("SLIPWAY_LOG", "trace,hyper=info,h2=info")
            .env_remove("SLIPWAY_DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log"))
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let port = line.split("localhost:").nth(1).and_then(|rest| rest.split([':', ' ', '\n']).next()).expect("its port");
        Self { base: format!("http://127.0.0.1:{port}"), child }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rotate(data: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    command.args(["admin", "rotate-key", "--data-dir"]).arg(data).env_remove("SLIPWAY_DATABASE_URL").stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Every file below a folder that holds one of the texts.
fn files_with(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(files_with(&entry, texts));
        } else if let Ok(bytes) = std::fs::read(&entry) {
            let holds = |text: &&&str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            found.extend(texts.iter().filter(holds).map(|text| format!("{} holds {text}", entry.display())));
        }
    }
    found
}

/// Everything that somebody may read of a project.
async fn all_answers(person: &Person, browser: &Browser) -> Vec<String> {
    let mut answers = Vec::new();
    for base in ["/api/v1/projects/shop", "/api/v1/projects/shop/services/web"] {
        for path in [
            "configuration",
            "configuration?environment=local",
            "variables",
            "configs",
            "secrets",
            "configuration/versions",
            "configuration/versions/1",
        ] {
            answers.push(person.get(&format!("{base}/{path}")).await.0.text().await.expect("a text"));
        }
    }
    let service = "/api/v1/projects/shop/services/web";
    for path in ["", "/revisions", "/revisions/1", "/deployments", "/tasks"] {
        answers.push(person.get(&format!("{service}{path}")).await.0.text().await.expect("a text"));
    }
    answers.push(person.get("/api/v1/audit").await.0.text().await.expect("a text"));
    answers.push(person.get("/api/v1/projects/shop/audit").await.0.text().await.expect("a text"));
    let pages = [
        "",
        "/configuration",
        "/configuration?version=1",
        "/configuration?environment=local",
        "/audit",
        "/services/web",
        "/services/web/configuration",
        "/services/web/revisions",
        "/services/web/revisions?from=1&to=2",
        "/services/web/deploy",
        "/services/web/deployments",
    ];
    for page in pages {
        answers.push(browser.open(&format!("/projects/shop{page}")).await.text().await.expect("a page"));
    }
    answers
}

#[tokio::test]
async fn a_secret_is_found_nowhere_and_outlives_changes_of_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let process = Process::start(&data, &log);
    let admin = Person::at(&process.base, "admin");
    admin.post("/api/v1/projects", json!({"name": "shop"})).await.expect_status(StatusCode::CREATED).await;
    push(&admin, "shop/web", "1", b"a layer").await;
    admin.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    let browser = Browser::at(&process.base);
    browser.form("/fn/accounts/login", &[("username", "admin"), ("password", PASSWORD)]).await;
    let csrf = browser.csrf().await;
    let (typed, token) = ("typed-into-a-form-7731", "token-of-a-registry-9921");
    admin.put("/api/v1/projects/shop/secrets/db_password", json!({"value": SECRET})).await.expect_status(StatusCode::OK).await;
    let fields = [("csrf", csrf.as_str()), ("at[project]", "shop"), ("based_on", "1"), ("name", "typed"), ("value", typed)];
    let kept = browser.form("/fn/configs/put_secret", &fields).await;
    assert!(kept.status().is_success() || kept.status().is_redirection());
    let credential = json!({"username": "robot", "secret": token});
    admin.put("/api/v1/projects/shop/registries/registry.example.com", credential).await.expect_status(StatusCode::NO_CONTENT).await;
    let uses = json!([{"name": "db_password", "env": "HARMLESS"}, {"name": "typed", "path": "/run/typed"}]);
    deploy(&admin, json!({"image": "web:1", "secrets": uses})).await;
    admin.put("/api/v1/projects/shop/secrets/db_password", json!({"value": format!("{SECRET}-2")})).await.expect_status(StatusCode::OK).await;
    admin.post("/api/v1/projects/shop/services/web/roll", json!({})).await.expect_status(StatusCode::ACCEPTED).await;
    let texts = [SECRET, typed, token];
    let nowhere = |answers: Vec<String>| {
        for answer in answers {
            assert!(texts.iter().all(|text| !answer.contains(text)), "{answer}");
        }
    };
    nowhere(all_answers(&admin, &browser).await);

    // The command is killed again and again under the portal that runs, and comes to its end at last.
    for n in 0..60 {
        admin.put(&format!("/api/v1/projects/shop/secrets/s{n}"), json!({"value": SECRET})).await.expect_status(StatusCode::OK).await;
    }
    for millis in [5, 15, 25, 35, 50, 70, 100] {
        let mut command = rotate(&data);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let _ = command.kill();
        command.wait().expect("it ended");
        admin.put("/api/v1/projects/shop/secrets/meanwhile", json!({"value": SECRET})).await.expect_status(StatusCode::OK).await;
    }
    let done = rotate(&data).wait_with_output().expect("it ended");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(std::fs::read(data.join("key")).expect("a key").len(), 32, "the old key is forgotten");
    admin.put("/api/v1/projects/shop/secrets/after", json!({"value": SECRET})).await.expect_status(StatusCode::OK).await;
    nowhere(all_answers(&admin, &browser).await);
    drop(process);
    assert_eq!(files_with(folder.path(), &texts), Vec::<String>::new());
    // With the key that is left everything opens: another change of it opens all.
    let done = rotate(&data).wait_with_output().expect("it ended");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && told.contains("72 secrets are sealed"), "{told}");
    let again = Process::start(&data, &log);
    let admin = Person::at(&again.base, "admin");
    admin.get("/api/v1/projects/shop/configuration").await.expect_status(StatusCode::OK).await;
}

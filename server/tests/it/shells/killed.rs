//! A portal that is killed: the next one over the same data ends what is left of its shells. The portal is a process of its own here.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Way, programs, query, until};
use crate::ground::{docker, engine, push_busybox};
use crate::portal::{PASSWORD, Person};

const LONG: Duration = Duration::from_secs(90);

/// A portal on the test engine.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_slipway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--docker-host", engine().as_str(), "--data-dir"])
            .arg(data)
            .env("SLIPWAY_ADMIN_PASSWORD", PASSWORD)
            .env_remove("SLIPWAY_DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let port = line.split("localhost:").nth(1).and_then(|rest| rest.split([':', ' ', '\n']).next()).expect("its port");
        Self { base: format!("http://127.0.0.1:{port}"), child }
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the portal left on the engine goes with the test.
struct Left {
    label: String,
}

impl Drop for Left {
    fn drop(&mut self) {
        for kind in [&["ps", "-aq"][..], &["network", "ls", "-q"][..]] {
            let listed = Command::new("docker").arg("--host").arg(engine()).args(kind).args(["--filter", &self.label]).output();
            let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            for id in listed.lines() {
                let remove: &[&str] = if kind[0] == "ps" { &["rm", "-f", id] } else { &["network", "rm", id] };
                let _ = Command::new("docker").arg("--host").arg(engine()).args(remove).output();
            }
        }
    }
}

impl Left {
    /// By the portal whose container this is.
    fn beside(container: &str) -> Self {
        let instance = docker(&["inspect", "--format", "{{index .Config.Labels \"dev.slipway.instance\"}}", container]);
        Self { label: format!("label=dev.slipway.instance={instance}") }
    }
}

/// A task that sleeps, of a service of a new project.
pub(super) async fn task(admin: &Person, project: &str) -> Value {
    admin.post("/api/v1/projects", json!({"name": project})).await.expect_status(StatusCode::CREATED).await;
    push_busybox(admin, &format!("{project}/web"), "1", "hello").await;
    let services = format!("/api/v1/projects/{project}/services");
    admin.post(&services, json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    let descriptor = json!({"image": "web:1", "command": ["sleep", "100000"], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}});
    let path = format!("{services}/web/deployments");
    admin.post(&path, json!({"environment": "local", "descriptor": descriptor})).await.expect_status(StatusCode::ACCEPTED).await;
    let began = Instant::now();
    loop {
        let tasks = admin.get(&format!("{services}/web/tasks")).await.expect_status(StatusCode::OK).await;
        if let Some(task) = tasks["items"].as_array().expect("tasks").iter().find(|task| task["state"] == "running") {
            return task.clone();
        }
        assert!(began.elapsed() < LONG, "{tasks}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_a_killed_portal_left_of_its_shells_is_ended_by_the_next_one() {
    let data = tempfile::tempdir().expect("a folder");
    let mut portal = Process::start(data.path());
    let found = task(&Person::at(&portal.base, "admin"), "shop").await;
    let (id, container) = (found["id"].as_str().expect("an id"), found["container"].as_str().expect("a container"));
    let _left = Left::beside(container);
    let processes = || programs(container);

    let mut shell = Way::of(&portal.base, id, "admin").open("").await;
    shell.key(b"(trap '' HUP; sleep 4711) & sleep 4712 & echo st$((1+1))arted; busybox sleep 4713\n").await;
    shell.until("st2arted").await;
    // One more, that nobody is connected to.
    let mut second = Way::of(&portal.base, id, "admin").open("").await;
    second.key(b"echo st$((1+1))arted; busybox sleep 4714\n").await;
    second.until("st2arted").await;
    drop(second);
    until("all of it runs", || ["4711", "4712", "4713", "4714"].iter().all(|one| processes().contains(one))).await;
    portal.kill();
    assert!(processes().contains("4713"), "nobody is there who could end it");

    let portal = Process::start(data.path());
    until("nothing is left of the shells", || !processes().contains("471")).await;
    assert!(processes().contains("sleep 100000"), "what is not theirs lives on");
    let way = Way::of(&portal.base, id, "admin");
    let again = query(&[("session", &shell.session), ("received", &shell.received.len().to_string())]);
    let (code, message) = way.try_open(&again).await.map(drop).expect_err("it is over");
    assert_eq!(code, "ended");
    assert!(message.contains("portal was restarted"), "{message}");
    // The task itself may have shells as before.
    let mut third = way.open("").await;
    third.key(b"echo th$((1+2))ird\n").await;
    third.until("th3ird").await;
}

#[tokio::test]
async fn a_killed_portal_loses_at_most_a_second_of_a_recording() {
    let data = tempfile::tempdir().expect("a folder");
    let mut portal = Process::start(data.path());
    let found = task(&Person::at(&portal.base, "admin"), "shop").await;
    let _left = Left::beside(found["container"].as_str().expect("a container"));
    let mut shell = Way::of(&portal.base, found["id"].as_str().expect("an id"), "admin").open("").await;
    shell.key(b"i=0; while true; do i=$((i+1)); echo n$i; busybox usleep 10000; done\n").await;
    shell.until("n100\r\n").await;
    let seen = shell.text();
    let then = Instant::now();
    while then.elapsed() < Duration::from_secs(1) {
        shell.hear().await;
    }
    portal.kill();

    let projects = std::fs::read_dir(data.path().join("recordings")).expect("a folder").map(|entry| entry.expect("a folder").path());
    let file = projects.map(|folder| folder.join(format!("{}.cast", shell.session))).find(|file| file.exists()).expect("a recording");
    let text = String::from_utf8_lossy(&std::fs::read(file).expect("a file")).into_owned();
    // The last line may be half there.
    let events = text.lines().skip(1).map_while(|line| serde_json::from_str::<Value>(line).ok());
    let printed: String = events.filter(|event| event[1] == "o").map(|event| event[2].as_str().expect("a text").to_owned()).collect();
    assert!(printed.starts_with(&seen), "{} bytes were seen a second before, and {} are recorded", seen.len(), printed.len());
}

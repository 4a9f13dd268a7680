//! Collecting logs from a real engine, by both ways: from the engine's own files, and through its API, where the engine is behind a port whose
//! connections the test can cut. What the store keeps is compared with what the programs wrote.

pub mod cut;

use std::ops::ControlFlow;
use std::time::Duration;

use ::logs::{Kind, Record, Select, Start, StreamKey};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker};
use cut::Cut;

/// What should happen happens within this time; a busy machine is slow.
const LONG: Duration = Duration::from_secs(90);

/// A ground whose engine is reached in one of the two ways.
struct Scene {
    ground: Ground,
    /// The port that it is behind; none: the socket, so that its files are read.
    cut: Option<Cut>,
}

impl Scene {
    async fn from_files() -> Self {
        Self { ground: Ground::new().await, cut: None }
    }

    async fn through_the_engine() -> Self {
        let cut = Cut::before(&crate::ground::engine()).await;
        Self { ground: Ground::on(cut.address()).await, cut: Some(cut) }
    }

    /// Makes a service and brings it.
    async fn runs(&self, service: &str, descriptor: Value) {
        self.ground.service(service).await;
        self.ground.deployed(service, descriptor).await;
    }

    async fn key(&self, service: &str) -> StreamKey {
        let person = &self.ground.developer;
        let project = person.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
        let service = person.get(&format!("/api/v1/projects/shop/services/{service}")).await.expect_status(StatusCode::OK).await;
        let environments = self.ground.portal().person("admin").get("/api/v1/environments").await.expect_status(StatusCode::OK).await;
        let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
        let service = if service["id"].is_string() { &service } else { &service["service"] };
        StreamKey {
            project: id(&project).parse().expect("an id"),
            service: id(service).parse().expect("an id"),
            environment: id(&environments["items"][0]).parse().expect("an id"),
        }
    }

    /// What is kept of a stream.
    fn kept(&self, key: StreamKey) -> Vec<Record> {
        self.found(key, &Select::default(), usize::MAX)
    }

    /// What is found in a stream, its oldest lines first, so many of them at most.
    fn found(&self, key: StreamKey, select: &Select, most: usize) -> Vec<Record> {
        let store = self.ground.portal().platform().logs().expect("logs are kept");
        let Some(stream) = store.existing(key).expect("a stream") else { return Vec::new() };
        let mut records = Vec::new();
        let mut see = |found: ::logs::Found| {
            records.push(found.record);
            if records.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        stream.scan(select, Start::Oldest, &mut see, &mut |_| ControlFlow::Continue(())).expect("it is read");
        records
    }

    /// Waits until what is kept of a stream is as wanted.
    async fn until(&self, key: StreamKey, what: &str, wanted: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        self.until_found(key, &Select::default(), what, wanted).await
    }

    /// The same of what is found in it: to read all of a flood again and again takes longer than to write it.
    async fn until_found(&self, key: StreamKey, select: &Select, what: &str, wanted: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let store = self.ground.portal().platform().logs().expect("logs are kept");
        let mut changes = store.stream(key).expect("a stream").changes();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                let kept = self.found(key, select, usize::MAX);
                if wanted(&kept) {
                    return kept;
                }
                changes.changed().await.expect("the stream stays");
            }
        };
        match tokio::time::timeout(LONG, waiting).await {
            Ok(kept) => kept,
            Err(_) => {
                let kept = self.found(key, select, usize::MAX);
                let shown: Vec<String> = kept.iter().rev().take(10).map(|record| shown(&record.text)).collect();
                panic!("{what} did not come about; {} records, the last: {shown:#?}", kept.len());
            }
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

fn script(text: &str) -> Value {
    json!({"image": "web:1", "command": ["sh", "-c", text], "update": {"monitor": "0s"}, "stop": {"grace": "2s"}})
}

fn has(kept: &[Record], text: &str) -> bool {
    kept.iter().any(|record| record.text == text)
}

fn gaps(kept: &[Record]) -> Vec<&str> {
    kept.iter().filter(|record| record.kind == Kind::Gap).map(|record| record.text.as_str()).collect()
}

/// The counted lines are all there, once each, in their order. How many there are.
fn counted(kept: &[Record]) -> usize {
    assert_eq!(gaps(kept), [""; 0], "nothing is missing");
    let numbers = kept.iter().filter_map(|record| record.text.strip_prefix("line ")).map(|number| number.parse::<usize>().expect("a number"));
    let mut count = 0;
    for number in numbers {
        assert_eq!(number, count + 1, "each line once, in its order");
        count = number;
    }
    count
}

/// Counts without end, some thousand lines a second at most.
const COUNTER: &str = "i=0; while :; do i=$((i+1)); echo line $i; [ $((i % 50)) != 0 ] || busybox usleep 20000; done";

async fn lines_of_every_sort(scene: Scene) {
    let text = "echo out; echo err >&2; busybox head -c 40000 /dev/zero | busybox tr '\\0' x; echo; \
                busybox head -c 100000 /dev/zero | busybox tr '\\0' y; echo; printf '\\033[1mbold\\033[0m \"quoted\" <&> é\\tT\\n\\n'; \
                i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done; exec sleep 1000";
    scene.runs("web", script(text)).await;
    let key = scene.key("web").await;
    let kept = scene.until(key, "the last line", |kept| has(kept, "line 2000")).await;
    assert_eq!(counted(&kept), 2_000);
    let found = |text: &str| kept.iter().find(|record| record.text == text).unwrap_or_else(|| panic!("{text:?} is kept"));
    assert_eq!((found("out").kind, found("err").kind), (Kind::Stdout, Kind::Stderr));
    assert!(!found(&"x".repeat(40_000)).cut, "a long line is whole");
    assert!(found(&"y".repeat(64 << 10)).cut, "a line that is too long is cut and says so");
    found("\u{1b}[1mbold\u{1b}[0m \"quoted\" <&> é\tT");
    found("");
    assert_eq!(kept.len(), 2_006, "nothing else");
    let task = scene.ground.running("web").await.remove(0);
    let own = |record: &Record| record.task.to_string() == task["id"] && (record.slot, record.revision) == (1, 1);
    assert!(kept.iter().all(own), "lines say whose they are");
    // The engine's own words, with its times.
    let container = task["container"].as_str().expect("a container");
    let told = docker(&["logs", "--timestamps", container]);
    let first = told.lines().find(|line| line.ends_with(" line 1")).expect("the line");
    let at = model::time::Millis(found("line 1").at_nanos / 1_000_000).rfc3339();
    assert!(first.starts_with(at.trim_end_matches('Z')), "{first} was at {at}");
}

#[tokio::test]
async fn lines_of_every_sort_are_kept_as_they_were_written_from_files() {
    lines_of_every_sort(Scene::from_files().await).await;
}

#[tokio::test]
async fn lines_of_every_sort_are_kept_as_they_were_written_through_the_engine() {
    lines_of_every_sort(Scene::through_the_engine().await).await;
}

async fn a_portal_that_is_restarted(mut scene: Scene) {
    scene.runs("web", script(COUNTER)).await;
    let key = scene.key("web").await;
    for round in 1..=3 {
        let before = counted(&scene.until(key, "more lines", |kept| kept.len() > round * 300).await);
        if let Some(cut) = &scene.cut {
            cut.cut();
            scene.until(key, "lines after the cut", |kept| kept.len() > before + 100).await;
        }
        // What is written while the portal is stopped is read after it.
        scene.ground.restart_after(|| std::thread::sleep(Duration::from_millis(300))).await;
    }
    let kept = scene.until(key, "lines after the last start", |kept| kept.len() > 2_000).await;
    assert!(counted(&kept) > 2_000);
    let container = scene.ground.running("web").await[0]["container"].as_str().expect("a container").to_owned();
    docker(&["pause", &container]);
    // The engine itself may have the last of them a moment later.
    let written = || docker(&["logs", &container]).lines().count();
    let kept = scene.until(key, "the last line that was written", |kept| kept.len() == written()).await;
    assert_eq!(counted(&kept), kept.len(), "all that the engine has");
    docker(&["unpause", &container]);
}

#[tokio::test]
async fn a_portal_that_is_restarted_goes_on_at_the_byte_from_files() {
    a_portal_that_is_restarted(Scene::from_files().await).await;
}

#[tokio::test]
async fn a_portal_that_is_restarted_goes_on_at_the_line_through_the_engine() {
    a_portal_that_is_restarted(Scene::through_the_engine().await).await;
}

#[tokio::test]
async fn what_two_tasks_wrote_while_the_portal_was_away_is_kept_in_the_order_of_time() {
    const EACH: usize = 20_000;
    let mut scene = Scene::from_files().await;
    // 6 MiB of each, written side by side: more than is read of a log at once.
    let text = format!(
        "x=$(busybox head -c 200 /dev/zero | busybox tr '\\0' x); echo up; until [ -e /go ]; do busybox usleep 20000; done; i=0; \
         while [ $i -lt {EACH} ]; do i=$((i+1)); echo line $i $x; [ $((i % 500)) != 0 ] || busybox usleep 100000; done; echo done; exec sleep 1000"
    );
    let mut descriptor = script(&text);
    descriptor["replicas"] = json!(2);
    scene.runs("web", descriptor).await;
    let key = scene.key("web").await;
    let count = |kept: &[Record], text: &str| kept.iter().filter(|record| record.text == text).count();
    scene.until(key, "the first line of each", |kept| count(kept, "up") == 2).await;
    let containers = scene.ground.containers();
    let write = || {
        std::thread::scope(|scope| {
            for container in &containers {
                scope.spawn(move || docker(&["exec", container, "busybox", "touch", "/go"]));
            }
        });
        let began = std::time::Instant::now();
        while !containers.iter().all(|container| docker(&["logs", "--tail", "1", container]) == "done") {
            assert!(began.elapsed() < LONG, "both write all");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    scene.ground.restart_after(write).await;
    let kept = scene.until(key, "the last line of each", |kept| count(kept, "done") == 2).await;
    assert_eq!(gaps(&kept), [""; 0]);
    assert_eq!(kept.len(), 2 * (EACH + 2), "each line once");
    let lines: Vec<&Record> = kept.iter().filter(|record| record.text.starts_with("line ")).collect();
    let late = lines.windows(2).find(|pair| pair[0].at_nanos > pair[1].at_nanos).map(|pair| (shown(&pair[0].text), shown(&pair[1].text)));
    assert_eq!(late, None, "no line comes behind a later one");
    let turns = lines.windows(2).filter(|pair| pair[0].task != pair[1].task).count();
    assert!(turns > 4, "they wrote side by side: {turns}");
}

#[tokio::test]
async fn what_is_beyond_a_projects_share_goes_while_it_is_written() {
    let scene = Scene::from_files().await;
    let most = json!({"logs": 16_u64 << 20});
    scene.ground.portal().person("admin").put("/api/v1/projects/shop/quota", most).await.expect_status(StatusCode::OK).await;
    // Nothing packs it well, and it is more than the portal adds without looking.
    scene.ground.service("noise").await;
    let mut noise = script("echo the first; exec busybox base64 /dev/urandom");
    noise["stop"] = json!({"grace": "0s"});
    scene.ground.deployed("noise", noise).await;
    let key = scene.key("noise").await;
    let stream = scene.ground.portal().platform().logs().expect("logs are kept").stream(key).expect("a stream");
    let mut changes = stream.changes();
    let first = || {
        let mut first = None;
        let mut see = |found: ::logs::Found| {
            first = Some(found.record.text);
            ControlFlow::Break(())
        };
        stream.scan(&Select::default(), Start::Oldest, &mut see, &mut |_| ControlFlow::Continue(())).expect("it is read");
        first
    };
    changes.wait_for(|count| *count > 0).await.expect("the stream stays");
    assert_eq!(first().as_deref(), Some("the first"));
    let gone = async {
        while first().as_deref() == Some("the first") {
            changes.changed().await.expect("the stream stays");
        }
    };
    tokio::time::timeout(LONG * 3, gone).await.expect("the oldest lines go before the next look at all logs");
    scene.ground.verb("noise", "stop", json!({"environment": "local"})).await;
}

#[tokio::test]
async fn a_log_that_was_read_in_one_way_is_gone_on_with_in_the_other() {
    let mut scene = Scene::through_the_engine().await;
    scene.runs("web", script(COUNTER)).await;
    let key = scene.key("web").await;
    for round in 1..=3 {
        let before = scene.until(key, "more lines", |kept| kept.len() > 200).await.len();
        let cut = scene.cut.as_ref().expect("a port").address();
        scene.ground.moves(if round % 2 == 1 { crate::ground::engine() } else { cut });
        scene.ground.restart().await;
        counted(&scene.until(key, "lines after the change", |kept| kept.len() > before + 500).await);
    }
}

async fn a_container_that_is_replaced(scene: Scene) {
    let text = "trap 'echo last words; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done";
    scene.runs("web", script(text)).await;
    let key = scene.key("web").await;
    scene.until(key, "the first line", |kept| has(kept, "up")).await;
    scene.ground.deployed("web", script("echo the second; exec sleep 1000")).await;
    scene.ground.containers_are("the old one is gone", 1).await;
    let kept = scene.until(key, "the second's line", |kept| has(kept, "the second")).await;
    assert!(has(&kept, "last words"), "it was read to its end: {kept:?}");
    assert_eq!(gaps(&kept), [""; 0]);
    let of = |text: &str| kept.iter().find(|record| record.text == text).expect("the line").revision;
    assert_eq!((of("last words"), of("the second")), (1, 2));
}

#[tokio::test]
async fn a_container_that_is_replaced_is_read_to_its_end_from_files() {
    a_container_that_is_replaced(Scene::from_files().await).await;
}

#[tokio::test]
async fn a_container_that_is_replaced_is_read_to_its_end_through_the_engine() {
    a_container_that_is_replaced(Scene::through_the_engine().await).await;
}

async fn a_container_that_somebody_removes(mut scene: Scene) {
    scene.runs("web", script("echo up; exec sleep 1000")).await;
    let key = scene.key("web").await;
    scene.until(key, "the first line", |kept| has(kept, "up")).await;
    let ups = |kept: &[Record]| kept.iter().filter(|record| record.text == "up").count();
    for container in scene.ground.containers() {
        docker(&["rm", "-f", &container]);
    }
    let kept = scene.until(key, "another task's line", |kept| ups(kept) == 2).await;
    assert_eq!(gaps(&kept), [""; 0], "the portal was there and read it to its end");
    let containers = scene.ground.containers();
    let remove = || containers.iter().for_each(|container| drop(docker(&["rm", "-f", container])));
    scene.ground.restart_after(remove).await;
    let kept = scene.until(key, "what is missing is said", |kept| !gaps(kept).is_empty() && ups(kept) == 3).await;
    assert_eq!(gaps(&kept).len(), 1);
    assert!(gaps(&kept)[0].contains("the container was removed before what it wrote after"), "{:?}", gaps(&kept));
}

#[tokio::test]
async fn a_container_that_somebody_removes_while_the_portal_is_away_leaves_a_gap_from_files() {
    a_container_that_somebody_removes(Scene::from_files().await).await;
}

#[tokio::test]
async fn a_container_that_somebody_removes_while_the_portal_is_away_leaves_a_gap_through_the_engine() {
    a_container_that_somebody_removes(Scene::through_the_engine().await).await;
}

async fn a_program_that_restarts(scene: Scene) {
    // Each time it was told to, it ends in the middle of a line, and the engine starts it again.
    let text = "n=$(cat /n || echo 0); n=$((n+1)); echo $n >/n; echo line $n; printf 'no end'; \
                until [ -e /go ]; do busybox usleep 50000; done; busybox rm /go; exit 1";
    let restart = json!({"policy": "on-failure", "max": 5});
    let descriptor =
        json!({"image": "web:1", "command": ["sh", "-c", text], "update": {"monitor": "0s"}, "restart": restart, "stop": {"grace": "0s"}});
    scene.runs("web", descriptor).await;
    let key = scene.key("web").await;
    for round in 1..=3 {
        scene.until(key, "the line of this start", |kept| has(kept, &format!("line {round}"))).await;
        let container = scene.ground.containers().remove(0);
        if round < 3 {
            docker(&["exec", &container, "busybox", "touch", "/go"]);
        }
    }
    let kept = scene.kept(key);
    assert_eq!(counted(&kept), 3);
    // What a program printed last without a line end is a line of its own, and no beginning of the next one's first.
    let said: Vec<&str> = kept.iter().map(|record| record.text.as_str()).filter(|text| !text.contains("can't open")).collect();
    assert_eq!(said, ["line 1", "no end", "line 2", "no end", "line 3"]);
}

#[tokio::test]
async fn a_program_that_restarts_in_its_container_is_read_on_from_files() {
    a_program_that_restarts(Scene::from_files().await).await;
}

#[tokio::test]
async fn a_program_that_restarts_in_its_container_is_read_on_through_the_engine() {
    a_program_that_restarts(Scene::through_the_engine().await).await;
}

#[tokio::test]
async fn a_log_that_the_engine_rotates_is_kept_whole() {
    let scene = Scene::from_files().await;
    // 25 MiB: the engine keeps three files of ten.
    let text = "i=0; x=$(busybox head -c 12000 /dev/zero | busybox tr '\\0' x); \
                while [ $i -lt 2100 ]; do i=$((i+1)); echo \"line $i\"; echo \"$x\" >&2; done; echo done; exec sleep 1000";
    scene.runs("web", script(text)).await;
    let key = scene.key("web").await;
    // The engine reads the two streams one beside the other: which of them ends last is its own affair.
    let kept = scene.until(key, "all lines", |kept| kept.len() >= 4_201).await;
    assert!(has(&kept, "done"));
    assert_eq!(counted(&kept), 2_100);
    assert_eq!(kept.len(), 4_201);
}

#[tokio::test]
async fn a_portal_that_is_restarted_behind_a_burst_goes_on_at_the_line_through_the_engine() {
    let mut scene = Scene::through_the_engine().await;
    // 12 MiB at once, so that most of them are told again before the last line.
    let text = "i=0; x=$(busybox head -c 2000 /dev/zero | busybox tr '\\0' x); \
                while [ $i -lt 6000 ]; do i=$((i+1)); echo \"line $i\"; echo \"$x\" >&2; done; \
                until [ -e /go ]; do busybox usleep 50000; done; echo line 6001; echo after; exec sleep 1000";
    scene.runs("web", script(text)).await;
    let key = scene.key("web").await;
    scene.until(key, "some lines", |kept| kept.len() > 500).await;
    scene.ground.restart().await;
    scene.until(key, "all lines", |kept| kept.len() >= 12_000).await;
    scene.ground.restart().await;
    let container = scene.ground.containers().remove(0);
    docker(&["exec", &container, "busybox", "touch", "/go"]);
    let kept = scene.until(key, "the line after", |kept| has(kept, "after")).await;
    assert_eq!(counted(&kept), 6_001);
    assert_eq!(kept.len(), 12_002, "each line once");
}

#[tokio::test]
async fn what_the_engine_threw_away_while_the_portal_was_away_is_one_gap_through_the_engine() {
    let mut scene = Scene::through_the_engine().await;
    // 40 MiB: the engine keeps less than 30 of them.
    let text = "x=$(busybox head -c 8000 /dev/zero | busybox tr '\\0' x); echo ready; \
                until [ -e /go ]; do busybox usleep 50000; done; i=0; \
                while [ $i -lt 5200 ]; do i=$((i+1)); echo \"$i $x\"; done; echo done; \
                until [ -e /more ]; do busybox usleep 50000; done; echo more; exec sleep 1000";
    scene.runs("web", script(text)).await;
    let key = scene.key("web").await;
    scene.until(key, "the first line", |kept| has(kept, "ready")).await;
    let container = scene.ground.containers().remove(0);
    let burst = || {
        docker(&["exec", &container, "busybox", "touch", "/go"]);
        let began = std::time::Instant::now();
        while docker(&["logs", "--tail", "1", &container]) != "done" {
            assert!(began.elapsed() < LONG, "its program wrote all");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    scene.ground.restart_after(burst).await;
    let kept = scene.until(key, "the last line", |kept| has(kept, "done")).await;
    let told = docker(&["logs", &container]);
    let written: Vec<&str> = told.lines().collect();
    assert!(written.len() < 5_200, "the engine threw some away");
    let texts: Vec<&str> = kept.iter().map(|record| record.text.as_str()).collect();
    assert_eq!((texts[0], kept[1].kind), ("ready", Kind::Gap), "what is missing is said where it is missing");
    assert!(texts[1].contains("the engine threw away what was written between"), "{}", texts[1]);
    assert_eq!(gaps(&kept).len(), 1);
    assert!(texts[2..] == written[..], "behind it, all that the engine has, once");
    // Nothing was thrown away since.
    scene.ground.restart().await;
    docker(&["exec", &container, "busybox", "touch", "/more"]);
    let last = scene.until(key, "one line more", |kept| has(kept, "more")).await;
    assert_eq!((gaps(&last).len(), last.len()), (1, kept.len() + 1));
}

#[tokio::test]
async fn a_flood_is_held_back_visibly_and_its_neighbour_is_heard() {
    let scene = Scene::from_files().await;
    scene.runs("quiet", script("i=0; while :; do i=$((i+1)); echo line $i; busybox usleep 100000; done")).await;
    let quiet = scene.key("quiet").await;
    scene.until(quiet, "the quiet one's first line", |kept| !kept.is_empty()).await;
    scene.ground.service("flood").await;
    let line = "z".repeat(1_000);
    let flood = json!({"image": "web:1", "command": ["busybox", "yes", line], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}});
    scene.ground.deployed("flood", flood).await;
    let key = scene.key("flood").await;
    let only = |kind| Select { kind: Some(kind), ..Select::default() };
    // A machine that is slow does not come to hold anything back: the engine's files turn under it first, and that is said as well.
    let said = |gap: &&str| gap.starts_with("held back: ") || gap.contains("the engine threw away");
    scene.until_found(key, &only(Kind::Gap), "what is not kept is said", |kept| gaps(kept).iter().any(said)).await;
    assert!(scene.found(key, &only(Kind::Stdout), 1_000).iter().any(|record| record.text == line), "some of it is kept");
    let heard = counted(&scene.kept(quiet));
    scene.until(quiet, "the quiet one is heard beside it", |kept| counted(kept) > heard + 20).await;
    scene.ground.verb("flood", "stop", json!({"environment": "local"})).await;
}

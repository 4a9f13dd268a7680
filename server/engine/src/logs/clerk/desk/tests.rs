//! The thread's work without the thread: log files as an engine writes them, a store, and pass after pass.

mod many;

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};

use ::logs::{Kind, Options, Record, Select, Start, Store, Stream};
use domain::db::{Db, Location};
use domain::keys::Keys;
use futures::FutureExt as _;
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::Owner;
use super::*;
use crate::logs::cursor::Cursor;
use crate::logs::watch::Bell;

const CONTAINER: &str = "9d284890c74f009dce95d22a6f019fad";
/// What should happen happens within this time; a busy machine is slow.
const LONG: Duration = Duration::from_secs(60);
const BEGIN: i64 = 1_795_000_000_000_000_000;

fn key(service: u128) -> StreamKey {
    StreamKey { project: Uuid::from_u128(1).into(), service: Uuid::from_u128(service).into(), environment: Uuid::from_u128(3).into() }
}

fn task(number: u128) -> TaskId {
    Uuid::from_u128(0x1000 + number).into()
}

struct Scene {
    folder: TempDir,
    platform: Platform,
    store: Store,
    desk: Desk,
    orders: Sender<Order>,
    bell: Bell,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Options::default(), Ear::new().expect("an ear")).await
    }

    #[expect(clippy::disallowed_methods, reason = "a fixture assembles as serve.rs does")]
    async fn with(options: Options, (ear, bell): (Ear, Bell)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&Location::File(folder.path().join("db"))).await.expect("the database opens");
        let platform = Platform::new(db, Keys::of([7; 32]));
        let store = Store::open(folder.path().join("logs"), options).expect("the store opens");
        let (orders, told) = mpsc::channel();
        let desk = Desk::new(platform.clone(), Room::new(folder.path().to_owned()), ear, told, Arc::default());
        Self { folder, platform, store, desk, orders, bell }
    }

    fn stream(&self, service: u128) -> Stream {
        self.store.stream(key(service)).expect("a stream")
    }

    /// The log file of a task.
    fn path(&self, number: u128) -> PathBuf {
        let folder = self.folder.path().join(format!("c{number}"));
        std::fs::create_dir_all(&folder).expect("made");
        folder.join("x-json.log")
    }

    fn write(&self, number: u128, lines: impl IntoIterator<Item = (i64, String)>) {
        let mut text = String::new();
        for (at, line) in lines {
            let stamp = model::time::Millis(at / 1_000_000).rfc3339();
            let time = format!("{}{:06}Z", stamp.trim_end_matches('Z'), at % 1_000_000);
            text += &format!("{{\"log\":\"{line}\\n\",\"stream\":\"stdout\",\"time\":\"{time}\"}}\n");
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.path(number)).expect("a log");
        file.write_all(text.as_bytes()).expect("written");
    }

    /// The desk follows a task's log, from where the store says that it was read to.
    fn follow(&mut self, service: u128, number: u128) {
        let stream = self.stream(service);
        let known = stream.cursor(task(number)).and_then(|text| Cursor::parse(&text, CONTAINER));
        let owner = Owner { task: task(number), key: key(service), slot: 1, revision: 1, stream };
        let cursor = known.unwrap_or_else(|| Cursor::new(CONTAINER));
        self.desk.follow(Follow { owner, path: self.path(number), files: 3, cursor });
    }

    fn kept(&self, service: u128) -> Vec<Record> {
        let mut records = Vec::new();
        let mut see = |found: ::logs::Found| {
            records.push(found.record);
            ControlFlow::Continue(())
        };
        self.stream(service).scan(&Select::default(), Start::Oldest, &mut see, &mut |_| ControlFlow::Continue(())).expect("it is read");
        records
    }

    fn texts(&self, service: u128) -> Vec<String> {
        self.kept(service).into_iter().map(|record| record.text).collect()
    }

    /// Whether somebody is to look for what is kept beyond a project's share. Asked once.
    fn is_to_look(&self) -> bool {
        self.platform.signal(Signal::LogRetention).notified().now_or_never().is_some()
    }

    /// Nothing new comes until the log is not read in each pass any more.
    fn grows_idle(&mut self, number: u128) {
        for _ in 0..=IDLE {
            self.desk.pass();
        }
        assert!(self.desk.logs[&task(number)].not_before.is_some(), "it is looked at from time to time");
    }

    /// Asks for the end of a log, as before its container is removed.
    fn finish(&mut self, number: u128) -> oneshot::Receiver<()> {
        let (reply, done) = oneshot::channel();
        self.orders.send(Order::Finish(task(number), reply)).expect("it is heard");
        assert!(self.desk.hear());
        done
    }
}

fn one(at: i64, text: &str) -> [(i64, String); 1] {
    [(BEGIN + at, text.to_owned())]
}

#[tokio::test]
async fn a_log_that_cannot_be_watched_is_read_again_all_the_same() {
    let mut scene = Scene::with(Options::default(), Ear::deaf().expect("an ear")).await;
    scene.write(1, one(0, "first"));
    scene.follow(1, 1);
    scene.grows_idle(1);
    assert_eq!(scene.texts(1), ["first"]);
    scene.write(1, one(1, "second"));
    let mut changes = scene.stream(1).changes();
    let Scene { folder: _folder, platform: _platform, store: _store, mut desk, orders, bell } = scene;
    let thread = std::thread::spawn(move || desk.work());
    let came = tokio::time::timeout(LONG, changes.wait_for(|count| *count == 2)).await.is_ok_and(|came| came.is_ok());
    orders.send(Order::Stop).expect("it is heard");
    bell.ring();
    thread.join().expect("it ends");
    assert!(came, "the line is kept");
}

#[tokio::test]
async fn a_log_that_is_looked_at_from_time_to_time_is_finished_and_forgotten_at_once() {
    let mut scene = Scene::with(Options::default(), Ear::deaf().expect("an ear")).await;
    scene.follow(1, 1);
    scene.write(1, one(0, "first"));
    scene.grows_idle(1);
    scene.write(1, one(1, "last"));
    let mut done = scene.finish(1);
    scene.desk.pass();
    assert!(done.try_recv().is_ok());
    assert_eq!(scene.texts(1), ["first", "last"]);
    scene.grows_idle(1);
    scene.orders.send(Order::Forget(task(1))).expect("it is heard");
    assert!(scene.desk.hear());
    scene.desk.pass();
    assert!(scene.desk.logs.is_empty());
    assert_eq!(scene.stream(1).cursor(task(1)), None);
}

/// Lets nothing be added to a stream, or lets it again.
fn block(folder: &Path, block: bool) {
    let key = key(1);
    let place = folder.join("logs").join(key.project.to_string()).join(key.service.to_string()).join(key.environment.to_string());
    let aside = folder.join("aside");
    if block {
        std::fs::rename(&place, aside).expect("moved");
        std::fs::write(place, "").expect("a file in place of the folder");
    } else {
        std::fs::remove_file(&place).expect("removed");
        std::fs::rename(aside, place).expect("moved back");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_tried_again_and_said_until_it_is_kept_whatever_other_streams_do() {
    // Each batch makes a file.
    let mut scene = Scene::with(Options { journal_bytes: 1, ..Options::default() }, Ear::new().expect("an ear")).await;
    for number in [1, 2] {
        scene.follow(number, number);
        scene.write(number, one(0, "first"));
    }
    scene.desk.pass();
    block(scene.folder.path(), true);
    for number in [1, 2] {
        scene.write(number, one(1, "second"));
    }
    scene.desk.pass();
    assert_eq!(scene.texts(2), ["first", "second"]);
    assert!(scene.platform.logs_problem().is_some_and(|said| said.contains("could not be written")));
    assert!(scene.desk.logs[&task(1)].not_before.is_some_and(|at| at > Instant::now()), "it waits");
    scene.write(2, one(2, "third"));
    scene.desk.pass();
    assert_eq!(scene.texts(2).len(), 3);
    assert!(scene.platform.logs_problem().is_some(), "that another stream is well mends nothing");
    // Whoever waits for its end has a few seconds: it is tried in each pass.
    let mut done = scene.finish(1);
    scene.desk.pass();
    assert!(done.try_recv().is_err());
    block(scene.folder.path(), false);
    scene.desk.pass();
    assert!(done.try_recv().is_ok());
    assert_eq!(scene.texts(1), ["first", "second"], "once");
    assert_eq!(scene.platform.logs_problem(), None);
}

/// Passes until a stream has so many lines.
fn pass_until(scene: &mut Scene, lines: usize) {
    for _ in 0..2_000 {
        if scene.kept(1).len() >= lines {
            return;
        }
        // As many as are made between two looks: each look reads all that is kept.
        (0..4).for_each(|_| scene.desk.pass());
    }
    panic!("{} of {lines} lines are kept", scene.kept(1).len());
}

#[tokio::test]
async fn what_several_tasks_wrote_while_nobody_looked_is_kept_in_the_order_of_time() {
    const MANY: i64 = 12_000;
    let mut scene = Scene::new().await;
    let (short, long) = ("x".repeat(100), "y".repeat(500));
    // Megabytes of two tasks by turns, of which a piece spans more time in one than in the other; a third one wrote little, the last in the future.
    scene.write(1, (0..MANY).map(|at| (BEGIN + at * 2_000, format!("{at} {short}"))));
    scene.write(2, (0..MANY).map(|at| (BEGIN + at * 2_000 + 1_000, format!("{at} {long}"))));
    scene.write(3, (0..10).map(|at| (BEGIN + at * MANY * 200 + 500, format!("{at} few"))));
    scene.write(3, one(MANY * 4_000, "10 from tomorrow"));
    // One is found first: it is not begun with.
    scene.desk.gathering = true;
    scene.follow(1, 1);
    scene.desk.pass();
    assert!(scene.kept(1).is_empty());
    scene.follow(1, 2);
    scene.follow(1, 3);
    scene.desk.gathering = false;
    (0..3).for_each(|_| scene.desk.pass());
    let begun = scene.kept(1).len();
    assert!(begun > 0 && begun < 2 * MANY as usize, "in several batches: {begun}");
    // How far each was read is no further than what was kept: another portal goes on there.
    scene.desk.logs.clear();
    for number in 1..=3 {
        scene.follow(1, number);
    }
    let all = 2 * MANY as usize + 11;
    pass_until(&mut scene, all);
    let kept = scene.kept(1);
    assert_eq!(kept.len(), all);
    assert!(kept.iter().all(|record| record.kind == Kind::Stdout));
    let late = kept.windows(2).find(|pair| pair[0].at_nanos > pair[1].at_nanos);
    assert!(late.is_none(), "in the order of time: {late:?}");
    for number in 1..=3 {
        let own = kept.iter().filter(|record| record.task == task(number)).filter_map(|record| record.text.split(' ').next()?.parse::<usize>().ok());
        assert!(own.enumerate().all(|(at, number)| at == number), "each line of task {number} once, in its order");
    }
}

#[tokio::test]
async fn what_is_about_to_be_removed_and_what_waited_for_long_wait_for_no_other() {
    let mut scene = Scene::new().await;
    let filler = "x".repeat(1_000);
    scene.write(1, (0..10_000).map(|at| (BEGIN + at, format!("{at} {filler}"))));
    for number in [1, 2, 3] {
        scene.follow(1, number);
    }
    scene.write(2, one(1_000_000, "goes"));
    scene.write(3, one(2_000_000, "patient"));
    let has = |scene: &Scene, text: &str| scene.texts(1).iter().any(|known| known == text);
    scene.desk.pass();
    assert!(!has(&scene, "goes") && !has(&scene, "patient"), "there are earlier lines");
    let mut done = scene.finish(2);
    scene.desk.pass();
    assert!(done.try_recv().is_ok());
    assert!(has(&scene, "goes") && !has(&scene, "patient"));
    let ahead = scene.desk.logs.get_mut(&task(3)).and_then(|log| log.ahead.as_mut()).expect("it waits");
    ahead.since = ahead.since.checked_sub(LONG).expect("the machine runs for longer");
    scene.desk.pass();
    assert!(has(&scene, "patient"));
    assert!(scene.texts(1).len() < 10_002, "before all earlier ones were read");
}

#[tokio::test]
async fn it_is_looked_for_what_is_too_much_when_much_was_added_and_once_when_the_disk_is_full() {
    let mut scene = Scene::new().await;
    scene.follow(1, 1);
    let owner = scene.desk.logs[&task(1)].owner.clone();
    let add = |scene: &mut Scene, bytes: usize| {
        let record = Record { at_nanos: BEGIN, task: task(1), slot: 1, revision: 1, kind: Kind::Stdout, text: "line".into(), cut: false };
        let mut bundle = Bundle::of(&owner);
        bundle.records.push(record);
        bundle.bytes = bytes;
        scene.desk.keep(bundle);
    };
    add(&mut scene, GROWN - 1);
    assert!(!scene.is_to_look());
    add(&mut scene, 1);
    assert!(scene.is_to_look() && !scene.is_to_look());
    add(&mut scene, GROWN - 1);
    assert!(!scene.is_to_look(), "counted from the last time");
    for _ in 0..2 {
        scene.desk.pause("the disk is full".into());
    }
    assert_eq!(scene.platform.logs_problem().as_deref(), Some("the disk is full"));
    assert!(scene.is_to_look() && !scene.is_to_look());
    scene.desk.pass();
    assert_eq!(scene.platform.logs_problem(), None);
    scene.desk.pause("the disk is full".into());
    assert!(scene.is_to_look(), "another time");
}

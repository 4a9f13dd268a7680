//! What one reader gets, and when it gives way to others.

use logs::{Batch, Kind, Matcher, Options, Record, Store, StreamKey};
use model::views::logs::LogFilter;

use super::*;

const ID: &str = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11";

fn key() -> StreamKey {
    let id = "an id";
    StreamKey { project: ID.parse().expect(id), service: ID.parse().expect(id), environment: ID.parse().expect(id) }
}

fn line(text: &str) -> Record {
    Record { at_nanos: 1, task: ID.parse().expect("an id"), slot: 1, revision: 1, kind: Kind::Stdout, text: text.into(), cut: false }
}

fn write(stream: &Stream, lines: usize) {
    stream.append(&Batch { records: vec![line("x"); lines], cursors: Vec::new() }).expect("appended");
}

/// So many lines with their numbers, in many parts.
fn numbered(folder: &std::path::Path, lines: usize) -> Stream {
    let options = Options { journal_bytes: 2_000, chunk_bytes: 300, level: 1 };
    let stream = Store::open(folder, options).expect("opened").stream(key()).expect("made");
    for begin in (0..lines).step_by(10) {
        let records = (begin..begin + 10).map(|number| line(&format!("line {number}"))).collect();
        stream.append(&Batch { records, cursors: Vec::new() }).expect("appended");
    }
    stream
}

async fn all(mut pieces: mpsc::Receiver<Piece>) -> Vec<LogView> {
    let mut read = Vec::new();
    while let Some(piece) = pieces.recv().await {
        if let Piece::Lines(lines) = piece {
            read.extend(lines);
        }
    }
    read
}

fn pump(follow: bool, search: Option<Slot>) -> (Pump, mpsc::Receiver<Piece>) {
    let (sender, receiver) = mpsc::channel(1);
    let query = Query { filter: LogFilter::default(), begin: Begin::Oldest, follow };
    (Pump::new(Desk::default(), Select::default(), &query, search, sender), receiver)
}

#[tokio::test]
async fn who_does_not_follow_reads_to_what_was_the_end_however_much_is_added_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key()).expect("made");
    write(&stream, 2000);
    let (pump, mut pieces) = pump(false, None);
    let work = tokio::spawn(pump.run(stream.clone(), None));
    let mut read = 0;
    while let Some(piece) = pieces.recv().await {
        if let Piece::Lines(lines) = piece {
            read += lines.len();
            assert!(read <= 2000, "what came later is not read");
            write(&stream, lines.len());
        }
    }
    assert_eq!(read, 2000);
    work.await.expect("no panic").expect("read");
}

#[tokio::test]
async fn who_searches_and_follows_searches_no_longer_when_the_past_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key()).expect("made");
    write(&stream, 1);
    let portal = crate::testing::Store::open().await;
    let ana = portal.person("ana", false).await;
    let search = || crate::streams::open(&portal.platform, &ana, crate::streams::Kind::Search);
    let _held: Vec<Slot> = (1..crate::streams::Kind::Search.most()).map(|_| search().expect("room")).collect();
    let (pump, mut pieces) = pump(true, Some(search().expect("room")));
    assert!(search().is_err(), "it counts as a search");
    let _work = tokio::spawn(pump.run(stream, None));
    assert!(pieces.recv().await.is_some());
    let free = async {
        while search().is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), free).await.expect("there is room for another one");
}

#[tokio::test]
async fn who_follows_what_is_removed_comes_to_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Options::default()).expect("opened");
    let stream = store.stream(key()).expect("made");
    write(&stream, 1);
    let (pump, mut pieces) = pump(true, None);
    let work = tokio::spawn(pump.run(stream, None));
    assert!(matches!(pieces.recv().await, Some(Piece::Lines(lines)) if lines.len() == 1));
    store.remove_project(key().project).expect("removed");
    let ended = tokio::time::timeout(Duration::from_secs(20), work).await.expect("it ends");
    ended.expect("no panic").expect("read");
}

#[tokio::test]
async fn a_look_back_in_many_turns_gives_what_one_gives() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = numbered(folder.path(), 400);
    for context in [0, 2] {
        let select = Select { matcher: Some(Matcher::text("7", false)), context, ..Select::default() };
        let mut read = Vec::new();
        for slice in [SLICE, Duration::ZERO] {
            let (sender, pieces) = mpsc::channel(1);
            let query = Query { filter: LogFilter::default(), begin: Begin::Last(30), follow: false };
            let pump = Pump { slice, ..Pump::new(Desk::default(), select.clone(), &query, None, sender) };
            let work = tokio::spawn(pump.run(stream.clone(), None));
            read.push(all(pieces).await);
            work.await.expect("no panic").expect("read");
        }
        assert_eq!(read[0].iter().filter(|line| !line.context).count(), 30);
        assert_eq!(read[0].iter().any(|line| line.context), context > 0);
        assert_eq!(read[0], read[1]);
    }
}

#[tokio::test]
async fn who_looks_back_far_gives_way_to_others_and_can_be_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = numbered(folder.path(), 400);
    let desk = Desk::default();
    let mut held = Vec::new();
    while let Ok(turn) = tokio::time::timeout(Duration::from_millis(1), desk.turn(true)).await {
        held.push(turn);
    }
    let (sender, pieces) = mpsc::channel(1);
    let query = Query { filter: LogFilter::default(), begin: Begin::Last(30), follow: false };
    let select = Select { matcher: Some(Matcher::text("nothing like it", false)), ..Select::default() };
    let pump = Pump { slice: Duration::ZERO, heavy: true, ..Pump::new(desk.clone(), select, &query, None, sender) };
    // There is one turn for the two of them, and the search has it.
    let work = tokio::spawn(pump.run(stream, held.pop()));
    held.push(tokio::time::timeout(Duration::from_secs(60), desk.turn(true)).await.expect("a turn, in the middle of the search"));
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!work.is_finished(), "it waits for its next turn");
    drop(pieces);
    let left = tokio::time::timeout(Duration::from_secs(60), work).await.expect("it ends without a turn");
    left.expect("no panic").expect("left");
    drop(held);
}

#[tokio::test]
async fn who_keeps_pace_needs_no_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), Options::default()).expect("opened").stream(key()).expect("made");
    write(&stream, 10);
    let desk = Desk::default();
    let mut held = Vec::new();
    while let Ok(turn) = tokio::time::timeout(Duration::from_millis(1), desk.turn(false)).await {
        held.push(turn);
    }
    // Lines are held in memory from here on.
    let _follower = stream.changes();
    let (sender, mut pieces) = mpsc::channel(1);
    let query = Query { filter: LogFilter::default(), begin: Begin::After(stream.end()), follow: true };
    let work = tokio::spawn(Pump::new(desk, Select::default(), &query, None, sender).run(stream.clone(), None));
    for burst in 0..5 {
        // More than travels at once, so that the reader gets it in several parts.
        let records = (0..600).map(|number| line(&format!("{burst}-{number}"))).collect();
        stream.append(&Batch { records, cursors: Vec::new() }).expect("appended");
        let mut read = Vec::new();
        while read.len() < 600 {
            let piece = tokio::time::timeout(Duration::from_secs(60), pieces.recv()).await.expect("no turn is needed");
            let Some(Piece::Lines(lines)) = piece else { panic!("lines come, and nothing else") };
            read.extend(lines.into_iter().map(|line| line.text));
        }
        assert!(read.into_iter().eq((0..600).map(|number| format!("{burst}-{number}"))));
    }
    drop(pieces);
    work.await.expect("no panic").expect("left");
    drop(held);
}

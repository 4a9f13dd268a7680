//! The store as its users see it: what was added is there, once and in order, whatever happens to process and files.

mod access_log;
mod crashes;
mod damage;
mod following;
mod searches;

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;

use model::ids::TaskId;
use uuid::Uuid;

use crate::stream::lock;
use crate::*;

pub(crate) const SMALL: Options = Options { journal_bytes: 2_000, chunk_bytes: 300, level: 1 };

pub(crate) fn key(number: u128) -> StreamKey {
    StreamKey { project: Uuid::from_u128(1).into(), service: Uuid::from_u128(number).into(), environment: Uuid::from_u128(3).into() }
}

pub(crate) fn task(number: u128) -> TaskId {
    Uuid::from_u128(0x1000 + number).into()
}

pub(crate) fn line(of: u128, at_nanos: i64, text: &str) -> Record {
    Record { at_nanos, task: task(of), slot: of as u32, revision: 1, kind: Kind::Stdout, text: text.to_owned(), cut: false }
}

pub(crate) fn batch(records: Vec<Record>) -> Batch {
    Batch { records, cursors: Vec::new() }
}

/// Numbered lines in batches of ten.
pub(crate) fn fill(stream: &Stream, from: usize, count: usize) {
    for begin in (from..from + count).step_by(10) {
        let lines = (begin..(begin + 10).min(from + count)).map(|n| line(n as u128 % 3, n as i64, &format!("line {n}"))).collect();
        stream.append(&batch(lines)).expect("appended");
    }
}

pub(crate) fn scan(stream: &Stream, select: &Select, start: Start) -> (Vec<Found>, Option<LineId>) {
    let mut all = Vec::new();
    let last = stream.scan(
        select,
        start,
        &mut |found| {
            all.push(found);
            ControlFlow::Continue(())
        },
        &mut |_| ControlFlow::Continue(()),
    );
    (all, last.expect("scanned"))
}

pub(crate) fn all(stream: &Stream) -> Vec<Found> {
    scan(stream, &Select::default(), Start::Oldest).0
}

pub(crate) fn texts(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| found.record.text.as_str()).collect()
}

/// Compresses all that was added so far.
pub(crate) fn seal(stream: &Stream) {
    stream.0.rotate().expect("rotated");
    let numbers: Vec<u64> = stream.0.state().parts.iter().map(plan::Kept::number).collect();
    numbers.into_iter().for_each(|number| stream.0.seal(number).expect("sealed"));
}

/// The process that had this stream dies: its thread that compresses is not in the files any more, nor comes back to them.
pub(crate) fn die(stream: &Stream) {
    let _turn = lock(&stream.0.working);
    stream.0.state().removed = true;
}

#[test]
fn lines_are_the_same_in_journal_and_segment_and_after_opening_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path().join("logs"), SMALL).expect("opened");
    assert!(store.existing(key(1)).expect("read").is_none());
    let stream = store.stream(key(1)).expect("made");
    assert_eq!(stream.end(), LineId::ZERO);
    let records = vec![
        Record { kind: Kind::Stderr, ..line(1, -5, "before 1970 \u{0} \u{1b}[31mred\u{1b}[0m 漢字 🦀\r") },
        Record { cut: true, revision: 4, ..line(2, 7, "") },
        Record { kind: Kind::Gap, ..line(1, i64::MAX, "12 lines are missing") },
    ];
    stream.append(&batch(records.clone())).expect("appended");
    let written = all(&stream);
    assert_eq!(written.iter().map(|found| found.record.clone()).collect::<Vec<_>>(), records);
    seal(&stream);
    assert_eq!(all(&stream), written);
    assert_eq!(stream.end().to_string(), "1-2");
    drop((stream, store));
    let store = Store::open(folder.path().join("logs"), SMALL).expect("opened");
    let stream = store.existing(key(1)).expect("read").expect("there");
    assert_eq!(all(&stream), written);
    assert_eq!(store.projects().expect("read"), [key(1).project]);
    for entry in walk(folder.path().join("logs")) {
        let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, if entry.is_dir() { 0o700 } else { 0o600 }, "{}", entry.display());
    }
}

pub(crate) fn walk(folder: std::path::PathBuf) -> Vec<std::path::PathBuf> {
    let mut all = vec![folder.clone()];
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("there").path();
        if path.is_dir() { all.extend(walk(path)) } else { all.push(path) }
    }
    all
}

#[test]
fn a_batch_is_put_in_the_order_of_time_and_cannot_break_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
    let long = "é".repeat(1 << 20);
    stream.append(&batch(vec![line(1, 10, "two\nlines"), line(1, 20, &long), line(2, 15, "between"), line(2, 15, "same time")])).expect("appended");
    let found = all(&stream);
    assert_eq!(texts(&found)[..3], ["two lines", "between", "same time"]);
    assert_eq!(found[3].record.text.len(), 1 << 20);
    assert!(found[3].record.cut && !found[0].record.cut);
    seal(&stream);
    assert_eq!(all(&stream), found);
}

#[test]
fn cursors_go_with_their_lines_and_outlive_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    let mut changes = stream.changes();
    stream.append(&Batch { records: vec![line(1, 1, "a")], cursors: vec![(task(1), "17".into()), (task(2), "x".into())] }).expect("appended");
    assert!(changes.has_changed().expect("open"));
    assert_eq!(*changes.borrow_and_update(), 1);
    stream.append(&Batch { records: vec![], cursors: vec![(task(2), String::new())] }).expect("appended");
    assert!(!changes.has_changed().expect("open"));
    seal(&stream);
    assert_eq!(store.retain(key(1).project, 1000, u64::MAX).expect("deleted").lines, 1);
    assert!(all(&stream).is_empty());
    drop((stream, store));
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("there");
    assert_eq!(stream.cursors(), [(task(1), "17".to_owned())]);
    assert_eq!((stream.cursor(task(1)), stream.cursor(task(2))), (Some("17".to_owned()), None));
    // The numbers of lines that are gone are not given out again.
    assert_eq!(stream.end().to_string(), "1-0");
    stream.append(&batch(vec![line(1, 2, "b")])).expect("appended");
    assert_eq!(all(&stream)[0].id.to_string(), "2-0");
}

#[test]
fn cursors_alone_do_not_fill_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    for n in 0..40 {
        stream.append(&Batch { records: vec![], cursors: vec![(task(1), format!("{n}{}", "x".repeat(100_000)))] }).expect("appended");
    }
    assert!(store.bytes(key(1).project).expect("read") < 2 << 20);
    drop((stream, store));
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("there");
    assert!(stream.cursor(task(1)).expect("kept").starts_with("39x"));
}

#[test]
fn what_retention_deletes_is_the_oldest_of_all_streams_and_followers_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let (a, b) = (store.stream(key(1)).expect("made"), store.stream(key(2)).expect("made"));
    fill(&a, 0, 100);
    seal(&a);
    fill(&b, 100, 100);
    seal(&b);
    let last = a.end();
    fill(&a, 200, 100);
    seal(&a);
    let (ours, theirs) = (all(&a), all(&b));
    let bytes = store.bytes(key(1).project).expect("read");
    let removed = store.retain(key(1).project, i64::MIN, bytes - 1).expect("deleted");
    assert!(removed.segments >= 1 && removed.bytes > 0);
    assert!(all(&a).len() < ours.len() && all(&b) == theirs);
    // By age: everything before 200.
    store.retain(key(1).project, 200, u64::MAX).expect("deleted");
    assert!(all(&b).is_empty());
    let kept = all(&a);
    assert!(kept.iter().all(|found| found.record.at_nanos >= 200) && kept.len() >= 90, "{}", kept.len());
    // Whoever had read all that is gone misses nothing; whoever had not is told.
    assert_eq!(scan(&a, &Select::default(), Start::After(LineId { segment: kept[0].id.segment - 1, index: u32::MAX })).0, kept);
    let (told, end) = scan(&a, &Select::default(), Start::After(ours[5].id));
    assert_eq!(told[0].record.kind, Kind::Gap);
    assert!(told[0].record.text.contains("deleted") && told[0].id > ours[5].id && told[0].id < kept[0].id);
    assert_eq!(told[1..], kept);
    assert_eq!(end, Some(a.end()));
    assert!(scan(&a, &Select::default(), Start::After(told[0].id)).0 == kept);
    let _ = last;
}

#[test]
fn what_is_deleted_under_a_reader_is_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    for n in 0..5 {
        fill(&stream, n * 100, 100);
        seal(&stream);
    }
    let mut seen = Vec::new();
    stream
        .scan(
            &Select::default(),
            Start::Oldest,
            &mut |found| {
                if seen.is_empty() {
                    store.retain(key(1).project, i64::MAX, 0).expect("deleted");
                }
                seen.push(found);
                ControlFlow::Continue(())
            },
            &mut |_| ControlFlow::Continue(()),
        )
        .expect("scanned");
    assert!(seen.iter().any(|found| found.record.kind == Kind::Gap && found.record.text.contains("deleted meanwhile")));
    assert!(seen.windows(2).all(|two| two[0].id < two[1].id));
}

#[test]
fn a_removed_stream_takes_nothing_more_and_a_new_one_is_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let (stream, other) = (store.stream(key(1)).expect("made"), store.stream(key(2)).expect("made"));
    fill(&stream, 0, 50);
    fill(&other, 0, 50);
    let changes = stream.changes();
    store.remove_service(key(1).project, key(1).service).expect("removed");
    assert!(changes.has_changed().expect("open"));
    assert!(stream.append(&batch(vec![line(1, 1, "late")])).is_err());
    assert!(store.existing(key(1)).expect("read").is_none());
    assert!(all(&store.stream(key(1)).expect("made")).is_empty());
    assert_eq!(all(&other).len(), 50);
    store.remove_project(key(1).project).expect("removed");
    assert!(store.projects().expect("read").is_empty());
}

#[test]
fn a_failed_append_leaves_nothing_and_the_next_one_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    fill(&stream, 0, 10);
    let path = plan::journal_path(stream.0.path(), 1);
    // Cannot be written to, as on a full disk.
    stream.0.state().active().expect("a journal").file = Some(std::fs::File::open(&path).expect("opened").into());
    let changes = stream.changes();
    assert!(stream.append(&Batch { records: vec![line(1, 50, "lost")], cursors: vec![(task(1), "1".into())] }).is_err());
    assert!(all(&stream).len() == 10 && stream.cursor(task(1)).is_none() && !changes.has_changed().expect("open"));
    stream.0.state().active().expect("a journal").rest();
    fill(&stream, 10, 10);
    assert_eq!(all(&stream).len(), 20);
    let too_much = batch((0..20).map(|n| line(1, n, &"x".repeat(1 << 20))).collect());
    assert_eq!(stream.append(&too_much).expect_err("too large").kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(all(&stream).len(), 20);
}

#[test]
fn followers_miss_nothing_while_journals_become_segments() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    let read: Vec<Vec<Found>> = std::thread::scope(|scope| {
        let followers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut at, mut read) = (LineId::ZERO, Vec::new());
                    while read.len() < 3000 {
                        let (found, last) = scan(&stream, &Select::default(), Start::After(at));
                        read.extend(found);
                        at = last.unwrap_or(at);
                    }
                    read
                })
            })
            .collect();
        fill(&stream, 0, 3000);
        followers.into_iter().map(|follower| follower.join().expect("read")).collect()
    });
    let want: Vec<String> = (0..3000).map(|n| format!("line {n}")).collect();
    for read in read {
        assert_eq!(texts(&read), want);
    }
    assert!(stream.end().segment > 10);
}

#[test]
fn tidying_forgets_what_nobody_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    fill(&stream, 0, 10);
    let weak = std::sync::Arc::downgrade(&stream.0);
    let long_ago = std::time::Instant::now().checked_sub(std::time::Duration::from_secs(25 * 3600)).expect("a time");
    stream.0.state().touched = long_ago;
    store.tidy().expect("tidied");
    assert_eq!(all(&stream).len(), 10);
    assert_eq!(stream.0.state().parts.len(), 2, "a day's silence begins a new part");
    let segment = plan::segment_path(stream.0.path(), 1);
    drop(stream);
    // Not before the thread that compresses is through.
    while weak.strong_count() > 0 {
        store.tidy().expect("tidied");
        std::thread::yield_now();
    }
    assert!(segment.exists());
    assert_eq!(all(&store.stream(key(1)).expect("there")).len(), 10);
}

#[test]
fn a_stream_is_not_forgotten_before_its_journal_is_compressed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), SMALL).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    fill(&stream, 0, 10);
    let (weak, segment) = (std::sync::Arc::downgrade(&stream.0), plan::segment_path(stream.0.path(), 1));
    stream.0.state().touched = std::time::Instant::now().checked_sub(std::time::Duration::from_secs(25 * 3600)).expect("a time");
    drop(stream);
    while weak.strong_count() > 0 {
        store.tidy().expect("tidied");
        std::thread::yield_now();
    }
    assert!(segment.exists());
}

#[test]
fn room_is_made_also_where_nothing_can_be_compressed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Options { journal_bytes: 4 << 20, ..SMALL }).expect("opened");
    let stream = store.stream(key(1)).expect("made");
    fill(&stream, 0, 100);
    seal(&stream);
    stream.append(&batch((0..20).map(|n| line(1, 1000 + n, &"x".repeat(100_000))).collect())).expect("appended");
    // As on a full disk: there is no place for the segment.
    std::fs::create_dir(stream.0.path().join("2.tmp")).expect("made");
    let removed = store.retain(key(1).project, i64::MIN, 100_000).expect("deleted");
    assert_eq!((removed.segments, removed.lines), (2, 120));
    assert!(all(&stream).is_empty());
}

#[test]
fn neither_a_line_of_the_future_nor_a_part_without_lines_stays_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Store::open(folder.path(), SMALL).expect("opened");
    let stream = open().stream(key(1)).expect("made");
    let path = stream.0.path().to_owned();
    drop(stream);
    journal::Journal::create(&plan::journal_path(&path, 2), 2, 0, &std::collections::HashMap::new()).expect("made");
    let store = open();
    let stream = store.stream(key(1)).expect("there");
    fill(&stream, 0, 10);
    seal(&stream);
    assert_eq!(store.retain(key(1).project, 1000, u64::MAX).expect("deleted").lines, 10, "behind a part without lines");
    stream.append(&batch(vec![line(1, i64::MAX, "the clock was wrong")])).expect("appended");
    seal(&stream);
    drop((stream, store));
    assert_eq!(open().retain(key(1).project, 1000, u64::MAX).expect("looked").lines, 0, "it was written just now");
    assert_eq!(open().retain(key(1).project, i64::MAX - 1, u64::MAX).expect("deleted").lines, 1);
}

#[test]
fn a_place_has_one_spelling() {
    assert_eq!("7-120".parse(), Ok(LineId { segment: 7, index: 120 }));
    for bad in ["", "-", "7", "7-", "-7", "+7-1", "07-1", "7-01", "7-1-1", "7-4294967296", " 7-1"] {
        assert_eq!(bad.parse::<LineId>(), Err(InvalidLineId), "{bad}");
    }
}

#[test]
fn retention_reaches_streams_that_nobody_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = Store::open(folder.path(), SMALL).expect("opened").stream(key(1)).expect("made");
    fill(&stream, 0, 30);
    seal(&stream);
    fill(&stream, 100, 10);
    let path = plan::journal_path(stream.0.path(), 2);
    die(&stream);
    let store = Store::open(folder.path(), SMALL).expect("opened");
    assert_eq!(store.retain(key(1).project, 20, u64::MAX).expect("looked"), Removed::default(), "a part goes when all of it is older");
    assert_eq!(store.retain(key(1).project, 30, u64::MAX).expect("deleted").lines, 30);
    drop(store);
    // A journal's lines go too, without ever becoming a segment.
    assert!(path.exists());
    let store = Store::open(folder.path(), SMALL).expect("opened");
    assert_eq!(store.retain(key(1).project, i64::MAX, u64::MAX).expect("deleted").lines, 10);
    assert!(!path.exists());
    assert!(all(&store.stream(key(1)).expect("there")).is_empty());
}

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use model::time::Millis;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

fn header() -> Header {
    Header { width: 80, height: 24, title: "dora in shop/web.1".into(), started_at: Millis(1_795_166_400_000) }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(last: u32) -> T {
    format!("0192f0c1-7c1e-7b44-8d2a-{last:012x}").parse().expect("an id")
}

/// A shelf whose loop runs.
fn shelf(folder: &TempDir, limits: Limits) -> Arc<Shelf> {
    let shelf = Arc::new(Shelf::with(folder.path().join("recordings"), limits));
    let run = Arc::clone(&shelf);
    tokio::spawn(async move { run.run().await });
    shelf
}

async fn recorder(shelf: &Arc<Shelf>, shell: u32) -> Recorder {
    Arc::clone(shelf).record(id(1), id(shell), &header()).await.expect("a recording")
}

/// What the file says was printed.
fn printed(path: &Path) -> String {
    let bytes = std::fs::read(path).expect("a file");
    let lines = std::str::from_utf8(&bytes).expect("UTF-8").lines().skip(1);
    let events = lines.map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    events.filter(|event| event[1] == "o").map(|event| event[2].as_str().expect("a text").to_owned()).collect()
}

/// Time is not waited for: it jumps when nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn what_is_printed_is_on_the_disk_within_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder, Limits::USUAL);
    let (one, other) = (recorder(&shelf, 1).await, recorder(&shelf, 2).await);
    for round in 1..=3 {
        one.output("é".as_bytes());
        other.output(b"x");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(printed(&one.tape.path), "é".repeat(round));
        assert_eq!(printed(&other.tape.path), "x".repeat(round));
    }
    // Half a character waits for its other half, and no longer than the shell.
    one.output(b"\xe2\x82");
    let bytes = one.finish().await;
    assert_eq!(printed(&one.tape.path), "ééé\u{fffd}");
    assert_eq!(bytes, std::fs::metadata(&one.tape.path).expect("a file").len());
    one.output(b"late");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(printed(&one.tape.path), "ééé\u{fffd}", "what comes after the end is not recorded");
}

#[tokio::test(start_paused = true)]
async fn nobody_else_reads_a_recording_and_none_is_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder, Limits::USUAL);
    let recorder = recorder(&shelf, 1).await;
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&recorder.tape.path), 0o600);
    assert_eq!(mode(&shelf.of_project(id(1))), 0o700);
    assert_eq!(mode(shelf.folder()), 0o700);
    assert!(Arc::clone(&shelf).record(id(1), id(1), &header()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_is_dropped_leaves_what_was_printed_and_nothing_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder, Limits::USUAL);
    let recorder = recorder(&shelf, 1).await;
    recorder.output(b"last words");
    let path = recorder.tape.path.clone();
    drop(recorder);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(printed(&path), "last words");
    let never = Arc::clone(&shelf).record(id(1), id(2), &header()).await.expect("a recording");
    let path = never.tape.path.clone();
    drop(never);
    assert!(!path.exists(), "a shell that was not opened leaves nothing");
    assert!(lock(&shelf.tapes).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_cannot_be_written_ends_its_shell_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder, Limits::USUAL);
    let (one, other) = (recorder(&shelf, 1).await, recorder(&shelf, 2).await);
    std::fs::remove_file(&one.tape.path).expect("removed");
    one.output(b"lost");
    other.output(b"kept");
    let error = tokio::time::timeout(Duration::from_secs(2), one.failure()).await.expect("told in time");
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("recorded")), "{error}");
    assert!(one.failed() && !other.failed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(printed(&other.tape.path), "kept");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_ends_the_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nobody writes here.
    let shelf = Arc::new(Shelf::with(folder.path().join("recordings"), Limits::USUAL));
    let recorder = recorder(&shelf, 1).await;
    recorder.output(b"a");
    tokio::time::sleep(STUCK / 2).await;
    recorder.output(b"b");
    assert!(!recorder.failed());
    tokio::time::sleep(STUCK / 2).await;
    recorder.output(b"c");
    let error = recorder.failure().await;
    assert!(error.to_string().contains("disk"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_full_recording_ends_the_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder, Limits { whole: 10_000, full: 12_000, trickle: 512, saved: 4096 });
    let recorder = recorder(&shelf, 1).await;
    while !recorder.failed() {
        recorder.output(b"a line that is printed again and again\r\n");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(recorder.failure().await.to_string().contains("full"));
    assert!(recorder.finish().await <= 12_000);
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_is_used_under_a_flood_again_and_again_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder, Limits { whole: 10_000, full: 20_000, trickle: 512, saved: 2000 });
    let recorder = recorder(&shelf, 1).await;
    let flood = || {
        for _ in 0..100 {
            recorder.output(&[b'y'; 1024]);
        }
    };
    flood();
    recorder.typed(1);
    flood();
    assert!(!recorder.failed(), "not by what ends the flood");
    for _ in 0..20 {
        recorder.typed(1);
        flood();
    }
    assert!(recorder.failure().await.to_string().contains("full"));
    assert!(recorder.finish().await <= 20_000);
}

/// Prints until there is no room; how much that was.
fn fill(recorder: &Recorder) -> usize {
    let mut printed = 0;
    while recorder.has_room() {
        recorder.output(&[b'y'; 16 * 1024]);
        printed += 16 * 1024;
    }
    printed
}

#[tokio::test(start_paused = true)]
async fn what_a_slow_disk_has_not_taken_is_waited_for_and_nothing_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Arc::new(Shelf::with(folder.path().join("recordings"), Limits::USUAL));
    let recorder = recorder(&shelf, 1).await;
    let mut whole = fill(&recorder);
    assert!(whole <= WAITING + 16 * 1024, "{whole} bytes wait");
    assert!(timeout(STUCK / 2, recorder.room()).await.is_err(), "the terminal waits");
    // Now the disk takes something.
    let run = Arc::clone(&shelf);
    tokio::spawn(async move { run.run().await });
    recorder.room().await;
    assert!(!recorder.failed());
    whole += fill(&recorder);
    recorder.finish().await;
    assert_eq!(printed(&recorder.tape.path).len(), whole);
    assert!(!std::fs::read_to_string(&recorder.tape.path).expect("a file").contains("left out"));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_is_not_waited_for_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Arc::new(Shelf::with(folder.path().join("recordings"), Limits::USUAL));
    let recorder = recorder(&shelf, 1).await;
    fill(&recorder);
    timeout(STUCK * 2, recorder.room()).await.expect("it gives up");
    assert!(recorder.failure().await.to_string().contains("disk"));
}

#[test]
fn a_disk_is_full_before_it_is() {
    assert_eq!(short(600 << 20, 1 << 40), None);
    assert!(short(500 << 20, 1 << 40).is_some_and(|text| text.contains("500 MiB free, and 512 MiB are needed")));
    assert_eq!(short(20 << 20, 640 << 20), None, "a small disk");
    assert!(short(10 << 20, 640 << 20).is_some());
    let folder = tempfile::tempdir().expect("a folder");
    room(crate::room::of, &folder.path().join("recordings/of/nobody.cast")).expect("the folder that will be is on the disk of the one that is");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_gets_full_meanwhile_ends_the_shells_that_print() {
    static FREE: AtomicU64 = AtomicU64::new(1 << 40);
    let folder = tempfile::tempdir().expect("a folder");
    let free: Free = |_| Some((FREE.load(Ordering::SeqCst), 1 << 40));
    let shelf = Arc::new(Shelf { free, ..Shelf::with(folder.path().join("recordings"), Limits::USUAL) });
    let run = Arc::clone(&shelf);
    tokio::spawn(async move { run.run().await });
    let (one, other) = (recorder(&shelf, 1).await, recorder(&shelf, 2).await);
    one.output(b"first");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!one.failed());
    FREE.store(1 << 20, Ordering::SeqCst);
    one.output(b" and last");
    let error = timeout(STUCK, one.failure()).await.expect("told in time");
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(!other.failed(), "what prints nothing takes no room");
    assert!(Arc::clone(&shelf).record(id(1), id(3), &header()).await.is_err(), "no other is begun");
    one.finish().await;
    assert_eq!(printed(&one.tape.path), "first and last", "what was shown is on record");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_cut_is_read_up_to_its_last_whole_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = shelf(&folder, Limits::USUAL);
    let recorder = recorder(&shelf, 1).await;
    recorder.output(b"first");
    recorder.output(&vec![b'x'; 200_000]);
    recorder.finish().await;
    let path = &recorder.tape.path;
    let whole = std::fs::read(path).expect("a file");
    for cut in [0, 1, 2, 100, 70_000, 200_000] {
        std::fs::write(path, &whole[..whole.len() - cut]).expect("cut");
        let (_, bytes) = file::open(path).expect("readable");
        let served = &whole[..bytes as usize];
        assert!(served.ends_with(b"\n"), "cut by {cut}");
        let lines = std::str::from_utf8(served).expect("text").lines().count();
        assert_eq!(lines, if cut == 0 { 3 } else { 2 }, "cut by {cut}");
    }
    assert_eq!(file::size(path), Some((80, 24)));
    std::fs::write(path, b"{\"version\":2,\"wid").expect("cut");
    assert_eq!(file::open(path).expect("readable").1, 0);
    assert_eq!(file::size(path), None);
}

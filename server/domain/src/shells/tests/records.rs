//! What of a shell is on record, and when.

use serde_json::Value;

use super::*;
use crate::args;

/// So much of a recording waits for the disk, and what is read at once may be more.
const WAITS: u64 = (4 << 20) + (64 << 10);

/// The lines of the only recording, its header first.
fn lines(platform: &Platform) -> Vec<Value> {
    let shelf = platform.recordings().expect("a folder");
    let project = std::fs::read_dir(shelf.folder()).expect("the folder").next().expect("a project").expect("readable").path();
    let file = std::fs::read_dir(project).expect("the project's folder").next().expect("a recording").expect("readable").path();
    let text = std::fs::read_to_string(file).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test]
async fn a_terminal_waits_with_its_recording_and_nothing_of_it_is_missing() {
    const PIECE: [u8; 8192] = [b'y'; 8192];
    let mut yard = Yard::open().await;
    let (mut attachment, Process { mut output, input: _input, control: _control }) = yard.shell().await;
    let whole = 2 * WAITS / PIECE.len() as u64 * PIECE.len() as u64;
    let flood = tokio::spawn(async move {
        for _ in 0..whole / PIECE.len() as u64 {
            output.write_all(&PIECE).await.expect("printed");
        }
    });
    // Nobody writes recordings yet, as if the disk took nothing.
    let mut shown = 0;
    while let Ok(said) = timeout(Duration::from_millis(300), attachment.next()).await {
        if let Said::Output(bytes) = said {
            shown += bytes.len() as u64;
            attachment.hands().shown(shown);
        }
    }
    assert!(shown <= WAITS, "{shown} bytes were shown that are nowhere");
    let writing = tokio::spawn(recording::write(yard.store.worker.clone()));
    let (rest, told) = ending(&mut attachment).await;
    assert_eq!(told, ToClient::Exit { code: 0 });
    assert_eq!(shown + rest.len() as u64, whole, "all of it passes in the end");
    flood.await.expect("no panic");
    yard.quiet().await;
    writing.abort();
    let lines = lines(yard.platform());
    let events = &lines[1..];
    assert!(events.iter().all(|event| event[1] == "o"), "no marker says that something is missing");
    let recorded: usize = events.iter().map(|event| event[2].as_str().expect("a text").len()).sum();
    assert_eq!(recorded as u64, whole);
}

#[tokio::test]
async fn a_shell_that_could_not_be_started_has_a_row_that_says_so() {
    let yard = Yard::open().await;
    yard.fake.lacks.store(true, Ordering::SeqCst);
    let lease = yard.lease(&yard.ana).await.expect("allowed");
    let slot = slot(yard.platform(), &yard.ana).expect("room");
    let error = open(yard.platform(), lease, slot, &order("nonsense")).await.map(drop).expect_err("there is no such command");
    assert!(matches!(error, Error::Conflict { code: "command_not_found", .. }), "{error}");
    let mut tx = yard.platform().read().await.expect("a transaction");
    let id: ShellId = tx.one("SELECT id FROM shells", args![], |row| row.get("id")).await.expect("it is on record");
    drop(tx);
    assert_eq!(yard.row(id).await, (true, Some("failed".into()), None));
    assert_eq!(*yard.fake.swept.lock().expect("held by nobody else"), ["mark of c1 and its process"], "what may be left of it was ended");
    assert_eq!(yard.platform().shells().count(), 0);
}

#[tokio::test]
async fn what_is_left_of_a_shell_that_could_not_be_started_is_ended_when_its_engine_is_back() {
    let yard = Yard::open().await;
    yard.fake.lacks.store(true, Ordering::SeqCst);
    yard.fake.away.store(true, Ordering::SeqCst);
    let lease = yard.lease(&yard.ana).await.expect("allowed");
    let slot = slot(yard.platform(), &yard.ana).expect("room");
    open(yard.platform(), lease, slot, &order("nonsense")).await.map(drop).expect_err("there is no such command");
    yard.fake.away.store(false, Ordering::SeqCst);
    assert_eq!(work::tend(&yard.store.worker).await.expect("looked"), (1, 0));
    assert_eq!(*yard.fake.swept.lock().expect("held by nobody else"), ["mark of c1 and its process"]);
}

#[tokio::test]
async fn a_recording_says_where_by_whom_and_what_for() {
    let mut yard = Yard::open().await;
    let (attachment, process) = yard.shell().await;
    drop(process);
    yard.quiet().await;
    drop(attachment);
    let lines = lines(yard.platform());
    let title = lines[0]["title"].as_str().expect("a title");
    assert!(title.starts_with("shop/web") && title.ends_with(" by ana: to look"), "{title}");
}

//! Shells in containers: their size, their bytes, and how they end.

use std::time::Duration;

use engine::docker::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{NO_SHELL, Own, shell};

/// Reads until the output holds `wanted`; all that came.
async fn read_until(output: &mut (impl tokio::io::AsyncRead + Unpin), wanted: &str) -> String {
    let mut seen = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            assert_ne!(output.read_buf(&mut seen).await.expect("readable"), 0, "ended after {:?}", String::from_utf8_lossy(&seen));
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(10), read).await;
    let text = String::from_utf8_lossy(&seen).into_owned();
    done.unwrap_or_else(|_| panic!("{wanted:?} did not come, but {text:?}"));
    text
}

#[tokio::test]
async fn a_shell_has_its_size_from_the_start_and_every_byte_passes() {
    let own = Own::new("exec");
    let id = own.run("a", &["sleep", "1000"]).await;
    let order = shell(&id, Some(&["sh", "-c", "stty size; stty raw -echo; printf READY; busybox head -c 9 | busybox hexdump -C; exit 7"]));
    let mut exec = own.docker.exec(&order).await.expect("a terminal");
    let seen = read_until(&mut exec.output, "READY").await;
    assert!(seen.starts_with("45 123"), "{seen:?}");
    // Ctrl-P Ctrl-Q would detach by default, and a byte below 3 at the start of a piece must not be taken for a frame.
    exec.input.write_all(b"\x10\x11\x00\x01\x02\xff\x1b[A").await.expect("written");
    let seen = read_until(&mut exec.output, "00000009").await;
    assert!(seen.contains("10 11 00 01 02 ff 1b 5b  41"), "{seen}");
    exec.output.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(exec.control.exit_code().await.expect("known"), 7);

    let mut raw = own.docker.exec(&shell(&id, Some(&["sh", "-c", "stty raw; printf '\\001\\002\\000end'"]))).await.expect("a terminal");
    let mut bytes = Vec::new();
    raw.output.read_to_end(&mut bytes).await.expect("the end");
    assert_eq!(bytes, b"\x01\x02\x00end");

    let mut found = own.docker.exec(&shell(&id, None)).await.expect("the image's shell");
    found.input.write_all(b"stty size; pwd; echo $TERM-$((1+1))\n").await.expect("written");
    let seen = read_until(&mut found.output, "xterm-256color-2").await;
    assert!(seen.contains("45 123") && seen.contains("/tmp"), "{seen:?}");
    found.control.resize(90, 20).await.expect("resized");
    found.input.write_all(b"stty size\n").await.expect("written");
    read_until(&mut found.output, "20 90").await;
    found.input.write_all(b"exit 5\n").await.expect("written");
    found.output.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(found.control.exit_code().await.expect("known"), 5);
    own.clear().await;
}

#[tokio::test]
async fn a_shell_that_cannot_be_is_told_why() {
    let own = Own::new("noexec");
    let mut spec = own.spec("a", &["/app/busybox", "sleep", "1000"]);
    spec.image = NO_SHELL.into();
    let id = own.docker.create(&spec).await.expect("made");
    own.docker.start(&id).await.expect("started");
    let mut order = shell(&id, None);
    order.workdir = None;
    let error = own.docker.exec(&order).await.err().expect("no shell");
    assert_eq!(error.kind, Kind::CommandNotFound);
    assert!(error.message.starts_with("this image has no shell"), "{error}");
    order.command = Some(vec!["/app/busybox".into(), "echo".into(), "hello".into()]);
    let mut exec = own.docker.exec(&order).await.expect("a command needs no shell");
    assert!(read_until(&mut exec.output, "hello").await.starts_with("hello"));
    order.command = Some(vec!["nonsense".into()]);
    assert_eq!(own.docker.exec(&order).await.err().expect("no command").kind, Kind::CommandNotFound);

    let other = own.run("b", &["sleep", "1000"]).await;
    let error = own.docker.exec(&shell(&other, Some(&["nonsense"]))).await.err().expect("no command");
    assert_eq!(error.kind, Kind::CommandNotFound);
    assert!(error.message.contains("nonsense"), "{error}");
    own.docker.stop(&other, Duration::ZERO).await.expect("stopped");
    assert_eq!(own.docker.exec(&shell(&other, None)).await.err().expect("stopped").kind, Kind::WrongState);
    own.clear().await;
    assert_eq!(own.docker.exec(&shell(&other, None)).await.err().expect("gone").kind, Kind::NoSuchContainer);
}

#[tokio::test]
async fn an_orphaned_shell_is_ended_with_all_its_children() {
    let own = Own::new("orphan");
    let id = own.run("a", &["sleep", "1000"]).await;
    let mut exec = own.docker.exec(&shell(&id, None)).await.expect("a terminal");
    exec.input.write_all(b"(trap '' HUP; sleep 901) & sleep 902 & echo st''arted\n").await.expect("written");
    read_until(&mut exec.output, "started").await;
    let control = exec.control.clone();
    drop(exec);
    assert!(control.running().await.expect("known"), "closing the connection alone ends nothing");
    control.end(Duration::from_millis(500)).await.expect("ended");
    assert!(!control.running().await.expect("known"));
    let mut list = own.docker.exec(&shell(&id, Some(&["busybox", "ps", "-o", "args"]))).await.expect("a terminal");
    let mut text = String::new();
    list.output.read_to_string(&mut text).await.expect("text");
    assert!(!text.contains("90") && text.contains("sleep 1000"), "{text}");
    own.clear().await;
}

//! Shells in containers: their size, their bytes, and how they end.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use engine::docker::{Exit, Keeper, Kind, LABEL_INSTANCE, Mark};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BUSYBOX, NO_SHELL, Own, shell};
use crate::ground::docker;

/// Keeps marks, or refuses to.
#[derive(Default)]
pub(super) struct Kept {
    marks: Mutex<Vec<Mark>>,
    refuses: bool,
    /// A container with `/app/busybox`, and what ran in it when the first mark was told.
    watched: Option<String>,
    ran: Mutex<String>,
}

impl Kept {
    /// In this container it is looked at what runs.
    fn watching(container: &str) -> Self {
        Self { watched: Some(container.to_owned()), ..Self::default() }
    }

    fn first(&self) -> Mark {
        self.marks.lock().expect("held by nobody else").first().expect("it was told before the terminal ran").clone()
    }

    fn ran(&self) -> String {
        self.ran.lock().expect("held by nobody else").clone()
    }

    fn mark(&self) -> Mark {
        self.marks.lock().expect("held by nobody else").last().expect("it was told before the terminal ran").clone()
    }
}

#[async_trait]
impl Keeper for Kept {
    async fn keep(&self, mark: &Mark) -> Result<(), String> {
        if let Some(container) = &self.watched {
            *self.ran.lock().expect("held by nobody else") = bare_processes(container);
        }
        if self.refuses {
            return Err("not on record".into());
        }
        self.marks.lock().expect("held by nobody else").push(mark.clone());
        Ok(())
    }

    async fn amend(&self, mark: &Mark) -> Result<(), String> {
        self.marks.lock().expect("held by nobody else").push(mark.clone());
        Ok(())
    }
}

/// What runs in a container whose image has no shell.
fn bare_processes(container: &str) -> String {
    docker(&["exec", container, "/app/busybox", "ps", "-o", "args"])
}

impl Own {
    /// What runs in a container with busybox.
    async fn processes(&self, container: &str) -> String {
        let mut list = self.docker.exec(&shell(container, Some(&["busybox", "ps", "-o", "args"])), &Kept::default()).await.expect("a terminal");
        let mut text = String::new();
        list.output.read_to_string(&mut text).await.expect("text");
        text
    }
}

/// Reads until the output holds `wanted`; all that came.
async fn read_until(output: &mut (impl tokio::io::AsyncRead + Unpin), wanted: &str) -> String {
    let mut seen = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            assert_ne!(output.read_buf(&mut seen).await.expect("readable"), 0, "ended after {:?}", String::from_utf8_lossy(&seen));
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), read).await;
    let text = String::from_utf8_lossy(&seen).into_owned();
    done.unwrap_or_else(|_| panic!("{wanted:?} did not come, but {text:?}"));
    text
}

#[tokio::test]
async fn a_shell_has_its_size_from_the_start_and_every_byte_passes() {
    let own = Own::new("exec");
    let id = own.run("a", &["sleep", "1000"]).await;
    let order = shell(&id, Some(&["sh", "-c", "stty size; stty raw -echo; printf READY; busybox head -c 9 | busybox hexdump -C; exit 7"]));
    let mut exec = own.docker.exec(&order, &Kept::default()).await.expect("a terminal");
    let seen = read_until(&mut exec.output, "READY").await;
    assert!(seen.starts_with("45 123"), "{seen:?}");
    // Ctrl-P Ctrl-Q would detach by default, and a byte below 3 at the start of a piece must not be taken for a frame.
    exec.input.write_all(b"\x10\x11\x00\x01\x02\xff\x1b[A").await.expect("written");
    let seen = read_until(&mut exec.output, "00000009").await;
    assert!(seen.contains("10 11 00 01 02 ff 1b 5b  41"), "{seen}");
    exec.output.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(exec.control.exit().await.expect("known"), Exit::Code(7));

    let mut raw =
        own.docker.exec(&shell(&id, Some(&["sh", "-c", "stty raw; printf '\\001\\002\\000end'"])), &Kept::default()).await.expect("a terminal");
    let mut bytes = Vec::new();
    raw.output.read_to_end(&mut bytes).await.expect("the end");
    assert_eq!(bytes, b"\x01\x02\x00end");

    let mut found = own.docker.exec(&shell(&id, None), &Kept::default()).await.expect("the image's shell");
    found.input.write_all(b"stty size; pwd; echo $TERM-$((1+1))\n").await.expect("written");
    let seen = read_until(&mut found.output, "xterm-256color-2").await;
    assert!(seen.contains("45 123") && seen.contains("/tmp"), "{seen:?}");
    found.control.resize(90, 20).await.expect("resized");
    found.input.write_all(b"stty size\n").await.expect("written");
    read_until(&mut found.output, "20 90").await;
    found.input.write_all(b"exit 5\n").await.expect("written");
    found.output.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(found.control.exit().await.expect("known"), Exit::Code(5));
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
    let error = own.docker.exec(&order, &Kept::default()).await.err().expect("no shell");
    assert_eq!(error.kind, Kind::CommandNotFound);
    assert!(error.message.starts_with("this image has no shell"), "{error}");
    order.command = Some(vec!["/app/busybox".into(), "echo".into(), "hello".into()]);
    let mut exec = own.docker.exec(&order, &Kept::default()).await.expect("a command needs no shell");
    assert!(read_until(&mut exec.output, "hello").await.starts_with("hello"));
    order.command = Some(vec!["nonsense".into()]);
    assert_eq!(own.docker.exec(&order, &Kept::default()).await.err().expect("no command").kind, Kind::CommandNotFound);

    let other = own.run("b", &["sleep", "1000"]).await;
    let error = own.docker.exec(&shell(&other, Some(&["nonsense"])), &Kept::default()).await.err().expect("no command");
    assert_eq!(error.kind, Kind::CommandNotFound);
    assert!(error.message.contains("nonsense"), "{error}");
    own.docker.stop(&other, Duration::ZERO).await.expect("stopped");
    assert_eq!(own.docker.exec(&shell(&other, None), &Kept::default()).await.err().expect("stopped").kind, Kind::WrongState);
    own.clear().await;
    assert_eq!(own.docker.exec(&shell(&other, None), &Kept::default()).await.err().expect("gone").kind, Kind::NoSuchContainer);
}

#[tokio::test]
async fn an_orphaned_shell_is_ended_with_all_its_children() {
    let own = Own::new("orphan");
    let id = own.run("a", &["sleep", "1000"]).await;
    let mut exec = own.docker.exec(&shell(&id, None), &Kept::default()).await.expect("a terminal");
    exec.input.write_all(b"(trap '' HUP; sleep 901) & sleep 902 & echo st''arted\n").await.expect("written");
    read_until(&mut exec.output, "started").await;
    let control = exec.control.clone();
    drop(exec);
    assert!(control.running().await.expect("known"), "closing the connection alone ends nothing");
    control.end(Duration::from_millis(500)).await.expect("ended");
    assert!(!control.running().await.expect("known"));
    let text = own.processes(&id).await;
    assert!(!text.contains("90") && text.contains("sleep 1000"), "{text}");
    own.clear().await;
}

#[tokio::test]
async fn a_mark_ends_a_terminal_later_and_in_the_same_life_alone() {
    let own = Own::new("mark");
    let id = own.run("a", &["sleep", "1000"]).await;
    let kept = Kept::default();
    let mut exec = own.docker.exec(&shell(&id, None), &kept).await.expect("a terminal");
    exec.input.write_all(b"(trap '' HUP; sleep 901) & sleep 902 & echo st''arted; sleep 903\n").await.expect("written");
    read_until(&mut exec.output, "started").await;
    // As a later life of the portal has it: from its text alone.
    let text = serde_json::to_string(&kept.mark()).expect("JSON");
    let mark: Mark = serde_json::from_str(&text).expect("a mark");
    drop(exec);
    own.docker.end_exec(&id, &mark, Duration::from_millis(200)).await.expect("ended");
    let text = own.processes(&id).await;
    assert!(!text.contains("90") && text.contains("sleep 1000"), "{text}");
    own.docker.end_exec(&id, &mark, Duration::ZERO).await.expect("good as well when nothing is left");

    // The same ids are other processes' after a restart of the container.
    own.docker.stop(&id, Duration::ZERO).await.expect("stopped");
    own.docker.end_exec(&id, &mark, Duration::ZERO).await.expect("no container, no process");
    own.docker.start(&id).await.expect("started");
    let mut others = Vec::new();
    for _ in 0..40 {
        others.push(own.docker.exec(&shell(&id, Some(&["sleep", "904"])), &Kept::default()).await.expect("a terminal"));
    }
    own.docker.end_exec(&id, &mark, Duration::ZERO).await.expect("looked");
    assert_eq!(own.processes(&id).await.matches("sleep 904").count(), 40, "nobody else is harmed");
    own.clear().await;
    own.docker.end_exec(&id, &mark, Duration::ZERO).await.expect("good as well when all is gone");
}

#[tokio::test]
async fn a_terminal_whose_user_became_root_is_ended_too() {
    let own = Own::new("su");
    own.docker.ping().await.expect("an engine");
    // Not as Slipway makes containers: in those nobody becomes root.
    let label = format!("{LABEL_INSTANCE}={}", own.instance);
    let id = docker(&["run", "-d", "--label", &label, BUSYBOX, "sleep", "1000"]);
    let mut order = shell(&id, None);
    order.user = Some("65534".into());
    let mut exec = own.docker.exec(&order, &Kept::default()).await.expect("a terminal");
    exec.input.write_all(b"/bin/su root -c 'trap \"\" HUP; echo ro''ot; sleep 905; true'\n").await.expect("written");
    read_until(&mut exec.output, "\nroot").await;
    assert!(own.processes(&id).await.contains("sleep 905"));
    exec.control.end(Duration::from_millis(200)).await.expect("ended");
    let text = own.processes(&id).await;
    assert!(!text.contains("905"), "{text}");
    own.clear().await;
}

#[tokio::test]
async fn a_terminal_is_ended_though_the_containers_shell_says_that_there_is_none() {
    let own = Own::new("liar");
    own.docker.ping().await.expect("an engine");
    let label = format!("{LABEL_INSTANCE}={}", own.instance);
    let id = docker(&["run", "-d", "--label", &label, BUSYBOX, "sleep", "1000"]);
    let mut exec = own.docker.exec(&shell(&id, None), &Kept::default()).await.expect("a terminal");
    let lie = b"busybox rm /bin/sh; echo '#!/bin/busybox true' >/bin/sh; busybox chmod 755 /bin/sh; echo li''ed; sleep 909\n";
    exec.input.write_all(lie).await.expect("written");
    read_until(&mut exec.output, "lied").await;
    assert!(exec.control.running().await.expect("known"));
    exec.control.end(Duration::from_millis(200)).await.expect("ended");
    assert!(!exec.control.running().await.expect("known"));
    let text = docker(&["exec", &id, "/bin/busybox", "ps", "-o", "args"]);
    assert!(!text.contains("909") && text.contains("sleep 1000"), "{text}");
    own.clear().await;
}

#[tokio::test]
async fn a_terminal_that_is_not_on_record_does_not_run() {
    let own = Own::new("norecord");
    let id = own.run("a", &["sleep", "1000"]).await;
    let refuses = Kept { refuses: true, ..Kept::default() };
    let error = own.docker.exec(&shell(&id, Some(&["sleep", "906"])), &refuses).await.err().expect("refused");
    assert!(error.message.contains("not on record"), "{error}");
    let text = own.processes(&id).await;
    assert!(!text.contains("906") && !text.contains("slipway"), "nothing waits at the gate: {text}");
    own.clear().await;
}

#[tokio::test]
async fn a_container_that_stops_is_told_apart_from_a_process_that_was_killed() {
    let own = Own::new("stopped");
    let id = own.run("a", &["sleep", "1000"]).await;
    let mut killed = own.docker.exec(&shell(&id, Some(&["sh", "-c", "kill -9 $$"])), &Kept::default()).await.expect("a terminal");
    killed.output.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(killed.control.exit().await.expect("known"), Exit::Code(137));
    let mut exec = own.docker.exec(&shell(&id, None), &Kept::default()).await.expect("a terminal");
    own.docker.kill(&id, "KILL").await.expect("killed");
    exec.output.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(exec.control.exit().await.expect("known"), Exit::Container);
    own.clear().await;
}

#[tokio::test]
async fn without_a_shell_the_process_is_ended_from_outside() {
    let own = Own::new("outside");
    let mut spec = own.spec("a", &["/app/busybox", "sleep", "1000"]);
    spec.image = NO_SHELL.into();
    let id = own.docker.create(&spec).await.expect("made");
    own.docker.start(&id).await.expect("started");
    let mut order = shell(&id, Some(&["/app/busybox", "sleep", "907"]));
    order.workdir = None;
    let kept = Kept::default();
    let exec = own.docker.exec(&order, &kept).await.expect("a terminal");
    assert!(exec.control.running().await.expect("known"));
    own.docker.end_exec(&id, &kept.mark(), Duration::ZERO).await.expect("ended");
    let over = async { while exec.control.running().await.expect("known") {} };
    tokio::time::timeout(Duration::from_secs(60), over).await.expect("it ends");
    own.clear().await;
}

#[tokio::test]
async fn without_a_shell_nothing_runs_before_it_is_on_record() {
    let own = Own::new("bare");
    let mut spec = own.spec("a", &["/app/busybox", "sleep", "1000"]);
    spec.image = NO_SHELL.into();
    let id = own.docker.create(&spec).await.expect("made");
    own.docker.start(&id).await.expect("started");
    let mut order = shell(&id, Some(&["/app/busybox", "sleep", "908"]));
    order.workdir = None;
    let refuses = Kept { refuses: true, ..Kept::watching(&id) };
    let error = own.docker.exec(&order, &refuses).await.err().expect("refused");
    assert!(error.message.contains("not on record"), "{error}");
    for seen in [refuses.ran(), bare_processes(&id)] {
        assert!(seen.contains("sleep 1000") && !seen.contains("908"), "neither before nor after: {seen}");
    }

    let kept = Kept::watching(&id);
    let exec = own.docker.exec(&order, &kept).await.expect("a terminal");
    assert!(!kept.ran().contains("908"), "it waits for its record: {}", kept.ran());
    assert!(exec.control.running().await.expect("known"));
    // A portal that was killed right after the start has the first mark alone.
    own.docker.end_exec(&id, &kept.first(), Duration::ZERO).await.expect("ended");
    let over = async { while exec.control.running().await.expect("known") {} };
    tokio::time::timeout(Duration::from_secs(60), over).await.expect("it ends");
    own.clear().await;
}

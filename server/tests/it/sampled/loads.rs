//! Loads of known size on disks, in the network and in the cache, and starts of a container.

use std::process::Command;

use ::metrics::{Latest, Metric};
use serde_json::json;

use super::{MIB, Scene, appears, container, number, script, volume};
use crate::ground::docker;

/// Tells a task's program to go on.
fn go(task: &serde_json::Value) {
    docker(&["exec", container(task), "busybox", "touch", "/go"]);
}

const WAITS: &str = "until [ -e /go ]; do busybox usleep 50000; done;";

/// Whether the kernel counts what reaches disks on behalf of this control group, which used one: on version 1, newer kernels do only where a disk has a limit.
fn blocks_are_counted(id: &str) -> bool {
    let own = [
        format!("/sys/fs/cgroup/blkio/docker/{id}/blkio.throttle.io_service_bytes_recursive"),
        format!("/sys/fs/cgroup/system.slice/docker-{id}.scope/io.stat"),
        format!("/sys/fs/cgroup/docker/{id}/io.stat"),
    ];
    own.iter().any(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(':')))
}

/// Eight MiB past the cache to a disk, and from it.
async fn eight_mebibytes_on_a_disk(scene: Scene) {
    let text = format!(
        "{WAITS} busybox dd if=/dev/zero of=/data/file bs=1048576 count=8 oflag=direct && \
         busybox dd if=/data/file of=/dev/null bs=1048576 iflag=direct || echo >/data/refused; echo >/data/done; sleep 100000"
    );
    let mut descriptor = script(&text);
    descriptor["volumes"] = json!([{"name": "data", "path": "/data"}]);
    let task = scene.runs("web", descriptor).await;
    // What nobody did yet is told as nothing by one engine, and as zero by another.
    let both = |latest: &Latest| {
        let of = |metric| number(latest, metric, "").unwrap_or(0.0);
        Some((of(Metric::BlockRead), of(Metric::BlockWritten)))
    };
    let before = scene.until(&task, "a sample", both).await;
    go(&task);
    let folder = volume(&task);
    appears(&folder.join("done")).await;
    let kind = Command::new("stat").args(["-f", "-c", "%T"]).arg(&folder).output().expect("stat");
    if folder.join("refused").exists() || kind.stdout.starts_with(b"tmpfs") {
        eprintln!("skipped: the file system of the engine's volumes does not write past the cache (O_DIRECT)");
        return;
    }
    if !blocks_are_counted(container(&task)) {
        eprintln!("skipped: this kernel's control groups do not count what reaches disks");
        return;
    }
    let grown = |latest: &Latest| {
        let (read, written) = both(latest)?;
        Some((read - before.0, written - before.1)).filter(|(read, written)| *read >= 8.0 * MIB && *written >= 8.0 * MIB)
    };
    let (read, written) = scene.until(&task, "8 MiB written and read", grown).await;
    assert!(read < 12.0 * MIB && written < 12.0 * MIB, "{read} read, {written} written: programs and the file system's own are no MiB");
}

#[tokio::test]
async fn what_reaches_a_disk_is_counted_from_files() {
    eight_mebibytes_on_a_disk(Scene::from_files().await).await;
}

#[tokio::test]
async fn what_reaches_a_disk_is_counted_through_the_engine() {
    eight_mebibytes_on_a_disk(Scene::through_the_engine().await).await;
}

/// Eight MiB from one task to another.
async fn eight_mebibytes_received(scene: Scene) {
    let serve = "busybox dd if=/dev/zero of=/www/large bs=1048576 count=8; exec httpd -f -p 8080 -h /www";
    let server = scene.runs("server", script(serve)).await;
    let address = docker(&["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container(&server)]);
    let fetch = format!("{WAITS} until busybox wget -q -O /dev/null http://{address}:8080/large; do busybox usleep 100000; done; sleep 100000");
    let client = scene.runs("client", script(&fetch)).await;
    let (_, before) = scene.figure(&client, Metric::NetReceived).await;
    go(&client);
    let enough = |latest: &Latest| number(latest, Metric::NetReceived, "").filter(|received| received - before > 8.0 * MIB);
    let received = scene.until(&client, "8 MiB received", enough).await;
    assert!(received - before < 10.0 * MIB, "{received} after {before}: heads of packets are no MiB");
}

#[tokio::test]
async fn what_is_received_is_counted_from_files() {
    eight_mebibytes_received(Scene::from_files().await).await;
}

#[tokio::test]
async fn what_is_received_is_counted_through_the_engine() {
    eight_mebibytes_received(Scene::through_the_engine().await).await;
}

#[tokio::test]
async fn starts_of_a_container_are_counted_and_it_is_read_on() {
    let scene = Scene::from_files().await;
    let mut descriptor = script(&format!("{WAITS} busybox rm /go; exit 1"));
    descriptor["restart"] = json!({"policy": "on-failure", "max": 5});
    let task = scene.runs("web", descriptor).await;
    assert!(scene.figure(&task, Metric::Restarts).await.1.abs() < 0.5);
    let (_, first) = scene.figure(&task, Metric::Started).await;
    for round in [1.0, 2.0] {
        go(&task);
        // It is sampled with what the container uses that runs now: the files of the one before are gone.
        let counted = |latest: &Latest| number(latest, Metric::Restarts, "").filter(|restarts| *restarts >= round);
        let restarts = scene.until(&task, "that it was started again", counted).await;
        let engine: f64 = docker(&["inspect", "--format", "{{.RestartCount}}", container(&task)]).parse().expect("a number");
        assert!((restarts - engine).abs() < 0.5 && (restarts - round).abs() < 0.5, "{restarts}, and the engine says {engine}");
    }
    let newer = |latest: &Latest| number(latest, Metric::Started, "").filter(|started| *started > first);
    scene.until(&task, "when it was started", newer).await;
}

/// A file of 50 MiB that was read once.
async fn a_file_that_was_read(scene: Scene) {
    let text = "busybox dd if=/dev/zero of=/data/file bs=1048576 count=50 conv=fsync; >/data/written; \
                while [ ! -e /data/go ]; do busybox usleep 100000; done; busybox dd if=/data/file of=/dev/null bs=1048576; >/data/read; sleep 100000";
    let mut descriptor = script(text);
    descriptor["volumes"] = json!([{"name": "data", "path": "/data"}]);
    let task = scene.runs("web", descriptor).await;
    let folder = volume(&task);
    appears(&folder.join("written")).await;
    // What was written is thrown out of the cache, so that the task itself reads it into it: once, since what is read again the kernel calls active.
    let file = format!("of={}", folder.join("file").display());
    let dropped = Command::new("dd").args([file.as_str(), "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]).output().expect("dd");
    assert!(dropped.status.success(), "{dropped:?}");
    std::fs::write(folder.join("go"), "").expect("written");
    appears(&folder.join("read")).await;
    let (all, used) = scene
        .until(&task, "50 MiB of cache", |latest| {
            let of = |metric| number(latest, metric, "");
            let (all, used) = (of(Metric::MemoryUsage)?, of(Metric::MemoryWorkingSet)?);
            (all > 45.0 * MIB).then_some((all, used))
        })
        .await;
    assert!(used < 20.0 * MIB, "{used} of {all} is said to be used");
}

#[tokio::test]
async fn a_file_that_was_read_is_cache_and_not_used_from_files() {
    a_file_that_was_read(Scene::from_files().await).await;
}

#[tokio::test]
async fn a_file_that_was_read_is_cache_and_not_used_through_the_engine() {
    a_file_that_was_read(Scene::through_the_engine().await).await;
}

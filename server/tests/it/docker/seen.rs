//! What is seen of a container: its inspection, its health, what ended it.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::docker::{EventKind, Health, HealthCommand, Heard, Hidden, Kind};
use futures::StreamExt as _;
use tokio::io::AsyncReadExt;

use super::{Own, shell, until};

#[tokio::test]
async fn an_inspection_hides_secrets() {
    let own = Own::new("hide");
    let mut spec = own.spec("a", &["sleep", "1000"]);
    spec.env = BTreeMap::from([
        ("DB_PASSWORD".into(), "hunter2hunter2".into()),
        ("URL".into(), "http://u:other-secret@h/".into()),
        ("PLAIN".into(), "seen".into()),
    ]);
    let id = own.docker.create(&spec).await.expect("made");
    let hidden = Hidden::new(["other-secret".to_owned()]);
    let text = own.docker.inspect_full(&id, &hidden).await.expect("there").to_string();
    assert!(!text.contains("hunter2") && !text.contains("other-secret") && text.contains("PLAIN=seen"), "{text}");
    assert_eq!(own.docker.inspect_full("../x", &hidden).await.expect_err("no id").kind, Kind::Refused);
    own.clear().await;
}

#[tokio::test]
async fn the_engines_own_health_check_is_heard_with_its_output() {
    let own = Own::new("health");
    let mut events = Box::pin(own.docker.events(&own.instance));
    assert!(matches!(events.next().await, Some(Heard::Connected)));
    let mut spec = own.spec("a", &["sleep", "1000"]);
    spec.health = HealthCommand::Command {
        command: ["sh", "-c", "echo looked; test -e /tmp/ok"].map(str::to_owned).into(),
        interval: Duration::from_millis(200),
        timeout: Duration::from_secs(20),
        retries: 1,
        start_period: Duration::ZERO,
    };
    let id = own.docker.create(&spec).await.expect("made");
    own.docker.start(&id).await.expect("started");
    until(&mut events, |event| event.kind == EventKind::Health { healthy: false }).await;
    let state = own.docker.inspect(&id).await.expect("there");
    assert_eq!((state.health.health, state.health.output.as_deref()), (Health::Unhealthy, Some("looked")));
    let mut exec = own.docker.exec(&shell(&id, Some(&["sh", "-c", ": >/tmp/ok"])), &super::shells::Kept::default()).await.expect("a terminal");
    exec.output.read_to_end(&mut Vec::new()).await.expect("the end");
    until(&mut events, |event| event.kind == EventKind::Health { healthy: true }).await;
    assert_eq!(own.docker.list(&own.instance).await.expect("a list")[0].health, Health::Healthy);
    own.clear().await;
}

#[tokio::test]
async fn want_of_memory_is_told_apart() {
    let own = Own::new("oom");
    // It waits until it is told to go on: what dies within its first milliseconds is not yet watched by the engine itself.
    let greedy = "until test -e /tmp/go; do sleep 0.05; done; exec busybox dd if=/dev/zero of=/dev/null bs=512M count=1";
    let mut spec = own.spec("a", &["sh", "-c", greedy]);
    spec.memory = Some(16 << 20);
    let mut events = Box::pin(own.docker.events(&own.instance));
    assert!(matches!(events.next().await, Some(Heard::Connected)));
    let id = own.docker.create(&spec).await.expect("made");
    own.docker.start(&id).await.expect("started");
    let mut go = own.docker.exec(&shell(&id, Some(&["sh", "-c", ": >/tmp/go"])), &super::shells::Kept::default()).await.expect("a terminal");
    go.output.read_to_end(&mut Vec::new()).await.expect("the end");
    until(&mut events, |event| matches!(event.kind, EventKind::Die { .. })).await;
    let state = own.docker.inspect(&id).await.expect("there");
    assert!(state.out_of_memory && state.exit_code == Some(137), "{state:?}");
    own.clear().await;
}

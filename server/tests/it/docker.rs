//! The client of the engine against a real one: what it makes, sees and says. They touch only what they made: each test is a Slipway
//! instance of its own.

mod seen;
mod shells;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use engine::docker::{
    Address, ContainerSpec, Docker, Event, EventKind, ExecOrder, Exit, Health, Heard, Kind, LABEL_INSTANCE, LABEL_PROJECT_ID, LogOrder, LogSource,
    NetworkOrder, NetworkPlace, Port, Protocol, Restart, Status,
};
use futures::{Stream, StreamExt};
use tokio::io::AsyncReadExt;

use crate::ground;

/// An image with busybox and nothing else; its shell is `/bin/sh`.
const BUSYBOX: &str = "slipway-test/busybox:1";
/// An image with busybox under a name that is no shell.
const NO_SHELL: &str = "slipway-test/noshell:1";

fn docker() -> Docker {
    static IMAGES: OnceLock<()> = OnceLock::new();
    IMAGES.get_or_init(|| {
        for (tag, script) in [
            (BUSYBOX, "mkdir -p bin tmp proc sys dev etc root && cp $(command -v busybox) bin/busybox && for a in sh sleep cat echo kill stty; do ln -s busybox bin/$a; done && ln -s bin sbin && echo root::0:0::/root:/bin/sh >etc/passwd && cp bin/busybox bin/su && chmod 4755 bin/su"),
            (NO_SHELL, "mkdir -p app tmp proc sys dev && cp $(command -v busybox) app/busybox"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let script = format!("cd {} && {script} && tar c . | docker -H {} import - {tag}", folder.path().display(), ground::engine());
            let made = Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).status().expect("sh");
            assert!(made.success(), "making the image {tag} failed");
        }
    });
    Docker::new(ground::engine().parse().expect("an address"))
}

/// An instance of its own for a test.
struct Own {
    docker: Docker,
    instance: String,
}

impl Own {
    fn new(name: &str) -> Self {
        Self { docker: docker(), instance: format!("test-{name}-{}", std::process::id()) }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(LABEL_INSTANCE.to_owned(), self.instance.clone())])
    }

    fn spec(&self, name: &str, command: &[&str]) -> ContainerSpec {
        ContainerSpec {
            name: format!("{}-{name}", self.instance),
            image: BUSYBOX.to_owned(),
            command: Some(command.iter().map(|part| (*part).to_owned()).collect()),
            labels: self.labels(),
            restart: Restart::No,
            ..ContainerSpec::default()
        }
    }

    async fn run(&self, name: &str, command: &[&str]) -> String {
        let id = self.docker.create(&self.spec(name, command)).await.expect("made");
        self.docker.start(&id).await.expect("started");
        id
    }

    /// Waits for the container's first line: what it set up before that is set up.
    async fn ready(&self, container: &str) {
        let lines = self.docker.logs(container, LogOrder { tail: None, since_nanos: None, follow: true }).await.expect("a log");
        std::pin::pin!(lines).next().await.expect("a line").expect("a line");
    }

    async fn clear(&self) {
        for seen in self.docker.list(&self.instance).await.expect("a list") {
            self.docker.remove(&seen.id).await.expect("removed");
        }
    }
}

async fn until(events: &mut (impl Stream<Item = Heard> + Unpin), wanted: impl Fn(&Event) -> bool) -> Event {
    tokio::time::timeout(Duration::from_secs(90), async {
        loop {
            if let Heard::Event(event) = events.next().await.expect("it never ends")
                && wanted(&event)
            {
                return event;
            }
        }
    })
    .await
    .expect("an event in time")
}

fn shell(container: &str, command: Option<&[&str]>) -> ExecOrder {
    ExecOrder {
        container: container.to_owned(),
        command: command.map(|parts| parts.iter().map(|part| (*part).to_owned()).collect()),
        user: None,
        workdir: Some("/tmp".into()),
        columns: 123,
        rows: 45,
    }
}

#[tokio::test]
async fn an_engine_tells_about_itself() {
    let info = docker().info().await.expect("an engine");
    assert!(!info.id.is_empty() && info.cpus > 0 && info.memory > 0, "{info:?}");
    assert!(info.api.starts_with("1."));
}

#[tokio::test]
async fn no_engine_is_told_in_words() {
    let away = Docker::new(Address::Unix("/nowhere/docker.sock".into()));
    let error = away.ping().await.expect_err("nobody there");
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.message.contains("/nowhere/docker.sock"), "{error}");
    let refused = Docker::new("tcp://127.0.0.1:1".parse().expect("fine")).ping().await.expect_err("nobody there");
    assert_eq!(refused.kind, Kind::Unreachable);
}

#[tokio::test]
async fn a_container_lives_and_each_step_is_seen() {
    let own = Own::new("life");
    let mut events = Box::pin(own.docker.events(&own.instance));
    assert!(matches!(events.next().await, Some(Heard::Connected)));
    let mut spec = own.spec("one", &["sleep", "1000"]);
    spec.env.insert("GREETING".into(), "hello".into());
    spec.memory = Some(64 << 20);
    spec.pids = Some(50);
    spec.cpu_millis = Some(500);
    let id = own.docker.create(&spec).await.expect("made");
    let seen = own.docker.list(&own.instance).await.expect("a list");
    assert_eq!((seen.len(), seen[0].status, seen[0].name.as_str()), (1, Status::Created, spec.name.as_str()));

    own.docker.start(&id).await.expect("started");
    own.docker.start(&id).await.expect("started twice is started");
    let started = until(&mut events, |event| event.kind == EventKind::Start).await;
    assert_eq!((started.container.as_str(), started.labels[LABEL_INSTANCE].as_str()), (id.as_str(), own.instance.as_str()));
    let state = own.docker.inspect(&id).await.expect("there");
    assert_eq!((state.status, state.exit_code, state.health.health), (Status::Running, None, Health::None));
    assert!(state.started_at.is_some() && state.finished_at.is_none() && !state.addresses.is_empty());

    own.docker.kill(&id, "KILL").await.expect("killed");
    until(&mut events, |event| event.kind == EventKind::Die { exit: 137 }).await;
    let state = own.docker.inspect(&id).await.expect("there");
    assert_eq!((state.status, state.exit_code), (Status::Exited, Some(137)));
    assert_eq!(own.docker.list(&own.instance).await.expect("a list")[0].exit_code, Some(137));

    own.docker.remove(&id).await.expect("removed");
    own.docker.remove(&id).await.expect("removed twice is removed");
    own.docker.stop(&id, Duration::from_secs(1)).await.expect("gone is stopped");
    until(&mut events, |event| event.kind == EventKind::Destroy).await;
    assert_eq!(own.docker.inspect(&id).await.expect_err("gone").kind, Kind::NoSuchContainer);
}

#[tokio::test]
async fn a_stop_gives_grace_and_then_ends_it() {
    let own = Own::new("stop");
    let polite = own.run("polite", &["sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"]).await;
    own.ready(&polite).await;
    own.docker.stop(&polite, Duration::from_secs(10)).await.expect("stopped");
    assert_eq!(own.docker.inspect(&polite).await.expect("there").exit_code, Some(3));
    let deaf = own.run("deaf", &["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]).await;
    own.ready(&deaf).await;
    own.docker.stop(&deaf, Duration::from_secs(1)).await.expect("stopped");
    assert_eq!(own.docker.inspect(&deaf).await.expect("there").exit_code, Some(137));
    own.clear().await;
}

#[tokio::test]
async fn what_cannot_be_made_is_told_by_kind() {
    let own = Own::new("bad");
    let mut spec = own.spec("a", &["sleep", "1000"]);
    spec.image = "127.0.0.1:1/no/such@sha256:0000000000000000000000000000000000000000000000000000000000000000".into();
    assert_eq!(own.docker.create(&spec).await.expect_err("no image").kind, Kind::NoSuchImage);
    assert!(!own.docker.has_image(&spec.image).await.expect("an answer"));
    let pulled = own.docker.pull(&spec.image, None, Duration::from_secs(30), |_| {}).await.expect_err("no registry");
    assert_eq!(pulled.kind, Kind::RegistryUnreachable, "{pulled}");

    spec.image = BUSYBOX.into();
    assert!(own.docker.has_image(BUSYBOX).await.expect("an answer"));
    spec.memory = Some(1 << 20);
    let small = own.docker.create(&spec).await.expect_err("too small");
    assert_eq!(small.kind, Kind::MemoryTooLow, "{small}");
    spec.memory = None;

    own.docker.create(&spec).await.expect("made");
    assert_eq!(own.docker.create(&spec).await.expect_err("twice").kind, Kind::NameTaken);

    let lost = own.docker.create(&own.spec("b", &["no-such-command"])).await.expect("made");
    let error = own.docker.start(&lost).await.expect_err("no command");
    assert_eq!(error.kind, Kind::CommandNotFound, "{error}");
    assert!(error.message.contains("no-such-command"));

    spec.name.push_str("-net");
    spec.network = Some(NetworkPlace { network: "no-such-network".into(), aliases: vec![], ip: None });
    let made = own.docker.create(&spec).await;
    let error = match made {
        Ok(id) => own.docker.start(&id).await.expect_err("no network"),
        Err(error) => error,
    };
    assert_eq!(error.kind, Kind::NoSuchNetwork, "{error}");
    own.clear().await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let own = Own::new("port");
    let port = |host| Port { address: IpAddr::V4(Ipv4Addr::LOCALHOST), host, container: 80, protocol: Protocol::Tcp };
    for (name, first) in [("a", true), ("b", false)] {
        let mut spec = own.spec(name, &["sleep", "1000"]);
        // Below those that other tests' portals give to their tasks.
        spec.ports = vec![port(18_411)];
        let id = own.docker.create(&spec).await.expect("made");
        let started = own.docker.start(&id).await;
        if first {
            started.expect("free");
        } else {
            assert_eq!(started.expect_err("taken").kind, Kind::PortTaken { port: Some(18_411) });
        }
    }
    // Taken by something that is no container.
    let taken = std::net::TcpListener::bind("127.0.0.1:18412").expect("free");
    let mut spec = own.spec("c", &["sleep", "1000"]);
    spec.ports = vec![port(18_412)];
    let id = own.docker.create(&spec).await.expect("made");
    let error = own.docker.start(&id).await.expect_err("taken");
    assert_eq!(error.kind, Kind::PortTaken { port: Some(18_412) }, "{error}");
    drop(taken);
    own.clear().await;
}

#[tokio::test]
async fn peers_find_each_other_in_our_network_and_foreign_ones_are_left_alone() {
    let own = Own::new("net");
    let mut labels = own.labels();
    labels.insert(LABEL_PROJECT_ID.to_owned(), "p1".to_owned());
    let order = NetworkOrder { name: format!("{}-net", own.instance), subnet: "10.213.77.0/24".into(), labels };
    let id = own.docker.ensure_network(&order).await.expect("made");
    assert_eq!(own.docker.ensure_network(&order).await.expect("there"), id);
    let overlapping = NetworkOrder { name: format!("{}-other", own.instance), ..order.clone() };
    assert_eq!(own.docker.ensure_network(&overlapping).await.expect_err("same range").kind, Kind::RangeTaken);

    let place = NetworkPlace { network: order.name.clone(), aliases: vec!["web".into()], ip: None };
    let mut web = own.spec("web", &["sh", "-c", "while :; do echo found | busybox nc -l -p 80; done"]);
    web.network = Some(place.clone());
    let web = own.docker.create(&web).await.expect("made");
    own.docker.start(&web).await.expect("started");
    let address = own.docker.inspect(&web).await.expect("there").addresses[&order.name];
    assert!(address.to_string().starts_with("10.213.77."));
    let mut peer = own.spec("peer", &["sh", "-c", "until busybox nc web 80 2>/dev/null; do sleep 0.1; done"]);
    peer.network = Some(NetworkPlace { aliases: vec![], ..place });
    let peer = own.docker.create(&peer).await.expect("made");
    own.docker.start(&peer).await.expect("started");
    let lines: Vec<_> = own
        .docker
        .logs(&peer, LogOrder { tail: None, since_nanos: None, follow: true })
        .await
        .expect("a log")
        .map(|line| line.expect("a line").text)
        .collect()
        .await;
    assert_eq!(lines, ["found"]);

    let remove = async |instance: &str, project: &str| own.docker.remove_network(&order.name, instance, project).await;
    assert!(!remove(&own.instance, "p1").await.expect("left"), "one container runs");
    own.docker.stop(&web, Duration::ZERO).await.expect("stopped");
    assert!(!remove(&own.instance, "p1").await.expect("left"), "none runs, and both are there");
    own.clear().await;
    let mut waiting = own.spec("waiting", &["true"]);
    waiting.network = Some(NetworkPlace { network: order.name.clone(), aliases: vec![], ip: None });
    own.docker.create(&waiting).await.expect("made");
    assert!(!remove(&own.instance, "p1").await.expect("left"), "one was never started");
    own.clear().await;
    assert_eq!(remove("someone-else", "p1").await.expect_err("not theirs").kind, Kind::Refused);
    assert!(remove(&own.instance, "p2").await.expect("p2 has none"));
    assert_eq!(own.docker.ensure_network(&order).await.expect("still there"), id);
    let mut later = order.clone();
    later.labels.insert(LABEL_PROJECT_ID.to_owned(), "p2".to_owned());
    assert_eq!(own.docker.ensure_network(&later).await.expect_err("another project's").kind, Kind::NameTaken);
    assert!(remove(&own.instance, "p1").await.expect("removed"));
    assert!(remove(&own.instance, "p1").await.expect("removed twice is removed"));
    let foreign = NetworkOrder { name: "bridge".into(), ..order };
    assert_eq!(own.docker.ensure_network(&foreign).await.expect_err("the engine's own").kind, Kind::NameTaken);
}

#[tokio::test]
async fn a_volume_is_made_with_its_labels_and_another_projects_is_not_handed_on() {
    let own = Own::new("volume");
    let of = |instance: &str, project: &str| {
        BTreeMap::from([(LABEL_INSTANCE.to_owned(), instance.to_owned()), (LABEL_PROJECT_ID.to_owned(), project.to_owned())])
    };
    let (name, older) = (format!("{}-data", own.instance), format!("{}-older", own.instance));
    for _ in 0..2 {
        own.docker.ensure_volume(&name, &of(&own.instance, "p1")).await.expect("made, then there");
    }
    let seen = own.docker.volumes(&own.instance, LABEL_PROJECT_ID).await.expect("a list");
    let seen: Vec<_> = seen.iter().map(|volume| (volume.name.as_str(), volume.labels[LABEL_PROJECT_ID].as_str())).collect();
    assert_eq!(seen, [(name.as_str(), "p1")]);
    let error = own.docker.ensure_volume(&name, &of(&own.instance, "p2")).await.expect_err("another project's of the same name");
    assert!(error.kind == Kind::NameTaken && error.message.contains(&name) && error.message.contains("deleted project"), "{error}");
    let error = own.docker.ensure_volume(&name, &of("someone-else", "p1")).await.expect_err("ours");
    assert_eq!(error.kind, Kind::NameTaken, "{error}");
    // As earlier releases made them.
    own.docker.ensure_volume(&older, &own.labels()).await.expect("made");
    own.docker.ensure_volume(&older, &of(&own.instance, "p2")).await.expect("taken as it is");
    for volume in [name, older] {
        assert!(own.docker.remove_volume(&volume).await.expect("an answer"), "{volume}");
    }
}

#[tokio::test]
async fn the_log_comes_as_lines_with_their_stream_and_time() {
    let own = Own::new("log");
    let script = "echo one; echo two >&2; printf 'a\\377b\\n'; busybox head -c 40000 /dev/zero | busybox tr '\\0' x; echo; printf last";
    let id = own.run("a", &["sh", "-c", script]).await;
    let order = LogOrder { tail: None, since_nanos: None, follow: true };
    let followed: Vec<_> = own.docker.logs(&id, order).await.expect("a log").map(|line| line.expect("a line")).collect().await;
    assert!(followed.iter().any(|line| line.text == "one"), "following begins at the beginning and ends with the container: {followed:?}");
    // A follower of 20.10 may miss what comes with the very end; whoever reads afterwards does not.
    let order = LogOrder { follow: false, ..order };
    let lines: Vec<_> = own.docker.logs(&id, order).await.expect("a log").map(|line| line.expect("a line")).collect().await;
    let by = |source| lines.iter().filter(|line| line.source == source).map(|line| line.text.as_str()).collect::<Vec<_>>();
    let out = by(LogSource::Stdout);
    assert_eq!(by(LogSource::Stderr), ["two"]);
    assert_eq!((out[0], out[1], out[2].len(), out[3]), ("one", "a\u{fffd}b", 40_000, "last"));
    assert!(lines.iter().all(|line| line.at_nanos > 0 && !line.cut));
    let after = lines.iter().find(|line| line.text == "one").expect("there").at_nanos;
    let later: Vec<_> = own
        .docker
        .logs(&id, LogOrder { since_nanos: Some(after), follow: false, ..order })
        .await
        .expect("a log")
        .map(|line| line.expect("a line").text)
        .collect()
        .await;
    assert!(!later.iter().any(|text| text == "one") && later.iter().any(|text| text == "last"));
    let tail: Vec<_> = own.docker.logs(&id, LogOrder { tail: Some(1), follow: false, since_nanos: None }).await.expect("a log").collect().await;
    assert_eq!(tail.len(), 1);
    own.clear().await;
}

#[tokio::test]
async fn following_a_silent_log_waits_for_its_first_line() {
    let own = Own::new("follow");
    let id = own.run("a", &["sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; echo late; sleep 1000"]).await;
    let lines = own.docker.logs(&id, LogOrder { tail: Some(100), since_nanos: None, follow: true }).await.expect("a log");
    let mut lines = Box::pin(lines);
    assert!(futures::poll!(lines.next()).is_pending());
    let mut exec = own
        .docker
        .exec(
            &ExecOrder {
                container: id,
                command: Some(vec!["sh".into(), "-c".into(), ": >/tmp/go".into()]),
                user: None,
                workdir: None,
                columns: 80,
                rows: 24,
            },
            &shells::Kept::default(),
        )
        .await
        .expect("a terminal");
    exec.output.read_to_end(&mut Vec::new()).await.expect("the end");
    assert_eq!(exec.control.exit().await.expect("known"), Exit::Code(0));
    let line = tokio::time::timeout(Duration::from_secs(60), lines.next()).await.expect("in time").expect("one").expect("fine");
    assert_eq!(line.text, "late");
    own.clear().await;
}

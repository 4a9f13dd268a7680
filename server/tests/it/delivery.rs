//! What is put into a task before its program starts, on a real engine: files, secret files in memory, the time zone, an artifact.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::get;
use domain::configs::Hush;
use domain::deployments::work::{Delivery, TaskFile};
use engine::build::{LABEL_CARRIER, SECRETS, carrier_labels, secrets_name};
use engine::docker::{ContainerSpec, Docker, LABEL_INSTANCE, LogOrder, Mount, Restart, Status};
use engine::parcel::{Carrier, Owner, Parcel, has_secrets};
use futures::StreamExt;
use model::descriptor::Descriptor;
use model::ids::TaskId;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker as client, engine as address};
use crate::push::digest_of;

/// A single static program: no shell, no folders, no user file.
const BARE: &str = "slipway-test/bare:1";

fn docker() -> Docker {
    static IMAGE: OnceLock<()> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let script =
            format!("cd {} && cp $(command -v busybox) busybox && tar c busybox | docker -H {} import - {BARE}", folder.path().display(), address());
        assert!(Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).status().expect("sh").success(), "making {BARE} failed");
    });
    Docker::new(address().parse().expect("an address"))
}

/// A container of the bare image with files, as a task would have it.
struct Own {
    docker: Docker,
    instance: String,
    task: TaskId,
    parcel: Parcel,
    spec: ContainerSpec,
}

impl Own {
    fn new(name: &str, files: Vec<TaskFile>, command: &[&str]) -> Self {
        let instance = format!("test-{name}-{}", std::process::id());
        let task: TaskId = "0192f0c1-7c1e-7b44-8d2a-aaaaaaaaaaaa".parse().expect("an id");
        let descriptor = Descriptor::parse("{image: bare}").expect("a descriptor");
        let secret = files.iter().any(|file| file.secret);
        let parcel = Parcel::new(&descriptor, &Delivery { files, ..Delivery::default() });
        let memory = Mount::Kept {
            name: secrets_name(&instance, task),
            path: SECRETS.into(),
            bytes: 1 << 20,
            read_only: true,
            labels: carrier_labels(&instance, task),
        };
        let spec = ContainerSpec {
            name: format!("{instance}-task"),
            image: BARE.into(),
            command: Some(std::iter::once("/busybox").chain(command.iter().copied()).map(str::to_owned).collect()),
            labels: BTreeMap::from([(LABEL_INSTANCE.to_owned(), instance.clone())]),
            user: Some("1000:1000".into()),
            mounts: secret.then_some(memory).into_iter().collect(),
            restart: Restart::No,
            ..ContainerSpec::default()
        };
        Self { docker: docker(), instance, task, parcel, spec }
    }

    async fn fill(&self, container: &str) -> Option<Carrier> {
        let owner = Owner { instance: &self.instance, task: self.task };
        self.parcel.fill(&self.docker, &self.spec, container, owner).await.expect("filled")
    }

    /// All that it printed until it ended.
    async fn printed(&self, container: &str) -> Vec<String> {
        let lines = self.docker.logs(container, LogOrder { tail: None, since_nanos: None, follow: true }).await.expect("a log");
        tokio::time::timeout(Duration::from_secs(30), lines.map(|line| line.expect("a line").text).collect()).await.expect("it ends")
    }

    async fn clear(&self) {
        for seen in self.docker.list(&self.instance).await.expect("a list") {
            self.docker.remove(&seen.id).await.expect("removed");
        }
        for volume in self.docker.volumes(&self.instance, LABEL_CARRIER).await.expect("a list") {
            assert!(self.docker.remove_volume(&volume.name).await.expect("an answer"), "{} is in use", volume.name);
        }
    }
}

fn file(path: &str, content: &str, mode: u32, secret: bool) -> TaskFile {
    TaskFile { path: path.into(), content: Hush::new(content.as_bytes().to_vec()), mode, secret }
}

#[tokio::test]
async fn files_are_there_before_the_first_instruction_in_an_image_with_nothing_else() {
    let files = vec![file("/etc/app/app.conf", "plain", 0o644, false), file("/etc/app/run", "#!/busybox sh\necho ran\n", 0o755, false)];
    let own = Own::new(
        "files",
        files,
        &["sh", "-c", "/busybox cat /etc/app/app.conf; echo; /etc/app/run; /busybox stat -c '%a %u' /etc/app /etc/app/app.conf"],
    );
    let id = own.docker.create(&own.spec).await.expect("made");
    assert!(own.fill(&id).await.is_none(), "nothing is carried where nothing is secret");
    own.docker.start(&id).await.expect("started");
    assert_eq!(own.printed(&id).await, ["plain", "ran", "755 0", "644 0"]);
    own.clear().await;
}

#[tokio::test]
async fn secret_files_are_in_memory_alone_and_there_before_the_first_instruction() {
    let files = vec![file("/etc/app/key", "hunter2-in-memory", 0o444, true), file("/etc/app/app.conf", "plain", 0o644, false)];
    let script = "/busybox cat /etc/app/key; echo; /busybox cat /etc/app/app.conf; echo; /busybox touch /run/slipway/secrets/x 2>&1; /busybox grep -c 'secrets tmpfs' /proc/mounts; exec /busybox sleep 1000";
    let own = Own::new("secrets", files, &["sh", "-c", script]);
    for _ in 0..5 {
        let id = own.docker.create(&own.spec).await.expect("made");
        let carrier = own.fill(&id).await.expect("it is carried");
        own.docker.start(&id).await.expect("started");
        assert!(carrier.let_go().await.expect("let go"), "it was held all the time");
        let mut lines = own.docker.logs(&id, LogOrder { tail: None, since_nanos: None, follow: true }).await.expect("a log").boxed();
        let mut next = async || lines.next().await.expect("a line").expect("a line").text;
        assert_eq!((next().await.as_str(), next().await.as_str()), ("hunter2-in-memory", "plain"));
        assert!(next().await.contains("Read-only"));
        assert_eq!(next().await, "1");
        assert!(has_secrets(&own.docker, &id).await.expect("an answer"));

        // Nothing of it is in the container's layer, its description, or the volume's.
        let root = client(&["info", "-f", "{{.DockerRootDir}}"]);
        let on_disk = Command::new("grep")
            .args(["-rlas", "--exclude-dir=merged", "--exclude-dir=_data", "--exclude=*-json.log", "hunter2-in-memory", &root])
            .output()
            .expect("grep");
        assert_eq!(String::from_utf8_lossy(&on_disk.stdout), "");
        assert!(!client(&["inspect", &id]).contains("hunter2") && !client(&["diff", &id]).contains("hunter2"));

        // What is started again by something else has none, and it is seen.
        own.docker.stop(&id, Duration::ZERO).await.expect("stopped");
        own.docker.start(&id).await.expect("started");
        assert!(!has_secrets(&own.docker, &id).await.expect("an answer"));
        own.docker.remove(&id).await.expect("removed");
        assert!(own.docker.list(&own.instance).await.expect("a list").is_empty(), "no carrier is left");
        assert!(own.docker.remove_volume(&secrets_name(&own.instance, own.task)).await.expect("an answer"));
    }
    own.clear().await;
}

#[tokio::test]
async fn a_carrier_that_a_killed_portal_left_is_in_nobodys_way() {
    let own = Own::new("left", vec![file("/key", "hunter2-hunter2", 0o444, true)], &["cat", "/key"]);
    let first = own.docker.create(&own.spec).await.expect("made");
    // Dropped in the middle, as a process that ends drops its connections.
    drop(own.fill(&first).await.expect("carried"));
    own.docker.remove(&first).await.expect("removed");
    let seen = own.docker.list(&own.instance).await.expect("a list");
    assert_eq!((seen.len(), seen[0].status), (1, Status::Created), "its carrier");
    let id = own.docker.create(&own.spec).await.expect("made");
    let carrier = own.fill(&id).await.expect("carried");
    own.docker.start(&id).await.expect("started");
    assert!(carrier.let_go().await.expect("let go"));
    assert_eq!(own.printed(&id).await, ["hunter2-hunter2"]);
    own.clear().await;
}

fn program(script: &str) -> Value {
    json!({"image": "web:1", "command": ["sh", "-c", format!("{script}; exec sleep 1000")], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}})
}

#[tokio::test]
async fn what_the_configuration_centre_holds_is_there_before_the_start_and_after_every_other_start() {
    let ground = Ground::new().await;
    ground.service("app").await;
    for (path, body) in [
        ("variables/LEVEL", json!({"value": "info"})),
        ("configs/app.conf", json!({"content": "plain-conf"})),
        ("secrets/key", json!({"value": "hunter2-in-a-file"})),
        // Nothing in its names says that it is secret: it is hidden for what it is.
        ("secrets/harmless", json!({"value": "hunter2-in-a-variable"})),
    ] {
        ground.developer.put(&format!("/api/v1/projects/shop/{path}"), body).await.expect_status(StatusCode::OK).await;
    }
    let mut app = program("busybox cat /etc/app/app.conf; echo; busybox cat /etc/app/key; echo; echo $LEVEL-$HARMLESS");
    app["configs"] = json!([{"name": "app.conf", "path": "/etc/app/app.conf"}]);
    app["secrets"] = json!([{"name": "key", "path": "/etc/app/key"}, {"name": "harmless", "env": "HARMLESS"}]);
    ground.deployed("app", app).await;
    let all = "plain-conf\nhunter2-in-a-file\ninfo-hunter2-in-a-variable";
    ground.logged("app", &ground.running("app").await[0], all).await;
    let first = ground.running("app").await[0].clone();
    let container = first["container"].as_str().expect("a container").to_owned();
    assert!(!client(&["inspect", &container]).contains("in-a-file"), "the engine knows nothing of it");
    let ours = format!("/api/v1/tasks/{}/inspect", first["id"].as_str().expect("an id"));
    let ours = ground.developer.get(&ours).await.expect_status(StatusCode::OK).await.to_string();
    assert!(!ours.contains("hunter2") && ours.contains("HARMLESS"), "{ours}");
    let browser = ground.portal().browser("dora").await;
    for page in ["", "/inspect", "/configuration", "/deploy", "/revisions"] {
        let answer = browser.open(&format!("/projects/shop/services/app{page}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{page}");
        let text = answer.text().await.expect("a page");
        assert!(!text.contains("hunter2"), "{page}: {text}");
        assert!(page != "/inspect" || text.contains("HARMLESS"), "the inspection is on its page: {text}");
    }

    // Another tool starts it again, with which the memory is gone: it is replaced by one that has everything.
    client(&["restart", "-t", "0", &container]);
    let replaced = |tasks: &[Value]| tasks.iter().any(|task| task["state"] == "running" && task["container"] != json!(container));
    let tasks = ground.until("app", "it is replaced", replaced).await;
    let old = tasks.iter().find(|task| task["container"] == json!(container)).expect("it is told");
    assert!(matches!(old["reason"]["code"].as_str(), Some("secrets_lost" | "exited" | "killed")), "{old}");
    ground.logged("app", &ground.running("app").await[0], all).await;
    ground.verb("app", "stop", json!({})).await;
    ground.until("app", "it ends", |tasks| tasks.iter().all(|task| task["state"] != "running")).await;
    ground.developer.delete("/api/v1/projects/shop/secrets/key").await.expect_status(StatusCode::OK).await;
    // What was stopped can be looked into as long as its service is there; with the service goes all.
    ground.portal().person("admin").delete("/api/v1/projects/shop/services/app").await;
    let left = || client(&["volume", "ls", "-q", "--filter", &format!("label={LABEL_CARRIER}"), "--filter", &ground.label()]);
    for _ in 0..600 {
        if left().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("memory is left: {}", left());
}

#[tokio::test]
async fn what_a_task_prints_of_its_secrets_is_in_no_reason() {
    let ground = Ground::new().await;
    ground.service("app").await;
    // Longer than the lines that are kept: what is told of it is never the whole.
    let key: String = (0..30).map(|line| format!("key-line-{line}-hunter2\n")).collect();
    for (name, value) in [("key", key.as_str()), ("password", " hunter2-in-a-variable\n")] {
        let path = format!("/api/v1/projects/shop/secrets/{name}");
        ground.developer.put(&path, json!({"value": value})).await.expect_status(StatusCode::OK).await;
    }
    let mut app = program("busybox cat /etc/app/key; echo $TOKEN; echo with $PASSWORD");
    app["env"] = json!({"TOKEN": "hunter2-of-the-descriptor"});
    app["secrets"] = json!([{"name": "key", "path": "/etc/app/key"}, {"name": "password", "env": "PASSWORD"}]);
    let check = "echo wrong: $PASSWORD $(busybox tail -n 1 /etc/app/key); exit 1";
    app["health"] = json!({"command": ["sh", "-c", check], "interval": "5s", "timeout": "5s", "retries": 1, "start_period": "0s"});
    let id = ground.deploy("app", app).await;
    let over = ground.over("app", &id).await;
    let message = over["reason"]["message"].as_str().expect("a reason");
    assert!(message.contains("it did not become healthy: wrong: (hidden) (hidden)"), "{over}");
    assert!(message.contains("\n(hidden)\n") && message.contains("with (hidden)"), "its last lines are told: {over}");
    let tasks = Value::from(ground.tasks("app").await).to_string();
    let browser = ground.portal().browser("dora").await;
    let page = browser.open(&format!("/projects/shop/services/app/deployments/{id}")).await.text().await.expect("a page");
    assert!(page.contains("it did not become healthy"), "{page}");
    assert!(!page.contains("hunter2-in") && !page.contains("key-line"), "{page}");
    for told in [over.to_string(), tasks] {
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn a_time_zone_holds_in_an_image_without_any() {
    let ground = Ground::new().await;
    ground.service("clock").await;
    let mut clock = program("busybox date -d @0 +%H:%M; busybox head -c 4 /etc/localtime; echo; busybox head -c 4 /usr/share/zoneinfo/$TZ; echo");
    clock["timezone"] = json!("Asia/Shanghai");
    ground.deployed("clock", clock.clone()).await;
    ground.logged("clock", &ground.running("clock").await[0], "08:00\nTZif\nTZif").await;
    let container = ground.running("clock").await[0]["container"].as_str().expect("a container").to_owned();
    let image = client(&["inspect", "--format", "{{.Image}}", &container]);
    let bare = client(&["run", "--rm", "--network", "none", "--env", "TZ=Asia/Shanghai", &image, "busybox", "date", "-d", "@0", "+%H:%M"]);
    assert_eq!(bare, "00:00", "the image itself knows no zone");
    clock["timezone"] = json!("Asia/Shangai");
    let body = json!({"environment": "local", "descriptor": clock});
    let refused =
        ground.developer.post("/api/v1/projects/shop/services/clock/deployments", body).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(refused["errors"].to_string().contains("the nearest name is Asia/Shanghai"), "{refused}");
}

#[tokio::test]
async fn an_artifact_is_fetched_once_unpacked_and_there_before_the_start_and_a_failure_is_told() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!("cd {} && mkdir web && echo from-the-artifact >web/index.html && tar czf a.tgz web", folder.path().display());
    assert!(Command::new("sh").args(["-c", &script]).status().expect("sh").success());
    let bytes = std::fs::read(folder.path().join("a.tgz")).expect("an archive");
    let sum = digest_of(&bytes).trim_start_matches("sha256:").to_owned();
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let router = axum::Router::new().route(
        "/a.tgz",
        get(move || {
            ASKED.fetch_add(1, Ordering::SeqCst);
            let bytes = bytes.clone();
            async move { bytes }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let artifact = |path: &str, sum: &str| json!({"url": format!("http://{host}{path}"), "sha256": sum, "path": "/www/app"});
    ground.service("site").await;
    let mut site = program("busybox cat /www/app/web/index.html");
    site["replicas"] = json!(3);
    site["artifact"] = artifact("/a.tgz", &sum);

    let failed = async |descriptor: Value| {
        let id = ground.deploy("site", descriptor).await;
        ground.over("site", &id).await["reason"]["code"].as_str().expect("a code").to_owned()
    };
    assert_eq!(failed(site.clone()).await, "address_refused", "nothing inside is reached unless an operator says so");
    let allowed = json!({"allowed": [format!("http://{host}")]});
    ground.portal().person("admin").put("/api/v1/outside-registries", allowed).await.expect_status(StatusCode::OK).await;
    ground.deployed("site", site.clone()).await;
    ground.logged("site", &ground.running("site").await[0], "from-the-artifact").await;
    assert_eq!(ASKED.load(Ordering::SeqCst), 1, "three tasks, one download");

    let before = ground.running("site").await;
    site["artifact"] = artifact("/a.tgz", &sum.replace(|_: char| true, "0"));
    site["update"] = json!({"monitor": "0s", "order": "stop-first"});
    assert_eq!(failed(site.clone()).await, "artifact_mismatch");
    site["artifact"] = artifact("/missing.tgz", &sum.replace(|_: char| true, "1"));
    assert_eq!(failed(site).await, "artifact_not_found");
    assert_eq!(ground.running("site").await.len(), before.len());
    assert!(
        before.iter().all(|task| client(&["ps", "-q", "--no-trunc"]).contains(task["container"].as_str().expect("a container"))),
        "what serves was not touched"
    );
}

#[tokio::test]
async fn a_folder_of_the_machine_is_mounted_only_where_operators_allow_it() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a path").display().to_string();
    std::fs::create_dir(folder.path().join("x")).expect("made");
    std::fs::write(folder.path().join("x/file"), "of-the-machine").expect("written");
    ground.service("disk").await;
    let mut disk = program("busybox cat /x/file; echo; busybox touch /x/new 2>&1");
    let mount = |host: &str, read_only: bool| json!([{"host": host, "path": "/x", "read_only": read_only}]);
    let refused = async |volumes: Value| {
        let mut disk = disk.clone();
        disk["volumes"] = volumes;
        let body = json!({"environment": "local", "descriptor": disk});
        let answer = ground.developer.post("/api/v1/projects/shop/services/disk/deployments", body).await;
        answer.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await["errors"].to_string()
    };
    let inner = format!("{root}/x");
    assert!(refused(mount(&inner, true)).await.contains("not one of the folders"));
    let operator = ground.portal().person("admin");
    let set = async |lines: &[String]| operator.put("/api/v1/host-folders", json!({"allowed": lines})).await;
    let data = ground.portal().folder().canonicalize().expect("a path").display().to_string();
    for line in [data.as_str(), &format!("{data}/*"), "/", "/proc", "/var/run/docker.sock"] {
        set(&[line.to_owned()]).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    set(&[format!("{root}/* read-only")]).await.expect_status(StatusCode::OK).await;
    assert!(refused(mount(&inner, false)).await.contains("read_only: true"));
    for hostile in [
        format!("{root}/x/.."),
        format!("{root}/../x"),
        root.clone(),
        "/".into(),
        "/etc".into(),
        "/var/run/docker.sock".into(),
        format!("{inner}/file"),
    ] {
        refused(mount(&hostile, true)).await;
    }
    disk["volumes"] = mount(&inner, true);
    ground.deployed("disk", disk).await;
    ground.logged("disk", &ground.running("disk").await[0], "of-the-machine").await;
    ground.logged("disk", &ground.running("disk").await[0], "Read-only").await;
    assert!(!folder.path().join("x/new").exists());

    set(&[]).await.expect_status(StatusCode::OK).await;
    let again = ground.developer.post("/api/v1/projects/shop/services/disk/restart", json!({})).await;
    again.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
}

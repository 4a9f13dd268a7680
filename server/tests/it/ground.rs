//! A portal on the real engine with a project, an image of busybox pushed to it, and a developer who deploys. What the test leaves on the
//! engine is removed with it: only what bears the portal's instance label.

use std::process::Command;
use std::time::{Duration, Instant};

use domain::Signal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};
use crate::push::push_blob;

/// Longest wait for anything; a busy machine is slow.
const LONG: Duration = Duration::from_secs(240);

/// The address of the test engine.
pub fn engine() -> String {
    std::env::var("SLIPWAY_TEST_DOCKER_HOST")
        .expect("SLIPWAY_TEST_DOCKER_HOST names the engine that tests may use; `make test` starts one and sets it")
}

/// Runs docker against the test engine; its standard output.
pub fn docker(arguments: &[&str]) -> String {
    let ran = Command::new("docker").arg("--host").arg(engine()).args(arguments).output().expect("the docker client is installed");
    assert!(ran.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

/// The portal, the project and its developer.
pub struct Ground {
    portal: Option<TestPortal>,
    pub developer: Person,
    instance: String,
    host: String,
}

impl Ground {
    /// The project `shop` with the image `web:1`: busybox, whose command serves `/www` on port 8080.
    pub async fn new() -> Self {
        Self::on(engine()).await
    }

    /// The same, with the test engine at another address.
    pub async fn on(host: String) -> Self {
        let portal = TestPortal::start_on(&host).await;
        Self::of(portal, host).await
    }

    /// The same, and what tasks use is sampled each second.
    pub async fn sampling(host: String) -> Self {
        Self::sampling_every(host, "1s").await
    }

    /// The same, at another pace.
    pub async fn sampling_every(host: String, every: &str) -> Self {
        let portal = TestPortal::start_sampling(&host, every).await;
        Self::of(portal, host).await
    }

    async fn of(portal: TestPortal, host: String) -> Self {
        let developer = portal.new_person("dora").await;
        portal.new_project("shop", &[("dora", "developer")]).await;
        let instance = portal.platform().instance().to_owned();
        forget_images(&portal);
        push_busybox(&developer, "shop/web", "1", "hello").await;
        Self { portal: Some(portal), developer, instance, host }
    }

    /// The portal.
    pub fn portal(&self) -> &TestPortal {
        self.portal.as_ref().expect("it runs")
    }

    /// The engine is reached at another address from the next start on.
    pub fn moves(&mut self, host: String) {
        self.host = host;
    }

    /// The same portal after an orderly end and a start; what runs on the engine runs on.
    pub async fn restart(&mut self) {
        self.restart_after(|| {}).await;
    }

    /// The same, and does this while the portal is stopped.
    pub async fn restart_after(&mut self, meanwhile: impl FnOnce()) {
        let portal = self.portal.take().expect("it runs").restart_after(Some(self.host.clone()), meanwhile).await;
        forget_images(&portal);
        self.developer = portal.person("dora");
        self.portal = Some(portal);
    }

    /// Makes a service.
    pub async fn service(&self, name: &str) {
        self.developer.post("/api/v1/projects/shop/services", json!({"name": name})).await.expect_status(StatusCode::CREATED).await;
    }

    /// Deploys a descriptor to a service; the deployment's id.
    pub async fn deploy(&self, service: &str, descriptor: Value) -> String {
        let path = format!("/api/v1/projects/shop/services/{service}/deployments");
        let body = json!({"environment": "local", "descriptor": descriptor});
        let made = self.developer.post(&path, body).await.expect_status(StatusCode::ACCEPTED).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    /// A verb on a service; the deployment's id, where it makes one.
    pub async fn verb(&self, service: &str, verb: &str, body: Value) -> Option<String> {
        let answer = self.developer.post(&format!("/api/v1/projects/shop/services/{service}/{verb}"), body).await;
        let status = answer.status();
        let made = answer.expect_status(status).await;
        assert!(status.is_success(), "{verb}: {made}");
        made["id"].as_str().map(str::to_owned)
    }

    /// Waits until a deployment is over.
    pub async fn over(&self, service: &str, deployment: &str) -> Value {
        let path = format!("/api/v1/projects/shop/services/{service}/deployments/{deployment}?wait={}", LONG.as_secs());
        let view = self.developer.get(&path).await.expect_status(StatusCode::OK).await;
        let state = view["state"].as_str().expect("a state");
        assert!(!["pending", "queued", "pulling", "rolling"].contains(&state), "not over in time: {view}\n{}", self.tasks_text(service).await);
        view
    }

    /// Deploys and expects success.
    pub async fn deployed(&self, service: &str, descriptor: Value) -> Value {
        let id = self.deploy(service, descriptor).await;
        let view = self.over(service, &id).await;
        assert_eq!(view["state"], "succeeded", "{view}\n{}", self.tasks_text(service).await);
        view
    }

    /// The tasks of a service.
    pub async fn tasks(&self, service: &str) -> Vec<Value> {
        let path = format!("/api/v1/projects/shop/services/{service}/tasks");
        let listed = self.developer.get(&path).await.expect_status(StatusCode::OK).await;
        listed["items"].as_array().expect("items").clone()
    }

    async fn tasks_text(&self, service: &str) -> String {
        serde_json::to_string_pretty(&self.tasks(service).await).expect("JSON")
    }

    /// The tasks that run.
    pub async fn running(&self, service: &str) -> Vec<Value> {
        self.tasks(service).await.into_iter().filter(|task| task["state"] == "running").collect()
    }

    /// Waits until the tasks are as wanted.
    pub async fn until(&self, service: &str, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let tasks = self.tasks(service).await;
            if wanted(&tasks) {
                return tasks;
            }
            assert!(began.elapsed() < LONG, "{what} did not come about: {}", self.tasks_text(service).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until what the portal keeps of a task's log holds this text. A line is collected a moment after it was written, and on a busy
    /// machine that is after its task's end.
    pub async fn logged(&self, service: &str, task: &Value, wanted: &str) {
        let task = task["id"].as_str().expect("a task");
        let path = format!("/api/v1/projects/shop/services/{service}/logs?tail=1000&task={task}");
        let began = Instant::now();
        loop {
            let request = self.developer.request(Method::GET, &path).header("accept", "application/x-ndjson");
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let lines = answer.text().await.expect("lines");
            let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
            let log = lines.map(|line| line["text"].as_str().expect("a text").to_owned()).collect::<Vec<_>>().join("\n");
            if log.contains(wanted) {
                return;
            }
            assert!(began.elapsed() < LONG, "{wanted:?} is not in {log:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The next pass over everything is made now: what no event tells is seen by it, and it comes by itself every half minute.
    pub fn pass(&self) {
        self.portal().platform().signal(Signal::Machines).notify_one();
    }

    /// What a task answers on the port called `http`.
    pub async fn answer(&self, task: &Value) -> String {
        let port = task["ports"][0]["host"].as_u64().expect("a port");
        let url = format!("http://127.0.0.1:{port}/");
        let answer = crate::portal::client().request(Method::GET, url).timeout(Duration::from_secs(5)).send().await;
        answer.expect("an answer").text().await.expect("a body").trim().to_owned()
    }

    /// Ids of this portal's containers, also of those that ended.
    pub fn containers(&self) -> Vec<String> {
        docker(&["ps", "-aq", "--no-trunc", "--filter", &self.label()]).lines().map(str::to_owned).collect()
    }

    /// Waits until this portal has so many containers.
    pub async fn containers_are(&self, what: &str, count: usize) {
        let began = Instant::now();
        while self.containers().len() != count {
            assert!(began.elapsed() < LONG, "{what}: there are {:?}", docker(&["ps", "-a", "--filter", &self.label()]));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The filter for what this portal made.
    pub fn label(&self) -> String {
        format!("label=dev.slipway.instance={}", self.instance)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // The loop would make what is removed here anew.
        if let Some(portal) = &self.portal {
            portal.running.stop.cancel();
        }
        std::thread::sleep(Duration::from_millis(200));
        for kind in [&["ps", "-aq"][..], &["network", "ls", "-q"][..]] {
            let listed = Command::new("docker").arg("--host").arg(engine()).args(kind).args(["--filter", &self.label()]).output();
            let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            for id in listed.lines() {
                let remove: &[&str] = if kind[0] == "ps" { &["rm", "-f", id] } else { &["network", "rm", id] };
                let _ = Command::new("docker").arg("--host").arg(engine()).args(remove).output();
            }
        }
    }
}

/// Removes the images under the names that this portal's will have: another test's portal may have had its port before.
fn forget_images(portal: &TestPortal) {
    let registry = portal.base.trim_start_matches("http://");
    let filter = format!("reference={registry}/*/*");
    let listed = docker(&["images", "--digests", "--no-trunc", "--filter", &filter, "--format", "{{.Repository}}@{{.Digest}}"]);
    for image in listed.lines().filter(|image| image.starts_with(registry)) {
        // One that still runs keeps it.
        let _ = Command::new("docker").arg("--host").arg(engine()).args(["rmi", image]).output();
    }
}

/// Pushes an image of busybox with its applets below `/bin`, which serves a page with `text` on port 8080.
pub async fn push_busybox(person: &Person, name: &str, tag: &str, text: &str) {
    let script = format!(
        "mkdir -p bin tmp proc sys dev etc root www && cp $(command -v busybox) bin/busybox && \
         for applet in sh sleep cat echo kill stty httpd false true; do ln -s busybox bin/$applet; done && \
         echo root:x:0:0::/root:/bin/sh >etc/passwd && echo {text} >www/index.html"
    );
    push_image(person, name, tag, &script, &["httpd", "-f", "-p", "8080", "-h", "/www"]).await;
}

/// Pushes an image of busybox under a name that is no shell.
pub async fn push_without_shell(person: &Person, name: &str, tag: &str) {
    let script = "mkdir -p app tmp proc sys dev && cp $(command -v busybox) app/busybox";
    push_image(person, name, tag, script, &["/app/busybox", "sleep", "100000"]).await;
}

/// Pushes an image whose only layer is what the script makes in an empty folder.
async fn push_image(person: &Person, name: &str, tag: &str, script: &str, command: &[&str]) {
    let script = format!("cd $(mktemp -d) && {script} && tar c . && rm -rf $PWD");
    let layer = Command::new("sh").args(["-c", &script]).output().expect("sh").stdout;
    let layer_digest = push_blob(person, name, &layer).await;
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        "config": {"Cmd": command, "Env": ["PATH=/bin"]},
    });
    let config = config.to_string().into_bytes();
    let config_digest = push_blob(person, name, &config).await;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": layer.len()}],
    });
    let request = person.request(Method::PUT, &format!("/v2/{name}/manifests/{tag}"));
    let request = request.header("content-type", "application/vnd.oci.image.manifest.v1+json").body(manifest.to_string());
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED, "{:?}", answer.text().await);
}

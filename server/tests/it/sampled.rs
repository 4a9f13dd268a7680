//! What is sampled of tasks on a real engine, under loads of known size: from the kernel's files, and through the engine's API, where the engine is
//! behind a port. What the samples say is compared with what the kernel says when it is asked by the test.

mod loads;
mod rates;
mod slow;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::metrics::{Key, Latest, Metric};
use domain::clock::{Clock as _, MachineClock};
use serde_json::{Value, json};

use crate::collected::cut::Cut;
use crate::ground::{Ground, docker, engine};

/// What should happen happens within this time; a busy machine is slow.
const LONG: Duration = Duration::from_secs(90);
const MIB: f64 = 1_048_576.0;

/// A ground whose engine is reached in one of the two ways.
struct Scene {
    ground: Ground,
    _cut: Option<Cut>,
}

impl Scene {
    async fn from_files() -> Self {
        Self { ground: Ground::sampling(engine()).await, _cut: None }
    }

    async fn through_the_engine() -> Self {
        let cut = Cut::before(&engine()).await;
        Self { ground: Ground::sampling(cut.address()).await, _cut: Some(cut) }
    }

    /// Makes a service with one task; the task.
    async fn runs(&self, service: &str, descriptor: Value) -> Value {
        self.ground.service(service).await;
        self.ground.deployed(service, descriptor).await;
        self.ground.running(service).await.remove(0)
    }

    fn all(&self) -> Vec<Latest> {
        self.ground.portal().platform().metrics().expect("samples are kept").latest(0)
    }

    /// Waits until the last sample of a task, taken from now on, is as wanted.
    async fn until<T>(&self, task: &Value, what: &str, wanted: impl Fn(&Latest) -> Option<T>) -> T {
        let (began, from) = (Instant::now(), MachineClock.now().0);
        loop {
            let all = self.all();
            let own = all.iter().find(|latest| latest.member.is_some_and(|member| member.task.to_string() == task["id"]));
            if let Some(found) = own.filter(|latest| latest.at_ms >= from).and_then(&wanted) {
                return found;
            }
            assert!(began.elapsed() < LONG, "{what} was not sampled; the last: {own:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A figure of a task and when it was sampled, from now on.
    async fn figure(&self, task: &Value, metric: Metric) -> (i64, f64) {
        self.until(task, metric.name(), |latest| Some((latest.at_ms, number(latest, metric, "")?))).await
    }
}

fn number(latest: &Latest, metric: Metric, label: &str) -> Option<f64> {
    latest.values.iter().find(|now| now.metric == metric && &*now.label == label).map(|now| now.value)
}

fn script(text: &str) -> Value {
    json!({"image": "web:1", "command": ["sh", "-c", text], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}})
}

fn container(task: &Value) -> &str {
    task["container"].as_str().expect("a container")
}

/// What the kernel itself says of a container's processors, in microseconds.
fn kernel_cpu(task: &Value) -> f64 {
    let id = container(task);
    let nanos = ["cpuacct", "cpu,cpuacct"].map(|controller| format!("/sys/fs/cgroup/{controller}/docker/{id}/cpuacct.usage"));
    for path in nanos {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text.trim().parse::<f64>().expect("a number") / 1000.0;
        }
    }
    let own = [format!("/sys/fs/cgroup/system.slice/docker-{id}.scope"), format!("/sys/fs/cgroup/docker/{id}")];
    let stat = own.iter().find_map(|folder| std::fs::read_to_string(Path::new(folder).join("cpu.stat")).ok()).expect("its control group");
    let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")).expect("what it used");
    used.trim().parse().expect("a number")
}

async fn a_hundred_mebibytes(scene: Scene) {
    // The reading program waits for ever, and so the other one keeps what it has read.
    let large = scene.runs("large", script("busybox dd if=/dev/zero bs=104857600 count=1 | sleep 100000")).await;
    let small = scene.runs("small", script("sleep 100000 | sleep 100000")).await;
    let (_, rest) = scene.figure(&small, Metric::MemoryWorkingSet).await;
    let enough = |latest: &Latest| number(latest, Metric::MemoryWorkingSet, "").filter(|used| used - rest > 95.0 * MIB);
    let used = scene.until(&large, "100 MiB more", enough).await;
    assert!(used - rest < 115.0 * MIB, "{used} against {rest}");
    let pids = scene.figure(&large, Metric::Pids).await.1;
    assert!((2.0..=4.0).contains(&pids), "the shell, and the two: {pids}");
}

#[tokio::test]
async fn memory_that_is_touched_is_used_from_files() {
    a_hundred_mebibytes(Scene::from_files().await).await;
}

#[tokio::test]
async fn memory_that_is_touched_is_used_through_the_engine() {
    a_hundred_mebibytes(Scene::through_the_engine().await).await;
}

/// The folder of a task's volume.
fn volume(task: &Value) -> PathBuf {
    PathBuf::from(docker(&["inspect", "--format", "{{(index .Mounts 0).Source}}", container(task)]))
}

async fn appears(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < LONG, "{} did not come about", path.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn eight_mebibytes(scene: Scene) {
    let mut descriptor = script("busybox dd if=/dev/zero of=/www/large bs=1048576 count=8; exec httpd -f -p 8080 -h /www");
    descriptor["ports"] = json!([{"name": "http", "container": 8080}]);
    descriptor["health"] = json!({"tcp": {"port": 8080}, "interval": "1s", "timeout": "1s"});
    let task = scene.runs("web", descriptor).await;
    let port = task["ports"][0]["host"].as_u64().expect("a port");
    let (_, before) = scene.figure(&task, Metric::NetSent).await;
    let answer = crate::portal::client().get(format!("http://127.0.0.1:{port}/large")).send().await.expect("an answer");
    let body = answer.bytes().await.expect("a body");
    assert_eq!(body.len(), 8 << 20);
    let enough = |latest: &Latest| number(latest, Metric::NetSent, "").filter(|sent| sent - before > 8.0 * MIB);
    let sent = scene.until(&task, "8 MiB sent", enough).await;
    assert!(sent - before < 10.0 * MIB, "{sent} after {before}: heads of packets and probes are no MiB");
}

#[tokio::test]
async fn a_transfer_is_counted_from_files() {
    eight_mebibytes(Scene::from_files().await).await;
}

#[tokio::test]
async fn a_transfer_is_counted_through_the_engine() {
    eight_mebibytes(Scene::through_the_engine().await).await;
}

#[tokio::test]
async fn processes_that_are_killed_for_want_of_memory_are_counted() {
    let scene = Scene::from_files().await;
    let mut descriptor = script("while :; do busybox dd if=/dev/zero of=/dev/null bs=268435456 count=1; busybox usleep 500000; done");
    descriptor["resources"] = json!({"memory": "48MiB"});
    let task = scene.runs("web", descriptor).await;
    let limit = scene.figure(&task, Metric::MemoryLimit).await.1;
    assert!((limit - 48.0 * MIB).abs() < 1.0, "{limit}");
    let first = scene.until(&task, "a kill", |latest| number(latest, Metric::OomKills, "").filter(|kills| *kills >= 1.0)).await;
    scene.until(&task, "another", |latest| number(latest, Metric::OomKills, "").filter(|kills| *kills > first)).await;
}

#[tokio::test]
async fn an_application_tells_its_own_figures() {
    let scene = Scene::from_files().await;
    let text = "echo '# TYPE jobs counter' >/www/metrics; echo 'jobs{queue=\"a\"} 5' >>/www/metrics; echo other 7 >>/www/metrics; \
                exec httpd -f -p 8080 -h /www";
    let asked = |path: &str| {
        let mut descriptor = script(text);
        descriptor["metrics"] = json!({"port": 8080, "path": path, "names": ["jobs"]});
        descriptor
    };
    let good = scene.runs("good", asked("/metrics")).await;
    let bad = scene.runs("bad", asked("/nothing")).await;
    let jobs = scene.until(&good, "its own figure", |latest| number(latest, Metric::AppCounter, "jobs{queue=\"a\"}")).await;
    assert!((jobs - 5.0).abs() < f64::EPSILON, "{jobs}");
    let up = |latest: &Latest| Some((number(latest, Metric::AppGauge, "up")?, number(latest, Metric::AppGauge, "other")));
    assert_eq!(scene.until(&good, "that it answers", |latest| up(latest).filter(|(up, _)| *up > 0.0)).await, (1.0, None), "and nothing else");
    assert_eq!(scene.until(&bad, "that it does not answer", up).await, (0.0, None));
    assert!(scene.figure(&bad, Metric::CpuUsed).await.1 >= 0.0, "what the kernel says of it comes all the same");
}

#[tokio::test]
async fn the_machine_is_sampled_where_the_engine_is_on_it() {
    let scene = Scene::from_files().await;
    let began = Instant::now();
    let machine = loop {
        let all = scene.all();
        let wanted = |latest: &&Latest| matches!(latest.key, Key::Machine(_)) && number(latest, Metric::CpuUsed, "").is_some();
        if let Some(machine) = all.iter().find(wanted) {
            break machine.clone();
        }
        assert!(began.elapsed() < LONG, "the machine was not sampled: {all:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let of = |metric: Metric| machine.values.iter().filter(|now| now.metric == metric).map(|now| now.value).fold(f64::NAN, f64::max);
    let memory = std::fs::read_to_string("/proc/meminfo").expect("memory");
    let total: f64 = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).expect("the first is the total");
    assert!((of(Metric::MemoryLimit) - total * 1024.0).abs() < 1.0);
    assert!(of(Metric::MemoryWorkingSet) > 0.0 && of(Metric::MemoryWorkingSet) < of(Metric::MemoryLimit));
    assert!(of(Metric::DiskUsed) > 0.0 && of(Metric::DiskUsed) <= of(Metric::DiskSize), "the disk with the data is told");
    assert!(of(Metric::EngineContainers) >= 0.0 && of(Metric::CpuLimit) >= 1.0);
}

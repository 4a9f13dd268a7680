//! What services and machines use, through every door and without an engine: the store is filled as a collector fills it, and read as pages and
//! programs read it.

mod more;

use ::metrics::{Key, Member, Metric, Sample, Store, Value as Figure};
use domain::Worker;
use model::ids::{EnvironmentId, MachineId, ProjectId, ServiceId, TaskId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};

const METRICS: &str = "/api/v1/projects/shop/services/web/metrics";
const PAGE: &str = "/projects/shop/services/web/metrics";
const MIB: f64 = 1024.0 * 1024.0;
/// Milliseconds from one sample to the next.
const STEP: i64 = 10_000;

/// A portal whose project `shop` has a service `web` with two tasks, a developer `dora` and a guest `gus`; `eve` is a stranger. The store knows the
/// last two hours of it and of the machine `local`.
struct Scene {
    portal: TestPortal,
    project: ProjectId,
    environment: EnvironmentId,
    key: Key,
    machine: MachineId,
    /// When the last sample was taken.
    end: i64,
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value["id"].as_str().expect("an id").parse().expect("an id")
}

fn member(slot: u32) -> Member {
    let task: TaskId = format!("0192f0c1-7c1e-7b44-8d2a-{slot:012x}").parse().expect("an id");
    Member { task, slot, revision: 3 }
}

impl Scene {
    /// Without samples.
    async fn bare() -> Self {
        // Its clock stands still: what was measured a moment ago stays so.
        let portal = TestPortal::start_with_clock().await;
        for name in ["dora", "gus", "eve"] {
            portal.new_person(name).await;
        }
        portal.new_project("shop", &[("dora", "developer"), ("gus", "guest")]).await;
        let (admin, dora) = (portal.person("admin"), portal.person("dora"));
        let service = dora.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
        let project: ProjectId = id(&dora.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await);
        let environment: EnvironmentId = id(&admin.get("/api/v1/environments").await.expect_status(StatusCode::OK).await["items"][0]);
        let machine: MachineId = id(&admin.get("/api/v1/machines").await.expect_status(StatusCode::OK).await["items"][0]);
        let key = Key::Service { project, service: id::<ServiceId>(&service), environment };
        let end = portal.platform().now().0 / STEP * STEP;
        Self { portal, project, environment, key, machine, end }
    }

    async fn new() -> Self {
        let scene = Self::bare().await;
        let begin = scene.end - 2 * 3_600_000;
        for number in 0..=(2 * 3600 / 10) {
            let at = begin + number * STEP;
            // The hour before the last one used half as much.
            let share = if at <= scene.end - 3_600_000 { 0.5 } else { 1.0 };
            let samples = [scene.task(1, number, share), scene.task(2, number, share), scene.host(number)];
            scene.store().append(at, &samples).expect("kept");
        }
        scene
    }

    fn store(&self) -> Store {
        self.portal.platform().metrics().expect("samples are kept")
    }

    /// A task that uses a quarter of a core for each slot, and 64 MiB of 256.
    fn task(&self, slot: u32, number: i64, share: f64) -> Sample {
        let seconds = (number * 10) as f64;
        let values = vec![
            Figure::new(Metric::CpuUsed, seconds * 250_000.0 * f64::from(slot)),
            Figure::new(Metric::CpuLimit, 1.0),
            Figure::new(Metric::MemoryWorkingSet, 64.0 * MIB * share),
            Figure::new(Metric::MemoryLimit, 256.0 * MIB),
            Figure::new(Metric::NetReceived, seconds * 2048.0),
            Figure::new(Metric::NetSent, seconds * 512.0),
            Figure::labelled(Metric::AppGauge, "=queue", 7.0),
        ];
        Sample { key: self.key, member: Some(member(slot)), values }
    }

    fn host(&self, number: i64) -> Sample {
        let seconds = (number * 10) as f64;
        let values = vec![
            Figure::new(Metric::CpuUsed, seconds * 2_000_000.0),
            Figure::new(Metric::CpuLimit, 4.0),
            Figure::labelled(Metric::DiskUsed, "/", 40.0),
            Figure::labelled(Metric::DiskSize, "/", 100.0),
        ];
        Sample { key: Key::Machine(self.machine), member: None, values }
    }

    /// What the guest is told.
    async fn told(&self, query: &str) -> Value {
        self.portal.person("gus").get(&format!("{METRICS}{query}")).await.expect_status(StatusCode::OK).await
    }

    /// The page as the guest's browser gets it, without scripts.
    async fn page(&self, path: &str) -> String {
        let answer = self.portal.browser("gus").await.open(path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.expect("a page")
    }
}

fn chart<'a>(told: &'a Value, group: &str) -> &'a Value {
    told["charts"].as_array().expect("charts").iter().find(|chart| chart["group"] == group).unwrap_or_else(|| panic!("no chart {group}: {told}"))
}

/// The number that most of a column's known numbers are, about.
fn about(column: &Value) -> f64 {
    let mut known: Vec<f64> = column.as_array().expect("a column").iter().filter_map(Value::as_f64).collect();
    assert!(!known.is_empty(), "nothing is known");
    known.sort_by(f64::total_cmp);
    known[known.len() / 2]
}

fn close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= wanted.abs() * 0.02, "{found} is not about {wanted}");
}

#[tokio::test]
async fn a_service_is_told_as_columns_over_one_axis() {
    let scene = Scene::new().await;
    let told = scene.told("").await;
    assert_eq!((told["environment"].as_str(), told["resolution"].as_str()), (Some("local"), Some("raw")));
    let places = told["at"].as_array().expect("an axis").len();
    assert!((170..=245).contains(&places), "an hour in about as many points as were asked for: {places}");
    let cpu = &chart(&told, "cpu")["sides"][0];
    assert_eq!(cpu["lines"].as_array().expect("lines").len(), 2);
    assert_eq!((cpu["lines"][0]["name"].as_str(), cpu["lines"][1]["slot"].as_u64()), (Some("Task 1"), Some(2)));
    assert_eq!(cpu["lines"][0]["mean"].as_array().expect("a column").len(), places);
    close(about(&cpu["lines"][0]["mean"]), 0.25);
    close(about(&cpu["lines"][1]["peak"]), 0.5);
    close(about(&cpu["total"]["mean"]), 0.75);
    close(about(&cpu["total"]["lowest"]), 0.25);
    close(about(&cpu["limit"]), 2.0);
    close(about(&cpu["limit_of_one"]), 1.0);
    let memory = chart(&told, "memory");
    assert_eq!(memory["unit"], "bytes");
    close(about(&memory["sides"][0]["total"]["mean"]), 128.0 * MIB);
    let network = chart(&told, "network");
    assert_eq!((network["sides"][0]["name"].as_str(), network["sides"][1]["name"].as_str()), (Some("received"), Some("sent")));
    close(about(&network["sides"][1]["total"]["mean"]), 1024.0);
    assert_eq!(chart(&told, "application")["title"], "=queue");
    let one = scene.told("?group=memory&points=60").await;
    assert_eq!(one["charts"].as_array().expect("charts").len(), 1);
    assert!(one["at"].as_array().expect("an axis").len() <= 61);
}

#[tokio::test]
async fn the_time_is_chosen_and_compared_with_the_time_before() {
    let scene = Scene::new().await;
    let told = scene.told("?range=1h&compare=previous&group=memory").await;
    let side = &told["charts"][0]["sides"][0];
    close(about(&side["total"]["mean"]), 128.0 * MIB);
    close(about(&side["before"]), 64.0 * MIB);
    let at = |ago: i64| model::time::Millis(scene.end - ago * 1000).rfc3339();
    let told = scene.told(&format!("?from={}&to={}&group=cpu", at(5400), at(4500))).await;
    assert_eq!(told["from"].as_i64(), Some(scene.end - 5_400_000));
    assert_eq!(told["to"].as_i64(), Some(scene.end - 4_500_000));
    assert_eq!(told["step_ms"], STEP);
    close(about(&told["charts"][0]["sides"][0]["total"]["mean"]), 0.75);
    let long_ago = scene.told("?from=40d&to=39d&group=cpu").await;
    assert_eq!(long_ago["charts"][0]["sides"][0]["lines"], json!([]), "nothing was measured then, which is no error");
}

#[tokio::test]
async fn what_is_wrong_in_a_question_is_named() {
    let scene = Scene::bare().await;
    let gus = scene.portal.person("gus");
    for (query, field) in [
        ("range=3h", "range"),
        ("range=1h&from=2h", "range"),
        ("from=yesterday", "from"),
        ("from=10m&to=1h", "from"),
        ("from=900d", "from"),
        ("to=1h", "from"),
        ("from=2h&to=never", "to"),
        ("compare=next", "compare"),
        ("group=colour", "group"),
        ("group=storage", "group"),
        ("points=1", "points"),
        ("points=99999", "points"),
        ("environment=nowhere", "environment"),
        ("format=xml", "format"),
    ] {
        let problem = gus.get(&format!("{METRICS}?{query}")).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
    let problem = gus.get("/api/v1/metrics?sort=size").await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(problem["errors"][0]["field"], "sort");
}

#[tokio::test]
async fn who_sees_a_service_sees_its_figures_and_machines_are_for_operators() {
    let scene = Scene::new().await;
    let status = async |person: &Person, path: &str| person.get(path).await.status();
    let [admin, dora, gus, eve] = ["admin", "dora", "gus", "eve"].map(|name| scene.portal.person(name));
    for person in [&admin, &dora, &gus] {
        assert_eq!(status(person, METRICS).await, StatusCode::OK);
    }
    assert_eq!(status(&eve, METRICS).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&scene.portal.nobody(), METRICS).await, StatusCode::UNAUTHORIZED);
    let machine = "/api/v1/machines/local/metrics";
    assert_eq!(status(&gus, machine).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&gus, "/api/v1/machines/none/metrics").await, StatusCode::FORBIDDEN, "nor whether there is one");
    assert_eq!(status(&admin, "/api/v1/machines/none/metrics").await, StatusCode::NOT_FOUND);
    let told = admin.get(machine).await.expect_status(StatusCode::OK).await;
    close(about(&chart(&told, "cpu")["sides"][0]["lines"][0]["mean"]), 2.0);
    close(about(&chart(&told, "cpu")["sides"][0]["limit"]), 4.0);
    let storage = chart(&told, "storage");
    assert_eq!((storage["unit"].as_str(), storage["sides"][0]["lines"][0]["name"].as_str()), (Some("percent"), Some("/")));
    close(about(&storage["sides"][0]["lines"][0]["mean"]), 40.0);
    let page = scene.portal.browser("admin").await.open("/admin/environments/local/machines/local/metrics").await.text().await.expect("a page");
    assert!(page.contains("File systems") && page.contains("chart-line c1"), "{page}");
    for page in ["/admin/environments", "/admin/environments/local"] {
        let listed = scene.portal.browser("admin").await.open(page).await.text().await.expect("a page");
        assert!(listed.contains("<b>2 cores</b>") && listed.contains("title=\"40 B of 100 B at /\">40 %</b>"), "{page}: {listed}");
        assert!(listed.contains("Memory</span><span class=\"use-number\"><b>\u{2013}</b>"), "{page}: what was not sampled is missing");
    }
    let listed = scene.page("/environments/local").await;
    assert!(!listed.contains("2 cores") && !listed.contains("40 B of 100 B"), "for operators alone");
}

#[tokio::test]
async fn spreadsheets_get_rows_and_no_formula() {
    let scene = Scene::new().await;
    let gus = scene.portal.person("gus");
    let asked = gus.request(Method::GET, METRICS).header("accept", "text/csv").send().await.expect("an answer");
    assert_eq!(asked.headers()["content-type"], "text/csv; charset=utf-8");
    let text = asked.text().await.expect("rows");
    let mut rows = text.split_terminator("\r\n");
    assert_eq!(rows.next(), Some("time,of,environment,figure,side,line,task,slot,revision,part,unit,mean,least,most"));
    let first: Vec<&str> = rows.next().expect("a row").split(',').collect();
    assert_eq!(first[1..6], ["shop/web", "local", "CPU", "used", "Task 1"]);
    assert_eq!((first[6], first[7], first[8], first[10]), (member(1).task.to_string().as_str(), "1", "3", "cores"));
    assert!(text.contains(",'=queue,"), "a figure's name of strangers is no formula");
    assert!(!text.contains(",=queue"));
    let same = gus.get(&format!("{METRICS}?format=csv&group=memory")).await.expect_status(StatusCode::OK).await;
    assert!(same.as_str().expect("text").contains(",Memory,used,Task 2,"));
    let file = scene.portal.browser("gus").await.open(&format!("{PAGE}/download?range=1h")).await;
    let name = file.headers()["content-disposition"].to_str().expect("a name").to_owned();
    assert!(name.starts_with("attachment; filename=\"web-20") && name.ends_with("Z.csv\""), "{name}");
    assert!(file.text().await.expect("rows").contains("shop/web"));
    let all = gus.get("/api/v1/metrics?format=csv").await.expect_status(StatusCode::OK).await;
    let all = all.as_str().expect("text").to_owned();
    assert!(all.contains(",service,shop,web,local,2,") && !all.contains(",machine,"), "{all}");
}

#[tokio::test]
async fn charts_are_there_without_scripts() {
    let scene = Scene::new().await;
    let page = scene.page(PAGE).await;
    assert_eq!(
        page.matches("chart-layer").count(),
        10,
        "two tasks in each of: cpu, memory, network in both directions, the application's own figure"
    );
    assert!(page.contains("role=\"img\"") && page.contains("CPU in cores from "), "the picture says what it shows");
    assert!(page.contains("Task 1") && page.contains("0.25 cores") && page.contains("Limit"));
    assert!(page.contains("As a table") && page.contains("chart-table"));
    assert!(page.contains(&format!("{PAGE}/download?environment=")) || page.contains(&format!("{PAGE}/download\"")), "the file");
    assert!(page.contains(&format!("{PAGE}?range=24h")), "ranges are links");
    let compared = scene.page(&format!("{PAGE}?compare=previous&as=lines")).await;
    assert!(compared.contains("chart-line c-before") && compared.contains("chart-line c2") && !compared.contains("chart-layer"));
    let total = scene.page(&format!("{PAGE}?as=total")).await;
    assert!(total.contains("chart-band c-total"));
    let wrong = scene.page(&format!("{PAGE}?range=3h")).await;
    assert!(wrong.contains("15m, 1h, 6h") && !wrong.contains("chart-svg"), "it says what would be right");
    let before = scene.page(&format!("{PAGE}?from=40d&to=39d")).await;
    assert!(!before.contains("chart-svg") && before.contains("Nothing was measured"));
}

#[tokio::test]
async fn a_service_that_never_ran_says_what_to_do() {
    let scene = Scene::bare().await;
    let page = scene.page(PAGE).await;
    assert!(page.contains("Nothing was measured yet") && !page.contains("Deploy it"), "a guest may not deploy");
    let page = scene.portal.browser("dora").await.open(PAGE).await.text().await.expect("a page");
    assert!(page.contains("Deploy it"));
    let overview = scene.portal.browser("eve").await.open("/overview").await.text().await.expect("a page");
    assert!(overview.contains("You see no services yet"));
}

#[expect(clippy::disallowed_methods, reason = "what a collector says when it has asked a task; there is no engine here")]
fn scraped(portal: &TestPortal, task: TaskId, problem: Option<&str>) {
    domain::metrics::work::scraped(&Worker::hire(portal.platform(), "test"), task, problem.map(str::to_owned));
}

#[tokio::test]
async fn which_task_does_not_tell_its_own_figures_is_said_with_the_reason() {
    let portal = TestPortal::start_with_clock().await;
    let of = crate::usage::sampled(&portal).await;
    let task = of.member.task;
    let now = portal.platform().now().0;
    for number in 0..30 {
        let values = vec![Figure::new(Metric::MemoryWorkingSet, MIB), Figure::labelled(Metric::AppGauge, "up", 0.0)];
        let at = (now / STEP - 30 + number) * STEP;
        portal.platform().metrics().expect("samples are kept").append(at, &[Sample { key: of.key, member: Some(of.member), values }]).expect("kept");
    }
    let gus = portal.person("gus");
    let told = async |query: &str| gus.get(&format!("{METRICS}{query}")).await.expect_status(StatusCode::OK).await["problems"].clone();
    let page = async || portal.browser("gus").await.open(PAGE).await.text().await.expect("a page");
    assert_eq!(told("").await, Value::Null);
    assert!(!page().await.contains("does not tell all of its own figures"));

    let why = "GET http://10.208.0.2:8080/nothing: it answered 404";
    scraped(&portal, task, Some(why));
    assert_eq!(told("").await, json!([{"task": task.to_string(), "slot": 1, "text": why, "since": now}]));
    assert_eq!(told("?group=memory").await, Value::Null, "nothing else is missing");
    let shown = page().await;
    let place = |text: &str| shown.find(text).unwrap_or_else(|| panic!("no {text}: {shown}"));
    assert!(shown.contains("The application does not tell all of its own figures"));
    let said = place(&format!("Task 1: {why}, since "));
    assert!(place(">Disk</h3>") < said && said < place(">up</h3>"), "it stands above the application's own figures");
    let eve = portal.new_person("eve").await;
    assert_eq!(eve.get(METRICS).await.status(), StatusCode::NOT_FOUND);

    scraped(&portal, task, None);
    assert_eq!(told("").await, Value::Null);
    assert!(!page().await.contains("does not tell all of its own figures"));
}

#[tokio::test]
async fn everything_is_seen_side_by_side_who_uses_most_first() {
    let scene = Scene::new().await;
    let dora = scene.portal.person("dora");
    dora.post("/api/v1/projects/shop/services", json!({"name": "aside"})).await.expect_status(StatusCode::CREATED).await;
    let told = dora.get("/api/v1/metrics").await.expect_status(StatusCode::OK).await;
    assert_eq!((told["total"].as_u64(), told["machines"].as_array().map(Vec::len)), (Some(2), Some(0)));
    assert_eq!(told["services"][0]["service"], "aside", "by name");
    assert_eq!((&told["services"][0]["environment"], &told["services"][0]["usage"]["now"]), (&Value::Null, &Value::Null));
    let told = dora.get("/api/v1/metrics?sort=cpu&limit=1").await.expect_status(StatusCode::OK).await;
    let web = &told["services"][0];
    assert_eq!((web["service"].as_str(), web["tasks"].as_u64(), told["next"].as_u64()), (Some("web"), Some(2), Some(1)));
    close(web["usage"]["now"]["cpu"].as_f64().expect("a number"), 0.75);
    close(about(&web["usage"]["memory"]), 128.0 * MIB);
    let rest = dora.get("/api/v1/metrics?sort=cpu&limit=1&after=1").await.expect_status(StatusCode::OK).await;
    assert_eq!((rest["services"][0]["service"].as_str(), rest["next"].as_u64()), (Some("aside"), None));
    let found = dora.get("/api/v1/metrics?search=Shop/A").await.expect_status(StatusCode::OK).await;
    assert_eq!((found["total"].as_u64(), found["services"][0]["service"].as_str()), (Some(1), Some("aside")));
    let all = scene.portal.person("admin").get("/api/v1/metrics").await.expect_status(StatusCode::OK).await;
    let machine = &all["machines"][0]["usage"]["now"];
    close(machine["cpu"].as_f64().expect("a number"), 2.0);
    assert_eq!(machine["memory"], Value::Null, "what was not sampled is missing, not zero: {machine}");
    let none = scene.portal.person("eve").get("/api/v1/metrics").await.expect_status(StatusCode::OK).await;
    assert_eq!(none["total"], 0);
    let page = scene.page("/overview?search=asi").await;
    assert!(page.contains(">shop/aside</a>") && !page.contains(">shop/web</a>"), "{page}");
    let page = scene.page("/overview?search=nothing").await;
    assert!(page.contains("No service is called like this") && !page.contains("You see no services yet"));
    let page = scene.page("/overview?sort=memory").await;
    assert!(page.contains("Monitoring") && !page.contains(">Overview<"), "services and projects have pages of that name");
    let (first, second) = (page.find(">shop/web</a>"), page.find(">shop/aside</a>"));
    assert!(first.expect("the one that runs") < second.expect("the other one"));
    assert!(page.contains("class=\"spark\"") && page.contains("local, 2 tasks"));
}

#[tokio::test]
async fn a_page_with_five_hundred_services_is_no_burden() {
    let scene = Scene::bare().await;
    let dora = scene.portal.person("dora");
    let mut keys = vec![scene.key];
    for number in 1..500 {
        let new = json!({"name": format!("worker-{number}")});
        let made = dora.post("/api/v1/projects/shop/services", new).await.expect_status(StatusCode::CREATED).await;
        keys.push(Key::Service { project: scene.project, service: id::<ServiceId>(&made), environment: scene.environment });
    }
    for number in 0..30_i64 {
        let of = |key: &Key| Sample { key: *key, ..scene.task(1, number, 1.0) };
        let samples: Vec<Sample> = keys.iter().map(of).collect();
        // Two minutes apart there would be gaps: what is measured here are states.
        scene.store().append(scene.end - (29 - number) * 120_000, &samples).expect("kept");
    }
    let page = scene.page("/overview").await;
    assert_eq!(page.matches("<li class=\"use\">").count(), 500);
    assert!(page.len() < 4 << 20, "{} bytes", page.len());
}

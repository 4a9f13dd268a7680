//! What projects used, from samples to the bill: hours are counted once whatever happens in between, prices hold from their month on, and a month outlives
//! what was used in it.

use std::time::Duration;

use ::metrics::{Key, Member, Metric, Sample, Value as Number};
use domain::clock::{Clock as _, MachineClock};
use domain::{Worker, args};
use model::ids::{EnvironmentId, MachineId, ProjectId, ServiceId, TaskId};
use model::time::Millis;
use model::usage::Month;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::access::world::plant_task;
use crate::portal::TestPortal;
use crate::push::push;

const HOUR: i64 = 3_600_000;
/// From one sample to the next.
const STEP: i64 = 30_000;
const GIB: f64 = (1 << 30) as f64;

/// A service whose task is sampled, in a project of the developer `dev`.
pub struct Sampled {
    pub key: Key,
    pub member: Member,
}

/// Makes `shop` with the guest `gus` and the developer `dev`, its service `web` and a task of it.
pub async fn sampled(portal: &TestPortal) -> Sampled {
    portal.new_person("gus").await;
    let dev = portal.new_person("dev").await;
    portal.new_project("shop", &[("gus", "guest"), ("dev", "developer")]).await;
    push(&dev, "shop/web", "1", &vec![7; 8 << 20]).await;
    sampled_in(portal, "shop").await
}

/// Makes the service `web` of a project that has the image `web:1` of `shop`, and a task of it.
pub async fn sampled_in(portal: &TestPortal, project: &str) -> Sampled {
    let admin = portal.person("admin");
    let services = format!("/api/v1/projects/{project}/services");
    admin.post(&services, json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
    let body = json!({"environment": "local", "descriptor": {"image": "web:1"}});
    let deployed = admin.post(&format!("{services}/web/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await;
    let task = plant_task(portal, deployed["id"].as_str().expect("an id")).await;
    Sampled { key: key(portal, task).await, member: Member { task, slot: 1, revision: 1 } }
}

#[expect(clippy::disallowed_methods, reason = "the ids under which samples are kept are nowhere told")]
async fn key(portal: &TestPortal, task: TaskId) -> Key {
    let sql = "SELECT s.project_id, t.service_id, t.environment_id FROM tasks t JOIN services s ON s.id = t.service_id WHERE t.id = $1";
    let mut tx = portal.platform().read().await.expect("a transaction");
    let read = |row: &domain::db::Row<'_>| {
        let (project, service): (ProjectId, ServiceId) = (row.get("project_id")?, row.get("service_id")?);
        let environment: EnvironmentId = row.get("environment_id")?;
        Ok(Key::Service { project, service, environment })
    };
    tx.one(sql, args![task], read).await.expect("the task")
}

/// The machine of the portal.
#[expect(clippy::disallowed_methods, reason = "the ids under which samples are kept are nowhere told")]
pub async fn machine(portal: &TestPortal) -> MachineId {
    let mut tx = portal.platform().read().await.expect("a transaction");
    tx.one("SELECT id FROM machines WHERE name = 'local'", args![], |row| row.get("id")).await.expect("the machine")
}

/// The machine's engine says that the volumes of the service's project hold so much.
#[expect(clippy::disallowed_methods, reason = "without an engine nothing is said; it is planted")]
async fn volumes_hold(portal: &TestPortal, of: &Sampled, bytes: u64) {
    let Key::Service { project, .. } = of.key else { panic!("no service: {:?}", of.key) };
    let machine = machine(portal).await;
    let sizes = [(project, bytes)].into_iter().collect();
    domain::usage::volumes::seen(&Worker::hire(portal.platform(), "test"), machine, &sizes).await.expect("kept");
}

impl Sampled {
    /// Half a core, a GiB of memory of two, and 1 MiB a second over the network, from one time to another.
    fn uses(&self, portal: &TestPortal, from: i64, to: i64) {
        let store = portal.platform().metrics().expect("samples are kept");
        for at in (from..=to).step_by(STEP as usize) {
            let seconds = (at - from) as f64 / 1000.0;
            let values = vec![
                Number::new(Metric::CpuUsed, seconds * 500_000.0),
                Number::new(Metric::CpuLimit, 2.0),
                Number::new(Metric::MemoryWorkingSet, GIB),
                Number::new(Metric::MemoryLimit, 2.0 * GIB),
                Number::new(Metric::NetSent, seconds * f64::from(1 << 20)),
            ];
            store.append(at, &[Sample { key: self.key, member: Some(self.member), values }]).expect("kept");
        }
    }
}

/// A portal whose clock stands in the middle of a month, half an hour after a full hour; and that hour.
async fn portal() -> (TestPortal, i64) {
    let now = MachineClock.now();
    let month = Month::of(now).before().expect("a month before");
    let begin = (month.days().start + 14) * 24 * HOUR;
    (TestPortal::start_behind_time(now.since(Millis(begin + HOUR / 2))).await, begin)
}

/// Counts what is to be counted; how many hours.
#[expect(clippy::disallowed_methods, reason = "the loop's work, at the test's own time")]
async fn count(portal: &TestPortal) -> i64 {
    domain::usage::work::tend(&Worker::hire(portal.platform(), "test")).await.expect("counted")
}

async fn count_all(portal: &TestPortal) {
    while count(portal).await > 0 {}
}

fn advance(portal: &TestPortal, hours: u64) {
    portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(hours * 3600));
}

async fn usage(portal: &TestPortal, month: &str) -> Value {
    portal.person("dev").get(&format!("/api/v1/projects/shop/usage?month={month}")).await.expect_status(StatusCode::OK).await
}

fn near(found: &Value, expected: f64) {
    let number = found.as_f64().unwrap_or_else(|| panic!("no number: {found}"));
    assert!((number - expected).abs() < 0.02, "{number} is not about {expected}");
}

fn number(cost: &Value) -> f64 {
    cost.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no money: {cost}"))
}

/// The portal is killed in the middle of counting again and again, two count at the same time, and it starts anew in between.
#[tokio::test]
async fn an_hour_is_counted_once_through_kills() {
    let (portal, begin) = portal().await;
    let of = sampled(&portal).await;
    count(&portal).await;
    volumes_hold(&portal, &of, 16 << 30).await;
    of.uses(&portal, begin, begin + 3 * HOUR - STEP);
    advance(&portal, 1);
    for pause in [0, 100, 300, 700, 1_500, 3_000, 6_000, 12_000] {
        // Dropped at whatever it waits for, as by the end of the process.
        let _ = tokio::time::timeout(Duration::from_micros(pause), count(&portal)).await;
    }
    advance(&portal, 1);
    futures::future::join3(count(&portal), count(&portal), count(&portal)).await;
    advance(&portal, 1);
    let portal = portal.restart(None).await;
    count_all(&portal).await;
    let month = Month::of(Millis(begin)).to_string();
    let found = usage(&portal, &month).await;
    near(&found["amounts"]["cpu_hours"], 1.5);
    near(&found["amounts"]["cpu_hours_reserved"], 6.0);
    near(&found["amounts"]["memory_gib_hours"], 3.0);
    near(&found["amounts"]["memory_gib_hours_reserved"], 6.0);
    near(&found["amounts"]["sent_gib"], (3.0 * 3600.0 - 30.0) / 1024.0);
    assert_eq!(found["amounts"]["received_gib"], json!(0.0), "nothing was received");
    let kept = found["amounts"]["image_gib_days"].as_f64().expect("an amount");
    assert!((kept - 8.0 / 1024.0 * 3.0 / 24.0).abs() < 1e-5, "8 MiB were kept for three hours: {kept}");
    near(&found["amounts"]["volume_gib_days"], 2.0);
    assert_eq!(found["days"].as_array().map(Vec::len), Some(1), "it was one day: {found}");
    assert_eq!(found["days"][0]["day"], 15);
    let web = found["services"].as_array().expect("lines").iter().find(|line| line["service"] == "web").expect("the service");
    assert_eq!((&web["environment"], &web["amounts"]["cpu_hours"]), (&json!("local"), &found["amounts"]["cpu_hours"]));
    count_all(&portal).await;
    assert_eq!(usage(&portal, &month).await["amounts"], found["amounts"], "counting again changes nothing");
}

#[tokio::test]
async fn prices_hold_from_their_month_on_and_a_month_outlives_its_project() {
    let (portal, begin) = portal().await;
    let of = sampled(&portal).await;
    count(&portal).await;
    volumes_hold(&portal, &of, 24 << 30).await;
    of.uses(&portal, begin, begin + 2 * HOUR - STEP);
    advance(&portal, 2);
    count_all(&portal).await;
    let admin = portal.person("admin");
    let month = Month::of(Millis(begin));
    let (first, second) = (month.to_string(), month.after().expect("a month after").to_string());
    assert_eq!(usage(&portal, &first).await["cost"], Value::Null, "nothing has a price yet");
    let prices = json!({"currency": "=EUR", "per": {"cpu_hours": "2", "memory_gib_hours": 0.5, "volume_gib_days": "0.25"}});
    let set = admin.put("/api/v1/usage/prices", prices).await.expect_status(StatusCode::OK).await;
    assert_eq!(set["per"]["memory_gib_hours"], "0.5");
    let priced = usage(&portal, &first).await;
    let hours = |usage: &Value, measure: &str| usage["amounts"][measure].as_f64().expect("an amount");
    let expected = hours(&priced, "cpu_hours") * 2.0 + hours(&priced, "memory_gib_hours") * 0.5 + hours(&priced, "volume_gib_days") * 0.25;
    assert!((number(&priced["cost"]) - expected).abs() < 0.0001 && expected > 3.2, "{priced}");
    let csv = portal.person("dev").get(&format!("/api/v1/projects/shop/usage?month={first}&format=csv")).await;
    assert_eq!(csv.0.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = csv.0.text().await.expect("a text");
    let line = csv.lines().find(|line| line.starts_with(&format!("{first},shop,web,local,"))).expect("a line of the service");
    assert!(line.ends_with(",'=EUR"), "the currency is no formula: {line}");

    // The month after has other prices; the first keeps its own. What is in volumes would go on costing.
    volumes_hold(&portal, &of, 0).await;
    advance(&portal, 31 * 24);
    count_all(&portal).await;
    admin.put("/api/v1/usage/prices", json!({"currency": "USD", "per": {"cpu_hours": "9"}})).await.expect_status(StatusCode::OK).await;
    assert_eq!(usage(&portal, &first).await["cost"], priced["cost"]);
    let later = usage(&portal, &second).await;
    assert_eq!((&later["prices"]["currency"], &later["cost"]), (&json!("USD"), &json!("0")), "nothing was sampled since");

    let stopped = admin.post("/api/v1/projects/shop/services/web/stop", json!({"environment": "local"})).await.status();
    assert!(stopped.is_success(), "{stopped}");
    admin.delete("/api/v1/projects/shop").await.expect_status(StatusCode::NO_CONTENT).await;
    portal.person("dev").get("/api/v1/projects/shop/usage").await.expect_status(StatusCode::NOT_FOUND).await;
    let all = admin.get(&format!("/api/v1/usage?month={first}&sort=cpu")).await.expect_status(StatusCode::OK).await;
    let shop = all["items"].as_array().expect("projects").iter().find(|line| line["project"] == "shop").expect("the project");
    assert_eq!((&shop["deleted"], &shop["cost"]), (&json!(true), &priced["cost"]));
    portal.new_project("depot", &[]).await;
    push(&admin, "depot/web", "1", &vec![1; 2 << 20]).await;
    advance(&portal, 2);
    count_all(&portal).await;
    let now = format!("/api/v1/usage?month={second}&sort=project&limit=1");
    let page = admin.get(&now).await.expect_status(StatusCode::OK).await;
    assert_eq!(page["items"][0]["project"], "depot");
    let next = page["next"].as_str().expect("there are two");
    let page = admin.get(&format!("{now}&after={next}")).await.expect_status(StatusCode::OK).await;
    assert_eq!((&page["items"][0]["project"], &page["next"]), (&json!("shop"), &Value::Null));
    let csv = admin.get(&format!("/api/v1/usage?month={first}&format=csv")).await.expect_status(StatusCode::OK).await;
    assert!(csv.as_str().is_some_and(|text| text.contains(&format!("{first},shop,yes,"))), "{csv}");
}

#[tokio::test]
async fn pages_show_the_month_and_operators_set_prices() {
    let (portal, begin) = portal().await;
    let of = sampled(&portal).await;
    count(&portal).await;
    of.uses(&portal, begin, begin + HOUR - STEP);
    advance(&portal, 1);
    count_all(&portal).await;
    let month = Month::of(Millis(begin));
    let (title, month) = (month.title(), month.to_string());
    let dev = portal.browser("dev").await;
    let page = dev.open(&format!("/projects/shop/usage?month={month}&figure=memory_gib_hours")).await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.expect("a page");
    assert!(page.contains(&format!("Usage in {title}")) && page.contains("usage-bars") && page.contains("Memory used by day"), "{page}");
    assert_eq!(dev.open("/projects/shop/usage?month=never").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let file = dev.open(&format!("/projects/shop/usage.csv?month={month}")).await;
    let name = file.headers()["content-disposition"].to_str().expect("a text").to_owned();
    assert!(name.contains(&format!("usage-shop-{month}.csv")), "{name}");
    assert_eq!(dev.open("/admin/usage").await.status(), StatusCode::FORBIDDEN);

    let admin = portal.browser("admin").await;
    let csrf = admin.csrf().await;
    let fields = [("csrf", csrf.as_str()), ("prices[currency]", "EUR"), ("prices[cpu_hours]", "0.1234567")];
    let refused = admin.form("/fn/usage/set_prices", &fields).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let told = refused.text().await.expect("a body");
    assert!(told.contains("cpu_hours") && told.contains("six digits"), "{told}");
    let set = [fields[0], fields[1], ("prices[cpu_hours]", "0.125"), ("prices[volume_gib_days]", "0.0625")];
    let set = admin.form("/fn/usage/set_prices", &set).await;
    assert!(set.status().is_success() || set.status().is_redirection(), "{}", set.status());
    let page = admin.open(&format!("/admin/usage?month={month}&sort=project")).await.text().await.expect("a page");
    assert!(page.contains("0.125") && page.contains("0.0625") && page.contains("Cost (EUR)") && page.contains("/projects/shop/usage"), "{page}");

    portal.person("gus").get("/api/v1/projects/shop/usage").await.expect_status(StatusCode::FORBIDDEN).await;
    portal.new_person("sam").await.get("/api/v1/projects/shop/usage").await.expect_status(StatusCode::NOT_FOUND).await;
    for path in ["/api/v1/usage", "/api/v1/usage/prices"] {
        portal.person("dev").get(path).await.expect_status(StatusCode::FORBIDDEN).await;
    }
    let wrong = portal.person("admin").put("/api/v1/usage/prices", json!({"currency": "EUR", "per": {"cpu_hours": "-1"}})).await;
    wrong.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
}

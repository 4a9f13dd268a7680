//! `/metrics` as Prometheus reads it: in the format that it expects, under known names, to those who may, and no more series than there are things.

mod format;

use ::metrics::{Key, Metric, Sample, Value as Number};
use reqwest::StatusCode;
use serde_json::json;

use crate::portal::{Person, TestPortal};
use crate::usage::{Sampled, machine, sampled, sampled_in};
use format::Exposition;

/// What the person's new token of these scopes reads.
async fn with_scopes(person: &Person, scopes: &[&str]) -> Person {
    let made = person.post("/api/v1/me/tokens", json!({"name": scopes.join("-"), "scopes": scopes})).await.expect_status(StatusCode::CREATED).await;
    person.bearing(made["secret"].as_str().expect("a secret"))
}

async fn scrape(person: &Person) -> (Exposition, String) {
    let answer = person.get("/metrics").await.0;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.expect("a text");
    (Exposition::parse(&text), text)
}

fn uses(portal: &TestPortal, of: &Sampled) {
    let values = vec![
        Number::new(Metric::CpuUsed, 2_500_000.0),
        Number::new(Metric::CpuLimit, 0.5),
        Number::new(Metric::MemoryWorkingSet, 104_857_600.0),
        Number::new(Metric::MemoryLimit, 268_435_456.0),
        Number::new(Metric::NetReceived, 12_345.0),
        Number::new(Metric::OomKills, 1.0),
    ];
    let sample = Sample { key: of.key, member: Some(of.member), values };
    let store = portal.platform().metrics().expect("samples are kept");
    store.append(portal.platform().now().0, &[sample]).expect("kept");
}

#[tokio::test]
async fn series_have_the_names_that_people_know() {
    let portal = TestPortal::start().await;
    let of = sampled(&portal).await;
    uses(&portal, &of);
    let admin = with_scopes(&portal.person("admin"), &["metrics"]).await;
    portal.person("dev").get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
    let (found, text) = scrape(&admin).await;
    let task = of.member.task.to_string();
    let name = format!("slipway-shop.web.local.1.{}", task.rsplit('-').next().expect("a tail"));
    let images = found.labels("container_cpu_usage_seconds_total", "image");
    let [image] = images.as_slice() else { panic!("one task, one image: {images:?}") };
    assert!(image.starts_with("web:1@sha256:") && image.len() == "web:1@sha256:".len() + 64, "{image}");
    let labels = [
        ("id", "/docker/c0ffee"),
        ("image", image.as_str()),
        ("name", name.as_str()),
        ("project", "shop"),
        ("service", "web"),
        ("environment", "local"),
        ("task", task.as_str()),
        ("slot", "1"),
        ("machine", "local"),
        ("revision", "1"),
    ];
    for (name, value) in [
        ("container_cpu_usage_seconds_total", 2.5),
        ("container_spec_cpu_quota", 50_000.0),
        ("container_spec_cpu_period", 100_000.0),
        ("container_memory_working_set_bytes", 104_857_600.0),
        ("container_spec_memory_limit_bytes", 268_435_456.0),
        ("container_network_receive_bytes_total", 12_345.0),
        ("container_oom_events_total", 1.0),
    ] {
        assert_eq!(found.value(name, &labels), Some(value), "{name}: {text}");
    }
    assert!(found.value("container_last_seen", &labels).is_some_and(|seen| seen > 1.7e9));
    assert_eq!(found.value("slipway_tasks", &[("state", "running")]), Some(1.0));
    let route = [("method", "GET"), ("route", "/api/v1/projects/{project}"), ("status", "200")];
    assert!(found.value("http_requests_total", &route).is_some_and(|count| count >= 1.0), "{text}");
    assert!(found.value("http_request_duration_seconds_count", &route[..2]).is_some_and(|count| count >= 1.0));
    assert!(found.value("slipway_registry_pushes_total", &[]).is_some_and(|count| count >= 1.0));
    assert!(found.value("slipway_registry_received_bytes_total", &[]).is_some_and(|bytes| bytes >= 7.0), "a layer came");
    for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"] {
        assert!(found.value(name, &[]).is_some_and(|value| value > 0.0), "{name}");
    }
    assert!(found.value("slipway_database_wait_seconds_count", &[("kind", "write")]).is_some_and(|count| count > 0.0));
    assert!(found.value("slipway_deployments_total", &[("state", "succeeded")]).is_some());
    format::promtool(&text);
}

/// What the machine of the portal says of itself.
async fn machine_says(portal: &TestPortal, values: Vec<Number>) {
    let key = Key::Machine(machine(portal).await);
    let store = portal.platform().metrics().expect("samples are kept");
    store.append(portal.platform().now().0, &[Sample { key, member: None, values }]).expect("kept");
}

#[tokio::test]
async fn machines_have_the_names_that_people_know() {
    let portal = TestPortal::start().await;
    let of = |metric, label: &'static str, value: f64| Number::labelled(metric, label, value);
    let values = vec![
        Number::new(Metric::Load1, 0.5),
        Number::new(Metric::Started, 1_795_000_000.0),
        Number::new(Metric::MemoryLimit, 4096.0),
        Number::new(Metric::MemoryWorkingSet, 1024.0),
        of(Metric::DiskSize, "/", 1000.0),
        of(Metric::DiskUsed, "/", 400.0),
        of(Metric::DiskSize, "/data", 50.0),
        of(Metric::DiskUsed, "/data", 50.0),
        of(Metric::DiskInodes, "/", 100.0),
        of(Metric::DiskInodesUsed, "/", 30.0),
        of(Metric::NetReceived, "eth0", 77.0),
        of(Metric::BlockBusy, "vda", 3_000_000.0),
        of(Metric::PressureSome, "cpu", 2_500_000.0),
        of(Metric::PressureSome, "io", 4_000_000.0),
        of(Metric::PressureFull, "io", 1_000_000.0),
        of(Metric::PressureSome, "memory", 500_000.0),
        of(Metric::PressureFull, "memory", 250_000.0),
    ];
    machine_says(&portal, values).await;
    let (found, text) = scrape(&with_scopes(&portal.person("admin"), &["metrics"]).await).await;
    for (name, part, value) in [
        ("node_load1", None, 0.5),
        ("node_boot_time_seconds", None, 1_795_000_000.0),
        ("node_memory_MemTotal_bytes", None, 4096.0),
        ("node_memory_MemAvailable_bytes", None, 3072.0),
        ("node_filesystem_size_bytes", Some(("mountpoint", "/")), 1000.0),
        ("node_filesystem_avail_bytes", Some(("mountpoint", "/")), 600.0),
        ("node_filesystem_avail_bytes", Some(("mountpoint", "/data")), 0.0),
        ("node_filesystem_files", Some(("mountpoint", "/")), 100.0),
        ("node_filesystem_files_free", Some(("mountpoint", "/")), 70.0),
        ("node_network_receive_bytes_total", Some(("device", "eth0")), 77.0),
        ("node_disk_io_time_seconds_total", Some(("device", "vda")), 3.0),
        ("node_pressure_cpu_waiting_seconds_total", None, 2.5),
        ("node_pressure_io_waiting_seconds_total", None, 4.0),
        ("node_pressure_io_stalled_seconds_total", None, 1.0),
        ("node_pressure_memory_waiting_seconds_total", None, 0.5),
        ("node_pressure_memory_stalled_seconds_total", None, 0.25),
    ] {
        let labels: Vec<(&str, &str)> = [("machine", "local"), ("environment", "local")].into_iter().chain(part).collect();
        let told = found.value(name, &labels).unwrap_or_else(|| panic!("no {name} of {labels:?}: {text}"));
        assert!((told - value).abs() < 1e-9, "{name} of {labels:?} is {told}");
    }
    assert!(!found.has("node_memory_SwapFree_bytes"), "what nobody said is not there: {text}");
    format::promtool(&text);
    let gus = with_scopes(&portal.new_person("gus").await, &["metrics"]).await;
    assert!(!scrape(&gus).await.1.contains("node_"), "machines are for operators");
}

#[tokio::test]
async fn who_reads_what() {
    let portal = TestPortal::start().await;
    let shop = sampled(&portal).await;
    portal.new_person("kim").await;
    portal.new_project("depot", &[("kim", "developer")]).await;
    crate::push::push(&portal.person("kim"), "depot/web", "1", b"another layer").await;
    let depot = sampled_in(&portal, "depot").await;
    uses(&portal, &shop);
    uses(&portal, &depot);
    let projects = |found: &Exposition| found.labels("container_cpu_usage_seconds_total", "project");

    assert_eq!(portal.nobody().get("/metrics").await.status(), StatusCode::UNAUTHORIZED);
    let narrow = with_scopes(&portal.person("admin"), &["read", "deploy"]).await;
    let refused = narrow.get("/metrics").await.expect_status(StatusCode::FORBIDDEN).await;
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("scope metrics")), "{refused}");
    let admin = with_scopes(&portal.person("admin"), &["metrics"]).await;
    admin.get("/api/v1/projects").await.expect_status(StatusCode::FORBIDDEN).await;
    let (all, _) = scrape(&admin).await;
    assert_eq!(projects(&all), ["depot", "shop"]);
    assert!(all.has("process_open_fds"));

    let gus = with_scopes(&portal.person("gus"), &["metrics"]).await;
    let (own, text) = scrape(&gus).await;
    assert_eq!(projects(&own), ["shop"], "a guest sees charts, and so figures");
    assert!(!own.has("process_open_fds") && !own.has("http_requests_total"), "the portal's own are for operators: {text}");
    assert!(!text.contains("depot"), "{text}");
    let robot = json!({"name": "prometheus", "role": "guest", "scopes": ["metrics"]});
    let made = portal.person("admin").post("/api/v1/projects/depot/robots", robot).await.expect_status(StatusCode::CREATED).await;
    let robot = portal.nobody().bearing(made["secret"].as_str().expect("a secret"));
    assert_eq!(projects(&scrape(&robot).await.0), ["depot"]);
}

/// Whatever is asked for, there are as many series as before.
#[tokio::test]
async fn addresses_that_somebody_makes_up_are_no_series() {
    let portal = TestPortal::start().await;
    let admin = with_scopes(&portal.person("admin"), &["metrics"]).await;
    for number in 0..40 {
        for path in [format!("/made-up-{number}"), format!("/v2/made-up-{number}/x/tags/list"), format!("/api/v1/projects/made-up-{number}")] {
            portal.nobody().get(&path).await;
        }
    }
    let (found, text) = scrape(&admin).await;
    assert!(!text.contains("made-up"), "{text}");
    let routes = found.labels("http_requests_total", "route");
    assert!(routes.iter().any(|route| route == "other") && routes.len() <= portal.running.doors.len() + 20, "{routes:?}");
    let told = found.value("http_requests_total", &[("method", "GET"), ("route", "/api/v1/projects/{project}"), ("status", "401")]);
    assert!(told.is_some_and(|count| count >= 40.0), "{text}");
}

#[tokio::test]
async fn an_address_of_its_own_serves_nothing_else_and_wants_a_token_too() {
    let portal = TestPortal::start_with_metrics_address().await;
    let admin = with_scopes(&portal.person("admin"), &["metrics"]).await;
    let port = portal.running.metrics_port.expect("an address of its own");
    let elsewhere = admin.elsewhere(&format!("http://127.0.0.1:{port}"));
    assert!(scrape(&elsewhere).await.0.has("process_open_fds"));
    let nobody = portal.nobody().elsewhere(&format!("http://127.0.0.1:{port}"));
    assert_eq!(nobody.get("/metrics").await.status(), StatusCode::UNAUTHORIZED);
    for path in ["/", "/login", "/healthz", "/api/v1/projects", "/v2/"] {
        assert_eq!(elsewhere.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(scrape(&admin).await.0.has("process_open_fds"), "and it is where it always was");
}

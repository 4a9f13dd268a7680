//! The public status page as everybody meets it: without an account, without a private byte, and whatever is away.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Signal, args};
use model::descriptor::Descriptor;
use model::ids::{MachineId, RevisionId, ServiceId, TaskId};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::portal::{Person, TestPortal};

mod summary;

use summary::SUMMARY;

/// Longest wait for what a loop does.
const LONG: Duration = Duration::from_secs(60);

/// What `look` finds, once it finds something.
async fn once<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = tokio::time::timeout(LONG, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} did not come"))
}

async fn text(portal: &TestPortal, path: &str) -> String {
    let answer = portal.nobody().get(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.0.text().await.expect("a text")
}

async fn json(portal: &TestPortal, path: &str) -> Value {
    portal.nobody().get(path).await.expect_status(StatusCode::OK).await
}

/// A state on a project's page; none while there is no such page.
async fn state(portal: &TestPortal, project: &str, name: &str) -> Option<String> {
    let answer = portal.nobody().get(&format!("/status/{project}/status.json")).await;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let page = answer.expect_status(StatusCode::OK).await;
    let all = page["groups"][0]["components"].as_array()?;
    all.iter().find(|component| component["name"] == name)?["state"].as_str().map(str::to_owned)
}

const SHOWN: &str = "{image: 'registry.inside.example/team/secret-image:9.8.7', env: {PASSWORD_HINT: hush-hush}, status_page: {show: true}}";

/// A service of project `shop` that runs, as far as the database knows: with a task on the machine of this portal, which nobody reaches.
#[expect(clippy::disallowed_methods, reason = "without an engine nothing runs; the rows are planted")]
async fn plant(portal: &TestPortal, name: &str) {
    let platform = portal.platform();
    let (service, revision, task): (ServiceId, RevisionId, TaskId) = (platform.new_id(), platform.new_id(), platform.new_id());
    let descriptor = Descriptor::parse(SHOWN).expect("a descriptor").canonical();
    let mut write = platform.bookkeeping().await.expect("a transaction");
    let sql = "INSERT INTO services (id, project_id, name, created_at, created_by) SELECT $1, id, $2, 1, 'ana' FROM projects WHERE name = 'shop'";
    write.exec(sql, args![service, name]).await.expect("a service");
    let sql = "INSERT INTO revisions (id, service_id, number, descriptor, image, digest, replicas, spec, created_at, created_by, why, source_commit)
               VALUES ($1, $2, 4711, $3, 'secret-image:9.8.7', 'sha256:aaaa', 1, 'x', 1, 'ana', 'because-of-ana', 'c0ffee')";
    write.exec(sql, args![revision, service, descriptor]).await.expect("a revision");
    let sql = "SELECT id FROM machines WHERE removed_at IS NULL LIMIT 1";
    let machine: MachineId = write.one(sql, args![], |row| row.get("id")).await.expect("a machine");
    let sql = "INSERT INTO desired (service_id, environment_id, revision_id, state, updated_at)
               SELECT $1, environment_id, $2, 'running', 1 FROM machines WHERE id = $3";
    write.exec(sql, args![service, revision, machine]).await.expect("it runs");
    let sql =
        "INSERT INTO tasks (id, service_id, environment_id, machine_id, revision_id, slot, state, health, container, address, restarts, created_at)
               SELECT $1, $2, environment_id, $3, $4, 1, 'running', 'none', 'deadbeefcafe', '10.208.7.7', 0, 1 FROM machines WHERE id = $3";
    write.exec(sql, args![task, service, machine, revision]).await.expect("a task");
    write.finish().await.expect("kept");
    platform.signal(Signal::Status).notify_one();
}

async fn shop(portal: &TestPortal) -> Person {
    let ana = portal.new_person("ana").await;
    portal.new_project("shop", &[("ana", "admin")]).await;
    ana
}

/// Lets a probe go to this port of this machine.
async fn allow(portal: &TestPortal, port: u16) {
    let allowed = json!({"allowed": [format!("127.0.0.1:{port}")]});
    portal.person("admin").put("/api/v1/outside-registries", allowed).await.expect_status(StatusCode::OK).await;
}

/// Every path of keys that a document has; places in lists are one.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| fields(value, &format!("{path}.{key}"), found)),
        Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{path}[]"), found)),
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// What everybody may read of a page. Whoever adds a line here publishes something to the whole world.
const PUBLIC: &[&str] = &[
    ".about",
    ".checked_at",
    ".groups[].components[].days[].date",
    ".groups[].components[].days[].down_seconds",
    ".groups[].components[].days[].state",
    ".groups[].components[].days[].uptime",
    ".groups[].components[].name",
    ".groups[].components[].response_ms",
    ".groups[].components[].responses[]",
    ".groups[].components[].since",
    ".groups[].components[].state",
    ".groups[].components[].title",
    ".groups[].components[].uptime",
    ".groups[].project",
    ".groups[].title",
    ".incidents[].components[]",
    ".incidents[].created_at",
    ".incidents[].ends_at",
    ".incidents[].id",
    ".incidents[].impact",
    ".incidents[].project",
    ".incidents[].starts_at",
    ".incidents[].state",
    ".incidents[].title",
    ".incidents[].updated_at",
    ".incidents[].updates[].at",
    ".incidents[].updates[].id",
    ".incidents[].updates[].state",
    ".incidents[].updates[].text",
    ".logo",
    ".maintenances[].components[]",
    ".maintenances[].created_at",
    ".maintenances[].ends_at",
    ".maintenances[].id",
    ".maintenances[].impact",
    ".maintenances[].project",
    ".maintenances[].starts_at",
    ".maintenances[].state",
    ".maintenances[].title",
    ".maintenances[].updated_at",
    ".maintenances[].updates[].at",
    ".maintenances[].updates[].id",
    ".maintenances[].updates[].state",
    ".maintenances[].updates[].text",
    ".project",
    ".stale",
    ".state",
    ".title",
];

/// What the rows hold and nobody may read.
const PRIVATE: &[&str] = &[
    "registry.inside.example",
    "secret-image",
    "9.8.7",
    "hush-hush",
    "aaaa",
    "4711",
    "because-of-ana",
    "c0ffee",
    "deadbeefcafe",
    "10.208.7.7",
    "ana",
    "admin",
    "local\"",
    "ledger.inside.example",
    "5432",
];

#[tokio::test]
async fn not_one_private_byte_is_told() {
    let portal = TestPortal::start().await;
    let ana = shop(&portal).await;
    plant(&portal, "web").await;
    let legacy = json!({"name": "ledger", "title": "Ledger", "address": "tcp://ledger.inside.example:5432"});
    ana.post("/api/v1/projects/shop/legacy-services", legacy).await.expect_status(StatusCode::CREATED).await;
    let incident = json!({"title": "Slow answers", "text": "We look into it.", "components": ["web"], "impact": "major"});
    ana.post("/api/v1/projects/shop/incidents", incident).await.expect_status(StatusCode::CREATED).await;
    let (starts_at, ends_at) = ("2199-01-01T00:00:00Z", "2199-01-01T01:00:00Z");
    let work = json!({"title": "New disks", "text": "It is away.", "components": ["shop/web"], "starts_at": starts_at, "ends_at": ends_at});
    portal.person("admin").post("/api/v1/incidents", work).await.expect_status(StatusCode::CREATED).await;
    once("the incident, the work and a round of probes", async || {
        let page = json(&portal, "/status.json").await;
        let told = !page["incidents"].as_array()?.is_empty() && !page["maintenances"].as_array()?.is_empty();
        (told && state(&portal, "shop", "ledger").await.is_some_and(|state| state == "down")).then_some(())
    })
    .await;
    for (paths, allowed) in
        [(["/status.json", "/status/shop/status.json"], PUBLIC), (["/api/v2/summary.json", "/status/shop/api/v2/summary.json"], SUMMARY)]
    {
        for path in paths {
            let mut found = BTreeSet::new();
            fields(&json(&portal, path).await, "", &mut found);
            let more: Vec<&String> = found.iter().filter(|field| !allowed.contains(&field.as_str())).collect();
            assert!(more.is_empty(), "{path} tells everybody what nobody has decided on: {more:#?}");
            let less: Vec<&&str> = allowed.iter().filter(|field| path == "/api/v2/summary.json" && !found.contains(**field)).collect();
            assert!(less.is_empty(), "readers of {path} look for these: {less:#?}");
        }
    }
    for path in [
        "/status",
        "/status/shop",
        "/status/shop?lang=zh",
        "/status.json",
        "/status/shop/status.json",
        "/api/v2/summary.json",
        "/status/shop/api/v2/summary.json",
        "/status/feed.atom",
        "/status/shop/feed.atom",
        "/status/badge/shop/web.svg",
        "/status/badge/shop/ledger.json?kind=response",
    ] {
        let text = text(&portal, path).await;
        // Words that hold such a text by chance: ids, and the page's own.
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '"')).collect();
        for private in PRIVATE {
            let told = words.iter().any(|word| word.trim_matches('"') == private.trim_matches('"'));
            assert!(!told && (private.len() < 6 || !text.contains(private)), "{path} tells {private}: {text}");
        }
    }
}

#[tokio::test]
async fn what_is_probed_goes_down_and_comes_back() {
    let portal = TestPortal::start().await;
    let ana = shop(&portal).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    assert_eq!(portal.nobody().get("/status/shop").await.status(), StatusCode::NOT_FOUND, "nobody hears that the project is there");
    let form = json!({"name": "ledger", "title": "Ledger", "address": format!("tcp://127.0.0.1:{port}")});
    let made = ana.post("/api/v1/projects/shop/legacy-services", form.clone()).await.expect_status(StatusCode::CREATED).await;
    let path = format!("/api/v1/projects/shop/legacy-services/{}", made["id"].as_str().expect("an id"));
    once("a refused probe", async || {
        let listed = ana.get("/api/v1/projects/shop/legacy-services").await.expect_status(StatusCode::OK).await;
        let finding = listed["items"][0]["finding"].as_str()?;
        finding.contains("an operator can allow").then_some(())
    })
    .await;
    allow(&portal, port).await;
    ana.put(&path, form.clone()).await.expect_status(StatusCode::OK).await;
    once("the service", async || state(&portal, "shop", "ledger").await.filter(|state| state == "operational")).await;
    assert!(text(&portal, "/status").await.contains("All services work"));
    let address = listener.local_addr().expect("an address");
    drop(listener);
    // Held, so that nobody else is given it, and nobody listens.
    let held = tokio::net::TcpSocket::new_v4().expect("a socket");
    held.set_reuseaddr(true).expect("as listeners do");
    held.bind(address).expect("still free");
    ana.put(&path, form).await.expect_status(StatusCode::OK).await;
    once("the outage", async || state(&portal, "shop", "ledger").await.filter(|state| state == "down")).await;
    assert!(text(&portal, "/status/badge/shop/ledger.svg").await.contains("Ledger: down"));
    let summary = json(&portal, "/api/v2/summary.json").await;
    assert_eq!((&summary["status"]["indicator"], &summary["components"][0]["status"]), (&json!("critical"), &json!("major_outage")));
}

#[tokio::test]
async fn the_page_stands_when_database_and_engine_are_gone() {
    let portal = TestPortal::start().await;
    shop(&portal).await;
    plant(&portal, "web").await;
    once("the service", async || state(&portal, "shop", "web").await.filter(|state| state == "unknown")).await;
    portal.platform().close().await;
    let page = text(&portal, "/status").await;
    assert!(page.contains("Some services cannot be seen"), "it says so: {page}");
    // A language that nobody asked for yet: the page is made of what is in memory.
    let answer = portal.nobody().request(reqwest::Method::GET, "/status/shop").header(ACCEPT_LANGUAGE, "zh-CN").send().await.expect("an answer");
    assert_eq!((answer.status(), answer.headers()[VARY].to_str().expect("a text")), (StatusCode::OK, "accept-encoding, accept-language"));
    assert!(answer.text().await.expect("a text").contains("目前无法看到部分服务"));
}

#[tokio::test]
async fn nothing_is_said_to_work_that_nobody_could_check_for_minutes() {
    let portal = TestPortal::start_with_clock().await;
    let ana = shop(&portal).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    allow(&portal, port).await;
    let form = json!({"name": "ledger", "title": "Ledger", "address": format!("tcp://127.0.0.1:{port}")});
    ana.post("/api/v1/projects/shop/legacy-services", form).await.expect_status(StatusCode::CREATED).await;
    once("the service", async || state(&portal, "shop", "ledger").await.filter(|state| state == "operational")).await;
    portal.platform().close().await;
    assert!(text(&portal, "/status").await.contains("All services work"), "the last that is known");
    let tag = portal.nobody().get("/status").await.0.headers()[ETAG].clone();
    portal.clock.as_ref().expect("a clock").advance(Duration::from_secs(200));
    let known = tag.to_str().expect("a text");
    let answer = portal.nobody().request(reqwest::Method::GET, "/status").header(IF_NONE_MATCH, known).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK, "it is another page than the one that the reader has");
    let page = answer.text().await.expect("a text");
    assert!(page.contains("How the services do is not known") && page.contains("No service could be checked since"), "{page}");
    assert!(!page.contains("All services work"), "{page}");
    assert!(text(&portal, "/status/shop?lang=zh").await.contains("目前不知道服务的状态"));
    assert!(text(&portal, "/status/badge/shop/ledger.svg").await.contains("Ledger: unknown"));
    let page = json(&portal, "/status/shop/status.json").await;
    assert_eq!((&page["stale"], &page["state"]), (&json!(true), &json!("unknown")));
    assert_eq!((&page["groups"][0]["components"][0]["state"], &page["checked_at"].is_i64()), (&json!("unknown"), &true));
    let summary = json(&portal, "/api/v2/summary.json").await;
    assert!(summary["status"]["description"].as_str().is_some_and(|said| said.starts_with("Not Known Since ")), "{summary}");
}

#[tokio::test]
async fn readers_get_what_they_have_not_read_and_as_small_as_they_take_it() {
    let portal = TestPortal::start().await;
    shop(&portal).await;
    plant(&portal, "web").await;
    once("the service", async || state(&portal, "shop", "web").await).await;
    let get = async |path: &str, name: reqwest::header::HeaderName, value: &str| {
        portal.nobody().request(reqwest::Method::GET, path).header(name, value).send().await.expect("an answer")
    };
    for (accepted, sent) in [("br, gzip", Some("br")), ("gzip;q=0.5", Some("gzip")), ("br;q=0", None), ("identity", None)] {
        let answer = get("/status/shop", ACCEPT_ENCODING, accepted).await;
        let encoding = answer.headers().get(CONTENT_ENCODING).map(|value| value.to_str().expect("a text").to_owned());
        assert_eq!(encoding.as_deref(), sent, "{accepted}");
        assert!(answer.headers()[CACHE_CONTROL].to_str().expect("a text").starts_with("public, max-age="));
    }
    // A round of probes in between makes another page: then it is asked again.
    once("an answer that it is as it was", async || {
        let tag = get("/status/shop", ACCEPT_ENCODING, "identity").await.headers()[ETAG].clone();
        let again = get("/status/shop", IF_NONE_MATCH, tag.to_str().expect("a text")).await;
        let status = again.status();
        let empty = again.bytes().await.expect("a body").is_empty();
        (status == StatusCode::NOT_MODIFIED && empty).then_some(())
    })
    .await;
    let other = get("/status/shop", IF_NONE_MATCH, "W/\"another\"").await;
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_page_has_its_own_title_and_logo_and_can_be_hidden() {
    let portal = TestPortal::start().await;
    let ana = shop(&portal).await;
    plant(&portal, "web").await;
    // A picture's first bytes: it is never decoded here.
    let logo = "data:image/png;base64,iVBORw0KGgo=";
    let form = json!({"title": "The <shop>", "about": "What we sell", "logo": logo});
    ana.put("/api/v1/projects/shop/status-page", form).await.expect_status(StatusCode::OK).await;
    let page = once("the title", async || Some(text(&portal, "/status").await).filter(|page| page.contains("The &lt;shop&gt;"))).await;
    assert!(!page.contains("The <shop>"));
    let picture = portal.nobody().get("/status/shop/logo").await;
    assert_eq!((picture.status(), picture.0.headers()["content-type"].to_str().expect("a text")), (StatusCode::OK, "image/png"));
    let forged = json!({"logo": "data:image/png;base64,PHN2Zz4="});
    let refused = ana.put("/api/v1/projects/shop/status-page", forged).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["errors"][0]["field"], "logo");
    ana.put("/api/v1/projects/shop/status-page", json!({"hidden": true})).await.expect_status(StatusCode::OK).await;
    once("the end of the page", async || (portal.nobody().get("/status/shop").await.status() == StatusCode::NOT_FOUND).then_some(())).await;
    assert!(text(&portal, "/status").await.contains("No services are shown here yet"));
    portal.person("admin").put("/api/v1/status-page", json!({"hidden": true})).await.expect_status(StatusCode::OK).await;
    once("the end of all pages", async || (portal.nobody().get("/status").await.status() == StatusCode::NOT_FOUND).then_some(())).await;
}

#[tokio::test]
async fn operators_take_a_project_off_the_sites_page() {
    let portal = TestPortal::start().await;
    let ana = shop(&portal).await;
    plant(&portal, "web").await;
    once("the service", async || state(&portal, "shop", "web").await).await;
    let loud = json!({"title": "All is lost", "text": "Everything.", "impact": "critical"});
    ana.post("/api/v1/projects/shop/incidents", loud).await.expect_status(StatusCode::CREATED).await;
    once("the incident", async || text(&portal, "/status").await.contains("All is lost").then_some(())).await;
    let indicator = async |path: &str| json(&portal, path).await["status"]["indicator"].clone();
    assert_ne!(indicator("/api/v2/summary.json").await, "critical", "a project does not speak for the site");
    assert_eq!(indicator("/status/shop/api/v2/summary.json").await, "critical");
    let (path, off) = ("/api/v1/status-page/projects/shop", json!({"off_site": true}));
    ana.put(path, off.clone()).await.expect_status(StatusCode::FORBIDDEN).await;
    let admin = portal.person("admin");
    admin.put(path, off).await.expect_status(StatusCode::OK).await;
    let listed = admin.get("/api/v1/status-page/projects").await.expect_status(StatusCode::OK).await;
    assert_eq!(listed["items"], json!([{"project": "shop", "title": "", "off_site": true}]));
    once("its end on the site's page", async || (!text(&portal, "/status").await.contains("All is lost")).then_some(())).await;
    assert!(text(&portal, "/status/shop").await.contains("All is lost"), "its own page stays");
}

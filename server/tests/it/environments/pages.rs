//! Environments and machines on their pages, as browsers without scripts use them.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{LONG, Site, answer, web, with};
use crate::far::Far;
use crate::forms::Form;
use crate::portal::TestPortal;

#[tokio::test]
async fn a_protected_environment_waits_for_an_approval_through_api_and_page() {
    let site = Site::of(TestPortal::start().await).await;
    site.environment("prod", json!({"registry_address": "10.0.0.5:3000", "protected": true, "projects": "all"})).await;
    site.service("web").await;
    let robot = site.portal.person("ada");
    let made = robot.post("/api/v1/projects/shop/robots", json!({"name": "ci", "role": "admin", "expires_in_days": 1})).await;
    let made = made.expect_status(StatusCode::CREATED).await;
    let robot = site.developer.named(made["username"].as_str().expect("a name"), made["secret"].as_str().expect("a secret"));
    let waiting = site.deploy("web", "prod", web()).await;
    let view = site.developer.get(&waiting).await.expect_status(StatusCode::OK).await;
    assert!(view["state"] == "pending" && view["expires_at"].is_i64(), "{view}");
    for (person, status) in [(&site.developer, StatusCode::FORBIDDEN), (&robot, StatusCode::FORBIDDEN)] {
        assert_eq!(person.post(&format!("{waiting}/approve"), json!({})).await.status(), status);
        assert_eq!(person.post(&format!("{waiting}/refuse"), json!({})).await.status(), status);
    }
    let plan = site.developer.get(&format!("{waiting}/plan")).await.expect_status(StatusCode::OK).await;
    assert_eq!(plan["creates"], 1, "{plan}");

    // The page shows the plan, and buttons to those who may press them.
    let page = waiting.replace("/api/v1", "");
    let (ada, dora) = (site.portal.browser("ada").await, site.portal.browser("dora").await);
    let theirs = ada.open(&page).await.text().await.expect("a page");
    assert!(
        theirs.contains("waits for an approval") && theirs.contains("/fn/deployments/approve") && theirs.contains("What would change"),
        "{theirs}"
    );
    let hers = dora.open(&page).await.text().await.expect("a page");
    let at = |text: &str| theirs.find(text).expect("it is there");
    assert!(
        at("waits for an approval") < at("What would change") && at("What would change") < at("About it"),
        "what is asked about stands beside the question"
    );
    assert!(hers.contains("waits for an approval") && !hers.contains("/fn/deployments/approve"), "{hers}");
    let approved = site.portal.person("ada").post(&format!("{waiting}/approve"), json!({"why": "fine"})).await.expect_status(StatusCode::OK).await;
    assert!(approved["state"] == "queued" && approved["decision"]["by"] == "ada", "{approved}");

    let second = site.deploy("web", "prod", web()).await;
    let refused = site.admin.post(&format!("{second}/refuse"), json!({"why": "not on a Friday"})).await.expect_status(StatusCode::OK).await;
    assert!(refused["state"] == "refused" && refused["reason"]["message"].as_str().is_some_and(|text| text.contains("not on a Friday")), "{refused}");
    assert_eq!(site.admin.post(&format!("{second}/approve"), json!({})).await.status(), StatusCode::CONFLICT);
    assert_eq!(site.developer.get(&waiting).await.expect_status(StatusCode::OK).await["state"], "queued", "the approved one goes on");
}

#[tokio::test]
async fn pages_of_environments_are_whole_without_scripts() {
    let site = Site::of(TestPortal::start().await).await;
    site.environment("staging", json!({"registry_address": "10.0.0.5:3000", "description": "For trying", "projects": []})).await;
    let (admin, dora) = (site.portal.browser("admin").await, site.portal.browser("dora").await);
    for path in ["/environments", "/environments/staging", "/admin/environments", "/admin/environments/new", "/admin/environments/staging"] {
        let answer = admin.open(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let text = answer.text().await.expect("a page");
        assert!(path.ends_with("new") || text.contains("staging"), "{path}");
    }
    let import = admin.open("/admin/import").await.text().await.expect("a page");
    assert!(import.contains("<a href=\"/admin/other-containers\" aria-current=\"page\""), "one knows where one is: {import}");
    for path in ["", "/new", "/local", "/local/machines/new"] {
        assert_eq!(dora.open(&format!("/admin/environments{path}")).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    // Where the engine is, is for operators, also where it is told why it is away.
    site.machine("local", |machine| machine["state"] == "away").await;
    site.service("web").await;
    let listed = dora.open("/environments").await.text().await.expect("a page");
    assert!(listed.contains("local") && !listed.contains("staging"), "{listed}");
    for path in ["/environments", "/environments/local", "/projects/shop/services/web/deploy?environment=local"] {
        let (hers, theirs) = (dora.open(path).await.text().await.expect("a page"), admin.open(path).await.text().await.expect("a page"));
        assert!(!hers.contains("no-engine.sock") && hers.contains("perators see why"), "{path}: {hers}");
        assert!(theirs.contains("no-engine.sock"), "{path}: {theirs}");
    }
    assert_eq!(dora.open("/environments/staging").await.status(), StatusCode::NOT_FOUND);

    // A form that a browser without scripts posts: tried, with what was found on the next page, and then saved all the same.
    let csrf = admin.csrf().await;
    let post = async |act: &str| {
        let fields = [
            ("csrf", csrf.as_str()),
            ("environment", "staging"),
            ("machine", "docker1"),
            ("form[engine]", "tcp://127.0.0.1:1"),
            ("form[without_tls]", "true"),
            ("act", act),
            ("untested", "true"),
        ];
        let request = admin.request(Method::POST, "/fn/environments/put_machine").header("origin", &site.portal.base).header("accept", "text/html");
        let referer = format!("{}/admin/environments/staging/machines/new", site.portal.base);
        let answer = admin.send(request.header("referer", referer).form(&fields)).await;
        assert!(answer.status().is_redirection(), "{}", answer.status());
        answer.headers()["location"].to_str().expect("a location").to_owned()
    };
    assert_eq!(post("test").await, "/admin/environments/staging/machines/new");
    let page = admin.open("/admin/environments/staging/machines/new").await.text().await.expect("a page");
    assert!(page.contains("no engine listens there") && page.contains("tcp://127.0.0.1:1") && page.contains("docker1"), "{page}");
    assert_eq!(post("save").await, "/admin/environments/staging");
    let page = admin.open("/admin/environments/staging").await.text().await.expect("a page");
    assert!(page.contains("docker1") && page.contains("Saved without a test that passed"), "{page}");
}

/// An engine elsewhere is added by the form alone: by its socket, which is tried first, and then the same by SSH, with a key as browsers send it. Its
/// tasks get ports out of the range that was typed, and the service's page leads to each of them.
#[tokio::test]
async fn a_machine_is_added_by_the_form_and_the_page_leads_to_its_ports() {
    const NEW: &str = "/admin/environments/far/machines/new";
    const THERE: &str = "/admin/environments/far/machines/far-1";
    const PUT: &str = "/fn/environments/put_machine";
    let Some(far) = Far::start() else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let (admin, dora) = (site.portal.browser("admin").await, site.portal.browser("dora").await);
    let form = Form::open(&admin, "/admin/environments/new", "/fn/environments/put").await.fill("environment", "far").tick("open", false);
    let form = form.fill("registry_address", &format!("{}:{}", far.ours(), site.portal.running.port)).fill("projects", "shop\n");
    assert_eq!(form.send(&admin, "").await, "/admin/environments/far");

    let socket = format!("unix://{}", far.folder().join("engine/docker.sock").display());
    let form = Form::open(&admin, NEW, PUT).await.fill("machine", "far-1").fill("form[engine]", &socket);
    let form = form.fill("form[host]", &far.address()).fill("form[publish_address]", "0.0.0.0");
    assert_eq!(form.fill("form[first_port]", "21500").fill("form[last_port]", "21509").send(&admin, "test").await, NEW);
    let form = Form::open(&admin, NEW, PUT).await;
    let version = format!("Docker Engine {} (API", far.docker(&["version", "--format", "{{.Server.Version}}"]));
    assert!(form.page.contains("It works") && form.page.contains(&version), "{}", form.page);
    let listed = site.admin.get("/api/v1/machines").await.expect_status(StatusCode::OK).await;
    assert!(!listed.to_string().contains("far-1"), "a test keeps nothing: {listed}");
    // What was typed is in the form again.
    assert_eq!(form.send(&admin, "save").await, "/admin/environments/far");
    site.machine("far-1", |machine| machine["state"] == "up").await;

    // The same machine by SSH. Its server's key is shown first, and confirmed with a tick.
    let key = far.file("ssh/client").replace('\n', "\r\n");
    let form = Form::open(&admin, THERE, PUT).await.fill("form[engine]", &format!("ssh://root@{}{}", far.address(), &socket["unix://".len()..]));
    assert_eq!(form.fill("form[ssh_key]", &key).send(&admin, "test").await, THERE);
    let form = Form::open(&admin, THERE, PUT).await;
    assert!(form.page.contains("is the right one") && !form.page.contains("OPENSSH PRIVATE KEY"), "{}", form.page);
    let form = form.tick("form[host_key]", true).fill("form[ssh_key]", &key);
    assert_eq!(form.send(&admin, "save").await, "/admin/environments/far");
    site.machine("far-1", |machine| machine["state"] == "up" && machine["guard"] == "ssh").await;
    // The range that was typed first is still there.
    site.service("web").await;
    let ports = json!([{"name": "http", "container": 8080}, {"name": "other", "container": 8081}]);
    site.succeeded(&site.deploy("web", "far", with(web(), &["ports"], ports)).await).await;
    let task = site.task("web", "far").await;
    assert_eq!(task["host"], json!(far.address()));
    assert_eq!(answer(&with(task.clone(), &["ports"], json!([port_of(&task, 8080)]))).await, "hello");
    let page = dora.open("/projects/shop/services/web?environment=far").await.text().await.expect("a page");
    for container in [8080, 8081] {
        let host = port_of(&task, container)["host"].as_u64().expect("a port");
        assert!((21_500..=21_509).contains(&host), "out of the range that was typed: {task}");
        let link = format!("href=\"http://{}:{host}/\"", far.address());
        assert!(page.contains(&link), "{link} is not on the page: {page}");
    }

    site.portal.person("ada").delete("/api/v1/projects/shop/services/web").await;
    let began = Instant::now();
    while !far.docker(&["ps", "-aq"]).is_empty() {
        assert!(began.elapsed() < LONG, "containers are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The published port of a task that leads to this one of its own.
fn port_of(task: &Value, container: u64) -> Value {
    let ports = task["ports"].as_array().expect("ports");
    ports.iter().find(|port| port["container"] == container).unwrap_or_else(|| panic!("no {container}: {task}")).clone()
}

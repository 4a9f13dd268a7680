//! Templates through their doors: written, exported, rendered, deployed from; the pages as a browser without scripts uses them; secrets that nobody
//! gets to see. On a real engine: every shipped template.

mod engine;
mod hostile;
mod pages;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Person, TestPortal};
use crate::push::push;

/// A template with one of everything that matters here.
pub const ECHO: &str = "name: echo
title: Echo
parameters:
  - {name: image, type: image, required: true}
  - {name: replicas, type: integer, default: 1, max: 5, group: Size}
  - {name: greeting, default: hello}
  - {name: region, type: choice, choices: [eu, us], default: eu}
  - {name: zone, type: choice, depends_on: region, choices: {eu: [fra, ams], us: [nyc]}, default: fra}
  - {name: size, type: size, default: 64MiB, shown_if: {parameter: region, equals: us}}
  - {name: db_password, type: secret, min: 8}
descriptor: |
  image: {{ image }}
  command: [httpd]
  replicas: {{ replicas }}
  env:
    GREETING: {{ greeting }}
    PLACE: {{ region ~ \"-\" ~ (zone | default(\"any\")) }}
  {% if db_password %}
  secrets:
    - {name: {{ db_password }}, env: DB_PASSWORD}
  {% endif %}
curl: |
  #!/bin/sh
  curl --silent --show-error --user \"$SLIPWAY_USER\" --header 'Content-Type: application/json' --data '{\"answers\":{\"image\":\"web:1\"}}' {{ slipway.url ~ \"/api/v1/projects/\" ~ slipway.project ~ \"/services/\" ~ slipway.service ~ \"/deployments\" }}
";

/// A portal with the project `shop`, its image `web:1`, a developer and an admin, and the template `echo`.
pub struct Scene {
    pub portal: TestPortal,
    pub dora: Person,
    pub ana: Person,
}

impl Scene {
    pub async fn set() -> Self {
        let portal = TestPortal::start().await;
        let (dora, ana) = (portal.new_person("dora").await, portal.new_person("ana").await);
        portal.new_project("shop", &[("dora", "developer"), ("ana", "admin")]).await;
        push(&dora, "shop/web", "1", b"a layer").await;
        let scene = Self { portal, dora, ana };
        assert_eq!(scene.write(ECHO).await.status(), StatusCode::CREATED);
        for service in ["web", "other"] {
            scene.dora.post("/api/v1/projects/shop/services", json!({"name": service})).await.expect_status(StatusCode::CREATED).await;
        }
        scene
    }

    /// Imports a document as it is.
    pub async fn write(&self, document: &str) -> reqwest::Response {
        let request = self.ana.request(Method::PUT, "/api/v1/projects/shop/templates/echo");
        request.header("content-type", "application/yaml").body(document.to_owned()).send().await.expect("an answer")
    }

    pub async fn deploy(&self, service: &str, body: Value) -> Value {
        self.dora.post(&format!("/api/v1/projects/shop/services/{service}/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await
    }

    pub async fn revision(&self, service: &str, number: i64) -> Value {
        self.dora.get(&format!("/api/v1/projects/shop/services/{service}/revisions/{number}")).await.expect_status(StatusCode::OK).await
    }
}

#[tokio::test]
async fn a_template_goes_in_and_out_as_yaml() {
    let scene = Scene::set().await;
    let same = scene.write(ECHO).await;
    assert_eq!(same.status(), StatusCode::OK, "what is the same already is no new version");
    assert_eq!(scene.write(&ECHO.replace("hello", "good morning")).await.status(), StatusCode::CREATED);
    let exported = scene.dora.request(Method::GET, "/api/v1/projects/shop/templates/echo/versions/1").send().await.expect("an answer");
    assert_eq!(exported.headers()["content-type"], "application/yaml; charset=utf-8");
    assert_eq!(exported.text().await.expect("a document"), ECHO);
    let detail = scene.dora.get("/api/v1/projects/shop/templates/echo").await.expect_status(StatusCode::OK).await;
    assert_eq!((detail["version"]["number"].as_i64(), detail["may_write"].as_bool()), (Some(2), Some(false)));
    let listed = scene.dora.get("/api/v1/projects/shop/templates").await.expect_status(StatusCode::OK).await;
    let names: Vec<&str> = listed["items"].as_array().expect("items").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["echo", "http-service", "java-web", "scheduled-job", "static-site", "worker"]);

    let wrong = scene.write(&ECHO.replace("required: true", "requierd: true")).await;
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let told = wrong.text().await.expect("a problem");
    assert!(told.contains("did you mean \\\"required\\\"?") && told.contains("line 4"), "{told}");
    let endless = scene.write(&ECHO.replace("  #!/bin/sh", "  {% for x in range(1000000000) %}{% endfor %}")).await;
    assert_eq!(endless.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(endless.text().await.expect("a problem").contains("(line 1)"));
    let stolen = scene.dora.request(Method::PUT, "/api/v1/projects/shop/templates/echo").body(ECHO).send().await.expect("an answer");
    assert_eq!(stolen.status(), StatusCode::FORBIDDEN);

    scene.ana.delete("/api/v1/projects/shop/templates/echo").await.expect_status(StatusCode::NO_CONTENT).await;
    scene.dora.get("/api/v1/projects/shop/templates/echo").await.expect_status(StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn rendering_tells_what_would_be() {
    let scene = Scene::set().await;
    let body = json!({"answers": {"image": "web:1", "replicas": 3, "region": "us", "zone": "nyc", "greeting": "a: b # c"}});
    let view = scene.dora.post("/api/v1/projects/shop/templates/echo/render", body).await.expect_status(StatusCode::OK).await;
    let text = view["outputs"][0]["text"].as_str().expect("a descriptor");
    assert!(text.contains("GREETING: \"a: b # c\"") && text.contains("PLACE: \"us-nyc\"") && text.contains("replicas: 3"), "{text}");
    let wrong = json!({"answers": {"image": "web:1", "zone": "nyc"}});
    let view = scene.dora.post("/api/v1/projects/shop/templates/echo/render", wrong).await.expect_status(StatusCode::OK).await;
    assert_eq!(view["errors"][0]["field"], "answers.zone", "{view}");
    let typo = json!({"document": ECHO.replace("{{ greeting }}", "{{ greting }}")});
    scene.dora.post("/api/v1/projects/shop/templates/preview", typo.clone()).await.expect_status(StatusCode::FORBIDDEN).await;
    let view = scene.ana.post("/api/v1/projects/shop/templates/preview", typo).await.expect_status(StatusCode::OK).await;
    assert!(view["errors"][0]["message"].as_str().expect("a message").contains("greting is not there"), "{view}");
}

#[tokio::test]
async fn the_form_the_api_and_the_script_make_the_same_revision() {
    let scene = Scene::set().await;
    let given = json!({"image": "web:1", "replicas": 2, "greeting": "it's \"fine\" # so", "zone": "ams"});
    scene.deploy("web", json!({"template": "echo", "answers": given})).await;
    let browser = scene.portal.browser("dora").await;
    let csrf = browser.csrf().await;
    let fields = [
        ("csrf", csrf.as_str()),
        ("project", "shop"),
        ("service", "web"),
        ("environment", "local"),
        ("of[template]", "own/echo"),
        ("of[version]", "1"),
        ("answers[image]", "web:1"),
        ("answers[replicas]", "2"),
        ("answers[greeting]", "it's \"fine\" # so"),
        ("answers[region]", "eu"),
        ("answers[zone]", "ams"),
        ("answers[size]", "64MiB"),
        ("answers[db_password]", ""),
    ];
    let answer = browser.form("/fn/templates/deploy", &fields).await;
    assert!(answer.status().is_success(), "{}", answer.text().await.expect("a body"));

    let made = scene.dora.get("/api/v1/projects/shop/services/web/template").await.expect_status(StatusCode::OK).await;
    let curl = made["rendered"]["outputs"].as_array().expect("texts").iter().find(|one| one["output"] == "curl").expect("a script");
    // The public address is a name that only this machine's resolver knows; the script itself is what counts.
    let script =
        curl["text"].as_str().expect("a text").replace(scene.portal.running.portal.origin.as_str().trim_end_matches('/'), &scene.portal.base);
    let ran =
        tokio::process::Command::new("sh").arg("-c").arg(&script).env("SLIPWAY_USER", format!("dora:{}", crate::portal::PASSWORD)).output().await;
    let ran = ran.expect("a shell");
    assert!(ran.status.success(), "{script}\n{}", String::from_utf8_lossy(&ran.stderr));
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stdout)));
    assert_eq!(said["revision"], 3, "{said}");

    let (first, second, third) = (scene.revision("web", 1).await, scene.revision("web", 2).await, scene.revision("web", 3).await);
    assert_eq!(first["descriptor"], second["descriptor"], "the form and the API");
    assert_eq!(first["descriptor"], third["descriptor"], "and the script");
    for revision in [&first, &second, &third] {
        assert_eq!(revision["revision"]["template"], json!({"name": "echo", "of_site": false, "version": 1}));
    }
    assert_eq!(first["descriptor"]["env"]["GREETING"], "it's \"fine\" # so");
}

#[tokio::test]
async fn a_service_moves_to_another_version_with_a_plan() {
    let scene = Scene::set().await;
    scene.deploy("web", json!({"template": "echo", "answers": {"image": "web:1", "replicas": 2}})).await;
    scene.write(&ECHO.replace("GREETING:", "WELCOME:")).await;
    let path = "/api/v1/projects/shop/services/web/plan";
    scene.dora.post(path, json!({"version": 2})).await.expect_status(StatusCode::OK).await;
    scene.deploy("web", json!({"answers": {}})).await;
    let stays = scene.revision("web", 2).await["descriptor"].clone();
    assert!(stays["env"]["GREETING"] == "hello" && stays["env"].get("WELCOME").is_none(), "nothing moves by itself: {stays}");
    scene.deploy("web", json!({"version": 2})).await;
    let moved = scene.revision("web", 3).await["descriptor"].clone();
    assert!(moved["env"]["WELCOME"] == "hello" && moved["env"].get("GREETING").is_none(), "{moved}");
    assert_eq!(moved["replicas"], 2, "the answers stayed");
    let both = scene.dora.post(path, json!({"descriptor": {"image": "web:1"}, "answers": {}})).await;
    both.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    scene.dora.post(path, json!({})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_secret_answer_is_shown_to_nobody() {
    const SECRET: &str = "battery-staple-9f3a";
    let scene = Scene::set().await;
    scene.deploy("web", json!({"template": "echo", "answers": {"image": "web:1", "db_password": SECRET}})).await;
    // Too short, and still not repeated.
    let refused = json!({"answers": {"db_password": "9f3a-zz"}});
    let told = scene.dora.post("/api/v1/projects/shop/services/web/plan", refused).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert!(!told.to_string().contains("9f3a-zz"), "{told}");
    let plan = json!({"answers": {"db_password": format!("{SECRET}-2")}});
    let planned = scene.dora.post("/api/v1/projects/shop/services/web/plan", plan).await.expect_status(StatusCode::OK).await;
    assert!(!planned.to_string().contains(SECRET), "{planned}");
    let rendered = json!({"answers": {"image": "web:1", "db_password": SECRET}});
    let rendered = scene.dora.post("/api/v1/projects/shop/templates/echo/render", rendered).await.expect_status(StatusCode::OK).await;
    let browser = scene.portal.browser("ana").await;
    let mut seen = format!("{planned}{rendered}");
    for page in ["", "/deploy", "/template", "/configuration", "/configuration?environment=local", "/revisions", "/deployments"] {
        seen.push_str(&browser.open(&format!("/projects/shop/services/web{page}")).await.text().await.expect("a page"));
    }
    seen.push_str(&browser.open("/projects/shop/audit").await.text().await.expect("a page"));
    for path in ["template", "revisions", "revisions/1", "deployments", "configuration", "configuration?environment=local"] {
        let answer = scene.ana.get(&format!("/api/v1/projects/shop/services/web/{path}")).await.expect_status(StatusCode::OK).await;
        seen.push_str(&answer.to_string());
    }
    seen.push_str(&scene.ana.get("/api/v1/projects/shop/audit").await.expect_status(StatusCode::OK).await.to_string());
    assert!(!seen.contains(SECRET) && seen.contains("db_password"));
    // It is one of the service's secrets from now on: the next deployment need not name it.
    scene.deploy("web", json!({"answers": {}})).await;
    assert_eq!(scene.revision("web", 2).await["descriptor"]["secrets"], json!([{"name": "db_password", "env": "DB_PASSWORD"}]));
    for file in std::fs::read_dir(scene.portal.folder()).expect("the data folder") {
        let path = file.expect("a file").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("its bytes");
            assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn hostile_documents_and_answers_are_refused_and_nothing_else_waits() {
    let scene = Scene::set().await;
    let list = (0..70).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let nested =
        format!("{{% for x in [{list}] %}}{{% for y in [{list}] %}}{{% for z in [{list}] %}}{{{{ x }}}}{{% endfor %}}{{% endfor %}}{{% endfor %}}");
    let documents = [
        ECHO.replace("  #!/bin/sh", "  {% include '/etc/passwd' %}"),
        ECHO.replace("  #!/bin/sh", "  {{ a.__class__ }}"),
        ECHO.replace("default: hello", "default: hello, pattern: '(a{1,500}){1,500}'"),
        format!("{ECHO}more: [{}]\n", "[".repeat(3000)),
        format!("x: &a [1, 2]\ny: [{}]\n{ECHO}", "*a, ".repeat(5000)),
        "x".repeat(300_000),
        String::from("\u{0}"),
    ];
    for document in documents {
        let answer = scene.write(&document).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{}", document.chars().take(80).collect::<String>());
    }
    let slow = ECHO.replace("  #!/bin/sh", &format!("  {nested}"));
    assert_eq!(scene.write(&slow).await.status(), StatusCode::CREATED, "it is understood");
    let began = std::time::Instant::now();
    let body = json!({"answers": {"image": "web:1"}});
    let render = scene.dora.post("/api/v1/projects/shop/templates/echo/render", body);
    let (rendered, listed) = tokio::join!(render, scene.dora.get("/api/v1/projects/shop/templates"));
    listed.expect_status(StatusCode::OK).await;
    let rendered = rendered.expect_status(StatusCode::OK).await;
    let curl = rendered["outputs"].as_array().expect("texts").iter().find(|one| one["output"] == "curl").expect("a script");
    assert!(curl["text"] == "" && curl["errors"][0]["message"].as_str().is_some_and(|text| text.contains("steps")), "{curl}");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    let path = "/api/v1/projects/shop/services/web/deployments";
    for answers in [json!([]), json!("x"), json!({"image": ["web:1"]}), json!({"image": {"a": 1}}), json!({"image": "web:1", "greeting": "a\u{0}b"})]
    {
        let body = json!({"template": "echo", "answers": answers});
        scene.dora.post(path, body).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let many: serde_json::Map<String, Value> = (0..1000).map(|number| (format!("n{number}"), json!("x".repeat(200)))).collect();
    let told = scene.dora.post(path, json!({"template": "echo", "answers": many})).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(told["errors"][0]["field"], "answers", "{told}");
}

#[tokio::test]
async fn who_writes_at_once_makes_versions_of_their_own_and_deployments_are_made_from_one() {
    let scene = Scene::set().await;
    let documents: Vec<String> = (0..5).map(|number| ECHO.replace("hello", &format!("hello {number}"))).collect();
    let written = futures::future::join_all(documents.iter().map(|document| scene.write(document))).await;
    let mut numbers = Vec::new();
    for answer in written {
        assert_eq!(answer.status(), StatusCode::CREATED);
        let view: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
        numbers.push(view["version"].as_i64().expect("a number"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 4, 5, 6]);
    // While it is deleted it is deployed from, or it is not there: nothing between.
    let path = "/api/v1/projects/shop/services/web/deployments";
    let body = json!({"template": "echo", "answers": {"image": "web:1"}});
    let (deployed, deleted) = tokio::join!(scene.dora.post(path, body), scene.ana.delete("/api/v1/projects/shop/templates/echo"));
    deleted.expect_status(StatusCode::NO_CONTENT).await;
    assert!([StatusCode::ACCEPTED, StatusCode::UNPROCESSABLE_ENTITY].contains(&deployed.status()), "{}", deployed.status());
    let refused = scene.dora.post(path, json!({"template": "echo", "answers": {"image": "web:1"}})).await;
    refused.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn the_site_s_templates_are_its_operators() {
    let scene = Scene::set().await;
    let admin = scene.portal.person("admin");
    let document = ECHO.replace("name: echo", "name: house");
    let put = async |who: &Person| who.put("/api/v1/templates/house", json!({"document": document.clone(), "note": "for all"})).await;
    put(&scene.ana).await.expect_status(StatusCode::FORBIDDEN).await;
    put(&admin).await.expect_status(StatusCode::CREATED).await;
    for (name, why) in [("other", "the document has another name"), ("preview", "that is a door of its own"), ("new", "that is a page of its own")] {
        let answer = admin.put(&format!("/api/v1/templates/{name}"), json!({"document": document.clone()})).await;
        assert!(answer.status().is_client_error(), "{why}: {}", answer.status());
    }
    // Everybody makes services from them; a project's own of the same name comes first, where none says which.
    scene.deploy("web", json!({"template": "house", "answers": {"image": "web:1"}})).await;
    assert_eq!(scene.revision("web", 1).await["revision"]["template"], json!({"name": "house", "of_site": true, "version": 1}));
    let own = document.replace("hello", "our own hello");
    let request = scene.ana.request(Method::PUT, "/api/v1/projects/shop/templates/house").header("content-type", "application/yaml").body(own);
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::CREATED);
    scene.deploy("other", json!({"template": "house", "answers": {"image": "web:1"}})).await;
    assert_eq!(scene.revision("other", 1).await["descriptor"]["env"]["GREETING"], "our own hello");
    let stays = scene.deploy("web", json!({"answers": {}})).await;
    assert_eq!(scene.revision("web", stays["revision"].as_i64().expect("a number")).await["revision"]["template"]["of_site"], true);
    // A stranger to the project sees the site's and not the project's.
    let stranger = scene.portal.new_person("stan").await;
    stranger.get("/api/v1/templates/house").await.expect_status(StatusCode::OK).await;
    for path in ["/api/v1/projects/shop/templates", "/api/v1/projects/shop/templates/echo", "/api/v1/projects/shop/templates/echo/versions/1"] {
        stranger.get(path).await.expect_status(StatusCode::NOT_FOUND).await;
    }
}

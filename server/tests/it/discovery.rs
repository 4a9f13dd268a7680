//! `/discovery` as proxies and Prometheus read it: to those who may, what serves and nothing else, and at once when that changes.

use std::time::{Duration, Instant};

use domain::deployments::work;
use domain::{Worker, args};
use model::ids::TaskId;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::access::world::plant_task;
use crate::ground::Ground;
use crate::portal::{Person, TestPortal};
use crate::push::push;

const SERVICES: &str = "/discovery/services.json";
/// Longer than a busy machine takes for anything.
const LONG: Duration = Duration::from_secs(60);

/// A portal without an engine, with a service that is routed, a task of it, and the robot of a proxy that may do nothing else.
struct Shop {
    portal: TestPortal,
    task: TaskId,
    proxy: Person,
}

impl Shop {
    async fn open() -> Self {
        let portal = TestPortal::start().await;
        let dev = portal.new_person("dev").await;
        portal.new_project("shop", &[("dev", "developer")]).await;
        push(&dev, "shop/web", "1", b"a layer").await;
        let services = "/api/v1/projects/shop/services";
        dev.post(services, json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
        let descriptor = json!({
            "image": "web:1", "ports": [{"name": "http", "container": 8080}],
            "routes": [{"host": "App.example.com", "path": "/shop", "port": "http", "tls": true}],
        });
        let body = json!({"environment": "local", "descriptor": descriptor});
        let made = dev.post(&format!("{services}/web/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await;
        let task = plant_task(&portal, made["id"].as_str().expect("an id")).await;
        let shop = Self { proxy: robot(&portal, "shop").await, portal, task };
        shop.port().await;
        shop.runs("10.208.0.2").await;
        // Whatever is written meanwhile may have been read halfway.
        shop.told("its first task", |services| services["services"][0]["tasks"][0]["ports"][0]["container_address"] == "10.208.0.2:8080").await;
        shop
    }

    /// The task has a port of the machine.
    #[expect(clippy::disallowed_methods, reason = "without an engine nothing gets ports; the row is planted")]
    async fn port(&self) {
        let mut write = self.portal.platform().bookkeeping().await.expect("a transaction");
        let sql = "INSERT INTO ports (machine_id, protocol, port, task_id, name, container)
                   SELECT machine_id, 'tcp', 20001, id, 'http', 8080 FROM tasks WHERE id = $1";
        write.exec(sql, args![self.task]).await.expect("a port");
        write.finish().await.expect("kept");
    }

    #[expect(clippy::disallowed_methods, reason = "without an engine nobody sees a task; the test says what would be seen")]
    fn worker(&self) -> Worker {
        Worker::hire(self.portal.platform(), "test")
    }

    async fn runs(&self, address: &str) {
        work::task_running(&self.worker(), self.task, "c0ffee", Some(address), self.portal.platform().now()).await.expect("recorded");
    }

    async fn services(&self) -> Value {
        self.proxy.get(SERVICES).await.expect_status(StatusCode::OK).await
    }

    /// Waits until this is what is told.
    async fn told(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut index = 0;
        loop {
            let path = format!("{SERVICES}?wait={}&index={index}", LONG.as_secs());
            let services = self.proxy.get(&path).await.expect_status(StatusCode::OK).await;
            if wanted(&services) {
                return services;
            }
            assert_ne!(services["index"], json!(index), "{what} was not told in time: {services}");
            index = services["index"].as_u64().expect("a number");
        }
    }
}

/// A robot that reads at `/discovery` and does nothing else.
async fn robot(portal: &TestPortal, project: &str) -> Person {
    let wanted = json!({"name": "proxy", "role": "guest", "scopes": ["discovery"]});
    let made = portal.person("admin").post(&format!("/api/v1/projects/{project}/robots"), wanted).await.expect_status(StatusCode::CREATED).await;
    portal.nobody().named(made["username"].as_str().expect("a name"), made["secret"].as_str().expect("a secret"))
}

#[tokio::test]
async fn a_token_for_discovery_reads_its_project_there_and_nothing_anywhere_else() {
    let shop = Shop::open().await;
    let found = shop.services().await;
    let web = &found["services"][0];
    assert_eq!((web["project"].as_str(), web["service"].as_str(), web["environment"].as_str()), (Some("shop"), Some("web"), Some("local")));
    assert_eq!(web["routes"], json!([{"host": "app.example.com", "path": "/shop", "port": "http", "tls": true, "revisions": [1]}]));
    assert_eq!(web["tasks"][0]["ports"][0]["container_address"], "10.208.0.2:8080");
    for path in ["/api/v1/projects/shop/services", "/api/v1/projects/shop/services/web/tasks", "/metrics", "/api/v1/environments"] {
        assert_eq!(shop.proxy.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let elsewhere = shop.portal.new_person("eve").await;
    shop.portal.new_project("other", &[("eve", "admin")]).await;
    let other = robot(&shop.portal, "other").await;
    for stranger in [&elsewhere, &other] {
        assert_eq!(stranger.get(SERVICES).await.expect_status(StatusCode::OK).await["services"], json!([]));
        assert_eq!(stranger.get("/discovery/nginx/shop/web.conf").await.status(), StatusCode::NOT_FOUND);
    }
    let dev = shop.portal.person("dev");
    let made = dev.post("/api/v1/me/tokens", json!({"name": "t", "scopes": ["read", "metrics"]})).await.expect_status(StatusCode::CREATED).await;
    let browser = shop.portal.browser("dev").await;
    let narrow = dev.bearing(made["secret"].as_str().expect("a secret"));
    for path in [SERVICES, "/discovery/traefik.json", "/discovery/prometheus.json", "/discovery/nginx/shop/web.conf", "/discovery/events"] {
        assert_eq!(shop.portal.nobody().get(path).await.status(), StatusCode::UNAUTHORIZED, "{path}");
        let refused = narrow.get(path).await.expect_status(StatusCode::FORBIDDEN).await;
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("lacks the scope discovery")), "{path}: {refused}");
        assert_eq!(browser.open(path).await.status(), StatusCode::UNAUTHORIZED, "a cookie opens no door for programs");
    }
}

#[tokio::test]
async fn each_consumer_gets_its_own_words() {
    let shop = Shop::open().await;
    let address = shop.services().await["services"][0]["tasks"][0]["ports"][0]["address"].as_str().expect("an address").to_owned();
    assert!(address.ends_with(":20001"), "{address}");
    let traefik = shop.proxy.get("/discovery/traefik.json?resolver=le").await.expect_status(StatusCode::OK).await;
    let router = &traefik["http"]["routers"]["shop_web_local_0"];
    let rule = "Host(`app.example.com`) && PathPrefix(`/shop`)";
    assert_eq!(router, &json!({"rule": rule, "service": "shop_web_local_0", "tls": {"certResolver": "le"}}));
    let servers = &traefik["http"]["services"]["shop_web_local_0"]["loadBalancer"]["servers"];
    assert_eq!(servers, &json!([{"url": format!("http://{address}")}]));
    let answer = shop.proxy.get("/discovery/prometheus.json").await.0;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let groups: Value = answer.json().await.expect("JSON");
    assert_eq!(groups[0]["targets"], json!([address]));
    let answer = shop.proxy.get("/discovery/nginx/shop/web.conf").await.0;
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let text = answer.text().await.expect("a text");
    assert!(text.contains("upstream shop_web_local_http {") && text.contains(&format!("    server {address}; # web.1\n")), "{text}");
    let inside = shop.proxy.get("/discovery/nginx/shop/web.conf?address=container&form=servers").await.expect_status(StatusCode::OK).await;
    assert_eq!(inside, json!("server 10.208.0.2:8080; # web.1\n"));
    for (path, status) in [
        ("/discovery/nginx/shop/web", StatusCode::NOT_FOUND),
        ("/discovery/nginx/shop/nothing.conf", StatusCode::NOT_FOUND),
        ("/discovery/nginx/shop/web.conf?environment=nowhere", StatusCode::UNPROCESSABLE_ENTITY),
        ("/discovery/services.json?wait=soon", StatusCode::UNPROCESSABLE_ENTITY),
        ("/discovery/services.json?environment=nowhere", StatusCode::OK),
    ] {
        assert_eq!(shop.proxy.get(path).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn nobody_takes_the_requests_of_another_projects_host() {
    let shop = Shop::open().await;
    let eve = shop.portal.new_person("eve").await;
    shop.portal.new_project("other", &[("eve", "admin")]).await;
    push(&eve, "other/web", "1", b"a layer").await;
    let services = "/api/v1/projects/other/services";
    eve.post(services, json!({"name": "trap"})).await.expect_status(StatusCode::CREATED).await;
    let body = |host: &str, path: &str, tls: bool| {
        let routes = json!([{"host": host, "path": path, "port": "http", "tls": tls}]);
        let ports = json!([{"name": "http", "container": 8080}]);
        json!({"environment": "local", "descriptor": {"image": "web:1", "ports": ports, "routes": routes}})
    };
    for (path, tls) in [("/shop", true), ("/shop/login", true), ("/shop", false), ("/", true)] {
        for door in ["plan", "deployments"] {
            let path_of = format!("{services}/trap/{door}");
            let refused = eve.post(&path_of, body("app.EXAMPLE.com", path, tls)).await.expect_status(StatusCode::CONFLICT).await;
            assert_eq!(refused["code"], "host_taken", "{door} {path}: {refused}");
            let told = refused["detail"].as_str().expect("a text");
            assert!(told.contains("app.example.com") && told.contains("another project"), "{told}");
        }
    }
    eve.post(&format!("{services}/trap/deployments"), body("trap.example.com", "/", true)).await.expect_status(StatusCode::ACCEPTED).await;
    let operator = shop.portal.person("admin");
    let refused = operator.post(&format!("{services}/trap/plan"), body("app.example.com", "/x", true)).await;
    let refused = refused.expect_status(StatusCode::CONFLICT).await;
    assert!(refused["detail"].as_str().is_some_and(|told| told.contains("project shop")), "{refused}");
}

#[tokio::test]
async fn a_services_page_shows_what_is_told_and_by_which_lines_it_is_asked() {
    let shop = Shop::open().await;
    let address = shop.services().await["services"][0]["tasks"][0]["ports"][0]["address"].as_str().expect("an address").to_owned();
    let read = async |who: &str| {
        let answer = shop.portal.browser(who).await.open("/projects/shop/services/web/discovery").await;
        assert_eq!(answer.status(), StatusCode::OK, "{who}");
        answer.text().await.expect("a page")
    };
    let page = read("dev").await;
    let lines =
        ["/discovery/nginx/shop/web.conf?environment=local", "proxy_pass http://shop_web_local_http;", "/discovery/traefik.json?project=shop"];
    for text in [address.as_str(), "web.1", "app.example.com/shop", "/discovery/prometheus.json?project=shop", "Authorization: Bearer TOKEN"]
        .into_iter()
        .chain(lines)
    {
        assert!(page.contains(text), "{text} is not on the page");
    }
    let robots = "href=\"/projects/shop/robots\"";
    assert!(page.contains("Admins of the project make one.") && !page.contains("Robots of this project"), "a developer makes no robot");
    let page = read("admin").await;
    assert!(page.contains(robots) && page.contains("Robots of this project"));
    work::task_stopping(&shop.worker(), shop.task).await.expect("recorded");
    // It is read from the tables: nobody has to wait for the index.
    assert!(read("dev").await.contains("Draining"));
}

async fn ask(person: &Person, path: &str, tag: &str) -> Response {
    person.request(Method::GET, path).header("if-none-match", tag).send().await.expect("an answer")
}

#[tokio::test]
async fn who_has_the_answer_already_gets_none_or_waits_for_the_next() {
    let shop = Shop::open().await;
    for path in [SERVICES, "/discovery/traefik.json", "/discovery/prometheus.json", "/discovery/nginx/shop/web.conf"] {
        let first = shop.proxy.get(path).await.0;
        let (tag, index) = (first.headers()["etag"].to_str().expect("a tag").to_owned(), first.headers()["x-slipway-index"].clone());
        let again = ask(&shop.proxy, path, &tag).await;
        assert_eq!((again.status(), &again.headers()["x-slipway-index"]), (StatusCode::NOT_MODIFIED, &index), "{path}");
        assert_eq!(ask(&shop.proxy, path, "\"another\"").await.status(), StatusCode::OK, "{path}");
        let waited = ask(&shop.proxy, &format!("{path}?wait=1"), &tag).await;
        assert_eq!(waited.status(), StatusCode::NOT_MODIFIED, "{path}: nothing else came");
    }
    let before = shop.services().await;
    let index = before["index"].as_u64().expect("a number");
    let after = async { shop.proxy.get(&format!("{SERVICES}?wait={}&index={index}", LONG.as_secs())).await.expect_status(StatusCode::OK).await };
    let change = async {
        work::task_stopping(&shop.worker(), shop.task).await.expect("recorded");
    };
    let (after, ()) = tokio::join!(after, change);
    assert!(after["index"].as_u64() > Some(index), "{after}");
    assert_eq!(after["services"][0]["tasks"][0]["state"], "draining");
    let text = shop.proxy.get("/discovery/nginx/shop/web.conf").await.0.text().await.expect("a text");
    assert!(text.contains(" down; # web.1, draining\n") && text.contains("127.0.0.1:1 down; # nothing serves"), "{text}");
    assert_eq!(shop.proxy.get("/discovery/prometheus.json").await.expect_status(StatusCode::OK).await, json!([]));
    let traefik = shop.proxy.get("/discovery/traefik.json").await.expect_status(StatusCode::OK).await;
    assert_eq!(traefik["http"]["services"]["shop_web_local_0"], json!({"loadBalancer": {"servers": []}}));
}

/// Another service with a task that runs.
async fn another(portal: &TestPortal, who: &Person, project: &str, service: &str) -> TaskId {
    push(who, &format!("{project}/{service}"), "1", b"a layer").await;
    let services = format!("/api/v1/projects/{project}/services");
    who.post(&services, json!({"name": service})).await.expect_status(StatusCode::CREATED).await;
    let body = json!({"environment": "local", "descriptor": {"image": format!("{service}:1")}});
    let made = who.post(&format!("{services}/{service}/deployments"), body).await.expect_status(StatusCode::ACCEPTED).await;
    let task = plant_task(portal, made["id"].as_str().expect("an id")).await;
    #[expect(clippy::disallowed_methods, reason = "without an engine nobody sees a task; the test says what would be seen")]
    let worker = Worker::hire(portal.platform(), "test");
    work::task_running(&worker, task, service, Some("10.208.0.9"), portal.platform().now()).await.expect("recorded");
    task
}

/// Asks until so many services are told; what was told then.
async fn number(who: &Person, wanted: usize) -> Value {
    let began = Instant::now();
    loop {
        let told = who.get(SERVICES).await.expect_status(StatusCode::OK).await;
        let serving = told["services"].as_array().expect("services").iter().filter(|one| one["tasks"] != json!([])).count();
        if serving == wanted {
            return told;
        }
        assert!(began.elapsed() < LONG, "{wanted} services were not told in time: {told}");
    }
}

#[tokio::test]
async fn a_reader_hears_of_a_project_that_it_is_given_or_loses_however_long_ago_that_changed() {
    let shop = Shop::open().await;
    let admin = shop.portal.person("admin");
    let eve = shop.portal.new_person("eve").await;
    shop.portal.new_project("attic", &[("eve", "admin")]).await;
    another(&shop.portal, &eve, "attic", "old").await;
    number(&admin, 2).await;
    // What the reader knows is newer than everything in the other project.
    shop.runs("10.208.0.77").await;
    let dev = shop.portal.person("dev");
    let before = shop.told("its new address", |services| services.to_string().contains("10.208.0.77")).await;
    let index = number(&dev, 1).await["index"].as_u64().expect("a number");
    assert_eq!(json!(index), before["index"]);
    let waiting = async |index: u64| dev.get(&format!("{SERVICES}?wait={}&index={index}", LONG.as_secs())).await.expect_status(StatusCode::OK).await;
    let member = "/api/v1/projects/attic/members/dev";
    let giving = async {
        let given = admin.put(member, json!({"role": "guest"})).await.status();
        assert!(given.is_success(), "{given}");
    };
    let (given, ()) = tokio::join!(waiting(index), giving);
    assert_eq!(given["services"].as_array().map(Vec::len), Some(2), "{given}");
    let later = given["index"].as_u64().expect("a number");
    assert!(later > index, "{later} is no later than {index}");
    let taking = async {
        let taken = admin.delete(member).await.status();
        assert!(taken.is_success(), "{taken}");
    };
    let (lost, ()) = tokio::join!(waiting(later), taking);
    assert_eq!(lost["services"].as_array().map(Vec::len), Some(1), "{lost}");
    assert!(lost["index"].as_u64() > Some(later), "{lost}");
}

#[tokio::test]
async fn what_is_not_asked_for_wakes_nobody() {
    let shop = Shop::open().await;
    let api = another(&shop.portal, &shop.portal.person("dev"), "shop", "api").await;
    let index = number(&shop.proxy, 2).await["index"].as_u64().expect("a number");
    let wait = LONG.as_secs();
    // By number and by tag, over everything of one name.
    let path = format!("{SERVICES}?service=api&wait={wait}&index={index}");
    let traefik = "/discovery/traefik.json?service=web";
    let tag = shop.proxy.get(traefik).await.0.headers()["etag"].to_str().expect("a tag").to_owned();
    let tagged = format!("{traefik}&wait={wait}");
    let figures = async || shop.portal.person("admin").get("/metrics").await.0.text().await.expect("a text");
    let changes = async {
        let began = Instant::now();
        while !figures().await.contains("slipway_streams_open{kind=\"discovery\"} 2") {
            assert!(began.elapsed() < LONG, "nobody waits");
        }
        // Another address in the project's network alone: Traefik is told that of machines.
        shop.runs("10.208.0.55").await;
        shop.told("the change that is not asked for", |services| services.to_string().contains("10.208.0.55")).await;
        work::task_stopping(&shop.worker(), api).await.expect("recorded");
        shop.told("the change of the one", |services| services.to_string().contains("draining")).await;
        work::task_stopping(&shop.worker(), shop.task).await.expect("recorded");
    };
    let (one, routed, ()) = tokio::join!(shop.proxy.get(&path), ask(&shop.proxy, &tagged, &tag), changes);
    let one = one.expect_status(StatusCode::OK).await;
    assert_eq!(one["services"][0]["tasks"][0]["state"], "draining", "it was not woken by the other: {one}");
    let routed: Value = routed.json().await.expect("JSON");
    let servers = &routed["http"]["services"]["shop_web_local_0"]["loadBalancer"]["servers"];
    assert_eq!(servers, &json!([]), "it was not woken before the task that it sends to was to end: {routed}");
}

/// Reads a stream of events until this is in what came.
async fn until(stream: &mut Response, read: &mut String, wanted: &str) {
    while !read.contains(wanted) {
        let piece = tokio::time::timeout(LONG, stream.chunk()).await.expect("in time").expect("a stream").expect("not its end");
        read.push_str(std::str::from_utf8(&piece).expect("a text"));
    }
}

#[tokio::test]
async fn a_stream_tells_everything_and_then_what_changes_and_ends_with_the_permission() {
    let shop = Shop::open().await;
    let mut stream = shop.proxy.get("/discovery/events").await.0;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut read = String::new();
    until(&mut stream, &mut read, "10.208.0.2:8080").await;
    assert!(read.contains("event: services\n") && read.contains("id: "), "{read}");
    shop.runs("10.208.0.77").await;
    until(&mut stream, &mut read, "10.208.0.77:8080").await;
    assert_eq!(read.matches("event: change\n").count(), 1, "{read}");
    let path = "/api/v1/projects/shop/robots/proxy";
    let gone = shop.portal.person("admin").delete(path).await.status();
    assert!(gone.is_success(), "{gone}");
    let ended = async { while stream.chunk().await.expect("a stream").is_some() {} };
    tokio::time::timeout(LONG, ended).await.expect("a stream without a permission ends");
    assert_eq!(shop.proxy.get(SERVICES).await.status(), StatusCode::UNAUTHORIZED);
}

fn web(text: &str) -> Value {
    json!({
        "image": "web:1", "replicas": 2, "env": {"TEXT": text},
        "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 30, "start_period": "20s"},
        "routes": [{"host": "app.example.com", "port": "http"}],
        "update": {"monitor": "0s"}, "stop": {"grace": "1s", "drain": "5s"},
    })
}

/// On the real engine: whatever is told answers, through a whole rolling update, and also while it is told to be on its way out.
#[tokio::test]
async fn what_is_told_answers_also_during_a_rolling_update() {
    let ground = Ground::new().await;
    let proxy = robot(ground.portal(), "shop").await;
    ground.service("web").await;
    ground.deployed("web", web("one")).await;
    let before = ground.running("web").await;
    let id = ground.deploy("web", web("two")).await;
    let (mut index, mut drained, mut looks) = (0, 0, 0);
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < 3 * LONG, "the update does not end");
        let services = proxy.get(&format!("{SERVICES}?service=web&wait=30&index={index}")).await.expect_status(StatusCode::OK).await;
        index = services["index"].as_u64().expect("a number");
        let tasks = services["services"][0]["tasks"].as_array().expect("tasks").clone();
        let serving: Vec<&Value> = tasks.iter().filter(|task| task["state"] == "serving").collect();
        assert!(serving.len() >= 2, "fewer serve than should: {services}");
        for task in &tasks {
            let address = task["ports"][0]["address"].as_str().expect("an address");
            let answered = crate::portal::client().get(format!("http://{address}/")).timeout(Duration::from_secs(5)).send().await;
            let answered = match answered {
                Ok(answer) => answer.status() == StatusCode::OK,
                // Its drain may have ended since; what serves is asked once more at the next look.
                Err(_) => task["state"] == "draining" || !still_serves(&proxy, task).await,
            };
            assert!(answered, "{task} does not answer");
            drained += usize::from(task["state"] == "draining");
        }
        looks += 1;
        let new = serving.iter().all(|task| task["revision"] == 2) && tasks.len() == 2;
        if new {
            break;
        }
    }
    assert!(drained >= 1 && looks >= 3, "old tasks were told to be on their way out: {drained} in {looks} looks");
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    let after = ground.running("web").await;
    assert!(before.iter().all(|task| after.iter().all(|now| now["id"] != task["id"])));
    let traefik = proxy.get("/discovery/traefik.json").await.expect_status(StatusCode::OK).await;
    let servers = traefik["http"]["services"]["shop_web_local_0"]["loadBalancer"]["servers"].as_array().expect("servers").clone();
    let mut told: Vec<String> = servers.iter().map(|server| server["url"].as_str().expect("a URL").to_owned()).collect();
    let mut there: Vec<String> = after.iter().map(|task| format!("http://127.0.0.1:{}", task["ports"][0]["host"])).collect();
    told.sort();
    there.sort();
    assert_eq!(told, there);
}

async fn still_serves(proxy: &Person, task: &Value) -> bool {
    let services = proxy.get(&format!("{SERVICES}?service=web")).await.expect_status(StatusCode::OK).await;
    let tasks = services["services"][0]["tasks"].as_array().expect("tasks").clone();
    tasks.iter().any(|now| now["id"] == task["id"] && now["state"] == "serving")
}

fn alive(task: &Value) -> bool {
    ["preparing", "running", "restarting", "stopping"].contains(&task["state"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn nothing_drains_where_nothing_else_serves() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let mut patient = web("one");
    patient["stop"]["drain"] = json!("5m");
    // The only task ends before the next one begins.
    (patient["replicas"], patient["update"]["order"]) = (json!(1), json!("stop-first"));
    ground.deployed("web", patient.clone()).await;
    patient["env"]["TEXT"] = json!("two");
    ground.deployed("web", patient.clone()).await;
    patient["replicas"] = json!(2);
    ground.deployed("web", patient).await;
    ground.verb("web", "stop", json!({})).await;
    ground.until("web", "the end of what was stopped, long before its drain would be over", |tasks| !tasks.iter().any(alive)).await;
}

#[tokio::test]
async fn a_drain_goes_on_after_the_portal_was_started_again() {
    let mut ground = Ground::new().await;
    ground.service("web").await;
    ground.deployed("web", web("one")).await;
    let before = ground.running("web").await;
    let id = ground.deploy("web", web("two")).await;
    ground.until("web", "an old task that drains", |tasks| tasks.iter().any(|task| task["state"] == "stopping")).await;
    ground.restart().await;
    assert_eq!(ground.over("web", &id).await["state"], "succeeded");
    let after = ground.running("web").await;
    assert!(after.len() == 2 && before.iter().all(|task| after.iter().all(|now| now["id"] != task["id"])));
}

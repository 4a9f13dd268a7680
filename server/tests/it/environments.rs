//! Environments and machines that operators add: through the API and the pages, and on real engines elsewhere, over TLS and SSH.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::far::Far;
use crate::ground::push_busybox;
use crate::portal::{Person, TestPortal};

/// Longest wait for anything; a busy machine is slow.
const LONG: Duration = Duration::from_secs(90);

fn web() -> Value {
    json!({
        "image": "web:1", "ports": [{"name": "http", "container": 8080}],
        "health": {"http": {"port": 8080, "path": "/"}, "interval": "500ms", "timeout": "400ms", "retries": 3, "start_period": "1s"},
        "update": {"monitor": "0s"}, "stop": {"grace": "0s"},
    })
}

/// A portal with the project `shop`, its image and its people.
struct Site {
    portal: TestPortal,
    admin: Person,
    developer: Person,
}

impl Site {
    async fn of(portal: TestPortal) -> Self {
        let (developer, admin) = (portal.new_person("dora").await, portal.person("admin"));
        portal.new_person("ada").await;
        portal.new_project("shop", &[("dora", "developer"), ("ada", "admin")]).await;
        push_busybox(&developer, "shop/web", "1", "hello").await;
        Self { portal, admin, developer }
    }

    async fn environment(&self, name: &str, body: Value) {
        let answer = self.admin.put(&format!("/api/v1/environments/{name}"), body).await;
        assert!(answer.status().is_success(), "{:?}", answer.0.text().await);
    }

    async fn service(&self, name: &str) {
        self.developer.post("/api/v1/projects/shop/services", json!({"name": name})).await.expect_status(StatusCode::CREATED).await;
    }

    async fn deploy(&self, service: &str, environment: &str, descriptor: Value) -> String {
        let path = format!("/api/v1/projects/shop/services/{service}/deployments");
        let body = json!({"environment": environment, "descriptor": descriptor});
        let made = self.developer.post(&path, body).await.expect_status(StatusCode::ACCEPTED).await;
        format!("{path}/{}", made["id"].as_str().expect("an id"))
    }

    async fn succeeded(&self, deployment: &str) {
        let view = self.developer.get(&format!("{deployment}?wait={}", LONG.as_secs())).await.expect_status(StatusCode::OK).await;
        assert_eq!(view["state"], "succeeded", "{view}");
    }

    async fn task(&self, service: &str, environment: &str) -> Value {
        let path = format!("/api/v1/projects/shop/services/{service}/tasks?environment={environment}");
        let listed = self.developer.get(&path).await.expect_status(StatusCode::OK).await;
        listed["items"].as_array().expect("items").iter().find(|task| task["state"] == "running").expect("one that runs").clone()
    }

    async fn machine(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let listed = self.admin.get("/api/v1/machines").await.expect_status(StatusCode::OK).await;
            let found = listed["items"].as_array().expect("items").iter().find(|one| one["name"] == name).cloned();
            if let Some(found) = found.filter(|found| wanted(found)) {
                return found;
            }
            assert!(began.elapsed() < LONG, "{listed}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn test(&self, path: &str, body: Value) -> Value {
        self.admin.post(&format!("/api/v1/environments/{path}/test"), body).await.expect_status(StatusCode::OK).await
    }
}

/// What a task answers at the address that its link leads to.
async fn answer(task: &Value) -> String {
    let url = format!("http://{}:{}/", task["host"].as_str().expect("a host"), task["ports"][0]["host"]);
    let answer = crate::portal::client().get(url).timeout(Duration::from_secs(5)).send().await;
    answer.expect("an answer").text().await.expect("a body").trim().to_owned()
}

/// The step of a test.
fn step<'a>(test: &'a Value, name: &str) -> (&'a str, &'a str) {
    let found = test["steps"].as_array().expect("steps").iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name}: {test}"));
    (found["state"].as_str().expect("a state"), found["message"].as_str().expect("a message"))
}

fn over_tls(far: &Far) -> Value {
    json!({
        "engine": format!("tcp://{}:2376", far.address()),
        "tls": {"ca": far.file("tls/ca.pem"), "certificate": far.file("tls/client.pem"), "key": far.file("tls/client-key.pem")},
    })
}

fn over_ssh(far: &Far) -> Value {
    json!({
        "engine": format!("ssh://root@{}{}", far.address(), far.folder().join("engine/docker.sock").display()),
        "ssh": {"key": far.file("ssh/client"), "host_key": far.file("ssh/host.pub")},
    })
}

fn with(mut body: Value, path: &[&str], value: Value) -> Value {
    let mut place = &mut body;
    for part in path {
        place = &mut place[*part];
    }
    *place = value;
    body
}

/// The engine of the environment `ssh` takes connections and answers nothing: what asks it waits, and nothing else does.
async fn one_that_hangs_harms_no_other(site: &Site, far: &Far) {
    let task = site.task("web", "ssh").await;
    let admin = site.portal.browser("admin").await;
    far.freeze();
    let began = Instant::now();
    // At once, while nobody knows yet that it hangs.
    for machine in ["ssh/machines/ssh-1", "local/machines/local"] {
        let path = format!("/api/v1/environments/{machine}/pruning");
        site.admin.post(&path, json!({"dry_run": true})).await.expect_status(StatusCode::ACCEPTED).await;
    }
    let waits = site.deploy("web", "ssh", with(web(), &["env"], json!({"ROUND": "3"}))).await;
    let others = async {
        for environment in ["local", "tls"] {
            site.succeeded(&site.deploy("web", environment, with(web(), &["env"], json!({"ROUND": "3"}))).await).await;
        }
        let deployed = began.elapsed();
        assert!(deployed < Duration::from_secs(60), "{deployed:?}");
        for path in ["/environments", "/projects/shop/services/web", "/admin/environments", "/admin/environments/ssh"] {
            let began = Instant::now();
            assert_eq!(admin.open(path).await.status(), StatusCode::OK, "{path}");
            assert!(began.elapsed() < Duration::from_secs(10), "{path} took {:?}", began.elapsed());
        }
    };
    let pruned = async {
        loop {
            let view = site.admin.get("/api/v1/environments/local/machines/local/pruning").await.expect_status(StatusCode::OK).await;
            if view["items"].as_array().expect("items").iter().all(|run| run["state"] != "queued") {
                return began.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let inspected = async {
        let path = format!("/api/v1/tasks/{}/inspect", task["id"].as_str().expect("an id"));
        let asked = site.developer.get(&path).await.status();
        (asked, began.elapsed())
    };
    let listed = async { site.admin.get("/api/v1/foreign-containers").await.expect_status(StatusCode::OK).await };
    let ((), pruned, (asked, after), listed) = tokio::join!(others, pruned, inspected, listed);
    assert!(pruned < Duration::from_secs(45), "the local disk did not wait: {pruned:?}");
    assert_eq!(asked, StatusCode::SERVICE_UNAVAILABLE);
    assert!(after < Duration::from_secs(45), "who asks it is told in time: {after:?}");
    assert_eq!(listed["away"], json!(["ssh-1"]), "{listed}");
    site.machine("ssh-1", |machine| machine["state"] == "away").await;
    let view = site.developer.get(&waits).await.expect_status(StatusCode::OK).await;
    assert_ne!(view["state"], "succeeded", "{view}");

    far.thaw();
    site.machine("ssh-1", |machine| machine["state"] == "up").await;
    site.succeeded(&site.deploy("web", "ssh", with(web(), &["env"], json!({"ROUND": "4"}))).await).await;
    assert_eq!(answer(&site.task("web", "ssh").await).await, "hello");
}

#[tokio::test]
async fn services_run_on_several_engines_at_once_and_one_that_goes_away_or_hangs_harms_no_other() {
    let (Some(one), Some(two)) = (Far::start(), Far::start()) else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let port = site.portal.running.port;
    for (name, far, body) in [("tls", &one, over_tls(&one)), ("ssh", &two, over_ssh(&two))] {
        site.environment(name, json!({"registry_address": format!("{}:{port}", far.ours()), "projects": ["shop"]})).await;
        let path = format!("/api/v1/environments/{name}/machines/{name}-1");
        let made = site.admin.put(&path, body).await.expect_status(StatusCode::CREATED).await;
        assert_eq!(made["test"]["passed"], true, "{made}");
        site.machine(&format!("{name}-1"), |machine| machine["state"] == "up").await;
    }
    site.service("web").await;
    site.service("peer").await;
    let everywhere = ["local", "tls", "ssh"];
    let (local, tls, ssh) = tokio::join!(site.deploy("web", "local", web()), site.deploy("web", "tls", web()), site.deploy("web", "ssh", web()),);
    for deployment in [&local, &tls, &ssh] {
        site.succeeded(deployment).await;
    }
    for (environment, host) in everywhere.into_iter().zip(["127.0.0.1".to_owned(), one.address(), two.address()]) {
        let task = site.task("web", environment).await;
        assert_eq!(answer(&task).await, "hello", "in {environment}");
        if environment != "local" {
            assert_eq!(task["host"], host, "the link leads to the machine");
        }
    }

    // Services of a project reach each other by name, wherever they run; logs and shells go the same way.
    let peer = json!({"image": "web:1", "command": ["sleep", "1000"], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}});
    for (environment, far) in [("tls", &one), ("ssh", &two)] {
        site.succeeded(&site.deploy("peer", environment, peer.clone()).await).await;
        let container = site.task("peer", environment).await["container"].as_str().expect("a container").to_owned();
        assert_eq!(far.docker(&["exec", &container, "busybox", "wget", "-q", "-O", "-", "http://web:8080/"]), "hello");
    }

    // One goes away: it is said since when and why, and the others deploy on.
    one.pause();
    let away = site.machine("tls-1", |machine| machine["state"] == "away").await;
    assert!(away["since"].is_i64() && !away["message"].as_str().expect("why").is_empty(), "{away}");
    let waits = site.deploy("web", "tls", with(web(), &["env"], json!({"ROUND": "2"}))).await;
    let began = Instant::now();
    for environment in ["local", "ssh"] {
        site.succeeded(&site.deploy("web", environment, with(web(), &["env"], json!({"ROUND": "2"}))).await).await;
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let view = site.developer.get(&waits).await.expect_status(StatusCode::OK).await;
    assert_eq!(view["state"], "queued", "{view}");

    // What runs there is not moved, and the environment is not removed; the others are still spoken with.
    let refused = site.admin.delete("/api/v1/environments/tls").await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.0.text().await.expect("a problem").contains("shop/web"));
    one.resume();
    site.machine("tls-1", |machine| machine["state"] == "up").await;
    site.succeeded(&waits).await;
    assert_eq!(answer(&site.task("web", "tls").await).await, "hello");

    one_that_hangs_harms_no_other(&site, &two).await;

    for service in ["web", "peer"] {
        site.portal.person("ada").delete(&format!("/api/v1/projects/shop/services/{service}")).await;
    }
    for far in [&one, &two] {
        let began = Instant::now();
        while !far.docker(&["ps", "-aq"]).is_empty() {
            assert!(began.elapsed() < LONG, "containers are left");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    for name in ["tls", "ssh"] {
        site.admin.delete(&format!("/api/v1/environments/{name}")).await.expect_status(StatusCode::NO_CONTENT).await;
    }
}

#[tokio::test]
async fn the_test_of_a_connection_over_tls_says_what_is_wrong() {
    let Some(far) = Far::start() else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let port = site.portal.running.port;
    site.environment("far", json!({"registry_address": format!("{}:{port}", far.ours()), "projects": []})).await;
    let machine = "far/machines/m";
    let good = over_tls(&far);
    let test = site.test(machine, good.clone()).await;
    assert_eq!(test["passed"], true, "{test}");
    for name in ["reach", "identity", "engine", "clock", "registry"] {
        assert_eq!(step(&test, name).0, "ok", "{test}");
    }
    assert!(step(&test, "registry").1.contains(&format!("{}:{port}", far.ours())));

    let identity = async |body: Value| {
        let test = site.test(machine, body).await;
        let (state, message) = step(&test, "identity");
        assert_eq!((state, test["passed"].as_bool()), ("failed", Some(false)), "{test}");
        message.to_owned()
    };
    let other = far.file("tls/other.pem");
    assert!(identity(with(good.clone(), &["tls", "ca"], json!(other))).await.contains("not signed by the authority"));
    let stranger = json!({"ca": far.file("tls/ca.pem"), "certificate": far.file("tls/stranger.pem"), "key": far.file("tls/stranger-key.pem")});
    assert!(identity(with(good.clone(), &["tls"], stranger)).await.contains("refuses the portal's certificate"));
    let bare = identity(with(good.clone(), &["tls"], json!({"ca": far.file("tls/ca.pem")}))).await;
    assert!(bare.contains("asks for a certificate"), "{bare}");
    let plain = identity(json!({"engine": good["engine"], "without_tls": true})).await;
    assert!(plain.contains("speaks TLS at this port"), "{plain}");
    let mixed = with(good.clone(), &["tls", "key"], json!(far.file("tls/stranger-key.pem")));
    assert!(identity(mixed).await.contains("do not belong together"));
    // The certificate is made out to the machine's address: the portal's own is another name for nobody.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let relay = listener.local_addr().expect("an address").port();
    let target = format!("{}:2376", far.address());
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                if let Ok(mut to) = tokio::net::TcpStream::connect(target).await {
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    let named = identity(with(good.clone(), &["engine"], json!(format!("tcp://localhost:{relay}")))).await;
    assert!(named.contains(&far.address()) && named.contains("not to localhost"), "{named}");

    // The way there.
    let reach = async |engine: &str| {
        let test = site.test(machine, with(good.clone(), &["engine"], json!(engine))).await;
        assert_eq!(step(&test, "engine").0, "skipped");
        step(&test, "reach").1.to_owned()
    };
    assert!(reach(&format!("tcp://{}:1", far.address())).await.contains("no engine listens there"));
    assert!(reach("tcp://no-such-machine.invalid:2376").await.contains("cannot be resolved"));

    // The registry as the engine reaches it.
    let registry = async |address: &str| {
        site.environment("far", json!({"registry_address": address, "projects": []})).await;
        let test = site.test(machine, good.clone()).await;
        let (state, message) = step(&test, "registry");
        assert_eq!(state, "failed", "{test}");
        message.to_owned()
    };
    let absent = registry(&format!("{}:1", far.ours())).await;
    assert!(absent.contains("does not reach the portal's registry"), "{absent}");
    let ran = std::process::Command::new("ip").args(["address", "replace", "10.98.0.1/32", "dev", &far.card()]).status();
    assert!(ran.is_ok_and(|status| status.success()));
    let insecure = registry(&format!("10.98.0.1:{port}")).await;
    assert!(insecure.contains("insecure-registries"), "{insecure}");

    // Saved only after a test that passed; the same engine is no second machine, however it is reached.
    site.environment("far", json!({"registry_address": format!("{}:{port}", far.ours()), "projects": []})).await;
    let wrong = with(good.clone(), &["tls", "ca"], json!(other));
    let refused = site.admin.put("/api/v1/environments/far/machines/m", wrong).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.0.text().await.expect("a problem").contains("machine_test_failed"));
    site.admin.put("/api/v1/environments/far/machines/m", good.clone()).await.expect_status(StatusCode::CREATED).await;
    site.machine("m", |machine| machine["state"] == "up").await;
    let twin = site.test("far/machines/n", over_ssh(&far)).await;
    assert!(step(&twin, "same_engine").1.contains("of the machine m already"), "{twin}");

    // No key comes out again.
    let secret = far.file("tls/client-key.pem").lines().nth(1).expect("a line").to_owned();
    let seen = site.admin.get("/api/v1/environments/far").await.expect_status(StatusCode::OK).await;
    let audit = site.admin.get("/api/v1/audit").await.expect_status(StatusCode::OK).await;
    let page = site.portal.browser("admin").await.open("/admin/environments/far/machines/m").await;
    for text in [seen.to_string(), audit.to_string(), page.text().await.expect("a page")] {
        assert!(!text.contains(&secret) && text.contains(&far.address()));
    }
}

#[tokio::test]
async fn the_test_of_a_connection_over_ssh_says_what_is_wrong() {
    let Some(far) = Far::start() else { return };
    let site = Site::of(TestPortal::start_for_far_engines().await).await;
    let port = site.portal.running.port;
    site.environment("far", json!({"registry_address": format!("{}:{port}", far.ours()), "projects": []})).await;
    let machine = "far/machines/m";
    let good = over_ssh(&far);

    // Nobody confirmed its key yet: it is shown, and nothing is said to it.
    let unknown = with(good.clone(), &["ssh"], json!({"key": far.file("ssh/client")}));
    let test = site.test(machine, unknown.clone()).await;
    let fingerprint = test["host_key"]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let printed = std::process::Command::new("ssh-keygen").arg("-lf").arg(far.folder().join("ssh/host.pub")).output().expect("ssh-keygen");
    assert!(String::from_utf8_lossy(&printed.stdout).contains(&fingerprint), "{fingerprint}");
    assert!(step(&test, "identity").1.contains(&fingerprint), "{test}");
    assert!(!std::fs::read_to_string(far.folder().join("sshd.log")).expect("a log").contains("Accepted"));
    let confirmed = with(unknown, &["ssh", "host_key"], test["host_key"]["key"].clone());
    let test = site.test(machine, confirmed.clone()).await;
    assert_eq!(test["passed"], true, "{test}");
    assert!(step(&test, "identity").1.contains("lets root in"));
    let rsa = site.test(machine, with(confirmed.clone(), &["ssh", "key"], json!(far.file("ssh/rsa")))).await;
    assert_eq!(rsa["passed"], true, "{rsa}");

    let failed = async |name: &str, body: Value| {
        let test = site.test(machine, body).await;
        let (state, message) = step(&test, name);
        assert_eq!(state, "failed", "{test}");
        message.to_owned()
    };
    let changed = failed("identity", with(good.clone(), &["ssh", "host_key"], json!(far.file("ssh/host2.pub")))).await;
    assert!(changed.contains("another key") && changed.contains(&fingerprint), "{changed}");
    let stranger = failed("identity", with(good.clone(), &["ssh", "key"], json!(far.file("ssh/host2")))).await;
    assert!(stranger.contains("authorized_keys") && stranger.contains("ssh-ed25519 "), "{stranger}");
    let locked = failed("identity", with(good.clone(), &["ssh", "key"], json!(far.file("ssh/locked")))).await;
    assert!(locked.contains("passphrase"), "{locked}");
    let socket = failed("reach", with(good.clone(), &["engine"], json!(format!("ssh://root@{}/nowhere.sock", far.address())))).await;
    assert!(socket.contains("/nowhere.sock") && socket.contains("group docker"), "{socket}");
    let other = failed("reach", with(good.clone(), &["engine"], json!(format!("ssh://root@{}:2376", far.address())))).await;
    assert!(other.contains("no SSH server"), "{other}");

    site.admin.put("/api/v1/environments/far/machines/m", confirmed).await.expect_status(StatusCode::CREATED).await;
    let up = site.machine("m", |machine| machine["state"] == "up").await;
    assert!(up["tested_at"].is_i64() && up["guard"] == "ssh", "{up}");
    // The kept key opens the way again, without being sent.
    let again = site.test(machine, json!({})).await;
    assert_eq!(again["passed"], true, "{again}");

    // One connection carries all calls: a call costs no new handshake.
    let keys = domain::ports::SshKeys { key: model::secret::Secret::new(far.file("ssh/client")), host_key: Some(far.file("ssh/host.pub")) };
    let address = good["engine"].as_str().expect("an address").parse().expect("an address");
    let docker = engine::docker::Docker::through(domain::ports::EngineDoor { address, tls: None, ssh: Some(keys) });
    let began = Instant::now();
    docker.ping().await.expect("it answers");
    let first = began.elapsed();
    let began = Instant::now();
    for _ in 0..50 {
        docker.ping().await.expect("it answers");
    }
    eprintln!("over SSH: first call {first:?}, then {:?} each", began.elapsed() / 50);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?} for 50 calls", began.elapsed());
}

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

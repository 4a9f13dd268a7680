//! Events on a real engine: how tasks ended, what others' containers do, who sees it, and that nothing is missing or there twice after the portal was
//! away in the middle of a storm.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::clock::{Clock as _, MachineClock};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::ground::{Ground, docker};
use crate::portal::Person;

/// What should happen happens within this time; a busy machine is slow.
const LONG: Duration = Duration::from_secs(90);
const SERVICE: &str = "/api/v1/projects/shop/services";
const MACHINE: &str = "/api/v1/machines/local/events";

/// A task that does this, and that the engine does not start again.
fn task(script: &str) -> Value {
    json!({"image": "web:1", "command": ["sh", "-c", script], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}, "restart": {"policy": "never"}})
}

/// Waits until it is told to go on.
fn told(then: &str) -> String {
    format!("until test -e /tmp/go; do sleep 0.05; done; {then}")
}

fn tell(container: &str) {
    docker(&["exec", container, "sh", "-c", ": >/tmp/go"]);
}

async fn page(person: &Person, path: &str) -> Value {
    person.get(path).await.expect_status(StatusCode::OK).await
}

/// All events that a list has, through all its pages.
async fn all(person: &Person, path: &str) -> Vec<Value> {
    let sign = if path.contains('?') { '&' } else { '?' };
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let part = page(person, &format!("{path}{sign}limit=200{after}")).await;
        found.extend(part["items"].as_array().expect("items").iter().cloned());
        match part["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}

/// Waits until one of the newest events is as wanted.
async fn until(person: &Person, path: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let found = page(person, path).await;
        if let Some(event) = found["items"].as_array().expect("items").iter().find(|event| wanted(event)) {
            return event.clone();
        }
        assert!(began.elapsed() < LONG, "{what} was not told: {found:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn container(ground: &Ground, service: &str) -> String {
    ground.running(service).await[0]["container"].as_str().expect("a container").to_owned()
}

fn of(container: &str, kind: &str) -> impl Fn(&Value) -> bool {
    move |event| event["container"] == container && event["kind"] == kind
}

#[tokio::test]
async fn an_end_is_told_with_its_code_its_signal_and_its_reason() {
    let ground = Ground::new().await;
    let events = |service: &str| format!("{SERVICE}/{service}/events");
    ground.service("code").await;
    ground.deployed("code", task(&told("exit 3"))).await;
    let id = container(&ground, "code").await;
    tell(&id);
    let died = until(&ground.developer, &events("code"), "the end", of(&id, "died")).await;
    assert_eq!(
        (&died["exit_code"], &died["signal"], &died["oom"], &died["planned"]),
        (&json!(3), &Value::Null, &json!(false), &json!(false)),
        "{died}"
    );
    assert_eq!((&died["project"], &died["service"], &died["environment"]), (&json!("shop"), &json!("code"), &json!("local")));
    assert_eq!((&died["slot"], &died["revision"], &died["recovered"]), (&json!(1), &json!(1), &json!(false)));
    assert!(died["image"].as_str().is_some_and(|image| image.contains("shop/web")), "{died}");

    ground.service("killed").await;
    ground.deployed("killed", task("exec sleep 1000")).await;
    let id = container(&ground, "killed").await;
    docker(&["kill", &id]);
    let died = until(&ground.developer, &events("killed"), "the end", of(&id, "died")).await;
    assert_eq!((&died["exit_code"], &died["signal"], &died["oom"]), (&json!(137), &json!(9), &json!(false)), "{died}");
    let killed = until(&ground.developer, &events("killed"), "the signal", of(&id, "killed")).await;
    assert_eq!(killed["signal"], 9);

    ground.service("greedy").await;
    let mut greedy = task(&told("exec busybox dd if=/dev/zero of=/dev/null bs=512M count=1"));
    greedy["resources"] = json!({"memory": "16MiB"});
    ground.deployed("greedy", greedy).await;
    let id = container(&ground, "greedy").await;
    tell(&id);
    let died = until(&ground.developer, &events("greedy"), "want of memory", |event| of(&id, "died")(event) && event["oom"] == true).await;
    assert_eq!((&died["exit_code"], &died["signal"]), (&json!(137), &json!(9)), "{died}");

    // A task that Slipway ends is no failure.
    ground.service("stopped").await;
    ground.deployed("stopped", task("exec sleep 1000")).await;
    let id = container(&ground, "stopped").await;
    ground.verb("stopped", "stop", json!({})).await;
    let died = until(&ground.developer, &events("stopped"), "the end", of(&id, "died")).await;
    assert_eq!((&died["planned"], &died["oom"]), (&json!(true), &json!(false)), "{died}");
}

#[tokio::test]
async fn what_a_health_check_printed_is_told_without_secrets() {
    let ground = Ground::new().await;
    ground.service("web").await;
    let mut web = task("busybox touch /tmp/up; exec sleep 1000");
    web["env"] = json!({"API_TOKEN": "hunter2-hunter2"});
    let check = "echo it is $API_TOKEN; test -e /tmp/up";
    web["health"] = json!({"command": ["sh", "-c", check], "interval": "5s", "timeout": "5s", "retries": 1, "start_period": "0s"});
    ground.deployed("web", web).await;
    let id = container(&ground, "web").await;
    let events = format!("{SERVICE}/web/events");
    until(&ground.developer, &events, "that it is healthy", of(&id, "healthy")).await;
    docker(&["exec", &id, "busybox", "rm", "/tmp/up"]);
    let sick = until(&ground.developer, &events, "that it is unhealthy", of(&id, "unhealthy")).await;
    assert_eq!(sick["output"], "it is (hidden)", "{sick}");
    // The engine's own record has it.
    assert!(!page(&ground.developer, &events).await.to_string().contains("hunter2"));

    // A check that Slipway makes itself.
    ground.service("probed").await;
    let script = "busybox httpd -p 8080 -h /www; exec sleep 1000";
    let mut probed = task(script);
    probed["health"] = json!({"http": {"port": 8080, "path": "/"}, "interval": "2s", "timeout": "2s", "retries": 2, "start_period": "20s"});
    ground.deployed("probed", probed).await;
    let id = container(&ground, "probed").await;
    let events = format!("{SERVICE}/probed/events");
    until(&ground.developer, &events, "that it is healthy", of(&id, "healthy")).await;
    docker(&["exec", &id, "busybox", "rm", "/www/index.html"]);
    let sick = until(&ground.developer, &events, "that it is unhealthy", of(&id, "unhealthy")).await;
    assert!(sick["output"].as_str().is_some_and(|output| output.contains("404")), "{sick}");
}

/// A name that no other test gives.
fn own_name(what: &str) -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

/// Removes containers that were made by hand.
struct ByHand(Vec<String>);

impl Drop for ByHand {
    fn drop(&mut self) {
        let names: Vec<&str> = self.0.iter().map(String::as_str).collect();
        let _ = std::process::Command::new("docker").arg("--host").arg(crate::ground::engine()).args(["rm", "-f"]).args(names).output();
    }
}

/// An image that is on the engine, by the name that the service `web` has it under.
async fn image(ground: &Ground) -> String {
    ground.service("web").await;
    ground.deployed("web", task("exec sleep 1000")).await;
    docker(&["inspect", "--format", "{{.Config.Image}}", &container(ground, "web").await])
}

#[tokio::test]
async fn others_containers_are_noted_for_operators_and_left_alone() {
    let ground = Ground::new().await;
    let image = image(&ground).await;
    let name = own_name("by-hand");
    let _made = ByHand(vec![name.clone()]);
    docker(&["run", "-d", "--name", &name, &image, "sh", "-c", "exit 7"]);
    let operator = ground.portal().person("admin");
    let died = until(&operator, &format!("{MACHINE}?kind=died&limit=200"), "the end", |event| event["name"] == name && event["kind"] == "died").await;
    assert_eq!((&died["exit_code"], &died["project"], &died["task"]), (&json!(7), &Value::Null, &Value::Null), "{died}");
    until(&operator, &format!("{MACHINE}?kind=created&limit=200"), "that it was made", |event| event["name"] == name && event["kind"] == "created")
        .await;
    assert_eq!(docker(&["inspect", "--format", "{{.State.Status}}", &name]), "exited", "nothing was done to it");

    assert_eq!(ground.developer.get(MACHINE).await.status(), StatusCode::FORBIDDEN);
    for person in [&ground.developer, &operator] {
        let seen = all(person, "/api/v1/events").await;
        assert!(!seen.is_empty() && seen.iter().all(|event| event["service"] == "web"), "{seen:?}");
    }
    let seen = all(&operator, "/api/v1/events?others=true&kind=died&environment=local").await;
    let told = seen.iter().find(|event| event["name"] == name).expect("what was made by hand");
    assert_eq!((&told["id"], &told["project"]), (&died["id"], &Value::Null));
    let seen = all(&operator, "/api/v1/events?others=true").await;
    assert!(seen.iter().any(|event| event["service"] == "web"), "beside what Slipway made: {seen:?}");
    let answer = operator.request(reqwest::Method::GET, "/api/v1/events?others=true&limit=1").send().await.expect("an answer");
    let link = answer.headers()["link"].to_str().expect("text").to_owned();
    assert!(link.contains("others=true&limit=1&after="), "{link}");
    let stranger = ground.portal().new_person("eve").await;
    for person in [&ground.developer, &stranger] {
        assert_eq!(person.get("/api/v1/events?others=true").await.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(all(&stranger, "/api/v1/events").await, Vec::<Value>::new());
    assert_eq!(stranger.get(&format!("{SERVICE}/web/events")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_come_in_pages_and_what_is_asked_wrongly_is_refused_by_field() {
    let ground = Ground::new().await;
    image(&ground).await;
    let path = format!("{SERVICE}/web/events");
    until(&ground.developer, &path, "the start", |event| event["kind"] == "started").await;
    let id = container(&ground, "web").await;
    docker(&["pause", &id]);
    docker(&["unpause", &id]);
    until(&ground.developer, &path, "that it goes on", |event| event["kind"] == "resumed").await;
    let everything = all(&ground.developer, &path).await;
    let kinds: Vec<&str> = everything.iter().map(|event| event["kind"].as_str().expect("a word")).collect();
    assert_eq!(kinds, ["resumed", "paused", "started", "created"]);
    let first = page(&ground.developer, &format!("{path}?limit=2")).await;
    let second = page(&ground.developer, &format!("{path}?limit=2&after={}", first["next"].as_str().expect("more"))).await;
    assert_eq!((&first["items"][1], &second["items"][0]), (&everything[1], &everything[2]));
    let back = page(&ground.developer, &format!("{path}?limit=2&before={}", second["previous"].as_str().expect("newer ones"))).await;
    assert_eq!(back["items"], first["items"]);
    let answer = ground.developer.request(reqwest::Method::GET, &format!("{path}?limit=1&kind=started")).send().await.expect("an answer");
    assert!(answer.headers().get("link").is_none(), "there is one alone");
    let answer = ground.developer.request(reqwest::Method::GET, &format!("{path}?limit=1&environment=local")).send().await.expect("an answer");
    let link = answer.headers()["link"].to_str().expect("text").to_owned();
    assert!(link.contains("environment=local&limit=1&after=") && link.contains("rel=\"next\""), "{link}");
    let task = everything[0]["task"].as_str().expect("a task");
    assert_eq!(all(&ground.developer, &format!("{path}?task={task}&kind=paused")).await.len(), 1);
    assert_eq!(all(&ground.developer, &format!("{path}?until=1h")).await.len(), 0);

    for (query, field) in [
        ("kind=exploded", "kind"),
        ("task=1", "task"),
        ("since=yesterday", "since"),
        ("until=soon", "until"),
        ("others=all", "others"),
        ("others=true", "others"),
        ("after=12", "after"),
        ("after=1.0193a000-0000-7000-8000-000000000000&before=1.0193a000-0000-7000-8000-000000000000", "before"),
    ] {
        let problem = ground.developer.get(&format!("{path}?{query}")).await.expect_status(StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
    assert_eq!(ground.developer.get(&format!("{path}?knd=died")).await.status(), StatusCode::BAD_REQUEST, "a word that is not known is not ignored");
    assert_eq!(ground.portal().person("admin").get("/api/v1/machines/none/events").await.status(), StatusCode::NOT_FOUND);
}

/// Containers of which each ends with a code of its own as soon as it is started.
struct Storm {
    containers: Vec<(String, String, i64)>,
    _made: ByHand,
    began: String,
}

const CONTAINERS: usize = 8;
const ROUNDS: usize = 5;

impl Storm {
    fn gather(image: &str) -> Self {
        let began = MachineClock.now().rfc3339();
        let prefix = own_name("storm");
        let names: Vec<String> = (0..CONTAINERS).map(|n| format!("{prefix}-{n}")).collect();
        let made = ByHand(names.clone());
        let make = |(n, name): (usize, String)| {
            let code = i64::try_from(n % 5).expect("small");
            let id = docker(&["create", "--name", &name, image, "sh", "-c", &format!("exit {code}")]);
            (name, id, code)
        };
        Self { containers: names.into_iter().enumerate().map(make).collect(), _made: made, began }
    }

    /// Starts each of them once, some at a time, and waits until each has ended.
    fn blow(&self) {
        std::thread::scope(|scope| {
            for part in self.containers.chunks(CONTAINERS / 4) {
                scope.spawn(move || {
                    let names: Vec<&str> = part.iter().map(|(name, ..)| name.as_str()).collect();
                    docker(&[&["start"][..], names.as_slice()].concat());
                    docker(&[&["wait"][..], names.as_slice()].concat());
                });
            }
        });
    }

    /// How often each ended, and with what, as events tell it.
    async fn deaths(&self, operator: &Person) -> BTreeMap<String, Vec<Value>> {
        let mut deaths: BTreeMap<String, Vec<Value>> = self.containers.iter().map(|(_, id, _)| (id.clone(), Vec::new())).collect();
        for event in all(operator, &format!("{MACHINE}?kind=died&since={}", self.began)).await {
            if let Some(of) = event["container"].as_str().and_then(|id| deaths.get_mut(id)) {
                of.push(event);
            }
        }
        deaths
    }

    async fn until(&self, operator: &Person, rounds: usize) -> BTreeMap<String, Vec<Value>> {
        let began = Instant::now();
        loop {
            let deaths = self.deaths(operator).await;
            if deaths.values().all(|of| of.len() >= rounds) {
                return deaths;
            }
            let counts: Vec<usize> = deaths.values().map(Vec::len).collect();
            assert!(began.elapsed() < LONG, "after {rounds} rounds so many ends are told of each: {counts:?}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

/// Containers that start and end again and again, and in the middle the portal is restarted, twice: what happened while it was away the engine remembers,
/// or its containers show. 200 of them, with an engine that goes as well, are in `end2end/events.test.mjs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_is_told_whole_and_once_though_the_portal_was_away_in_it() {
    let mut ground = Ground::new().await;
    let image = image(&ground).await;
    let storm = Storm::gather(&image);
    let mut rounds = 0;
    for away in [1, 3] {
        while rounds < away {
            tokio::task::block_in_place(|| storm.blow());
            rounds += 1;
        }
        storm.until(&ground.portal().person("admin"), rounds).await;
        // One life of each while nobody listens: more of them than one, and other tests' too, an engine may forget.
        ground.restart_after(|| tokio::task::block_in_place(|| storm.blow())).await;
        rounds += 1;
        // What it forgot its containers show, until they live again.
        storm.until(&ground.portal().person("admin"), rounds).await;
    }
    while rounds < ROUNDS {
        tokio::task::block_in_place(|| storm.blow());
        rounds += 1;
    }
    let operator = ground.portal().person("admin");
    storm.until(&operator, ROUNDS).await;
    // What is found out by a look comes last, and must find nothing that is there.
    tokio::time::sleep(Duration::from_secs(8)).await;
    for (id, deaths) in storm.deaths(&operator).await {
        let (name, _, code) = storm.containers.iter().find(|(_, of, _)| *of == id).expect("one of them");
        assert_eq!(deaths.len(), ROUNDS, "{name} ended {ROUNDS} times: {deaths:#?}");
        assert!(deaths.iter().all(|death| death["exit_code"] == *code), "{name}: {deaths:#?}");
        let finished = docker(&["inspect", "--format", "{{.State.FinishedAt}}", name]);
        let finished = model::time::Millis::parse_rfc3339(&finished).expect("a time").0;
        let told = deaths[0]["at"].as_i64().expect("a time");
        assert!(told >= finished && told < finished + 60_000, "the last end of {name} was at {finished}, and is told at {told}");
    }
    let starts = all(&operator, &format!("{MACHINE}?kind=started&since={}", storm.began)).await;
    let starts = starts.iter().filter(|event| storm.containers.iter().any(|(_, id, _)| event["container"] == *id)).count();
    assert_eq!(starts, CONTAINERS * ROUNDS);
}

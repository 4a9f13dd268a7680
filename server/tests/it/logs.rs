//! Logs through every door, without an engine: the store is filled as a collector fills it, and read as pages and programs read it.

mod following;
mod keeping;

use std::time::Duration;

use ::logs::{Batch, Kind, Record, Stream, StreamKey};
use model::ids::{EnvironmentId, ProjectId, ServiceId};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::portal::{Browser, Person, TestPortal};

/// What should happen happens within this time.
const SOON: Duration = Duration::from_secs(90);
const LOGS: &str = "/api/v1/projects/shop/services/web/logs";
const PAGES: &str = "/projects/shop/services/web/logs";
/// Two tasks whose containers, and rows, are long gone.
const TASKS: [&str; 2] = ["0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11", "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a12"];

/// A portal whose project `shop` has a service `web`, a developer `dora` and a guest `gus`; `eve` is a stranger.
struct Scene {
    portal: TestPortal,
    key: StreamKey,
    /// An hour ago, in whole seconds: when the first line was written.
    begin: i64,
}

impl Scene {
    async fn new() -> Self {
        Self::on(TestPortal::start().await).await
    }

    async fn on(portal: TestPortal) -> Self {
        for name in ["dora", "gus", "eve"] {
            portal.new_person(name).await;
        }
        portal.new_project("shop", &[("dora", "developer"), ("gus", "guest")]).await;
        let dora = portal.person("dora");
        let service = dora.post("/api/v1/projects/shop/services", json!({"name": "web"})).await.expect_status(StatusCode::CREATED).await;
        let project = dora.get("/api/v1/projects/shop").await.expect_status(StatusCode::OK).await;
        let environments = portal.person("admin").get("/api/v1/environments").await.expect_status(StatusCode::OK).await;
        let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
        let key = StreamKey {
            project: id(&project).parse::<ProjectId>().expect("an id"),
            service: id(&service).parse::<ServiceId>().expect("an id"),
            environment: id(&environments["items"][0]).parse::<EnvironmentId>().expect("an id"),
        };
        let begin = (portal.platform().now().0 / 1000 - 3600) * 1_000_000_000;
        Self { portal, key, begin }
    }

    fn stream(&self) -> Stream {
        self.portal.platform().logs().expect("logs are kept").stream(self.key).expect("a stream")
    }

    /// A line of the first task, so many milliseconds after the first one.
    fn line(&self, at: i64, text: &str) -> Record {
        let task = TASKS[0].parse().expect("an id");
        Record { at_nanos: self.begin + at * 1_000_000, task, slot: 1, revision: 1, kind: Kind::Stdout, text: text.to_owned(), cut: false }
    }

    /// One of the second task, which runs another revision and complains.
    fn other(&self, at: i64, text: &str) -> Record {
        Record { task: TASKS[1].parse().expect("an id"), slot: 2, revision: 2, kind: Kind::Stderr, ..self.line(at, text) }
    }

    fn append(&self, records: Vec<Record>) {
        append(&self.stream(), records);
    }

    /// A time of the log as a query says it.
    fn at(&self, at: i64) -> String {
        model::time::Millis(self.begin / 1_000_000 + at).rfc3339()
    }

    /// The texts of the lines that a query finds, as JSON lines; those around them with a mark before.
    async fn found(&self, query: &[(&str, &str)]) -> Vec<String> {
        let answer = ask(&self.portal.person("gus"), query).header("accept", "application/x-ndjson").send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let lines = answer.text().await.expect("lines");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        lines.map(|line| format!("{}{}", if line["context"] == true { "~" } else { "" }, line["text"].as_str().expect("a text"))).collect()
    }

    /// What a query is refused with: the status and the problem.
    async fn refused(&self, query: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = ask(&self.portal.person("gus"), query).send().await.expect("an answer");
        (answer.status(), answer.json().await.expect("a problem"))
    }
}

fn append(stream: &Stream, records: Vec<Record>) {
    stream.append(&Batch { records, cursors: Vec::new() }).expect("kept");
}

fn ask(person: &Person, query: &[(&str, &str)]) -> RequestBuilder {
    person.request(Method::GET, LOGS).query(query)
}

/// Some lines of two tasks, mixed, over ten seconds.
fn fill(scene: &Scene) {
    scene.append(vec![
        scene.line(0, "starting up"),
        scene.other(1_000, "error: no database"),
        scene.line(2_000, "listening on :8080"),
        scene.other(3_000, "ERROR again"),
        scene.line(4_000, "GET /index.html 200"),
    ]);
    let gap = Record { kind: Kind::Gap, ..scene.other(5_500, "7 lines are missing: the engine threw them away") };
    scene.append(vec![scene.line(5_000, "GET /login 302"), gap, scene.other(6_000, "giving up"), scene.line(10_000, "bye")]);
}

#[tokio::test]
async fn lines_of_all_tasks_come_in_the_order_of_time_as_text() {
    let scene = Scene::new().await;
    fill(&scene);
    let answer = ask(&scene.portal.person("gus"), &[]).send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let text = answer.text().await.expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 9, "{text}");
    assert_eq!(lines[0], format!("{} 1 stdout starting up", scene.at(0)));
    assert_eq!(lines[1], format!("{} 2 stderr error: no database", scene.at(1_000)));
    assert_eq!(lines[6], format!("{} 2 gap -- 7 lines are missing: the engine threw them away --", scene.at(5_500)));
    assert_eq!(scene.found(&[("tail", "2")]).await, ["giving up", "bye"]);
    assert_eq!(scene.found(&[("tail", "0")]).await, [""; 0]);
    assert_eq!(scene.found(&[("tail", "all")]).await.len(), 9);
}

#[tokio::test]
async fn a_line_of_json_says_where_it_comes_from() {
    let scene = Scene::new().await;
    scene.append(vec![Record { cut: true, ..scene.other(1_234, "half a li") }]);
    let answer = ask(&scene.portal.person("gus"), &[]).header("accept", "application/x-ndjson").send().await.expect("an answer");
    let line: Value = answer.json().await.expect("one line");
    assert!(line["id"].as_str().is_some_and(|id| id.contains('-')), "{line}");
    assert_eq!(line["at"], scene.at(1_234));
    assert_eq!(line["nanos"], (scene.begin + 1_234_000_000).to_string());
    assert_eq!((&line["task"], &line["slot"], &line["revision"]), (&json!(TASKS[1]), &json!(2), &json!(2)), "{line}");
    assert_eq!((&line["stream"], &line["text"], &line["cut"]), (&json!("stderr"), &json!("half a li"), &json!(true)), "{line}");
}

#[tokio::test]
async fn what_a_task_printed_leaves_as_it_was_printed() {
    let scene = Scene::new().await;
    let texts = [
        "<script>alert(1)</script> & \"quotes\"",
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}",
        "\u{4f60}\u{597d} \u{1f980} e\u{301}",
        "a\rb\tc",
        "",
        "  ",
    ];
    scene.append(texts.iter().enumerate().map(|(at, text)| scene.line(at as i64, text)).collect());
    assert_eq!(scene.found(&[]).await, texts);
    let plain = ask(&scene.portal.person("gus"), &[]).send().await.expect("an answer").text().await.expect("text");
    for text in texts {
        assert!(plain.contains(&format!(" stdout {text}\n")), "{text:?} in {plain:?}");
    }
    assert_eq!(scene.found(&[("grep", "\u{1f980}")]).await, [texts[2]], "and is found as it is");
}

#[tokio::test]
async fn lines_are_searched_by_text_and_by_pattern() {
    let scene = Scene::new().await;
    fill(&scene);
    let gap = "7 lines are missing: the engine threw them away";
    // What is missing might have matched: gaps are always told.
    assert_eq!(scene.found(&[("grep", "error")]).await, ["error: no database", gap], "letter by letter, as it always was");
    assert_eq!(scene.found(&[("grep", "error"), ("case", "false")]).await, ["error: no database", "ERROR again", gap]);
    assert_eq!(scene.found(&[("grep", "GET /.* [0-9]+$"), ("regex", "true")]).await, ["GET /index.html 200", "GET /login 302", gap]);
    assert_eq!(scene.found(&[("grep", "GET /.*")]).await, [gap], "a text is no pattern");
    assert_eq!(scene.found(&[("grep", "bye"), ("tail", "1")]).await, ["bye"]);
    let around = scene.found(&[("grep", "listening"), ("context", "1"), ("tail", "all")]).await;
    assert_eq!(around, ["~starting up", "listening on :8080", "~GET /index.html 200", gap], "around it stand lines of the same task");
    let last = scene.found(&[("grep", "listening"), ("context", "1"), ("until", &scene.at(5_000))]).await;
    assert_eq!(last, ["~starting up", "listening on :8080", "~GET /index.html 200"]);
}

#[tokio::test]
async fn lines_are_chosen_by_task_revision_stream_and_time() {
    let scene = Scene::new().await;
    fill(&scene);
    let own = ["starting up", "listening on :8080", "GET /index.html 200", "GET /login 302", "bye"];
    assert_eq!(scene.found(&[("task", TASKS[0])]).await, own, "a task whose container is gone keeps its lines");
    assert_eq!(scene.found(&[("slot", "1")]).await, own);
    assert_eq!(scene.found(&[("revision", "1")]).await, own, "so does a revision that was replaced");
    assert_eq!(scene.found(&[("stream", "stderr")]).await.len(), 4, "three lines, and the gap");
    assert_eq!(scene.found(&[("stream", "stdout"), ("since", &scene.at(4_000)), ("until", &scene.at(5_000))]).await, ["GET /index.html 200"]);
    let seconds = format!("{}", scene.begin / 1_000_000_000 + 6);
    assert_eq!(scene.found(&[("since", &seconds)]).await, ["giving up", "bye"]);
    assert_eq!(scene.found(&[("since", "30m")]).await, [""; 0]);
    assert_eq!(scene.found(&[("since", "3h"), ("tail", "1")]).await, ["bye"]);
    assert_eq!(scene.found(&[("environment", "local"), ("tail", "1")]).await, ["bye"]);
}

#[tokio::test]
async fn a_task_of_another_service_is_not_found_in_this_ones_log() {
    const FOREIGN: &str = "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a13";
    let scene = Scene::new().await;
    fill(&scene);
    let dora = scene.portal.person("dora");
    let other = dora.post("/api/v1/projects/shop/services", json!({"name": "other"})).await.expect_status(StatusCode::CREATED).await;
    let service: ServiceId = other["id"].as_str().expect("an id").parse().expect("an id");
    let store = scene.portal.platform().logs().expect("logs are kept");
    let stream = store.stream(StreamKey { service, ..scene.key }).expect("a stream");
    append(&stream, vec![Record { task: FOREIGN.parse().expect("an id"), ..scene.line(7_000, "said in the other") }]);
    let own = dora.get(&format!("/api/v1/projects/shop/services/other/logs?task={FOREIGN}")).await.expect_status(StatusCode::OK).await;
    assert!(own.to_string().contains("said in the other"), "{own}");
    for more in [("tail", "10"), ("tail", "all"), ("grep", "said"), ("download", "true")] {
        assert_eq!(scene.found(&[("task", FOREIGN), more]).await, [""; 0], "{more:?}");
    }
    let gus = scene.portal.browser("gus").await;
    let page = shown(&gus, &[("filter[task]", FOREIGN)]).await;
    assert_eq!(texts(&page), [""; 0], "{page}");
    let path = format!("{PAGES}/stream?follow=false&task={FOREIGN}");
    let text = gus.open(&path).await.text().await.expect("events");
    assert!(text.contains("event: done") && !text.contains("said in the other"), "{text}");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named_with_what_would_be_right() {
    let scene = Scene::new().await;
    fill(&scene);
    let long = "x".repeat(1001);
    for (field, value, right) in [
        ("tail", "10001", "10000"),
        ("tail", "some", "all"),
        ("since", "yesterday", "10m"),
        ("until", "soon", "10m"),
        ("context", "51", "50"),
        ("grep", long.as_str(), "1000"),
        ("after", "x", "7-120"),
        ("task", "web.1", "id"),
        ("revision", "v1", "number"),
        ("stream", "both", "stdout"),
        ("environment", "nowhere", "local"),
    ] {
        let (status, problem) = scene.refused(&[(field, value)]).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{problem}");
        assert!(problem["errors"][0]["message"].as_str().is_some_and(|message| message.contains(right)), "{problem}");
    }
    let (status, problem) = scene.refused(&[("grep", "ü[z-a]"), ("regex", "true")]).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("grep")), "{problem}");
    let told = problem["errors"][0]["message"].as_str().expect("a message");
    assert!(told.contains("invalid character class range") && told.contains("character 3"), "what is wrong, and where: {told}");
}

#[tokio::test]
async fn who_may_see_the_service_reads_its_logs_and_nobody_else() {
    let scene = Scene::new().await;
    fill(&scene);
    for (name, status) in [("gus", 200), ("dora", 200), ("admin", 200), ("eve", 404)] {
        assert_eq!(scene.portal.person(name).get(LOGS).await.status().as_u16(), status, "{name}");
        let browser = scene.portal.browser(name).await;
        for door in ["stream?follow=false", "download"] {
            assert_eq!(browser.open(&format!("{PAGES}/{door}")).await.status().as_u16(), status, "{name} at {door}");
        }
        let page = page(&browser, &[]).await;
        assert_eq!(page.status().as_u16(), status, "{name}");
        assert_eq!(page.text().await.expect("text").contains("giving up"), status == 200, "{name}");
    }
    assert_eq!(scene.portal.nobody().get(LOGS).await.status(), StatusCode::UNAUTHORIZED);
}

/// Asks the page's server function.
async fn page(browser: &Browser, fields: &[(&str, &str)]) -> Response {
    let mut all = vec![("project", "shop"), ("service", "web")];
    all.extend(fields);
    browser.form("/fn/logs/page", &all).await
}

async fn shown(browser: &Browser, fields: &[(&str, &str)]) -> Value {
    let answer = page(browser, fields).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.expect("a page")
}

fn texts(page: &Value) -> Vec<&str> {
    page["lines"].as_array().expect("lines").iter().map(|line| line["text"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn a_page_shows_lines_around_a_place_and_leads_to_those_before_and_behind() {
    let scene = Scene::new().await;
    let gus = scene.portal.browser("gus").await;
    let empty = shown(&gus, &[]).await;
    assert_eq!((texts(&empty).len(), &empty["older"], &empty["oldest"]), (0, &json!(false), &Value::Null), "{empty}");
    scene.append((0..1000).map(|at| scene.line(at * 1000, &format!("line {at}"))).collect());
    scene.portal.platform().set_logs_problem(Some("the engine of local is away".into()));
    let last = shown(&gus, &[]).await;
    let lines = texts(&last);
    assert_eq!((lines.len(), lines[0], lines[299]), (300, "line 700", "line 999"));
    assert_eq!((&last["older"], &last["newer"]), (&json!(true), &json!(false)));
    assert_eq!(last["oldest"], scene.begin / 1_000_000);
    assert!(last["bytes_kept"].as_u64().is_some_and(|bytes| bytes > 0), "{}", last["bytes_kept"]);
    assert_eq!(last["end"], last["lines"][299]["id"]);
    assert_eq!(last["collecting"], "the engine of local is away");

    let first = last["lines"][0]["id"].as_str().expect("an id");
    let before = shown(&gus, &[("before", first)]).await;
    assert_eq!((texts(&before)[0], texts(&before)[299]), ("line 400", "line 699"), "nothing twice, nothing left out");
    assert_eq!((&before["older"], &before["newer"]), (&json!(true), &json!(true)));
    let after = shown(&gus, &[("after", before["lines"][299]["id"].as_str().expect("an id"))]).await;
    assert_eq!(texts(&after), lines);
    assert_eq!(after["newer"], false);

    let at = shown(&gus, &[("at", &scene.at(50_000))]).await;
    assert_eq!((texts(&at)[0], texts(&at).len(), &at["older"], &at["newer"]), ("line 50", 300, &json!(true), &json!(true)));
    let around = shown(&gus, &[("at", at["lines"][0]["id"].as_str().expect("an id"))]).await;
    assert_eq!((texts(&around)[0], texts(&around).last()), ("line 0", Some(&"line 200")), "before, the line itself, and behind");
    assert_eq!(around["older"], false);
    let searched = shown(&gus, &[("filter[grep]", "LINE 99"), ("filter[slot]", "1")]).await;
    assert_eq!(texts(&searched).len(), 11, "a page looks for words whatever their capitals");
    let heeded = shown(&gus, &[("filter[grep]", "LINE 99"), ("filter[case]", "true")]).await;
    assert_eq!((texts(&heeded).len(), &heeded["end"]), (0, &last["end"]), "who follows goes on behind what was looked at");
}
